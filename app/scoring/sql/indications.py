"""The indication and the grade as columns, as `indication.py` and `grades.py` compute them."""

from collections.abc import Iterator

from app.scoring.question_set import QuestionSet, Thresholds
from app.scoring.sql.figures import (
    HAS_MISSED_KNOCK_OUT,
    HAS_OTHER_BLOCKER,
    KNOCK_OUT_IS_OPEN,
    MUST_REACH_IS_OPEN,
    Tally,
)
from app.scoring.sql.words import NO_NUMBER, NO_TEXT, all_of, any_of, case, literal, name

HAS_PROBLEM = f"{name('problem')} IS NOT NULL"
MISSED_KNOCK_OUT, OTHER_BLOCKER = name(HAS_MISSED_KNOCK_OUT), name(HAS_OTHER_BLOCKER)
OPEN_MUST_REACH, OPEN_KNOCK_OUT = name(MUST_REACH_IS_OPEN), name(KNOCK_OUT_IS_OPEN)
CAN_BE_FIT = "_can_be_fit"


def reportable(units: list[Tally]) -> str:
    """Whether every unit is reportable."""
    return all_of(unit["reportable"] for unit in units)


def can_be_fit(question_set: QuestionSet, units: list[Tally]) -> Iterator[tuple[str, str]]:
    """Whether the best rating for every open question would give a fit; no column without thresholds."""
    if thresholds := question_set.thresholds:
        enough = [unit.can_be_fit(thresholds.fit_at) for unit in units]
        yield CAN_BE_FIT, all_of([f"NOT {MISSED_KNOCK_OUT}", f"NOT {OTHER_BLOCKER}", *enough])


def indications(question_set: QuestionSet, units: list[Tally]) -> Iterator[tuple[str, str]]:
    """The indication, the leaning and the needed average of each unit; NULL without thresholds."""
    thresholds = question_set.thresholds
    yield "indication", _indication(thresholds, units) if thresholds else NO_TEXT
    yield "leaning", _leaning(thresholds, units) if thresholds else NO_TEXT
    for unit in units:
        needed = case((name(CAN_BE_FIT), unit.needed_average(thresholds.fit_at))) if thresholds else NO_NUMBER
        yield f"{unit.group}_needed_average", needed


def _indication(thresholds: Thresholds, units: list[Tally]) -> str:
    """The rules of `indicate`, in the same order."""
    can_avoid_no_fit = all_of(unit.highest_reaches(thresholds.no_fit_below) for unit in units)
    is_fit = all_of(unit.lowest_reaches(thresholds.fit_at) for unit in units)
    cannot_be_no_fit = all_of(unit.lowest_reaches(thresholds.no_fit_below) for unit in units)
    return case(
        (HAS_PROBLEM, NO_TEXT),
        (any_of([MISSED_KNOCK_OUT, f"NOT {can_avoid_no_fit}"]), literal("no_fit")),
        (any_of(f"{unit['weight']} = 0" for unit in units), literal("unscorable")),
        (
            all_of([f"NOT {OPEN_MUST_REACH}", f"NOT {OTHER_BLOCKER}", reportable(units), is_fit]),
            literal("fit"),
        ),
        (all_of([f"NOT {OPEN_KNOCK_OUT}", cannot_be_no_fit, f"NOT {name(CAN_BE_FIT)}"]), literal("mixed")),
        otherwise=literal("undetermined"),
    )


def _leaning(thresholds: Thresholds, units: list[Tally]) -> str:
    """The leaning, as in `lean`; NULL until every unit is reportable."""
    is_not_no_fit = all_of(unit.estimate_reaches(thresholds.no_fit_below) for unit in units)
    is_fit = all_of(unit.estimate_reaches(thresholds.fit_at) for unit in units)
    return case(
        (HAS_PROBLEM, NO_TEXT),
        (f"NOT {reportable(units)}", NO_TEXT),
        (any_of([MISSED_KNOCK_OUT, f"NOT {is_not_no_fit}"]), literal("no_fit")),
        (all_of([f"NOT {OTHER_BLOCKER}", is_fit]), literal("fit")),
        otherwise=literal("mixed"),
    )


def score(units: list[Tally], combined: str) -> str:
    """The combined estimate; NULL until every unit is reportable, and if a knock-out is missed."""
    return case((all_of([reportable(units), f"NOT {MISSED_KNOCK_OUT}"]), combined))


def grade(question_set: QuestionSet, units: list[Tally]) -> str:
    """The grade, as `grade` in `grades.py` computes it."""
    if not question_set.grades:
        return NO_TEXT
    thresholds = question_set.thresholds
    no_grade = [HAS_PROBLEM, f"NOT {reportable(units)}"]
    no_grade += (
        [MISSED_KNOCK_OUT, all_of([OPEN_MUST_REACH, f"indication = {literal('undetermined')}"])]
        if thresholds
        else []
    )
    choices = []
    for one in question_set.grades:
        reached = [unit.estimate_reaches(one.at) for unit in units]
        of_a_fit = thresholds is not None and one.at >= thresholds.fit_at
        choices.append(
            (all_of([*reached, f"NOT {OTHER_BLOCKER}"] if of_a_fit else reached), literal(one.grade))
        )
    return case(*((condition, NO_TEXT) for condition in no_grade), *choices)


def weaker_side(question_set: QuestionSet, units: list[Tally]) -> str:
    """The side with the lower estimate; NULL on a tie, and in a weighted set."""
    if question_set.combine != "reciprocal":
        return NO_TEXT
    left, right = units
    first_ratio = f"CAST({left['earned']} AS BIGINT) * {right['rated_weight']}"
    second_ratio = f"CAST({right['earned']} AS BIGINT) * {left['rated_weight']}"
    both = all_of(f"{unit['rated_weight']} > 0" for unit in units)
    first, second = (literal(dimension.key) for dimension in question_set.dimensions)
    return case(
        (HAS_PROBLEM, NO_TEXT),
        (all_of([both, f"{first_ratio} < {second_ratio}"]), first),
        (all_of([both, f"{first_ratio} > {second_ratio}"]), second),
    )
