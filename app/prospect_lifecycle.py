"""Erase and merge prospects, with everything that any package stores about them.

Locks are taken in one order, so that transactions cannot deadlock: receipts before prospects, prospects
before sessions.
"""

from collections.abc import Collection
from functools import partial
from uuid import UUID

from app.db import Database, Transaction
from app.inbound.intake.receipts.queries import find_receipts_about
from app.inbound.intake.receipts.service import delete_receipts, lock_receipts, reassign_receipts
from app.keys.idempotency import reassign_responses
from app.problems import invalid_field
from app.prospects import service as prospects
from app.prospects.queries import find_prospect
from app.prospects.tables import Prospect
from app.sessions import service as sessions
from app.sessions.session_edit import UnitOfWork


async def erase_prospect(database: Database, prospect_id: UUID) -> None:
    """Erase a prospect permanently, and overwrite its traces in the database files. Raises NOT_FOUND.

    The search for payloads about it uses many short reads, since one long write would block other writers.
    """
    receipts: set[UUID] = set()
    after: UUID | None = None
    while True:
        search = partial(find_receipts_about, prospect_id=prospect_id, after=after)
        found, after = await database.read(search)
        receipts |= found
        if after is None:
            break
    await database.write(lambda tx: _erase(tx, prospect_id, receipts))
    await database.purge_deleted()


def erase(tx: Transaction, prospect_id: UUID) -> None:
    """Erase a prospect in one transaction, including the search for its payloads. Raises NOT_FOUND."""
    receipts: set[UUID] = set()
    after: UUID | None = None
    while True:
        found, after = find_receipts_about(tx, prospect_id, after)
        receipts |= found
        if after is None:
            break
    _erase(tx, prospect_id, receipts)


def _erase(tx: Transaction, prospect_id: UUID, receipts: Collection[UUID]) -> None:
    delete_receipts(tx, prospect_id, receipts)
    prospect = find_prospect(tx, prospect_id, lock=True)
    # More receipts about the prospect may have been processed before it was locked.
    delete_receipts(tx, prospect_id)
    # Sessions are deleted first. A transaction that edits one may still insert rows that refer to the
    # prospect, and would then wait for this one while holding the lock of the session.
    sessions.delete_sessions(tx, prospect_id)
    prospects.erase(tx, prospect)


def merge_prospects(uow: UnitOfWork, target_id: UUID, other_id: UUID) -> Prospect:
    """Merge another prospect into the target: its links, its sessions, and the attributes the target lacks.

    Returns the target. Raises NOT_FOUND, INVALID_REQUEST if both ids are the same, and SESSION_IS_OPEN,
    which names both sessions, if both prospects have an open session for the same deal, assessor and
    question set.
    """
    if target_id == other_id:
        raise invalid_field(
            "/prospect_id", "same", "a prospect cannot be merged into itself: send the id of another one"
        )
    tx = uow.tx
    lock_receipts(tx, [target_id, other_id])
    locked = {
        prospect_id: find_prospect(tx, prospect_id, lock=True)
        for prospect_id in sorted((target_id, other_id))
    }
    target, other = locked[target_id], locked[other_id]
    sessions.reassign_sessions(uow, target, other)
    prospects.merge(tx, target, other)
    sessions.rescore_open_sessions(uow, target, ())
    reassign_responses(tx, other.id, target.id)
    reassign_receipts(tx, other.id, target.id)
    prospects.delete_row(tx, other)
    return target
