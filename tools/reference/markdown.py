"""Generate the reference as Markdown: an overview, a page for each group of operations, and the schemas."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.edge.routes import EdgeRoute
from app.keys.schemas import SCOPES
from app.problems import CATALOGUE
from app.settings import PREFIX, Settings
from tools.reference.calls import BASE_URL, RecordedCall
from tools.reference.refusals import REFUSALS
from tools.reference.schema import Schema, fields_of, type_of

PAGES_FOLDER = "docs/api"
SCHEMAS_PAGE = f"{PAGES_FOLDER}/schemas.md"
# Longer responses would hide what matters.
MAX_SHOWN_ITEMS = 2
MAX_SHOWN_LINES = 60
# The title and the description of a picture say what its shapes show.
MAX_SHOWN_PICTURE_LINES = 3
# The language of a code block, by the media type of the response in it.
LANGUAGES = {"text/plain": "sql", "text/csv": "csv", "image/svg+xml": "xml"}
REFERENCE_HEADER = """\
# API reference

`make docs` generates this page and the pages in [docs/api](docs/api) from the routes and from real calls.
Ids, keys and times are replaced by values that are the same in every run. The machine-readable description is
at `/openapi.json` (OpenAPI 3.1), `/openapi-3.0.json` and `/openapi-2.0.json` (Swagger), with the same
content. `/docs` shows it in a browser.

- [Operations](#operations)
- [Scopes](#scopes)
- [Errors](#errors)
- [Requests that the description cannot rule out](#requests-that-the-description-cannot-rule-out)
- [Settings](#settings)
- [Schemas](docs/api/schemas.md)
- [Events](docs/events.md)
"""


class Operation(NamedTuple):
    """One operation: its route, its description, and a recorded call."""

    group: str
    method: str
    path: str
    scopes: tuple[str, ...] | None
    also: tuple[str, ...]
    described: Schema
    call: RecordedCall

    @property
    def name(self) -> str:
        """The operation id."""
        return str(self.described["operationId"])

    @property
    def permission(self) -> str:
        """The scopes: a key needs one of them."""
        if self.scopes is None:
            return "no key"
        needed = " or ".join(f"`{scope}`" for scope in self.scopes)
        return " and ".join([needed, *(f"`{scope}`" for scope in self.also)])


def pages(app: FastAPI, calls: Mapping[str, RecordedCall]) -> dict[str, str]:
    """Return the text of every page by its path."""
    operations = list(_operations(app, calls))
    groups = list(dict.fromkeys(operation.group for operation in operations))
    texts = {"openapi.md": _joined(_overview(groups, operations, calls["problem"]))}
    for group in groups:
        members = [operation for operation in operations if operation.group == group]
        texts[_page_of(group)] = _joined(_group_page(group, members))
    texts[SCHEMAS_PAGE] = _joined(_schemas(app))
    return texts


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _page_of(group: str) -> str:
    return f"{PAGES_FOLDER}/{group.replace(' ', '-')}.md"


def _operations(app: FastAPI, calls: Mapping[str, RecordedCall]) -> Iterator[Operation]:
    paths = app.openapi()["paths"]
    for context in iter_route_contexts(app.routes):
        route = context.route
        if isinstance(route, APIRoute) and route.include_in_schema:
            scopes = tuple(sorted(route.scopes)) if isinstance(route, EdgeRoute) else None
            also = tuple(sorted(route.also)) if isinstance(route, EdgeRoute) else ()
            for method in sorted(route.methods or ()):
                described = paths[context.path][method.lower()]
                group = described["tags"][0]
                call = calls[described["operationId"]]
                yield Operation(group, method, route.path, scopes, also, described, call)


def _overview(groups: Iterable[str], operations: Iterable[Operation], problem: RecordedCall) -> Iterator[str]:
    yield REFERENCE_HEADER
    yield "## Operations\n"
    yield "Every `GET` operation also accepts `HEAD`, and then returns no body. Operations that need a key"
    yield "reject unknown and repeated query parameters, and repeated headers that take one value. Each name"
    yield "links to a real call of the operation.\n"
    for group in groups:
        yield f"### {group.capitalize()}\n"
        rows = [
            (
                f"[{operation.name}]({_page_of(group)}#{operation.name})",
                f"`{operation.method} {operation.path}`",
                operation.described["summary"],
                operation.permission,
            )
            for operation in operations
            if operation.group == group
        ]
        yield from _table(("operation", "request", "what it does", "scope"), rows)
    yield from _scopes(operations)
    yield from _errors(problem)
    yield from _refusals()
    yield from _settings()


def _scopes(operations: Iterable[Operation]) -> Iterator[str]:
    yield "## Scopes\n"
    yield "Send the key as `X-API-Key: pfk_…` or `Authorization: Bearer pfk_…`. If you can only send a user"
    yield "and a password (Basic), send the key as the password, with any user. A key has one or more"
    yield "scopes.\n"
    yield from _table(("scope", "allows you to"), [(f"`{name}`", what) for name, what in SCOPES.items()])
    yield "A request without a key, or with an unknown or a revoked key, gets a 401. A key without the scope"
    yield "gets a 403. `●` means that the scope is enough, `◐` that the key needs all of them.\n"
    names = [str(scope) for scope in SCOPES]
    rows = [
        (f"`{operation.method} {operation.path}`", *(_sign(operation, name) for name in names))
        for operation in operations
        if operation.scopes is not None
    ]
    yield from _table(("operation", *names), rows)


def _sign(operation: Operation, scope: str) -> str:
    if scope == "admin":
        return "●"
    if scope in operation.also or (operation.also and scope in (operation.scopes or ())):
        return "◐"
    return "●" if scope in (operation.scopes or ()) else ""


def _errors(problem: RecordedCall) -> Iterator[str]:
    yield "## Errors\n"
    yield "Every error is an `application/problem+json` (RFC 9457) with a stable `type`, the fields in"
    yield "`errors`, and a `remedy`. The `request_id` is also in the header `X-Request-ID`.\n"
    yield from _example(problem, has_key=True)
    yield from _table(
        ("status", "type", "meaning", "remedy"),
        [(str(kind.status), f"`{kind.type}`", kind.title, kind.remedy) for kind in CATALOGUE],
    )


def _refusals() -> Iterator[str]:
    yield "## Requests that the description cannot rule out\n"
    yield "The description says which fields and parameters exist, which are required, which values they"
    yield "take, and which exclude each other. OpenAPI 2.0 has no keywords for some of these rules, so its"
    yield "description uses `x-not`, `x-any-of` and `x-one-of`. This table lists the requests that agree with"
    yield "the description but that the service refuses. A test checks that the list is complete.\n"
    yield from _table(
        ("status", "problem", "code", "what is refused", "why the description cannot rule it out"),
        [
            (
                str(refusal.kind.status),
                refusal.kind.slug,
                ", ".join(f"`{code}`" for code in refusal.codes),
                refusal.what,
                refusal.why,
            )
            for refusal in sorted(REFUSALS, key=lambda refusal: refusal.kind.status)
        ],
    )


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield "Each setting is an environment variable and an option of `prospect-fit serve` (`PROSPECT_FIT_PORT`"
    yield "is `--port`). Add `_FILE` to the name to read the value from a file. `DATABASE_URL` also works.\n"
    yield from _table(
        ("setting", "default", "description"),
        [
            (f"`{PREFIX}{name.upper()}`", _default(field.default), field.description or "")
            for name, field in Settings.model_fields.items()
        ],
    )


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f"`{value.get_secret_value() if hasattr(value, 'get_secret_value') else value}`"


def _group_page(group: str, operations: Iterable[Operation]) -> Iterator[str]:
    yield f"# {group.capitalize()}\n"
    yield "`make docs` generates this page from the routes and from real calls. Overview:"
    yield "[openapi.md](../../openapi.md).\n"
    for operation in operations:
        yield f"## {operation.name}\n"
        yield f"`{operation.method} {operation.path}`\n"
        yield f"{operation.described['summary']}.\n"
        if "description" in operation.described:
            yield f"{operation.described['description']}\n"
        yield f"Scope: {operation.permission}.\n" if operation.scopes else "Needs no key.\n"
        yield from _parameters(operation.described.get("parameters", []))
        yield from _bodies(operation.described)
        yield from _example(operation.call, has_key=operation.scopes is not None)


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
        yield from _table(("parameter", "in", "type", "description"), rows)


def _bodies(described: Schema) -> Iterator[str]:
    body = described.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield f"Body: {type_of(body['schema'])}.\n"


def _example(call: RecordedCall, *, has_key: bool) -> Iterator[str]:
    lines = [f"curl -X {call.call.method} '{BASE_URL}{call.path}'"]
    if has_key:
        lines.append("-H 'X-API-Key: pfk_…'")
    lines += [f"-H '{name}: {value}'" for name, value in call.call.headers.items()]
    if call.body:
        lines.append(f"-H 'Content-Type: {call.call.media_type}'")
        lines.append(f"-d '{call.body}'")
    yield "```sh\n" + " \\\n  ".join(lines) + "\n```\n"
    if call.response:
        yield f"{call.status}:\n"
        yield f"```{LANGUAGES.get(call.media_type, 'json')}\n{_shortened(call)}\n```\n"
    else:
        yield f"{call.status}, with no body.\n"


def _shortened(call: RecordedCall) -> str:
    """Return the response with two items of each list, and with its first lines if there are many."""
    text = call.response.strip().removeprefix("\ufeff").replace("\r\n", "\n")
    if call.media_type.endswith("ndjson"):
        return text
    if call.media_type.endswith("json"):
        text = json.dumps(_cut(json.loads(text)), indent=2, ensure_ascii=False)
    lines = text.splitlines()
    most = MAX_SHOWN_PICTURE_LINES if call.media_type == "image/svg+xml" else MAX_SHOWN_LINES
    return text if len(lines) <= most else "\n".join([*lines[:most], f"… {len(lines) - most} more lines"])


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut(inner) for name, inner in value.items()}
    if isinstance(value, list):
        shown = [_cut(inner) for inner in value[:MAX_SHOWN_ITEMS]]
        return shown if len(value) <= MAX_SHOWN_ITEMS else [*shown, f"… {len(value) - MAX_SHOWN_ITEMS} more"]
    return value


def _schemas(app: FastAPI) -> Iterator[str]:
    yield "# Schemas\n"
    yield "`make docs` generates this page. Overview: [openapi.md](../../openapi.md). Fields with a * are"
    yield "always present in a response, and required in a request.\n"
    for name, schema in sorted(app.openapi()["components"]["schemas"].items()):
        yield f"## {name}\n"
        if "description" in schema:
            yield schema["description"] + "\n"
        if "properties" in schema:
            yield from _table(("field", "type", "description"), fields_of(schema))
        else:
            yield type_of(schema) + "\n"


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
