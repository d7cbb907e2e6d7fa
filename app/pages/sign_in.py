"""Sign in with an API key or with a link that works once, and sign out."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from app.edge.cookies import SignedIn
from app.edge.service import ServiceDep
from app.keys.service import use_sign_in_link
from app.pages.rendering import address, page
from app.pages.routes import Form, form_of, page_router
from app.problems import Problem
from app.schemas import Line

entrance = page_router()


class SignInForm(Form):
    """An API key, or the secret of a link, and the person who signs in."""

    key: Annotated[str, Field(max_length=300)] = ""
    link: Annotated[str, Field(max_length=300)] = ""
    actor: Line | None = None
    next: Annotated[str, Field(max_length=4000)] = "/"


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
        return _form(request, form, fault="sign_in.name_missing", status=422)
    if form.link:
        key_id = await service.database.write(lambda tx: use_sign_in_link(tx, form.link))
        if key_id is None:
            return _form(request, SignInForm(next=form.next), fault="sign_in.link_used", status=403)
        return _signed_in(request, form, SignedIn.with_new_token(key_id, form.actor or ""))
    try:
        caller = await service.keys.authorise_secret(form.key.strip())
    except Problem as problem:
        return _form(request, form, fault="sign_in.key_unknown", status=problem.kind.status)
    actor = caller.person or form.actor
    if actor is None:
        return _form(request, form, fault="sign_in.name_missing", status=422)
    return _signed_in(request, form, SignedIn.with_new_token(caller.key_id, actor))


@entrance.post("/sign-out")
async def post_sign_out(request: Request, service: ServiceDep) -> Response:
    """Delete the cookie."""
    response = RedirectResponse(address(request, "/sign-in"), 303)
    service.keys.cookies.delete(response)
    return response


def _signed_in(request: Request, form: SignInForm, signed_in: SignedIn) -> Response:
    # Only to a page of this service.
    path = form.next if form.next.startswith("/") and not form.next.startswith(("//", "/\\")) else "/"
    response = RedirectResponse(address(request, path), 303)
    request.app.state.service.keys.cookies.set(response, signed_in)
    return response


def _form(request: Request, form: SignInForm, *, fault: str | None = None, status: int = 200) -> Response:
    return page(request, "sign_in.html", status=status, form=form, fault=fault)
