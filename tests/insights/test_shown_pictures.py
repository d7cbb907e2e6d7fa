"""Pictures in a real browser, under the policies that the service sends."""

import pytest
from playwright.sync_api import Browser

from app.insights.drawings.svg import DARK, LIGHT
from tests.conftest import Running
from tests.waiting import PATIENCE

pytestmark = pytest.mark.one_database


IMAGE_COLOUR = """async (address) => {
    const image = new Image()
    image.src = address
    await image.decode()
    const pixels = document.createElement("canvas").getContext("2d")
    pixels.drawImage(image, 0, 0)
    return [...pixels.getImageData(2, 2, 1, 1).data].slice(0, 3)
}"""


def channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


@pytest.mark.parametrize(("scheme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_a_browser_shows_it_in_light_and_dark_mode(
    service: Running, browser: Browser, scheme: str, colours: dict[str, str]
) -> None:
    """As a document of its own, and as an image in a page. A browser reports what a policy blocks."""
    page = browser.new_page(
        color_scheme=scheme, extra_http_headers={"X-API-Key": service.client.headers["X-API-Key"]}
    )
    page.set_default_timeout(PATIENCE * 1000)
    failures: list[str] = []
    page.on("console", lambda message: failures.append(message.text))
    page.on("pageerror", lambda error: failures.append(str(error)))
    address = f"{service.url}/v1/insights/calibration.svg?question_set=champ"
    page.goto(address)
    page.locator("text", has_text="Win rate by score").wait_for()
    shown = page.evaluate("getComputedStyle(document.querySelector('rect')).fill")
    assert shown == f"rgb({', '.join(map(str, channels(colours['paper'])))})"
    page.route("**/page", lambda route: route.fulfill(body="<p>a page", content_type="text/html"))
    page.goto(f"{service.url}/page")
    assert page.evaluate(IMAGE_COLOUR, address) == channels(colours["paper"])
    assert failures == []
    page.close()
