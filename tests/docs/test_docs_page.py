"""The documentation in a real browser that may talk to nobody but the service."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import ADMIN_KEY, Running
from tests.waiting import PATIENCE

pytestmark = pytest.mark.one_database


@dataclass(frozen=True)
class Shown:
    """The documentation as the browser shows it, what it asked for and what failed."""

    page: Page
    asked: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def shown(service: Running, browser: Browser) -> Iterator[Shown]:
    """It is opened once, because a browser needs seconds for so many operations."""
    shown = Shown(browser.new_page())
    shown.page.set_default_timeout(PATIENCE * 1000)
    shown.page.on("request", lambda request: shown.asked.append(request.url))
    shown.page.on("pageerror", lambda error: shown.failures.append(str(error)))
    # What the page's policy blocks is told here.
    shown.page.on("console", lambda message: shown.failures.append(message.text))
    shown.page.goto(f"{service.url}/docs")
    yield shown
    shown.page.close()


def test_the_documentation_shows_every_operation_without_the_internet(service: Running, shown: Shown) -> None:
    shown.page.get_by_text("Do everything that a CRM needs in one call and one transaction").wait_for()
    described = service.client.get("/openapi.json").json()["paths"].values()
    assert shown.page.locator(".opblock").count() == sum(len(methods) for methods in described)
    assert [url for url in shown.asked if not url.startswith((service.url, "data:"))] == []
    assert shown.failures == []


def test_the_examples_are_real_calls(shown: Shown) -> None:
    operation = shown.page.locator("#operations-sessions-qualify")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_text('"Acme Logistics"').wait_for()
    operation.get_by_text("Too early to say: 1 of 4 questions is rated so far.").wait_for()


def test_an_operation_can_be_tried_out(shown: Shown) -> None:
    """The policy of the page lets it call the service, and lets the dialog for the key work."""
    shown.page.get_by_role("button", name="Authorize").click()
    shown.page.locator(".auth-container input").first.fill(ADMIN_KEY)
    shown.page.locator(".auth-container button.authorize").first.click()
    shown.page.locator(".btn-done").first.click()
    operation = shown.page.locator("#operations-scoring-score")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    operation.get_by_text('"bant@1"').first.wait_for()
    assert shown.failures == []
