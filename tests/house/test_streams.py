"""All streams are created in one place, so each ends when the process stops or its key is revoked."""

import ast

from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from app.edge.routes import EdgeRoute
from app.edge.streams import Stream
from app.main import ROUTERS
from tests.house.source import modules

STREAMS = {"StreamingResponse", "EventSourceResponse", "FileResponse", "iterate_in_threadpool"}


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def is_stream(route: APIRoute) -> bool:
    declared = getattr(route.response_class, "value", route.response_class)
    return isinstance(declared, type) and issubclass(declared, StreamingResponse)


def test_every_stream_ends_with_its_key() -> None:
    streams = [route for route in routes() if is_stream(route)]
    assert {route.operation_id for route in streams} >= {
        "score_batch",
        "import_prospects",
        "qualify_batch",
        "preview_draft",
        "export_sessions",
        "export_prospects",
    }
    assert [r.path for r in streams if not issubclass(r.response_class, Stream)] == []
    assert [r.path for r in streams if not isinstance(r, EdgeRoute)] == []


def test_no_operation_makes_a_stream_of_its_own() -> None:
    elsewhere = {
        f"{path}:{node.func.id}"
        for path, tree in modules("app").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STREAMS
    }
    assert elsewhere == set()


def test_only_the_edge_reads_from_a_connection() -> None:
    reading = {
        f"{path}:{node.func.attr}"
        for path, tree in modules("app").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in ("receive", "stream") and "request" in ast.unparse(node.func.value)
    }
    assert reading == {"app/edge/bodies.py:stream", "app/edge/ndjson.py:receive"}


def test_only_operations_that_only_read_wait() -> None:
    """The edge ends these at any moment; one that writes has to come to its end."""
    waiting = {
        f"{path}:{node.attr}"
        for path, tree in modules("app/api").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("sleep", "sleep_forever", "wait")
        if isinstance(node.value, ast.Name) and node.value.id in ("anyio", "asyncio")
    }
    assert waiting == {"app/api/events.py:sleep"}
    assert {m for r in routes() if r.path.startswith("/v1/events") for m in r.methods} == {"GET"}
