"""Agreement of raters, against Krippendorff's published example and hand calculations."""

import numpy as np
import pytest

from app.insights.statistics.agreement import krippendorff_alpha, weighted_kappa
from tests.insights.statistics.data import NAN, OBSERVERS


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_the_published_example(metric, published):
    found = krippendorff_alpha(OBSERVERS, metric)
    assert round(found.estimate, 3) == published
    assert -1 <= found.low < found.estimate < found.high <= 1


def test_the_order_of_raters_and_units_does_not_matter():
    found = krippendorff_alpha(OBSERVERS[::-1, ::-1])
    assert found.estimate == pytest.approx(krippendorff_alpha(OBSERVERS).estimate)


def test_perfect_agreement_on_few_units_is_not_certain():
    """Wilson's interval of 0 of 12 ends at 0.2425."""
    ratings = np.array([1.0, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2])
    for found in (krippendorff_alpha(np.array([ratings, ratings])), weighted_kappa(ratings, ratings)):
        assert (found.estimate, found.high) == (1, 1)
        assert found.low == pytest.approx(1 - 0.24249400665524096)


@pytest.mark.parametrize(
    "ratings",
    [
        np.zeros((0, 0)),
        np.full((3, 20), NAN),
        np.full((2, 20), 4.0),
        np.array([np.arange(20.0), np.full(20, NAN)]),
        np.array([[1.0, 2, 3] * 3] * 2),
    ],
    ids=["nothing", "no rating", "all equal", "one rater", "nine units"],
)
def test_what_shows_no_agreement(ratings):
    assert krippendorff_alpha(ratings) is None
    if len(ratings) == 2:
        assert weighted_kappa(*ratings) is None


def test_units_of_one_group_are_drawn_together():
    """Where a prospect's questions are answered alike, many questions do not make many prospects."""
    generator = np.random.default_rng(5)
    first = generator.integers(1, 6, 15)
    second = np.clip(first + generator.integers(-1, 2, 15), 1, 5)
    of_prospects = np.array([first, second], dtype=np.float64)
    of_questions, prospects = np.repeat(of_prospects, 8, axis=1), np.repeat(np.arange(15), 8)
    grouped = krippendorff_alpha(of_questions, groups=prospects)
    alone, once = krippendorff_alpha(of_questions), krippendorff_alpha(of_prospects)
    assert grouped.estimate == alone.estimate
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low, rel=0.1)
    assert alone.high - alone.low < (grouped.high - grouped.low) / 2
    assert krippendorff_alpha(of_questions, groups=prospects // 2) is None
    assert weighted_kappa(*of_questions, groups=prospects).low == pytest.approx(
        weighted_kappa(*of_prospects).low
    )


def test_kappa_by_hand():
    """Ratings 1 and 3, with the distance 4: observed 2·4, expected 4·(6·4 + 4·6)/10 = 19.2."""
    first = np.array([1, 1, 1, 1, 1, 1, 3, 3, 3, 3, NAN])
    second = np.array([1, 1, 1, 1, 1, 3, 3, 3, 3, 1, 2.0])
    assert weighted_kappa(first, second).estimate == pytest.approx(1 - 8 / 19.2)


def test_the_result_does_not_change():
    assert krippendorff_alpha(OBSERVERS) == krippendorff_alpha(OBSERVERS)
