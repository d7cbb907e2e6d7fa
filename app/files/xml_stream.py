"""Parse the XML of a workbook while it is unpacked, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import IO, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType
from zipfile import BadZipFile
from zlib import error as ZlibError  # noqa: N812

from app.files.table import malformed
from app.problems import Problem

CHUNK_BYTES = 65_536
# The parser keeps a tag until it is complete.
MAX_TAG_BYTES = 1024 * 1024
MAX_INDEX_DIGITS = 9

Start = Callable[[str, dict[str, str]], object]
Name = Callable[[str], object]


def parse(
    source: IO[bytes], start: Start, end: Name | None = None, text: Name | None = None
) -> Iterator[None]:
    """Parse XML, and pause after each chunk. The functions get names without the prefixes of namespaces.

    Raises:
        Problem: MALFORMED_FILE.
    """
    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
    if end:
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    parser.CharacterDataHandler = text
    # No workbook has a document type, and its entities can grow without limit.
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        yield from _feed(parser, source)
    except (ExpatError, BadZipFile, ZlibError, EOFError, NotImplementedError):
        raise broken() from None


def read_index(text: str) -> int:
    """Return the number in a text of a workbook, 0 or more. Raises MALFORMED_FILE."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_INDEX_DIGITS):
        raise broken()
    return int(digits)


def broken() -> Problem:
    """Return the problem of a workbook that cannot be read."""
    return malformed(
        "The workbook is broken: open it in a spreadsheet program, and save it as XLSX or CSV again."
    )


def _feed(parser: XMLParserType, source: IO[bytes]) -> Iterator[None]:
    fed = 0
    while chunk := source.read(CHUNK_BYTES):
        parser.Parse(chunk, False)  # noqa: FBT003
        fed += len(chunk)
        if fed - max(parser.CurrentByteIndex, 0) > MAX_TAG_BYTES:
            raise broken()
        yield
    parser.Parse(b"", True)  # noqa: FBT003
    yield


def _refuse_document_type(*_: object) -> NoReturn:
    raise broken()
