"""Sums and figures, as columns: what `tally.py`, `indication.py` and `grades.py` do for one prospect."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from app.scoring.question_set import QuestionSet, Thresholds
from app.scoring.sql.standing import Asked
from app.scoring.sql.words import added, all_of, any_of, case, literal, name, ratio, times

SUMS = ("earned", "rated_weight", "open_weight", "skipped_weight", "rated", "open", "not_applicable")
FIGURES = ("estimate", "lowest", "highest", "coverage", "reportable", "needed_average")
POINTS = ("points", "points_min", "points_max", "rated", "open", "not_applicable")
FINE = f"{name('problem')} IS NULL"
# No dimension can be called that.
ALL = "_all"


@dataclass(frozen=True, slots=True)
class Tally:
    """What a dimension, or all of them, add up to: the columns of one group, by name."""

    question_set: QuestionSet
    group: str

    def __getitem__(self, figure: str) -> str:
        return name(f"{self.group}_{figure}")

    @property
    def span(self) -> int:
        """D, the width of the scale."""
        return self.question_set.scale.max - self.question_set.scale.min

    @property
    def weight(self) -> str:
        """W: what counts, rated or open."""
        return f"({self['rated_weight']} + {self['open_weight']})"

    @property
    def all_weight(self) -> str:
        """W + W_N."""
        return f"({self['rated_weight']} + {self['open_weight']} + {self['skipped_weight']})"

    @property
    def most(self) -> str:
        """What `earned` becomes once every open question is rated best."""
        return f"({self['earned']} + {self.span} * {self['open_weight']})"

    def lowest_reaches(self, cut: int) -> str:
        """Lowest ≥ cut, exactly."""
        return f"100 * {self['earned']} >= {cut * self.span} * {self.weight}"

    def highest_reaches(self, cut: int) -> str:
        """Highest ≥ cut, exactly."""
        return f"100 * {self.most} >= {cut * self.span} * {self.weight}"

    def estimate_reaches(self, cut: int) -> str:
        """Estimate ≥ cut, exactly: the lowest if nothing were open."""
        return f"100 * {self['earned']} >= {cut * self.span} * {self['rated_weight']}"

    @property
    def can_be_reportable(self) -> str:
        """Coverage is at least a half once every open question is rated."""
        return f"2 * {self.weight} >= {self.all_weight}"

    def figures(self, thresholds: Thresholds | None) -> Iterator[tuple[str, str]]:
        """The columns of FIGURES; the needed average only with thresholds."""
        reaches = f"100 * {self['earned']}"
        made = {
            "estimate": ratio(reaches, f"({self.span} * {self['rated_weight']})"),
            "lowest": ratio(reaches, f"({self.span} * {self.weight})"),
            "highest": ratio(f"100 * {self.most}", f"({self.span} * {self.weight})"),
            "coverage": ratio(self["rated_weight"], self.all_weight),
            "reportable": f"({self.all_weight} > 0 AND {self.all_weight} <= 2 * {self['rated_weight']})",
            "needed_average": self._needed_average(thresholds.fit_at) if thresholds else NO_NUMBER,
        }
        for figure, expression in made.items():
            yield f"{self.group}_{figure}", expression

    def _needed_average(self, cut: int) -> str:
        missing = f"{cut * self.span} * {self.weight} - 100 * {self['earned']}"
        floor = f"{100 * self.question_set.scale.min} * {self['open_weight']}"
        needed = f"{floor} + {case((f'{missing} > 0', missing), otherwise='0')}"
        is_needed = all_of([f"{self['open_weight']} > 0", self.highest_reaches(cut)])
        return case((is_needed, ratio(f"({needed})", f"(100 * {self['open_weight']})")))

    def points(self) -> dict[str, str]:
        """The columns of POINTS by name."""
        scale = self.question_set.scale
        return {
            "points": f"{self['earned']} + {literal(scale.min)} * {self['rated_weight']}",
            "points_min": f"{literal(scale.min)} * {self.weight}",
            "points_max": f"{literal(scale.max)} * {self.weight}",
            **{counted: self[counted] for counted in ("rated", "open", "not_applicable")},
        }


NO_NUMBER, NO_TEXT = "CAST(NULL AS DOUBLE)", "CAST(NULL AS VARCHAR)"


def sums(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with the sums of every dimension, and what became of the must-reach questions."""
    yield "id", name("id")
    yield "problem", name("problem")
    for dimension in question_set.dimensions:
        inside = [one for one in asked if one.question.dimension == dimension.key]
        for figure, total in zip(SUMS, _sums(inside, question_set.scale.min), strict=True):
            yield f"{dimension.key}_{figure}", total
    must = [one for one in asked if one.question.must_reach is not None]
    for one in must:
        yield one.question.key + "_missed", f"CAST({_misses(one)} AS INTEGER)"
    out = [one for one in must if one.question.if_missed == "no_fit"]
    bars = [_misses(one) for one in must if one not in out]
    yield "knocked_out", any_of(map(_misses, out))
    yield "held_back", any_of(bars + [one.is_skipped for one in must if one.may_be_skipped])
    yield "must_reach_is_open", any_of(one.is_open for one in must)
    yield "knock_out_is_open", any_of(one.is_open for one in out)


def totals(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """The same columns, and the sums of all dimensions; NULL where the row has a problem.

    So are all figures that are made of them. (Within the sums a CASE would hide from the database
    that it adds up the same columns again and again.)
    """
    groups = [dimension.key for dimension in question_set.dimensions]
    for called in ("id", "problem", "knocked_out", "held_back", "must_reach_is_open", "knock_out_is_open"):
        yield called, name(called)
    for one in asked:
        if one.question.must_reach is not None:
            missed = one.question.key + "_missed"
            yield missed, case((FINE, name(missed)))
    for figure in SUMS:
        for group in groups:
            yield f"{group}_{figure}", _if_fine(name(f"{group}_{figure}"))
        yield f"{ALL}_{figure}", _if_fine(added(name(f"{group}_{figure}") for group in groups))


def _if_fine(total: str) -> str:
    return case((FINE, f"CAST({total} AS BIGINT)"))


def _misses(one: Asked) -> str:
    return f"COALESCE({one.rating} < {literal(one.question.must_reach or 0)}, FALSE)"


def _sums(inside: list[Asked], lowest: int) -> list[str]:
    weighty = [one for one in inside if one.question.weight]
    points = added(times(one.question.weight, f"COALESCE({one.rating}, 0)") for one in weighty)
    weights = _totals(weighty, lambda one: one.question.weight)
    earned = f"({points} - {literal(lowest)} * {weights[0]})"
    return [earned, *weights, *_totals(inside, lambda _: 1)]


def _totals(inside: list[Asked], worth: Callable[[Asked], int]) -> tuple[str, str, str]:
    """What the rated, the open and the skipped ones are worth together."""

    def total(some: Iterable[Asked], said: Callable[[Asked], str]) -> str:
        return added(times(worth(one), f"CAST({said(one)} AS INTEGER)") for one in some)

    rated = total(inside, lambda one: one.is_rated)
    skippable = [one for one in inside if one.may_be_skipped]
    certain = not skippable and not any(one.conditional for one in inside)
    # What is not rated is open then: to say it so saves the database half of the work.
    opened = f"({sum(map(worth, inside))} - {rated})" if certain else total(inside, lambda one: one.is_open)
    return rated, opened, total(skippable, lambda one: one.is_skipped)
