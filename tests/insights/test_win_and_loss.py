"""How deals ended, from deals to the report."""

import json
from math import isfinite

import pytest

from app.insights.outcomes import table
from tests.insights.ended import ended, report


def groups(found, place=0):
    of = found.breakdowns[place].groups
    return [(group.group, group.won, group.lost, group.no_decision) for group in of]


def amounts(counts):
    return [(one.outcome, one.currency, one.deals, one.total, one.median) for one in counts.amounts]


def numbers_in(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(one)
    elif isinstance(value, float):
        yield value


def test_counts_rates_and_bounds():
    found = report(ended("won"), ended("won"), ended("lost"), ended("no_decision"))
    total = found.total
    assert (total.won, total.lost, total.no_decision, total.prospects) == (2, 1, 1, 3)
    # 2 of 3 by scipy's binomtest(2, 3).proportion_ci(method="wilson").
    rate = total.win_rate
    assert (rate.estimate, rate.low, rate.high) == pytest.approx((2 / 3, 0.2077, 0.9385), abs=1e-4)
    # 2 of 4 if the undecided deal was lost, 3 of 4 if it was won.
    assert (total.win_rate_bounds.low, total.win_rate_bounds.high) == (0.5, 0.75)
    assert found.preliminary


def test_a_prospect_with_500_deals_counts_as_one():
    many = [ended("won", prospect="P", deal=f"D{number}") for number in range(500)]
    found = report(*many, ended("lost"), ended("lost"))
    assert (found.total.won, found.total.lost, found.total.prospects) == (500, 2, 3)
    rate = found.total.win_rate
    # 1 of 3.
    assert (rate.estimate, rate.low, rate.high) == pytest.approx((1 / 3, 0.0615, 0.7923), abs=1e-4)
    rate_in_words = "a win rate of 33 % (6 % to 79 %), with each prospect counted as one."
    assert found.summary == f"500 won and 2 lost deals: {rate_in_words}"


def test_groups_are_ordered_by_size_and_the_unknown_one_is_last():
    found = report(
        ended("lost", reason="timing"),
        ended("lost", reason="price"),
        ended("lost", reason="price"),
        *(ended("won") for _ in range(5)),
    )
    assert groups(found) == [("price", 0, 2, 0), ("timing", 0, 1, 0), (None, 5, 0, 0)]
    price = found.breakdowns[0].groups[0]
    # 2 of 3 lost deals.
    assert price.share_of_lost.estimate == pytest.approx(2 / 3)
    assert (price.share_of_lost.low, price.share_of_lost.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert price.share_of_won.estimate == 0
    assert price.win_rate.estimate == 0


def test_more_than_fifty_groups_are_pooled_but_all_periods_are_shown():
    days = [f"20{number:02}-01-01" for number in range(60)]
    sessions = [ended("won", competitor=f"C{day}", day=day) for day in days]
    found = report(*sessions, *sessions[:1], by=["competitor", "year"])
    of_competitors, of_years = found.breakdowns
    assert (len(of_competitors.groups), of_competitors.others.groups) == (50, 10)
    assert of_competitors.others.won == 10
    assert [group.group for group in of_years.groups] == [day[:4] for day in days]
    assert of_years.others is None


def test_a_deal_with_sessions_on_two_sets_counts_in_both_and_once_in_total():
    both = [ended("won", prospect="P", deal="D", question_set=key) for key in ("bant", "champ")]
    found = report(*both, by=["question_set", "year"])
    assert found.total.won == 1
    assert groups(found) == [("bant@1", 1, 0, 0), ("champ@1", 1, 0, 0)]
    assert groups(found, 1) == [("2026", 1, 0, 0)]


def test_amounts_are_added_by_currency_and_outcome():
    found = report(
        *(ended("won", amount=amount, currency="EUR") for amount in (0.1, 0.2, 100.0)),
        ended("won", amount=7.0, currency="USD"),
        ended("won", amount=5.0),
        ended("lost", amount=0.0, currency="EUR"),
        ended("lost", amount=1e15, currency="EUR"),
        ended("won"),
    )
    assert amounts(found.total) == [
        ("won", None, 1, 5.0, 5.0),
        ("won", "EUR", 3, 100.3, 0.2),
        ("lost", "EUR", 2, 1e15, 5e14),
        ("won", "USD", 1, 7.0, 7.0),
    ]


def test_amounts_whose_sum_is_no_number_have_a_median():
    found = report(*(ended("won", amount=1.7e308) for _ in range(2)))
    assert amounts(found.total) == [("won", None, 2, None, 1.7e308)]


@pytest.mark.parametrize(
    ("sessions", "summary"),
    [
        ([], "There are no deals with an outcome."),
        (
            [ended("no_decision")],
            "1 deal ended without a decision and none was won or lost, so there is no win rate.",
        ),
        ([ended("won")], "1 won and no lost deals: a win rate of 100 % (21 % to 100 %)."),
        (
            [ended("lost", reason="too_late")],
            (
                "No won and 1 lost deal: a win rate of 0 % (0 % to 79 %). The most frequent reason "
                "for losing is too late, given for 1 of 1 lost deal."
            ),
        ),
        (
            [ended("won"), ended("lost", reason="a"), ended("lost", reason="b"), ended("no_decision")],
            (
                "1 won and 2 lost deals: a win rate of 33 % (6 % to 79 %). With the 1 deal "
                "without a decision counted as lost, it is 25 %; counted as won, 50 %. The most frequent "
                "reasons for losing are a and b, each given for 1 of 2 lost deals."
            ),
        ),
    ],
)
def test_the_summary_is_true_in_every_state(sessions, summary):
    found = report(
        *sessions, by=["reason", "competitor", "month", "question_set"], labels={1: [("need", "need")]}
    )
    assert found.summary == summary
    written = json.loads(found.model_dump_json())
    assert all(isfinite(number) for number in numbers_in(written))


def test_10_000_equal_deals():
    found = report(*(ended("won", amount=1.0, currency="EUR") for _ in range(10_000)), by=["month"])
    assert groups(found) == [("2026-01", 10_000, 0, 0)]
    assert found.total.win_rate.high == 1.0
    assert "10000 won and no lost deals: a win rate of 100 % (over 99 % to 100 %)." in found.summary


def test_the_table_has_a_row_for_each_group_and_for_each_further_currency():
    found = report(
        ended("won", amount=4.0, currency="EUR"),
        ended("won", amount=5.0, currency="USD"),
        ended("lost", reason="price"),
    )
    columns, rows = table(found)
    cells = [dict(zip([column.name for column in columns], row, strict=True)) for row in rows]
    assert [(one["by"], one["group"], one["won"], one["currency"], one["won_total"]) for one in cells] == [
        ("all", None, 2, "EUR", 4.0),
        ("all", None, None, "USD", 5.0),
        ("reason", "price", 0, None, None),
        ("reason", None, 2, "EUR", 4.0),
        ("reason", None, None, "USD", 5.0),
    ]
