"""The editor of a draft: its YAML with each error at its line, and a simulator beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints, model_validator

from app.db import Transaction
from app.edge.service import Service, ServiceDep
from app.keys.schemas import Scope
from app.pages.rendering import address, page, render, text
from app.pages.routes import Form, Seen, form_of, page_router, write
from app.pages.simulator import Simulation, simulate
from app.problems import STALE_REVISION, Problem, invalid_field
from app.question_sets import service as question_sets
from app.question_sets.presenters import MAX_DRAFT_FLAWS
from app.question_sets.queries import draft_of, find_set, find_version, list_versions, version_exists
from app.question_sets.reader import Position, TextError, write_yaml
from app.question_sets.service import DraftText, read_draft_text
from app.question_sets.tables import QuestionSetDraft
from app.scoring import SET_KEY, QuestionSet, form
from app.sessions.session_edit import UnitOfWork

authoring = page_router(Scope.AUTHOR)
Key = Annotated[str, Path(pattern=SET_KEY)]
# A percent-encoded character has at most nine bytes, and a body has at most a million.
MAX_TEXT_LENGTH = 100_000
MAX_NUMBERED_LINES = 2000
# A form has at most a thousand fields.
MAX_SIMULATED_QUESTIONS = 400
START = form(
    r"^(template|(variant|copy):[a-z][a-z0-9-]{0,63})$", "start from the template, a variant or a copy"
)
# The prefixes of the names of the fields in which the simulator sends answers and attributes.
TRIED = {"answer.": "answers", "attribute.": "attributes"}


class DraftForm(Form):
    """The text of a draft, the revision that the page showed, and what the simulator tries."""

    text: str = ""
    seen: Seen | None = None
    answers: dict[str, str] = {}
    attributes: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect_tried(cls, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Collect the fields `answer.budget` and `attribute.industry`."""
        collected: dict[str, Any] = {"answers": {}, "attributes": {}}
        for name, value in sent.items():
            group = next((prefix for prefix in TRIED if name.startswith(prefix)), None)
            if group:
                collected[TRIED[group]][name.removeprefix(group)] = value
            else:
                collected[name] = value
        return collected


class DiscardForm(Form):
    """The revision of the draft to discard."""

    seen: Seen


class DraftRevision(BaseModel):
    """The revision of a draft that was saved or discarded, kept in case the form is sent twice."""

    revision: int


class NewDraftForm(Form):
    """The key of a new set, and what its text starts from."""

    key: Annotated[str, StringConstraints(pattern=SET_KEY)]
    start: Annotated[str, StringConstraints(pattern=START)] = "template"


@dataclass(frozen=True, slots=True)
class Editor:
    """A text in the editor, checked. `stored` is the draft as it is saved, None if there is none."""

    key: str
    text: str
    stored: QuestionSetDraft | None
    has_versions: bool
    checked: DraftText
    simulation: Simulation | None

    @property
    def error_lines(self) -> dict[int, list[str]]:
        """The details of the errors by line."""
        lines: dict[int, list[str]] = {}
        for error in self.checked.errors[:MAX_DRAFT_FLAWS]:
            lines.setdefault(error.at.line, []).append(error.detail)
        return lines


@authoring.post("/question-sets")
async def post_new_draft(
    request: Request, service: ServiceDep, form: Annotated[NewDraftForm, form_of(NewDraftForm)]
) -> Response:
    """Open the editor for a set that does not exist yet. Nothing is stored."""

    def is_taken(tx: Transaction) -> bool:
        return version_exists(tx, form.key) or draft_of(tx, form.key) is not None

    if await service.database.read(is_taken):
        raise invalid_field("/key", "conflict", text("draft.taken", key=form.key))
    return RedirectResponse(address(request, f"/question-sets/{form.key}/draft?start={form.start}"), 303)


@authoring.get("/question-sets/{key}/draft")
async def get_draft(
    request: Request,
    service: ServiceDep,
    key: Key,
    start: Annotated[str, Query(pattern=START)] = "template",
) -> Response:
    """Show the draft, or else the text that a new draft starts from."""

    def load(tx: Transaction) -> Editor:
        return _edited(tx, service, key, _starting_text(tx, request, key, start), DraftForm())

    return _show(request, await service.database.read(load))


@authoring.post("/question-sets/{key}/draft/check")
async def post_check(
    request: Request, service: ServiceDep, key: Key, form: Annotated[DraftForm, form_of(DraftForm)]
) -> Response:
    """Check the text and score what the simulator tries. Nothing is stored."""
    editor = await service.database.read(lambda tx: _edited(tx, service, key, form.text, form))
    return _show(request, editor, form)


@authoring.post("/question-sets/{key}/draft")
async def post_draft(
    request: Request, service: ServiceDep, key: Key, form: Annotated[DraftForm, form_of(DraftForm)]
) -> Response:
    """Save the text, even if it has errors. A text that cannot be saved is shown again, unchanged."""
    editor = await service.database.read(lambda tx: _edited(tx, service, key, form.text, form))
    document = editor.checked.document
    if document is None or document["key"] != key:
        return _show(request, editor, form, error=text("draft.not_saved"), status=422)

    def save(uow: UnitOfWork) -> DraftRevision:
        saved = question_sets.save_draft(uow.tx, key, document, form.seen, uow.author, form.text)
        return DraftRevision(revision=saved.revision)

    try:
        await write(request, form, save)
    except Problem as problem:
        editor = await service.database.read(lambda tx: _edited(tx, service, key, form.text, form))
        return _show(request, editor, form, problem=problem, status=problem.kind.status)
    return RedirectResponse(address(request, f"/question-sets/{key}/draft"), 303)


@authoring.post("/question-sets/{key}/draft/discard")
async def post_discard(
    request: Request, key: Key, form: Annotated[DiscardForm, form_of(DiscardForm)]
) -> Response:
    """Discard the draft."""

    def discard(uow: UnitOfWork) -> DraftRevision:
        question_sets.discard_draft(uow.tx, key, form.seen, uow.author)
        return DraftRevision(revision=form.seen)

    await write(request, form, discard)
    return RedirectResponse(address(request, "/question-sets"), 303)


def _starting_text(tx: Transaction, request: Request, key: str, start: str) -> str:
    """Return the draft, or the newest version, or else what a new set starts from."""
    if draft := draft_of(tx, key):
        return draft.text or write_yaml(draft.document)
    if version := find_version(tx, key) or next(iter(list_versions(tx, key)), None):
        return write_yaml(QuestionSet.model_validate(version.definition).canonical())
    how, _, base_key = start.partition(":")
    base = find_version(tx, base_key) if base_key else None
    if base is None:
        return render(request, "new_set.yaml", key=key)
    if how == "variant":
        base_set = find_set(tx, base.name)
        return render(request, "new_variant.yaml", key=key, base=base.name, set=base_set)
    copied = QuestionSet.model_validate(base.definition).canonical() | {"key": key, "extends": base.name}
    # With these, both sets would be chosen for the same prospects.
    return write_yaml({name: value for name, value in copied.items() if name not in ("for", "priority")})


def _edited(tx: Transaction, service: Service, key: str, written: str, form: DraftForm) -> Editor:
    if len(written) > MAX_TEXT_LENGTH:
        too_long = text("draft.too_long", length=len(written), limit=MAX_TEXT_LENGTH)
        checked = DraftText(None, None, [TextError(Position(1, 1), too_long)])
    else:
        checked = read_draft_text(tx, key, written)
    simulation = None
    if checked.question_set:
        simulation = simulate(checked.question_set, form.answers, form.attributes, service.clock())
    return Editor(key, written, draft_of(tx, key), version_exists(tx, key), checked, simulation)


def _show(
    request: Request,
    editor: Editor,
    form: DraftForm | None = None,
    *,
    error: str | None = None,
    problem: Problem | None = None,
    status: int = 200,
) -> Response:
    """Return the page. After a conflict it shows both texts, and saving again replaces the other one."""
    stored = editor.stored
    is_stale = problem is not None and problem.kind is STALE_REVISION
    current = stored.revision if stored else None
    theirs = None
    if is_stale and stored:
        theirs = stored.text or write_yaml(stored.document)
    return page(
        request,
        "draft.html",
        status=status,
        editor=editor,
        form=form or DraftForm(),
        # A page that was checked or could not be saved keeps the revision that it showed first.
        seen=current if form is None or is_stale else form.seen,
        is_posted=form is not None,
        error=error,
        problem=None if theirs is not None else problem,
        theirs=theirs,
        max_errors=MAX_DRAFT_FLAWS,
        max_lines=MAX_NUMBERED_LINES,
        max_simulated=MAX_SIMULATED_QUESTIONS,
    )
