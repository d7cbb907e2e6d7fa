"""Check the ZIP archive of a workbook before it is read, so that it cannot fill the memory."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError  # noqa: N812

from app.files.table import MAX_ROW_LENGTH, malformed
from app.problems import Problem

# What the parts of a workbook may have together, and how many times as much as the file itself.
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_SMALL_UNPACKED_BYTES = 100 * 1024**2
MAX_UNPACKED_RATIO = 200
# All of this part is kept in the memory.
STRINGS, MAX_STRINGS_BYTES = "xl/sharedstrings.xml", 256 * 1024**2
# Each tag of these parts is kept in the memory, where it takes up to 40 times as much.
TREES = frozenset({"[content_types].xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml"})
MAX_TREES_BYTES = 16 * 1024**2
# The directory at the end of the archive, which is read at once.
MAX_DIRECTORY_BYTES = 1024 * 1024
DIRECTORY_END, LONG_DIRECTORY_END = b"PK\x05\x06", b"PK\x06\x07"
DIRECTORY_END_BYTES, LONG_DIRECTORY_END_BYTES, MAX_COMMENT_BYTES = 22, 20, 65_535
# Excel 97 wrote files of this kind, and a workbook with a password is in one.
OLD_OFFICE_FILE = bytes.fromhex("D0CF11E0A1B11AE1")
ENCRYPTED_PART = "EncryptedPackage".encode("utf-16-le")
SCANNED_BYTES = 1024 * 1024
# A longer text or tag than this is no text of a cell, which has at most 32,767 characters.
MAX_TEXT_BYTES = 2 * MAX_ROW_LENGTH
# Excel has no more rows, and about a tenth as many tags in a row of 16,384 cells.
MAX_SHEET_ROWS = 1_048_576
MAX_ROW_TAGS = 1_000_000
# How much of a chunk is looked at again with the next one, because a tag can be cut.
OVERLAP_BYTES = 200
MAX_MERGED = 1000
ROW = re.compile(rb"<(?:\w+:)?row[ >]")
FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
# No workbook has a document type, and its entities can grow.
DOCUMENT_TYPE = b"<!DOCTYPE"
MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]{0,100}ref="([A-Z0-9:]{1,50})"')


@dataclass(slots=True)
class SheetContent:
    """What a sheet has: about how many rows, formulas, and ranges of merged cells."""

    row_count: int = 0
    has_formulas: bool = False
    merged: list[str] = field(default_factory=list)


def check_package(file: IO[bytes]) -> None:
    """Check a workbook. Raises MALFORMED_FILE if it is none, broken, or too large when unpacked."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(OLD_OFFICE_FILE)) == OLD_OFFICE_FILE:
        raise _old_office_problem(file)
    try:
        _check_directory(file, size)
        parts = ZipFile(file).infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        raise broken() from None
    unpacked = sum(part.file_size for part in parts)
    strings = sum(part.file_size for part in parts if part.filename.lower() == STRINGS)
    trees = sum(part.file_size for part in parts if part.filename.lower() in TREES)
    allowed = min(MAX_UNPACKED_BYTES, max(MAX_SMALL_UNPACKED_BYTES, MAX_UNPACKED_RATIO * size))
    if unpacked > allowed or strings > MAX_STRINGS_BYTES or trees > MAX_TREES_BYTES:
        raise malformed(
            f"The workbook has {unpacked // 1024**2:,} MB when it is unpacked, which is too much: save its "
            "rows as CSV."
        )


def scan_sheet(source: IO[bytes]) -> SheetContent:
    """Look through the XML of a sheet.

    Raises MALFORMED_FILE if it cannot be unpacked, or has an endless text, an endless row or endless rows. A
    reader of the XML keeps a text and a row until it is complete, and a trace of each row.
    """
    content, tag_count = SheetContent(), 0
    for chunk in _chunks(source):
        rows = [found.start() for found in ROW.finditer(chunk)]
        tag_count = chunk.count(b"<", rows[-1]) if rows else tag_count + chunk.count(b"<")
        content.row_count += len(rows)
        # Rows where chunks overlap are counted twice.
        is_endless = tag_count > MAX_ROW_TAGS or content.row_count > 2 * MAX_SHEET_ROWS
        if is_endless or DOCUMENT_TYPE in chunk:
            raise broken()
        content.has_formulas = content.has_formulas or bool(FORMULA.search(chunk))
        found = (match.decode() for match in MERGED.findall(chunk))
        content.merged += [area for area in found if area not in content.merged[-2:]][:MAX_MERGED]
    return content


def broken() -> Problem:
    """Return the problem of a workbook that cannot be read."""
    return malformed(
        "The workbook is broken: open it in a spreadsheet program, and save it as XLSX or CSV again."
    )


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    """Yield the content in chunks that overlap."""
    overlap, text_bytes = b"", 0
    try:
        while chunk := source.read(SCANNED_BYTES):
            last = chunk.rfind(b"<")
            text_bytes = len(chunk) - last if last >= 0 else text_bytes + len(chunk)
            if text_bytes > MAX_TEXT_BYTES:
                raise broken()
            yield overlap + chunk
            overlap = chunk[-OVERLAP_BYTES:]
    except (BadZipFile, ZlibError, EOFError, NotImplementedError):
        raise broken() from None


def _check_directory(file: IO[bytes], size: int) -> None:
    """Check how large the directory is before all of it is read."""
    end_bytes = min(size, DIRECTORY_END_BYTES + LONG_DIRECTORY_END_BYTES + MAX_COMMENT_BYTES)
    file.seek(size - end_bytes)
    end = file.read(end_bytes)
    start = end.rfind(DIRECTORY_END)
    if start < 0:
        raise malformed("The file is not a workbook: name its real format, or save it as XLSX or CSV.")
    directory_bytes = int.from_bytes(end[start + 12 : start + 16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES or end[:start][-LONG_DIRECTORY_END_BYTES:].startswith(
        LONG_DIRECTORY_END
    ):
        raise malformed("The workbook has too many parts: save its rows as CSV.")


def _old_office_problem(file: IO[bytes]) -> Problem:
    overlap = b""
    while chunk := file.read(SCANNED_BYTES):
        if ENCRYPTED_PART in overlap + chunk:
            return malformed("The workbook is protected with a password: save it without one.")
        overlap = chunk[-len(ENCRYPTED_PART) :]
    return malformed("The workbook has the old format of Excel (.xls): save it as XLSX or CSV.")
