"""Find the records that a webhook updates."""

from collections.abc import Collection
from uuid import UUID

from sqlmodel import col, select

from app.db import Transaction
from app.prospects.tables import ProspectLink
from app.sessions.tables import Session
from app.webhooks.record_updates.schemas import StoredRecordUpdate, identifying_names
from app.webhooks.tables import Webhook


def source_of_records(webhook: Webhook) -> str | None:
    """Return the source whose links identify the records of a webhook; None if links do not identify them."""
    if not webhook.record_update:
        return None
    update = StoredRecordUpdate.model_validate(webhook.record_update)
    return update.source if "external_id" in identifying_names(webhook.url, update.fields) else None


def find_external_ids(
    tx: Transaction, session_ids: Collection[UUID | None], source: str
) -> dict[UUID | None, list[str]]:
    """Return the external ids of a source by session, oldest link first. A session without is left out."""
    statement = (
        select(Session.id, ProspectLink.external_id)
        .join(ProspectLink, col(ProspectLink.prospect_id) == col(Session.prospect_id))
        .where(col(Session.id).in_(session_ids), ProspectLink.source == source)
        .order_by(col(ProspectLink.linked_at), col(ProspectLink.external_id))
    )
    found: dict[UUID | None, list[str]] = {}
    for session_id, external_id in tx.db.exec(statement):
        found.setdefault(session_id, []).append(external_id)
    return found
