"""A question set as one plain SELECT, that gives the figures of `score.py` to the last bit.

Each table expression reads the one before: what the table has, what of it can be read, where every
question stands, sums of integers, figures. Nothing but integers is added, compared and multiplied;
every figure is one division in double precision, and the score of two sides one product and one root.
"""

from collections.abc import Iterator

from app.scoring.flaws import Flaw, Flawed
from app.scoring.plan import Plan
from app.scoring.sql.dialects import EXECUTED, Dialect, told_in
from app.scoring.sql.figures import ALL, FIGURES, Tally, sums, totals
from app.scoring.sql.indications import (
    WRONG,
    can_be_fit,
    grade,
    indications,
    reportable,
    score,
    weaker_side,
)
from app.scoring.sql.sources import Long, Wide
from app.scoring.sql.standing import asked_of, reading, standing
from app.scoring.sql.words import NO_NUMBER, case, listed, name, select, select_more

SETTLED = ("fit", "no_fit", "mixed")


def score_sql(plan: Plan, source: Wide | Long, dialect: Dialect) -> str:
    """The statement; its columns are the id, `problem` and the figures.

    A row that cannot be scored has a `problem`, a text, and no figures. `blockers` and `unread_attributes`
    are names with commas between, and NULL if there are none. Answers are taken for given just now: none
    goes stale. Questions of gated steps are not read. Raises `Flawed` for an id that is called like a
    figure, and for questions that cannot be `not_applicable`.
    """
    question_set = plan.question_set
    asked = asked_of(question_set, source)
    dimensions = [Tally(question_set, dimension.key) for dimension in question_set.dimensions]
    total = Tally(question_set, ALL)
    units = dimensions if plan.reciprocal else [total]
    tables = [
        *source.read(question_set, [one.question for one in asked]),
        ("_read", select(reading(question_set, asked), "_told")),
        ("_standing", select(standing(question_set, asked), "_read")),
        ("_sums", select(sums(question_set, asked), "_standing")),
        ("_totals", select(totals(question_set, asked), "_sums")),
        ("_figures", select_more(_figures(plan, dimensions, units), "_totals")),
        ("_indications", select_more(indications(question_set, units), "_figures")),
    ]
    told = ", ".join(f"{called} AS ({query})" for called, query in tables)
    columns = list(_columns(plan, dimensions, units))
    if source.id.lower() in {called for called, _ in columns}:
        raise Flawed(
            [Flaw("/id", "a figure is called like that: give the column another name", "not_allowed")]
        )
    columns.insert(0, (source.id, name("id")))
    return _heading(plan, dialect) + told_in(dialect, f"WITH {told} {select(columns, '_indications')}")


def _figures(plan: Plan, dimensions: list[Tally], units: list[Tally]) -> Iterator[tuple[str, str]]:
    for group in dimensions if plan.reciprocal else [*dimensions, *units]:
        yield from group.figures()
    yield from can_be_fit(plan.question_set, units)


def _columns(plan: Plan, dimensions: list[Tally], units: list[Tally]) -> Iterator[tuple[str, str]]:
    question_set = plan.question_set
    total = Tally(question_set, ALL)
    yield "problem", name("problem")
    yield "indication", name("indication")
    yield "settled", case((WRONG, "NULL"), otherwise=f"COALESCE(indication IN {listed(SETTLED)}, FALSE)")
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
    """The pool's own figure, or √(u·v) of two sides."""
    if len(units) == 1:
        return units[0][figure]
    return f"SQRT({units[0][figure]} * {units[1][figure]})"


def _least(figures: list[str]) -> str:
    """The least, NULL if one is missing."""
    if len(figures) == 1:
        return figures[0]
    left, right = figures
    return case((f"{left} <= {right}", left), (f"{right} < {left}", right))


def _heading(plan: Plan, dialect: Dialect) -> str:
    tried = (
        "" if dialect in EXECUTED else f"-- Nobody has run this on {dialect} yet: compare some rows first.\n"
    )
    return f"-- {plan.name} for {dialect}\n{tried}"
