"""No refusal of a form loses what somebody entered in it."""

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, settings_for
from tests.edge.proxy import Proxy
from tests.pages.conftest import (
    NAME,
    Browse,
    Open,
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

NOTE = "They said “no” – <b>twice</b> & left."


class Filled(NamedTuple):
    """A form as it is sent: where to, its hidden fields, and what somebody has entered."""

    action: str
    hidden: dict[str, str]
    entered: dict[str, str]

    def send(self, client: httpx.Client, **fields: str) -> httpx.Response:
        return client.post(self.action, data=self.hidden | self.entered | fields)


def filled_forms(service: Running, client: httpx.Client, session: dict) -> list[Filled]:
    """Every form of the pages in which people enter something, except files and sign-ins."""
    interview, prospect = f"/sessions/{session['session_id']}", f"/prospects/{session['prospect_id']}"
    unqualified = ok(service.client.post("/v1/prospects", json={"name": "Nobody's"}), 201)["id"]
    asked = questions(service)[0]
    pages = {
        (f"{interview}?question=decision", f"{interview}/decision"): {
            "decision": "nurture",
            "reason": NOTE,
            "revisit_on": "2999-12-31",
        },
        (f"{interview}?question=outcome", f"{interview}/outcome"): {
            "outcome": "lost",
            "amount": "1250.5",
            "currency": "EUR",
            "reason": "price",
            "competitor": NOTE,
        },
        (f"/prospects/{unqualified}", f"/prospects/{unqualified}/attributes"): {"fact.industry": NOTE},
        (f"/prospects/{unqualified}", f"/prospects/{unqualified}/sessions"): {"deal": NOTE},
        ("/prospects", "/prospects"): {"name": NOTE, "deal": NOTE},
        ("/question-sets", "/question-sets"): {"key": "kept-set", "start": "copy:meddpicc"},
        ("/question-sets/kept-set/draft", "/question-sets/kept-set/draft"): {"text": f"title: {NOTE}\n"},
        (prospect, f"{prospect}/sessions"): {"deal": NOTE, "question_set": "meddpicc"},
    }
    forms = [
        Filled(action, fields_of(client.get(page).text, action), entered)
        for (page, action), entered in pages.items()
    ]
    hidden = form_fields(client.get(interview).text, asked)
    return [Filled(f"{interview}/answers", hidden, {"answer": "4", "text": NOTE}), *forms]


def kept_fields(html: str, action: str) -> dict[str, str]:
    """What a page that shows a refused form sends again, and what it lets people correct."""
    again = fields_of(html, action)
    corrected = re.findall(r'<textarea id="kept-[^"]*" name="([^"]+)"[^>]*>(.*?)</textarea>', html, re.DOTALL)
    return again | {name: unescape(value) for name, value in corrected}


def assert_kept(refused: httpx.Response, form: Filled) -> dict[str, str]:
    """Everything that was entered is on the page, and the page sends it again."""
    shown = unescape(refused.text)
    for value in form.entered.values():
        assert value.strip() in shown, (form.action, value)
    kept = kept_fields(refused.text, form.action)
    assert form.entered.items() <= kept.items(), form.action
    return kept


def test_a_form_of_an_old_page_is_kept_and_sent_again(
    service: Running, ana: httpx.Client, browse: Browse, session: dict
) -> None:
    """Another sign-in makes the tokens of all open pages invalid."""
    forms = filled_forms(service, ana, session)
    again = browse(actor="Ana again")
    for form in forms:
        refused = form.send(again)
        assert refused.status_code == 403
        assert_kept(refused, form)
    kept = assert_kept(forms[0].send(again), forms[0])
    led_to(again.post(forms[0].action, data=kept))
    (saved,) = stored(service, session)["answers"]
    assert (saved["rating"], saved["text"], saved["actor"]) == (4, NOTE, "Ana again")


def test_a_form_of_a_key_that_may_only_read_can_be_copied(
    service: Running, ana: httpx.Client, browse: Browse, session: dict
) -> None:
    forms = filled_forms(service, ana, session)
    reader = browse(key_with(service, "read")["key"])
    for form in forms:
        refused = form.send(reader)
        assert (refused.status_code, "Copy what you still need" in refused.text) == (403, True)
        assert "<button>Send it again" not in refused.text
        assert all(value.strip() in unescape(refused.text) for value in form.entered.values())
    assert stored(service, session)["answers"] == []


def test_a_form_about_an_erased_prospect_can_be_copied(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    forms = filled_forms(service, ana, session)
    for form in forms:
        if form.action.startswith("/prospects/"):
            service.client.delete(f"/v1{form.action.rsplit('/', maxsplit=1)[0]}")
    gone = [form for form in forms if form.action.startswith(("/prospects/", "/sessions/"))]
    assert len(gone) == 6
    for form in gone:
        refused = form.send(ana)
        assert (refused.status_code, "Copy what you still need" in refused.text) == (404, True), form.action
        assert all(value.strip() in unescape(refused.text) for value in form.entered.values())


@pytest.mark.parametrize(
    ("part", "wrong", "detail"),
    [
        ("outcome", {"currency": "euros"}, "Currency: "),
        ("outcome", {"amount": "a lot"}, "Amount: "),
        ("outcome", {"closed_on": "yesterday"}, "Closed on: "),
        ("outcome", {"competitor": "w" * 256}, "Competitor: "),
        ("decision", {"reason": "w" * 4001}, "Reason: "),
        ("decision", {"revisit_on": "31.12.2999"}, "Revisit on: "),
    ],
)
def test_a_field_that_is_not_valid_can_be_corrected(
    service: Running, ana: httpx.Client, session: dict, part: str, wrong: dict[str, str], detail: str
) -> None:
    action = f"/sessions/{session['session_id']}/{part}"
    entered = {
        "outcome": {"outcome": "lost", "amount": "5", "currency": "EUR"},
        "decision": {"decision": "nurture", "reason": "Later.", "match": "yes"},
    }[part]
    page = ana.get(f"/sessions/{session['session_id']}?question={part}").text
    form = Filled(action, fields_of(page, action), entered | wrong)
    refused = form.send(ana)
    assert (refused.status_code, detail in refused.text) == (422, True)
    kept = assert_kept(refused, form)
    (name,) = wrong
    assert f'name="{name}" rows=' in refused.text
    corrected = {
        "currency": "CHF",
        "amount": "7",
        "closed_on": "2026-01-31",
        "competitor": "Rival",
        "reason": "Later, they said.",
        "revisit_on": "2999-12-31",
    }
    led_to(ana.post(action, data=kept | {name: corrected[name]}))
    saved = stored(service, session)[part]
    assert str(saved[name]).removesuffix(".0") == corrected[name]


def test_a_text_with_a_character_that_cannot_be_stored_is_kept_without_it(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    answer, *_ = filled_forms(service, ana, session)
    refused = answer.send(ana, text=f"\0{NOTE}\0")
    assert refused.status_code == 400
    led_to(ana.post(answer.action, data=assert_kept(refused, answer)))
    assert stored(service, session)["answers"][0]["text"] == NOTE


def test_a_form_that_was_already_saved_with_different_entries_is_kept(ana: httpx.Client) -> None:
    """After a person goes back, a browser can show the page as it was, with the same request key."""
    first = Filled("/prospects", fields_of(ana.get("/prospects").text, "/prospects"), {"name": "First"})
    led_to(first.send(ana))
    refused = first.send(ana, name="Second after First")
    assert refused.status_code == 422
    assert "This form has already been saved" in refused.text
    again = fields_of(refused.text, "/prospects") | {"name": "Second after First"}
    led_to(ana.post("/prospects", data=again))


@pytest.fixture(scope="module")
def proxy(postgres: NewDatabase) -> Iterator[Proxy]:
    made = Proxy(postgres())
    yield made
    made.close()


@pytest.mark.one_database
def test_forms_are_kept_while_the_database_is_down(proxy: Proxy) -> None:
    """This includes answers from browsers without scripts. A form that is sent again is saved once."""
    with (
        serving(settings_for(proxy.url, wait_seconds=1)) as behind,
        httpx.Client(base_url=behind.url, timeout=PATIENCE, headers={"Origin": behind.url}) as client,
    ):
        assert client.post("/sign-in", data={"key": ADMIN_KEY, "actor": NAME}).status_code == 303
        new = {"name": "Acme", "source": "down", "external_id": "1"}
        asked = {"question_set": "qualifying-a-sale-short"}
        session = ok(behind.client.post("/v1/qualify", json=new | asked))
        forms = filled_forms(behind, client, session)
        proxy.refusing = True
        proxy.cut()
        refused = [form.send(client) for form in forms]
        assert {one.status_code for one in refused} == {503}
        assert {int(one.headers["retry-after"]) > 0 for one in refused} == {True}
        kept = [assert_kept(one, form) for one, form in zip(refused, forms, strict=True)]
        assert "not available at the moment" in refused[0].text
        signing_in = client.post("/sign-in", data={"key": "pfk_another", "actor": NAME})
        assert (signing_in.status_code, "This key is not valid" in signing_in.text) == (503, False)
        proxy.refusing = False
        until(lambda: behind.client.get("/readyz").status_code == 200)
        for _ in range(2):
            led_to(client.post(forms[0].action, data=kept[0]))
        assert list(ratings(behind, session).values()) == [4]
        assert len(ok(behind.client.get(f"/v1{forms[0].action[:-8]}/history"))["revisions"]) == 2


def test_a_new_prospect_with_the_name_of_another_one_is_asked_about(
    service: Running, ana: httpx.Client
) -> None:
    sent = {"name": "Bäcker & Söhne", "deal": "Ovens", "question_set": "meddpicc"}
    first = led_to(submit(ana, "/prospects", "/prospects", **sent))
    existing = stored(service, {"session_id": first.rsplit("/", maxsplit=1)[1]})
    assert (existing["deal"], existing["question_set"]) == ("Ovens", "meddpicc@1")
    again = sent | {"name": "BÄCKER & söhne", "deal": "Mixers"}
    refused = submit(ana, "/prospects", "/prospects", **again)
    assert refused.status_code == 409
    assert "There is already a prospect with this name:" in refused.text
    assert f'<a href="/prospects/{existing["prospect_id"]}"><bdi>Bäcker &amp; Söhne</bdi></a>' in refused.text
    assert re.search(r'<input id="name" [^>]*value="BÄCKER &amp; söhne">', refused.text)
    assert re.search(r'<input id="deal" [^>]*value="Mixers">', refused.text)
    assert '<option value="meddpicc" selected>' in refused.text
    sent_again = fields_of(refused.text, "/prospects") | again
    assert ana.post("/prospects", data=sent_again).status_code == 409
    created = led_to(ana.post("/prospects", data=sent_again | {"anyway": "yes"}))
    # A double click creates one.
    assert led_to(ana.post("/prospects", data=sent_again | {"anyway": "yes"})) == created
    found = ok(service.client.get("/v1/prospects", params={"q": "backer sohne"}))["items"]
    assert len(found) == 2


@pytest.mark.one_database
@pytest.mark.parametrize("width", [360, 1280])
def test_a_prospect_that_exists_is_found_in_a_browser(service: Running, open_page: Open, width: int) -> None:
    name = f"Harbour Pilots {width}"
    existing = ok(service.client.post("/v1/prospects", json={"name": name}), 201)
    page = open_page("/prospects", viewport={"width": width, "height": 740})
    page.locator("#new > summary").click()
    page.get_by_label("Name", exact=True).fill(name.upper())
    page.get_by_label("Deal").fill("Second boat")
    page.get_by_role("button", name="Create it and start the interview").click()
    expect(page.get_by_role("alert")).to_contain_text("There is already a prospect with this name:")
    expect(page.get_by_label("Deal")).to_have_value("Second boat")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("alert").get_by_role("link", name=name).click()
    page.wait_for_url(f"**/prospects/{existing['id']}")
    page.goto("/prospects")
    page.locator("#new > summary").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Create another one with this name").click()
    page.wait_for_url("**/sessions/*#now")
