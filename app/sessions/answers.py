"""Record answers in a session."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from app.db import Transaction
from app.problems import STALE_REVISION, FieldError, Problem
from app.prospects.received import Received
from app.scoring import Flaw, Flawed, judge, read_answers
from app.sessions.requests import AnswerIn, AnswersIn
from app.sessions.scores import SELECT_REVISIONS, as_answers
from app.sessions.session_edit import SessionEdit, save
from app.sessions.tables import StoredAnswer

# The clock of a caller may be ahead of the clock of the service by at most this.
MAX_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ClassifiedAnswers:
    """What answers of a request do to a session.

    `new` has the answers by question, without those that a link only repeats. `to_store` has those that
    change it, by their JSON pointer in the request. `late` has those that differ from the stored ones, but
    were given earlier.
    """

    new: dict[str, AnswerIn]
    to_store: dict[str, StoredAnswer]
    late: list[StoredAnswer]


def record_answers(
    edit: SessionEdit, sent: AnswersIn, based_on: int | None, received: Received | None = None
) -> bool:
    """Add the answers that change a session to its edit. Questions that were not sent keep their answers.

    Returns whether there are any. `based_on` is the revision that the caller saw, or None for no check.
    `received` is what a link sent before, if it sends the answers: it then has them too. An answer that was
    given before the stored one only appears in the history. Raises `Flawed`, SESSION_IS_CLOSED, and
    STALE_REVISION if one of the answers was changed after `based_on`.
    """
    edit.require_open()
    answers = classify_answers(edit, sent, received)
    _require_unchanged_since(
        edit, {pointer: answer.question for pointer, answer in answers.to_store.items()}, based_on
    )
    if received is not None:
        _remember(edit, answers, received)
    if answers.to_store:
        add_answers(edit, answers.to_store.values())
    record_late(edit, answers.late)
    return bool(answers.to_store)


def classify_answers(edit: SessionEdit, sent: AnswersIn, received: Received | None) -> ClassifiedAnswers:
    """Return what answers do to a session. `received` is what a link sent before, if it sends the answers.

    In a closed session, those to store are the answers with which another session begins. Raises `Flawed`
    for answers that do not suit the question set or are from the future.
    """
    entries = list(sent.sent())
    read_answers(edit.plan.question_set, entries)
    pointers = {entry.question: entry.place for entry in entries}
    given = sent.answers_by_question()
    answers = ClassifiedAnswers(
        {question: new for question, new in given.items() if not _only_repeats(edit, new, received)}, {}, []
    )
    stale = _stale_questions(edit) if answers.new else set()
    for question, new in answers.new.items():
        pointer = pointers[question]
        answer = _answer_to_store(edit, new, _answered_at(edit, new, pointer))
        effect = _effect_of(edit, new, answer, received, is_stale=question in stale)
        if effect == "stored":
            answers.to_store[pointer] = answer
        elif effect == "late":
            answers.late.append(answer)
    return answers


def repeats(received: Received, new: AnswerIn) -> bool:
    """Whether an answer is the last one that was received to its question."""
    return received.repeats(new.question, _value_of(new), new.text, new.evidence)


def _only_repeats(edit: SessionEdit, new: AnswerIn, received: Received | None) -> bool:
    """Whether an answer without a time is the last one that a link sent, so that it changes nothing.

    A new session takes repeated answers too.
    """
    return received is not None and new.answered_at is None and not edit.opening and repeats(received, new)


def _is_outdated(edit: SessionEdit, received: Received, new: AnswerIn) -> bool:
    """Whether a link has already sent a value for a question with a later time than that of its answer.

    This does not apply to a new session: what the link sent before was about another session.
    """
    at = new.answered_at
    return at is not None and not edit.opening and received.is_older(new.question, at)


def _value_of(answer: AnswerIn | StoredAnswer) -> int | str | None:
    """Return the rating of an answer, or else its state."""
    return answer.state if answer.rating is None else answer.rating


def _effect_of(
    edit: SessionEdit, new: AnswerIn, answer: StoredAnswer, received: Received | None, *, is_stale: bool
) -> Literal["stored", "late", "none"]:
    """Return what an answer does to a session: `answer` is stored or is late, or nothing happens.

    An answer with the content of the stored one confirms it if that is stale, carried over, or older than the
    time that the request names. A repeated one needs that time, and only confirms a stale or carried answer.
    """
    stored = edit.answers.get(answer.question)
    is_repeat = received is not None and repeats(received, new)
    is_outdated = received is not None and _is_outdated(edit, received, new)
    if stored is None:
        if answer.state == "open" or (is_repeat and not edit.opening):
            return "none"
        return "late" if is_outdated else "stored"
    is_same = _content(answer) == _content(stored)
    if is_outdated or (new.answered_at and answer.answered_at < stored.answered_at):
        return "none" if is_same or is_repeat else "late"
    if not (is_same or is_repeat):
        return "stored"
    is_later = bool(new.answered_at) and answer.answered_at > stored.answered_at
    is_due = is_stale or stored.carried_from is not None
    confirms = is_later and is_due if is_repeat else is_later or is_due
    return "stored" if is_same and confirms and edit.session.status == "open" else "none"


def _content(answer: StoredAnswer) -> tuple[Any, ...]:
    return answer.state, answer.rating, answer.text, answer.evidence


def _remember(edit: SessionEdit, answers: ClassifiedAnswers, received: Received) -> None:
    """Store the answers of a request as the last ones of their link."""
    stored = {answer.question: answer for answer in answers.to_store.values()}
    late = {answer.question for answer in answers.late}
    for question, new in answers.new.items():
        at = min(new.answered_at or edit.uow.tx.at, edit.uow.tx.at)
        if repeats(received, new):
            if question in stored:
                received.set_time(question, at)
        elif question not in late or not received.is_older(question, at):
            received.remember(question, _value_of(new), at, new.text, new.evidence)


def record_late(edit: SessionEdit, late: Iterable[StoredAnswer]) -> None:
    """Add answers that are late to the next revision, except those that the history already has."""
    entries = {answer.question: _revision_entry(answer, edit.uow.tx.at) for answer in late}
    if entries:
        parameters = {"session": edit.session.id, "revision": edit.session.revision}
        for _, changed in edit.uow.tx.db.exec(SELECT_REVISIONS, params=parameters):
            known = changed.get("late", {})
            entries = {question: entry for question, entry in entries.items() if known.get(question) != entry}
    if entries:
        edit.changed["late"] = entries


def save_answers(edit: SessionEdit) -> None:
    """Save a session after its answers were recorded. If all of them were late, its revision says so."""
    save(edit, "late" if edit.changed.keys() == {"late"} else "answered")


def own_withdrawals(edit: SessionEdit, cleared: Iterable[AnswerIn], received: Received) -> list[AnswerIn]:
    """Return the withdrawals of answers that a link itself has given last, and remember all of them.

    A withdrawal is left out if the answer was given after it. It is remembered as a null, which no answer
    repeats, with its time: an answer of the link from before that time is late.
    """
    own = []
    for withdrawal in cleared:
        question, stored = withdrawal.question, edit.answers.get(withdrawal.question)
        at = min(withdrawal.answered_at or edit.uow.tx.at, edit.uow.tx.at)
        is_older = (stored and at < stored.answered_at) or received.is_older(question, at)
        if withdrawal.answered_at and is_older:
            continue
        if stored and received.has_set(question, _value_of(stored), stored.answered_at):
            own.append(withdrawal)
        received.remember(question, None, at)
    return own


def add_answers(edit: SessionEdit, answers: Iterable[StoredAnswer]) -> None:
    """Add answers to an edit, so that scoring and the next revision include them, and `save` stores them."""
    edit.answers |= {answer.question: answer for answer in answers}
    edit.changed["answers"] = edit.changed.get("answers", {}) | {
        answer.question: _revision_entry(answer, edit.uow.tx.at) for answer in answers
    }


def _revision_entry(answer: StoredAnswer, at: datetime) -> dict[str, Any]:
    """Return what a revision stores of an answer: what scoring needs.

    It omits nulls, and the time of the answer if it is `at`, the time of the revision.
    """
    given_at = None if answer.answered_at == at else to_jsonable_python(answer.answered_at)
    entry = {
        "state": answer.state,
        "rating": answer.rating,
        "evidence": answer.evidence,
        "answered_at": given_at,
    }
    return {name: value for name, value in entry.items() if value is not None}


def _stale_questions(edit: SessionEdit) -> set[str]:
    """Return the questions whose answer is stale now. To give such an answer again is a change.

    This applies to closed sessions too.
    """
    at = edit.uow.tx.at
    if all(at - answer.answered_at < edit.plan.shortest_lifetime for answer in edit.answers.values()):
        return set()
    answers = as_answers(edit.answers.values())
    return set(judge(edit.plan, answers, edit.session.attributes, as_of=at).stale)


def _answered_at(edit: SessionEdit, new: AnswerIn, pointer: str) -> datetime:
    tx = edit.uow.tx
    if new.answered_at is None:
        return tx.at
    require_no_future(tx, new.answered_at, f"{pointer}/answered_at")
    return min(new.answered_at, tx.at)


def require_no_future(tx: Transaction, answered_at: datetime, pointer: str) -> None:
    """Raise `Flawed` if the time of an answer, which is at `pointer`, is in the future."""
    if answered_at > tx.at + MAX_CLOCK_SKEW:
        detail = "this time is in the future: send the time of the answer, or leave it out"
        raise Flawed([Flaw(pointer, detail, "in_the_future")])


def _answer_to_store(edit: SessionEdit, new: AnswerIn, at: datetime) -> StoredAnswer:
    """Return an answer of a request as it would be stored."""
    answer = new.as_answer()
    stored = edit.answers.get(new.question)
    text: str | None = new.text
    evidence = new.evidence
    if stored is not None and (stored.state, stored.rating) == (answer.state, answer.rating):
        # The rating has not changed, so its text and evidence still apply unless new ones are sent.
        text = stored.text if text is None else text
        evidence = stored.evidence if evidence is None else evidence
    return StoredAnswer(
        session_id=edit.session.id,
        question=new.question,
        state=answer.state,
        rating=answer.rating,
        text=text,
        evidence=evidence,
        actor=new.actor or edit.uow.actor,
        answered_at=at,
        revision=edit.next_revision,
    )


def _require_unchanged_since(edit: SessionEdit, questions: Mapping[str, str], based_on: int | None) -> None:
    """Raise STALE_REVISION if one of the questions was answered after the revision `based_on`.

    `questions` has the key of the answered question by its JSON pointer in the request.
    """
    if based_on is None:
        return
    changed = [
        pointer
        for pointer, question in questions.items()
        if question in edit.answers and edit.answers[question].revision > based_on
    ]
    if based_on > edit.session.revision or changed:
        detail = f"The session is at revision {edit.session.revision}."
        raise Problem(
            STALE_REVISION,
            detail,
            [
                FieldError("body", pointer, "stale", "the answer has changed since that revision")
                for pointer in changed
            ],
        )
