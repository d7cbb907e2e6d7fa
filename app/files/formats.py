"""The formats of data files, with the suffixes of their names and their media types."""

from collections.abc import Mapping
from typing import Literal, get_args

Format = Literal["csv", "xlsx", "ndjson", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}
# The first media type of a format is the one that responses have.
MEDIA_TYPES: Mapping[Format, tuple[str, ...]] = {
    "csv": ("text/csv", "text/tab-separated-values"),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
    ),
    "ndjson": (
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/jsonlines",
    ),
    "parquet": ("application/vnd.apache.parquet",),
}
