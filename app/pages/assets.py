"""The stylesheet and the script of the pages."""

from fastapi import Request, Response

from app.pages.rendering import ASSETS, asset, compressed
from app.pages.routes import page_router
from app.problems import NOT_FOUND, Problem

assets = page_router()
ONE_YEAR = "public, max-age=31536000, immutable"


@assets.get("/assets/{version}/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """Return a file. Its address changes with its content, so browsers keep it for a year."""
    if name not in ASSETS:
        raise Problem(NOT_FOUND, "There is no such file.")
    headers = {"Cache-Control": ONE_YEAR}
    return compressed(request, Response(asset(name), headers=headers, media_type=ASSETS[name]))
