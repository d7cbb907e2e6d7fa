"""A hundred clients at once: the service goes on, however slowly."""

import asyncio
from collections import Counter

import httpx

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY
from tests.scoring.strategies import EFFORT
from tests.waiting import PATIENCE

CLIENTS = 100
ROUNDS = max(1, round(3 * EFFORT))


async def one_client(http, link, question_set, number, done):
    """Qualifies, reads and scores, over and over; notes how it was answered."""
    sent = {**link, "external_id": f"{link['external_id']}-{number % 40}", "question_set": question_set}
    calls = [
        lambda: http.post("/v1/qualify", json={**sent, "ratings": {"budget": 1 + len(done) % 5}}),
        lambda: http.get(
            f"/v1/prospects/by-external-id/test/{sent['external_id']}/fit?question_set={question_set}"
        ),
        lambda: http.post("/v1/score", json={"question_set": question_set, "ratings": {"need": 3}}),
    ]
    for call in calls * ROUNDS:
        response = await call()
        done.append(response.status_code)


async def hundred_clients(url, link, question_set):
    done = []
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    headers = {"X-API-Key": ADMIN_KEY}
    async with httpx.AsyncClient(base_url=url, limits=limits, headers=headers, timeout=2 * PATIENCE) as http:
        await asyncio.gather(*(one_client(http, link, question_set, n, done) for n in range(CLIENTS)))
    return done


def test_a_hundred_clients_all_get_on(client, service, link, small):
    """A deadlock of the pool would last until its time-out, and end in a 503."""
    done = asyncio.run(hundred_clients(service.url, link, small))
    assert Counter(done) == {200: CLIENTS * 3 * ROUNDS}
    ok(client.get("/readyz"))
