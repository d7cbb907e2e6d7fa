"""How much an intake accepts in an hour, and how much can wait, for all processes together."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.db import open_database
from app.main import create_app, prepare_database
from tests.api.at_once import at_once
from tests.api.calls import ok, refusal
from tests.catalogue import connected
from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.inbound.intake.calls import calling, make, settled

pytestmark = pytest.mark.usefixtures("patient_sqlite")

MAPPING = {"source": "crm", "external_id": "/id"}


class Clock:
    """A quarter of an hour, to begin with, before the hour ends."""

    def __init__(self):
        self.now = datetime.now(UTC).replace(minute=45, second=0, microsecond=0)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def payload(number):
    return {"id": str(number)}


def posted(running, intake, sent):
    """Post to a service that may run elsewhere than the one that made the intake."""
    with calling() as anybody:
        return anybody.post(f"{running.url}/v1/intake/{intake['token']}", json=sent)


def assert_refused(response, setting, retry_after):
    assert refusal(response) == (429, "quota-exceeded")
    assert setting in response.json()["detail"]
    assert response.headers["retry-after"] == str(retry_after)


def test_posts_are_counted_for_all_processes_and_after_a_restart_until_the_hour_ends(new_database, clock):
    settings = settings_for(new_database(), intake_posts_per_hour=7)
    with serving(settings, clock=clock) as one, serving(settings, clock=clock) as other:
        intake, second = make(one.client, mapping=MAPPING), make(one.client, mapping=MAPPING)
        both = [one, other] * 10
        responses = at_once([lambda r=r, n=n: posted(r, intake, payload(n)) for n, r in enumerate(both)])
        assert sorted(response.status_code for response in responses) == [202] * 7 + [429] * 13
        for response in responses:
            if response.status_code == 429:
                assert_refused(response, "PROSPECT_FIT_INTAKE_POSTS_PER_HOUR", 15 * 60)
        assert len(settled(one.client, intake)) == 7
        assert posted(other, second, payload(1)).status_code == 202
    with serving(settings, clock=clock) as again:
        assert_refused(posted(again, intake, payload(21)), "PROSPECT_FIT_INTAKE_POSTS_PER_HOUR", 15 * 60)
        clock.now += timedelta(minutes=14, seconds=58.5)
        assert_refused(posted(again, intake, payload(21)), "PROSPECT_FIT_INTAKE_POSTS_PER_HOUR", 2)
        clock.now += timedelta(seconds=1.5)
        assert posted(again, intake, payload(21)).status_code == 202
        assert len(settled(again.client, intake)) == 8


def test_bytes_are_counted_and_a_smaller_payload_may_still_have_room(new_database, clock):
    """Two payloads of 1,500 bytes leave 1,096 of 4,096: a third has no room, and one of 1,000 bytes has."""
    settings = settings_for(new_database(), intake_bytes_per_hour=4096, max_body_bytes=2000)
    with serving(settings, clock=clock) as running, calling() as anybody:
        intake = make(running.client, mapping=MAPPING)

        def send(size):
            body = b'{"id": "1"}'
            return anybody.post(intake["address"], content=body + b" " * (size - len(body)))

        assert [send(1500).status_code for _ in range(2)] == [202, 202]
        assert_refused(send(1500), "PROSPECT_FIT_INTAKE_BYTES_PER_HOUR", 15 * 60)
        assert [send(1000).status_code, send(96).status_code] == [202, 202]
        assert_refused(send(20), "PROSPECT_FIT_INTAKE_BYTES_PER_HOUR", 15 * 60)
        assert len(settled(running.client, intake)) == 4


def test_what_is_refused_for_another_reason_uses_no_quota(new_database, clock):
    settings = settings_for(new_database(), intake_posts_per_hour=2)
    with serving(settings, clock=clock) as running, calling() as anybody:
        intake = make(running.client, mapping=MAPPING)
        for _ in range(3):
            assert anybody.post(intake["address"], content=b"{").status_code == 400
        assert [posted(running, intake, payload(n)).status_code for n in range(3)] == [202, 202, 429]


def test_payloads_that_wait_to_be_processed_are_limited(new_database):
    """An application without its workers processes nothing."""
    settings = settings_for(new_database(), intake_waiting_payloads=3)
    database = open_database(settings)
    prepare_database(database, settings)
    database.close()
    app = create_app(settings)

    async def post_five():
        transport, key = httpx.ASGITransport(app), {"X-API-Key": ADMIN_KEY}
        async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=key) as client:
            new = {"name": "of a test", "mapping": MAPPING}
            intake = ok(await client.post("/v1/intakes", json=new), 201)
            return intake, [await client.post(intake["address"], json=payload(n)) for n in range(5)]

    intake, responses = asyncio.run(post_five())
    assert [response.status_code for response in responses] == [202, 202, 202, 429, 429]
    assert_refused(responses[-1], "PROSPECT_FIT_INTAKE_WAITING_PAYLOADS", 60)
    app.state.service.database.close()
    with connected(settings.database_url.get_secret_value()) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM intake_receipt").scalar() == 3
    with serving(settings) as running:
        assert len(settled(running.client, intake)) == 3
        assert posted(running, intake, payload(6)).status_code == 202


def test_a_quota_below_the_largest_payload_is_refused():
    with pytest.raises(ValueError, match="at least the value of max_body_bytes"):
        settings_for("sqlite:///unused.db", intake_bytes_per_hour=2000, max_body_bytes=4000)
