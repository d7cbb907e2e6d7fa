"""Concentration: how much of an amount the largest accounts hold."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import NamedTuple, get_args
from uuid import UUID

import numpy as np
from sqlalchemy import String, select, type_coerce

from app.db import Transaction
from app.files.columns import Column
from app.insights.account_schemas import (
    MAX_LISTED_ACCOUNTS,
    ConcentratedAccount,
    ConcentrationClass,
    ConcentrationClassName,
    ConcentrationExcluded,
    ConcentrationFilter,
    ConcentrationOut,
    ConcentrationPoint,
)
from app.insights.deals import count_once, sessions_with_outcome
from app.insights.queries import (
    PROSPECT,
    SESSION,
    attribute_text,
    attribute_value,
    segment_clauses,
)
from app.insights.report import Reading, Table
from app.insights.schemas import InsightFilter
from app.insights.statistics.concentration import Concentration, concentration
from app.insights.words import percent
from app.problems import invalid_field
from app.question_sets.plans import Plans
from app.scoring import is_blank, read_number
from app.scoring.words import counted

CLASSES: tuple[ConcentrationClassName, ...] = get_args(ConcentrationClassName)
# The limit of the numbers in attributes. Larger amounts could add up to more than a float holds.
MAX_AMOUNT = 2**53
SELECT_NAMES = select(type_coerce(PROSPECT.c.id, String()), PROSPECT.c.name).where(
    PROSPECT.c.id.in_(select(SESSION.c.prospect_id).where(SESSION.c.outcome == "won"))
)
CURVE_POINTS = 100
# The parameters that choose outcomes.
OF_AMOUNTS = ("currency", "question_set", "since", "before", "assessor")
NEEDED = {
    "attribute": "name the attribute of the accounts that is a number: annual_revenue",
    "currency": "name the currency: amounts in different currencies are not added up",
}


class AccountAmount(NamedTuple):
    """One account with its amount. The id is as the driver returns it."""

    prospect: UUID | str
    name: str | None
    amount: float


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the report is computed from."""

    filters: ConcentrationFilter
    accounts: list[AccountAmount]
    excluded: Counter[str] = field(default_factory=Counter)


def read(reading: Reading) -> Amounts:
    """Read the amount of every account. Raises INVALID_REQUEST if the filters do not go together."""
    _check(reading.filters)
    if reading.filters.by == "amount":
        return _won_amounts(reading.tx, reading.plans, reading.filters)
    return _attribute_values(reading.tx, reading.filters)


def _check(filters: ConcentrationFilter) -> None:
    needed, others = ("currency", ("attribute",)) if filters.by == "amount" else ("attribute", OF_AMOUNTS)
    if getattr(filters, needed) is None:
        raise invalid_field(f"/{needed}", "missing", f"with by={filters.by}, {NEEDED[needed]}", "query")
    for name in others:
        if getattr(filters, name) is not None:
            detail = f"this parameter has no effect with by={filters.by}: leave it out"
            raise invalid_field(f"/{name}", "contradiction", detail, "query")


def _attribute_values(tx: Transaction, filters: ConcentrationFilter) -> Amounts:
    """Return the numbers that the attribute of the accounts has now."""
    assert filters.attribute is not None
    statement = select(
        type_coerce(PROSPECT.c.id, String()),
        PROSPECT.c.name,
        attribute_text(PROSPECT.c.attributes, filters.attribute),
    ).where(PROSPECT.c.subject == "prospect", *segment_clauses(tx, filters, PROSPECT.c.attributes))
    amounts = Amounts(filters, [])
    for prospect, name, text in tx.db.execute(statement):
        value = attribute_value(text)
        number = read_number(value)
        if number is not None:
            amounts.accounts.append(AccountAmount(prospect, name, float(number)))
        else:
            amounts.excluded["missing" if value is None or is_blank(value) else "unreadable"] += 1
    return amounts


def _won_amounts(tx: Transaction, plans: Plans, filters: ConcentrationFilter) -> Amounts:
    """Return the sum of the amounts won of each account. A deal counts once, as `count_once` defines it."""
    chosen = InsightFilter(**filters.model_dump(include=set(InsightFilter.model_fields)))
    question_set = plans.find_filter(tx, filters.question_set, "query")
    won: dict[UUID | str, list[float]] = defaultdict(list)
    excluded: Counter[str] = Counter()
    for deal in count_once(sessions_with_outcome(tx, chosen, question_set)):
        if deal.outcome != "won":
            continue
        if deal.amount is None:
            excluded["missing"] += 1
        elif deal.amount > MAX_AMOUNT:
            excluded["unreadable"] += 1
        elif deal.currency != filters.currency:
            excluded["other_currency"] += 1
        else:
            won[deal.prospect].append(deal.amount)
    names: dict[UUID | str, str | None] = dict(tx.db.execute(SELECT_NAMES).all())
    accounts = [AccountAmount(one, names.get(one), fsum(amounts)) for one, amounts in won.items()]
    return Amounts(filters, accounts, excluded)


def compute(amounts: Amounts) -> ConcentrationOut:
    """Compute the report."""
    found, ordered = _concentrated(amounts)
    filters = amounts.filters
    counts = dict.fromkeys(ConcentrationExcluded.model_fields, 0) | amounts.excluded
    report = ConcentrationOut(
        by=filters.by,
        attribute=filters.attribute,
        currency=filters.currency,
        question_set=filters.question_set,
        accounts=found.accounts,
        zero=found.zero,
        total=found.total,
        top_fifth=found.top_fifth,
        gini=found.gini,
        classes=[_class(name, ordered) for name in CLASSES],
        curve=_curve(found),
        items=[_item(one) for one in ordered[:MAX_LISTED_ACCOUNTS]],
        excluded=ConcentrationExcluded(**counts | {"negative": found.negative}),
        summary="",
        ranked=ordered,
    )
    return report.model_copy(update={"summary": _summary(report)})


def ranked(amounts: Amounts) -> "list[_Ranked]":
    """Return the accounts with their classes, the largest amount first."""
    return _concentrated(amounts)[1]


def _concentrated(amounts: Amounts) -> "tuple[Concentration, list[_Ranked]]":
    # The result does not depend on the order in which the database returns the rows.
    accounts = sorted(amounts.accounts, key=lambda one: str(one.prospect))
    found = concentration(np.array([one.amount for one in accounts], dtype=np.float64))
    shares = zip(found.order, found.cumulative, found.classes, strict=True)
    return found, [
        _Ranked(accounts[place], accounts[place].amount / found.total, cumulative, class_name)
        for place, cumulative, class_name in shares
    ]


class _Ranked(NamedTuple):
    """An account with its class, its share of the total, and that of the accounts up to it, each 0..1."""

    account: AccountAmount
    share: float
    cumulative: float
    class_name: ConcentrationClassName


def _class(name: ConcentrationClassName, ranked: Sequence[_Ranked]) -> ConcentrationClass:
    shares = [one.share for one in ranked if one.class_name == name]
    return ConcentrationClass(
        class_name=name,
        accounts=len(shares),
        share_of_accounts=len(shares) / len(ranked) if ranked else None,
        share_of_total=min(1.0, fsum(shares)) if ranked else None,
    )


def _curve(found: Concentration) -> list[ConcentrationPoint]:
    """Return points of the curve from 0 to 1, every account if they are few."""
    cumulative = [0.0, *found.cumulative]
    count = len(found.cumulative)
    steps = min(count, CURVE_POINTS)
    places = [round(step * count / steps) for step in range(steps + 1)] if steps else []
    return [ConcentrationPoint(accounts=place / count, total=cumulative[place]) for place in places]


def _item(ranked: _Ranked) -> ConcentratedAccount:
    account = ranked.account
    return ConcentratedAccount(
        prospect_id=account.prospect,
        name=account.name,
        amount=account.amount,
        share=ranked.share,
        cumulative=ranked.cumulative,
        class_name=ranked.class_name,
    )


def table(report: ConcentrationOut) -> Table:
    """Return all accounts, the largest amount first, one row for each."""
    numbers = (Column(name, "number") for name in ("amount", "share", "cumulative"))
    columns = [Column("prospect_id"), Column("name"), *numbers, Column("class_name")]
    return Table(
        columns, [(str(UUID(str(one.account.prospect))), *one.account[1:], *one[1:]) for one in report.ranked]
    )


def _summary(report: ConcentrationOut) -> str:
    """Return how the amount is spread, in words. It assumes no rule such as 80/20."""
    count, ranked = report.accounts, report.ranked
    what = (
        f"“{report.attribute.replace('_', ' ')}”"
        if report.attribute
        else f"the amounts won in {report.currency}"
    )
    if not count:
        number = "a number of 0 or more" if report.excluded.negative else "a number"
        return f"No account has {number} for {what}, so there is nothing to compare."
    if not ranked:
        return f"Every known value of {what} is 0, so there is nothing to compare."
    if count == 1:
        return f"Only one account has a number for {what}, so there is nothing to compare."
    if ranked[0].account.amount == ranked[-1].account.amount:
        return f"All {count} accounts have the same share of {what}: none stands out."
    classes = {one.class_name: one.accounts for one in report.classes}
    largest = f"The largest of {count} accounts holds {percent(ranked[0].share)}"
    if report.top_fifth is not None:
        largest = f"The largest fifth of {count} accounts holds {percent(report.top_fifth)}"
    return (
        f"{largest} of {what}. Class A, up to 80 %, has {counted(classes['A'], 'account')}; class B, up to "
        f"95 %, has {classes['B']}; and class C has {classes['C']}."
    )
