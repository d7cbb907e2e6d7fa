"""The second step of an import: what each column of the file is."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ConfigDict

from app.db import Transaction
from app.edge.service import Service, ServiceDep
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME, NOT_APPLICABLE_SUFFIX
from app.files.formats import MEDIA_TYPES
from app.inbound.imports.mapping import (
    ID_AND_NAME,
    LEFT_OUT,
    Targets,
    carried_over,
    columns_of,
    repeated_keys,
    suggest,
)
from app.inbound.imports.reader import SESSION_FIELDS, SOURCE
from app.inbound.imports.schemas import Choices, Upload
from app.keys.schemas import Scope
from app.pages.rendering import address, page, text
from app.pages.routes import Form, page_router, read_form
from app.pages.uploads import (
    PATH,
    OpenUpload,
    curl_path,
    heading_of,
    open_upload,
    read_upload,
    starter_of,
    targets_of,
)
from app.problems import Problem
from app.prospects.sources.queries import list_sources
from app.question_sets.queries import list_newest
from app.schemas import Line, SetName, Source

choosing = page_router(Scope.WRITE)
SHOWN_SAMPLES = 3
Checked = Literal["yes"]


class ColumnsForm(Form):
    """What a person chooses for a file. The fields `c0`, `c1` and so on have the keys of the columns.

    If `then` is "show", the choices are stored, and the page is shown again with the columns for them.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    question_set: SetName | None = None
    source: Source | None = None
    sheet: Line | None = None
    encoding: Line | None = None
    decimal: DecimalSign | None = None
    notify: Checked | None = None
    then: Literal["show", "check"] = "check"


@choosing.get(f"{PATH}/{{upload_id}}/columns")
async def get_columns(request: Request, service: ServiceDep, upload_id: str) -> Response:
    """Show what each column of a file is, so that a person can change it."""
    opened = await open_upload(request, service, upload_id)
    if opened.is_importing:
        return RedirectResponse(address(request, opened.path), 303)
    return await show_columns(request, service, opened)


@choosing.post(f"{PATH}/{{upload_id}}/columns")
async def post_columns(request: Request, service: ServiceDep, upload_id: str) -> Response:
    """Store the choices, start the preview, and redirect to it."""
    opened = await open_upload(request, service, upload_id)
    if opened.is_importing:
        return RedirectResponse(address(request, opened.path), 303)
    try:
        form = read_form(request, ColumnsForm)
        upload = await _chosen(request, service, opened, form)
    except Problem as problem:
        return await show_columns(request, service, opened, problem=problem)
    await service.computing.run(partial(opened.file.save_upload, upload))
    if form.then == "show":
        return RedirectResponse(address(request, f"{opened.path}/columns"), 303)
    opened = OpenUpload(opened.file, upload, opened.run)
    errors = _errors(upload)
    if errors:
        return await show_columns(request, service, opened, errors=errors)
    run = opened.run
    is_repeated = opened.has_run and run and run.kind == "preview" and not run.ended
    if not is_repeated:
        try:
            await service.imports.start(opened.file, "preview", starter_of(request))
        except Problem as problem:
            return await show_columns(request, service, opened, problem=problem)
    return RedirectResponse(address(request, opened.path), 303)


async def _chosen(request: Request, service: Service, opened: OpenUpload, form: ColumnsForm) -> Upload:
    """Return the upload with the choices of a form, and suggest columns again if the targets differ."""
    before, contents = opened.upload.choices, opened.upload.contents
    chosen = form.model_dump(include={"question_set", "source", "sheet", "encoding", "decimal"})
    choices = Choices(**chosen, notify=form.notify is not None, columns=before.columns)
    targets = await service.database.read(lambda tx: targets_of(tx, service, choices))
    if (choices.sheet, choices.encoding) != (before.sheet, before.encoding):
        contents = await service.computing.run_reading(
            partial(read_upload, request, opened.file, opened.upload.format, choices.sheet, choices.encoding)
        )
        columns = suggest(contents, targets)
    else:
        former = await service.database.read(lambda tx: targets_of(tx, service, before))
        sent = _sent_columns(request, opened.upload, former)
        same = choices.question_set == before.question_set
        columns = sent if same else carried_over(sent, contents, former, targets)
    update = {"choices": choices.model_copy(update={"columns": columns}), "contents": contents}
    return opened.upload.model_copy(update=update)


def _sent_columns(request: Request, upload: Upload, targets: Targets) -> tuple[str, ...]:
    """Return the keys of the columns in a form. A column is left out if the page does not offer its key."""
    fields: Mapping[str, str] = request.state.fields
    own = targets.own_names(upload.contents.headings)
    sent = (fields.get(f"c{index}", LEFT_OUT) for index in range(len(own)))
    return tuple(key if key in targets.keys_of(index, own) else LEFT_OUT for index, key in enumerate(sent))


def _errors(upload: Upload) -> list[str]:
    """Return what is missing or wrong in the choices, as sentences."""
    choices, columns = upload.choices, columns_of(upload.choices)
    errors = []
    if ID not in columns:
        errors.append(text("imports.needs_id"))
    if SOURCE not in columns and choices.source is None:
        errors.append(text("imports.needs_source"))
    for key, indexes in repeated_keys(choices).items():
        headings = ", ".join(heading_of(upload.contents, index) for index in indexes)
        errors.append(text("imports.repeated", key=_name_of(key), columns=headings))
    return errors


async def show_columns(
    request: Request,
    service: Service,
    opened: OpenUpload,
    *,
    errors: Sequence[str] = (),
    problem: Problem | None = None,
) -> Response:
    """Return the page with the columns of a file, and with what is wrong in the choices."""
    upload = opened.upload

    def load(tx: Transaction) -> tuple[Targets, list[Any], list[str]]:
        sources = [one.source for one in list_sources(tx).items]
        return targets_of(tx, service, upload.choices), list(list_newest(tx)), sources

    try:
        targets, sets, sources = await service.database.read(load)
    except Problem as retired:
        # The set cannot be chosen any more.
        upload = upload.model_copy(
            update={"choices": upload.choices.model_copy(update={"question_set": None})}
        )
        problem = problem or retired
        targets, sets, sources = await service.database.read(load)
    sent = getattr(request.state, "fields", {})
    status = problem.kind.status if problem else 422 if errors else 200
    return page(
        request,
        "import_columns.html",
        status=status,
        opened=opened,
        upload=upload,
        source=sent.get("source", upload.choices.source or ""),
        columns=_columns(upload, targets),
        groups=_groups(targets),
        sets=[one for one in sets if one.definition["subject"] == "prospect"],
        sources=sources,
        sheets=[(name, name) for name in upload.contents.sheets],
        errors=errors,
        problem=problem,
        curl=curl_path(upload),
        media_type=MEDIA_TYPES[upload.format][0],
    )


def _columns(upload: Upload, targets: Targets) -> list[dict[str, Any]]:
    """Return what the page shows of each column: heading, samples, chosen key, and the name of its own."""
    contents = upload.contents
    own = targets.own_names(contents.headings)
    columns = []
    for index, key in enumerate(upload.choices.columns):
        is_own = key == own[index]
        columns.append(
            {
                "name": f"c{index}",
                "heading": heading_of(contents, index),
                "samples": contents.samples[index][:SHOWN_SAMPLES],
                "chosen": key,
                "label": text("imports.own", name=key) if is_own else _label(key, targets),
                "own": None if is_own else own[index],
            }
        )
    return columns


def _groups(targets: Targets) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what a column can be, as groups of options."""
    groups = {
        "imports.group_prospect": [ID, NAME, ID_AND_NAME, SOURCE],
        "imports.group_attributes": sorted(targets.attributes),
        "imports.group_session": SESSION_FIELDS if targets.plan else (),
        "imports.group_questions": list(targets.plan.questions) if targets.plan else (),
    }
    return [
        (text(name), [(key, _label(key, targets)) for key in keys]) for name, keys in groups.items() if keys
    ]


def _label(key: str, targets: Targets) -> str:
    if targets.plan and (question := targets.plan.questions.get(key)):
        return question.label or question.text
    question_key = key.removesuffix(NOT_APPLICABLE_SUFFIX)
    if targets.plan and key != question_key and question_key in targets.plan.questions:
        return text("imports.not_applicable", question=_label(question_key, targets))
    if key in targets.attributes and key not in targets.fields:
        return text("imports.attribute", name=key, type=text("imports.type_" + targets.attributes[key]))
    return _name_of(key)


def _name_of(key: str) -> str:
    """Return the name of a field on the page; for any other key, the key itself."""
    names = {LEFT_OUT: "left_out", ID_AND_NAME: "id_and_name"}
    if key in (ID, NAME, SOURCE, *SESSION_FIELDS, *names):
        return text("imports.key_" + names.get(key, key))
    return key
