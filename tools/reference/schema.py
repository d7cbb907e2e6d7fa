"""Describe JSON Schema in a few words, for the tables of the reference."""

from typing import Any

Schema = dict[str, Any]


def type_of(schema: Schema) -> str:
    """Return the type of a value in words: "integer 1..5 or null", "list of [Reason](schemas.md#reason)"."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](schemas.md#{name.lower()})"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(type_of(option) for option in options))
    if "enum" in schema or "const" in schema:
        return " · ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if schema.get("type") in ("array", "object"):
        return _collection(schema)
    return _scalar(schema)


def _collection(schema: Schema) -> str:
    if schema["type"] == "array":
        return f"list of {type_of(schema.get('items', {}))}{_size(schema, 'Items')}"
    values = schema.get("additionalProperties")
    of = f" of {type_of(values)}" if isinstance(values, dict) and values else ""
    return f"map{of}{_size(schema, 'Properties')}"


def _scalar(schema: Schema) -> str:
    name = str(schema.get("type", "value"))
    name = {"string": "text", "boolean": "true or false"}.get(name, name)
    if "format" in schema:
        name += f" ({schema['format']})"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return name + _size(schema, "Length")
    return f"{name} {'' if low is None else low}..{'' if high is None else high}"


def _size(schema: Schema, keyword: str) -> str:
    maximum = schema.get(f"max{keyword}")
    return f", at most {maximum}" if maximum else ""


def fields_of(schema: Schema) -> list[tuple[str, str, str]]:
    """Return the name, type and description of every field. Required fields are marked with a *."""
    required = set(schema.get("required", ()))
    return [
        (
            f"`{name}`{' *' if name in required else ''}",
            type_of(field),
            _description(field),
        )
        for name, field in schema.get("properties", {}).items()
    ]


def _description(field: Schema) -> str:
    text = str(field.get("description", "")).replace("\n", " ")
    default = field.get("default")
    if default not in (None, [], {}):
        text += f"{'; ' if text else ''}default `{default}`"
    return text
