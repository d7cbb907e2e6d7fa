"""Long computations do not run on the event loop, so the service answers other requests meanwhile."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.api import batch, imports, scoring, statements
from app.edge import openapi, operations, routes, service
from app.edge.computing import MAX_INLINE_BYTES, MAX_LONG_COMPUTATIONS, MAX_SHORT_COMPUTATIONS
from app.inbound.intake import mapping
from app.problems import INVALID_REQUEST
from tests.api.calls import ok
from tests.conftest import serving, settings_for
from tests.edge.problem import assert_problem
from tests.scoring.building import question, step, weighted
from tests.waiting import until

LARGE = {"ratings": {}, "attributes": {f"a{n}": "x" * 900 for n in range(20)}}
NDJSON = {"Content-Type": "application/x-ndjson"}
LINE = json.dumps({"ratings": {"need": 4}}) + "\n"
BATCH = "/v1/score/batch?question_set=bant"
SQL = "/v1/question-sets/bant/versions/1/sql"


def new_intake(client):
    intake = {"name": "large", "question_set": "bant", "mapping": {"source": "crm", "external_id": "/id"}}
    made = client.post("/v1/intakes", json=intake)
    return f"/v1/intake/{ok(made, 201)['token']}"


# What can take long: the module that calls it, its name there, and a request that needs it.
LONG = [
    (routes, "read_json", lambda client: client.post("/v1/score", json=LARGE)),
    (routes, "invalid_body", lambda client: client.post("/v1/score", json=LARGE | {"mood": 1})),
    (scoring, "score", lambda client: client.post("/v1/score", json={"question_set": "firmographic-fit"})),
    (batch, "read_json", lambda client: client.post(BATCH, content=LINE, headers=NDJSON)),
    (batch, "score", lambda client: client.post(BATCH, content=LINE, headers=NDJSON)),
    (statements, "score_sql", lambda client: client.get(SQL)),
    (openapi, "described", lambda client: client.get("/openapi.json")),
    (openapi, "described", lambda client: client.get("/openapi-2.0.json")),
    (operations, "SCHEMA", lambda client: client.get("/question-set.schema.json")),
    (mapping, "read_any_json", lambda client: client.post(new_intake(client), json=LARGE)),
    (
        mapping,
        "parse_web_form",
        lambda client: client.post(new_intake(client), data={"id": "x" * MAX_INLINE_BYTES}),
    ),
    (
        service,
        "fingerprint",
        lambda client: client.post(
            "/v1/prospects",
            json={"attributes": LARGE["attributes"]},
            headers={"Idempotency-Key": "large-body"},
        ),
    ),
]


@pytest.fixture(scope="module")
def fresh(new_database):
    """A service that has computed nothing yet."""
    with serving(settings_for(new_database())) as running:
        yield running.client


def is_on_event_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(
    ("module", "name", "call"), LONG, ids=[f"{number}-{case[1]}" for number, case in enumerate(LONG)]
)
def test_it_is_computed_in_a_thread(fresh, monkeypatch, module, name, call):
    computed, seen = getattr(module, name), []

    def look(*args, **named):
        seen.append(is_on_event_loop())
        return computed(*args, **named)

    monkeypatch.setattr(module, name, look)
    assert call(fresh).status_code in (200, 201, 202, 422)
    assert seen
    assert not any(seen)


def test_the_lines_of_an_import_are_read_in_a_thread(fresh, monkeypatch):
    seen = []

    class Looking(imports.ProspectReader):
        def __init__(self, *arguments):
            seen.append(is_on_event_loop())
            super().__init__(*arguments)

        def rows(self):
            for row in super().rows():
                seen.append(is_on_event_loop())
                yield row

    monkeypatch.setattr(imports, "ProspectReader", Looking)
    text = "{}\n" * 20_000
    ok_lines = fresh.post("/v1/prospects/import?source=crm", content=text, headers=NDJSON).text.splitlines()
    assert json.loads(ok_lines[-1])["refused"] == 20_000
    assert (set(seen), len(seen)) == ({False}, 20_001)


@pytest.mark.parametrize(
    ("module", "name", "threads", "call"),
    [
        (statements, "score_sql", MAX_LONG_COMPUTATIONS, lambda client: client.get(SQL)),
        (
            routes,
            "invalid_body",
            MAX_SHORT_COMPUTATIONS,
            lambda client: client.post("/v1/score", json=LARGE | {"mood": 1}),
        ),
    ],
    ids=["long", "short"],
)
def test_whoever_computes_keeps_nobody_else_from_being_answered(
    service, monkeypatch, module, name, threads, call
):
    """Twenty computations that come to no end: no more run than there are threads for them."""
    running, end = [], threading.Event()
    computed = getattr(module, name)

    def hang(*args, **named):
        running.append(threading.current_thread())
        assert end.wait(60)
        return computed(*args, **named)

    monkeypatch.setattr(module, name, hang)
    with ThreadPoolExecutor(20) as callers:
        answers = [callers.submit(call, service.client) for _ in range(20)]
        try:
            until(lambda: len(running) == threads)
            for _ in range(3):
                ok(service.client.get("/livez"))
                ok(service.client.get("/readyz"))
                ok(service.client.post("/v1/score", json={"ratings": {}}))
                ok(service.client.post("/v1/prospects", json={}), 201)
            assert len(running) == threads
        finally:
            end.set()
        assert {answer.result().status_code for answer in answers} <= {200, 422}
    assert len(running) == 20


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("sent", "more"),
    [
        # 60,000 errors of one object are one error.
        ({f"field_{n}": 1 for n in range(60_000)}, ""),
        # 70,000 errors of 500 objects are 500 errors.
        ({"answers": [{f"f{n}": 1 for n in range(140)}] * 500}, " (and 499 more)"),
    ],
)
def test_an_object_with_far_too_many_fields_is_one_error(service, sent, more):
    problem = assert_problem(service.client.post("/v1/score", json=sent), INVALID_REQUEST)
    assert {error["code"] for error in problem["errors"]} == {"too_long"}
    assert problem["detail"].endswith(f"fields{more}")


@pytest.mark.one_database
def test_every_field_of_a_few_that_are_unknown_is_named(service):
    sent = {f"field_{n}": 1 for n in range(20)}
    problem = assert_problem(service.client.post("/v1/score", json=sent), INVALID_REQUEST)
    assert [error["pointer"] for error in problem["errors"]] == [f"/field_{n}" for n in range(20)]


@pytest.mark.one_database
def test_a_question_with_far_too_many_fields_is_one_flaw(service):
    crowded = weighted(
        step("only", *(question(f"q{n}") | {f"f{m}": 1 for m in range(100)} for n in range(9)))
    )
    document = crowded | {"key": "crowded"}
    saved = ok(service.client.put("/v1/question-sets/crowded/draft", json=document))
    assert saved["flaw_count"] == 9


@pytest.mark.one_database
def test_a_query_with_thousands_of_parameters_is_refused_unread(service):
    query = "&".join(f"a{n}" for n in range(5_000))
    problem = assert_problem(service.client.get(f"/v1/prospects?{query}"), INVALID_REQUEST)
    assert problem["detail"] == "/: send at most 100 parameters"
