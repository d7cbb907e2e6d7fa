"""Import a file in four steps: upload it, choose its columns, preview it, and import it."""

from collections.abc import AsyncGenerator
from functools import partial
from hashlib import sha256
from pathlib import Path, PureWindowsPath
from typing import Annotated

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field
from starlette.datastructures import UploadFile

from app.clock import utc_now
from app.edge.service import Service, ServiceDep
from app.edge.streams import FileStream
from app.files.finished import chunks_of
from app.files.formats import MEDIA_TYPES, SUFFIXES
from app.files.opening import format_of
from app.inbound.forms.service import ALIAS_REMEDY
from app.inbound.imports.mapping import suggest
from app.inbound.imports.schemas import Choices, Upload
from app.keys.schemas import Scope
from app.pages.import_columns import show_columns
from app.pages.rendering import PageProblem, address, page, text
from app.pages.routes import Form, form_of, page_router
from app.pages.uploads import (
    PATH,
    OpenUpload,
    curl_path,
    open_upload,
    person_of,
    read_upload,
    starter_of,
    targets_of,
)
from app.problems import STALE_REVISION, Problem, missing
from app.schemas import REFUSED_ANYWHERE, keyword

writing = page_router(Scope.WRITE)
receiving = page_router(Scope.WRITE, accepts_file=True)
MAX_FILE_NAME = 120
COMPARED_BYTES = 1024 * 1024
RELOAD_SECONDS = 3


class StartForm(Form):
    """The start of an import. `shown` is the digest of the choices that the preview has."""

    shown: Annotated[str, Field(max_length=64)]


@writing.get(PATH)
async def get_import(request: Request, service: ServiceDep) -> Response:
    """Show the form that asks for a file, and the files that this person uploaded before."""
    return await _show_start(request, service)


@receiving.post(PATH)
async def post_file(request: Request, service: ServiceDep, form: Annotated[Form, form_of(Form)]) -> Response:
    """Store a file and redirect to its columns. A form that is sent twice stores it once."""
    sent: UploadFile | None = getattr(request.state, "file", None)
    if sent is None or not sent.filename:
        return await _show_start(request, service, error=text("imports.no_file"))
    if not sent.size:
        return await _show_start(request, service, error=text("imports.empty_file"))
    try:
        upload = await service.computing.run_reading(
            partial(_store, request, service, sent, form.request_key)
        )
    except Problem as problem:
        return await _show_start(request, service, problem=problem)
    targets = await service.database.read(lambda tx: targets_of(tx, service, Choices()))
    choices = Choices(
        source=await service.computing.run(partial(_last_source, request, service)),
        columns=suggest(upload.contents, targets),
    )
    if not upload.choices.columns:
        stored = service.imports.folder.find(upload.id, upload.key_id, upload.actor)
        stored.save_upload(upload.model_copy(update={"choices": choices}))
    return RedirectResponse(address(request, f"{PATH}/{upload.id}/columns"), 303)


@writing.get(f"{PATH}/{{upload_id}}")
async def get_run(request: Request, service: ServiceDep, upload_id: str, reload: str = "yes") -> Response:
    """Show the preview or the import of a file. While it runs, the page reloads itself."""
    opened = await open_upload(request, service, upload_id)
    if opened.run is None:
        return RedirectResponse(address(request, f"{opened.path}/columns"), 303)
    return _show_run(request, opened, max_rows=service.settings.import_rows, reload=reload == "yes")


@writing.post(f"{PATH}/{{upload_id}}/start")
async def post_start(
    request: Request, service: ServiceDep, upload_id: str, form: Annotated[StartForm, form_of(StartForm)]
) -> Response:
    """Start the import that the preview shows, or continue it, and redirect to it."""
    opened = await open_upload(request, service, upload_id)
    run, choices = opened.run, opened.upload.choices
    changed = PageProblem(STALE_REVISION, text("imports.changed"))
    if run is None or _digest(choices) != form.shown:
        return await show_columns(request, service, opened, problem=changed)
    is_done = run.kind == "import" and run.status == "done"
    if not is_done and not opened.is_importing:
        try:
            await service.imports.start(opened.file, "import", starter_of(request), choices)
        except Problem as problem:
            if problem.kind is not STALE_REVISION:
                raise
            opened = await open_upload(request, service, upload_id)
            return await show_columns(request, service, opened, problem=changed)
    return RedirectResponse(address(request, opened.path), 303)


@writing.post(f"{PATH}/{{upload_id}}/stop")
async def post_stop(
    request: Request, service: ServiceDep, upload_id: str, _: Annotated[Form, form_of(Form)]
) -> Response:
    """Stop a preview or an import after its current rows."""
    opened = await open_upload(request, service, upload_id)
    await service.computing.run(opened.file.request_stop)
    return RedirectResponse(address(request, opened.path), 303)


@writing.post(f"{PATH}/{{upload_id}}/delete")
async def post_delete(
    request: Request, service: ServiceDep, upload_id: str, _: Annotated[Form, form_of(Form)]
) -> Response:
    """Delete a file. What was imported stays."""
    opened = await open_upload(request, service, upload_id)
    await service.computing.run(opened.file.delete)
    return RedirectResponse(address(request, PATH), 303)


@writing.get(f"{PATH}/{{upload_id}}/rejects")
async def get_rejects(request: Request, service: ServiceDep, upload_id: str) -> Response:
    """Return the rows that were refused, or that lost a cell, as a file in the format of the upload."""
    opened = await open_upload(request, service, upload_id)
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
    key_id, actor = person_of(request)
    folder = service.imports.folder
    for file, earlier in folder.of(key_id, actor):
        # After the back button, a person can choose another file in the same form.
        if request_key and earlier.request_key == request_key and _is_same(sent, file.content):
            return earlier
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
            contents=read_upload(request, file, format_, None, None),
        )
        file.save_upload(upload)
    except BaseException:
        file.delete()
        raise
    return upload


def _is_same(sent: UploadFile, content: Path) -> bool:
    """Return whether a file that was sent has the same content as a stored one."""
    with content.open("rb") as stored:
        pieces = iter(lambda: (sent.file.read(COMPARED_BYTES), stored.read(COMPARED_BYTES)), (b"", b""))
        is_same = all(first == second for first, second in pieces)
    sent.file.seek(0)
    return is_same


def _file_name(sent: str) -> str:
    """Return the name of a file without its folder and without what a name cannot contain."""
    name = REFUSED_ANYWHERE.sub("", PureWindowsPath(sent).name).encode("utf-8", "replace").decode()
    return name if len(name) <= MAX_FILE_NAME else name[: MAX_FILE_NAME - 10] + name[-10:]


def _last_source(request: Request, service: Service) -> str | None:
    """Return the source that this person named last."""
    files = service.imports.folder.of(*person_of(request))
    return next((upload.choices.source for _, upload in files if upload.choices.source), None)


def _digest(choices: Choices) -> str:
    return sha256(choices.model_dump_json().encode()).hexdigest()[:32]


async def _show_start(
    request: Request, service: Service, *, error: str | None = None, problem: Problem | None = None
) -> Response:
    def load() -> list[OpenUpload]:
        files = service.imports.folder.of(*person_of(request))
        return [OpenUpload(file, upload, file.run()) for file, upload in files]

    status = problem.kind.status if problem else 422 if error else 200
    return page(
        request,
        "import_file.html",
        status=status,
        files=await service.computing.run(load),
        error=error,
        problem=problem,
        suffixes=",".join(SUFFIXES),
        max_bytes=service.settings.import_bytes,
        max_rows=service.settings.import_rows,
    )


def _show_run(request: Request, opened: OpenUpload, *, max_rows: int, reload: bool) -> Response:
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
        refuses_words=any(ALIAS_REMEDY in reason.kind for reason in run.reasons),
        curl=curl_path(upload),
        media_type=MEDIA_TYPES[upload.format][0],
    )
    if run.status == "running" and reload:
        # The page works without scripts. It has a link that stops the reloading.
        response.headers["Refresh"] = str(RELOAD_SECONDS)
    return response
