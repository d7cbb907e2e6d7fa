"""Open the ZIP archive of a workbook, within limits, and find its parts."""

import posixpath
from dataclasses import dataclass
from typing import IO, BinaryIO, NamedTuple
from zipfile import BadZipFile, ZipFile

from app.files.table import malformed
from app.files.xml_stream import broken, parse
from app.problems import Problem

# What the parts of a workbook may have together, and how many times as much as the file itself.
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_SMALL_UNPACKED_BYTES = 100 * 1024**2
MAX_UNPACKED_RATIO = 200
# The directory at the end of the archive, which is read at once.
MAX_DIRECTORY_BYTES = 1024 * 1024
DIRECTORY_END, LONG_DIRECTORY_END = b"PK\x05\x06", b"PK\x06\x07"
DIRECTORY_END_BYTES, LONG_DIRECTORY_END_BYTES, MAX_COMMENT_BYTES = 22, 20, 65_535
# Excel 97 wrote files of this kind, and a workbook with a password is in one.
OLD_OFFICE_FILE = bytes.fromhex("D0CF11E0A1B11AE1")
ENCRYPTED_PART = "EncryptedPackage".encode("utf-16-le")
IS_ENCRYPTED = 1
SCANNED_BYTES = 1024 * 1024


class Relationship(NamedTuple):
    """What a part of a package refers to: the last word of its type, and the name of the other part."""

    type: str
    part: str


@dataclass(frozen=True, slots=True)
class Package:
    """The parts of a workbook."""

    archive: ZipFile

    def open(self, part: str) -> IO[bytes]:
        """Open a part. Raises MALFORMED_FILE if there is none or it has a password."""
        try:
            information = self.archive.getinfo(part)
            if information.flag_bits & IS_ENCRYPTED:
                raise _has_password()
            return self.archive.open(information)
        except (KeyError, BadZipFile, NotImplementedError, OSError):
            raise broken() from None

    def relationships(self, part: str) -> dict[str, Relationship]:
        """Return what a part refers to, by id. "" is the package itself. Raises MALFORMED_FILE."""
        folder, name = posixpath.split(part)
        found = {}

        def start(element: str, attributes: dict[str, str]) -> None:
            if element == "Relationship":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = Relationship(kind, target.lstrip("/"))

        with self.open(posixpath.join(folder, "_rels", f"{name}.rels")) as source:
            for _ in parse(source, start):
                pass
        return found


def open_package(file: BinaryIO) -> Package:
    """Open a workbook. Raises MALFORMED_FILE if it is none, broken, or too large when unpacked."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(OLD_OFFICE_FILE)) == OLD_OFFICE_FILE:
        raise _old_office_problem(file)
    try:
        _check_directory(file, size)
        archive = ZipFile(file)
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        raise broken() from None
    unpacked = sum(information.file_size for information in archive.infolist())
    if unpacked > min(MAX_UNPACKED_BYTES, max(MAX_SMALL_UNPACKED_BYTES, MAX_UNPACKED_RATIO * size)):
        raise malformed(
            f"The workbook has {unpacked // 1024**2:,} MB when it is unpacked, which is too much for its "
            "size: save its rows as CSV."
        )
    return Package(archive)


def _check_directory(file: BinaryIO, size: int) -> None:
    """Check how large the directory is before all of it is read."""
    end_bytes = min(size, DIRECTORY_END_BYTES + LONG_DIRECTORY_END_BYTES + MAX_COMMENT_BYTES)
    file.seek(size - end_bytes)
    end = file.read(end_bytes)
    start = end.rfind(DIRECTORY_END)
    if start < 0:
        raise malformed("The file is no workbook: name it as what it is, or save it as XLSX or CSV.")
    directory_bytes = int.from_bytes(end[start + 12 : start + 16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES or end[:start][-LONG_DIRECTORY_END_BYTES:].startswith(
        LONG_DIRECTORY_END
    ):
        raise malformed("The workbook has too many parts: save its rows as CSV.")


def _old_office_problem(file: BinaryIO) -> Problem:
    overlap = b""
    while chunk := file.read(SCANNED_BYTES):
        if ENCRYPTED_PART in overlap + chunk:
            return _has_password()
        overlap = chunk[-len(ENCRYPTED_PART) :]
    return malformed("The workbook has the old format of Excel (.xls): save it as XLSX or CSV.")


def _has_password() -> Problem:
    return malformed("The workbook is protected with a password: save it without one.")
