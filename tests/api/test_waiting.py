"""What somebody waited for may be gone when they get it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import select

from app.clock import utc_now
from app.keys.tables import ApiKey, IdempotentResponse
from app.prospects import service as prospects
from app.prospects.queries import find_prospect
from app.prospects.schemas import Link
from app.question_sets.plans import Plans
from app.sessions.queries import find_session
from app.sessions.requests import AnswersPatch
from app.sessions.service import record_session_answers
from app.sessions.session_edit import UnitOfWork
from tests.api.calls import history, ok, qualify, ratings_of, refusal, upsert
from tests.waiting import until


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


def until_it_waits(tx, made: Future) -> None:
    """On SQLite everybody waits who is not the one writer."""
    if tx.db.get_bind().dialect.name == "sqlite":
        return
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    until(lambda: tx.db.execute(waiting).scalar() or made.done())


def test_who_waits_for_a_prospect_whose_link_is_taken_away_makes_a_new_one(client, database, elsewhere, link):
    first = ok(upsert(client, link, attributes={"employees": 1}), 201)

    def take_the_link_away(tx):
        prospect = find_prospect(tx, UUID(first["id"]), lock=True)
        prospects.remove_link(tx, prospect, Link(**link))
        made = elsewhere.submit(partial(upsert, client, link, attributes={"employees": 2}))
        until_it_waits(tx, made)
        return made

    second = ok(database.write_sync(take_the_link_away).result(), 201)
    assert (second["links"], second["attributes"]) == ([link], {"employees": 2})
    left = ok(client.get(f"/v1/prospects/{first['id']}"))
    assert (left["links"], left["attributes"]) == ([], {"employees": 1})


def test_erasing_waits_for_who_is_at_work_on_a_session_and_keeps_an_answer(
    client, database, elsewhere, link, small
):
    """Whoever answers under an idempotency key locks the session first, and refers to the prospect last."""
    told = qualify(client, link, question_set=small)

    def answer_under_a_key(tx):
        find_session(tx, UUID(told["session_id"]), lock=True)
        erased = elsewhere.submit(client.delete, f"/v1/prospects/{told['prospect_id']}")
        until_it_waits(tx, erased)
        caller = tx.db.exec(select(ApiKey)).first()
        kept = IdempotentResponse(
            api_key_id=caller.id,
            key=told["session_id"],
            fingerprint="",
            claimed_at=utc_now(),
            status=200,
            body="{}",
            prospect_id=UUID(told["prospect_id"]),
        )
        tx.db.add(kept)
        tx.db.flush()
        return erased

    assert database.write_sync(answer_under_a_key).result().status_code == 204
    assert refusal(client.get(f"/v1/sessions/{told['session_id']}")) == (404, "not-found")
    with database.engine.connect() as connection:
        kept = connection.execute(
            text("SELECT count(*) FROM idempotency WHERE key = :key"), {"key": told["session_id"]}
        )
        assert kept.scalar() == 0


def test_who_qualifies_waits_for_who_answers_in_the_session_and_adds_to_it(
    client, database, elsewhere, link, small
):
    """Whoever answers locks the session alone, and whoever qualifies the prospect before it."""
    opened = qualify(client, link, question_set=small, ratings={"budget": 4})["session_id"]
    plans = Plans(database, small)

    def answer_meanwhile(tx):
        find_session(tx, UUID(opened), lock=True)
        qualified = elsewhere.submit(
            partial(qualify, client, link, question_set=small, ratings={"need": 2, "goal": 1})
        )
        until_it_waits(tx, qualified)
        record_session_answers(
            UnitOfWork(tx, plans, "test"), UUID(opened), AnswersPatch(ratings={"goal": 5, "timeline": 3})
        )
        return qualified

    told = database.write_sync(answer_meanwhile).result()
    assert (told["session_id"], told["revision"]) == (opened, 3)
    assert ratings_of(told) == {"budget": 4, "need": 2, "goal": 1, "timeline": 3}
    assert [one["key_name"] for one in history(client, opened)["revisions"]] == ["admin", "test", "admin"]
