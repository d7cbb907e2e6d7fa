"""Decisions: how they compare with the indications that people saw."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, String, and_, func, select, type_coerce

from app.db import Transaction
from app.files.columns import Column, Value
from app.insights.conclusion_schemas import (
    DecisionCell,
    DecisionDirection,
    DecisionsExcluded,
    DecisionsOut,
    DecisionsPart,
    Direction,
    PersonDecisions,
)
from app.insights.estimates import columns_of, values_of
from app.insights.queries import OUTCOME, SESSION, TABLES, segment_clauses, session_clauses
from app.insights.report import Persons, Reading, Table, persons_shown
from app.insights.schemas import Estimate, InsightFilter
from app.insights.shares import NO_OUTCOME, OUTCOMES, in_words, numbered, share, win_rate, win_rate_bounds
from app.insights.statistics.estimate import Integers
from app.insights.words import count_in_words, sessions_in_words
from app.scoring import Indication
from app.sessions.queries import SetFilter
from app.sessions.session_edit import start_of
from app.sessions.tables import DecisionWord

DECISION = TABLES["decision"]
REVISION = TABLES["session_revision"]
_LATER = DECISION.alias("later_decision")
# The indication that suggests each decision, from the most cautious to the boldest.
SUGGESTED_BY: Mapping[str, str] = {"disqualify": "no_fit", "nurture": "mixed", "pursue": "fit"}
BOLDNESS: Mapping[str | None, int] = {
    word: boldness for boldness, pair in enumerate(SUGGESTED_BY.items()) for word in pair
}
INDICATIONS: Sequence[Indication | None] = (*get_args(Indication), None)
DECISIONS: Sequence[DecisionWord] = get_args(DecisionWord)
DIRECTIONS: Sequence[Direction] = get_args(Direction)
MINIMUM_ESTABLISHED = 100


class Decided(NamedTuple):
    """The last decision on a session.

    `session` and `prospect` are ids as the driver returns them. `indication` is that of the revision that the
    person saw. `outcome` is the last one of the session, if it has one. `hindsight` says that the first
    outcome was recorded by then.
    """

    session: UUID | str
    prospect: UUID | str
    indication: str | None
    decision: str
    person: str
    outcome: str | None
    hindsight: bool


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the report is computed from."""

    question_set: str | None
    decided: list[Decided]
    superseded: int
    with_hindsight: bool
    persons: Persons


def read(reading: Reading) -> Decisions:
    """Read the decisions. Raises INVALID_REQUEST for an unknown question set."""
    tx, filters = reading.tx, reading.filters
    question_set = reading.plans.find_filter(tx, filters.question_set, "query")
    clauses = _clauses(tx, filters, question_set)
    return Decisions(
        filters.question_set,
        _last_decisions(tx, clauses),
        _count_superseded(tx, clauses),
        filters.hindsight == "include",
        persons_shown(reading.caller),
    )


def _clauses(
    tx: Transaction, filters: InsightFilter, question_set: SetFilter | None
) -> list[ColumnElement[bool]]:
    clauses = [
        DECISION.c.session_id == SESSION.c.id,
        *session_clauses(filters, question_set),
        *segment_clauses(tx, filters, DECISION.c.attributes),
    ]
    if filters.since:
        clauses.append(DECISION.c.decided_at >= start_of(filters.since))
    if filters.before:
        clauses.append(DECISION.c.decided_at < start_of(filters.before))
    return clauses


IS_SUPERSEDED = (
    select(_LATER.c.id)
    .where(_LATER.c.session_id == DECISION.c.session_id, _LATER.c.revision > DECISION.c.revision)
    .exists()
)
IS_HINDSIGHT = (
    select(OUTCOME.c.id)
    .where(OUTCOME.c.session_id == DECISION.c.session_id, OUTCOME.c.recorded_at <= DECISION.c.decided_at)
    .exists()
)


def _last_decisions(tx: Transaction, clauses: Iterable[ColumnElement[bool]]) -> list[Decided]:
    statement = select(
        type_coerce(SESSION.c.id, String()),
        type_coerce(SESSION.c.prospect_id, String()),
        REVISION.c.verdict["indication"].as_string(),
        DECISION.c.decision,
        DECISION.c.actor,
        SESSION.c.outcome,
        IS_HINDSIGHT,
    ).where(
        and_(REVISION.c.session_id == DECISION.c.session_id, REVISION.c.revision == DECISION.c.revision),
        ~IS_SUPERSEDED,
        *clauses,
    )
    return [Decided(*row) for row in tx.db.execute(statement)]


def _count_superseded(tx: Transaction, clauses: Iterable[ColumnElement[bool]]) -> int:
    statement = select(func.count()).select_from(DECISION).where(IS_SUPERSEDED, *clauses)
    return int(tx.db.execute(statement).scalar_one())


def direction_of(indication: str | None, decision: str) -> Direction | None:
    """Return how a decision differs from what an indication suggests; None if it suggests none."""
    suggested = BOLDNESS.get(indication)
    if suggested is None:
        return None
    difference = BOLDNESS[decision] - suggested
    return "agrees" if difference == 0 else "bolder" if difference > 0 else "more_cautious"


# The direction of each decision on each indication, as its place in DIRECTIONS, or NO_DIRECTION.
NO_DIRECTION = len(DIRECTIONS)
PLACES = np.array(
    [
        [(*DIRECTIONS, None).index(direction_of(one, decision)) for decision in DECISIONS]
        for one in INDICATIONS
    ]
)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Decisions as arrays: the numbers of prospects, indications, decisions, directions and outcomes."""

    decided: Sequence[Decided]
    prospect: Integers
    indication: Integers
    decision: Integers
    direction: Integers
    outcome: Integers

    @classmethod
    def of(cls, decided: Sequence[Decided]) -> "_Columns":
        indication = numbered([one.indication for one in decided], INDICATIONS)
        decision = numbered([one.decision for one in decided], DECISIONS)
        return cls(
            decided,
            numbered([one.prospect for one in decided]),
            indication,
            decision,
            PLACES[indication, decision],
            numbered([one.outcome for one in decided], (*OUTCOMES, None)),
        )

    @property
    def compared(self) -> Integers:
        """The rows of decisions on an indication that suggests one."""
        return np.flatnonzero(self.direction != NO_DIRECTION)


def compute(decisions: Decisions) -> DecisionsOut:
    """Compute the report."""
    of_report = [one for one in decisions.decided if not one.hindsight]
    in_hindsight = [one for one in decisions.decided if one.hindsight]
    part = _part(of_report, decisions.persons)
    return DecisionsOut(
        **dict(part),
        question_set=decisions.question_set,
        excluded=DecisionsExcluded(
            superseded=decisions.superseded,
            hindsight=len(in_hindsight),
            no_suggestion=len(of_report) - part.compared,
        ),
        hindsight=_part(in_hindsight, decisions.persons) if decisions.with_hindsight else None,
    )


def _part(decided: Sequence[Decided], persons: Persons) -> DecisionsPart:
    columns = _Columns.of(decided)
    compared = len(columns.compared)
    part = DecisionsPart(
        summary="",
        preliminary=compared < MINIMUM_ESTABLISHED,
        compared=compared,
        differs=_share_that_differs(columns, columns.compared),
        directions=[_direction(columns, place) for place in range(len(DIRECTIONS))],
        table=list(_cells(columns)),
        persons=_persons(columns, persons),
    )
    return part.model_copy(update={"summary": _summary(part)})


def _share_that_differs(columns: _Columns, rows: Integers) -> Estimate | None:
    return share(columns.prospect[rows], columns.direction[rows] != DIRECTIONS.index("agrees"))


def _direction(columns: _Columns, place: int) -> DecisionDirection:
    compared = columns.compared
    is_found = columns.direction[compared] == place
    found = compared[is_found]
    return DecisionDirection(
        direction=DIRECTIONS[place],
        share=share(columns.prospect[compared], is_found),
        win_rate_bounds=win_rate_bounds(columns.prospect[found], columns.outcome[found]),
        **_ended(columns, found),
    )


def _cells(columns: _Columns) -> Iterator[DecisionCell]:
    """Yield the cells of the table that have decisions, in the order of INDICATIONS and DECISIONS."""
    for place, indication in enumerate(INDICATIONS):
        rows = np.flatnonzero(columns.indication == place)
        for number, decision in enumerate(DECISIONS):
            is_found = columns.decision[rows] == number
            if is_found.any():
                yield DecisionCell(
                    indication=indication,
                    decision=decision,
                    direction=direction_of(indication, decision),
                    share=share(columns.prospect[rows], is_found),
                    **_ended(columns, rows[is_found]),
                )


def _ended(columns: _Columns, rows: Integers) -> dict[str, Any]:
    """Return the fields of how sessions ended."""
    outcome = columns.outcome[rows]
    counts = np.bincount(outcome, minlength=NO_OUTCOME + 1).tolist()
    return {
        "sessions": len(rows),
        **dict(zip((*OUTCOMES, "without_outcome"), counts, strict=True)),
        "win_rate": win_rate(columns.prospect[rows], outcome),
    }


def _persons(columns: _Columns, shown: Persons) -> list[PersonDecisions] | None:
    """Return the figures of each person whom the caller may see, by name; None if there is no such person."""
    if shown.nobody:
        return None
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row in columns.compared.tolist():
        rows[columns.decided[row].person].append(row)
    return [
        _person(columns, person, np.array(rows[person])) for person in sorted(rows) if shown.include(person)
    ]


def _person(columns: _Columns, person: str, rows: Integers) -> PersonDecisions:
    directions = np.bincount(columns.direction[rows], minlength=len(DIRECTIONS)).tolist()
    return PersonDecisions(
        person=person,
        compared=len(rows),
        **dict(zip(DIRECTIONS, directions, strict=True)),
        differs=_share_that_differs(columns, rows),
    )


def _summary(report: DecisionsPart) -> str:
    if not report.table:
        return "There are no decisions to compare."
    if not report.compared or report.differs is None:
        return (
            "No decision was made on an indication of fit, mixed or no fit, so there is nothing to compare."
        )
    by_direction = {one.direction: one.sessions for one in report.directions}
    differing = report.compared - by_direction["agrees"]
    decisions = count_in_words(report.compared, "decision", "decisions")
    share_words = in_words(report.differs, differing, report.compared)
    if not differing:
        return f"0 of {decisions} differed from the indication, {share_words}."
    return (
        f"{differing} of {decisions} differed from the indication, {share_words}: "
        f"{by_direction['bolder']} bolder and {by_direction['more_cautious']} more cautious. "
        f"{_how_the_bolder_ended(report)}"
    )


def _how_the_bolder_ended(report: DecisionsPart) -> str:
    (bolder,) = [one for one in report.directions if one.direction == "bolder"]
    if not bolder.sessions:
        return "Nobody knows how these sessions would have ended with a bolder decision."
    if not bolder.won + bolder.lost:
        return "None of the sessions with a bolder decision has been won or lost yet."
    return f"The bolder decisions led to {sessions_in_words(bolder.won, bolder.lost)}."


COLUMNS = (
    *(Column(name) for name in ("indication", "decision", "direction")),
    Column("sessions", "integer"),
    *columns_of("share"),
    *(Column(name, "integer") for name in ("won", "lost", "no_decision", "without_outcome")),
    *columns_of("win_rate"),
    Column("hindsight", "boolean"),
)


def table(report: DecisionsOut) -> Table:
    """Return the table of the report, one row for each decision on each indication."""
    in_hindsight = report.hindsight.table if report.hindsight else []
    rows = [_row(cell, hindsight=False) for cell in report.table]
    return Table(COLUMNS, rows + [_row(cell, hindsight=True) for cell in in_hindsight])


def _row(cell: DecisionCell, *, hindsight: bool) -> list[Value]:
    return [
        *(cell.indication, cell.decision, cell.direction, cell.sessions, *values_of(cell.share)),
        *(cell.won, cell.lost, cell.no_decision, cell.without_outcome, *values_of(cell.win_rate)),
        hindsight,
    ]
