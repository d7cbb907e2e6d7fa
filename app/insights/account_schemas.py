"""The filters and responses of the reports on accounts: portfolio and concentration."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SkipValidation, StringConstraints

from app.insights.schemas import ReportFilter
from app.schemas import Day, Out, SetName
from app.scoring import NAME, Cell, Side
from app.sessions.requests import Currency
from app.sessions.tables import Status

# The CSV files list all accounts.
MAX_LISTED_ACCOUNTS = 50
# A cell, or why an account is in none: its ranges contain the cut, nothing is rated on an axis, or it has no
# session on the set.
AccountPlace = Cell | Literal["unsettled", "not_rated", "absent"]
ConcentrationClassName = Literal["A", "B", "C"]
Name = Annotated[str, StringConstraints(strict=True, pattern=NAME)]


class PortfolioFilter(ReportFilter):
    """Which accounts a portfolio shows."""

    question_set: Annotated[
        SetName,
        Field(
            description='"key@version", or "key" to pool all versions that have both dimensions, in the '
            "portfolio of the newest version that defines one",
            examples=["key-account-selection@1"],
        ),
    ]
    since: Annotated[
        Day | None,
        Field(description="also show how the accounts moved since the start of this day in UTC"),
    ] = None


class AxisOut(Out):
    """An axis of a portfolio."""

    dimension: str
    title: str


class AxisFigures(Out):
    """The figures of an account on one axis, each 0..100.

    `lowest` and `highest` are the ends of the range that the open questions leave.
    """

    estimate: Annotated[float | None, Field(description="null if nothing is rated on the axis")]
    lowest: float | None
    highest: float | None


class PlacedAccount(Out):
    """An account in a portfolio, by its newest open session on the set or else its last one."""

    prospect_id: UUID
    name: str | None
    session_id: UUID
    question_set: str
    status: Status
    x: AxisFigures
    y: AxisFigures
    cells: Annotated[
        list[Cell],
        Field(description="the cells that are possible: one, unless a range contains the cut"),
    ]
    leaning: Annotated[
        Cell | None, Field(description="the cell of the estimates; null if nothing is rated on an axis")
    ]


class AccountGroup(Out):
    """Some accounts: how many, and the first of them by name. The CSV file lists all."""

    accounts: int
    items: Annotated[list[PlacedAccount], Field(max_length=MAX_LISTED_ACCOUNTS)]


class CellOut(Out):
    """A cell with the accounts that no open question can move out of it: how many, and the first by name."""

    cell: Annotated[Cell, Field(description="the first word is for x, and the second for y")]
    x: Side
    y: Side
    advice: str
    accounts: int
    leaning: Annotated[
        int, Field(description="further accounts whose estimates are here, and that can still move")
    ]
    possible: Annotated[int, Field(description="further accounts that can still be here in the end")]
    items: Annotated[list[PlacedAccount], Field(max_length=MAX_LISTED_ACCOUNTS)]


class MovedAccount(Out):
    """An account that moved."""

    prospect_id: UUID
    name: str | None


class Move(Out):
    """The accounts that moved from one place to another: how many, and the first of them by name."""

    before: AccountPlace
    after: AccountPlace
    accounts: int
    items: Annotated[list[MovedAccount], Field(max_length=MAX_LISTED_ACCOUNTS)]


class Movement(Out):
    """How the accounts moved. Each was then where its last revision before that day places it."""

    since: date
    unchanged: Annotated[int, Field(description="accounts that are at the same place as then")]
    moves: Annotated[list[Move], Field(description="the most accounts first")]


class PortfolioOut(Out):
    """The accounts of a key-account set in a matrix of four cells."""

    question_set: str
    portfolio_of: Annotated[str, Field(description="the version that defines the portfolio")]
    versions: Annotated[list[int], Field(description="the versions whose sessions are shown")]
    x: AxisOut
    y: AxisOut
    cut_at: Annotated[int, Field(description="an estimate from here on is high")]
    accounts: int
    cells: Annotated[list[CellOut], Field(description="high_high, high_low, low_high and low_low")]
    unsettled: Annotated[
        AccountGroup, Field(description="accounts that the open questions can still move to another cell")
    ]
    not_rated: Annotated[AccountGroup, Field(description="accounts with an axis on which nothing is rated")]
    movement: Annotated[Movement | None, Field(description="null without `since`")]
    summary: Annotated[str, Field(description="what the matrix shows, in a few sentences")]
    placed: Annotated[SkipValidation[Sequence[Any]], Field(exclude=True, repr=False)]


class ConcentrationFilter(ReportFilter):
    """Which amount to compare between accounts: a numeric attribute, or the amounts won in a currency.

    The parameters other than `attribute` and `segment` choose the outcomes of `by=amount`.
    """

    by: Annotated[
        Literal["attribute", "amount"],
        Field(description="the value of an attribute, or the sum of the amounts of the deals won"),
    ] = "attribute"
    attribute: Annotated[
        Name | None,
        Field(description="the attribute with by=attribute", examples=["annual_revenue_with_us"]),
    ] = None
    currency: Annotated[Currency | None, Field(description="the currency of the amounts with by=amount")] = (
        None
    )
    question_set: Annotated[
        SetName | None, Field(description="only deals on this set: key or key@version")
    ] = None
    since: Annotated[Day | None, Field(description="only deals that closed on or after this day")] = None
    before: Annotated[Day | None, Field(description="only deals that closed before this day")] = None


class ConcentratedAccount(Out):
    """An account with its part of the total."""

    prospect_id: UUID
    name: str | None
    amount: float
    share: Annotated[float, Field(description="its share of the total, 0..1")]
    cumulative: Annotated[float, Field(description="the share of this account and all larger ones, 0..1")]
    class_name: ConcentrationClassName


class ConcentrationClass(Out):
    """The accounts of a class: A up to 80 % of the total, B up to 95 %, C the rest."""

    class_name: ConcentrationClassName
    accounts: int
    share_of_accounts: Annotated[float | None, Field(description="0..1; null if there is no total")]
    share_of_total: Annotated[float | None, Field(description="0..1; null if there is no total")]


class ConcentrationPoint(Out):
    """A point of the curve: the share of the total that the largest accounts hold."""

    accounts: Annotated[float, Field(description="the share of the accounts, 0..1, the largest first")]
    total: Annotated[float, Field(description="their share of the total, 0..1")]


class ConcentrationExcluded(Out):
    """What is left out, by reason: accounts with by=attribute, and won deals with by=amount."""

    missing: Annotated[int, Field(description="without a value or an amount")]
    unreadable: Annotated[int, Field(description="the value is not a number, or it is above 2⁵³")]
    negative: int
    other_currency: Annotated[int, Field(description="won deals in another currency, or without one")]


class ConcentrationOut(Out):
    """How an amount is spread over the accounts. These are facts about all of them, and not estimates."""

    by: Literal["attribute", "amount"]
    attribute: str | None
    currency: str | None
    question_set: str | None
    accounts: Annotated[int, Field(description="accounts with an amount of 0 or more")]
    zero: Annotated[int, Field(description="accounts with the amount 0; they are in class C")]
    total: float
    top_fifth: Annotated[
        float | None,
        Field(
            description="the share of the total that the largest fifth of the accounts holds, 0..1; null for "
            "fewer than five accounts and without a total"
        ),
    ]
    gini: Annotated[
        float | None,
        Field(
            description="the Gini coefficient: 0 if all amounts are equal, close to 1 if one account holds "
            "everything; null without a total"
        ),
    ]
    classes: Annotated[list[ConcentrationClass], Field(description="A, B and C")]
    curve: Annotated[list[ConcentrationPoint], Field(description="at most 101 points, from 0 to 1")]
    items: Annotated[
        list[ConcentratedAccount],
        Field(
            max_length=MAX_LISTED_ACCOUNTS,
            description="the largest accounts, at most 50; the CSV file lists all",
        ),
    ]
    excluded: ConcentrationExcluded
    summary: Annotated[str, Field(description="what the figures say, in one or two sentences")]
    ranked: Annotated[SkipValidation[Sequence[Any]], Field(exclude=True, repr=False)]
