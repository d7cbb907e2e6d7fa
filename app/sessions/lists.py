"""Lists of sessions, and the small fit that other tools embed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter
from sqlmodel import and_, col, false, func, or_, select

from app.db import Transaction
from app.problems import missing
from app.question_sets.plans import Plans
from app.scoring import Blocker, Indication, Leaning, Plan
from app.sessions.ageing import require_all_fresh, require_fresh
from app.sessions.scores import answers_of_many, judge_session, plan_of, whole_score
from app.sessions.tables import DecisionWord, OutcomeWord, Session, Status, StoredAnswer
from app.sessions.views import SessionLine, line
from app.wire import Deal, In, SetName

Sort = Literal["newest", "ranked"]
# A set's key, and the number of one of its versions or None for any.
SetWanted = tuple[str, int | None]

# Nulls sort last without a dialect's help: a lowest is never below 0.
RANKED_BY = (col(Session.rank), -func.coalesce(Session.lowest, -1.0), col(Session.id))
NEWEST_FIRST = (col(Session.id).desc(),)

# What a position in a list is made of, by its order.
POSITIONS: Mapping[Sort, TypeAdapter[tuple[Any, ...]]] = {
    "newest": TypeAdapter(tuple[UUID]),
    "ranked": TypeAdapter(
        tuple[Annotated[int, Field(ge=0, le=5)], Annotated[float, Field(ge=-100, le=1)], UUID]
    ),
}


class SessionFilter(In):
    """Which sessions: those that match every filter given."""

    prospect_id: UUID | None = None
    deal: Deal | None = None
    status: Status | None = None
    indication: Indication | None = None
    leaning: Leaning | None = None
    decision: DecisionWord | None = None
    outcome: OutcomeWord | None = None
    question_set: Annotated[SetName | None, Field(description='"key" or "key@version"')] = None
    sort: Annotated[
        Sort, Field(description="ranked: by indication from fit down, then by lowest, nulls last")
    ] = "newest"


def list_sessions(
    tx: Transaction,
    wanted: SessionFilter,
    question_set: SetWanted | None,
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Sequence[Session]:
    """At most `limit` sessions from the one after the position `after` on; raises `ScoresHaveAged`."""
    require_all_fresh(tx)
    order = RANKED_BY if wanted.sort == "ranked" else NEWEST_FIRST
    statement = select(Session).order_by(*order).limit(limit)
    for name in ("prospect_id", "deal", "status", "indication", "leaning", "decision", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(Session, name) == value)
    if question_set is not None:
        statement = statement.where(*_on(question_set))
    if after is not None:
        beyond = _beyond(after) if wanted.sort == "ranked" else col(Session.id) < after[0]
        statement = statement.where(beyond)
    return tx.db.exec(statement).all()


def position(session: Session, sort: Sort) -> tuple[Any, ...]:
    """Where a session stands in a sorted list, for the page after it."""
    if sort == "newest":
        return (str(session.id),)
    return session.rank, 1.0 if session.lowest is None else -session.lowest, str(session.id)


def _on(question_set: SetWanted) -> Iterator[Any]:
    key, version = question_set
    yield Session.question_set == key
    if version is not None:
        yield Session.version == version


def _beyond(after: tuple[Any, ...]) -> Any:
    """Greater than a position, column by column."""
    beyond: Any = false()
    for index in range(len(RANKED_BY)):
        same = [column == value for column, value in zip(RANKED_BY[:index], after, strict=False)]
        beyond = or_(beyond, and_(*same, RANKED_BY[index] > after[index]))
    return beyond


class FitOut(SessionLine):
    """A prospect's fit, small enough to embed: of its open session, or else of its last."""

    summary: str
    weaker_side: str | None
    blockers: list[Blocker]


def fits_of(
    tx: Transaction,
    plans: Plans,
    prospect_ids: Sequence[UUID],
    question_set: SetWanted,
    deal: str | None = None,
) -> dict[UUID, FitOut]:
    """The fit of every prospect that has a session for the set.

    Raises `ScoresHaveAged`.
    """
    wanted = (
        select(Session)
        .where(col(Session.prospect_id).in_(prospect_ids), *_on(question_set))
        .order_by(col(Session.status), col(Session.id))
    )
    if deal is not None:
        wanted = wanted.where(Session.deal == deal)
    # Closed before open, older before newer: the last one seen is the one to show.
    shown = {session.prospect_id: session for session in tx.db.exec(wanted)}
    require_fresh(tx, shown.values())
    answers = answers_of_many(tx, [session.id for session in shown.values()])
    return {
        prospect_id: _fit(plan_of(tx, plans, session), session, answers[session.id])
        for prospect_id, session in shown.items()
    }


def fit_of(
    tx: Transaction, plans: Plans, prospect_id: UUID, question_set: SetWanted, deal: str | None
) -> FitOut:
    """The fit of one prospect; raises NOT_FOUND if it has no session for the set."""
    fits = fits_of(tx, plans, [prospect_id], question_set, deal)
    if prospect_id not in fits:
        raise missing("session of this prospect for that question set")
    return fits[prospect_id]


def _fit(plan: Plan, session: Session, answers: Mapping[str, StoredAnswer]) -> FitOut:
    score = whole_score(session, judge_session(plan, session, answers))
    said = {name: score[name] for name in ("summary", "weaker_side", "blockers")}
    return FitOut(**line(session).model_dump(), **said)
