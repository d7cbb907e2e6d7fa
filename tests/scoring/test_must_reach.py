"""Must-reach questions, gated steps and sides on which nothing counts: what bars a fit, and how."""

import pytest

from tests.scoring.building import NOT_APPLICABLE, question, reciprocal, scored, step, weighted

THRESHOLDS = {"fit_at": 60, "no_fit_below": 50}
GRADES = [{"at": 60, "grade": "good"}, {"at": 50, "grade": "fair"}, {"at": 0, "grade": "poor"}]


def pool(if_missed="no_fit", **more):
    """Nine questions that count and a budget that must reach 3; rated 5, the nine are 90 of 100 %."""
    nine = [question(f"q{number}") for number in range(9)]
    budget = question("budget", must_reach=3, if_missed=if_missed)
    return weighted(step("all", budget, *nine), **{"thresholds": THRESHOLDS, "grades": GRADES, **more})


GOOD = {f"q{number}": 5 for number in range(9)}


def bars(score):
    return [(one.question, one.effect) for one in score.blockers]


def test_a_knock_out_that_is_missed_is_no_fit_whatever_the_score():
    """a = 1 + 36 of 40: 92.5 %, and still no fit, no score and no grade."""
    score = scored(pool(), GOOD | {"budget": 2})
    assert (score.score, score.indication, score.settled, score.leaning) == (None, "no_fit", True, "no_fit")
    assert (score.dimensions[0].estimate, score.lowest, score.reportable) == (92.5, 92.5, True)
    assert (bars(score), score.grade, score.grades_possible) == ([("budget", "no_fit")], None, [])
    assert (score.answers_to_fit, score.answers_to_no_fit) == (None, 0)


def test_a_must_reach_that_only_holds_back_makes_a_good_score_mixed():
    score = scored(pool("mixed"), GOOD | {"budget": 2})
    assert (score.score, score.indication, score.settled, score.leaning) == (92.5, "mixed", True, "mixed")
    assert (bars(score), score.grade, score.grades_possible) == ([("budget", "mixed")], "fair", ["fair"])


@pytest.mark.parametrize("if_missed", ["no_fit", "mixed"])
def test_a_must_reach_that_is_just_reached_bars_nothing(if_missed):
    score = scored(pool(if_missed), GOOD | {"budget": 3})
    assert (score.indication, score.blockers, score.grade) == ("fit", [], "good")


@pytest.mark.parametrize("if_missed", ["no_fit", "mixed"])
def test_an_open_must_reach_leaves_even_the_best_score_undetermined(if_missed):
    """90 % is certain, but the budget may still be missed: so far a fit, not settled."""
    score = scored(pool(if_missed), GOOD)
    assert (score.lowest, score.indication, score.settled, score.leaning) == (
        90.0,
        "undetermined",
        False,
        "fit",
    )
    assert (score.answers_to_fit, score.answers_to_no_fit) == (1, 1 if if_missed == "no_fit" else None)
    # Called not applicable, or missed where that only bars a fit, the budget makes it mixed.
    assert (score.grade, score.grades_possible) == (None, ["good", "fair"])


@pytest.mark.parametrize("if_missed", ["no_fit", "mixed"])
def test_a_must_reach_called_not_applicable_bars_a_fit(if_missed):
    score = scored(pool(if_missed), GOOD, {"budget": NOT_APPLICABLE})
    assert (score.score, score.indication, bars(score)) == (100.0, "mixed", [("budget", "mixed")])
    assert (score.grade, score.answers_to_fit) == ("fair", None)


def test_an_open_knock_out_keeps_a_middling_score_from_being_settled_as_mixed():
    """A weight of 0: the estimate is 50, between the thresholds, but a miss would be no fit."""
    budget = question("budget", weight=0, must_reach=3)
    middling = weighted(step("all", question("need"), budget), thresholds=THRESHOLDS)
    assert scored(middling, {"need": 3}).indication == "undetermined"
    assert scored(middling, {"need": 3, "budget": 3}).indication == "mixed"
    assert scored(middling, {"need": 3, "budget": 2}).indication == "no_fit"


def test_a_must_reach_that_does_not_apply_to_the_prospect_bars_nothing():
    budget = question("budget", must_reach=3, ask_when={"employees": {"at_least": 50}})
    asked = weighted(
        step("all", budget, question("need")), thresholds=THRESHOLDS, attributes={"employees": "number"}
    )
    small, large = (scored(asked, {"need": 5}, attributes={"employees": count}) for count in (49, 50))
    assert (small.indication, large.indication) == ("fit", "undetermined")


def test_a_side_on_which_nothing_counts_cannot_be_scored():
    """All of the benefit is not applicable: W = 0, and its coverage is 0/1."""
    sides = reciprocal(step("all", question("a", "match"), question("b", "benefit")), thresholds=THRESHOLDS)
    score = scored(sides, {"a": 5}, {"b": NOT_APPLICABLE})
    assert (score.indication, score.settled, score.leaning) == ("unscorable", False, None)
    assert (score.score, score.lowest, score.highest, score.coverage) == (None, None, None, 0.0)
    assert score.dimensions[0].estimate == 100.0
    assert (score.weaker_side, score.answers_to_fit, score.answers_to_no_fit) == (None, None, None)


def test_no_fit_goes_before_unscorable():
    """The match can only be 0, which is under 50 whatever the benefit would have been."""
    sides = reciprocal(step("all", question("a", "match"), question("b", "benefit")), thresholds=THRESHOLDS)
    assert scored(sides, {"a": 1}, {"b": NOT_APPLICABLE}).indication == "no_fit"


def test_a_question_without_weight_is_recorded_and_counted_as_rated_but_not_scored():
    asked = weighted(step("all", question("need"), question("note", weight=0)), thresholds=THRESHOLDS)
    score = scored(asked, {"need": 5, "note": 1})
    assert (score.score, score.points, score.points_max, score.rated) == (100.0, 5, 5, 2)
    assert [reason.question for reason in score.gaps] == []


def test_a_gated_step_has_figures_of_its_own_and_never_enters_the_score():
    """Rapport is 0 of 100 %; the score stays at 75."""
    rapport = step("rapport", question("trust", weight=9), gated=True)
    asked = weighted(step("all", question("need")), rapport, thresholds=THRESHOLDS)
    score = scored(asked, {"need": 4, "trust": 1})
    assert (score.score, score.indication, score.points, score.rated) == (75.0, "fit", 4, 1)
    assert [(part.gated, part.estimate, part.points) for part in score.steps] == [
        (False, 75.0, 4),
        (True, 0.0, 9),
    ]
    assert [reason.question for reason in score.strengths + score.gaps] == ["need"]


def test_a_set_without_thresholds_tells_figures_and_no_indication():
    nine = weighted(step("all", *(question(key) for key in GOOD)), grades=GRADES)
    score = scored(nine, GOOD)
    assert (score.score, score.indication, score.settled, score.leaning) == (100.0, None, False, None)
    assert (score.needed_average, score.grade) == (None, "good")


def test_a_blocker_tells_all_that_a_seller_needs_to_know():
    anchors = [{"rating": 1, "text": "None."}, {"rating": 3, "text": "Some."}, {"rating": 5, "text": "All."}]
    budget = question("budget", must_reach=3, if_missed="mixed", label="the money", anchors=anchors)
    asked = weighted(step("all", budget, question("need")), thresholds=THRESHOLDS)
    (missed,) = scored(asked, {"budget": 2, "need": 5}).blockers
    assert missed == {
        "question": "budget",
        "label": "the money",
        "text": "How is the budget?",
        "state": "rated",
        "rating": 2,
        "must_reach": 3,
        "effect": "mixed",
        "anchors": anchors[:2],
    }
    (skipped,) = scored(asked, {"need": 5}, {"budget": NOT_APPLICABLE}).blockers
    assert (skipped.state, skipped.rating, skipped.anchors) == ("not_applicable", None, [])


def test_a_knock_out_called_not_applicable_bars_a_fit_and_does_not_rule_it_out():
    assert bars(scored(pool(), GOOD, {"budget": NOT_APPLICABLE})) == [("budget", "mixed")]


def test_what_rules_a_fit_out_is_told_before_what_bars_it():
    two = weighted(
        step("all", question("a", must_reach=3, if_missed="mixed"), question("b", must_reach=3)),
        thresholds=THRESHOLDS,
    )
    assert bars(scored(two, {"a": 1, "b": 1})) == [("b", "no_fit"), ("a", "mixed")]


def test_a_fit_that_is_out_of_reach_needs_no_average():
    """Of the benefit one is 4 and one open: 0.6·8 − 3 = 1.8 over 1, so 2.8. A match of 0 cannot be helped."""
    sides = reciprocal(
        step("all", question("a", "match"), question("b", "benefit"), question("c", "benefit")),
        thresholds=THRESHOLDS,
    )
    assert [side.needed_average for side in scored(sides, {"a": 5, "b": 4}).dimensions] == [
        None,
        pytest.approx(2.8),
    ]
    assert [side.needed_average for side in scored(sides, {"a": 1, "b": 4}).dimensions] == [None, None]
    assert scored(pool("mixed"), {"q1": 5}).needed_average == pytest.approx((24 - 4) / 9 + 1)
    assert scored(pool("mixed"), {"q1": 5, "budget": 2}).needed_average is None
