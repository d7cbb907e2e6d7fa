"""The description of the API: /openapi.json, and older versions of OpenAPI for CRMs that need them."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from app.edge.authorise import SECURITY_SCHEMES
from app.edge.openapi_versions import to_2_0, to_3_0
from app.edge.service import Service
from app.schemas import ProblemOut, result_json

Version = Literal["3.1", "3.0", "2.0"]
# Generated from real calls by `make docs`.
EXAMPLES = json.loads((Path(__file__).parent / "examples.json").read_text("utf-8"))
# Marks the schema of a parameter that is required, although FastAPI accepts requests without it.
REQUIRED_PARAMETER = "x-required-parameter"
# In the schema of a parameter that is one text, with several values separated by commas.
COMMA_SEPARATED = "x-comma-separated"
PATHS = {"/openapi.json": "3.1", "/openapi-3.0.json": "3.0", "/openapi-2.0.json": "2.0"}
OLDER = {"3.0": to_3_0, "2.0": to_2_0}
DESCRIPTION = """\
Scores how well a sales prospect fits, for both sides: is our offer right for them, and would they
benefit? It returns a range with the score, and shows when the indication can no longer change and what to
ask next. A person makes the decision.

Send an API key as `Authorization: Bearer pfk_…` or `X-API-Key: pfk_…`. Every failure is an
`application/problem+json` with a stable `type`, the fields in `errors`, and a `remedy`.
"""


def _summarise(operation: dict[str, Any]) -> None:
    """Split the docstring of an operation: the first sentence is its summary, the rest its description.

    A summary has no full stop, because form builders show it as the name of the operation.
    """
    operation["summary"], rest = re.split(r"\.(?:\s+|$)", operation.pop("description"), maxsplit=1)
    if rest:
        operation["description"] = rest


def _is_map(schema: dict[str, Any]) -> bool:
    options = schema.get("anyOf", ())
    return (schema.get("type") == "object" and "properties" not in schema) or any(map(_is_map, options))


def _describe_parameters(operation: dict[str, Any]) -> None:
    """Describe what FastAPI leaves out about parameters.

    A parameter is either sent or left out, and never null. Several values of a parameter are separated by
    commas if its schema says so, or else the parameter is repeated.
    """
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        options = [option for option in schema.pop("anyOf", ()) if option != {"type": "null"}]
        if len(options) == 1:
            schema |= options[0]
        elif options:
            schema["anyOf"] = options
        parameter["required"] = schema.pop(REQUIRED_PARAMETER, parameter.get("required", False))
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": not schema.pop(COMMA_SEPARATED, False)}


def _close_maps(part: Any) -> None:
    """Describe that all names in a map have its pattern. Pydantic describes only the names that have it."""
    if isinstance(part, dict):
        if patterns := part.pop("patternProperties", None):
            ((pattern, values),) = patterns.items()
            part |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        for nested in part.values():
            _close_maps(nested)
    elif isinstance(part, list):
        for nested in part:
            _close_maps(nested)


def _untitle_maps(part: Any) -> None:
    """Remove the titles that pydantic gives maps: generators name types after them, and many are equal."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str) and _is_map(part):
            del part["title"]
        for nested in part.values():
            _untitle_maps(nested)
    elif isinstance(part, list):
        for nested in part:
            _untitle_maps(nested)


def _add_examples(paths: dict[str, Any]) -> None:
    """Give every operation the request and the response of a real call."""
    for path in paths.values():
        for operation in path.values():
            example = EXAMPLES.get(operation["operationId"])
            if example:
                _add_example(operation.get("requestBody", {}), example["request"])
                _add_example(operation["responses"].get(str(example["status"]), {}), example["response"])


def _add_example(part: dict[str, Any], value: Any) -> None:
    media = part.get("content", {}).get("application/json")
    if media and value is not None:
        media["example"] = value


def describe(app: FastAPI) -> None:
    """Add the description in three versions to the application, with the schema of problems."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=version("prospect-fit"),
                description=DESCRIPTION,
                routes=app.routes,
                servers=app.servers or None,
            )
            schema["components"]["securitySchemes"] = SECURITY_SCHEMES
            schemas = schema["components"]["schemas"]
            problem = ProblemOut.model_json_schema(
                mode="serialization", ref_template="#/components/schemas/{model}"
            )
            schemas.update(problem.pop("$defs"))
            schemas["ProblemOut"] = problem
            for path in schema["paths"].values():
                for operation in path.values():
                    _summarise(operation)
                    _describe_parameters(operation)
            _close_maps(schema)
            _untitle_maps(schema)
            _add_examples(schema["paths"])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    for path, openapi_version in PATHS.items():
        _serve(app, path, openapi_version)


def described(app: FastAPI, version: str) -> dict[str, Any]:
    """Return the description of the API in a version of OpenAPI: "3.1", "3.0" or "2.0"."""
    document = app.openapi()
    return OLDER[version](document) if version in OLDER else document


def _serve(app: FastAPI, path: str, version: str) -> None:
    # Every response shares these bytes, however many callers leave theirs unread.
    document: bytes | None = None

    async def answer(request: Request) -> Response:
        nonlocal document
        if document is None:
            service: Service = request.app.state.service
            document = await service.computing.run_long(lambda: result_json(described(app, version)))
        return Response(document, media_type="application/json")

    app.add_route(path, answer, include_in_schema=False)
