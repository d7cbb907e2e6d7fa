"""Receipts: what other systems post to the address of an intake, and the result of processing it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, TypeAdapter

from app.db import Transaction
from app.edge.bodies import is_json, media_type, read_body
from app.edge.paging import Page, PageQuery, base_url, next_page, position_after
from app.edge.payload_signature import check_signature
from app.edge.problem_responses import PROBLEM_RESPONSES
from app.edge.routes import LazyRoute, router
from app.edge.service import ServiceDep, WriteCallDep
from app.inbound.intake import queries as intake_queries
from app.inbound.intake.mapping import FORM_MEDIA_TYPE, read_payload
from app.inbound.intake.queries import IntakeQuotas
from app.inbound.intake.receipts import queries as receipt_queries
from app.inbound.intake.receipts import schemas
from app.inbound.intake.receipts import service as receipts
from app.inbound.intake.receipts.presenters import receipt_out
from app.inbound.intake.receipts.schemas import ReceiptOut, ReceiptWithPayload
from app.inbound.intake.schemas import SignatureRule
from app.keys.schemas import Scope
from app.problems import UNSUPPORTED_MEDIA_TYPE, Problem, invalid_field

# A payload changes prospects and sessions, and contains personal data.
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
        rule = SignatureRule.model_validate(intake.signature)
        secret = service.cipher.decrypt("signature secret", intake.id, intake.signature_secret)
        url = _requested_url(request, token)
        signature = check_signature(rule, secret, url, body, request.headers, service.clock())
    receipt = await service.database.write(
        lambda tx: receipts.store_payload(tx, intake, content_type, body, signature, quotas)
    )
    service.intakes.wake()
    return schemas.PayloadReceived(receipt_id=receipt)


@reading.get("/intakes/{intake_id}/receipts", operation_id="list_receipts")
async def get_receipts(
    intake_id: IntakeIdInPath, request: Request, service: ServiceDep, query: Annotated[ReceiptQuery, Query()]
) -> ReceiptPage:
    """List what an intake received, newest first, without the payloads."""
    start = position_after(query.after, RECEIPT_POSITION)

    def load(tx: Transaction) -> ReceiptPage:
        before = start[0] if start else None
        found = receipt_queries.list_receipts(tx, intake_id, query.status, before, query.limit + 1)
        shown = found[: query.limit]
        items = receipt_queries.items_of(tx, [receipt.id for receipt in shown])
        address = next_page(request, found, query.limit, [str(receipt.id) for receipt in shown[-1:]])
        return ReceiptPage(items=[receipt_out(receipt, items[receipt.id]) for receipt in shown], next=address)

    return await service.database.read(load)


@reading.get("/intakes/{intake_id}/receipts/{receipt_id}", operation_id="get_receipt")
async def get_receipt(intake_id: IntakeIdInPath, receipt_id: UUID, service: ServiceDep) -> ReceiptWithPayload:
    """Read a receipt with its original payload."""

    def load(tx: Transaction) -> ReceiptWithPayload:
        found = receipt_queries.find_receipt(tx, intake_id, receipt_id)
        summary = receipt_out(found, receipt_queries.items_of(tx, [found.id])[found.id])
        return ReceiptWithPayload(**dict(summary), media_type=found.media_type, payload=found.body.decode())

    return await service.database.read(load)


@writing.post(
    "/intakes/{intake_id}/replay",
    operation_id="replay_receipts",
    response_model=schemas.ReplayedReceipts,
)
async def replay_receipts(
    intake_id: IntakeIdInPath, request: schemas.ReceiptReplay, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Process receipts again with the current mapping. Name them, or process all that failed."""
    replayed = await service.write(
        call,
        lambda uow: schemas.ReplayedReceipts(receipts=receipts.replay(uow.tx, intake_id, request.ids)),
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
