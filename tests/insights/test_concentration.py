"""How far amounts are concentrated on few accounts: the figures, the words and what is read."""

from collections import Counter
from fractions import Fraction
from math import isfinite
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.insights.account_schemas import ConcentrationFilter
from app.insights.concentration import AccountAmount, Amounts, compute, table
from app.problems import Problem
from tests.conftest import settings_for
from tests.insights.books import Books
from tests.scoring.strategies import effort

REVENUE = ConcentrationFilter(attribute="annual_revenue")


def report(*amounts, **excluded):
    accounts = [AccountAmount(UUID(int=n), f"Account {n}", float(amount)) for n, amount in enumerate(amounts)]
    return compute(Amounts(REVENUE, accounts, Counter(excluded)))


def classes(told):
    return "".join(one.class_name for one in told.items)


def test_six_accounts_that_a_reader_can_check():
    """The shares are 50, 30, 10, 5, 3 and 2 %; Gini: (−5·2 − 3·3 − 5 + 10 + 3·30 + 5·50) / (6·100)."""
    told = report(5, 30, 2, 50, 10, 3)
    assert (told.accounts, told.total, told.zero) == (6, 100, 0)
    assert [one.amount for one in told.items] == [50, 30, 10, 5, 3, 2]
    assert [one.cumulative for one in told.items] == pytest.approx([0.5, 0.8, 0.9, 0.95, 0.98, 1])
    assert classes(told) == "AABBCC"
    assert told.gini == pytest.approx(326 / 600)
    # A fifth of six accounts is 1.2: the largest one, and a fifth of the next one.
    assert told.top_fifth == pytest.approx(0.5 + 0.2 * 0.3)
    assert [(one.accounts, one.share_of_total) for one in told.classes] == [
        (2, pytest.approx(0.8)),
        (2, pytest.approx(0.15)),
        (2, pytest.approx(0.05)),
    ]
    assert [(point.accounts, point.total) for point in told.curve[:3]] == [
        (0, 0),
        (pytest.approx(1 / 6), pytest.approx(0.5)),
        (pytest.approx(2 / 6), pytest.approx(0.8)),
    ]
    assert told.summary == (
        "The largest fifth of 6 accounts holds 56 % of “annual revenue”. Class A, up to 80 %, has 2 "
        "accounts; class B, up to 95 %, has 2; and class C has 2."
    )


WORDS = {
    "nothing": ((), "No account has a number for “annual revenue”, so there is nothing to compare."),
    "one": ((7,), "Only one account has a number for “annual revenue”, so there is nothing to compare."),
    "only zeros": ((0, 0), "Every known value of “annual revenue” is 0, so there is nothing to compare."),
    "all equal": ((4, 4, 4), "All 3 accounts have the same share of “annual revenue”: none stands out."),
    "few": (
        (10**15, 1, 0),
        (
            "The largest of 3 accounts holds over 99 % of “annual revenue”. Class A, up to 80 %, has 1 "
            "account; class B, up to 95 %, has 0; and class C has 2."
        ),
    ),
    "only a negative one": (
        (-5,),
        ("No account has a number of 0 or more for “annual revenue”, so there is nothing to compare."),
    ),
}


@pytest.mark.parametrize("state", WORDS)
def test_a_verdict_is_true_in_every_state(state):
    amounts, sentences = WORDS[state]
    assert report(*amounts).summary == sentences


def test_what_is_left_out_is_counted():
    told = report(3, 1, -2, missing=12, unreadable=1)
    assert told.excluded.model_dump() == {"missing": 12, "unreadable": 1, "negative": 1, "other_currency": 0}
    assert told.total == 4


def test_nobody_stands_out_of_ten_thousand_equal_accounts():
    told = report(*[5] * 10_000)
    assert (told.gini, told.top_fifth) == (pytest.approx(0, abs=1e-9), pytest.approx(0.2))
    assert [one.accounts for one in told.classes] == [10_000, 0, 0]
    assert len(told.items) == 50
    assert len(told.curve) == 101
    assert len(table(told).rows) == 10_000


# A second implementation, in fractions.


def plain(amounts):
    """The class of each amount by its value, the share of the largest fifth and the Gini coefficient."""
    amounts = sorted((a for a in amounts if a >= 0), reverse=True)
    total, n = sum(amounts), len(amounts)
    by_value, before = {}, Fraction(0)
    for amount in amounts:
        if amount not in by_value:
            share = Fraction(before, total)
            late = amount == 0 or share >= Fraction(95, 100)
            by_value[amount] = "C" if late else "B" if share >= Fraction(80, 100) else "A"
        before += amount
    whole, part = divmod(Fraction(n, 5), 1)
    top = sum(amounts[:whole]) + (part * amounts[whole] if part else 0)
    differences = sum(abs(one - other) for one in amounts for other in amounts)
    return by_value, Fraction(top, total), Fraction(differences, 2 * n * total)


AMOUNTS = st.integers(-3, 20) | st.sampled_from([0, 1, 10**9, 10**15, 2**53])


@effort(200)
@given(st.lists(AMOUNTS, min_size=1, max_size=40))
def test_it_agrees_with_a_second_implementation_in_fractions(amounts):
    told = report(*amounts)
    if sum(max(0, amount) for amount in amounts) == 0:
        assert (told.items, told.gini, told.top_fifth, told.curve) == ([], None, None, [])
        return
    by_value, top_fifth, gini = plain(amounts)
    assert [one.class_name for one in told.items] == [by_value[one.amount] for one in told.items]
    assert told.gini == pytest.approx(float(gini), abs=1e-12)
    assert told.top_fifth == (pytest.approx(float(top_fifth)) if told.accounts >= 5 else None)
    assert told.curve[-1].accounts == 1
    assert told.curve[-1].total == pytest.approx(1)
    assert all(isfinite(point.total) and 0 <= point.total <= 1 for point in told.curve)


@pytest.fixture(scope="module")
def books(new_database):
    books = Books(settings_for(new_database()))
    yield books
    books.database.close()


def concentration(books, **query):
    return books.report("concentration", ConcentrationFilter(**query))


def amounts(told):
    return [(one.name, one.amount) for one in told.items]


def test_an_attribute_is_read_as_question_sets_read_a_number(books):
    values = {
        "Ada": 1200,
        "Ben": " 800.5\t",
        "Cy": 4.0,
        "Di": "many",
        "Ed": True,
        "Flo": "",
        "Gus": -30,
        "Hal": 0,
        "Ida": 10**15,
        "Jo": "1e400",
    }
    for name, value in values.items():
        books.prospect(name, revenue=value, region="north" if name < "C" else "south")
    books.prospect("Kim", region="north")
    told = concentration(books, attribute="revenue")
    assert amounts(told) == [("Ida", 10**15), ("Ada", 1200), ("Ben", 800.5), ("Cy", 4), ("Hal", 0)]
    assert told.excluded.model_dump() == {"missing": 2, "unreadable": 3, "negative": 1, "other_currency": 0}
    north = concentration(books, attribute="revenue", segment=["region:North"])
    assert amounts(north) == [("Ada", 1200), ("Ben", 800.5)]
    assert north.excluded.missing == 1
    nothing = concentration(books, attribute="employees")
    assert (nothing.accounts, nothing.items, nothing.gini) == (0, [], None)


def test_amounts_won_are_added_up_in_one_currency_and_each_deal_counts_once(books):
    def won(name, amount, currency="EUR", outcome="won", question_set="bant", **identity):
        session = books.open(prospects[name], question_set, **identity)
        books.conclude(session, outcome, amount=amount, currency=currency, closed_on="2025-06-01")
        return session

    prospects = {name: books.prospect(name, sector="wood") for name in ("Ada", "Ben", "Cy", "Di")}
    won("Ada", 500)
    won("Ada", 250)
    won("Ben", 900, deal="first", assessor="ann")
    won("Ben", 900, deal="first", assessor="bob")
    won("Ben", 900, deal="first", question_set="champ")
    won("Ben", 40, "USD", deal="second")
    won("Ben", None, None, deal="third")
    corrected = won("Cy", 10**15)
    books.conclude(corrected, "won", amount=0, currency="EUR", closed_on="2025-07-01")
    won("Cy", 70, outcome="lost", deal="second")
    won("Di", 1e308, deal="first")
    told = concentration(books, by="amount", currency="EUR", segment=["sector:wood"])
    assert amounts(told) == [("Ben", 900), ("Ada", 750), ("Cy", 0)]
    assert told.excluded.model_dump() == {"missing": 1, "unreadable": 1, "negative": 0, "other_currency": 1}
    assert told.summary == (
        "The largest of 3 accounts holds 55 % of the amounts won in EUR. Class A, up to 80 %, has 2 "
        "accounts; class B, up to 95 %, has 0; and class C has 1."
    )
    later = concentration(books, by="amount", currency="EUR", segment=["sector:wood"], since="2025-06-02")
    assert amounts(later) == []
    bob = concentration(books, by="amount", currency="EUR", assessor="bob", question_set="bant@1")
    assert amounts(bob) == [("Ben", 900)]
    nothing = concentration(books, by="amount", currency="CHF", segment=["sector:wood"])
    assert nothing.summary.startswith("No account has a number for the amounts won in CHF")


REFUSED = {
    "no attribute": ({}, "/attribute"),
    "no currency": ({"by": "amount"}, "/currency"),
    "an attribute of amounts": ({"by": "amount", "currency": "EUR", "attribute": "revenue"}, "/attribute"),
    "a currency of an attribute": ({"attribute": "revenue", "currency": "EUR"}, "/currency"),
    "a period of an attribute": ({"attribute": "revenue", "since": "2026-01-01"}, "/since"),
    "a set of an attribute": ({"attribute": "revenue", "question_set": "bant"}, "/question_set"),
    "an unknown set": ({"by": "amount", "currency": "EUR", "question_set": "nothing"}, "/question_set"),
}


@pytest.mark.parametrize("query", REFUSED)
def test_parameters_that_do_not_go_together_are_refused(books, query):
    sent, pointer = REFUSED[query]
    with pytest.raises(Problem) as refused:
        concentration(books, **sent)
    assert (refused.value.kind.status, [one.pointer for one in refused.value.errors]) == (422, [pointer])
