"""The sentences of a score: what they say in every state, and what none of them ever says."""

import re
from datetime import timedelta

import pytest
from hypothesis import given

from app.scoring import Answer
from tests.scoring.building import NOT_APPLICABLE, NOW, UNKNOWN, question, reciprocal, scored, step, weighted
from tests.scoring.strategies import RULED, cases, effort

THRESHOLDS = {"fit_at": 60, "no_fit_below": 40}
GRADES = [
    {"at": 80, "grade": "A"},
    {"at": 60, "grade": "B"},
    {"at": 40, "grade": "C"},
    {"at": 0, "grade": "D"},
]
SIDES = reciprocal(
    step(
        "all",
        question("law", "match", must_reach=2),
        question("budget", "match", must_reach=3, if_missed="mixed"),
        question("need", "match"),
        question("price", "match", label="the price"),
        question("saving", "benefit"),
        question("speed", "benefit"),
        question("comfort", "benefit"),
    ),
    dimensions=[
        {
            "key": "match",
            "title": "It suits them",
            "if_weak": "we cannot meet what they need, or they cannot buy",
        },
        {"key": "benefit", "title": "They gain", "if_weak": "they would gain too little"},
    ],
    thresholds=THRESHOLDS,
    grades=GRADES,
)
MATCH, BENEFIT = ("law", "budget", "need", "price"), ("saving", "speed", "comfort")


def sides(match=None, benefit=None, **exceptions):
    """Ratings of both sides; None leaves a question open."""
    ratings = dict.fromkeys(MATCH, match) | dict.fromkeys(BENEFIT, benefit) | exceptions
    return SIDES, {key: rating for key, rating in ratings.items() if rating is not None}


def skipping(told, *keys):
    return *told, dict.fromkeys(keys, NOT_APPLICABLE)


def pool(*questions, **more):
    return weighted(step("all", *questions), **({"thresholds": THRESHOLDS} | more))


FOUR = [question(key) for key in ("need", "price", "date", "say")]
PARTS = [
    {"key": "reach", "title": "Reach", "if_weak": "nobody there knows us"},
    {"key": "money", "title": "Money", "if_weak": "there is no money for it"},
]
IN_PARTS = [
    question("a", "reach"),
    question("b", "reach"),
    question("c", "money"),
    question("d", "money"),
]
DIMENSIONS = [
    *PARTS,
    {"key": "need", "title": "Need", "if_weak": "they can wait"},
    {"key": "plans", "title": "Plans", "if_weak": "it does not fit our plans"},
]
FOUR_PARTS = [question("a", "reach"), question("b", "money"), question("c", "need"), question("d", "plans")]
FACTS = dict.fromkeys(("staff_count", "revenue", "growth", "age", "sites"), "number")
BY_RULE = [question(f"by_{name}", rate_from={"attribute": name, "bands": [{"rating": 3}]}) for name in FACTS]
SEVEN_MUSTS = [question(f"m{number}", must_reach=3, if_missed="mixed") for number in range(1, 8)]
PLURAL = [
    question("decision_makers", must_reach=3, if_missed="mixed"),
    question("access", must_reach=3, if_missed="mixed", label="access to users"),
    question("status", must_reach=2, if_missed="mixed"),
    question("terms", must_reach=2, if_missed="mixed", label="terms and dates"),
    question("need", weight=20),
]
ASSUMED = {key: Answer("rated", 5, evidence="assumption") for key in ("need", "price", "date")}
HALF_ASSUMED = {key: Answer("rated", 5, evidence="assumption") for key in ("need", "price")}
HEAVY = [question("need", weight=5), question("price"), question("date", weight=2)]
LARGE = {"employees": {"at_least": 50}}
ONE_CONDITION = reciprocal(
    step("all", question("a", "match"), question("b", "benefit"), question("c", "benefit", ask_when=LARGE)),
    thresholds=THRESHOLDS,
    attributes={"employees": "number"},
)

STATES = {
    # A fit.
    "a fit names its weakest point": (
        sides(5, 4, need=3),
        "A fit on both sides: 81 out of 100. The weakest point is need, rated 3.",
    ),
    "a fit with two weakest points": (
        sides(5, 4, need=3, budget=3),
        "A fit on both sides: 75 out of 100. The weakest points are budget and need, each rated 3.",
    ),
    "a fit without a weak point": (
        sides(4, 4),
        "A fit on both sides: 75 out of 100. Every rating that counts is 4.",
    ),
    "the best fit": (sides(5, 5), "A fit on both sides: 100 out of 100. Every rating that counts is 5."),
    "a fit with four equally weak points": (
        (
            pool(*FOUR, question("law", weight=40)),
            dict.fromkeys(["need", "price", "date", "say"], 1) | {"law": 5},
        ),
        "A fit: 91 out of 100. The weakest points are need, price and 2 more, each rated 1.",
    ),
    "a fit with five equally weak points": (
        (
            pool(*FOUR, question("sum"), question("law", weight=40)),
            dict.fromkeys(["need", "price", "date", "say", "sum"], 1) | {"law": 5},
        ),
        "A fit: 89 out of 100. The weakest points are need, price and 3 more, each rated 1.",
    ),
    "a fit whose weakest point is plural": (
        (
            pool(question("decision_makers"), *FOUR),
            dict.fromkeys(["need", "price", "date", "say"], 5) | {"decision_makers": 2},
        ),
        "A fit: 85 out of 100. Decision makers are the weakest point, rated 2.",
    ),
    "the best fit with a note that does not count": (
        (
            pool(question("need"), question("price"), question("note", weight=0)),
            {"need": 5, "price": 5, "note": 1},
        ),
        "A fit: 100 out of 100. Every rating that counts is 5.",
    ),
    "the best fit with a gated question rated": (
        (
            weighted(
                step("all", question("need")),
                step("rapport", question("trust"), gated=True),
                thresholds=THRESHOLDS,
            ),
            {"need": 5, "trust": 2},
        ),
        "A fit: 100 out of 100. The only rating that counts is 5.",
    ),
    "a fit that open answers cannot undo": (
        sides(5, 5, price=None),
        "A fit on both sides, however the open questions are answered: 100 out of 100. Every rating that counts is 5.",
    ),
    "a fit in a pool": (
        (pool(*FOUR), {"need": 5, "price": 4, "date": 4, "say": 2}),
        "A fit: 69 out of 100. The weakest point is say, rated 2.",
    ),
    "a fit by the only question": (
        (pool(question("need")), {"need": 5}),
        "A fit: 100 out of 100. The only rating that counts is 5.",
    ),
    "a fit with a not applicable question": (
        skipping(sides(5, 5, price=None), "price"),
        "A fit on both sides: 100 out of 100. Every rating that counts is 5.",
    ),
    # No fit.
    "no fit by a knock-out": (sides(5, 5, law=1), "Not a fit: law is rated 1, which rules the deal out."),
    "no fit by a knock-out with nothing else known": (
        sides(law=1),
        "Not a fit: law is rated 1, which rules the deal out.",
    ),
    "no fit by two knock-outs": (
        (
            pool(question("law", must_reach=3), question("need", must_reach=3), question("x")),
            {"law": 1, "need": 2},
        ),
        "Not a fit: law and need are rated too low, which rules the deal out.",
    ),
    "no fit by four knock-outs": (
        (pool(*(question(key, must_reach=2) for key in "abcd")), dict.fromkeys("abcd", 1)),
        "Not a fit: a, b and 2 more are rated too low, which rules the deal out.",
    ),
    "a knock-out of one's own company": (
        (pool(question("law", must_reach=2), subject="own_company"), {"law": 1}),
        "Not a fit: law is rated 1, which rules it out.",
    ),
    "no fit by a weak side": (sides(5, 2), "Not a fit: they would gain too little (25 out of 100)."),
    "no fit by the other side": (
        sides(2, 5),
        "Not a fit: we cannot meet what they need, or they cannot buy (25 out of 100).",
    ),
    "no fit by both sides": (
        sides(2, 2),
        (
            "Not a fit: we cannot meet what they need, or they cannot buy (25 out of 100), "
            "and they would gain too little (25 out of 100)."
        ),
    ),
    "no fit whatever the open answers are": (
        sides(benefit=1, speed=None),
        "Not a fit: they would gain too little (at most 33 out of 100).",
    ),
    "no fit in a pool": (
        (pool(*FOUR), dict.fromkeys(["need", "price", "date", "say"], 2)),
        "Not a fit: 25 out of 100, and anything below 40 is not a fit. “Need” is weak (25 out of 100).",
    ),
    "no fit in a pool of parts": (
        (pool(*IN_PARTS, dimensions=PARTS), {"a": 4, "b": 3, "c": 1, "d": 1}),
        "Not a fit: 31 out of 100, and anything below 40 is not a fit. There is no money for it (0 out of 100).",
    ),
    "no fit with the weakest part first": (
        (
            pool(
                question("a", "reach", weight=3),
                question("b", "reach", weight=3),
                question("c", "money"),
                question("d", "money"),
                dimensions=PARTS,
            ),
            {"a": 2, "b": 2, "c": 1, "d": 1},
        ),
        (
            "Not a fit: 19 out of 100, and anything below 40 is not a fit. "
            "There is no money for it (0 out of 100), and nobody there knows us (25 out of 100)."
        ),
    ),
    "no fit in a pool of four weak parts": (
        (pool(*FOUR_PARTS, dimensions=DIMENSIONS), dict.fromkeys("abcd", 2)),
        (
            "Not a fit: 25 out of 100, and anything below 40 is not a fit. "
            "Nobody there knows us (25 out of 100), there is no money for it (25 out of 100), and 2 more parts are weak."
        ),
    ),
    "no fit in a pool of three weak parts": (
        (pool(*FOUR_PARTS, dimensions=DIMENSIONS), dict.fromkeys("abc", 2) | {"d": 3}),
        (
            "Not a fit: 31 out of 100, and anything below 40 is not a fit. Nobody there knows us (25 out of 100), "
            "there is no money for it (25 out of 100), and they can wait (25 out of 100)."
        ),
    ),
    "no fit is never rounded up to mixed": (
        (
            pool(question("need", weight=99), question("x", weight=61), scale={"min": 0, "max": 1}),
            {"need": 0, "x": 1},
        ),
        "Not a fit: 38 out of 100, and anything below 40 is not a fit. “Need” is weak (38 out of 100).",
    ),
    # Mixed.
    "mixed by a blocker": (
        sides(5, 5, budget=1),
        "Not a fit while budget is rated below 3. Otherwise it looks strong: 100 out of 100.",
    ),
    "mixed by a blocker with an open must-reach": (
        sides(5, 5, budget=1, price=None),
        "Not a fit while budget is rated below 3. Otherwise it looks strong so far: 100 out of 100.",
    ),
    "mixed by a blocker and the rest is mixed": (
        sides(3, 3, budget=2),
        "Not a fit while budget is rated below 3. Otherwise it looks mixed: 50 out of 100.",
    ),
    "mixed by a must-reach called not applicable": (
        skipping(sides(5, 5, budget=None), "budget"),
        "Not a fit while budget is marked not applicable. Otherwise it looks strong: 100 out of 100.",
    ),
    "mixed by a knock-out called not applicable": (
        skipping(sides(5, 5, law=None), "law"),
        "Not a fit while law is marked not applicable. Otherwise it looks strong: 100 out of 100.",
    ),
    "mixed by one missed and one not applicable": (
        skipping(sides(5, 5, budget=1, law=None), "law"),
        "Not a fit while budget is rated below 3, and law is marked not applicable. Otherwise it looks strong: 100 out of 100.",
    ),
    "blockers in the plural and the singular": (
        (pool(*PLURAL), {"decision_makers": 2, "access": 5, "status": 5, "terms": 1, "need": 5}),
        (
            "Not a fit while decision makers are rated below 3, and terms and dates are rated below 2. "
            "Otherwise it looks strong: 100 out of 100."
        ),
    ),
    "a blocker whose last word alone is plural": (
        (pool(*PLURAL), {"decision_makers": 5, "access": 2, "status": 5, "terms": 5, "need": 5}),
        "Not a fit while access to users is rated below 3. Otherwise it looks strong: 100 out of 100.",
    ),
    "a blocker that ends in an s": (
        (pool(*PLURAL), {"decision_makers": 5, "access": 5, "status": 1, "terms": 5, "need": 5}),
        "Not a fit while status is rated below 2. Otherwise it looks strong: 100 out of 100.",
    ),
    "two blockers of one bound": (
        (pool(*PLURAL), {"decision_makers": 1, "access": 1, "status": 5, "terms": 5, "need": 5}),
        "Not a fit while decision makers and access to users are rated below 3. Otherwise it looks strong: 100 out of 100.",
    ),
    "a blocker on an otherwise silent side": (
        (
            reciprocal(
                step(
                    "all", question("a", "match", must_reach=5, if_missed="mixed"), question("b", "benefit")
                ),
                thresholds=THRESHOLDS,
            ),
            {"a": 4, "b": 5},
        ),
        "Not a fit while a is rated below 5.",
    ),
    "mixed by the figures of one side": (
        sides(5, 3),
        "Mixed, neither a fit nor a clear no: 50 out of 100 on “They gain”. A fit needs at least 60 on each side.",
    ),
    "mixed by the figures of both sides": (
        sides(3, 3),
        (
            "Mixed, neither a fit nor a clear no: 50 out of 100 on “It suits them” and 50 out of 100 on “They gain”. "
            "A fit needs at least 60 on each side."
        ),
    ),
    "mixed by what a side can still reach": (
        (
            reciprocal(
                step(
                    "all",
                    question("a", "match"),
                    question("b", "benefit", weight=9),
                    question("c", "benefit"),
                ),
                thresholds=THRESHOLDS,
            ),
            {"a": 5, "b": 3},
        ),
        "Mixed, neither a fit nor a clear no: at most 55 out of 100 on “Benefit”. A fit needs at least 60 on each side.",
    ),
    "mixed in a pool": (
        (pool(*FOUR), dict.fromkeys(["need", "price", "date", "say"], 3)),
        "Mixed, neither a fit nor a clear no: 50 out of 100. A fit needs at least 60.",
    ),
    "mixed is never rounded up to a fit": (
        (
            pool(question("need", weight=66), question("x", weight=97), scale={"min": 0, "max": 1}),
            {"need": 0, "x": 1},
        ),
        "Mixed, neither a fit nor a clear no: 59 out of 100. A fit needs at least 60.",
    ),
    "mixed since too much is not applicable": (
        skipping((pool(*FOUR), {"need": 5}), "price", "date", "say"),
        "Mixed: it cannot be a fit while most of the questions are marked not applicable.",
    ),
    "mixed since too much is not applicable on a side": (
        skipping(sides(5, 5, speed=None, comfort=None), "speed", "comfort"),
        "Mixed: it cannot be a fit while most of the questions on “They gain” are marked not applicable.",
    ),
    # Too early.
    "nothing is rated": (sides(), "Too early to say: nothing is rated yet."),
    "everything is unknown": (
        (*sides(), dict.fromkeys(MATCH + BENEFIT, UNKNOWN)),
        "Too early to say: nothing is rated yet, and every open question was answered “unknown”.",
    ),
    "one answer is unknown": (
        (*sides(), {"need": UNKNOWN}),
        "Too early to say: nothing is rated yet, and 1 of the 7 open questions was answered “unknown”.",
    ),
    "the only answer is unknown": (
        (pool(question("need")), {}, {"need": UNKNOWN}),
        "Too early to say: nothing is rated yet, and the open question was answered “unknown”.",
    ),
    "too early on one side": (
        sides(5, price=None, need=None, budget=None, benefit=5),
        (
            "Too early to say: 1 of 4 questions on “It suits them” is rated so far. "
            "Rate at least half of the questions on each side."
        ),
    ),
    "too early on both sides": (
        sides(need=5, saving=5),
        (
            "Too early to say: 1 of 4 questions on “It suits them” and 1 of 3 questions on “They gain” are rated so far. "
            "Rate at least half of the questions on each side."
        ),
    ),
    "too early with a silent side": (
        sides(5),
        (
            "Too early to say: none of the 3 questions on “They gain” are rated so far. "
            "Rate at least half of the questions on each side."
        ),
    ),
    "too early with a blocker": (
        sides(budget=1),
        (
            "Too early to say: 1 of 4 questions on “It suits them” and none of the 3 questions on “They gain” are rated so far. "
            "It is not a fit while budget is rated below 3."
        ),
    ),
    "too early in a pool": (
        (pool(*FOUR), {"need": 4}),
        "Too early to say: 1 of 4 questions is rated so far. Rate at least half of the questions.",
    ),
    "too early by weight": (
        (pool(*HEAVY), {"price": 4, "date": 4}),
        "Too early to say: 2 of 3 questions are rated so far. Rate questions that carry at least half of the weight.",
    ),
    "only a question without weight is rated": (
        (pool(question("need"), question("note", weight=0)), {"note": 1}),
        "Too early to say: no scored question is rated yet.",
    ),
    "every answer is too old": (
        (
            pool(question("need", stale_after_days=1)),
            {},
            {"need": Answer("rated", 5, NOW - timedelta(days=9))},
        ),
        "Too early to say: 1 answer is too old to count.",
    ),
    "nothing is known that a rule could rate": (
        (
            pool(
                question("size", rate_from={"attribute": "staff_count", "bands": [{"rating": 3}]}),
                attributes={"staff_count": "number"},
            ),
            {},
        ),
        "Too early to say: nothing is rated yet. Still to find out: staff count.",
    ),
    "too few facts where every question is rated by rule": (
        (pool(*BY_RULE, attributes=FACTS), {}, {}, {"staff_count": 9, "growth": 2}),
        "Too early to say: 2 of 5 questions are rated so far. Still to find out: revenue, age and sites.",
    ),
    "none of five facts": (
        (pool(*BY_RULE, attributes=FACTS), {}),
        "Too early to say: nothing is rated yet. Still to find out: staff count, revenue, growth, age and sites.",
    ),
    "no fact is missing, and no rule rates it": (
        (
            pool(
                *(
                    question(
                        key,
                        rate_from={"attribute": "industry", "values": [{"equals": "retail", "rating": 5}]},
                    )
                    for key in ("one", "two", "three")
                ),
                attributes={"industry": "text"},
            ),
            {"one": 4},
            {},
            {"industry": "mining"},
        ),
        "Too early to say: 1 of 3 questions is rated so far. Rate at least half of the questions.",
    ),
    "too early on a side with one question": (
        (
            reciprocal(step("all", question("a", "match"), question("b", "benefit")), thresholds=THRESHOLDS),
            {"a": 5},
        ),
        "Too early to say: no question on “Benefit” is rated so far. Rate at least half of the questions on each side.",
    ),
    "what only a gated question uses need not be found out": (
        (
            weighted(
                step("all", question("need")),
                step("rapport", question("trust", ask_when=LARGE), gated=True),
                thresholds=THRESHOLDS,
                attributes={"employees": "number"},
            ),
            {},
        ),
        "Too early to say: nothing is rated yet.",
    ),
    "half of it can never be rated and a clear no can": (
        skipping((pool(*FOUR, question("more")), {"need": 3}), "price", "date", "say"),
        "Not a fit while most of the questions are marked not applicable. The open question can still turn it into a clear no.",
    ),
    "half of it can never be rated without thresholds": (
        skipping((pool(*FOUR, thresholds=None), {"need": 3}), "price", "date", "say"),
        "No score: most of the questions are marked not applicable.",
    ),
    "a must-reach question without weight is open": (
        (pool(question("need"), question("law", weight=0, must_reach=2)), {"need": 5}),
        "Leaning towards a fit: 100 out of 100, with 1 of 2 questions rated. It cannot become a fit until law is rated.",
    ),
    "a side in the middle while the other is strong": (
        sides(5, 3, comfort=None),
        (
            "Mixed so far, with 6 of 7 questions rated: 50 out of 100 on “They gain”. "
            "The open question can still change that."
        ),
    ),
    "both questions": (
        (pool(question("need"), question("price"), thresholds=None), {"need": 4, "price": 4}),
        "75 out of 100, with both questions rated.",
    ),
    "labels against heuristics": (
        (
            pool(
                question("a", must_reach=2, if_missed="mixed", label="our standing against competitors"),
                question("b", must_reach=2, if_missed="mixed", label="decision criteria"),
                question("c", must_reach=2, if_missed="mixed", label="who decides"),
                question("need", weight=20),
            ),
            {"a": 1, "b": 5, "c": 5, "need": 5},
        ),
        "Not a fit while our standing against competitors is rated below 2. Otherwise it looks strong: 100 out of 100.",
    ),
    "if_weak with a full stop": (
        (
            reciprocal(
                step("all", question("a", "match"), question("b", "benefit")),
                dimensions=[
                    {"key": "match", "title": "Match"},
                    {"key": "benefit", "title": "Benefit", "if_weak": "They gain too little."},
                ],
                thresholds=THRESHOLDS,
            ),
            {"a": 5, "b": 1},
        ),
        "Not a fit: They gain too little (0 out of 100).",
    ),
    # Leaning.
    "leaning to a fit with must-reach questions open": (
        sides(5, 4, law=None, budget=None),
        "Leaning towards a fit: 87 out of 100, with 5 of 7 questions rated. It cannot become a fit until law and budget are rated.",
    ),
    "leaning to a fit": (
        sides(4, 5, price=None, need=None, law=2, budget=5),
        "Leaning towards a fit: 79 out of 100, with 5 of 7 questions rated. The 2 open questions can still change that.",
    ),
    "leaning with one open question": (
        (pool(*FOUR), {"need": 4, "price": 4, "date": 3}),
        "Leaning towards a fit: 67 out of 100, with 3 of 4 questions rated. The open question can still change that.",
    ),
    "leaning to no fit": (
        sides(5, 2, comfort=None),
        (
            "Leaning towards no fit, with 6 of 7 questions rated: they would gain too little (25 out of 100). "
            "The open question can still change that."
        ),
    ),
    "leaning to no fit in a pool": (
        (pool(*FOUR), {"need": 2, "price": 2}),
        (
            "Leaning towards no fit, with 2 of 4 questions rated: 25 out of 100, and anything below 40 is not a fit. "
            "The 2 open questions can still change that."
        ),
    ),
    "leaning to neither": (
        (pool(*FOUR), {"need": 3, "price": 3}),
        (
            "Mixed so far, with 2 of 4 questions rated: 50 out of 100. "
            "The 2 open questions can still change that."
        ),
    ),
    "blocked and not settled": (
        sides(3, 3, budget=1, need=None),
        "Not a fit while budget is rated below 3. It is leaning towards no fit: we cannot meet what they need, or they cannot buy (33 out of 100).",
    ),
    "leaning to a fit with a knock-out open": (
        sides(4, 4, law=None),
        "Leaning towards a fit: 75 out of 100, with 6 of 7 questions rated. It cannot become a fit until law is rated.",
    ),
    "leaning towards a fit with seven must-reach questions open": (
        (pool(question("need", weight=20), *SEVEN_MUSTS), {"need": 5}),
        (
            "Leaning towards a fit: 100 out of 100, with 1 of 8 questions rated. "
            "It cannot become a fit until m1, m2, m3, m4, m5, m6 and m7 are rated."
        ),
    ),
    "in the middle with seven must-reach questions open": (
        (pool(question("need", weight=20), *SEVEN_MUSTS), {"need": 3}),
        (
            "Mixed so far, with 1 of 8 questions rated: 50 out of 100. "
            "It cannot become a fit until m1, m2, m3, m4, m5, m6 and m7 are rated."
        ),
    ),
    "in the middle with a must-reach question open when a fit is out of reach": (
        sides(3, 3, budget=None),
        (
            "Mixed so far, with 6 of 7 questions rated: 50 out of 100 on “It suits them” and 50 out of 100 on “They gain”. "
            "The open question can still change that."
        ),
    ),
    "leaning towards no fit with a must-reach question open": (
        (pool(*FOUR, question("law", must_reach=2, weight=4)), {"need": 2, "price": 2, "date": 2, "say": 3}),
        (
            "Leaning towards no fit, with 4 of 5 questions rated: 31 out of 100, and anything below 40 is not a fit. "
            "It cannot become a fit until law is rated."
        ),
    ),
    "leaning towards no fit with a plural must-reach question open": (
        (
            pool(*FOUR, question("decision_makers", must_reach=2, weight=4)),
            {"need": 2, "price": 2, "date": 2, "say": 3},
        ),
        (
            "Leaning towards no fit, with 4 of 5 questions rated: 31 out of 100, and anything below 40 is not a fit. "
            "It cannot become a fit until decision makers are rated."
        ),
    ),
    "leaning towards no fit with a must-reach question open when a fit is out of reach": (
        sides(3, 2, law=None, comfort=None, speed=3),
        (
            "Leaning towards no fit, with 5 of 7 questions rated: they would gain too little (38 out of 100). "
            "The 2 open questions can still change that."
        ),
    ),
    # Unscorable.
    "nothing counts on a side": (
        skipping(sides(5), *BENEFIT),
        "Cannot be scored: every scored question on “They gain” is marked not applicable.",
    ),
    "nothing counts at all": (
        skipping(sides(), *MATCH, *BENEFIT),
        "Cannot be scored: every scored question on “It suits them” and “They gain” is marked not applicable.",
    ),
    "nothing counts in a pool": (
        skipping((pool(*FOUR), {}), "need", "price", "date", "say"),
        "Cannot be scored: every scored question is marked not applicable.",
    ),
    "nothing counts on a side, and a fact is missing that could make a question of it apply": (
        skipping((ONE_CONDITION, {"a": 5}), "b"),
        "Cannot be scored: every scored question on “Benefit” is marked not applicable. Still to find out: employees.",
    ),
    "nothing counts on a side, and a fact is missing that decides about the other side": (
        skipping((ONE_CONDITION, {"b": 5}), "a"),
        "Cannot be scored: every scored question on “Match” is marked not applicable.",
    ),
    "no question of a side applies": (
        (
            reciprocal(
                step("all", question("a", "match"), question("b", "benefit", ask_when=LARGE)),
                thresholds=THRESHOLDS,
                attributes={"employees": "number"},
            ),
            {"a": 5},
        ),
        "Cannot be scored: no scored question on “Benefit” applies here. Still to find out: employees.",
    ),
    # Without thresholds.
    "a grade without thresholds": (
        (pool(*FOUR, thresholds=None, grades=GRADES), dict.fromkeys(["need", "price", "date", "say"], 4)),
        "75 out of 100 (grade B), with all 4 questions rated.",
    ),
    "a figure without grades": (
        (pool(*FOUR, thresholds=None), {"need": 4, "price": 2}),
        "50 out of 100, with 2 of 4 questions rated.",
    ),
    "the weakest part": (
        (pool(*IN_PARTS, dimensions=PARTS, thresholds=None), {"a": 5, "b": 5, "c": 3, "d": 2}),
        "69 out of 100, with all 4 questions rated. The weakest part is “Money”: 38 out of 100.",
    ),
    "two equally weak parts": (
        (pool(*FOUR_PARTS, dimensions=DIMENSIONS, thresholds=None), {"a": 5, "b": 2, "c": 5, "d": 2}),
        "63 out of 100, with all 4 questions rated. The weakest parts are “Money” and “Plans”: 25 out of 100 each.",
    ),
    "equally weak parts only": (
        (pool(*FOUR_PARTS, dimensions=DIMENSIONS, thresholds=None), dict.fromkeys("abcd", 2)),
        "25 out of 100, with all 4 questions rated.",
    ),
    "the only question": (
        (pool(question("need"), thresholds=None), {"need": 4}),
        "75 out of 100, with the only scored question rated.",
    ),
    "too early without thresholds": (
        (pool(*FOUR, thresholds=None), {"need": 4}),
        "Too early to say: 1 of 4 questions is rated so far. Rate at least half of the questions.",
    ),
    "nothing counts without thresholds": (
        skipping((pool(question("need"), thresholds=None), {}), "need"),
        "Cannot be scored: every scored question is marked not applicable.",
    ),
    # What it rests on.
    "mostly assumed": (
        (pool(*FOUR), {"say": 5}, ASSUMED),
        "A fit: 100 out of 100. Every rating that counts is 5. More than half of what is rated rests on assumptions.",
    ),
    "half assumed": (
        (pool(*FOUR), {"date": 5, "say": 5}, HALF_ASSUMED),
        "A fit: 100 out of 100. Every rating that counts is 5.",
    ),
    # Labels.
    "a label goes before the key in words": (
        sides(5, 4, price=3),
        "A fit on both sides: 81 out of 100. The weakest point is the price, rated 3.",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_the_sentences_of_a_state(state):
    (definition, ratings, *other), sentences = STATES[state]
    assert scored(definition, ratings, *other).summary == sentences


OPENINGS = {
    "fit": ("A fit",),
    "no_fit": ("Not a fit: ",),
    "mixed": ("Mixed", "Not a fit while "),
    "undetermined": ("Too early", "Leaning", "Mixed so far", "Not a fit while "),
    "unscorable": ("Cannot be scored",),
    None: ("Too early", "Cannot be scored", "No score", *"0123456789"),
}


@effort(400)
@given(cases(sketch=RULED))
def test_no_sentence_contradicts_the_score_or_is_badly_made(case):
    score = case.score()
    said = score.summary
    assert said.startswith(OPENINGS[score.indication])
    assert said.endswith(".")
    assert 1 <= len(re.findall(r"\.(?: |$)", said)) <= 3
    assert not re.search(
        r"None|_|\b1 \w+s (are|have)|\b[2-9]\d* question\b|  |\.\.|\bnan\b|\(\)|: \.|: ;", said
    )
    effects = {blocker.effect for blocker in score.blockers}
    if score.indication in ("mixed", "undetermined") and effects:
        assert "while" in said
    assert ("which rules" in said) == ("no_fit" in effects)


@effort(400)
@given(cases(sketch=RULED))
def test_every_open_must_reach_question_is_named_while_a_fit_is_possible(case):
    score = case.score()
    sentence = re.search(
        r"It cannot become a fit until (.*?) (are|is) rated\.",
        score.summary,
    )
    is_possible = score.leaning and score.indication == "undetermined" and score.answers_to_fit is not None
    if not (is_possible and score.must_answer):
        assert sentence is None
        return
    assert re.split(", | and ", sentence[1]) == score.must_answer


@effort(200)
@given(cases())
def test_the_figures_of_a_sentence_are_on_the_right_side_of_every_cut(case):
    """A figure that is shown is the score's or a side's, rounded, and not up to a cut that it is under."""
    score = case.score()
    cuts = [grade.at for grade in case.question_set.grades]
    if limits := case.question_set.thresholds:
        cuts += [limits.fit_at, limits.no_fit_below]
    figures = [score.score, *(part.estimate for part in score.dimensions)]
    figures += [score.highest, *(part.highest for part in score.dimensions)]
    for shown in map(int, re.findall(r"(\d+) out of 100", score.summary)):
        near = [one for one in figures if one is not None and abs(one - shown) <= 1]
        if near and "Otherwise" not in score.summary:
            assert any(all((one >= cut) == (shown >= cut) for cut in cuts) for one in near)
