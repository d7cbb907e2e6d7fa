"""NDJSON as programs write it."""

import json
from pathlib import Path

import pytest

from app.files.table import NULL, BadCell
from app.problems import INVALID_REQUEST, MALFORMED_FILE, Problem
from tests.files.reading import cells, read, refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.ndjson"


def test_the_columns_are_the_names_of_all_lines_in_their_order(file):
    lines = [
        {"id": "1", "budget": 4},
        {"attributes": {"employees": 50, "is_new": True}, "ratings": {"need": 5}, "id": " 2 "},
        {"id": "3", "share": 0.5, "industry": "", "budget": None},
    ]
    file.write_text("\ufeff" + "\r\n\n".join(map(json.dumps, lines)))
    headings, rows, notes = read(file)
    assert headings == ("id", "budget", "employees", "is_new", "need", "share", "industry")
    assert [dict(zip(headings, row, strict=True)) for row in cells(rows)] == [
        dict.fromkeys(headings) | {"id": "1", "budget": 4},
        dict.fromkeys(headings) | {"id": "2", "employees": 50, "is_new": True, "need": 5},
        dict.fromkeys(headings) | {"id": "3", "share": 0.5, "budget": NULL},
    ]
    assert ([(row.number, row.end) for row in rows], notes) == ([(1, 1), (3, 3), (5, 5)], [])


def test_a_list_is_a_bad_cell(file):
    file.write_text('{"id": "1", "tags": ["a"], "owner": {"name": "b"}}')
    bad = "is a list or an object"
    assert cells(read(file)[1]) == [("1", BadCell('["a"]', bad), BadCell('{"name":"b"}', bad))]


BAD_LINES = {
    "not JSON": (b"{", "Expecting property name"),
    "not an object": (b"[1]", "it is not a JSON object"),
    "not UTF-8": (b'{"id": "\xff"}', "it is not UTF-8"),
    "a repeated name": (b'{"id": "1", "id": "2"}', "the same name twice"),
    "a name in two places": (b'{"id": "1", "attributes": {"id": "2"}}', "it has id twice"),
    "a NUL character": (b'{"id": "\\u0000"}', "NUL character"),
    "a long line": (b'{"id": "' + b"x" * 1_000_000 + b'"}', "it is longer than 1,000,000 bytes"),
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_costs_one_row(file, line, reason):
    file.write_bytes(b'{"id": "a"}\n' + line + b'\n{"id": "b"}\n')
    _, rows, _ = read(file)
    assert reason in refused(rows)[2]
    assert [row.cells[0] for row in rows if not row.problem] == ["a", "b"]
    assert [row.text for row in rows if row.problem] == [
        "" if "longer" in reason else line.decode("utf-8", "replace")
    ]


def test_a_file_without_lines_has_no_columns(file):
    file.write_text("\n \n")
    assert read(file) == ((), [], [])


def test_utf_16_and_options_of_other_formats_are_refused(file):
    file.write_bytes('{"id": "1"}'.encode("utf-16"))
    with pytest.raises(Problem, match="UTF-16: save it as UTF-8") as raised:
        read(file)
    assert raised.value.kind is MALFORMED_FILE
    for option in ("encoding", "sheet"):
        with pytest.raises(Problem, match="remove this option") as raised:
            read(file, **{option: "x"})
        assert (raised.value.kind, raised.value.errors[0].pointer) == (INVALID_REQUEST, f"/{option}")


def test_too_many_names_are_refused(file):
    file.write_text("\n".join(json.dumps({f"n{number}": 1}) for number in range(1001)))
    with pytest.raises(Problem, match="more than 1,000 different names"):
        read(file)
