"""How long /livez waits beside heavy requests, one kind at a time: python -m bench.loop [PART OF A NAME]

A probe is due every PROBE_SECONDS. While one is not answered, the others that would have been due count too,
so that a blocked event loop shows as much as it lasts.
"""

import json
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import httpx

from bench.server import BENCH_KEY, BENCH_QUESTIONS, BENCH_SET, Server, ratings, serving
from bench.table import Measure, print_table

WORK_SECONDS = 2
PROBE_SECONDS = 0.01
QUESTIONS = 500
PROSPECTS = 10
ATTRIBUTES = 40
NDJSON = "application/x-ndjson"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n"
# Sends one request of this kind, and returns its status line.
Work = Callable[[Server], bytes]


def measures(part: str = "") -> Iterator[Measure]:
    """Yield the latency of /livez beside each kind of work whose name contains `part`."""
    with tempfile.TemporaryDirectory() as folder, serving(f"sqlite:///{folder}/loop.db") as server:
        prepare(server)
        for name, work in {"nothing": idle, **works()}.items():
            if part in name:
                yield beside(server, name, work)


def beside(server: Server, name: str, work: Work) -> Measure:
    """Return the latency of probes while the work is repeated."""
    stop, statuses = threading.Event(), []

    def repeat() -> None:
        end = time.perf_counter() + WORK_SECONDS
        while time.perf_counter() < end or len(statuses) < 2:
            statuses.append(work(server))
        stop.set()

    working = threading.Thread(target=repeat)
    working.start()
    latencies = sorted(probe(server, stop))
    working.join()
    p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    figures = " / ".join(f"{1000 * seconds:.0f}" for seconds in (p50, p99, latencies[-1]))
    answers = ", ".join(sorted({status.split()[1].decode() for status in statuses if status}))
    each = WORK_SECONDS / len(statuses)
    return Measure(
        f"/livez beside {name}", f"p50 / p99 / max: {figures} ms", f"{each:.2f} s each, {answers}", goal="100"
    )


def probe(server: Server, stop: threading.Event) -> Iterator[float]:
    """Yield the latency of each probe."""
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        while not stop.is_set():
            started = time.perf_counter()
            caller.sendall(LIVEZ)
            response = b""
            while not response.endswith(b"}"):
                response += caller.recv(65536)
            waited = time.perf_counter() - started
            while waited > 0:
                yield waited
                waited -= PROBE_SECONDS
            time.sleep(max(0, started + PROBE_SECONDS - time.perf_counter()))


def works() -> dict[str, Work]:
    """Return every kind of work."""
    big = {"question_set": "bench-big", "ratings": dict.fromkeys(map(key_of, range(QUESTIONS)), 3)}
    unknown = {f"field_{n}": 1 for n in range(60_000)}
    in_answers = {"answers": [{f"f{n}": 1 for n in range(140)}] * 500}
    lists = {"question_set": "x" * 81, "attributes": {"a": [[]] * 300_000}}
    one = json.dumps({"ratings": ratings(1)}).encode() + b"\n"
    numbers = count()
    fits = {"prospects": [{"source": "bench", "external_id": f"big-{n % PROSPECTS}"} for n in range(200)]}
    path = "/v1/question-sets/bench-big"
    flawed = definition("bench-flawed") | {"steps": [{"key": "s", "title": "s", "questions": [{}] * 20_000}]}
    return {
        "SQL of 500 questions": get(f"{path}/versions/1/sql?dialect=postgres"),
        "SQL for long tables": get(f"{path}/versions/1/sql?dialect=spark&answers=given"),
        "200,000 bad import lines": post("/v1/prospects/import?source=crm", b"{}\n" * 200_000, NDJSON),
        "import lines of a megabyte": post(
            "/v1/prospects/import?source=crm", (json.dumps(unknown).encode() + b"\n") * 10, NDJSON
        ),
        "20,000 good import lines": lambda server: import_new(server, next(numbers)),
        "a megabyte of unknown fields": post("/v1/score", unknown),
        "70,000 unknown fields in answers": post("/v1/score", in_answers),
        "a megabyte of lists": post("/v1/score", lists),
        "a deep megabyte": post("/v1/score", b"[" * 30 + b"[]," * 300_000 + b"1" + b"]" * 30),
        "a megabyte of escapes": post("/v1/score", b'{"a": "' + b"\\u00e4" * 160_000 + b'"}'),
        "a score of 500 answers": post("/v1/score", big),
        "50,000 batch lines": post("/v1/score/batch", one * 50_000, NDJSON),
        "batch lines of 500 answers": post("/v1/score/batch", (json.dumps(big) + "\n").encode() * 50, NDJSON),
        "batch lines of a megabyte": post(
            "/v1/score/batch", (json.dumps(unknown).encode() + b"\n") * 10, NDJSON
        ),
        "200 fits of 500 questions": post("/v1/fits", fits),
        "a session of 500 answers": post(
            "/v1/qualify", {"source": "bench", "external_id": "big-0", **big}, idempotency_key="same"
        ),
        "the OpenAPI document": get("/openapi.json"),
        "the OpenAPI 2.0 document": get("/openapi-2.0.json"),
        "the schema of question sets": get("/question-set.schema.json"),
        "a form of 500 questions": get(f"{path}/openapi-2.0.json"),
        "a version of 500 questions": get(f"{path}?diff={BENCH_SET}"),
        "a draft of 500 questions": lambda server: put_draft(
            server, definition("bench-draft", next(numbers))
        ),
        "a draft of 20,000 flaws": lambda server: put_draft(server, flawed | {"title": str(next(numbers))}),
        "an intake mapping": post("/v1/intake-dry-run", dry_run()),
        "a query of 64 kB": get("/v1/prospects?" + "&".join(f"a{n}" for n in range(10_000))),
    }


def idle(_: Server) -> bytes:
    time.sleep(0.1)
    return b"HTTP/1.1 200 OK"


def get(path: str) -> Work:
    return lambda server: exchange(server, f"GET {path} HTTP/1.1\r\n", b"")


def post(path: str, body: object, media_type: str = "application/json", idempotency_key: str = "") -> Work:
    content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    head = f"POST {path} HTTP/1.1\r\nContent-Type: {media_type}\r\nContent-Length: {len(content)}\r\n"
    if idempotency_key:
        head += f"Idempotency-Key: {idempotency_key}\r\n"
    return lambda server: exchange(server, head, content)


def exchange(server: Server, head: str, content: bytes) -> bytes:
    """Send a request while its response is read, and return the status line."""
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        common = f"Host: bench\r\nX-API-Key: {BENCH_KEY}\r\nConnection: close\r\n\r\n"
        sending = threading.Thread(target=send, args=(caller, (head + common).encode() + content))
        sending.start()
        received = caller.recv(65536)
        while caller.recv(65536):
            pass
        sending.join()
    return received.split(b"\r\n", 1)[0]


def send(caller: socket.socket, content: bytes) -> None:
    # The service may refuse the body before its end.
    with suppress(OSError):
        caller.sendall(content)


def key_of(number: int) -> str:
    return f"question_{number}"


def question(number: int) -> dict[str, object]:
    attribute = f"attribute_{number % ATTRIBUTES}"
    asked = {
        "key": key_of(number),
        "text": f"Is the answer to question {number} as good as it has to be?",
        "dimension": ("match", "benefit")[number % 2],
        "anchors": [{"rating": rating, "text": f"anchor {rating}"} for rating in (1, 3, 5)],
    }
    if number % 5 == 0:
        asked["rate_from"] = {"attribute": attribute, "bands": [{"below": 10, "rating": 1}, {"rating": 5}]}
    if number % 7 == 0:
        asked |= {"must_reach": 3, "if_missed": "mixed"}
    if number % 11 == 0:
        asked["ask_when"] = {attribute: {"at_least": 3}}
    return asked


def definition(key: str, number: int = 0) -> dict[str, object]:
    """Return a question set with as many questions as one can have."""
    return {
        "key": key,
        "title": f"A large question set, {number}",
        "scale": {
            "min": 1,
            "max": 5,
            "labels": [{"rating": 1, "text": "bad"}, {"rating": 5, "text": "good"}],
        },
        "combine": "reciprocal",
        "dimensions": [{"key": "match", "title": "Match"}, {"key": "benefit", "title": "Benefit"}],
        "thresholds": {"fit_at": 60, "no_fit_below": 40},
        "attributes": {f"attribute_{number}": "number" for number in range(ATTRIBUTES)},
        "steps": [{"key": "s", "title": "Step", "questions": list(map(question, range(QUESTIONS)))}],
    }


def put_draft(server: Server, document: dict[str, object]) -> bytes:
    """Save a draft, over the one that may be there."""
    url = f"{server.url}/v1/question-sets/{document['key']}/draft"
    headers = {"X-API-Key": BENCH_KEY}
    revision = httpx.get(url, headers=headers, timeout=60).headers.get("ETag")
    if revision:
        headers["If-Match"] = revision
    return f"- {httpx.put(url, json=document, headers=headers, timeout=60).status_code}".encode()


def prospect_lines(number: int) -> bytes:
    return b"".join(b'{"external_id": "%d-%d", "name": "N"}\n' % (number, line) for line in range(20_000))


def import_new(server: Server, number: int) -> bytes:
    return post("/v1/prospects/import?source=crm", prospect_lines(number), NDJSON)(server)


def dry_run() -> dict[str, object]:
    items = [{"id": f"i{n}", **{f"f{m}": m for m in range(500)}} for n in range(100)]
    mapping = {"source": "crm", "items_pointer": "/items", "external_id": "/id"}
    mapping["attributes"] = {f"a{m}": f"/f{m}" for m in range(100)}
    mapping["ratings"] = {BENCH_QUESTIONS[0]: "/f3"}
    return {"mapping": mapping, "question_set": BENCH_SET, "payload": {"items": items}}


def prepare(server: Server) -> None:
    """Publish the large question set, and qualify some prospects with it."""
    with httpx.Client(base_url=server.url, headers={"X-API-Key": BENCH_KEY}, timeout=120) as client:
        path = "/v1/question-sets/bench-big/draft"
        client.put(path, json=definition("bench-big")).raise_for_status()
        client.post(f"{path}/publish", headers={"If-Match": '"1"'}).raise_for_status()
        answers = dict.fromkeys(map(key_of, range(QUESTIONS)), 3)
        for number in range(PROSPECTS):
            link = {"source": "bench", "external_id": f"big-{number}"}
            sent = {**link, "question_set": "bench-big", "ratings": answers}
            client.post("/v1/qualify", json=sent).raise_for_status()


if __name__ == "__main__":
    print_table(measures(*sys.argv[1:]))
