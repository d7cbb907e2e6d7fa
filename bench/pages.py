"""The CPU time of each web page compared with a FastAPI hello world: python -m bench.pages

The database has the demo prospects. Pages are compressed, as for browsers. The first page of a process also
imports Jinja and compiles the templates, so it is measured by itself.
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial

import httpx

from bench.server import BENCH_KEY, BENCH_SET, baseline, cost, cpu_seconds, hello, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

REQUESTS = 10
GOAL = "≤ 50 ms"
REPORTS = ("calibration", "questions", "outcomes", "decisions", "assessors", "portfolio")


def measures() -> Iterator[Measure]:
    """Yield the first page, and then each page."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(f"sqlite:///{folder}/bench.db") as server,
        baseline("bench.hello") as bare,
        httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=60) as client,
    ):
        before = cpu_seconds(server.pid)
        client.get("/sign-in").raise_for_status()
        first = cpu_seconds(server.pid) - before
        yield Measure("the first page of a process, with Jinja", f"{1000 * first:.0f} ms")
        pages = {name: _request(client, path) for name, path in _addresses(client).items()}
        kinds = {"hello": partial(cost, bare, [hello(number) for number in range(50 * REQUESTS)])}
        kinds |= {name: partial(cost, server, [request] * REQUESTS) for name, request in pages.items()}
        results = in_turns(ROUNDS + 1, kinds)
        smallest = results.pop("hello")[1:]
        for name, measured in results.items():
            yield Measure(
                f"page: {name}, CPU per request",
                f"{statistics.median(measured[1:]) / 1000:.1f} ms",
                f"FastAPI hello world, {statistics.median(smallest):.0f} µs",
                median_ratio(measured[1:], smallest),
                GOAL,
            )


def _addresses(client: httpx.Client) -> Mapping[str, str]:
    """Sign in, load the demo prospects, and return the path of each page."""
    client.post("/sign-in", data={"key": BENCH_KEY, "actor": "Ana Ortiz"})
    token = client.get("/").text.split('name="token" value="')[1].split('"')[0]
    client.post("/demo", data={"token": token})
    asked = {"status": "open", "sort": "ranked", "question_set": BENCH_SET, "limit": "1"}
    (session,) = client.get("/v1/sessions", params=asked).raise_for_status().json()["items"]
    interview = f"/sessions/{session['session_id']}"
    return {
        "home": "/",
        "review of 36 sessions": "/review",
        "prospects": "/prospects",
        "scorecard": f"/prospects/{session['prospect_id']}",
        "interview of 28 questions": interview,
        "decision": f"{interview}?question=decision",
        "question sets": "/question-sets",
        "question set": f"/question-sets/{BENCH_SET}",
        **{f"insights, {name}": f"/insights/{name}" for name in REPORTS},
        "insights, concentration": "/insights/concentration?attribute=annual_revenue",
    }


def _request(client: httpx.Client, path: str) -> str:
    """Return the request of a signed-in browser as it is sent, after the page has been opened once."""
    client.get(path).raise_for_status()
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\nCookie: {cookies}\r\n\r\n"


if __name__ == "__main__":
    print_table(measures())
