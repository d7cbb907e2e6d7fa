"""Sign in with an API key or with a link that works once, and sign out."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from app.edge.cookies import SignedIn
from app.edge.service import ServiceDep
from app.keys.service import use_sign_in_link
from app.pages.kept import kept_form
from app.pages.rendering import address, page
from app.pages.routes import SignInForm, form_of, page_router
from app.problems import UNAUTHENTICATED, Problem

entrance = page_router()


@entrance.get("/sign-in")
async def get_sign_in(
    request: Request, link: str = "", next_: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Show the form that asks for a key, or for a name if the address contains a link."""
    return _form(request, SignInForm(link=link[:300], next=next_[:4000]))


@entrance.post("/sign-in")
async def post_sign_in(
    request: Request, service: ServiceDep, form: Annotated[SignInForm, form_of(SignInForm)]
) -> Response:
    """Set the cookie and redirect to the requested page.

    A key that belongs to nobody needs a name, which becomes the actor.
    """
    if form.link and not form.actor:
        return _form(request, form, error="sign_in.name_missing", status=422)
    if form.link:
        key_id = await service.database.write(lambda tx: use_sign_in_link(tx, form.link))
        if key_id is None:
            return _form(request, SignInForm(next=form.next), error="sign_in.link_used", status=403)
        return _signed_in(request, form, SignedIn.with_new_token(key_id, form.actor or ""))
    try:
        caller = await service.keys.authorise_secret(form.key.strip())
    except Problem as problem:
        error = "sign_in.key_unknown" if problem.kind is UNAUTHENTICATED else "sign_in.unavailable"
        return _form(request, form, error=error, status=problem.kind.status)
    actor = caller.person or form.actor
    if actor is None:
        return _form(request, form, error="sign_in.name_missing", status=422)
    return _signed_in(request, form, SignedIn.with_new_token(caller.key_id, actor))


@entrance.post("/sign-out")
async def post_sign_out(request: Request, service: ServiceDep) -> Response:
    """Delete the cookie."""
    response = RedirectResponse(address(request, "/sign-in"), 303)
    service.keys.cookies.delete(response)
    return response


def _signed_in(request: Request, form: SignInForm, signed_in: SignedIn) -> Response:
    response: Response
    if form.kept:
        request.state.signed_in = signed_in
        form_kept = kept_form(parse_qsl(form.kept), _own_page(form.kept_for))
        response = page(request, "kept.html", form=form_kept, token=signed_in.form_token, problem=None)
    else:
        response = RedirectResponse(address(request, _own_page(form.next)), 303)
    request.app.state.service.keys.cookies.set(response, signed_in)
    return response


def _own_page(path: str) -> str:
    """Return a path if it leads to a page of this service, else that of the first page."""
    # Browsers leave out tabs and line ends, and take a backslash for a slash.
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"


def _form(request: Request, form: SignInForm, *, error: str | None = None, status: int = 200) -> Response:
    return page(request, "sign_in.html", status=status, form=form, error=error)
