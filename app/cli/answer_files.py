"""Files of answers: a list in JSON, or a table in CSV."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from app.cli.console import err, fail
from app.inbound.imports.records import find_separator
from app.problems import Problem
from app.scoring import Flaw, Plan, pointer
from app.scoring.question_set import AttributeType
from app.strict_json import read_json

TABLES = (".csv", ".tsv")
# Of these the first that is filled is how a row is called; no question may be called so.
CALLED = ("name", "external_id")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
NOT_APPLICABLE = ("n/a", "not_applicable")
TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Row:
    """What to score, as for POST /v1/score: where it stands in its file, and how it is called.

    `columns` are the columns that its parts come from, by JSON pointer.
    """

    place: str
    called: str
    sent: Any
    columns: Mapping[str, str] = field(default_factory=dict)

    def told(self, flaw: Flaw) -> str:
        """What is wrong in it, and where in the file."""
        column = self.columns.get("/".join(flaw.pointer.split("/")[:3]))
        where = f"{self.place}, column {column}" if column else f"{self.place}: {flaw.pointer or '/'}"
        return f"{where}: {flaw.detail}"


def is_table(file: Path) -> bool:
    """Whether it is read as CSV."""
    return file.suffix.lower() in TABLES


def read_items(file: Path) -> Iterator[Row]:
    """The rows of a JSON file: one object, or a list of them."""
    try:
        content = read_json(_text(file).encode())
    except Problem as problem:
        fail(f"{file}: {problem.errors[0].detail}.")
    for number, item in enumerate(content if isinstance(content, list) else [content], 1):
        yield _of_item(f"item {number}", item)


def read_table(file: Path, plan: Plan) -> Iterator[Row]:
    """The rows of a CSV file whose columns are questions and attributes of a set."""
    text = _text(file)
    known = plan.questions.keys() | plan.question_set.attributes.keys()
    records = _records(text, find_separator(text.partition("\n")[0], known.__contains__))
    _, headings = next(records)
    _check(headings, known, plan.name)
    for line, cells in records:
        if len(cells) > len(headings):
            fail(f"line {line}: it has {len(cells)} cells for {len(headings)} columns.")
        if cells:
            yield _of_cells(f"line {line}", dict(zip(headings, cells, strict=False)), plan)


def _text(file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8: save it as UTF-8 (in Excel, as 'CSV UTF-8').")
    if not text.strip():
        fail(f"{file} is empty.")
    return text


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with its line, which of several is the last."""
    records = csv.reader(StringIO(text), delimiter=separator, strict=True)
    try:
        for cells in records:
            yield records.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        fail(f"line {records.line_num}: {error}.")


def _check(headings: Sequence[str], known: set[str], name: str) -> None:
    """Give up on columns that cannot be told apart or mean nothing, and tell which ones are ignored."""
    repeated = [heading for heading, count in Counter(headings).items() if heading and count > 1]
    if repeated:
        fail(f"line 1: several columns are called {repeated[0]}.")
    if not known.intersection(headings):
        fail(f"line 1: no column is a question or an attribute of {name}; --set names another set.")
    ignored = [heading for heading in headings if heading and heading not in {*known, *CALLED}]
    if ignored:
        err.print(f"Not in {name}, so ignored: {', '.join(ignored)}", markup=False)


def _of_item(place: str, item: Any) -> Row:
    if not isinstance(item, dict):
        return Row(place, "", item)
    return Row(place, _called(item), {name: item[name] for name in item if name not in CALLED})


def _of_cells(place: str, cells: Mapping[str, str], plan: Plan) -> Row:
    declared = plan.question_set.attributes
    answers = [_answer(name, cell) for name, cell in cells.items() if cell and name in plan.questions]
    facts = {name: _fact(declared[name], cell) for name, cell in cells.items() if cell and name in declared}
    columns = {pointer("answers", index): answer["question"] for index, answer in enumerate(answers)}
    columns |= {pointer("attributes", name): name for name in facts}
    return Row(place, _called(cells), {"answers": answers, "attributes": facts}, columns)


def _called(fields: Mapping[str, Any]) -> str:
    return str(next((fields[name] for name in CALLED if fields.get(name)), ""))


def _answer(question: str, cell: str) -> dict[str, Any]:
    if cell.lower() in NOT_APPLICABLE:
        return {"question": question, "state": "not_applicable"}
    if cell.lower() == "unknown":
        return {"question": question, "state": "unknown"}
    return {"question": question, "rating": float(cell) if NUMBER.fullmatch(cell) else cell}


def _fact(declared: AttributeType, cell: str) -> str | bool:
    return TRUTH.get(cell.lower(), cell) if declared == "boolean" else cell
