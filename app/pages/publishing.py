"""The page before a draft is published: the differences, the sessions that would change, and the button."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from app.db import Transaction
from app.edge.ndjson import NdjsonResponse
from app.edge.service import Service, ServiceDep
from app.keys.schemas import Scope
from app.pages.drafts import Key
from app.pages.rendering import PAGE_HEADERS, address, render
from app.pages.routes import Form, Seen, form_of, page_router, query_of, write
from app.problems import DRAFT_HAS_FLAWS, STALE_REVISION, Problem
from app.prospects.queries import names_of
from app.question_sets import service as question_sets
from app.question_sets.presenters import difference, difference_lines
from app.question_sets.queries import find_set, find_version, list_versions
from app.question_sets.reader import write_yaml
from app.schemas import In
from app.scoring import Plan, QuestionSet
from app.sessions.impact.queries import impact, prepare_draft
from app.sessions.impact.schemas import ImpactChange, ImpactLine, ImpactSummary
from app.sessions.session_edit import UnitOfWork
from app.sessions.tables import Status

authoring = page_router(Scope.AUTHOR)
# More sessions than this are only counted.
MAX_SHOWN_CHANGES = 200
CONTEXT_LINES = 2
# Where the page continues when the impact has been computed.
REST = "\0rest\0"


class PublishQuery(In):
    """Which sessions to try the draft on."""

    status: Status | None = None


class PublishForm(Form):
    """The revision of the draft that the page showed."""

    seen: Seen


class Published(BaseModel):
    """The name of a version that was published, kept in case the form is sent twice."""

    name: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A draft to publish: its next name, and the difference from `before`, "" if there is none."""

    key: str
    revision: int
    plan: Plan
    sessions_of: str
    next_name: str
    before: str
    words: Sequence[str]
    lines: Sequence[str]


class PageStream(NdjsonResponse):
    """A page that is computed while it is sent, as streams of NDJSON are."""

    media_type = "text/html"


@authoring.get("/question-sets/{key}/draft/publish")
async def get_publish(
    request: Request, service: ServiceDep, key: Key, query: Annotated[PublishQuery, query_of(PublishQuery)]
) -> Response:
    """Show the difference and the impact, and then the button that publishes."""
    return await _show(request, service, key, query.status)


@authoring.post("/question-sets/{key}/draft/publish")
async def post_publish(
    request: Request, service: ServiceDep, key: Key, form: Annotated[PublishForm, form_of(PublishForm)]
) -> Response:
    """Publish the draft that the page showed, and redirect to the new version."""

    def publish(uow: UnitOfWork) -> Published:
        version, _ = question_sets.publish_draft(uow.tx, key, form.seen, uow.author)
        return Published(name=version.name)

    try:
        published = Published.model_validate_json(await write(request, form, publish))
    except Problem as problem:
        if problem.kind is not STALE_REVISION:
            raise
        return await _show(request, service, key, None, problem)
    service.plans.forget_newest()
    return RedirectResponse(address(request, f"/question-sets/{published.name}"), 303)


async def _show(
    request: Request, service: Service, key: str, status: Status | None, problem: Problem | None = None
) -> Response:
    try:
        publication = await service.database.read(lambda tx: _load(tx, key))
    except Problem as flawed:
        if flawed.kind is not DRAFT_HAS_FLAWS:
            raise
        # The editor shows them at their lines.
        return RedirectResponse(address(request, f"/question-sets/{key}/draft"), 303)
    whole = render(
        request, "publish.html", publication=publication, status=status, problem=problem, rest=REST
    )
    start, end = whole.split(REST)
    batches = impact(service.database, service.plans, publication.plan, publication.sessions_of, status)

    def last_part(problem: Problem) -> str:
        return render(request, "publish_end.html", publication=publication, problem=problem) + end

    stream = PageStream(
        request,
        _parts(request, service, publication, start, end, batches),
        last_part,
        status_code=problem.kind.status if problem else 200,
    )
    stream.headers.update(PAGE_HEADERS)
    return stream


async def _parts(
    request: Request,
    service: Service,
    publication: Publication,
    start: str,
    end: str,
    batches: AsyncIterator[Iterable[ImpactLine]],
) -> AsyncGenerator[str, None]:
    yield start
    shown = 0
    async for lines in batches:
        changes = [line for line in lines if isinstance(line, ImpactChange)][: MAX_SHOWN_CHANGES - shown]
        shown += len(changes)
        if changes:
            # Without the scope read, a person may know the ids alone.
            may_read = request.state.caller.may(Scope.READ)
            ids = {change.prospect_id for change in changes if may_read}
            names = await service.database.read(partial(names_of, ids=ids))
            context: dict[str, Any] = {"changes": changes, "names": names, "plan": publication.plan}
            yield render(request, "publish_changes.html", **context)
        for line in lines:
            if isinstance(line, ImpactSummary):
                context = {"publication": publication, "summary": line, "shown": shown, "problem": None}
                yield render(request, "publish_end.html", **context) + end


def _load(tx: Transaction, key: str) -> Publication:
    draft = question_sets.find_draft(tx, key)
    plan, sessions_of = prepare_draft(tx, draft)
    question_set = plan.question_set
    newest = find_version(tx, key)
    before = newest.name if newest else question_set.extends or ""
    base = find_set(tx, before) if before else None
    versions = list_versions(tx, key)
    next_name = f"{key}@{versions[0].version + 1 if versions else 1}"
    words, lines = _difference(before, base, next_name, question_set) if base else ([], [])
    return Publication(key, draft.revision, plan, sessions_of, next_name, before, words, lines)


def _difference(
    before: str, base: QuestionSet, next_name: str, question_set: QuestionSet
) -> tuple[list[str], list[str]]:
    """Return the difference in words, and as lines of YAML with + and - in front."""
    found = difference((before, base), (next_name, question_set))
    old, new = (write_yaml(one.canonical()).splitlines() for one in (base, question_set))
    return list(difference_lines(found)), list(unified_diff(old, new, lineterm="", n=CONTEXT_LINES))[2:]
