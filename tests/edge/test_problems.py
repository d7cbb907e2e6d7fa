"""Problems: the catalogue, the request id, and failures that nobody foresaw."""

import json
import logging
from uuid import UUID, uuid4

import anyio
import httpx
import pytest
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from app.edge.logs import JsonFormatter, request_fields
from app.edge.problem_responses import MAX_ERRORS
from app.edge.routes import router
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.main import create_app
from app.problems import (
    CATALOGUE,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PROBLEM_TYPE,
    UNAVAILABLE,
)
from app.prospects import service as prospects
from app.prospects.schemas import NewProspect
from app.schemas import Out
from tests.conftest import ADMIN_KEY
from tests.edge.problem import PRIVATE, assert_problem

pytestmark = pytest.mark.usefixtures("unwritten")


class Promise(Out):
    number: int


def failing(settings):
    """The application with operations that fail as none should."""
    app, broken = create_app(settings), router("broken", Scope.WRITE)

    @broken.get("/unforeseen")
    async def unforeseen() -> None:
        raise RuntimeError(PRIVATE)

    @broken.get("/grouped")
    async def grouped() -> None:
        raise ExceptionGroup(PRIVATE, [ValueError(PRIVATE)])

    @broken.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, PRIVATE)

    @broken.get("/broken-promise")
    async def broken_promise() -> Promise:
        return {"number": PRIVATE}

    @broken.get("/invalid-inside")
    async def invalid_inside() -> None:
        Promise.model_validate({"number": PRIVATE})

    @broken.get("/half-written")
    async def half_written(service: ServiceDep) -> None:
        def work(tx):
            prospects.create(tx, NewProspect(name=PRIVATE), "test")
            raise RuntimeError(PRIVATE)

        await service.database.write(work)

    @broken.get("/unreachable")
    async def unreachable(service: ServiceDep) -> None:
        def load(_):
            raise OperationalError("SELECT 1", None, Exception(PRIVATE))

        await service.database.read(load)

    app.include_router(broken)
    return app


def get(app, path):
    """What the application answers, without a server around it."""

    async def call():
        transport = httpx.ASGITransport(app)
        headers = {"X-API-Key": ADMIN_KEY}
        async with httpx.AsyncClient(transport=transport, base_url="http://edge", headers=headers) as client:
            return await client.get(path)

    return anyio.run(call)


@pytest.mark.parametrize(
    "path", ["unforeseen", "grouped", "teapot", "broken-promise", "invalid-inside", "half-written"]
)
def test_a_failure_that_nobody_foresaw_is_a_problem_without_details(service, path):
    app = failing(service.settings)
    told = assert_problem(get(app, f"/v1/{path}"), INTERNAL_ERROR)
    assert told["errors"] == []
    assert "Traceback" not in told["detail"]
    app.state.service.database.close()


def test_it_is_logged_with_the_request_id_that_the_caller_was_told(service, caplog):
    app = failing(service.settings)
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.INFO, "app.requests"):
        told = get(app, "/v1/unforeseen").json()
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    failed, request = [line for line in lines if line["logger"] == "app.requests"]
    assert (failed["level"], "RuntimeError: " in failed["exception"]) == ("error", True)
    assert failed["request_id"] == request["request_id"] == told["request_id"]
    assert (request["level"], request["status"]) == ("info", 500)
    app.state.service.database.close()


def test_a_warning_of_the_database_names_the_request_and_the_key_that_it_belongs_to(service, caplog):
    app = failing(service.settings)
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.INFO):
        told = assert_problem(get(app, "/v1/unreachable"), UNAVAILABLE)
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    (warning,) = [line for line in lines if line["logger"] == "app.db.database"]
    (request,) = [line for line in lines if line["logger"] == "app.requests"]
    assert warning["level"] == "warning"
    assert warning["request_id"] == request["request_id"] == told["request_id"]
    assert warning["key"] == request["key"]
    assert UUID(warning["key"]).version == 7
    assert request_fields.get() == {}
    app.state.service.database.close()


def test_every_kind_has_a_name_of_its_own_and_a_remedy():
    assert len({kind.slug for kind in CATALOGUE}) == len(CATALOGUE)
    for kind in CATALOGUE:
        assert kind.type == PROBLEM_TYPE + kind.slug
        assert kind.slug == kind.slug.lower().replace(" ", "-")
        assert 400 <= kind.status < 600
        assert kind.title.endswith(".")
        assert kind.remedy.endswith(".")


def test_every_response_has_a_request_id_of_its_own(client):
    sent = str(uuid4())
    addresses = ("/livez", "/nope", "/v1/keys", "/docs/files/nope", "/openapi.json")
    given = [client.get(a, headers={"X-Request-ID": sent}).headers["x-request-id"] for a in addresses]
    assert len(set(given)) == len(addresses)
    assert {UUID(request_id).version for request_id in given} == {7}
    assert sent not in given


def test_of_very_many_errors_the_first_are_told_and_how_many_there_are(client):
    sent = {"answers": [{"question": "budget", "rating": "x"}] * 100}
    told = assert_problem(client.post("/v1/score", json=sent), INVALID_REQUEST)
    assert [error["pointer"] for error in told["errors"]] == [
        f"/answers/{n}/rating" for n in range(MAX_ERRORS)
    ]
    assert "and 99 more" in told["detail"]
    sent = {"ratings": {f"question_{n}": 3 for n in range(100)}}
    told = assert_problem(client.post("/v1/score", json=sent), INVALID_REQUEST)
    assert len(told["errors"]) == MAX_ERRORS
    assert "and 99 more" in told["detail"]


def test_a_problem_to_a_head_request_has_no_body(client):
    for address, kind in (("/nope", NOT_FOUND), ("/v1/score", METHOD_NOT_ALLOWED)):
        response = client.head(address)
        assert (response.status_code, response.content) == (kind.status, b"")
