"""A file that is sent while it is written: whole, or visibly broken off."""

from collections.abc import AsyncGenerator

import anyio
import httpx
import pytest
from fastapi import Request

from app import main
from app.edge.routes import router
from app.edge.streams import FileStream
from app.keys.schemas import Scope
from app.problems import unavailable
from tests.api.calls import ok
from tests.conftest import serving, settings_for
from tests.edge.test_revoked import new_key
from tests.waiting import PATIENCE, until


@pytest.fixture(scope="module")
def running(new_database):
    """A service with three files: one with an end, one without, and one that fails."""
    routes = router("test", Scope.READ)

    async def chunks(kind: str) -> AsyncGenerator[bytes, None]:
        yield b"first\n"
        yield b""
        if kind == "failing":
            raise unavailable("The database does not answer.")
        while kind == "endless":
            yield b"more\n"
            await anyio.sleep(0.01)
        yield b"last\n"

    @routes.get("/files/{kind}", operation_id="get_file", response_class=FileStream)
    async def get_file(request: Request, kind: str) -> FileStream:
        return FileStream(request, chunks(kind), name=f"{kind}.csv", media_type="text/csv")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "ROUTERS", (*main.ROUTERS, routes))
        with serving(settings_for(new_database())) as service:
            yield service


def test_a_whole_file_has_a_name_and_an_end(running):
    response = running.client.get("/v1/files/whole")
    assert response.content == b"first\nlast\n"
    assert response.headers["content-disposition"] == 'attachment; filename="whole.csv"'


def test_a_file_that_fails_is_broken_off(running):
    with running.client.stream("GET", "/v1/files/failing") as response:
        parts = response.iter_bytes()
        assert next(parts) == b"first\n"
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)


def test_a_file_is_broken_off_when_the_key_is_revoked(running):
    key = new_key(running.client, "read")
    with (
        httpx.Client(base_url=running.url, headers={"X-API-Key": key.secret}, timeout=PATIENCE) as caller,
        caller.stream("GET", "/v1/files/endless") as response,
    ):
        parts = response.iter_bytes()
        assert next(parts).startswith(b"first\n")
        until(lambda: ok(running.client.get("/readyz")))
        key.revoke()
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in parts:
                pass
