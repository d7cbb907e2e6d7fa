"""The sums and figures as columns, as `tally.py` computes them for one prospect."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.scoring.question_set import QuestionSet
from app.scoring.sql.question_states import Asked
from app.scoring.sql.words import added, all_of, any_of, case, literal, name, names_of, ratio, times

# `weight` and `counted` are those of the rated and open questions, `all_weight` is that of all that apply.
SUMS = ("earned", "rated_weight", "weight", "all_weight", "rated", "counted", "not_applicable")
KEPT = ("id", "problem", "unread_attributes")
# The key of a dimension never starts with '_'.
HAS_MISSED_KNOCK_OUT, HAS_OTHER_BLOCKER = "_has_missed_knock_out", "_has_other_blocker"
MUST_REACH_IS_OPEN, KNOCK_OUT_IS_OPEN = "_must_reach_is_open", "_knock_out_is_open"
FIGURES = ("estimate", "lowest", "highest", "coverage", "reportable")
POINTS = ("points", "points_min", "points_max", "rated", "open", "not_applicable")
HAS_NO_PROBLEM = f"{name('problem')} IS NULL"
ALL = "_all"


@dataclass(frozen=True, slots=True)
class Tally:
    """The tally of a dimension or of all of them: `group` is the prefix of its columns."""

    question_set: QuestionSet
    group: str

    def __getitem__(self, figure: str) -> str:
        return name(f"{self.group}_{figure}")

    @property
    def span(self) -> int:
        """D, the highest minus the lowest rating of the scale."""
        return self.question_set.scale.max - self.question_set.scale.min

    @property
    def open_weight(self) -> str:
        """W_U."""
        return f"({self['weight']} - {self['rated_weight']})"

    @property
    def max_earned(self) -> str:
        """What `earned` is if every open question gets the best rating."""
        return f"({self['earned']} + {self.span} * {self.open_weight})"

    def lowest_reaches(self, cut: int) -> str:
        """Whether lowest ≥ cut, compared exactly."""
        return f"100 * {self['earned']} >= {cut * self.span} * {self['weight']}"

    def highest_reaches(self, cut: int) -> str:
        """Whether highest ≥ cut, compared exactly."""
        return f"100 * {self.max_earned} >= {cut * self.span} * {self['weight']}"

    def estimate_reaches(self, cut: int) -> str:
        """Whether estimate ≥ cut, compared exactly."""
        return f"100 * {self['earned']} >= {cut * self.span} * {self['rated_weight']}"

    @property
    def can_be_reportable(self) -> str:
        """Whether coverage is at least one half if every open question is rated."""
        return f"2 * {self['weight']} >= {self['all_weight']}"

    def can_be_fit(self, cut: int) -> str:
        """Whether the best ratings for the open questions are enough for a fit."""
        return all_of([f"{self['weight']} > 0", self.highest_reaches(cut), self.can_be_reportable])

    def figures(self) -> Iterator[tuple[str, str]]:
        """The columns of FIGURES."""
        earned, all_weight = f"100 * {self['earned']}", self["all_weight"]
        expressions = {
            "estimate": ratio(earned, f"({self.span} * {self['rated_weight']})"),
            "lowest": ratio(earned, f"({self.span} * {self['weight']})"),
            "highest": ratio(f"100 * {self.max_earned}", f"({self.span} * {self['weight']})"),
            "coverage": ratio(self["rated_weight"], all_weight),
            "reportable": f"({all_weight} > 0 AND {all_weight} <= 2 * {self['rated_weight']})",
        }
        for figure, expression in expressions.items():
            yield f"{self.group}_{figure}", expression

    def needed_average(self, cut: int) -> str:
        """The average that the open questions need for an estimate of `cut`; NULL if nothing is open."""
        missing = f"{cut * self.span} * {self['weight']} - 100 * {self['earned']}"
        floor = f"{100 * self.question_set.scale.min} * CAST({self.open_weight} AS BIGINT)"
        needed = f"{floor} + {case((f'{missing} > 0', missing), otherwise='0')}"
        return ratio(f"({needed})", f"(100 * {self.open_weight})")

    def points(self) -> dict[str, str]:
        """The columns of POINTS by name."""
        scale = self.question_set.scale
        return {
            "points": f"{self['earned']} + {literal(scale.min)} * {self['rated_weight']}",
            "points_min": f"{literal(scale.min)} * {self['weight']}",
            "points_max": f"{literal(scale.max)} * {self['weight']}",
            "rated": self["rated"],
            "open": f"{self['counted']} - {self['rated']}",
            "not_applicable": self["not_applicable"],
        }


def sums(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with the sums of each dimension and the state of the must-reach questions."""
    for column in KEPT:
        yield column, name(column)
    for dimension in question_set.dimensions:
        inside = [one for one in asked if one.question.dimension == dimension.key]
        for figure, total in zip(SUMS, _sums(inside, question_set.scale.min), strict=True):
            yield f"{dimension.key}_{figure}", total
    must = [one for one in asked if one.question.must_reach is not None]
    for one in must:
        yield one.question.key + "_missed", f"CAST({_misses(one)} AS INTEGER)"
    knock_outs = [one for one in must if one.question.if_missed == "no_fit"]
    missed = [(one.question.key, _misses(one)) for one in knock_outs]
    others = [(one.question.key, condition) for one in must if (condition := _is_other_blocker(one))]
    yield "blockers", names_of([*missed, *others])
    yield HAS_MISSED_KNOCK_OUT, any_of(condition for _, condition in missed)
    yield HAS_OTHER_BLOCKER, any_of(condition for _, condition in others)
    yield MUST_REACH_IS_OPEN, any_of(one.is_open for one in must)
    yield KNOCK_OUT_IS_OPEN, any_of(one.is_open for one in knock_outs)


def totals(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """The same columns and the sums of all dimensions; NULL if the row has a problem.

    The figures are then NULL, too. (A CASE inside the sums would keep the database from computing common
    parts only once.)
    """
    groups = [dimension.key for dimension in question_set.dimensions]
    for column in (
        "id",
        "problem",
        HAS_MISSED_KNOCK_OUT,
        HAS_OTHER_BLOCKER,
        MUST_REACH_IS_OPEN,
        KNOCK_OUT_IS_OPEN,
    ):
        yield column, name(column)
    for column in ("unread_attributes", "blockers"):
        yield column, case((HAS_NO_PROBLEM, name(column)))
    for one in asked:
        if one.question.must_reach is not None:
            missed = one.question.key + "_missed"
            yield missed, case((HAS_NO_PROBLEM, name(missed)))
    for figure in SUMS:
        for group in groups:
            yield f"{group}_{figure}", _unless_problem(name(f"{group}_{figure}"))
        yield f"{ALL}_{figure}", _unless_problem(added(name(f"{group}_{figure}") for group in groups))


def _unless_problem(total: str) -> str:
    return case((HAS_NO_PROBLEM, total))


def _misses(one: Asked) -> str:
    return f"({one.is_rated} AND {one.rating} < {literal(one.question.must_reach or 0)})"


def _is_other_blocker(one: Asked) -> str | None:
    """Whether it prevents a fit for now: not applicable, or missed and no knock-out; None if it cannot."""
    conditions = [] if one.question.if_missed == "no_fit" else [_misses(one)]
    conditions += [one.is_skipped] if one.may_be_skipped else []
    return any_of(conditions) if conditions else None


def _sums(inside: list[Asked], lowest: int) -> list[str]:
    """The expressions of SUMS for some questions."""
    weighted = [one for one in inside if one.question.weight]
    ratings = added(times(one.question.weight, one.rating) for one in weighted)
    skippable = [one for one in inside if one.may_be_skipped]
    return [
        f"{ratings} - {literal(lowest * sum(map(_weight, weighted)))}",
        _total(weighted, _weight, lambda one: [one.is_rated]),
        _total(weighted, _weight, lambda one: one.counts),
        _total(weighted, _weight, lambda one: one.applies),
        _total(inside, _once, lambda one: [one.is_rated]),
        _total(inside, _once, lambda one: one.counts),
        _total(skippable, _once, lambda one: [one.is_skipped]),
    ]


def _weight(one: Asked) -> int:
    return one.question.weight


def _once(_: Asked) -> int:
    return 1


def _total(
    inside: list[Asked], worth: Callable[[Asked], int], conditions: Callable[[Asked], list[str]]
) -> str:
    """The sum of `worth` over the questions that meet their conditions; those without any always count."""
    always = sum(worth(one) for one in inside if not conditions(one))
    terms = [
        times(worth(one), f"CAST({all_of(met)} AS INTEGER)") for one in inside if (met := conditions(one))
    ]
    return added([*([str(always)] if always else []), *terms])
