"""A question set as one plain SELECT that returns the figures of `score.py`, with the same bits.

Each table expression reads the one before: the input, the values that can be read, the states of the
questions, sums of integers, figures. All sums, comparisons and products are on integers. Each figure is one
division in double precision; the score of two sides is one product and one square root more.
"""

from collections.abc import Iterator

from app.scoring.flaws import Flaw, Flawed
from app.scoring.plan import Plan
from app.scoring.sql.dialects import EXECUTED, Dialect
from app.scoring.sql.figures import ALL, FIGURES, Tally, sums, totals
from app.scoring.sql.indications import (
    HAS_PROBLEM,
    can_be_fit,
    grade,
    indications,
    reportable,
    score,
    weaker_side,
)
from app.scoring.sql.question_states import asked_of, question_states, reading
from app.scoring.sql.sources import Long, Wide
from app.scoring.sql.words import NO_NUMBER, case, listed, name, select, select_more

SETTLED = ("fit", "no_fit", "mixed")


def score_sql(plan: Plan, source: Wide | Long, dialect: Dialect) -> str:
    """The statement; its columns are the id, `problem` and the figures.

    A row that cannot be scored has the text `problem` and no figures. `blockers` and `unread_attributes` are
    names separated by commas, or NULL. Answers count as given now, so none is stale. The statement does not
    read questions of gated steps. Raises `Flawed` if the id has the name of a figure, and for questions that
    cannot be `not_applicable`.
    """
    question_set = plan.question_set
    asked = asked_of(question_set, source)
    dimensions = [Tally(question_set, dimension.key) for dimension in question_set.dimensions]
    total = Tally(question_set, ALL)
    units = dimensions if plan.reciprocal else [total]
    tables = [
        *source.read(question_set, [one.question for one in asked]),
        ("_read", select(reading(question_set, asked), "_input")),
        ("_states", select(question_states(question_set, asked), "_read")),
        ("_sums", select(sums(question_set, asked), "_states")),
        ("_totals", select(totals(question_set, asked), "_sums")),
        ("_figures", select_more(_figures(plan, dimensions, units), "_totals")),
        ("_indications", select_more(indications(question_set, units), "_figures")),
    ]
    # SQLGlot takes long to import, and few services write SQL.
    from app.scoring.sql.translation import translate  # noqa: PLC0415

    expressions = ", ".join(f"{table} AS ({query})" for table, query in tables)
    columns = list(_columns(plan, dimensions, units))
    if source.id.lower() in {column for column, _ in columns}:
        raise Flawed([Flaw("/id", "a figure has that name: give the column another one", "not_allowed")])
    columns.insert(0, (source.id, name("id")))
    return _heading(plan, dialect) + translate(
        dialect, f"WITH {expressions} {select(columns, '_indications')}"
    )


def _figures(plan: Plan, dimensions: list[Tally], units: list[Tally]) -> Iterator[tuple[str, str]]:
    for group in dimensions if plan.reciprocal else [*dimensions, *units]:
        yield from group.figures()
    yield from can_be_fit(plan.question_set, units)


def _columns(plan: Plan, dimensions: list[Tally], units: list[Tally]) -> Iterator[tuple[str, str]]:
    question_set = plan.question_set
    total = Tally(question_set, ALL)
    yield "problem", name("problem")
    yield "indication", name("indication")
    yield (
        "settled",
        case((HAS_PROBLEM, "NULL"), otherwise=f"COALESCE(indication IN {listed(SETTLED)}, FALSE)"),
    )
    yield "leaning", name("leaning")
    yield "score", score(units, _combined(units, "estimate"))
    yield "lowest", _combined(units, "lowest")
    yield "highest", _combined(units, "highest")
    yield "coverage", _least([unit["coverage"] for unit in units])
    yield "reportable", reportable(units)
    yield "needed_average", NO_NUMBER if plan.reciprocal else total["needed_average"]
    yield from total.points().items()
    yield "grade", grade(question_set, units)
    yield "weaker_side", weaker_side(question_set, units)
    yield "blockers", name("blockers")
    yield "unread_attributes", name("unread_attributes")
    for dimension in dimensions:
        for figure, expression in dimension.points().items():
            yield f"{dimension.group}_{figure}", expression
        for figure in FIGURES:
            yield f"{dimension.group}_{figure}", dimension[figure]
        needed = dimension["needed_average"] if plan.reciprocal else NO_NUMBER
        yield f"{dimension.group}_needed_average", needed
    for step in question_set.steps:
        for question in step.questions:
            if question.must_reach is not None:
                yield f"{question.key}_missed", name(f"{question.key}_missed")


def _combined(units: list[Tally], figure: str) -> str:
    """The figure of the pool, or √(u·v) of two sides."""
    if len(units) == 1:
        return units[0][figure]
    return f"SQRT({units[0][figure]} * {units[1][figure]})"


def _least(figures: list[str]) -> str:
    """The lowest figure; NULL if one is NULL."""
    if len(figures) == 1:
        return figures[0]
    left, right = figures
    return case((f"{left} <= {right}", left), (f"{right} < {left}", right))


def _heading(plan: Plan, dialect: Dialect) -> str:
    tried = (
        "" if dialect in EXECUTED else f"-- Nobody has run this on {dialect} yet: compare some rows first.\n"
    )
    return f"-- {plan.name} for {dialect}\n{tried}"
