"""The description of a flat form: every question a field, and nothing that a builder cannot use."""

import jsonschema
import pytest
from openapi_spec_validator import validate

from app.inbound.forms.schemas import Form
from app.question_sets.builtin_sets import read_builtin
from app.scoring.rules import RESERVED
from tests.api.calls import ok, refusal

pytestmark = pytest.mark.one_database

BUILTIN = {question_set.key: question_set for question_set in read_builtin()}
VERSIONS = ("3.0", "2.0")
# What is written in a form besides attributes and questions, from the issue's list and its neighbours.
OWN = {
    "source", "external_id", "name", "deal", "assessor", "not_applicable", "unknown", "decision",
    "decision_reason", "decision_revisit_on", "outcome", "outcome_amount", "outcome_currency",
    "outcome_closed_on", "outcome_reason", "outcome_competitor", "opened_on", "answered_at",
    "carry_over", "actor", "idempotency_key",
}  # fmt: skip
# Custom connectors take less than this.
MOST_BYTES = 1_000_000


def test_no_question_and_no_attribute_has_the_name_of_a_field_of_the_form():
    """`question_set` is the path's in a form, and a field of everything else that qualifies."""
    assert Form.model_fields.keys() | {"question_set"} == RESERVED


def described(client, key, version):
    return ok(client.get(f"/v1/question-sets/{key}/openapi-{version}.json"))


def schemas(document):
    return document["components"]["schemas"] if "openapi" in document else document["definitions"]


def walk(node):
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", BUILTIN)
def test_every_attribute_and_question_is_a_typed_field(client, key, version):
    question_set, form = BUILTIN[key], schemas(described(client, key, version))["Form"]
    questions = {q.key: q for step in question_set.steps for q in step.questions}
    assert form["properties"].keys() == OWN | questions.keys() | question_set.attributes.keys()
    assert sorted(form["required"]) == ["external_id", "source"]
    nullable = "nullable" if version == "3.0" else "x-nullable"
    for name, question in questions.items():
        field = form["properties"][name]
        assert (field["type"], field["minimum"], field["maximum"]) == ("integer", 1, 5)
        assert field[nullable] is True
        assert field["description"].startswith(question.text[:200])
    types = {"text": "string", "number": "number", "boolean": "boolean"}
    for name, declared in question_set.attributes.items():
        assert form["properties"][name]["type"] == types[declared]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", BUILTIN)
def test_a_builder_can_use_all_of_it(client, key, version):
    response = client.get(f"/v1/question-sets/{key}/openapi-{version}.json")
    document = ok(response)
    assert len(response.content) < MOST_BYTES
    validate(document)
    ((path, methods),) = document["paths"].items()
    assert (path, list(methods)) == (f"/v1/qualify/{key}", ["post"])
    operation = methods["post"]
    assert operation["operationId"] == f"qualify_{key}".replace("-", "_")
    assert all(set(answer.get("headers", {})) == set() for answer in operation["responses"].values())
    for flat in ("Form", "FormResult"):
        for name, field in schemas(document)[flat]["properties"].items():
            assert field["title"] == name.replace("_", " ").capitalize(), name
            assert version == "3.0" or field["x-ms-summary"] == field["title"]
            assert field["type"] in ("string", "integer", "number", "boolean") or name == "ignored"
    for node in walk(document):
        assert not node.keys() & {"additionalProperties", "anyOf", "oneOf", "allOf", "patternProperties"}
        assert len(str(node.get("description", ""))) < 1000
        if "content" in node:
            assert list(node["content"]) == ["application/json"]


@pytest.mark.parametrize("key", BUILTIN)
def test_the_answer_is_what_it_describes(client, link, key):
    answer = schemas(described(client, key, "2.0"))["FormResult"]
    sides = {f"{dimension.key}_score" for dimension in BUILTIN[key].dimensions}
    assert sides <= answer["properties"].keys()
    told = ok(client.post(f"/v1/qualify/{key}", json=link))
    assert told.keys() == answer["properties"].keys()
    as_told = {name: _with_null(field) for name, field in answer["properties"].items()}
    jsonschema.validate(told, {"type": "object", "properties": as_told})


def _with_null(field):
    """JSON Schema for a field of Swagger, which says of null what it wants."""
    schema = {name: value for name, value in field.items() if name in ("type", "minimum", "maximum", "items")}
    return {"anyOf": [schema, {"type": "null"}]} if field.get("x-nullable") else schema


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_a_form_of_its_own(client, publish, small, version):
    definition = ok(client.get(f"/v1/question-sets/{small}"))["definition"]
    definition["steps"][0]["questions"].append({"key": "fresh", "text": "fresh?", "dimension": "match"})
    publish(definition)
    first = ok(client.get(f"/v1/question-sets/{small}/versions/1/openapi-{version}.json"))
    assert list(first["paths"]) == [f"/v1/qualify/{small}@1"]
    assert first["info"]["version"] == f"{small}@1"
    assert "fresh" not in schemas(first)["Form"]["properties"]
    newest = described(client, small, version)
    assert newest["info"]["version"] == f"{small}@2"
    assert "fresh" in schemas(newest)["Form"]["properties"]


def test_a_long_text_is_cut_and_known_values_are_told(client, publish, small):
    definition = ok(client.get(f"/v1/question-sets/{small}"))["definition"]
    long = {"key": "long", "text": "x" * 2000, "dimension": "match"}
    rule = {
        "attribute": "industry",
        "values": [{"equals": "saas", "rating": 5}, {"equals": "retail", "rating": 2}],
    }
    ruled = {"key": "branch", "text": "Which branch?", "dimension": "match", "rate_from": rule}
    definition["steps"][0]["questions"] += [long, ruled]
    definition["attributes"] = {"industry": "text"}
    publish(definition)
    fields = schemas(described(client, small, "3.0"))["Form"]["properties"]
    assert fields["long"]["description"] == "x" * 998 + "…"
    assert "saas, retail" in fields["industry"]["description"]


def test_what_is_not_there(client):
    assert refusal(client.get("/v1/question-sets/no-such-set/openapi-3.0.json")) == (404, "not-found")
    assert refusal(client.get("/v1/question-sets/bant/versions/99/openapi-2.0.json")) == (404, "not-found")
    assert refusal(client.get("/v1/question-sets/bant/openapi-3.1.json")) == (422, "invalid-request")
