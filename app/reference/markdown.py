"""The reference as one Markdown page."""

from collections.abc import Iterable, Iterator
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.http.edge import EdgeRoute
from app.keys.store import SCOPES
from app.main import create_app
from app.problems import CATALOGUE
from app.reference.schema import Schema, fields_of, type_of
from app.reference.telling import URL, Told, tell
from app.settings import PREFIX, Settings

HEADER = """\
# Prospect Fit: the reference

`prospect-fit openapi --markdown` generates this page from the routes and from real calls: every response
below is a real one. Ids, keys and times are replaced, so that they are the same in every run. The
machine-readable description is at `/openapi.json` (OpenAPI 3.1), `/openapi-3.0.json` and
`/openapi-2.0.json` (Swagger), with the same content. `/docs` shows it in a browser.
"""


def reference() -> str:
    """The whole page."""
    app = create_app(Settings())
    told = anyio.run(tell)
    sections = (
        [HEADER, _contents()],
        _scopes(),
        _operations(app, told),
        _errors(told["problem"]),
        _settings(),
        _schemas(app),
    )
    return "\n".join(part for section in sections for part in section).rstrip() + "\n"


def _contents() -> str:
    names = ("Scopes", "Operations", "Errors", "Settings", "Schemas")
    return "\n".join(f"- [{name}](#{name.lower()})" for name in names) + "\n"


def _scopes() -> Iterator[str]:
    yield "## Scopes\n"
    yield "Send the key as `X-API-Key: pfk_…` or `Authorization: Bearer pfk_…`. If you can only send a user"
    yield "and a password (Basic), send it as the password of any user. A key has one or more scopes.\n"
    yield from _table(("scope", "allows you to"), [(f"`{name}`", what) for name, what in SCOPES.items()])


def _operations(app: FastAPI, told: dict[str, Told]) -> Iterator[str]:
    yield "## Operations\n"
    yield "Every `GET` operation also answers `HEAD`, without the body. Operations that need a key refuse"
    yield "unknown and repeated query parameters.\n"
    paths = app.openapi()["paths"]
    for context in iter_route_contexts(app.routes):
        route = context.route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                described = paths[context.path][method.lower()]
                yield from _operation(route, method, described, told[described["operationId"]])


def _operation(route: APIRoute, method: str, described: Schema, told: Told) -> Iterator[str]:
    yield f"### {described['operationId']}\n"
    yield f"`{method} {route.path}`\n"
    yield f"{described['summary']}\n"
    if "description" in described:
        yield f"{described['description']}\n"
    guarded = isinstance(route, EdgeRoute)
    if isinstance(route, EdgeRoute):
        yield f"Scope: {' or '.join(f'`{scope}`' for scope in sorted(route.scopes))}.\n"
    else:
        yield "Needs no key.\n"
    yield from _parameters(described.get("parameters", []))
    yield from _example(told, guarded=guarded)


def _parameters(parameters: list[Schema]) -> Iterator[str]:
    rows = [
        (
            f"`{parameter['name']}`{' *' if parameter.get('required') else ''}",
            parameter["in"],
            type_of(parameter["schema"]),
            parameter.get("description") or parameter["schema"].get("description", ""),
        )
        for parameter in parameters
    ]
    if rows:
        yield from _table(("parameter", "in", "type", "what"), rows)


def _example(told: Told, *, guarded: bool = True) -> Iterator[str]:
    lines = [f"curl -X {told.call.method} '{URL}{told.path}'"]
    if guarded:
        lines.append("-H 'X-API-Key: pfk_…'")
    lines += [f"-H '{name}: {value}'" for name, value in told.call.headers.items()]
    if told.sent:
        lines.append(f"-H 'Content-Type: {told.call.media_type}'")
        lines.append(f"-d '{told.sent}'")
    yield "```sh\n" + " \\\n  ".join(lines) + "\n```\n"
    if told.answer:
        yield f"{told.status}:\n"
        yield f"```json\n{told.answer}\n```\n"
    else:
        yield f"{told.status}, with no body.\n"


def _errors(problem: Told) -> Iterator[str]:
    yield "## Errors\n"
    yield "Every error is an `application/problem+json` (RFC 9457) with a stable `type`, the fields in"
    yield "`errors`, and a `remedy`. The `request_id` is also in the header `X-Request-ID`.\n"
    yield from _example(problem)
    yield from _table(
        ("status", "type", "what", "remedy"),
        [(str(kind.status), f"`{kind.type}`", kind.title, kind.remedy) for kind in CATALOGUE],
    )


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield "Each setting is an environment variable and an option of `prospect-fit serve` (`PROSPECT_FIT_PORT`"
    yield "is `--port`). Add `_FILE` to the name to read the value from a file. `DATABASE_URL` also works.\n"
    yield from _table(
        ("setting", "default", "what"),
        [
            (f"`{PREFIX}{name.upper()}`", _default(field.default), field.description or "")
            for name, field in Settings.model_fields.items()
        ],
    )


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f"`{value.get_secret_value() if hasattr(value, 'get_secret_value') else value}`"


def _schemas(app: FastAPI) -> Iterator[str]:
    yield "## Schemas\n"
    yield "Fields with a * are always present in a response, and required in a request.\n"
    for name, schema in sorted(app.openapi()["components"]["schemas"].items()):
        yield f"### {name}\n"
        if "description" in schema:
            yield schema["description"] + "\n"
        if "properties" in schema:
            yield from _table(("field", "type", "what"), fields_of(schema))
        else:
            yield type_of(schema) + "\n"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
