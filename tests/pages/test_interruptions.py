"""Interruptions of an interview: nothing that was entered is lost, and nothing is saved twice."""

import re
from html import unescape

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, Running
from tests.pages.conftest import (
    NAME,
    Browse,
    Open,
    answer,
    fields_of,
    form_fields,
    key_with,
    led_to,
    questions,
    ratings,
    stored,
    submit,
)
from tests.waiting import PATIENCE, until

NOTE = "They said “no” – <b>twice</b> & left.\nThen they called again."


def revisions(service: Running, session: dict) -> int:
    return len(ok(service.client.get(f"/v1/sessions/{session['session_id']}/history"))["revisions"])


def texts_in(html: str) -> str:
    """What a page shows or sends, with line ends as they were entered."""
    return unescape(html).replace("\r\n", "\n")


@pytest.mark.parametrize("ended", ["expired", "revoked"])
def test_a_form_that_is_sent_after_the_sign_in_has_ended_is_kept(
    service: Running, browse: Browse, session: dict, ended: str
) -> None:
    key = key_with(service, "read", "write")
    seller = browse(key["key"])
    place = f"/sessions/{session['session_id']}"
    asked = questions(service)[0]
    fields = form_fields(seller.get(place).text, asked) | {"answer": "4", "text": NOTE}
    if ended == "expired":
        seller.cookies.clear()
    else:
        ok(service.client.delete(f"/v1/keys/{key['id']}"))
        until(lambda: seller.get("/review").status_code == 303)
    refused = seller.post(f"{place}/answers", data=fields)
    assert (refused.status_code, "You have been signed out." in refused.text) == (401, True)
    assert revisions(service, session) == 1
    sent = fields_of(refused.text, "/sign-in") | {"key": "pfk_wrong", "actor": NAME}
    wrong = seller.post("/sign-in", data=sent)
    assert wrong.status_code == 401
    kept = seller.post("/sign-in", data=fields_of(wrong.text, "/sign-in") | {"key": ADMIN_KEY, "actor": NAME})
    assert (kept.status_code, NOTE in texts_in(kept.text)) == (200, True)
    again = fields_of(kept.text, f"{place}/answers")
    assert led_to(seller.post(f"{place}/answers", data=again)).startswith(f"{place}?question=")
    led_to(seller.post(f"{place}/answers", data=again))
    (saved,) = stored(service, session)["answers"]
    assert (saved["question"], saved["rating"], saved["text"]) == (asked, 4, NOTE)
    assert revisions(service, session) == 2


def test_a_form_that_no_page_has_is_not_kept(service: Running) -> None:
    address = f"{service.url}/prospects/import/{'x' * 5000}/stop"
    sent = httpx.post(address, data={"token": "x"}, headers={"Origin": service.url}, timeout=PATIENCE)
    assert led_to(sent) == "/sign-in"


def test_a_kept_form_goes_to_no_other_site(browse: Browse) -> None:
    for elsewhere in ("//evil.example/x", "https://evil.example", "/\\evil.example", "/\t/evil.example"):
        sent = {"kept": "text=x", "kept_for": elsewhere, "key": ADMIN_KEY, "actor": NAME}
        kept = browse().post("/sign-in", data=sent)
        assert (kept.status_code, "evil.example" in kept.text) == (200, False)


def test_a_note_is_shown_if_its_question_is_gone_after_a_move(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    draft = {"extends": "qualifying-a-sale-short@1", "title": "Moved"}
    client, path = service.client, "/v1/question-sets/pages-moved/draft"

    def publish(**changes: object) -> None:
        saved = ok(client.put(path, json=draft | changes))
        ok(client.post(f"{path}/publish", headers={"If-Match": f'"{saved["revision"]}"'}), 201)

    new = {"prospect_id": session["prospect_id"], "question_set": "pages-moved"}
    gone, stays = questions(service)[:2]
    publish()
    moved = ok(service.client.post("/v1/sessions", json=new), 201)
    place = f"/sessions/{moved['session_id']}"
    page = ana.get(place).text
    old = {key: form_fields(page, key) | {"answer": "4", "text": NOTE} for key in (gone, stays)}
    publish(omit=[gone])
    ok(service.client.post(f"/v1{place}/move", json={"question_set": "pages-moved@2"}))
    refused = ana.post(f"{place}/answers", data=old[gone])
    assert (refused.status_code, NOTE in texts_in(refused.text)) == (422, True)
    assert "Your note was not saved." in refused.text
    assert led_to(ana.post(f"{place}/answers", data=old[stays])).startswith(place)
    assert ratings(service, moved) == {stays: 4}


def test_a_refused_form_is_shown_with_what_was_entered(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    fields = form_fields(ana.get(place).text, questions(service)[0]) | {"text": NOTE}
    for wrong in ("9", "0", "-5", "9999"):
        refused = ana.post(f"{place}/answers", data=fields | {"answer": wrong})
        assert (refused.status_code, NOTE in texts_in(refused.text)) == (422, True), wrong
    assert revisions(service, session) == 1


def test_two_tabs_of_one_person_lose_nothing(service: Running, ana: httpx.Client, session: dict) -> None:
    place = f"/sessions/{session['session_id']}"
    first, second, *_ = questions(service)
    tabs = [ana.get(place).text for _ in range(2)]
    led_to(ana.post(f"{place}/answers", data=form_fields(tabs[0], first) | {"answer": "5"}))
    led_to(ana.post(f"{place}/answers", data=form_fields(tabs[1], second) | {"answer": "2"}))
    assert ratings(service, session) == {first: 5, second: 2}
    again = form_fields(tabs[1], first) | {"answer": "1", "text": NOTE}
    refused = ana.post(f"{place}/answers", data=again)
    assert (refused.status_code, NOTE in texts_in(refused.text)) == (412, True)
    assert ratings(service, session) == {first: 5, second: 2}


def test_a_decision_and_an_outcome_are_recorded_once(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    parts = {"decision": {"decision": "nurture", "reason": NOTE}, "outcome": {"outcome": "lost"}}
    for part, sent in parts.items():
        fields = fields_of(ana.get(f"{place}?question={part}").text, f"{place}/{part}") | sent
        assert led_to(ana.post(f"{place}/{part}", data=fields)) == led_to(
            ana.post(f"{place}/{part}", data=fields)
        )
    assert revisions(service, session) == 3
    page = ana.get(f"/prospects/{session['prospect_id']}").text
    assert (NOTE in texts_in(page), "Lost" in page) == (True, True)


@pytest.mark.one_database
def test_the_back_button_and_a_double_click_change_nothing(
    service: Running, open_page: Open, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    first, second, *_ = questions(service)
    page = open_page(f"/prospects/{session['prospect_id']}", viewport={"width": 360, "height": 640})
    page.get_by_role("link", name="Continue the interview").click()
    page.wait_for_url(f"**{place}#now")
    page.locator(f"#{first} textarea").fill(NOTE)
    page.locator(f"#{first} [name=answer][value='4']").check()
    page.locator(f"#{first} button").dblclick()
    page.locator(f"details.q[open]#{second}").wait_for()
    assert (ratings(service, session), revisions(service, session)) == ({first: 4}, 2)
    page.go_back()
    page.locator(f"details.q[open]#{second}").wait_for()
    page.locator(f"#{first} > summary").click()
    expect(page.locator(f"#{first} [name=answer][value='4']")).to_be_checked()
    expect(page.locator(f"#{first} textarea")).to_have_value(NOTE)
    page.locator(f"#{first} [name=answer][value='2']").check()
    page.locator(f"#{first} button").click()
    page.locator(f"#{first} > summary small", has_text="Rated 2").wait_for()
    assert (ratings(service, session), revisions(service, session)) == ({first: 2}, 3)


@pytest.mark.one_database
def test_answers_wait_for_the_next_sign_in(service: Running, open_page: Open, session: dict) -> None:
    page = open_page(f"/sessions/{session['session_id']}")
    first = questions(service)[0]
    page.context.clear_cookies()
    page.locator(f"#{first} textarea").fill(NOTE)
    answer(page, 5)
    page.get_by_role("link", name="Sign in again").click()
    page.fill("#key", ADMIN_KEY)
    page.fill("#actor", NAME)
    page.click("main button")
    page.locator(f"#{first} > summary small", has_text="Rated 5").wait_for()
    expect(page.locator("#offline")).to_be_hidden(timeout=PATIENCE * 1000)
    assert stored(service, session)["answers"][0]["text"] == NOTE
    assert (ratings(service, session), revisions(service, session)) == ({first: 5}, 2)


@pytest.mark.one_database
def test_a_resumed_interview_shows_its_question(service: Running, open_page: Open, session: dict) -> None:
    """The question is at the top of the window, below the result."""
    *asked, last = questions(service)
    place = f"/sessions/{session['session_id']}"
    ok(service.client.patch(f"/v1{place}/answers", json={"ratings": dict.fromkeys(asked, 4)}))
    for address, where in ((f"{place}#now", f"#{last}"), (f"{place}?question=decision#now", "#now")):
        page = open_page(address, viewport={"width": 360, "height": 640})
        shown, covered = (page.locator(one).bounding_box() for one in (where, ".state"))
        assert shown
        assert covered
        assert covered["y"] + covered["height"] <= shown["y"] + 8
        assert shown["y"] < 400


@pytest.mark.one_database
def test_a_new_prospect_is_created_by_keyboard_and_its_interview_shows_the_first_question(
    service: Running, open_page: Open, session: dict
) -> None:
    page = open_page("/prospects", viewport={"width": 360, "height": 640})
    new = page.locator("#new > summary")
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_hidden()
    shown = new.bounding_box()
    assert shown
    assert shown["height"] >= 44
    assert shown["y"] + shown["height"] < 300
    new.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Keyboard Works")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}#now$"))
    expect(page.locator("details.q[open] > summary#now")).to_be_in_viewport()
    ok(service.client.post(f"/v1/sessions/{session['session_id']}/outcome", json={"outcome": "lost"}))
    page.goto(f"/prospects/{session['prospect_id']}")
    page.get_by_role("button", name="Start an interview").click()
    page.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}#now$"))


@pytest.mark.one_database
def test_a_qualification_without_scripts_on_a_small_phone(
    service: Running, browser: Browser, session: dict
) -> None:
    context = browser.new_context(base_url=service.url, java_script_enabled=False)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.goto(f"/sign-in?next=/sessions/{session['session_id']}")
    page.fill("#key", ADMIN_KEY)
    page.fill("#actor", NAME)
    page.click("main button")
    asked = questions(service)
    for number, key in enumerate(asked):
        page.set_viewport_size({"width": (320, 360)[number % 2], "height": 640})
        question = page.locator(f"details.q[open]#{key}")
        question.locator(f"input[name=answer][value='{1 + number % 5}']").check()
        question.get_by_label("an assumption").check()
        question.get_by_role("button").click()
    page.get_by_label("Nurture").check()
    page.get_by_label("Why?").fill(NOTE)
    page.get_by_role("button", name="Record the decision").click()
    page.get_by_role("heading", name="What was decided").wait_for()
    assert re.search(r"/prospects/[^/]+$", page.url)
    assert ratings(service, session) == {key: 1 + number % 5 for number, key in enumerate(asked)}
    assert stored(service, session)["decision"]["reason"] == NOTE
    context.close()


def test_an_expired_sign_in_leads_back_to_the_page(ana: httpx.Client) -> None:
    ana.cookies.clear()
    back = led_to(ana.get("/review?status=open"))
    assert led_to(submit(ana, back, "/sign-in", key=ADMIN_KEY, actor=NAME)) == "/review?status=open"


def go_on(page: Page) -> None:
    """Connect the browser again, and wait until everything has been sent."""
    page.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden(timeout=PATIENCE * 1000)


@pytest.mark.one_database
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("place", ["interview", "scorecard", "prospect"])
def test_facts_that_are_entered_offline_are_saved_once(
    service: Running, open_page: Open, width: int, place: str
) -> None:
    """On the interview and the scorecard of a session, and on the page of a prospect without one."""
    prospect = ok(service.client.post("/v1/prospects", json={"name": "Acme"}), 201)
    about = {"prospect_id": prospect["id"], "question_set": "firmographic-fit"}
    opened = {} if place == "prospect" else ok(service.client.post("/v1/sessions", json=about), 201)
    address = f"/sessions/{opened['session_id']}" if place == "interview" else f"/prospects/{prospect['id']}"
    page = open_page(address, viewport={"width": width, "height": 740})
    page.get_by_text("Facts about this prospect").click()
    page.context.set_offline(True)
    page.locator("#fact-industry").fill("logistics")
    page.locator("#fact-employees").fill("120")
    page.get_by_role("button", name="Save the facts").click()
    expect(page.locator("#offline b")).to_have_text("1")
    expect(page.locator("#offline")).to_be_in_viewport()
    expect(page.locator("#fact-industry")).to_have_value("logistics")
    # They can still be edited, and the last state is the one that is saved.
    key = page.locator("[data-question='facts-about'] [name=request_key]")
    before = key.input_value()
    page.locator("#fact-employees").fill("130")
    page.get_by_role("button", name="Save the facts").click()
    expect(key).not_to_have_value(before)
    expect(page.locator("#offline b")).to_have_text("1")
    go_on(page)
    saved = ok(service.client.get(f"/v1/prospects/{prospect['id']}"))
    assert (saved["attributes"], saved["revision"]) == ({"industry": "logistics", "employees": 130}, 2)
    # The page shows an older state than it has sent, and does not take that for a change by somebody else.
    page.locator("#fact-employees").fill("140")
    page.get_by_role("button", name="Save the facts").click()
    page.get_by_text("2 of ").first.wait_for()
    until(lambda: ok(service.client.get(f"/v1/prospects/{prospect['id']}"))["revision"] == 3)


@pytest.mark.one_database
def test_facts_that_wait_are_sent_from_another_page_and_a_refused_one_is_shown(
    service: Running, open_page: Open
) -> None:
    prospect = ok(service.client.post("/v1/prospects", json={"name": "Acme"}), 201)
    page = open_page(f"/prospects/{prospect['id']}")
    page.get_by_text("Facts about this prospect").click()
    page.context.set_offline(True)
    page.locator("#fact-industry").fill("retail")
    page.locator("#fact-employees").fill("many")
    page.get_by_role("button", name="Save the facts").click()
    expect(page.locator("#offline b")).to_have_text("1")
    page.context.set_offline(False)
    page.goto("/")
    page.get_by_text("Employees: Enter a number, such as 1200 or 12.5.").wait_for()
    expect(page.locator("#fact-industry")).to_have_value("retail")
    page.locator("#fact-employees").fill("50")
    page.get_by_role("button", name="Save the facts").click()
    page.get_by_text("2 of ").first.wait_for()
    saved = ok(service.client.get(f"/v1/prospects/{prospect['id']}"))["attributes"]
    assert saved == {"industry": "retail", "employees": 50}


@pytest.mark.one_database
def test_facts_and_answers_wait_together_and_a_note_stays_while_facts_are_saved(
    service: Running, open_page: Open
) -> None:
    prospect = ok(service.client.post("/v1/prospects", json={"name": "Acme"}), 201)
    new = {"prospect_id": prospect["id"], "question_set": "firmographic-fit"}
    session = ok(service.client.post("/v1/sessions", json=new), 201)
    page = open_page(f"/sessions/{session['session_id']}", viewport={"width": 360, "height": 740})
    second = page.locator("details.q").nth(1).get_attribute("id")
    page.context.set_offline(True)
    first = answer(page, 4)
    page.locator(f"#{second} textarea").fill(NOTE)
    page.get_by_text("Facts about this prospect").click()
    page.locator("#fact-region").fill("europe")
    page.get_by_role("button", name="Save the facts").click()
    expect(page.locator("#offline b")).to_have_text("2")
    go_on(page)
    assert ratings(service, session) == {first: 4}
    page.locator("#fact-region").fill("asia-pacific")
    page.get_by_role("button", name="Save the facts").click()
    page.get_by_text("1 of 5 known").wait_for()
    expect(page.locator(f"#{second} textarea")).to_have_value(NOTE)


@pytest.mark.one_database
@pytest.mark.parametrize("width", [360, 1280])
def test_a_form_that_cannot_wait_stays_on_the_page_while_there_is_no_connection(
    service: Running, open_page: Open, session: dict, width: int
) -> None:
    address = f"/sessions/{session['session_id']}?question=decision"
    page = open_page(address, viewport={"width": width, "height": 740})
    page.get_by_label("Nurture").check()
    page.get_by_label("Why?").fill(NOTE)
    page.context.set_offline(True)
    page.get_by_role("button", name="Record the decision").click()
    expect(page.get_by_text("You are offline, so this was not sent.")).to_be_in_viewport()
    expect(page.get_by_label("Why?")).to_have_value(NOTE)
    page.context.set_offline(False)
    page.get_by_role("button", name="Record the decision").click()
    page.wait_for_url(f"**/prospects/{session['prospect_id']}")
    assert stored(service, session)["decision"]["reason"] == NOTE
