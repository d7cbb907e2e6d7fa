"""Intakes: other systems post what they have, and a mapping says what it means."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, TypeAdapter

from app.db import Transaction
from app.http.authorise import require_also
from app.http.bodies import is_json, media_type, read_body
from app.http.edge import router
from app.http.paging import Page, PageQuery, base_url, next_page, position_after
from app.http.problem_responses import PROBLEMS, FieldErrorOut
from app.http.revisions import IfMatch, on_revision, tag
from app.http.service import CallerHere, CallHere, Done, ServiceHere
from app.intake import store, wire
from app.intake.flow import rehearse
from app.intake.payload import FORM, read_fields
from app.intake.signature import check_signature
from app.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.intake.templates import fill_in
from app.keys.secret import OF_INTAKES, new_secret
from app.keys.store import Scope
from app.problems import CATALOGUE, UNSUPPORTED_MEDIA_TYPE, Problem
from app.sessions.case import Work
from app.strict_json import read_json
from app.wire import Out, SetName

authoring = router("intakes", Scope.AUTHOR)
# Who posts here has no key: the token in the address is the secret.
receiving = APIRouter(prefix="/v1", tags=["intakes"], responses=PROBLEMS)

KINDS = {kind.slug: kind for kind in CATALOGUE}
POSITION = TypeAdapter(tuple[UUID])
WRITES = "What is taken in is qualified."
ANYTHING = {"schema": {"type": "object", "description": "whatever the other system sends, a list as well"}}
# Swagger 2.0 has no words for a body that may be a form too.
BODY = {"requestBody": {"required": True, "content": {"application/json": ANYTHING}}}

ReceiptsOf = Annotated[UUID, Path(description="the intake's id")]


class ReceiptQuery(PageQuery):
    """Which receipts, and which page of them."""

    status: Annotated[wire.Status | None, Field(description="only these")] = None


class WhyNot(Out):
    """Why a payload could not be processed; the pointers lead into the intake."""

    type: Annotated[str, Field(description="stable, for programs")]
    title: str
    detail: str
    remedy: str
    errors: list[FieldErrorOut]


class ReceiptOut(Out):
    """A payload that was taken in, and what became of it."""

    id: UUID
    received_at: datetime
    status: wire.Status
    processed_at: datetime | None
    items: Annotated[list[wire.ItemOut], Field(description="whom it is about")]
    problem: WhyNot | None


class ReceiptWhole(ReceiptOut):
    """The same with the payload as it came."""

    media_type: Annotated[str, Field(description="as it was declared; empty if it was not")]
    payload: str


class ReceiptPage(Page[ReceiptOut]):
    """A page of receipts."""


@receiving.post("/intake/{token}", operation_id="receive_payload", status_code=202, openapi_extra=BODY)
async def receive_payload(
    token: Annotated[str, Path(description="told once when the intake is made")],
    request: Request,
    service: ServiceHere,
) -> wire.Received:
    """Receive a payload from another system. It is stored as it is, and processed after the response.

    No key is needed, because the address contains a token. Accepts JSON, also without a Content-Type, and web
    forms.
    """
    # Before anything is waited for: who hangs up early takes along what was not read.
    declared, body = media_type(request), await read_body(request, service.settings.max_body_bytes)
    intake = await service.database.read(lambda tx: store.find_by_token(tx, token))
    if declared == FORM:
        read_fields(body)
    elif not declared or is_json(declared):
        read_json(body)
    else:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "The Content-Type is neither JSON nor that of a web form.")
    signature = request.headers.get("x-hubspot-signature-v3") if intake.hubspot_secret else None
    if intake.hubspot_secret:
        sent_at = request.headers.get("x-hubspot-request-timestamp")
        uri = _called(request, token)
        check_signature(intake.hubspot_secret, uri, body, signature, sent_at, service.clock())
    receipt = await service.database.write(lambda tx: store.take_in(tx, intake, declared, body, signature))
    service.intakes.wake()
    return wire.Received(receipt_id=receipt)


@authoring.post("/intakes", operation_id="create_intake", status_code=201, response_model=wire.IntakeMade)
async def create_intake(
    new: wire.NewIntake, request: Request, service: ServiceHere, call: CallHere
) -> Response:
    """Create an intake. Store its token at once: you cannot read it again.

    Try the mapping with a dry run on a sample first. The key also needs the scope write.
    """
    require_also(call.caller, Scope.WRITE, WRITES)
    token = new_secret(call.seed, OF_INTAKES)

    def make(work: Work) -> Done:
        made = _shown(work.tx, store.create(work.tx, work.plans, new, token))
        address = f"{base_url(request)}/v1/intake/{token}"
        return Done(wire.IntakeMade(**dict(made), token=token, address=address), 201, token)

    return await service.write(call, make)


@authoring.get("/intakes", operation_id="list_intakes")
async def get_intakes(service: ServiceHere) -> wire.IntakeLines:
    """List the intakes, oldest first."""
    return await service.database.read(
        lambda tx: wire.IntakeLines(items=_all_shown(tx, list(store.list_intakes(tx))))
    )


@authoring.get("/intake-templates", operation_id="list_intake_templates")
async def get_templates(
    service: ServiceHere,
    question_set: Annotated[SetName | None, Query(description="whose questions to map")] = None,
) -> wire.IntakeTemplateList:
    """Read the ready-made mappings, filled in with every question and attribute of a question set."""
    plan = await service.plans.get(question_set)
    return wire.IntakeTemplateList(items=fill_in(plan))


@authoring.post("/intake-dry-run", operation_id="dry_run_intake")
async def dry_run(sample: wire.DryRun, service: ServiceHere, caller: CallerHere) -> wire.DryRunOut:
    """Try a mapping on a sample, and see what qualify would receive and return. Nothing is written.

    If the mapping cannot be used, the response is a 422 that names the places in it. The key also needs the
    scope write.
    """
    require_also(caller, Scope.WRITE, WRITES)
    return await service.database.write(lambda tx: rehearse(Work(tx, service.plans, "dry run"), sample))


@authoring.get("/intakes/{intake_id}", operation_id="get_intake")
async def get_intake(intake_id: UUID, response: Response, service: ServiceHere) -> wire.IntakeOut:
    """Read an intake."""
    found = await service.database.read(lambda tx: _shown(tx, store.find(tx, intake_id)))
    tag(response, found.revision)
    return found


@authoring.patch("/intakes/{intake_id}", operation_id="update_intake", response_model=wire.IntakeOut)
async def update_intake(
    intake_id: UUID,
    request: wire.IntakeChange,
    service: ServiceHere,
    call: CallHere,
    if_match: IfMatch = None,
) -> Response:
    """Change an intake. Payloads that are not processed yet are read with the new mapping.

    The key also needs the scope write.
    """
    require_also(call.caller, Scope.WRITE, WRITES)
    change = on_revision(request, if_match)
    return await service.write(
        call, lambda work: _shown(work.tx, store.change(work.tx, work.plans, intake_id, change))
    )


@authoring.delete("/intakes/{intake_id}", operation_id="delete_intake", status_code=204)
async def delete_intake(intake_id: UUID, service: ServiceHere) -> None:
    """Delete an intake with all its receipts. From then on its address returns a 404."""
    await service.database.write(lambda tx: store.discard(tx, intake_id))
    await service.database.erase_traces()


@authoring.get("/intakes/{intake_id}/receipts", operation_id="list_receipts")
async def get_receipts(
    intake_id: ReceiptsOf, request: Request, service: ServiceHere, query: Annotated[ReceiptQuery, Query()]
) -> ReceiptPage:
    """List what an intake received, newest first, without the payloads."""
    start = position_after(query.after, POSITION)

    def work(tx: Transaction) -> ReceiptPage:
        before = start[0] if start else None
        found = store.list_receipts(tx, intake_id, query.status, before, query.limit + 1)
        shown = found[: query.limit]
        items = store.items_of(tx, [receipt.id for receipt in shown])
        address = next_page(request, found, query.limit, [str(receipt.id) for receipt in shown[-1:]])
        return ReceiptPage(items=[_receipt(one, items[one.id]) for one in shown], next=address)

    return await service.database.read(work)


@authoring.get("/intakes/{intake_id}/receipts/{receipt_id}", operation_id="get_receipt")
async def get_receipt(intake_id: ReceiptsOf, receipt_id: UUID, service: ServiceHere) -> ReceiptWhole:
    """Read a receipt with its original payload."""

    def work(tx: Transaction) -> ReceiptWhole:
        found = store.find_receipt(tx, intake_id, receipt_id)
        told = _receipt(found, store.items_of(tx, [found.id])[found.id])
        return ReceiptWhole(**dict(told), media_type=found.media_type, payload=found.body.decode())

    return await service.database.read(work)


@authoring.post(
    "/intakes/{intake_id}/replay", operation_id="replay_receipts", response_model=wire.ReplayedReceipts
)
async def replay_receipts(
    intake_id: ReceiptsOf, request: wire.ReceiptReplay, service: ServiceHere, call: CallHere
) -> Response:
    """Process receipts again with the current mapping: those that you name, or all that failed."""
    replayed = await service.write(
        call, lambda work: wire.ReplayedReceipts(receipts=store.replay(work.tx, intake_id, request.ids))
    )
    service.intakes.wake()
    return replayed


def _called(request: Request, token: str) -> str:
    """The address as the sender knows it."""
    query = request.url.query
    return f"{base_url(request)}/v1/intake/{token}" + (f"?{query}" if query else "")


def _shown(tx: Transaction, intake: Intake) -> wire.IntakeOut:
    return _all_shown(tx, [intake])[0]


def _all_shown(tx: Transaction, intakes: list[Intake]) -> list[wire.IntakeOut]:
    counts = store.counts(tx, [one.id for one in intakes])
    return [
        wire.IntakeOut(
            **one.model_dump(
                include={"id", "name", "shown", "question_set", "keep_hours", "revision"}
                | {"created_at", "updated_at"}
            ),
            mapping=wire.MappingOut.model_validate(one.mapping),
            signed=one.hubspot_secret is not None,
            waiting=counts.get((one.id, "received"), 0),
            failed=counts.get((one.id, "failed"), 0),
        )
        for one in intakes
    ]


def _receipt(receipt: IntakeReceipt, items: list[IntakeItem]) -> ReceiptOut:
    return ReceiptOut(
        **receipt.model_dump(include={"id", "received_at", "status", "processed_at"}),
        items=[
            wire.ItemOut.model_validate(item.model_dump(exclude={"receipt_id", "place"})) for item in items
        ],
        problem=_why_not(receipt),
    )


def _why_not(receipt: IntakeReceipt) -> WhyNot | None:
    if receipt.problem is None:
        return None
    kind = KINDS[receipt.problem["slug"]]
    return WhyNot(
        type=kind.type,
        title=kind.title,
        detail=receipt.problem["detail"],
        remedy=kind.remedy,
        errors=[FieldErrorOut(where="body", **error) for error in receipt.problem["errors"]],
    )
