"""Unknown addresses, keys with few scopes, and merged prospects."""

import httpx
import pytest

from tests.api.calls import merge, ok
from tests.conftest import Running
from tests.pages.conftest import Browse, key_with, led_to
from tests.waiting import PATIENCE

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_unknown_address_is_a_page_for_browsers_and_a_problem_for_programs(
    service: Running, ana: httpx.Client
) -> None:
    for address in ("/reviews", "/prospects/", "/a/b/c", "/favicon.ico"):
        page = ana.get(address, headers=HTML)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "There is nothing at this address" in page.text
        assert 'href="/review"' in page.text
        assert 'href="/">Go to the home page' in page.text
        program = ana.get(address, headers={"Accept": "application/json"})
        assert program.headers["content-type"] == "application/problem+json"
    stranger = httpx.get(f"{service.url}/reviews", headers=HTML, timeout=PATIENCE)
    assert (stranger.status_code, 'href="/review"' in stranger.text) == (404, False)
    under_v1 = ana.get("/v1/nothing", headers=HTML)
    assert under_v1.headers["content-type"] == "application/problem+json"
    assert ana.post("/reviews", headers=HTML).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ("score", {"/question-sets"}),
        ("author", {"/question-sets"}),
        ("write", set()),
        ("read", {"/review", "/prospects", "/insights", "/question-sets"}),
    ],
)
def test_every_key_lands_on_a_page_with_the_menu_that_it_may_use(
    service: Running, browse: Browse, scope: str, seen: set[str]
) -> None:
    client = browse(key_with(service, scope)["key"])
    home = client.get("/")
    assert home.status_code == 200
    assert ("only these scopes: " in home.text) == (scope != "read")
    menu = home.text[home.text.index("<header") : home.text.index("</header>")]
    for path in ("/review", "/prospects", "/insights", "/question-sets"):
        assert (f'href="{path}"' in menu) == (path in seen)
        assert (client.get(path).status_code == 200) == (path in seen)


def test_what_the_cookie_opens_is_not_stored(service: Running, ana: httpx.Client) -> None:
    chosen = "question_set=qualifying-a-sale"
    for address in (
        *("/v1/sessions", "/v1/prospects/export?format=csv", "/v1/question-sets"),
        *(f"/v1/insights/calibration{end}?{chosen}" for end in ("", ".csv", ".svg")),
    ):
        stored = ana.get(address).headers["cache-control"]
        assert stored.startswith("private, no-"), address
    assert "cache-control" not in service.client.get("/v1/sessions").headers


def test_a_merged_prospect_leads_to_the_one_that_was_kept(service: Running, ana: httpx.Client) -> None:
    ids = [
        ok(service.client.post("/v1/prospects", json={"name": name}), 201)["id"] for name in ("A", "B", "C")
    ]
    ok(merge(service.client, ids[1], ids[0]))
    ok(merge(service.client, ids[2], ids[1]))
    for gone in ids[:2]:
        assert led_to(ana.get(f"/prospects/{gone}")) == f"/prospects/{ids[2]}"
    assert service.client.delete(f"/v1/prospects/{ids[2]}").status_code in (200, 204)
    for gone in ids:
        page = ana.get(f"/prospects/{gone}")
        assert (page.status_code, 'href="/prospects"' in page.text) == (404, True)
        # Of the prospects that were merged into an erased one, nothing is kept.
        said = "This prospect was erased on " if gone == ids[2] else "It may have been erased, or merged"
        assert said in page.text


def test_the_pages_about_prospects_and_home_show_what_their_json_returns(
    service: Running, ana: httpx.Client
) -> None:
    for number in range(3):
        sent = {"source": "twins", "external_id": str(number), "name": f"Twin {number}"}
        ok(service.client.post("/v1/qualify", json=sent | {"ratings": {"trigger": 3}}))
    found = ok(ana.get("/v1/prospects?q=twin"))["items"]
    page = ana.get("/prospects?q=twin").text
    assert [one["name"] for one in found] == sorted((one["name"] for one in found), key=page.index)
    assert '"/v1/prospects?q=twin"' in page
    home = ana.get("/").text
    newest = ok(ana.get("/v1/sessions?status=open&sort=updated_at&limit=8"))["items"]
    assert '"/v1/sessions?status=open&amp;sort=updated_at&amp;limit=8"' in home
    assert all(f'"/sessions/{one["session_id"]}#now"' in home for one in newest)
    assert home.count('<li><a href="/sessions/') == len(newest)
