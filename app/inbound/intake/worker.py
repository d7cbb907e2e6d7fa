"""The intake worker of a process: it processes stored payloads, and deletes expired receipts.

Several processes share one database. Each receipt is processed in one transaction that locks its intake.
Thus a receipt takes effect exactly once, and the payloads of one intake are processed in order.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import anyio
from sqlalchemy import literal_column
from sqlmodel import col, delete, exists, select

from app.db import Database, Transaction
from app.db.failures import database_problem
from app.inbound.intake.items.service import items_in_order, process_item
from app.inbound.intake.mapping import link_of, read_payload
from app.inbound.intake.receipts.queries import any_expired
from app.inbound.intake.receipts.service import delete_expired
from app.inbound.intake.schemas import IntakeMapping
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.problems import DATABASE_FAILURES, INTERNAL_ERROR, UNAVAILABLE, Problem, invalid
from app.prospects.queries import find_by_link
from app.prospects.schemas import Link
from app.question_sets.plans import Plans
from app.scoring import Flawed
from app.sessions.session_edit import UnitOfWork

T = TypeVar("T")
log = logging.getLogger(__name__)
# Polling finds the payloads that other processes received, and those from before a restart of this one.
INTAKE_POLL_SECONDS = 1
INTAKE_CLEANUP_SECONDS = 60
# The least time between two times that an SQLite file is rewritten.
REWRITE_SECONDS = 10
# A literal, because with a parameter neither database can use the partial index of waiting receipts.
IS_WAITING = col(IntakeReceipt.status) == literal_column("'received'")
ANY_WAITING = select(exists(select(IntakeReceipt.id).where(IS_WAITING)))
# FOR NO KEY UPDATE prevents that the intake is deleted, but does not block the insert of receipts, which
# refer to the intake by its id: the worker does not change that.
NEXT_INTAKE = (
    select(Intake)
    .join(IntakeReceipt, col(IntakeReceipt.intake_id) == col(Intake.id))
    .where(IS_WAITING)
    .order_by(col(IntakeReceipt.id))
    .limit(1)
    .with_for_update(of=Intake, skip_locked=True, key_share=True)
)


class IntakeWorker:
    """Processes receipts, and deletes expired ones and traces of deleted data, while the process runs."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._wake = anyio.Event()
        self._next_cleanup = 0.0
        self._next_rewrite = 0.0

    def wake(self) -> None:
        """Make the worker look for receipts now, instead of at its next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Process receipts until cancelled; never returns."""
        while True:
            self._wake = anyio.Event()
            try:
                await self._process_waiting()
                await self._clean_up()
            except Problem:
                # The database is down or busy. The receipts are stored, and wait.
                await anyio.sleep(INTAKE_POLL_SECONDS)
            except Exception:
                log.exception("the intake worker failed and continues")
                await anyio.sleep(INTAKE_POLL_SECONDS)
            with anyio.move_on_after(INTAKE_POLL_SECONDS):
                await self._wake.wait()

    async def _process_waiting(self) -> None:
        if not await self._database.read(lambda tx: tx.db.exec(ANY_WAITING).one()):
            return
        skipped: set[UUID] = set()
        more = True
        while more:
            locked: set[UUID] = set()
            try:
                more = await self._database.write(
                    lambda tx: process_next(tx, self._plans, skipped, locked)  # noqa: B023
                )
            except Problem as problem:
                if not locked or problem.kind is not UNAVAILABLE:
                    raise
                # Another transaction holds rows that the receipt needs. Process the other intakes, and try
                # this one again at the next poll.
                skipped |= locked

    async def _clean_up(self) -> None:
        if self._database.wal_truncation_pending:
            await self._database.truncate_wal()
        if self._database.rewrite_pending and monotonic() >= self._next_rewrite:
            self._next_rewrite = monotonic() + REWRITE_SECONDS
            await self._database.rewrite_file()
        if monotonic() < self._next_cleanup:
            return
        self._next_cleanup = monotonic() + INTAKE_CLEANUP_SECONDS
        if await self._database.read(any_expired):
            await self._database.write(delete_expired)
            await self._database.purge_deleted()


def process_next(tx: Transaction, plans: Plans, skipped: Collection[UUID], locked: set[UUID]) -> bool:
    """Process the oldest waiting receipt of an intake that no other transaction has locked.

    Ignores the intakes in `skipped`. Adds the id of the intake to `locked` before it processes anything, so
    that the caller knows the intake if this raises. Returns whether there was such an intake.
    """
    intake = tx.db.exec(NEXT_INTAKE.where(col(Intake.id).not_in(skipped))).first()
    if intake is None:
        return False
    locked.add(intake.id)
    # Read the receipt after the lock: another process may have processed it already.
    oldest = select(IntakeReceipt).where(IntakeReceipt.intake_id == intake.id, IS_WAITING)
    receipt = tx.db.exec(oldest.order_by(col(IntakeReceipt.id)).limit(1).with_for_update()).first()
    if receipt is not None:
        _process(UnitOfWork(tx, plans, f"intake: {intake.name}", intake.name), intake, receipt)
    return True


def _process(uow: UnitOfWork, intake: Intake, receipt: IntakeReceipt) -> None:
    """Process the items of a receipt that are not done. An item that fails does not affect the others."""
    stored = uow.tx.db.exec(select(IntakeItem).where(IntakeItem.receipt_id == receipt.id)).all()
    done = {item.place: item for item in stored if item.status == "done"}
    read = _attempt(uow.tx, receipt, lambda: _read(uow.tx, intake, receipt))
    if isinstance(read, Problem):
        items, problem = list(done.values()), read
    else:
        mapping, placed = read
        items, problem = [], None
        for place, item in placed:
            row = done.get(place)
            # With another mapping, the item at this place can be another one.
            if row is None or not _is_about(row, link_of(mapping, item)):
                row = _process_item(uow, intake, receipt, mapping, place, item)
            items.append(row)
    gone = [row.place for row in stored if not any(row is item for item in items)]
    of_receipt = col(IntakeItem.receipt_id) == receipt.id
    uow.tx.db.exec(delete(IntakeItem).where(of_receipt, col(IntakeItem.place).in_(gone)))
    uow.tx.db.add_all(items)
    is_failed = problem is not None or any(item.status == "failed" for item in items)
    receipt.status = "failed" if is_failed else "done"
    receipt.problem = None if problem is None else stored_problem(problem)
    receipt.processed_at = uow.tx.at
    uow.tx.db.add(receipt)
    uow.tx.db.flush()


def _is_about(row: IntakeItem, link: Link | None) -> bool:
    return link is not None and (row.source, row.external_id) == link.key


def _read(
    tx: Transaction, intake: Intake, receipt: IntakeReceipt
) -> tuple[IntakeMapping, Sequence[tuple[int, Any]]]:
    """Return the mapping of a receipt, and its items with their places, in the order of processing."""
    mapping = IntakeMapping.model_validate(intake.mapping)
    return mapping, items_in_order(tx, mapping, read_payload(receipt.media_type, receipt.body))


def _process_item(
    uow: UnitOfWork, intake: Intake, receipt: IntakeReceipt, mapping: IntakeMapping, place: int, item: Any
) -> IntakeItem:
    """Process an item, and return the row about it. If it fails, nothing else of it is written."""
    replayed_from = receipt.received_at if receipt.processed_at else None
    process = partial(process_item, uow, mapping, intake.question_set, item, replayed_from=replayed_from)
    result = _attempt(uow.tx, receipt, process)
    row = IntakeItem(receipt_id=receipt.id, place=place, status="failed", source=mapping.source)
    link = link_of(mapping, item)
    row.external_id = link.external_id if link else None
    if not isinstance(result, Problem) and result.answer is not None:
        row.status = "done"
        row.prospect_id, row.session_id = result.answer.prospect_id, result.answer.session_id
        return row
    if isinstance(result, Problem):
        row.problem = stored_problem(result)
    else:
        row.status = "skipped"
    # The payload of such an item is erased with its prospect too.
    prospect = find_by_link(uow.tx, link) if link else None
    row.prospect_id = prospect.id if prospect else None
    return row


def _attempt(tx: Transaction, receipt: IntakeReceipt, work: Callable[[], T]) -> T | Problem:
    """Return what `work` returns, or the problem that it raises, after which nothing of it is written.

    Raises one of DATABASE_FAILURES.
    """
    try:
        with tx.savepoint():
            return work()
    except Flawed as error:
        return invalid(error.flaws)
    except Problem as error:
        if error.kind in DATABASE_FAILURES:
            raise
        return error
    except Exception as error:
        if database_problem(error):
            raise
        log.exception("a receipt could not be processed", extra={"fields": {"receipt": str(receipt.id)}})
        return Problem(INTERNAL_ERROR, "The failure was logged.")


def stored_problem(problem: Problem) -> dict[str, object]:
    """The JSON of a problem, as a receipt stores it."""
    errors = [
        {"pointer": error.pointer, "code": error.code, "detail": error.detail} for error in problem.errors
    ]
    return {"slug": problem.kind.slug, "detail": problem.detail, "errors": errors}
