"""The migrations build what the models say, keep what is stored, and refuse what another build stored."""

from time import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlmodel import SQLModel

from app.db import open_database
from app.keys.service import create_sign_in_link
from app.main import prepare_database
from app.migrate import UNKNOWN_SCHEMA, UnknownSchema, is_unknown_revision, migrate, newest_revision
from tests.api.calls import ok
from tests.catalogue import (
    catalogue,
    connected,
    contents,
    run_migrations,
    set_revision,
    stored_whole,
    triggers,
)
from tests.conftest import NewDatabase, serving, settings_for
from tests.inbound.intake.calls import by_hubspot, settled
from tests.inbound.intake.test_signatures import SECRET, signed
from tests.waiting import until

WITHOUT_UPDATES = ("question_set_version", "session_revision", "decision", "outcome", "frozen_verdict")
NO_LONGER_PARTIAL = (
    "DROP INDEX uq_session_open; "
    "CREATE UNIQUE INDEX uq_session_open ON session (prospect_id, deal, question_set)"
)


@pytest.fixture(scope="module")
def migrated(new_database: NewDatabase) -> str:
    url = new_database.empty()
    run_migrations(url)
    return url


@pytest.fixture(scope="module")
def modelled(new_database: NewDatabase) -> str:
    url = new_database.empty()
    with connected(url) as connection, connection.begin():
        SQLModel.metadata.create_all(connection)
    return url


def test_the_migrations_build_what_the_models_say(migrated: str, modelled: str) -> None:
    with connected(migrated) as built, connected(modelled) as meant:
        assert catalogue(built) == catalogue(meant)
        assert set(catalogue(meant)) == set(SQLModel.metadata.tables)


def test_alembic_finds_nothing_to_migrate(migrated: str) -> None:
    with connected(migrated) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, SQLModel.metadata) == []


@pytest.mark.parametrize(
    "drift",
    [
        "DROP INDEX ix_session_ranked",
        NO_LONGER_PARTIAL,
        "ALTER TABLE prospect ADD COLUMN region VARCHAR",
        "ALTER TABLE prospect ADD COLUMN region VARCHAR CHECK (region <> '')",
        "ALTER TABLE answer ADD COLUMN by_key VARCHAR REFERENCES api_key (digest) ON DELETE CASCADE",
    ],
)
def test_a_drift_would_be_seen(modelled: str, drift: str) -> None:
    with connected(modelled) as connection, connection.begin() as transaction:
        before = catalogue(connection)
        assert catalogue(connection) == before
        for statement in drift.split("; "):
            connection.execute(text(statement))
        assert catalogue(connection) != before
        transaction.rollback()


def test_exactly_the_records_that_must_not_change_refuse_it(migrated: str) -> None:
    with connected(migrated) as connection:
        kept = ("question_set_version_kept", "question_set_version")
        assert triggers(connection) == {kept, *((f"{table}_immutable", table) for table in WITHOUT_UPDATES)}


def test_a_database_that_is_in_use_survives_being_migrated_again(new_database: NewDatabase) -> None:
    settings = settings_for(new_database.empty(), webhook_networks="127.0.0.0/8")
    url = settings.database_url.get_secret_value()
    with serving(settings) as running:
        told = {"source": "test", "external_id": "1", "ratings": {"budget": 4}}
        decided = {
            "decision": {"decision": "pursue", "actor": "ana@example.com"},
            "outcome": {"outcome": "won"},
        }
        running.client.post("/v1/qualify", json=told | decided).raise_for_status()
        keyed = {"Idempotency-Key": "once"}
        running.client.put("/v1/question-sets/ours/draft", json={}, headers=keyed).raise_for_status()
        alias = {"field": "industry", "sent": "Software", "means": "saas"}
        running.client.put("/v1/sources/test", json={"id_rule": "ignore_case"}).raise_for_status()
        running.client.put("/v1/value-aliases/test", json={"aliases": [alias]}).raise_for_status()
        erased = running.client.post("/v1/prospects", json={}).raise_for_status().json()
        running.client.get("/v1/events/latest").raise_for_status()  # gives its event a position
        running.client.delete(f"/v1/prospects/{erased['id']}").raise_for_status()
        hook = {"url": f"{running.url}/livez", "types": ["prospect.*"]}
        made = running.client.post("/v1/webhooks", json=hook).raise_for_status().json()
        running.client.post("/v1/prospects", json={"name": "Acme"}).raise_for_status()
        address = f"/v1/webhooks/{made['id']}"
        log = f"{address}/deliveries"
        until(lambda: [one for one in ok(running.client.get(log))["items"] if one["last_status"]])
        running.client.patch(address, json={"status": "disabled"}).raise_for_status()
        mapping = {"source": "test", "external_id": "/id"}
        intake = running.client.post("/v1/intakes", json={"name": "in use", "mapping": mapping}).json()
        running.client.post(intake["address"], json={"id": "1"}).raise_for_status()
        settled(running.client, intake)
        hubspot = {"name": "HubSpot", "mapping": mapping, "signature": by_hubspot(SECRET)}
        intake = running.client.post("/v1/intakes", json=hubspot).json()
        body = b'{"id":"1"}'
        headers = signed(intake["address"], body, str(int(time() * 1000)))
        running.client.post(intake["address"], content=body, headers=headers).raise_for_status()
        settled(running.client, intake)
        database = open_database(settings)
        assert database.write_sync(create_sign_in_link)
        database.close()
        with connected(url) as connection:
            before = contents(connection)
        run_migrations(url)
        with connected(url) as connection:
            assert contents(connection) == before
        assert {table for table, rows in before.items() if not rows} == set()
        assert running.client.get("/readyz").is_success


EARLIER = [f"{number:04}" for number in range(1, 10)]


def test_only_the_revisions_of_this_build_and_a_new_database_are_known() -> None:
    assert [number for number in EARLIER if not is_unknown_revision(number)] == []
    assert (is_unknown_revision(newest_revision()), is_unknown_revision(None)) == (False, False)


@pytest.mark.parametrize("revision", [EARLIER[0], EARLIER[-1], "9999"])
def test_a_database_of_another_build_is_refused_and_stays_as_it_is(
    new_database: NewDatabase, revision: str
) -> None:
    settings = settings_for(new_database.empty())
    url = settings.database_url.get_secret_value()
    with serving(settings) as running:
        running.client.post("/v1/prospects", json={"name": "Acme"}).raise_for_status()
    set_revision(url, revision)
    before = stored_whole(url)
    database = open_database(settings)
    with pytest.raises(UnknownSchema) as migrated:
        migrate(database)
    with pytest.raises(UnknownSchema) as prepared:
        prepare_database(database, settings)
    database.close()
    assert (str(migrated.value), str(prepared.value)) == (UNKNOWN_SCHEMA, UNKNOWN_SCHEMA)
    assert stored_whole(url) == before
