"""What is strange and yet accepted: it comes back as it was sent, and breaks no list, score or history."""

import json
from itertools import count
from unicodedata import normalize
from urllib.parse import quote

import pytest

from app.schemas import INVISIBLE

numbers = count()

TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 👍🏽",
    "right to left": "שלום evil",
    "combining": "Z̷͙̗̣a̵l̴g̶o",
    "beyond the first plane": "\U0010ffff\U0001f4a9",
    "no characters": "\ufffe\uffff\ufdd0",
    "private ones": "\ue000",
    "a replacement": "\ufffd",
    "marks of direction": "\u200eAcme\u200f ש\u061c",
    "zero width": "a\u200b\ufeffb\u00ad\u2060c",
    "Persian": "می\u200cخواهم",
    "quotes": "'\"`´\\",
    "SQL": "'); DROP TABLE prospect; --",
    "a pattern": "100%_[a-z]*?",
    "a template": "{{7*7}} ${7*7} %s %(x)s {0}",
    "markup": "<script>alert(1)</script>&amp;",
    "a formula": "=HYPERLINK(1)",
    "an odd case": "İIıiſßẞΣς",
    "two spellings of é": "é e\u0301",
    "255 of four bytes": "\U0001f600" * 255,
    "null": "null",
    "a prototype": "__proto__",
}
# Free texts may contain these, but no name, id or actor.
CONTROLS = {
    "right to left": "שלום \u202eevil\u202c",
    "C1 controls": "a\x80\x9fb",
    "separators inside": "a\u2028\u2029b",
    "an escape": "\x1b[31m",
    "nothing visible": "\u200b\ufeff",
    "blank Braille": "\u2800 \u2800",
}
FIGURES = [0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, -1e308, 1e22, 2**53, -(2**53), 9007199254740991.0]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_strange_text_comes_back_as_it_was_sent_and_names_in_their_composed_form(client, text):
    link = {"source": "strange", "external_id": f"{next(numbers)} {text[:190].strip()}".replace("?", "")}
    if any(sign in link["external_id"] for sign in "/?#\\"):
        link["external_id"] = f"{next(numbers)}"
    said = {"question": "budget", "rating": 3, "text": text}
    sent = {**link, "name": text, "deal": text, "assessor": text, "actor": text}
    sent |= {"attributes": {"a": text}, "answers": [said]}
    sent["decision"] = {"decision": "pursue", "reason": text}
    told = client.post("/v1/qualify", json=sent)
    assert told.status_code == 200, told.text
    session = client.get(f"/v1/sessions/{told.json()['session_id']}").json()
    composed = normalize("NFC", text)
    assert session["deal"] == session["assessor"] == INVISIBLE.sub("", composed)
    assert session["answers"][0]["text"] == text
    assert (session["decision"]["reason"], session["decision"]["actor"]) == (text, composed)
    by_link = f"/v1/prospects/by-external-id/strange/{quote(link['external_id'], safe='')}"
    prospect = client.get(by_link).json()
    assert (prospect["name"], prospect["attributes"]) == (composed, {"a": text})
    assert (
        client.get(f"{by_link}/fit", params={"deal": text, "assessor": text}).json()["deal"]
        == session["deal"]
    )
    found = client.get("/v1/prospects", params={"q": text}).json()["items"]
    assert prospect in found
    listed = client.get("/v1/sessions", params={"deal": text, "assessor": text}).json()["items"]
    assert [line["session_id"] for line in listed] == [session["session_id"]]
    assert client.get(f"/v1/sessions/{session['session_id']}/history").status_code == 200


@pytest.mark.parametrize("text", CONTROLS.values(), ids=CONTROLS)
def test_a_free_text_may_contain_what_a_name_may_not(client, link, text):
    said = {"question": "budget", "rating": 3, "text": text}
    told = client.post("/v1/qualify", json={**link, "attributes": {"a": text}, "answers": [said]})
    assert told.status_code == 200, told.text
    session = client.get(f"/v1/sessions/{told.json()['session_id']}").json()
    assert session["answers"][0]["text"] == text
    prospect = client.get(f"/v1/prospects/{told.json()['prospect_id']}").json()
    assert prospect["attributes"] == {"a": text}


@pytest.mark.parametrize("invisible", ["\u200d", "\u200c", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u200e"])
def test_two_ids_that_differ_only_in_what_shows_nothing_are_one(client, link, invisible):
    """Wherever they arrive: in bodies, addresses, queries, forms, imports and intakes."""
    plain = link["external_id"]
    odd = f"{invisible}{plain[:2]}{invisible}{plain[2:]}{invisible}"
    sent = {"source": link["source"], "external_id": odd}
    first = client.post("/v1/qualify", json={**sent, "deal": f" {invisible} d{invisible}1"}).json()
    assert client.post("/v1/qualify", json={**link, "deal": "d1"}).json()["session_id"] == first["session_id"]
    prospect = client.get(f"/v1/prospects/{first['prospect_id']}").json()
    assert prospect["links"] == [link]
    by_link = f"/v1/prospects/by-external-id/{link['source']}/{quote(odd, safe='')}"
    assert client.get(by_link).json() == prospect
    fit = client.get(f"{by_link}/fit", params={"deal": f"d{invisible}1"}).json()
    assert fit["session_id"] == first["session_id"]
    (found,) = client.post("/v1/fits", json={"prospects": [sent]}).json()["items"]
    assert found["prospect_id"] == prospect["id"]
    listed = client.get("/v1/sessions", params={"deal": f"d1{invisible}", "prospect_id": prospect["id"]})
    assert [one["session_id"] for one in listed.json()["items"]] == [first["session_id"]]
    assert prospect in client.get("/v1/prospects", params={"q": odd}).json()["items"]
    form = client.post("/v1/qualify/qualifying-a-sale", json={**sent, "deal": f"{invisible}d1"}).json()
    assert form["session_id"] == first["session_id"]
    for media_type, text in (
        ("application/x-ndjson", json.dumps(sent)),
        ("text/csv", f"source,external_id\n{link['source']},{odd}\n"),
    ):
        headers = {"Content-Type": media_type}
        told = client.post("/v1/prospects/import", content=text.encode(), headers=headers).text
        assert json.loads(told.splitlines()[-1])["unchanged"] == 1, told
    mapping = {"source": link["source"], "external_id": "/id", "deal": "/deal"}
    dry = {"mapping": mapping, "payload": {"id": odd, "deal": f"d{invisible}1"}}
    (item,) = client.post("/v1/intake-dry-run", json=dry).json()["items"]
    assert item["answer"]["session_id"] == first["session_id"]


def test_strange_figures_come_back_as_they_were_sent(client, link):
    attributes = {f"a{n}": figure for n, figure in enumerate(FIGURES)} | {"t": True, "f": False, "none": None}
    told = client.post("/v1/qualify", json={**link, "attributes": attributes})
    assert told.status_code == 200
    kept = client.get(f"/v1/prospects/{told.json()['prospect_id']}").json()["attributes"]
    assert kept == {name: value for name, value in attributes.items() if value is not None}
    assert [type(kept[f"a{n}"]) for n in (0, 2, 7)] == [int, float, int]


@pytest.mark.parametrize("amount", [0, -0.0, 0.1, 1e308, 5e-324, 2**62])
def test_a_strange_amount_comes_back_as_it_was_sent(client, link, amount):
    outcome = {"outcome": "won", "amount": amount, "closed_on": "0001-01-01"}
    told = client.post("/v1/qualify", json={**link, "outcome": outcome}).json()
    session = client.get(f"/v1/sessions/{told['session_id']}").json()
    assert (session["outcome"]["amount"], session["outcome"]["closed_on"]) == (amount, "0001-01-01")


def test_the_most_that_one_request_may_hold(client, link):
    """200 attributes of 1000 characters, 50 links, every question answered at length."""
    long = "\U0001f600" * 1000
    answers = [
        {"question": question["key"], "rating": 5, "text": "\U0001f600" * 4000}
        for step in client.get("/v1/question-sets/qualifying-a-sale").json()["definition"]["steps"]
        for question in step["questions"]
    ]
    attributes = {f"a{n}": long for n in range(200)}
    # Escaped it would be beyond the megabyte that a body may have.
    told = client.post("/v1/qualify", json={**link, "attributes": attributes})
    assert told.status_code == 200
    session = f"/v1/sessions/{told.json()['session_id']}"
    answered = client.patch(f"{session}/answers", json={"answers": answers[:20]})
    assert answered.status_code == 200
    address = f"/v1/prospects/{told.json()['prospect_id']}"
    for n in range(49):
        linked = {
            "source": "s" * 64,
            "external_id": f"{link['external_id']} {n} ".ljust(199, "\U0001f600") + "x",
        }
        assert client.post(f"{address}/links", json=linked).status_code == 200
    one_more = {"source": "one-more", "external_id": link["external_id"]}
    assert client.post(f"{address}/links", json=one_more).status_code == 422
    assert len(client.get(address).json()["links"]) == 50
    assert client.get(f"{session}/history").status_code == 200
    assert client.get("/v1/prospects").status_code == 200
    assert client.get("/v1/sessions", params={"sort": "ranked"}).status_code == 200


def test_an_attribute_that_a_set_cannot_read_is_listed_there_and_can_be_mended(client, link, ruled):
    """A CRM may send anything for a set that does not look at it."""
    told = client.post("/v1/qualify", json={**link, "attributes": {"employees": "many"}})
    assert told.status_code == 200
    unread = client.post("/v1/qualify", json={**link, "question_set": ruled}).raise_for_status().json()
    assert [one["attribute"] for one in unread["score"]["unread_attributes"]] == ["employees"]
    mended = {"question_set": ruled, "attributes": {"employees": 5}}
    read = client.post("/v1/qualify", json={**link, **mended}).raise_for_status().json()
    assert read["score"]["unread_attributes"] == []


def test_a_byte_order_mark_before_json_is_ignored(client, link):
    body = b"\xef\xbb\xbf" + json.dumps(link).encode()
    told = client.post("/v1/qualify", content=body, headers={"Content-Type": "application/json"})
    assert told.status_code == 200
    assert client.get(f"/v1/prospects/{told.json()['prospect_id']}").json()["links"] == [link]
    lines = b"\xef\xbb\xbf" + b'{"ratings": {"budget": 4}}\n' * 2
    headers = {"Content-Type": "application/x-ndjson"}
    answers = client.post("/v1/score/batch?question_set=bant", content=lines, headers=headers).text
    assert [json.loads(answer)["score"]["rated"] for answer in answers.splitlines()] == [1, 1]
