"""A whole document of OpenAPI 3.1 as one of 2.0, by way of 3.0."""

from typing import Any
from urllib.parse import urlsplit

from app.edge.openapi_versions.document_3_0 import OPERATION, to_3_0
from app.edge.openapi_versions.parameters_2_0 import header_2_0, parameter_2_0
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
from app.edge.openapi_versions.schema_2_0 import schema_2_0
from app.edge.openapi_versions.security_2_0 import security_2_0

ABOUT = {"info", "tags", "externalDocs"}
RANGES = ("default", "4XX", "5XX")


def to_2_0(document_3_1: dict[str, Any]) -> dict[str, Any]:
    """The same API told in OpenAPI 2.0 (Swagger). What is given is not changed.

    Takes what `to_3_0` takes, and of that: one server (or one by http and https), bodies and answers
    with one schema for all their media types, and one answer for all of 4XX, 5XX and `default`.
    What 2.0 has no words for is told by extensions: `x-nullable`, `x-any-of`,
    `x-propertyNames`, `x-example`.

    Raises:
        Undescribable: for anything else.
    """
    document = to_3_0(document_3_1)
    components = document.get("components", {})
    definitions = each(schema_2_0)(components.get("schemas", {}), "#/components/schemas")
    paths: Part = {path: kept(item, ()) for path, item in document["paths"].items()}
    for path, method, operation in operations(document):
        paths[path][method] = _operation(operation, definitions, place(path, method))
    return {
        "swagger": "2.0",
        **kept(document, ABOUT | {"security"}),
        **_servers(document.get("servers", [])),
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": each(security_2_0)(
            components.get("securitySchemes", {}), "#/components/securitySchemes"
        ),
    }


def _servers(servers: list[Part]) -> Part:
    """Host, path and schemes; nothing if the servers are not told."""
    for server in servers:
        expect(server, {"url", "description"}, "#/servers")
    addresses = [urlsplit(server["url"]) for server in servers]
    if len({(address.netloc, address.path.rstrip("/")) for address in addresses}) > 1:
        raise UnsupportedSchema("#/servers: cannot convert servers at different addresses")
    made: Part = {}
    for address in addresses:
        made["basePath"] = address.path.rstrip("/") or "/"
        if address.netloc:
            made["host"] = address.netloc
            made["schemes"] = [*made.get("schemes", ()), address.scheme]
    return made


def _operation(part: Part, definitions: Part, where: str) -> Part:
    answers = part["responses"].values()
    body = part.get("requestBody")
    parameters = [
        parameter_2_0(each_one, definitions, f"{where}/parameters/{number}")
        for number, each_one in enumerate(part.get("parameters", ()))
    ]
    if body:
        parameters.append(_body(body, f"{where}/requestBody"))
    consumes = sorted(body["content"]) if body else []
    produces = list(dict.fromkeys(name for answer in answers for name in answer.get("content", ())))
    return {
        **kept(part, OPERATION | {"security"}),
        **({"consumes": consumes} if consumes else {}),
        **({"produces": produces} if produces else {}),
        **({"parameters": parameters} if parameters else {}),
        "responses": _responses(part["responses"], definitions, f"{where}/responses"),
    }


def _body(part: Part, where: str) -> Part:
    media = _one_media(part["content"], where)
    return {
        "name": "body",
        "in": "body",
        "required": part.get("required", False),
        **kept(part, {"description"}),
        **converted(media, "schema", schema_2_0, where),
        **({"x-example": media["example"]} if "example" in media else {}),
    }


def _responses(parts: Part, definitions: Part, where: str) -> Part:
    """Answers by status; ranges, which 2.0 does not know, are the default."""
    made: Part = {}
    for status, part in parts.items():
        name = "default" if status in RANGES else status
        answer = _response(part, definitions, f"{where}/{status}")
        if made.setdefault(name, answer) != answer:
            raise UnsupportedSchema(f"{where}: cannot convert different answers to 4XX, 5XX and default")
    return made


def _response(part: Part, definitions: Part, where: str) -> Part:
    content = part.get("content", {})
    examples = {name: media["example"] for name, media in content.items() if "example" in media}
    return {
        **kept(part, {"description"}),
        **converted(_one_media(content, where), "schema", schema_2_0, where),
        **converted(part, "headers", each(lambda header, at: header_2_0(header, definitions, at)), where),
        **({"examples": examples} if examples else {}),
    }


def _one_media(content: Part, where: str) -> Part:
    for name, media in content.items():
        expect(media, {"schema", "example"}, f"{where}/content/{name}")
    medias = list(content.values())
    if any(media.get("schema") != medias[0].get("schema") for media in medias):
        raise UnsupportedSchema(f"{where}: cannot convert a schema for each media type")
    return medias[0] if medias else {}
