"""Version 2.0 is a custom connector of the Power Platform, by the rules that Microsoft publishes.

The rules are in "Learn best practices for string fields" and "Create a custom connector with an OpenAPI
extension" (learn.microsoft.com/connectors/custom-connectors, read in November 2026).
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.edge.form_description import describe_form
from app.edge.openapi_versions import to_2_0
from app.question_sets.builtin_sets import read_builtin

pytestmark = pytest.mark.one_database

MOST_CHARACTERS = 80
MOST_BYTES = 1_000_000
FORMS = {question_set.key: question_set for question_set in read_builtin()}


@pytest.fixture(params=["whole", *FORMS])
def connector(request, documents) -> dict[str, Any]:
    if request.param == "whole":
        return documents["2.0"]
    return to_2_0(describe_form(FORMS[request.param], request.param, 1, "https://fit.example.com/api"))


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def labelled(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every parameter and every property of a schema."""
    for operation in operations(document):
        yield from ((parameter["name"], parameter) for parameter in operation.get("parameters", ()))
    for schema in document["definitions"].values():
        yield from schema.get("properties", {}).items()


def test_it_says_where_the_service_is(connector):
    assert connector["swagger"] == "2.0"
    assert (connector["host"], connector["basePath"], connector["schemes"]) == (
        "fit.example.com",
        "/api",
        ["https"],
    )
    assert len(json.dumps(connector)) < MOST_BYTES


def test_it_asks_for_a_key(connector):
    first = next(iter(connector["securityDefinitions"].values()))
    assert (first["type"], first["in"], first["name"]) == ("apiKey", "header", "X-API-Key")


def test_every_operation_has_a_name_that_can_be_shown(connector):
    ids = [operation["operationId"] for operation in operations(connector)]
    assert len(set(ids)) == len(ids)
    for summary in (operation["summary"] for operation in operations(connector)):
        assert len(summary) <= MOST_CHARACTERS, summary
        assert "/" not in summary, summary
        assert summary[-1].isalnum(), summary
    assert all(
        "200" in o["responses"] or o["responses"].keys() & {"201", "202", "204"}
        for o in operations(connector)
    )


def test_every_parameter_and_property_has_a_label(connector):
    fields = list(labelled(connector))
    assert fields
    for name, field in fields:
        assert "$ref" not in field, name
        label = field["x-ms-summary"]
        assert label.lower() == name.lower().replace("_", " ").replace("-", " "), name
        assert 0 < len(label) <= MOST_CHARACTERS, name
