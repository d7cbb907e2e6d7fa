"""Assessors: how far they agree, which questions they skip, and whether they rate everything alike."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, String, and_, case, cast, func, literal_column, or_, select, type_coerce

from app.db import Transaction
from app.files.columns import Column, Value
from app.insights.assessed import Assessed, AssessedSession, Pairs
from app.insights.conclusion_schemas import (
    AssessorsExcluded,
    AssessorsOut,
    AssessorsPart,
    PairAgreement,
    PersonRatings,
    QuestionAgreement,
    SkippedQuestion,
    StraightLining,
)
from app.insights.estimates import columns_of, estimate_of, values_of
from app.insights.habits import Habit, habit_of_all, habits_of, skipping, straight_lining
from app.insights.queries import FROZEN, OUTCOME, PROSPECT, SESSION, TABLES, segment_clauses, session_clauses
from app.insights.report import Persons, Reading, Table, persons_shown
from app.insights.schemas import Estimate, InsightFilter
from app.insights.statistics.agreement import alpha_of_groups, kappa_of_groups
from app.insights.statistics.estimate import Floats
from app.insights.words import count_in_words
from app.scoring import Question
from app.sessions.queries import SetFilter
from app.sessions.session_edit import start_of

ANSWER = TABLES["answer"]
MINIMUM_ESTABLISHED = 30
MAX_PAIRS = 20
# From RELIABLE on, agreement is reliable; from TENTATIVE on, it allows tentative conclusions (Krippendorff
# 2004, "Reliability in content analysis").
RELIABLE, TENTATIVE = 0.8, 0.667


@dataclass(frozen=True, slots=True)
class Assessors:
    """What the report is computed from. `versions` has the questions of each version, oldest first."""

    question_set: str
    sessions: list[AssessedSession]
    without_assessor: int
    versions: Mapping[int, Mapping[str, Question]]
    gated: frozenset[str]
    with_hindsight: bool
    persons: Persons


def read(reading: Reading) -> Assessors:
    """Read the sessions with an assessor. Raises INVALID_REQUEST for an unknown question set."""
    tx, filters = reading.tx, reading.filters
    question_set = reading.plans.find_filter(tx, filters.question_set, "query")
    clauses = _clauses(tx, filters, question_set)
    sessions = _assessed_sessions(tx, clauses)
    key, _ = reading.plans.parse_name(filters.question_set, "query")
    plans = [reading.plans.find(tx, f"{key}@{version}") for version in sorted({s.version for s in sessions})]
    return Assessors(
        filters.question_set,
        sessions,
        _count_without_assessor(tx, clauses),
        {plan.version: plan.questions for plan in plans},
        frozenset(question for plan in plans for question in plan.gated),
        filters.hindsight == "include",
        persons_shown(reading.caller),
    )


def _clauses(
    tx: Transaction, filters: InsightFilter, question_set: SetFilter | None
) -> list[ColumnElement[bool]]:
    """Return the conditions on WITH_ATTRIBUTES for the sessions that match the filters."""
    is_frozen = FROZEN.c.session_id.is_not(None)
    then = and_(is_frozen, *segment_clauses(tx, filters, FROZEN.c.attributes))
    now = and_(~is_frozen, *segment_clauses(tx, filters, PROSPECT.c.attributes))
    clauses = [*session_clauses(filters, question_set), or_(then, now)]
    if filters.since:
        clauses.append(SESSION.c.answered_at >= start_of(filters.since))
    if filters.before:
        clauses.append(SESSION.c.answered_at < start_of(filters.before))
    return clauses


# A session without an outcome has the attributes that its prospect has now.
WITH_ATTRIBUTES = SESSION.join(PROSPECT, PROSPECT.c.id == SESSION.c.prospect_id).outerjoin(
    FROZEN, FROZEN.c.session_id == SESSION.c.id
)
IS_HINDSIGHT = select(OUTCOME.c.id).where(OUTCOME.c.session_id == SESSION.c.id, OUTCOME.c.hindsight).exists()
ANSWER_TEXT = (
    ANSWER.c.question
    + ":"
    + case((ANSWER.c.state == "rated", cast(ANSWER.c.rating, String)), else_=ANSWER.c.state)
)


def _assessed_sessions(tx: Transaction, clauses: Iterable[ColumnElement[bool]]) -> list[AssessedSession]:
    """Return the sessions with an assessor and answers, in the order in which they were created."""
    statement = (
        select(
            # As the driver returns it: creating a UUID for every row takes long.
            type_coerce(SESSION.c.prospect_id, String()),
            *(SESSION.c[name] for name in ("deal", "assessor", "version", "coverage")),
            IS_HINDSIGHT,
            func.aggregate_strings(ANSWER_TEXT, ","),
        )
        .select_from(WITH_ATTRIBUTES.join(ANSWER, ANSWER.c.session_id == SESSION.c.id))
        # A literal, because with a parameter the databases do not use the partial index.
        .where(SESSION.c.assessor != literal_column("''"), ANSWER.c.state != "open", *clauses)
        .group_by(SESSION.c.id)
        .order_by(SESSION.c.id)
    )
    return [AssessedSession(*row) for row in tx.db.execute(statement)]


def _count_without_assessor(tx: Transaction, clauses: Iterable[ColumnElement[bool]]) -> int:
    statement = select(func.count()).select_from(WITH_ATTRIBUTES).where(SESSION.c.assessor == "", *clauses)
    return int(tx.db.execute(statement).scalar_one())


def compute(assessors: Assessors) -> AssessorsOut:
    """Compute the report."""
    of_report = [one for one in assessors.sessions if not one.hindsight]
    in_hindsight = [one for one in assessors.sessions if one.hindsight]
    return AssessorsOut(
        **dict(_part(of_report, assessors)),
        question_set=assessors.question_set,
        excluded=AssessorsExcluded(without_assessor=assessors.without_assessor, hindsight=len(in_hindsight)),
        hindsight=_part(in_hindsight, assessors) if assessors.with_hindsight else None,
    )


def _part(sessions: Sequence[AssessedSession], assessors: Assessors) -> AssessorsPart:
    questions = {
        key: question for version in assessors.versions.values() for key, question in version.items()
    }
    versions = {number: list(version) for number, version in assessors.versions.items()}
    assessed = Assessed.of(sessions, versions, list(questions))
    pairs = Pairs.of(assessed)
    lines = straight_lining(assessed)
    straight, of_all = habits_of(assessed, *lines), habit_of_all(assessed, *lines)
    skips = {
        column: habits_of(assessed, *skipping(assessed, column))
        for column, question in enumerate(questions.values())
        if _can_be_skipped(question, assessors.gated)
    }
    asked = list(questions.values())
    part = AssessorsPart(
        summary="",
        preliminary=pairs.prospects < MINIMUM_ESTABLISHED,
        sessions=len(sessions),
        assessors=len(assessed.names),
        compared=pairs.deals,
        prospects=pairs.prospects,
        alpha=_alpha(assessed, pairs, range(len(asked))),
        questions=[_question(assessed, pairs, column, one, skips) for column, one in enumerate(asked)],
        straight_lining=_straight_lining(of_all),
        straight_liners=sum(habit.is_usual for habit in straight),
        pairs=_most_in_common(assessed, pairs) if assessors.persons.everyone else None,
        persons=None
        if assessors.persons.nobody
        else [
            _person(assessed, pairs, number, straight[number], asked, skips)
            for number, name in enumerate(assessed.names)
            if assessors.persons.include(name)
        ],
    )
    return part.model_copy(update={"summary": _summary(part)})


def _can_be_skipped(question: Question, gated: Container[str]) -> bool:
    """Whether a person has to answer a question: no rule answers it, and it is asked in every session."""
    return question.key not in gated and question.rate_from is None and not question.ask_when


def _alpha(assessed: Assessed, pairs: Pairs, columns: Iterable[int]) -> Estimate | None:
    """Return Krippendorff's alpha of the ratings of some questions."""
    rated = {column: pairs.both_rated(assessed, column) for column in columns}
    deals = pairs.deals_of_prospect(np.any([*rated.values(), np.zeros(len(pairs.first), bool)], axis=0))
    coincidences = pairs.no_tables(assessed)
    for column, both in rated.items():
        coincidences += pairs.tables(assessed, column, 1 / pairs.others(both) / deals)
    return estimate_of(alpha_of_groups(_filled(coincidences)))


def _kappa(assessed: Assessed, pairs: Pairs) -> Estimate | None:
    """Return Cohen's kappa of the ratings of all questions by the first and by the second of each pair."""
    weights = 1 / np.bincount(pairs.prospect)[pairs.prospect]
    tables = pairs.no_tables(assessed)
    for column in range(assessed.codes.shape[1]):
        tables += pairs.tables(assessed, column, weights)
    return estimate_of(kappa_of_groups(_filled(tables), assessed.values.astype(np.float64)))


def _filled(tables: Floats) -> Floats:
    """Return the tables of the groups that have ratings."""
    filled: Floats = tables[tables.sum(axis=(1, 2)) > 0]
    return filled


def _question(
    assessed: Assessed, pairs: Pairs, column: int, question: Question, skips: Mapping[int, Sequence[Habit]]
) -> QuestionAgreement:
    skipped = habit_of_all(assessed, *skipping(assessed, column)) if column in skips else None
    return QuestionAgreement(
        question=question.key,
        label=question.label,
        compared=len(np.unique(pairs.group[pairs.both_rated(assessed, column)])),
        alpha=_alpha(assessed, pairs, [column]),
        asked=skipped and skipped.cases,
        skipped=skipped and skipped.hits,
        skipped_share=skipped and skipped.share,
        usually_skipped_by=sum(one.is_usual for one in skips[column]) if skipped else None,
    )


def _person(
    assessed: Assessed,
    pairs: Pairs,
    number: int,
    straight: Habit,
    questions: Sequence[Question],
    skips: Mapping[int, Sequence[Habit]],
) -> PersonRatings:
    own = assessed.assessor == number
    return PersonRatings(
        person=assessed.names[number],
        sessions=int(own.sum()),
        ratings=int(assessed.is_rated[own].sum()),
        kappa=_kappa(assessed, pairs.only(assessed.assessor[pairs.first] == number)),
        straight_lining=_straight_lining(straight),
        usually_straight_lines=straight.is_usual,
        usually_skips=[
            SkippedQuestion(
                question=questions[column].key,
                label=questions[column].label,
                asked=habits[number].cases,
                skipped=habits[number].hits,
                share=habits[number].share,
            )
            for column, habits in skips.items()
            if habits[number].is_usual
        ],
    )


def _straight_lining(habit: Habit) -> StraightLining:
    return StraightLining(sessions=habit.cases, straight_lined=habit.hits, share=habit.share)


def _most_in_common(assessed: Assessed, pairs: Pairs) -> list[PairAgreement]:
    """Return the agreement of the pairs of assessors with the most ratings in common."""
    first, second = assessed.assessor[pairs.first], assessed.assessor[pairs.second]
    pair = np.where(first < second, first * len(assessed.names) + second, -1)
    in_common = (assessed.is_rated[pairs.first] & assessed.is_rated[pairs.second]).sum(axis=1)
    found, place = np.unique(pair, return_inverse=True)
    ratings = np.bincount(place, in_common, len(found)).astype(np.int64)
    most = sorted(zip(found.tolist(), ratings.tolist(), strict=True), key=lambda one: (-one[1], one[0]))
    agreements = []
    for number, count in [one for one in most if one[0] >= 0 and one[1]][:MAX_PAIRS]:
        own = pairs.only((pair == number) & (in_common > 0))
        names = [assessed.names[place] for place in divmod(number, len(assessed.names))]
        agreement = PairAgreement(
            assessors=names, deals=own.deals, ratings=count, kappa=_kappa(assessed, own)
        )
        agreements.append(agreement)
    return agreements


def _summary(figures: AssessorsPart) -> str:
    if not figures.sessions:
        return "No session with answers names its assessor, so there is nothing to compare."
    who = count_in_words(figures.assessors, "assessor", "assessors")
    if not figures.compared:
        sessions = count_in_words(figures.sessions, "session", "sessions")
        sentence = f"{who} rated {sessions}, but no deal has ratings by several assessors on the same version"
    elif figures.alpha is None:
        prospects = count_in_words(figures.prospects, "prospect", "prospects")
        sentence = (
            f"Several assessors rated {prospects}: too few, or too much alike, to measure how far they agree"
        )
    else:
        deals = count_in_words(figures.compared, "deal", "deals")
        alpha = figures.alpha
        sentence = (
            f"On {deals} that several assessors rated, {_agreement(alpha)}: "
            f"alpha is {alpha.estimate:.2f} ({alpha.low:.2f} to {alpha.high:.2f}), where 1 is perfect"
        )
    return " ".join([f"{sentence}.", *_least_agreed(figures), *_straight_liners(figures)])


def _agreement(alpha: Estimate) -> str:
    if alpha.low >= RELIABLE:
        return "they agree well"
    if alpha.low <= 0:
        return "it is not certain that they agree more than by chance"
    if alpha.high < TENTATIVE:
        return "they agree too little for one person's rating to stand for all"
    return "they agree to some extent"


def _least_agreed(figures: AssessorsPart) -> Iterator[str]:
    measured = [(one.alpha.estimate, one.label) for one in figures.questions if one.alpha]
    if len(measured) > 1 and min(measured)[0] < RELIABLE:
        yield f"They agree least on {min(measured)[1]}."


def _straight_liners(figures: AssessorsPart) -> Iterator[str]:
    if figures.straight_liners:
        who = count_in_words(figures.straight_liners, "assessor usually gives", "assessors usually give")
        yield f"{who} nearly all questions the same rating."


COLUMNS = (
    *(Column(name) for name in ("question", "label")),
    Column("compared", "integer"),
    *columns_of("alpha"),
    *(Column(name, "integer") for name in ("asked", "skipped")),
    *columns_of("skipped_share"),
    Column("usually_skipped_by", "integer"),
    Column("hindsight", "boolean"),
)


def table(report: AssessorsOut) -> Table:
    """Return the table of the report: a row for all questions together, and then one for each question."""
    rows = list(_rows(report, hindsight=False))
    if report.hindsight:
        rows += _rows(report.hindsight, hindsight=True)
    return Table(COLUMNS, rows)


def _rows(figures: AssessorsPart, *, hindsight: bool) -> Iterator[list[Value]]:
    nothing = [None] * len(COLUMNS[6:-1])
    yield [None, "all questions", figures.compared, *values_of(figures.alpha), *nothing, hindsight]
    for one in figures.questions:
        yield [
            *(one.question, one.label, one.compared, *values_of(one.alpha), one.asked, one.skipped),
            *(*values_of(one.skipped_share), one.usually_skipped_by, hindsight),
        ]
