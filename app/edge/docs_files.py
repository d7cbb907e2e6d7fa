"""The files of the documentation page."""

from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send


class DocsFiles(StaticFiles):
    """Static files that ignore a range in another unit than bytes, as RFC 9110 requires."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file."""
        headers = [
            (name, value)
            for name, value in scope.get("headers", ())
            if name != b"range" or value.partition(b"=")[0].strip().lower() == b"bytes"
        ]
        await super().__call__({**scope, "headers": headers}, receive, send)
