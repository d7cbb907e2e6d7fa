"""The one plain sentence: what is indicated, how much is known, and what stands in the way."""

import pytest
from hypothesis import given

from tests.scoring.building import NOT_APPLICABLE, question, reciprocal, scored, step, weighted
from tests.scoring.strategies import cases, effort

THRESHOLDS = {"fit_at": 60, "no_fit_below": 50}
SIDES = reciprocal(
    step(
        "all",
        question("annual_budget", "match", must_reach=2),
        question("need", "match"),
        question("saving", "benefit", must_reach=2, if_missed="mixed"),
        question("speed", "benefit"),
    ),
    thresholds=THRESHOLDS,
)
BEST = dict.fromkeys(["annual_budget", "need", "saving", "speed"], 5)


@pytest.mark.parametrize(
    ("ratings", "other", "opening"),
    [
        (BEST, {}, "A fit"),
        (BEST | {"annual_budget": 1}, {}, "Not a fit"),
        (BEST | {"saving": 1}, {}, "Mixed"),
        ({"annual_budget": 5, "saving": 5}, {}, "Leaning to a fit"),
        ({"need": 1, "speed": 5}, {}, "Leaning to no fit"),
        ({"need": 3, "saving": 5, "speed": 5}, {}, "Leaning to a mixed"),
        ({"need": 5}, {}, "Too early to say"),
        (
            {"need": 5, "annual_budget": 5},
            {"saving": NOT_APPLICABLE, "speed": NOT_APPLICABLE},
            "Cannot be scored",
        ),
    ],
)
def test_the_sentence_opens_with_the_indication_or_where_it_leans(ratings, other, opening):
    assert scored(SIDES, ratings, other).summary.startswith(opening)


def test_without_thresholds_the_sentence_tells_the_score():
    """4 on 1..5 is 75 of 100."""
    assert "75" in scored(weighted(step("all", question("need"))), {"need": 4}).summary


def test_the_sentence_counts_the_rated_questions_of_those_that_apply():
    assert "3 of 4 questions rated" in scored(SIDES, {"annual_budget": 5, "saving": 5, "speed": 5}).summary
    assert (
        "2 of 3 questions rated" in scored(SIDES, {"need": 5, "saving": 5}, {"speed": NOT_APPLICABLE}).summary
    )
    assert "1 of 1 question rated" in scored(weighted(step("all", question("need"))), {"need": 4}).summary


def test_the_sentence_names_the_weaker_side():
    assert "benefit is the weaker side" in scored(SIDES, BEST | {"speed": 4}).summary
    assert "weaker" not in scored(SIDES, BEST).summary


def test_the_sentence_names_in_words_what_ruled_it_out_held_it_back_or_is_still_open():
    assert "annual budget ruled it out" in scored(SIDES, BEST | {"annual_budget": 1}).summary
    assert "saving held it back" in scored(SIDES, BEST | {"saving": 1}).summary
    assert "annual budget still open" in scored(SIDES, {"need": 5, "saving": 5, "speed": 5}).summary


@effort(100)
@given(cases())
def test_it_is_always_one_sentence_that_says_how_much_is_known(case):
    score = case.score()
    assert f"{score.rated} of {score.rated + score.open} question" in score.summary
    assert score.summary.endswith(".")
    assert score.summary.count(".") == 1
    assert score.summary[0].isupper()
