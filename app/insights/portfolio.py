"""The portfolio of accounts: the cell of each in a matrix of two dimensions, and which of them moved."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, String, Text, case, cast, func, or_, select, type_coerce

from app.db import Transaction
from app.files.columns import Column, Value
from app.insights.account_schemas import (
    MAX_LISTED_ACCOUNTS,
    AccountGroup,
    AccountPlace,
    AxisFigures,
    AxisOut,
    CellOut,
    Move,
    MovedAccount,
    Movement,
    PlacedAccount,
    PortfolioFilter,
    PortfolioOut,
)
from app.insights.queries import PROSPECT, SESSION, TABLES, segment_clauses
from app.insights.report import Reading, Table
from app.problems import invalid_field
from app.question_sets.plans import Plans
from app.question_sets.queries import list_versions
from app.scoring import CELLS, Cell, Placement, Plan, Portfolio, Tally, placement
from app.scoring.words import counted
from app.sessions.queries import require_all_fresh
from app.sessions.session_edit import start_of
from app.strict_json import read_json

NO_PORTFOLIO = (
    "that question set defines no portfolio: name one that does, such as key-account-selection, or add "
    "`portfolio` to a new version"
)
REVISION = TABLES["session_revision"]
# The counts of every dimension, as text: equal texts are read only once.
COUNTS = cast(REVISION.c.verdict["dimensions"], Text)
VERSION = REVISION.c.verdict["version"].as_integer()


@dataclass(frozen=True, slots=True)
class _Axes:
    """The version that defines the portfolio, and the versions whose sessions are shown.

    `plans` has the plans of all versions of the set that have both axes: a session may have moved.
    """

    plan: Plan
    portfolio: Portfolio
    versions: Sequence[int]
    plans: Mapping[int, Plan]

    def title(self, dimension: str) -> str:
        """Return the title of a dimension."""
        dimensions = self.plan.question_set.dimensions
        return next(one.title for one in dimensions if one.key == dimension)


class _Account(NamedTuple):
    """One account with its session, and the counts of its verdict.

    The ids are as the driver returns them: creating a UUID for every row takes long.
    """

    prospect: UUID | str
    name: str | None
    searchable: str
    session: UUID | str
    status: str
    version: int
    counts: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the report is computed from. `former` are the accounts as they were at the start of `since`."""

    question_set: str
    axes: _Axes
    current: list[_Account]
    since: date | None
    former: list[_Account]


class _Placed(NamedTuple):
    """An account with its placement now, if it has one, and its places now and at the start of `since`."""

    account: _Account
    placement: Placement | None
    place: AccountPlace
    before: AccountPlace


def read(reading: Reading) -> Accounts:
    """Read the newest session of every account on a set, and with `since` the newest one then.

    Raises INVALID_REQUEST for an unknown set and for a set without a portfolio, and `StaleScores`.
    """
    tx, filters = reading.tx, reading.filters
    axes = _axes(tx, reading.plans, filters.question_set)
    require_all_fresh(tx)
    clauses = list(_clauses(tx, filters, axes))
    current = _accounts(tx, clauses, SESSION.c.revision, SESSION.c.status == "open")
    former: list[_Account] = []
    if filters.since:
        then = start_of(filters.since)
        was_open = or_(SESSION.c.closed_at.is_(None), SESSION.c.closed_at >= then)
        former = _accounts(tx, clauses, _revision_then(then), was_open)
    return Accounts(filters.question_set, axes, current, filters.since, former)


def _axes(tx: Transaction, plans: Plans, name: str) -> _Axes:
    """Return the axes of the newest version that defines a portfolio. Retired versions come last.

    Raises INVALID_REQUEST if no version does.
    """
    found = plans.find_filter(tx, name, "query")
    assert found is not None
    key, number = found
    versions = list_versions(tx, key)
    plans_of_all = {one.version: plans.find(tx, one.name) for one in versions}
    shown = [one for one in versions if number in (None, one.version)]
    shown.sort(key=lambda one: (one.status == "published", one.version), reverse=True)
    plan = next((p for p in (plans_of_all[one.version] for one in shown) if p.question_set.portfolio), None)
    if plan is None or plan.question_set.portfolio is None:
        raise invalid_field("/question_set", "no_portfolio", NO_PORTFOLIO, "query")
    axes = {plan.question_set.portfolio.x, plan.question_set.portfolio.y}
    with_axes = {
        version: one
        for version, one in plans_of_all.items()
        if axes <= {dimension.key for dimension in one.question_set.dimensions}
    }
    numbers = sorted(one.version for one in shown if one.version in with_axes)
    return _Axes(plan, plan.question_set.portfolio, numbers, with_axes)


def _clauses(tx: Transaction, filters: PortfolioFilter, axes: _Axes) -> Iterator[ColumnElement[bool]]:
    yield SESSION.c.question_set == axes.plan.question_set.key
    yield SESSION.c.version.in_(axes.versions)
    if filters.assessor is not None:
        yield SESSION.c.assessor == filters.assessor
    yield from segment_clauses(tx, filters, PROSPECT.c.attributes)


def _revision_then(then: datetime) -> ColumnElement[Any]:
    """Return the last revision of a session before a time, null if it did not exist then."""
    last = (
        select(func.max(REVISION.c.revision))
        .where(REVISION.c.session_id == SESSION.c.id, REVISION.c.at < then)
        .scalar_subquery()
    )
    # Most sessions have not changed since, and need no search.
    return case((SESSION.c.updated_at < then, SESSION.c.revision), else_=last)


def _accounts(
    tx: Transaction,
    clauses: Iterable[ColumnElement[bool]],
    revision: ColumnElement[Any],
    is_open: ColumnElement[bool],
) -> list[_Account]:
    """Return every account with its newest open session or else its last one, as of a revision of it.

    A session for which `revision` is null does not count.
    """
    sessions = (
        select(
            SESSION.c.id,
            SESSION.c.prospect_id,
            SESSION.c.status,
            PROSPECT.c.name,
            PROSPECT.c.searchable,
            revision.label("shown"),
            is_open.label("is_open"),
        )
        .join(PROSPECT, PROSPECT.c.id == SESSION.c.prospect_id)
        .where(*clauses)
        .subquery()
    ).c
    newest_first = func.row_number().over(
        partition_by=sessions.prospect_id, order_by=[sessions.is_open.desc(), sessions.id.desc()]
    )
    numbered = select(*sessions, newest_first.label("number")).where(sessions.shown.is_not(None)).subquery().c
    statement = select(
        type_coerce(numbered.prospect_id, String()),
        numbered.name,
        numbered.searchable,
        type_coerce(numbered.id, String()),
        numbered.status,
        VERSION,
        COUNTS,
    ).where(numbered.number == 1, REVISION.c.session_id == numbered.id, REVISION.c.revision == numbered.shown)
    return [_Account(*row) for row in tx.db.execute(statement)]


def compute(accounts: Accounts) -> PortfolioOut:
    """Place every account, and group the accounts by their places."""
    axes, placed = accounts.axes, _placed(accounts)
    here = [one for one in placed if one.placement]
    by_place: dict[AccountPlace, list[_Placed]] = defaultdict(list)
    for one in here:
        by_place[one.place].append(one)
    portfolio = axes.portfolio
    report = PortfolioOut(
        question_set=accounts.question_set,
        portfolio_of=axes.plan.name,
        versions=list(axes.versions),
        x=AxisOut(dimension=portfolio.x, title=axes.title(portfolio.x)),
        y=AxisOut(dimension=portfolio.y, title=axes.title(portfolio.y)),
        cut_at=portfolio.cut_at,
        accounts=len(here),
        cells=[_cell_out(axes, cell, by_place) for cell in CELLS],
        unsettled=_group(axes, by_place["unsettled"]),
        not_rated=_group(axes, by_place["not_rated"]),
        movement=_movement(accounts.since, placed) if accounts.since else None,
        summary="",
        placed=here,
    )
    return report.model_copy(update={"summary": _summary(report)})


def places(accounts: Accounts) -> Iterator[tuple[_Account, AccountPlace]]:
    """Yield the accounts that are in the portfolio now, by name, with their places."""
    return ((one.account, one.place) for one in _placed(accounts) if one.placement)


def _placed(accounts: Accounts) -> list[_Placed]:
    """Return all accounts that are in the portfolio or were in it, by name."""
    place = _Placer(accounts.axes)
    former = {one.prospect: one for one in accounts.former}
    placed = []
    for account in accounts.current:
        now, then = place(account), place(former.pop(account.prospect, None))
        placed.append(_Placed(account, now, _place(now), _place(then)))
    placed += [_Placed(one, None, "absent", _place(place(one))) for one in former.values()]
    return sorted(placed, key=lambda one: (one.account.searchable, str(one.account.prospect)))


class _Placer:
    """Computes placements. Many accounts have the same counts, which are read and placed once."""

    def __init__(self, axes: _Axes) -> None:
        self._axes = axes
        self._known: dict[tuple[int, str], Placement | None] = {}

    def __call__(self, account: _Account | None) -> Placement | None:
        """Return the placement of an account; None if there is no session, or one without both axes."""
        if account is None:
            return None
        key = account.version, account.counts
        if key not in self._known:
            plan = self._axes.plans.get(account.version)
            counts = read_json(account.counts.encode())
            self._known[key] = placement(plan, self._axes.portfolio, counts) if plan else None
        return self._known[key]


def _place(placed: Placement | None) -> AccountPlace:
    if placed is None:
        return "absent"
    if placed.leaning is None:
        return "not_rated"
    return placed.settled or "unsettled"


def _cell_out(axes: _Axes, cell: Cell, by_place: Mapping[AccountPlace, Sequence[_Placed]]) -> CellOut:
    x, _, y = cell.partition("_")
    unsettled = [one.placement for one in by_place["unsettled"] if one.placement]
    group = _group(axes, by_place[cell])
    return CellOut(
        cell=cell,
        x=x,
        y=y,
        advice=getattr(axes.portfolio.advice, cell),
        leaning=sum(one.leaning == cell for one in unsettled),
        possible=sum(cell in one.cells for one in unsettled),
        accounts=group.accounts,
        items=group.items,
    )


def _group(axes: _Axes, placed: Sequence[_Placed]) -> AccountGroup:
    return AccountGroup(
        accounts=len(placed), items=[_item(axes, one) for one in placed[:MAX_LISTED_ACCOUNTS]]
    )


def _item(axes: _Axes, placed: _Placed) -> PlacedAccount:
    account, placement = placed.account, placed.placement
    assert placement is not None
    return PlacedAccount(
        prospect_id=account.prospect,
        name=account.name,
        session_id=account.session,
        question_set=axes.plans[account.version].name,
        status=account.status,
        x=_axis_figures(placement.x),
        y=_axis_figures(placement.y),
        cells=list(placement.cells),
        leaning=placement.leaning,
    )


def _axis_figures(tally: Tally) -> AxisFigures:
    return AxisFigures(**dict(zip(AxisFigures.model_fields, _figures(tally), strict=True)))


def _movement(since: date, placed: Iterable[_Placed]) -> Movement:
    """Group the accounts that are not at the same place as then."""
    unchanged = 0
    moved: dict[tuple[AccountPlace, AccountPlace], list[_Account]] = defaultdict(list)
    for one in placed:
        if one.before == one.place:
            unchanged += 1
        else:
            moved[one.before, one.place].append(one.account)
    moves = sorted(moved.items(), key=lambda move: (-len(move[1]), move[0]))
    return Movement(
        since=since,
        unchanged=unchanged,
        moves=[
            Move(
                before=before,
                after=after,
                accounts=len(accounts),
                items=[
                    MovedAccount(prospect_id=one.prospect, name=one.name)
                    for one in accounts[:MAX_LISTED_ACCOUNTS]
                ],
            )
            for (before, after), accounts in moves
        ],
    )


def table(report: PortfolioOut) -> Table:
    """Return all accounts by name, one row for each."""
    axes = (report.x.dimension, report.y.dimension)
    columns = [
        *map(Column, ("prospect_id", "name", "session_id", "question_set", "status", "place")),
        *(Column(f"{axis}_{figure}", "number") for axis in axes for figure in AxisFigures.model_fields),
        *map(Column, ("leaning", "cells", "advice")),
        *([Column("place_before")] if report.movement else []),
    ]
    return Table(columns, list(_rows(report)))


def _rows(report: PortfolioOut) -> Iterator[Sequence[Value]]:
    key = report.portfolio_of.partition("@")[0]
    advice: dict[AccountPlace, str] = {one.cell: one.advice for one in report.cells}
    for account, placed, place, before in report.placed:
        yield [
            str(UUID(str(account.prospect))),
            account.name,
            str(UUID(str(account.session))),
            f"{key}@{account.version}",
            account.status,
            place,
            *(figure for axis in (placed.x, placed.y) for figure in _figures(axis)),
            placed.leaning,
            ", ".join(placed.cells) or None,
            advice.get(place),
            *([before] if report.movement else []),
        ]


def _figures(tally: Tally) -> tuple[float | None, float | None, float | None]:
    """Return the `AxisFigures` in their order."""
    return tally.estimate, tally.lowest, tally.highest


def _summary(report: PortfolioOut) -> str:
    """Return how many accounts are in each cell, and how many moved, in words."""
    if not report.accounts:
        return f"No matching account has a session on {report.question_set}."
    sentences = [_settled_sentence(report), *_other_sentences(report)]
    if report.movement:
        sentences.append(_movement_sentence(report.movement))
    return " ".join(sentences)


def _settled_sentence(report: PortfolioOut) -> str:
    x, y = f"“{report.x.title}”", f"“{report.y.title}”"
    where = {
        "high_high": f"high on both {x} and {y}",
        "high_low": f"high only on {x}",
        "low_high": f"high only on {y}",
        "low_low": "low on both",
    }
    parts = [f"{one.accounts} {_is(one.accounts)} {where[one.cell]}" for one in report.cells]
    return f"{counted(report.accounts, 'account')}: {', '.join(parts[:-1])} and {parts[-1]}."


def _other_sentences(report: PortfolioOut) -> Iterator[str]:
    if count := report.unsettled.accounts:
        yield f"{count} can still move to another cell, because questions are open."
    if count := report.not_rated.accounts:
        yield f"{count} cannot be placed, because nothing is rated on at least one axis."


def _movement_sentence(movement: Movement) -> str:
    between = sum(one.accounts for one in movement.moves if one.before in CELLS and one.after in CELLS)
    new = sum(one.accounts for one in movement.moves if one.before == "absent")
    day = f"{movement.since.day} {movement.since:%B %Y}"
    moved = f"{counted(between, 'account') if between else 'no account'} moved from one cell to another"
    return f"Since {day}, {moved}, and {new or 'none'} {_is(new)} new."


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
