"""Record answers in a case."""

from collections.abc import Mapping

from sqlalchemy import bindparam
from sqlmodel import SQLModel

from app.problems import STALE_REVISION, FieldError, Problem
from app.scoring import read_answers
from app.sessions.case import Case
from app.sessions.requests import AnswerIn, AnswersIn
from app.sessions.tables import StoredAnswer

ANSWER = SQLModel.metadata.tables["answer"]
INSERT_ANSWERS = ANSWER.insert()
UPDATE_ANSWERS = ANSWER.update().where(
    ANSWER.c.session_id == bindparam("of_session"), ANSWER.c.question == bindparam("to_question")
)


def record_answers(case: Case, sent: AnswersIn, based_on: int | None) -> None:
    """Store the answers that differ from the current ones; answers to other questions merge.

    Raises `Flawed`, SESSION_IS_CLOSED, and STALE_REVISION where an answer was changed after
    the revision `based_on` that the caller saw.
    """
    case.require_open()
    read_answers(case.plan.question_set, sent.sent())
    fresh = [
        answer for key, new in sent.details().items() if (answer := _merged(case, new, case.answers.get(key)))
    ]
    places = {question: place for place, question, _ in sent.sent()}
    _refuse_stale(case, {places[answer.question]: answer.question for answer in fresh}, based_on)
    if not fresh:
        return
    _write(case, fresh)
    case.answers.update({answer.question: answer for answer in fresh})
    case.changed["answers"] = {
        answer.question: {"state": answer.state, "rating": answer.rating} for answer in fresh
    }


def _merged(case: Case, new: AnswerIn, known: StoredAnswer | None) -> StoredAnswer | None:
    """The answer to store; None if the known one says it all."""
    said = new.as_answer()
    same = known is not None and (known.state, known.rating) == (said.state, said.rating)
    text: str | None = new.text
    evidence: str | None = new.evidence
    if known is not None and same:
        # What was said about this rating still holds unless something else is said.
        text = known.text if text is None else text
        evidence = known.evidence if evidence is None else evidence
        if (text, evidence) == (known.text, known.evidence):
            return None
    return StoredAnswer(
        session_id=case.session.id,
        question=new.question,
        state=said.state,
        rating=said.rating,
        text=text,
        evidence=evidence,
        actor=new.actor or case.work.actor,
        answered_at=case.work.tx.at,
        revision=case.next_revision,
    )


def _refuse_stale(case: Case, fresh: Mapping[str, str], based_on: int | None) -> None:
    """`fresh` names the question that is answered at each place of the request."""
    if based_on is None:
        return
    stale = [
        place
        for place, question in fresh.items()
        if question in case.answers and case.answers[question].revision > based_on
    ]
    if based_on > case.session.revision or stale:
        detail = f"The session is at revision {case.session.revision}."
        raise Problem(
            STALE_REVISION,
            detail,
            [FieldError("body", place, "stale", "it was answered since") for place in stale],
        )


def _write(case: Case, fresh: list[StoredAnswer]) -> None:
    inserts = [answer.model_dump() for answer in fresh if answer.question not in case.answers]
    updates = [
        {
            "of_session": answer.session_id,
            "to_question": answer.question,
            **answer.model_dump(exclude={"session_id", "question"}),
        }
        for answer in fresh
        if answer.question in case.answers
    ]
    if inserts:
        case.work.tx.db.execute(INSERT_ANSWERS, inserts)
    if updates:
        case.work.tx.db.execute(UPDATE_ANSWERS, updates)
