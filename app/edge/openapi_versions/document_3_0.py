"""A whole document of OpenAPI 3.1 as one of 3.0."""

from typing import Any

from app.edge.openapi_versions.parts import (
    Part,
    UnsupportedSchema,
    converted,
    each,
    expect,
    kept,
    operations,
    place,
)
from app.edge.openapi_versions.schema_3_0 import schema_3_0

ABOUT = {"info", "servers", "tags", "externalDocs"}
INFO = {"title", "description", "version", "termsOfService", "contact", "license"}
OPERATION = {"tags", "summary", "description", "externalDocs", "operationId", "deprecated"}
PARAMETER = {"name", "in", "description", "required", "deprecated", "style", "explode", "example"}
HEADER = {"description", "required", "deprecated", "example"}
MEDIA = {"example", "examples"}


def to_3_0(document_3_1: dict[str, Any]) -> dict[str, Any]:
    """The same API told in OpenAPI 3.0.3. What is given is not changed.

    Takes documents as FastAPI and pydantic make them: operations with path, query and header
    parameters, bodies, responses and headers, whose schemas stand in `components.schemas` or in place;
    security schemes; servers; extensions (`x-…`), which are kept as they are.

    Raises:
        Undescribable: for anything else, webhooks, callbacks and conditional schemas for example.
    """
    expect(document_3_1, {"openapi", "paths", "components", "security", *ABOUT}, "#")
    expect(document_3_1["info"], INFO, "#/info")
    paths: Part = {path: kept(item, ()) for path, item in document_3_1["paths"].items()}
    for path, method, operation in operations(document_3_1):
        paths[path][method] = _operation(operation, place(path, method))
    return {
        "openapi": "3.0.3",
        **kept(document_3_1, ABOUT),
        **_security(document_3_1.get("security", [])),
        "paths": paths,
        **converted(document_3_1, "components", _components, "#"),
    }


def _components(part: Part, where: str) -> Part:
    expect(part, {"schemas", "securitySchemes"}, where)
    return {
        **converted(part, "schemas", each(schema_3_0), where),
        **converted(part, "securitySchemes", each(_scheme), where),
    }


def _scheme(part: Part, where: str) -> Part:
    if part["type"] not in ("apiKey", "http"):
        raise UnsupportedSchema(f"{where}: cannot convert a security scheme with scopes of its own")
    return part


def _operation(part: Part, where: str) -> Part:
    expect(part, {*OPERATION, "security", "parameters", "requestBody", "responses"}, where)
    return {
        **kept(part, OPERATION),
        **_security(part.get("security", [])),
        **converted(part, "parameters", _parameters, where),
        **converted(part, "requestBody", _body, where),
        **converted(part, "responses", each(_response), where),
    }


def _security(ways: list[Part]) -> Part:
    """Which keys may be sent; what scopes they need is told by `x-scopes`, as in 3.0 only OAuth has any."""
    if not ways:
        return {}
    scopes = sorted({scope for way in ways for needed in way.values() for scope in needed})
    bare: list[Part] = [{name: [] for name in way} for way in ways]
    return {"security": bare, **({"x-scopes": scopes} if scopes else {})}


def _parameters(parts: list[Part], where: str) -> Any:
    return [_parameter(part, f"{where}/{number}") for number, part in enumerate(parts)]


def _parameter(part: Part, where: str) -> Part:
    expect(part, {*PARAMETER, "schema"}, where)
    return {**kept(part, PARAMETER), **converted(part, "schema", schema_3_0, where)}


def _body(part: Part, where: str) -> Part:
    expect(part, {"description", "required", "content"}, where)
    return {**kept(part, {"description", "required"}), **converted(part, "content", each(_media), where)}


def _response(part: Part, where: str) -> Part:
    expect(part, {"description", "headers", "content"}, where)
    return {
        **kept(part, {"description"}),
        **converted(part, "headers", each(_header), where),
        **converted(part, "content", each(_media), where),
    }


def _header(part: Part, where: str) -> Part:
    expect(part, {*HEADER, "schema"}, where)
    return {**kept(part, HEADER), **converted(part, "schema", schema_3_0, where)}


def _media(part: Part, where: str) -> Part:
    expect(part, {*MEDIA, "schema"}, where)
    return {**kept(part, MEDIA), **converted(part, "schema", schema_3_0, where)}
