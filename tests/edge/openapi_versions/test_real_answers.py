"""Real requests and answers agree with all three descriptions, by validators that others wrote."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import anyio
import pytest
import requests
import schemathesis
from openapi_schema_validator import OAS30StrictValidator, OAS31Validator
from schemathesis.core.transport import Response

from tests.edge.openapi_versions.conftest import VERSIONS
from tools.reference.calls import BASE_URL, RecordedCall, record_calls
from tools.reference.events import MORE_CALLS, SAMPLE_CALLS
from tools.reference.story import FAILING_CALL, STORY

pytestmark = pytest.mark.one_database

# Swagger 2.0 has no null, and only Schemathesis reads x-nullable.
STRICT_VALIDATORS = {"3.1": OAS31Validator, "3.0": OAS30StrictValidator}

JSON_TYPES = ("application/json", "application/problem+json")


class Place(NamedTuple):
    path: str
    method: str


@pytest.fixture(scope="module")
def calls() -> list[RecordedCall]:
    """Every call of the reference, those of the page of events, and one that fails."""
    recorded = anyio.run(record_calls, (*STORY, FAILING_CALL, *MORE_CALLS, *SAMPLE_CALLS))
    return [call for call in recorded.values() if call.media_type in JSON_TYPES and call.response]


def place_of(document: dict[str, Any], call: RecordedCall) -> Place:
    """The path and the method that describe a call. A path without a variable goes first."""
    sent = call.path.partition("?")[0]
    for path in sorted(document["paths"], key=lambda path: path.count("{")):
        method = call.call.method.lower()
        if method in document["paths"][path] and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), sent):
            return Place(path, method)
    raise AssertionError(sent)


def described(document: dict[str, Any], part: dict[str, Any], media_type: str) -> dict[str, Any]:
    """The schema of a body, with the schemas that it refers to."""
    return {**part["content"][media_type]["schema"], "components": document["components"]}


@pytest.mark.parametrize("version", STRICT_VALIDATORS)
def test_every_real_call_agrees_with_the_description(documents, calls, version):
    document, found = documents[version], []
    for call in calls:
        path, method = place_of(document, call)
        operation = document["paths"][path][method]
        answer = operation["responses"].get(str(call.status)) or operation["responses"]["4XX"]
        bodies = [(described(document, answer, call.media_type), call.response)]
        if call.body and call.call.media_type == "application/json":
            bodies.append((described(document, operation["requestBody"], call.call.media_type), call.body))
        for schema, body in bodies:
            errors = STRICT_VALIDATORS[version](schema).iter_errors(json.loads(body))
            found += [f"{call.call.operation}: {error.json_path}: {error.message}" for error in errors]
    assert found == []
    assert len(calls) > 60


def check(document: dict[str, Any], calls: list[RecordedCall]) -> None:
    """Let Schemathesis compare the answers with the description, and raise what it finds."""
    schema = schemathesis.openapi.from_dict(document)
    for call in calls:
        path, method = place_of(document, call)
        request = requests.Request(call.call.method, BASE_URL + call.path).prepare()
        headers = {"content-type": [call.media_type]}
        answer = Response(call.status, headers, call.response.encode(), request, 0.0, verify=False)
        schema[path][method].validate_response(answer)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_real_answer_is_as_described(documents, calls, version):
    check(documents[version], calls)


def test_a_null_that_the_oldest_does_not_allow_is_noticed(documents, calls):
    changed = deepcopy(documents["2.0"])
    del changed["definitions"]["SessionOpened"]["properties"]["decision"]["x-nullable"]
    with pytest.raises(Exception, match="null"):
        check(changed, calls)


def test_null_is_said_only_beside_a_type(documents):
    """In 3.0, `nullable` says nothing in a schema without a type."""
    said = [part for part in parts(documents["3.0"]) if "nullable" in part]
    assert [part for part in said if "type" not in part] == []
    assert said


def parts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from parts(child)
