"""The sessions that a report is about, read with few columns and without ORM objects."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    Text,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlmodel import SQLModel

from app.db import Transaction
from app.insights.schemas import Excluded, InsightFilter, ReportFilter
from app.scoring import folded
from app.sessions.queries import SetFilter
from app.sessions.session_edit import start_of
from app.strict_json import read_json

TABLES = SQLModel.metadata.tables
SESSION = TABLES["session"]
PROSPECT = TABLES["prospect"]
OUTCOME = TABLES["outcome"]
FROZEN = TABLES["frozen_verdict"]
_LATER = OUTCOME.alias("later_outcome")
# The sessions with an outcome: the session, its frozen verdict, and its last outcome, which is the one that
# counts.
CONCLUDED: FromClause = SESSION.join(FROZEN, FROZEN.c.session_id == SESSION.c.id).join(
    OUTCOME,
    and_(
        OUTCOME.c.session_id == SESSION.c.id,
        ~select(_LATER.c.id)
        .where(_LATER.c.session_id == OUTCOME.c.session_id, _LATER.c.revision > OUTCOME.c.revision)
        .exists(),
    ),
)
SELECT_NEWEST_OUTCOME = select(OUTCOME.c.id).order_by(OUTCOME.c.id.desc()).limit(1)
IS_DECIDED = OUTCOME.c.outcome.in_(("won", "lost"))
# A knocked-out session has no score, but its verdict is known.
IS_SCORED = or_(FROZEN.c.knocked_out, FROZEN.c.score.is_not(None))
# A comparison with the NULL of no decision would be a third group beside true and false.
IS_GIVEN_UP = or_(
    SESSION.c.status == "closed", func.coalesce(SESSION.c.decision, "").in_(("nurture", "disqualify"))
)


class ConcludedSession(NamedTuple):
    """One won or lost session with the verdict that counts.

    `session` and `prospect` are ids as the driver returns them: creating a UUID for every row takes long.
    `score` is 0..100, None if the session was knocked out or if the score was not reportable. `day` is the
    day on which the deal closed or, if it is not known, on which the outcome was recorded. `ratings` has the
    `rating_codes` of the questions of the version.
    """

    session: UUID | str
    prospect: UUID | str
    version: int
    won: bool
    score: float | None
    knocked_out: bool
    hindsight: bool
    closed_on: date | None
    recorded_at: datetime
    opened_at: datetime
    ratings: str

    @property
    def day(self) -> date:
        """The day that the filters `since` and `before` compare."""
        return self.closed_on or self.recorded_at.date()

    @property
    def closed_before_opening(self) -> bool:
        """Whether the deal closed before its session was opened."""
        return self.closed_on is not None and self.closed_on < self.opened_at.date()


def concluded_sessions(
    tx: Transaction, filters: InsightFilter, question_set: SetFilter | None, *, with_ratings: bool = False
) -> list[ConcludedSession]:
    """Return the won and lost sessions that match the filters, in no particular order.

    Those with hindsight are among them if the filters include them. Without `with_ratings`, `ratings` is
    empty.
    """
    statement = (
        select(
            type_coerce(SESSION.c.id, String()),
            type_coerce(SESSION.c.prospect_id, String()),
            SESSION.c.version,
            OUTCOME.c.outcome == "won",
            FROZEN.c.score,
            FROZEN.c.knocked_out,
            OUTCOME.c.hindsight,
            OUTCOME.c.closed_on,
            OUTCOME.c.recorded_at,
            SESSION.c.opened_at,
            FROZEN.c.ratings if with_ratings else literal("").label("ratings"),
        )
        .select_from(CONCLUDED)
        .where(IS_DECIDED, *concluded_clauses(tx, filters, question_set))
    )
    return [ConcludedSession(*row) for row in tx.db.execute(statement)]


def newest_outcome(tx: Transaction) -> UUID | None:
    """Return the id of the newest outcome; None if there is none."""
    newest: UUID | None = tx.db.execute(SELECT_NEWEST_OUTCOME).scalar()
    return newest


def concluded_clauses(
    tx: Transaction, filters: InsightFilter, question_set: SetFilter | None
) -> list[ColumnElement[bool]]:
    """Return the conditions on CONCLUDED for the sessions that match every filter."""
    clauses = list(session_clauses(filters, question_set))
    if filters.since:
        clauses.append(
            or_(
                OUTCOME.c.closed_on >= filters.since,
                and_(OUTCOME.c.closed_on.is_(None), OUTCOME.c.recorded_at >= start_of(filters.since)),
            )
        )
    if filters.before:
        clauses.append(
            or_(
                OUTCOME.c.closed_on < filters.before,
                and_(OUTCOME.c.closed_on.is_(None), OUTCOME.c.recorded_at < start_of(filters.before)),
            )
        )
    if filters.hindsight == "exclude":
        clauses.append(~OUTCOME.c.hindsight)
    return [*clauses, *segment_clauses(tx, filters, FROZEN.c.attributes)]


def count_excluded(tx: Transaction, filters: InsightFilter, question_set: SetFilter | None) -> Excluded:
    """Count the sessions that match the filters and are not among the won and lost ones."""
    with_hindsight = filters.model_copy(update={"hindsight": "include"})
    statement = (
        select(OUTCOME.c.outcome, OUTCOME.c.hindsight, IS_SCORED, func.count())
        .select_from(CONCLUDED)
        .where(*concluded_clauses(tx, with_hindsight, question_set))
        .group_by(OUTCOME.c.outcome, OUTCOME.c.hindsight, IS_SCORED)
    )
    counts = dict.fromkeys(Excluded.model_fields, 0)
    for outcome, hindsight, is_scored, count in tx.db.execute(statement):
        if outcome == "no_decision":
            counts["no_decision"] += count
        elif hindsight:
            counts["hindsight"] += count
        elif not is_scored:
            counts["not_scored"] += count
    return Excluded(**counts | _unconcluded(tx, filters, question_set))


def _unconcluded(tx: Transaction, filters: InsightFilter, question_set: SetFilter | None) -> dict[str, int]:
    """Count the sessions without an outcome, by the field of `Excluded`."""
    clauses = list(session_clauses(filters, question_set))
    if filters.since:
        clauses.append(SESSION.c.updated_at >= start_of(filters.since))
    if filters.before:
        clauses.append(SESSION.c.opened_at < start_of(filters.before))
    statement = (
        select(IS_GIVEN_UP, func.count())
        .select_from(SESSION.join(PROSPECT, PROSPECT.c.id == SESSION.c.prospect_id))
        .where(SESSION.c.outcome.is_(None), *clauses, *segment_clauses(tx, filters, PROSPECT.c.attributes))
        .group_by(IS_GIVEN_UP)
    )
    return {"not_pursued" if given_up else "open": count for given_up, count in tx.db.execute(statement)}


def session_clauses(filters: InsightFilter, question_set: SetFilter | None) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on the question set and the assessor. Without a set, only prospects count."""
    if question_set is None:
        yield SESSION.c.subject == "prospect"
    else:
        key, version = question_set
        yield SESSION.c.question_set == key
        if version is not None:
            yield SESSION.c.version == version
    if filters.assessor is not None:
        yield SESSION.c.assessor == filters.assessor


def segment_clauses(
    tx: Transaction, filters: ReportFilter, attributes: ColumnElement[Any]
) -> list[ColumnElement[bool]]:
    """Return the conditions for attributes that have the values of every segment.

    `attributes` is a column of JSON objects. A text is compared as conditions of question sets compare it, a
    number by its value, and a boolean as true or false.
    """
    clauses: list[ColumnElement[bool]] = []
    for name, value in filters.segments:
        text = attribute_text(attributes, name)
        stored = tx.db.execute(select(text).where(text.is_not(None)).distinct()).scalars()
        clauses.append(text.in_([one for one in stored if _has_value(one, value)]))
    return clauses


def attribute_text(attributes: ColumnElement[Any], name: str) -> ColumnElement[str]:
    """Return the value of an attribute in a column of JSON objects, as JSON; null or "null" without it.

    Indexing the column would lose the difference between true and 1 in SQLite.
    """
    return cast(attributes.op("->")(name), Text)


def attribute_value(text: str | None) -> str | float | bool | None:
    """Return the value that an `attribute_text` stands for."""
    value: str | float | bool | None = None if text is None else read_json(text.encode())
    return value


def _has_value(text: str, wanted: str) -> bool:
    value = attribute_value(text)
    if isinstance(value, str):
        return folded(value) == folded(wanted)
    if isinstance(value, bool):
        return folded(wanted) == str(value).lower()
    try:
        return value is not None and value == float(wanted)
    except ValueError:
        return False
