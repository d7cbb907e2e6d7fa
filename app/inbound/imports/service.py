"""Import prospects in short transactions, so that other writers do not wait for long."""

import csv
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from time import monotonic
from typing import Literal

import anyio

from app.db import Database, Transaction
from app.inbound.imports.reader import (
    REJECT_COLUMNS,
    REJECTED_BECAUSE,
    REJECTED_LINE,
    ProspectEntry,
    Reader,
    ReadRecord,
)
from app.inbound.imports.records import UTF_8_BOM, Record
from app.problems import BODY_TOO_LARGE, Problem, invalid
from app.prospects.service import create_many, find_unchanged, lock_orders
from app.question_sets.plans import Plans
from app.scoring import Flawed
from app.sessions.service import upsert_prospect
from app.sessions.session_edit import UnitOfWork

ImportOutcome = Literal["created", "changed", "unchanged"] | Problem
MAX_LINES_PER_BATCH = 100
# A batch holds its locks, for which others may wait, for about this long.
TARGET_BATCH_SECONDS = 0.1
MAX_ATTEMPTS = 6
# The wait after the first failed attempt; it doubles with each further one.
FIRST_RETRY_SECONDS = 0.2


def import_batch(uow: UnitOfWork, reads: Sequence[ReadRecord]) -> list[ImportOutcome]:
    """Create or change the prospects of some records, and return the outcome of each, in their order.

    A record that cannot be used writes nothing, and does not affect the others.
    """
    entries = [
        (place, read.content) for place, read in enumerate(reads) if isinstance(read.content, ProspectEntry)
    ]
    orders = lock_orders(uow.tx, [entry.link.key for _, entry in entries])
    entries.sort(key=lambda numbered: (orders[numbered[1].link.key], numbered[0]))
    known = [(place, entry) for place, entry in entries if not orders[entry.link.key].is_new]
    new = [(place, entry) for place, entry in entries if orders[entry.link.key].is_new]
    unchanged = find_unchanged(uow.tx, [(entry.link, entry.change) for _, entry in known])
    outcomes: dict[int, ImportOutcome] = {
        place: "unchanged" if entry.link.key in unchanged else _import_record(uow, entry)
        for place, entry in known
    }
    # If several records have the same link, the first one creates the prospect.
    created = create_many(uow.tx, [(entry.link, entry.change) for _, entry in new])
    for place, entry in new:
        is_created = entry.link.key in created
        created.discard(entry.link.key)
        outcomes[place] = "created" if is_created else _import_record(uow, entry)
    return [
        read.content if isinstance(read.content, Problem) else outcomes[place]
        for place, read in enumerate(reads)
    ]


def _import_record(uow: UnitOfWork, entry: ProspectEntry) -> ImportOutcome:
    try:
        with uow.tx.db.begin_nested():
            _, created, changed = upsert_prospect(uow, entry.link, entry.change)
    except Problem as problem:
        return problem
    except Flawed as error:
        return invalid(error.flaws)
    return "created" if created else "changed" if changed else "unchanged"


@dataclass(slots=True)
class ImportTally:
    """The progress of an import: everything up to line `committed_to` is committed."""

    committed_to: int
    counts: Counter[str] = field(default_factory=Counter)

    def add(
        self, reads: Sequence[ReadRecord], outcomes: Sequence[ImportOutcome]
    ) -> list[tuple[ReadRecord, Problem]]:
        """Count the outcomes of a committed batch, and return the refused records with their problems."""
        refused = [
            (read, outcome)
            for read, outcome in zip(reads, outcomes, strict=True)
            if isinstance(outcome, Problem)
        ]
        self.counts.update(outcome for outcome in outcomes if not isinstance(outcome, Problem))
        self.counts["refused"] += len(refused)
        self.committed_to = reads[-1].record.end
        return refused


class BatchPacing:
    """Decides how many `lines` the next transaction imports, and how long to wait before it."""

    def __init__(self) -> None:
        self.lines = 10
        self._failures = 0
        self._started = 0.0

    def start(self) -> None:
        """Note that a transaction begins."""
        self._started = monotonic()

    def done(self, lines: int) -> float:
        """Note that a transaction with this number of lines was committed, and set the size of the next one.

        Returns the number of seconds to wait before the next transaction if several processes share a SQLite
        file: a process that waits for its lock only checks now and then whether the lock is free.
        """
        seconds = monotonic() - self._started
        self._failures = 0
        if seconds > TARGET_BATCH_SECONDS:
            self.lines = max(1, round(lines * TARGET_BATCH_SECONDS / seconds))
        elif lines == self.lines:
            self.lines = min(MAX_LINES_PER_BATCH, 2 * lines)
        return seconds / 2

    def failed(self, problem: Problem) -> float:
        """Note that a transaction failed because of the database, not because of a record.

        Returns the number of seconds to wait before the next attempt. Raises the problem after MAX_ATTEMPTS.
        """
        self._failures += 1
        if self._failures == MAX_ATTEMPTS:
            raise problem
        self.lines = max(1, self.lines // 4)
        return FIRST_RETRY_SECONDS * 2.0 ** (self._failures - 1)


class Importer:
    """Imports records in batches, each in a transaction of its own, and counts the results.

    With `pauses`, it waits between two batches so that other processes can write: processes that share a
    SQLite file only check now and then whether its lock is free. Without `notify`, webhooks leave out what it
    records. `tally` has the counts and the last committed line.
    """

    def __init__(
        self, database: Database, plans: Plans, key_name: str, *, after_line: int, pauses: bool, notify: bool
    ) -> None:
        self._database = database
        self._plans = plans
        self._key_name = key_name
        self._pauses = pauses
        self._notify = notify
        self._pacing = BatchPacing()
        self.tally = ImportTally(after_line)

    async def run(self, reads: Sequence[ReadRecord]) -> AsyncIterator[list[tuple[ReadRecord, Problem]]]:
        """Import records; after each commit, yield the refused records of the batch.

        After an attempt that failed it yields an empty list, so that the caller can stop.

        Raises UNAVAILABLE if the database fails MAX_ATTEMPTS times in a row. What is counted stays committed.
        """
        while reads:
            batch = reads[: self._pacing.lines]
            outcomes = await self._commit(batch)
            if outcomes is None:
                yield []
            else:
                reads = reads[len(batch) :]
                yield self.tally.add(batch, outcomes)

    async def _commit(self, batch: Sequence[ReadRecord]) -> list[ImportOutcome] | None:
        """Import a batch in one transaction. Return None if it failed; the next attempt may be smaller."""
        self._pacing.start()
        try:
            outcomes = await self._database.write(lambda tx: import_batch(self._unit_of_work(tx), batch))
        except Problem as problem:
            await anyio.sleep(self._pacing.failed(problem))
            return None
        pause = self._pacing.done(len(batch))
        if self._pauses and self._database.is_sqlite:
            await anyio.sleep(pause)
        return outcomes

    def _unit_of_work(self, tx: Transaction) -> UnitOfWork:
        return UnitOfWork(replace(tx, silent=not self._notify), self._plans, self._key_name)


def rejects_heading(reader: Reader) -> bytes:
    """Return the first line of a file of rejects, with the headings of the CSV file; empty for NDJSON."""
    if not (reader.heading and reader.separator):
        return b""
    # With a byte order mark, because Excel, which may have made the imported file, needs it for UTF-8.
    return UTF_8_BOM + _csv_cells(reader.separator, *REJECT_COLUMNS) + reader.heading.raw + b"\n"


def rejected_record(reader: Reader, record: Record, problem: Problem) -> bytes:
    """Return a refused record as in a file of rejects: the original record, its line and the problem.

    In CSV, two more cells precede the record; in NDJSON, a line of its own. The content of a line that was
    too long is not stored, and the entry says so.
    """
    # The record is copied byte for byte, also a cell that a spreadsheet would read as a formula. An added
    # apostrophe could not be taken away again with certainty: a record that is not valid CSV has no cells to
    # mark, and a person who corrects the file may delete the two columns that say whose apostrophe it is.
    reason = problem.detail + (" It is left out here." if problem.kind is BODY_TOO_LARGE else "")
    if reader.separator:
        return _csv_cells(reader.separator, str(record.line), reason) + record.raw + b"\n"
    remark = json.dumps({REJECTED_LINE: record.line, REJECTED_BECAUSE: reason}, ensure_ascii=False)
    return remark.encode() + b"\n" + record.raw + b"\n"


def _csv_cells(separator: str, *cells: str) -> bytes:
    """Return cells with a separator after each, for others to follow."""
    text = StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
    return (text.getvalue() + separator).encode()
