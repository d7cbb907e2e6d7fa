"""Import prospects in short transactions, so that nobody else waits for long."""

import csv
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from time import monotonic
from typing import Literal

import anyio

from app.db import Database
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
from app.prospects.queries import find_ids_by_link
from app.prospects.service import create_many, find_unchanged, lock_order
from app.question_sets.plans import Plans
from app.scoring import Flawed
from app.sessions.service import upsert_prospect
from app.sessions.session_edit import UnitOfWork

ImportOutcome = Literal["created", "changed", "unchanged"] | Problem
MAX_BATCH = 100
# So long a transaction holds what others may wait for.
TARGET_SECONDS = 0.1
MAX_ATTEMPTS = 6
FIRST_RETRY_SECONDS = 0.2


def import_batch(uow: UnitOfWork, reads: Sequence[ReadRecord]) -> list[ImportOutcome]:
    """Create or change the prospects of some records; what became of each, in their order.

    A record that cannot be used leaves nothing, and the others stay.
    """
    entries = [
        (place, read.meant) for place, read in enumerate(reads) if isinstance(read.meant, ProspectEntry)
    ]
    ids = find_ids_by_link(uow.tx, [entry.link.key for _, entry in entries])
    entries.sort(key=lambda one: (lock_order(one[1].link.key, ids), one[0]))
    known = [one for one in entries if one[1].link.key in ids]
    new = [one for one in entries if one[1].link.key not in ids]
    unchanged = find_unchanged(uow.tx, [(entry.link, entry.change) for _, entry in known])
    done: dict[int, ImportOutcome] = {
        place: "unchanged" if entry.link.key in unchanged else _import_record(uow, entry)
        for place, entry in known
    }
    # Of several that are about one link the first creates its prospect.
    first = {entry.link.key: (place, entry) for place, entry in reversed(new)}
    made = create_many(uow.tx, [(first[link][1].link, first[link][1].change) for link in sorted(first)])
    for place, entry in new:
        creates = first[entry.link.key][0] == place and entry.link.key in made
        done[place] = "created" if creates else _import_record(uow, entry)
    return [
        read.meant if isinstance(read.meant, Problem) else done[place] for place, read in enumerate(reads)
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
    """How far an import is: all up to line `committed_to` is committed."""

    committed_to: int
    counts: Counter[str] = field(default_factory=Counter)

    def add(
        self, reads: Sequence[ReadRecord], outcomes: Sequence[ImportOutcome]
    ) -> list[tuple[ReadRecord, Problem]]:
        """Count what was committed; the records that were refused."""
        refused = [
            (read, told) for read, told in zip(reads, outcomes, strict=True) if isinstance(told, Problem)
        ]
        self.counts.update(told for told in outcomes if not isinstance(told, Problem))
        self.counts["refused"] += len(refused)
        self.committed_to = reads[-1].record.end
        return refused


class BatchPacing:
    """How many lines go into the next transaction, and how long it lets others write before."""

    def __init__(self) -> None:
        self.lines = 10
        self._failures = 0
        self._started = 0.0

    def start(self) -> None:
        """A transaction begins."""
        self._started = monotonic()

    def done(self, lines: int) -> float:
        """So many are committed: fewer or more go into the next one.

        Returns how long to wait before that where processes share a SQLite file: who waits for its lock
        only looks now and then whether it is free.
        """
        taken = monotonic() - self._started
        self._failures = 0
        if taken > TARGET_SECONDS:
            self.lines = max(1, round(lines * TARGET_SECONDS / taken))
        elif lines == self.lines:
            self.lines = min(MAX_BATCH, 2 * lines)
        return taken / 2

    def failed(self, problem: Problem) -> float:
        """It failed for an outside reason: how long to wait before the same is tried again.

        Raises the problem when it was tried often enough.
        """
        self._failures += 1
        if self._failures == MAX_ATTEMPTS:
            raise problem
        self.lines = max(1, self.lines // 4)
        return FIRST_RETRY_SECONDS * 2.0 ** (self._failures - 1)


class Importer:
    """Imports records in batches, each in a transaction of its own, and counts the results.

    `pauses` lets other processes write between two batches: processes that share an SQLite file look only
    now and then whether its lock is free.
    """

    def __init__(
        self, database: Database, plans: Plans, key_name: str, *, after_line: int, pauses: bool
    ) -> None:
        self._database = database
        self._plans = plans
        self._key_name = key_name
        self._pauses = pauses
        self._pacing = BatchPacing()
        self.tally = ImportTally(after_line)

    async def run(self, reads: Sequence[ReadRecord]) -> AsyncIterator[list[tuple[ReadRecord, Problem]]]:
        """Import records; after each commit, yield the refused ones of the batch.

        Raises UNAVAILABLE if the database is not available for too long. What is counted stays committed.
        """
        while reads:
            batch = reads[: self._pacing.lines]
            outcomes = await self._commit(batch)
            if outcomes is not None:
                reads = reads[len(batch) :]
                yield self.tally.add(batch, outcomes)

    async def _commit(self, batch: Sequence[ReadRecord]) -> list[ImportOutcome] | None:
        """Import a batch in one transaction; None if it, or less of it, is to be tried again."""
        self._pacing.start()
        try:
            outcomes = await self._database.write(
                lambda tx: import_batch(UnitOfWork(tx, self._plans, self._key_name), batch)
            )
        except Problem as problem:
            await anyio.sleep(self._pacing.failed(problem))
            return None
        pause = self._pacing.done(len(batch))
        if self._pauses and self._database.is_sqlite:
            await anyio.sleep(pause)
        return outcomes


def rejects_heading(reader: Reader) -> bytes:
    """How the file begins."""
    if not (reader.heading and reader.separator):
        return b""
    # With the mark that Excel looks for, since it was told of a file that it may have made.
    return UTF_8_BOM + _csv_cells(reader.separator, *REJECT_COLUMNS) + reader.heading.raw + b"\n"


def rejected_record(reader: Reader, record: Record, problem: Problem) -> bytes:
    """A record as it was, with its line and what is wrong: two more cells before it, or a line of NDJSON.

    A line that was too long to be read was not kept, and that is said.
    """
    because = problem.detail + (" It is left out here." if problem.kind is BODY_TOO_LARGE else "")
    if reader.separator:
        return _csv_cells(reader.separator, str(record.line), because) + record.raw + b"\n"
    remark = json.dumps({REJECTED_LINE: record.line, REJECTED_BECAUSE: because}, ensure_ascii=False)
    return remark.encode() + b"\n" + record.raw + b"\n"


def _csv_cells(separator: str, *cells: str) -> bytes:
    """Cells that others follow."""
    text = StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
    return (text.getvalue() + separator).encode()
