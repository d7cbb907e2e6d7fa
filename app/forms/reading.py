"""From a flat form to the request that it stands for."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.forms.form import Form, as_boolean
from app.scoring import (
    Answer,
    Flaw,
    Flawed,
    Plan,
    QuestionSet,
    Sent,
    pointer,
    read_answers,
    read_attributes,
    read_number,
)
from app.sessions.requests import MOST_ANSWERS, OUTCOME_FACTS, AnswerIn, DecisionIn, OutcomeIn, QualifyRequest
from app.wire import LONGEST_TEXT, MOST_ATTRIBUTES

WORDS = {word: Answer(word) for word in ("not_applicable", "unknown", "open")}


def read_form(
    plan: Plan, named: str, form: Form, fields: Mapping[str, Any]
) -> tuple[QualifyRequest, list[str]]:
    """What a form asks for with the question set `named`, and the names in it that the plan does not know.

    `fields` are those beside the form's own. Raises `Flawed` for a known field that cannot be used.
    """
    flaws: list[Flaw] = []
    answers = _of(flaws, lambda: read_answers(plan.question_set, _sent(plan, form, fields)))
    attributes = _of(flaws, lambda: _attributes(plan.question_set, fields))
    flaws += _too_many("answers", len(answers), MOST_ANSWERS)
    flaws += _too_many("attributes", len(attributes), MOST_ATTRIBUTES)
    if flaws:
        raise Flawed(flaws)
    said = {
        "question_set": named,
        "attributes": attributes,
        "answers": [
            AnswerIn(question=key, state=answer.state, rating=answer.rating)
            for key, answer in answers.items()
        ],
        **form.model_dump(include={"source", "external_id", "name", "deal", "actor"}, exclude_none=True),
        "carry_over": bool(form.carry_over),
        "decision": _decision(form),
        "outcome": _outcome(form),
    }
    return QualifyRequest.model_validate(said), list(_unknown(plan, form, fields))


def _too_many(what: str, count: int, most: int) -> Iterator[Flaw]:
    if count > most:
        yield Flaw("", f"at most {most} {what} at a time", "too_long")


def _of(flaws: list[Flaw], read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except Flawed as error:
        flaws += error.flaws
        return {}


def _sent(plan: Plan, form: Form, fields: Mapping[str, Any]) -> Iterator[Sent]:
    """The answers, each with its place in the form; to take something for a rating is left to the reader."""
    for key, value in fields.items():
        if key in plan.questions and value is not None:
            yield Sent(pointer(key), key, _answer(value))
    for state, key in _listed(form):
        if key in plan.questions:
            yield Sent(pointer(state), key, WORDS[state])


def _answer(value: Any) -> Answer:
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    rating = read_number(value)
    return Answer("rated", rating if isinstance(rating, int) else None)


def _attributes(question_set: QuestionSet, fields: Mapping[str, Any]) -> dict[str, Any]:
    sent = {
        name: as_boolean(fields[name]) if declared == "boolean" else fields[name]
        for name, declared in question_set.attributes.items()
        if name in fields
    }
    long = [name for name, value in sent.items() if isinstance(value, str) and len(value) > LONGEST_TEXT]
    if long:
        detail = f"a text has at most {LONGEST_TEXT} characters"
        raise Flawed(Flaw(pointer(name), detail, "too_long") for name in long)
    return dict.fromkeys(sent) | read_attributes(question_set, sent, at="")


def _listed(form: Form) -> Iterator[tuple[str, str]]:
    for state in ("not_applicable", "unknown"):
        for key in (getattr(form, state) or "").split(","):
            if key.strip():
                yield state, key.strip()


def _unknown(plan: Plan, form: Form, fields: Mapping[str, Any]) -> Iterator[str]:
    for name in (*fields, *(key for _, key in _listed(form))):
        if name not in plan.questions and name not in plan.question_set.attributes:
            yield name


def _decision(form: Form) -> DecisionIn | None:
    if form.decision is None:
        return None
    return DecisionIn(decision=form.decision, reason=form.decision_reason)


def _outcome(form: Form) -> OutcomeIn | None:
    if form.outcome is None:
        return None
    more = {fact: getattr(form, f"outcome_{fact}") for fact in OUTCOME_FACTS - {"outcome"}}
    return OutcomeIn(outcome=form.outcome, **more)
