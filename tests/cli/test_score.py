"""`score FILE`: what the files may look like, and how it is told what is wrong in one."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

BANT = ("--set", "bant", "-f", "json")


def scores(run: Run, *arguments: str) -> list[float | None]:
    done = run("score", *arguments)
    assert done.returncode == 0, done.stderr
    return [result["score"] for result in json.loads(done.stdout)]


def test_answers_are_scored_from_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"ratings": {"budget": 4, "need": 5}}')
    (tmp_path / "two.json").write_text('[{"ratings": {"budget": 2, "need": 2}}, {}]')
    # Of the two that are rated: (3 + 4) of 8, and (1 + 1) of 8.
    assert scores(run, "one.json", *BANT) == [87.5]
    assert scores(run, "two.json", *BANT) == [25.0, None]


def test_every_item_may_name_a_set_and_the_option_goes_before_it(run: Run, tmp_path: Path) -> None:
    items = [{"question_set": "bant", "ratings": {"budget": 4}}, {"ratings": {"budget": 4}}]
    (tmp_path / "items.json").write_text(json.dumps(items))
    told = json.loads(run("score", "items.json", "-f", "json").stdout)
    assert [result["question_set"] for result in told] == ["bant@1", "qualifying-a-sale@1"]
    (tmp_path / "items.json").write_text(json.dumps([items[0] | {"question_set": "champ"}]))
    told = json.loads(run("score", "items.json", *BANT).stdout)
    assert [result["question_set"] for result in told] == ["bant@1"]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_answers_are_scored_from_a_table_whatever_separates_its_columns(
    run: Run, tmp_path: Path, separator: str
) -> None:
    lines = ["name,budget,need,note", '"a, b; c",4.0, 5 ,x', "d,n/a,2,", "e,,unknown,"]
    table = "\n".join(lines).replace(",", separator).replace(f"a{separator} b", "a, b")
    (tmp_path / "TABLE.CSV").write_text("\ufeff" + table)
    done = run("score", "TABLE.CSV", *BANT)
    # (3 + 4) of 8; in the second row one of four is rated, in the third none.
    assert [result["score"] for result in json.loads(done.stdout)] == [87.5, None, None]
    assert [result["coverage"] for result in json.loads(done.stdout)] == [0.5, 0.25, 0.0]
    assert done.stderr == "Ignored columns that are not in bant@1: note\n"


def test_columns_that_are_no_question_are_attributes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "facts.tsv").write_text("industry\temployees\tregion\nretail\t 500\teurope\n")
    # By rule 3, 5 and 5 of five questions: (2 + 4 + 4) of 12.
    assert scores(run, "facts.tsv", "--set", "firmographic-fit", "-f", "json") == [100 * 10 / 12]


def test_in_the_table_a_row_is_called_by_its_name_or_else_by_its_id(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("name,external_id,need\n[Acme],1,4\n,x-2,4\n,,4\n")
    items = [{"name": "Acme"}, {"external_id": "x-2"}, {}]
    (tmp_path / "items.json").write_text(json.dumps(items))
    for file, called in (("rows.csv", ["[Acme]", "x-2", "3"]), ("items.json", ["Acme", "x-2", "3"])):
        _, *lines = run("score", file, "--set", "bant").stdout.splitlines()
        assert [line.split()[0] for line in lines] == called


def test_an_unscorable_row_has_no_range_in_the_table(run: Run, tmp_path: Path) -> None:
    rows = "name,budget,authority,need,timeline\nNone,n/a,n/a,n/a,n/a\nAll,4,4,4,4\n"
    (tmp_path / "rows.csv").write_text(rows)
    heads, unscorable, scored = run("score", "rows.csv", "--set", "bant").stdout.splitlines()
    begin, end = heads.index("range"), heads.index("coverage")
    assert "unscorable" in unscorable
    assert [line[begin:end].strip() for line in (unscorable, scored)] == ["", "75 to 75"]


WRONG_TABLES = {
    "a rating off the scale": (
        "need,budget\n4,9\n",
        "line 2, column budget: send a rating, an integer from 1 to 5",
    ),
    "half a rating": ("budget\n4\n4.5\n", "line 3, column budget: send a whole number"),
    "a column twice": ("need,budget,need\n4,4,5\n", "line 1: several columns are named need."),
    "too many cells": ("need,budget\n4,4\n4,4,\n", "line 3: it has 3 cells for 2 columns."),
    "one column": ("budget\n4,4\n", "line 2: it has 2 cells for 1 column."),
    "an open quote": ('need,budget\n4,"4\n', "line 2: unexpected end of data."),
    "no known column": (
        "Need|Budget\n4|4\n",
        (
            "line 1: no column is a question or an attribute of bant@1. "
            "To use another question set, name it with --set."
        ),
    ),
    "nothing": ("", "wrong.csv is empty."),
}


@pytest.mark.parametrize(("text", "told"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_what_is_wrong_in_a_table_is_told_with_its_place(
    run: Run, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "wrong.csv").write_text(text)
    done = run("score", "wrong.csv", *BANT)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told + "\n")


WRONG_ITEMS = {
    "an unknown question": (
        '[{}, {"ratings": {"mood": 3}}]',
        "item 2: /ratings/mood: bant has no question of that key",
    ),
    "an unknown field": ('{"rating": {}}', "item 1: /rating: there is no such field here: "),
    "no object": ("[5]", "item 1: /: send an object with fields"),
    "a set that is none": (
        '{"question_set": "nope"}',
        "item 1: /question_set: no such question set or version is published",
    ),
    "no JSON": ("{", "wrong.json: Expecting property name enclosed in double quotes at line 1, column 2."),
}


@pytest.mark.parametrize(("text", "told"), WRONG_ITEMS.values(), ids=WRONG_ITEMS)
def test_what_is_wrong_in_json_is_told_with_its_place(run: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "wrong.json").write_text(text)
    options = () if "nope" in text else BANT
    done = run("score", "wrong.json", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(told)


@pytest.mark.parametrize("name", ["old.csv", "old.json"])
def test_a_file_in_another_encoding_is_named_with_the_remedy(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("name,need\nMüller,4\n".encode("latin-1"))
    done = run("score", name, *BANT)
    assert (done.returncode, done.stderr) == (
        1,
        f"{name} is not UTF-8: save it as UTF-8 (in Excel, as 'CSV UTF-8').\n",
    )
