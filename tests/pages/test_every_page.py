"""Every page in a real browser: accessible, readable at every width, and without a message on the console."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, settings_for
from tests.pages.conftest import NAME
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.one_database, pytest.mark.timeout(300)]

# Each page by a name. `{prospect}` and `{session}` are those of a half finished demo interview, `{won}` is a
# prospect with an outcome, `{unqualified}` is one without a session, and `{hostile}` and `{hostile_session}`
# have names that look like markup.
PAGES = {
    "home": "/",
    "review": "/review",
    "review with changes": "/review?changes_since=2026-01-01",
    "prospects": "/prospects",
    "import": "/prospects/import",
    "columns of an import": "{upload}/columns",
    "preview of an import": "{upload}?reload=no",
    "scorecard": "/prospects/{prospect}",
    "scorecard with an outcome": "/prospects/{won}",
    "scorecard without a session": "/prospects/{unqualified}",
    "question": "/sessions/{session}",
    "decision": "/sessions/{session}?question=decision",
    "outcome": "/sessions/{session}?question=outcome",
    "question sets": "/question-sets",
    "question set": "/question-sets/qualifying-a-sale",
    "draft": "/question-sets/qualifying-a-sale/draft",
    "draft to publish": "/question-sets/hostile/draft/publish",
    "calibration": "/insights/calibration",
    "questions": "/insights/questions",
    "outcomes": "/insights/outcomes",
    "decisions": "/insights/decisions",
    "assessors": "/insights/assessors",
    "portfolio": "/insights/portfolio",
    "concentration": "/insights/concentration?attribute=annual_revenue",
    "problem": "/prospects/01890000-0000-7000-8000-000000000000",
    "hostile scorecard": "/prospects/{hostile}",
    "hostile question": "/sessions/{hostile_session}",
    "hostile facts": "/sessions/{hostile_session}?question=facts-about",
    "hostile question set": "/question-sets/hostile",
}
SHEET = re.compile(rb"/Type\s*/Page\b")
# 640 px are 1280 px at a zoom of 200 %, and 320 px are 1280 px at 400 %.
WIDTHS = [320, 360, 640, 1280, 2560]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
FIND_VIOLATIONS = """async (rules) => {
    const options = { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } }
    if (rules) options.runOnly = rules
    const { violations } = await axe.run(options)
    return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)}`))
}"""
# A shape that has the colour of the page cannot be seen.
FIND_VANISHED = """() => {
    const probe = document.body.appendChild(document.createElement("i"))
    const colour = (name) => { probe.style.color = name; return getComputedStyle(probe).color }
    const canvas = colour("Canvas")
    probe.remove()
    const lost = (one) => [getComputedStyle(one).fill, getComputedStyle(one).stroke]
        .every((paint) => ["none", "rgba(0, 0, 0, 0)", canvas].includes(paint))
    return [...document.querySelectorAll("main svg :is(rect, path, polygon, polyline)")].filter(lost)
        .map((one) => `vanished: ${one.outerHTML}`)
}"""
FIND_UNFOCUSED = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((one) => one.type !== "hidden" && !one.matches(":disabled") && one.checkVisibility())
    .filter((one) => {
        one.focus()
        const { outlineStyle, outlineWidth } = getComputedStyle(one)
        return document.activeElement !== one || outlineStyle === "none" || parseFloat(outlineWidth) < 2
    })
    .map((one) => `no visible focus: ${one.outerHTML.slice(0, 200)}`)
"""

HOSTILE_NAMES = {
    "markup": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "right to left": "שלום עולם مرحبا {{ 7 * 7 }}",
    "long word": "w" * 255,
    "emoji": "👩‍💻🏳️‍🌈 ␀ \\0 %00 &#0;",
}


@pytest.fixture(scope="module")
def demo(new_database: NewDatabase) -> Iterator[Running]:
    with serving(settings_for(new_database())) as running:
        yield running


def hostile(demo: Running) -> dict[str, str]:
    """Store names that look like markup in every text of a set, a prospect and its sessions."""
    markup, attribute, reverse, word, emoji = HOSTILE_NAMES.values()
    anchors = [{"rating": 1, "text": attribute}, {"rating": 5, "text": word}]
    question = {"dimension": "match", "guidance": reverse, "anchors": anchors, "must_reach": 3}
    draft = {
        "title": markup,
        "description": "w" * 2000,
        "combine": "reciprocal",
        "dimensions": [{"key": "match", "title": attribute}, {"key": "benefit", "title": word[:100]}],
        "thresholds": {"fit_at": 60, "no_fit_below": 40},
        "attributes": {
            "secret": "text",
            "yes_or_no": "boolean",
            **{f"fact_{number}": "number" for number in range(12)},
        },
        "steps": [
            {
                "key": "one",
                "title": reverse,
                "questions": [
                    question | {"key": "first", "text": markup, "label": "w" * 40},
                    question | {"key": "second", "text": word, "label": markup},
                    {"key": "third", "text": emoji, "dimension": "benefit"},
                    {
                        "key": "fourth",
                        "text": reverse,
                        "dimension": "benefit",
                        "ask_when": {"secret": {"exists": True}},
                    },
                    *(
                        question | {"key": f"weak_{number}", "text": word, "label": "w" * 60}
                        for number in range(12)
                    ),
                    *(
                        {"key": f"strong_{number}", "text": word, "dimension": "benefit", "anchors": anchors}
                        for number in range(8)
                    ),
                    *(
                        {
                            "key": f"open_{number}",
                            "text": "w" * 2000,
                            "dimension": "benefit",
                            "ask_when": {f"fact_{number}": {"at_least": 1}},
                        }
                        for number in range(12)
                    ),
                    *(question | {"key": f"next_{number}", "text": "w" * 2000} for number in range(3)),
                ],
            }
        ],
    }
    address = "/v1/question-sets/hostile/draft"
    saved = ok(demo.client.put(address, json=draft))
    ok(demo.client.post(f"{address}/publish", headers={"If-Match": f'"{saved["revision"]}"'}), 201)
    session: dict = {}
    for assessor in (markup, reverse, *(f"{number} {word}"[:60] for number in range(8))):
        rated = {"first": 2, "third": 5} | {f"weak_{n}": 1 for n in range(12)}
        answers = [
            {"question": key, "rating": rating, "text": text, "actor": attribute, "evidence": "assumption"}
            for (key, rating), text in zip(
                rated.items(), ("w" * 4000, f"\u202e{markup}", *[markup] * 12), strict=True
            )
        ]
        answers += [{"question": f"strong_{n}", "rating": 5} for n in range(8)]
        session = ok(
            demo.client.post(
                "/v1/qualify",
                json={
                    "source": "hostile",
                    "external_id": "1",
                    "name": attribute,
                    "deal": word[:200],
                    "question_set": "hostile",
                    "assessor": assessor,
                    "answers": answers,
                    "attributes": {"secret": markup, "other": word},
                    "decision": {"decision": "nurture", "reason": "w" * 4000, "actor": emoji},
                },
            )
        )
    for number, name in enumerate(HOSTILE_NAMES.values()):
        body = {"source": "hostile", "external_id": f"name {number}", "name": name, "ratings": {"trigger": 4}}
        ok(demo.client.post("/v1/qualify", json=body))
    stricter = {"fit_at": 90, "no_fit_below": 80}
    ok(demo.client.put(address, json=draft | {"title": emoji, "thresholds": stricter}))
    return {"hostile": session["prospect_id"], "hostile_session": session["session_id"]}


def examples(demo: Running) -> dict[str, str]:
    """The ids that are filled into the addresses of PAGES."""

    def newest(**query: str) -> dict:
        return ok(demo.client.get("/v1/sessions", params={"limit": "1", **query}))["items"][0]

    # Half of its questions are open, so that its interview asks one.
    listed = {"status": "open", "sort": "ranked", "indication": "undetermined"}
    undetermined = ok(demo.client.get("/v1/sessions", params=listed))["items"]
    half, won = next(one for one in undetermined if one["coverage"] <= 0.5), newest(outcome="won")
    ids = {"prospect": half["prospect_id"], "session": half["session_id"], "won": won["prospect_id"]}
    unqualified = ok(demo.client.post("/v1/prospects", json={"name": "Nobody's"}), 201)["id"]
    return ids | hostile(demo) | {"unqualified": unqualified}


def upload(page: Page) -> str:
    """Upload a file with hostile names, preview it, and return its address."""
    rows = [f"{number};{name};nothing" for number, name in enumerate(HOSTILE_NAMES.values())]
    table = "\n".join(["id;name;<b>size</b>", *(row.replace('"', "'") for row in rows)])
    page.goto("/prospects/import")
    page.set_input_files("input[type=file]", {"name": "<i>.csv", "mimeType": "", "buffer": table.encode()})
    page.click("main button")
    page.wait_for_url("**/columns")
    page.fill("[name=source]", "files")
    page.click("button[value=check]")
    page.wait_for_url(lambda url: not url.endswith("/columns"))
    return urlsplit(page.url).path


def faults_of(page: Page) -> list[str]:
    """Return what is wrong with an open page for people who see it, hear it, zoom in or use the keyboard."""
    faults = []
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="light", forced_colors="none")
    page.evaluate(AXE)
    faults += page.evaluate(FIND_VIOLATIONS, None)
    page.emulate_media(color_scheme="dark")
    faults += page.evaluate(FIND_VIOLATIONS, ["color-contrast"])
    page.keyboard.press("Tab")
    page.emulate_media(forced_colors="active")
    faults += page.evaluate(FIND_UNFOCUSED)
    faults += page.evaluate(FIND_VANISHED)
    page.emulate_media(forced_colors="none")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            faults.append(f"{wide} px wide at {width} px")
    return faults


def sign_in(page: Page) -> None:
    page.fill("#key", ADMIN_KEY)
    page.fill("#actor", NAME)
    page.click("main button")


def longer_than_one_page(page: Page) -> list[str]:
    """Return the paper sizes on which a page needs more than one sheet."""
    sheets = {size: len(SHEET.findall(page.pdf(format=size))) for size in ("A4", "Letter")}
    return [f"{count} sheets of {size}" for size, count in sheets.items() if count > 1]


def test_every_page_is_accessible_at_every_width(demo: Running, browser: Browser) -> None:
    context = browser.new_context(base_url=demo.url)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    found: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    where = "sign-in"

    def note(text: str) -> None:
        found.setdefault(where, []).append(text)

    page.on("pageerror", lambda error: note(str(error)))
    page.on("dialog", lambda dialog: (note(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
    page.goto("/sign-in")
    found.setdefault(where, []).extend(faults_of(page))
    sign_in(page)
    page.get_by_role("button", name="Load the demo prospects").wait_for()
    found["empty home"] = faults_of(page)
    page.get_by_role("button", name="Load the demo prospects").click()
    page.wait_for_url("**/review*")
    ids = examples(demo) | {"upload": upload(page)}
    for where, address in PAGES.items():
        response = page.goto(address.format(**ids))
        assert response
        assert response.status == (404 if where == "problem" else 200), where
        found.setdefault(where, []).extend(faults_of(page))
        assert page.locator("h1").count() == 1, where
        titles[where] = page.title()
        if "scorecard" in where:
            found[where] += longer_than_one_page(page)
    where = "signed out"
    page.goto(PAGES["decision"].format(**ids))
    context.clear_cookies()
    page.get_by_label("Nurture").check()
    page.get_by_role("button", name="Record the decision").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    found.setdefault(where, []).extend(faults_of(page))
    sign_in(page)
    page.get_by_role("button", name="Save it now").wait_for()
    found["kept form"] = faults_of(page)
    context.close()
    found["problem"] = [text for text in found["problem"] if "status of 404" not in text]
    found["signed out"] = [text for text in found["signed out"] if "status of 401" not in text]
    assert {name: faults for name, faults in found.items() if faults} == {}
    # A prospect can have an outcome and an open interview.
    addresses = {address.format(**ids) for address in PAGES.values()} - {PAGES["review with changes"]}
    assert len(set(titles.values())) == len(addresses), titles
