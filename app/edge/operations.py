"""The routes that need no API key: liveness, readiness and the documentation."""

import re
from functools import cache
from typing import Any

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.edge.routes import LazyRoute
from app.edge.security_headers import page_policy
from app.edge.service import ServiceDep
from app.question_sets.documents import SCHEMA_FILE_NAME, question_set_schema
from app.schemas import Out

operations = APIRouter(tags=["operations"], route_class=LazyRoute)
DOCS_FILES = "/docs/files"
SCHEMA = cache(question_set_schema)


class Health(Out):
    status: str


class Readiness(Health):
    database: str


@operations.get("/livez", operation_id="live")
async def live() -> Health:
    """Check that the process runs. Never uses the database."""
    return Health(status="alive")


@operations.get("/readyz", operation_id="ready")
async def ready(service: ServiceDep) -> Readiness:
    """Check that the service can respond. The database must accept writes and have the newest schema.

    To detect a full or read-only database, the check writes a few bytes, at most once a second. `database`
    identifies the database: `prospect-fit doctor --url` compares it with the database of its settings.
    """
    return Readiness(status="ready", database=await service.readiness.check())


@operations.get(f"/{SCHEMA_FILE_NAME}", operation_id="get_schema")
async def get_schema(service: ServiceDep) -> dict[str, Any]:
    """Read the JSON Schema of question set documents, for editors and for drafts."""
    return await service.computing.run_long(SCHEMA)


@operations.get("/docs", include_in_schema=False)
async def docs() -> Response:
    """Show the API in a browser, with files from an installed package."""
    return HTMLResponse(DOCS_PAGE, headers={"Content-Security-Policy": DOCS_POLICY})


def _docs_page() -> str:
    # Relative addresses also work below the path of a proxy.
    files = DOCS_FILES.removeprefix("/")
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Prospect Fit",
        swagger_js_url=f"{files}/swagger-ui-bundle.js",
        swagger_css_url=f"{files}/swagger-ui.css",
        swagger_favicon_url=f"{files}/favicon.png",
    )
    return bytes(page.body).decode()


DOCS_PAGE = _docs_page()
DOCS_POLICY = page_policy(*re.findall(r"<script>(.*?)</script>", DOCS_PAGE, re.DOTALL))
