"""Browsers that are signed in."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, Running
from tests.waiting import PATIENCE

Browse = Callable[..., httpx.Client]
NAME = "Ana Ortiz"


@pytest.fixture
def browse(service: Running) -> Iterator[Browse]:
    """Makes browsers without scripts that have signed in."""
    opened = []

    def sign_in(key: str = ADMIN_KEY, **fields: str) -> httpx.Client:
        client = httpx.Client(base_url=service.url, timeout=PATIENCE, headers={"Origin": service.url})
        opened.append(client)
        sent = {"key": key, "actor": NAME} | fields
        assert client.post("/sign-in", data=sent).status_code == 303
        return client

    yield sign_in
    for client in opened:
        client.close()


@pytest.fixture
def ana(browse: Browse) -> httpx.Client:
    """A browser that has signed in with the admin key."""
    return browse()


def key_with(service: Running, *scopes: str, **fields: str) -> dict:
    return ok(service.client.post("/v1/keys", json={"name": "test", "scopes": scopes, **fields}), 201)


def fields_of(html: str, action: str) -> dict[str, str]:
    """The hidden fields of the form with an action."""
    form = re.search(
        rf'<form[^>]*method="post" action="{re.escape(action)}"[^>]*>(.*?)</form>', html, re.DOTALL
    )
    assert form, action
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[1])
    return {name: unescape(value) for name, value in hidden}


def submit(client: httpx.Client, address: str, action: str, **fields: str) -> httpx.Response:
    """Fill the form of a page in and send it, as a browser without scripts does."""
    page = client.get(address)
    assert page.status_code == 200, page.text
    return client.post(action, data=fields_of(page.text, action) | fields)


def led_to(response: httpx.Response) -> str:
    """The path and the query of the page that a form leads to."""
    assert response.status_code == 303, response.text
    url = urlsplit(response.headers["location"])
    return url.path + (f"?{url.query}" if url.query else "")
