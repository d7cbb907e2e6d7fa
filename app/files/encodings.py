"""Find the encoding of a text file."""

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from app.problems import Problem, invalid_field

# Stands for bytes that are not valid in the encoding of the file. No text contains half a surrogate pair.
UNREADABLE = "\udcff"
MARK_UNREADABLE = "prospect_fit.mark_unreadable"
# The longer ones first: that of UTF-32 begins with that of UTF-16.
ENCODING_BY_MARK = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WINDOWS_1252_NOTE = (
    "The file is read as Windows-1252. If letters look wrong, name its encoding with the option encoding."
)
# In unicode_escape and in UTF-7.
HALVES_OF_PAIRS = rb"\ud800 +2AA-"
CHUNK_BYTES = 1024 * 1024
SAMPLE_BYTES = 4096


def _mark_unreadable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNREADABLE, error.end


codecs.register_error(MARK_UNREADABLE, _mark_unreadable)


def check_encoding(name: str) -> None:
    """Check the name of an encoding that a person gives.

    Raises:
        Problem: INVALID_REQUEST if it is unknown.
    """
    try:
        # Python also calls compression an encoding: only those of text decode bytes with this method. Some
        # of them, as UTF-7, have ways to write half a surrogate pair, which nothing can store or show.
        HALVES_OF_PAIRS.decode(name, "ignore").encode()
    except (LookupError, ValueError):
        raise _unknown_encoding() from None


@contextmanager
def wrong_encoding_named() -> Iterator[None]:
    """Raise INVALID_REQUEST if a file cannot be in its encoding, as UTF-16 without a byte order mark."""
    try:
        yield
    except UnicodeError:
        detail = "the file is not in this encoding: name its right one, or leave it out to have it found"
        raise invalid_field("/encoding", "invalid", detail) from None


def find_encoding(file: BinaryIO, check: Callable[[], None]) -> tuple[str, str | None]:
    """Return the encoding of a file at its start, and a note if people should check it.

    Without a byte order mark it is UTF-16 if every other byte is NUL, or else UTF-8. If most of what is not
    ASCII is not UTF-8, it is Windows-1252. The whole file is read for that, and `check` is called often.
    """
    sample = file.read(SAMPLE_BYTES)
    for mark, marked in ENCODING_BY_MARK.items():
        if sample.startswith(mark):
            return marked, None
    if encoding := _utf_16(sample):
        return encoding, None
    file.seek(0)
    if _is_utf_8(file, check):
        return "utf-8", None
    return "cp1252", WINDOWS_1252_NOTE


def _utf_16(sample: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: in most languages, half of the bytes are NUL."""
    half = len(sample) // 2
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    if half and second > half * 0.4 and first < half * 0.1:
        return "utf-16-le"
    return "utf-16-be" if half and first > half * 0.4 and second < half * 0.1 else None


def _is_utf_8(file: BinaryIO, check: Callable[[], None]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")(MARK_UNREADABLE)
    readable = unreadable = 0
    while chunk := file.read(CHUNK_BYTES):
        check()
        text = decoder.decode(chunk)
        if not text.isascii():
            marks = text.count(UNREADABLE)
            unreadable += marks
            readable += len(text) - len(text.encode("ascii", "ignore")) - marks
    unreadable += decoder.decode(b"", final=True).count(UNREADABLE)
    return readable >= unreadable


def _unknown_encoding() -> Problem:
    detail = "this encoding is unknown: name one such as utf-8, utf-16, windows-1252 or iso-8859-15"
    return invalid_field("/encoding", "unknown", detail)
