"""Questions that matter: shares counted by hand, figures of scikit-learn and scipy, and a sentence for each."""

from random import Random

import numpy as np
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu
from sklearn.metrics import roc_auc_score

from app.insights.questions import Concluded, compute, table
from app.scoring import Plan, read_question_set
from tests.insights.deals import NONE_EXCLUDED, assert_finite, deal
from tests.scoring.building import question, step, weighted

QUESTIONS = ("strong", "backward", "same", "noise", "rare")
SET = weighted(step("all", *map(question, QUESTIONS)), step("after", question("late"), gated=True))
OLDER = weighted(step("all", question("retired"), question("strong")))


def plan(definition, version):
    return Plan(read_question_set(definition), f"ours@{version}")


PLANS = {1: plan(SET, 1)}


def reported(sessions, *, plans=PLANS, **more):
    report = compute(Concluded("ours@1", plans, sessions, NONE_EXCLUDED, more.get("with_hindsight", False)))
    assert_finite(report)
    return report, {one.key: one for one in report.questions}


def test_answers_are_counted_by_hand():
    """Seven deals: the question of the first column was not asked of one of them."""
    codes = ["1", "5", "5", "u", "n", "-", ""]
    sessions = [deal(n, won=n < 3, ratings=f"{code},,,,,") for n, code in enumerate(codes)]
    _, questions = reported(sessions)
    strong = questions["strong"]
    shares = {
        name: (getattr(strong, name).count, getattr(strong, name).share)
        for name in ("rated", "unknown", "open", "not_applicable", "lowest", "highest")
    }
    assert strong.asked == 6
    assert shares == {
        "rated": (3, 3 / 6),
        "unknown": (1, 1 / 6),
        "open": (1, 1 / 6),
        "not_applicable": (1, 1 / 6),
        "lowest": (1, 1 / 3),
        "highest": (2, 2 / 3),
    }
    assert (
        strong.suppressed
        == "3 won and no lost sessions have one, and 10 of each are needed, from different prospects"
    )
    assert (strong.mean_won, strong.auc, strong.p_value, strong.item_rest) == (None,) * 4
    assert questions["rare"].sentence == "No session in this report asks this question."


def clipped(rating):
    return str(min(5, max(1, rating)))


def sample(count, seed=3):
    """Deals whose first question separates won from lost, whose second does so the other way, and the rest noise."""
    random = Random(seed)
    sessions = []
    for number in range(count):
        won = random.random() < 0.5
        sign = 1 if won else -1
        codes = [
            clipped(random.randint(2, 4) + sign),
            clipped(random.randint(2, 4) - sign),
            "3",
            str(random.randint(1, 5)),
            str(random.randint(1, 5)) if random.random() < 0.4 else "u",
            "",
        ]
        sessions.append(deal(number, won=won, ratings=",".join(codes)))
    return sessions


SAMPLE = sample(800)
MATRIX = np.array(
    [[float(code) if code.isdigit() else np.nan for code in one.ratings.split(",")] for one in SAMPLE]
)
WON = np.array([one.won for one in SAMPLE])


def test_the_figures_are_those_of_other_implementations():
    _, questions = reported(SAMPLE)
    p_values = []
    for column, key in enumerate(QUESTIONS):
        ratings = MATRIX[:, column]
        rated = ~np.isnan(ratings)
        assert questions[key].auc.estimate == pytest.approx(roc_auc_score(WON[rated], ratings[rated]))
        assert questions[key].mean_won.estimate == pytest.approx(ratings[rated & WON].mean())
        assert questions[key].mean_lost.estimate == pytest.approx(ratings[rated & ~WON].mean())
        if key != "same":
            test = mannwhitneyu(ratings[rated & WON], ratings[rated & ~WON], method="asymptotic")
            p_values.append(test.pvalue)
    found = [questions[key].p_value for key in QUESTIONS if key != "same"]
    assert found == pytest.approx(list(false_discovery_control(p_values)))
    assert questions["same"].p_value is None


def test_the_item_rest_correlation_is_that_with_the_mean_of_the_other_ratings():
    _, questions = reported(SAMPLE)
    rest = np.nanmean(MATRIX[:, [1, 2, 3, 4]], axis=1)
    assert questions["strong"].item_rest.estimate == pytest.approx(np.corrcoef(MATRIX[:, 0], rest)[0, 1])


def test_each_question_has_a_plain_sentence():
    report, questions = reported(SAMPLE)
    strong, backward, noise = (questions[key] for key in ("strong", "backward", "noise"))
    assert (strong.matters, backward.matters, noise.matters) == (True, True, False)
    means = {
        key: f"{one.mean_won.estimate:.1f} on average when won, and {one.mean_lost.estimate:.1f} when lost"
        for key, one in questions.items()
        if one.mean_won
    }
    assert strong.sentence.startswith(f"Won deals have higher ratings: {means['strong']}.")
    assert backward.sentence.startswith(
        f"Lost deals have higher ratings: {means['backward']}. Check how the question is asked and rated."
    )
    assert (
        noise.sentence
        == f"Won and lost deals have similar ratings: {means['noise']}. Consider dropping the question."
    )
    assert (
        questions["same"].sentence
        == "All sessions have the same rating. Consider dropping the question, or describe its ratings better."
    )
    assert "Fewer than half of the sessions have a rating: " in questions["rare"].sentence
    assert questions["late"].gated
    assert (
        report.summary
        == f"{WON.sum()} won and {(~WON).sum()} lost sessions. The questions that separate them best: {best(questions)}."
    )
    assert [row[1] for row in table(report).rows] == [*QUESTIONS, "late"]


def best(questions):
    return ", ".join(sorted(("backward", "strong"), key=lambda key: questions[key].p_value))


def test_without_enough_deals_no_difference_is_called_certain():
    _, questions = reported(sample(40, seed=9))
    assert questions["noise"].sentence.startswith(
        "So far, no difference between won and lost deals is certain: "
    )
    assert questions["rare"].suppressed
    empty, _ = reported([])
    assert (
        empty.summary
        == "No won or lost session has enough ratings from before its outcome, so nothing can be said yet."
    )
    few, _ = reported(sample(5))
    assert few.summary.endswith("That is too few to compare questions: 10 rated sessions of each are needed.")


def test_noise_alone_shows_no_question_that_matters():
    """By Benjamini and Hochberg, at most 5 % of such sets show one: of 60 sets, 9 would be beyond 3 deviations."""
    wrong = 0
    for seed in range(60):
        random = Random(seed)
        sessions = [
            deal(n, won=random.random() < 0.5, ratings=",".join(str(random.randint(1, 5)) for _ in range(6)))
            for n in range(60)
        ]
        wrong += any(
            one.matters
            for one in compute(Concluded("ours@1", PLANS, sessions, NONE_EXCLUDED, False)).questions
        )
    assert wrong < 9


def test_versions_are_pooled_by_question():
    """The newest version comes first, and then what only an older one asks."""
    plans = {2: PLANS[1], 1: plan(OLDER, 1)}
    sessions = [
        *(deal(n, won=n % 2 == 0, version=2, ratings="4,,,,,") for n in range(20)),
        *(deal(n, won=n % 2 == 0, version=1, ratings="2,4") for n in range(20, 30)),
    ]
    _, questions = reported(sessions, plans=plans)
    assert list(questions) == [*QUESTIONS, "late", "retired"]
    assert (questions["strong"].rated.count, questions["retired"].rated.count) == (30, 10)
    assert questions["retired"].asked == 10


def test_a_prospect_with_500_sessions_counts_once():
    crowd = [deal(1000, won=True, ratings="1,5,3,3,3,") for _ in range(500)]
    _, alone = reported([*SAMPLE, crowd[0]])
    _, together = reported([*SAMPLE, *crowd])
    for key in QUESTIONS:
        assert together[key].auc.estimate == pytest.approx(alone[key].auc.estimate)
        assert together[key].mean_won.estimate == pytest.approx(alone[key].mean_won.estimate)


def test_hindsight_is_shown_apart():
    knew = [one._replace(hindsight=True) for one in SAMPLE]
    report, _ = reported(knew, with_hindsight=True)
    assert (report.n, report.hindsight.n) == (0, 800)
    assert report.hindsight.questions[0].matters
    assert {row[0] for row in table(report).rows} == {False, True}


@pytest.mark.parametrize("won", [True, False])
def test_a_set_of_one_question_whose_deals_all_end_alike(won):
    plans = {1: plan(weighted(step("all", question("only"))), 1)}
    report, questions = reported([deal(n, won=won, ratings="3") for n in range(50)], plans=plans)
    assert questions["only"].suppressed
    assert questions["only"].item_rest is None
    assert "too few" in report.summary
