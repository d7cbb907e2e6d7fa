"""What to ask next, and how many answers a settled indication is away."""

from hypothesis import given
from hypothesis import strategies as st

from tests.scoring import verdicts
from tests.scoring.building import NOT_APPLICABLE, UNKNOWN, question, reciprocal, scored, step, weighted
from tests.scoring.strategies import cases, effort

THRESHOLDS = {"fit_at": 60, "no_fit_below": 50}
MONEY = step("money", question("price"), question("budget", must_reach=2), question("terms"))
PEOPLE = step("people", question("champion"), question("signer"))
RAPPORT = step("rapport", question("trust", weight=3), question("humour"), gated=True)
TWO_STEPS = weighted(MONEY, PEOPLE, RAPPORT, thresholds=THRESHOLDS)


def keys(score):
    return [asked.question for asked in score.next_questions]


@effort(150)
@given(cases(), st.booleans())
def test_next_come_the_first_three_open_questions(case, pursued):
    score = case.score(pursued=pursued)
    asked = [(one.question, one.weight_share, one.ask_again) for one in score.next_questions]
    assert asked == verdicts.next_questions(case.expected, pursued)


@effort(150)
@given(cases(), st.booleans())
def test_all_open_questions_are_named_in_the_order_to_ask_them(case, pursued):
    score = case.score(pursued=pursued)
    expected = [one.question.key for one in verdicts.open_questions(case.expected, pursued)]
    assert score.open_questions == expected
    assert score.must_answer == verdicts.must_answer(case.expected)


def test_the_order_of_the_set_is_kept_must_reach_questions_or_not():
    score = scored(TWO_STEPS)
    assert keys(score) == ["price", "budget", "terms"]
    assert score.open_questions == ["price", "budget", "terms", "champion", "signer"]
    assert score.must_answer == ["budget"]


def test_of_many_open_questions_three_are_told_in_full():
    many = weighted(step("all", *(question(f"q{number}") for number in range(5))), thresholds=THRESHOLDS)
    score = scored(many, {"q1": 3})
    assert keys(score) == ["q0", "q2", "q3"]
    assert score.open_questions == ["q0", "q2", "q3", "q4"]


def test_questions_answered_unknown_come_last_to_be_asked_again():
    score = scored(TWO_STEPS, {"champion": 3}, other={"budget": UNKNOWN, "price": UNKNOWN, "terms": UNKNOWN})
    assert [(one.question, one.ask_again) for one in score.next_questions] == [
        ("signer", False),
        ("price", True),
        ("budget", True),
    ]


def test_a_question_answered_unknown_comes_after_those_of_later_steps():
    score = scored(TWO_STEPS, {"budget": 3, "terms": 3}, {"price": UNKNOWN})
    assert keys(score) == ["champion", "signer", "price"]
    assert score.open_questions == ["champion", "signer", "price"]


def test_the_next_three_questions_come_from_several_steps():
    score = scored(TWO_STEPS, {"price": 3, "budget": 3})
    assert keys(score) == ["terms", "champion", "signer"]


def test_a_step_with_nothing_open_is_skipped():
    score = scored(TWO_STEPS, {"budget": 3, "terms": 3}, {"price": NOT_APPLICABLE})
    assert keys(score) == ["champion", "signer"]


def test_nothing_is_asked_any_more_once_the_indication_is_settled():
    """A missed knock-out settles it, whatever else is open."""
    score = scored(TWO_STEPS, {"budget": 1})
    assert (score.settled, keys(score), score.must_answer) == (True, [], [])
    assert score.open_questions == ["price", "terms", "champion", "signer"]


def test_a_set_without_thresholds_is_never_settled_and_asks_to_the_end():
    plain = step("money", question("price"), question("budget"), question("terms"))
    score = scored(weighted(plain), {"budget": 1, "price": 5})
    assert (score.indication, score.settled, keys(score)) == (None, False, ["terms"])


def test_a_gated_step_is_asked_only_after_the_decision_to_pursue():
    ratings = dict.fromkeys(["price", "budget", "terms", "champion", "signer"], 5)
    assert keys(scored(TWO_STEPS, ratings)) == []
    assert keys(scored(TWO_STEPS, ratings, pursued=True)) == ["trust", "humour"]


def test_what_still_decides_the_fit_is_asked_before_a_gated_step_even_when_pursued():
    score = scored(TWO_STEPS, pursued=True)
    assert keys(score) == ["price", "budget", "terms"]
    assert score.open_questions[-2:] == ["trust", "humour"]


def test_an_unknown_answer_still_goes_before_a_gated_step():
    ratings = dict.fromkeys(["price", "budget", "champion", "signer"], 3)
    other = {"terms": UNKNOWN, "trust": UNKNOWN}
    score = scored(TWO_STEPS, ratings, other, pursued=True)
    assert keys(score) == ["terms"]
    assert score.open_questions == ["terms", "humour", "trust"]


def test_a_question_has_its_weight_share_of_all_that_counts_in_its_unit():
    """Benefit has weights 1 and 3, so they have 100·1/4 and 100·3/4 whatever match weighs.

    With the 3 not applicable, W is 1 and the other has all of it.
    """
    asked = step(
        "all",
        question("saving", "benefit"),
        question("speed", "benefit", weight=3),
        question("need", "match", weight=7),
        question("note", "match", weight=0),
    )
    shares = {one.question: one.weight_share for one in scored(reciprocal(asked)).next_questions}
    assert shares == {"saving": 25.0, "speed": 75.0, "need": 100.0}
    (note,) = scored(reciprocal(asked), dict.fromkeys(shares, 3)).next_questions
    assert (note.question, note.weight_share) == ("note", 0.0)
    without_speed = scored(reciprocal(asked), other={"speed": NOT_APPLICABLE})
    assert without_speed.next_questions[0].weight_share == 100.0


def test_a_next_question_tells_all_that_a_form_needs_to_ask_it():
    anchors = [{"rating": 1, "text": "none"}, {"rating": 5, "text": "signed off"}]
    asked = question("budget", must_reach=2, guidance="Ask late.", anchors=anchors, label="the budget")
    (line,) = scored(weighted(step("money", asked), thresholds=THRESHOLDS)).next_questions
    assert line == {
        "question": "budget",
        "label": "the budget",
        "text": "How is the budget?",
        "guidance": "Ask late.",
        "step": "money",
        "dimension": "need",
        "anchors": anchors,
        "must_reach": 2,
        "weight_share": 100.0,
        "ask_again": False,
    }


def test_largest_weights_are_the_shortest_way_to_a_fit():
    """W = 4+3+2+1 = 10. Best on 4 alone gives a lowest of 40; on 4 and 3 of 70, which is over 60."""
    asked = [question(f"w{weight}", weight=weight) for weight in (1, 2, 3, 4)]
    score = scored(weighted(step("all", *asked), thresholds=THRESHOLDS))
    assert score.answers_to_fit == 2


def test_open_must_reach_questions_are_on_the_way_to_a_fit_however_little_they_weigh():
    """The 4 and the 3 are enough for 60, but the one of weight 0 has to be reached as well."""
    asked = [question(f"w{weight}", weight=weight) for weight in (1, 2, 3, 4)]
    asked.append(question("budget", weight=0, must_reach=3, if_missed="mixed"))
    score = scored(weighted(step("all", *asked), thresholds=THRESHOLDS))
    assert score.answers_to_fit == 3


def test_no_fit_is_one_answer_away_while_a_knock_out_is_open():
    assert scored(TWO_STEPS).answers_to_no_fit == 1


def test_no_fit_by_the_range_takes_as_many_worst_answers_as_bring_the_highest_down():
    """Ten equal questions: after five rated worst the highest is 50, not under it; after six 40."""
    asked = [question(f"q{number}") for number in range(10)]
    score = scored(weighted(step("all", *asked), thresholds=THRESHOLDS))
    assert score.answers_to_no_fit == 6
    assert scored(weighted(step("all", *asked), thresholds=THRESHOLDS), {"q0": 1}).answers_to_no_fit == 5


def test_largest_weights_are_the_shortest_way_to_no_fit():
    """Weights 4, 1, 2 and 3: worst on 4 leaves a highest of 60, on 4 and 3 of 30, which is under 50."""
    asked = [question(f"w{weight}", weight=weight) for weight in (4, 1, 2, 3)]
    score = scored(weighted(step("all", *asked), thresholds=THRESHOLDS))
    assert score.answers_to_no_fit == 2


def test_no_number_of_answers_is_told_where_the_indication_is_out_of_reach_or_not_defined():
    ruled_out = scored(TWO_STEPS, {"budget": 1})
    assert (ruled_out.answers_to_fit, ruled_out.answers_to_no_fit) == (None, 0)
    a_fit = scored(TWO_STEPS, dict.fromkeys(["price", "budget", "terms", "champion", "signer"], 5))
    assert (a_fit.answers_to_fit, a_fit.answers_to_no_fit) == (0, None)
    without_thresholds = scored(weighted(PEOPLE))
    assert (without_thresholds.answers_to_fit, without_thresholds.answers_to_no_fit) == (None, None)
