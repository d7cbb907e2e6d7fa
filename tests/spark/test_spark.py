"""Spark says what the kernel says, to the last bit: what the other databases are asked, of fewer sets."""

import re
import runpy

import pytest

from tests.docs.test_warehouse import bash, block
from tests.scoring.sql.test_bits import assert_same_bits


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_every_row_has_the_same_bits(engine, shape):
    assert_same_bits(engine, shape, examples=6, rows=100)


def test_the_example_of_the_page_runs(session, engine, tmp_path, monkeypatch):
    """As it stands: a statement printed, a Parquet file read, another one written."""
    statement = bash("prospect-fit sql bant@1 --dialect spark", tmp_path)
    (tmp_path / "score.sql").write_text(statement)
    keys = ("budget", "authority", "need", "timeline")
    engine.make("accounts", {"id": "INTEGER"} | dict.fromkeys(keys, "TINYINT"), [[1, 5, 4, None, 3]])
    (engine.folder / "accounts.parquet").rename(tmp_path / "accounts.parquet")
    # The JVM was started elsewhere, and looks there for names without a folder.
    example = re.sub(r'"(\w+\.parquet)"', rf'"{tmp_path}/\1"', block("**Spark**", "python"))
    (tmp_path / "example.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py")
    (row,) = session.read.parquet(str(tmp_path / "scores.parquet")).collect()
    assert (row["points"], row["rated"]) == (12, 3)
