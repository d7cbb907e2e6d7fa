"""The documentation in a real browser that may talk to nobody but the service."""

import pytest
from playwright.sync_api import Page

from tests.conftest import ADMIN_KEY, Running

pytestmark = pytest.mark.one_database


def test_the_documentation_shows_every_operation_without_the_internet(service: Running, page: Page) -> None:
    asked: list[str] = []
    failures: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failures.append(str(error)))
    # What the page's policy blocks is told here.
    page.on("console", lambda message: failures.append(message.text))
    page.goto(f"{service.url}/docs")
    page.get_by_text("Do everything that a CRM needs in one call and one transaction").wait_for()
    described = service.client.get("/openapi.json").json()["paths"].values()
    assert page.locator(".opblock").count() == sum(len(methods) for methods in described)
    assert [url for url in asked if not url.startswith((service.url, "data:"))] == []
    assert failures == []


def test_the_examples_are_real_calls(service: Running, page: Page) -> None:
    page.goto(f"{service.url}/docs")
    operation = page.locator("#operations-sessions-qualify")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_text('"Acme Logistics"').wait_for()
    operation.get_by_text("Too early to say: 1 of 4 questions is rated so far.").wait_for()


def test_an_operation_can_be_tried_out(service: Running, page: Page) -> None:
    """The policy of the page lets it call the service, and lets the dialog for the key work."""
    failures: list[str] = []
    page.on("console", lambda message: failures.append(message.text))
    page.goto(f"{service.url}/docs")
    page.get_by_role("button", name="Authorize").click()
    page.locator(".auth-container input").first.fill(ADMIN_KEY)
    page.locator(".auth-container button.authorize").first.click()
    page.locator(".btn-done").first.click()
    operation = page.locator("#operations-scoring-score")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    operation.get_by_text('"bant@1"').first.wait_for()
    assert failures == []
