"""Workbooks as people have them, and those that nobody should open."""

import datetime as dt
import re
import struct
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.chart import BarChart

from app.files.table import BadCell
from app.problems import INVALID_REQUEST, MALFORMED_FILE, Problem
from tests.files.reading import cells, read, refused

SHEET = "xl/worksheets/sheet1.xml"
MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRINGS_TYPE = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
NO_VALUE = "is a formula without a value: open the file in a spreadsheet program, and save it"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.xlsx"


def saved(file: Path, *rows: list, formats: dict[str, str] | None = None) -> Path:
    """A workbook with these rows; `formats` are those of single cells."""
    book = Workbook()
    for row in rows:
        book.active.append(row)
    for cell, code in (formats or {}).items():
        book.active[cell].number_format = code
    book.save(file)
    return file


SHOWN = {
    "12 %": (0.12, "0%", 12),
    "7 % has no noise": (0.07, "0%", 7),
    "12.5 %": (0.125, "0.0%", 12.5),
    "a negative percentage": (-0.3, "0%;[Red]-0%", -30),
    "padding zeros": (123, "00000", "00123"),
    "a number that is longer than its padding": (1234567, "00000", "1234567"),
    "a negative padded number": (-12, "0000", "-0012"),
    "thousands": (1234567.5, "#,##0.00", 1234567.5),
    "money": (1200, '[$€-407] #,##0" p.a."', 1200),
    "a day": (dt.date(2026, 1, 31), "dd.mm.yyyy", "2026-01-31"),
    "a day and a time": (dt.datetime(2026, 1, 31, 12, 30), "yyyy-mm-dd hh:mm", "2026-01-31T12:30:00"),  # noqa: DTZ001
    "a time": (dt.time(9, 5), "h:mm AM/PM", "09:05:00"),
    "a day before March 1900": (31, "yyyy-mm-dd", "1900-01-31"),
    "a day without its format is its number": (46053, "General", 46053),
    "a duration is a number": (1.5, "[h]:mm", 1.5),
    "a whole number": (4.0, "General", 4),
    "a number that has lost digits": (1.23e15, "General", 1.23e15),
    "a boolean": (True, "General", True),
    "a text": (" Acme\u00a0", "General", "Acme"),
    "a text of digits": ("007", "@", "007"),
    "the error of a formula": ("#N/A", "General", "#N/A"),
    "nothing": (None, "0%", None),
}  # fmt: skip


@pytest.mark.parametrize(("stored", "code", "shown"), SHOWN.values(), ids=SHOWN)
def test_a_cell_is_what_people_see(file, stored, code, shown):
    saved(file, ["id", "cell"], ["1", stored], formats={"B2": code})
    ((_, cell),) = cells(read(file)[1])
    assert (cell, type(cell)) == (shown, type(shown))


def test_days_can_be_numbered_from_1904(file):
    book = Workbook()
    book.epoch = dt.datetime(1904, 1, 1)  # noqa: DTZ001
    for row in (["id", "day"], ["1", dt.date(2026, 1, 31)]):
        book.active.append(row)
    book.save(file)
    assert cells(read(file)[1]) == [("1", "2026-01-31")]


def test_rows_have_their_numbers_and_gaps_are_no_rows(file):
    book = Workbook()
    sheet = book.active
    for place, value in {"B3": "id", "D3": " note ", "B5": "a", "D6": "x", "F6": "y", "F7": "z"}.items():
        sheet[place] = value
    sheet.row_dimensions[5].hidden = True
    book.save(file)
    headings, rows, notes = read(file)
    assert headings == ("", "id", "", "note")
    assert [(row.number, row.end, row.cells) for row in rows] == [
        (5, 5, (None, "a", None, None)),
        (6, 6, (None, None, None, "x")),
    ]
    assert notes == ["Cells to the right of the headings are not read."]


def test_a_formula_is_read_by_its_value_and_a_missing_value_is_a_bad_cell(file):
    saved(file, ["id", "sum", "text"], ["1", "=1+1", '="a"'], ["2", "=1+1", "b"])
    change(file, SHEET, b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>", 1)
    change(file, SHEET, b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>", 1)
    bad = BadCell("", NO_VALUE)
    assert cells(read(file)[1]) == [("1", 2, bad), ("2", bad, "b")]


def change(file: Path, part: str, old: bytes, new: bytes, count: int = -1) -> None:
    """Change the bytes of one part of a package."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = parts[part].replace(old, new, count)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_the_first_visible_sheet_is_read_unless_another_is_named(file):
    book = Workbook()
    book.active.title, book.active.sheet_state = "Lists", "hidden"
    book.active.append(["x"])
    for name in ("Accounts", "Old"):
        book.create_sheet(name).append(["id", name])
    book.create_chartsheet("Chart").add_chart(BarChart())
    book.save(file)
    headings, _, notes = read(file)
    assert headings == ("id", "Accounts")
    assert notes == [
        "The sheet Accounts is read. To read another one, name it with the option sheet: Lists, Old."
    ]
    assert read(file, sheet=" old")[0] == ("id", "Old")
    assert read(file, sheet="Lists")[0] == ("x",)
    with pytest.raises(Problem, match="name one of Lists, Accounts, Old") as raised:
        read(file, sheet="New")
    assert (raised.value.kind, raised.value.errors[0].pointer) == (INVALID_REQUEST, "/sheet")


def test_merged_cells_are_named(file):
    book = Workbook()
    for row in (["id", "region"], ["1", "North"], ["2", None], ["3", "South"]):
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(file)
    _, rows, notes = read(file)
    assert cells(rows) == [("1", "North"), ("2", None), ("3", "South")]
    assert notes == ["In merged cells, only the first cell has a value, and the others are empty: B2:B3."]


RICH = (
    b"<r><t>two_x000D_&#10;</t></r><r><rPr><b/></rPr><t>lines_x005F_x</t></r>"
    b"<rPh sb='0' eb='1'><t>reading</t></rPh>"
)


def share_texts(file: Path, *texts: bytes) -> None:
    """Give the workbook shared texts, and let its cells with the texts 0, 1 and so on refer to them."""
    with zipfile.ZipFile(file, "a") as archive:
        items = b"".join(b"<si>" + text + b"</si>" for text in texts)
        archive.writestr("xl/sharedStrings.xml", b'<sst xmlns="' + MAIN + b'">' + items + b"</sst>")
    part = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + STRINGS_TYPE + b'"/></Types>'
    change(file, "[Content_Types].xml", b"</Types>", part)
    for number in range(len(texts)):
        inline, shared = b't="inlineStr"><is><t>%d</t></is>' % number, b't="s"><v>%d</v>' % number
        change(file, SHEET, inline, shared)


def test_texts_with_formats_line_breaks_and_readings_are_plain_texts(file):
    saved(file, ["id", "note", "shared"], ["a", "inline", "0"], ["b", None, "1"])
    change(file, SHEET, b"<t>inline</t>", RICH)
    share_texts(file, RICH, "<t xml:space='preserve'> größer </t>".encode())
    text = "two\r\nlines_x"
    assert cells(read(file)[1]) == [("a", text, text), ("b", None, "größer")]


def test_prefixes_of_names_make_no_difference(file):
    saved(file, ["id", "n"], ["a", 1])
    with zipfile.ZipFile(file) as archive:
        plain = archive.read(SHEET)
    prefixed = re.sub(rb"<(/?)(?=[a-z])", rb"<\1x:", plain).replace(b" xmlns=", b" xmlns:x=")
    change(file, SHEET, plain, prefixed)
    assert cells(read(file)[1]) == [("a", 1)]


def test_macros_are_not_run(tmp_path):
    file = saved(tmp_path / "a.xlsm", ["id"], ["1"])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"Kill *.*")
    assert cells(read(file)[1]) == [("1",)]


def test_a_wrong_dimension_changes_nothing(file):
    saved(file, ["id", "name"], ["1", "Acme"])
    change(file, SHEET, b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    assert cells(read(file)[1]) == [("1", "Acme")]
    change(file, SHEET, b'ref="A1:XFD1048576"', b'ref="A1"')
    assert cells(read(file)[1]) == [("1", "Acme")]


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_row_with_more_text_than_a_row_may_have_is_refused(file, is_shared):
    saved(file, ["id", "note"], ["1", "x"], ["2", "0"], ["3", "z"])
    text = b"<t>" + b"y" * 1_000_001 + b"</t>"
    if is_shared:
        share_texts(file, text)
    else:
        change(file, SHEET, b"<t>0</t>", text)
    _, rows, _ = read(file)
    assert refused(rows) == {3: "The row cannot be read: it is longer than 1,000,000 characters."}
    assert [row.cells for row in rows if not row.problem] == [("1", "x"), ("3", "z")]


def nothing(file: Path) -> None:
    Workbook().save(file)


def password(file: Path) -> None:
    """What a workbook with a password begins with, and the name of the part that holds it."""
    name = "EncryptedPackage".encode("utf-16-le")
    file.write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + bytes(2_000_000) + name + bytes(100))


def old_format(file: Path) -> None:
    file.write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + bytes(1000) + "Workbook".encode("utf-16-le"))


def cut_off(file: Path) -> None:
    content = saved(file, ["id"], ["1"]).read_bytes()
    file.write_bytes(content[: len(content) // 2])


def damaged(file: Path) -> None:
    saved(file, ["id"], *(["text " * 9] for _ in range(2000)))
    with zipfile.ZipFile(file) as archive:
        start = archive.getinfo(SHEET).header_offset
    content = bytearray(file.read_bytes())
    content[start + 400 : start + 500] = bytes(100)
    file.write_bytes(content)


def no_sheet(file: Path) -> None:
    saved(file, ["id"], ["1"])
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if "sheet1" not in name}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def a_csv_file(file: Path) -> None:
    file.write_text("id,name\n1,Acme\n")


def another_archive(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("leads.csv", "id\n1\n")


def entities(file: Path) -> None:
    saved(file, ["id"], ["1"])
    declared = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa">]><worksheet'
    change(file, SHEET, b"<worksheet", declared)


def one_endless_tag(file: Path) -> None:
    saved(file, ["id"], ["1"])
    change(file, SHEET, b"<sheetData>", b'<sheetData x="' + b"x" * 3_000_000 + b'">')


def bomb(file: Path) -> None:
    saved(file, ["id"], ["1"])
    blanks = b" " * 150_000_000
    change(file, SHEET, b"</sheetData>", blanks + b"</sheetData>")


def endless_formats(file: Path) -> None:
    """A part of which every tag would be kept in the memory."""
    saved(file, ["id"], ["1"])
    change(file, "xl/styles.xml", b"<cellXfs", b"<cellXfs>" + b"<xf/>" * 4_000_000 + b"</cellXfs><cellXfs")


def one_endless_row(file: Path) -> None:
    saved(file, ["id"], ["1"])
    change(file, SHEET, b"</row></sheetData>", b"<c/>" * 1_500_000 + b"</row></sheetData>")


def one_row_again_and_again(file: Path) -> None:
    saved(file, ["id"], ["1"])
    change(file, SHEET, b"</sheetData>", b'<row r="2"/>' * 2_200_000 + b"</sheetData>")


def large_directory(file: Path) -> None:
    """An archive whose directory alone would fill the memory."""
    saved(file, ["id"], ["1"])
    content = bytearray(file.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = struct.pack("<L", 500_000_000)
    file.write_bytes(content)


def a_text_that_is_not_there(file: Path) -> None:
    saved(file, ["id"], ["0"])
    share_texts(file, b"<t>a</t>")
    change(file, SHEET, b"<v>0</v>", b"<v>1</v>")


def too_many_rows(file: Path) -> None:
    saved(file, ["id"], ["1"])
    change(file, SHEET, b'<row r="2">', b'<row r="1048577">')


BAD_FILES = {
    nothing: "The sheet Sheet has no headings",
    password: "protected with a password: save it without one",
    old_format: "old format of Excel (.xls): save it as XLSX",
    cut_off: "not a workbook: name its real format",
    damaged: "The workbook is broken",
    no_sheet: "The workbook has no sheet with cells",
    a_csv_file: "not a workbook: name its real format",
    another_archive: "The workbook is broken",
    entities: "The workbook is broken",
    one_endless_tag: "The workbook is broken",
    bomb: "MB when it is unpacked",
    endless_formats: "MB when it is unpacked",
    one_endless_row: "The workbook is broken",
    one_row_again_and_again: "The workbook is broken",
    large_directory: "too many parts",
    a_text_that_is_not_there: "The workbook is broken",
    too_many_rows: "The workbook is broken",
}


@pytest.mark.parametrize(("make", "said"), BAD_FILES.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_workbook_that_cannot_be_read_is_refused_with_its_remedy(file, make, said):
    make(file)
    with pytest.raises(Problem) as raised:
        read(file)
    assert raised.value.kind is MALFORMED_FILE
    assert said in raised.value.detail


def test_exactly_the_named_file_is_opened(tmp_path):
    saved(tmp_path / "leads2.xlsx", ["id"], ["wrong"])
    saved(tmp_path / "leads[2].xlsx", ["id"], ["right"])
    assert cells(read(tmp_path / "leads[2].xlsx")[1]) == [("right",)]
