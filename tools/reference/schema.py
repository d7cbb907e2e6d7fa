"""JSON Schema in few words, for tables in the reference."""

from typing import Any

Schema = dict[str, Any]


def type_of(schema: Schema) -> str:
    """What a value of this schema is: "integer 1..5 or null", "list of [Reason](schemas.md#reason)"."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](schemas.md#{name.lower()})"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(type_of(option) for option in options))
    if "enum" in schema or "const" in schema:
        return " · ".join(f"`{value}`" for value in schema.get("enum") or [schema["const"]])
    if schema.get("type") in ("array", "object"):
        return _several(schema)
    return _scalar(schema)


def _several(schema: Schema) -> str:
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


def _size(schema: Schema, of: str) -> str:
    most = schema.get(f"max{of}")
    return f", at most {most}" if most else ""


def fields_of(schema: Schema) -> list[tuple[str, str, str]]:
    """Name, type and description of every field; required ones are marked with a *."""
    required = set(schema.get("required", ()))
    return [
        (
            f"`{name}`{' *' if name in required else ''}",
            type_of(field),
            _described(field),
        )
        for name, field in schema.get("properties", {}).items()
    ]


def _described(field: Schema) -> str:
    words = str(field.get("description", "")).replace("\n", " ")
    default = field.get("default")
    if default not in (None, [], {}):
        words += f"{'; ' if words else ''}default `{default}`"
    return words
