"""The routes of the pages: admit the browser, check and read the form, and show problems as pages."""

import hmac
import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar, TypeVar, get_origin
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from app.edge.bodies import media_type, read_body
from app.edge.cookies import SignedIn
from app.edge.multipart import MULTIPART_MEDIA_TYPE, read_multipart
from app.edge.problem_responses import invalid_body, invalid_query, on_http_exception, problem_of
from app.edge.routes import LazyRoute
from app.edge.service import Body, Service
from app.keys.idempotency import WriteCall, fingerprint
from app.keys.schemas import Scope
from app.pages.kept import FORM_MEDIA_TYPE, MAX_FORM_FIELDS, MAX_KEPT_BYTES, read_fields, refused_page
from app.pages.rendering import PageProblem, address, page, text
from app.problems import (
    FOREIGN_FORM,
    INTERNAL_ERROR,
    MALFORMED_BODY,
    NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
)
from app.schemas import IdempotencyKey, Line
from app.scoring import Flawed
from app.sessions.session_edit import UnitOfWork

log = logging.getLogger(__name__)
USUAL_PORTS = {"http": ":80", "https": ":443"}
MAX_NEXT_LENGTH = 2000
# The errors for which a page shows a form again, with what was entered.
REFUSALS = (Problem, Flawed)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Form(BaseModel):
    """The fields of a form. An empty field is left out.

    `token` shows that the form comes from a page of this browser. `request_key` is the idempotency key: a
    form that is sent twice is carried out once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    token: str = ""
    request_key: IdempotencyKey | None = None


class SignInForm(Form):
    """An API key, or the secret of a link, and the person who signs in.

    `kept` is a form that was sent to the page `kept_for` after the sign-in had ended.
    """

    key: Annotated[str, Field(max_length=300)] = ""
    link: Annotated[str, Field(max_length=300)] = ""
    actor: Line | None = None
    next: Annotated[str, Field(max_length=4000)] = "/"
    kept: str = ""
    kept_for: Annotated[str, Field(max_length=4000)] = "/"


# The revision of what a form changes, as the page showed it.
Seen = Annotated[int, Field(ge=1, lt=2**31)]
FormType = TypeVar("FormType", bound=Form)
QueryType = TypeVar("QueryType", bound=BaseModel)


class PageRoute(LazyRoute):
    """A route for signed-in browsers. It also returns errors as pages.

    With no `scopes`, everybody can open the page. With `accepts_file`, a form can have a file. It is
    `request.state.file` until the response has been created.
    """

    scopes: ClassVar[frozenset[Scope]] = frozenset()
    accepts_file: ClassVar[bool] = False

    def get_route_handler(self) -> Handler:
        """Return the function that FastAPI calls for every request."""
        handle = super().get_route_handler()
        scopes, accepts_file = self.scopes, self.accepts_file

        async def handle_request(request: Request) -> Response:
            try:
                if request.method == "POST":
                    require_same_origin(request)
                    # The form of a sign-in contains a key, which no page shows again.
                    request.state.is_own_form = bool(scopes)
                if scopes and not await _admit(request, scopes):
                    return await _ask_to_sign_in(request)
                if request.method == "POST":
                    await _read_fields(request, accepts_file=accepts_file)
                return await handle(request)
            except (Problem, Flawed, RequestValidationError) as error:
                return await refused_page(request, problem_of(error))
            except Exception:
                log.exception("failed", extra={"fields": {"route": self.path}})
                return await refused_page(request, Problem(INTERNAL_ERROR, "The failure was logged."))
            finally:
                if file := getattr(request.state, "file", None):
                    await file.close()

        return handle_request


async def on_unknown_address(request: Request, error: Exception) -> Response:
    """Return a page for an address that does not exist, if a browser asks for it; otherwise a problem."""
    is_unknown = isinstance(error, HTTPException) and error.status_code == NOT_FOUND.status
    is_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")
    if not (is_unknown and is_page and request.method == "GET"):
        return await on_http_exception(request, error)
    try:
        # The menu shows what the key may do.
        await _admit(request, frozenset(Scope))
    except Problem as problem:
        return await refused_page(request, problem)
    return await refused_page(request, PageProblem(NOT_FOUND, text("page.unknown")))


def page_router(*scopes: Scope, accepts_file: bool = False) -> APIRouter:
    """Create a router of pages. They need a key with one of `scopes`; without any, everybody can see them."""
    own = {"scopes": frozenset(scopes), "accepts_file": accepts_file}
    route_class = type(PageRoute.__name__, (PageRoute,), own)
    return APIRouter(route_class=route_class, include_in_schema=False)


def require_same_origin(request: Request) -> None:
    """Check that a form was sent from a page of this service.

    Raises:
        Problem: FOREIGN_FORM.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site != "same-origin" or request.headers.get("origin") != _origin(request):
        raise PageProblem(FOREIGN_FORM, text("page.foreign_form", origin=_origin(request)))


def _origin(request: Request) -> str:
    """Return the origin of this service as browsers send it: in lower case, without the usual port."""
    service: Service = request.app.state.service
    url = urlsplit(service.settings.public_url or str(request.base_url))
    return f"{url.scheme}://{url.netloc.lower().removesuffix(USUAL_PORTS[url.scheme])}"


async def _admit(request: Request, scopes: frozenset[Scope]) -> bool:
    service: Service = request.app.state.service
    admitted = await service.keys.authorise_page(request, scopes)
    if admitted is None:
        return False
    request.state.caller, request.state.signed_in = admitted
    return True


async def _ask_to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in, which redirects back. For a form, show a sign-in that keeps its fields."""
    is_form = request.method == "POST" and media_type(request) == FORM_MEDIA_TYPE
    if is_form and len(request.url.path) <= MAX_NEXT_LENGTH:
        body = await read_body(request, MAX_KEPT_BYTES)
        form = SignInForm(kept=body.decode("utf-8", "replace"), kept_for=request.url.path)
        return page(request, "sign_in.html", status=401, form=form, error="sign_in.ended")
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = {"next": asked} if request.method == "GET" and asked != "/" else {}
    query = f"?{urlencode(wanted)}" if wanted and len(asked) <= MAX_NEXT_LENGTH else ""
    return RedirectResponse(address(request, f"/sign-in{query}"), 303)


async def _read_fields(request: Request, *, accepts_file: bool) -> None:
    """Read the fields of a form, and check its token if the browser is signed in."""
    service: Service = request.app.state.service
    if accepts_file and media_type(request) == MULTIPART_MEDIA_TYPE:
        with service.key_watch.watching(request):
            fields, request.state.file = await read_multipart(request, service.settings.import_bytes)
    elif media_type(request) == FORM_MEDIA_TYPE:
        # A lower setting limits only the API: a form can be as large as those that a page keeps.
        fields = await _read_urlencoded(request, max(service.settings.max_body_bytes, MAX_KEPT_BYTES))
    else:
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "The Content-Type of the body is not that of a form.")
    # A text area separates lines by CRLF.
    request.state.fields = {name: value.replace("\r\n", "\n").replace("\0", "") for name, value in fields}
    if any("\0" in value for _, value in fields):
        raise PageProblem(MALFORMED_BODY, text("page.nul"))
    signed_in: SignedIn | None = getattr(request.state, "signed_in", None)
    if signed_in and not hmac.compare_digest(
        request.state.fields.get("token", "").encode(), signed_in.form_token.encode()
    ):
        raise PageProblem(FOREIGN_FORM, text("page.old_form"))


async def _read_urlencoded(request: Request, max_bytes: int) -> list[tuple[str, str]]:
    body = await read_body(request, max_bytes)
    try:
        return read_fields(body)
    except ValueError:
        raise Problem(MALFORMED_BODY, f"The form has more than {MAX_FORM_FIELDS} fields.") from None


def form_of(form_type: type[FormType]) -> Any:
    """Return the dependency that reads the fields of a form, as `read_form`."""

    async def read(request: Request) -> FormType:
        return read_form(request, form_type)

    return Depends(read)


def read_form(request: Request, form_type: type[FormType]) -> FormType:
    """Return the fields of a form.

    Raises:
        Problem: INVALID_REQUEST, which names the field.
    """
    filled = {name: value for name, value in request.state.fields.items() if value.strip()}
    try:
        return form_type.model_validate(filled)
    except ValidationError as error:
        raise invalid_body(error, filled) from None


def query_of(query_type: type[QueryType]) -> Any:
    """Return the dependency that reads the query of a page. A form sends empty fields, which are left out.

    Raises:
        Problem: INVALID_REQUEST, which names the parameter.
    """

    async def read(request: Request) -> QueryType:
        filled: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            field = query_type.model_fields.get(name)
            if not value.strip():
                continue
            if field and get_origin(field.annotation) is list:
                filled.setdefault(name, []).append(value)
            else:
                filled[name] = value
        try:
            return query_type.model_validate(filled)
        except ValidationError as error:
            raise invalid_query(error) from None

    return Depends(read)


def actor_of(request: Request) -> str:
    """Return the name of the person who is signed in."""
    signed_in: SignedIn = request.state.signed_in
    return signed_in.actor


async def write(
    request: Request, form: Form, work: Callable[[UnitOfWork], Body], *, actor: str | None = None
) -> str:
    """Carry out a form in one transaction, once for each request key, and return the JSON of the result."""
    service: Service = request.app.state.service
    sent = form.model_dump(mode="json", exclude={"token"})
    call = WriteCall(request.state.caller, form.request_key, fingerprint("POST", request.url.path, sent))
    stored = await service.store(call, work, actor or actor_of(request))
    return stored.body
