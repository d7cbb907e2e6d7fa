"""Record answers in a case."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import SQLModel

from app.problems import STALE_REVISION, FieldError, Problem, invalid_field
from app.scoring import judge, read_answers
from app.sessions.schemas import AnswerIn, AnswersIn
from app.sessions.scores import as_answers
from app.sessions.session_edit import SessionEdit
from app.sessions.tables import StoredAnswer

# So much may a caller's clock be ahead of ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)
ANSWER = SQLModel.metadata.tables["answer"]
INSERT_ANSWERS = ANSWER.insert()
UPDATE_ANSWERS = ANSWER.update().where(
    ANSWER.c.session_id == bindparam("of_session"), ANSWER.c.question == bindparam("to_question")
)


def record_answers(edit: SessionEdit, sent: AnswersIn, based_on: int | None) -> None:
    """Store the answers that say something new; answers to other questions merge.

    Raises `Flawed`, SESSION_IS_CLOSED, INVALID_REQUEST for an answer from the future, and
    STALE_REVISION where an answer was changed after the revision `based_on` that the caller saw.
    """
    edit.require_open()
    fresh = new_answers(edit, sent)
    _refuse_stale(edit, {place: answer.question for place, answer in fresh.items()}, based_on)
    if fresh:
        _store(edit, list(fresh.values()))
        add_to_edit(edit, fresh.values())


def new_answers(edit: SessionEdit, sent: AnswersIn) -> dict[str, StoredAnswer]:
    """The answers that say something new, by their place in the request; raises `Flawed`."""
    read_answers(edit.plan.question_set, sent.sent())
    places = {one.question: one.place for one in sent.sent()}
    old = _stale_questions(edit)
    fresh = {}
    for question, new in sent.details().items():
        at = _answered_at(edit, new, places[question])
        answer = _merged(edit, new, at, too_old=question in old)
        if answer:
            fresh[places[question]] = answer
    return fresh


def add_to_edit(edit: SessionEdit, fresh: Iterable[StoredAnswer]) -> None:
    """Let a case know answers that are stored."""
    edit.answers |= {answer.question: answer for answer in fresh}
    edit.changed["answers"] = edit.changed.get("answers", {}) | {
        answer.question: _revision_entry(answer, edit.uow.tx.at) for answer in fresh
    }


def _revision_entry(answer: StoredAnswer, at: datetime) -> dict[str, Any]:
    """What a revision keeps of an answer: everything scoring needs, without what can be filled in."""
    kept = {"state", "rating", "evidence"} | ({"answered_at"} if answer.answered_at != at else set())
    return answer.model_dump(mode="json", include=kept, exclude_none=True)


def _stale_questions(edit: SessionEdit) -> set[str]:
    """The questions whose answer is stale by now, in a closed session too: to give it again is news."""
    if not edit.plan.goes_stale:
        return set()
    answers = as_answers(edit.answers.values())
    return set(judge(edit.plan, answers, edit.session.attributes, as_of=edit.uow.tx.at).stale)


def _answered_at(edit: SessionEdit, new: AnswerIn, place: str) -> datetime:
    now = edit.uow.tx.at
    at = new.answered_at or now
    if at > now + MAX_CLOCK_SKEW:
        raise invalid_field(f"{place}/answered_at", "in_the_future", "send a time that has been, or none")
    return min(at, now)


def _merged(edit: SessionEdit, new: AnswerIn, at: datetime, *, too_old: bool) -> StoredAnswer | None:
    """The answer to store; None if the known one says it all."""
    said = new.as_answer()
    known = edit.answers.get(new.question)
    if known is None and said.state == "open":
        return None
    text: str | None = new.text
    evidence: str | None = new.evidence
    if known is not None and (known.state, known.rating) == (said.state, said.rating):
        # What was said about this rating still holds unless something else is said.
        text = known.text if text is None else text
        evidence = known.evidence if evidence is None else evidence
        confirmed = too_old or known.carried_from or (new.answered_at and at > known.answered_at)
        if (text, evidence) == (known.text, known.evidence) and not confirmed:
            return None
    return StoredAnswer(
        session_id=edit.session.id,
        question=new.question,
        state=said.state,
        rating=said.rating,
        text=text,
        evidence=evidence,
        actor=new.actor or edit.uow.actor,
        answered_at=at,
        revision=edit.next_revision,
    )


def _refuse_stale(edit: SessionEdit, fresh: Mapping[str, str], based_on: int | None) -> None:
    """`fresh` names the question that is answered at each place of the request."""
    if based_on is None:
        return
    stale = [
        place
        for place, question in fresh.items()
        if question in edit.answers and edit.answers[question].revision > based_on
    ]
    if based_on > edit.session.revision or stale:
        detail = f"The session is at revision {edit.session.revision}."
        raise Problem(
            STALE_REVISION,
            detail,
            [FieldError("body", place, "stale", "it was answered since") for place in stale],
        )


def _store(edit: SessionEdit, fresh: list[StoredAnswer]) -> None:
    inserts = [answer.model_dump() for answer in fresh if answer.question not in edit.answers]
    updates = [
        {
            "of_session": answer.session_id,
            "to_question": answer.question,
            **answer.model_dump(exclude={"session_id", "question"}),
        }
        for answer in fresh
        if answer.question in edit.answers
    ]
    if inserts:
        edit.uow.tx.db.execute(INSERT_ANSWERS, inserts)
    if updates:
        edit.uow.tx.db.execute(UPDATE_ANSWERS, updates)
