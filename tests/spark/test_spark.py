"""Spark says what the kernel says, to the last bit: what the other databases are asked, of fewer sets."""

import re
import runpy

import pytest

from app.scoring.sql import Wide, score_sql
from tests.docs.test_warehouse import bash, block
from tests.scoring.sql import test_attributes, test_blockers
from tests.scoring.sql.test_bits import assert_same_bits
from tests.scoring.sql.test_tables import ODD, ruled, told

# Spark gets these tests, too.
test_texts = test_attributes.test_texts_are_compared_without_ascii_case_and_without_blanks_at_their_ends
test_blank_texts = test_attributes.test_a_text_of_blanks_is_an_absent_attribute
test_booleans_as_texts = test_attributes.test_a_boolean_may_be_in_a_column_of_texts
test_numbers = test_attributes.test_a_number_that_no_double_holds_exactly_is_missing_and_listed
test_unread_attributes = test_attributes.test_unread_attributes_are_listed_in_the_order_of_the_set
test_order_of_blockers = test_blockers.test_blockers_are_listed_knock_outs_first_each_in_the_order_of_the_set
test_no_grade = (
    test_blockers.test_there_is_no_grade_while_the_indication_is_undetermined_and_a_must_reach_is_open
)


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_every_row_has_the_same_bits(engine, shape):
    assert_same_bits(engine, shape, examples=2, rows=100)


def test_the_example_of_the_page_runs(session, engine, folder, monkeypatch):
    """As it stands: a statement printed, a Parquet file read, another one written."""
    statement = bash("prospect-fit sql bant@1 --dialect spark", folder)
    (folder / "score.sql").write_text(statement)
    keys = ("budget", "authority", "need", "timeline")
    engine.make("accounts", {"id": "INTEGER"} | dict.fromkeys(keys, "TINYINT"), [[1, 5, 4, None, 3]])
    (engine.folder / "accounts.parquet").rename(folder / "accounts.parquet")
    # The JVM was started elsewhere, and looks there for names without a folder.
    example = re.sub(r'"(\w+\.parquet)"', rf'"{folder}/\1"', block("**Spark**", "python"))
    (folder / "example.py").write_text(example)
    monkeypatch.chdir(folder)
    runpy.run_path("example.py")
    (row,) = session.read.parquet(str(folder / "scores.parquet")).collect()
    assert (row["points"], row["rated"]) == (12, 3)


def test_by_the_old_rules_a_text_is_missing_or_unread(session, engine):
    """In columns of texts, where a number and a boolean are declared."""
    plan = test_attributes.asking(
        rule={"attribute": "employees", "bands": [{"below": 10, "rating": 1}, {"rating": 5}]},
        when={"partner": {"exists": False}},
        employees="number",
        partner="boolean",
    )
    columns = {"employees": "VARCHAR", "partner": "VARCHAR"}
    texts = [["9.5", None], ["50", ""], ["", "\t"], [" \u00a0", None], ["many", "maybe"], ["NaN", "TRUE"]]
    session.conf.set("spark.sql.ansi.enabled", "false")
    try:
        rows = test_attributes.run(engine, plan, columns, texts)
    finally:
        session.conf.set("spark.sql.ansi.enabled", "true")
    assert [row["points"] for row in rows] == [1, 5, 0, 0, 0, 0]
    unread = [row["unread_attributes"] for row in rows]
    assert unread == [None] * 4 + ["employees,partner"] * 2


TEXTS = [[1, "4", None, None], [2, "3.5", None, None], [3, "abc", None, None]]


def test_a_column_of_text_is_refused_or_its_rows_have_a_problem(session, engine):
    """By the standard's rules Spark refuses what is no number; by its old ones it says nothing at all."""
    with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
        told(engine, ruled("saas"), fit="VARCHAR", rows=TEXTS)
    session.conf.set("spark.sql.ansi.enabled", "false")
    try:
        good, fraction, word = told(engine, ruled("saas"), fit="VARCHAR", rows=TEXTS)
    finally:
        session.conf.set("spark.sql.ansi.enabled", "true")
    assert (good["problem"], good["points"]) == (None, 4)
    for row in (fraction, word):
        assert (row["problem"], row["points"]) == ("fit: not a whole number from 1 to 5", None)


def test_a_column_that_is_missing_is_refused_by_name(engine):
    engine.make("accounts", {"id": "BIGINT", "fit": "SMALLINT", "industry": "VARCHAR"}, [])
    with pytest.raises(Exception, match="`need`"):
        engine.run(score_sql(ruled("saas"), Wide("accounts"), engine.dialect))


def test_any_text_is_compared_as_it_stands(engine):
    rows = [[number, None, None, text] for number, text in enumerate([*ODD, "it"])]
    points = [row["points"] for row in told(engine, ruled(*ODD), rows=rows)]
    assert points == [5] * len(ODD) + [1]
