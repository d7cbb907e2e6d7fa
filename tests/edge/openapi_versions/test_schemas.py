"""Single schemas, turned by hand from the specifications of 3.1, 3.0 and 2.0."""

from copy import deepcopy
from typing import Any

import pytest

from app.edge.openapi_versions import to_2_0, to_3_0
from app.edge.openapi_versions.parts import UnsupportedSchema

THING = {"$ref": "#/components/schemas/Thing"}
THING_2_0 = {"$ref": "#/definitions/Thing"}


def document(schema: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "paths": {},
        "components": {"schemas": {"Thing": {"type": "object"}, "Here": schema}},
    }


def in_3_0(schema: Any) -> Any:
    return to_3_0(document(schema))["components"]["schemas"]["Here"]


def in_2_0(schema: Any) -> Any:
    return to_2_0(document(schema))["definitions"]["Here"]


@pytest.mark.parametrize(
    ("schema", "older", "oldest"),
    [
        (
            {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "title": "Name"},
            {"type": "string", "maxLength": 9, "title": "Name", "nullable": True},
            {"type": "string", "maxLength": 9, "title": "Name", "x-nullable": True},
        ),
        (
            {"anyOf": [THING, {"type": "null"}], "description": "this"},
            {"anyOf": [THING, {"enum": [None]}], "description": "this"},
            {"allOf": [THING_2_0], "description": "this", "x-nullable": True},
        ),
        (
            {"type": ["integer", "null"], "minimum": 1},
            {"type": "integer", "minimum": 1, "nullable": True},
            {"type": "integer", "minimum": 1, "x-nullable": True},
        ),
        (
            {"anyOf": [{"type": "string", "enum": ["a", "b"]}, {"type": "null"}]},
            {"type": "string", "enum": ["a", "b", None], "nullable": True},
            {"type": "string", "enum": ["a", "b"], "x-nullable": True},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "boolean"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "boolean"}, {"enum": [None]}]},
            {"x-any-of": [{"type": "string"}, {"type": "boolean"}], "x-nullable": True},
        ),
        (
            {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "maxLength": 4}]},
            {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "maxLength": 4}]},
            {
                "type": "string",
                "x-one-of": [{"type": "string", "format": "date"}, {"type": "string", "maxLength": 4}],
            },
        ),
        (
            {"type": ["string", "boolean"], "maxLength": 4},
            {"allOf": [{"anyOf": [{"type": "string"}, {"type": "boolean"}]}], "maxLength": 4},
            {"allOf": [{"x-any-of": [{"type": "string"}, {"type": "boolean"}]}], "maxLength": 4},
        ),
        (
            {"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]},
            {"type": "number", "nullable": True},
            {"type": "number", "x-nullable": True},
        ),
        (
            {"type": ["string", "boolean", "null"]},
            {"allOf": [{"anyOf": [{"type": "string"}, {"type": "boolean"}, {"enum": [None]}]}]},
            {"allOf": [{"x-any-of": [{"type": "string"}, {"type": "boolean"}], "x-nullable": True}]},
        ),
        (
            {"type": "string", "const": "changed"},
            {"type": "string", "enum": ["changed"]},
            {"type": "string", "enum": ["changed"]},
        ),
        (
            {"type": "string", "examples": ["a"]},
            {"type": "string", "example": "a"},
            {"type": "string", "example": "a"},
        ),
        (
            {"type": "string", "examples": ["a", "b"]},
            {"type": "string", "example": "a", "x-examples": ["a", "b"]},
            {"type": "string", "example": "a", "x-examples": ["a", "b"]},
        ),
        (
            {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
            {"type": "integer", "minimum": 1, "maximum": 9, "exclusiveMaximum": True},
            {"type": "integer", "minimum": 1, "maximum": 9, "exclusiveMaximum": True},
        ),
        (
            {"type": "number", "minimum": 3, "exclusiveMinimum": 2},
            {"type": "number", "minimum": 3},
            {"type": "number", "minimum": 3},
        ),
        (
            {"type": "number", "minimum": 2, "exclusiveMinimum": 2},
            {"type": "number", "minimum": 2, "exclusiveMinimum": True},
            {"type": "number", "minimum": 2, "exclusiveMinimum": True},
        ),
        (
            {**THING, "default": {}},
            {"allOf": [THING], "default": {}},
            {"allOf": [THING_2_0], "default": {}},
        ),
        (
            {"type": "object", "patternProperties": {"^a": THING}},
            {"type": "object", "additionalProperties": THING, "x-propertyNames": {"pattern": "^a"}},
            {"type": "object", "additionalProperties": THING_2_0, "x-propertyNames": {"pattern": "^a"}},
        ),
        (
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
            {
                "type": "object",
                "additionalProperties": True,
                "x-additionalProperties": {"x-any-of": [{"type": "string"}, {"type": "number"}]},
            },
        ),
        (
            {"type": "object", "additionalProperties": True, "propertyNames": {"maxLength": 48}},
            {"type": "object", "additionalProperties": True, "x-propertyNames": {"maxLength": 48}},
            {"type": "object", "additionalProperties": True, "x-propertyNames": {"maxLength": 48}},
        ),
        (
            {"type": "array", "prefixItems": [THING, THING], "minItems": 2, "maxItems": 2},
            {"type": "array", "items": THING, "minItems": 2, "maxItems": 2},
            {"type": "array", "items": THING_2_0, "minItems": 2, "maxItems": 2},
        ),
        (
            {"type": "string", "writeOnly": True, "deprecated": True, "x-ms-summary": "Say it"},
            {"type": "string", "writeOnly": True, "deprecated": True, "x-ms-summary": "Say it"},
            {"type": "string", "x-write-only": True, "x-deprecated": True, "x-ms-summary": "Say it"},
        ),
        (
            {
                "type": "object",
                "allOf": [{"not": {"required": ["a"], "properties": {"a": {"type": "null"}}}}],
            },
            {
                "type": "object",
                "allOf": [{"not": {"required": ["a"], "properties": {"a": {"enum": [None]}}}}],
            },
            {
                "type": "object",
                "allOf": [
                    {"x-not": {"required": ["a"], "properties": {"a": {"enum": [None], "x-nullable": True}}}}
                ],
            },
        ),
        (
            {"type": "object", "allOf": [{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}]},
            {"type": "object", "allOf": [{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}]},
            {"type": "object", "allOf": [{"x-one-of": [{"required": ["a"]}, {"required": ["b"]}]}]},
        ),
        (True, {}, {}),
    ],
)
def test_a_schema_allows_the_same_in_each_version(schema, older, oldest):
    told = deepcopy(schema)
    assert in_3_0(schema) == older
    assert in_2_0(schema) == oldest
    assert schema == told


def test_2_0_labels_properties_for_the_power_platform():
    properties = {"external_id": {"type": "string"}, "thing": THING}
    assert in_2_0({"type": "object", "properties": properties})["properties"] == {
        "external_id": {"type": "string", "x-ms-summary": "External id"},
        "thing": {"allOf": [THING_2_0], "x-ms-summary": "Thing"},
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"if": {"type": "string"}},
        {"type": "object", "patternProperties": {"^a": {}, "^b": {}}},
        {"type": "object", "patternProperties": {"^a": {}}, "additionalProperties": {"type": "string"}},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"type": "string", "pattern": "a"}, {"type": "null"}], "pattern": "b"},
        {"properties": {"a/b": {"contains": {}}}},
    ],
)
def test_what_3_0_cannot_tell_is_refused(schema):
    with pytest.raises(UnsupportedSchema, match=r"^#/components/schemas/Here"):
        to_3_0(document(schema))
