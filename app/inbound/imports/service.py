"""Import prospects in short transactions, so that other writers do not wait for long."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Literal

import anyio

from app.db import Database, Transaction
from app.files.table import Row
from app.inbound.forms.schemas import WORD_FIELDS
from app.inbound.forms.service import checked_form, request_of
from app.inbound.imports.reader import ImportRow, ProspectEntry
from app.problems import Problem, invalid
from app.prospects.queries import sources_with_aliases, translate_values
from app.prospects.service import LockOrder, create_many, find_unchanged, lock_orders
from app.question_sets.plans import Plans
from app.scoring import Flawed
from app.sessions.qualification import carry_out
from app.sessions.service import upsert_prospect
from app.sessions.session_edit import UnitOfWork


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What a row that was imported changed. `indication` is that of its session, if it was qualified.

    A preview tries to import rows for a limited time, and only reads the others: these are "untried".
    """

    change: Literal["created", "changed", "unchanged", "untried"]
    is_qualified: bool = False
    opened_session: bool = False
    indication: str | None = None


ImportOutcome = ImportedRow | Problem
# An entry with the place of its row in the batch.
PlacedEntry = tuple[int, ProspectEntry]
CREATED, CHANGED, UNCHANGED = ImportedRow("created"), ImportedRow("changed"), ImportedRow("unchanged")
UNTRIED = ImportedRow("untried")
MAX_ROWS_PER_BATCH = 100
# A batch holds its locks, for which others may wait, for about this long.
TARGET_BATCH_SECONDS = 0.1
MAX_ATTEMPTS = 6
# The wait after the first failed attempt; it doubles with each further one.
FIRST_RETRY_SECONDS = 0.2


def import_batch(uow: UnitOfWork, rows: Sequence[ImportRow]) -> list[ImportOutcome]:
    """Import some rows of one file, and return the outcome of each, in their order.

    Each creates or changes a prospect, and qualifies it if the import does so. A row that cannot be used
    writes nothing, and does not affect the others.
    """
    entries = [
        (place, row.content) for place, row in enumerate(rows) if isinstance(row.content, ProspectEntry)
    ]
    orders = lock_orders(uow.tx, [entry.link.key for _, entry in entries])
    entries.sort(key=lambda numbered: (orders[numbered[1].link.key], numbered[0]))
    qualifies = any(entry.qualification for _, entry in entries)
    outcomes = _qualify(uow, entries) if qualifies else _store(uow, entries, orders)
    return [
        row.content if isinstance(row.content, Problem) else outcomes[place] for place, row in enumerate(rows)
    ]


def _store(
    uow: UnitOfWork, entries: Sequence[PlacedEntry], orders: Mapping[tuple[str, str], LockOrder]
) -> dict[int, ImportOutcome]:
    """Create or change the prospects of entries, and return the outcomes by their places."""
    known = [(place, entry) for place, entry in entries if not orders[entry.link.key].is_new]
    new = [(place, entry) for place, entry in entries if orders[entry.link.key].is_new]
    unchanged = find_unchanged(uow.tx, [(entry.link, entry.change) for _, entry in known])
    outcomes: dict[int, ImportOutcome] = {
        place: UNCHANGED if entry.link.key in unchanged else _refusable(uow, partial(_change, uow, entry))
        for place, entry in known
    }
    # If several rows have the same link, the first one creates the prospect.
    created = create_many(uow.tx, [(entry.link, entry.change) for _, entry in new])
    for place, entry in new:
        is_created = entry.link.key in created
        created.discard(entry.link.key)
        outcomes[place] = CREATED if is_created else _refusable(uow, partial(_change, uow, entry))
    return outcomes


def _qualify(uow: UnitOfWork, entries: Sequence[PlacedEntry]) -> dict[int, ImportOutcome]:
    """Qualify the prospects of entries, and return the outcomes by their places."""
    with_aliases = sources_with_aliases(uow.tx, {entry.link.source for _, entry in entries})
    return {
        place: _refusable(uow, partial(_qualify_entry, uow, entry, with_aliases)) for place, entry in entries
    }


def _refusable(uow: UnitOfWork, work: Callable[[], ImportedRow]) -> ImportOutcome:
    """Return what `work` returns, or the problem that it raises, after which nothing of it is written."""
    try:
        with uow.tx.savepoint():
            return work()
    except Problem as problem:
        return problem
    except Flawed as error:
        return invalid(error.flaws)


def _change(uow: UnitOfWork, entry: ProspectEntry) -> ImportedRow:
    _, created, changed = upsert_prospect(uow, entry.link, entry.change)
    return CREATED if created else CHANGED if changed else UNCHANGED


def _qualify_entry(uow: UnitOfWork, entry: ProspectEntry, with_aliases: Collection[str]) -> ImportedRow:
    qualification = entry.qualification
    assert qualification, "all rows of an import that qualifies have a qualification"
    fields, attributes = dict(qualification.fields), entry.change.attributes
    if entry.link.source in with_aliases:
        words = {name: fields[name] for name in WORD_FIELDS & fields.keys()}
        fields |= translate_values(uow.tx, entry.link.source, words)
        attributes = translate_values(uow.tx, entry.link.source, attributes)
    form = checked_form(fields | entry.link.model_dump())
    request = request_of(uow.tx, qualification.set_name, form, qualification.answers, attributes)
    if entry.change.has_name:
        request = request.model_copy(update={"name": entry.change.name})
    uow = replace(uow, actor=form.actor or uow.actor)
    done = carry_out(uow, request, from_file=True)
    changed = done.prospect_changed or done.session_changed
    return ImportedRow(
        "created" if done.prospect_created else "changed" if changed else "unchanged",
        is_qualified=True,
        opened_session=done.session_opened,
        indication=done.edit.session.indication,
    )


@dataclass(frozen=True, slots=True)
class ReportedRow:
    """A row with a problem, which was refused, or a row without one, some cells of which were left out."""

    row: Row
    problem: Problem | None
    reasons: Sequence[str]


@dataclass(slots=True)
class ImportTally:
    """The progress of an import: everything up to line `committed_to` is committed."""

    committed_to: int
    counts: Counter[str] = field(default_factory=Counter)
    indications: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[ImportRow], outcomes: Sequence[ImportOutcome]) -> list[ReportedRow]:
        """Count the outcomes of a committed batch, and return the rows that were not imported as a whole."""
        reported = []
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, Problem):
                self.counts["refused"] += 1
                reported.append(ReportedRow(row.row, outcome, _reasons(row, outcome)))
            else:
                self.counts[outcome.change] += 1
                self.counts["qualified"] += outcome.is_qualified
                self.counts["sessions_opened"] += outcome.opened_session
                self.indications.update([outcome.indication] if outcome.indication else [])
                self.counts["cells_left_out"] += len(row.entry.remarks)
                if row.entry.remarks:
                    reported.append(ReportedRow(row.row, None, row.entry.remarks))
        self.committed_to = rows[-1].row.end
        return reported


def _reasons(row: ImportRow, problem: Problem) -> Sequence[str]:
    if row.entry.problem:
        return row.entry.reasons
    named = [f"{error.pointer.strip('/')}: {error.detail}" for error in problem.errors]
    return named or [problem.detail]


class BatchPacing:
    """Decides the `size` of the next transaction, and how long to wait before it."""

    def __init__(self) -> None:
        self.size = 10
        self._failures = 0
        self._started = 0.0

    def start(self) -> None:
        """Note that a transaction begins."""
        self._started = monotonic()

    def done(self, size: int) -> float:
        """Note that a transaction of this size was committed, and set the size of the next one.

        Returns the number of seconds to wait before the next transaction if several processes share a SQLite
        file: a process that waits for its lock only checks now and then whether the lock is free.
        """
        seconds = monotonic() - self._started
        self._failures = 0
        if seconds > TARGET_BATCH_SECONDS:
            self.size = max(1, round(size * TARGET_BATCH_SECONDS / seconds))
        elif size == self.size:
            self.size = min(MAX_ROWS_PER_BATCH, 2 * size)
        return seconds / 2

    def failed(self, problem: Problem) -> float:
        """Note that a transaction failed because of the database, not because of a row.

        Returns the number of seconds to wait before the next attempt. Raises the problem after MAX_ATTEMPTS.
        """
        self._failures += 1
        if self._failures == MAX_ATTEMPTS:
            raise problem
        self.size = max(1, self.size // 4)
        return FIRST_RETRY_SECONDS * 2.0 ** (self._failures - 1)


class _Undo(Exception):
    """Rolls back the transaction of a batch in a dry run."""

    def __init__(self, outcomes: list[ImportOutcome]) -> None:
        super().__init__("a dry run writes nothing")
        self.outcomes = outcomes


class Importer:
    """Imports rows in batches, each in a transaction of its own, and counts the results.

    With `pauses`, it waits between two batches so that other processes can write: processes that share a
    SQLite file only check now and then whether its lock is free. Without `notify`, webhooks leave out what it
    records. `actor` decides and answers in rows that name nobody. `tally` has the counts and the last
    committed line. With `dry_run`, every batch is rolled back: nothing is written, and nobody sees it.
    """

    def __init__(
        self,
        database: Database,
        plans: Plans,
        key_name: str,
        *,
        actor: str,
        after_line: int,
        pauses: bool,
        notify: bool,
        dry_run: bool = False,
    ) -> None:
        self._database = database
        self._plans = plans
        self._key_name = key_name
        self._pauses = pauses
        self._notify = notify
        self._actor = actor
        self._dry_run = dry_run
        # A dry run would create the prospect again in every batch that has its link.
        self._created: set[tuple[str, str]] = set()
        self._pacing = BatchPacing()
        self.tally = ImportTally(after_line)

    async def run(self, rows: Sequence[ImportRow]) -> AsyncIterator[list[ReportedRow]]:
        """Import rows; after each commit, yield those of the batch that were not imported as a whole.

        After an attempt that failed it yields an empty list, so that the caller can stop.

        Raises UNAVAILABLE if the database fails MAX_ATTEMPTS times in a row. What is counted stays committed.
        """
        while rows:
            batch = rows[: self._pacing.size]
            outcomes = await self._commit(batch)
            if outcomes is None:
                yield []
            else:
                rows = rows[len(batch) :]
                yield self.tally.add(batch, outcomes)

    def only_read(self, rows: Sequence[ImportRow]) -> list[ReportedRow]:
        """Count rows without trying to import them, and return those that cannot be read as a whole.

        There is at least one row.
        """
        outcomes = [row.content if isinstance(row.content, Problem) else UNTRIED for row in rows]
        return self.tally.add(rows, outcomes)

    async def _commit(self, batch: Sequence[ImportRow]) -> list[ImportOutcome] | None:
        """Import a batch in one transaction. Return None if it failed; the next attempt may be smaller."""
        self._pacing.start()
        try:
            outcomes = await self._database.write(partial(self._import, batch))
        except _Undo as undone:
            outcomes = self._as_one_import(batch, undone.outcomes)
        except Problem as problem:
            await anyio.sleep(self._pacing.failed(problem))
            return None
        pause = self._pacing.done(len(batch))
        if self._pauses and self._database.is_sqlite:
            await anyio.sleep(pause)
        return outcomes

    def _import(self, batch: Sequence[ImportRow], tx: Transaction) -> list[ImportOutcome]:
        outcomes = import_batch(self._unit_of_work(tx), batch)
        if self._dry_run:
            raise _Undo(outcomes)
        return outcomes

    def _as_one_import(
        self, batch: Sequence[ImportRow], outcomes: Sequence[ImportOutcome]
    ) -> list[ImportOutcome]:
        """Return the outcomes of a dry run. A prospect that an earlier batch created counts as changed."""
        result: list[ImportOutcome] = []
        for row, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, ImportedRow) and outcome.change == "created":
                assert isinstance(row.content, ProspectEntry), "only an entry can be imported"
                is_repeated = row.content.link.key in self._created
                self._created.add(row.content.link.key)
                result.append(replace(outcome, change="changed") if is_repeated else outcome)
            else:
                result.append(outcome)
        return result

    def _unit_of_work(self, tx: Transaction) -> UnitOfWork:
        return UnitOfWork(replace(tx, silent=not self._notify), self._plans, self._key_name, self._actor)
