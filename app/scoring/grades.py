"""The grade of the weakest unit, and the grades it can still get."""

from collections.abc import Callable, Sequence

from app.scoring.question_set import Grade
from app.scoring.tally import Tally


def grade(grades: list[Grade], units: Sequence[Tally]) -> str | None:
    """The weakest unit's grade by its estimate; needs reportable units, None without grades."""
    closed = [unit.as_if_nothing_were_open() for unit in units]
    return grades[_weakest(grades, closed, Tally.lowest_reaches)].grade if grades else None


def grades_possible(grades: list[Grade], units: Sequence[Tally]) -> list[str]:
    """The grades within the weakest unit's range, best first; none when nothing counts in a unit."""
    if not grades or any(unit.weight == 0 for unit in units):
        return []
    best = _weakest(grades, units, Tally.highest_reaches)
    worst = _weakest(grades, units, Tally.lowest_reaches)
    return [grade.grade for grade in grades[best : worst + 1]]


def _weakest(grades: list[Grade], units: Sequence[Tally], reaches: Callable[[Tally, int], bool]) -> int:
    """The position of the best grade that every unit reaches; the last, at 0, is always reached."""
    return next(i for i, g in enumerate(grades) if all(reaches(unit, g.at) for unit in units))
