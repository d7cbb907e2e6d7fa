"""Import a file in four steps: send it, name its columns, look at what would happen, and import it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ConfigDict, Field
from starlette.datastructures import UploadFile

from app.clock import utc_now
from app.db import Transaction
from app.edge.ending import require_running
from app.edge.service import Service, ServiceDep
from app.edge.streams import FileStream
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME, NOT_APPLICABLE_SUFFIX
from app.files.finished import chunks_of
from app.files.formats import MEDIA_TYPES, SUFFIXES, Format
from app.files.opening import format_of, open_table
from app.inbound.imports.files import Choices, Contents, Run, Upload, UploadedFile
from app.inbound.imports.mapping import (
    ID_AND_NAME,
    LEFT_OUT,
    Targets,
    carried_over,
    columns_of,
    read_contents,
    repeated_keys,
    suggest,
)
from app.inbound.imports.reader import SESSION_FIELDS, SOURCE
from app.inbound.imports.worker import Starter
from app.keys.schemas import Scope
from app.pages.rendering import address, page, text
from app.pages.routes import Form, form_of, page_router, read_form
from app.problems import INVALID_REQUEST, STALE_REVISION, Problem, missing
from app.prospects.sources.queries import list_sources
from app.question_sets.queries import list_newest
from app.schemas import REFUSED_ANYWHERE, Line, SetName, Source, keyword

writing = page_router(Scope.WRITE)
receiving = page_router(Scope.WRITE, accepts_file=True)
PATH = "/prospects/import"
# A page with more could not be used. The command line has no such limit.
MAX_COLUMNS = 500
SHOWN_SAMPLES = 3
MAX_FILE_NAME = 120
RELOAD_SECONDS = 3
Checked = Literal["yes"]


class ColumnsForm(Form):
    """What a person chooses for a file. The fields `c0`, `c1` and so on have the keys of the columns.

    With `then` "show", the choices are stored, and the page is shown again with what they change.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    question_set: SetName | None = None
    source: Source | None = None
    sheet: Line | None = None
    encoding: Line | None = None
    decimal: DecimalSign | None = None
    notify: Checked | None = None
    then: Literal["show", "check"] = "check"


class StartForm(Form):
    """The start of an import. `shown` is the digest of the choices that the preview has."""

    shown: Annotated[str, Field(max_length=64)]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file of the signed-in person: what it is, and its last run."""

    file: UploadedFile
    upload: Upload
    run: Run | None

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"{PATH}/{self.upload.id}"

    @property
    def is_importing(self) -> bool:
        """Whether an import of it runs."""
        return bool(self.run and self.run.kind == "import" and self.run.status == "running")

    @property
    def has_run(self) -> bool:
        """Whether the last run was for what is chosen now."""
        return bool(self.run and self.run.choices == self.upload.choices)


@writing.get(PATH)
async def get_import(request: Request, service: ServiceDep) -> Response:
    """Show the form that asks for a file, and the files that this person sent before."""
    return await _show_start(request, service)


@receiving.post(PATH)
async def post_file(request: Request, service: ServiceDep, form: Annotated[Form, form_of(Form)]) -> Response:
    """Store a file and redirect to its columns. A form that is sent twice stores it once."""
    sent: UploadFile | None = getattr(request.state, "file", None)
    if sent is None or not sent.filename:
        return await _show_start(request, service, fault=text("imports.no_file"))
    if not sent.size:
        return await _show_start(request, service, fault=text("imports.empty_file"))
    try:
        upload = await service.computing.run_reading(
            partial(_store, request, service, sent, form.request_key)
        )
    except Problem as problem:
        return await _show_start(request, service, problem=problem)
    targets = await service.database.read(lambda tx: _targets(tx, service, Choices()))
    choices = Choices(
        source=await service.computing.run_reading(partial(_last_source, request, service)),
        columns=suggest(upload.contents, targets),
    )
    if not upload.choices.columns:
        stored = service.imports.folder.find(upload.id, upload.key_id, upload.actor)
        stored.save_upload(upload.model_copy(update={"choices": choices}))
    return RedirectResponse(address(request, f"{PATH}/{upload.id}/columns"), 303)


@writing.get(f"{PATH}/{{upload_id}}")
async def get_run(request: Request, service: ServiceDep, upload_id: str, reload: str = "yes") -> Response:
    """Show the preview or the import of a file. While it runs, the page reloads itself."""
    opened = await _open(request, service, upload_id)
    if opened.run is None:
        return RedirectResponse(address(request, f"{opened.path}/columns"), 303)
    return _show_run(request, opened, max_rows=service.settings.import_rows, reload=reload == "yes")


@writing.get(f"{PATH}/{{upload_id}}/columns")
async def get_columns(request: Request, service: ServiceDep, upload_id: str) -> Response:
    """Show what each column of a file is, so that a person can change it."""
    opened = await _open(request, service, upload_id)
    if opened.is_importing:
        return RedirectResponse(address(request, opened.path), 303)
    return await _show_columns(request, service, opened)


@writing.post(f"{PATH}/{{upload_id}}/columns")
async def post_columns(request: Request, service: ServiceDep, upload_id: str) -> Response:
    """Store the choices, start the preview, and redirect to it."""
    opened = await _open(request, service, upload_id)
    if opened.is_importing:
        return RedirectResponse(address(request, opened.path), 303)
    try:
        form = read_form(request, ColumnsForm)
        upload = await _chosen(request, service, opened, form)
    except Problem as problem:
        return await _show_columns(request, service, opened, problem=problem)
    await service.computing.run_reading(partial(opened.file.save_upload, upload))
    if form.then == "show":
        return RedirectResponse(address(request, f"{opened.path}/columns"), 303)
    opened = Opened(opened.file, upload, opened.run)
    faults = _faults(upload)
    if faults:
        return await _show_columns(request, service, opened, faults=faults)
    run = opened.run
    is_repeated = opened.has_run and run and run.kind == "preview" and not run.ended
    if not is_repeated:
        try:
            await service.imports.start(opened.file, "preview", _starter(request))
        except Problem as problem:
            return await _show_columns(request, service, opened, problem=problem)
    return RedirectResponse(address(request, opened.path), 303)


@writing.post(f"{PATH}/{{upload_id}}/start")
async def post_start(
    request: Request, service: ServiceDep, upload_id: str, form: Annotated[StartForm, form_of(StartForm)]
) -> Response:
    """Start the import that the preview shows, or continue it, and redirect to it."""
    opened = await _open(request, service, upload_id)
    run = opened.run
    if run is None or _digest(opened.upload.choices) != form.shown:
        problem = Problem(STALE_REVISION, text("imports.changed"))
        return await _show_columns(request, service, opened, problem=problem)
    is_done = run.kind == "import" and run.status == "done"
    if not is_done and not opened.is_importing:
        await service.imports.start(opened.file, "import", _starter(request))
    return RedirectResponse(address(request, opened.path), 303)


@writing.post(f"{PATH}/{{upload_id}}/stop")
async def post_stop(
    request: Request, service: ServiceDep, upload_id: str, _: Annotated[Form, form_of(Form)]
) -> Response:
    """Stop a preview or an import after its current rows."""
    opened = await _open(request, service, upload_id)
    await service.computing.run_reading(opened.file.request_stop)
    return RedirectResponse(address(request, opened.path), 303)


@writing.post(f"{PATH}/{{upload_id}}/delete")
async def post_delete(
    request: Request, service: ServiceDep, upload_id: str, _: Annotated[Form, form_of(Form)]
) -> Response:
    """Delete a file. What was imported stays."""
    opened = await _open(request, service, upload_id)
    await service.computing.run_reading(opened.file.delete)
    return RedirectResponse(address(request, PATH), 303)


@writing.get(f"{PATH}/{{upload_id}}/rejects")
async def get_rejects(request: Request, service: ServiceDep, upload_id: str) -> Response:
    """Return the rows that were left out, or not read as a whole, as a file in the format of the upload."""
    opened = await _open(request, service, upload_id)
    if not (opened.run and opened.run.has_rejects and opened.file.rejects.exists()):
        raise missing("file of rejects")
    upload = opened.upload
    stem = keyword(Path(upload.name).stem)[:60] or "file"
    suffix = next(suffix for suffix, format_ in SUFFIXES.items() if format_ == upload.format)
    response = FileStream(
        request,
        _chunks(service, opened.file.rejects),
        name=f"{stem}-rejects{suffix}",
        media_type=MEDIA_TYPES[upload.format][0],
    )
    response.headers["Cache-Control"] = "no-store"
    return service.key_watch.watched_response(request, response)


async def _chunks(service: Service, file: Path) -> AsyncGenerator[bytes, None]:
    chunks = chunks_of(file)
    while chunk := await service.computing.run(partial(next, chunks, b"")):
        yield chunk


def _store(request: Request, service: Service, sent: UploadFile, request_key: str | None) -> Upload:
    """Store a file that was sent, unless the same form has stored it. Raises MALFORMED_FILE."""
    key_id, actor = _person(request)
    folder = service.imports.folder
    for earlier in folder.of(key_id, actor):
        if request_key and (upload := earlier.upload()).request_key == request_key:
            return upload
    name = _file_name(sent.filename or "")
    format_ = format_of(Path(name))
    folder.make_room(key_id)
    upload_id, file = folder.add(sent.file)
    try:
        upload = Upload(
            id=upload_id,
            name=name,
            format=format_,
            size=sent.size or 0,
            key_id=key_id,
            actor=actor,
            uploaded_at=utc_now(),
            request_key=request_key,
            contents=_read(request, file, format_, None, None),
        )
        file.save_upload(upload)
    except BaseException:
        file.delete()
        raise
    return upload


def _read(
    request: Request, file: UploadedFile, format_: Format, sheet: str | None, encoding: str | None
) -> Contents:
    """Return what a file has. Raises MALFORMED_FILE, or INVALID_REQUEST if it cannot be shown."""
    check = partial(require_running, request)
    with open_table(file.content, format_, sheet=sheet, encoding=encoding, check=check) as table:
        if len(table.headings) > MAX_COLUMNS:
            raise Problem(INVALID_REQUEST, text("imports.many_columns", limit=MAX_COLUMNS))
        contents = read_contents(table)
    if not any(contents.samples):
        raise Problem(INVALID_REQUEST, text("imports.no_rows"))
    return contents


def _file_name(sent: str) -> str:
    """Return the name of a file without its folder and without what a name cannot contain."""
    name = REFUSED_ANYWHERE.sub("", PureWindowsPath(sent).name).encode("utf-8", "replace").decode()
    return name if len(name) <= MAX_FILE_NAME else name[: MAX_FILE_NAME - 10] + name[-10:]


def _last_source(request: Request, service: Service) -> str | None:
    """Return the source that this person named last."""
    files = service.imports.folder.of(*_person(request))
    return next((source for file in files if (source := file.upload().choices.source)), None)


async def _chosen(request: Request, service: Service, opened: Opened, form: ColumnsForm) -> Upload:
    """Return the upload with the choices of a form. If they change what a column can be, it is suggested."""
    before, contents = opened.upload.choices, opened.upload.contents
    chosen = form.model_dump(include={"question_set", "source", "sheet", "encoding", "decimal"})
    choices = Choices(**chosen, notify=form.notify is not None, columns=before.columns)
    targets = await service.database.read(lambda tx: _targets(tx, service, choices))
    if (choices.sheet, choices.encoding) != (before.sheet, before.encoding):
        contents = await service.computing.run_reading(
            partial(_read, request, opened.file, opened.upload.format, choices.sheet, choices.encoding)
        )
        columns = suggest(contents, targets)
    else:
        former = await service.database.read(lambda tx: _targets(tx, service, before))
        sent = _sent_columns(request, opened.upload, former)
        same = choices.question_set == before.question_set
        columns = sent if same else carried_over(sent, contents, former, targets)
    update = {"choices": choices.model_copy(update={"columns": columns}), "contents": contents}
    return opened.upload.model_copy(update=update)


def _sent_columns(request: Request, upload: Upload, targets: Targets) -> tuple[str, ...]:
    """Return the keys of the columns that a form has. A key that the page does not offer leaves it out."""
    fields: Mapping[str, str] = request.state.fields
    own = targets.own_names(upload.contents.headings)
    sent = (fields.get(f"c{index}", LEFT_OUT) for index in range(len(own)))
    return tuple(key if key in targets.keys_of(index, own) else LEFT_OUT for index, key in enumerate(sent))


def _faults(upload: Upload) -> list[str]:
    """Return what is missing or wrong in the choices, as sentences."""
    choices, columns = upload.choices, columns_of(upload.choices)
    faults = []
    if ID not in columns:
        faults.append(text("imports.needs_id"))
    if SOURCE not in columns and choices.source is None:
        faults.append(text("imports.needs_source"))
    for key, indexes in repeated_keys(choices).items():
        headings = ", ".join(_heading(upload.contents, index) for index in indexes)
        faults.append(text("imports.repeated", key=_name_of(key), columns=headings))
    return faults


def _heading(contents: Contents, index: int) -> str:
    return contents.headings[index] or text("imports.unnamed_column", number=index + 1)


def _targets(tx: Transaction, service: Service, choices: Choices) -> Targets:
    """Return what columns can be. Raises INVALID_REQUEST if the question set cannot be used."""
    name = choices.question_set
    types = service.plans.declared_types(tx)
    return Targets(types, service.plans.find_to_open(tx, name) if name else None)


def _person(request: Request) -> tuple[Any, str]:
    return request.state.caller.key_id, request.state.signed_in.actor


def _starter(request: Request) -> Starter:
    return Starter(request.state.caller, request.state.signed_in.actor)


def _digest(choices: Choices) -> str:
    return sha256(choices.model_dump_json().encode()).hexdigest()[:32]


async def _open(request: Request, service: Service, upload_id: str) -> Opened:
    """Return a file of the signed-in person. Raises NOT_FOUND."""

    def load() -> Opened:
        file = service.imports.folder.find(upload_id, *_person(request))
        return Opened(file, file.upload(), file.run())

    return await service.computing.run(load)


async def _show_start(
    request: Request, service: Service, *, fault: str | None = None, problem: Problem | None = None
) -> Response:
    def load() -> list[Opened]:
        files = service.imports.folder.of(*_person(request))
        return [Opened(file, file.upload(), file.run()) for file in files]

    status = problem.kind.status if problem else 422 if fault else 200
    return page(
        request,
        "import_file.html",
        status=status,
        files=await service.computing.run(load),
        fault=fault,
        problem=problem,
        suffixes=",".join(SUFFIXES),
        max_bytes=service.settings.import_bytes,
        max_rows=service.settings.import_rows,
    )


async def _show_columns(
    request: Request,
    service: Service,
    opened: Opened,
    *,
    faults: Sequence[str] = (),
    problem: Problem | None = None,
) -> Response:
    upload = opened.upload

    def load(tx: Transaction) -> tuple[Targets, list[Any], list[str]]:
        sources = [one.source for one in list_sources(tx).items]
        return _targets(tx, service, upload.choices), list(list_newest(tx)), sources

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
    status = problem.kind.status if problem else 422 if faults else 200
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
        faults=faults,
        problem=problem,
        curl=_curl(upload),
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
                "heading": _heading(contents, index),
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
    """Return how the page calls a field; the name of another key."""
    names = {LEFT_OUT: "left_out", ID_AND_NAME: "id_and_name"}
    if key in (ID, NAME, SOURCE, *SESSION_FIELDS, *names):
        return text("imports.key_" + names.get(key, key))
    return key


def _show_run(request: Request, opened: Opened, *, max_rows: int, reload: bool) -> Response:
    run, upload = opened.run, opened.upload
    assert run, "a file without a run has no such page"
    response = page(
        request,
        "import_run.html",
        opened=opened,
        upload=upload,
        run=run,
        reload=reload,
        shown=_digest(run.choices),
        max_rows=max_rows,
        curl=_curl(upload),
    )
    if run.status == "running" and reload:
        # A page without scripts. Whoever wants to read calmly follows the link that turns this off.
        response.headers["Refresh"] = str(RELOAD_SECONDS)
    return response


def _curl(upload: Upload) -> str:
    """Return the address of the request that imports the file with the same choices, as far as it can."""
    choices, columns = upload.choices, columns_of(upload.choices)
    headings = {"id": ID, "name": NAME}
    named = {
        parameter: upload.contents.headings[columns[key]]
        for parameter, key in headings.items()
        if key in columns
    }
    query = {
        **choices.model_dump(include={"source", "sheet", "encoding", "decimal"}),
        **named,
        "qualify": choices.question_set,
        "notify": "true" if choices.notify else None,
    }
    sent = urlencode({name: value for name, value in query.items() if value})
    return f"/v1/prospects/import?{sent}"
