"""Files as people have them: each flaw is a clear problem, by line where there are lines."""

import pytest

from app.problems import (
    IMPORT_TOO_LARGE,
    INVALID_REQUEST,
    MALFORMED_FILE,
    UNSUPPORTED_MEDIA_TYPE,
)
from tests.conftest import serving, settings_for
from tests.inbound.imports.conftest import CSV, NDJSON, counted, problems, stored

pytestmark = pytest.mark.one_database

HEAD = "external_id,name,staff\n"
TOO_MANY = ",".join(["external_id", *(f"a{n}" for n in range(201))])


def refused(client, content, headers=CSV, **query):
    return client.post("/v1/prospects/import", params=query, content=content, headers=headers)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_byte_order_mark_another_separator_and_quoted_newlines_do_no_harm(client, send, source, separator):
    rows = ['External ID,"Größe (m²)",Name,note', 'a,"1,5; 2\t",Acme,"two\r\nlines, ""quoted"""', "b, 7 ,,"]
    text = "\r\n".join(rows)
    if separator != ",":
        text = 'External ID;"Größe (m²)";Name;note\r\na;"1,5; 2\t";Acme;"two\r\nlines, ""quoted"""\r\nb; 7 ;;'
        # The separators within quotes stay.
        quoted = text.split('"')
        text = '"'.join(p if i % 2 else p.replace(";", separator) for i, p in enumerate(quoted))
    assert counted(send(b"\xef\xbb\xbf" + text.encode())) == (2, 0, 0, 0)
    note = 'two\r\nlines, "quoted"'
    assert stored(client, source) == {
        "a": ("Acme", {"groesse_m2": "1,5; 2", "note": note}),
        "b": (None, {"groesse_m2": "7"}),
    }


def test_as_many_attributes_as_a_prospect_may_have(client, send, source):
    names = [f"Column {n}" for n in range(200)]
    text = ",".join(["external_id", *names]) + "\nx," + ",".join(map(str, range(200))) + "\n"
    assert counted(send(text)) == (1, 0, 0, 0)
    assert stored(client, source)["x"][1] == {f"column_{n}": str(n) for n in range(200)}


WHOLE = {
    "nothing": (b"", MALFORMED_FILE, None, "Line 1 has no headings"),
    "an open quote": (b'external_id,"name\nx,1\n', MALFORMED_FILE, None, "never closed"),
    "a heading of digits": (b"external_id,2026\nx,1\n", INVALID_REQUEST, "/columns/2", "begin it with a"),
    "a repeated one": (b"external_id,Size,size\nx,1,2\n", INVALID_REQUEST, "/columns/3", "rename one"),
    "201 attributes": (TOO_MANY.encode() + b"\n", INVALID_REQUEST, "/columns", "leave columns out"),
    "1001 columns": (b"a," * 1000 + b"external_id", MALFORMED_FILE, None, "at most 1,000 columns"),
    "no ids": (b"number,name\nx,1\n", INVALID_REQUEST, "/columns", "external_id or id"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "pointer", "remedy"), WHOLE.values(), ids=WHOLE)
def test_a_file_that_is_refused_as_a_whole(client, source, text, kind, pointer, remedy):
    response = refused(client, text, source=source)
    told = response.json()
    assert (response.status_code, told["type"]) == (kind.status, kind.type), told
    assert [error["pointer"] for error in told["errors"]] == ([pointer] if pointer else [])
    assert remedy in told["detail"], told
    assert stored(client, source) == {}


def test_a_source_has_to_be_named_somewhere(client, send, source):
    told = refused(client, HEAD).json()
    assert [error["pointer"] for error in told["errors"]] == ["/columns"]
    assert "option source" in told["detail"]
    answers = send(f"source,{HEAD}{source},a,A,\n,b,B,\nCAPITALS,c,C,\n", source=f"{source}.2")
    assert counted(answers) == (2, 0, 0, 1)
    assert stored(client, source).keys() == {"a"}
    assert stored(client, f"{source}.2").keys() == {"b"}
    assert problems(answers)[4]["errors"][0]["pointer"] == "/source"


def places(told):
    return [(error["where"], error["pointer"], error["code"]) for error in told["errors"]]


def test_columns_can_be_named_but_only_those_that_are_there(client, send, source):
    text = 'Account ID,"Name, legal",Staff\nx,Acme,5\n'
    assert counted(send(text, id="Account ID", name="Name, legal")) == (1, 0, 0, 0)
    assert stored(client, source) == {"x": ("Acme", {"staff": "5"})}
    told = refused(client, text, source=source, id="Account").json()
    assert places(told) == [("query", "/id", "missing")]
    told = refused(client, '{"id": "x"}', NDJSON, source=source, id="Account").json()
    assert places(told) == [("query", "/id", "missing")]
    for option in ("encoding", "sheet"):
        told = refused(client, '{"id": "x"}', NDJSON, source=source, **{option: "x"}).json()
        assert places(told) == [("query", f"/{option}", "not_allowed")]


def test_one_column_can_have_the_ids_and_the_names(client, send, source):
    assert counted(send("Account,size\nAcme,5\n", id="Account", name="Account")) == (1, 0, 0, 0)
    assert stored(client, source)["Acme"][0] == "Acme"


LINES = {
    "too many cells": (b"x,1,2,3", MALFORMED_FILE, None),
    "a quote that is not doubled": (b'x,"a"b,1', MALFORMED_FILE, None),
    "NUL": (b"x,a\0b,1", MALFORMED_FILE, None),
    "no id": (b",Acme,1", INVALID_REQUEST, "/external_id"),
    "an id with a slash": (b"a/b,Acme,1", INVALID_REQUEST, "/external_id"),
    "an id that has lost digits": (b"1.23E+15,Acme,1", INVALID_REQUEST, "/external_id"),
    "a long name": (b"x," + b"n" * 256 + b",1", INVALID_REQUEST, "/name"),
    "a long cell": (b"x,n," + b"1" * 200_000, MALFORMED_FILE, None),
    "a long line": (b"x,n," + b"1" * 1_000_001, MALFORMED_FILE, None),
}


def test_each_bad_line_is_one_problem_and_the_others_are_imported(client, send, source):
    rows = [row for text, *_ in LINES.values() for row in (b"", text)]
    good = [b"ok%d,Fine,%d" % (n, n) for n in range(len(rows))]
    answers = send(HEAD.encode() + b"\n".join(b"\n".join(pair) for pair in zip(rows, good, strict=True)))
    told = problems(answers)
    # Line 1 has the headings; of four lines one is blank and two are good.
    for line, (text, kind, pointer) in zip(range(4, 1000, 4), LINES.values(), strict=False):
        problem = told.pop(line)
        assert problem["type"] == kind.type, (text[:20], problem)
        assert [error["pointer"] for error in problem["errors"]] == ([pointer] if pointer else [])
    assert told == {}
    assert counted(answers) == (len(good), 0, 0, len(LINES))
    assert stored(client, source) == {f"ok{n}": ("Fine", {"staff": str(n)}) for n in range(len(good))}


def test_bad_lines_of_json(client, send, source):
    bad = {
        2: (b"{", MALFORMED_FILE),
        3: (b"[]", MALFORMED_FILE),
        4: (b'{"external_id": "x", "external_id": "y"}', MALFORMED_FILE),
        5: (b'{"name": "x"}', INVALID_REQUEST),
        6: (b'{"external_id": ["x"]}', INVALID_REQUEST),
        7: (b'{"external_id": "x", "name": "\xff"}', MALFORMED_FILE),
        8: (b'{"external_id": "x", "attributes": {"a": "\\u0000"}}', MALFORMED_FILE),
        9: (b'{"external_id": "x", "attributes": {"external_id": 1}}', MALFORMED_FILE),
        10: (b'{"external_id": "' + b"x" * 1_000_000 + b'"}', MALFORMED_FILE),
    }
    text = [b'\xef\xbb\xbf{"external_id": "a"}', *(line for line, _ in bad.values()), b'{"external_id": "b"}']
    answers = send(b"\r\n".join(text), NDJSON)
    assert {n: p["type"] for n, p in problems(answers).items()} == {n: k.type for n, (_, k) in bad.items()}
    assert counted(answers) == (2, 0, 0, len(bad))
    assert stored(client, source).keys() == {"a", "b"}


def test_an_open_quote_costs_one_row(send):
    answers = send(HEAD + 'a,A,1\nb,"B,2\nc,C,3\n')
    assert problems(answers)[3]["detail"] == "The row cannot be read: a quote is never closed."
    assert counted(answers) == (2, 0, 0, 1)


@pytest.mark.one_database
def test_a_file_that_is_larger_than_allowed_is_refused(new_database):
    with serving(settings_for(new_database(), import_bytes=2000)) as running:
        text = HEAD + "a,b,c\n" * 400
        for content in (text, iter([text.encode()])):
            response = refused(running.client, content, source="crm")
            assert response.json()["type"] == IMPORT_TOO_LARGE.type
            assert "PROSPECT_FIT_IMPORT_BYTES" in response.json()["remedy"]


def test_another_media_type_is_refused(client):
    response = refused(client, "{}", {"Content-Type": "application/json"}, source="x")
    assert response.json()["type"] == UNSUPPORTED_MEDIA_TYPE.type
