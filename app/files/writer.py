"""Write data files, to a path or as chunks of bytes, in constant memory."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from app.files.columns import Column, Value
from app.files.formats import Format
from app.files.text_writers import CsvWriter, NdjsonWriter

ROWS_PER_CHUNK = 500
WRITTEN_ON_DISK: frozenset[Format] = frozenset({"xlsx", "parquet"})


class TableWriter(Protocol):
    """Writes one file. Its bytes are the chunks of each `write`, and then those of `finish`.

    Args:
        columns: the columns of the file.
        folder: where it creates temporary files, if its format is in WRITTEN_ON_DISK.
    """

    def __init__(self, columns: Sequence[Column], folder: Path | None = None, /) -> None: ...

    def write(self, rows: Iterable[Sequence[Value]]) -> bytes:
        """Return the next bytes, for rows with one value for each column. There may be none yet."""

    def finish(self) -> Iterator[bytes]:
        """Yield the bytes that follow the last row."""

    def close(self) -> None:
        """Delete temporary files. Call it also after a failure."""


def writer_of(format_: Format) -> type[TableWriter]:
    """Return what writes files of a format."""
    if format_ == "csv":
        return CsvWriter
    if format_ == "ndjson":
        return NdjsonWriter
    # The libraries for these formats take long to import.
    if format_ == "xlsx":
        from app.files.workbook_writer import WorkbookWriter  # noqa: PLC0415

        return WorkbookWriter
    from app.files.parquet_writer import ParquetWriter  # noqa: PLC0415

    return ParquetWriter


def write_table(
    file: Path, format_: Format, columns: Sequence[Column], rows: Iterable[Sequence[Value]]
) -> int:
    """Write a file, and return the number of rows.

    The file appears when it is complete, and replaces an existing one. Raises OSError.
    """
    remaining, count = iter(rows), 0
    with TemporaryDirectory(dir=file.parent, prefix=".prospect-fit-") as folder:
        unfinished = Path(folder) / "unfinished"
        with unfinished.open("wb") as output, closing(writer_of(format_)(columns)) as writer:
            while some := list(islice(remaining, ROWS_PER_CHUNK)):
                output.write(writer.write(some))
                count += len(some)
            output.writelines(writer.finish())
        os.replace(unfinished, file)  # noqa: PTH105  # atomic, and replaces an existing file
    return count
