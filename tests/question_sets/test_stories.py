"""What a head of sales would say of a prospect, and that every built-in set says the same.

Each comment has the arithmetic: what the ratings earn of what they could, by side, and what bars a fit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from app.question_sets.builtin_sets import read_builtin
from app.scoring import Plan, Sent, ratings_sent, read_answers, read_attributes, score
from tests.scoring.building import NOT_APPLICABLE, NOW, as_object

SETS = {question_set.key: question_set for question_set in read_builtin()}
SALE, FIRST_CALL, FIRM = "qualifying-a-sale", "qualifying-a-sale-short", "firmographic-fit"
SELECTION, ANALYSIS, CONGRUENCE = "key-account-selection", "key-account-analysis", "key-account-congruence"
ENTRY, SELF = "market-entry", "purpose-before-self"
BENEFIT = [
    "trigger", "goal", "meaning", "current_process",
    "current_challenges", "past_challenges", "best_parts", "thoughts",
]  # fmt: skip
COHERENCE = ["strategy_fit", "planning_assumptions"]
NOT_ASKED_OF_A_NEW_ACCOUNT = dict.fromkeys(["current_revenue", "current_profit"])
EXISTING, NEW = {"existing_account": True}, {"existing_account": False}
BEST_FIRM = {
    "industry": "logistics",
    "employees": 200,
    "annual_revenue": 50_000_000,
    "region": "europe",
    "growth": 7.5,
}


class Story(NamedTuple):
    """All questions are rated `rated`, but for those in `but`; None is open."""

    told: str
    question_set: str
    rated: int | None
    but: Mapping[str, int | str | None]
    indication: str | None
    grade: str | None
    blockers: Sequence[str] = ()
    has_score: bool = True
    attributes: Mapping[str, Any] = {}


def questions(key):
    return [question for step in SETS[key].steps if not step.gated for question in step.questions]


def scored(key, rated, but=(), attributes=None):
    told = dict.fromkeys([question.key for question in questions(key)], rated) | dict(but)
    sent = ratings_sent({one: rating for one, rating in told.items() if isinstance(rating, int)})
    skipped = [one for one, rating in told.items() if rating == "not_applicable"]
    sent += [Sent(f"/answers/{one}", one, NOT_APPLICABLE) for one in skipped]
    answers, facts = read_answers(SETS[key], sent), read_attributes(SETS[key], attributes or {})
    return as_object(score(Plan(SETS[key], f"{key}@1"), answers, facts, as_of=NOW))


def each(keys, rating):
    return dict.fromkeys(keys, rating)


STORIES = [
    # Qualifying a sale: 14 questions on the match, 56 to earn, and 8 on the benefit, 32 to earn.
    Story("a dream prospect", SALE, 5, {}, "fit", "A"),
    Story("a good prospect", SALE, 4, {}, "fit", "B"),  # 42/56 and 24/32 are 75
    Story("a good first talk: nothing can have changed yet", SALE, 4,
          {"changes": "not_applicable"}, "fit", "B"),  # 39/52 and 24/32 are 75
    Story("so-so in everything", SALE, 3, {}, "mixed", "C"),  # 50
    Story("weak in everything", SALE, 2, {}, "no_fit", "D",  # 25
          ["timeline", "budget", "decision_makers"]),
    Story("all is well but for an obstacle that nobody can remove", SALE, 5,
          {"open_items": 1}, "mixed", "C", ["open_items"]),  # 52/56 is 92.9
    Story("eager, but no money, no date and no say to speak of", SALE, 4,
          {"budget": 2, "timeline": 2, "decision_makers": 2},  # 36/56 is 64.3
          "mixed", "C", ["timeline", "budget", "decision_makers"]),
    Story("enthusiastic, with no money, no date and no say at all", SALE, 5,
          {"budget": 1, "timeline": 1, "decision_makers": 1},  # 44/56 is 78.6
          "mixed", "C", ["timeline", "budget", "decision_makers"]),
    Story("we cannot provide what they cannot do without", SALE, 4, {"requirements": 1}, "no_fit", None,
          ["requirements"], has_score=False),
    Story("perfect, but no money", SALE, 5, {"budget": 1}, "mixed", "C", ["budget"]),  # 52/56
    Story("perfect, but no money, and the date not asked yet", SALE, 5,
          {"budget": 1, "timeline": None}, "mixed", "C", ["budget"]),  # 48/56 at the least
    Story("perfect, but with a worry that we cannot answer", SALE, 5, {"concerns": 1}, "mixed", "C",
          ["concerns"]),
    Story("perfect, but with no trouble today", SALE, 5, {"current_challenges": 1}, "mixed", "C",
          ["current_challenges"]),  # 28/32 is 87.5
    Story("perfect, but the question of money called not applicable", SALE, 5,
          {"budget": "not_applicable"}, "mixed", "C", ["budget"]),
    Story("perfect so far, and the date not asked yet", SALE, 5, {"timeline": None}, "undetermined", None),
    Story("perfect, and what they like about today not asked", SALE, 5, {"best_parts": None}, "fit", "A"),
    Story("we suit them, but they would gain little", SALE, 5, each(BENEFIT, 2), "no_fit", "D"),  # 25
    Story("half of it asked, but too little on the match", SALE, None,
          each([*BENEFIT[:6], "requirements", "needs_process", "vision", "past_success", "past_difficulty"],
               4),
          "undetermined", None, has_score=False),  # 5 of 14
    # The first call: 5 questions on the match, 20 to earn, and 3 on the benefit, 12 to earn.
    Story("a good first call", FIRST_CALL, 4, {}, "fit", "B"),  # 15/20 and 9/12 are 75
    Story("a so-so first call", FIRST_CALL, 3, {}, "mixed", "C"),
    Story("a perfect first call, but for hardly any money", FIRST_CALL, 5,
          {"budget": 2}, "mixed", "C", ["budget"]),  # 17/20 is 85
    Story("a first call that shows we cannot provide it", FIRST_CALL, 4, {"requirements": 1}, "no_fit", None,
          ["requirements"], has_score=False),
    Story("a first call without a reason, a problem or a goal", FIRST_CALL, 5,
          {"trigger": 2, "current_challenges": 2, "goal": 2}, "no_fit", "D"),  # 3/12 is 25
    Story("a first call that was cut off half way", FIRST_CALL, None,
          each(["trigger", "current_challenges", "goal", "requirements"], 4),
          "undetermined", None, has_score=False),  # 1 of 5 on the match
    # BANT: one pool of 4 questions, 16 to earn.
    Story("BANT: everything there", "bant", 5, {}, "fit", "A"),
    Story("BANT: so-so", "bant", 3, {}, "mixed", "C"),
    Story("BANT: little of anything", "bant", 2, {}, "no_fit", "D"),  # 25
    Story("BANT: nobody knows who decides", "bant", 5, {"authority": 1}, "mixed", "C",
          ["authority"]),  # 12/16 is 75
    Story("BANT: no date in sight", "bant", 5, {"timeline": 1}, "mixed", "C", ["timeline"]),
    Story("BANT: money not talked about yet", "bant", 5, {"budget": None}, "undetermined", None),
    Story("BANT: no money", "bant", 5, {"budget": 1}, "no_fit", None, ["budget"], has_score=False),
    Story("BANT: no need", "bant", 5, {"need": 1}, "no_fit", None, ["need"], has_score=False),
    # CHAMP: 3 questions on the match, 12 to earn, and 2 on the benefit, 8 to earn.
    Story("CHAMP: a first-time buyer with approved money", "champ", 4, {"money": 5}, "fit", "B"),
    Story("CHAMP: so-so", "champ", 3, {}, "mixed", "C"),
    Story("CHAMP: no challenge that we could help with", "champ", 5, {"challenges": 1}, "no_fit", None,
          ["challenges"], has_score=False),
    Story("CHAMP: no money", "champ", 5, {"money": 1}, "mixed", "C", ["money"]),  # 8/12 is 66.7
    Story("CHAMP: no way to those who decide", "champ", 5, {"authority": 1}, "mixed", "C", ["authority"]),
    Story("CHAMP: a challenge that hardly bothers them", "champ", 5,
          {"challenges": 2, "challenge_effect": 2}, "no_fit", "D"),  # 2/8 is 25
    # MEDDPICC: 6 questions on the match, 24 to earn, and 3 on the benefit, 12 to earn.
    Story("MEDDPICC: a deal on its way", "meddpicc", 4, {}, "fit", "B"),
    Story("MEDDPICC: no pain", "meddpicc", 5, {"identified_pain": 1}, "no_fit", None, ["identified_pain"],
          has_score=False),
    Story("MEDDPICC: neither the buyer nor a champion", "meddpicc", 5,
          {"economic_buyer": 1, "champion": 1}, "mixed", "C", ["economic_buyer", "champion"]),  # 16/24
    Story("MEDDPICC: all but the numbers known", "meddpicc", 5, {"metrics": None}, "fit", "A"),  # 8/12
    Story("MEDDPICC: the buyer not found yet", "meddpicc", 5, {"economic_buyer": None},
          "undetermined", None),
    Story("MEDDPICC: a first talk about the pain alone", "meddpicc", None,
          each(["metrics", "identified_pain", "pain_cost"], 4), "undetermined", None, has_score=False),
    # SPICED: 3 questions on each side, 12 to earn.
    Story("SPICED: a good prospect", "spiced", 4, {}, "fit", "B"),
    Story("SPICED: nothing that we could fix", "spiced", 5, {"pain": 1}, "no_fit", None, ["pain"],
          has_score=False),
    Story("SPICED: solving it would change nothing", "spiced", 5, {"impact": 1}, "mixed", "C",
          ["impact"]),  # 8/12 is 66.7
    Story("SPICED: they suit us, with little pain and no hurry", "spiced", 5,
          {"pain": 2, "impact": 2, "critical_event": 2}, "no_fit", "D"),  # 3/12 is 25
    Story("SPICED: perfect, and the event not asked", "spiced", 5, {"critical_event": None},
          "fit", "A"),  # 8/12 at the least
    # Firmographic fit: one pool of 5 questions, 20 to earn, all rated by rule.
    Story("a company like our best customers", FIRM, None, {}, "fit", "A",
          attributes=BEST_FIRM),  # 5, 5, 4, 5, 4: 18/20 is 90
    Story("a company like some of our customers", FIRM, None, {}, "mixed", "C",
          attributes={"industry": "retail", "employees": 20, "annual_revenue": 8_000_000,
                      "region": "asia-pacific", "growth": 2}),  # all 3: 50
    Story("a tiny company that shrinks", FIRM, None, {}, "no_fit", "D",
          attributes={"industry": "construction", "employees": 5, "annual_revenue": 500_000,
                      "region": "asia-pacific", "growth": -10}),  # 3, 1, 1, 3, 1: 4/20 is 20
    Story("a strong company in an industry that we have not listed, region unknown", FIRM, None, {},
          "undetermined", "A",  # 5, 4, 5: 11/12 is 91.7, and 11/20 at the least
          attributes={"industry": "mining", "employees": 200, "annual_revenue": 50_000_000, "growth": 20}),
    Story("a company of which only the industry is known", FIRM, None, {}, "undetermined", None,
          has_score=False, attributes={"industry": "logistics"}),
    # Key account selection: 4 financial questions, 2 for a new account, and 3 on the relationship.
    Story("an account that is worth it", SELECTION, 4, {}, "fit", "B", attributes=EXISTING),
    Story("an account like many", SELECTION, 3, {}, "mixed", "C", attributes=EXISTING),
    Story("an account that may not pay", SELECTION, 4, {"financial_security": 1}, "mixed", "C",
          ["financial_security"], attributes=EXISTING),  # 9/16 is 56.3
    Story("an account that loses us money", SELECTION, 4, {"current_profit": 1}, "mixed", "C",
          ["current_profit"], attributes=EXISTING),  # 9/16
    Story("a large account that our books show to lose us money", SELECTION, 5,
          NOT_ASKED_OF_A_NEW_ACCOUNT, "mixed", "C", ["current_profit"],  # 5, 1, 5, 5: 12/16 is 75
          attributes=EXISTING | {"annual_revenue_with_us": 2_000_000, "annual_profit_with_us": -10_000}),
    Story("a large account that our books show to earn well", SELECTION, 4,
          NOT_ASKED_OF_A_NEW_ACCOUNT, "fit", "B",  # 5, 5, 4, 4: 14/16 is 87.5; 9/12 is 75
          attributes=EXISTING | {"annual_revenue_with_us": 2_000_000, "annual_profit_with_us": 400_000}),
    Story("a new account that may not pay", SELECTION, 4,
          NOT_ASKED_OF_A_NEW_ACCOUNT | {"financial_security": 1}, "no_fit", "D",
          ["financial_security"], attributes=NEW),  # 3/8 is 37.5
    Story("a new account with everything to hope for", SELECTION, 5, NOT_ASKED_OF_A_NEW_ACCOUNT, "fit", "A",
          attributes=NEW),
    Story("a perfect account of which nobody said whether it is new", SELECTION, 5,
          NOT_ASKED_OF_A_NEW_ACCOUNT, "fit", "A"),
    # Key account analysis: one pool of 16 questions, 64 to earn.
    Story("an account worth planning for", ANALYSIS, 4, {}, "fit", "B"),
    Story("an account in the middle", ANALYSIS, 3, {}, "mixed", "C"),
    Story("a weak account", ANALYSIS, 2, {}, "no_fit", "D"),  # 25
    Story("a splendid account that leads us away from our strategy", ANALYSIS, 5, each(COHERENCE, 1),
          "mixed", "C", ["strategy_fit"]),  # 56/64 is 87.5
    Story("a splendid account, and our strategy not looked at", ANALYSIS, 5, {"strategy_fit": None},
          "undetermined", None),
    # Key account congruence: 36 questions, 144 to earn, no thresholds.
    Story("a company in tune with its promises", CONGRUENCE, 4, {}, None, "B"),
    Story("a company that has hardly begun", CONGRUENCE, 2, {}, None, "D"),
    Story("a company with a strategy, and people and systems that cannot carry it", CONGRUENCE, 5,
          each([q.key for q in questions(CONGRUENCE) if q.dimension in ("people", "systems")], 1),
          None, "B"),  # 28 · 4 = 112/144 is 77.8
    Story("a company that has rated its strategy alone", CONGRUENCE, None,
          each([q.key for q in questions(CONGRUENCE) if q.dimension == "strategy"], 5),
          None, None, has_score=False),  # 16 of 36
    # Market entry: 11 questions, 44 to earn, no thresholds.
    Story("an entry that is well prepared", ENTRY, 4, {}, None, "B"),
    Story("an entry that is half prepared", ENTRY, 3, {}, None, "C"),
    Story("an entry in the middle, without a small win in sight", ENTRY, 3,
          each(["pilot_team", "early_revenue", "customer_voice"], 1), None, "D"),  # 16/44 is 36.4
    Story("an entry with more than half left open", ENTRY, None,
          each(["pilot_team", "early_revenue", "customer_voice", "neglected_segment", "tailored_trial"], 5),
          None, None, has_score=False),  # 5 of 11
    # Purpose before self: 4 questions, 16 to earn, no thresholds.
    Story("a leader who puts the purpose first", SELF, 5, {}, None, "A"),
    Story("a leader who often comes first", SELF, 2, {}, None, "D"),
    Story("a leader who shares everything but turf", SELF, 4, {"give_up_turf": 1}, None, "C"),  # 9/16
    Story("a leader who answered one of four", SELF, None, {"transparency": 5}, None, None, has_score=False),
]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=[story.told for story in STORIES])
def test_a_set_says_what_a_head_of_sales_would_say(story):
    told = scored(story.question_set, story.rated, story.but, story.attributes)
    assert (told.indication, told.grade) == (story.indication, story.grade)
    assert [blocker.question for blocker in told.blockers] == list(story.blockers)
    assert (told.score is not None) == story.has_score
    assert told.settled == (story.indication in ("fit", "mixed", "no_fit"))


def test_every_set_has_stories_enough():
    told = [story.question_set for story in STORIES]
    assert len(SETS) == 12
    assert {key: told.count(key) for key in SETS if told.count(key) < 3} == {}


def test_the_score_asks_whether_an_account_is_new_where_nobody_said():
    told = scored(SELECTION, 5, NOT_ASKED_OF_A_NEW_ACCOUNT)
    assert "existing_account" in [missing.attribute for missing in told.missing_attributes]


WITH_THRESHOLDS = [(key, {}) for key, one in SETS.items() if one.thresholds and key != SELECTION]
JUDGED = [*WITH_THRESHOLDS, (SELECTION, EXISTING), (SELECTION, NEW)]


def asked_in_threes(key, attributes):
    """The questions that apply, of the units with three or more of them."""
    asked = [q for q in questions(key) if not q.ask_when or attributes == EXISTING]
    units = [q.dimension if SETS[key].combine == "reciprocal" else "" for q in asked]
    return [q.key for q, unit in zip(asked, units, strict=True) if units.count(unit) >= 3]


def told_apart(value):
    return value if isinstance(value, str) else "".join(f"{name}={fact}" for name, fact in value.items())


@pytest.mark.parametrize(("key", "attributes"), JUDGED, ids=told_apart)
def test_neutral_is_mixed(key, attributes):
    told = scored(key, 3, attributes=attributes)
    assert (told.indication, told.grade, told.score) == ("mixed", "C", 50.0)


STEPS_DOWN = [(key, facts, question) for key, facts in JUDGED for question in asked_in_threes(key, facts)]


@pytest.mark.parametrize(("key", "attributes", "question"), STEPS_DOWN, ids=told_apart)
def test_one_step_below_neutral_is_still_mixed(key, attributes, question):
    """The smallest such unit has three questions: 5/12 is 41.7, and no knock-out asks for more than 2."""
    told = scored(key, 3, {question: 2}, attributes)
    (asked,) = [one for one in questions(key) if one.key == question]
    assert (told.indication, told.grade) == ("mixed", "C")
    assert [one.question for one in told.blockers] == ([question] if (asked.must_reach or 0) > 2 else [])
