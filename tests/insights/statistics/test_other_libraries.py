"""The statistics against other libraries: firthmodels, scikit-learn, scipy and krippendorff."""

import krippendorff
import numpy as np
import pytest
from firthmodels import FirthLogisticRegression
from scipy.stats import false_discovery_control, mannwhitneyu, norm, t
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, cohen_kappa_score, log_loss, roc_auc_score

from app.insights.statistics import logistic
from app.insights.statistics.agreement import alpha_of_groups, kappa_of_groups
from app.insights.statistics.discrimination import auc
from app.insights.statistics.multiple_testing import benjamini_hochberg, mann_whitney_p_value
from app.insights.statistics.probability_scores import isotonic, probability_scores
from app.insights.statistics.resampling import expanded_percentiles
from bench.intervals import coincidences
from tests.insights.statistics.data import DAMAGED, NAN, TEMPERATURES


def random_deals(seed, n, slope):
    generator = np.random.default_rng(seed)
    scores = np.round(generator.uniform(0, 100, n))
    return scores, generator.random(n) < 1 / (1 + np.exp(-slope * (scores - 50)))


def separated(n):
    return np.arange(n, dtype=np.float64), np.arange(n) >= n // 2


def quasi_separated():
    """Won and lost deals meet at one score."""
    return np.append(np.arange(20.0), [9.5, 9.5]), np.append(np.arange(20) > 9.5, [True, False])


SAMPLES = {
    "O-rings": (TEMPERATURES, DAMAGED),
    "random": random_deals(1, 60, 0.03),
    "noise": random_deals(2, 40, 0.0),
    "few won": (random_deals(3, 200, 0.02)[0], np.arange(200) % 50 == 0),
    "separated": separated(30),
    "quasi-separated": quasi_separated(),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_firths_regression(name, is_weighted):
    scores, won = SAMPLES[name]
    weights = np.linspace(0.2, 1.8, len(scores)) if is_weighted else None
    scaled = (scores - scores.mean()) / scores.std()
    other = FirthLogisticRegression(backend="numpy", max_iter=1000, gtol=1e-6, xtol=1e-6)
    other.fit(scaled[:, None], won, sample_weight=weights)
    low, high = other.conf_int(method="pl", max_iter=1000, tol=1e-6)[0] / scores.std()
    found = logistic.fit(scores, won, weights).slope
    assert found.estimate == pytest.approx(other.coef_[0] / scores.std(), rel=1e-5)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-5)


@pytest.mark.parametrize("name", SAMPLES)
def test_auc(name):
    scores, won = SAMPLES[name]
    weights = np.linspace(0.2, 1.8, len(scores))
    assert auc(scores, won).estimate == pytest.approx(roc_auc_score(won, scores))
    expected = roc_auc_score(won, scores, sample_weight=weights)
    assert auc(scores, won, weights).estimate == pytest.approx(expected)


@pytest.mark.parametrize("name", SAMPLES)
def test_p_value_of_the_auc(name):
    scores, won = SAMPLES[name]
    expected = mannwhitneyu(scores[won], scores[~won], method="asymptotic", use_continuity=True).pvalue
    assert mann_whitney_p_value(scores, won) == pytest.approx(expected)


def test_false_discovery_rate():
    p_values = np.random.default_rng(1).random(28) ** 2
    assert benjamini_hochberg(p_values.tolist()) == pytest.approx(false_discovery_control(p_values))


@pytest.mark.parametrize("name", SAMPLES)
def test_scores_of_probabilities(name):
    scores, won = SAMPLES[name]
    weights = np.linspace(0.2, 1.8, len(scores))
    probabilities = (scores - scores.min() + 1) / (np.ptp(scores) + 2)
    found = probability_scores(probabilities, won, weights)
    assert found.brier == pytest.approx(brier_score_loss(won, probabilities, sample_weight=weights))
    assert found.log_loss == pytest.approx(log_loss(won, probabilities, sample_weight=weights))
    other = IsotonicRegression().fit(probabilities, won, sample_weight=weights)
    levels = isotonic(probabilities, won.astype(np.float64), weights)
    assert levels == pytest.approx(other.predict(probabilities))


@pytest.mark.parametrize("metric", ["nominal", "ordinal"])
@pytest.mark.parametrize("seed", range(3))
def test_alpha(metric, seed):
    generator = np.random.default_rng(seed)
    ratings = np.clip(generator.integers(1, 6, 30) + generator.integers(-1, 2, (4, 30)), 1, 5).astype(float)
    ratings[generator.random(ratings.shape) < 0.3] = NAN
    expected = krippendorff.alpha(ratings, level_of_measurement=metric)
    assert alpha_of_groups(coincidences(ratings), metric).estimate == pytest.approx(expected)


def test_kappa():
    generator = np.random.default_rng(8)
    first = generator.integers(1, 6, 50)
    second = np.clip(first + generator.integers(-2, 3, 50), 1, 5)
    expected = cohen_kappa_score(first, second, weights="quadratic")
    values = np.arange(1.0, 6.0)
    tables = ((first[:, None, None] == values[:, None]) & (second[:, None, None] == values)).astype(float)
    assert kappa_of_groups(tables, values).estimate == pytest.approx(expected)


@pytest.mark.parametrize("n", [10, 30, 400])
def test_expanded_percentiles(n):
    """Of the replicates 0 to 1 in equal steps, a percentile is the probability itself."""
    low, high = expanded_percentiles(np.linspace(0, 1, 10_001), n, level=0.95)
    tail = norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1))
    assert (low, high) == pytest.approx((tail, 1 - tail), abs=1e-4)
