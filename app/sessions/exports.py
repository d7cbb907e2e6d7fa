"""Export sessions as the rows of a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from pydantic_core import to_json
from sqlmodel import col, select

from app.db import Transaction
from app.files.columns import Column, ColumnType, Value
from app.prospects.exports import Export, Row, links_text, pack_ids
from app.prospects.queries import links_of
from app.prospects.tables import Prospect, ProspectLink
from app.question_sets.plans import Plans
from app.question_sets.queries import list_versions
from app.scoring import Judged, summarise, verdict_record
from app.sessions.queries import (
    OF_PROSPECT,
    SetFilter,
    answers_to_judge,
    latest_decisions,
    latest_outcomes,
    list_session_ids,
    plan_of,
)
from app.sessions.schemas import SessionFilter
from app.sessions.scores import judge_answers
from app.sessions.tables import NO_REVISIT, Decision, Outcome, Session


@dataclass(frozen=True, slots=True)
class _Exported:
    """One session with everything that its row shows."""

    session: Session
    name: str | None
    links: Sequence[ProspectLink]
    judged: Judged
    decision: Decision | None
    outcome: Outcome | None

    @property
    def estimates(self) -> dict[str, float | None]:
        """The estimate of each dimension."""
        dimensions = self.judged.plan.question_set.dimensions
        tallies = self.judged.assessment.totals.dimensions
        return {one.key: tally.estimate for one, tally in zip(dimensions, tallies, strict=True)}

    @property
    def blockers(self) -> str:
        """The keys of the questions that prevent a fit now."""
        return ", ".join(verdict_record(self.judged)["blockers"])

    @property
    def revisit_on(self) -> Value:
        """The day to revisit of the last decision."""
        return None if self.session.revisit_on == NO_REVISIT else self.session.revisit_on


Cell = Callable[[_Exported], Value]


def _of_session(name: str, type_: ColumnType = "text") -> tuple[Column, Cell]:
    return Column(name, type_), lambda row: getattr(row.session, name) or None


def _figure(name: str) -> tuple[Column, Cell]:
    return Column(name, "number"), lambda row: getattr(row.session, name)


def _of_decision(name: str, field: str, type_: ColumnType = "text") -> tuple[Column, Cell]:
    return Column(name, type_), lambda row: getattr(row.decision, field, None)


def _of_outcome(name: str, field: str, type_: ColumnType = "text") -> tuple[Column, Cell]:
    return Column(name, type_), lambda row: getattr(row.outcome, field, None)


BEFORE_ESTIMATES: tuple[tuple[Column, Cell], ...] = (
    (Column("prospect_id"), lambda row: str(row.session.prospect_id)),
    (Column("name"), lambda row: row.name),
    (Column("links"), lambda row: links_text(row.links)),
    (Column("session_id"), lambda row: str(row.session.id)),
    (Column("question_set"), lambda row: row.judged.plan.name),
    _of_session("deal"),
    _of_session("assessor"),
    _of_session("status"),
    _of_session("opened_at", "time"),
    _of_session("updated_at", "time"),
    _of_session("closed_at", "time"),
    _of_session("indication"),
    (Column("settled", "boolean"), lambda row: row.session.settled),
    _of_session("leaning"),
    _of_session("grade"),
    *map(_figure, ("score", "lowest", "highest", "coverage")),
)
AFTER_ESTIMATES: tuple[tuple[Column, Cell], ...] = (
    (Column("blockers"), lambda row: row.blockers or None),
    (Column("summary"), lambda row: summarise(row.judged.assessment)),
    _of_session("former_indication"),
    _of_session("indication_changed_at", "time"),
    _of_session("answered_at", "time"),
    _of_session("answered_by"),
    _of_session("valid_until", "time"),
    _of_session("decision"),
    _of_decision("decision_reason", "reason"),
    (Column("revisit_on", "day"), lambda row: row.revisit_on),
    _of_decision("decided_by", "actor"),
    _of_decision("decided_at", "decided_at", "time"),
    _of_session("outcome"),
    _of_outcome("outcome_amount", "amount", "number"),
    _of_outcome("outcome_currency", "currency"),
    _of_outcome("outcome_reason", "reason"),
    _of_outcome("outcome_competitor", "competitor"),
    _of_outcome("outcome_closed_on", "closed_on", "day"),
)
# Sessions on several question sets have different dimensions.
ESTIMATES_OF_ANY_SET = (Column("estimates"), lambda row: to_json(row.estimates).decode())


def export_sessions(
    tx: Transaction, plans: Plans, filters: SessionFilter, question_set: SetFilter | None
) -> Export:
    """Return the export of all sessions that match the filters, in their order.

    With `question_set`, each of its dimensions has a column `…_estimate`. Without it, the column `estimates`
    has a JSON object. Raises `StaleScores`.
    """
    cells = [*BEFORE_ESTIMATES, *_estimate_cells(tx, plans, question_set), *AFTER_ESTIMATES]
    ids = pack_ids(list_session_ids(tx, filters, question_set))
    read_rows = partial(_session_rows, plans=plans, cells=[cell for _, cell in cells])
    return Export([column for column, _ in cells], ids, read_rows)


def _estimate_cells(
    tx: Transaction, plans: Plans, question_set: SetFilter | None
) -> Sequence[tuple[Column, Cell]]:
    if question_set is None:
        return [ESTIMATES_OF_ANY_SET]
    return [
        (Column(f"{dimension}_estimate", "number"), partial(_estimate, dimension))
        for dimension in _dimensions(tx, plans, *question_set)
    ]


def _dimensions(tx: Transaction, plans: Plans, key: str, version: int | None) -> list[str]:
    """Return the keys of the dimensions of one version, or of all versions of a set."""
    names = [one.name for one in list_versions(tx, key) if version in (None, one.version)]
    dimensions = (one.key for name in names for one in plans.find(tx, name).question_set.dimensions)
    return list(dict.fromkeys(dimensions))


def _estimate(dimension: str, row: _Exported) -> Value:
    return row.estimates.get(dimension)


def _session_rows(tx: Transaction, ids: Sequence[UUID], plans: Plans, cells: Sequence[Cell]) -> list[Row]:
    statement = select(Session, Prospect.name).join(Prospect, OF_PROSPECT).where(col(Session.id).in_(ids))
    found = {session.id: (session, name) for session, name in tx.db.exec(statement)}
    links = links_of(tx, {session.prospect_id for session, _ in found.values()})
    answers = answers_to_judge(tx, list(found))
    decisions, outcomes = latest_decisions(tx, list(found)), latest_outcomes(tx, list(found))
    rows = (
        _Exported(
            session,
            name,
            links[session.prospect_id],
            judge_answers(plan_of(tx, plans, session), session, answers[session.id]),
            decisions.get(session.id),
            outcomes.get(session.id),
        )
        for session, name in (found[id_] for id_ in ids if id_ in found)
    )
    return [[cell(row) for cell in cells] for row in rows]
