"""A database whose clock the tests turn, filled by the functions that write, without a server."""

from datetime import UTC, datetime, timedelta

from app.db import open_database
from app.insights.report import Reading
from app.insights.reports import catalogue
from app.main import prepare_database
from app.prospects import service as prospects
from app.prospects.schemas import NewProspect
from app.question_sets import service as question_sets
from app.question_sets.plans import Plans
from app.scoring import read_question_set
from app.sessions import service as sessions
from app.sessions.requests import AnswersPatch, MoveRequest, NewSession, OutcomeIn
from app.sessions.session_edit import UnitOfWork

FIRST_DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Books:
    """Writes at noon of the day that the clock shows; day 0 is 2026-01-01."""

    def __init__(self, settings):
        self.now = FIRST_DAY
        self.database = open_database(settings, clock=lambda: self.now)
        prepare_database(self.database, settings)
        self.plans = Plans(self.database, "bant")

    def on_day(self, number):
        self.now = FIRST_DAY + timedelta(days=number)
        return self.now.date()

    def write(self, work, *arguments):
        return self.database.write_sync(lambda tx: work(UnitOfWork(tx, self.plans, "test"), *arguments))

    def publish(self, definition):
        question_set = read_question_set(definition)
        self.database.write_sync(lambda tx: question_sets.publish(tx, question_set))

    def retire(self, key, version):
        self.database.write_sync(lambda tx: question_sets.retire(tx, key, version))

    def prospect(self, name, **attributes):
        new = NewProspect(name=name, attributes=attributes)
        return self.database.write_sync(lambda tx: prospects.create(tx, new, "test").id)

    def open(self, prospect, question_set, **sent):
        request = NewSession(prospect_id=prospect, question_set=question_set, **sent)
        return self.write(sessions.open_session, request)["session_id"]

    def answer(self, session, **sent):
        self.write(sessions.record_session_answers, session, AnswersPatch(**sent))

    def conclude(self, session, outcome="won", **sent):
        self.write(sessions.record_session_outcome, session, OutcomeIn(outcome=outcome, **sent))

    def move(self, session, question_set):
        self.write(sessions.move_session, session, MoveRequest(question_set=question_set))

    def report(self, name, filters):
        report = catalogue().reports[name]
        return report.compute(
            self.database.read_sync(lambda tx: report.read(Reading(tx, self.plans, filters)))
        )

    def table(self, name, filters):
        columns, rows = catalogue().reports[name].table(self.report(name, filters))
        return [dict(zip([column.name for column in columns], row, strict=True)) for row in rows]
