"""Qualify with a flat form: read the form with its question set, qualify, and return a flat result."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from app.db import Transaction
from app.inbound.forms.schemas import (
    ALIAS_FIELDS,
    SESSION_FIELDS,
    Form,
    FormResult,
    TranslatedForm,
    as_boolean,
    estimate_field,
)
from app.prospects.queries import translate_values
from app.prospects.schemas import Link
from app.schemas import MAX_ATTRIBUTES, MAX_TEXT_LENGTH
from app.scoring import (
    Answer,
    Flaw,
    Flawed,
    Plan,
    QuestionSet,
    Reason,
    Score,
    Sent,
    in_words,
    pointer,
    read_answers,
    read_attributes,
    read_number,
    shape_flaws,
)
from app.sessions.answers import require_no_future
from app.sessions.qualification import plan_for_qualify, qualify
from app.sessions.requests import (
    MAX_ANSWERS,
    OUTCOME_FIELDS,
    AnswerIn,
    ClearingRequest,
    DecisionIn,
    OutcomeIn,
)
from app.sessions.schemas import QualifyResult, SessionOut
from app.sessions.session_edit import UnitOfWork

# Fields of the form that are copied to the request as they are.
COPIED_FORM_FIELDS = {"source", "external_id", "name", "deal", "assessor", "opened_on", "actor"}
# Fields of the form whose null is part of the request. A null in any other field is ignored.
NULL_FIELDS = {"name", "decision", "outcome"}
# Fields of the result that are copied from the field of the same name, without those that are a list or an
# object in the session or the score.
COPIED_SESSION_FIELDS = SESSION_FIELDS & SessionOut.model_fields.keys() - {"score", "decision", "outcome"}
COPIED_SCORE_FIELDS = FormResult.model_fields.keys() & Score.__annotations__.keys() - {
    "question_set",
    "blockers",
    "must_answer",
    "missing_attributes",
    "unread_attributes",
}
# What the refusal of a word that could be a value alias ends with.
ALIAS_REMEDY = "or a value alias of the source: define it with PUT /v1/value-aliases/{source}"
ANSWER_WORDS = {word: Answer(word) for word in ("not_applicable", "unknown", "open")}


def qualify_by_form(uow: UnitOfWork, set_name: str, sent: Form) -> FormResult:
    """Qualify a prospect with a form and the question set `set_name`, which is "key" or "key@n".

    Raises `Flawed` if the set knows a field but its value is not valid, and what `qualify` raises.
    """
    form = translated_form(uow.tx, sent.source, sent.model_dump(mode="json", exclude_unset=True))
    link = Link(source=form.source, external_id=form.external_id)
    plan = plan_for_qualify(uow, link, form.identity, set_name)
    fields = translate_values(uow.tx, form.source, form.fields)
    request, ignored = read_form(uow.tx, plan, set_name, form, fields)
    return _result(QualifyResult(**qualify(uow, request)), ignored)


def translated_form(tx: Transaction, source: str, fields: Mapping[str, Any]) -> TranslatedForm:
    """Return the form with these fields, in which the value aliases of ALIAS_FIELDS are translated.

    Raises `Flawed` for a value that is not valid.
    """
    words = {name: fields[name] for name in ALIAS_FIELDS & fields.keys()}
    return checked_form({**fields, **translate_values(tx, source, words)})


def checked_form(fields: Mapping[str, Any]) -> TranslatedForm:
    """Return the form with these fields, which has no value aliases. Raises `Flawed`."""
    try:
        return TranslatedForm.model_validate(fields)
    except ValidationError as error:
        flaws = shape_flaws(error)
    raise Flawed(_with_alias(flaw) if flaw.pointer.strip("/") in ALIAS_FIELDS else flaw for flaw in flaws)


def _with_alias(flaw: Flaw) -> Flaw:
    return replace(flaw, detail=f"{flaw.detail}, {ALIAS_REMEDY}")


def _result(qualified: QualifyResult, ignored: list[str]) -> FormResult:
    return FormResult(
        **flat_fields(qualified),
        prospect_created=qualified.prospect_created,
        session_opened=qualified.session_opened,
        ignored=ignored,
    )


def flat_fields(session: SessionOut) -> dict[str, Any]:
    """Return the values of SESSION_FIELDS for a session, and the estimate of every dimension."""
    score = session.score
    return {
        **{name: getattr(session, name) for name in COPIED_SESSION_FIELDS},
        **{name: value for name, value in score.items() if name in COPIED_SCORE_FIELDS},
        **_flat_lists(score),
        **{estimate_field(dimension["key"]): dimension["estimate"] for dimension in score["dimensions"]},
        "decision": session.decision.decision if session.decision else None,
        "outcome": session.outcome.outcome if session.outcome else None,
    }


def _flat_lists(score: Score) -> dict[str, str | None]:
    """Return the lists of a score as texts: all keys separated by commas, or the first entry in words."""
    strength, gap = _first(score["strengths"]), _first(score["gaps"])
    next_question = score["next_questions"][0] if score["next_questions"] else None
    missing = [missed["attribute"] for missed in score["missing_attributes"] if missed["questions"]]
    return {
        "blockers": _joined([blocker["question"] for blocker in score["blockers"]]),
        "must_answer": _joined(score["must_answer"]),
        "missing_attributes": _joined(missing),
        "unread_attributes": _joined([unread["attribute"] for unread in score["unread_attributes"]]),
        "top_strength": in_words(strength) if strength else None,
        "top_strength_key": strength["question"] if strength else None,
        "top_gap": in_words(gap) if gap else None,
        "top_gap_key": gap["question"] if gap else None,
        "next_question": next_question["text"] if next_question else None,
        "next_question_key": next_question["question"] if next_question else None,
    }


def _first(reasons: list[Reason]) -> Reason | None:
    return reasons[0] if reasons else None


def _joined(keys: list[str]) -> str | None:
    return ", ".join(keys) or None


def read_form(
    tx: Transaction, plan: Plan, set_name: str, form: TranslatedForm, fields: Mapping[str, Any]
) -> tuple[ClearingRequest, list[str]]:
    """Return the qualify request of a form, and the names of the fields that the plan does not know.

    `set_name` is the question set of the request, and `fields` are the fields besides the form's own, with
    value aliases translated. Raises `Flawed` if the plan knows a field but its value is not valid, and what
    `request_of` raises.
    """
    flaws: list[Flaw] = []
    answers = _collect(flaws, lambda: read_answers(plan.question_set, _sent(plan, form, fields)))
    attributes = _collect(flaws, lambda: _attributes(plan.question_set, fields))
    flaws += _too_many("answers", len(answers), MAX_ANSWERS)
    flaws += _too_many("attributes", len(attributes), MAX_ATTRIBUTES)
    if flaws:
        raise Flawed(_with_alias(flaw) if flaw.kind == "off_scale" else flaw for flaw in flaws)
    cleared = [key for key in plan.questions.keys() & fields.keys() - answers.keys() if fields[key] is None]
    request = request_of(tx, set_name, form, answers, attributes, cleared)
    return request, list(_unknown(plan, form, fields))


def request_of(
    tx: Transaction,
    set_name: str,
    form: TranslatedForm,
    answers: Mapping[str, Answer],
    attributes: Mapping[str, Any],
    cleared: Collection[str] = (),
) -> ClearingRequest:
    """Return the qualify request of a form whose answers and attributes are read.

    `cleared` has the questions that the form sends as null. Raises `Flawed` if the time of its answers is in
    the future.
    """
    if form.answered_at:
        require_no_future(tx, form.answered_at, pointer("answered_at"))
    nulls = {name: None for name in NULL_FIELDS & form.model_fields_set if getattr(form, name) is None}
    request = {
        "question_set": set_name,
        "attributes": attributes,
        "answers": [
            AnswerIn(question=key, state=answer.state, rating=answer.rating, answered_at=form.answered_at)
            for key, answer in answers.items()
        ],
        **form.model_dump(include=COPIED_FORM_FIELDS, exclude_none=True),
        "carry_over": bool(form.carry_over),
        "cleared": [AnswerIn(question=key, state="open", answered_at=form.answered_at) for key in cleared],
        **({"decision": _decision(form)} if form.decision else {}),
        **({"outcome": _outcome(form)} if form.outcome else {}),
        **nulls,
    }
    return ClearingRequest.model_validate(request)


def _too_many(what: str, count: int, maximum: int) -> Iterator[Flaw]:
    if count > maximum:
        yield Flaw("", f"a form has at most {maximum} {what}: send fewer at a time", "too_long")


def _collect(flaws: list[Flaw], read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except Flawed as error:
        flaws += error.flaws
        return {}


def _sent(plan: Plan, form: TranslatedForm, fields: Mapping[str, Any]) -> Iterator[Sent]:
    """Yield the answers, each with its pointer into the form. `read_answers` checks the ratings."""
    for key, value in fields.items():
        if key in plan.questions and value is not None:
            yield Sent(pointer(key), key, _read_answer(value))
    for state, key in _listed_keys(form):
        if key in plan.questions:
            yield Sent(pointer(state), key, ANSWER_WORDS[state])


def _read_answer(value: Any) -> Answer:
    if isinstance(value, str) and value in ANSWER_WORDS:
        return ANSWER_WORDS[value]
    rating = read_number(value)
    return Answer("rated", rating if isinstance(rating, int) else None)


def _attributes(question_set: QuestionSet, fields: Mapping[str, Any]) -> dict[str, Any]:
    sent = {
        name: as_boolean(fields[name]) if attribute_type == "boolean" else fields[name]
        for name, attribute_type in question_set.attributes.items()
        if name in fields
    }
    too_long = [
        name for name, value in sent.items() if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH
    ]
    if too_long:
        detail = f"a text has at most {MAX_TEXT_LENGTH} characters"
        raise Flawed(Flaw(pointer(name), detail, "too_long") for name in too_long)
    return dict.fromkeys(sent) | read_attributes(question_set, sent, at="")


def _listed_keys(form: TranslatedForm) -> Iterator[tuple[str, str]]:
    for state in ("not_applicable", "unknown"):
        for key in (getattr(form, state) or "").split(","):
            if key.strip():
                yield state, key.strip()


def _unknown(plan: Plan, form: TranslatedForm, fields: Mapping[str, Any]) -> Iterator[str]:
    for name in (*fields, *(key for _, key in _listed_keys(form))):
        if name not in plan.questions and name not in plan.question_set.attributes:
            yield name


def _decision(form: TranslatedForm) -> DecisionIn:
    facts = {"reason": form.decision_reason, "revisit_on": form.decision_revisit_on}
    return DecisionIn.model_validate({"decision": form.decision, **facts})


def _outcome(form: TranslatedForm) -> OutcomeIn:
    facts = {fact: getattr(form, f"outcome_{fact}") for fact in OUTCOME_FIELDS - {"outcome"}}
    return OutcomeIn.model_validate({"outcome": form.outcome, **facts})
