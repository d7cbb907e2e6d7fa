"""Parameters and headers of OpenAPI 2.0: they have no schema, what it says stands in themselves."""

from app.edge.openapi_versions.parts import Part, UnsupportedSchema, expect, kept
from app.edge.openapi_versions.schema_2_0 import SCHEMAS_2_0, schema_2_0

IN = ("path", "query", "header")
STYLES = {"path": "simple", "query": "form", "header": "simple"}
SAID = {"name", "in", "description", "required"}
KNOWN = SAID | {"deprecated", "style", "explode", "example", "schema"}
VALUE = {"type", "format", "enum", "pattern", "default", "minLength", "maxLength", "multipleOf", "minItems"}
VALUE |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxItems", "uniqueItems"}
# What a parameter of 2.0 has no word for; titles, which repeat the name, are left out.
EXTENSIONS = {"example": "x-example", "readOnly": "x-read-only"}


def parameter_2_0(part: Part, definitions: Part, where: str) -> Part:
    """A parameter of 3.0 as one of 2.0; `definitions` are the schemas of 2.0 by name.

    A union, which 2.0 does not know, is a text: that is how it travels. Its kinds are in `x-any-of`.

    Raises:
        Undescribable: for a cookie, a style of its own, or a map as a value.
    """
    expect(part, KNOWN, where)
    if part["in"] not in IN or part.get("style", STYLES[part["in"]]) != STYLES[part["in"]]:
        raise UnsupportedSchema(f"{where}: cannot convert a parameter in {part['in']} of this style")
    value, said = _value(schema_2_0(part["schema"], where), definitions, where)
    made = {**value, **kept(part, SAID)}
    if said and "description" not in made:
        made["description"] = said
    if part.get("deprecated"):
        made["x-deprecated"] = True
    if "example" in part:
        made["x-example"] = part["example"]
    if made["type"] == "array":
        spread = part.get("explode", part["in"] == "query")
        made["collectionFormat"] = "multi" if spread and part["in"] == "query" else "csv"
    return made


def header_2_0(part: Part, definitions: Part, where: str) -> Part:
    """A header of a response; without `required`, which 2.0 does not know there."""
    made = parameter_2_0({"name": "", "in": "header", **part}, definitions, where)
    return {name: value for name, value in made.items() if name not in ("name", "in", "required")}


def _value(schema: Part, definitions: Part, where: str) -> tuple[Part, str]:
    """What the schema allows, and its description."""
    schema = _resolved(schema, definitions, where)
    expect(schema, VALUE | {"title", "description", "items"} | set(EXTENSIONS), where)
    made = {
        EXTENSIONS.get(name, name): value for name, value in kept(schema, VALUE | set(EXTENSIONS)).items()
    }
    if made.setdefault("type", "string") == "object":
        raise UnsupportedSchema(f"{where}: cannot convert a map as a parameter")
    if "items" in schema:
        made["items"], _ = _value(schema["items"], definitions, where)
    return made, schema.get("description", "")


def _resolved(schema: Part, definitions: Part, where: str) -> Part:
    """With what it refers to put in its place."""
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].removeprefix(SCHEMAS_2_0)], definitions, where)
    if "allOf" in schema:
        if len(schema["allOf"]) > 1:
            raise UnsupportedSchema(f"{where}: cannot convert allOf in a parameter")
        rest = {name: value for name, value in schema.items() if name != "allOf"}
        return {**_resolved(schema["allOf"][0], definitions, where), **rest}
    return schema
