"""What a draft would change: stored sessions scored again with it, and nothing written."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, String, bindparam, select, type_coerce
from sqlmodel import SQLModel

from app.db import Database, Transaction
from app.question_sets.plans import Plans, shared_questions
from app.scoring import (
    Answer,
    Answers,
    Indication,
    Plan,
    QuestionState,
    Totals,
    assess,
    indicated,
    read_stored,
    score,
)
from app.sessions.queries import has_stale_answers
from app.sessions.schemas import (
    ImpactChange,
    ImpactFigures,
    ImpactLine,
    ImpactProgress,
    ImpactReason,
    ImpactSummary,
    ImpactTransition,
)
from app.sessions.tables import Status

BATCH_SIZE = 500
PROGRESS_INTERVAL = 10_000
Transition = tuple[Indication | None, Indication | None]


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    """An id as the driver returns it: making a UUID for every answer took a fifth of the time."""
    return type_coerce(column, String())


SESSION = SQLModel.metadata.tables["session"]
PROSPECT = SQLModel.metadata.tables["prospect"]
ANSWER = SQLModel.metadata.tables["answer"]
IMPACT_FIGURES = ("indication", "score", "lowest", "highest")
SESSION_COLUMNS = (
    "id",
    "prospect_id",
    "question_set",
    "version",
    "status",
    "attributes",
    "closed_at",
    "valid_until",
)
# Of an answer, all but its session: what `Answer` takes, in its order, behind the question.
ANSWER_COLUMNS = ("question", "state", "rating", "answered_at", "evidence")
SESSION_BATCH = (
    select(
        *(SESSION.c[name] for name in (*SESSION_COLUMNS, *IMPACT_FIGURES)),
        PROSPECT.c.attributes.label("known"),
        _raw(SESSION.c.id).label("key"),
    )
    .join(PROSPECT, PROSPECT.c.id == SESSION.c.prospect_id)
    .order_by(SESSION.c.id)
    .limit(BATCH_SIZE)
)
ANSWERS = select(_raw(ANSWER.c.session_id), *(ANSWER.c[name] for name in ANSWER_COLUMNS)).where(
    ANSWER.c.session_id.in_(bindparam("sessions", expanding=True))
)


async def impact(
    database: Database, plans: Plans, draft: Plan, key: str, status: Status | None
) -> AsyncIterator[ImpactLine]:
    """Every session on the set `key` whose indication the draft would change, and a summary.

    Reads a few hundred at a time, each time in a transaction of its own, and keeps none of them: a
    session that changes meanwhile is seen as it was or as it is.
    """
    sessions, last = 0, None
    turns: Counter[Transition] = Counter()
    while True:
        judge = partial(_judge_some, plans=plans, draft=draft, key=key, status=status, after=last)
        judged, read, last = await database.read(judge)
        sessions += read
        for line in judged:
            yield line
            turns[line.before.indication, line.after.indication] += 1
        if last is None:
            break
        if sessions % PROGRESS_INTERVAL == 0:
            yield ImpactProgress(kind="progress", sessions=sessions)
    yield ImpactSummary(
        kind="summary",
        sessions=sessions,
        changed=turns.total(),
        turns=[
            ImpactTransition(before=before, after=after, sessions=count)
            for (before, after), count in turns.most_common()
        ],
    )


def _judge_some(
    tx: Transaction, *, plans: Plans, draft: Plan, key: str, status: Status | None, after: UUID | None
) -> tuple[list[ImpactChange], int, UUID | None]:
    """What is to be said of the next sessions, how many they are, and the last one if there are more."""
    wanted = SESSION_BATCH.where(SESSION.c.question_set == key)
    if status:
        wanted = wanted.where(SESSION.c.status == status)
    if after:
        wanted = wanted.where(SESSION.c.id > after)
    sessions = tx.db.execute(wanted).all()
    answers: dict[object, dict[str, Answer]] = {session.key: {} for session in sessions}
    for its, question, *said in tx.db.execute(ANSWERS, {"sessions": [one.id for one in sessions]}).all():
        answers[its][question] = Answer(*said)
    shared = cache(lambda then: shared_questions(tx, plans, draft, then))
    judged = [_judge(tx, plans, draft, session, answers[session.key], shared) for session in sessions]
    more = len(sessions) == BATCH_SIZE
    return [line for line in judged if line], len(sessions), sessions[-1].id if more else None


def _judge(
    tx: Transaction,
    plans: Plans,
    draft: Plan,
    session: Any,
    answers: Answers,
    shared: Callable[[Plan], set[str]],
) -> ImpactChange | None:
    """What is to be said of one session, a row; None if it says the same with the draft.

    An open one is judged as if it were moved now; a closed one on what it closed with, and on what its
    own set did not ask.
    """
    is_open = session.status == "open"
    known = session.known if is_open else {**session.known, **session.attributes}
    as_of = session.closed_at or tx.at
    then = plans.find(tx, f"{session.question_set}@{session.version}")
    said: Mapping[str, Any] = (
        score(then, answers, session.attributes, as_of=as_of)
        if has_stale_answers(session, as_of)
        else session._asdict()
    )
    attributes = read_stored(draft.question_set, known).known
    counted = {key: one for key, one in answers.items() if key in shared(then)}
    states = draft.evaluate(counted, attributes, as_of)
    totals = Totals(draft, states)
    if indicated(draft, totals) == said["indication"]:
        return None
    stood = then.evaluate(answers, read_stored(then.question_set, session.attributes).known, as_of)
    now = assess(draft, totals, [])
    return ImpactChange(
        kind="changed",
        session_id=session.id,
        prospect_id=session.prospect_id,
        status=session.status,
        before=ImpactFigures(question_set=then.name, **{figure: said[figure] for figure in IMPACT_FIGURES}),
        after=ImpactFigures(
            question_set=draft.name, **{figure: getattr(now, figure) for figure in IMPACT_FIGURES}
        ),
        why=[*_why_of_the_set(then, draft), *_why_of_questions(stood, states)],
    )


def _why_of_the_set(then: Plan, draft: Plan) -> Iterator[ImpactReason]:
    for before, after in zip(_of_the_set(then), _of_the_set(draft), strict=True):
        if before != after:
            yield ImpactReason(question=None, before=before, after=after)


def _of_the_set(plan: Plan) -> tuple[str, str]:
    cuts = plan.question_set.thresholds
    limits = f"fit at {cuts.fit_at}, no fit below {cuts.no_fit_below}" if cuts else "no threshold"
    return limits, plan.question_set.combine


def _why_of_questions(
    stood: Iterable[QuestionState], states: Iterable[QuestionState]
) -> Iterator[ImpactReason]:
    """The questions that count differently, or on one side only."""
    before, after = _counting(stood), _counting(states)
    for question in {**before, **after}:
        then, now = before.get(question), after.get(question)
        if _input(then) != _input(now):
            yield ImpactReason(question=question, before=_in_words(then), after=_in_words(now))


def _counting(states: Iterable[QuestionState]) -> dict[str, QuestionState]:
    return {s.question.key: s for s in states if not s.step.gated and s.asked.matters}


def _input(question_state: QuestionState | None) -> tuple[object, ...] | None:
    """All that an indication is made of as far as one question goes."""
    if question_state is None:
        return None
    question = question_state.question
    must = question.must_reach, question.must_reach is not None and question.if_missed
    return (
        question_state.state,
        question_state.rating,
        question_state.rated_by == "rule",
        question.weight,
        must,
    )


def _in_words(question_state: QuestionState | None) -> str | None:
    """What `_input` holds: "rated 2 by rule, weight 1, must reach 3 or it is mixed"."""
    if question_state is None:
        return None
    question = question_state.question
    state = question_state.state.replace("_", " ") + (
        f" {question_state.rating}" if question_state.rating is not None else ""
    )
    by_rule = " by rule" if question_state.rated_by == "rule" else ""
    told = f"{state}{by_rule}, weight {question.weight}"
    if question.must_reach is None:
        return told
    return f"{told}, must reach {question.must_reach} or it is {question.if_missed}"
