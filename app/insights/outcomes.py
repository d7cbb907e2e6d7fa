"""Win and loss: how deals ended, by reason, competitor, question set, period and segment."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np

from app.files.columns import Column, Value
from app.insights.conclusion_schemas import (
    Amounts,
    Breakdown,
    OtherGroups,
    OutcomeCounts,
    OutcomeGroup,
    OutcomesOut,
)
from app.insights.deals import PERIODS, Deal, count_once, sessions_with_outcome, version_of
from app.insights.estimates import columns_of, estimate_of, values_of
from app.insights.groups import Group, groups_of_values, in_order_of_names, largest_first
from app.insights.queries import attribute_value, count_excluded
from app.insights.reasons import Labels, compare_reasons
from app.insights.report import Reading, Table
from app.insights.schemas import Estimate, Excluded
from app.insights.shares import (
    LOST,
    NO_DECISION,
    OUTCOMES,
    WON,
    in_words,
    numbered,
    weights_of,
    win_rate,
    win_rate_bounds,
)
from app.insights.statistics.estimate import Floats, Integers
from app.insights.statistics.evidence import ESTABLISHED_OF_EACH
from app.insights.statistics.proportions import wilson
from app.insights.words import capitalised, count_in_words, deals_in_words, percent
from app.scoring.words import listed

# The largest groups of a breakdown. All periods are shown.
MAX_GROUPS = 50
ATTRIBUTE = "attribute:"
BY_SET = "question_set"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the report is computed from. `labels` are None without a question set."""

    question_set: str | None
    by: Sequence[str]
    sessions: list[Deal]
    labels: Labels | None
    excluded: Excluded
    with_hindsight: bool


def read(reading: Reading) -> Outcomes:
    """Read the sessions with an outcome. Raises INVALID_REQUEST for an unknown question set."""
    tx, filters = reading.tx, reading.filters
    question_set = reading.plans.find_filter(tx, filters.question_set, "query")
    by = list(dict.fromkeys(filters.by))
    sessions = sessions_with_outcome(tx, filters, question_set, _attributes(by))
    return Outcomes(
        filters.question_set,
        by,
        sessions,
        question_set and _labels(reading, question_set[0], {one.version for one in sessions}),
        count_excluded(tx, filters, question_set),
        filters.hindsight == "include",
    )


def _attributes(by: Iterable[str]) -> list[str]:
    return [one.removeprefix(ATTRIBUTE) for one in by if one.startswith(ATTRIBUTE)]


def _labels(reading: Reading, key: str, versions: Iterable[int]) -> Labels:
    plans = {version: reading.plans.find(reading.tx, f"{key}@{version}") for version in versions}
    return {
        version: [(question.key, question.label) for question in plan.questions.values()]
        for version, plan in plans.items()
    }


@dataclass(frozen=True, slots=True)
class _Columns:
    """Deals as arrays: numbers of prospects, outcomes and currencies, and amounts, NaN if there is none."""

    deals: Sequence[Deal]
    prospect: Integers
    outcome: Integers
    currency: Integers
    amount: Floats
    currencies: Sequence[str | None]

    @classmethod
    def of(cls, deals: Sequence[Deal]) -> "_Columns":
        currencies = sorted({one.currency for one in deals}, key=lambda currency: currency or "")
        return cls(
            deals,
            numbered([one.prospect for one in deals]),
            numbered([one.outcome for one in deals], OUTCOMES),
            numbered([one.currency for one in deals], currencies),
            np.array([one.amount for one in deals], dtype=np.float64),
            currencies,
        )


def compute(outcomes: Outcomes) -> OutcomesOut:
    """Compute the report."""
    columns = _Columns.of(count_once(outcomes.sessions))
    by_set = columns
    if BY_SET in outcomes.by:
        by_set = _Columns.of(count_once(outcomes.sessions, by_set=True))
    total = OutcomeCounts(**_counts(columns, np.arange(len(columns.deals))))
    attributes = _attributes(outcomes.by)
    lost = [one for one in outcomes.sessions if one.outcome == "lost"]
    with_verdict = [one for one in lost if not one.hindsight]
    in_hindsight = [one for one in lost if one.hindsight] if outcomes.with_hindsight else None
    return OutcomesOut(
        question_set=outcomes.question_set,
        summary=_summary(total, columns.deals),
        preliminary=min(total.won, total.lost) < ESTABLISHED_OF_EACH,
        excluded=outcomes.excluded.model_copy(update={"not_scored": 0}),
        total=total,
        breakdowns=[_breakdown(by, by_set if by == BY_SET else columns, attributes) for by in outcomes.by],
        reasons=compare_reasons(with_verdict, outcomes.labels),
        hindsight=compare_reasons(in_hindsight, outcomes.labels),
    )


def _counts(columns: _Columns, rows: Integers) -> dict[str, Any]:
    """Return the fields of `OutcomeCounts` for some deals."""
    prospect, outcome = columns.prospect[rows], columns.outcome[rows]
    ended = np.bincount(outcome, minlength=len(OUTCOMES)).tolist()
    return {
        **dict(zip(OUTCOMES, ended, strict=True)),
        "prospects": len(np.unique(prospect[outcome != NO_DECISION])),
        "win_rate": win_rate(prospect, outcome),
        "win_rate_bounds": win_rate_bounds(prospect, outcome),
        "amounts": list(_amounts(columns, rows)),
    }


def _amounts(columns: _Columns, rows: Integers) -> Iterator[Amounts]:
    """Yield the amounts of each currency and outcome that has some."""
    rows = rows[~np.isnan(columns.amount[rows])]
    for number, currency in enumerate(columns.currencies):
        in_currency = rows[columns.currency[rows] == number]
        for place, outcome in enumerate(OUTCOMES):
            amounts = np.sort(columns.amount[in_currency[columns.outcome[in_currency] == place]]).tolist()
            if amounts:
                yield Amounts(
                    outcome=outcome,
                    currency=currency,
                    deals=len(amounts),
                    total=_total(amounts),
                    median=_median(amounts),
                )


def _total(amounts: Iterable[float]) -> float | None:
    """Return the sum, without the error of adding cents in binary; None if it is too large for a float."""
    try:
        return round(fsum(amounts), 3)
    except OverflowError:
        return None


def _median(amounts: Sequence[float]) -> float:
    """Return the median of sorted amounts. Adding the halves of two of them cannot overflow."""
    middle = len(amounts) // 2
    return amounts[middle] / 2 + amounts[middle - 1 + len(amounts) % 2] / 2


def _breakdown(by: str, columns: _Columns, attributes: Sequence[str]) -> Breakdown:
    found = _groups_of(by, columns.deals, attributes)
    names = list(dict.fromkeys(found))
    number = numbered(found, names)
    rows = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    groups = dict(zip(names, rows, strict=True)) if names else {}
    ordered = sorted(groups, key=lambda group: (group.place, -len(groups[group]), group.name or ""))
    shown = ordered if by in PERIODS else ordered[:MAX_GROUPS]
    others = [groups[group] for group in ordered[len(shown) :]]
    of_won, of_lost = (_shares(outcome, columns, number, len(names)) for outcome in (WON, LOST))
    return Breakdown(
        by=by,
        groups=[
            OutcomeGroup(
                group=group.name,
                share_of_won=of_won[names.index(group)],
                share_of_lost=of_lost[names.index(group)],
                **_counts(columns, groups[group]),
            )
            for group in shown
        ],
        others=OtherGroups(groups=len(others), **_counts(columns, np.concatenate(others)))
        if others
        else None,
    )


def deals_by_group(outcomes: Outcomes) -> dict[tuple[str, str | None], list[Deal]]:
    """Return the deals of each group, by what they are grouped by and the name of the group."""
    found: defaultdict[tuple[str, str | None], list[Deal]] = defaultdict(list)
    for by in outcomes.by:
        deals = count_once(outcomes.sessions, by_set=by == BY_SET)
        for deal, group in zip(deals, _groups_of(by, deals, _attributes(outcomes.by)), strict=True):
            found[by, group.name].append(deal)
    return found


def _shares(outcome: int, columns: _Columns, group: Integers, groups: int) -> list[Estimate | None]:
    """Return the share of all deals with an outcome that each group has."""
    found = columns.outcome == outcome
    weights = weights_of(columns.prospect[found])
    sums = np.bincount(group[found], weights, groups).tolist()
    return [estimate_of(wilson(one, float(weights.sum()))) for one in sums]


def _groups_of(by: str, deals: Sequence[Deal], attributes: Sequence[str]) -> list[Group]:
    """Return the group of each deal. `attributes` has the names of those that the deals have."""
    if by in PERIODS:
        return in_order_of_names([PERIODS[by](deal) for deal in deals])
    if by == BY_SET:
        return largest_first([version_of(deal) for deal in deals])
    if by == "reason":
        return largest_first([deal.reason for deal in deals])
    if by == "competitor":
        return groups_of_values([deal.competitor for deal in deals])
    place = attributes.index(by.removeprefix(ATTRIBUTE))
    values = {text: attribute_value(text) for text in {deal.attributes[place] for deal in deals}}
    return groups_of_values([values[deal.attributes[place]] for deal in deals])


def _summary(total: OutcomeCounts, deals: Sequence[Deal]) -> str:
    if not deals:
        return "There are no deals with an outcome."
    ended = count_in_words(total.no_decision, "deal", "deals")
    if total.win_rate is None or total.win_rate_bounds is None:
        return f"{ended} ended without a decision and none was won or lost, so there is no win rate."
    rate = in_words(total.win_rate, total.won, total.won + total.lost)
    deals_in_sentence = capitalised(deals_in_words(total.won, total.lost))
    sentences = [f"{deals_in_sentence}: a win rate of {rate}."]
    if total.no_decision:
        as_lost, as_won = percent(total.win_rate_bounds.low), percent(total.win_rate_bounds.high)
        sentences.append(
            f"With the {ended} without a decision counted as lost, it is {as_lost}; counted as won, {as_won}."
        )
    return " ".join([*sentences, *_main_reason(total.lost, deals)])


def _main_reason(lost: int, deals: Iterable[Deal]) -> Iterator[str]:
    reasons = Counter(one.reason for one in deals if one.outcome == "lost" and one.reason)
    if reasons:
        most = max(reasons.values())
        first = sorted(reason for reason, count in reasons.items() if count == most)
        names = listed([reason.replace("_", " ") for reason in first])
        which, each = ("reasons for losing are", "each ") if len(first) > 1 else ("reason for losing is", "")
        of_all = f"{most} of {count_in_words(lost, 'lost deal', 'lost deals')}"
        yield f"The most frequent {which} {names}, {each}given for {of_all}."


COLUMNS = (
    *(Column(name) for name in ("by", "group")),
    *(Column(name, "integer") for name in ("won", "lost", "no_decision", "prospects")),
    *columns_of("win_rate"),
    *(Column(name, "number") for name in ("win_rate_lower_bound", "win_rate_upper_bound")),
    *columns_of("share_of_won"),
    *columns_of("share_of_lost"),
    Column("currency"),
    *(Column(f"{word}_{name}", "number") for word in OUTCOMES for name in ("total", "median")),
)
PLACE_OF_CURRENCY = [column.name for column in COLUMNS].index("currency")


def table(report: OutcomesOut) -> Table:
    """Return the table of the report: all deals, and then a row for each group of each breakdown.

    A group with amounts in several currencies has a further row for each of them.
    """
    rows = _rows(["all", None], report.total, (None,) * 6)
    for breakdown in report.breakdowns:
        for group in breakdown.groups:
            shares = (*values_of(group.share_of_won), *values_of(group.share_of_lost))
            rows += _rows([breakdown.by, group.group], group, shares)
        if breakdown.others:
            name = count_in_words(breakdown.others.groups, "other group", "other groups")
            rows += _rows([breakdown.by, name], breakdown.others, (None,) * 6)
    return Table(COLUMNS, rows)


def _rows(head: Sequence[Value], of: OutcomeCounts, shares: Sequence[Value]) -> list[list[Value]]:
    bounds = of.win_rate_bounds
    counts = [of.won, of.lost, of.no_decision, of.prospects, *values_of(of.win_rate)]
    start = [*head, *counts, *((bounds.low, bounds.high) if bounds else (None, None)), *shares]
    amounts = list(_amount_cells(of.amounts)) or [[None] * (len(COLUMNS) - PLACE_OF_CURRENCY)]
    further = [*head, *[None] * (PLACE_OF_CURRENCY - len(head))]
    return [[*(further if index else start), *cells] for index, cells in enumerate(amounts)]


def _amount_cells(amounts: Sequence[Amounts]) -> Iterator[list[Value]]:
    """Yield for each currency the currency, and the total and the median of each outcome."""
    for currency in dict.fromkeys(one.currency for one in amounts):
        by_outcome = {one.outcome: one for one in amounts if one.currency == currency}
        cells = (
            (by_outcome[word].total, by_outcome[word].median) if word in by_outcome else (None, None)
            for word in OUTCOMES
        )
        yield [currency, *(cell for pair in cells for cell in pair)]
