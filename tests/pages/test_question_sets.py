"""Question sets on pages: read one, edit its draft as YAML, try it, compare it and publish it."""

import re
from html import unescape

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from app.question_sets.builtin_sets import read_builtin
from app.question_sets.reader import read_yaml
from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, Running
from tests.pages.conftest import NAME, Browse, fields_of, key_with, led_to, submit
from tests.question_sets.test_reader import BOMB
from tests.waiting import PATIENCE, until

TEXT = """\
# Kept with its comments: 😀 שלום
title: Ours
combine: weighted
dimensions: [{key: all, title: All}]
thresholds: {fit_at: 60, no_fit_below: 40}
attributes: {employees: number, abroad: boolean}
steps:
  - key: only
    title: Only
    questions:
      - {key: need, text: What do they need?, dimension: all}
      - {key: money, text: Can they pay?, dimension: all, weight: 3, must_reach: 2}
      - {key: law, text: Which law?, dimension: all, ask_when: {abroad: {equals: true}}}
      - {key: size, text: How big?, dimension: all, weight: 0, ask_when: {employees: {at_least: 50}}}
"""


@pytest.fixture
def key(link: dict[str, str]) -> str:
    """The key of a question set that no other test uses."""
    return f"set-{link['external_id']}"[:64]


def text_of(page: httpx.Response) -> str:
    """The text in the editor, as a browser reads it."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)
    assert found
    return unescape(found[1])


def errors_of(page: httpx.Response) -> list[tuple[int, int, str]]:
    pattern = r'data-line="(\d+)" data-column="(\d+)">[^<]*</a> <bdi>([^<]*)<'
    return [
        (int(line), int(column), unescape(detail)) for line, column, detail in re.findall(pattern, page.text)
    ]


def sent(client: httpx.Client, key: str, text: str, to: str = "", **fields: str) -> httpx.Response:
    """Write a text into the editor and press a button."""
    action = f"/question-sets/{key}/draft"
    hidden = fields_of(client.get(action).text, action)
    return client.post(action + to, data=hidden | {"text": text} | fields)


def checked(client: httpx.Client, key: str, text: str, **fields: str) -> httpx.Response:
    page = sent(client, key, text, "/check", **fields)
    assert page.status_code == 200, page.text
    # A browser without scripts would send the names of buttons too.
    assert not re.search(r"<button[^>]* name=", page.text)
    return page


def stored(service: Running, key: str) -> dict:
    return ok(service.client.get(f"/v1/question-sets/{key}/draft"))


def published(service: Running, key: str, **document: object) -> dict:
    address = f"/v1/question-sets/{key}/draft"
    saved = ok(service.client.put(address, json=document or read_yaml(TEXT).value))
    headers = {"If-Match": f'"{saved["revision"]}"'}
    return ok(service.client.post(f"{address}/publish", headers=headers), 201)


def qualified(service: Running, key: str, name: str, **ratings: int) -> None:
    new = {"source": "sets", "external_id": f"{key}-{name}", "name": name, "question_set": key}
    ok(service.client.post("/v1/qualify", json=new | {"ratings": ratings}))


def test_a_set_is_shown_as_a_seller_sees_it_with_its_versions(
    service: Running, ana: httpx.Client, browse: Browse
) -> None:
    page = ana.get("/question-sets/bant").text
    for shown in (
        "What budget do you have for this?",
        "Must be rated 2 or higher",
        "There is an approved budget",
    ):
        assert shown in page
    assert "A fit needs a score of 60 or higher." in page
    assert ("<strong>bant@1</strong>" in page, 'href="/question-sets/bant/draft"' in page) == (True, True)
    assert "/v1/question-sets/bant/versions/1" in page
    file = ana.get("/question-sets/bant/file")
    assert file.headers["content-disposition"] == 'attachment; filename="bant@1.yaml"'
    definition = ok(service.client.get("/v1/question-sets/bant/versions/1"))["definition"]
    (builtin,) = (one for one in read_builtin() if one.key == "bant")
    assert read_yaml(file.text).value == builtin.canonical()
    assert definition["title"] in file.text
    reader = browse(key_with(service, "read")["key"])
    assert "/draft" not in reader.get("/question-sets/bant").text
    assert "New question set" not in reader.get("/question-sets").text
    assert reader.get("/question-sets/bant/draft").status_code == 403


@pytest.mark.one_database
@pytest.mark.parametrize("how", ["template", "variant", "copy"])
def test_a_new_set_starts_from_a_text_without_errors(ana: httpx.Client, key: str, how: str) -> None:
    for base in [one.key for one in read_builtin()] if how != "template" else [""]:
        start = f"{how}:{base}".rstrip(":")
        address = led_to(submit(ana, "/question-sets", "/question-sets", key=key, start=start))
        page = ana.get(address)
        assert (page.status_code, errors_of(page)) == (200, []), start
        assert f"key: {key}\n" in text_of(page)
        assert ("#" in text_of(page)) == (how != "copy")
    (script,) = re.findall(r'<script src="([^"]+/editor.js)"', page.text)
    assert len(ana.get(script).content) <= 5000
    taken = submit(ana, "/question-sets", "/question-sets", key="bant", start="template")
    assert (taken.status_code, "a question set with the key bant already exists" in unescape(taken.text)) == (
        422,
        True,
    )
    for wrong in ({"key": "Wrong Key"}, {"key": key, "start": "copy:../etc"}):
        assert submit(ana, "/question-sets", "/question-sets", **wrong).status_code == 422


def test_a_draft_is_kept_as_it_was_written(service: Running, ana: httpx.Client, key: str) -> None:
    written = "\ufeff\n" + TEXT.replace("\n", "\r\n")
    assert led_to(sent(ana, key, written)) == f"/question-sets/{key}/draft"
    page = ana.get(f"/question-sets/{key}/draft")
    assert text_of(page) == written.replace("\r\n", "\n")
    assert f"Revision 1, saved by {NAME} on" in unescape(page.text)
    draft = stored(service, key)
    assert (draft["document"]["title"], draft["publishable"], draft["saved_by"]) == ("Ours", True, NAME)
    # Saved again without a change, it stays; with another comment, it does not.
    for text, revision in ((written, 1), ("# Other\n" + TEXT, 2)):
        led_to(sent(ana, key, text))
        assert stored(service, key)["revision"] == revision
    # What is sent as JSON has no comments.
    changed = draft["document"] | {"title": "Theirs"}
    ok(service.client.put(f"/v1/question-sets/{key}/draft", json=changed, headers={"If-Match": '"2"'}))
    assert text_of(ana.get(f"/question-sets/{key}/draft")).startswith(f"key: {key}\ntitle: Theirs\n")
    assert f'href="/question-sets/{key}/draft"' in ana.get("/question-sets").text


def replaced(before: str, after: str) -> str:
    assert before in TEXT
    return TEXT.replace(before, after, 1)


# Each text with the line, the column and the beginning of its first error, and whether it can be saved.
FAULTY = [
    (replaced("title: Ours", "title: Ours: yes"), 2, 12, "a colon is not allowed here", False),
    (replaced("title: Ours", "title: Ours\ntitle: Two"), 3, 1, "`title` is already on line 2", False),
    (replaced("  - key: only", "\t- key: only"), 8, 1, "a tab cannot indent a line", False),
    (BOMB, 6, 8, "aliases repeat more than", False),
    ("- a list", 1, 1, "/: write the fields of a question set", False),
    ("# " + "x" * 100_000, 1, 1, "the text has 100002 characters", False),
    (replaced("title: Ours", "titel: Ours"), 2, 1, "/titel: there is no such field here: did you mean", True),
    (replaced("weight: 3", "weight: three"), 12, 59, "/steps/0/questions/1/weight: send a whole", True),
    (
        replaced("dimension: all, w", "dimension: al, w"),
        12,
        43,
        "/steps/0/questions/1/dimension: no dim",
        True,
    ),
    (replaced("title: Ours", "title: Ours\nextends: nobody@1"), 3, 1, "/extends: no such version", True),
    (replaced("title: Ours", "key: other\ntitle: Ours"), 2, 1, "/key: the address names another", False),
]


@pytest.mark.parametrize("number", range(len(FAULTY)))
def test_errors_are_at_their_lines_and_no_text_is_lost(
    service: Running, ana: httpx.Client, key: str, number: int
) -> None:
    text, line, column, detail, is_saved = FAULTY[number]
    for page in (checked(ana, key, text), sent(ana, key, text)):
        if page.status_code == 303:
            page = ana.get(led_to(page))  # noqa: PLW2901
        assert text_of(page) == text
        found = [(one[0], one[1], one[2][: len(detail)]) for one in errors_of(page)]
        assert (line, column, detail) in found, errors_of(page)
        if "numbered" in page.text:
            assert f'<li id="line-{line}" class="bad">' in page.text
    status = service.client.get(f"/v1/question-sets/{key}/draft").status_code
    assert status == (200 if is_saved else 404)
    if is_saved:
        assert stored(service, key)["flaw_count"] == len(errors_of(page))
        assert led_to(ana.get(f"/question-sets/{key}/draft/publish")) == f"/question-sets/{key}/draft"


def test_of_two_who_edit_one_draft_the_second_sees_both_texts(
    service: Running, ana: httpx.Client, browse: Browse, key: str
) -> None:
    action = f"/question-sets/{key}/draft"
    led_to(sent(ana, key, TEXT))
    ben = browse(actor="Ben Ito")
    hidden = fields_of(ben.get(action).text, action)
    led_to(sent(ana, key, replaced("Ours", "Of Ana")))
    mine = replaced("Ours", "Of Ben <i>")
    refused = ben.post(action, data=hidden | {"text": mine})
    assert (refused.status_code, text_of(refused)) == (412, mine)
    shown = unescape(refused.text)
    assert f"{NAME} has saved this draft since you opened it. Your text was not saved." in shown
    assert "title: Of Ana" in shown
    assert "<i>" not in refused.text
    assert stored(service, key)["document"]["title"] == "Of Ana"
    again = fields_of(refused.text, action)
    led_to(ben.post(action, data=again | {"text": mine}))
    assert stored(service, key)["document"]["title"] == "Of Ben <i>"


def result_of(page: httpx.Response) -> str:
    found = re.search(r'<div id="result"[^>]*>(.*?)<div id="reasons">', page.text, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1]))


@pytest.mark.one_database
def test_the_simulator_scores_the_text_as_it_is_edited(ana: httpx.Client, key: str) -> None:
    tried = {"answer.need": "2", "answer.money": "4", "answer.gone": "3", "attribute.employees": "many"}
    page = checked(ana, key, TEXT, **tried)
    # 100 · (1·1 + 3·3) / (4 · 4) = 62.5; the third question does not apply, because `abroad` is not known.
    assert re.match(r" Fit 6[23] ", result_of(page)), result_of(page)
    assert "Not asked with these attributes: <bdi>law, size</bdi>" in page.text
    assert "Employees: Enter a number, such as 1200 or 12.5." in page.text
    assert (
        "6.2 of 25.0" in page.text,
        "56.2 of 75.0" in page.text,
        "<strong>62.5</strong>" in page.text,
    ) == (
        True,
        True,
        True,
    )
    assert re.search(r'name="answer.need" value="2" checked', page.text)
    assert '<select id="attribute-abroad"' in page.text
    assert '<datalist id="values-employees"><option value="50"></datalist>' in page.text
    abroad = checked(ana, key, TEXT, **tried, **{"attribute.abroad": "true"})
    # One of five is open now: lowest 100·10/(4·5) = 50.
    assert "Undetermined" in result_of(abroad)
    assert "50–70" in result_of(abroad)
    asked = abroad.text.split('id="reasons"')[1].split('id="inputs"')[0]
    assert "Which law?</bdi> <small>counts for 20 % of the score</small>" in asked
    harder = checked(ana, key, replaced("must_reach: 2", "must_reach: 5"), **tried)
    assert result_of(harder).startswith(" No fit ")
    for no_rating in ("--2", "-", "²", "6"):
        assert "0–100" in result_of(checked(ana, key, TEXT, **{"answer.need": no_rating}))
    # While the text has errors, what was tried is kept.
    faulty = checked(ana, key, replaced("weight: 3", "weight: x"), **tried)
    assert '<input type="hidden" name="answer.money" value="4">' in faulty.text
    assert result_of(faulty).strip() == "The simulator starts as soon as the text has no errors."


def test_the_simulator_says_how_much_of_its_side_a_question_counts_for(ana: httpx.Client, key: str) -> None:
    """The weights are 1 and 3 on one side, and 1 on the other."""
    both = TEXT.replace("weighted", "reciprocal").replace(
        "{key: all, title: All}", "{key: all, title: All}, {key: us, title: Us}"
    )
    both = both.replace("law?, dimension: all", "law?, dimension: us")
    page = checked(ana, key, both, **{"attribute.abroad": "true"}).text
    for text, percent in (("What do they need?", 25), ("Can they pay?", 75), ("Which law?", 100)):
        assert f"{text}</bdi> <small>counts for {percent} % of its side</small>" in page


def test_a_draft_is_compared_tried_on_the_sessions_and_published_once(
    service: Running, ana: httpx.Client, browse: Browse, key: str
) -> None:
    published(service, key)
    for name, rating in (("Acme <i>", 4), ("Harbour Works", 2)):
        qualified(service, key, name, need=rating, money=4)
    text = replaced("weight: 3", "weight: 1").replace("What do they need?", "What hurts?")
    led_to(sent(ana, key, text))
    address = f"/question-sets/{key}/draft/publish"
    page = ana.get(address)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    shown = unescape(page.text)
    assert "~ money.weight: 3 → 1" in shown
    assert "-    text: What do they need?" in shown
    # With weights 1 and 3, the ratings 2 and 4 give 62.5; with equal weights, 50.
    assert ("Harbour Works" in shown, "Acme" in shown) == (True, False)
    assert "rated 4, weight 3, must reach 2 or it is no fit → rated 4, weight 1" in shown
    assert "Sessions scored again: 2. Sessions whose indication would change: 1." in shown
    author = browse(key_with(service, "author")["key"]).get(address)
    (of_prospect,) = re.findall('href="/prospects/([^"]+)"', page.text)
    assert (f"<li>{of_prospect} " in author.text, "Harbour Works" in author.text) == (True, False)
    assert "Sessions scored again: 0." in ana.get(f"{address}?status=closed").text
    form = fields_of(page.text, address)
    # The draft changes while the page is open.
    led_to(sent(ana, key, text.replace("Ours", "Ours, again")))
    stale = ana.post(address, data=form)
    assert (stale.status_code, "so it was not published" in stale.text) == (412, True)
    form = fields_of(stale.text, address)
    first, second = (led_to(ana.post(address, data=form)) for _ in range(2))
    assert (first, second) == (f"/question-sets/{key}@2", f"/question-sets/{key}@2")
    listed = ok(service.client.get(f"/v1/question-sets/{key}/versions"))["items"]
    assert [one["version"] for one in listed] == [2, 1]
    assert "Ours, again" in ana.get(first).text
    assert ana.get(address).status_code == 404
    assert ana.post(address, data=form | {"request_key": "another"}).status_code == 404


def test_a_draft_is_discarded_after_a_confirmation(service: Running, ana: httpx.Client, key: str) -> None:
    action = f"/question-sets/{key}/draft"
    assert "Discard the draft" not in ana.get(action).text
    led_to(sent(ana, key, TEXT))
    form = fields_of(ana.get(action).text, f"{action}/discard")
    led_to(sent(ana, key, "# Later\n" + TEXT))
    assert ana.post(f"{action}/discard", data=form).status_code == 412
    assert led_to(submit(ana, action, f"{action}/discard")) == "/question-sets"
    assert service.client.get(f"/v1/question-sets/{key}/draft").status_code == 404


def test_a_revoked_key_saves_nothing(service: Running, browse: Browse, key: str) -> None:
    author = key_with(service, "author")
    client = browse(author["key"])
    action = f"/question-sets/{key}/draft"
    form = fields_of(client.get(action).text, action)
    service.client.delete(f"/v1/keys/{author['id']}")
    until(lambda: client.get(action).status_code == 303)
    signed_out = client.post(action, data=form | {"text": TEXT})
    assert signed_out.status_code == 401
    assert "What you entered is kept" in signed_out.text
    assert (
        client.post(action, data=form | {"text": TEXT}, headers={"Origin": "http://else"}).status_code == 403
    )
    assert service.client.get(f"/v1/question-sets/{key}/draft").status_code == 404


@pytest.fixture
def editor(service: Running, browser: Browser, key: str) -> Page:
    """The editor in a real browser, with a new draft. Another message on its console fails the test."""
    context = browser.new_context(base_url=service.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("#key", ADMIN_KEY)
    page.fill("#actor", NAME)
    page.click("main button")
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(f"/question-sets/{key}/draft")
    yield page
    context.close()
    # The form with the old token.
    assert [text for text in messages if "403 (Forbidden)" not in text] == []


@pytest.mark.one_database
def test_errors_and_the_simulator_follow_what_is_typed(service: Running, editor: Page, key: str) -> None:
    expect.set_options(timeout=PATIENCE * 1000)
    area, errors, result = editor.locator("#text"), editor.locator("#errors"), editor.locator("#result")
    area.fill(TEXT)
    expect(errors).to_contain_text("No errors.")
    # Indented like the line above, and wrong.
    area.press("Control+End")
    area.press("ArrowUp")
    area.press("End")
    area.press("Enter")
    area.press("Backspace")
    area.press("Backspace")
    area.press_sequentially("- {key: place, text: Where?, dimension: al}")
    link = errors.locator("a")
    expect(link).to_have_text("Line 15, column 36")
    bad = editor.locator(".rows .bad")
    expect(bad).to_have_count(1)
    expect(bad.locator("b")).to_contain_text("did you mean `all`?")
    link.click()
    assert area.evaluate("one => one.value.slice(one.selectionStart).split('\\n')[0]") == "dimension: al}"
    # The last result stays until the text has no errors.
    expect(editor.locator("form.editor.old")).to_have_count(1)
    area.fill(TEXT)
    expect(errors).to_contain_text("No errors.")
    for question, rating in (("need", 2), ("money", 4)):
        editor.locator(f"label:has([name='answer.{question}'][value='{rating}'])").click()
    expect(result).to_contain_text("Fit")
    area.fill(replaced("must_reach: 2", "must_reach: 5"))
    expect(result).to_contain_text("No fit")
    expect(editor.locator("[name='answer.money']:checked")).to_have_value("4")
    editor.locator("[name='answer.money'][value='5']").focus()
    editor.keyboard.press("Space")
    expect(result).not_to_contain_text("No fit")
    expect(editor.locator("[name='answer.money'][value='5']")).to_be_focused()
    # Signed in again elsewhere, the form has an old token; the text is sent with the new one.
    other = editor.context.new_page()
    other.goto("/sign-in")
    other.fill("#key", ADMIN_KEY)
    other.fill("#actor", NAME)
    other.click("main button")
    editor.get_by_role("button", name="Save the draft").click()
    expect(editor.get_by_text("Revision 1, saved by")).to_be_visible()
    assert stored(service, key)["document"]["steps"][0]["questions"][1]["must_reach"] == 5
    assert editor.evaluate("document.documentElement.scrollWidth") <= 1280


def test_an_open_session_moves_to_the_new_version_from_its_scorecard(
    service: Running, ana: httpx.Client, key: str
) -> None:
    published(service, key)
    told = {"source": "sets", "external_id": key, "question_set": key, "ratings": {"need": 4, "money": 3}}
    session = ok(service.client.post("/v1/qualify", json=told))
    scorecard = f"/prospects/{session['prospect_id']}"
    move = f"/sessions/{session['session_id']}/move"
    assert move not in ana.get(scorecard).text
    stricter = read_yaml(TEXT.replace("must_reach: 2", "must_reach: 4")).value
    assert isinstance(stricter, dict)
    published(service, key, **stricter)
    before = ana.get(scorecard).text
    assert "Version 2 has been published since." in before
    fields = fields_of(before, move)
    assert led_to(ana.post(move, data=fields)) == f"{scorecard}?session={session['session_id']}"
    after = ana.get(scorecard).text
    assert move not in after
    assert "must be rated 4 or higher, but is rated 3" in after
    # Sent again, it does nothing more. A session that has changed since the page was read is not moved.
    assert ana.post(move, data=fields).status_code == 303
    assert ana.post(move, data=fields | {"request_key": fields["request_key"][::-1]}).status_code == 412
