"""Webhooks: send events to other systems, or write figures into their records."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field, TypeAdapter

from app.api.events import EventFilter
from app.db import Transaction
from app.edge.paging import Page, PageQuery, next_page, position_after
from app.edge.revisions import IfMatch, set_etag, with_revision
from app.edge.routes import router
from app.edge.service import Service, ServiceDep, WriteCallDep, WriteResult
from app.keys.schemas import Scope
from app.problems import NOTHING_TO_SEND, Problem, invalid_field
from app.webhooks import outbox
from app.webhooks import queries as webhook_queries
from app.webhooks import service as webhooks
from app.webhooks.message import sample_messages, sample_request
from app.webhooks.presenters import delivery_out, test_result, webhook_created, webhook_out, webhooks_out
from app.webhooks.queries import webhook_templates
from app.webhooks.record_updates.message import NothingToSendError, OutgoingRequest, check_record_update
from app.webhooks.record_updates.schemas import RecordUpdateIn, StoredRecordUpdate, WebhookTemplateList
from app.webhooks.record_updates.service import remember
from app.webhooks.schemas import (
    DeliveryOut,
    DeliveryReplay,
    NewWebhook,
    ReplayedDeliveries,
    SecretRotation,
    TestResult,
    WebhookChange,
    WebhookCreated,
    WebhookList,
    WebhookMessage,
    WebhookOut,
)
from app.webhooks.tables import DeliveryStatus, Webhook
from app.webhooks.targets import BlockedTarget

managing = router("webhooks", Scope.AUTHOR)
# What a webhook sends is what a key with the scope read can read.
sending = router("webhooks", Scope.AUTHOR, also=(Scope.READ,))
reading = router("webhooks", Scope.READ)
DELIVERY_POSITION = TypeAdapter(tuple[Annotated[int, Field(ge=0, lt=2**53)]])


class SampleQuery(EventFilter):
    """Which events to show samples of, and how much of each."""

    payload: Literal["thin", "full"] = "thin"


class DeliveryQuery(PageQuery):
    """Which deliveries to return, and which page of them."""

    status: DeliveryStatus | None = None


class DeliveryPage(Page[DeliveryOut]):
    """A page of deliveries."""


@sending.post("/webhooks", operation_id="create_webhook", status_code=201, response_model=WebhookCreated)
async def post_webhook(request: NewWebhook, service: ServiceDep, call: WriteCallDep) -> Response:
    """Create a webhook. It sends new events to a URL, signed as Standard Webhooks defines it.

    Every event arrives at least once, always with the same `webhook-id`. If the receiver does not answer with
    2xx, the message is sent again, for three days. Store `secret`: it is shown only once. If you repeat
    the request with its idempotency key, the secret is masked; to get a new one, rotate it. The key also
    needs the scope read.

    While a webhook has many pending deliveries, further events wait in the feed and are sent later. `waiting`
    is their number. A receiver that does not want to wait for them can read the feed.
    """
    if request.record_update:
        check_record_update(request.url, request.record_update, request.types)
        if request.payload == "full":
            raise invalid_field("/payload", "unwanted", "a record update has no payload: leave it out")
    token_url = _token_url_of(request.record_update)
    await _require_reachable(
        service, request.url, token_url, updates_records=request.record_update is not None
    )
    await service.feed.publish_all()  # a new webhook gets no earlier events
    return await service.write(
        call,
        lambda uow: _with_secret(
            uow.tx, *webhooks.create_webhook(uow.tx, service.cipher, request), status=201
        ),
    )


@managing.get("/webhooks", operation_id="list_webhooks")
async def get_webhooks(service: ServiceDep) -> WebhookList:
    """List the webhooks, oldest first."""
    return await service.database.read(
        lambda tx: WebhookList(items=webhooks_out(tx, webhook_queries.list_webhooks(tx)))
    )


@managing.get("/webhook-templates", operation_id="list_webhook_templates")
async def get_templates() -> WebhookTemplateList:
    """Read ready-made record updates for CRMs. Each lists what to prepare in the CRM."""
    return webhook_templates()


@reading.get("/webhook-samples", operation_id="sample_webhooks")
async def get_samples(service: ServiceDep, query: Annotated[SampleQuery, Query()]) -> list[WebhookMessage]:
    """Read sample messages of a webhook as a plain list. They are invented if there are no events.

    For form builders that show the fields before anything has happened.
    """
    await service.feed.publish_pending()
    return await service.database.read(
        lambda tx: sample_messages(tx, service.plans, query.selected_types, query.payload, query.limit)
    )


@managing.get("/webhooks/{webhook_id}", operation_id="get_webhook")
async def get_webhook(webhook_id: UUID, response: Response, service: ServiceDep) -> WebhookOut:
    """Read a webhook."""
    found = await service.database.read(
        lambda tx: webhook_out(tx, webhook_queries.find_webhook(tx, webhook_id))
    )
    set_etag(response, found.revision)
    return found


@sending.patch("/webhooks/{webhook_id}", operation_id="update_webhook", response_model=WebhookOut)
async def patch_webhook(
    webhook_id: UUID,
    request: WebhookChange,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Change, disable or enable a webhook. The key also needs the scope read."""
    if request.url or request.record_update:
        await _require_change_reachable(service, webhook_id, request)
    change = with_revision(request, if_match)
    await service.feed.publish_all()  # earlier events go to the webhook as it was
    return await service.write(
        call,
        lambda uow: webhook_out(uow.tx, webhooks.update_webhook(uow.tx, service.cipher, webhook_id, change)),
    )


@managing.delete("/webhooks/{webhook_id}", operation_id="remove_webhook", status_code=204)
async def delete_webhook(webhook_id: UUID, service: ServiceDep) -> None:
    """Delete a webhook and its log. Nothing more is sent."""
    await service.database.write_in_batches(lambda tx: webhooks.delete_webhook_batch(tx, webhook_id))


@managing.post("/webhooks/{webhook_id}/secret", operation_id="rotate_secret", response_model=WebhookCreated)
async def post_secret(
    webhook_id: UUID, request: SecretRotation, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Change the secret. For 24 hours, the old one also signs, so that no message is rejected."""
    return await service.write(
        call,
        lambda uow: _with_secret(
            uow.tx, *webhooks.rotate_secret(uow.tx, service.cipher, webhook_id, request.secret), status=200
        ),
    )


@sending.post("/webhooks/{webhook_id}/test", operation_id="test_webhook")
async def post_test(webhook_id: UUID, service: ServiceDep) -> TestResult:
    """Send a test message at once, and see the result.

    The message is about the newest matching event, or an invented one. The attempt is not logged and not
    repeated. A record update writes the current figures. The response body is shown only if the operator
    allows it. The key also needs the scope read.
    """

    def sample(tx: Transaction) -> OutgoingRequest | NothingToSendError:
        try:
            webhook = webhook_queries.find_webhook(tx, webhook_id)
            return sample_request(tx, service.plans, service.cipher, webhook)
        except NothingToSendError as error:
            return error

    await service.feed.publish_pending()
    outgoing = await service.read_scores(sample)
    if isinstance(outgoing, NothingToSendError):
        raise Problem(NOTHING_TO_SEND, str(outgoing))
    result = await service.find_sender().send(outgoing)
    if written := result.written:
        await service.database.write(lambda tx: remember(tx, written))
    return test_result(result, shows_answer=service.settings.webhook_test_shows_answer)


@managing.get("/webhooks/{webhook_id}/deliveries", operation_id="list_deliveries")
async def get_deliveries(
    webhook_id: UUID, request: Request, service: ServiceDep, query: Annotated[DeliveryQuery, Query()]
) -> DeliveryPage:
    """List the deliveries of a webhook, newest event first. Finished ones are kept for 30 days."""
    start = position_after(query.after, DELIVERY_POSITION)

    def load(tx: Transaction) -> DeliveryPage:
        found = webhook_queries.list_deliveries(
            tx, webhook_id, query.status, start[0] if start else None, query.limit + 1
        )
        shown = found[: query.limit]
        address = next_page(request, found, query.limit, [delivery.position for delivery in shown[-1:]])
        shows_answer = service.settings.webhook_test_shows_answer
        items = [delivery_out(delivery, shows_answer=shows_answer) for delivery in shown]
        return DeliveryPage(items=items, next=address)

    return await service.database.read(load)


@managing.post(
    "/webhooks/{webhook_id}/deliveries/replay",
    operation_id="replay_deliveries",
    response_model=ReplayedDeliveries,
)
async def post_replay(
    webhook_id: UUID, request: DeliveryReplay, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Send deliveries again, whatever their status. Name them, or send the first 1000 that failed.

    If the webhook has no room for more pending deliveries, the response is a 429 with Retry-After.
    """
    max_pending = service.settings.webhook_pending_deliveries

    def replay(tx: Transaction) -> ReplayedDeliveries:
        webhook_queries.find_webhook(tx, webhook_id, lock=True)
        return ReplayedDeliveries(replayed=outbox.replay(tx, webhook_id, request.delivery_ids, max_pending))

    return await service.write(call, lambda uow: replay(uow.tx))


def _with_secret(tx: Transaction, webhook: Webhook, secret: str, *, status: int) -> WriteResult:
    return WriteResult(webhook_created(tx, webhook, secret), status, secret)


def _token_url_of(update: RecordUpdateIn | None) -> str | None:
    return update.client_credentials.token_url if update and update.client_credentials else None


async def _require_change_reachable(service: Service, webhook_id: UUID, change: WebhookChange) -> None:
    """Raise INVALID_REQUEST if a URL of the webhook cannot be reached after the change.

    For a record update this includes the URLs that stay: they may be from before a rule or a setting changed.
    """
    webhook = await service.database.read(lambda tx: webhook_queries.find_webhook(tx, webhook_id))
    if webhook.record_update:
        stored = StoredRecordUpdate.model_validate(webhook.record_update)
        token_url = _token_url_of(change.record_update) if change.record_update else stored.token_url
        await _require_reachable(service, change.url or webhook.url, token_url, updates_records=True)
    else:
        token_url = _token_url_of(change.record_update)
        await _require_reachable(service, change.url, token_url, updates_records=False)


async def _require_reachable(
    service: Service, url: str | None, token_url: str | None, *, updates_records: bool
) -> None:
    """Raise INVALID_REQUEST for a URL that cannot be reached, now that the caller can still correct it.

    The requests of a record update contain a token, and those for a token a client secret.
    """
    for pointer, url_, carries_credentials in (
        ("/url", url, updates_records),
        ("/record_update/client_credentials/token_url", token_url, True),
    ):
        try:
            if url_:
                await service.find_sender().targets.find(url_, carries_credentials=carries_credentials)
        except BlockedTarget as error:
            raise invalid_field(pointer, "not_allowed", str(error)) from None
