"""What can be scored: data files, and tables of a database."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.bulk.database import DatabaseRows, DatabaseTable, UnusableFile
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME, EntryReader, Expected
from app.files.headings import find_heading
from app.files.opening import open_table
from app.files.table import TableFile
from app.scoring import Plan

MAX_NAMES = 10
UNNAMED_NOTE = "Ignored cells without a heading."


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read the rows of a file.

    `column_names` maps the key of a field, question or attribute to the heading of its column, where they
    differ. Without a `decimal` sign or an `encoding`, they are found in the file. `missing_is_open` says that
    questions and attributes without a column are left out on purpose.
    """

    column_names: Mapping[str, str] = field(default_factory=dict)
    decimal: DecimalSign | None = None
    encoding: str | None = None
    sheet: str | None = None
    missing_is_open: bool = False


def open_rows(source: Path | DatabaseTable, options: ReadOptions) -> TableFile:
    """Open a file or table. Raises `Problem`, `UnusableFile` and OSError."""
    if isinstance(source, DatabaseTable):
        return DatabaseRows(source)
    return open_table(source, encoding=options.encoding, sheet=options.sheet)


def open_entries(table: TableFile, plan: Plan, options: ReadOptions) -> EntryReader:
    """Return the reader of the rows for a question set.

    Raises:
        Problem: if the headings or the rows cannot be used.
        UnusableFile: if no column is a question or an attribute of the set.
    """
    reader = EntryReader(table, Expected.by(plan), options.column_names, options.decimal)
    require_known(reader.keys, plan)
    return reader


def require_known(keys: Collection[str], plan: Plan) -> None:
    """Raise `UnusableFile` if none of the keys that have a column is a question or an attribute."""
    if plan.questions.keys().isdisjoint(keys) and plan.question_set.attributes.keys().isdisjoint(keys):
        raise UnusableFile(
            f"No column is named after a question or an attribute of {plan.name}. To use another question "
            "set, name it with --set."
        )


def column_notes(
    keys: Collection[str], ignored: Sequence[str], plan: Plan, options: ReadOptions
) -> Iterator[str]:
    """Yield what people should know about columns: which are ignored, and what has none.

    A question that only a person rates, and an attribute, need a column unless `missing_is_open`.
    """
    if ignored:
        names = join_names([" ".join(heading.split()) for heading in ignored])
        yield f"Ignored columns that are not in {plan.name}: {names}"
    scored = [question for step in plan.question_set.steps if not step.gated for question in step.questions]
    required = [question.key for question in scored if question.rate_from is None]
    missing = [key for key in (*required, *plan.question_set.attributes) if key not in keys]
    if missing and not options.missing_is_open:
        yield f"Empty in every row, because no column has this name: {join_names(missing)}"


def kept_columns(headings: Sequence[str], keys: Mapping[str, str], wanted: Sequence[str]) -> list[str]:
    """Return the headings of the columns to keep, without the id and the name, which are always kept.

    Raises:
        UnusableFile: if the file has no such column.
    """
    found = {one: find_heading(headings, one) for one in wanted}
    if missing := [one for one, index in found.items() if index is None]:
        raise UnusableFile(f"--keep: there is no column {join_names(missing)}.")
    kept = dict.fromkeys(headings[index] for index in found.values() if index is not None)
    return [heading for heading in kept if heading not in (keys.get(ID), keys.get(NAME))]


def join_names(names: Collection[str]) -> str:
    """Return the first ten names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - MAX_NAMES} more" if len(listed) > MAX_NAMES else ""
    return ", ".join(listed[:MAX_NAMES]) + more
