"""What is already known: answers taken along into a new session, or to a newer version of the set."""

from sqlmodel import col, delete, select

from app.problems import invalid_field
from app.prospects.tables import Prospect
from app.question_sets.store import ancestry, split_name
from app.scoring import Plan
from app.sessions.answering import INSERT_ANSWERS, take_in
from app.sessions.case import Case, answers_of, refresh_attributes
from app.sessions.tables import Session, StoredAnswer


def carry_over(case: Case) -> None:
    """Let a new session begin with the answers of the prospect's last one, with the age they have.

    The last one with answers on this set, or on one that it was made from; only the questions that mean
    the same there and here.
    """
    last = _last_session(case)
    if last is None:
        return
    then = case.work.plans.find(case.work.tx, f"{last.question_set}@{last.version}")
    carried = [
        StoredAnswer.model_validate(
            answer.model_dump()
            | {
                "session_id": case.session.id,
                "carried_from": answer.carried_from or last.id,
                "revision": case.next_revision,
            }
        )
        for question, answer in answers_of(case.work.tx, last.id).items()
        if answer.state != "open" and then.means_the_same(case.plan, question)
    ]
    if carried:
        case.work.tx.db.execute(INSERT_ANSWERS, [answer.model_dump() for answer in carried])
        take_in(case, carried)
        case.changed["carried_from"] = str(last.id)


def move(case: Case, plan: Plan) -> list[StoredAnswer]:
    """Move an open session to a newer version of its set, and return the answers that has no place for.

    Raises INVALID_REQUEST for another set or an older version, and SESSION_IS_CLOSED.
    """
    case.require_open()
    session = case.session
    if plan.question_set.key != session.question_set:
        raise invalid_field("/question_set", "other_set", f"name a version of {session.question_set}")
    if plan.version < session.version:
        raise invalid_field("/question_set", "older", f"name a version after {session.version}")
    if plan.version == session.version:
        return []
    dropped = [answer for question, answer in case.answers.items() if question not in plan.questions]
    _drop(case, dropped)
    case.plan, session.version = plan, plan.version
    prospect = case.work.tx.db.get_one(Prospect, session.prospect_id)
    refresh_attributes(case, prospect)
    case.changed["question_set"] = plan.name
    case.changed["dropped"] = [answer.question for answer in dropped]
    return dropped


def _drop(case: Case, dropped: list[StoredAnswer]) -> None:
    questions = [answer.question for answer in dropped]
    of_session = col(StoredAnswer.session_id) == case.session.id
    case.work.tx.db.exec(delete(StoredAnswer).where(of_session, col(StoredAnswer.question).in_(questions)))
    for answer in dropped:
        del case.answers[answer.question]
        case.work.tx.db.expunge(answer)


def _last_session(case: Case) -> Session | None:
    tx, session = case.work.tx, case.session
    names = [f"{session.question_set}@{session.version}", *ancestry(tx, case.plan.question_set)]
    keys = {parts[0] for parts in map(split_name, names) if parts}
    said = col(StoredAnswer.session_id) == col(Session.id)
    return tx.db.exec(
        select(Session)
        .where(
            Session.prospect_id == session.prospect_id,
            col(Session.question_set).in_(keys),
            Session.id != session.id,
            select(StoredAnswer).where(said, StoredAnswer.state != "open").exists(),
        )
        .order_by(col(Session.id).desc())
        .limit(1)
    ).first()
