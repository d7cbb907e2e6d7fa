"""End long requests when the key of their caller expires, or when this or another process revokes it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import anyio
from fastapi import Request, Response
from starlette.datastructures import State
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.db import Database
from app.edge.authorise import KeyRing
from app.edge.ending import REVOKED, break_off, revoked
from app.keys.queries import active_keys
from app.problems import Problem

log = logging.getLogger(__name__)
# How often one query checks the keys of all requests that are watched.
CHECK_SECONDS = 0.5
# A stream has this time to send its last line. Together with the check, it ends within two seconds.
STREAM_GRACE_SECONDS = 1


@dataclass(frozen=True, slots=True, eq=False)
class _Watched:
    """A part of a request that ends `grace_seconds` after the key of its caller is revoked or expires."""

    state: State
    scope: anyio.CancelScope
    grace_seconds: float

    def end(self) -> None:
        setattr(self.state, REVOKED, True)
        self.scope.deadline = min(self.scope.deadline, anyio.current_time() + self.grace_seconds)


class KeyWatch:
    """Ends watched requests of one process within two seconds after their key is revoked or expires.

    All requests share one query every CHECK_SECONDS. While the database is down, the requests continue: no
    key can be revoked then either.
    """

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._watched: dict[UUID, set[_Watched]] = {}

    async def run(self) -> None:
        """Check the keys until cancelled; never returns."""
        while True:
            await anyio.sleep(CHECK_SECONDS)
            try:
                await self._check()
            except Problem:
                log.info("the database is not available: keys are checked again at the next pass")
            except Exception:
                log.exception("checking the keys of running requests failed")

    async def _check(self) -> None:
        key_ids = list(self._watched)
        if not key_ids:
            return
        active = await self._database.read(lambda tx: active_keys(tx, key_ids))
        for key_id in key_ids:
            if key_id not in active:
                # Otherwise the next request would still succeed.
                self._keys.forget(key_id)
                for watched in self._watched.get(key_id, ()):
                    watched.end()

    @contextmanager
    def watching(self, request: Request, grace_seconds: float = 0) -> Iterator[None]:
        """Cancel the block when the key of the caller is revoked or expires.

        Nothing may be written in the block. With `grace_seconds`, the block has this time to end by itself.
        It has to call `require_running`.

        Raises:
            Problem: UNAUTHENTICATED if the block was cancelled.
        """
        key_id = request.state.caller.key_id
        watched = _Watched(request.state, anyio.CancelScope(), grace_seconds)
        self._watched.setdefault(key_id, set()).add(watched)
        try:
            with watched.scope:
                yield
        finally:
            self._watched[key_id].discard(watched)
            if not self._watched[key_id]:
                del self._watched[key_id]
        if watched.scope.cancelled_caught:
            raise revoked()

    def watched_response(self, request: Request, response: Response) -> Response:
        """Return a response that ends with the key if it is a stream; any other response unchanged."""
        is_stream = isinstance(response, StreamingResponse)
        return _WatchedResponse(self, request, response) if is_stream else response


class _WatchedResponse(Response):
    """A stream that ends with the key of its caller.

    If it does not end by itself, for example because the caller does not read, the connection is closed.
    """

    def __init__(self, watch: KeyWatch, request: Request, response: Response) -> None:
        self._watch = watch
        self._request = request
        self._response = response
        self.background = response.background
        self.status_code = response.status_code
        self.raw_headers = response.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises ClientDisconnect if the connection had to be closed."""
        try:
            with self._watch.watching(self._request, STREAM_GRACE_SECONDS):
                await self._response(scope, receive, send)
        except Problem:
            await break_off(self._request)
