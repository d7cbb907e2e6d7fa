"""Spark says what the kernel says, to the last bit: what the other databases are asked, of fewer sets."""

import pytest

from tests.scoring.sql.test_bits import assert_same_bits


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_every_row_has_the_same_bits(engine, shape):
    assert_same_bits(engine, shape, examples=10, rows=100)
