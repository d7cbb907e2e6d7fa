"""The portfolio of accounts: cells, accounts that can still move, and movement, on both databases."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from itertools import count
from random import Random
from uuid import UUID

import pytest

from app.insights.account_schemas import PortfolioFilter, PortfolioOut
from app.problems import Problem
from tests.api.calls import ok, pointers, refusal
from tests.conftest import settings_for
from tests.insights.books import FIRST_DAY, Books
from tests.scoring.building import question, step, weighted

keys = count(1)
ADVICE = {
    "high_high": "Invest.",
    "high_low": "Maintain.",
    "low_high": "Manage for cash.",
    "low_low": "Withdraw.",
}
AXES = {"x": "trust", "y": "worth", "cut_at": 50, "advice": ADVICE}
DIMENSIONS = [
    {"key": "worth", "title": "What it is worth"},
    {"key": "other", "title": "Something else"},
    {"key": "trust", "title": "How well we work together"},
]
QUESTIONS = {"profit": ("worth", 1), "warmth": ("trust", 2), "honesty": ("trust", 1), "noise": ("other", 5)}
ASKED = step("all", *(question(key, dimension, weight=w) for key, (dimension, w) in QUESTIONS.items()))
SET = weighted(ASKED, dimensions=DIMENSIONS, portfolio=AXES)


@pytest.fixture(scope="module")
def books(new_database):
    books = Books(settings_for(new_database()))
    yield books
    books.database.close()


@pytest.fixture
def key(books):
    """The key of a set that no other test uses."""
    key = f"accounts-{next(keys)}"
    books.publish(SET | {"key": key})
    return key


def portfolio(books, key, **filters):
    return books.report("portfolio", PortfolioFilter(question_set=key, **filters))


def names(group):
    return [one.name for one in group.items]


def test_each_account_is_in_the_cell_of_its_estimates(books, key):
    """On 1..5, trust is 100·(2·x + y)/(3·4) for the ratings x + 1 and y + 1, and worth is 25·x."""
    accounts = {
        "Ada": {"warmth": 3, "honesty": 3, "profit": 3},  # 50 and 50
        "Ben": {"warmth": 3, "honesty": 3, "profit": 2},  # 50 and 25
        "Cy": {"warmth": 3, "honesty": 2, "profit": 5},  # 42 and 100
        "Di": {"warmth": 1, "honesty": 5, "profit": 1},  # 33 and 0
        "Ed": {"warmth": 4, "profit": 4},  # 50 to 83, and 75: sure
        "Flo": {"warmth": 3, "profit": 4},  # 33 to 67, estimated 50, and 75: two cells
        "Gus": {"profit": 4},  # no trust
        "Hal": {"noise": 5},
    }
    for name, ratings in accounts.items():
        books.open(books.prospect(name), key, ratings=ratings)
    told = portfolio(books, key)
    assert (told.accounts, told.cut_at, told.portfolio_of) == (8, 50, f"{key}@1")
    assert (told.x.title, told.y.title) == ("How well we work together", "What it is worth")
    assert {one.cell: names(one) for one in told.cells} == {
        "high_high": ["Ada", "Ed"],
        "high_low": ["Ben"],
        "low_high": ["Cy"],
        "low_low": ["Di"],
    }
    assert [(one.cell, one.accounts, one.leaning, one.possible, one.advice) for one in told.cells] == [
        ("high_high", 2, 1, 1, "Invest."),
        ("high_low", 1, 0, 0, "Maintain."),
        ("low_high", 1, 0, 1, "Manage for cash."),
        ("low_low", 1, 0, 0, "Withdraw."),
    ]
    (flo,) = told.unsettled.items
    assert (flo.name, flo.cells, flo.leaning) == ("Flo", ["high_high", "low_high"], "high_high")
    assert (flo.x.estimate, flo.x.lowest, flo.x.highest) == (50, 400 / 12, 800 / 12)
    assert names(told.not_rated) == ["Gus", "Hal"]
    assert told.movement is None
    assert told.summary == (
        "8 accounts: 2 are high on both “How well we work together” and “What it is worth”, 1 is high only "
        "on “How well we work together”, 1 is high only on “What it is worth” and 1 is low on both. 1 can "
        "still move to another cell, because questions are open. 2 cannot be placed, because nothing is "
        "rated on at least one axis."
    )


def test_the_newest_open_session_shows_an_account_or_else_its_last_one(books, key):
    prospect = books.prospect("Ada")
    first = books.open(prospect, key, deal="one", ratings=dict.fromkeys(QUESTIONS, 5))
    assert names(portfolio(books, key).cells[0]) == ["Ada"]
    second = books.open(prospect, key, deal="two", ratings=dict.fromkeys(QUESTIONS, 1))
    assert names(portfolio(books, key).cells[3]) == ["Ada"]
    books.conclude(second)
    assert names(portfolio(books, key).cells[0]) == ["Ada"]
    books.conclude(first)
    told = portfolio(books, key)
    assert (names(told.cells[3]), told.accounts) == (["Ada"], 1)


def test_accounts_of_a_segment_and_sessions_of_an_assessor(books, key):
    for name, industry, assessor in (("Ada", "Ore ", "ann"), ("Ben", "ore", "bob"), ("Cy", "retail", "ann")):
        account = books.prospect(name, industry=industry)
        books.open(account, key, assessor=assessor, ratings=dict.fromkeys(QUESTIONS, 5))
    assert names(portfolio(books, key, segment=["industry:ORE"]).cells[0]) == ["Ada", "Ben"]
    assert names(portfolio(books, key, assessor="ann").cells[0]) == ["Ada", "Cy"]
    assert names(portfolio(books, key, segment=["industry:ore"], assessor="ann").cells[0]) == ["Ada"]


def test_a_set_without_sessions_says_so(books, key):
    told = portfolio(books, key, since="2026-01-01")
    assert (told.accounts, told.summary) == (0, f"No matching account has a session on {key}.")
    assert (told.movement.unchanged, told.movement.moves) == (0, [])
    assert books.table("portfolio", PortfolioFilter(question_set=key)) == []


@pytest.mark.parametrize("name", ["bant", "bant@1", "nothing", "accounts@99"])
def test_a_set_without_a_portfolio_is_refused(books, name):
    with pytest.raises(Problem) as refused:
        portfolio(books, name)
    assert refused.value.kind.status == 422


def test_versions_are_pooled_in_the_portfolio_of_the_newest_one(books, key):
    """Version 2 turns the axes, and version 3 has another dimension in place of one of them."""
    books.publish(SET | {"key": key, "portfolio": AXES | {"x": "worth", "y": "trust", "cut_at": 80}})
    without = [*DIMENSIONS[:2], {"key": "luck", "title": "Luck"}]
    books.publish(weighted(step("all", question("fate", "luck")), dimensions=without, key=key))
    rated = {"warmth": 4, "honesty": 4, "profit": 5}
    for version in (1, 2):
        books.open(books.prospect(f"On {version}"), f"{key}@{version}", ratings=rated)
    books.open(books.prospect("On 3"), f"{key}@3", ratings={"fate": 5})
    told = portfolio(books, key)
    assert (told.portfolio_of, told.versions, told.accounts) == (f"{key}@2", [1, 2], 2)
    assert names(told.cells[1]) == ["On 1", "On 2"]
    assert names(portfolio(books, f"{key}@1").cells[0]) == ["On 1"]
    with pytest.raises(Problem):
        portfolio(books, f"{key}@3")


def test_a_session_that_moved_to_another_version_was_where_its_old_version_placed_it(books, key):
    books.on_day(0)
    session = books.open(books.prospect("Ada"), key, ratings={"warmth": 5, "honesty": 5, "profit": 1})
    # In version 2, the question of the other axis has no weight that counts.
    turned = weighted(
        step("all", question("profit", "worth"), question("warmth", "trust"), question("honesty", "trust")),
        dimensions=[DIMENSIONS[2], DIMENSIONS[0]],
        portfolio=AXES,
        key=key,
    )
    books.publish(turned)
    books.on_day(1)
    books.move(session, f"{key}@2")
    told = portfolio(books, f"{key}@2", since=FIRST_DAY.date() + timedelta(days=1))
    assert (names(told.cells[1]), told.movement.unchanged, told.movement.moves) == (["Ada"], 1, [])


def test_fifty_accounts_of_a_cell_are_listed_by_name_and_the_table_has_all(books, key):
    numbers = Random(3).sample(range(52), 52)
    for number in numbers:
        books.open(books.prospect(f"Account {number:02}"), key, ratings=dict.fromkeys(QUESTIONS, 5))
    told = portfolio(books, key)
    assert told.cells[0].accounts == 52
    assert names(told.cells[0]) == [f"Account {number:02}" for number in range(50)]
    rows = books.table("portfolio", PortfolioFilter(question_set=key))
    assert [row["name"] for row in rows] == [f"Account {number:02}" for number in range(52)]
    assert rows[0] | {"prospect_id": "", "session_id": ""} == {
        "prospect_id": "",
        "name": "Account 00",
        "session_id": "",
        "question_set": f"{key}@1",
        "status": "open",
        "place": "high_high",
        "trust_estimate": 100.0,
        "trust_lowest": 100.0,
        "trust_highest": 100.0,
        "worth_estimate": 100.0,
        "worth_lowest": 100.0,
        "worth_highest": 100.0,
        "leaning": "high_high",
        "cells": "high_high",
        "advice": "Invest.",
    }


def test_one_account_with_many_sessions_is_one_account(books, key):
    prospect = books.prospect("Ada")
    for number in range(20):
        books.open(prospect, key, deal=f"deal {number}", ratings=dict.fromkeys(QUESTIONS, 1 + number % 5))
    told = portfolio(books, key, since="2030-01-01")
    assert (told.accounts, names(told.cells[0]), told.movement.unchanged) == (1, ["Ada"], 1)


def test_a_set_that_is_retired_keeps_its_portfolio(books, key):
    books.open(books.prospect("Ada"), key, ratings=dict.fromkeys(QUESTIONS, 5))
    books.retire(key, 1)
    assert portfolio(books, key).accounts == portfolio(books, f"{key}@1").accounts == 1


@pytest.mark.one_database
def test_the_response_has_no_more_than_it_describes_and_refuses_what_has_no_effect(client):
    told = ok(client.get("/v1/insights/portfolio", params={"question_set": "key-account-selection@1"}))
    assert [cell["advice"].partition(":")[0] for cell in told["cells"]] == [
        "Invest",
        "Maintain",
        "Manage for cash",
        "Withdraw",
    ]
    assert told.keys() == PortfolioOut.model_fields.keys() - {"placed"}
    table = client.get("/v1/insights/portfolio.csv", params={"question_set": "key-account-selection"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.lstrip("\ufeff").startswith("prospect_id,name,session_id,")
    unknown = client.get(
        "/v1/insights/portfolio", params={"question_set": "key-account-selection", "before": "2026-01-01"}
    )
    assert (refusal(unknown), pointers(unknown)) == ((422, "invalid-request"), ["/before"])
    without = client.get("/v1/insights/portfolio", params={"question_set": "bant"})
    assert [one["code"] for one in without.json()["errors"]] == ["no_portfolio"]


# A second implementation, on lists: what a session was on each day, and the cell as fractions.


@dataclass
class PlainSession:
    """Its answers as pairs of a day and what is known since then; `closed` is the day of its outcome."""

    id: UUID
    opened: int
    known: list
    closed: int | None = None

    def answers(self, day):
        """What is known before a day."""
        return [answers for at, answers in self.known if at < day][-1]

    def is_open(self, day):
        return self.closed is None or self.closed >= day


@dataclass
class PlainAccount:
    """A prospect with its sessions, oldest first."""

    id: UUID
    sessions: list = field(default_factory=list)


def plain_place(answers):
    """The cell of an account, or why it is in none."""
    sides = []
    for axis in ("trust", "worth"):
        asked = [(w, answers.get(q)) for q, (dimension, w) in QUESTIONS.items() if dimension == axis]
        rated = [(w, rating) for w, rating in asked if isinstance(rating, int)]
        whole = sum(w for w, rating in asked if rating != "not_applicable")
        if not rated:
            return "not_rated"
        lowest = Fraction(sum(w * (rating - 1) for w, rating in rated), whole * 4)
        highest = lowest + Fraction(whole - sum(w for w, _ in rated), whole)
        sides.append("high" if lowest >= Fraction(1, 2) else "low" if highest < Fraction(1, 2) else None)
    return "unsettled" if None in sides else "_".join(sides)


def plain_places(accounts, day):
    """The place of each account that had a session before a day."""
    places = {}
    for name, account in accounts.items():
        there = [one for one in account.sessions if one.opened < day]
        shown = [one for one in there if one.is_open(day)] or there
        if shown:
            places[name] = plain_place(shown[-1].answers(day))
    return places


DAYS = 6


def test_places_and_moves_agree_with_a_second_implementation_on_every_day(books, key):
    chance = Random(20)
    accounts = {name: PlainAccount(books.prospect(name)) for name in (f"Account {n:02}" for n in range(25))}
    for day in range(DAYS):
        books.on_day(day)
        for name in chance.sample(sorted(accounts), 12):
            live(books, key, chance, day, accounts[name])
    now = plain_places(accounts, DAYS)
    for day in range(DAYS + 1):
        told = portfolio(books, key, since=(FIRST_DAY + timedelta(days=day)).date())
        assert told_places(told) == now
        then = plain_places(accounts, day)
        moves = Counter((then.get(name, "absent"), now[name]) for name in now)
        assert told.movement.unchanged == sum(n for (before, after), n in moves.items() if before == after)
        assert {(one.before, one.after): one.accounts for one in told.movement.moves} == {
            move: n for move, n in moves.items() if move[0] != move[1]
        }
        for one in told.movement.moves:
            assert names(one) == sorted(
                n for n in now if (then.get(n, "absent"), now[n]) == (one.before, one.after)
            )


def told_places(told):
    groups = {one.cell: one for one in told.cells} | {
        "unsettled": told.unsettled,
        "not_rated": told.not_rated,
    }
    return {name: place for place, group in groups.items() for name in names(group)}


def live(books, key, chance, day, account):
    """Open a session of an account, answer in it, or close it."""
    current = next((one for one in reversed(account.sessions) if one.closed is None), None)
    answers = {
        question: chance.choice([1, 2, 3, 4, 5, 3, "not_applicable", "open"])
        for question in chance.sample(sorted(QUESTIONS), chance.randint(1, 4))
    }
    sent = [
        {"question": name, "rating" if isinstance(given, int) else "state": given}
        for name, given in answers.items()
    ]
    if current is None or chance.random() < 0.3:
        deal = f"deal {len(account.sessions)}"
        session = books.open(account.id, key, deal=deal, answers=sent)
        account.sessions.append(PlainSession(session, day, [(day, answers)]))
    elif chance.random() < 0.3:
        current.closed = day
        books.conclude(current.id)
    else:
        current.known.append((day, current.known[-1][1] | answers))
        books.answer(current.id, answers=sent)
