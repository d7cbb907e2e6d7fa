"""Behind a proxy that takes a path away: every address that is told leads back through it."""

import re
from urllib.parse import urljoin

import anyio
import httpx
import pytest
from pydantic import ValidationError

from app.main import create_app
from tests.conftest import ADMIN_KEY, settings_for

PUBLIC = "https://crm.test/fit"


@pytest.fixture
def public(service):
    """Answers what is asked at public addresses, and at no other."""
    url = service.settings.database_url.get_secret_value()
    app = create_app(settings_for(url, public_url=f"{PUBLIC}/"))

    async def proxy(scope, receive, send):
        assert scope["path"].startswith("/fit/")
        inside = {**scope, "path": scope["path"].removeprefix("/fit")}
        inside["headers"] = [(b"host", b"10.0.0.7:8000"), (b"x-api-key", ADMIN_KEY.encode())]
        await app(inside, receive, send)

    async def ask(address):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(proxy)) as client:
            return await client.get(address)

    yield lambda address: anyio.run(ask, address)
    app.state.service.database.close()


@pytest.mark.parametrize("path", ["/v1/prospects", "/v1/sessions"])
def test_the_next_page_of_a_list_is_found_there(public, client, link, path):
    for number in range(2):
        client.post("/v1/qualify", json=link | {"external_id": f"{link['external_id']}-{number}"})
    page = public(f"{PUBLIC}{path}?limit=1").json()
    assert page["next"].startswith(f"{PUBLIC}{path}?limit=1&after=")
    assert public(page["next"]).json()["items"] != page["items"]


def test_so_is_all_that_the_documentation_needs(public):
    page = public(f"{PUBLIC}/docs").text
    needed = re.findall(r"(?:href|src)=\"([^\"]+)\"|url: '([^']+)'", page)
    addresses = [urljoin(f"{PUBLIC}/docs", one or other) for one, other in needed]
    assert f"{PUBLIC}/openapi.json" in addresses
    assert {public(address).status_code for address in addresses} == {200}
    assert public(f"{PUBLIC}/openapi.json").json()["servers"] == [{"url": PUBLIC}]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.test",
        "ftp://crm.test",
        "https://",
        "https://crm.test/?a=1",
        "https://crm.test/#a",
        "https://user:secret@crm.test",
        "https://crm.test/a b",
        "https://crm.test\n",
        "https://crm.test//fit",
    ],
)
def test_what_is_no_address_to_begin_others_with_is_refused(url):
    with pytest.raises(ValidationError, match="give http://HOST or https://HOST"):
        settings_for("sqlite:///unused.db", public_url=url)


@pytest.mark.parametrize("url", ["http://localhost:8000", "https://crm.test/a/b", "http://[::1]:80/fit"])
def test_a_port_and_a_path_may_be_part_of_it(url):
    assert settings_for("sqlite:///unused.db", public_url=url).public_url == url
    assert settings_for("sqlite:///unused.db", public_url=f"{url}/").public_url == url


def test_a_browser_signs_in_whichever_way_the_url_is_written(service):
    """Browsers send the origin in lower case, and without the usual port."""
    url = service.settings.database_url.get_secret_value()
    app = create_app(settings_for(url, public_url="https://CRM.test:443/fit"))

    async def sign_in(origin):
        sent = {"key": ADMIN_KEY, "actor": "Ana"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.7:8000") as client:
            return await client.post("/sign-in", data=sent, headers={"Origin": origin})

    statuses = [
        anyio.run(sign_in, origin).status_code for origin in ("https://crm.test", "https://crm.test:8443")
    ]
    app.state.service.database.close()
    assert statuses == [303, 403]
