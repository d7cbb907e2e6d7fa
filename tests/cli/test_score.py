"""`score FILE`: what the files may look like, and how it is told what is wrong in one."""

import csv
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
    assert done.stderr == (
        "Ignored columns that are not in bant@1: note\n"
        "Empty in every row, because no column has this name: authority, timeline\n"
    )


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
    "a column twice": (
        "need,budget,Need\n4,4,5\n",
        '"need" (column 1) and "Need" (column 3) both match need: rename one of them',
    ),
    "no known column": (
        "Mood,Weather\n4,4\n",
        (
            "No column is named after a question or an attribute of bant@1. "
            "To use another question set, name it with --set."
        ),
    ),
    "nothing": ("", "Line 1 has no headings: add a heading for every column."),
}


@pytest.mark.parametrize("output", [(), ("-o", "s.csv")], ids=["printed", "written"])
@pytest.mark.parametrize(("text", "told"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_table_that_cannot_be_used_is_refused(
    run_without_database: Run, tmp_path: Path, text: str, told: str, output: tuple[str, ...]
) -> None:
    (tmp_path / "wrong.csv").write_text(text)
    done = run_without_database("score", "wrong.csv", "--set", "bant", *output)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told + "\n")
    assert not (tmp_path / "s.csv").exists()


WRONG_ROWS = {
    "a rating off the scale": (
        "budget\n4\n9\n",
        'row 3, budget: "9" is neither a whole number from 1 to 5 nor n/a or unknown',
    ),
    "half a rating": (
        "budget\n4\n4.5\n",
        'row 3, budget: "4.5" is neither a whole number from 1 to 5 nor n/a or unknown',
    ),
    "a shortened id": (
        "id,budget\n1,4\n1.23E+15,4\n",
        (
            'row 3, id: "1.23E+15" has lost digits in a spreadsheet: format the column as text, and save the '
            "file again"
        ),
    ),
}


@pytest.mark.parametrize(("text", "told"), WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_a_bad_row_costs_one_row(run_without_database: Run, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    done = run_without_database("score", "rows.csv", *BANT, "--missing-open")
    good, bad = json.loads(done.stdout)
    assert (done.returncode, good["problem"], good["rated"], bad["problem"]) == (0, None, 1, told)
    assert done.stderr == f"1 row could not be scored.\n  {told}\n"
    done = run_without_database("score", "rows.csv", "--set", "bant", "-o", "s.csv", "--missing-open")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [
        "Scored 1 row with bant@1 into s.csv.",
        (
            "1 row could not be scored. The column problem gives the reason. To save rejected rows, use "
            "--rejects FILE."
        ),
        f"  {told}",
    ]
    with (tmp_path / "s.csv").open() as file:
        assert [row["problem"] for row in csv.DictReader(file)] == ["", told]


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


def test_requests_in_another_encoding_are_refused_with_the_remedy(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes('{"name": "Müller"}'.encode("latin-1"))
    done = run("score", "old.json", *BANT)
    assert (done.returncode, done.stderr) == (1, "old.json is not UTF-8: save it as UTF-8.\n")


def test_requests_are_only_printed(run_without_database: Run, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"ratings": {"budget": 4}}')
    done = run_without_database("score", "one.json", "--set", "bant", "-o", "s.csv")
    assert (done.returncode, done.stderr) == (
        1,
        "one.json has requests, not rows: leave out --output, or write rows as .ndjson.\n",
    )
