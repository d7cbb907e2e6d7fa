"""What a row's figures indicate, as columns: what `indication.py` and `grades.py` say of one prospect."""

from collections.abc import Iterator

from app.scoring.question_set import QuestionSet, Thresholds
from app.scoring.sql.figures import NO_TEXT, Tally
from app.scoring.sql.words import all_of, any_of, case, literal, name

WRONG = f"{name('problem')} IS NOT NULL"
OUT, BARRED = name("knocked_out"), name("held_back")
MUST_IS_OPEN, OUT_IS_OPEN = name("must_reach_is_open"), name("knock_out_is_open")


def reportable(units: list[Tally]) -> str:
    """Whether every unit is."""
    return all_of(unit["reportable"] for unit in units)


def indications(question_set: QuestionSet, units: list[Tally]) -> Iterator[tuple[str, str]]:
    """The columns indication and so_far, NULL without thresholds."""
    cuts = question_set.thresholds
    yield "indication", _indication(cuts, units) if cuts else NO_TEXT
    yield "so_far", _so_far(cuts, units) if cuts else NO_TEXT


def _indication(cuts: Thresholds, units: list[Tally]) -> str:
    """The rules in the order of `indicate`."""
    can_be_more = all_of(unit.highest_reaches(cuts.no_fit_below) for unit in units)
    is_enough = all_of(unit.lowest_reaches(cuts.fit_at) for unit in units)
    stays_more = all_of(unit.lowest_reaches(cuts.no_fit_below) for unit in units)
    can_be_enough = [all_of([unit.highest_reaches(cuts.fit_at), unit.can_be_reportable]) for unit in units]
    fit_is_out = any_of([BARRED, f"NOT {all_of(can_be_enough)}"])
    return case(
        (WRONG, NO_TEXT),
        (any_of([OUT, f"NOT {can_be_more}"]), literal("no_fit")),
        (any_of(f"{unit.weight} = 0" for unit in units), literal("unscorable")),
        (
            all_of([f"NOT {MUST_IS_OPEN}", f"NOT {BARRED}", reportable(units), is_enough]),
            literal("fit"),
        ),
        (all_of([f"NOT {OUT_IS_OPEN}", stays_more, fit_is_out]), literal("mixed")),
        otherwise=literal("undetermined"),
    )


def _so_far(cuts: Thresholds, units: list[Tally]) -> str:
    """With nothing open, a set that is reportable is a fit, no fit or mixed."""
    is_more = all_of(unit.estimate_reaches(cuts.no_fit_below) for unit in units)
    is_enough = all_of(unit.estimate_reaches(cuts.fit_at) for unit in units)
    return case(
        (WRONG, NO_TEXT),
        (f"NOT {reportable(units)}", NO_TEXT),
        (any_of([OUT, f"NOT {is_more}"]), literal("no_fit")),
        (all_of([f"NOT {BARRED}", is_enough]), literal("fit")),
        otherwise=literal("mixed"),
    )


def grade(question_set: QuestionSet, units: list[Tally]) -> str:
    """The grade of the weakest unit by its estimate; NULL until reportable, and when knocked out."""
    choices = [
        (all_of(unit.estimate_reaches(grade.at) for unit in units), literal(grade.grade))
        for grade in question_set.grades
    ]
    if not choices:
        return NO_TEXT
    return case((WRONG, NO_TEXT), (f"NOT {reportable(units)}", NO_TEXT), (OUT, NO_TEXT), *choices)


def weaker_side(question_set: QuestionSet, units: list[Tally]) -> str:
    """The side with the lower estimate; NULL on a tie, and in a weighted set."""
    if question_set.combine != "reciprocal":
        return NO_TEXT
    left, right = units
    here = f"{left['earned']} * {right['rated_weight']}"
    there = f"{right['earned']} * {left['rated_weight']}"
    both = all_of(f"{unit['rated_weight']} > 0" for unit in units)
    first, second = (literal(dimension.key) for dimension in question_set.dimensions)
    return case(
        (WRONG, NO_TEXT),
        (all_of([both, f"{here} < {there}"]), first),
        (all_of([both, f"{here} > {there}"]), second),
    )
