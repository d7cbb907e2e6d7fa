"""Agreement of raters, against Krippendorff's published example and hand calculations."""

import numpy as np
import pytest

from app.insights.statistics.agreement import alpha_of_groups, kappa_of_groups
from bench.intervals import coincidences
from tests.insights.statistics.data import NAN, OBSERVERS

VALUES = np.arange(1.0, 6.0)


def tables(first, second):
    """The table of each unit that both rated."""
    both = ~(np.isnan(first) | np.isnan(second))
    return ((first[both, None, None] == VALUES[:, None]) & (second[both, None, None] == VALUES)).astype(float)


def sums(units, size):
    """The sums over groups of so many consecutive units."""
    return units.reshape(-1, size, *units.shape[1:]).sum(axis=1)


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_the_published_example(metric, published):
    found = alpha_of_groups(coincidences(OBSERVERS), metric)
    assert round(found.estimate, 3) == published
    assert -1 <= found.low < found.estimate < found.high <= 1


def test_values_that_nobody_gave_do_not_matter():
    padded = np.pad(coincidences(OBSERVERS), ((0, 0), (1, 2), (1, 2)))
    assert alpha_of_groups(padded).estimate == pytest.approx(
        alpha_of_groups(coincidences(OBSERVERS)).estimate
    )


def test_perfect_agreement_on_few_units_is_not_certain():
    """Wilson's interval of 0 of 12 ends at 0.2425."""
    ratings = np.array([1.0, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2])
    for found in (
        alpha_of_groups(coincidences(np.array([ratings, ratings]))),
        kappa_of_groups(tables(ratings, ratings), VALUES),
    ):
        assert (found.estimate, found.high) == (1, 1)
        assert found.low == pytest.approx(1 - 0.24249400665524096)


@pytest.mark.parametrize(
    "ratings",
    [
        np.zeros((2, 0)),
        np.full((2, 20), NAN),
        np.full((2, 20), 4.0),
        np.array([np.arange(20.0), np.full(20, NAN)]),
        np.array([[1.0, 2, 3] * 3] * 2),
    ],
    ids=["nothing", "no rating", "all equal", "one rater", "nine units"],
)
def test_what_shows_no_agreement(ratings):
    assert alpha_of_groups(coincidences(ratings)) is None
    assert kappa_of_groups(tables(*ratings), VALUES) is None


def test_units_of_one_group_are_drawn_together():
    """Where all questions about a prospect are answered alike, many questions do not make many prospects."""
    generator = np.random.default_rng(5)
    first = generator.integers(1, 6, 15)
    second = np.clip(first + generator.integers(-1, 2, 15), 1, 5)
    prospects = np.array([first, second], dtype=np.float64)
    questions = np.repeat(prospects, 8, axis=1)
    once, alone = alpha_of_groups(coincidences(prospects)), alpha_of_groups(coincidences(questions))
    grouped = alpha_of_groups(sums(coincidences(questions), 8))
    assert grouped.estimate == pytest.approx(alone.estimate)
    assert grouped.low == pytest.approx(once.low, abs=0.02)
    assert alone.high - alone.low < (grouped.high - grouped.low) / 2
    expected = kappa_of_groups(tables(*prospects), VALUES)
    assert kappa_of_groups(sums(tables(*questions), 8), VALUES) == expected


def test_kappa_by_hand():
    """Ratings 1 and 3, with the distance 4: observed 2·4, expected 4·(6·4 + 4·6)/10 = 19.2."""
    first = np.array([1, 1, 1, 1, 1, 1, 3, 3, 3, 3, NAN])
    second = np.array([1, 1, 1, 1, 1, 3, 3, 3, 3, 1, 2.0])
    assert kappa_of_groups(tables(first, second), VALUES).estimate == pytest.approx(1 - 8 / 19.2)


def test_the_result_does_not_change():
    assert alpha_of_groups(coincidences(OBSERVERS)) == alpha_of_groups(coincidences(OBSERVERS))
