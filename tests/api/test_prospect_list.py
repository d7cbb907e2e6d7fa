"""GET /v1/prospects: search, filters, and pages that lose nothing."""

import base64
import json
from itertools import count

import pytest
from sqlmodel import select

from app import narrowing
from app.prospects.tables import ProspectTerm
from tests.api.calls import change, every_page, merge, new_prospect, ok, pointers, qualify, refusal

numbers = count()


def found(client, **query):
    return [item["name"] for item in ok(client.get("/v1/prospects", params=query))["items"]]


def cursor(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.fixture
def word():
    """A word that is in no other prospect's name."""
    return f"Word{next(numbers)}x"


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("Harbour Works", "har wor"),
        ("Harbour Works", "WOR har"),
        ("Straße 1", "STRASSE"),
        ("STRASSE 2", "straße"),
        ("ÉCLAIR Ltd", "éclair"),
        ("Éclair Ltd", "eclair"),
        ("Eclair Ltd", "écl"),
        ("Crédit Ⅻ", "credit xii"),
        ("Müller", "muell"),
        ("Mueller", "MÜLL"),
        ("Müller", "mull"),
        ("Muller", "Müll"),
        ("Ωmega", "ωM"),
        ("ΟΔΟΣ", "οδος"),
        ("Łódź", "łÓD"),
        ("Łódź", "lodz"),
        ("Smørrebrød", "smorreb"),
        ("ПРОДАЖИ", "продажи"),
        ("می\u200cخواهم", "میخواهم"),
        ("میخواهم", "می\u200cخواهم"),
        ("Zero\u200bwidth", "zeroWIDTH"),
        ("Soft hyphen", "soft hy\u00adphen"),
        ("👩\u200d👧 Ltd", "👩👧 ltd"),
        ("100% a_b/c (d)", "100 b d"),
        ("O'Brien & Söhne", "o'b soehne"),
        ("x" * 200, "x" * 120),
    ],
)
def test_a_name_is_found_by_the_beginnings_of_its_words(client, word, name, q):
    new_prospect(client, name=f"{word} {name}")
    assert found(client, q=f"{word.upper()} {q}") == [f"{word} {name}"]


@pytest.mark.parametrize("q", ["arbour", "har works2", "harbourw", "har x", "%", "_", "har %"])
def test_every_word_of_the_search_has_to_begin_a_word_of_the_name(client, word, q):
    new_prospect(client, name=f"{word} Harbour Works")
    assert found(client, q=f"{word} {q}") == []


@pytest.mark.parametrize("odd", ["%", "_", "/", "\\", "'", '"', "[", "*", "👩"])
def test_symbols_between_spaces_are_words(client, word, odd):
    new_prospect(client, name=f"{word} {odd} end")
    new_prospect(client, name=f"{word} end")
    assert found(client, q=f"{word} {odd}") == [f"{word} {odd} end"]


def test_a_renamed_prospect_is_found_only_by_its_new_name(client, word):
    known = new_prospect(client, name=f"{word} Alpha Beta")["id"]
    ok(change(client, known, name=f"{word} Beta Gamma"))
    assert [found(client, q=f"{word} {q}") for q in ("alpha", "beta", "gamma")] == [
        [],
        [f"{word} Beta Gamma"],
        [f"{word} Beta Gamma"],
    ]
    ok(change(client, known, name=None))
    assert found(client, q=word) == []


def test_a_name_that_comes_with_a_merge_is_found(client, word):
    kept, other = new_prospect(client), new_prospect(client, name=f"{word} Harbour")
    ok(merge(client, kept["id"], other["id"]))
    (item,) = ok(client.get("/v1/prospects", params={"q": f"{word} har"}))["items"]
    assert item["id"] == kept["id"]


def test_names_that_qualify_and_an_import_write_are_found(client, link, word):
    qualify(client, link, name=f"{word} one")
    lines = f"external_id,name\n1,{word} two\n2,{word} thrée\n"
    source = link["external_id"]
    sent = client.post(
        f"/v1/prospects/import?source={source}", content=lines, headers={"Content-Type": "text/csv"}
    )
    assert sent.status_code == 200
    assert found(client, q=f"{word} t") == [f"{word} thrée", f"{word} two"]
    assert found(client, q=f"{word} three") == [f"{word} thrée"]
    assert found(client, q=f"{word} one") == [f"{word} one"]


def test_an_erased_prospect_leaves_no_words(client, database, word):
    known = new_prospect(client, name=f"{word} Harbour")["id"]
    assert client.delete(f"/v1/prospects/{known}").status_code == 204
    terms = select(ProspectTerm.term).where(ProspectTerm.term == word.lower())
    assert database.read_sync(lambda tx: tx.db.exec(terms).all()) == []


def test_many_words_that_are_frequent_are_searched_page_by_page(client, monkeypatch, word):
    """More than FEW prospects have each word, so the list is read in its order."""
    monkeypatch.setattr(narrowing, "FEW", 2)
    letters = " ".join("abcdefghijklmnopqrstuvwxyz"[:20])
    names = [f"{word} {letters} {number}" for number in range(5)]
    for name in names:
        new_prospect(client, name=name)
    new_prospect(client, name=f"{word} a b c")
    walked = every_page(client, f"/v1/prospects?limit=2&q={word}+{letters.replace(' ', '+')}")
    assert [item["name"] for item in walked] == names[::-1]


def test_an_external_id_is_found_exactly_or_not_at_all(client, link):
    new_prospect(client, name="Linked", links=[link])
    assert found(client, q=link["external_id"]) == ["Linked"]
    assert found(client, q=link["external_id"][:-1]) == []
    assert found(client, q=link["external_id"] + "0") == []


def test_filters_narrow_each_other(client, link, word):
    source = f"source-{link['external_id']}"
    new_prospect(client, name=f"{word} linked", links=[link | {"source": source}])
    new_prospect(client, name=f"{word} free")
    new_prospect(client, name="other", links=[{"source": source, "external_id": "2"}])
    assert found(client, q=word) == [f"{word} free", f"{word} linked"]
    assert found(client, source=source) == ["other", f"{word} linked"]
    assert found(client, q=word, source=source) == [f"{word} linked"]


def test_a_prospect_with_two_links_to_a_source_is_listed_once(client, link, word):
    source = f"source-{link['external_id']}"
    links = [{"source": source, "external_id": str(number)} for number in range(3)]
    made = [new_prospect(client, name=f"{word} {number}", links=[links[number]]) for number in range(2)]
    ok(client.post(f"/v1/prospects/{made[0]['id']}/links", json=links[2]))
    walked = every_page(client, f"/v1/prospects?limit=1&source={source}")
    assert [item["name"] for item in walked] == [f"{word} 1", f"{word} 0"]


def test_updated_since_is_the_time_of_the_last_change_in_any_zone(client, word):
    first, second = new_prospect(client, name=f"{word} 1"), new_prospect(client, name=f"{word} 2")
    ok(change(client, first["id"], name=f"{word} 1 changed"))
    since = second["updated_at"]
    assert found(client, q=word, updated_since=since) == [f"{word} 2", f"{word} 1 changed"]
    since = ok(client.get(f"/v1/prospects/{first['id']}"))["updated_at"]
    assert found(client, q=word, updated_since=since) == [f"{word} 1 changed"]
    elsewhere = since.replace("Z", "-01:00")
    assert found(client, q=word, updated_since=elsewhere) == []


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_edges_of_time_are_no_failure(client, since):
    response = client.get("/v1/prospects", params={"updated_since": since})
    assert response.status_code in (200, 422)


def test_pages_lose_nothing_and_repeat_nothing_while_others_are_added(client, word):
    names = [f"{word} {number}" for number in range(11)]
    for name in names:
        new_prospect(client, name=name)
    walked = every_page(
        client, f"/v1/prospects?limit=2&q={word}", lambda: new_prospect(client, name=f"{word} later")
    )
    assert [item["name"] for item in walked] == names[::-1]


def test_pages_lose_nothing_while_others_are_changed_or_erased(client, word):
    names = [f"{word} {number}" for number in range(6)]
    made = [new_prospect(client, name=name) for name in names]
    page = ok(client.get("/v1/prospects", params={"q": word, "limit": 2}))
    ok(change(client, made[0]["id"], name=f"{word} 0 changed"))
    assert client.delete(f"/v1/prospects/{made[4]['id']}").status_code == 204
    rest = every_page(client, page["next"])
    assert [item["name"] for item in rest] == [names[3], names[2], names[1], f"{word} 0 changed"]


def test_next_is_an_absolute_address_and_null_on_the_last_page(client, service, word):
    for number in range(4):
        new_prospect(client, name=f"{word} {number}")
    page = ok(client.get("/v1/prospects", params={"q": word, "limit": 2}))
    assert page["next"].startswith(f"{service.url}/v1/prospects?")
    assert f"q={word}" in page["next"]
    last = ok(client.get(page["next"]))
    assert (len(last["items"]), last["next"]) == (2, None)


def test_the_list_is_newest_first_with_links(client, link, word):
    old = new_prospect(client, name=f"{word} old", links=[link])
    new = new_prospect(client, name=f"{word} new")
    assert ok(client.get("/v1/prospects", params={"q": word}))["items"] == [new, old]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"nme": "x"}, "/nme"),
        ({"limit": 0}, "/limit"),
        ({"limit": 201}, "/limit"),
        ({"limit": "many"}, "/limit"),
        ({"q": ""}, "/q"),
        ({"updated_since": "2026-01-01T00:00:00"}, "/updated_since"),
        ({"source": "Not A Source"}, "/source"),
        ({"after": "x"}, "/after"),
        ({"after": "%%%"}, "/after"),
        ({"after": cursor()}, "/after"),
        ({"after": cursor("no-uuid")}, "/after"),
        ({"after": cursor(1, 2, 3)}, "/after"),
        ({"after": cursor(7)}, "/after"),
        ({"after": cursor(None)}, "/after"),
        ({"after": cursor([[[]]])}, "/after"),
        ({"after": cursor({})}, "/after"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused(client, query, where):
    refused = client.get("/v1/prospects", params=query)
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == [where]
    assert refused.json()["errors"][0]["where"] == "query"


def test_what_is_no_prospect_is_kept_out_of_the_list_of_prospects(client, link, word):
    """A set about the own company or a person makes a record too, but nobody to sell to."""
    ours = qualify(client, link, question_set="market-entry", name=f"{word} ourselves")
    qualify(client, link | {"external_id": f"{word}-lead"}, question_set="purpose-before-self", name=word)
    assert found(client, q=word) == []
    assert found(client, q=word, subject="own_company") == [f"{word} ourselves"]
    assert found(client, q=word, subject="person") == [word]
    assert ok(client.get(f"/v1/prospects/{ours['prospect_id']}"))["subject"] == "own_company"


def test_a_prospect_stays_one_whatever_it_is_asked_later(client, link, word):
    qualify(client, link, question_set="bant", name=word)
    qualify(client, link, question_set="market-entry")
    assert found(client, q=word) == [word]
