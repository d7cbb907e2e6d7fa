"""Browsers sign in with a key, and the cookie ends with it."""

from datetime import timedelta

import httpx
import pytest

from app.clock import utc_now
from app.db import open_database
from app.keys.service import create_sign_in_link
from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, Running
from tests.pages.conftest import NAME, Browse, key_with, led_to, submit
from tests.waiting import PATIENCE, until


@pytest.fixture
def new(service: Running):
    """A browser that is not signed in."""
    with httpx.Client(
        base_url=service.url, timeout=PATIENCE, headers={"Origin": service.url}, verify=False
    ) as client:
        yield client


def link_of(service: Running, made: timedelta = timedelta()) -> str:
    database = open_database(service.settings, lambda: utc_now() - made)
    secret = database.write_sync(create_sign_in_link)
    database.close()
    assert secret
    return secret


def test_pages_lead_to_the_sign_in_and_back(new: httpx.Client) -> None:
    assert led_to(new.get("/")) == "/sign-in"
    asked = led_to(new.get("/review", params={"status": "open"}))
    assert asked == "/sign-in?next=%2Freview%3Fstatus%3Dopen"
    sent = {"key": ADMIN_KEY, "actor": NAME}
    assert led_to(submit(new, asked, "/sign-in", **sent)) == "/review?status=open"
    page = new.get("/review?status=open")
    assert page.status_code == 200
    assert NAME in page.text


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil"])
def test_the_sign_in_leads_to_no_other_site(new: httpx.Client, elsewhere: str) -> None:
    sent = {"key": ADMIN_KEY, "actor": NAME, "next": elsewhere}
    assert led_to(new.post("/sign-in", data=sent)) == "/"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(new: httpx.Client) -> None:
    response = new.post("/sign-in", data={"key": ADMIN_KEY, "actor": NAME})
    cookie = response.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert ADMIN_KEY not in cookie


def test_a_wrong_key_and_a_missing_name_are_said(new: httpx.Client, service: Running) -> None:
    wrong = new.post("/sign-in", data={"key": "pfk_wrong", "actor": NAME})
    assert (wrong.status_code, "This key is not valid" in wrong.text) == (401, True)
    nameless = new.post("/sign-in", data={"key": ADMIN_KEY})
    assert (nameless.status_code, "Enter your name" in nameless.text) == (422, True)
    personal = key_with(service, "read", person="ana@example.com")["key"]
    assert led_to(new.post("/sign-in", data={"key": personal})) == "/"
    assert "ana@example.com" in new.get("/review").text


def test_the_cookie_reads_the_api_and_writes_nothing(ana: httpx.Client) -> None:
    assert ok(ana.get("/v1/sessions"))["items"] is not None
    assert ana.post("/v1/prospects", json={}).status_code == 401
    assert ana.get("/v1/sessions", headers={"X-API-Key": "wrong"}).status_code == 401


def test_the_cookie_has_the_scopes_of_the_key(service: Running, browse: Browse) -> None:
    reader = browse(key_with(service, "read")["key"])
    assert reader.get("/v1/keys").status_code == 403
    prospects = reader.get("/prospects")
    assert "Create and start" not in prospects.text
    token = {"token": prospects.text.split('name="token" value="')[1].split('"')[0]}
    refused = reader.post("/prospects", data=token | {"name": "Acme"})
    assert (refused.status_code, "scope write" in refused.text) == (403, True)
    assert browse(key_with(service, "score")["key"]).get("/review").status_code == 403


def test_the_cookie_ends_with_the_key(service: Running, browse: Browse) -> None:
    key = key_with(service, "read")
    client = browse(key["key"])
    assert client.get("/review").status_code == 200
    ok(service.client.delete(f"/v1/keys/{key['id']}"))
    until(lambda: client.get("/review").status_code == 303)
    assert client.get("/v1/sessions").status_code == 401


@pytest.mark.parametrize("forged", ["x", "gAAAAABn", "{}", "é", "A" * 4000])
def test_a_forged_cookie_signs_nobody_in(service: Running, forged: str) -> None:
    headers = {"Cookie": f"prospect-fit={forged}".encode()}
    with httpx.Client(base_url=service.url, timeout=PATIENCE, headers=headers, verify=False) as client:
        assert led_to(client.get("/review")).startswith("/sign-in")
        assert client.get("/v1/sessions").status_code == 401


def test_a_changed_cookie_signs_nobody_in(ana: httpx.Client) -> None:
    name, value = next(iter(ana.cookies.items()))
    for place in (10, 40, len(value) - 2):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        ana.cookies.set(name, changed)
        assert ana.get("/v1/sessions", headers={"Cookie": f"{name}={changed}"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(
    service: Running, ana: httpx.Client, headers: dict[str, str]
) -> None:
    page = ana.get("/prospects").text
    token = page.split('name="token" value="')[1].split('"')[0]
    for address in ("/prospects", "/sign-in", "/sign-out"):
        refused = ana.post(address, data={"token": token, "name": "Acme"}, headers=headers)
        assert refused.status_code == 403
        assert "<h1>The form comes from another site or from an old page.</h1>" in refused.text
        assert f"only from its own pages at {service.url}. Open the page there" in refused.text


def test_a_form_without_the_token_is_refused(ana: httpx.Client) -> None:
    for token in ({}, {"token": "wrong"}):
        refused = ana.post("/prospects", data=token | {"name": "Acme"})
        assert refused.status_code == 403
        assert "<h1>The form comes from another site or from an old page.</h1>" in refused.text
        assert "You have signed in again since you opened the page" in refused.text


def test_whoever_signs_out_has_to_sign_in_again(ana: httpx.Client) -> None:
    assert led_to(submit(ana, "/review", "/sign-out")) == "/sign-in"
    assert led_to(ana.get("/review")).startswith("/sign-in")


def test_a_link_signs_in_once(service: Running, new: httpx.Client) -> None:
    address = f"/sign-in?link={link_of(service)}"
    assert "This link works once" in new.get(address).text
    assert submit(new, address, "/sign-in").status_code == 422
    assert led_to(submit(new, address, "/sign-in", actor=NAME)) == "/"
    assert new.get("/").status_code == 200
    again = submit(new, address, "/sign-in", actor=NAME)
    assert (again.status_code, "already been used" in again.text) == (403, True)


def test_a_link_works_for_five_minutes(service: Running, new: httpx.Client) -> None:
    old = f"/sign-in?link={link_of(service, timedelta(minutes=5, seconds=1))}"
    assert submit(new, old, "/sign-in", actor=NAME).status_code == 403
    young = f"/sign-in?link={link_of(service, timedelta(minutes=4))}"
    assert led_to(submit(new, young, "/sign-in", actor=NAME)) == "/"
