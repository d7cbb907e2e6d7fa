"""The review: the list of sessions to work through, best fits first."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import model_validator

from app.clock import utc_now
from app.db import Transaction
from app.edge.paging import PageQuery, next_page, position_after
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.pages.formats import figure, score_range
from app.pages.rendering import page, text
from app.pages.routes import page_router, query_of
from app.question_sets.plans import Plans
from app.question_sets.queries import list_newest
from app.scoring import QuestionSet
from app.sessions.presenters import session_lines
from app.sessions.queries import list_sessions
from app.sessions.schemas import SESSION_POSITIONS, SessionLine, SessionListFilter, Sort, VerdictBefore

reading = page_router(Scope.READ)
RECENT_DAYS = 7
# The filters that the page hides at first, because most reviews do not need them.
FURTHER = ("leaning", "outcome", "assessor", "actor", "deal", "revisit_before", "subject")
ANY = "any"
MAX_NAMED = 3


class ReviewQuery(SessionListFilter, PageQuery):
    """Which sessions to show, and which page of them. Unless the address says otherwise, the open ones."""

    sort: Sort = "ranked"

    @model_validator(mode="before")
    @classmethod
    def _as_filters(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Read what the form sends: the status `any`, and the day from which changes count."""
        read = {"status": "open", **fields}
        if read["status"] == ANY:
            del read["status"]
        if len(read.get("changes_since", "")) == len("2026-01-31"):
            read["changes_since"] += "T00:00:00Z"
        if read.pop("only_changed", None) and "changes_since" in read:
            read["changed_since"] = read["changes_since"]
        return read

    @property
    def since(self) -> str:
        """The day from which changes count, as the form shows it."""
        return f"{self.changes_since:%Y-%m-%d}" if self.changes_since else ""

    @property
    def has_further(self) -> bool:
        """Whether the query uses one of the filters in FURTHER."""
        return any(getattr(self, name) is not None for name in FURTHER)

    def address(self, *without: str) -> str:
        """Return the query with which the API returns the same sessions."""
        chosen = self.model_dump(mode="json", exclude_none=True, exclude_unset=True, exclude=set(without))
        return urlencode(chosen | {"sort": self.sort})


class View(NamedTuple):
    """A link to a common selection of sessions."""

    text: str
    query: str


class ShownLine(NamedTuple):
    """A line of the list with its question set, and what the page says about it in words."""

    line: SessionLine
    set: QuestionSet
    blockers: str
    changes: list[str]
    revisit_is_due: bool


@reading.get("/review")
async def get_review(
    request: Request, service: ServiceDep, query: Annotated[ReviewQuery, query_of(ReviewQuery)]
) -> Response:
    """Show the sessions that match the filters. The filters and the order are in the address."""
    start = position_after(query.after, SESSION_POSITIONS[query.sort])

    def load(tx: Transaction) -> dict[str, Any]:
        set_filter = service.plans.find_filter(tx, query.question_set, "query")
        found = list_sessions(tx, query, set_filter, after=start, limit=query.limit + 1)
        shown = found[: query.limit]
        last = shown[-1].position(query.sort) if shown else ()
        lines = session_lines(tx, service.plans, shown, query.changes_since)
        return {
            "shown": [_in_words(tx, service.plans, line) for line in lines],
            "next": next_page(request, found, query.limit, last),
            "sets": list_newest(tx),
        }

    shown_views = views(utc_now())
    return page(
        request,
        "review.html",
        query=query,
        chosen=query.address(),
        export=query.address("changes_since", "limit", "after"),
        views=shown_views,
        is_usual=any(view.query == request.url.query for view in shown_views),
        **await service.read_scores(load),
    )


def views(now: datetime) -> list[View]:
    """Return the common selections of sessions. Days begin at midnight in UTC."""
    tomorrow, recent = (now + timedelta(days=days) for days in (1, -RECENT_DAYS))
    return [
        View(text("review.view_open"), ""),
        View(text("review.view_due"), f"revisit_before={tomorrow:%Y-%m-%d}&sort=revisit_on"),
        View(
            text("review.view_changed", days=RECENT_DAYS),
            f"status={ANY}&changes_since={recent:%Y-%m-%d}&only_changed=1&sort=updated_at",
        ),
        View(text("review.view_blocked"), "has_blocker=true"),
        View(text("review.view_closed"), "status=closed&sort=updated_at"),
    ]


def _in_words(tx: Transaction, plans: Plans, line: SessionLine) -> ShownLine:
    plan = plans.find(tx, line.question_set)
    labels = {key: one.label for key, one in plan.questions.items()}
    return ShownLine(
        line,
        plan.question_set,
        _few_labels(line.blockers, labels),
        list(_changes(line, labels, plan.cuts)),
        line.revisit_on is not None and line.outcome is None and line.revisit_on <= utc_now().date(),
    )


def _few_labels(keys: Sequence[str], labels: Mapping[str, str]) -> str:
    """Return the labels of the first few questions, and how many more there are."""
    named = ", ".join(_label(labels, key) for key in keys[:MAX_NAMED])
    more = len(keys) - MAX_NAMED
    return text("review.and_more", labels=named, count=more) if more > 0 else named


def _label(labels: Mapping[str, str], key: str) -> str:
    """Return the label of a question. A newer version of the set can lack the question."""
    return labels.get(key) or key.replace("_", " ")


def _changes(line: SessionLine, labels: Mapping[str, str], cuts: Collection[int]) -> Iterator[str]:
    """Yield in words what changed in a session: what it was, and what it is now."""
    changes = line.changes
    if changes is None:
        return
    if changes.before is None:
        yield text("review.changed_new")
    else:
        yield from _changed_figures(line, changes.before, cuts)
        yield from _changed_blockers(line.blockers, changes.before.blockers, labels)
    if changes.decision:
        decision = text(f"decision.{changes.decision}")
        yield text("review.changed_decision", decision=decision, actor=changes.decided_by)
    if changes.outcome:
        yield text("review.changed_outcome", outcome=text(f"outcome.{changes.outcome}"))


def _changed_figures(line: SessionLine, before: VerdictBefore, cuts: Collection[int]) -> Iterator[str]:
    if before.indication != line.indication:
        was, is_now = (text(f"indication.{name or 'none'}") for name in (before.indication, line.indication))
        yield text("review.changed_indication", before=was, after=is_now)
    if before.score is not None and figure(before.score, cuts) != figure(line.score, cuts):
        yield text("review.changed_score", before=figure(before.score, cuts), after=figure(line.score, cuts))
    was, is_now = (score_range(one.lowest, one.highest, cuts) for one in (before, line))
    # The page shows only one change of figures: that of the score, or else that of the range.
    if before.score is None and was != is_now:
        yield text("review.changed_range", before=was, after=is_now)


def _changed_blockers(now: Sequence[str], before: Sequence[str], labels: Mapping[str, str]) -> Iterator[str]:
    for name, found in (
        ("review.changed_blocked", [key for key in now if key not in before]),
        ("review.changed_unblocked", [key for key in before if key not in now]),
    ):
        if found:
            yield text(name, labels=_few_labels(found, labels))
