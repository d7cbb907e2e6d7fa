"""The impact of a draft: score stored sessions again with it, and write nothing."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import SQLModel

from app.db import Database, Transaction
from app.question_sets import queries as question_set_queries
from app.question_sets.plans import Plans, shared_questions
from app.question_sets.service import require_publishable
from app.question_sets.tables import QuestionSetDraft
from app.scoring import (
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
from app.sessions.impact.schemas import (
    ImpactChange,
    ImpactFigures,
    ImpactLine,
    ImpactProgress,
    ImpactReason,
    ImpactSummary,
    ImpactTransition,
)
from app.sessions.queries import answers_to_judge, has_stale_answers
from app.sessions.tables import Status

SESSIONS_PER_BATCH = 500
SESSIONS_PER_PROGRESS_LINE = 10_000
# The indication before and after.
Transition = tuple[Indication | None, Indication | None]


SESSION_TABLE = SQLModel.metadata.tables["session"]
PROSPECT_TABLE = SQLModel.metadata.tables["prospect"]
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
SELECT_SESSION_BATCH = (
    select(
        *(SESSION_TABLE.c[name] for name in (*SESSION_COLUMNS, *IMPACT_FIGURES)),
        PROSPECT_TABLE.c.attributes.label("prospect_attributes"),
    )
    .join(PROSPECT_TABLE, PROSPECT_TABLE.c.id == SESSION_TABLE.c.prospect_id)
    .order_by(SESSION_TABLE.c.id)
    .limit(SESSIONS_PER_BATCH)
)


def prepare_draft(tx: Transaction, draft: QuestionSetDraft) -> tuple[Plan, str]:
    """Return the plan of a draft, and the key of the set on whose sessions it is tried.

    A set that is not published yet is tried on the sessions of the set that it extends. Raises
    DRAFT_HAS_FLAWS.
    """
    question_set, key = require_publishable(tx, draft), draft.key
    if not question_set_queries.version_exists(tx, key):
        key = question_set_queries.parent_key(question_set) or key
    return Plan(question_set, f"{draft.key}@draft"), key


async def impact(
    database: Database, plans: Plans, draft: Plan, key: str, status: Status | None
) -> AsyncIterator[list[ImpactLine]]:
    """Yield the lines of one batch after the other; a list can be empty.

    There is a line for each session on the set `key` whose indication the draft would change, for the
    progress in between, and for the summary at the end. With `status`, only sessions with that status are
    scored. Each batch of sessions is read in a transaction of its own and not kept in memory, so a session
    that changes meanwhile is scored either before or after its change.
    """
    sessions, last = 0, None
    transitions: Counter[Transition] = Counter()
    while True:
        judge = partial(_judge_batch, plans=plans, draft=draft, key=key, status=status, after=last)
        changes, count, last = await database.read(judge)
        sessions += count
        transitions.update((change.before.indication, change.after.indication) for change in changes)
        yield [*changes]
        if last is None:
            break
        if sessions % SESSIONS_PER_PROGRESS_LINE == 0:
            yield [ImpactProgress(kind="progress", sessions=sessions)]
    summary = ImpactSummary(
        kind="summary",
        sessions=sessions,
        changed=transitions.total(),
        turns=[
            ImpactTransition(before=before, after=after, sessions=count)
            for (before, after), count in transitions.most_common()
        ],
    )
    yield [summary]


def _judge_batch(
    tx: Transaction, *, plans: Plans, draft: Plan, key: str, status: Status | None, after: UUID | None
) -> tuple[list[ImpactChange], int, UUID | None]:
    """Judge the sessions after the id `after`.

    Returns the changes, the number of sessions, and the id of the last one if there may be more.
    """
    statement = SELECT_SESSION_BATCH.where(SESSION_TABLE.c.question_set == key)
    if status:
        statement = statement.where(SESSION_TABLE.c.status == status)
    if after:
        statement = statement.where(SESSION_TABLE.c.id > after)
    sessions = tx.db.execute(statement).all()
    answers = answers_to_judge(tx, [session.id for session in sessions])
    shared = cache(lambda current: shared_questions(tx, plans, draft, current))
    changes = [_judge(tx, plans, draft, session, answers[session.id], shared) for session in sessions]
    has_more = len(sessions) == SESSIONS_PER_BATCH
    return [change for change in changes if change], len(sessions), sessions[-1].id if has_more else None


def _judge(
    tx: Transaction,
    plans: Plans,
    draft: Plan,
    session: Any,
    answers: Answers,
    shared: Callable[[Plan], set[str]],
) -> ImpactChange | None:
    """Return what the draft changes for one session, a row; None if its indication stays the same.

    An open session is judged as if it moved to the draft now. A closed session is judged with the attributes
    that it was closed with, and with the prospect's current ones that its own question set does not have.
    """
    is_open = session.status == "open"
    stored = session.prospect_attributes
    if not is_open:
        stored = {**stored, **session.attributes}
    as_of = session.closed_at or tx.at
    current = plans.find(tx, f"{session.question_set}@{session.version}")
    figures_before: Mapping[str, Any] = (
        score(current, answers, session.attributes, as_of=as_of)
        if has_stale_answers(session, as_of)
        else session._asdict()
    )
    attributes = read_stored(draft.question_set, stored).known
    shared_answers = {key: answer for key, answer in answers.items() if key in shared(current)}
    states_after = draft.evaluate(shared_answers, attributes, as_of)
    totals = Totals(draft, states_after)
    if indicated(draft, totals) == figures_before["indication"]:
        return None
    attributes_before = read_stored(current.question_set, session.attributes).known
    states_before = current.evaluate(answers, attributes_before, as_of)
    assessment = assess(draft, totals, [])
    return ImpactChange(
        kind="changed",
        session_id=session.id,
        prospect_id=session.prospect_id,
        status=session.status,
        before=ImpactFigures(
            question_set=current.name, **{figure: figures_before[figure] for figure in IMPACT_FIGURES}
        ),
        after=ImpactFigures(
            question_set=draft.name,
            indication=assessment.indication,
            score=assessment.score,
            lowest=assessment.units.lowest,
            highest=assessment.units.highest,
        ),
        why=[*_set_reasons(current, draft), *_question_reasons(states_before, states_after)],
    )


def _set_reasons(current: Plan, draft: Plan) -> Iterator[ImpactReason]:
    """Yield a reason for each rule of the whole set that the draft changes."""
    for before, after in zip(_set_rules(current), _set_rules(draft), strict=True):
        if before != after:
            yield ImpactReason(question=None, before=before, after=after)


def _set_rules(plan: Plan) -> tuple[str, str]:
    thresholds = plan.question_set.thresholds
    description = (
        f"fit at {thresholds.fit_at}, no fit below {thresholds.no_fit_below}"
        if thresholds
        else "no threshold"
    )
    return description, plan.question_set.combine


def _question_reasons(
    states_before: Iterable[QuestionState], states_after: Iterable[QuestionState]
) -> Iterator[ImpactReason]:
    """Yield a reason for each question that counts differently, or in one of the two sets only."""
    counting_before, counting_after = _counting(states_before), _counting(states_after)
    for question in {**counting_before, **counting_after}:
        before, after = counting_before.get(question), counting_after.get(question)
        if _score_input(before) != _score_input(after):
            yield ImpactReason(question=question, before=_in_words(before), after=_in_words(after))


def _counting(states: Iterable[QuestionState]) -> dict[str, QuestionState]:
    """Return the states of the questions that count in the score, by question."""
    return {state.question.key: state for state in states if not state.step.gated and state.asked.matters}


def _score_input(question_state: QuestionState | None) -> tuple[object, ...] | None:
    """Return everything about one question that the indication depends on."""
    if question_state is None:
        return None
    question = question_state.question
    requirement = question.must_reach, question.must_reach is not None and question.if_missed
    return (
        question_state.state,
        question_state.rating,
        question_state.rated_by == "rule",
        question.weight,
        requirement,
    )


def _in_words(question_state: QuestionState | None) -> str | None:
    """Describe the `_score_input`: "rated 2 by rule, weight 1, must reach 3 or it is mixed"."""
    if question_state is None:
        return None
    question = question_state.question
    state = question_state.state.replace("_", " ") + (
        f" {question_state.rating}" if question_state.rating is not None else ""
    )
    by_rule = " by rule" if question_state.rated_by == "rule" else ""
    description = f"{state}{by_rule}, weight {question.weight}"
    if question.must_reach is None:
        return description
    return f"{description}, must reach {question.must_reach} or it is {question.if_missed}"
