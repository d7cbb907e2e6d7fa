"""Render templates to pages, with the texts of the interface."""

import gzip
import tomllib
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import Request, Response

from app.clock import new_id
from app.edge.paging import base_url
from app.edge.service import Service
from app.keys.schemas import Scope
from app.pages import formats
from app.problems import Problem

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
ASSETS = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "editor.js": "text/javascript; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Without a referrer policy of this kind, browsers send no Origin with a form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MIN_COMPRESSED_BYTES = 1000


class PageProblem(Problem):
    """A problem whose detail is written for people, as a text of the pages."""


def title_in_words(problem: Problem) -> str:
    """Return what went wrong. The titles of the catalogue are for programmers."""
    return texts().get("problem." + _name_of(problem), problem.kind.title)


def detail_in_words(problem: Problem) -> str:
    """Return what can be done about a problem."""
    if isinstance(problem, PageProblem):
        return problem.detail
    return texts().get("problem." + _name_of(problem) + "_remedy", problem.detail)


def _name_of(problem: Problem) -> str:
    return problem.kind.slug.replace("-", "_")


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Return a page. The template gets `context`, and what every page shows."""
    body = render(request, template, **context).encode()
    return compressed(request, Response(body, status, PAGE_HEADERS, "text/html"))


def render(request: Request, template: str, **context: Any) -> str:
    """Return the text of a page or of a part of one."""
    page_id, numbers = new_id(), count()
    shared = {
        "request": request,
        "url": lambda path: address(request, path),
        "signed_in": getattr(request.state, "signed_in", None),
        "may": lambda scope: _may(request, scope),
        # With one id and a number for each form, a page with many forms is smaller than with an id for each.
        "request_key": lambda: f"{page_id}-{next(numbers)}",
        "base_url": lambda: base_url(request),
    }
    return _environment().get_template(template).render(**shared, **context)


def address(request: Request, path: str) -> str:
    """Return the address of a page, below the path of a proxy if there is one."""
    service: Service = request.app.state.service
    return urlsplit(service.settings.public_url or "").path + path


def compressed(request: Request, response: Response) -> Response:
    """Return the response compressed with gzip, if the browser accepts that and it is worth it."""
    response.headers["Vary"] = "Accept-Encoding"
    body = bytes(response.body)
    if len(body) >= MIN_COMPRESSED_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        response.body = gzip.compress(body, 6, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


@cache
def asset(name: str) -> bytes:
    """Return the content of a stylesheet or a script."""
    return (FOLDER / "files" / name).read_bytes()


def _asset_address(name: str) -> str:
    """Return the path of an asset. It changes with the content, so that browsers can keep the asset."""
    return f"/assets/{sha256(asset(name)).hexdigest()[:12]}/{name}"


@cache
def texts() -> dict[str, str]:
    """Return all texts of the interface by name, such as `review.title`."""
    tables = tomllib.loads((FOLDER / "texts.toml").read_text("utf-8"))
    return {f"{table}.{name}": text for table, entries in tables.items() for name, text in entries.items()}


def text(name: str, /, **values: object) -> str:
    """Return a text of the interface with its values filled in."""
    return texts()[name].format(**values)


def _may(request: Request, scope: str) -> bool:
    caller = getattr(request.state, "caller", None)
    return caller is not None and caller.may(Scope(scope))


@cache
def _environment() -> "Environment":
    # Only pages need it, and it takes long to import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"t": text, "asset_address": _asset_address}
    environment.filters |= formats.FILTERS | {
        "title_in_words": title_in_words,
        "detail_in_words": detail_in_words,
    }
    return environment
