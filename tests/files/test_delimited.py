"""CSV as people have it."""

from pathlib import Path

import pytest

from app.problems import INVALID_REQUEST, MALFORMED_FILE, Problem
from tests.files.reading import cells, read, refused

HEADINGS = ("id", "Größe", "note")
ROWS = [("1", "groß", "a, b; c"), ("2", "klein", None)]
WINDOWS_1252 = "The file is read as Windows-1252. If letters look wrong, name its encoding with the option "
WINDOWS_1252 += "encoding."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


def table(separator: str = ",", end: str = "\n") -> str:
    rows = [("id", "Größe", "note"), ("1", "groß", '"a, b; c"'), ("2", "klein", "")]
    return "".join(separator.join(row) + end for row in rows)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_common_separator_and_line_end(file, separator, end):
    file.write_bytes(table(separator, end).encode())
    headings, rows, notes = read(file)
    assert (headings, cells(rows), notes) == (HEADINGS, ROWS, [])
    assert [(row.number, row.end) for row in rows] == [(2, 2), (3, 3)]


ENCODINGS = {
    "UTF-8": ("utf-8", []),
    "UTF-8 with a mark": ("utf-8-sig", []),
    "UTF-16 with a mark": ("utf-16", []),
    "UTF-16, little end first": ("utf-16-le", []),
    "UTF-16, big end first": ("utf-16-be", []),
    "Windows-1252": ("cp1252", [WINDOWS_1252]),
}


@pytest.mark.parametrize(("encoding", "notes"), ENCODINGS.values(), ids=ENCODINGS)
def test_the_encoding_is_found(file, encoding, notes):
    file.write_bytes(table(";").encode(encoding))
    assert read(file)[0] == HEADINGS
    assert cells(read(file)[1]) == ROWS
    assert read(file)[2] == notes


def test_an_encoding_can_be_named(file):
    file.write_bytes("id,name\n1,Łódź\n".encode("iso-8859-2"))
    assert cells(read(file, encoding="iso-8859-2")[1]) == [("1", "Łódź")]
    for unknown in ("klingon", "zip", "rot13", "unicode_escape", "raw_unicode_escape", "utf-7"):
        with pytest.raises(Problem) as raised:
            read(file, encoding=unknown)
        assert (raised.value.kind, raised.value.errors[0].pointer) == (INVALID_REQUEST, "/encoding")


@pytest.mark.parametrize("wrong", ["utf-16", "utf-32", "punycode"])
def test_a_named_encoding_that_the_file_cannot_have_is_refused(file, wrong):
    file.write_text("id,name\n1,Acme\n")
    with pytest.raises(Problem) as raised:
        read(file, encoding=wrong)
    assert (raised.value.kind, raised.value.errors[0].pointer) == (INVALID_REQUEST, "/encoding")


def test_windows_1252_is_found_behind_the_first_megabyte(file):
    file.write_bytes(
        b"id,name\n" + b"1," + b"\n1,".join([b"x" * 120_000] * 10) + "\n2,Müller".encode("cp1252")
    )
    *_, last = read(file)[1]
    assert last.cells == ("2", "Müller")


def test_a_broken_byte_in_utf_8_costs_its_row(file):
    file.write_bytes("id,name\n1,Müller\n2,Größe ".encode() + b"\xfc\n3,Acme\n")
    _, rows, notes = read(file)
    assert refused(rows) == {
        3: "The row cannot be read: it contains bytes that are not in the encoding of the file."
    }
    assert ([row.cells for row in rows if not row.problem], notes) == ([("1", "Müller"), ("3", "Acme")], [])


def test_a_line_can_name_the_separator(file):
    file.write_text("sep=|\nid|a,b,c,d\n1|x\n")
    headings, rows, _ = read(file)
    assert (headings, cells(rows), rows[0].number) == (("id", "a,b,c,d"), [("1", "x")], 3)


def test_headings_with_line_breaks_separators_and_spaces_before_their_quotes(file):
    file.write_text('id, "note\n(free; text)", "a, b"\n1, "x\ny", "c, d"\n')
    headings, rows, _ = read(file)
    assert headings == ("id", "note\n(free; text)", "a, b")
    assert (cells(rows), rows[0].number, rows[0].end) == ([("1", "x\ny", "c, d")], 3, 4)


def test_columns_without_headings_are_columns(file):
    file.write_text(",id,budget,,\n0,a,4,,\n1,b,5,x,\n")
    headings, rows, _ = read(file)
    assert headings == ("", "id", "budget", "", "")
    assert cells(rows) == [("0", "a", "4", None, None), ("1", "b", "5", "x", None)]


def test_crlf_rows_with_one_lf(file):
    file.write_bytes(b"id,budget\r\n1,4\n2,5\r\n")
    assert cells(read(file)[1]) == [("1", "4"), ("2", "5")]


def test_spaces_at_the_ends_are_no_part_of_a_cell(file):
    file.write_text("\u3000id\u00a0, name \n 1 ,\u00a0\u3000Acme Inc\u00a0\n")
    assert read(file)[0] == ("id", "name")
    assert cells(read(file)[1]) == [("1", "Acme Inc")]


def test_a_short_row_is_filled_and_a_long_one_is_refused(file):
    file.write_text("id,budget,need\n1\n2,3,4,,\n3,3,4,5\n\n,,\n4,,5\n")
    _, rows, _ = read(file)
    assert refused(rows) == {4: "The row cannot be read: it has 4 cells for 3 columns."}
    assert [row.text for row in rows if row.problem] == ["3,3,4,5"]
    good = [(row.number, row.cells) for row in rows if not row.problem]
    assert good == [(2, ("1", None, None)), (3, ("2", "3", "4")), (7, ("4", None, "5"))]


BAD_ROWS = {
    "a quote that is not doubled": (b'2,"a"b', "a quote inside quotes has to be doubled"),
    "a quote that is never closed": (b'2,"a', "a quote is never closed"),
    "a NUL character": (b"2,a\0b", "it contains a NUL character"),
    "a long cell": (b"2," + b"x" * 131_073, "a cell is longer than 131,072 characters"),
    "a long line": (b"2," + b"x" * 1_000_001, "it is longer than 1,000,000 characters"),
}


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_costs_one_row(file, row, reason):
    good = [f"{number},n{number}" for number in range(3, 3_000)]
    file.write_bytes(b"id,name\n1,n1\n" + row + b"\n" + "\n".join(good).encode())
    _, rows, _ = read(file)
    assert refused(rows) == {3: f"The row cannot be read: {reason}."}
    assert [row.cells for row in rows if not row.problem] == [
        (str(number), f"n{number}") for number in (1, *range(3, 3_000))
    ]
    assert [(row.number, row.end) for row in rows] == [(number, number) for number in range(2, 3_001)]


def test_an_open_quote_that_a_quote_of_a_later_row_closes_costs_its_row(file):
    file.write_text('id,name\n1,"Acme\n2,Beta\n3,"Gamma, Inc"\n4,"two\nof "these"\nlines"\n5,x\n')
    _, rows, _ = read(file)
    assert [row.number for row in rows if row.problem] == [2, 5]
    good = [row.cells for row in rows if not row.problem]
    # The end of a text with a quote that is not doubled looks like a row.
    assert good == [("2", "Beta"), ("3", "Gamma, Inc"), ('lines"', None), ("5", "x")]


def test_every_row_can_have_an_open_quote(file):
    """The rows that one such row takes are not read again for each of them."""
    file.write_text("id,name\n" + '1,"x\n' * 4_001)
    assert len(read(file)[1]) == 2_001, "two quotes make a cell that nothing may follow but a separator"


BAD_FILES = {
    "nothing": (b"", "Line 1 has no headings"),
    "blank lines": (b"\n\r\n \n", "no headings"),
    "an open quote": (b'id,"name\nx,1\n', "the headings: a quote is never closed"),
    "a long line": (b"\nid," + b"x" * 1_000_000 + b"\n1,2\n", "Line 2, the headings: it is longer than"),
    "a long blank line": (b" " * 1_000_001 + b"\nid\n1\n", "Line 1, the headings: it is longer than"),
    "a broken byte": ("ä,é,ü,id".encode() + b"\xff\nx\n", "the headings: it contains bytes"),
    "a workbook": (b"PK\x03\x04", "The file is a workbook or a Parquet file: name that format"),
    "too many columns": (b"a," * 1000 + b"id", "at most 1,000 columns"),
}


@pytest.mark.parametrize(("content", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_without_headings_is_refused(file, content, said):
    file.write_bytes(content)
    with pytest.raises(Problem) as raised:
        read(file)
    assert raised.value.kind is MALFORMED_FILE
    assert said in raised.value.detail


def test_exactly_the_named_file_is_opened(tmp_path):
    (tmp_path / "leads2.csv").write_text("id\nwrong\n")
    (tmp_path / "leads[2].csv").write_text("id\nright\n")
    assert cells(read(tmp_path / "leads[2].csv")[1]) == [("right",)]
