"""A case: a session on the table, with its plan and its answers, and how it is written back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import SQLModel, select

from app.clock import new_id
from app.db import Transaction
from app.problems import SESSION_IS_CLOSED, Problem, missing
from app.prospects import records
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.scoring import Judged, Plan, read_stored, verdict_record
from app.sessions.scores import answers_of, judge_session, plan_of
from app.sessions.tables import Session, StoredAnswer
from app.sessions.telling import FIGURES, Step, figures_of, tell_step

Change = Literal["opened", "answered", "attributes", "aged", "moved", "decided", "outcome"]

# Who is behind a change that nobody asked for: time went by.
ITSELF = "prospect-fit"

# Best first: the order of a ranked list.
RANKS = {"fit": 0, "undetermined": 1, "mixed": 2, "no_fit": 3, "unscorable": 4, None: 5}

# Built once, since building a statement takes longer than running it.
INSERT_REVISION = SQLModel.metadata.tables["session_revision"].insert()


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction's work on sessions, and who asks for it: an API key's name, and a person."""

    tx: Transaction
    plans: Plans
    key_name: str
    actor: str | None = None


@dataclass(slots=True)
class Case:
    """One session under work, locked; `changed` gathers what this transaction does to it."""

    work: Work
    session: Session
    plan: Plan
    answers: dict[str, StoredAnswer]
    opening: bool = False
    changed: dict[str, Any] = field(default_factory=dict)
    judged: Judged | None = None

    @property
    def next_revision(self) -> int:
        """The revision that this transaction writes."""
        return self.session.revision if self.opening else self.session.revision + 1

    def require_open(self) -> None:
        """Raises SESSION_IS_CLOSED."""
        if self.session.status != "open":
            detail = f"Session {self.session.id} is closed: its answers and decision stand."
            raise Problem(SESSION_IS_CLOSED, detail)


def load(work: Work, session_id: UUID) -> Case:
    """The session of that id; raises NOT_FOUND."""
    return take_up(work, find_session(work.tx, session_id, lock=True))


def find_session(tx: Transaction, session_id: UUID, *, lock: bool = False) -> Session:
    """The session of that id, locked for a change if asked; raises NOT_FOUND."""
    wanted = select(Session).where(Session.id == session_id)
    session = tx.db.exec(wanted.with_for_update() if lock else wanted).one_or_none()
    if session is None:
        raise missing("session of that id")
    return session


def take_up(work: Work, session: Session) -> Case:
    """The case of a session that is locked already; what has gone stale counts as open from now on."""
    plan = plan_of(work.tx, work.plans, session)
    case = Case(work, session, plan, answers_of(work.tx, session.id))
    if has_aged(session, work.tx.at):
        case.changed["stale"] = judge_session(plan, session, case.answers, work.tx.at).stale
        save(case, "aged", by=ITSELF)
    return case


def has_aged(session: Session, at: datetime) -> bool:
    """Whether an answer has gone stale since the session was scored; a closed one keeps its score."""
    return session.status == "open" and session.valid_until is not None and session.valid_until <= at


def begin(work: Work, plan: Plan, prospect: Prospect, deal: str | None) -> Case:
    """A new session for a locked prospect that has none open for this deal and set."""
    session = Session(
        id=new_id(),
        prospect_id=prospect.id,
        deal=deal or "",
        question_set=plan.question_set.key,
        version=plan.version,
        attributes=attributes_as_used(plan, prospect),
        opened_at=work.tx.at,
        updated_at=work.tx.at,
    )
    work.tx.db.add(session)
    work.tx.db.flush()
    return Case(work, session, plan, {}, opening=True, changed={"attributes": session.attributes})


def attributes_as_used(plan: Plan, prospect: Prospect) -> dict[str, Any]:
    """The prospect's attributes that the set declares; with its types, if it can read them."""
    known, unread = read_stored(plan.question_set, prospect.attributes)
    return {**known, **{name: prospect.attributes[name] for name in unread}}


def refresh_attributes(case: Case, prospect: Prospect) -> None:
    """Take over what has become known of the prospect."""
    used = attributes_as_used(case.plan, prospect)
    if not records.are_same(used, case.session.attributes):
        case.changed["attributes"] = used
        case.session.attributes = used
        flag_modified(case.session, "attributes")  # the ORM, too, would see no change from true to 1


def save(case: Case, change: Change, by: str | None = None) -> None:
    """Judge the case as it is now; if anything changed, store it as the next revision and tell of it.

    `by` is for a change that nobody asked for.
    """
    session, tx = case.session, case.work.tx
    if not (case.opening or case.changed):
        return
    before = None if case.opening else figures_of(session)
    step = Step(before, case.changed)
    session.revision = case.next_revision
    session.updated_at = tx.at
    judged = case.judged = judge_session(case.plan, session, case.answers)
    verdict = verdict_record(judged)
    figures: Mapping[str, object] = {**verdict}
    for figure in FIGURES:
        setattr(session, figure, figures[figure])
    session.valid_until = judged.valid_until
    session.rank = RANKS[verdict["indication"]]
    tx.db.add(session)
    tx.db.flush()
    row = {
        "session_id": session.id,
        "revision": session.revision,
        "at": tx.at,
        "key_name": by or case.work.key_name,
        "actor": None if by else case.work.actor,
        "change": "opened" if case.opening else change,
        "changed": case.changed,
        "verdict": verdict,
    }
    tx.db.execute(INSERT_REVISION, row)
    tell_step(tx, session, step)
    case.opening, case.changed = False, {}
