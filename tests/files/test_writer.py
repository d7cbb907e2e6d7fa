"""Files that are written, read again by other libraries or as bytes."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from openpyxl import load_workbook

from app.files.columns import Column
from app.files.formats import FORMATS, Format
from app.files.formulas import without_apostrophe, without_formula
from app.files.writer import write_table

COLUMNS = [
    Column("id"),
    Column("rank", "integer"),
    Column("score", "number"),
    Column("settled", "boolean"),
    Column("revisit_on", "day"),
    Column("updated_at", "time"),
]
ROWS = [
    ("Müller & <Söhne>", 3, 62.5, True, date(2026, 11, 30), datetime(2026, 11, 30, 12, 0, tzinfo=UTC)),
    ("=1+1", -1, -0.25, False, None, None),
    (None, None, None, None, None, None),
    ('say "hi"\r\nnow', 2**53 + 1, 1e21, None, None, datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)),
]


def written(folder: Path, format_: Format) -> Path:
    file = folder / f"out.{format_}"
    assert write_table(file, format_, COLUMNS, ROWS) == 4
    assert [path.name for path in folder.iterdir()] == [file.name]
    return file


def test_csv_is_what_excel_reads(tmp_path: Path) -> None:
    assert written(tmp_path, "csv").read_bytes().decode("utf-8") == (
        "\ufeffid,rank,score,settled,revisit_on,updated_at\r\n"
        "Müller & <Söhne>,3,62.5,true,2026-11-30,2026-11-30T12:00:00Z\r\n"
        "'=1+1,-1,-0.25,false,,\r\n"
        ",,,,,\r\n"
        '"say ""hi""\r\nnow",9007199254740993,1e+21,,,2026-01-02T03:04:05.600000Z\r\n'
    )


def test_ndjson_has_every_column_in_every_line(tmp_path: Path) -> None:
    lines = written(tmp_path, "ndjson").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines[:3]] == [
        {
            "id": "Müller & <Söhne>",
            "rank": 3,
            "score": 62.5,
            "settled": True,
            "revisit_on": "2026-11-30",
            "updated_at": "2026-11-30T12:00:00Z",
        },
        {"id": "=1+1", "rank": -1, "score": -0.25, "settled": False, "revisit_on": None, "updated_at": None},
        dict.fromkeys(column.name for column in COLUMNS),
    ]


def test_parquet_has_typed_columns_and_the_same_values(tmp_path: Path) -> None:
    file = written(tmp_path, "parquet")
    described = duckdb.sql(f"DESCRIBE FROM read_parquet('{file}')").fetchall()
    assert [type_ for _, type_, *_ in described] == [
        *("VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE")
    ]
    texts = "* REPLACE (epoch_us(updated_at) AS updated_at)"
    found = duckdb.sql(f"SELECT {texts} FROM read_parquet('{file}')").fetchall()
    assert found == [(*row[:5], row[5] and int(row[5].timestamp() * 1_000_000)) for row in ROWS]


def test_a_workbook_has_typed_cells_and_no_formulas(tmp_path: Path) -> None:
    sheet = load_workbook(written(tmp_path, "xlsx")).active
    assert [tuple(cell.value for cell in row) for row in sheet.iter_rows(max_row=5)] == [
        tuple(column.name for column in COLUMNS),
        (*ROWS[0][:4], datetime(2026, 11, 30), datetime(2026, 11, 30, 12)),  # noqa: DTZ001
        ROWS[1],
        ROWS[2],
        # XLSX escapes a carriage return; a larger integer would be rounded.
        ('say "hi"_x000D_\nnow', "9007199254740993", 1e21, None, None, datetime(2026, 1, 2, 3, 4, 5, 600000)),  # noqa: DTZ001
    ]
    assert sheet["A3"].data_type == "s"
    assert (sheet["E2"].number_format, sheet["F2"].number_format) == ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss")


def test_a_workbook_continues_on_a_second_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.files.workbook_writer.MAX_ROWS", 3)
    file = tmp_path / "a.xlsx"
    write_table(file, "xlsx", [Column("n", "integer")], [(1,), (2,), (3,)])
    sheets = load_workbook(file).worksheets
    assert [list(sheet.values) for sheet in sheets] == [[("n",), (1,), (2,)], [("n",), (3,)]]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_failure_leaves_the_existing_file_as_it_was(tmp_path: Path, format_: Format) -> None:
    file = tmp_path / f"out.{format_}"
    file.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError):
        write_table(file, format_, [Column("n", "integer")], ((1 // n,) for n in (1, 0)))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("'=1+1", "''=1+1"),
        ("+49 40 123", "'+49 40 123"),
        ("-1.5", "-1.5"),
        ("-1.5e3", "-1.5e3"),
        ("@home", "'@home"),
        ("'quoted'", "'quoted'"),
        ("a=b", "a=b"),
        ("-1\n", "'-1\n"),
    ],
)
def test_a_formula_gets_an_apostrophe_that_can_be_removed_again(text: str, cell: str) -> None:
    assert without_formula(text) == cell
    assert without_apostrophe(cell) == text
