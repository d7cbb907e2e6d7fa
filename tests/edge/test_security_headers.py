"""Every response has the headers that protect browsers, whichever route it comes from."""

import re

import httpx
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Mount

from app.main import create_app
from app.problems import (
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    RANGE_NOT_SATISFIABLE,
)
from tests.edge.operations import METHODS, STANDING_IN
from tests.edge.problem import PRIVATE, assert_problem
from tests.edge.test_problems import get
from tests.edge.wire import exchange

pytestmark = pytest.mark.one_database

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def assert_protected(response: httpx.Response) -> None:
    """Each header is there exactly once: two policies would both apply."""
    for name in ("x-content-type-options", "referrer-policy", "content-security-policy"):
        assert len(response.headers.get_list(name)) == 1, name
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"unsafe|\*|https?:", policy)
    content_type = response.headers.get("content-type", "")
    if content_type == "image/svg+xml":
        # A picture has its own style sheet, and nothing else.
        policy = re.sub(r" style-src 'sha256-[\w+/]{43}=';", "", policy)
    if not content_type.startswith("text/html"):
        assert policy == NOTHING


@pytest.mark.parametrize("path", sorted(METHODS))
def test_every_response_of_every_address_protects_browsers(client, stranger, path):
    address = path.format(**STANDING_IN)
    for method in METHODS[path] | {"OPTIONS"}:
        assert_protected(client.request(method, address))
        assert_protected(stranger.request(method, address))
    assert_protected(client.get(address + "/nope%ff"))


def test_what_is_no_http_gets_them_as_well(served):
    response = exchange(served.url, b"no http at all\r\n\r\n")
    assert_problem(response, MALFORMED_REQUEST)
    assert_protected(response)


def test_the_documentation_runs_its_own_script_only(client):
    response = client.get("/docs")
    assert re.search(r"script-src 'self' 'sha256-[\w+/]{43}=';", response.headers["content-security-policy"])


@pytest.fixture
def with_others(service):
    """The application with a page and a mounted application that know nothing of all this."""
    app = create_app(service.settings)

    async def page(_):
        return HTMLResponse("<p>a page")

    async def mounted(scope, receive, send):
        status = int(scope["path"].rsplit("/", 1)[1])
        headers = {"Content-Range": "bytes */5", "Allow": "PUT", "X-Private": PRIVATE}
        await PlainTextResponse(PRIVATE, status, headers)(scope, receive, send)

    app.add_route("/page", page)
    app.router.routes.append(Mount("/others", mounted))
    yield app
    app.state.service.database.close()


def test_a_page_that_forgets_them_may_load_nothing(with_others):
    response = get(with_others, "/page")
    assert response.text == "<p>a page"
    assert_protected(response)
    assert response.headers["content-security-policy"] == NOTHING


KINDS = {
    400: MALFORMED_REQUEST,
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    416: RANGE_NOT_SATISFIABLE,
    418: INTERNAL_ERROR,
    500: INTERNAL_ERROR,
}


@pytest.mark.parametrize("status", KINDS)
def test_an_error_of_a_mounted_application_is_a_problem(with_others, status):
    response = get(with_others, f"/others/{status}")
    assert_problem(response, KINDS[status])
    assert_protected(response)
    assert PRIVATE not in f"{response.headers}"
    assert response.headers.get_list("content-length") == [str(len(response.content))]
    if status == 416:
        assert response.headers["content-range"] == "bytes */5"
    if status == 405:
        assert response.headers["allow"] == "PUT"


def test_what_a_mounted_application_answers_stays_as_it_is(with_others):
    response = get(with_others, "/others/200")
    assert (response.status_code, response.text) == (200, PRIVATE)
    assert_protected(response)
