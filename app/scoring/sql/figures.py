"""Sums and figures, as columns: what `tally.py`, `indication.py` and `grades.py` do for one prospect."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from app.scoring.question_set import QuestionSet
from app.scoring.sql.standing import Asked
from app.scoring.sql.words import added, all_of, any_of, case, literal, name, names_of, ratio, times

SUMS = ("earned", "rated_weight", "open_weight", "skipped_weight", "rated", "open", "not_applicable")
CARRIED = ("id", "problem", "unread_attributes")
# No dimension's name starts with '_'.
KNOCKED_OUT, BARRED = "_knocked_out", "_barred"
MUST_REACH_IS_OPEN, KNOCK_OUT_IS_OPEN = "_must_reach_is_open", "_knock_out_is_open"
FIGURES = ("estimate", "lowest", "highest", "coverage", "reportable")
POINTS = ("points", "points_min", "points_max", "rated", "open", "not_applicable")
FINE = f"{name('problem')} IS NULL"
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

    def can_be_fit(self, cut: int) -> str:
        """Whether the best ratings of the open questions are enough for a fit."""
        return all_of([f"{self.weight} > 0", self.highest_reaches(cut), self.can_be_reportable])

    def figures(self) -> Iterator[tuple[str, str]]:
        """The columns of FIGURES."""
        reaches = f"100 * {self['earned']}"
        made = {
            "estimate": ratio(reaches, f"({self.span} * {self['rated_weight']})"),
            "lowest": ratio(reaches, f"({self.span} * {self.weight})"),
            "highest": ratio(f"100 * {self.most}", f"({self.span} * {self.weight})"),
            "coverage": ratio(self["rated_weight"], self.all_weight),
            "reportable": f"({self.all_weight} > 0 AND {self.all_weight} <= 2 * {self['rated_weight']})",
        }
        for figure, expression in made.items():
            yield f"{self.group}_{figure}", expression

    def needed_average(self, cut: int) -> str:
        """What the open ratings must average for an estimate of `cut`; NULL if nothing is open."""
        missing = f"{cut * self.span} * {self.weight} - 100 * {self['earned']}"
        floor = f"{100 * self.question_set.scale.min} * {self['open_weight']}"
        needed = f"{floor} + {case((f'{missing} > 0', missing), otherwise='0')}"
        return ratio(f"({needed})", f"(100 * {self['open_weight']})")

    def points(self) -> dict[str, str]:
        """The columns of POINTS by name."""
        scale = self.question_set.scale
        return {
            "points": f"{self['earned']} + {literal(scale.min)} * {self['rated_weight']}",
            "points_min": f"{literal(scale.min)} * {self.weight}",
            "points_max": f"{literal(scale.max)} * {self.weight}",
            **{counted: self[counted] for counted in ("rated", "open", "not_applicable")},
        }


def sums(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with the sums of every dimension, and what became of the must-reach questions."""
    for called in CARRIED:
        yield called, name(called)
    for dimension in question_set.dimensions:
        inside = [one for one in asked if one.question.dimension == dimension.key]
        for figure, total in zip(SUMS, _sums(inside, question_set.scale.min), strict=True):
            yield f"{dimension.key}_{figure}", total
    must = [one for one in asked if one.question.must_reach is not None]
    for one in must:
        yield one.question.key + "_missed", f"CAST({_misses(one)} AS INTEGER)"
    knock_outs = [one for one in must if one.question.if_missed == "no_fit"]
    out = [(one.question.key, _misses(one)) for one in knock_outs]
    barred = [(one.question.key, is_so) for one in must if (is_so := _bars(one))]
    yield "blockers", names_of([*out, *barred])
    yield KNOCKED_OUT, any_of(is_so for _, is_so in out)
    yield BARRED, any_of(is_so for _, is_so in barred)
    yield MUST_REACH_IS_OPEN, any_of(one.is_open for one in must)
    yield KNOCK_OUT_IS_OPEN, any_of(one.is_open for one in knock_outs)


def totals(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """The same columns, and the sums of all dimensions; NULL where the row has a problem.

    So are all figures that are made of them. (Within the sums a CASE would hide from the database
    that it adds up the same columns again and again.)
    """
    groups = [dimension.key for dimension in question_set.dimensions]
    for called in ("id", "problem", KNOCKED_OUT, BARRED, MUST_REACH_IS_OPEN, KNOCK_OUT_IS_OPEN):
        yield called, name(called)
    for called in ("unread_attributes", "blockers"):
        yield called, case((FINE, name(called)))
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


def _bars(one: Asked) -> str | None:
    """Whether it bars a fit without ruling it out: missed, if it is no knock-out, or not applicable."""
    bars = [] if one.question.if_missed == "no_fit" else [_misses(one)]
    bars += [one.is_skipped] if one.may_be_skipped else []
    return any_of(bars) if bars else None


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
