"""Read the sessions and the accounts behind a point of a report."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.db import Transaction
from app.insights.queries import FROZEN, PROSPECT, SESSION
from app.insights.report import Member
from app.insights.schemas import MAX_MEMBERS, PointItem
from app.sessions.queries import latest_outcomes

OF_SESSION = ("question_set", "deal", "assessor", "score", "decision", "outcome", "amount", "currency")
SELECT_SESSIONS = select(
    SESSION.c.id,
    *(SESSION.c[name] for name in ("question_set", "version", "deal", "assessor", "decision", "outcome")),
    SESSION.c.score,
    FROZEN.c.session_id.is_not(None).label("is_frozen"),
    FROZEN.c.score.label("frozen_score"),
).select_from(SESSION.outerjoin(FROZEN, FROZEN.c.session_id == SESSION.c.id))


def shown_members(members: Sequence[Member]) -> list[Member]:
    """Return the members to list: the newest sessions, or the first accounts. Ids sort by time."""
    if members and members[0].session is not None:
        members = sorted(members, key=lambda one: str(one.session), reverse=True)
    return list(members[:MAX_MEMBERS])


def member_items(tx: Transaction, members: Sequence[Member]) -> list[PointItem]:
    """Return the fields of the members in a list, without those erased since the report was read."""
    ids = [_id(one.session) for one in members if one.session is not None]
    sessions = _sessions(tx, ids)
    prospects = [_id(one.prospect) for one in members]
    statement = select(PROSPECT.c.id, PROSPECT.c.name).where(PROSPECT.c.id.in_(prospects))
    names: dict[UUID, str | None] = dict(tx.db.execute(statement).all())
    nothing = dict.fromkeys(OF_SESSION)
    return [
        PointItem(
            prospect_id=prospect,
            name=names[prospect],
            session_id=one.session and _id(one.session),
            **(sessions[_id(one.session)] if one.session else nothing | {"amount": one.amount}),
        )
        for prospect, one in zip(prospects, members, strict=True)
        if prospect in names and (one.session is None or _id(one.session) in sessions)
    ]


def _sessions(tx: Transaction, ids: Sequence[UUID]) -> Mapping[UUID, dict[str, Any]]:
    """Return the fields OF_SESSION of each session."""
    outcomes = latest_outcomes(tx, ids)
    found = tx.db.execute(SELECT_SESSIONS.where(SESSION.c.id.in_(ids))).mappings()
    return {
        row["id"]: {
            "question_set": f"{row['question_set']}@{row['version']}",
            "deal": row["deal"] or None,
            "assessor": row["assessor"] or None,
            "score": row["frozen_score"] if row["is_frozen"] else row["score"],
            "decision": row["decision"],
            "outcome": row["outcome"],
            "amount": outcomes[row["id"]].amount if row["id"] in outcomes else None,
            "currency": outcomes[row["id"]].currency if row["id"] in outcomes else None,
        }
        for row in found
    }


def _id(raw: UUID | str) -> UUID:
    return UUID(str(raw))
