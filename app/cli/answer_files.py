"""Read files of answers: JSON objects, or a CSV table with one row for each prospect."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from app.cli.console import counted, err, fail
from app.inbound.imports.records import find_separator
from app.problems import Problem
from app.scoring import Flaw, Plan, pointer
from app.scoring.question_set import AttributeType
from app.strict_json import read_json

TABLE_SUFFIXES = (".csv", ".tsv")
# The first of these fields that is filled is the name of a row. No question can have one of these keys.
NAME_FIELDS = ("name", "external_id")
DECIMAL_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
NOT_APPLICABLE_WORDS = ("n/a", "not_applicable")
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One object or table row to score.

    `place` is where it is in its file, such as "line 2". `name` is empty if the row has none. `content` is
    a request body as for POST /v1/score. `columns` maps the JSON pointer of each part of `content` to the
    table column that it was read from.
    """

    place: str
    name: str
    content: Any
    columns: Mapping[str, str] = field(default_factory=dict)

    def describe(self, flaw: Flaw) -> str:
        """Return a message with the place of the flaw in the file, and what is wrong."""
        column = self.columns.get("/".join(flaw.pointer.split("/")[:3]))
        where = f"{self.place}, column {column}" if column else f"{self.place}: {flaw.pointer or '/'}"
        return f"{where}: {flaw.detail}"


def is_table(file: Path) -> bool:
    """Return whether the file is read as CSV."""
    return file.suffix.lower() in TABLE_SUFFIXES


def read_items(file: Path) -> Iterator[Row]:
    """Yield the rows of a JSON file, which holds one object or a list of objects."""
    try:
        content = read_json(_text(file).encode())
    except Problem as problem:
        fail(f"{file}: {problem.errors[0].detail}.")
    for number, item in enumerate(content if isinstance(content, list) else [content], 1):
        yield _item_row(f"item {number}", item)


def read_table(file: Path, plan: Plan) -> Iterator[Row]:
    """Yield the rows of a CSV file whose columns are questions and attributes of a question set."""
    text = _text(file)
    known = plan.questions.keys() | plan.question_set.attributes.keys()
    records = _records(text, find_separator(text.partition("\n")[0], known.__contains__))
    _, headings = next(records)
    _check_headings(headings, known, plan.name)
    for line, cells in records:
        if len(cells) > len(headings):
            fail(f"line {line}: it has {counted(len(cells), 'cell')} for {counted(len(headings), 'column')}.")
        if cells:
            yield _table_row(f"line {line}", dict(zip(headings, cells, strict=False)), plan)


def _text(file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8: save it as UTF-8 (in Excel, as 'CSV UTF-8').")
    if not text.strip():
        fail(f"{file} is empty.")
    return text


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line of each record, and its cells."""
    records = csv.reader(StringIO(text), delimiter=separator, strict=True)
    try:
        for cells in records:
            yield records.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        fail(f"line {records.line_num}: {error}.")


def _check_headings(headings: Sequence[str], known: set[str], set_name: str) -> None:
    """Fail if headings are repeated or none is known, and list the columns that are ignored."""
    repeated = [heading for heading, count in Counter(headings).items() if heading and count > 1]
    if repeated:
        fail(f"line 1: several columns are named {repeated[0]}.")
    if not known.intersection(headings):
        fail(
            f"line 1: no column is a question or an attribute of {set_name}. "
            "To use another question set, name it with --set."
        )
    ignored = [heading for heading in headings if heading and heading not in {*known, *NAME_FIELDS}]
    if ignored:
        err.print(f"Ignored columns that are not in {set_name}: {', '.join(ignored)}", markup=False)


def _item_row(place: str, item: Any) -> Row:
    if not isinstance(item, dict):
        return Row(place, "", item)
    return Row(place, _name(item), {name: item[name] for name in item if name not in NAME_FIELDS})


def _table_row(place: str, cells: Mapping[str, str], plan: Plan) -> Row:
    declared = plan.question_set.attributes
    answers = [_answer(name, cell) for name, cell in cells.items() if cell and name in plan.questions]
    attributes = {
        name: _attribute(declared[name], cell) for name, cell in cells.items() if cell and name in declared
    }
    columns = {pointer("answers", index): answer["question"] for index, answer in enumerate(answers)}
    columns |= {pointer("attributes", name): name for name in attributes}
    return Row(place, _name(cells), {"answers": answers, "attributes": attributes}, columns)


def _name(fields: Mapping[str, Any]) -> str:
    return str(next((fields[name] for name in NAME_FIELDS if fields.get(name)), ""))


def _answer(question: str, cell: str) -> dict[str, Any]:
    if cell.lower() in NOT_APPLICABLE_WORDS:
        return {"question": question, "state": "not_applicable"}
    if cell.lower() == "unknown":
        return {"question": question, "state": "unknown"}
    return {"question": question, "rating": float(cell) if DECIMAL_NUMBER.fullmatch(cell) else cell}


def _attribute(type_: AttributeType, cell: str) -> str | bool:
    return BOOLEANS.get(cell.lower(), cell) if type_ == "boolean" else cell
