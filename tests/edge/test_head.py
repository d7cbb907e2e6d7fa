"""HEAD, by which uptime checks ask: what GET would answer, without the body."""

import httpx
import pytest

from tests.conftest import ADMIN_KEY
from tests.edge.operations import ALL
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.one_database, pytest.mark.usefixtures("unwritten")]

READ = sorted({operation.address for operation in ALL if operation.method == "GET"})


# RFC 9110, 9.3.2, allows a response to HEAD to leave out what is only known when the content is generated.
GENERATED = ("transfer-encoding", "date", "x-request-id")


def headers(response: httpx.Response) -> dict[str, str]:
    return {name: said for name, said in response.headers.items() if name not in GENERATED}


@pytest.mark.parametrize(
    "address",
    [*READ, "/openapi.json", "/docs/files/swagger-ui.css", "/nope", "/v1/prospects?limit=0"],
)
def test_every_address_that_can_be_read_answers_it_as_it_answers_get(client, address):
    read, asked = client.get(address), client.head(address)
    assert (asked.status_code, headers(asked)) == (read.status_code, headers(read))
    if "transfer-encoding" not in read.headers:
        assert int(asked.headers["content-length"]) == len(read.content)
    assert asked.content == b""


def test_it_needs_the_same_key(stranger):
    assert stranger.head("/v1/keys").status_code == 401
    assert stranger.head("/livez").status_code == 200


def test_the_connection_can_be_used_again(served):
    with httpx.Client(base_url=served.url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE) as client:
        for _ in range(3):
            assert client.head("/v1/question-sets").status_code == 200
            assert client.get("/v1/question-sets").json()["items"]
