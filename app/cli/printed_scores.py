"""Score rows or requests one by one, and print the scores."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from rich.markup import escape

from app.cli.answer_files import Item, read_items
from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.source import UNNAMED_NOTE, ReadOptions, column_notes, open_entries, open_rows
from app.cli.bulk.typed import CellReport
from app.cli.cell_report import report_lines
from app.cli.console import fail, flaws_of, print_note, print_text
from app.cli.plans import FindPlan
from app.cli.score_files import COVERAGE_CUTS
from app.cli.terminal import out, table
from app.clock import utc_now
from app.files.entries import Entry
from app.problems import Problem
from app.scoring import Flawed, Plan, Score, read_answers, read_attributes, rounded, score
from app.sessions.requests import ScoreRequest

PrintFormat = Literal["table", "json"]


@dataclass(frozen=True, slots=True)
class Scored:
    """One row or request with its score, or with the reason why it has none.

    `name` is what it is called in the table; `fields` go before the score in JSON.
    """

    name: str
    plan: Plan
    result: Score | None
    problem: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def print_requests(file: Path, set_name: str | None, find: FindPlan, output_format: PrintFormat) -> None:
    """Print the scores of all requests in a file. Fail with every flaw of the first that is not valid."""
    _print([_score_item(item, set_name, find) for item in read_items(file)], output_format)


def print_rows(
    source: Path | DatabaseTable, plan: Plan, options: ReadOptions, output_format: PrintFormat
) -> None:
    """Print the scores of all rows of a file or table, and what was left out on standard error.

    Raises:
        Problem: if the file cannot be read.
        UnusableFile: if the table or the columns cannot be used.
    """
    with open_rows(source, options) as rows:
        reader = open_entries(rows, plan, options)
        for note in (*rows.notes, *column_notes(reader.keys, reader.ignored, plan, options)):
            print_note(note)
        cells = CellReport(decimal=reader.decimal, has_numbers=bool(reader.number_columns))
        entries = (reader.read(row) for row in rows.rows())
        _print(_scored_entries(entries, plan, cells), output_format)
    for line in (*([UNNAMED_NOTE] if reader.has_unnamed_cells else []), *report_lines(cells)):
        print_note(line)


def _score_item(item: Item, set_name: str | None, find: FindPlan) -> Scored:
    """Score a request with the named question set, or else with the set that it names itself."""
    try:
        request = ScoreRequest.model_validate(item.content)
        plan = find(set_name or request.question_set)
        answers = read_answers(plan.question_set, request.sent())
        attributes = read_attributes(plan.question_set, request.attributes)
        return Scored(item.name, plan, score(plan, answers, attributes, as_of=request.as_of or utc_now()))
    except (Flawed, Problem, ValidationError) as error:
        fail("\n".join(item.describe(flaw) for flaw in flaws_of(error, item.content)))


def _scored_entries(entries: Iterable[Entry], plan: Plan, cells: CellReport) -> Iterator[Scored]:
    as_of = utc_now()
    for entry in entries:
        cells.add(entry)
        problem = "; ".join(entry.reasons) if entry.problem else ""
        fields = {
            "row": entry.row.number,
            "id": entry.id,
            "name": entry.name,
            "problem": problem or None,
            "remarks": [] if problem else [*entry.remarks],
        }
        result = None if problem else score(plan, entry.answers, entry.attributes, as_of=as_of)
        yield Scored(entry.name or entry.id or "", plan, result, problem, fields)


def _print(scored: Iterable[Scored], output_format: PrintFormat) -> None:
    if output_format == "json":
        _print_json(scored)
    else:
        _print_table(scored)


def _print_json(scored: Iterable[Scored]) -> None:
    """Print a JSON list, one element at a time: a file can have many rows."""
    separator = "[\n"
    for one in scored:
        element = to_jsonable_python({**one.fields, **(one.result or {})})
        text = json.dumps(element, indent=2, ensure_ascii=False)
        print_text(separator + text, ends_line=False)
        separator = ",\n"
    print_text("[]" if separator.startswith("[") else "\n]")


def _print_table(scored: Iterable[Scored]) -> None:
    rows = table("", "indication", "grade", "score", "range", "coverage", "summary")
    for number, one in enumerate(scored, 1):
        name = escape(one.name) or str(number)
        unscored = [*[""] * 5, escape(one.problem)]
        rows.add_row(name, *(_cells(one.plan, one.result) if one.result else unscored))
    out.print(rows)


def _cells(plan: Plan, result: Score) -> list[str]:
    cuts = plan.question_set.cuts
    coverage = result["coverage"]
    return [
        result["indication"] or "",
        escape(result["grade"] or ""),
        _figure_text(result["score"], cuts),
        _range_text(result["lowest"], result["highest"], cuts),
        "" if coverage is None else f"{rounded(100 * coverage, COVERAGE_CUTS)} %",
        escape(result["summary"]),
    ]


def _figure_text(figure: float | None, cuts: Sequence[int]) -> str:
    return "" if figure is None else str(rounded(figure, cuts))


def _range_text(lowest: float | None, highest: float | None, cuts: Sequence[int]) -> str:
    if lowest is None or highest is None:
        return ""
    return f"{_figure_text(lowest, cuts)} to {_figure_text(highest, cuts)}"
