"""Convert a schema of OpenAPI 3.0 to 2.0."""

from copy import deepcopy
from typing import Any

from app.edge.openapi_versions.parts import Part, map_converter, require_known_keys
from app.edge.openapi_versions.schema_3_0 import COPIED_SCHEMA_KEYS, NULL_SCHEMA_3_0

SCHEMAS_3_0, SCHEMAS_2_0 = "#/components/schemas/", "#/definitions/"
EXCLUSIVE_BOUND_KEYS = {"exclusiveMinimum", "exclusiveMaximum"}
NESTED_KEYS_2_0 = {"anyOf", "oneOf", "allOf", "not", "items", "additionalProperties", "properties"}
KNOWN_KEYS_3_0 = {"$ref", "example", "nullable"} | COPIED_SCHEMA_KEYS | NESTED_KEYS_2_0 | EXCLUSIVE_BOUND_KEYS
# Keywords that 2.0 does not have.
SCHEMA_EXTENSIONS = {
    "anyOf": "x-any-of",
    "oneOf": "x-one-of",
    "not": "x-not",
    "nullable": "x-nullable",
    "deprecated": "x-deprecated",
    "writeOnly": "x-write-only",
}


def schema_2_0(schema: Any, where: str) -> Part:
    """Convert a schema of 3.0 to 2.0. Extensions express what 2.0 has no keyword for.

    A value that may be null has `x-nullable: true`. A union has `x-any-of` or `x-one-of`, a list of
    schemas, and a `type` only if all of them have the same type. A map whose values have no type allows any
    value and has `x-additionalProperties`: client generators would take the values for objects. What a value
    must not be is in `x-not`.

    Raises:
        UnsupportedSchema: for a keyword that is unknown here.
    """
    require_known_keys(schema, KNOWN_KEYS_3_0, where)
    schema = _mark_null(schema)
    result = {
        SCHEMA_EXTENSIONS.get(name, name): _convert_nested(name, deepcopy(value), f"{where}/{name}")
        for name, value in schema.items()
    }
    # x-nullable allows null already, and a null in the enum would not match the type.
    if None in result.get("enum", ()) and "type" in result:
        result["enum"].remove(None)
    types = {option.get("type") for name in ("x-any-of", "x-one-of") for option in result.get(name, ())}
    if len(types) == 1 and types != {None}:
        result.setdefault("type", *types)
    values = result.get("additionalProperties")
    if isinstance(values, dict) and not values.keys() & {"type", "$ref", "allOf"}:
        result |= {"additionalProperties": True, "x-additionalProperties": values}
    return result


def _mark_null(schema: Part) -> Part:
    """Replace the null option of a union, or a schema for null alone, by `nullable`."""
    if schema == NULL_SCHEMA_3_0:
        return {**schema, "nullable": True}
    for name in ("anyOf", "oneOf"):
        if NULL_SCHEMA_3_0 in schema.get(name, ()):
            others = [option for option in schema[name] if option != NULL_SCHEMA_3_0]
            rest = {key: value for key, value in schema.items() if key != name}
            union = {name: others} if len(others) > 1 else {"allOf": [*others, *schema.get("allOf", ())]}
            return {**rest, **union, "nullable": True}
    return schema


def _convert_nested(name: str, value: Any, where: str) -> Any:
    if name == "$ref":
        return value.replace(SCHEMAS_3_0, SCHEMAS_2_0)
    if name == "properties":
        return map_converter(schema_2_0)(value, where)
    if name in ("anyOf", "oneOf", "allOf"):
        return [schema_2_0(option, f"{where}/{number}") for number, option in enumerate(value)]
    if name in ("items", "not") or (name == "additionalProperties" and not isinstance(value, bool)):
        return schema_2_0(value, where)
    return value
