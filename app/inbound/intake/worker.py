"""The worker of one process: it carries out what was taken in, and deletes what was kept long enough.

Several processes share one database: each receipt is processed in one transaction that locks its
intake, so that it has one effect, and the payloads of one intake come in their order.
"""

import logging
from collections.abc import Collection
from time import monotonic
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import literal_column
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import col, delete, exists, select

from app.db import Database, Transaction
from app.inbound.intake.mapping import links_in, read_payload
from app.inbound.intake.queries import any_expired
from app.inbound.intake.schemas import DryRunItem, IntakeMapping
from app.inbound.intake.service import delete_expired, process_payload
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.problems import INTERNAL_ERROR, UNAVAILABLE, Problem, invalid
from app.prospects.queries import find_by_link
from app.question_sets.plans import Plans
from app.scoring import Flawed
from app.sessions.session_edit import UnitOfWork

log = logging.getLogger(__name__)
# Other processes may take payloads in, and this one may have been started anew.
POLL_SECONDS = 1
CLEANUP_SECONDS = 60
# As a literal, since with a parameter neither database can use the index of what waits.
IS_WAITING = col(IntakeReceipt.status) == literal_column("'received'")
ANY_WAITING = select(exists(select(IntakeReceipt.id).where(IS_WAITING)))
# The lock lets receipts come in: they refer to the intake, which is not deleted or given another id.
NEXT_INTAKE = (
    select(Intake)
    .join(IntakeReceipt, col(IntakeReceipt.intake_id) == col(Intake.id))
    .where(IS_WAITING)
    .order_by(col(IntakeReceipt.id))
    .limit(1)
    .with_for_update(of=Intake, skip_locked=True, key_share=True)
)


class IntakeWorker:
    """Runs as long as the process does."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._news = anyio.Event()
        self._tidy_at = 0.0

    def wake(self) -> None:
        """There is something to do."""
        self._news.set()

    async def run(self) -> None:
        """Process, and wait for more; never returns."""
        while True:
            self._news = anyio.Event()
            try:
                await self._work_off()
                await self._tidy()
            except Problem:
                # The database is away or busy. What was taken in is still there.
                await anyio.sleep(POLL_SECONDS)
            except Exception:
                log.exception("the worker of intakes failed, and goes on")
                await anyio.sleep(POLL_SECONDS)
            with anyio.move_on_after(POLL_SECONDS):
                await self._news.wait()

    async def _work_off(self) -> None:
        if not await self._database.read(lambda tx: tx.db.exec(ANY_WAITING).one()):
            return
        aside: set[UUID] = set()
        more = True
        while more:
            reached: set[UUID] = set()
            try:
                more = await self._database.write(
                    lambda tx: process_next(tx, self._plans, aside, reached)  # noqa: B023
                )
            except Problem:
                if not reached:
                    raise
                # Somebody holds what its receipt needs: the others go on, and it is tried at the next look.
                aside |= reached

    async def _tidy(self) -> None:
        if monotonic() < self._tidy_at:
            return
        self._tidy_at = monotonic() + CLEANUP_SECONDS
        if await self._database.read(any_expired):
            await self._database.write(delete_expired)
            await self._database.truncate_wal()
        elif self._database.wal_truncation_pending:
            await self._database.truncate_wal()


def process_next(tx: Transaction, plans: Plans, aside: Collection[UUID], reached: set[UUID]) -> bool:
    """Process the oldest receipt of an intake that nobody else is at work on; whether there was any.

    Those set `aside` are passed over; the intake is told in `reached` before anything is done for it.
    """
    intake = tx.db.exec(NEXT_INTAKE.where(col(Intake.id).not_in(aside))).first()
    if intake is None:
        return False
    reached.add(intake.id)
    # Looked for after the lock: another process may have been faster.
    oldest = select(IntakeReceipt).where(IntakeReceipt.intake_id == intake.id, IS_WAITING)
    receipt = tx.db.exec(oldest.order_by(col(IntakeReceipt.id)).limit(1).with_for_update()).first()
    if receipt is not None:
        _process(UnitOfWork(tx, plans, f"intake: {intake.name}"), intake, receipt)
    return True


def _process(uow: UnitOfWork, intake: Intake, receipt: IntakeReceipt) -> None:
    """Carry a receipt out, or note why that cannot be, with nothing else written then."""
    db = uow.tx.db
    mapping, payload, done, problem = None, None, [], None
    try:
        mapping = IntakeMapping.model_validate(intake.mapping)
        payload = read_payload(receipt.media_type, receipt.body)
        with db.begin_nested():
            done = process_payload(uow, mapping, intake.question_set, payload)
    except (OperationalError, InterfaceError):
        raise
    except Flawed as error:
        problem = invalid(error.flaws)
    except Problem as error:
        if error.kind is UNAVAILABLE:
            raise
        problem = error
    except Exception:
        log.exception("a receipt failed", extra={"fields": {"receipt": str(receipt.id)}})
        problem = Problem(INTERNAL_ERROR, "The failure was logged.")
    db.exec(delete(IntakeItem).where(col(IntakeItem.receipt_id) == receipt.id))
    db.add_all(
        _items(receipt, done) if problem is None else _items_of_failed(uow.tx, receipt, mapping, payload)
    )
    receipt.status = "done" if problem is None else "failed"
    receipt.problem = None if problem is None else stored_problem(problem)
    receipt.processed_at = uow.tx.at
    db.add(receipt)
    db.flush()


def stored_problem(problem: Problem) -> dict[str, object]:
    """What is kept of a problem."""
    errors = [{"pointer": one.pointer, "code": one.code, "detail": one.detail} for one in problem.errors]
    return {"slug": problem.kind.slug, "detail": problem.detail, "errors": errors}


def _items(receipt: IntakeReceipt, done: list[DryRunItem]) -> list[IntakeItem]:
    return [
        IntakeItem(
            receipt_id=receipt.id,
            place=place,
            source=one.mapped.source,
            external_id=one.mapped.external_id,
            prospect_id=one.answer.prospect_id,
            session_id=one.answer.session_id,
        )
        for place, one in enumerate(done)
    ]


def _items_of_failed(
    tx: Transaction, receipt: IntakeReceipt, mapping: IntakeMapping | None, payload: Any
) -> list[IntakeItem]:
    """Whom a payload that failed is about: it has to be erased along with them, too."""
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
