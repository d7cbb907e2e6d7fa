"""Concentration, by hand."""

import math

import numpy as np
import pytest

from app.insights.statistics.concentration import concentration


def test_ten_accounts():
    """Of 100: 50, 20, 10 make 80; then 5, 5, 4, 2, 2, 1, 1."""
    amounts = np.array([1.0, 20, 5, 2, 50, 10, 5, 2, 4, 1])
    found = concentration(amounts)
    assert (found.accounts, found.total) == (10, 100)
    assert amounts[found.order].tolist() == [50, 20, 10, 5, 5, 4, 2, 2, 1, 1]
    assert found.cumulative == pytest.approx([0.5, 0.7, 0.8, 0.85, 0.9, 0.94, 0.96, 0.98, 0.99, 1])
    assert "".join(found.classes) == "AAABBBBBCC"
    assert found.top_fifth == pytest.approx(0.7)
    differences = np.abs(amounts[:, None] - amounts[None, :]).sum()
    assert found.gini == pytest.approx(differences / (2 * 10 * 100))


def test_the_account_that_crosses_80_percent_is_still_a():
    assert concentration(np.array([90.0, 8, 2])).classes == ["A", "B", "C"]


def test_equal_amounts_have_one_class():
    found = concentration(np.full(10, 7.0))
    assert found.classes == ["A"] * 10
    assert found.gini == pytest.approx(0, abs=1e-12)
    assert found.top_fifth == pytest.approx(0.2)
    assert concentration(np.array([40.0, 20, 20, 20])).classes == ["A"] * 4


def test_a_fifth_of_seven_accounts_is_one_account_and_two_fifths_of_the_next():
    assert concentration(np.array([40.0, 20, 10, 10, 10, 5, 5])).top_fifth == pytest.approx(0.48)


def test_negative_amounts_are_counted_and_left_out():
    found = concentration(np.array([-30.0, 10, 0, 30]))
    assert (found.accounts, found.negative, found.zero, found.total) == (3, 1, 1, 40)
    assert found.order == [3, 1, 2]
    assert found.cumulative == [0.75, 1, 1]
    assert found.classes == ["A", "A", "C"]
    assert found.top_fifth is None


def test_exactly_80_percent_before_an_account_make_it_b():
    """Of 70, the first six accounts have 56."""
    assert "".join(concentration(np.array([20.0, 8, 7, 7, 7, 7, 6, 6, 2])).classes) == "AAAAAABBC"
    assert (
        "".join(concentration(np.array([0.2, 0.08, 0.07, 0.07, 0.07, 0.07, 0.06, 0.06, 0.02])).classes)
        == "AAAAAABBC"
    )


def test_one_account_has_everything():
    found = concentration(np.array([12.5]))
    assert (found.cumulative, found.classes, found.gini, found.top_fifth) == ([1], ["A"], 0, None)


@pytest.mark.parametrize("amounts", [[], [0.0, 0.0], [-5.0]])
def test_without_a_positive_amount_there_are_no_shares(amounts):
    found = concentration(np.array(amounts))
    assert (found.total, found.cumulative, found.gini) == (0, [], None)
    assert (found.accounts, found.negative) == (sum(a >= 0 for a in amounts), sum(a < 0 for a in amounts))


def test_amounts_of_any_size():
    found = concentration(np.array([1e15, 1e15, 0.01]))
    assert found.classes == ["A", "A", "C"]
    assert found.cumulative[-1] == 1
    assert found.gini == pytest.approx(1 / 3)
    # 10,000 accounts with one cent each beside one with 10¹⁵
    small = concentration(np.append(np.full(10_000, 0.01), 1e15))
    assert small.gini == pytest.approx(1, abs=1e-3)
    assert small.top_fifth == pytest.approx(1)
    # Their sum is larger than any float.
    largest = concentration(np.array([1.5e308, 0.5e308]))
    assert largest.cumulative == [0.75, 1]
    assert math.isfinite(largest.total)
