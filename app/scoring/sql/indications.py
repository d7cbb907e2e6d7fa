"""What a row's figures indicate, as columns: what `indication.py` and `grades.py` say of one prospect."""

from collections.abc import Iterator

from app.scoring.question_set import QuestionSet, Thresholds
from app.scoring.sql.figures import BARRED, KNOCK_OUT_IS_OPEN, KNOCKED_OUT, MUST_REACH_IS_OPEN, Tally
from app.scoring.sql.words import NO_NUMBER, NO_TEXT, all_of, any_of, case, literal, name

WRONG = f"{name('problem')} IS NOT NULL"
OUT, IS_BARRED = name(KNOCKED_OUT), name(BARRED)
MUST_IS_OPEN, OUT_IS_OPEN = name(MUST_REACH_IS_OPEN), name(KNOCK_OUT_IS_OPEN)
CAN_BE_FIT = "_can_be_fit"


def reportable(units: list[Tally]) -> str:
    """Whether every unit is."""
    return all_of(unit["reportable"] for unit in units)


def can_be_fit(question_set: QuestionSet, units: list[Tally]) -> Iterator[tuple[str, str]]:
    """Whether the best rating of every open question would make it a fit; no column without thresholds."""
    if cuts := question_set.thresholds:
        enough = [unit.can_be_fit(cuts.fit_at) for unit in units]
        yield CAN_BE_FIT, all_of([f"NOT {OUT}", f"NOT {IS_BARRED}", *enough])


def indications(question_set: QuestionSet, units: list[Tally]) -> Iterator[tuple[str, str]]:
    """The columns indication and leaning and the needed average of every unit, NULL without thresholds."""
    cuts = question_set.thresholds
    yield "indication", _indication(cuts, units) if cuts else NO_TEXT
    yield "leaning", _leaning(cuts, units) if cuts else NO_TEXT
    for unit in units:
        needed = case((name(CAN_BE_FIT), unit.needed_average(cuts.fit_at))) if cuts else NO_NUMBER
        yield f"{unit.group}_needed_average", needed


def _indication(cuts: Thresholds, units: list[Tally]) -> str:
    """The rules in the order of `indicate`."""
    can_be_more = all_of(unit.highest_reaches(cuts.no_fit_below) for unit in units)
    is_enough = all_of(unit.lowest_reaches(cuts.fit_at) for unit in units)
    stays_more = all_of(unit.lowest_reaches(cuts.no_fit_below) for unit in units)
    return case(
        (WRONG, NO_TEXT),
        (any_of([OUT, f"NOT {can_be_more}"]), literal("no_fit")),
        (any_of(f"{unit.weight} = 0" for unit in units), literal("unscorable")),
        (
            all_of([f"NOT {MUST_IS_OPEN}", f"NOT {IS_BARRED}", reportable(units), is_enough]),
            literal("fit"),
        ),
        (all_of([f"NOT {OUT_IS_OPEN}", stays_more, f"NOT {name(CAN_BE_FIT)}"]), literal("mixed")),
        otherwise=literal("undetermined"),
    )


def _leaning(cuts: Thresholds, units: list[Tally]) -> str:
    """With nothing open, a set that is reportable is a fit, no fit or mixed."""
    is_more = all_of(unit.estimate_reaches(cuts.no_fit_below) for unit in units)
    is_enough = all_of(unit.estimate_reaches(cuts.fit_at) for unit in units)
    return case(
        (WRONG, NO_TEXT),
        (f"NOT {reportable(units)}", NO_TEXT),
        (any_of([OUT, f"NOT {is_more}"]), literal("no_fit")),
        (all_of([f"NOT {IS_BARRED}", is_enough]), literal("fit")),
        otherwise=literal("mixed"),
    )


def score(units: list[Tally], combined: str) -> str:
    """The combined estimate; NULL until every unit is reportable, and when a knock-out is missed."""
    return case((all_of([reportable(units), f"NOT {OUT}"]), combined))


def grade(question_set: QuestionSet, units: list[Tally]) -> str:
    """The weakest unit's grade by its estimate, where `grade` of `grades.py` gives one."""
    if not question_set.grades:
        return NO_TEXT
    cuts = question_set.thresholds
    no_grade = [WRONG, f"NOT {reportable(units)}"]
    no_grade += [OUT, all_of([MUST_IS_OPEN, f"indication = {literal('undetermined')}"])] if cuts else []
    choices = []
    for one in question_set.grades:
        reached = [unit.estimate_reaches(one.at) for unit in units]
        of_a_fit = cuts is not None and one.at >= cuts.fit_at
        choices.append((all_of([*reached, f"NOT {IS_BARRED}"] if of_a_fit else reached), literal(one.grade)))
    return case(*((condition, NO_TEXT) for condition in no_grade), *choices)


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
