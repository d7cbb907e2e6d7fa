"""Convert parameters and headers to OpenAPI 2.0, where they contain the keywords of their schema."""

from app.edge.openapi_versions.parts import Part, UnsupportedSchema, copy_keys, require_known_keys
from app.edge.openapi_versions.schema_2_0 import SCHEMAS_2_0, schema_2_0

SUPPORTED_LOCATIONS = ("path", "query", "header")
DEFAULT_STYLES = {"path": "simple", "query": "form", "header": "simple"}
COPIED_PARAMETER_KEYS = {"name", "in", "description", "required"}
KNOWN_PARAMETER_KEYS = COPIED_PARAMETER_KEYS | {"deprecated", "style", "explode", "example", "schema"}
VALUE_KEYS = {
    "type",
    "format",
    "enum",
    "pattern",
    "default",
    "minLength",
    "maxLength",
    "multipleOf",
    "minItems",
}
VALUE_KEYS |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxItems", "uniqueItems"}
# Keywords that parameters of 2.0 do not have. Titles are left out: they repeat the name.
PARAMETER_EXTENSIONS = {"example": "x-example", "readOnly": "x-read-only"}


def parameter_2_0(part: Part, definitions: Part, where: str) -> Part:
    """Convert a parameter of 3.0 to 2.0; `definitions` are the schemas of 2.0 by name.

    2.0 has no unions: a union becomes a string, which is how it is sent, and `x-any-of` lists its types.

    Raises:
        UnsupportedSchema: for a cookie, a style that is not the default, or a map as a value.
    """
    require_known_keys(part, KNOWN_PARAMETER_KEYS, where)
    if (
        part["in"] not in SUPPORTED_LOCATIONS
        or part.get("style", DEFAULT_STYLES[part["in"]]) != DEFAULT_STYLES[part["in"]]
    ):
        raise UnsupportedSchema(f"{where}: cannot convert a parameter in {part['in']} of this style")
    value, description = _convert_value(schema_2_0(part["schema"], where), definitions, where)
    result = {**value, **copy_keys(part, COPIED_PARAMETER_KEYS)}
    if description and "description" not in result:
        result["description"] = description
    if part.get("deprecated"):
        result["x-deprecated"] = True
    if "example" in part:
        result["x-example"] = part["example"]
    if result["type"] == "array":
        exploded = part.get("explode", part["in"] == "query")
        result["collectionFormat"] = "multi" if exploded and part["in"] == "query" else "csv"
    return result


def header_2_0(part: Part, definitions: Part, where: str) -> Part:
    """Convert a header of a response, without `required`, which headers of 2.0 do not have."""
    result = parameter_2_0({"name": "", "in": "header", **part}, definitions, where)
    return {name: value for name, value in result.items() if name not in ("name", "in", "required")}


def _convert_value(schema: Part, definitions: Part, where: str) -> tuple[Part, str]:
    """Return the keywords of a schema as those of a parameter, and its description."""
    schema = _resolve(schema, definitions, where)
    require_known_keys(
        schema, VALUE_KEYS | {"title", "description", "items"} | set(PARAMETER_EXTENSIONS), where
    )
    result = {
        PARAMETER_EXTENSIONS.get(name, name): value
        for name, value in copy_keys(schema, VALUE_KEYS | set(PARAMETER_EXTENSIONS)).items()
    }
    if result.setdefault("type", "string") == "object":
        raise UnsupportedSchema(f"{where}: cannot convert a map as a parameter")
    if "items" in schema:
        result["items"], _ = _convert_value(schema["items"], definitions, where)
    return result, schema.get("description", "")


def _resolve(schema: Part, definitions: Part, where: str) -> Part:
    """Replace a reference by the schema that it refers to."""
    if "$ref" in schema:
        return _resolve(definitions[schema["$ref"].removeprefix(SCHEMAS_2_0)], definitions, where)
    if "allOf" in schema:
        if len(schema["allOf"]) > 1:
            raise UnsupportedSchema(f"{where}: cannot convert allOf in a parameter")
        other_keys = {name: value for name, value in schema.items() if name != "allOf"}
        return {**_resolve(schema["allOf"][0], definitions, where), **other_keys}
    return schema
