"""The states of the questions as columns, as `plan.py` computes them for one prospect."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.scoring.attributes import IS_ABSENT, MAX_INTEGER
from app.scoring.question_set import AttributeType, Condition, Question, QuestionSet, RateFrom, Value
from app.scoring.sql.sources import ATTRIBUTE, MARKED, RAW, Long, Wide
from app.scoring.sql.words import (
    all_of,
    case,
    folded_text,
    listed,
    literal,
    name,
    names_of,
    stripped_text,
)
from app.scoring.texts import folded

# Prefixes of columns: the rating in the table, moved onto the scale; a value that is NULL if the question is
# not rated; its rating; whether it applies; whether it applies and is not applicable. A question without a
# rating has the lowest one, with which it earns nothing.
READ, RATED, RATING, APPLIES, SKIPPED = "r_", "s_", "l_", "p_", "k_"
# Prefix of columns: whether an attribute has a value that the set cannot read.
UNREAD = "u_"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a statement; `conditional`: it has an `ask_when`; `may_be_skipped`: see the source."""

    question: Question
    conditional: bool
    may_be_skipped: bool

    @property
    def rating(self) -> str:
        """The rating; the lowest one of the scale if the question is not rated."""
        return name(RATING + self.question.key)

    @property
    def is_rated(self) -> str:
        """Whether the question is rated."""
        return f"{name(RATED + self.question.key)} IS NOT NULL"

    @property
    def is_open(self) -> str:
        """Whether the question applies and is open."""
        return all_of([f"{name(RATED + self.question.key)} IS NULL", *self.counts])

    @property
    def applies(self) -> list[str]:
        """The conditions under which the question applies."""
        return [name(APPLIES + self.question.key)] if self.conditional else []

    @property
    def counts(self) -> list[str]:
        """The conditions under which the question is rated or open."""
        return [*self.applies, *([f"NOT {self.is_skipped}"] if self.may_be_skipped else [])]

    @property
    def is_skipped(self) -> str:
        """Whether the question applies and is marked not applicable."""
        return name(SKIPPED + self.question.key) if self.may_be_skipped else "FALSE"


def asked_of(question_set: QuestionSet, source: Wide | Long) -> list[Asked]:
    """The questions of ungated steps."""
    return [
        Asked(question, bool(question.ask_when), source.can_be_not_applicable(question))
        for step in question_set.steps
        if not step.gated
        for question in step.questions
    ]


def reading(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with ratings and attributes, each with its type, and whether an attribute cannot be read."""
    scale = question_set.scale
    yield "id", name("id")
    yield "input_problem", name("input_problem")
    for one in asked:
        key = one.question.key
        raw = name(RAW + key)
        # GREATEST and LEAST skip NULL. DuckDB computes them once for each different value of a Parquet file.
        on_scale = f"LEAST(GREATEST({raw}, {literal(scale.min)}), {literal(scale.max)})"
        yield RAW + key, raw
        yield READ + key, f"CAST({on_scale} AS INTEGER)"
        if one.may_be_skipped:
            yield MARKED + key, name(MARKED + key)
    for attribute, declared in question_set.attributes.items():
        value = name(ATTRIBUTE + attribute)
        yield ATTRIBUTE + attribute, _read(declared, value)
        if declared != "text":
            yield UNREAD + attribute, _is_unread(declared, value)


def _read(declared: AttributeType, value: str) -> str:
    """An attribute with its declared type, texts folded; NULL if it is missing or cannot be read.

    The database refuses a column of another type, except that a column of texts may hold booleans.
    """
    if declared == "text":
        return f"NULLIF({folded_text(f'{value} COLLATE C')}, '')"
    if declared == "boolean":
        return case((f"{_as_text(value)} = 'true'", "TRUE"), (f"{_as_text(value)} = 'false'", "FALSE"))
    return case((_is_exact(value), f"CAST({value} AS DOUBLE)"))


def _is_unread(declared: AttributeType, value: str) -> str:
    is_read = _is_exact(value) if declared == "number" else f"{_as_text(value)} IN ('true', 'false')"
    is_not_blank = f"{stripped_text(_as_text(value))} <> ''"
    return f"COALESCE({case((is_read, 'FALSE'), otherwise=is_not_blank)}, FALSE)"


def _is_exact(value: str) -> str:
    return f"{value} + 0 BETWEEN {literal(-MAX_INTEGER)} AND {literal(MAX_INTEGER)}"


def _as_text(value: str) -> str:
    return f"CAST({value} AS VARCHAR) COLLATE C"


def question_states(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with the rating of each question, and with the other parts of its state."""
    yield "id", name("id")
    yield "problem", _problem(question_set, asked)
    unread = [(a, name(UNREAD + a)) for a, declared in question_set.attributes.items() if declared != "text"]
    yield "unread_attributes", names_of(unread)
    for one in asked:
        key = one.question.key
        applies, skipped = _meets(question_set, one.question.ask_when), name(MARKED + key)
        rated, rating = name(RAW + key), name(READ + key)
        counts = [applies] if one.conditional else []
        counts += [f"NOT {skipped}"] if one.may_be_skipped else []
        if counts or one.question.rate_from:
            by_rule = _by_rule(question_set, one.question.rate_from)
            rated = case((all_of([*counts, f"{rated} IS NOT NULL"]), rating), (all_of(counts), by_rule))
            rating = f"COALESCE({rated}, {literal(question_set.scale.min)})"
        yield RATED + key, rated
        yield RATING + key, rating
        if one.conditional:
            yield APPLIES + key, applies
        if one.may_be_skipped:
            yield SKIPPED + key, all_of([applies, skipped]) if one.conditional else skipped


def _problem(question_set: QuestionSet, asked: list[Asked]) -> str:
    """The first problem of a row; NULL if there is none."""
    scale = question_set.scale
    choices = [(f"{name('input_problem')} IS NOT NULL", name("input_problem"))]
    for one in asked:
        key = one.question.key
        raw, read, lowest = name(RAW + key), name(READ + key), literal(scale.min)
        # With GREATEST and LEAST, DuckDB compares values without NULL, which takes half as long.
        # Without a limit, DuckDB could not compare a large UHUGEINT with an INTEGER.
        limited = f"LEAST(GREATEST({raw}, {lowest}), {literal(scale.max + 1)})"
        off = f"LEAST({raw}, {lowest}) < {lowest} OR {limited} <> {read}"
        choices.append((off, literal(f"{key}: not a whole number from {scale.min} to {scale.max}")))
        if one.may_be_skipped:
            both = f"{raw} IS NOT NULL AND {name(MARKED + key)}"
            choices.append((both, literal(f"{key}: rated and not applicable, and both cannot be")))
    return case(*choices, otherwise="CAST(NULL AS VARCHAR)")


def _meets(question_set: QuestionSet, conditions: Mapping[str, Condition]) -> str:
    return all_of(
        _holds(_value(question_set, attribute), condition) for attribute, condition in conditions.items()
    )


def _value(question_set: QuestionSet, attribute: str) -> str:
    """An attribute for a comparison; texts are compared byte by byte."""
    value = name(ATTRIBUTE + attribute)
    return f"{value} COLLATE C" if question_set.attributes[attribute] == "text" else value


def _holds(value: str, condition: Condition) -> str:
    """Whether a condition holds, as in `attributes.holds`; never NULL."""
    if condition == IS_ABSENT:
        return f"{value} IS NULL"
    if condition.exists is False:
        return "FALSE"
    compared = [f"{value} IS NOT NULL"]
    if condition.equals is not None:
        compared.append(f"{value} = {literal(folded(condition.equals))}")
    if condition.in_ is not None:
        compared.append(f"{value} IN {listed(map(folded, condition.in_))}")
    if condition.not_in is not None:
        compared.append(f"NOT {value} IN {listed(map(folded, condition.not_in))}")
    if condition.at_least is not None:
        compared.append(f"{value} >= {literal(condition.at_least)}")
    if condition.below is not None:
        compared.append(f"{value} < {literal(condition.below)}")
    return f"COALESCE({all_of(compared)}, FALSE)"


def _by_rule(question_set: QuestionSet, rule: RateFrom | None) -> str:
    """The rating by a rule, as in `attributes.Rule`."""
    if rule is None:
        return "NULL"
    value = _value(question_set, rule.attribute)
    choices = [(f"{value} IS NULL", "NULL")]
    otherwise: Value | None = rule.otherwise
    for band in rule.bands or []:
        if band.below is None:
            otherwise = band.rating
        else:
            choices.append((f"{value} < {literal(band.below)}", literal(band.rating)))
    choices += [(f"{value} = {literal(folded(v.equals))}", literal(v.rating)) for v in rule.values or []]
    return case(*choices, otherwise="NULL" if otherwise is None else literal(otherwise))
