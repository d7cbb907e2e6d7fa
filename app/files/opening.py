"""Open a data file by exactly its name."""

from pathlib import Path

from app.files.delimited import DelimitedFile
from app.files.formats import SUFFIXES, Format
from app.files.ndjson import JsonLinesFile
from app.files.table import Check, TableFile, malformed, never_stop
from app.problems import invalid_field

OTHER_WORKBOOKS = (".xls", ".xlsb", ".ods", ".numbers")


def format_of(path: Path) -> Format:
    """Return the format that the suffix of a name says. Raises MALFORMED_FILE if it says none."""
    if found := SUFFIXES.get(path.suffix.lower()):
        return found
    if path.suffix.lower() in OTHER_WORKBOOKS:
        raise malformed(f"{path.name} has a format that cannot be read: save it as XLSX or CSV.")
    raise malformed(f"{path.name} has an unknown format: its name must end in {', '.join(SUFFIXES)}.")


def open_table(
    path: Path,
    file_format: Format | None = None,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    check: Check = never_stop,
) -> TableFile:
    """Open a data file. Without `file_format`, the name of the file says its format.

    `encoding` is for CSV, and `sheet` is the name of a sheet of a workbook. `check` is as in TableFile.

    Raises:
        Problem: MALFORMED_FILE if the file cannot be used, INVALID_REQUEST if an option is not valid for it.
        OSError: if the file cannot be read.
    """
    found = file_format or format_of(path)
    if encoding and found != "csv":
        raise invalid_field(
            "/encoding", "not_allowed", "only CSV has an encoding to name: remove this option"
        )
    if sheet and found != "xlsx":
        raise invalid_field("/sheet", "not_allowed", "only a workbook has sheets: remove this option")
    if found == "csv":
        return DelimitedFile(path, check, encoding)
    if found == "ndjson":
        return JsonLinesFile(path, check)
    # The libraries for these formats take long to import.
    if found == "xlsx":
        from app.files.workbook import WorkbookFile  # noqa: PLC0415

        return WorkbookFile(path, check, sheet)
    from app.files.parquet import ParquetFile  # noqa: PLC0415

    return ParquetFile(path, check)
