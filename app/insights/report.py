"""What a report consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from app.db import Transaction
from app.files.columns import Column, Value
from app.insights.queries import ConcludedSession
from app.insights.win_curve import WinCurve
from app.keys.schemas import Caller, Scope
from app.problems import FORBIDDEN, Problem
from app.question_sets.plans import Plans
from app.schemas import normalized_id
from app.sessions.queries import SetFilter

ReportName = Literal[
    "calibration", "questions", "assessors", "decisions", "outcomes", "portfolio", "concentration"
]
Read = TypeVar("Read")
Reported = TypeVar("Reported")


class Table(NamedTuple):
    """A report as a table: for CSV, for the command line, and behind a picture."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What `read` needs: the transaction, the filters and the caller, None for the command line."""

    tx: Transaction
    plans: Plans
    filters: Any
    caller: Caller | None = None

    def required_set(self) -> SetFilter:
        """Return the question set of filters that require one. Raises INVALID_REQUEST for an unknown one."""
        found = self.plans.find_filter(self.tx, self.filters.question_set, "query")
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Persons:
    """The persons whose own figures a report shows: everyone, one person, or nobody."""

    everyone: bool
    own: str | None

    @property
    def nobody(self) -> bool:
        """Whether the report has no figures of persons."""
        return not self.everyone and self.own is None

    def include(self, person: str) -> bool:
        """Whether the report shows the figures of this person."""
        return self.everyone or (self.own is not None and normalized_id(person) == self.own)


def persons_shown(caller: Caller | None) -> Persons:
    """Return whose figures a caller may read: with `admin` everyone's, otherwise those of the key's person.

    Without a caller, it is the command line, which shows everyone.
    """
    if caller is None or caller.may(Scope.ADMIN):
        return Persons(everyone=True, own=None)
    return Persons(everyone=False, own=normalized_id(caller.person))


def require_own_figures(caller: Caller | None, person: str | None) -> None:
    """Check that the caller may read figures of one person: with `admin`, or with that person's own key.

    Raises:
        Problem: FORBIDDEN.
    """
    if person is not None and not persons_shown(caller).include(person):
        detail = "Figures of one person need a key with the scope admin, or the key of that person."
        raise Problem(FORBIDDEN, detail)


class Member(NamedTuple):
    """A session behind a point of a report, or an account with its amount in a concentration.

    The ids are as the driver returns them.
    """

    prospect: UUID | str
    session: UUID | str | None
    amount: float | None = None


# The members behind each point of a report, by the name of the point.
Points = Mapping[str, Sequence[Member]]
# Stands in a point for a group or an indication that is null.
NO_NAME = "none"


@dataclass(frozen=True, slots=True)
class Report(Generic[Read, Reported]):
    """One report.

    `read` reads what it needs in a transaction, and `compute` computes the report from it outside of the
    transaction. `table` shows the report as a table. `points` returns what is behind its points from what
    `read` returned.
    """

    read: Callable[[Reading], Read]
    compute: Callable[[Read], Reported]
    table: Callable[[Reported], Table]
    points: Callable[[Read], Points]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that is computed with numpy: the reports, and the curves for single sessions."""

    reports: Mapping[ReportName, Report[Any, Any]]
    fit_win_curve: Callable[[Sequence[ConcludedSession]], WinCurve | None]
