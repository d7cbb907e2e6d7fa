"""Who calls, and whether they may."""

import base64
from collections.abc import Callable, Mapping

from cachetools import TTLCache
from fastapi import Request
from structlog.contextvars import bind_contextvars

from app.db import Database
from app.keys.queries import find_caller
from app.keys.schemas import Caller, Scope
from app.keys.service import digest, is_plausible
from app.problems import FORBIDDEN, UNAUTHENTICATED, Problem

# A revoked key is refused by every process after this many seconds, and the time of a request, at the latest.
KEY_CACHE_SECONDS = 1
# How the API's description says where the key goes.
SECURITY_SCHEMES = {
    "APIKeyHeader": {
        "type": "apiKey",
        "description": "An API key, pfk_…",
        "in": "header",
        "name": "X-API-Key",
    },
    "HTTPBearer": {"type": "http", "description": "An API key, pfk_…", "scheme": "bearer"},
}


class KeyRing:
    """Looks callers up by their key and remembers them, and the unknown ones, for a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: TTLCache[str, Caller | None] = TTLCache(maxsize=10_000, ttl=KEY_CACHE_SECONDS)

    async def authorise(
        self, request: Request, scopes: frozenset[Scope], also: frozenset[Scope] = frozenset()
    ) -> Caller:
        """Return the caller of a request, whose key has one of `scopes` and all of `also`.

        Raises UNAUTHENTICATED or FORBIDDEN.
        """
        caller = await self._find(secret_of(request))
        if caller is None:
            raise _unauthenticated("This API key is not known, or it was revoked.")
        bind_contextvars(key=str(caller.key_id))
        if not any(caller.may(scope) for scope in scopes):
            needed = " or ".join(sorted(scopes))
            raise Problem(FORBIDDEN, f"This operation needs a key with the scope {needed}.")
        for scope in sorted(also):
            if not caller.may(scope):
                raise Problem(FORBIDDEN, f"This operation needs a key with the scope {scope} as well.")
        return caller

    async def _find(self, secret: str) -> Caller | None:
        if not is_plausible(secret):
            return None
        known_as = digest(secret)
        try:
            # Looked up once: between two look-ups it could expire, and a good key be refused.
            return self._known[known_as]
        except KeyError:
            caller = await self._database.read(lambda tx: find_caller(tx, known_as))
            self._known[known_as] = caller
            return caller


def secret_of(request: Request) -> str:
    """The API key that a request presents; raises UNAUTHENTICATED without one."""
    given = request.headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    read = READERS.get(scheme.lower()) if given else None
    if given and read is None:
        raise _unauthenticated("The Authorization header holds neither a Bearer key nor a Basic password.")
    secret = read(token.strip()) if read else request.headers.get("x-api-key", "").strip()
    if not secret:
        raise _unauthenticated("The request has no API key.")
    return secret


def _password(token: str) -> str:
    """The password of Basic credentials, the user whatever it is: for callers that can send nothing else."""
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


READERS: Mapping[str, Callable[[str], str]] = {"bearer": str, "basic": _password}


def _unauthenticated(detail: str) -> Problem:
    return Problem(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": "Bearer"})
