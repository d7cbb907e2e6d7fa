"""Browsers that are signed in."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, Running
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

Browse = Callable[..., httpx.Client]
Open = Callable[..., "Page"]
NAME = "Ana Ortiz"


@pytest.fixture
def browse(service: Running) -> Iterator[Browse]:
    """Makes browsers without scripts that have signed in."""
    opened = []

    def sign_in(key: str = ADMIN_KEY, **fields: str) -> httpx.Client:
        client = httpx.Client(
            base_url=service.url, timeout=PATIENCE, headers={"Origin": service.url}, verify=False
        )
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


@pytest.fixture
def open_page(service: Running, browser: "Browser") -> Iterator[Open]:
    """Opens pages of browsers that are signed in. An error or a warning on the console fails the test."""
    contexts: list[BrowserContext] = []
    messages: list[str] = []

    def opened(
        address: str, actor: str = NAME, context: "BrowserContext | None" = None, **options: object
    ) -> "Page":
        if context is None:
            context = browser.new_context(base_url=service.url, **options)  # type: ignore[arg-type]
            context.set_default_timeout(PATIENCE * 1000)
            contexts.append(context)
            page = context.new_page()
            page.goto("/sign-in")
            page.fill("#key", ADMIN_KEY)
            page.fill("#actor", actor)
            page.click("main button")
        else:
            page = context.new_page()
        page.on(
            "console", lambda one: messages.append(one.text) if one.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    expected = ("ERR_INTERNET_DISCONNECTED", "status of 401", "status of 409", "status of 422")
    assert [text for text in messages if not any(one in text for one in expected)] == []


@pytest.fixture
def session(service: Running) -> dict:
    """A new session on the built-in set of the method."""
    prospect = ok(service.client.post("/v1/prospects", json={"name": "Acme"}), 201)
    new = {"prospect_id": prospect["id"], "question_set": "qualifying-a-sale-short"}
    return ok(service.client.post("/v1/sessions", json=new), 201)


def key_with(service: Running, *scopes: str, **fields: str) -> dict:
    return ok(service.client.post("/v1/keys", json={"name": "test", "scopes": scopes, **fields}), 201)


def fields_of(html: str, action: str) -> dict[str, str]:
    """The hidden fields of the form with an action."""
    form = re.search(
        rf'<form[^>]*method="post" action="{re.escape(action)}"[^>]*>(.*?)</form>', html, re.DOTALL
    )
    assert form, action
    hidden = re.findall(r'<input type="hidden" name="([\w.]+)" value="([^"]*)"', form[1])
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


def stored(service: Running, session: dict) -> dict:
    return ok(service.client.get(f"/v1/sessions/{session['session_id']}"))


def ratings(service: Running, session: dict) -> dict[str, int]:
    return {one["question"]: one["rating"] for one in stored(service, session)["answers"]}


def questions(service: Running) -> list[str]:
    """The keys of the questions that come before the decision."""
    path = "/v1/question-sets/qualifying-a-sale-short/versions/1"
    steps = ok(service.client.get(path))["definition"]["steps"]
    return [one["key"] for step in steps if not step["gated"] for one in step["questions"]]


def answer(page: "Page", rating: int, following: bool = True) -> str:
    """Answer the question in focus, and wait until the next one is."""
    question = page.locator("details.q[open]")
    key = question.get_attribute("id")
    assert key
    question.locator(f"input[name=answer][value='{rating}']").check()
    question.get_by_role("button").click()
    if following:
        page.locator(f"details.q[open]:not(#{key})").wait_for()
    return key


def form_fields(page: str, key: str) -> dict[str, str]:
    form = page.split(f'data-question="{key}"')[1].split("</form>", maxsplit=1)[0]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
