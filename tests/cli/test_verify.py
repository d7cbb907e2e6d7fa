"""`verify` finds and names changes that were made directly in the database."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy import text

from tests.api.calls import ok
from tests.catalogue import connected, run_migrations, stored_whole
from tests.cli.started import Started
from tests.conftest import NewDatabase, serving, settings_for

ALL_IS_WELL = """\
ok: the files of the database are intact
ok: all tables, constraints, indexes and triggers are there
ok: every reference leads to an existing row
ok: the match key of every link follows the rule of its source
ok: the hash of every published question set matches its content
ok: the figures of every open session match its answers
ok: the positions of the feed have no gap
"""
Verify = Callable[[], CompletedProcess[str]]


@pytest.fixture(scope="module")
def used(new_database: NewDatabase) -> tuple[str, str]:
    """A database with sessions of every kind, and the id of one that is open."""
    url = new_database()
    with serving(settings_for(url)) as running:
        for number, question_set in enumerate(("bant", "champ", "spiced", "qualifying-a-sale")):
            sent = {"source": "test", "external_id": str(number), "question_set": question_set}
            ok(running.client.post("/v1/qualify", json=sent))
        decided = {
            "decision": {"decision": "pursue", "actor": "ana@example.com"},
            "outcome": {"outcome": "won"},
        }
        rated = {"question_set": "qualifying-a-sale", "ratings": {"budget": 4}}
        closed = {"source": "test", "external_id": "closed", **rated, **decided}
        ok(running.client.post("/v1/qualify", json=closed))
        of_bant = dict.fromkeys(("budget", "authority", "need", "timeline"), 4)
        opened = {"source": "test", "external_id": "opened", "question_set": "bant", "ratings": of_bant}
        session = ok(running.client.post("/v1/qualify", json=opened))["session_id"]
        ok(running.client.get("/v1/events"))
        # The positions of its erased events are not gaps, not even at the end.
        for external_id in ("erased", "erased later"):
            erased = {"source": "test", "external_id": external_id, "question_set": "bant"}
            prospect = ok(running.client.post("/v1/qualify", json=erased))["prospect_id"]
            ok(running.client.get("/v1/events"))
            assert running.client.delete(f"/v1/prospects/{prospect}").status_code == 204
    return url, session


@pytest.fixture
def verify(started: Started, used: tuple[str, str], tmp_path: Path) -> Verify:
    return lambda: started.run(["verify"], tmp_path, PROSPECT_FIT_DATABASE_URL=used[0])


def change(url: str, *statements: str) -> None:
    """Change the database without its constraints and triggers."""
    with connected(url) as connection, connection.begin():
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))


def test_a_sound_database_is_read_and_not_changed(used: tuple[str, str], verify: Verify) -> None:
    before = stored_whole(used[0])
    done = verify()
    assert (done.returncode, done.stdout, done.stderr) == (0, ALL_IS_WELL, "")
    assert stored_whole(used[0]) == before


def findings(done: CompletedProcess[str]) -> list[str]:
    assert (done.returncode, done.stderr) == (1, "")
    return [line.strip() for line in done.stdout.splitlines() if not line.startswith("ok: ")]


def test_a_figure_that_its_answers_do_not_give_is_named(used: tuple[str, str], verify: Verify) -> None:
    """Four questions of weight 1, all rated 4 on a scale from 1 to 5: 100 * 4 * 3 / (4 * 4) = 75."""
    url, session = used
    id_ = session.replace("-", "") if url.startswith("sqlite") else session
    change(url, f"UPDATE session SET score = 74 WHERE id = '{id_}'")
    assert findings(verify()) == [
        "wrong: the figures of every open session match its answers",
        f"session {session}: score is 74.0, but its answers give 75.0",
    ]
    change(url, f"UPDATE session SET score = 75 WHERE id = '{id_}'")
    assert verify().returncode == 0


def test_a_match_key_that_its_rule_does_not_give_is_named(used: tuple[str, str], verify: Verify) -> None:
    change(used[0], "INSERT INTO source_rule (source, id_rule) VALUES ('test', 'ignore_case')")
    change(
        used[0],
        "INSERT INTO prospect_link (source, match_key, external_id, prospect_id, linked_at) "
        "SELECT source, 'OPENED', external_id, prospect_id, linked_at FROM prospect_link "
        "WHERE external_id = 'opened'",
    )
    done = verify()
    change(used[0], "DELETE FROM source_rule")
    change(used[0], "DELETE FROM prospect_link WHERE match_key = 'OPENED'")
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if not line.startswith("ok: ")]
    assert wrong == [
        "wrong: the match key of every link follows the rule of its source",
        "  link test opened: the match key is another one",
    ]


def test_a_gap_in_the_feed_is_named(used: tuple[str, str], verify: Verify) -> None:
    url, _ = used
    change(url, "UPDATE event SET position = 1000000 WHERE position = 3")
    wrong, first, second, third = findings(verify())
    assert wrong == "wrong: the positions of the feed have no gap"
    assert first == "the position after 2 is 4"
    assert second.endswith("is 1000000")
    assert third.startswith("the newest event has position 1000000, but ")
    change(url, "UPDATE event SET position = 3 WHERE position = 1000000")
    assert verify().returncode == 0


def test_a_version_with_another_hash_is_named(used: tuple[str, str], verify: Verify) -> None:
    url, _ = used
    with connected(url) as connection:
        of_bant = "FROM question_set_version WHERE key = 'bant'"
        (digest,) = connection.execute(text(f"SELECT content_hash {of_bant}")).one()
        trigger = "SELECT sql FROM sqlite_master WHERE name = 'question_set_version_immutable'"
        (sql,) = connection.execute(text(trigger)).one() if url.startswith("sqlite") else (None,)
    drop = "DROP TRIGGER question_set_version_immutable"
    forge = "UPDATE question_set_version SET content_hash = '{}' WHERE key = 'bant'"
    change(url, *([drop] if sql else []), forge.format("0" * 64))
    found = findings(verify())
    assert f"bant@1: its hash is {'0' * 64}, but its content has {digest}" in found
    missing = "question_set_version: trigger question_set_version_immutable is missing"
    assert (missing in found) == bool(sql)
    change(url, forge.format(digest), *([sql] if sql else []))
    assert verify().returncode == 0


def test_a_missing_index_is_named(used: tuple[str, str], verify: Verify) -> None:
    url, _ = used
    change(url, "DROP INDEX ix_session_ranked")
    assert findings(verify()) == [
        "wrong: all tables, constraints, indexes and triggers are there",
        "session: index ix_session_ranked is missing",
    ]
    change(url, "CREATE INDEX ix_session_ranked ON session (rank, lowest)")
    assert verify().returncode == 0


def test_a_row_that_refers_to_nothing_is_named(used: tuple[str, str], verify: Verify) -> None:
    url, _ = used
    values = "('{}', 'left', 'open', '2026-01-01', 1, false)".format("f" * 32)
    columns = "session_id, question, state, answered_at, revision, expiry_announced"
    left = f"INSERT INTO answer ({columns}) VALUES {values}"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(left)
    else:
        change(url, left)
    named = "answer ffffffff-ffff-ffff-ffff-ffffffffffff, left: its session does not exist"
    assert findings(verify()) == ["wrong: every reference leads to an existing row", named]
    change(url, "DELETE FROM answer WHERE question = 'left'")
    assert verify().returncode == 0


def test_a_damaged_file_is_named(started: Started, tmp_path: Path) -> None:
    file = tmp_path / "own.db"
    run_migrations(f"sqlite:///{file}")
    damaged = bytearray(file.read_bytes())
    for page in range(3, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 100] = bytes(100)
    file.write_bytes(damaged)
    done = started.run(["verify"], tmp_path, PROSPECT_FIT_DATABASE_URL=f"sqlite:///{file}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "wrong: the files of the database are intact" in done.stdout or "damaged" in done.stderr
