"""The texts of the built-in sets as sellers read them: in the sentences of a score, and in the guidance."""

import re

import pytest

from app.question_sets.builtin_sets import read_builtin
from app.scoring import Plan, Sent, ratings_sent, read_answers, read_attributes, score
from tests.scoring.building import NOW, UNKNOWN, as_object

SETS = {question_set.key: question_set for question_set in read_builtin()}
SALE, SHORT, FIRM = "qualifying-a-sale", "qualifying-a-sale-short", "firmographic-fit"


def ungated(key):
    return [question for step in SETS[key].steps if not step.gated for question in step.questions]


def summary(key, rating, changes=None, attributes=None):
    """The summary with every question rated `rating` but for `changes`; None leaves a question open."""
    ratings = {question.key: rating for question in ungated(key)} | (changes or {})
    sent = ratings_sent({key: rating for key, rating in ratings.items() if isinstance(rating, int)})
    sent += [Sent(f"/answers/{key}", key, UNKNOWN) for key, one in ratings.items() if one == "unknown"]
    answers, known = read_answers(SETS[key], sent), read_attributes(SETS[key], attributes or {})
    return as_object(score(Plan(SETS[key], f"{key}@1"), answers, known, as_of=NOW)).summary


SUMMARIES = {
    "a blocker that is the opposite of its question": (
        (SALE, 5, {"concerns": 1}),
        (
            "Not a fit while our answers to their concerns are rated below 2. "
            "Otherwise it looks strong: 100 out of 100."
        ),
    ),
    "another such blocker": (
        (SALE, 5, {"open_items": 1}),
        "Not a fit while the path forward is rated below 2. Otherwise it looks strong: 100 out of 100.",
    ),
    "a weakest point that is the opposite of its question": (
        (SALE, 4, {"data_points": 2}),
        "A fit on both sides: 73 out of 100. The weakest point is what we know so far, rated 2.",
    ),
    "a weakest point in the plural": (
        (SALE, 5, {"decision_makers": 3}),
        "A fit on both sides: 98 out of 100. Decision makers are the weakest point, rated 3.",
    ),
    "all seven must-reach questions are open": (
        (
            SALE,
            4,
            dict.fromkeys(question.key for question in ungated(SALE) if question.must_reach is not None),
        ),
        (
            "Leaning towards a fit: 75 out of 100, with 15 of 22 questions rated. "
            "It cannot become a fit until requirements, their need for a solution, the path forward, "
            "timeline, budget, decision makers and our answers to their concerns are rated."
        ),
    ),
    "nothing is rated on a side": (
        (SHORT, None, {"trigger": 4, "current_challenges": 4}),
        (
            "Too early to say: none of the 5 questions on “What we offer is right for them” are rated "
            "so far. Rate at least half of the questions on each side."
        ),
    ),
    "two of five facts are known": (
        (FIRM, None, {}, {"industry": "logistics", "employees": 200}),
        (
            "Too early to say: 2 of 5 questions are rated so far. "
            "Still to find out: annual revenue, region and growth."
        ),
    ),
    "no fact is known": (
        (FIRM, None),
        (
            "Too early to say: nothing is rated yet. "
            "Still to find out: industry, employees, annual revenue, region and growth."
        ),
    ),
    "four equally weak dimensions": (
        ("key-account-analysis", 2),
        (
            "Not a fit: 25 out of 100, and anything below 40 is not a fit. "
            "What we do matters too little to its mission (25 out of 100), "
            "its market offers us too little, or our competitors are too strong there (25 out of 100), "
            "and 2 more parts are weak."
        ),
    ),
    "a blocker of a key account": (
        ("key-account-analysis", 5, {"strategy_fit": 1}),
        "Not a fit while strategic fit is rated below 2. Otherwise it looks strong: 100 out of 100.",
    ),
}


@pytest.mark.parametrize("state", SUMMARIES)
def test_a_summary_reads_well_with_the_labels_of_the_built_in_sets(state):
    arguments, sentences = SUMMARIES[state]
    assert summary(*arguments) == sentences


@pytest.mark.parametrize("key", SETS)
def test_texts_for_sellers_show_no_field_names(key):
    questions = [question for step in SETS[key].steps for question in step.questions]
    texts = [SETS[key].description, *(question.guidance or "" for question in questions)]
    texts += [question.label for question in questions]
    if portfolio := SETS[key].portfolio:
        texts += portfolio.advice.model_dump().values()
    assert [text for text in texts if re.search(r"\w_\w", text)] == []


@pytest.mark.parametrize("key", SETS)
def test_a_label_has_at_most_five_words_and_is_used_once(key):
    labels = [question.label for step in SETS[key].steps for question in step.questions]
    assert [label for label in labels if len(label.split()) > 5] == []
    assert len(set(labels)) == len(labels)
