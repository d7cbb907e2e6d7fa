"""Calibration: bands, curve and summary, checked by hand, against scikit-learn, and on what cannot be computed."""

from datetime import timedelta

import numpy as np
import pytest
from firthmodels import FirthLogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from app.insights.calibration import Concluded, compute, fit_win_curve, table
from app.insights.statistics.proportions import wilson
from tests.insights.deals import (
    FIRST_DAY,
    NONE_EXCLUDED,
    RECORDED_AT,
    assert_finite,
    deal,
    deals,
    random_deals,
)


def calibrated(sessions, *, excluded=NONE_EXCLUDED, with_hindsight=False):
    report = compute(Concluded("ours@1", sessions, excluded, with_hindsight))
    assert_finite(report)
    return report


def counts(report):
    return {band.label: (band.won, band.lost) for band in report.bands if band.n}


def test_each_band_counts_its_deals_and_the_knocked_out_ones_are_apart():
    """A score on a limit belongs to the band above it, and 100 to the last one."""
    report = calibrated(deals([20, 45, 80, 100], [0, 19.9, 79.9, None]))
    assert counts(report) == {
        "knocked out": (0, 1), "0 to 20": (0, 2), "20 to 40": (1, 0), "40 to 60": (1, 0), "60 to 80": (0, 1),
        "80 to 100": (2, 0),
    }  # fmt: skip
    assert (report.n, report.won, report.lost) == (8, 4, 4)
    last = report.bands[-1]
    expected = wilson(2, 2)
    assert (last.mean_score, last.win_rate.estimate, last.win_rate.low) == (90, 1, expected.low)
    rows = [
        dict(zip([one.name for one in table(report).columns], row, strict=True)) for row in table(report).rows
    ]
    assert [(row["band"], row["n"]) for row in rows] == [
        ("knocked out", 1), ("0 to 20", 2), ("20 to 40", 1), ("40 to 60", 1), ("60 to 80", 1),
        ("80 to 100", 2), ("all", 8),
    ]  # fmt: skip
    assert rows[-1]["win_rate"] == 0.5


SAMPLE = random_deals(160, slope=0.06)


def test_the_figures_are_those_of_other_implementations():
    report = calibrated(SAMPLE)
    scores, won = np.array([one.score for one in SAMPLE]), np.array([one.won for one in SAMPLE])
    firth = FirthLogisticRegression().fit(scores[:, None], won)
    assert report.slope.estimate == pytest.approx(firth.coef_[0], rel=1e-4)
    low, high = firth.conf_int(method="pl")[0]
    assert (report.slope.low, report.slope.high) == pytest.approx((low, high), rel=1e-4)
    intercept = matching_intercept(firth.coef_[0] * scores, won.mean())
    predicted = 1 / (1 + np.exp(-intercept - firth.coef_[0] * scores))
    assert report.auc.estimate == pytest.approx(roc_auc_score(won, scores))
    assert report.brier.estimate == pytest.approx(brier_score_loss(won, predicted), rel=1e-4)
    assert report.log_loss.estimate == pytest.approx(log_loss(won, predicted), rel=1e-4)
    assert report.brier.skill == pytest.approx(1 - report.brier.estimate / report.brier.uncertainty)
    for point in report.curve:
        expected = 1 / (1 + np.exp(-intercept - firth.coef_[0] * point.score))
        assert point.probability.estimate == pytest.approx(expected, rel=1e-4)
        assert point.probability.low < point.probability.estimate < point.probability.high
    assert (report.curve[0].score, report.curve[-1].score) == (scores.min(), scores.max())


def matching_intercept(offset, rate):
    """The intercept with which the mean prediction is the rate, by halving an interval."""
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 / (1 + np.exp(-middle - offset))) < rate else (low, middle)
    return low


def test_the_later_deals_are_judged_by_the_earlier_ones():
    """Of 160 days, the later deals are those from day 112 on."""
    split = calibrated(SAMPLE).time_split
    assert (split.earlier, split.later, split.later_since) == (112, 48, FIRST_DAY + timedelta(days=112))
    later = [one.won for one in SAMPLE[112:]]
    assert split.observed_rate == pytest.approx(sum(later) / 48)


def test_a_curve_says_that_it_is_preliminary_below_100_of_each():
    report = calibrated(SAMPLE)
    assert report.preliminary
    assert report.summary.startswith(
        f"{report.won} won and {report.lost} lost sessions: preliminary until there are 100 of each. Deals that score higher win more often: "
    )
    large = calibrated(random_deals(400, slope=0.06))
    assert not large.preliminary
    assert "preliminary" not in large.summary


def test_without_a_certain_slope_there_is_only_the_base_rate():
    report = calibrated(random_deals(100, slope=0))
    assert (report.slope, report.curve, report.brier.skill) == (None, [], pytest.approx(0))
    assert report.summary == (
        f"{report.won} won and {report.lost} lost sessions. So far, the score does not show which deals are won: the best estimate for every deal is the overall win rate, {report.won} % (44 % to 63 %)."
    )
    assert fit_win_curve(random_deals(100, slope=0)) is None


def test_a_score_that_runs_the_wrong_way_is_said_to():
    report = calibrated(random_deals(400, slope=-0.06))
    assert report.slope.high < 0
    assert "Deals that score higher win less often" in report.summary
    assert report.summary.endswith("Check how the questions are rated.")


NOTHING = "No won or lost session has enough ratings from before its outcome, so nothing can be said yet."
TOO_FEW = " That is too few to say what a score means: 10 won and 10 lost sessions with a score are needed, from different prospects."


@pytest.mark.parametrize(
    ("sessions", "summary"),
    [
        ([], NOTHING),
        (deals([70], []), "1 won and no lost sessions. Without lost sessions to compare with, nothing can be said about the score."),
        (deals([], [30] * 12), "no won and 12 lost sessions. Without won sessions to compare with, nothing can be said about the score."),
        (deals([60] * 9, [40] * 20), f"9 won and 20 lost sessions.{TOO_FEW}"),
        (deals([60] * 12, [None] * 20), f"12 won and 20 lost sessions.{TOO_FEW}"),
        (
            deals([50] * 4000, [50] * 6000),
            "4000 won and 6000 lost sessions. They all have the same score: the best estimate for every deal is the overall win rate, 40 % (39 % to 41 %).",
        ),
        (
            deals(range(60, 90), range(10, 40)),
            "30 won and 30 lost sessions: preliminary until there are 100 of each. Every won session scored higher than every lost one, so nothing is known about the probability between their scores.",
        ),
    ],
    ids=["none", "one won", "all lost", "few", "only knocked out", "one score", "separated"],
)  # fmt: skip
def test_what_cannot_be_computed_is_said_in_words(sessions, summary):
    report = calibrated(sessions, with_hindsight=True)
    assert report.summary == summary[:1].upper() + summary[1:]
    assert report.hindsight.summary == "There are no sessions with hindsight."
    has_curve = bool(report.curve)
    assert has_curve == (report.slope is not None)
    assert (report.auc is None) == (report.brier is None) == (report.log_loss is None)


def test_a_prospect_with_500_sessions_counts_once():
    """Its 500 won deals with low scores weigh as one: without them, the figures are almost the same."""
    others = random_deals(120, slope=0.06)
    crowd = [deal(1000, won=True, score=10.0) for _ in range(500)]
    alone, together = calibrated([*others, crowd[0]]), calibrated([*others, *crowd])
    assert (together.n, together.prospects) == (620, 121)
    assert together.base_rate.estimate == pytest.approx(alone.base_rate.estimate)
    assert together.slope.estimate == pytest.approx(alone.slope.estimate, rel=1e-6)
    assert together.auc.estimate == pytest.approx(alone.auc.estimate)
    assert together.brier.estimate == pytest.approx(alone.brier.estimate)
    only_crowd = calibrated([*crowd, *(deal(1001, won=False) for _ in range(500))])
    assert only_crowd.summary == f"500 won and 500 lost sessions.{TOO_FEW}"
    assert only_crowd.slope is None


def test_hindsight_is_shown_apart():
    knew = [one._replace(hindsight=True) for one in deals(range(50, 90), range(20, 60))]
    before = deals([60], [40])
    excluded = NONE_EXCLUDED.model_copy(update={"hindsight": 80})
    report = calibrated([*before, *knew], excluded=excluded, with_hindsight=True)
    assert (report.n, report.hindsight.n, report.slope) == (2, 80, None)
    assert report.hindsight.slope.low > 0
    assert report.hindsight.summary.startswith(
        "40 won and 40 lost sessions, rated when the outcome was already known."
    )
    assert report.hindsight.summary.endswith(
        "Ratings given after the outcome make a score look better than it is."
    )
    only = calibrated([], excluded=excluded)
    assert (
        only.summary
        == "All won and lost sessions were rated when the outcome was already known, so nothing can be said yet."
    )
    assert {row[0] for row in table(report).rows} == {False, True}


def test_deals_that_closed_before_their_session_was_opened_are_remarked():
    """Those of the first day did not: the session was opened on the same day."""
    early = [one._replace(opened_at=RECORDED_AT + timedelta(days=1)) for one in deals([70], [30])]
    report = calibrated([*early, deal(0, won=True)])
    assert (report.n, report.closed_before_opening) == (3, 1)
    assert report.summary.endswith(
        " In 1 of them, the deal had closed before the session was opened, so whoever gave the ratings may have known the outcome."
    )


def test_undecided_sessions_bound_the_win_rate():
    excluded = NONE_EXCLUDED.model_copy(
        update={"no_decision": 2, "open": 3, "not_pursued": 1, "not_scored": 9}
    )
    report = calibrated(deals([70] * 3, [30]), excluded=excluded)
    assert report.bounds.model_dump() == {"low": 0.3, "high": 0.9, "undecided": 6}
    assert calibrated([]).bounds is None


def test_the_curve_of_a_set_gives_scores_outside_of_its_range_the_nearest_probability():
    curve = fit_win_curve(SAMPLE)
    scores = [one.score for one in SAMPLE]
    inside = curve.predict([min(scores), max(scores)])
    assert curve.predict([0, 100]) == inside
    assert (curve.n, curve.preliminary) == (160, True)


def test_scores_that_differ_by_a_rounding_error_are_the_same():
    """Both are the square root of 5000 × 5 / 6: of 83.3 and 50, or of 62.5 and 66.7."""
    low, high = 64.54972243679028, 64.54972243679029
    report = calibrated(deals([high] * 20, [low] * 20))
    assert (report.auc.estimate, report.slope) == (0.5, None)
    assert report.summary.startswith("20 won and 20 lost sessions. They all have the same score")
    (band,) = [band for band in calibrated(deals([60 - 1e-14], [])).bands if band.n]
    assert band.label == "60 to 80"
