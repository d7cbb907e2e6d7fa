"""A schema of OpenAPI 3.0 as one of 2.0."""

from copy import deepcopy
from typing import Any

from app.edge.openapi_versions.parts import Part, each, expect
from app.edge.openapi_versions.schema_3_0 import KEPT

SCHEMAS_3_0, SCHEMAS_2_0 = "#/components/schemas/", "#/definitions/"
BOUNDS = {"exclusiveMinimum", "exclusiveMaximum"}
NESTED = {"anyOf", "oneOf", "allOf", "items", "additionalProperties", "properties"}
KNOWN = {"$ref", "example", "nullable"} | KEPT | NESTED | BOUNDS
# What 2.0 has no keyword for.
EXTENSIONS = {
    "anyOf": "x-any-of",
    "oneOf": "x-one-of",
    "nullable": "x-nullable",
    "deprecated": "x-deprecated",
    "writeOnly": "x-write-only",
}


def schema_2_0(schema: Any, where: str) -> Part:
    """The same values allowed, as far as 2.0 has words; the rest is told by extensions.

    A value that may be null has `x-nullable: true`. A union has `x-any-of` or `x-one-of`, a list of
    schemas, and a `type` only if all of them have the same. A map of values without a type, which
    generators of clients would take for objects, allows any and has `x-additionalProperties`.

    Raises:
        Undescribable: for `not`.
    """
    expect(schema, KNOWN, where)
    made = {
        EXTENSIONS.get(name, name): _nested(name, deepcopy(value), f"{where}/{name}")
        for name, value in schema.items()
    }
    # Where null is told by x-nullable, a null among the values would be one of the wrong type.
    if None in made.get("enum", ()) and "type" in made:
        made["enum"].remove(None)
    types = {option.get("type") for name in ("x-any-of", "x-one-of") for option in made.get(name, ())}
    if len(types) == 1 and types != {None}:
        made.setdefault("type", *types)
    values = made.get("additionalProperties")
    if isinstance(values, dict) and not values.keys() & {"type", "$ref", "allOf"}:
        made |= {"additionalProperties": True, "x-additionalProperties": values}
    return made


def _nested(name: str, value: Any, where: str) -> Any:
    if name == "$ref":
        return value.replace(SCHEMAS_3_0, SCHEMAS_2_0)
    if name == "properties":
        return each(schema_2_0)(value, where)
    if name in ("anyOf", "oneOf", "allOf"):
        return [schema_2_0(option, f"{where}/{number}") for number, option in enumerate(value)]
    if name == "items" or (name == "additionalProperties" and not isinstance(value, bool)):
        return schema_2_0(value, where)
    return value
