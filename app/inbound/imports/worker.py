"""Preview and import uploaded files in the background.

The process that receives the request to start a run carries it out. It stores its progress on the disk, so
every process of the machine can show it. It is safe to repeat an import, so one that ends early can continue
or start again.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Protocol, TypeVar
from uuid import UUID

import anyio
from anyio.abc import TaskGroup
from filelock import BaseFileLock, Timeout

from app.db import Database, Transaction
from app.files.opening import open_table
from app.files.rejects import RejectsFile
from app.inbound.imports.files import UploadedFile, UploadFolder
from app.inbound.imports.mapping import columns_of
from app.inbound.imports.reader import ImportOptions, ImportRow, NamedSet, ProspectReader
from app.inbound.imports.schemas import Choices, End, Reason, Run, RunKind, Upload
from app.inbound.imports.service import Importer, ReportedRow
from app.keys.queries import active_keys
from app.keys.schemas import Caller
from app.problems import INTERNAL_ERROR, STALE_REVISION, Problem, unavailable
from app.question_sets.plans import Plans

T = TypeVar("T")
log = logging.getLogger(__name__)
# Further runs of one process wait for their turn.
MAX_RUNS_AT_ONCE = 2
ROWS_AT_ONCE = 100
ROWS_READ_AT_ONCE = 1000
SAVE_SECONDS = 0.5
KEY_CHECK_SECONDS = 0.5
CLEANUP_SECONDS = 600
# How long a new run waits for an earlier preview to stop.
STOP_SECONDS = 10
LOCK_POLL_SECONDS = 0.05
# A preview tries to import rows for this long. It only reads the rest of the file, which is much faster.
TRIAL_SECONDS = 30
MAX_REASONS = 100
MAX_EXAMPLES = 5
# Sentences of one kind differ in these: the row and the value.
PLACE = re.compile(r"^row [0-9,]+(, |: )")
VALUE = re.compile(r'"(.*)"', re.DOTALL)


class Compute(Protocol):
    """Runs a function in a thread."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class _Ended(Exception):
    """A run ends early."""

    def __init__(self, end: End) -> None:
        super().__init__(end)
        self.end: End = end


@dataclass(frozen=True, slots=True)
class Starter:
    """Who starts a run: the key, and the person who uses it."""

    caller: Caller
    actor: str


class ImportRuns:
    """The previews and imports of a process.

    Args:
        compute: runs, in a thread, a function that takes some tenths of a second at most.
        read: runs, in a thread, a function that reads a file and can take minutes.
        max_rows: how many rows one run reads.
        pauses: as for an `Importer`.
    """

    def __init__(
        self,
        database: Database,
        plans: Plans,
        *,
        compute: Compute,
        read: Compute,
        max_rows: int,
        pauses: bool,
    ) -> None:
        self.folder = UploadFolder()
        self._database = database
        self._plans = plans
        self._compute = compute
        self._read = read
        self._max_rows = max_rows
        self._pauses = pauses
        self._turns = anyio.Semaphore(MAX_RUNS_AT_ONCE)
        self._tasks: TaskGroup | None = None
        self._is_ending = False

    async def run(self) -> None:
        """Carry out the started runs, and delete expired files, until cancelled; never returns."""
        async with anyio.create_task_group() as self._tasks:
            try:
                while True:
                    await self._read(self.folder.delete_expired)
                    await anyio.sleep(CLEANUP_SECONDS)
            finally:
                # A thread that reads a file cannot be cancelled, so it checks this.
                self._is_ending = True

    async def start(
        self, file: UploadedFile, kind: RunKind, by: Starter, shown: Choices | None = None
    ) -> None:
        """Start a preview or an import. A running preview is stopped first.

        A running import continues. An import that is done is not repeated unless the choices have changed. An
        import that ended early continues after its last committed row, unless the choices have changed.
        `shown` are the choices that the person has seen, None for any.

        Raises:
            Problem: INVALID_REQUEST if the question set cannot be used, STALE_REVISION if the choices are not
                those in `shown`, UNAVAILABLE if the preview that runs does not stop in time, and what
                `UploadedFile` raises.
        """
        lock = await self._lock(file)
        if lock is None:
            return
        try:
            upload = await self._compute(lambda: _upload_as_shown(file, shown))
            before = await self._compute(lambda: file.run(holds_lock=True))
            is_same = before is not None and kind == before.kind and before.choices == upload.choices
            if before and is_same and kind == "import" and before.status == "done":
                lock.release()
                return
            # If a process was killed, what it refused since it last stored its progress is not known.
            is_continued = before and is_same and kind == "import" and before.committed_to
            run = before if before and is_continued else Run(kind=kind, choices=upload.choices)
            options = await self._database.read(
                lambda tx: options_of(tx, self._plans, upload.choices, run.committed_to)
            )
            importer = self._importer(upload, kind, by, run.committed_to)
            work = _Work(file, upload, run, options, importer, self._has_to_end)
            await self._compute(work.show_start)
        except BaseException:
            lock.release()
            raise
        assert self._tasks, "the application has started"
        self._tasks.start_soon(self._carry_out, work, lock, by.caller.key_id)

    async def _lock(self, file: UploadedFile) -> BaseFileLock | None:
        """Return the lock of a file after stopping its preview; None if an import holds it.

        Raises:
            Problem: UNAVAILABLE if the preview does not stop in time.
        """
        give_up_at = monotonic() + STOP_SECONDS
        while monotonic() < give_up_at:
            run = await self._compute(file.run)
            if run and run.status == "running":
                if run.kind == "import":
                    return None
                await self._compute(file.request_stop)
            try:
                return await self._compute(file.lock)
            except Timeout:
                await anyio.sleep(LOCK_POLL_SECONDS)
        raise unavailable("The earlier preview has not stopped yet. Try again in a few seconds.")

    def _importer(self, upload: Upload, kind: RunKind, by: Starter, after_line: int) -> Importer:
        return Importer(
            self._database,
            self._plans,
            by.caller.name,
            actor=by.actor,
            after_line=after_line,
            pauses=self._pauses,
            notify=upload.choices.notify,
            dry_run=kind == "preview",
        )

    def _has_to_end(self) -> bool:
        return self._is_ending

    async def _carry_out(self, work: "_Work", lock: BaseFileLock, key_id: UUID) -> None:
        end: End | None = "process"
        detail = None
        try:
            async with self._turns:
                await self._run_to_end(work, key_id)
            end = None
        except _Ended as ended:
            end = ended.end
        except Problem as problem:
            end, detail = "failed", problem.detail
        except Exception:
            if not await self._read(work.is_deleted):
                log.exception("an import failed")
            end, detail = "failed", INTERNAL_ERROR.title
        finally:
            with anyio.CancelScope(shield=True):
                await self._read(lambda: work.finish(end, detail))
            lock.release()

    async def _run_to_end(self, work: "_Work", key_id: UUID) -> None:
        await self._read(work.open)
        rows_left, try_until, check_key_at = self._max_rows, monotonic() + TRIAL_SECONDS, 0.0
        while rows := await self._read(work.advance):
            if monotonic() > check_key_at:
                check_key_at = monotonic() + KEY_CHECK_SECONDS
                if not await self._database.read(lambda tx: active_keys(tx, [key_id])):
                    raise _Ended("revoked")
            allowed = rows[:rows_left]
            rows_left -= len(allowed)
            if not allowed:
                raise _Ended("too_many_rows")
            if work.is_preview and monotonic() > try_until:
                work.rows_at_once = ROWS_READ_AT_ONCE
                work.reported += work.importer.only_read(allowed)
            else:
                async for reported in work.importer.run(allowed):
                    work.reported += reported
            if len(allowed) < len(rows):
                raise _Ended("too_many_rows")


def _upload_as_shown(file: UploadedFile, shown: Choices | None) -> Upload:
    """Return what a file is. Another window may have changed it, also while its preview was stopping."""
    upload = file.upload()
    if shown and upload.choices != shown:
        raise Problem(STALE_REVISION, "Something else was chosen for this file.")
    return upload


def options_of(tx: Transaction, plans: Plans, choices: Choices, after_line: int = 0) -> ImportOptions:
    """Return the options of an import. Raises INVALID_REQUEST if its question set cannot be used."""
    name = choices.question_set
    return ImportOptions(
        source=choices.source,
        types=plans.declared_types(tx),
        decimal=choices.decimal,
        after_line=after_line,
        qualify=NamedSet(name, plans.find_to_open(tx, name)) if name else None,
        columns=columns_of(choices),
    )


class _Work:
    """One run over a file. Its methods run in threads, one after the other."""

    def __init__(
        self,
        file: UploadedFile,
        upload: Upload,
        run: Run,
        options: ImportOptions,
        importer: Importer,
        has_to_end: Callable[[], bool],
    ) -> None:
        self.importer = importer
        self.is_preview = run.kind == "preview"
        self.rows_at_once = ROWS_AT_ONCE
        self.reported: list[ReportedRow] = []
        self._file = file
        self._upload = upload
        self._options = options
        self._before = run
        self._has_to_end = has_to_end
        self._opened = ExitStack()
        self._rejects: RejectsFile | None = None
        self._reasons = _Reasons(run.reasons)
        self._saved_at = 0.0
        self._reader: ProspectReader | None = None
        self._rows: Iterator[ImportRow] = iter(())
        self._headings: Sequence[str] = ()
        self._share: Callable[[], float] = lambda: 0.0

    def is_deleted(self) -> bool:
        """Return whether the file was deleted."""
        return self._file.is_deleted()

    def show_start(self) -> None:
        """Show that the run has begun."""
        self._file.forget_stop()
        if not self._before.committed_to:
            self._file.rejects.unlink(missing_ok=True)
        self._save()

    def open(self) -> None:
        """Open the file. Raises MALFORMED_FILE, INVALID_REQUEST and `_Ended`."""
        choices = self._upload.choices
        table = self._opened.enter_context(
            open_table(
                self._file.content,
                self._upload.format,
                encoding=choices.encoding,
                sheet=choices.sheet,
                check=self._check,
            )
        )
        self._headings = table.headings
        self._reader = ProspectReader(table, self._options)
        self._rows = self._reader.rows()
        # Before this, the whole file may have been read once to find its decimal sign.
        self._share = lambda: table.share_read
        if self._file.rejects.exists():
            self._open_rejects()

    def advance(self) -> list[ImportRow]:
        """Store the rows in `reported`, and return the next rows. Raises `_Ended`."""
        self._keep_reported()
        if monotonic() > self._saved_at + SAVE_SECONDS:
            self._save()
        self._check()
        return list(islice(self._rows, self.rows_at_once))

    def finish(self, end: End | None, detail: str | None) -> None:
        """Complete the file of rejects, and show that the run has ended."""
        try:
            self._keep_reported()
            self._opened.close()
            self._save(end=end, detail=detail, is_running=False)
        except (OSError, Problem):
            if not self._file.is_deleted():
                log.warning("the result of an import cannot be stored", exc_info=True)

    def _keep_reported(self) -> None:
        """Store the rows that were not imported as a whole."""
        reported, self.reported = self.reported, []
        for row in reported:
            self._reasons.add(row, self._by_heading(row.reasons))
            (self._rejects or self._open_rejects()).add(row.row, row.reasons)

    def _by_heading(self, reasons: Sequence[str]) -> Iterator[str]:
        """Yield reasons that name a column by its heading, and not by what it was mapped to."""
        columns = self._options.columns or {}
        for reason in reasons:
            place, _, rest = reason.partition(": ")
            index = columns.get(place.rpartition("/")[2])
            yield reason if index is None else f"{self._headings[index] or place}: {rest}"

    def _open_rejects(self) -> RejectsFile:
        file = RejectsFile(self._file.rejects, self._upload.format, self._headings, keep=True)
        self._rejects = self._opened.enter_context(file)
        return file

    def _check(self) -> None:
        if self._has_to_end():
            raise _Ended("process")
        if self._file.should_stop():
            raise _Ended("by_person")

    def _save(self, *, end: End | None = None, detail: str | None = None, is_running: bool = True) -> None:
        tally, before = self.importer.tally, self._before
        self._file.save_run(
            Run(
                kind=before.kind,
                status="running" if is_running else "stopped" if end else "done",
                choices=self._upload.choices,
                share=self._share() if is_running or end else 1.0,
                committed_to=tally.committed_to,
                counts=_sum(before.counts, tally.counts),
                indications=_sum(before.indications, tally.indications),
                reasons=self._reasons.listed(),
                notes=tuple(self._reader.notes) if self._reader else (),
                ended=end,
                detail=detail,
                has_rejects=self._file.rejects.exists(),
            )
        )
        self._saved_at = monotonic()


def _sum(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in first.keys() | second.keys()}


@dataclass(slots=True)
class _Counted:
    """How many reasons are of one kind, and the first few."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class _Reasons:
    """The reasons for refused rows and left out cells. Those of one kind differ only in row and value."""

    def __init__(self, before: Sequence[Reason]) -> None:
        self._found = {one.kind: _Counted(one.count, list(one.examples)) for one in before}

    def add(self, row: ReportedRow, reasons: Iterable[str]) -> None:
        """Count the reasons of a row."""
        for reason in reasons:
            place = f"row {row.row.number}"
            sentence = reason if reason.startswith(place) else f"{place}: {reason}"
            kind = VALUE.sub("…", PLACE.sub("", sentence))
            if kind in self._found or len(self._found) < MAX_REASONS:
                counted = self._found.setdefault(kind, _Counted())
                counted.count += 1
                if len(counted.examples) < MAX_EXAMPLES:
                    counted.examples.append(sentence)

    def listed(self) -> tuple[Reason, ...]:
        """Return the reasons, the most frequent one first."""
        found = sorted(self._found.items(), key=lambda item: -item[1].count)
        return tuple(
            Reason(kind=kind, count=counted.count, examples=tuple(counted.examples))
            for kind, counted in found
        )
