"""From bytes to records: held against Python's csv module on whole texts, whatever the chunks are."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inbound.imports.records import Record, Records
from app.problems import BODY_TOO_LARGE, MALFORMED_FILE, Problem

MOST = 1000
TEXT = b'\xef\xbb\xbfa,"b\r\n""c"\r\n\r\n1,5" x\n"2,\n\n3",4\nlast,"'


def all_of(chunks: list[bytes], separator: bytes | None = b",", most: int = MOST) -> list[Record]:
    records = Records(most, (lambda _: separator) if separator else None)
    return [record for chunk in chunks for record in records.feed(chunk)] + list(records.rest())


def parts(record: Record) -> tuple[int, int, bytes]:
    return record.line, record.end, record.raw


def test_a_record_goes_on_while_a_quote_is_open_and_has_the_line_where_it_begins() -> None:
    records = all_of([TEXT])
    assert [parts(record) for record in records] == [
        (1, 2, b'a,"b\r\n""c"\r'),
        (3, 3, b"\r"),
        (4, 4, b'1,5" x'),
        (5, 7, b'"2,\n\n3",4'),
        (8, 8, b'last,"'),
    ]
    assert [record.flaw for record in records[:-1]] == [None] * 4
    assert records[-1].flaw.kind is MALFORMED_FILE


@pytest.mark.parametrize("at", range(len(TEXT) + 1))
def test_it_does_not_matter_where_the_bytes_are_cut(at: int) -> None:
    assert [parts(r) for r in all_of([TEXT[:at], TEXT[at:]])] == [parts(r) for r in all_of([TEXT])]


def test_nor_into_how_many_pieces() -> None:
    assert [parts(r) for r in all_of([bytes([b]) for b in TEXT])] == [parts(r) for r in all_of([TEXT])]


PIECES = st.lists(st.sampled_from(["a", "b", '"', '""', ",", ";", "\n", "\r\n"]), max_size=40)


@given(text=PIECES.map("".join), separator=st.sampled_from(",;"))
def test_the_records_are_those_of_the_csv_module(text: str, separator: str) -> None:
    """Its reader is told the whole text, and where a record ends by its count of lines."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    wanted, line = [], 1
    for cells in reader:
        wanted.append((line, reader.line_num, cells))
        line = reader.line_num + 1
    records = all_of([text.encode()], separator.encode())
    got = [(r.line, r.end, next(csv.reader([r.raw.decode()], delimiter=separator), [])) for r in records]
    if records and records[-1].flaw and text.endswith("\n"):
        # What stands in a quote that is never closed ends with the text's last line end.
        got[-1][2][-1] += "\n"
    assert got == wanted


@given(st.text(st.sampled_from('ab"\n'), max_size=40))
def test_lines_of_json_have_no_quotes_to_wait_for(text: str) -> None:
    wanted = text.removesuffix("\n").split("\n") if text else []
    assert [r.raw.decode() for r in all_of([text.encode()], None)] == wanted


def test_what_is_too_long_is_a_flaw_and_the_next_record_is_read() -> None:
    kinds = [(r.line, r.end, r.flaw and r.flaw.kind) for r in all_of([b"a" * 11 + b"\nb\n"], most=10)]
    assert kinds == [(1, 1, BODY_TOO_LARGE), (2, 2, None)]
    open_quote = b'x,"\n' + b"yy\n" * 4 + b"z\n"
    records = all_of([open_quote], most=10)
    assert [(r.line, r.end, bool(r.flaw)) for r in records] == [(1, 4, True), (5, 5, False), (6, 6, False)]
    assert "up to line 4" in records[0].flaw.detail
    within = all_of([b'x,"\n' + b"y" * 11 + b"\nz\n"], most=10)
    assert [(r.line, r.end, bool(r.flaw)) for r in within] == [(1, 2, True), (3, 3, False)]


def test_utf_16_is_refused_as_a_whole() -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        with pytest.raises(Problem, match="save it as UTF-8"):
            all_of(["\ufeffa,b\n1,2\n".encode(codec)])
