"""The files that the signed-in person has uploaded to import."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request

from app.db import Transaction
from app.edge.ending import require_running
from app.edge.service import Service
from app.files.entries import ID, NAME
from app.files.formats import Format
from app.files.opening import open_table
from app.inbound.imports.files import UploadedFile
from app.inbound.imports.mapping import Targets, columns_of, read_contents
from app.inbound.imports.schemas import Choices, Contents, Run, Upload
from app.inbound.imports.worker import Starter
from app.pages.rendering import PageProblem, text
from app.problems import INVALID_REQUEST

PATH = "/prospects/import"
# A page with more columns would be unusable. The command line has no such limit.
MAX_COLUMNS = 500


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A file of the signed-in person, its description, and its last run."""

    file: UploadedFile
    upload: Upload
    run: Run | None

    @property
    def path(self) -> str:
        """The path of its page."""
        return f"{PATH}/{self.upload.id}"

    @property
    def is_importing(self) -> bool:
        """Whether an import of it is running."""
        return bool(self.run and self.run.kind == "import" and self.run.status == "running")

    @property
    def has_run(self) -> bool:
        """Whether the last run used the current choices."""
        return bool(self.run and self.run.choices == self.upload.choices)


async def open_upload(request: Request, service: Service, upload_id: str) -> OpenUpload:
    """Return a file of the signed-in person. Raises NOT_FOUND."""

    def load() -> OpenUpload:
        file = service.imports.folder.find(upload_id, *person_of(request))
        return OpenUpload(file, file.upload(), file.run())

    return await service.computing.run(load)


def person_of(request: Request) -> tuple[UUID, str]:
    """Return the key and the name of the person who is signed in: their files are found by both."""
    return request.state.caller.key_id, request.state.signed_in.actor


def starter_of(request: Request) -> Starter:
    """Return who starts a preview or an import."""
    return Starter(request.state.caller, request.state.signed_in.actor)


def read_upload(
    request: Request, file: UploadedFile, format_: Format, sheet: str | None, encoding: str | None
) -> Contents:
    """Return the contents of a file. Raises MALFORMED_FILE, or INVALID_REQUEST if it cannot be shown."""
    check = partial(require_running, request)
    with open_table(file.content, format_, sheet=sheet, encoding=encoding, check=check) as table:
        if len(table.headings) > MAX_COLUMNS:
            raise PageProblem(INVALID_REQUEST, text("imports.many_columns", limit=MAX_COLUMNS))
        contents = read_contents(table)
    if not any(contents.samples):
        raise PageProblem(INVALID_REQUEST, text("imports.no_rows"))
    return contents


def heading_of(contents: Contents, index: int) -> str:
    """Return the heading of a column, or its number if it has none."""
    return contents.headings[index] or text("imports.unnamed_column", number=index + 1)


def targets_of(tx: Transaction, service: Service, choices: Choices) -> Targets:
    """Return what columns can be. Raises INVALID_REQUEST if the question set cannot be used."""
    name = choices.question_set
    types = service.plans.declared_types(tx)
    return Targets(types, service.plans.find_to_open(tx, name) if name else None)


def curl_path(upload: Upload) -> str:
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
