"""The verdict that every revision keeps: all figures of the score, in less than a kilobyte."""

import json
from random import Random

import pytest
from hypothesis import given
from pydantic_core import to_json

from app.question_sets.builtin_sets import read_builtin
from app.scoring import Answer, Plan, judge, read_question_set, read_verdict, verdict_record
from tests.scoring.building import NOW, question, step, weighted
from tests.scoring.strategies import cases, effort

FIGURES = ("indication", "settled", "leaning", "score", "grade", "lowest", "highest", "coverage")


@effort(150)
@given(cases())
def test_a_stored_verdict_has_every_figure_of_the_score_to_the_last_bit(case):
    plan = Plan(case.question_set, "small-set@1")
    judged = judge(plan, case.answers, case.attributes, as_of=NOW)
    whole = judged.score()
    stored = json.loads(to_json(verdict_record(judged)))
    assert read_verdict(plan, stored) == {name: whole[name] for name in FIGURES} | {
        "question_set": "small-set@1",
        "dimensions": whole["dimensions"],
        "blockers": [blocker["question"] for blocker in whole["blockers"]],
    }


def test_the_stored_verdict_of_three_questions_is_what_a_hand_calculation_gives():
    """Budget 2 of weight 2 misses its 3; the timeline of weight 3 is open, the need not applicable."""
    budget = question("budget", weight=2, must_reach=3, if_missed="mixed")
    asked = step("only", budget, question("timeline", weight=3), question("need"))
    definition = weighted(asked, thresholds={"fit_at": 60, "no_fit_below": 40})
    answers = {"budget": Answer("rated", 2), "need": Answer("not_applicable")}
    plan = Plan(read_question_set(definition), "small-set@7")
    assert json.loads(to_json(verdict_record(judge(plan, answers, {}, as_of=NOW)))) == {
        "version": 7,
        "indication": "undetermined",
        "settled": False,
        "leaning": None,
        "score": None,
        "grade": None,
        "lowest": 100 * 2 / 20,
        "highest": 100 * 14 / 20,
        "coverage": 2 / 6,
        # rated, open and skipped weight; Σ w·x; how many are rated, open and not applicable
        "dimensions": [[2, 3, 1, 2, 1, 1, 1]],
        "blockers": ["budget"],
    }


@pytest.mark.parametrize("question_set", list(read_builtin()), ids=lambda one: one.key)
def test_the_stored_verdict_of_a_built_in_set_takes_at_most_a_kilobyte(question_set):
    plan, pick = Plan(question_set, f"{question_set.key}@1"), Random(4)
    worst = {key: Answer("rated", question_set.scale.min) for key in plan.questions}
    some = {key: Answer("rated", pick.randint(1, 5)) for key in plan.questions if pick.random() < 0.7}
    for answers in (worst, some, {}):
        record = verdict_record(judge(plan, answers, {}, as_of=NOW))
        assert len(to_json(record)) <= 1000
