"""The work of an import: some lines a transaction, so that nobody waits long for it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from app.imports.reading import Entry, Read
from app.problems import Problem, invalid
from app.prospects.many import create_linked, find_ids, find_unchanged, turn
from app.scoring import Flawed
from app.sessions.case import Work
from app.sessions.flow import upsert_prospect

Outcome = Literal["created", "changed", "unchanged"] | Problem

MOST_LINES = 100
# So long a transaction holds what others may wait for.
HOLD_SECONDS = 0.1
TRIES = 6
FIRST_PAUSE = 0.2


def import_some(work: Work, reads: Sequence[Read]) -> list[Outcome]:
    """Create or change the prospects of some records; what became of each, in their order.

    A record that cannot be used leaves nothing, and the others stay.
    """
    entries = [(place, read.meant) for place, read in enumerate(reads) if isinstance(read.meant, Entry)]
    ids = find_ids(work.tx, [entry.link.key for _, entry in entries])
    entries.sort(key=lambda one: (turn(one[1].link.key, ids), one[0]))
    known = [one for one in entries if one[1].link.key in ids]
    new = [one for one in entries if one[1].link.key not in ids]
    unchanged = find_unchanged(work.tx, [(entry.link, entry.change) for _, entry in known])
    done: dict[int, Outcome] = {
        place: "unchanged" if entry.link.key in unchanged else _import_one(work, entry)
        for place, entry in known
    }
    # Of several that are about one link the first creates its prospect.
    first = {entry.link.key: (place, entry) for place, entry in reversed(new)}
    made = create_linked(work.tx, [(first[link][1].link, first[link][1].change) for link in sorted(first)])
    for place, entry in new:
        creates = first[entry.link.key][0] == place and entry.link.key in made
        done[place] = "created" if creates else _import_one(work, entry)
    return [
        read.meant if isinstance(read.meant, Problem) else done[place] for place, read in enumerate(reads)
    ]


def _import_one(work: Work, entry: Entry) -> Outcome:
    try:
        with work.tx.db.begin_nested():
            _, created, changed = upsert_prospect(work, entry.link, entry.change)
    except Problem as problem:
        return problem
    except Flawed as error:
        return invalid(error.flaws)
    return "created" if created else "changed" if changed else "unchanged"


@dataclass(slots=True)
class Tally:
    """How far an import is: all up to line `committed_to` is committed."""

    committed_to: int
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, reads: Sequence[Read], outcomes: Sequence[Outcome]) -> list[tuple[Read, Problem]]:
        """Count what was committed; the records that were refused."""
        refused = [
            (read, told) for read, told in zip(reads, outcomes, strict=True) if isinstance(told, Problem)
        ]
        self.counts.update(told for told in outcomes if not isinstance(told, Problem))
        self.counts["refused"] += len(refused)
        self.committed_to = reads[-1].record.end
        return refused


class Pace:
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
        if taken > HOLD_SECONDS:
            self.lines = max(1, round(lines * HOLD_SECONDS / taken))
        elif lines == self.lines:
            self.lines = min(MOST_LINES, 2 * lines)
        return taken / 2

    def failed(self, problem: Problem) -> float:
        """It failed for an outside reason: how long to wait before the same is tried again.

        Raises the problem when it was tried often enough.
        """
        self._failures += 1
        if self._failures == TRIES:
            raise problem
        self.lines = max(1, self.lines // 4)
        return FIRST_PAUSE * 2.0 ** (self._failures - 1)
