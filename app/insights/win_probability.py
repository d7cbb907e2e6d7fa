"""The win probability of sessions without an outcome, from the calibration of their question set."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

import anyio

from app.db import Database, Transaction
from app.files.columns import Column, Value
from app.insights.queries import ConcludedSession, concluded_sessions, newest_outcome
from app.insights.reports import catalogue
from app.insights.schemas import InsightFilter, WinProbability
from app.insights.win_curve import WinCurve
from app.question_sets.queries import read_name

# A curve can also change without a new outcome, because prospects are erased and merged.
MAX_AGE_SECONDS = 600
# A request does not wait for the curve of more deals. The service computes it again in the background, for at
# most a twentieth of the time, and uses the old one until then.
MAX_DEALS_TO_WAIT_FOR = 5000
MAX_SHARE_OF_TIME = 0.05
COLUMNS = (
    *(Column(f"win_probability{end}", "number") for end in ("", "_low", "_high")),
    Column("win_probability_n", "integer"),
)


# The name of a session's question set, with its version, and its score; None if it has no win probability.
Rated = tuple[str, float | None]
Fit = Callable[[], WinCurve | None]
Curves = Mapping[str, WinCurve | None]


def win_probabilities(curves: Curves, rated: Sequence[Rated]) -> list[WinProbability | None]:
    """Return the win probability of sessions, in their order. `curves` has those of all their sets."""
    found: list[WinProbability | None] = [None] * len(rated)
    for name, curve in curves.items():
        places = [place for place, one in enumerate(rated) if one[0] == name and one[1] is not None]
        if curve is None or not places:
            continue
        estimates = curve.predict([score for place in places if (score := rated[place][1]) is not None])
        for place, estimate in zip(places, estimates, strict=True):
            found[place] = WinProbability(**dict(estimate), n=curve.n, preliminary=curve.preliminary)
    return found


def rated_rows(columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> list[Rated]:
    """Return what the rows of exported sessions say. A session with an outcome has no win probability."""
    names = [column.name for column in columns]
    question_set, score, outcome = map(names.index, ("question_set", "score", "outcome"))
    return [(str(row[question_set]), _open_score(row[score], row[outcome])) for row in rows]


def _open_score(score: Value, outcome: Value) -> float | None:
    return float(score) if isinstance(score, int | float) and outcome is None else None


def completed(
    rows: Iterable[Sequence[Value]], probabilities: Iterable[WinProbability | None]
) -> list[Sequence[Value]]:
    """Return rows of exported sessions with the values of COLUMNS."""
    return [[*row, *_values(one)] for row, one in zip(rows, probabilities, strict=True)]


def _values(probability: WinProbability | None) -> tuple[Value, ...]:
    if probability is None:
        return (None,) * len(COLUMNS)
    return probability.estimate, probability.low, probability.high, probability.n


def win_curve(name: str, tx: Transaction) -> tuple[int, Fit]:
    """Read the deals of a version. Returns their number, and what computes the curve afterwards."""
    sessions: list[ConcludedSession] = concluded_sessions(
        tx, InsightFilter(question_set=name), read_name(name, "query")
    )
    return len(sessions), lambda: catalogue().fit_win_curve(sessions)


@dataclass(frozen=True, slots=True)
class _Cached:
    """A curve, and the newest outcome when it was read. `at` is the time, and `seconds` what it took.

    `deals` is the number of deals that were read.
    """

    curve: WinCurve | None
    deals: int
    newest: UUID | None
    at: float
    seconds: float

    def is_current(self, newest: UUID | None) -> bool:
        # The ids of outcomes are in the order of time.
        has_newest = newest is None or (self.newest is not None and self.newest >= newest)
        return has_newest and monotonic() - self.at < MAX_AGE_SECONDS

    @property
    def is_quick(self) -> bool:
        return self.deals <= MAX_DEALS_TO_WAIT_FOR

    @property
    def has_rested(self) -> bool:
        return monotonic() - self.at > self.seconds / MAX_SHARE_OF_TIME


class WinCurves:
    """The curves of versions of question sets, cached. They are computed again after a new outcome.

    `compute` runs a computation in a thread.
    """

    def __init__(
        self,
        database: Database,
        compute: Callable[[Callable[[], WinCurve | None]], Awaitable[WinCurve | None]],
    ) -> None:
        self._database = database
        self._compute = compute
        self._cached: dict[str, _Cached] = {}
        self._lock = anyio.Lock()
        self._due: set[str] = set()
        self._wake = anyio.Event()

    async def probabilities(self, rated: Sequence[Rated], newest: UUID | None) -> list[WinProbability | None]:
        """Return the win probability of sessions, in their order; None where it is not known.

        `newest` is the id of the newest outcome.
        """
        names = {name for name, score in rated if score is not None}
        return win_probabilities({name: await self._find(name, newest) for name in sorted(names)}, rated)

    async def _find(self, name: str, newest: UUID | None) -> WinCurve | None:
        cached = self._cached.get(name)
        if cached and cached.is_current(newest):
            return cached.curve
        if cached and not cached.is_quick:
            if cached.has_rested:
                self._due.add(name)
                self._wake.set()
            return cached.curve
        async with self._lock:
            cached = self._cached.get(name)
            return cached.curve if cached and cached.is_current(newest) else await self._renew(name)

    async def run(self) -> None:
        """Compute the curves that are due, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._due:
                await self._renew(self._due.pop())

    async def _renew(self, name: str) -> WinCurve | None:
        started = monotonic()
        newest, (deals, fit) = await self._database.read(lambda tx: (newest_outcome(tx), win_curve(name, tx)))
        curve = await self._compute(fit)
        self._cached[name] = _Cached(curve, deals, newest, monotonic(), monotonic() - started)
        return curve
