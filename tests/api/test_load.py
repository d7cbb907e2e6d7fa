"""A hundred clients at once: the service goes on, however slowly."""

import asyncio
import time
from collections import Counter
from itertools import cycle, pairwise

import httpx

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY

CLIENTS = 100
SECONDS = 2
LONGEST_SILENCE = 8  # a deadlock of the pool lasts until its time-out, 10 seconds


async def one_client(http, link, question_set, number, done):
    """Qualifies, reads and scores, over and over; notes when it was answered and how."""
    sent = {**link, "external_id": f"{link['external_id']}-{number % 40}", "question_set": question_set}
    calls = cycle(
        [
            lambda: http.post("/v1/qualify", json={**sent, "ratings": {"budget": 1 + len(done) % 5}}),
            lambda: http.get(
                f"/v1/prospects/by-external-id/test/{sent['external_id']}/fit?question_set={question_set}"
            ),
            lambda: http.post("/v1/score", json={"question_set": question_set, "ratings": {"need": 3}}),
        ]
    )
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        response = await next(calls)()
        done.append((time.monotonic(), response.status_code))


async def hundred_clients(url, link, question_set):
    done = [(time.monotonic(), 200)]
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    headers = {"X-API-Key": ADMIN_KEY}
    async with httpx.AsyncClient(base_url=url, limits=limits, headers=headers, timeout=60) as http:
        await asyncio.gather(*(one_client(http, link, question_set, n, done) for n in range(CLIENTS)))
    return done


def test_a_hundred_clients_all_get_on(client, service, link, small):
    done = asyncio.run(hundred_clients(service.url, link, small))
    statuses = Counter(status for _, status in done)
    # On a machine that is busy with other things some may be told to come back, as documented.
    assert statuses.keys() <= {200, 503}
    assert statuses[200] > CLIENTS / 2 + statuses[503]
    times = sorted(at for at, _ in done)
    silences = [after - before for before, after in pairwise(times)]
    assert max(silences) < LONGEST_SILENCE
    ok(client.get("/readyz"))
