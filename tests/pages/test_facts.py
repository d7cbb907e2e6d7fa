"""The facts about a prospect on its interview and its scorecard: nothing is lost or overwritten."""

import re
from html import unescape

import httpx
import pytest
from playwright.sync_api import expect

from app.clock import utc_now
from app.pages.formats import day
from tests.api.calls import merge, ok
from tests.conftest import ADMIN_KEY, Running
from tests.pages.conftest import (
    NAME,
    Browse,
    Open,
    answer,
    fields_of,
    key_with,
    led_to,
    ratings,
    stored,
    submit,
)
from tests.waiting import PATIENCE

SET = "pages-facts"
# Of the eight scored questions, three apply only to some prospects.
VARIANT = {
    "extends": "qualifying-a-sale-short@1",
    "title": "With facts",
    "attributes": {"industry": "text", "employees": "number", "existing_account": "boolean"},
    "change": {
        "budget": {"ask_when": {"employees": {"at_least": 50}}},
        "trigger": {"ask_when": {"existing_account": {"equals": False}}},
        "timeline": {"ask_when": {"industry": {"in": ["logistics", "retail"]}}},
    },
}


def publish(service: Running, key: str, draft: dict) -> None:
    """Publish a question set, unless another test has done it."""
    address = f"/v1/question-sets/{key}"
    if service.client.get(f"{address}/versions/1").status_code == 404:
        saved = ok(service.client.put(f"{address}/draft", json=draft))
        headers = {"If-Match": f'"{saved["revision"]}"'}
        ok(service.client.post(f"{address}/draft/publish", headers=headers), 201)


@pytest.fixture
def facts(service: Running, link: dict[str, str]) -> dict:
    """A new session on a set that uses three attributes, of a prospect whose CRM has sent one of them."""
    publish(service, SET, VARIANT)
    new = {**link, "name": "Acme", "question_set": SET, "attributes": {"employees": 10}}
    return ok(service.client.post("/v1/qualify", json=new))


def places(session: dict) -> dict[str, tuple[str, str]]:
    """The address of each page with the form, and that of the form."""
    interview, scorecard = f"/sessions/{session['session_id']}", f"/prospects/{session['prospect_id']}"
    return {
        "interview": (interview, f"{interview}/attributes"),
        "scorecard": (scorecard, f"{scorecard}/attributes"),
    }


@pytest.mark.parametrize("assessors", [("Ana",), ("Ana", "Bo")])
def test_a_scorecard_says_what_the_ratings_of_rules_mean(
    service: Running, ana: httpx.Client, link: dict[str, str], assessors: tuple[str, ...]
) -> None:
    """A revenue of 30 million is rated 4, for which the set has no anchor; it has those of 3 and 5."""
    known = {"employees": 1200, "annual_revenue": 30_000_000, "region": "europe"}
    new = {**link, "question_set": "firmographic-fit", "attributes": known}
    for assessor in assessors:
        session = ok(service.client.post("/v1/qualify", json={**new, "assessor": assessor}))
    page = unescape(ana.get(f"/prospects/{session['prospect_id']}").text)
    assert "By rule, from the facts about this prospect: 3." in page
    assert "between “Its revenue is 5 to 20 million a year, so our price has to be planned for” and “" in page
    assert "We have our own people there." in page
    assert "7.5 means 7.5 percent" in page
    assert page.count('id="fact-region"') == 1


def attributes(service: Running, session: dict) -> dict:
    return ok(service.client.get(f"/v1/prospects/{session['prospect_id']}"))["attributes"]


def revision(service: Running, session: dict) -> int:
    return ok(service.client.get(f"/v1/prospects/{session['prospect_id']}"))["revision"]


def value_of(html: str, name: str) -> str:
    """What the field of a fact contains, or which of its choices is checked."""
    field = re.search(rf'<input [^>]*name="fact\.{name}"[^>]* value="([^"]*)">', html)
    chosen = re.search(rf'name="fact\.{name}" value="([^"]*)" checked', html)
    found = chosen or field
    assert found, name
    return unescape(found[1])


def origins_in(html: str) -> list[str]:
    """Who set the facts on a page, and when, in the order of the question set."""
    return re.findall(r"<bdi>((?:From|Entered by) [^<]*)</bdi>", unescape(html))


@pytest.mark.parametrize("page", ["interview", "scorecard"])
def test_facts_are_saved_with_their_types_and_the_session_is_scored_again(
    service: Running, ana: httpx.Client, facts: dict, page: str
) -> None:
    shown, action = places(facts)[page]
    html = ana.get(shown).text
    assert [value_of(html, name) for name in ("industry", "employees", "existing_account")] == ["", "10", ""]
    assert "From test, " in html
    assert re.findall(r'<option value="(logistics|retail)">', html) == ["logistics", "retail"]
    entered = {
        "fact.industry": " Logistics ",
        "fact.employees": "1,200,000",
        "fact.existing_account": "false",
    }
    leads_to = led_to(submit(ana, shown, action, **entered))
    assert leads_to == (shown if page == "interview" else f"{shown}?session={facts['session_id']}")
    known = {"industry": "Logistics", "employees": 1_200_000, "existing_account": False}
    assert attributes(service, facts) == known
    session = stored(service, facts)
    assert (session["attributes"], session["score"]["missing_attributes"]) == (known, [])
    assert facts["score"]["missing_attributes"] != []
    # The three questions that depend on the facts apply now.
    assert (facts["score"]["open"], session["score"]["open"]) == (5, 8)
    html = ana.get(shown).text
    assert value_of(html, "employees") == "1200000"
    assert "From test, " not in html
    assert origins_in(html) == [f"Entered by {NAME} on {day(utc_now())}"] * 3


@pytest.mark.parametrize("page", ["interview", "scorecard"])
def test_a_field_that_is_cleared_clears_the_fact(
    service: Running, ana: httpx.Client, facts: dict, page: str
) -> None:
    shown, action = places(facts)[page]
    led_to(submit(ana, shown, action, **{"fact.employees": "10", "fact.existing_account": "true"}))
    assert attributes(service, facts) == {"employees": 10, "existing_account": True}
    # A browser sends the empty field, and the choice "I don't know" as an empty one.
    led_to(submit(ana, shown, action, **{"fact.employees": "", "fact.existing_account": ""}))
    assert attributes(service, facts) == {}


@pytest.mark.parametrize(
    ("entered", "number"),
    [
        ("1200", 1200),
        ("12,5", 12.5),
        ("12.5", 12.5),
        ("1.200.000,50", 1_200_000.5),
        ("€ 5k", 5000),
        ("0.125", 0.125),
        ("1.2340", 1.234),
        ("-3", -3),
    ],
)
def test_numbers_are_read_as_people_write_them(
    service: Running, ana: httpx.Client, facts: dict, entered: str, number: float
) -> None:
    led_to(submit(ana, *places(facts)["interview"], **{"fact.employees": entered}))
    assert attributes(service, facts) == {"employees": number}


PERCENTAGES = {"5%": 5, "12,5 %": 12.5, "-3%": -3, "0.5 %": 0.5}


@pytest.mark.parametrize(("written", "number"), PERCENTAGES.items())
def test_a_percentage_is_the_same_number_on_every_way_in(
    service: Running, ana: httpx.Client, facts: dict, link: dict[str, str], written: str, number: float
) -> None:
    """As a fact, in a file, and in the simulator of a draft: 5 % is 5."""
    led_to(submit(ana, *places(facts)["interview"], **{"fact.employees": written}))
    assert attributes(service, facts) == {"employees": number}
    file = f'id,employees\n{link["external_id"]},"{written}"\n'
    query = {"source": link["source"], "decimal": "," if "," in written else "."}
    ok(service.client.patch(f"/v1/prospects/{facts['prospect_id']}", json={"attributes": {"employees": 1}}))
    imported = service.client.post(
        "/v1/prospects/import",
        params=query,
        content=file.encode(),
        headers={"Content-Type": "text/csv"},
    )
    assert imported.status_code == 200
    assert attributes(service, facts) == {"employees": number}
    draft = f"/question-sets/{SET}/draft"
    tried = fields_of(ana.get(draft).text, draft)
    tried["text"] = textarea_of(ana.get(draft).text).replace("at_least: 50", f"at_least: {number}")
    checked = ana.post(f"{draft}/check", data=tried | {"attribute.employees": written})
    assert (checked.status_code, "Employees: " in checked.text) == (200, False)
    asked = re.search(r"Not asked with these attributes:</?\w*> ?<bdi>([^<]*)", checked.text)
    assert "budget" not in (asked[1] if asked else "")


def textarea_of(html: str) -> str:
    found = re.search(r'<textarea id="text"[^>]*>(.*?)</textarea>', html, re.DOTALL)
    assert found
    return unescape(found[1])


@pytest.mark.parametrize("page", ["interview", "scorecard"])
@pytest.mark.parametrize(
    ("entered", "remedy"),
    [
        ("many", "Enter a number, such as 1200 or 12.5."),
        ("1.200", "This could mean 1.2 or 1200. Enter the one you mean."),
        ("1,234", "This could mean 1.2340 or 1234. Enter the one you mean."),
        ("9007199254740993", "Enter a number"),
        ('"><b>', "Enter a number"),
    ],
)
def test_a_refused_fact_is_named_and_everything_entered_is_kept(
    service: Running, ana: httpx.Client, facts: dict, page: str, entered: str, remedy: str
) -> None:
    shown, action = places(facts)[page]
    sent = {"fact.employees": entered, "fact.industry": "retail", "fact.existing_account": "true"}
    refused = submit(ana, shown, action, **sent)
    assert refused.status_code == 422
    assert f"Employees: {remedy}" in refused.text
    assert {f"fact.{name}": value_of(refused.text, name) for name in VARIANT["attributes"]} == sent
    assert attributes(service, facts) == {"employees": 10}
    again = fields_of(refused.text, action)
    led_to(ana.post(action, data=again | sent | {"fact.employees": "70"}))
    assert attributes(service, facts) == {"employees": 70, "industry": "retail", "existing_account": True}


def test_a_fact_shows_who_entered_it_or_which_system_sent_it_last(
    service: Running, ana: httpx.Client, facts: dict, link: dict[str, str]
) -> None:
    """Ana uses the page, Bo a key of his own, and a program a key that belongs to nobody."""
    shown, action = places(facts)["scorecard"]
    address, today = f"/v1/prospects/{facts['prospect_id']}", day(utc_now())

    def change(key: dict, **values: object) -> None:
        sent = httpx.patch(
            f"{service.url}{address}",
            json={"attributes": values},
            headers={"X-API-Key": key["key"]},
            timeout=PATIENCE,
            verify=False,
        )
        ok(sent)

    bo, program = key_with(service, "write", person="Bo"), key_with(service, "write")
    by_ana, by_bo, by_program = (f"Entered by {one} on {today}" for one in (NAME, "Bo", program["name"]))
    from_link = f"From {link['source']}, {today}"
    assert origins_in(ana.get(shown).text) == [from_link]
    led_to(submit(ana, shown, action, **{"fact.industry": "retail", "fact.employees": "20"}))
    change(bo, existing_account=True)
    assert origins_in(ana.get(shown).text) == [by_ana, by_ana, by_bo]
    # The same value again changes nothing, and a cleared fact has no origin.
    change(program, industry="retail", employees=30, existing_account=None)
    assert origins_in(ana.get(shown).text) == [by_ana, by_program]
    ok(service.client.post("/v1/qualify", json={**link, "attributes": {"employees": 31}}))
    assert origins_in(ana.get(shown).text) == [by_ana, from_link]


def test_merged_facts_keep_who_entered_them(
    service: Running, ana: httpx.Client, facts: dict, link: dict[str, str]
) -> None:
    """The prospect that is kept takes the facts that it lacks. Its own employees come from its link."""
    other = {"name": "Acme", "attributes": {"industry": "retail", "employees": 11}}
    bo = key_with(service, "write", person="Bo")
    created = httpx.post(
        f"{service.url}/v1/prospects",
        json=other,
        headers={"X-API-Key": bo["key"]},
        timeout=PATIENCE,
        verify=False,
    )
    ok(merge(service.client, facts["prospect_id"], ok(created, 201)["id"]))
    today = day(utc_now())
    html = ana.get(places(facts)["interview"][0]).text
    assert origins_in(html) == [f"Entered by Bo on {today}", f"From {link['source']}, {today}"]


def test_a_choice_that_no_page_offers_and_a_fact_that_the_set_does_not_use_are_refused(
    service: Running, ana: httpx.Client, facts: dict
) -> None:
    shown, action = places(facts)["interview"]
    for name, value in (("existing_account", "maybe"), ("budget", "5"), ("industry", "w" * 1001)):
        refused = submit(ana, shown, action, **{f"fact.{name}": value})
        assert refused.status_code == 422, name
    assert attributes(service, facts) == {"employees": 10}


def test_a_double_click_saves_once(service: Running, ana: httpx.Client, facts: dict) -> None:
    shown, action = places(facts)["interview"]
    sent = fields_of(ana.get(shown).text, action) | {"fact.employees": "60"}
    before = revision(service, facts)
    assert led_to(ana.post(action, data=sent)) == led_to(ana.post(action, data=sent))
    assert revision(service, facts) == before + 1
    # Facts that nobody has edited change nothing.
    led_to(submit(ana, shown, action, **{"fact.employees": "60"}))
    assert revision(service, facts) == before + 1


@pytest.mark.parametrize("page", ["interview", "scorecard"])
def test_only_edited_facts_are_saved_and_none_overwrites_a_newer_one_unseen(
    service: Running, ana: httpx.Client, facts: dict, page: str
) -> None:
    shown, action = places(facts)[page]
    old = fields_of(ana.get(shown).text, action)
    address = f"/v1/prospects/{facts['prospect_id']}"
    ok(service.client.patch(address, json={"attributes": {"employees": 500}}))
    unedited = old | {"fact.employees": "10", "fact.industry": "retail"}
    led_to(ana.post(action, data=unedited))
    assert attributes(service, facts) == {"employees": 500, "industry": "retail"}
    edited = old | {"fact.employees": "20", "fact.industry": "", "request_key": "edited"}
    refused = ana.post(action, data=edited)
    assert (refused.status_code, value_of(refused.text, "employees")) == (412, "20")
    assert "Somebody else has changed this to “500”." in refused.text
    assert attributes(service, facts) == {"employees": 500, "industry": "retail"}
    again = fields_of(refused.text, action) | {"fact.employees": "20", "fact.industry": "retail"}
    led_to(ana.post(action, data=again))
    assert attributes(service, facts) == {"employees": 20, "industry": "retail"}


@pytest.mark.usefixtures("facts")
def test_a_stored_value_that_the_set_cannot_read_stays_until_it_is_edited(
    service: Running, ana: httpx.Client, link: dict[str, str]
) -> None:
    sent = {"employees": "about 30", "existing_account": "true", "industry": "retail\nand more"}
    other = {"source": link["source"], "external_id": f"{link['external_id']}-unread"}
    address = f"/v1/prospects/by-external-id/{other['source']}/{other['external_id']}"
    ok(service.client.put(address, json={"name": "Unread", "attributes": sent}), 201)
    session = ok(service.client.post("/v1/qualify", json={**other, "question_set": SET}))
    shown, action = places(session)["interview"]
    html = ana.get(shown).text
    assert value_of(html, "employees") == "about 30"
    assert value_of(html, "existing_account") == "“true”"
    assert "This is not a number, so it does not count." in html
    assert "1 of 3 known" in html
    as_shown = {f"fact.{name}": value_of(html, name) for name in VARIANT["attributes"]}
    led_to(submit(ana, shown, action, **as_shown))
    assert attributes(service, session) == sent
    led_to(submit(ana, shown, action, **as_shown | {"fact.existing_account": "true"}))
    assert attributes(service, session) == sent | {"existing_account": True}


@pytest.mark.usefixtures("facts")
def test_facts_are_entered_before_the_first_interview(service: Running, ana: httpx.Client) -> None:
    """The facts decide which question set is chosen, so the form has those of every set about prospects."""
    meant = {"attributes": {"pages_segment": "text"}, "for": {"pages_segment": {"equals": "public"}}}
    publish(service, "pages-meant", {"extends": "qualifying-a-sale-short@1", "title": "Meant", **meant})
    new = {"name": "Nobody's", "attributes": {"employees": "about 30"}}
    address = f"/prospects/{ok(service.client.post('/v1/prospects', json=new), 201)['id']}"
    action, about_it = f"{address}/attributes", {"prospect_id": address.rsplit("/", maxsplit=1)[1]}
    html = ana.get(address).text
    assert "Nobody has qualified this prospect yet." in html
    assert "This is not a number, so it does not count." in html
    assert "7.5 means 7.5 percent" in html
    # Of the built-in sets, and of the set of these tests.
    names = {"industry", "employees", "growth", "region", "annual_revenue_with_us", "existing_account"}
    assert names <= set(re.findall(r'name="fact\.(\w+)"', html))
    assert re.findall(r'<datalist id="fact-pages_segment-values">(.*?)</datalist>', html) == [
        '<option value="public">'
    ]
    sent = {"fact.employees": "many", "fact.industry": "retail", "fact.existing_account": "false"}
    refused = submit(ana, address, action, **sent)
    assert (refused.status_code, "Employees: Enter a number" in refused.text) == (422, True)
    assert [value_of(refused.text, name) for name in ("employees", "industry")] == ["many", "retail"]
    again = fields_of(refused.text, action) | sent | {"fact.employees": "60"}
    assert led_to(ana.post(action, data=again)) == address
    known = {"employees": 60, "industry": "retail", "existing_account": False}
    assert attributes(service, about_it) == known
    assert f"Entered by {NAME} on {day(utc_now())}" in ana.get(address).text
    opened = led_to(submit(ana, address, f"{address}/sessions", question_set=SET))
    session = stored(service, {"session_id": opened.rsplit("/", maxsplit=1)[1]})
    assert (session["attributes"], session["score"]["missing_attributes"]) == (known, [])
    # The form of a page that was opened before the interview still works.
    old = fields_of(html, action) | {"fact.region": "europe", "fact.employees": "about 30"}
    led_to(ana.post(action, data=old))
    assert attributes(service, about_it) == known | {"region": "europe"}


def test_facts_that_are_sent_after_the_sign_in_has_ended_are_kept(
    service: Running, ana: httpx.Client, facts: dict
) -> None:
    shown, action = places(facts)["scorecard"]
    sent = fields_of(ana.get(shown).text, action) | {"fact.employees": "", "fact.industry": "retail & <b>"}
    ana.cookies.clear()
    refused = ana.post(action, data=sent)
    assert refused.status_code == 401
    signing_in = fields_of(refused.text, "/sign-in") | {"key": ADMIN_KEY, "actor": NAME}
    kept = ana.post("/sign-in", data=signing_in)
    entered = re.findall(r'<p class="hint">([^<]*)</p>\s*<blockquote>(.*?)</blockquote>', kept.text)
    assert entered == [("Industry", "<bdi>retail &amp; &lt;b&gt;</bdi>"), ("Employees", "Not known")]
    led_to(ana.post(action, data=fields_of(kept.text, action)))
    assert attributes(service, facts) == {"industry": "retail & <b>"}


def test_the_scorecard_of_two_assessors_has_one_form(
    service: Running, ana: httpx.Client, facts: dict, link: dict[str, str]
) -> None:
    ok(service.client.post("/v1/qualify", json={**link, "question_set": SET, "assessor": "Bo"}))
    shown, action = places(facts)["scorecard"]
    html = ana.get(shown).text
    assert "The result of each assessor" in html
    assert html.count(f'action="{action}"') == 1


def test_a_key_that_cannot_write_sees_the_facts_only(
    service: Running, browse: Browse, ana: httpx.Client, facts: dict
) -> None:
    reader = browse(key_with(service, "read")["key"])
    for shown, action in places(facts).values():
        html = reader.get(shown).text
        assert re.search(r"<dt><strong>Employees</strong></dt>\s*<dd><bdi>10</bdi>", html)
        assert re.search(r"<dt><strong>Industry</strong></dt>\s*<dd>Not known", html)
        assert (action in html, "fact.employees" in html) == (False, False)
        sent = fields_of(ana.get(shown).text, action) | {"fact.employees": "60"}
        assert reader.post(action, data=sent).status_code == 403
        assert ana.post(action, data=sent | {"token": "x" * 43}).status_code == 403
        foreign = {"Origin": "https://elsewhere.example"}
        assert ana.post(action, data=sent, headers=foreign).status_code == 403
    assert attributes(service, facts) == {"employees": 10}


def test_facts_of_a_closed_session_are_those_of_the_prospect(
    service: Running, ana: httpx.Client, facts: dict
) -> None:
    ok(service.client.post(f"/v1/sessions/{facts['session_id']}/outcome", json={"outcome": "won"}))
    closed = stored(service, facts)
    shown, action = places(facts)["scorecard"]
    assert "This session is closed, so changes here do not affect its result." in ana.get(shown).text
    led_to(submit(ana, shown, action, **{"fact.employees": "60"}))
    assert attributes(service, facts) == {"employees": 60}
    assert stored(service, facts) == closed


@pytest.mark.one_database
def test_facts_that_are_not_saved_yet_stay_while_a_question_is_answered(
    service: Running, open_page: Open, facts: dict
) -> None:
    page = open_page(f"/sessions/{facts['session_id']}")
    page.get_by_text("Facts about this prospect").click()
    page.get_by_label("Industry").fill("retail")
    page.locator("details.q > summary").first.click()
    answer(page, 4)
    expect(page.get_by_label("Industry")).to_be_hidden()
    page.get_by_text("Facts about this prospect").click()
    expect(page.get_by_label("Industry")).to_have_value("retail")
    page.get_by_role("button", name="Save the facts").click()
    page.get_by_text("2 of 3 known").wait_for()
    assert attributes(service, facts) == {"employees": 10, "industry": "retail"}
    assert list(ratings(service, facts).values()) == [4]


@pytest.mark.one_database
@pytest.mark.parametrize("script", [True, False])
def test_facts_are_entered_on_a_phone_during_the_interview(
    service: Running, open_page: Open, facts: dict, script: bool
) -> None:
    phone = {"width": 360, "height": 640}
    page = open_page(f"/sessions/{facts['session_id']}", viewport=phone, java_script_enabled=script)
    expect(page.locator("details.q")).to_have_count(5)
    page.get_by_text("Facts about this prospect").click()
    page.get_by_label("Industry").fill("retail")
    page.get_by_label("Employees").fill("many")
    page.get_by_role("group", name="Existing account").get_by_label("No", exact=True).check()
    page.get_by_role("button", name="Save the facts").click()
    expect(page.get_by_text("Employees: Enter a number, such as 1200 or 12.5.")).to_be_visible()
    expect(page.get_by_label("Industry")).to_have_value("retail")
    page.get_by_label("Employees").fill("60")
    page.get_by_label("Employees").press("Enter")
    expect(page.locator("details.q")).to_have_count(8, timeout=PATIENCE * 1000)
    expect(page.get_by_text("3 of 3 known")).to_be_visible()
    known = {"industry": "retail", "employees": 60, "existing_account": False}
    assert attributes(service, facts) == known


@pytest.mark.one_database
@pytest.mark.parametrize("width", [360, 1280])
def test_facts_are_entered_in_a_browser_before_the_first_interview(
    service: Running, open_page: Open, width: int
) -> None:
    prospect = ok(service.client.post("/v1/prospects", json={"name": "Acme"}), 201)
    page = open_page(f"/prospects/{prospect['id']}", viewport={"width": width, "height": 740})
    page.get_by_text("Facts about this prospect").click()
    page.get_by_label("Industry").fill("logistics")
    page.get_by_label("Employees").fill("1.200")
    page.get_by_role("button", name="Save the facts").click()
    expect(page.get_by_text("Employees: This could mean 1.2 or 1200.")).to_be_visible()
    expect(page.get_by_label("Industry")).to_have_value("logistics")
    page.get_by_label("Employees").fill("1200")
    page.get_by_role("button", name="Save the facts").click()
    expect(page.get_by_text(re.compile("^2 of [0-9]+ known$"))).to_be_visible()
    known = {"employees": 1200, "industry": "logistics"}
    assert attributes(service, {"prospect_id": prospect["id"]}) == known
