"""Convert a document of OpenAPI 3.1 to 2.0, by way of 3.0."""

from typing import Any
from urllib.parse import urlsplit

from app.edge.openapi_versions.document_3_0 import OPERATION_KEYS, to_3_0
from app.edge.openapi_versions.parameters_2_0 import header_2_0, parameter_2_0
from app.edge.openapi_versions.parts import (
    Part,
    UnsupportedSchema,
    convert_key,
    copy_keys,
    label,
    list_operations,
    map_converter,
    operation_pointer,
    require_known_keys,
)
from app.edge.openapi_versions.schema_2_0 import schema_2_0
from app.edge.openapi_versions.security_2_0 import security_2_0

COPIED_IN_2_0 = {"info", "tags", "externalDocs"}
DEFAULT_STATUSES = ("default", "4XX", "5XX")


def to_2_0(document_3_1: dict[str, Any]) -> dict[str, Any]:
    """Convert a document of OpenAPI 3.1 to OpenAPI 2.0 (Swagger). The argument is not changed.

    The function supports what `to_3_0` supports, with these limits: one server (or the same server by http
    and https), one schema for all media types of a body or a response, and one response for all of 4XX, 5XX
    and `default`. Extensions express what 2.0 has no keyword for: `x-nullable`, `x-any-of`,
    `x-propertyNames`, `x-example`. Every parameter and every property of a schema in `components` has an
    `x-ms-summary`, its name in words: custom connectors of the Power Platform show it.

    Raises:
        UnsupportedSchema: for anything else.
    """
    document = to_3_0(document_3_1)
    components = document.get("components", {})
    definitions = map_converter(schema_2_0)(components.get("schemas", {}), "#/components/schemas")
    for definition in definitions.values():
        _label_properties(definition.get("properties", {}))
    paths: Part = {path: copy_keys(item, ()) for path, item in document["paths"].items()}
    for path, method, operation in list_operations(document):
        paths[path][method] = _operation(operation, definitions, operation_pointer(path, method))
    return {
        "swagger": "2.0",
        **copy_keys(document, COPIED_IN_2_0 | {"security"}),
        **_servers(document.get("servers", [])),
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": map_converter(security_2_0)(
            components.get("securitySchemes", {}), "#/components/securitySchemes"
        ),
    }


def _label_properties(properties: Part) -> None:
    for name, part in properties.items():
        # Keywords beside a reference are ignored.
        schema = {"allOf": [part]} if "$ref" in part else part
        properties[name] = {"x-ms-summary": label(name), **schema}


def _servers(servers: list[Part]) -> Part:
    """Return `host`, `basePath` and `schemes`, or nothing if the document has no servers."""
    for server in servers:
        require_known_keys(server, {"url", "description"}, "#/servers")
    urls = [urlsplit(server["url"]) for server in servers]
    if len({(url.netloc, url.path.rstrip("/")) for url in urls}) > 1:
        raise UnsupportedSchema("#/servers: cannot convert servers at different addresses")
    result: Part = {}
    for url in urls:
        result["basePath"] = url.path.rstrip("/") or "/"
        if url.netloc:
            result["host"] = url.netloc
            result["schemes"] = [*result.get("schemes", ()), url.scheme]
    return result


def _operation(part: Part, definitions: Part, where: str) -> Part:
    responses = part["responses"].values()
    body = part.get("requestBody")
    parameters = [
        {
            "x-ms-summary": label(parameter["name"]),
            **parameter_2_0(parameter, definitions, f"{where}/parameters/{number}"),
        }
        for number, parameter in enumerate(part.get("parameters", ()))
    ]
    if body:
        parameters.append(_body(body, f"{where}/requestBody"))
    consumes = sorted(body["content"]) if body else []
    produces = list(dict.fromkeys(name for response in responses for name in response.get("content", ())))
    return {
        **copy_keys(part, OPERATION_KEYS | {"security"}),
        **({"consumes": consumes} if consumes else {}),
        **({"produces": produces} if produces else {}),
        **({"parameters": parameters} if parameters else {}),
        "responses": _responses(part["responses"], definitions, f"{where}/responses"),
    }


def _body(part: Part, where: str) -> Part:
    media = _one_media(part["content"], where)
    return {
        "name": "body",
        "x-ms-summary": label("body"),
        "in": "body",
        "required": part.get("required", False),
        **copy_keys(part, {"description"}),
        **convert_key(media, "schema", schema_2_0, where),
        **({"x-example": media["example"]} if "example" in media else {}),
    }


def _responses(parts: Part, definitions: Part, where: str) -> Part:
    """Convert the responses. Ranges of statuses, which 2.0 does not know, become `default`."""
    result: Part = {}
    for status, part in parts.items():
        name = "default" if status in DEFAULT_STATUSES else status
        response = _response(part, definitions, f"{where}/{status}")
        if result.setdefault(name, response) != response:
            raise UnsupportedSchema(f"{where}: cannot convert different responses for 4XX, 5XX and default")
    return result


def _response(part: Part, definitions: Part, where: str) -> Part:
    content = part.get("content", {})
    examples = {name: media["example"] for name, media in content.items() if "example" in media}
    return {
        **copy_keys(part, {"description"}),
        **convert_key(_one_media(content, where), "schema", schema_2_0, where),
        **convert_key(
            part, "headers", map_converter(lambda header, at: header_2_0(header, definitions, at)), where
        ),
        **({"examples": examples} if examples else {}),
    }


def _one_media(content: Part, where: str) -> Part:
    for name, media in content.items():
        require_known_keys(media, {"schema", "example"}, f"{where}/content/{name}")
    media_types = list(content.values())
    if any(media.get("schema") != media_types[0].get("schema") for media in media_types):
        raise UnsupportedSchema(f"{where}: cannot convert different schemas for the media types of a body")
    return media_types[0] if media_types else {}
