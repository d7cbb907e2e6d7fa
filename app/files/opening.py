"""Open a file of rows by exactly its name."""

from pathlib import Path

from app.files.delimited import DelimitedFile
from app.files.formats import SUFFIXES, Format
from app.files.table import TableFile, malformed
from app.problems import invalid_field


def format_of(path: Path) -> Format:
    """Return the format that the suffix of a name says.

    Raises:
        Problem: INVALID_REQUEST if it says none.
    """
    if found := SUFFIXES.get(path.suffix.lower()):
        return found
    suffixes = ", ".join(SUFFIXES)
    raise invalid_field("", "bad_format", f"the name of the file must end in one of these: {suffixes}")


def open_table(path: Path, file_format: Format | None = None, *, encoding: str | None = None) -> TableFile:
    """Open a file of rows. Without `file_format`, the name of the file says its format.

    Raises:
        Problem: MALFORMED_FILE if the file cannot be used, INVALID_REQUEST if an option is not valid for it.
        OSError: if the file cannot be read.
    """
    if (file_format or format_of(path)) != "csv":
        raise malformed("This format cannot be read yet: save the file as CSV.")
    return DelimitedFile(path, encoding)
