"""The intake worker of a process: it processes stored payloads, and deletes expired receipts.

Several processes share one database. Each receipt is processed in one transaction that locks its intake.
Thus a receipt takes effect exactly once, and the payloads of one intake are processed in order.
"""

import logging
from collections.abc import Collection
from time import monotonic
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import literal_column
from sqlmodel import col, delete, exists, select

from app.database_failures import database_problem
from app.db import Database, Transaction
from app.inbound.intake.mapping import links_in, read_payload
from app.inbound.intake.queries import any_expired
from app.inbound.intake.schemas import DryRunItem, IntakeMapping
from app.inbound.intake.service import delete_expired, process_payload
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.problems import DATABASE_FAILURES, INTERNAL_ERROR, UNAVAILABLE, Problem, invalid
from app.prospects.queries import find_by_link
from app.question_sets.plans import Plans
from app.scoring import Flawed
from app.sessions.session_edit import UnitOfWork

log = logging.getLogger(__name__)
# Polling finds the payloads that other processes received, and those from before a restart of this one.
INTAKE_POLL_SECONDS = 1
INTAKE_CLEANUP_SECONDS = 60
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
    """Processes receipts and deletes expired ones, for as long as the process runs."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._wake = anyio.Event()
        self._next_cleanup = 0.0

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
        if monotonic() < self._next_cleanup:
            return
        self._next_cleanup = monotonic() + INTAKE_CLEANUP_SECONDS
        if await self._database.read(any_expired):
            await self._database.write(delete_expired)
            await self._database.truncate_wal()


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
    """Process a receipt; if that fails, write nothing except the problem and whom the payload is about."""
    db = uow.tx.db
    mapping, payload, results, problem = None, None, [], None
    try:
        mapping = IntakeMapping.model_validate(intake.mapping)
        payload = read_payload(receipt.media_type, receipt.body)
        with db.begin_nested():
            results = process_payload(uow, mapping, intake.question_set, payload)
    except Flawed as error:
        problem = invalid(error.flaws)
    except Problem as error:
        if error.kind in DATABASE_FAILURES:
            raise
        problem = error
    except Exception as error:
        if database_problem(error):
            raise
        log.exception("a receipt could not be processed", extra={"fields": {"receipt": str(receipt.id)}})
        problem = Problem(INTERNAL_ERROR, "The failure was logged.")
    db.exec(delete(IntakeItem).where(col(IntakeItem.receipt_id) == receipt.id))
    db.add_all(
        _items(receipt, results) if problem is None else _items_of_failed(uow.tx, receipt, mapping, payload)
    )
    receipt.status = "done" if problem is None else "failed"
    receipt.problem = None if problem is None else stored_problem(problem)
    receipt.processed_at = uow.tx.at
    db.add(receipt)
    db.flush()


def stored_problem(problem: Problem) -> dict[str, object]:
    """The JSON of a problem, as a receipt stores it."""
    errors = [
        {"pointer": error.pointer, "code": error.code, "detail": error.detail} for error in problem.errors
    ]
    return {"slug": problem.kind.slug, "detail": problem.detail, "errors": errors}


def _items(receipt: IntakeReceipt, results: list[DryRunItem]) -> list[IntakeItem]:
    return [
        IntakeItem(
            receipt_id=receipt.id,
            place=place,
            source=result.mapped.source,
            external_id=result.mapped.external_id,
            prospect_id=result.answer.prospect_id,
            session_id=result.answer.session_id,
        )
        for place, result in enumerate(results)
    ]


def _items_of_failed(
    tx: Transaction, receipt: IntakeReceipt, mapping: IntakeMapping | None, payload: Any
) -> list[IntakeItem]:
    """The records that a failed payload is about: it too is deleted when one of them is erased."""
    items: list[IntakeItem] = []
    if mapping is None:
        return items
    for place, link in enumerate(links_in(mapping, payload)):
        prospect = find_by_link(tx, link)
        items.append(
            IntakeItem(
                receipt_id=receipt.id,
                place=place,
                source=link.source,
                external_id=link.external_id,
                prospect_id=prospect.id if prospect else None,
            )
        )
    return items
