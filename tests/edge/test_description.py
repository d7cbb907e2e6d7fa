"""The service refuses requests that the description excludes, and accepts those that it allows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS30Validator

from app.edge.openapi import described
from app.problems import INVALID_REQUEST, REVISION_REQUIRED
from tests.edge.operations import APP, GUARDED, STANDING_IN, named
from tests.edge.problem import assert_problem

pytestmark = pytest.mark.one_database

ID = STANDING_IN["prospect_id"]
LINK = {"source": "crm", "external_id": "1"}
DOCUMENTS = {version: described(APP, version) for version in ("3.1", "3.0", "2.0")}
VALIDATORS: dict[str, Callable[..., Any]] = {"3.1": Draft202012Validator, "3.0": OAS30Validator}
MAPPING = {"source": "crm", "external_id": "/id"}
UPDATE = {"fields": {"/a": "score"}, "source": "crm"}
TOKEN, CREDENTIALS = {"token": "t"}, {"token_url": "https://a.test", "client_id": "c", "client_secret": "s"}
INTAKE, WEBHOOK = f"/v1/intakes/{ID}", "/v1/webhooks"


def answers(*sent: dict[str, Any]) -> dict[str, Any]:
    return {"answers": [{"question": "budget", **answer} for answer in sent]}


def fits(**query: Any) -> dict[str, Any]:
    return {"prospects": [query]}


def webhook(**others: Any) -> dict[str, Any]:
    return {"url": "https://a.test/{external_id}", **others}


EXCLUDED = {
    "an answer with neither a rating nor a state": ("post", "/v1/score", answers({})),
    "an answer of nulls": ("post", "/v1/score", answers({"rating": None, "state": None})),
    "a rated answer without a rating": ("post", "/v1/score", answers({"state": "rated"})),
    "an unknown answer with a rating": ("post", "/v1/score", answers({"state": "unknown", "rating": 3})),
    "no applicable question with a rating": (
        "post",
        "/v1/score",
        answers({"state": "not_applicable", "rating": 3}),
    ),
    "an answer taken back with a text": ("post", "/v1/score", answers({"state": "open", "text": "no"})),
    "an answer taken back with evidence": (
        "post",
        "/v1/score",
        answers({"state": "open", "evidence": "fact"}),
    ),
    "a rating off every scale": ("post", "/v1/score", {"ratings": {"budget": 101}}),
    "a question key with a capital": ("post", "/v1/score", {"ratings": {"Budget": 3}}),
    "an attribute with a capital": ("post", "/v1/score", {"attributes": {"Size": 3}}),
    "a list as an attribute": ("post", "/v1/score", {"attributes": {"size": [3]}}),
    "a set with a capital": ("post", "/v1/score", {"question_set": "Bant"}),
    "a version 0": ("post", "/v1/score", {"question_set": "bant@0"}),
    "an unknown field": ("post", "/v1/score", {"rating": {}}),
    "a blank name": ("post", "/v1/prospects", {"name": " \t "}),
    "two dots as an id": ("post", "/v1/qualify", {"source": "crm", "external_id": ".."}),
    "no prospect": ("post", "/v1/fits", fits()),
    "no prospects": ("post", "/v1/fits", {"prospects": []}),
    "half a link": ("post", "/v1/fits", fits(source="crm")),
    "half a link and a null": ("post", "/v1/fits", fits(source="crm", external_id=None)),
    "an id and a link": ("post", "/v1/fits", fits(prospect_id=ID, **LINK)),
    "an id and half a link": ("post", "/v1/fits", fits(prospect_id=ID, source="crm")),
    "a null for a name": ("patch", INTAKE, {"name": None}),
    "a null for a mapping": ("patch", INTAKE, {"mapping": None}),
    "a null for hours": ("patch", INTAKE, {"keep_hours": None}),
    "half an hour": ("patch", INTAKE, {"keep_hours": 0.5}),
    "an unknown event type": ("post", WEBHOOK, webhook(types=["score.melted"])),
    "a short secret": ("post", WEBHOOK, webhook(secret="whsec_c2hvcnQ=")),
    "a secret of 65 bytes": ("post", WEBHOOK, webhook(secret="whsec_" + "A" * 87 + "=")),
    "a secret that is no base64": ("post", WEBHOOK, webhook(secret="whsec_" + "-" * 40)),
    "a relative URL": ("post", WEBHOOK, {"url": "/hooks"}),
    "another scheme": ("post", WEBHOOK, {"url": "ftp://a.test"}),
    "a fragment": ("post", WEBHOOK, {"url": "https://a.test/#a"}),
    "an update without credentials": ("post", WEBHOOK, webhook(record_update=UPDATE)),
    "an update with two credentials": (
        "post",
        WEBHOOK,
        webhook(record_update={**UPDATE, "token": TOKEN, "client_credentials": CREDENTIALS}),
    ),
    "an update of an unknown figure": (
        "post",
        WEBHOOK,
        webhook(record_update={**UPDATE, "token": TOKEN, "fields": {"/a": "mood"}}),
    ),
    "a full update": (
        "post",
        WEBHOOK,
        webhook(record_update={**UPDATE, "token": TOKEN}, payload="full"),
    ),
    "a text to an intake": ("post", "/v1/intake/{token}", "text"),
    "a number to an intake": ("post", "/v1/intake/{token}", 5),
    "true to an intake": ("post", "/v1/intake/{token}", True),
}
ALLOWED = {
    "a rating alone": ("post", "/v1/score", answers({"rating": 3})),
    "a rating with its state": ("post", "/v1/score", answers({"rating": 3, "state": "rated"})),
    "a rating with a null for its state": ("post", "/v1/score", answers({"rating": 3, "state": None})),
    "an unknown answer": ("post", "/v1/score", answers({"state": "unknown", "text": "why"})),
    "an answer taken back": ("post", "/v1/score", answers({"state": "open", "text": None})),
    "no rating": ("post", "/v1/score", {}),
    "attributes": ("post", "/v1/score", {"attributes": {"size": True, "a_1": 5, "b": "x"}}),
    "a version": ("post", "/v1/score", {"question_set": "bant@1"}),
    "an id": ("post", "/v1/fits", fits(prospect_id=ID)),
    "an id beside nulls": ("post", "/v1/fits", fits(prospect_id=ID, source=None, external_id=None)),
    "a link": ("post", "/v1/fits", fits(**LINK)),
    "a link beside a null": ("post", "/v1/fits", fits(prospect_id=None, **LINK)),
}
# Whether the service would take these depends on what is stored, or they write.
ALLOWED_ONLY = {
    "another name": ("patch", INTAKE, {"name": "x", "keep_hours": 4, "signature": None}),
    "a secret": ("post", WEBHOOK, webhook(secret="whsec_" + "A" * 32, types=["score.*", "score.changed"])),
    "a secret of 25 bytes": ("post", WEBHOOK, webhook(secret="whsec_" + "A" * 34 + "==")),
    "a secret of 62 bytes": ("post", WEBHOOK, webhook(secret="whsec_" + "A" * 83 + "=")),
    "a secret of 63 bytes": ("post", WEBHOOK, webhook(secret="whsec_" + "A" * 84)),
    "a secret of 64 bytes": ("post", WEBHOOK, webhook(secret="whsec_" + "A" * 86 + "==")),
    "an update": ("post", WEBHOOK, webhook(record_update={**UPDATE, "token": TOKEN}, payload="thin")),
    "an update of an estimate": (
        "post",
        WEBHOOK,
        webhook(record_update={"fields": {"/a": "match_score"}, "client_credentials": CREDENTIALS}),
    ),
    "three dots as an id": ("post", "/v1/qualify", {"source": "crm", "external_id": "..."}),
    "a name of two words": ("post", "/v1/prospects", {"name": " Ada Lovelace"}),
    "an object to an intake": ("post", "/v1/intake/{token}", {"id": 1}),
    "a list to an intake": ("post", "/v1/intake/{token}", [1]),
}


# 3.0 says in an extension how the names in a map look.
NAMES_IN_MAPS = ("a question key with a capital", "an attribute with a capital")


def templated(address: str) -> str:
    return address.replace(INTAKE, "/v1/intakes/{intake_id}")


def is_described(version: str, method: str, address: str, body: Any) -> bool:
    document = DOCUMENTS[version]
    content = document["paths"][templated(address)][method]["requestBody"]["content"]
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    return VALIDATORS[version](schema).is_valid(body)


@pytest.fixture
def intake_address(client):
    made = client.post("/v1/intakes", json={"name": "described", "mapping": MAPPING}).json()
    yield f"/v1/intake/{made['token']}", f"/v1/intakes/{made['id']}"
    client.delete(f"/v1/intakes/{made['id']}")


def call(
    client: httpx.Client, intake: tuple[str, str], method: str, address: str, body: Any
) -> httpx.Response:
    receiving, changed = intake
    address = address.replace("/v1/intake/{token}", receiving).replace(INTAKE, changed)
    return client.request(method, address, json=body)


@pytest.mark.parametrize("version", VALIDATORS)
@pytest.mark.parametrize("name", EXCLUDED)
def test_what_the_description_excludes(version, name):
    assert is_described(version, *EXCLUDED[name]) == (version == "3.0" and name in NAMES_IN_MAPS)


@pytest.mark.parametrize(("method", "address", "body"), EXCLUDED.values(), ids=EXCLUDED)
def test_what_the_description_excludes_is_refused(client, intake_address, method, address, body):
    assert_problem(call(client, intake_address, method, address, body), INVALID_REQUEST)


@pytest.mark.parametrize("version", VALIDATORS)
@pytest.mark.parametrize(
    ("method", "address", "body"), (ALLOWED | ALLOWED_ONLY).values(), ids=ALLOWED | ALLOWED_ONLY
)
def test_what_the_description_allows(version, method, address, body):
    assert is_described(version, method, address, body)


@pytest.mark.parametrize(("method", "address", "body"), ALLOWED.values(), ids=ALLOWED)
def test_what_the_description_allows_is_taken(client, method, address, body):
    assert client.request(method, address, json=body).status_code == 200


def parameters(version: str) -> list[dict[str, Any]]:
    return [
        parameter
        for item in DOCUMENTS[version]["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] != "body"
    ]


@pytest.mark.parametrize("version", DOCUMENTS)
def test_a_parameter_is_sent_or_not_and_never_null(version):
    said = repr(parameters(version))
    assert "'type': 'null'" not in said
    assert "nullable" not in said


def test_a_list_in_a_query_is_one_text_or_repeated(client):
    lists = [p for p in parameters("3.1") if p["schema"].get("type") == "array"]
    repeated = {("segment", "form", True), ("by", "form", True)}
    assert {(p["name"], p["style"], p["explode"]) for p in lists} == {("types", "form", False)} | repeated
    by_name = {(p["name"], p["collectionFormat"]) for p in parameters("2.0") if p.get("type") == "array"}
    assert by_name == {("types", "csv"), ("segment", "multi"), ("by", "multi")}
    twice = {"by": ["month", "reason"], "segment": ["industry:retail", "region:north"]}
    assert client.get("/v1/insights/outcomes", params=twice).status_code == 200
    for path in ("/v1/events", "/v1/events/latest", "/v1/webhook-samples"):
        (types,) = [p for p in DOCUMENTS["3.1"]["paths"][path]["get"]["parameters"] if p["name"] == "types"]
        sent = {"types": ",".join(types["schema"]["items"]["enum"])}
        assert client.get(path, params=sent).status_code == 200
        for wrong in ("", "score.melted", "score.*,", "score.* "):
            response = client.get(path, params={"types": wrong})
            assert_problem(response, INVALID_REQUEST, "/types", where="query")


READ_IF_MATCH = [
    (operation, parameter["required"])
    for operation in GUARDED
    for parameter in DOCUMENTS["3.1"]["paths"][operation.path][operation.method.lower()].get("parameters", ())
    if parameter["name"] == "if-match"
]


def test_the_operations_that_read_if_match_are_described():
    assert {operation.name: needed for operation, needed in READ_IF_MATCH} == {
        "patch_answers": False,
        "move_session": False,
        "decide": False,
        "update_prospect": False,
        "upsert_prospect": False,
        "update_intake": False,
        "patch_webhook": False,
        "save_draft": False,
        "discard_draft": True,
        "publish_draft": True,
    }


@pytest.mark.parametrize("operation", [o for o, needed in READ_IF_MATCH if needed], ids=named)
def test_where_if_match_is_required_a_request_without_it_is_refused(client, operation):
    key = {**STANDING_IN, "key": "described"}
    draft = f"/v1/question-sets/{key['key']}/draft"
    revision = client.put(draft, json={"title": "x"}).json()["revision"]
    refused = client.request(operation.method, operation.path.format(**key))
    assert_problem(refused, REVISION_REQUIRED)
    assert client.delete(draft, headers={"If-Match": f'"{revision}"'}).status_code == 204


@pytest.mark.parametrize("operation", [o for o, _ in READ_IF_MATCH], ids=named)
def test_if_match_is_read_where_it_is_described(client, operation):
    send = partial(client.request, operation.method, operation.address)
    response = send(headers={"If-Match": "3"}, json={})
    told = assert_problem(response, INVALID_REQUEST)
    assert ("header", "/if-match") in {(error["where"], error["pointer"]) for error in told["errors"]}


def test_a_null_as_an_attribute_is_described_and_taken(client):
    body = {"attributes": {"size": None}}
    assert is_described("3.1", "post", "/v1/score", body)
    assert client.post("/v1/score", json=body).status_code == 200


def test_every_write_with_an_idempotency_key_in_the_body_takes_it_as_a_header_too():
    document = DOCUMENTS["3.1"]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            body = document["components"]["schemas"].get(name, {})
            headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
            if "idempotency_key" in body.get("properties", ()):
                assert "idempotency-key" in headers, (method, path)
