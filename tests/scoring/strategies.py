"""How random small sets and sessions are drawn; `TEST_EFFORT=10 pytest …` draws ten times as many."""

import os

from hypothesis import settings
from hypothesis import strategies as st

from app.scoring import Answer
from tests.scoring.case import GATED, Sketch, assembled

EFFORT = float(os.environ.get("TEST_EFFORT", "1"))

SCALES = [(1, 5), (0, 3), (1, 2), (-2, 2), (0, 10), (-7, -4)]
SMALL_SCALES = [(0, 3), (1, 2), (1, 4), (-1, 1)]
SHAPES = [
    ("reciprocal", ["match", "benefit"]),
    ("reciprocal", ["match", "benefit"]),
    ("weighted", ["need"]),
    ("weighted", ["need", "match", "benefit"]),
]
GRADES = [[], [0], [50, 0], [80, 60, 40, 0], [100, 50, 1, 0]]
STEPS = ["first", "second", "third", GATED]
RULES = [None] * 5 + ["bands", "values", "otherwise"]
MUST_REACH = [None, None, None, "no_fit", "mixed"]
STALE_AFTER = [None] * 5 + [1, 30]
DAYS_AGO = [None, 0, 0.99999, 1, 29, 30, 400]
EVIDENCE = [None, None, "fact", "judgement", "assumption"]
# The last ones cannot be read as what they are declared, or say nothing.
VALUES = {
    "employees": [9.5, 10, 49, 50, 1000, "many", True, ""],
    "industry": ["retail", " Retail\u00a0", "SAAS\t", "saas", "ore", 7, " \n"],
    "partner": [True, False, 1],
}
CONDITIONS = [
    {"employees": {"at_least": 50}},
    {"employees": {"at_least": 10, "below": 50}},
    {"employees": {"equals": 50}},
    {"employees": {"exists": False}},
    {"industry": {"in": ["\tRETAIL", "saas"]}},
    {"industry": {"not_in": ["retail"]}},
    {"partner": {"equals": False}},
    {"partner": {"equals": True}, "industry": {"exists": True}},
]
# What a session holds, from nearly done to hardly begun and from eager to reluctant.
MOODS = [
    ["best", "best", "best", "high", "absent"],
    ["high", "any", "absent"],
    ["high", "high", "low", "any", "unknown", "absent"],
    ["any"],
    ["any", "any", "open", "absent"],
    ["low", "low", "any", "absent"],
    ["high", "any", "not_applicable", "unknown", "absent"],
    ["any", "not_applicable", "not_applicable", "absent"],
    ["best", "best", "not_applicable", "not_applicable", "absent"],
    ["absent", "absent", "unknown", "high"],
]

LEVEL = st.integers(0, 10)
CUT = st.sampled_from([1, 25, 50, 60, 75, 100]) | st.integers(1, 100)
CUTS = st.tuples(CUT, CUT).map(lambda both: {"fit_at": max(both), "no_fit_below": min(both)})
CUTS_OR_NONE = st.sampled_from([CUTS] * 6 + [st.none()]).flatmap(lambda thresholds: thresholds)


def sketches(conditions, rules):
    """Questions that apply under one of these conditions and are rated by one of these rules."""
    return st.builds(
        Sketch,
        dimension=st.integers(0, 2),
        weight=st.just(1) | st.integers(0, 4) | st.integers(0, 100),
        must_reach=st.tuples(st.sampled_from(MUST_REACH), LEVEL),
        ask_when=st.sampled_from(conditions),
        rule=st.tuples(st.sampled_from(rules), LEVEL, LEVEL),
        step=st.sampled_from(STEPS),
        answer=st.tuples(st.integers(0, 19), LEVEL),
        days=st.tuples(st.sampled_from(STALE_AFTER), st.sampled_from(DAYS_AGO)),
        evidence=st.sampled_from(EVIDENCE),
    )


SKETCH = sketches([{}] * 30 + CONDITIONS, RULES)
# Of these, attributes decide often.
RULED = sketches([{}] * 8 + CONDITIONS, [None, None, "bands", "values", "otherwise"])


def effort(examples):
    """Settings for so many examples, times `TEST_EFFORT`."""
    return settings(max_examples=max(1, round(examples * EFFORT)), deadline=None)


def cases(scales=SCALES, most=8, thresholds=CUTS_OR_NONE, sketch=SKETCH):
    return st.builds(
        assembled,
        sketches=st.lists(sketch, min_size=3, max_size=most),
        scale=st.sampled_from(scales),
        shape=st.sampled_from(SHAPES),
        thresholds=thresholds,
        grades=st.sampled_from(GRADES),
        order=st.permutations(STEPS),
        mood=st.sampled_from(MOODS),
        attributes=st.fixed_dictionaries(
            {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
        ),
    )


@st.composite
def cases_to_close(draw, most_open=4):
    """Cases that can be closed in every way: few ratings on the scale, few questions open."""
    case = draw(cases(SMALL_SCALES, most=7, thresholds=CUTS))
    scale = case.question_set.scale
    surplus = {key: draw(st.integers(scale.min, scale.max)) for key in case.open[most_open:]}
    return case.answering(case.answers | {key: Answer("rated", rating) for key, rating in surplus.items()})
