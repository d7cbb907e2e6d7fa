"""Intakes: other systems post their payloads, and a mapping turns them into forms."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, TypeAdapter

from app.db import Transaction
from app.edge.bodies import is_json, media_type, read_body
from app.edge.paging import Page, PageQuery, base_url, next_page, position_after
from app.edge.payload_signature import check_signature
from app.edge.problem_responses import PROBLEM_RESPONSES
from app.edge.revisions import IfMatch, set_etag, with_revision
from app.edge.routes import LazyRoute, router
from app.edge.service import ServiceDep, WriteCallDep, WriteResult
from app.inbound.intake import queries as intake_queries
from app.inbound.intake import schemas
from app.inbound.intake import service as intakes
from app.inbound.intake.mapping import FORM_MEDIA_TYPE, read_payload
from app.inbound.intake.presenters import intake_out, intakes_out, receipt_out
from app.inbound.intake.queries import IntakeQuotas, intake_templates
from app.inbound.intake.schemas import ReceiptOut, ReceiptWithPayload
from app.inbound.intake.service import try_mapping
from app.keys.schemas import Scope
from app.keys.service import INTAKE_TOKEN_PREFIX, new_secret
from app.problems import UNSUPPORTED_MEDIA_TYPE, Problem, invalid_field
from app.schemas import SetName
from app.sessions.session_edit import UnitOfWork

authoring = router("intakes", Scope.AUTHOR)
# An intake writes prospects and sessions, and its receipts hold personal data.
writing = router("intakes", Scope.AUTHOR, also=(Scope.WRITE,))
reading = router("intakes", Scope.AUTHOR, also=(Scope.READ,))
# Senders have no API key. The token in the address is the secret.
receiving = APIRouter(prefix="/v1", tags=["intakes"], route_class=LazyRoute, responses=PROBLEM_RESPONSES)
RECEIPT_POSITION = TypeAdapter(tuple[UUID])
# Some systems send JSON with one of these media types, or with none.
JSON_SENT_AS = ("", "text/plain", "text/json")
OBJECT_OR_LIST = {
    "schema": {
        "anyOf": [{"type": "object"}, {"type": "array", "items": {}}],
        "description": "what the other system sends",
    }
}
PAYLOAD = {
    # Swagger 2.0 cannot describe a body that is either JSON or a web form.
    "requestBody": {"required": True, "content": {"application/json": OBJECT_OR_LIST}},
}
IntakeIdInPath = Annotated[UUID, Path(description="the intake's id")]


class ReceiptQuery(PageQuery):
    """Which receipts to return, and which page of them."""

    status: Annotated[schemas.ReceiptStatus | None, Field(description="only receipts with this status")] = (
        None
    )


class ReceiptPage(Page[ReceiptOut]):
    """A page of receipts."""


@receiving.post("/intake/{token}", operation_id="receive_payload", status_code=202, openapi_extra=PAYLOAD)
async def receive_payload(
    token: Annotated[str, Path(description="shown once, when the intake is created")],
    request: Request,
    service: ServiceDep,
) -> schemas.PayloadReceived:
    """Receive a payload from another system. It is stored as it is, and processed after the response.

    No key is needed, because the address contains a token. Accepts web forms, and JSON as application/json,
    as text/plain or without a Content-Type. A value that is not valid in a field, such as a text with a NUL
    character, is an error only if the mapping uses it. If the intake has received too much in this hour, or
    too many of its payloads wait to be processed, the response is a 429 with Retry-After, and the payload is
    not stored.
    """
    settings = service.settings
    quotas = IntakeQuotas(
        settings.intake_posts_per_hour, settings.intake_bytes_per_hour, settings.intake_waiting_payloads
    )
    intake = await service.database.read(lambda tx: intake_queries.find_accepting(tx, token, quotas))
    content_type, body = media_type(request), await read_body(request, settings.max_body_bytes)
    if content_type not in (FORM_MEDIA_TYPE, *JSON_SENT_AS) and not is_json(content_type):
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "The Content-Type must be JSON or that of a web form.")
    payload = await service.computing.run_if_large(len(body), lambda: read_payload(content_type, body))
    _require_object_or_list(payload)
    signature = None
    if intake.signature and intake.signature_secret:
        rule = schemas.SignatureRule.model_validate(intake.signature)
        secret = service.cipher.decrypt("signature secret", intake.id, intake.signature_secret)
        url = _requested_url(request, token)
        signature = check_signature(rule, secret, url, body, request.headers, service.clock())
    receipt = await service.database.write(
        lambda tx: intakes.store_payload(tx, intake, content_type, body, signature, quotas)
    )
    service.intakes.wake()
    return schemas.PayloadReceived(receipt_id=receipt)


@writing.post("/intakes", operation_id="create_intake", status_code=201, response_model=schemas.IntakeCreated)
async def create_intake(
    new: schemas.NewIntake, request: Request, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Create an intake. Store its token at once: you cannot read it again.

    If you repeat the request with its idempotency key, the token in the response is masked. If you have not
    stored it, delete the intake and create another one. Try the mapping with a dry run on a sample first. The
    key also needs the scope write.
    """
    token = new_secret(INTAKE_TOKEN_PREFIX)

    def create(uow: UnitOfWork) -> WriteResult:
        created = intake_out(uow.tx, intakes.create_intake(uow.tx, uow.plans, service.cipher, new, token))
        address = f"{base_url(request)}/v1/intake/{token}"
        return WriteResult(schemas.IntakeCreated(**dict(created), token=token, address=address), 201, token)

    return await service.write(call, create)


@authoring.get("/intakes", operation_id="list_intakes")
async def get_intakes(service: ServiceDep) -> schemas.IntakeList:
    """List the intakes, oldest first."""
    return await service.database.read(
        lambda tx: schemas.IntakeList(items=intakes_out(tx, list(intake_queries.list_intakes(tx))))
    )


@authoring.get("/intake-templates", operation_id="list_intake_templates")
async def get_templates(
    service: ServiceDep,
    question_set: Annotated[SetName | None, Query(description="the question set to map to")] = None,
) -> schemas.IntakeTemplateList:
    """Read the ready-made mappings. They are filled in for the questions and attributes of a set."""
    plan = await service.plans.get(question_set, "query")
    return schemas.IntakeTemplateList(items=intake_templates(plan))


@writing.post("/intake-dry-run", operation_id="dry_run_intake")
async def dry_run(sample: schemas.DryRun, service: ServiceDep) -> schemas.DryRunOut:
    """Try a mapping on a sample, and see what qualify would receive and return. Nothing is written.

    If the mapping cannot be used, the response is a 422 that names the places in it. The key also needs the
    scope write.
    """
    return await service.database.write(
        lambda tx: try_mapping(UnitOfWork(tx, service.plans, "dry run", "dry run"), sample)
    )


@authoring.get("/intakes/{intake_id}", operation_id="get_intake")
async def get_intake(intake_id: UUID, response: Response, service: ServiceDep) -> schemas.IntakeOut:
    """Read an intake."""
    found = await service.database.read(lambda tx: intake_out(tx, intake_queries.find_intake(tx, intake_id)))
    set_etag(response, found.revision)
    return found


@writing.patch("/intakes/{intake_id}", operation_id="update_intake", response_model=schemas.IntakeOut)
async def update_intake(
    intake_id: UUID,
    request: schemas.IntakeChange,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Change an intake. Payloads that are not processed yet are read with the new mapping.

    The key also needs the scope write.
    """
    change = with_revision(request, if_match)
    return await service.write(
        call,
        lambda uow: intake_out(
            uow.tx, intakes.update_intake(uow.tx, uow.plans, service.cipher, intake_id, change)
        ),
    )


@writing.delete("/intakes/{intake_id}", operation_id="delete_intake", status_code=204)
async def delete_intake(intake_id: UUID, service: ServiceDep) -> None:
    """Delete an intake with all its receipts. From then on its address returns a 404."""
    await service.database.write(lambda tx: intakes.delete_intake(tx, intake_id))
    await service.database.purge_deleted()


@reading.get("/intakes/{intake_id}/receipts", operation_id="list_receipts")
async def get_receipts(
    intake_id: IntakeIdInPath, request: Request, service: ServiceDep, query: Annotated[ReceiptQuery, Query()]
) -> ReceiptPage:
    """List what an intake received, newest first, without the payloads."""
    start = position_after(query.after, RECEIPT_POSITION)

    def load(tx: Transaction) -> ReceiptPage:
        before = start[0] if start else None
        found = intake_queries.list_receipts(tx, intake_id, query.status, before, query.limit + 1)
        shown = found[: query.limit]
        items = intake_queries.items_of(tx, [receipt.id for receipt in shown])
        address = next_page(request, found, query.limit, [str(receipt.id) for receipt in shown[-1:]])
        return ReceiptPage(items=[receipt_out(receipt, items[receipt.id]) for receipt in shown], next=address)

    return await service.database.read(load)


@reading.get("/intakes/{intake_id}/receipts/{receipt_id}", operation_id="get_receipt")
async def get_receipt(intake_id: IntakeIdInPath, receipt_id: UUID, service: ServiceDep) -> ReceiptWithPayload:
    """Read a receipt with its original payload."""

    def load(tx: Transaction) -> ReceiptWithPayload:
        found = intake_queries.find_receipt(tx, intake_id, receipt_id)
        summary = receipt_out(found, intake_queries.items_of(tx, [found.id])[found.id])
        return ReceiptWithPayload(**dict(summary), media_type=found.media_type, payload=found.body.decode())

    return await service.database.read(load)


@writing.post(
    "/intakes/{intake_id}/replay", operation_id="replay_receipts", response_model=schemas.ReplayedReceipts
)
async def replay_receipts(
    intake_id: IntakeIdInPath, request: schemas.ReceiptReplay, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Process receipts again with the current mapping. Name them, or process all that failed."""
    replayed = await service.write(
        call, lambda uow: schemas.ReplayedReceipts(receipts=intakes.replay(uow.tx, intake_id, request.ids))
    )
    service.intakes.wake()
    return replayed


def _require_object_or_list(payload: Any) -> None:
    if not isinstance(payload, dict | list):
        raise invalid_field("", "wrong_type", "send an object or a list")


def _requested_url(request: Request, token: str) -> str:
    """Return the address that the sender used."""
    query = request.url.query
    return f"{base_url(request)}/v1/intake/{token}" + (f"?{query}" if query else "")
