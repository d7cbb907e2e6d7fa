"""Record answers in a session."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import SQLModel

from app.db import Transaction
from app.problems import STALE_REVISION, FieldError, Problem, invalid_field
from app.scoring import judge, read_answers
from app.sessions.schemas import AnswerIn, AnswersIn
from app.sessions.scores import as_answers
from app.sessions.session_edit import SessionEdit
from app.sessions.tables import StoredAnswer

# The clock of a caller may be ahead of the clock of the service by at most this.
MAX_CLOCK_SKEW = timedelta(minutes=5)
ANSWER_TABLE = SQLModel.metadata.tables["answer"]
INSERT_ANSWERS = ANSWER_TABLE.insert()
UPDATE_ANSWERS = ANSWER_TABLE.update().where(
    ANSWER_TABLE.c.session_id == bindparam("of_session"), ANSWER_TABLE.c.question == bindparam("to_question")
)


def record_answers(edit: SessionEdit, sent: AnswersIn, based_on: int | None) -> bool:
    """Store the answers that differ from the stored ones. Questions that were not sent keep their answers.

    Returns whether there are any. `based_on` is the revision that the caller saw, or None for no check.
    Raises `Flawed`, SESSION_IS_CLOSED, INVALID_REQUEST for an answer from the future, and STALE_REVISION if
    one of the answers was changed after `based_on`.
    """
    edit.require_open()
    answers = new_answers(edit, sent)
    _require_unchanged_since(
        edit, {pointer: answer.question for pointer, answer in answers.items()}, based_on
    )
    if answers:
        _store(edit, list(answers.values()))
        add_to_edit(edit, answers.values())
    return bool(answers)


def new_answers(
    edit: SessionEdit, sent: AnswersIn, *, even_if_stale: bool = False
) -> dict[str, StoredAnswer]:
    """Return the answers that differ from the stored ones, by their JSON pointer in the request.

    The same answer to a question whose answer is stale differs too, unless `even_if_stale`. Raises `Flawed`
    for answers that do not suit the question set, and INVALID_REQUEST for an answer from the future.
    """
    read_answers(edit.plan.question_set, sent.sent())
    pointers = {entry.question: entry.place for entry in sent.sent()}
    stale = set() if even_if_stale else _stale_questions(edit)
    answers = {}
    for question, new in sent.answers_by_question().items():
        at = _answered_at(edit, new, pointers[question])
        answer = _answer_to_store(edit, new, at, is_stale=question in stale)
        if answer:
            answers[pointers[question]] = answer
    return answers


def add_to_edit(edit: SessionEdit, answers: Iterable[StoredAnswer]) -> None:
    """Add answers that are stored to the edit, so that scoring and the next revision include them."""
    edit.answers |= {answer.question: answer for answer in answers}
    edit.changed["answers"] = edit.changed.get("answers", {}) | {
        answer.question: _revision_entry(answer, edit.uow.tx.at) for answer in answers
    }


def _revision_entry(answer: StoredAnswer, at: datetime) -> dict[str, Any]:
    """Return what a revision stores of an answer: what scoring needs.

    It omits nulls, and the time of the answer if it is `at`, the time of the revision.
    """
    fields = {"state", "rating", "evidence"} | ({"answered_at"} if answer.answered_at != at else set())
    return answer.model_dump(mode="json", include=fields, exclude_none=True)


def _stale_questions(edit: SessionEdit) -> set[str]:
    """Return the questions whose answer is stale now. To give such an answer again is a change.

    This applies to closed sessions too.
    """
    if not edit.plan.goes_stale:
        return set()
    answers = as_answers(edit.answers.values())
    return set(judge(edit.plan, answers, edit.session.attributes, as_of=edit.uow.tx.at).stale)


def _answered_at(edit: SessionEdit, new: AnswerIn, pointer: str) -> datetime:
    tx = edit.uow.tx
    if new.answered_at is None:
        return tx.at
    require_no_future(tx, new.answered_at, f"{pointer}/answered_at")
    return min(new.answered_at, tx.at)


def require_no_future(tx: Transaction, answered_at: datetime, pointer: str) -> None:
    """Raise INVALID_REQUEST if the time of an answer, which is at `pointer`, is in the future."""
    if answered_at > tx.at + MAX_CLOCK_SKEW:
        detail = "this time is in the future: send the time of the answer, or leave it out"
        raise invalid_field(pointer, "in_the_future", detail)


def _answer_to_store(
    edit: SessionEdit, new: AnswerIn, at: datetime, *, is_stale: bool
) -> StoredAnswer | None:
    """Return the answer to store; None if the stored one already says the same.

    The same answer is stored again if the stored one is stale, carried over or older: it is confirmed.
    """
    answer = new.as_answer()
    stored = edit.answers.get(new.question)
    if stored is None and answer.state == "open":
        return None
    text: str | None = new.text
    evidence: str | None = new.evidence
    if stored is not None and (stored.state, stored.rating) == (answer.state, answer.rating):
        # The rating has not changed, so its text and evidence still apply unless new ones are sent.
        text = stored.text if text is None else text
        evidence = stored.evidence if evidence is None else evidence
        confirms = is_stale or stored.carried_from or (new.answered_at and at > stored.answered_at)
        if (text, evidence) == (stored.text, stored.evidence) and not confirms:
            return None
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


def _store(edit: SessionEdit, answers: list[StoredAnswer]) -> None:
    inserts = [answer.model_dump() for answer in answers if answer.question not in edit.answers]
    updates = [
        {
            "of_session": answer.session_id,
            "to_question": answer.question,
            **answer.model_dump(exclude={"session_id", "question"}),
        }
        for answer in answers
        if answer.question in edit.answers
    ]
    if inserts:
        edit.uow.tx.db.execute(INSERT_ANSWERS, inserts)
    if updates:
        edit.uow.tx.db.execute(UPDATE_ANSWERS, updates)
