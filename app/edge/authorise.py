"""Authenticate the caller of a request by its API key, and check the scopes of the key."""

import base64
from collections.abc import Callable, Mapping
from uuid import UUID

from cachetools import TTLCache
from fastapi import Request

from app.clock import Clock
from app.db import Database, Transaction
from app.edge.cookies import SignedIn, SignInCookies
from app.edge.logs import request_fields
from app.keys.queries import find_caller, find_caller_by_id
from app.keys.schemas import Caller, Scope
from app.keys.service import digest, is_plausible
from app.problems import FORBIDDEN, UNAUTHENTICATED, Problem

# Every process refuses a revoked key at the latest after this time plus the time of one request.
KEY_CACHE_SECONDS = 1
# How the description of the API says where the key belongs.
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
    """Finds callers by their key. It caches the result for a second, also for an unknown key."""

    def __init__(self, database: Database, clock: Clock, cookies: SignInCookies) -> None:
        self.cookies = cookies
        self._database = database
        self._clock = clock
        self._known: TTLCache[str | UUID, Caller | None] = TTLCache(maxsize=10_000, ttl=KEY_CACHE_SECONDS)

    async def authorise(
        self, request: Request, scopes: frozenset[Scope], also: frozenset[Scope] = frozenset()
    ) -> Caller:
        """Return the caller of a request, whose key has one of `scopes` and all of `also`.

        A GET without a key can have the cookie of a browser that is signed in instead.

        Raises:
            Problem: UNAUTHENTICATED if the key is missing, unknown or expired, FORBIDDEN if it lacks a scope.
        """
        signed_in = request.state.signed_in = self._signed_in(request)
        caller = await (self._find_by_id(signed_in.key_id) if signed_in else self._find(secret_of(request)))
        return self._admit(caller, scopes, also)

    async def authorise_page(
        self, request: Request, scopes: frozenset[Scope]
    ) -> tuple[Caller, SignedIn] | None:
        """Return who uses a page, and what the cookie says; None if the browser is not signed in.

        Raises:
            Problem: FORBIDDEN if the key lacks a scope.
        """
        signed_in = self.cookies.read(request)
        if signed_in is None:
            return None
        try:
            return self._admit(await self._find_by_id(signed_in.key_id), scopes), signed_in
        except Problem as problem:
            if problem.kind is UNAUTHENTICATED:
                return None
            raise

    async def authorise_secret(self, secret: str) -> Caller:
        """Return the caller that an API key belongs to.

        Raises:
            Problem: UNAUTHENTICATED.
        """
        return self._admit(await self._find(secret), frozenset(Scope))

    def _signed_in(self, request: Request) -> SignedIn | None:
        has_key = "authorization" in request.headers or "x-api-key" in request.headers
        return None if has_key or request.method != "GET" else self.cookies.read(request)

    def _admit(
        self, caller: Caller | None, scopes: frozenset[Scope], also: frozenset[Scope] = frozenset()
    ) -> Caller:
        if caller is None:
            raise _unauthenticated("This API key is unknown or revoked.")
        if caller.expires_at and caller.expires_at <= self._clock():
            raise _unauthenticated(f"This API key expired on {caller.expires_at:%Y-%m-%d at %H:%M} UTC.")
        request_fields.set({**request_fields.get(), "key": str(caller.key_id)})
        if not any(caller.may(scope) for scope in scopes):
            needed = " or ".join(sorted(scopes))
            raise Problem(FORBIDDEN, f"This operation needs a key with the scope {needed}.")
        for scope in sorted(also):
            if not caller.may(scope):
                raise Problem(FORBIDDEN, f"This operation needs a key with the scope {scope} as well.")
        return caller

    def forget(self, key_id: UUID) -> None:
        """Look up a key again with its next request."""
        cached = [known_as for known_as, caller in self._known.items() if caller and caller.key_id == key_id]
        for known_as in cached:
            self._known.pop(known_as, None)

    async def _find(self, secret: str) -> Caller | None:
        if not is_plausible(secret):
            return None
        known_as = digest(secret)
        return await self._look_up(known_as, lambda tx: find_caller(tx, known_as))

    async def _find_by_id(self, key_id: UUID) -> Caller | None:
        return await self._look_up(key_id, lambda tx: find_caller_by_id(tx, key_id))

    async def _look_up(
        self, known_as: str | UUID, find: Callable[[Transaction], Caller | None]
    ) -> Caller | None:
        try:
            # One access: between two of them the entry could expire.
            return self._known[known_as]
        except KeyError:
            caller = await self._database.read(find)
            self._known[known_as] = caller
            return caller


def secret_of(request: Request) -> str:
    """Return the API key that a request contains.

    Raises:
        Problem: UNAUTHENTICATED if there is none.
    """
    given = request.headers.get("authorization", "")
    scheme, _, token = given.partition(" ")
    read = READERS.get(scheme.lower()) if given else None
    if given and read is None:
        raise _unauthenticated("The Authorization header contains neither a Bearer key nor a Basic password.")
    secret = read(token.strip()) if read else request.headers.get("x-api-key", "").strip()
    if not secret:
        raise _unauthenticated("The request has no API key.")
    return secret


def _password(token: str) -> str:
    """Return the password of Basic credentials with any user name. Some callers can send nothing else."""
    try:
        return base64.b64decode(token, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


READERS: Mapping[str, Callable[[str], str]] = {"bearer": str, "basic": _password}


def _unauthenticated(detail: str) -> Problem:
    return Problem(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": "Bearer"})
