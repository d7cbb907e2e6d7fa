"""What a draft would change: stored sessions scored again with it, and nothing written."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Column, ColumnElement, String, bindparam, select, type_coerce
from sqlmodel import SQLModel

from app.db import Database, Transaction
from app.question_sets.family import shared_questions
from app.question_sets.plans import Plans
from app.scoring import (
    Answer,
    Answers,
    Indication,
    Plan,
    Standing,
    Totals,
    assess,
    indicated,
    read_stored,
    score,
)
from app.sessions.case import has_aged
from app.sessions.tables import Status
from app.wire import Out

AT_ONCE = 500
TELL_EVERY = 10_000

Turn = tuple[Indication | None, Indication | None]


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    """An id as the driver returns it: making a UUID for every answer took a fifth of the time."""
    return type_coerce(column, String())


SESSION = SQLModel.metadata.tables["session"]
PROSPECT = SQLModel.metadata.tables["prospect"]
ANSWER = SQLModel.metadata.tables["answer"]
FIGURES = ("indication", "score", "lowest", "highest")
OF_SESSIONS = (
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
OF_ANSWERS = ("question", "state", "rating", "answered_at", "evidence")
WITH_ATTRIBUTES = (
    select(
        *(SESSION.c[name] for name in (*OF_SESSIONS, *FIGURES)),
        PROSPECT.c.attributes.label("known"),
        _raw(SESSION.c.id).label("key"),
    )
    .join(PROSPECT, PROSPECT.c.id == SESSION.c.prospect_id)
    .order_by(SESSION.c.id)
    .limit(AT_ONCE)
)
ANSWERS = select(_raw(ANSWER.c.session_id), *(ANSWER.c[name] for name in OF_ANSWERS)).where(
    ANSWER.c.session_id.in_(bindparam("sessions", expanding=True))
)


class ImpactFigures(Out):
    """What a session says with the one set or the other."""

    question_set: str
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class ImpactReason(Out):
    """One thing that is different for this session; `question` is null for what is of the whole set."""

    question: str | None
    before: Annotated[str | None, Field(examples=["rated 2, weight 1"])]
    after: Annotated[str | None, Field(examples=["rated 2, weight 3, must reach 3"])]


class ImpactChange(Out):
    """A session whose indication would change, and why."""

    kind: Literal["changed"]
    session_id: UUID
    prospect_id: UUID
    status: Status
    before: ImpactFigures
    after: ImpactFigures
    why: list[ImpactReason]


class ImpactProgress(Out):
    """A sign of life in a long stream."""

    kind: Literal["progress"]
    sessions: int


class ImpactTurn(Out):
    """How many sessions would change from one indication to another."""

    before: Indication | None
    after: Indication | None
    sessions: int


class ImpactSummary(Out):
    """The last line. Without it the stream was cut off."""

    kind: Literal["summary"]
    sessions: Annotated[int, Field(description="scored again")]
    changed: int
    turns: Annotated[list[ImpactTurn], Field(description="most sessions first")]


ImpactLine = ImpactChange | ImpactProgress | ImpactSummary


async def impact(
    database: Database, plans: Plans, draft: Plan, key: str, status: Status | None
) -> AsyncIterator[ImpactLine]:
    """Every session on the set `key` whose indication the draft would change, and a summary.

    Reads a few hundred at a time, each time in a transaction of its own, and keeps none of them: a
    session that changes meanwhile is seen as it was or as it is.
    """
    sessions, last = 0, None
    turns: Counter[Turn] = Counter()
    while True:
        judge = partial(_judge_some, plans=plans, draft=draft, key=key, status=status, after=last)
        judged, read, last = await database.read(judge)
        sessions += read
        for line in judged:
            yield line
            turns[line.before.indication, line.after.indication] += 1
        if last is None:
            break
        if sessions % TELL_EVERY == 0:
            yield ImpactProgress(kind="progress", sessions=sessions)
    yield ImpactSummary(
        kind="summary",
        sessions=sessions,
        changed=turns.total(),
        turns=[
            ImpactTurn(before=before, after=after, sessions=count)
            for (before, after), count in turns.most_common()
        ],
    )


def _judge_some(
    tx: Transaction, *, plans: Plans, draft: Plan, key: str, status: Status | None, after: UUID | None
) -> tuple[list[ImpactChange], int, UUID | None]:
    """What is to be said of the next sessions, how many they are, and the last one if there are more."""
    wanted = WITH_ATTRIBUTES.where(SESSION.c.question_set == key)
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
    more = len(sessions) == AT_ONCE
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
        if has_aged(session, as_of)
        else session._asdict()
    )
    attributes = read_stored(draft.question_set, known).known
    counted = {key: one for key, one in answers.items() if key in shared(then)}
    standings = draft.stand(counted, attributes, as_of)
    totals = Totals(draft, standings)
    if indicated(draft, totals) == said["indication"]:
        return None
    stood = then.stand(answers, read_stored(then.question_set, session.attributes).known, as_of)
    now = assess(draft, totals, [])
    return ImpactChange(
        kind="changed",
        session_id=session.id,
        prospect_id=session.prospect_id,
        status=session.status,
        before=ImpactFigures(question_set=then.name, **{figure: said[figure] for figure in FIGURES}),
        after=ImpactFigures(question_set=draft.name, **{figure: getattr(now, figure) for figure in FIGURES}),
        why=[*_why_of_the_set(then, draft), *_why_of_questions(stood, standings)],
    )


def _why_of_the_set(then: Plan, draft: Plan) -> Iterator[ImpactReason]:
    for before, after in zip(_of_the_set(then), _of_the_set(draft), strict=True):
        if before != after:
            yield ImpactReason(question=None, before=before, after=after)


def _of_the_set(plan: Plan) -> tuple[str, str]:
    cuts = plan.question_set.thresholds
    limits = f"fit at {cuts.fit_at}, no fit below {cuts.no_fit_below}" if cuts else "no threshold"
    return limits, plan.question_set.combine


def _why_of_questions(stood: Iterable[Standing], standings: Iterable[Standing]) -> Iterator[ImpactReason]:
    """The questions that count differently, or on one side only."""
    before, after = _counting(stood), _counting(standings)
    for question in {**before, **after}:
        then, now = before.get(question), after.get(question)
        if _input(then) != _input(now):
            yield ImpactReason(question=question, before=_in_words(then), after=_in_words(now))


def _counting(standings: Iterable[Standing]) -> dict[str, Standing]:
    return {s.question.key: s for s in standings if not s.step.gated and s.asked.matters}


def _input(standing: Standing | None) -> tuple[object, ...] | None:
    """All that an indication is made of as far as one question goes."""
    if standing is None:
        return None
    question = standing.question
    must = question.must_reach, question.must_reach is not None and question.if_missed
    return standing.state, standing.rating, standing.rated_by == "rule", question.weight, must


def _in_words(standing: Standing | None) -> str | None:
    """What `_input` holds: "rated 2 by rule, weight 1, must reach 3 or it is mixed"."""
    if standing is None:
        return None
    question = standing.question
    state = standing.state.replace("_", " ") + (f" {standing.rating}" if standing.rating is not None else "")
    by_rule = " by rule" if standing.rated_by == "rule" else ""
    told = f"{state}{by_rule}, weight {question.weight}"
    if question.must_reach is None:
        return told
    return f"{told}, must reach {question.must_reach} or it is {question.if_missed}"
