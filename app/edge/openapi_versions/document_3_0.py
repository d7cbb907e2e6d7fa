"""Convert a document of OpenAPI 3.1 to 3.0."""

from typing import Any

from app.edge.openapi_versions.parts import (
    Part,
    UnsupportedSchema,
    convert_key,
    copy_keys,
    list_operations,
    map_converter,
    operation_pointer,
    require_known_keys,
)
from app.edge.openapi_versions.schema_3_0 import schema_3_0

COPIED_IN_3_0 = {"info", "servers", "tags", "externalDocs"}
INFO_KEYS = {"title", "description", "version", "termsOfService", "contact", "license"}
OPERATION_KEYS = {"tags", "summary", "description", "externalDocs", "operationId", "deprecated"}
PARAMETER_KEYS = {"name", "in", "description", "required", "deprecated", "style", "explode", "example"}
HEADER_KEYS = {"description", "required", "deprecated", "example"}
MEDIA_TYPE_KEYS = {"example", "examples"}


def to_3_0(document_3_1: dict[str, Any]) -> dict[str, Any]:
    """Convert a document of OpenAPI 3.1 to OpenAPI 3.0.3. The argument is not changed.

    The function supports documents of FastAPI and pydantic: operations with path, query and header
    parameters, bodies, responses and headers, with schemas in `components.schemas` or inline; security
    schemes; servers; and extensions (`x-…`), which are copied.

    Raises:
        UnsupportedSchema: for anything else, such as webhooks, callbacks and conditional schemas.
    """
    require_known_keys(document_3_1, {"openapi", "paths", "components", "security", *COPIED_IN_3_0}, "#")
    require_known_keys(document_3_1["info"], INFO_KEYS, "#/info")
    paths: Part = {path: copy_keys(item, ()) for path, item in document_3_1["paths"].items()}
    for path, method, operation in list_operations(document_3_1):
        paths[path][method] = _operation(operation, operation_pointer(path, method))
    return {
        "openapi": "3.0.3",
        **copy_keys(document_3_1, COPIED_IN_3_0),
        **_security(document_3_1.get("security", [])),
        "paths": paths,
        **convert_key(document_3_1, "components", _components, "#"),
    }


def _components(part: Part, where: str) -> Part:
    require_known_keys(part, {"schemas", "securitySchemes"}, where)
    return {
        **convert_key(part, "schemas", map_converter(schema_3_0), where),
        **convert_key(part, "securitySchemes", map_converter(_scheme), where),
    }


def _scheme(part: Part, where: str) -> Part:
    if part["type"] not in ("apiKey", "http"):
        raise UnsupportedSchema(f"{where}: cannot convert a security scheme with scopes of its own")
    return part


def _operation(part: Part, where: str) -> Part:
    require_known_keys(part, {*OPERATION_KEYS, "security", "parameters", "requestBody", "responses"}, where)
    return {
        **copy_keys(part, OPERATION_KEYS),
        **_security(part.get("security", [])),
        **convert_key(part, "parameters", _parameters, where),
        **convert_key(part, "requestBody", _body, where),
        **convert_key(part, "responses", map_converter(_response), where),
    }


def _security(requirements: list[Part]) -> Part:
    """Convert security requirements. Scopes go to `x-scopes`, because in 3.0 only OAuth has scopes."""
    if not requirements:
        return {}
    scopes = sorted(
        {
            scope
            for requirement in requirements
            for scope_names in requirement.values()
            for scope in scope_names
        }
    )
    without_scopes: list[Part] = [{name: [] for name in requirement} for requirement in requirements]
    return {"security": without_scopes, **({"x-scopes": scopes} if scopes else {})}


def _parameters(parts: list[Part], where: str) -> Any:
    return [_parameter(part, f"{where}/{number}") for number, part in enumerate(parts)]


def _parameter(part: Part, where: str) -> Part:
    require_known_keys(part, {*PARAMETER_KEYS, "schema"}, where)
    return {**copy_keys(part, PARAMETER_KEYS), **convert_key(part, "schema", schema_3_0, where)}


def _body(part: Part, where: str) -> Part:
    require_known_keys(part, {"description", "required", "content"}, where)
    return {
        **copy_keys(part, {"description", "required"}),
        **convert_key(part, "content", map_converter(_media), where),
    }


def _response(part: Part, where: str) -> Part:
    require_known_keys(part, {"description", "headers", "content"}, where)
    return {
        **copy_keys(part, {"description"}),
        **convert_key(part, "headers", map_converter(_header), where),
        **convert_key(part, "content", map_converter(_media), where),
    }


def _header(part: Part, where: str) -> Part:
    require_known_keys(part, {*HEADER_KEYS, "schema"}, where)
    return {**copy_keys(part, HEADER_KEYS), **convert_key(part, "schema", schema_3_0, where)}


def _media(part: Part, where: str) -> Part:
    require_known_keys(part, {*MEDIA_TYPE_KEYS, "schema"}, where)
    return {**copy_keys(part, MEDIA_TYPE_KEYS), **convert_key(part, "schema", schema_3_0, where)}
