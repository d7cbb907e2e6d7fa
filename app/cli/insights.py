"""`insights NAME`: print the reports on outcomes as tables."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel
from rich.markup import escape

from app.cli.console import counted, print_document, print_text
from app.cli.fresh_scores import read_scores
from app.cli.plans import published_plans
from app.cli.terminal import out, table
from app.files.columns import Value, as_rounded_text
from app.files.writer import writer_of
from app.insights.account_schemas import ConcentrationFilter, PortfolioFilter
from app.insights.conclusion_schemas import OutcomesFilter
from app.insights.report import Reading, ReportName, Table
from app.insights.reports import catalogue
from app.insights.schemas import InsightFilter, SetInsightFilter
from app.schemas import In

# --format csv and --format json print all rows.
MAX_PRINTED_ROWS = 50
# Columns that only the CSV file has: ids, and what would make a table wider than a terminal.
NOT_PRINTED = {
    *("prospect_id", "session_id", "sentence", "question", "step", "item_rest"),
    *("win_rate_lower_bound", "win_rate_upper_bound", "share_of_won", "share_of_lost"),
    *("won_median", "lost_median", "no_decision_total", "no_decision_median"),
}
Text = str | None
PrintFormat = Literal["table", "csv", "json"]
SetOption = Annotated[
    str, typer.Option("--set", help="The question set: key@version, or key for all versions.")
]
AnySet = Annotated[Text, typer.Option("--set", help="Only this question set: key or key@version.")]
Since = Annotated[Text, typer.Option(metavar="DAY", help="Only what happened on or after this day.")]
Before = Annotated[Text, typer.Option(metavar="DAY", help="Only what happened before this day.")]
Segment = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ATTRIBUTE:VALUE",
        help="Only prospects with this attribute, such as industry:logistics. Can be repeated.",
    ),
]
Assessor = Annotated[Text, typer.Option(help="Only sessions of this assessor.")]
Hindsight = Annotated[
    Text,
    typer.Option(
        metavar="exclude|include",
        help="include: also show, separately, the sessions whose ratings came with the outcome.",
    ),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CRITERION",
        help="reason, competitor, question_set, month, quarter, year, or attribute:NAME. Can be repeated.",
    ),
]
Format = Annotated[PrintFormat, typer.Option("--format", "-f", help="How to print the report.")]

insights = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Print what outcomes say about scores, questions, people and accounts.",
)


@insights.command("calibration")
def print_calibration(
    question_set: SetOption,
    *,
    since: Since = None,
    before: Before = None,
    segment: Segment = None,
    assessor: Assessor = None,
    hindsight: Hindsight = None,
    output_format: Format = "table",
) -> None:
    """Print what share of the sessions was won at each score."""
    _print("calibration", SetInsightFilter, locals(), output_format)


@insights.command("questions")
def print_questions(
    question_set: SetOption,
    *,
    since: Since = None,
    before: Before = None,
    segment: Segment = None,
    assessor: Assessor = None,
    hindsight: Hindsight = None,
    output_format: Format = "table",
) -> None:
    """Print how the ratings of won and lost sessions differ on each question of a set."""
    _print("questions", SetInsightFilter, locals(), output_format)


@insights.command("assessors")
def print_assessors(
    question_set: SetOption,
    *,
    since: Since = None,
    before: Before = None,
    segment: Segment = None,
    assessor: Assessor = None,
    hindsight: Hindsight = None,
    output_format: Format = "table",
) -> None:
    """Print how far assessors agree on each question, and which questions they skip."""
    _print("assessors", SetInsightFilter, locals(), output_format)


@insights.command("decisions")
def print_decisions(
    *,
    question_set: AnySet = None,
    since: Since = None,
    before: Before = None,
    segment: Segment = None,
    assessor: Assessor = None,
    hindsight: Hindsight = None,
    output_format: Format = "table",
) -> None:
    """Print how often people decide differently from the indication, and how it ended."""
    _print("decisions", InsightFilter, locals(), output_format)


@insights.command("outcomes")
def print_outcomes(
    *,
    question_set: AnySet = None,
    by: By = None,
    since: Since = None,
    before: Before = None,
    segment: Segment = None,
    assessor: Assessor = None,
    hindsight: Hindsight = None,
    output_format: Format = "table",
) -> None:
    """Print how many deals were won and lost, by reason, competitor, question set and quarter."""
    _print("outcomes", OutcomesFilter, locals(), output_format)


@insights.command("portfolio")
def print_portfolio(
    question_set: SetOption,
    *,
    since: Annotated[
        Text, typer.Option(metavar="DAY", help="Also show where each account was at the start of this day.")
    ] = None,
    segment: Segment = None,
    assessor: Assessor = None,
    output_format: Format = "table",
) -> None:
    """Print the cell of the portfolio that each account is in."""
    _print("portfolio", PortfolioFilter, locals(), output_format)


@insights.command("concentration")
def print_concentration(  # noqa: PLR0913  # one option for each filter
    *,
    by: Annotated[
        Text, typer.Option(metavar="attribute|amount", help="An attribute, or the amounts of the deals won.")
    ] = None,
    attribute: Annotated[Text, typer.Option(help="The attribute, such as annual_revenue_with_us.")] = None,
    currency: Annotated[Text, typer.Option(help="The currency of the amounts: EUR.")] = None,
    question_set: AnySet = None,
    since: Since = None,
    before: Before = None,
    segment: Segment = None,
    assessor: Assessor = None,
    output_format: Format = "table",
) -> None:
    """Print how much of an amount the largest accounts hold."""
    _print("concentration", ConcentrationFilter, locals(), output_format)


def _print(
    name: ReportName, filter_type: type[In], options: Mapping[str, Any], output_format: PrintFormat
) -> None:
    """Print a report. `options` has the value of every option; None if it was not given."""
    with published_plans() as (database, plans):
        sent = {field: value for field in filter_type.model_fields if (value := options.get(field))}
        filters = filter_type.model_validate(sent)
        report = catalogue().reports[name]
        read = read_scores(database, plans, lambda tx: report.read(Reading(tx, plans, filters)))
        computed = report.compute(read)
        if output_format == "json":
            print_text(computed.model_dump_json(indent=2))
        elif output_format == "csv":
            print_document(_csv(report.table(computed)))
        else:
            _print_tables(computed, report.table(computed))


def _csv(shown: Table) -> str:
    """Return a table as CSV. Programs read it from a pipe, so it has no byte order mark."""
    writer = writer_of("csv")(shown.columns)
    content = writer.write(shown.rows) + b"".join(writer.finish())
    return content.decode("utf-8-sig").replace("\r\n", "\n").rstrip("\n")


def _print_tables(computed: Any, shown: Table) -> None:
    print_text(computed.summary)
    if shown.rows:
        print_text("")
        _print_rows(shown)
    if reasons := _left_out(getattr(computed, "excluded", None)):
        print_text("\nNot counted:")
        for count, reason in reasons:
            print_text(f"{count:>7,}  {reason}")


def _print_rows(shown: Table) -> None:
    """Print the first rows, and below them the sentences that they have."""
    places = {column.name: place for place, column in enumerate(shown.columns)}
    first = shown.rows[:MAX_PRINTED_ROWS]
    names = [name for name in places if _is_printed(name, [row[places[name]] for row in first])]
    rows = table(*(name.replace("_", " ") for name in names))
    for name, column in zip(names, rows.columns, strict=True):
        if shown.columns[places[name]].type in ("integer", "number"):
            column.justify = "right"
    for row in first:
        rows.add_row(*(escape(_cell(row, name, places)) for name in names))
    out.print(rows)
    if more := len(shown.rows) - len(first):
        print_text(f"{counted(more, 'more row')}: --format csv prints all.")
    if "sentence" in places:
        print_text("")
        for row in first:
            print_text(f"{row[places['label']]}: {row[places['sentence']]}")


def _is_printed(name: str, values: Sequence[Value]) -> bool:
    """Whether a column is printed. The limits of an interval are beside the estimate."""
    if name in NOT_PRINTED or name.endswith(("_low", "_high")):
        return False
    return any(value is not None and value is not False for value in values)


def _cell(row: Sequence[Value], name: str, places: Mapping[str, int]) -> str:
    """Return a value for people, with its interval if it has one."""
    value = as_rounded_text(row[places[name]])
    ends = [as_rounded_text(row[places[end]]) for end in (f"{name}_low", f"{name}_high") if end in places]
    return f"{value} ({' to '.join(ends)})" if all(ends) and len(ends) == 2 and value else value


def _left_out(excluded: BaseModel | None) -> Sequence[tuple[int, str]]:
    """Return how many things are not counted, with the reasons."""
    if excluded is None:
        return []
    fields = type(excluded).model_fields
    counts = {name: getattr(excluded, name) for name in fields}
    return [(counts[name], field.description or name) for name, field in fields.items() if counts[name]]
