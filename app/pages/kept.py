"""What was entered in a form that could not be saved: the page shows it, and can send it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import Request, Response

from app.clock import new_id
from app.edge.bodies import media_type, read_body
from app.edge.cookies import SignedIn
from app.pages.rendering import page
from app.problems import FORBIDDEN, KEY_REUSED, NOT_FOUND, Problem

FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1000
# The largest form that is kept. A sign-in encodes it again, in a form that may be three times as long.
MAX_KEPT_BYTES = 300_000
# Sending the form again cannot help.
FINAL = frozenset({NOT_FOUND, FORBIDDEN})
# The names and prefixes of fields in which nobody enters anything.
TECHNICAL = frozenset({"token", "request_key", "seen", "session", "then", "anyway"})
TECHNICAL_PREFIXES = ("was.", "answer.", "attribute.")


@dataclass(frozen=True, slots=True)
class KeptField:
    """A field as it was sent. If it `is_wrong`, the page lets people correct it."""

    name: str
    value: str
    is_wrong: bool = False

    @property
    def is_technical(self) -> bool:
        """Whether the field is sent again without being shown."""
        return self.name in TECHNICAL or self.name.startswith(TECHNICAL_PREFIXES)


@dataclass(frozen=True, slots=True)
class KeptForm:
    """The fields of a form that was not saved, and the path to which it is sent again."""

    action: str
    fields: Sequence[KeptField]
    may_succeed: bool = True

    @property
    def shown(self) -> list[KeptField]:
        """The fields in which somebody entered something, and those that are wrong."""
        return [one for one in self.fields if not one.is_technical]

    @property
    def cleared(self) -> list[str]:
        """The facts that were cleared: a browser sends them as empty fields, which are not kept."""
        sent = {one.name for one in self.fields}
        before = [one.name.removeprefix("was.") for one in self.fields if one.name.startswith("was.")]
        return [name for name in before if f"fact.{name}" not in sent]


def read_fields(body: bytes) -> list[tuple[str, str]]:
    """Return the filled fields of a form. Raises ValueError if it has more than `MAX_FORM_FIELDS`."""
    return parse_qsl(body.decode("utf-8", "replace"), max_num_fields=MAX_FORM_FIELDS)


def kept_form(fields: Sequence[tuple[str, str]], action: str) -> KeptForm:
    """Return a form that a sign-in has kept."""
    return KeptForm(action, [KeptField(name, value) for name, value in fields if name != "token"])


async def refused_page(request: Request, problem: Problem) -> Response:
    """Return the page that shows why a request was refused, and what was entered if it was a form."""
    fields = await _sent_fields(request)
    signed_in: SignedIn | None = getattr(request.state, "signed_in", None)
    token = signed_in.form_token if signed_in else fields.get("token", "")
    if problem.kind is KEY_REUSED:
        # The form was already saved with different entries, for example before the person went back a page.
        fields["request_key"] = str(new_id())
    wrong = {error.pointer.removeprefix("/") for error in problem.errors}
    kept = KeptForm(
        request.url.path,
        [KeptField(name, value, name in wrong) for name, value in fields.items() if name != "token"],
        may_succeed=problem.kind not in FINAL,
    )
    response = page(request, "kept.html", status=problem.kind.status, form=kept, token=token, problem=problem)
    response.headers.update(problem.headers or {})
    return response


async def _sent_fields(request: Request) -> dict[str, str]:
    """Return the fields of the form that was sent from a page of this service; empty if there is none."""
    if not getattr(request.state, "is_own_form", False) or media_type(request) != FORM_MEDIA_TYPE:
        return {}
    fields: Mapping[str, str] | None = getattr(request.state, "fields", None)
    if fields is not None:
        return dict(fields)
    try:
        sent = read_fields(await read_body(request, MAX_KEPT_BYTES))
    except (Problem, RuntimeError, ValueError):
        # The body is too large, was already read in part, or is not a form.
        return {}
    return {name: value.replace("\r\n", "\n") for name, value in sent}
