"""Imports: what they store, that they can be stopped and run again, and that others work meanwhile."""

import json
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.inbound.imports import service as importing
from app.problems import unavailable
from tests.api.at_once import at_once
from tests.api.calls import (
    RULED,
    SMALL,
    answer,
    change,
    end_of_feed,
    events_after,
    merge,
    new_prospect,
    ok,
    qualify,
    ratings_of,
    session,
    types_of,
    upsert,
)
from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.inbound.forms.test_aliases import teach
from tests.inbound.imports.conftest import NDJSON, counted, lines, problems, remarks, stored
from tests.waiting import PATIENCE, until

MANY = 600


def accounts(count, start=0, **attributes):
    """Lines of NDJSON; every seventh is bad."""
    return [
        {"external_id": f"a/{n}"}
        if n % 7 == 3
        else {"external_id": f"a{n}", "name": f"Account {n}", "attributes": {"n": n, **attributes}}
        for n in range(start, start + count)
    ]


def as_stored(count):
    return {f"a{n}": (f"Account {n}", {"n": n}) for n in range(count) if n % 7 != 3}


def test_a_line_creates_changes_or_leaves_a_prospect_as_the_single_operation_does(client, send, source):
    first = lines(
        {"external_id": "a", "name": "Acme", "attributes": {"n": 1, "gone": True}},
        {"external_id": "b", "name": "Beta"},
        {"external_id": "a", "attributes": {"gone": None, "more": "x"}},
    )
    assert counted(send(first, NDJSON)) == (2, 1, 0, 0)
    cursor = end_of_feed(client)
    assert counted(send(first, NDJSON)) == (0, 2, 1, 0)  # "gone" comes, and goes again
    assert types_of(events_after(client, cursor)).count("prospect.updated") == 2
    assert counted(send('{"external_id": "b", "name": null}', NDJSON)) == (0, 1, 0, 0)
    assert stored(client, source) == {"a": ("Acme", {"n": 1, "more": "x"}), "b": (None, {})}


def test_values_are_translated_and_what_a_set_declares_as_a_number_is_stored_as_one(
    client, send, source, ruled
):
    aliases = [{"field": "industry", "sent": "Banking & Finance", "means": "bank"}]
    ok(client.put(f"/v1/value-aliases/{source}", json={"aliases": aliases}))
    text = "external_id,industry,employees\nx,Banking & Finance,50\n"
    assert counted(send(text)) == (1, 0, 0, 0)
    assert stored(client, source)["x"][1] == {"industry": "bank", "employees": 50}
    told = qualify(client, {"source": source, "external_id": "x"}, question_set=ruled)
    assert told["score"]["rated"] == 1
    # Imported again, the alias of what is there already changes nothing.
    assert counted(send(text)) == (0, 0, 1, 0)


def test_what_is_there_already_is_unchanged_also_in_the_words_of_its_source(client, send, source):
    ok(teach(client, source, ("industry", "Banking", "bank")))
    text = "external_id,name,industry\n" + "".join(f"{n},N{n},Banking\n" for n in range(20))
    assert counted(send(text)) == (20, 0, 0, 0)
    assert counted(send(text)) == (0, 0, 20, 0)
    assert counted(send(text.replace("N7,Banking", "N7,Bank of 7"))) == (0, 1, 19, 0)


def test_lines_about_one_prospect_are_carried_out_one_after_the_other(client, send, source):
    assert counted(send("external_id,name\nx,A\ny,A\n")) == (2, 0, 0, 0)
    there_and_back = "external_id,name\nx,B\ny,A\nx,A\nx,A\nx,C\n"
    assert counted(send(there_and_back)) == (0, 3, 2, 0)
    assert stored(client, source) == {"x": ("C", {}), "y": ("A", {})}


def test_an_open_session_is_scored_again(client, send, source, ruled):
    link = {"source": source, "external_id": "x"}
    told = qualify(client, link, question_set=ruled, attributes={"employees": 5}, ratings={"demand": 5})
    # size 1 and demand 5: (0 + 4) of 8. With 500 employees size is 5.
    assert told["score"]["score"] == 50
    assert counted(send("external_id,employees\nx,500\n")) == (0, 1, 0, 0)
    again = session(client, told["session_id"])
    assert (again["score"]["score"], again["revision"]) == (100, told["revision"] + 1)


def test_a_cell_that_cannot_be_read_leaves_its_attribute_as_it_was(client, send, source, ruled):
    link = {"source": source, "external_id": "x"}
    told = qualify(client, link, name="X", question_set=ruled, attributes={"employees": 5})
    answers = send("external_id,name,employees\na,A,1\nx,Other,many\nb,B,-\n", question_set=ruled)
    assert remarks(answers) == {3: ['row 3, employees: "many" is not a number']}
    assert (counted(answers), answers[-1]["cells_left_out"]) == ((2, 1, 0, 0), 1)
    assert answers[-1]["notes"] == ["The decimal sign is a point."]
    assert stored(client, source) == {
        "a": ("A", {"employees": 1}),
        "x": ("Other", {"employees": 5}),
        "b": ("B", {}),
    }
    assert session(client, told["session_id"])["revision"] == told["revision"]


def test_a_line_that_its_sessions_refuse_leaves_nothing_and_the_others_stay(client, send, source, publish):
    """A name that two sets declare with different types is text, unless the import names one of them."""
    publish(json.loads(json.dumps(RULED).replace("employees", "floors")) | {"key": "floors-as-number"})
    publish(SMALL | {"key": "floors-as-text", "attributes": {"floors": "text"}})
    link = {"source": source, "external_id": "x"}
    told = qualify(client, link, name="X", question_set="floors-as-number", attributes={"floors": 5})
    text = "external_id,name,floors\na,A,1\nx,Other,many\nb,B,2\n"
    answers = send(text)
    assert session(client, told["session_id"])["revision"] == told["revision"]
    assert [error["pointer"] for error in problems(answers)[3]["errors"]] == ["/attributes/floors"]
    assert counted(answers) == (2, 0, 0, 1)
    assert stored(client, source) == {
        "a": ("A", {"floors": "1"}),
        "x": ("X", {"floors": 5}),
        "b": ("B", {"floors": "2"}),
    }
    assert counted(send(text, question_set="floors-as-number")) == (0, 3, 0, 0)
    assert stored(client, source)["x"] == ("Other", {"floors": 5})
    assert counted(send('{"external_id": "a", "floors": 7}\n', NDJSON)) == (0, 1, 0, 0)
    assert stored(client, source)["a"] == ("A", {"floors": 7})


def test_what_is_committed_is_told_in_order_and_the_rest_can_be_sent_alone(client, send, source):
    text = lines(*accounts(MANY))
    answers = send(text, NDJSON)
    assert [answer["line"] for answer in answers if "line" in answer] == list(range(4, MANY + 1, 7))
    told = [answer["committed_to"] for answer in answers if "line" not in answer]
    assert told == sorted(told)
    assert (len(told) > 3, told[-1]) == (True, MANY)
    half = next(to for to in told if to > MANY / 2)
    rest = send(text, NDJSON, after_line=half)
    good = [n for n in range(half, MANY) if n % 7 != 3]
    assert counted(rest) == (0, 0, len(good), MANY - half - len(good))
    assert stored(client, source) == as_stored(MANY)


def test_a_file_that_does_not_arrive_completely_writes_nothing(client, send, source, service):
    text = lines(*accounts(MANY)).encode()
    address = urlsplit(service.url)
    head = (
        f"POST /v1/prospects/import?source={source} HTTP/1.1\r\nHost: here\r\nX-API-Key: {ADMIN_KEY}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: {10 * len(text)}\r\n\r\n"
    )
    before = spooled_files()
    with socket.create_connection((address.hostname, address.port)) as caller:
        caller.sendall(head.encode() + text)
        until(lambda: spooled_files() - before)
    until(lambda: not spooled_files() - before)
    assert stored(client, source) == {}
    assert counted(send(text, NDJSON))[0] == len(as_stored(MANY))


def spooled_files(folder: Path | None = None) -> set[Path]:
    """The files that are being imported; `folder` is where temporary files are."""
    return set(Path(folder or tempfile.gettempdir()).glob("prospect-fit-processes-*/*/body-*"))


def test_a_file_on_the_disk_is_only_for_the_service_and_is_deleted(
    new_database, source, monkeypatch, tmp_path
):
    # Other processes of the tests have files in the usual folder.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []
    real = importing.import_batch

    def look(uow, rows):
        seen.extend((file, file.stat().st_mode & 0o777) for file in spooled_files())
        return real(uow, rows)

    monkeypatch.setattr(importing, "import_batch", look)
    post = {"params": {"source": source}, "content": lines(*accounts(3)), "headers": NDJSON}
    with serving(settings_for(new_database())) as running:
        assert running.client.post("/v1/prospects/import", **post).status_code == 200
    assert [mode for _, mode in seen] == [0o600]
    assert [*tmp_path.rglob("*")] == [tmp_path / seen[0][0].parent.parent.name]


def test_two_imports_of_the_same_lines_in_opposite_orders(client, send, source):
    """Created by both at once, and then changed by both at once; a second link crosses them once more."""
    forth = [one for one in accounts(200) if "/" not in one["external_id"]]
    for color in ("red", "blue"):
        one, other = (
            [line | {"attributes": {**line["attributes"], f"{who}_{color}": color}} for line in order]
            for who, order in (("one", forth), ("other", forth[::-1]))
        )
        both = at_once([lambda ls=ls: counted(send(lines(*ls), NDJSON)) for ls in (one, other)])
        assert [refused for *_, refused in both] == [0, 0]
        created = len(forth) if color == "red" else 0
        assert sum(made for made, *_ in both) == created
    every = {"one_red": "red", "other_red": "red", "one_blue": "blue", "other_blue": "blue"}
    assert stored(client, source) == {
        line["external_id"]: (line["name"], line["attributes"] | every) for line in forth
    }


def test_nobody_who_works_meanwhile_is_refused_or_loses_a_change(client, send, source, ruled, service):
    """Two people change the very prospects that are imported, answer, and merge two of them."""
    links = [{"source": source, "external_id": f"a{n}"} for n in range(20) if n % 7 != 3]
    for link in links:
        ok(upsert(client, link), 201)
    told = qualify(client, links[0], question_set=ruled)
    prospects = [ok(upsert(client, link))["id"] for link in links]
    over = threading.Event()

    def work(who):
        with httpx.Client(base_url=service.url, headers=dict(client.headers), timeout=PATIENCE) as own:
            number = 0
            while not over.is_set() or number < 5:
                number += 1
                for place, prospect in enumerate(prospects[:5]):
                    ok(change(own, prospect, attributes={f"{who}_{place}": number}))
                answer(own, told["session_id"], **{"demand" if who == "ana" else "audit": 1 + number % 5})
        return number

    with ThreadPoolExecutor(2) as people:
        working = [people.submit(work, who) for who in ("ana", "ben")]
        try:
            for round_ in range(2):
                text = lines(*accounts(300, employees=10 + round_))
                assert counted(send(text, NDJSON))[3] == 43
            twin = new_prospect(client, links=[{"source": source, "external_id": "twin"}])
            ok(merge(client, prospects[0], twin["id"]))
        finally:
            over.set()
        numbers = dict(zip(("ana", "ben"), (one.result() for one in working), strict=True))
    for place, link in enumerate(links[:5]):
        found = ok(client.get(f"/v1/prospects/by-external-id/{source}/{link['external_id']}"))["attributes"]
        assert {who: found[f"{who}_{place}"] for who in numbers} == numbers
        assert found["employees"] == 11
    told = session(client, told["session_id"])
    assert ratings_of(told)["demand"] == 1 + numbers["ana"] % 5
    assert told["score"]["rated"] == 2  # size by rule, and demand; audit is asked of banks only


def test_a_database_that_fails_for_a_moment_is_tried_again(client, send, source, monkeypatch):
    failures = iter([unavailable("busy"), None, unavailable("busy"), unavailable("busy")])
    real = importing.import_batch

    def unreliable(work, reads):
        real(work, reads)
        if failure := next(failures, None):
            raise failure
        return real(work, reads)

    monkeypatch.setattr(importing, "import_batch", unreliable)
    monkeypatch.setattr(importing, "FIRST_RETRY_SECONDS", 0.01)
    counts = counted(send(lines(*accounts(50)), NDJSON))
    assert sum(counts) == 50
    assert stored(client, source) == as_stored(50)


def test_one_that_fails_for_good_ends_the_import_and_says_where_to_go_on(client, source, monkeypatch):
    real, calls = importing.import_batch, []

    def broken(work, reads):
        calls.append(len(reads))
        if len(calls) > 2:
            raise unavailable("The database is down.")
        return real(work, reads)

    monkeypatch.setattr(importing, "import_batch", broken)
    monkeypatch.setattr(importing, "FIRST_RETRY_SECONDS", 0.01)
    response = client.post(
        f"/v1/prospects/import?source={source}", content=lines(*accounts(100)), headers=NDJSON
    )
    *_, end = [json.loads(line) for line in response.text.splitlines()]
    assert (end["done"], end["problem"]["status"]) == (False, 503)
    assert end["committed_to"] == sum(calls[:2])
    assert stored(client, source) == as_stored(end["committed_to"])
    assert len(calls) == 2 + importing.MAX_ATTEMPTS


@pytest.mark.parametrize("text", ["", "\n \r\n"])
def test_no_lines_are_no_prospects(send, text):
    assert counted(send(text, NDJSON)) == (0, 0, 0, 0)
    assert counted(send(f"external_id\n{text}")) == (0, 0, 0, 0)
