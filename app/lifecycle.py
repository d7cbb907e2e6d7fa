"""Erase and merge prospects, with everything that any package stores about them.

Locks are taken in one order, so that no two transactions wait for each other: receipts before prospects,
prospects before sessions.
"""

from collections.abc import Collection
from functools import partial
from uuid import UUID

from app.db import Database, Transaction
from app.inbound.intake.queries import find_receipts_about
from app.inbound.intake.service import delete_receipts, lock_receipts, reassign_receipts
from app.keys.idempotency import reassign_responses
from app.problems import invalid_field
from app.prospects import service as prospects
from app.prospects.queries import find_prospect
from app.prospects.tables import Prospect
from app.sessions import service as sessions
from app.sessions.session_edit import UnitOfWork


async def erase_prospect(database: Database, prospect_id: UUID) -> None:
    """Erase a prospect for good, and overwrite what the database files still hold; raises NOT_FOUND.

    The payloads about it are searched in many short reads, since one long write would block other writers.
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
    await database.truncate_wal()


def erase(tx: Transaction, prospect_id: UUID) -> None:
    """Erase a prospect in one transaction, the search for its payloads included; raises NOT_FOUND."""
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
    # Other receipts may have been processed until the prospect was locked.
    delete_receipts(tx, prospect_id)
    # Sessions go first: an edit of one may still refer to the prospect, and then waits for us.
    sessions.delete_sessions(tx, prospect_id)
    prospects.erase(tx, prospect)


def merge_prospects(uow: UnitOfWork, kept_id: UUID, other_id: UUID) -> Prospect:
    """Merge another prospect into one: its links, sessions, and the attributes that the first one lacks.

    Raises NOT_FOUND, INVALID_REQUEST for one and the same prospect, and SESSION_IS_OPEN, naming both
    sessions, if both prospects have an open session for one deal and question set.
    """
    if kept_id == other_id:
        raise invalid_field("/prospect_id", "same", "a prospect cannot be merged into itself")
    tx = uow.tx
    lock_receipts(tx, [kept_id, other_id])
    locked = {key: find_prospect(tx, key, lock=True) for key in sorted((kept_id, other_id))}
    kept, other = locked[kept_id], locked[other_id]
    sessions.move_sessions(uow, kept, other)
    prospects.merge(tx, kept, other)
    sessions.rescore_open_sessions(uow, kept, ())
    reassign_responses(tx, other.id, kept.id)
    reassign_receipts(tx, other.id, kept.id)
    prospects.remove(tx, other)
    return kept
