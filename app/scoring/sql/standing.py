"""Where every question stands, as columns: what `plan.py` does for one prospect."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.scoring.attributes import IS_ABSENT, MAX_INTEGER
from app.scoring.question_set import AttributeType, Condition, Question, QuestionSet, RateFrom, Value
from app.scoring.sql.sources import ATTRIBUTE, SAID_NOT_APPLICABLE, TOLD, Long, Wide
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

# What a question is rated, by a person in the table, and by whoever; whether it applies; whether skipped.
READ, RATED, APPLIES, SKIPPED = "r_", "s_", "p_", "k_"
# Whether an attribute has a value that the set cannot read.
UNREAD = "u_"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a statement; whether it may not apply, and whether it may be called not applicable."""

    question: Question
    conditional: bool
    may_be_skipped: bool

    @property
    def rating(self) -> str:
        """Its rating, NULL if it is not rated."""
        return name(RATED + self.question.key)

    @property
    def is_rated(self) -> str:
        """Whether it is rated."""
        return f"{self.rating} IS NOT NULL"

    @property
    def is_open(self) -> str:
        """Whether it applies, and nobody has said anything of use."""
        told = [f"{self.rating} IS NULL"]
        told += [name(APPLIES + self.question.key)] if self.conditional else []
        told += [f"NOT {self.is_skipped}"] if self.may_be_skipped else []
        return all_of(told)

    @property
    def is_skipped(self) -> str:
        """Whether it applies, and somebody called it not applicable."""
        return name(SKIPPED + self.question.key) if self.may_be_skipped else "FALSE"


def asked_of(question_set: QuestionSet, source: Wide | Long) -> list[Asked]:
    """The questions that are scored: those of gated steps are not."""
    return [
        Asked(question, bool(question.ask_when), source.says_not_applicable(question))
        for step in question_set.steps
        if not step.gated
        for question in step.questions
    ]


def reading(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with ratings and attributes of their types, and whether an attribute cannot be read."""
    scale = question_set.scale
    yield "id", name("id")
    yield "told_wrongly", name("told_wrongly")
    for one in asked:
        key = one.question.key
        told = name(TOLD + key)
        on_scale = f"{told} BETWEEN {literal(scale.min)} AND {literal(scale.max)}"
        yield TOLD + key, told
        yield READ + key, case((on_scale, f"CAST({told} AS INTEGER)"))
        if one.may_be_skipped:
            yield SAID_NOT_APPLICABLE + key, name(SAID_NOT_APPLICABLE + key)
    for attribute, declared in question_set.attributes.items():
        value = name(ATTRIBUTE + attribute)
        yield ATTRIBUTE + attribute, _read(declared, value)
        if declared != "text":
            yield UNREAD + attribute, _is_unread(declared, value)


def _read(declared: AttributeType, value: str) -> str:
    """An attribute with its declared type, texts folded; NULL if it is missing or cannot be read.

    The database refuses a column of another type, but a boolean may be in a column of texts.
    """
    if declared == "text":
        return f"NULLIF({folded_text(f'{value} COLLATE C')}, '')"
    if declared == "boolean":
        return case((f"{_as_text(value)} = 'true'", "TRUE"), (f"{_as_text(value)} = 'false'", "FALSE"))
    return case((_is_exact(value), f"CAST({value} AS DOUBLE)"))


def _is_unread(declared: AttributeType, value: str) -> str:
    is_read = _is_exact(value) if declared == "number" else f"{_as_text(value)} IN ('true', 'false')"
    says_something = f"{stripped_text(_as_text(value))} <> ''"
    return f"COALESCE({case((is_read, 'FALSE'), otherwise=says_something)}, FALSE)"


def _is_exact(value: str) -> str:
    return f"{value} + 0 BETWEEN {literal(-MAX_INTEGER)} AND {literal(MAX_INTEGER)}"


def _as_text(value: str) -> str:
    return f"CAST({value} AS VARCHAR) COLLATE C"


def standing(question_set: QuestionSet, asked: list[Asked]) -> Iterator[tuple[str, str]]:
    """Columns with the rating of every question, and with what is needed to tell open from skipped."""
    yield "id", name("id")
    yield "problem", _problem(question_set, asked)
    unread = [(a, name(UNREAD + a)) for a, declared in question_set.attributes.items() if declared != "text"]
    yield "unread_attributes", names_of(unread)
    for one in asked:
        question = one.question
        applies = _meets(question_set, question.ask_when)
        skipped = name(SAID_NOT_APPLICABLE + question.key)
        rating = name(READ + question.key)
        if question.rate_from:
            rating = f"COALESCE({rating}, {_by_rule(question_set, question.rate_from)})"
        counts = [applies] if one.conditional else []
        counts += [f"NOT {skipped}"] if one.may_be_skipped else []
        yield RATED + question.key, case((all_of(counts), rating)) if counts else rating
        if one.conditional:
            yield APPLIES + question.key, applies
        if one.may_be_skipped:
            yield SKIPPED + question.key, all_of([applies, skipped]) if one.conditional else skipped


def _problem(question_set: QuestionSet, asked: list[Asked]) -> str:
    """The first thing that is wrong with a row; NULL if nothing is."""
    scale = question_set.scale
    choices = [(f"{name('told_wrongly')} IS NOT NULL", name("told_wrongly"))]
    for one in asked:
        key = one.question.key
        told, read = name(TOLD + key), name(READ + key)
        off = f"{told} IS NOT NULL AND COALESCE({read} <> {told}, TRUE)"
        choices.append((off, literal(f"{key}: not a whole number from {scale.min} to {scale.max}")))
        if one.may_be_skipped:
            both = f"{told} IS NOT NULL AND {name(SAID_NOT_APPLICABLE + key)}"
            choices.append((both, literal(f"{key}: rated and not applicable, and both cannot be")))
    return case(*choices, otherwise="CAST(NULL AS VARCHAR)")


def _meets(question_set: QuestionSet, conditions: Mapping[str, Condition]) -> str:
    return all_of(
        _holds(_value(question_set, attribute), condition) for attribute, condition in conditions.items()
    )


def _value(question_set: QuestionSet, attribute: str) -> str:
    """An attribute to be compared; texts byte by byte."""
    value = name(ATTRIBUTE + attribute)
    return f"{value} COLLATE C" if question_set.attributes[attribute] == "text" else value


def _holds(value: str, condition: Condition) -> str:
    """As `attributes.holds` has it, and never NULL."""
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


def _by_rule(question_set: QuestionSet, rule: RateFrom) -> str:
    """As `attributes.rating_by_rule` has it."""
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
