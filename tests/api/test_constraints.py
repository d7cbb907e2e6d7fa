"""What the database itself refuses, whoever writes to it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from tests.api.calls import SMALL, conclude, decide, new_prospect, ok, qualify

TABLES = SQLModel.metadata.tables


class Rows:
    """The database behind the service, table by table."""

    def __init__(self, database):
        self._engine = database.engine

    def read(self, table, **where):
        statement = TABLES[table].select().filter_by(**where)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(statement)]

    def insert(self, table, row, **other):
        with self._engine.begin() as connection:
            connection.execute(TABLES[table].insert(), row | other)

    def update(self, table, where, **values):
        with self._engine.begin() as connection:
            return connection.execute(TABLES[table].update().filter_by(**where).values(**values)).rowcount

    def delete(self, table, **where):
        with self._engine.begin() as connection:
            return connection.execute(TABLES[table].delete().filter_by(**where)).rowcount


@pytest.fixture
def rows(database):
    return Rows(database)


@pytest.fixture
def told(client, link, small):
    """A session with an answer, a decision, and nothing that closes it."""
    decision = {"decision": "pursue", "actor": "ana@example.com"}
    return qualify(client, link, question_set=small, ratings={"budget": 4}, decision=decision)


@pytest.fixture
def stored(rows, told):
    (row,) = rows.read("session", id=UUID(told["session_id"]))
    return row


def test_a_second_open_session_of_one_identity_is_refused(rows, stored):
    with pytest.raises(IntegrityError):
        rows.insert("session", stored, id=uuid4())
    rows.insert("session", stored, id=uuid4(), deal="north")
    rows.insert("session", stored, id=uuid4(), assessor="ana@example.com")
    closed = {"status": "closed", "closed_at": stored["updated_at"]}
    rows.insert("session", stored, id=uuid4(), **closed)
    rows.insert("session", stored, id=uuid4(), **closed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "closed"},
        {"status": "asleep"},
        {"status": None},
        {"revision": 0},
        {"version": 99},
        {"question_set": "no-such-set"},
        {"prospect_id": uuid4()},
        {"deal": None},
        {"assessor": None},
        {"indication": "splendid"},
        {"decision": "perhaps"},
        {"outcome": "drawn"},
        {"rank": 6},
        {"rank": -1},
    ],
)
def test_a_session_that_makes_no_sense_is_refused(rows, stored, wrong):
    with pytest.raises(IntegrityError):
        rows.insert("session", stored, id=uuid4(), **({"deal": "x"} | wrong))


def test_an_open_session_has_no_time_of_closing(rows, stored):
    with pytest.raises(IntegrityError):
        rows.update("session", {"id": stored["id"]}, closed_at=stored["updated_at"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "rated", "rating": None},
        {"state": "unknown", "rating": 3},
        {"state": "not_applicable", "rating": 3},
        {"state": "guessed", "rating": None},
        {"state": None, "rating": None},
        {"evidence": "hearsay"},
        {"session_id": uuid4()},
        {"question": "budget"},
    ],
)
def test_an_answer_is_a_rating_or_a_state_and_one_per_question(rows, stored, wrong):
    (answer,) = rows.read("answer", session_id=stored["id"])
    with pytest.raises(IntegrityError):
        rows.insert("answer", answer, **({"question": "need"} | wrong))


def test_an_answer_without_a_rating_is_stored(rows, stored):
    (answer,) = rows.read("answer", session_id=stored["id"])
    rows.insert("answer", answer, question="need", state="unknown", rating=None)
    rows.insert("answer", answer, question="goal", state="not_applicable", rating=None)
    rows.insert("answer", answer, question="timeline", state="open", rating=None)


@pytest.mark.parametrize(
    "change",
    [
        {"definition": SMALL | {"title": "Another"}},
        {"content_hash": "0" * 64},
        {"published_at": None},
        {"builtin": True},
        {"version": 7},
        {"key": "other"},
        {"status": "retired", "definition": SMALL},
        {"status": "retired", "version": 7},
    ],
)
def test_a_published_version_cannot_be_changed(rows, small, change):
    (before,) = rows.read("question_set_version", key=small)
    with pytest.raises(IntegrityError):
        rows.update("question_set_version", {"key": small}, **change)
    assert rows.read("question_set_version", key=small) == [before]


def test_a_published_version_can_be_retired_for_good(rows, small):
    assert rows.update("question_set_version", {"key": small}, status="retired") == 1
    with pytest.raises(IntegrityError):
        rows.update("question_set_version", {"key": small}, status="published")


def test_a_number_is_published_once(rows, small):
    (version,) = rows.read("question_set_version", key=small)
    for number in (1, 0, -1):
        with pytest.raises(IntegrityError):
            rows.insert("question_set_version", version, version=number)


def test_a_published_version_cannot_be_deleted_whether_a_session_uses_it_or_not(rows, stored, ruled):
    for key in (stored["question_set"], ruled):
        with pytest.raises(IntegrityError):
            rows.delete("question_set_version", key=key)
        assert len(rows.read("question_set_version", key=key)) == 1


def test_a_record_is_about_a_known_subject(rows, stored):
    with pytest.raises(IntegrityError):
        rows.update("prospect", {"id": stored["prospect_id"]}, subject="a competitor")


def test_an_event_is_about_a_known_subject(rows, stored):
    with pytest.raises(IntegrityError):
        rows.update("event", {"session_id": stored["id"]}, subject="a competitor")


def test_a_revision_has_a_known_change(rows, stored):
    (revision, *_) = rows.read("session_revision", session_id=stored["id"])
    with pytest.raises(IntegrityError):
        rows.insert("session_revision", revision, revision=99, change="guessed")


def test_an_amount_is_not_negative(client, rows, stored):
    ok(conclude(client, stored["id"], "won", amount=9))
    (outcome,) = rows.read("outcome", session_id=stored["id"])
    with pytest.raises(IntegrityError):
        rows.insert("outcome", outcome, id=uuid4(), amount=-1)


def test_a_draft_has_a_revision_from_1_on(rows, small):
    draft = {"key": small, "document": {}, "saved_at": datetime.now(UTC), "saved_by": "test"}
    with pytest.raises(IntegrityError):
        rows.insert("question_set_draft", draft, revision=0)


def test_where_an_answer_was_carried_over_from_is_a_session_that_is_there(rows, stored):
    (answer,) = rows.read("answer", session_id=stored["id"])
    with pytest.raises(IntegrityError):
        rows.insert("answer", answer, question="need", carried_from=uuid4())


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("session_revision", {"verdict": {}}),
        ("session_revision", {"changed": {}}),
        ("session_revision", {"actor": "somebody else"}),
        ("decision", {"decision": "disqualify"}),
        ("decision", {"reason": None}),
        ("decision", {"revision": 2}),
        ("outcome", {"outcome": "lost"}),
        ("outcome", {"amount": 1.5}),
    ],
)
def test_what_happened_cannot_be_changed(client, rows, stored, table, change):
    session_id = stored["id"]
    ok(conclude(client, session_id, "won", amount=9))
    before = rows.read(table, session_id=session_id)
    assert before
    with pytest.raises(IntegrityError):
        rows.update(table, {"session_id": session_id}, **change)
    assert rows.read(table, session_id=session_id) == before


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("decision", {"decision": "win"}),
        ("decision", {"match_word": "perhaps"}),
        ("decision", {"benefit_word": "perhaps"}),
        ("decision", {"revision": 99}),
        ("decision", {"actor": None}),
        ("outcome", {"outcome": "unsure"}),
        ("outcome", {"currency": "eur"}),
        ("outcome", {"currency": "EURO"}),
        ("outcome", {"revision": 99}),
        ("outcome", {"session_id": uuid4()}),
    ],
)
def test_a_record_has_a_known_word_and_a_revision_that_was(client, rows, stored, table, wrong):
    ok(decide(client, stored["id"], "nurture", revision=2))
    ok(conclude(client, stored["id"], "won"))
    row = rows.read(table, session_id=stored["id"])[0]
    with pytest.raises(IntegrityError):
        rows.insert(table, row, **({"id": uuid4()} | wrong))


@pytest.mark.usefixtures("told")
def test_a_link_has_one_owner(client, rows, link):
    (row,) = rows.read("prospect_link", **link)
    other = UUID(new_prospect(client)["id"])
    with pytest.raises(IntegrityError):
        rows.insert("prospect_link", row, prospect_id=other)
    with pytest.raises(IntegrityError):
        rows.insert("prospect_link", row, source="other", prospect_id=uuid4())
    rows.insert("prospect_link", row, source="other", prospect_id=other)


def test_a_key_has_one_successor_of_its_own_line(client, rows):
    key = ok(client.post("/v1/keys", json={"name": "first", "scopes": ["read"]}), 201)
    successor = ok(client.post(f"/v1/keys/{key['id']}/rotate", json={}), 201)
    (row,) = rows.read("api_key", id=UUID(successor["id"]))
    new = {"id": uuid4(), "digest": "another digest"}
    for wrong in (
        new,
        new | {"replaces": None},
        new | {"replaces": uuid4()},
        new | {"replaces": row["id"], "origin_id": new["id"]},
        new | {"replaces": row["id"], "origin_id": uuid4()},
    ):
        with pytest.raises(IntegrityError):
            rows.insert("api_key", row, **wrong)
    rows.insert("api_key", row, **new, replaces=row["id"])


def test_a_key_is_stored_once(client, rows):
    made = ok(client.post("/v1/keys", json={"name": "once", "scopes": ["read"]}), 201)
    (row,) = rows.read("api_key", id=UUID(made["id"]))
    other = uuid4()
    row |= {"id": other, "origin_id": other}
    with pytest.raises(IntegrityError):
        rows.insert("api_key", row)
    with pytest.raises(IntegrityError):
        rows.insert("api_key", row, digest="another", made_by="magic")
    rows.insert("api_key", row, digest="another")


def test_a_webhook_has_a_whole_pace_or_none(client, rows):
    hook = ok(client.post("/v1/webhooks", json={"url": "https://1.1.1.1/"}), 201)
    where, now = {"id": UUID(hook["id"])}, datetime.now(UTC)
    rows.update("webhook", where, rate=8.0, rate_since=now, pause_seconds=2.0)
    with pytest.raises(IntegrityError):
        rows.update("webhook", where, rate_since=None)
    assert client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
