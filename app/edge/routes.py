"""The routes of the API: authorise the caller, check the query, read the body, then call the operation."""

import warnings
from collections.abc import Callable, Coroutine, Iterable
from contextlib import nullcontext
from threading import RLock
from typing import Any, cast, get_type_hints

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from pydantic.warnings import UnsupportedFieldAttributeWarning
from starlette.routing import Match, compile_path
from starlette.types import Scope as AsgiScope

from app.edge.arguments import Arguments
from app.edge.authorise import SECURITY_SCHEMES
from app.edge.bodies import has_arrived, is_json, media_type, read_body
from app.edge.computing import MAX_INLINE_BYTES, Computing
from app.edge.problem_responses import PROBLEM_RESPONSES, invalid_body
from app.edge.service import Service
from app.edge.strict_query import check_encoding, check_headers, check_query, known_parameters
from app.keys.schemas import Scope
from app.problems import UNSUPPORTED_MEDIA_TYPE, Problem
from app.strict_json import read_json

# Other paths that begin like these have these words in the place of this parameter, so the words are not ids
# and keys. An address belongs to one path only, and supports only the methods of that path.
NO_IDS = (
    ("/v1/prospects/", "prospect_id", frozenset({"by-external-id", "export", "import"})),
    ("/v1/sessions/", "session_id", frozenset({"export"})),
    ("/v1/qualify/", "key", frozenset({"batch"})),
)
# For a response to a browser that is signed in.
NOT_STORED = "private, no-store"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
PATH_ATTRIBUTES = ("path_regex", "path_format", "param_convertors")
# FastAPI ignores this warning while it creates the fields of a route. Their validators are built later.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
# The event loop and the thread that describes the API may need a route at the same time.
_completing = RLock()


class StrictRequest(Request):
    """A request whose JSON body is already read strictly when FastAPI asks for it.

    A large body is also validated. FastAPI validates smaller bodies, together with the path and the query.
    `sent` is the JSON as it was sent, and `size` its number of bytes.
    """

    sent: Any = None
    size = 0

    async def load(self, max_bytes: int, body_type: TypeAdapter[Any], computing: Computing) -> None:
        """Read the body.

        Raises:
            Problem: BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, MALFORMED_BODY or INVALID_REQUEST.
        """
        self._body = await read_body(self, max_bytes)
        if not is_json(media_type(self)):
            raise Problem(UNSUPPORTED_MEDIA_TYPE, "The Content-Type of the body is not JSON.")
        self.size = len(self._body)
        await computing.run_if_large(self.size, lambda: self._read(body_type))

    def _read(self, body_type: TypeAdapter[Any]) -> None:
        self.sent = self._json = read_json(self._body)
        if self.size <= MAX_INLINE_BYTES:
            return
        try:
            # FastAPI validates this again, which takes no time for an object of the right class.
            self._json = body_type.validate_python(self.sent)
        except ValidationError as error:
            raise invalid_body(error, self.sent) from None


class LazyRoute(APIRoute):
    """A route whose parameters, body and responses FastAPI examines when the route is first used.

    That takes milliseconds for each of about 140 routes, and a new process needs only a few of them.
    """

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, methods: Iterable[str], **options: Any
    ) -> None:
        self.path, self.endpoint, self.methods = path, endpoint, set(methods)
        self._options: dict[str, Any] | None = {"methods": methods, **options}

    def __getattr__(self, attribute: str) -> Any:
        """Compile the path or complete the route, because an attribute is missing."""
        if attribute in PATH_ATTRIBUTES:
            # Routing needs only these. FastAPI sets them again later, to the same values.
            self.path_regex, self.path_format, self.param_convertors = compile_path(self.path)
            return object.__getattribute__(self, attribute)
        with _completing:
            options, self._options = self._options, None
            if options is not None:
                super().__init__(self.path, self.endpoint, **options)
        return object.__getattribute__(self, attribute)


class EdgeRoute(LazyRoute):
    """A route that authorises the caller before it reads anything, and then reads strictly.

    FastAPI reads the body before it solves dependencies, so that callers without a key could make the parser
    work. Its parser accepts repeated names and lone surrogates, and it ignores unknown query parameters. Its
    security dependencies would cost time in every request, but only the description of the API needs them.
    """

    # A key needs one of `scopes`, and all of `also`.
    scopes: tuple[Scope, ...] = ()
    also: tuple[Scope, ...] = ()

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        openapi_extra: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        scope_names = [scope.value for scope in (*self.scopes, *self.also)]
        security = {"security": [{scheme: scope_names} for scheme in SECURITY_SCHEMES]}
        super().__init__(path, endpoint, openapi_extra={**security, **(openapi_extra or {})}, **options)

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        """Return whether the route has this address and this method."""
        match, child_scope = super().matches(scope)
        if match is Match.NONE:
            return match, child_scope
        values = child_scope["path_params"]
        if any(self.path.startswith(begin) and values.get(name) in words for begin, name, words in NO_IDS):
            return Match.NONE, {}
        return match, child_scope

    def get_route_handler(self) -> Handler:
        """Return the function that FastAPI calls for every request."""
        handle = _handler(self) if _responds_itself(self) else super().get_route_handler()
        scopes, also = frozenset(self.scopes), frozenset(self.also)
        assert scopes, f"{self.path} needs a scope"
        body_type: TypeAdapter[Any] | None = (
            TypeAdapter(cast("Any", self.body_field.field_info.annotation)) if self.body_field else None
        )
        # These can be cancelled until their response begins, because they have written nothing by then.
        can_end = self.methods == {"GET"} or _is_stream(self)
        known_names = dict(known_parameters(self.dependant))

        async def handle_request(request: Request) -> Response:
            service: Service = request.app.state.service
            request.state.caller = await service.keys.authorise(request, scopes, also)
            check_headers(request)
            check_query(request, known_names)
            check_encoding(request)
            if body_type:
                request = StrictRequest(request.scope, request.receive)
                with nullcontext() if has_arrived(request) else service.key_watch.watching(request):
                    await request.load(service.settings.max_body_bytes, body_type, service.computing)
            with service.key_watch.watching(request) if can_end else nullcontext():
                response = await handle(request)
            if request.state.signed_in:
                # The browser would otherwise show it again after the person has signed out.
                response.headers.setdefault("Cache-Control", NOT_STORED)
            return service.key_watch.watched_response(request, response)

        return handle_request


def _responds_itself(route: APIRoute) -> bool:
    """Return whether the function of a route returns a response, rather than its content."""
    returned = get_type_hints(route.endpoint).get("return")
    return isinstance(returned, type) and issubclass(returned, Response)


def _handler(route: APIRoute) -> Handler:
    """Return a handler for a route whose function returns the response itself."""
    arguments, endpoint = Arguments(route.dependant), route.endpoint

    async def handle(request: Request) -> Response:
        response: Response = await endpoint(**await arguments.read(request))
        return response

    return handle


def _is_stream(route: APIRoute) -> bool:
    declared = route.response_class
    return isinstance(declared, type) and issubclass(declared, StreamingResponse)


def router(tag: str, *scopes: Scope, also: tuple[Scope, ...] = ()) -> APIRouter:
    """Create a router under /v1. Its operations need a key with one of `scopes`, and all of `also`."""
    route_class = type(EdgeRoute.__name__, (EdgeRoute,), {"scopes": scopes, "also": also})
    return APIRouter(prefix="/v1", tags=[tag], route_class=route_class, responses=PROBLEM_RESPONSES)
