"""Convert a schema of OpenAPI 3.1, which is JSON Schema, to 3.0, which is a variant of it."""

from copy import deepcopy
from typing import Any

from app.edge.openapi_versions.parts import Part, UnsupportedSchema, map_converter, require_known_keys

SCALAR_KEYS = {
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "multipleOf",
}
COUNT_KEYS = {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required"}
ANNOTATION_KEYS = {"title", "description", "default", "deprecated", "readOnly", "writeOnly"}
NESTED_KEYS_3_1 = {"anyOf", "oneOf", "allOf", "items", "additionalProperties", "properties", "not"}
COPIED_SCHEMA_KEYS = SCALAR_KEYS | COUNT_KEYS | ANNOTATION_KEYS
CONVERTED_KEYS = {"const", "examples", "exclusiveMinimum", "exclusiveMaximum"}
PROPERTY_NAME_KEYS = {"patternProperties", "propertyNames"}
KNOWN_KEYS_3_1 = (
    {"$ref", "prefixItems"} | COPIED_SCHEMA_KEYS | NESTED_KEYS_3_1 | CONVERTED_KEYS | PROPERTY_NAME_KEYS
)
# In 3.0, `nullable` counts only beside a `type`. A schema without a type allows null.
NULL_SCHEMA_3_0 = {"enum": [None]}


def schema_3_0(schema: Any, where: str) -> Part:
    """Convert a schema of 3.1 to a schema of 3.0 that allows the same values.

    3.0 cannot restrict the names in a map: `x-propertyNames` does. If there are several examples,
    `x-examples` lists them all.

    Raises:
        UnsupportedSchema: for a keyword that 3.0 cannot express.
    """
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    require_known_keys(schema, KNOWN_KEYS_3_1, where)
    result = {
        name: _convert_nested(name, deepcopy(value), f"{where}/{name}") for name, value in schema.items()
    }
    _convert_property_names(result, where)
    _convert_tuple(result, where)
    _convert_type(result)
    _convert_const(result)
    _convert_examples(result)
    _convert_bound(result, "exclusiveMinimum", "minimum", max)
    _convert_bound(result, "exclusiveMaximum", "maximum", min)
    return _wrap_reference(_convert_unions(result, where))


def _convert_nested(name: str, value: Any, where: str) -> Any:
    if name in ("properties", "patternProperties"):
        return map_converter(schema_3_0)(value, where)
    if name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return [schema_3_0(option, f"{where}/{number}") for number, option in enumerate(value)]
    if name in ("items", "not") or (name == "additionalProperties" and not isinstance(value, bool)):
        return schema_3_0(value, where)
    return value


def _convert_property_names(result: Part, where: str) -> None:
    """Convert a map with one pattern of names: its values become `additionalProperties`."""
    patterns = result.pop("patternProperties", None)
    if patterns:
        if len(patterns) > 1 or result.get("additionalProperties") or "propertyNames" in result:
            raise UnsupportedSchema(f"{where}: cannot convert a map with several patterns of names")
        ((pattern, values),) = patterns.items()
        result |= {"additionalProperties": values, "propertyNames": {"pattern": pattern}}
    if "propertyNames" in result:
        result["x-propertyNames"] = result.pop("propertyNames")


def _convert_tuple(result: Part, where: str) -> None:
    """Convert a list of a fixed length whose items have one schema: 3.0 has no schema for each position."""
    item_schemas = result.pop("prefixItems", None)
    if item_schemas:
        fixed = result.get("minItems") == result.get("maxItems") == len(item_schemas)
        if not fixed or "items" in result or any(schema != item_schemas[0] for schema in item_schemas):
            raise UnsupportedSchema(
                f"{where}: cannot convert a list with different schemas at different positions"
            )
        result["items"] = item_schemas[0]


def _convert_type(result: Part) -> None:
    types = result.pop("type", [])
    types = [types] if isinstance(types, str) else list(types)
    others = [name for name in types if name != "null"]
    if len(others) > 1:
        options = [{"type": name} if name != "null" else deepcopy(NULL_SCHEMA_3_0) for name in types]
        result.setdefault("allOf", []).append({"anyOf": options})
    elif others:
        result |= {"type": others[0], **({"nullable": True} if "null" in types else {})}
    elif types:
        result |= deepcopy(NULL_SCHEMA_3_0)


def _convert_const(result: Part) -> None:
    if "const" in result:
        result["enum"] = [result.pop("const")]


def _convert_examples(result: Part) -> None:
    examples = result.pop("examples", [])
    if examples:
        result["example"] = examples[0]
    if len(examples) > 1:
        result["x-examples"] = examples


def _convert_bound(result: Part, exclusive: str, inclusive: str, stricter: Any) -> None:
    """Convert an exclusive bound: a number in 3.1, and a flag for the inclusive bound in 3.0."""
    if exclusive in result:
        bound = result.pop(exclusive)
        if inclusive not in result or stricter(bound, result[inclusive]) == bound:
            result |= {inclusive: bound, exclusive: True}


def _convert_unions(result: Part, where: str) -> Part:
    for name in ("anyOf", "oneOf"):
        if name in result:
            result = _convert_union(name, result.pop(name), result, where)
    return result


def _convert_union(name: str, options: list[Part], siblings: Part, where: str) -> Part:
    """Merge a union with its sibling keywords. A null option becomes `nullable` if one type is left."""
    others = [option for option in options if option != NULL_SCHEMA_3_0]
    if name == "anyOf" and {"type": "number"} in others:
        others = [option for option in others if option != {"type": "integer"}]
    nulls = [deepcopy(NULL_SCHEMA_3_0)] if NULL_SCHEMA_3_0 in options else []
    if len(others) > 1 or (nulls and "type" not in others[0]):
        return {name: [*others, *nulls], **siblings}
    result = _merge(others[0], siblings, where)
    if nulls:
        result["nullable"] = True
        if "enum" in result:
            result["enum"] = [*result["enum"], None]
    return result


def _merge(option: Part, siblings: Part, where: str) -> Part:
    conflicts = (option.keys() & siblings.keys()) - ANNOTATION_KEYS - {"example", "x-examples"}
    if conflicts:
        raise UnsupportedSchema(
            f"{where}: cannot convert {', '.join(sorted(conflicts))} both in a union and beside it"
        )
    return {**option, **siblings}


def _wrap_reference(result: Part) -> Part:
    """Move a reference with sibling keywords into `allOf`: 3.0 allows nothing beside a reference."""
    if "$ref" in result and len(result) > 1:
        reference = {"$ref": result.pop("$ref")}
        return {"allOf": [reference, *result.pop("allOf", [])], **result}
    return result
