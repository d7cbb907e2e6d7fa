"""Drafts of question sets: save, check, preview and publish."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Annotated, Any

from fastapi import Body, Query, Request, Response

from app.api.question_sets import Diff, Key
from app.edge.ndjson import NdjsonResponse
from app.edge.problem_responses import problem_out
from app.edge.revisions import IfMatch, RequiredIfMatch, seen_revision, set_etag
from app.edge.routes import router
from app.edge.service import CallerDep, ServiceDep, WriteCallDep, WriteResult
from app.keys.schemas import Scope
from app.problems import Problem
from app.question_sets import service as question_sets
from app.question_sets.presenters import draft_out, version_out
from app.question_sets.schemas import DraftOut, QuestionSetVersionOut
from app.sessions.impact.queries import impact, prepare_draft
from app.sessions.impact.schemas import ImpactLine, ImpactProblem
from app.sessions.session_edit import UnitOfWork
from app.sessions.tables import Status

authoring = router("drafts", Scope.AUTHOR)
Document = Annotated[
    dict[str, Any],
    Body(
        description="A question set as in GET …/versions/{n}, or a variant: `extends` with `omit`, `add` and "
        "`change`. Both are described by /question-set.schema.json. It may be incomplete.",
        examples=[{"extends": "qualifying-a-sale@1", "omit": ["past_success"]}],
    ),
]


@authoring.put("/question-sets/{key}/draft", operation_id="save_draft", response_model=DraftOut)
async def save_draft(
    key: Key,
    document: Document,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Save the draft of a question set, complete or not, and see what it lacks.

    There is one draft for each key. To replace an existing draft, send its revision as If-Match. Saving the
    same document again changes nothing.
    """
    seen = seen_revision(if_match)

    def save(uow: UnitOfWork) -> DraftOut:
        return draft_out(uow.tx, question_sets.save_draft(uow.tx, key, document, seen, uow.key_name), None)

    return await service.write(call, save)


@authoring.get("/question-sets/{key}/draft", operation_id="get_draft")
async def get_draft(key: Key, response: Response, service: ServiceDep, diff: Diff = None) -> DraftOut:
    """Read the draft of a question set. Shows what it lacks, and how it differs from a version."""
    found = await service.database.read(lambda tx: draft_out(tx, question_sets.find_draft(tx, key), diff))
    set_etag(response, found.revision)
    return found


@authoring.delete("/question-sets/{key}/draft", operation_id="discard_draft", status_code=204)
async def discard_draft(
    key: Key, service: ServiceDep, caller: CallerDep, if_match: RequiredIfMatch = None
) -> None:
    """Discard the draft of a question set. Needs its revision as If-Match."""
    seen = seen_revision(if_match)
    await service.database.write(lambda tx: question_sets.discard_draft(tx, key, seen, caller.name))


@authoring.post(
    "/question-sets/{key}/draft/publish",
    operation_id="publish_draft",
    status_code=201,
    response_model=QuestionSetVersionOut,
    responses={200: {"model": QuestionSetVersionOut, "description": "The newest version is the same"}},
)
async def publish_draft(
    key: Key, service: ServiceDep, call: WriteCallDep, if_match: RequiredIfMatch = None
) -> Response:
    """Publish the draft as the next version, which never changes. Needs its revision as If-Match.

    The draft no longer exists afterwards. If it is the same as the newest version, no new version is created
    (200).
    """
    seen = seen_revision(if_match)

    def publish(uow: UnitOfWork) -> WriteResult:
        version, is_new = question_sets.publish_draft(uow.tx, key, seen, uow.key_name)
        return WriteResult(version_out(uow.tx, version, None), 201 if is_new else 200)

    published = await service.write(call, publish)
    service.plans.forget_newest()
    return published


@authoring.post(
    "/question-sets/{key}/draft/impact",
    operation_id="preview_draft",
    response_model=ImpactLine,
    response_class=NdjsonResponse,
)
async def preview_draft(
    key: Key,
    request: Request,
    service: ServiceDep,
    status: Annotated[Status | None, Query(description="only sessions with this status")] = None,
) -> NdjsonResponse:
    """Score the stored sessions with the draft. Shows which indications would change, and why.

    Nothing is written. Each line is a JSON object: a session whose indication would change, the progress, or
    at the end the summary or a problem. A set that is not published yet is tried on the sessions of the set
    that it extends.
    """
    plan, sessions_of = await service.database.read(
        lambda tx: prepare_draft(tx, question_sets.find_draft(tx, key))
    )
    batches = impact(service.database, service.plans, plan, sessions_of, status)

    def last_line(problem: Problem) -> str:
        return _as_text([ImpactProblem(kind="problem", problem=problem_out(request, problem))])

    return NdjsonResponse(request, _as_texts(batches), last_line)


async def _as_texts(batches: AsyncIterator[Iterable[ImpactLine]]) -> AsyncGenerator[str, None]:
    async for lines in batches:
        yield _as_text(lines)


def _as_text(lines: Iterable[ImpactLine]) -> str:
    return "".join(line.model_dump_json() + "\n" for line in lines)
