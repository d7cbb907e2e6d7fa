"""Take the pictures of the README in a browser: python -m tools.screenshots.

It serves the demo prospects from a new database, so the pictures show what a new user sees. Chromium has to
be installed. `make check` does not run it, because browsers and fonts differ between machines.
"""

import base64
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import httpx
from playwright.sync_api import Page, sync_playwright

from app.demo import DEMO_SET
from bench.server import BENCH_KEY, serving

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
WEBP_QUALITY = 80
ACTOR = "Ana Ortiz"


class Picture(NamedTuple):
    """A page in a window of a width and height in CSS pixels. `top` selects the element to scroll to."""

    name: str
    path: str
    top: str = ""
    width: int = 1000
    height: int = 760


def main() -> None:
    """Write all pictures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(f"sqlite:///{folder}/demo.db") as server,
        httpx.Client(base_url=server.url, headers={"X-API-Key": BENCH_KEY}, timeout=60) as client,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(base_url=server.url, device_scale_factor=1.5)
        page.goto("/sign-in")
        page.fill("#key", BENCH_KEY)
        page.fill("#actor", ACTOR)
        page.click("main button")
        page.get_by_role("button", name="Load the demo prospects").click()
        page.wait_for_url("**/review*")
        for picture in _pictures(client):
            page.set_viewport_size({"width": picture.width, "height": picture.height})
            page.goto(picture.path)
            if picture.top:
                page.locator(picture.top).first.evaluate("element => element.scrollIntoView()")
            (FOLDER / f"{picture.name}.webp").write_bytes(_webp(page))


def _pictures(client: httpx.Client) -> list[Picture]:
    asked = _session_of(client, "Fir Retail")
    nurtured = _session_of(client, "Elm Logistics")
    return [
        Picture("review", "/review"),
        Picture("interview", f"/sessions/{asked['session_id']}?question=budget#now"),
        Picture("scorecard", f"/prospects/{nurtured['prospect_id']}?session={nurtured['session_id']}"),
        Picture("calibration", "/insights/calibration", top="h2"),
    ]


def _session_of(client: httpx.Client, name: str) -> dict[str, str]:
    """Return the session of a demo prospect on the set of the demo."""
    (prospect,) = client.get("/v1/prospects", params={"q": name}).raise_for_status().json()["items"]
    wanted = {"prospect_id": prospect["id"], "question_set": DEMO_SET}
    found = client.get("/v1/sessions", params=wanted).raise_for_status()
    session: dict[str, str] = found.json()["items"][0]
    return session


def _webp(page: Page) -> bytes:
    page.evaluate("document.activeElement.blur()")
    page.evaluate("Promise.all([...document.images].map((one) => one.decode()))")
    capture = {"format": "webp", "quality": WEBP_QUALITY}
    shot = page.context.new_cdp_session(page).send("Page.captureScreenshot", capture)
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    main()
