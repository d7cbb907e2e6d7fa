"""`score FILE`: score the answers in a JSON or CSV file, with nothing stored."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from app.clock import utc_now
from app.commands.console import err, failures_told, give_up, migrated_database, out, say, table
from app.http.strict_json import read_json
from app.question_sets.files import read_builtin
from app.question_sets.plans import Plans
from app.question_sets.publishing import publish_builtin
from app.scoring import Flawed, Plan, Score, read_answers, read_attributes, score, shape_flaws
from app.sessions.requests import ScoreRequest
from app.settings import Settings

NOT_APPLICABLE = ("n/a", "not_applicable")


File = Annotated[
    Path,
    typer.Argument(help="JSON as for POST /v1/score, or CSV.", exists=True, dir_okay=False),
]
SetOption = Annotated[str | None, typer.Option("--set", help="key or key@version; without it the default.")]


def score_file(
    file: Annotated[
        Path,
        typer.Argument(help="JSON as for POST /v1/score (or a list), or CSV.", exists=True, dir_okay=False),
    ],
    question_set: Annotated[
        str | None, typer.Option("--set", help="key or key@version; without it the default.")
    ] = None,
    output: Annotated[Literal["table", "json"], typer.Option("--output", "-o")] = "table",
) -> None:
    """Score answers from a file: one JSON object or a list, or a CSV with a column per question.

    CSV columns that are no question are attributes; an empty cell is open, n/a is not applicable.
    """
    with migrated_database() as database:
        database.write_here(lambda tx: publish_builtin(tx, read_builtin()))
        plans = Plans(database, Settings().default_question_set)
        plan = database.read_here(lambda tx: plans.find(tx, question_set))
    with failures_told():
        rows = list(_rows(file, plan))
    scores = [_score(plan, row, number) for number, row in rows]
    if output == "json":
        say(json.dumps([result.model_dump(mode="json") for result in scores], indent=2, ensure_ascii=False))
    else:
        _print_table(scores)


def _rows(file: Path, plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """What to score, each with how to call it in an error."""
    if file.suffix == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            _tell_ignored(reader.fieldnames or (), plan)
            for cells in reader:
                yield f"line {reader.line_num}", _request(cells, plan)
        return
    content = read_json(file.read_bytes())
    for number, item in enumerate(content if isinstance(content, list) else [content], 1):
        yield f"item {number}", item


def _tell_ignored(columns: Iterable[str], plan: Plan) -> None:
    known = {question.key for _, question in plan.asked} | set(plan.question_set.attributes)
    ignored = [column for column in columns if column not in known]
    if ignored:
        err.print(f"Not in {plan.name}, so ignored: {', '.join(ignored)}", markup=False)


def _request(cells: dict[str | None, Any], plan: Plan) -> dict[str, Any]:
    questions = {question.key for _, question in plan.asked}
    filled = {name: value for name, value in cells.items() if name and value}
    return {
        "answers": [_answer(name, filled[name]) for name in filled if name in questions],
        "attributes": {n: v for n, v in filled.items() if n in plan.question_set.attributes},
    }


def _answer(question: str, cell: str) -> dict[str, Any]:
    if cell.lower() in NOT_APPLICABLE:
        return {"question": question, "state": "not_applicable"}
    if cell.lower() == "unknown":
        return {"question": question, "state": "unknown"}
    return {"question": question, "rating": int(cell) if cell.isdigit() else cell}


def _score(plan: Plan, row: dict[str, Any], called: str) -> Score:
    try:
        request = TypeAdapter(ScoreRequest).validate_python(row)
        answers = read_answers(plan.question_set, request.sent())
        attributes = read_attributes(plan.question_set, request.attributes)
        return score(plan, answers, attributes, as_of=request.as_of or utc_now())
    except (Flawed, ValidationError) as error:
        flaws = error.flaws if isinstance(error, Flawed) else shape_flaws(error)
        give_up("\n".join(f"{called}: {flaw.pointer or '/'}: {flaw.detail}" for flaw in flaws))


def _print_table(scores: list[Score]) -> None:
    rows = table("", "indication", "score", "range", "coverage", "summary")
    for number, result in enumerate(scores, 1):
        rows.add_row(
            str(number),
            result.indication or "",
            _shown(result.score),
            f"{_shown(result.lowest)} to {_shown(result.highest)}",
            "" if result.coverage is None else f"{100 * result.coverage:.0f} %",
            result.summary,
        )
    out.print(rows)


def _shown(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.1f}"
