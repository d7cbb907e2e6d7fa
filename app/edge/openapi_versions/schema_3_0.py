"""A schema of OpenAPI 3.1, which is JSON Schema, as one of 3.0, which is not quite."""

from copy import deepcopy
from typing import Any

from app.edge.openapi_versions.parts import Part, UnsupportedSchema, each, expect

SCALARS = {"type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf"}
COUNTS = {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required"}
NOTES = {"title", "description", "default", "deprecated", "readOnly", "writeOnly"}
NESTED = {"anyOf", "oneOf", "allOf", "items", "additionalProperties", "properties", "not"}
KEPT = SCALARS | COUNTS | NOTES
NEWER = {"const", "examples", "exclusiveMinimum", "exclusiveMaximum"}
NAMED = {"patternProperties", "propertyNames"}
KNOWN = {"$ref", "prefixItems"} | KEPT | NESTED | NEWER | NAMED
NULL = {"enum": [None], "nullable": True}


def schema_3_0(schema: Any, where: str) -> Part:
    """The same values allowed, in the words of 3.0.

    Names of a map, which 3.0 cannot bound, are told by `x-propertyNames`. Examples after the first
    are in `x-examples`.

    Raises:
        Undescribable: for a keyword that 3.0 has no words for.
    """
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    expect(schema, KNOWN, where)
    made = {name: _nested(name, deepcopy(value), f"{where}/{name}") for name, value in schema.items()}
    _name_values(made, where)
    _list_values(made, where)
    _give_type(made)
    _give_constant(made)
    _give_example(made)
    _bound(made, "exclusiveMinimum", "minimum", max)
    _bound(made, "exclusiveMaximum", "maximum", min)
    return _refer(_choose(made, where))


def _nested(name: str, value: Any, where: str) -> Any:
    if name in ("properties", "patternProperties"):
        return each(schema_3_0)(value, where)
    if name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return [schema_3_0(option, f"{where}/{number}") for number, option in enumerate(value)]
    if name in ("items", "not") or (name == "additionalProperties" and not isinstance(value, bool)):
        return schema_3_0(value, where)
    return value


def _name_values(made: Part, where: str) -> None:
    """A map of one pattern of names: its values become `additionalProperties`."""
    patterns = made.pop("patternProperties", None)
    if patterns:
        if len(patterns) > 1 or made.get("additionalProperties") or "propertyNames" in made:
            raise UnsupportedSchema(f"{where}: cannot convert more than one kind of names in a map")
        ((pattern, values),) = patterns.items()
        made |= {"additionalProperties": values, "propertyNames": {"pattern": pattern}}
    if "propertyNames" in made:
        made["x-propertyNames"] = made.pop("propertyNames")


def _list_values(made: Part, where: str) -> None:
    """A list of a fixed length, all of one kind: 3.0 cannot tell what stands at which place."""
    places = made.pop("prefixItems", None)
    if places:
        fixed = made.get("minItems") == made.get("maxItems") == len(places)
        if not fixed or "items" in made or any(place != places[0] for place in places):
            raise UnsupportedSchema(f"{where}: cannot convert a list of different kinds at different places")
        made["items"] = places[0]


def _give_type(made: Part) -> None:
    types = made.pop("type", [])
    types = [types] if isinstance(types, str) else list(types)
    if "null" in types:
        types.remove("null")
        made |= {"nullable": True} if types else deepcopy(NULL)
    if len(types) == 1:
        made["type"] = types[0]
    elif types:
        made.setdefault("allOf", []).append({"anyOf": [{"type": name} for name in types]})


def _give_constant(made: Part) -> None:
    if "const" in made:
        made["enum"] = [made.pop("const")]


def _give_example(made: Part) -> None:
    examples = made.pop("examples", [])
    if examples:
        made["example"] = examples[0]
    if len(examples) > 1:
        made["x-examples"] = examples


def _bound(made: Part, exclusive: str, inclusive: str, stricter: Any) -> None:
    """An exclusive bound is a number in 3.1, and a mark on the inclusive one in 3.0."""
    if exclusive in made:
        bound = made.pop(exclusive)
        if inclusive not in made or stricter(bound, made[inclusive]) == bound:
            made |= {inclusive: bound, exclusive: True}


def _choose(made: Part, where: str) -> Part:
    for name in ("anyOf", "oneOf"):
        if name in made:
            made = _choice(name, made.pop(name), made, where)
    return made


def _choice(name: str, options: list[Part], beside: Part, where: str) -> Part:
    """The union with what stands beside it; null among its options is `nullable`."""
    others = [option for option in options if option != NULL]
    if name == "anyOf" and {"type": "number"} in others:
        others = [option for option in others if option != {"type": "integer"}]
    made = _merged(others[0], beside, where) if len(others) == 1 else {name: others, **beside}
    if len(options) > len(others) and NULL in options:
        made["nullable"] = True
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


def _merged(option: Part, beside: Part, where: str) -> Part:
    clash = (option.keys() & beside.keys()) - NOTES - {"example", "x-examples"}
    if clash:
        raise UnsupportedSchema(f"{where}: cannot convert {', '.join(sorted(clash))} told twice")
    return {**option, **beside}


def _refer(made: Part) -> Part:
    """In 3.0 nothing may stand beside a reference."""
    if "$ref" in made and len(made) > 1:
        reference = {"$ref": made.pop("$ref")}
        return {"allOf": [reference, *made.pop("allOf", [])], **made}
    return made
