"""Every operation of the service, with an address that leads to it."""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Mount, Route

from app.edge.routes import EdgeRoute
from app.keys.schemas import Scope
from app.main import create_app
from app.pages.routes import PageRoute
from tests.conftest import settings_for

# What stands in an address for the names in its template.
STANDING_IN = {
    "prospect_id": "01890000-0000-7000-8000-000000000000",
    "session_id": "01890000-0000-7000-8000-000000000000",
    "key_id": "01890000-0000-7000-8000-000000000000",
    "webhook_id": "01890000-0000-7000-8000-000000000000",
    "source": "nowhere",
    "external_id": "nobody",
    "key": "nobodys-set",
    "number": "1",
    "openapi": "3.0",
    "report": "outcomes",
    "intake_id": "01890000-0000-7000-8000-000000000000",
    "receipt_id": "01890000-0000-7000-8000-000000000000",
    "token": "pfi_of-nobody",
}


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    scopes: frozenset[Scope]
    also: frozenset[Scope]
    takes_body: bool
    guarded: bool

    @property
    def address(self) -> str:
        return self.path.format(**STANDING_IN)


def _contexts(app: FastAPI) -> list[Any]:
    """All routes but those of the pages, which have tests of their own."""
    return [c for c in iter_route_contexts(app.routes) if not isinstance(c.route, PageRoute)]


def operations(app: FastAPI) -> list[Operation]:
    """Every one that FastAPI serves; the documentation's files are mounted beside them."""
    routes = [(c.path, c.route) for c in _contexts(app) if isinstance(c.route, APIRoute)]
    return [
        Operation(
            route.name,
            method,
            path,
            frozenset(route.scopes) if isinstance(route, EdgeRoute) else frozenset(),
            frozenset(route.also) if isinstance(route, EdgeRoute) else frozenset(),
            route.body_field is not None,
            isinstance(route, EdgeRoute),
        )
        for path, route in routes
        for method in sorted(route.methods)
    ]


# A file of each application that is mounted.
MOUNTED_FILES = {"/docs/files": "/docs/files/swagger-ui.css"}


def methods_by_path(app: FastAPI) -> dict[str, set[str]]:
    """The methods of every path that is served: of operations, of other routes and of mounted files."""
    methods: dict[str, set[str]] = {}
    for context in _contexts(app):
        route = context.route
        if isinstance(route, Mount):
            methods[MOUNTED_FILES[route.path]] = {"GET", "HEAD"}
        else:
            assert isinstance(route, Route), route
            read = {"HEAD"} if "GET" in route.methods else set()
            methods.setdefault(context.path, set()).update(route.methods | read)
    return methods


# An address that nothing ever connects to: only the routes are looked at.
APP = create_app(settings_for("postgresql://127.0.0.1:1/none"))
ALL = operations(APP)
METHODS = methods_by_path(APP)
GUARDED = [operation for operation in ALL if operation.guarded]
WITH_BODY = [operation for operation in GUARDED if operation.takes_body]


def named(operation: Operation) -> str:
    """How a test's parameter is shown."""
    return f"{operation.method} {operation.path}"
