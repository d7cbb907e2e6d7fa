"""Read question sets."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import Field

from app.http.edge import router
from app.http.service import ServiceHere
from app.keys.store import Scope
from app.problems import missing
from app.question_sets import store
from app.question_sets.tables import QuestionSetVersion
from app.scoring import SET_KEY, QuestionSet
from app.wire import Out

reading = router("question sets", Scope.SCORE, Scope.READ, Scope.AUTHOR)

Key = Annotated[str, Path(pattern=SET_KEY)]
Number = Annotated[int, Path(ge=1, lt=2**31)]


class SetLine(Out):
    """A published version in a list."""

    key: str
    version: int
    status: Literal["published", "retired"]
    title: str
    subject: Literal["prospect", "own_company", "person"]
    combine: Literal["reciprocal", "weighted"]
    published_at: datetime
    content_hash: Annotated[str, Field(description="SHA-256 of the canonical definition")]


class SetLines(Out):
    items: list[SetLine]


class VersionOut(Out):
    """A published version with its whole definition, defaults filled in."""

    key: str
    version: int
    status: Literal["published", "retired"]
    published_at: datetime
    content_hash: Annotated[str, Field(description="SHA-256 of the canonical definition")]
    definition: QuestionSet


@reading.get("/question-sets", operation_id="list_question_sets")
async def list_question_sets(service: ServiceHere) -> SetLines:
    """List the newest version of every question set."""
    found = await service.database.read(store.list_newest)
    return SetLines(items=[_line(version) for version in found])


@reading.get("/question-sets/{key}", operation_id="get_question_set")
async def get_question_set(key: Key, service: ServiceHere) -> VersionOut:
    """Read the newest version of a question set."""
    return _whole(await service.database.read(lambda tx: store.find_version(tx, key)))


@reading.get("/question-sets/{key}/versions", operation_id="list_versions")
async def list_versions(key: Key, service: ServiceHere) -> SetLines:
    """List every version of a question set, newest first, retired ones too."""
    found = await service.database.read(lambda tx: store.list_versions(tx, key))
    if not found:
        raise missing("question set of that key")
    return SetLines(items=[_line(version) for version in found])


@reading.get("/question-sets/{key}/versions/{number}", operation_id="get_version")
async def get_version(key: Key, number: Number, service: ServiceHere) -> VersionOut:
    """Read one version of a question set. It never changes, but for being retired."""
    return _whole(await service.database.read(lambda tx: store.find_version(tx, key, number)))


def _line(version: QuestionSetVersion) -> SetLine:
    described = {name: version.definition[name] for name in ("title", "subject", "combine")}
    return SetLine.model_validate(version.model_dump(include=set(SetLine.model_fields)) | described)


def _whole(version: QuestionSetVersion | None) -> VersionOut:
    if version is None:
        raise missing("question set or version of that key")
    return VersionOut.model_validate(version.model_dump(exclude={"builtin"}))
