"""The review: what it lists, what it says about changes, its keyboard, and the JSON that returns the same."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page

from app.pages.rendering import FOLDER
from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, settings_for
from tests.pages.conftest import NAME
from tests.waiting import PATIENCE

SET = "qualifying-a-sale"
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


class Clock:
    """A clock that the tests set."""

    now = MONDAY

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def week(new_database: NewDatabase, clock: Clock) -> Iterator[Running]:
    """A service on which four deals changed in one week.

    Before Monday: "Old" was rated, "Risen" and "Fallen" too. Since then, a good answer came for Risen, a
    blocker for Fallen, and "Fresh" was opened. Old was not touched.
    """
    with serving(settings_for(new_database()), clock=clock) as service:

        def say(number: int, name: str, **fields: object) -> dict:
            sent = {"source": "week", "external_id": str(number), "name": name, "question_set": SET}
            return ok(service.client.post("/v1/qualify", json=sent | fields))

        clock.now = MONDAY - timedelta(days=3)
        plan = ok(service.client.get(f"/v1/question-sets/{SET}/versions/1"))
        keys = [
            q["key"] for step in plan["definition"]["steps"] if not step["gated"] for q in step["questions"]
        ]
        good = dict.fromkeys(keys, 4)
        say(1, "Old", ratings=good, deal="west")
        say(2, "Risen", ratings=dict.fromkeys(keys[:12], 4))
        say(3, "Fallen", ratings=good)
        clock.now = MONDAY + timedelta(days=1)
        say(2, "Risen", ratings=good)
        decided = {"decision": "pursue", "actor": "Ben", "revisit_on": "2026-03-20"}
        say(3, "Fallen", ratings={"budget": 1, "timeline": 2}, decision=decided)
        say(4, "Fresh", ratings={"trigger": 3}, assessor="Cleo")
        say(5, "Gone", ratings=good)
        say(5, "Gone", outcome={"outcome": "won"})
        yield service


@pytest.fixture
def reader(week: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=week.url, timeout=PATIENCE, headers={"Origin": week.url}) as client:
        client.post("/sign-in", data={"key": ADMIN_KEY, "actor": NAME})
        yield client


def rows_of(html: str) -> dict[str, str]:
    """The text of each row of the list, by the name of its prospect."""
    found = re.findall(r'<tr id="s-[^"]*">(.*?)</tr>', html, re.DOTALL)
    texts = [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in found]
    return {text.split()[0]: text for text in texts}


def twin_of(html: str) -> str:
    found = re.search(r'<details class="twin">.*?<a href="([^"]+)">', html, re.DOTALL)
    assert found
    path = unescape(found[1])
    # In quotes, so that a shell takes the whole address.
    assert re.search(rf' "http://[^" ]+{re.escape(path)}"</pre>', unescape(html))
    return path


def test_the_review_shows_open_sessions_unless_the_address_asks_for_others(reader: httpx.Client) -> None:
    assert set(rows_of(reader.get("/review").text)) == {"Old", "Risen", "Fallen", "Fresh"}
    assert set(rows_of(reader.get("/review?status=any").text)) == {"Old", "Risen", "Fallen", "Fresh", "Gone"}
    closed = reader.get("/review?status=closed&indication=&assessor=").text
    assert (set(rows_of(closed)), '<option value="closed" selected>' in closed) == ({"Gone"}, True)
    assert set(rows_of(reader.get("/review?assessor=Cleo").text)) == {"Fresh"}
    assert set(rows_of(reader.get("/review?deal=west").text)) == {"Old"}


def test_a_blocker_is_named_by_the_label_of_its_question(reader: httpx.Client) -> None:
    row = rows_of(reader.get("/review?has_blocker=true").text)["Fallen"]
    assert "timeline, budget" in row


def test_each_line_says_what_changed_since_a_day(reader: httpx.Client) -> None:
    rows = rows_of(reader.get("/review?changes_since=2026-03-02").text)
    assert "Undetermined → Fit" in rows["Risen"]
    assert "Fit → Mixed" in rows["Fallen"]
    assert "New blocker: timeline, budget" in rows["Fallen"]
    assert "Pursue, decided by Ben" in rows["Fallen"]
    assert "New" in rows["Fresh"]
    assert "→" not in rows["Old"]
    only = rows_of(reader.get("/review?changes_since=2026-03-02&only_changed=1&status=any").text)
    assert set(only) == {"Risen", "Fallen", "Fresh", "Gone"}
    assert "Outcome: Won" in only["Gone"]
    before = rows_of(reader.get("/review?changes_since=2026-03-04").text)
    assert not [row for row in before.values() if "→" in row]


def test_the_changes_are_those_of_the_stored_revisions(week: Running) -> None:
    """The expected changes are computed from the history of each session."""
    asked = {"changes_since": "2026-03-02T00:00:00Z", "limit": 200}
    lines = ok(week.client.get("/v1/sessions", params=asked))["items"]
    assert len(lines) == 5
    for line in lines:
        history = ok(week.client.get(f"/v1/sessions/{line['session_id']}/history"))
        earlier = [one for one in history["revisions"] if one["at"] < "2026-03-02"]
        changes = line["changes"]
        if history["revisions"][-1] in earlier:
            assert changes is None
            continue
        verdict = earlier[-1]["verdict"] if earlier else None
        assert changes["before"] == (verdict and {name: verdict[name] for name in changes["before"]})
        decided = [one for one in history["decisions"] if one["decided_at"] >= "2026-03-02"]
        assert changes["decision"] == (decided[-1]["decision"] if decided else None)
        assert changes["outcome"] == line["outcome"]
    plain = ok(week.client.get("/v1/sessions"))["items"]
    assert {line["changes"] for line in plain} == {None}


@pytest.mark.parametrize(
    "address",
    [
        "/review",
        "/review?status=any&sort=name",
        "/review?changes_since=2026-03-02&only_changed=1",
        "/review?has_blocker=true&decision=pursue&revisit_before=2026-04-01",
        "/review?limit=2",
    ],
)
def test_the_json_returns_what_the_page_shows(reader: httpx.Client, address: str) -> None:
    html = reader.get(address).text
    items = ok(reader.get(twin_of(html)))["items"]
    assert items
    shown = re.findall(r'<tr id="s-([^"]+)">', html)
    assert shown == [line["session_id"] for line in items]
    assert list(rows_of(html)) == [line["name"] for line in items]
    export = re.search(r'href="(/v1/sessions/export[^"]+)" download', html)
    assert export
    url = urlsplit(unescape(export[1]))
    csv = reader.get(url.path, params=dict(parse_qsl(url.query)) | {"format": "csv"})
    if "limit" not in address:
        assert csv.text.count("\n") == 1 + len(items)


def test_the_usual_selections_are_one_click_away(reader: httpx.Client) -> None:
    html = reader.get("/review").text
    tabs = re.findall(r'<a href="(/review[^"]*)"( aria-current="page")?>([^<]+)</a>', html)
    assert [text for _, current, text in tabs if current] == ["Review", "All open"]
    due = next(unescape(address) for address, _, text in tabs if text == "Revisits due")
    # The page decides by the real clock what is due, and for it all revisits of these deals are in the past.
    assert set(rows_of(reader.get(due).text)) == {"Fallen"}
    assert "revisit due 20 Mar 2026" in rows_of(reader.get(due).text)["Fallen"]


def test_a_scorecard_leads_back_to_the_row_it_was_opened_from(reader: httpx.Client) -> None:
    html = reader.get("/review?sort=name").text
    opened = re.search(r'<tr id="(s-[^"]+)">\s*<th scope="row"><a href="([^"]+)"', html)
    assert opened
    card = reader.get(opened[2], headers={"Referer": f"{reader.base_url}/review?sort=name"}).text
    assert f'href="/review?sort=name#{opened[1]}"' in card
    broken = reader.get(opened[2], headers={"Referer": "http://[no/review"})
    assert (broken.status_code, "Back to the list" in broken.text) == (200, False)
    foreign = reader.get(opened[2], headers={"Referer": "https://evil.example/other"}).text
    assert "evil.example" not in foreign
    assert "Back to the list" not in foreign
    other = opened[2].split("?")[0] + "?session=01890000-0000-7000-8000-000000000000"
    assert reader.get(other).status_code == 404


def test_the_script_of_the_review_is_small() -> None:
    assert len((FOLDER / "files" / "review.js").read_bytes()) <= 5000


@pytest.mark.one_database
def test_the_keyboard_moves_through_the_rows(week: Running, browser: Browser) -> None:
    context = browser.new_context(base_url=week.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE * 1000)
    messages: list[str] = []
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("#key", ADMIN_KEY)
    page.fill("#actor", NAME)
    page.click("main button")
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))

    def focused() -> str:
        return page.evaluate("document.activeElement.innerText")

    page.goto("/review?sort=name")
    page.keyboard.press("j")
    assert focused() == "Fallen"
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert focused() == "Old"
    page.keyboard.press("k")
    assert focused() == "Fresh"
    _type_in_a_filter(page)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    assert focused() == "Fresh"
    page.keyboard.press("Enter")
    page.wait_for_url("**/prospects/*")
    page.go_back()
    page.wait_for_url("**/review?sort=name")
    page.wait_for_function("document.activeElement.innerText === 'Fresh'")
    page.keyboard.press("?")
    assert page.evaluate("document.querySelector('.keys').open")
    context.close()
    assert messages == []


def _type_in_a_filter(page: Page) -> None:
    """The letters that move through the rows are only letters in a field."""
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "status"
    page.locator("summary", has_text="More filters").click()
    page.focus("#deal")
    page.keyboard.type("jk/?")
    assert page.input_value("#deal") == "jk/?"
