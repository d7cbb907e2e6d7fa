"""Sets, attributes, names and ids that cannot be used, in every operation that takes them."""

import json
from urllib.parse import quote

import pytest

from app.problems import INVALID_REQUEST
from tests.edge.problem import PRIVATE, assert_problem

pytestmark = pytest.mark.usefixtures("unwritten")

LONG = "x" * 256
NDJSON = {"Content-Type": "application/x-ndjson"}

SETS = {
    "an unknown set": "no-such-set",
    "an unknown version": "qualifying-a-sale@99",
    "a huge version": "qualifying-a-sale@999999999",
    "a version beyond 32 bits": "qualifying-a-sale@9999999999",
    "version 0": "qualifying-a-sale@0",
    "a negative version": "qualifying-a-sale@-1",
    "a version of words": "qualifying-a-sale@latest",
    "an empty name": "",
    "a set with a line break": "qualifying-a-sale\n",
    "a set with a path": "../../etc/passwd",
    "a set with quotes": "a' OR '1'='1",
    "a very long set": "a" * 5000,
    "a set that is a number": 5,
    "a set that is a list": ["qualifying-a-sale"],
}


@pytest.mark.parametrize("name", SETS.values(), ids=SETS)
def test_an_unusable_question_set(client, link, target, name):
    opened = {"prospect_id": target.prospect_id, "question_set": name}
    for response in (
        client.post("/v1/qualify", json={**link, "question_set": name}),
        client.post("/v1/score", json={"question_set": name}),
        client.post("/v1/sessions", json=opened),
    ):
        assert_problem(response, INVALID_REQUEST, "/question_set")


ATTRIBUTES = {
    "a list": ({"size": [1]}, "/attributes/size"),
    "an object": ({"size": {"of": PRIVATE}}, "/attributes/size"),
    "beyond 2 to the 53rd": ({"size": 2**53 + 1}, "/attributes/size"),
    "below minus 2 to the 53rd": ({"size": -(2**53) - 1}, "/attributes/size"),
    "a long text": ({"size": PRIVATE * 100}, "/attributes/size"),
    "a name with a capital": ({"Size": 1}, "/attributes/Size"),
    "a name with a blank": ({"the size": 1}, "/attributes/the size"),
    "a name with a slash": ({"a/b": 1}, "/attributes/a~1b"),
    "an empty name": ({"": 1}, "/attributes/"),
    "a name that begins with a digit": ({"1st": 1}, "/attributes/1st"),
    "a name that pydantic has for itself": ({"[key]": 1}, "/attributes/[key]"),
    "a long name": ({"a" * 49: 1}, "/attributes/" + "a" * 49),
    "201 of them": ({f"a{n}": 1 for n in range(201)}, "/attributes"),
    "a list of them": ([1], "/attributes"),
    "null": (None, "/attributes"),
}


@pytest.mark.one_database
@pytest.mark.parametrize(("attributes", "pointer"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_unusable_attributes(client, link, target, attributes, pointer):
    sent = {"attributes": attributes}
    for response in (
        client.post("/v1/qualify", json={**link, **sent}),
        client.post("/v1/score", json=sent),
        client.post("/v1/prospects", json=sent),
        client.patch(f"/v1/prospects/{target.prospect_id}", json=sent),
        client.put("/v1/prospects/by-external-id/bad/one", json=sent),
    ):
        assert_problem(response, INVALID_REQUEST, pointer)


WRONG_TYPES = {
    "words for a number": ({"employees": "many"}, "/attributes/employees"),
    "two numbers": ({"employees": "5 6"}, "/attributes/employees"),
    "NaN as text": ({"employees": "NaN"}, "/attributes/employees"),
    "1e400 as text": ({"employees": "1e400"}, "/attributes/employees"),
    "an integer of 900 digits as text": ({"employees": "9" * 900}, "/attributes/employees"),
    "true for a number": ({"employees": True}, "/attributes/employees"),
    "a number for a text": ({"industry": 5}, "/attributes/industry"),
    "true for a text": ({"industry": True}, "/attributes/industry"),
    "1 for true": ({"public": 1}, "/attributes/public"),
    "yes for true": ({"public": "yes"}, "/attributes/public"),
}


@pytest.mark.parametrize(("attributes", "pointer"), WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_an_attribute_of_another_type_than_the_set_declares(client, link, ruled, attributes, pointer):
    sent = {"question_set": ruled, "attributes": attributes}
    for response in (
        client.post("/v1/qualify", json={**link, **sent}),
        client.post("/v1/score", json=sent),
    ):
        assert_problem(response, INVALID_REQUEST, pointer)


CONTROLS = {
    "an escape": "\x1b[31m",
    "DEL": "a\x7fb",
    "a C1 control": "a\x9bb",
    "a next line": "a\x85b",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    "an embedding": "a\u202ab",
    "an override": "a\u202etxt.exe",
    "the end of an override": "a\u202cb",
    "an isolate": "a\u2066b",
    "the end of an isolate": "a\u2069b",
}
NAMES = {
    "empty": "",
    "blanks": "  ",
    "a line break": "a\nb",
    "long": LONG,
    "5": 5,
    "nothing visible": "\u200b \ufeff",
    **CONTROLS,
}
IDS = {
    **NAMES,
    "a slash": "a/b",
    "a backslash": "a\\b",
    "a question mark": "a?b",
    "a hash": "a#b",
    "a dot": ".",
    "two dots": "..",
    "two dots and blanks": " .. ",
}
SOURCES = {
    **IDS,
    "a blank before": " a",
    "a blank after": "a ",
    "a capital": "CRM",
    "an umlaut": "süd",
    "65 long": "s" * 65,
}


@pytest.mark.one_database
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_an_unusable_name(client, link, target, name):
    for field in ("name", "deal", "assessor", "actor"):
        response = client.post("/v1/qualify", json={**link, field: name})
        assert_problem(response, INVALID_REQUEST, f"/{field}")
    assert_problem(client.post("/v1/prospects", json={"name": name}), INVALID_REQUEST, "/name")
    address = f"/v1/prospects/{target.prospect_id}"
    assert_problem(client.patch(address, json={"name": name}), INVALID_REQUEST, "/name")
    response = client.post("/v1/keys", json={"name": name, "scopes": ["read"]})
    assert_problem(response, INVALID_REQUEST, "/name")


@pytest.mark.one_database
@pytest.mark.parametrize("external_id", IDS.values(), ids=IDS)
def test_an_unusable_external_id(client, target, external_id):
    link = {"source": "bad", "external_id": external_id}
    assert_problem(client.post("/v1/qualify", json=link), INVALID_REQUEST, "/external_id")
    response = client.post("/v1/prospects", json={"links": [link]})
    assert_problem(response, INVALID_REQUEST, "/links/0/external_id")
    response = client.post(f"/v1/prospects/{target.prospect_id}/links", json=link)
    assert_problem(response, INVALID_REQUEST, "/external_id")
    response = client.post("/v1/fits", json={"prospects": [link]})
    assert_problem(response, INVALID_REQUEST, "/prospects/0/external_id")


@pytest.mark.one_database
@pytest.mark.parametrize("text", CONTROLS.values(), ids=CONTROLS)
def test_control_characters_are_refused_wherever_a_name_or_an_id_arrives(client, link, text):
    """In addresses and queries, forms, imports and dry runs of intakes."""
    at = quote(text, safe="")
    by_link = f"/v1/prospects/by-external-id/bad/{at}"
    for response in (client.get(by_link), client.put(by_link, json={}), client.get(f"{by_link}/fit")):
        assert_problem(response, INVALID_REQUEST, "/external_id", where="path")
    for query, pointer in (
        ("/v1/prospects?q=", "/q"),
        ("/v1/sessions?deal=", "/deal"),
        ("/v1/sessions?assessor=", "/assessor"),
    ):
        assert_problem(client.get(query + at), INVALID_REQUEST, pointer, where="query")
    for field in ("external_id", "name", "deal", "assessor", "actor"):
        form = client.post("/v1/qualify/qualifying-a-sale", json={**link, field: text})
        assert_problem(form, INVALID_REQUEST, f"/{field}")
    for field in ("external_id", "name"):
        line = json.dumps({**link, field: text}) + "\n"
        told = client.post("/v1/prospects/import", content=line, headers=NDJSON).text.splitlines()
        (error,) = json.loads(told[0])["problem"]["errors"]
        assert (error["pointer"], "without control" in error["detail"]) == (f"/{field}", True)
        mapping = {"source": "bad", "external_id": "/external_id", field: f"/{field}"}
        dry = client.post("/v1/intake-dry-run", json={"mapping": mapping, "payload": {**link, field: text}})
        assert_problem(dry, INVALID_REQUEST, f"/mapping/{field}")


@pytest.mark.one_database
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_an_unusable_source(client, source):
    sent = {"source": source, "external_id": "one"}
    assert_problem(client.post("/v1/qualify", json=sent), INVALID_REQUEST, "/source")
