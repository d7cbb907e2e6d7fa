"""DELETE /v1/prospects/{id}: nothing is left, not even in the files."""

import random
import sqlite3
from contextlib import closing
from uuid import UUID

import anyio
import pytest
from sqlmodel import SQLModel

from app.db import open_database
from tests.api.calls import (
    answer,
    change,
    conclude,
    decide,
    new_prospect,
    ok,
    open_session,
    patch,
    qualify,
    refusal,
    session,
    upsert,
)
from tests.catalogue import files_beside
from tests.conftest import serving, settings_for
from tests.waiting import until

WORDS = ["Vanishing", "evanescent", "ephemeral", "fleeting", "transient", "momentary"]


def story(client, link, key, words):
    """A prospect with everything that can be stored of one; every word is stored somewhere."""
    name, attribute, text, reason, deal, actor = words
    sent = {"question": "budget", "rating": 4, "text": f"{text} text", "evidence": "fact"}
    told = qualify(
        client,
        link,
        name=f"{name} Ltd",
        attributes={"industry": attribute},
        question_set=key,
        answers=[sent],
        deal=deal,
        actor=actor,
    )
    ok(decide(client, told["session_id"], "pursue", revision=1, reason=f"{reason} reason"))
    ok(conclude(client, told["session_id"], "won", amount=5))
    open_session(client, told["prospect_id"], question_set=key, ratings={"need": 2}, deal=deal)
    return told


def erase(client, prospect_id):
    assert client.delete(f"/v1/prospects/{prospect_id}").status_code == 204


def everything_stored(database):
    """Every row of every table, as text."""
    with database.engine.connect() as connection:
        return "\n".join(
            str(tuple(row))
            for table in SQLModel.metadata.sorted_tables
            for row in connection.execute(table.select())
        )


def bytes_of(service):
    """All that SQLite keeps on disk, journals too."""
    return b"".join(files_beside(service.settings.database_url.get_secret_value()).values())


def test_no_row_mentions_it_any_more(client, link, small, database):
    told = story(client, link, small, WORDS)
    marks = [told["prospect_id"], told["session_id"], link["external_id"], *WORDS]
    stored = everything_stored(database)
    assert [mark for mark in marks if mark not in stored] == []
    erase(client, told["prospect_id"])
    stored = everything_stored(database)
    assert [mark for mark in marks[1:] if mark in stored] == []
    # But that it was erased is told to who may have a copy.
    lines = [line for line in stored.splitlines() if told["prospect_id"] in line]
    assert ["prospect.erased" in line for line in lines] == [True]


def test_it_is_gone_for_every_operation(client, link, small):
    told = story(client, link, small, WORDS)
    erase(client, told["prospect_id"])
    address = f"/v1/prospects/{told['prospect_id']}"
    for gone in (
        client.get(address),
        client.get(f"{address}/fit"),
        client.delete(address),
        client.get(f"/v1/sessions/{told['session_id']}"),
        client.get(f"/v1/sessions/{told['session_id']}/history"),
        client.get(f"/v1/prospects/by-external-id/test/{link['external_id']}"),
    ):
        assert refusal(gone) == (404, "not-found")
    listed = client.get("/v1/sessions", params={"prospect_id": told["prospect_id"]})
    assert ok(listed)["items"] == []


def test_its_link_is_free_again(client, link, small):
    told = story(client, link, small, WORDS)
    erase(client, told["prospect_id"])
    again = ok(upsert(client, link), 201)
    assert again["id"] != told["prospect_id"]
    assert (again["name"], again["attributes"]) == (None, {})


def test_nothing_else_is_erased(client, link, other_link, small):
    told = story(client, link, small, WORDS)
    other = qualify(client, other_link, question_set=small, name="Stays", ratings={"budget": 2})
    erase(client, told["prospect_id"])
    assert session(client, other["session_id"])["answers"] == other["answers"]


def test_no_byte_of_it_is_left_in_the_files(client, link, small, service):
    if not service.is_sqlite:
        pytest.skip("PostgreSQL's vacuum clears its pages")
    words = [f"zz{word}-of-bytes" for word in WORDS]
    told = story(client, link, small, words)
    ids = [UUID(told[name]).hex for name in ("prospect_id", "session_id")]
    stored = bytes_of(service)
    marks = [mark.encode() for mark in [*words, *ids, link["external_id"]]]
    assert [mark for mark in marks if mark not in stored] == []
    erase(client, told["prospect_id"])
    # That it was erased is told to who may have a copy.
    until(
        lambda: [mark for mark in marks if mark in bytes_of(service)], lambda left: left == [ids[0].encode()]
    )


def test_nor_of_what_was_changed_before_among_many_others(client, link, ruled, service):
    """Long texts spill over pages, and pages are split and joined around them."""
    if not service.is_sqlite:
        pytest.skip("PostgreSQL's vacuum clears its pages")
    told = []
    for number in range(40):
        mine = number % 4 == 0
        word = "zzunforgettable" if mine else "forgettable"
        one = link | {"external_id": f"{link['external_id']}-{number}"}
        text = [{"question": "demand", "rating": 1 + number % 5, "text": f"{word} " * (number * 4 + 1)}]
        sent = {"name": f"{word} {number}", "attributes": {"note": f"{word} " * number}, "answers": text}
        told.append(qualify(client, one, question_set=ruled, **sent))
    for one in told[::4]:
        ok(change(client, one["prospect_id"], name="new", attributes={"note": None, "industry": "bank"}))
        ok(patch(client, one["session_id"], answers=[{"question": "demand", "rating": 3, "text": "other"}]))
        answer(client, one["session_id"], audit=3)
        erase(client, one["prospect_id"])
    until(lambda: b"zzunforgettable" not in bytes_of(service))


def test_nor_in_pages_from_which_sqlite_moved_it(tmp_path):
    """SQLite overwrites a deleted row, but not the copies that remain where it moved rows to other pages."""
    chance = random.Random(6)
    database = open_database(settings_for(f"sqlite:///{tmp_path / 'moved.db'}"))
    database.create()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id PRIMARY KEY, text) WITHOUT ROWID")
        for _ in range(300):
            word = chance.choice(("zzmoved", "kept"))
            row = (chance.randrange(10**6), f"{word} " * chance.randrange(1, 200))
            connection.exec_driver_sql("INSERT OR REPLACE INTO t VALUES (?, ?)", row)
        connection.exec_driver_sql("DELETE FROM t WHERE text LIKE 'zzmoved%'")
    anyio.run(database.purge_deleted)
    assert database.rewrite_pending
    anyio.run(database.rewrite_file)
    database.close()
    left = (tmp_path / "moved.db").read_bytes()
    assert (b"kept" in left, b"zzmoved" in left, database.rewrite_pending) == (True, False, False)


def test_the_file_is_rewritten_soon_after(tmp_path):
    """A file that was just rewritten has no free pages."""
    file = tmp_path / "rewritten.db"
    with serving(settings_for(f"sqlite:///{file}")) as running:
        prospect = new_prospect(
            running.client, name="long", attributes={f"note_{n}": "x" * 1000 for n in range(20)}
        )["id"]
        erase(running.client, prospect)

        def free_pages():
            with closing(sqlite3.connect(file)) as reader:
                return reader.execute("PRAGMA freelist_count").fetchone()[0]

        until(free_pages, lambda count: count == 0)


def test_what_somebody_still_reads_is_gone_from_the_files_soon_after(tmp_path):
    """SQLite keeps its journal for them."""
    file = tmp_path / "read.db"
    with serving(settings_for(f"sqlite:///{file}")) as running:
        prospect = new_prospect(running.client, name="zzlingering")["id"]
        with closing(sqlite3.connect(file, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM prospect").fetchone()
            erase(running.client, prospect)
            assert b"zzlingering" in bytes_of(running)
        until(lambda: b"zzlingering" not in bytes_of(running))


def test_a_prospect_without_anything_can_be_erased(client):
    prospect = new_prospect(client)
    erase(client, prospect["id"])
    assert refusal(client.get(f"/v1/prospects/{prospect['id']}")) == (404, "not-found")
