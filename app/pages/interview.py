"""The guided interview: one step at a time with one question in focus, then the decision and the outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator, Field, StringConstraints

from app.clock import utc_now
from app.db import Transaction
from app.edge.problem_responses import problem_of
from app.edge.service import Service, ServiceDep
from app.inbound.forms.schemas import as_currency, as_keyword
from app.keys.schemas import Scope
from app.pages.facts import Declared, Fact, FactsForm, facts_of, save_session_facts, with_entered
from app.pages.rendering import address, page
from app.pages.routes import REFUSALS, Form, Seen, actor_of, form_of, page_router, write
from app.problems import Problem
from app.prospects.queries import find_prospect
from app.question_sets.plans import Plans
from app.schemas import Day, Line, Prose
from app.scoring import Evidence, Plan, Question, QuestionState, form
from app.sessions.presenters import session_out
from app.sessions.queries import answers_of, find_session
from app.sessions.requests import (
    AnswerIn,
    AnswersPatch,
    Currency,
    NewDecision,
    NewOutcome,
    OutcomeReason,
    QuestionKey,
)
from app.sessions.schemas import AnswerOut, SessionOut
from app.sessions.scores import judge_session
from app.sessions.service import decide, record_session_answers, record_session_outcome
from app.sessions.tables import DecisionWord, OutcomeWord, SideWord

reading = page_router(Scope.READ)
writing = page_router(Scope.WRITE)
ANSWER = form(
    r"^(-?[0-9]{1,4}|not_applicable|unknown|open)$",
    "send a rating, or the state not_applicable, unknown or open",
)
# At this time after the end of a day in UTC, the day has ended everywhere.
LAST_TIME_ZONE = timedelta(hours=12)
DECISION = "decision"
OUTCOME = "outcome"
# No question has this key, because it contains a hyphen.
FACTS = "facts-about"


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question of the interview with its current answer.

    `swing` is the number of points (0..100) by which it can still move the estimate of its unit; None if it
    cannot.
    """

    question: Question
    step: int
    gated: bool
    scored: QuestionState
    answer: AnswerOut | None
    swing: float | None

    @property
    def is_open(self) -> bool:
        """Whether neither a person nor a rule has answered it."""
        return self.scored.state == "open" and not self.is_unknown

    @property
    def is_unknown(self) -> bool:
        """Whether the answer is that nobody knows, so the question can still move the result."""
        return self.scored.state == "open" and self.answer is not None and self.answer.state == "unknown"


@dataclass(frozen=True, slots=True)
class Interview:
    """A session as the interview shows it."""

    session: SessionOut
    plan: Plan
    name: str | None
    asked: Sequence[AskedQuestion]
    facts: Sequence[Fact]

    @property
    def askable(self) -> list[AskedQuestion]:
        """The questions that can be answered before the next decision."""
        return [one for one in self.asked if not self.needs_decision(one)]

    def find(self, key: str | None) -> AskedQuestion | None:
        """Return the question with a key, or else the first open one; None if all are answered."""
        asked = (one for one in self.asked if (one.question.key == key if key else one.is_open))
        return next(asked, None)

    def needs_decision(self, asked: AskedQuestion) -> bool:
        """Whether a question belongs to a step that only opens with the decision to pursue."""
        decision = self.session.decision
        return asked.gated and not (decision and decision.decision == "pursue")

    def after(self, key: str) -> str:
        """Return what to ask after a question: the key of an open question, or the decision."""
        keys = [one.question.key for one in self.asked]
        start = keys.index(key) + 1 if key in keys else 0
        following = [*self.asked[start:], *self.asked[:start]]
        found = next((one for one in following if one.is_open and not self.needs_decision(one)), None)
        return found.question.key if found else DECISION


class AnswerForm(Form):
    """The answer to one question. `seen` is the revision of the session that the page showed."""

    question: QuestionKey
    answer: Annotated[str, StringConstraints(pattern=ANSWER)] | None = None
    text: Prose | None = None
    evidence: Evidence | None = None
    seen: Seen

    def as_answer(self) -> AnswerIn:
        """Return the answer in the form that a session records."""
        answer = self.answer or ""
        is_rating = answer.lstrip("-").isdigit()
        withdrawn = answer == "open"
        return AnswerIn.model_validate(
            {
                "question": self.question,
                "rating": int(answer) if is_rating else None,
                "state": None if is_rating else answer,
                "text": None if withdrawn else self.text,
                "evidence": None if withdrawn else self.evidence,
            }
        )


class DecisionForm(Form):
    """What a person decides on the revision that the page showed."""

    decision: DecisionWord
    match: SideWord | None = None
    benefit: SideWord | None = None
    reason: Prose | None = None
    revisit_on: Day | None = None
    seen: Seen

    @property
    def revisits_in_the_past(self) -> bool:
        """Whether the day to revisit has ended in every time zone."""
        return self.revisit_on is not None and self.revisit_on < (utc_now() - LAST_TIME_ZONE).date()


class OutcomeForm(Form):
    """How the deal ended."""

    outcome: OutcomeWord
    amount: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    currency: Annotated[Currency | None, BeforeValidator(as_currency)] = None
    closed_on: Day | None = None
    reason: Annotated[OutcomeReason | None, BeforeValidator(as_keyword)] = None
    competitor: Line | None = None


# The forms of the parts of the page that ask no question.
FORM_OF: Mapping[str | None, type[Form]] = {DECISION: DecisionForm, OUTCOME: OutcomeForm, FACTS: FactsForm}


@reading.get("/sessions/{session_id}")
async def get_interview(
    request: Request,
    service: ServiceDep,
    session_id: UUID,
    question: Annotated[str | None, Query(max_length=48)] = None,
) -> Response:
    """Show a question with its step, the decision, or the outcome. Without `question`, the first open one."""
    return await _show(request, service, session_id, question)


@writing.post("/sessions/{session_id}/answers")
async def post_answer(
    request: Request,
    service: ServiceDep,
    session_id: UUID,
    form: Annotated[AnswerForm, form_of(AnswerForm)],
) -> Response:
    """Save an answer and redirect to the next open question. Show a refused answer with the reason."""
    if form.answer is None:
        return await _show(request, service, session_id, form.question, form=form, status=422)
    try:
        patch = AnswersPatch(answers=[form.as_answer()], revision=form.seen)
        await write(request, form, lambda uow: record_session_answers(uow, session_id, patch))
    except REFUSALS as error:
        return await _show(request, service, session_id, form.question, form=form, problem=problem_of(error))
    interview = await service.read_scores(lambda tx: load_interview(tx, service.plans, session_id))
    return _redirect_to(request, session_id, interview.after(form.question))


@writing.post("/sessions/{session_id}/decision")
async def post_decision(
    request: Request,
    service: ServiceDep,
    session_id: UUID,
    form: Annotated[DecisionForm, form_of(DecisionForm)],
) -> Response:
    """Record it. Redirect to the next open question if the decision is to pursue, else to the scorecard.

    A day to revisit in the past is refused.
    """
    if form.revisits_in_the_past:
        return await _show(request, service, session_id, DECISION, form=form, status=422)
    sent = form.model_dump(exclude={"token", "request_key", "seen"})
    try:
        await write(
            request,
            form,
            lambda uow: decide(uow, session_id, NewDecision(**sent, revision=form.seen, actor=uow.actor)),
        )
    except REFUSALS as error:
        return await _show(request, service, session_id, DECISION, form=form, problem=problem_of(error))
    interview = await service.read_scores(lambda tx: load_interview(tx, service.plans, session_id))
    following = interview.find(None)
    if form.decision == "pursue" and following:
        return _redirect_to(request, session_id, following.question.key)
    return RedirectResponse(address(request, f"/prospects/{interview.session.prospect_id}"), 303)


@writing.post("/sessions/{session_id}/outcome")
async def post_outcome(
    request: Request,
    service: ServiceDep,
    session_id: UUID,
    form: Annotated[OutcomeForm, form_of(OutcomeForm)],
) -> Response:
    """Record the outcome, which closes the session, and redirect to the scorecard."""
    sent = form.model_dump(exclude={"token", "request_key"})
    try:
        stored = await write(
            request, form, lambda uow: record_session_outcome(uow, session_id, NewOutcome(**sent))
        )
    except REFUSALS as error:
        return await _show(request, service, session_id, OUTCOME, form=form, problem=problem_of(error))
    closed = SessionOut.model_validate_json(stored)
    return RedirectResponse(address(request, f"/prospects/{closed.prospect_id}"), 303)


@writing.post("/sessions/{session_id}/attributes")
async def post_attributes(
    request: Request,
    service: ServiceDep,
    session_id: UUID,
    form: Annotated[FactsForm, form_of(FactsForm)],
) -> Response:
    """Save the facts about the prospect, and redirect to the first open question."""
    try:
        await write(request, form, lambda uow: save_session_facts(uow, session_id, form))
    except REFUSALS as error:
        return await _show(request, service, session_id, None, form=form, problem=problem_of(error))
    return RedirectResponse(address(request, f"/sessions/{session_id}#now"), 303)


def load_interview(tx: Transaction, plans: Plans, session_id: UUID) -> Interview:
    """Load a session with every question that applies. Raises NOT_FOUND, and `StaleScores`."""
    session = find_session(tx, session_id)
    shown = session_out(tx, plans, session)
    plan = plans.find(tx, shown.question_set)
    judged = judge_session(plan, session, answers_of(tx, session_id))
    answers = {answer.question: answer for answer in shown.answers if answer.state != "open"}
    units = judged.assessment.totals.units
    steps = plan.question_set.steps
    asked = []
    for state in judged.states:
        key, gated = state.question.key, state.step.gated
        weight = 0 if gated else units[state.asked.in_unit].weight
        swing = 100 * state.question.weight / weight if weight and state.state == "open" else None
        asked.append(
            AskedQuestion(state.question, steps.index(state.step), gated, state, answers.get(key), swing)
        )
    prospect = find_prospect(tx, session.prospect_id)
    facts = facts_of(tx, Declared.by_set(plan), prospect, shown)
    return Interview(shown, plan, prospect.name, asked, facts)


def _redirect_to(request: Request, session_id: UUID, question: str) -> Response:
    return RedirectResponse(address(request, f"/sessions/{session_id}?question={question}#now"), 303)


async def _show(
    request: Request,
    service: Service,
    session_id: UUID,
    question: str | None,
    *,
    form: Form | None = None,
    problem: Problem | None = None,
    status: int = 200,
) -> Response:
    """Return the page, with what was entered if `problem` says why it was not saved."""
    interview = await service.read_scores(lambda tx: load_interview(tx, service.plans, session_id))
    asked, part = None, FACTS if isinstance(form, FactsForm) else question
    if part not in FORM_OF:
        asked = interview.find(question) or interview.find(None)
        if asked and interview.needs_decision(asked):
            asked = None
        part = "question" if asked else DECISION
    context: dict[str, Any] = {"interview": interview, "part": part, "asked": asked, "unplaced": None}
    context["facts"] = with_entered(interview.facts, form, problem, actor_of(request))
    if isinstance(form, AnswerForm) and not (asked and asked.question.key == form.question):
        context["unplaced"] = form.text or ""
    return page(
        request,
        "interview.html",
        status=problem.kind.status if problem else status,
        form=form if isinstance(form, FORM_OF.get(part, AnswerForm)) else None,
        problem=problem,
        **context,
    )
