"""Drafts of question sets: write, see what is missing and what would change, publish."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Body, Query, Response
from pydantic import Field

from app.api.question_sets import Diff, Key, VersionOut, difference_from, whole
from app.db import Transaction
from app.http.edge import router
from app.http.lines import NdjsonResponse
from app.http.revisions import IfMatch, seen_revision, tag
from app.http.service import CallerHere, CallHere, Done, ServiceHere
from app.keys.store import Scope
from app.question_sets import drafts, store
from app.question_sets.difference import Difference
from app.question_sets.tables import QuestionSetDraft
from app.scoring import Plan, QuestionSet
from app.sessions.case import Work
from app.sessions.impact import ImpactLine, impact
from app.sessions.tables import Status
from app.wire import Out

authoring = router("drafts", Scope.AUTHOR)

MOST_FLAWS = 100

Document = Annotated[
    dict[str, Any],
    Body(
        description="A question set as in GET …/versions/{n}, or a variant: `extends` with `omit`, `add` and "
        "`change`. Both are described by /question-set.schema.json. It may be incomplete.",
        examples=[{"extends": "qualifying-a-sale@1", "omit": ["past_success"]}],
    ),
]


class DraftFlaw(Out):
    """What is missing or wrong in a draft, and what to do about it."""

    pointer: Annotated[str, Field(description="JSON pointer into the document", examples=["/title"])]
    code: Annotated[str, Field(description="stable, for programs", examples=["missing"])]
    detail: str


class DraftOut(Out):
    """A draft as it was saved, what it would be as a version, and what it still lacks for that."""

    key: str
    revision: int
    saved_at: datetime
    saved_by: Annotated[str, Field(description="the API key's name")]
    document: dict[str, Any]
    publishable: bool
    flaws: Annotated[list[DraftFlaw], Field(description="the first 100 of them")]
    flaw_count: int
    definition: Annotated[QuestionSet | None, Field(description="the whole set; null with flaws")]
    ancestry: Annotated[list[str], Field(description="the versions that it is made from, nearest first")]
    difference: Annotated[Difference | None, Field(description="from the version that `diff` names")]


@authoring.put("/question-sets/{key}/draft", operation_id="save_draft", response_model=DraftOut)
async def save_draft(
    key: Key,
    document: Document,
    service: ServiceHere,
    call: CallHere,
    if_match: IfMatch = None,
) -> Response:
    """Save the draft of a question set, complete or not, and see what it lacks.

    There is one draft for each key. To replace an existing draft, send its revision as If-Match. Saving the
    same document again changes nothing.
    """
    seen = seen_revision(if_match)

    def save(work: Work) -> DraftOut:
        return _show(work.tx, drafts.save_draft(work.tx, key, document, seen, work.key_name), None)

    return await service.write(call, save)


@authoring.get("/question-sets/{key}/draft", operation_id="get_draft")
async def get_draft(key: Key, response: Response, service: ServiceHere, diff: Diff = None) -> DraftOut:
    """Read the draft of a question set, what it lacks, and how it differs from a version."""
    found = await service.database.read(lambda tx: _show(tx, drafts.find_draft(tx, key), diff))
    tag(response, found.revision)
    return found


@authoring.delete("/question-sets/{key}/draft", operation_id="discard_draft", status_code=204)
async def discard_draft(key: Key, service: ServiceHere, caller: CallerHere, if_match: IfMatch = None) -> None:
    """Discard the draft of a question set. Needs its revision as If-Match."""
    seen = seen_revision(if_match)
    await service.database.write(lambda tx: drafts.discard_draft(tx, key, seen, caller.name))


@authoring.post(
    "/question-sets/{key}/draft/publish",
    operation_id="publish_draft",
    status_code=201,
    response_model=VersionOut,
    responses={200: {"model": VersionOut, "description": "The newest version says the same"}},
)
async def publish_draft(key: Key, service: ServiceHere, call: CallHere, if_match: IfMatch = None) -> Response:
    """Publish the draft as the next version, which never changes. Needs its revision as If-Match.

    The draft no longer exists afterwards. If it is the same as the newest version, no new version is created
    (200).
    """
    seen = seen_revision(if_match)

    def publish(work: Work) -> Done:
        version, is_new = drafts.publish_draft(work.tx, key, seen, work.key_name)
        return Done(whole(work.tx, version, None), 201 if is_new else 200)

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
    service: ServiceHere,
    status: Annotated[Status | None, Query(description="only of these sessions")] = None,
) -> NdjsonResponse:
    """Score the stored sessions with the draft, and see which indications would change, and why.

    Nothing is written. Each line is a JSON object: a session whose indication would change, the progress, or
    at the end the summary. A set that is not published yet is tried on the sessions of the set that it
    extends.
    """

    def work(tx: Transaction) -> tuple[Plan, str]:
        question_set = drafts.require_publishable(tx, drafts.find_draft(tx, key))
        sessions_of = key if store.list_versions(tx, key) else store.parent_key(question_set) or key
        return Plan(question_set, f"{key}@draft"), sessions_of

    plan, sessions_of = await service.database.read(work)
    lines = impact(service.database, service.plans, plan, sessions_of, status)
    return NdjsonResponse(line.model_dump_json() + "\n" async for line in lines)


def _show(tx: Transaction, draft: QuestionSetDraft, diff: str | None) -> DraftOut:
    question_set, flaws = drafts.read_draft(tx, draft)
    return DraftOut(
        key=draft.key,
        revision=draft.revision,
        saved_at=draft.saved_at,
        saved_by=draft.saved_by,
        document=draft.document or {},
        publishable=question_set is not None,
        flaws=[
            DraftFlaw(pointer=flaw.pointer, code=flaw.kind, detail=flaw.detail) for flaw in flaws[:MOST_FLAWS]
        ],
        flaw_count=len(flaws),
        definition=question_set,
        ancestry=store.ancestry(tx, question_set) if question_set else [],
        difference=difference_from(tx, diff, f"{draft.key}@draft", question_set) if question_set else None,
    )
