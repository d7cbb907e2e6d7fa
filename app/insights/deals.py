"""Deals with their outcome. A deal counts once, however many sessions it has."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import String, case, cast, func, literal, select, type_coerce

from app.db import Transaction
from app.insights.queries import CONCLUDED, FROZEN, OUTCOME, SESSION, attribute_text, concluded_clauses
from app.insights.schemas import InsightFilter
from app.sessions.queries import SetFilter

# The day on which the deal closed or, if it is not known, on which the outcome was recorded in UTC.
DAY = func.coalesce(
    cast(OUTCOME.c.closed_on, String), func.substr(cast(OUTCOME.c.recorded_at, String), 1, len("2026-01-31"))
)


class Deal(NamedTuple):
    """A session with an outcome, or several sessions of one deal with what is known of its outcome.

    `session` and `prospect` are ids as the driver returns them: creating a UUID for every row takes long. The
    session is that of the last outcome. `deal` and `assessor` are '' if there is none. `day` is in ISO 8601.
    `ratings` has the `rating_codes` of a lost session, and is '' otherwise. `attributes` has those that were
    asked for, as JSON, with None for a missing one.
    """

    session: UUID | str
    prospect: UUID | str
    deal: str
    assessor: str
    question_set: str
    version: int
    outcome: str
    day: str
    amount: float | None
    currency: str | None
    reason: str | None
    competitor: str | None
    hindsight: bool
    ratings: str
    attributes: tuple[str | None, ...] = ()


def sessions_with_outcome(
    tx: Transaction,
    filters: InsightFilter,
    question_set: SetFilter | None,
    attributes: Sequence[str] = (),
) -> list[Deal]:
    """Return each session that has an outcome and matches the filters, in the order of recording.

    The outcomes do not depend on ratings, so hindsight is not left out.
    """
    of_all = filters.model_copy(update={"hindsight": "include"})
    # Only one question set has questions to compare.
    ratings = case((OUTCOME.c.outcome == "lost", FROZEN.c.ratings), else_="") if question_set else literal("")
    statement = (
        select(
            type_coerce(SESSION.c.id, String()),
            type_coerce(SESSION.c.prospect_id, String()),
            *(SESSION.c[name] for name in ("deal", "assessor", "question_set", "version")),
            OUTCOME.c.outcome,
            DAY,
            *(OUTCOME.c[name] for name in ("amount", "currency", "reason", "competitor", "hindsight")),
            ratings,
            *(attribute_text(FROZEN.c.attributes, name) for name in attributes),
        )
        .select_from(CONCLUDED)
        .where(*concluded_clauses(tx, of_all, question_set))
        .order_by(OUTCOME.c.recorded_at, OUTCOME.c.id)
    )
    rows = tx.db.execute(statement)
    own = len(Deal._fields) - 1
    return [Deal._make([*row[:own], tuple(row[own:])]) for row in rows]


def count_once(sessions: Iterable[Deal], *, by_set: bool = False) -> list[Deal]:
    """Return each deal once, with its last outcome. `sessions` are in the order of recording.

    The sessions of a prospect with the same `deal` are one deal. Without a `deal`, sessions of one assessor
    on one set are different deals; those of other assessors or sets with an outcome of the same day are about
    the same ones. With `by_set`, a deal counts once for each version of a question set.
    """
    deals: dict[Hashable, Deal] = {}
    places: Counter[Hashable] = Counter()
    for session in sessions:
        version = (session.question_set, session.version)
        identity: tuple[Hashable, ...] = (session.prospect, session.deal)
        if not session.deal:
            place = (session.prospect, session.day, version, session.assessor)
            identity = (*identity, session.day, places[place])
            places[place] += 1
        if by_set:
            identity = (*identity, version)
        earlier = deals.pop(identity, None)
        deals[identity] = session if earlier is None else _completed(session, earlier)
    return list(deals.values())


def _completed(last: Deal, earlier: Deal) -> Deal:
    """Return the last session of a deal, with what it lacks from an earlier one of the same outcome."""
    is_complete = None not in (last.amount, last.reason, last.competitor)
    if is_complete or earlier.outcome != last.outcome:
        return last
    with_amount = earlier if last.amount is None else last
    return last._replace(
        amount=with_amount.amount,
        currency=with_amount.currency,
        reason=last.reason or earlier.reason,
        competitor=last.competitor or earlier.competitor,
    )


def month_of(deal: Deal) -> str:
    """Return the month of the outcome: "2026-01"."""
    return deal.day[:7]


def quarter_of(deal: Deal) -> str:
    """Return the quarter of the outcome: "2026-Q1"."""
    return f"{deal.day[:4]}-Q{(int(deal.day[5:7]) + 2) // 3}"


def year_of(deal: Deal) -> str:
    """Return the year of the outcome."""
    return deal.day[:4]


def version_of(deal: Deal) -> str:
    """Return the question set with its version: "bant@1"."""
    return f"{deal.question_set}@{deal.version}"


PERIODS: dict[str, Callable[[Deal], str]] = {"month": month_of, "quarter": quarter_of, "year": year_of}
