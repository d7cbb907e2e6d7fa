"""Random sets and rows: a database says what the kernel and the second implementation say, bit by bit."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.scoring import Plan
from app.scoring.sql import score_sql
from tests.scoring.sql import tables
from tests.scoring.sql.rows import by_kernel, by_second_implementation, drawn
from tests.scoring.strategies import RULED, SKETCH, cases, effort


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_every_row_has_the_same_bits(engine, shape):
    assert_same_bits(engine, shape, examples=30, rows=25)


def assert_same_bits(engine, shape, *, examples, rows):
    """So many random sets, each with so many rows."""

    @effort(examples)
    @given(st.sampled_from([SKETCH, RULED]).flatmap(lambda one: cases(sketch=one)), st.integers(0, 2**32))
    def holds(case, seed):
        drawn_rows = list(drawn(case, seed, rows))
        source = getattr(tables, shape)(engine, case.question_set, drawn_rows, seed)
        statement = score_sql(Plan(case.question_set, "small-set@1"), source, engine.dialect)
        by_id = {row["id"]: row for row in engine.run(statement)}
        assert len(by_id) == rows
        for row in drawn_rows:
            got = by_id[row.id]
            problem = got.pop("problem")
            for expected in (by_kernel, by_second_implementation):
                assert bits(got) == bits(expected(case.question_set, row)), row
            assert (problem is None) == (row.wrong is None), row
            assert row.wrong is None or row.wrong in problem or "answered twice" in problem

    holds()


def bits(row):
    """Figures to be compared as they are stored: 0.0 is not -0.0."""
    return {name: struct.pack(">d", v) if isinstance(v, float) else v for name, v in row.items()}
