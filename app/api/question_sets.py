"""Read question sets, and retire their versions."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query, Response
from pydantic import Field

from app.db import Transaction
from app.http.edge import router
from app.http.service import CallHere, ServiceHere
from app.keys.store import Scope
from app.problems import missing
from app.question_sets import publishing, store
from app.question_sets.difference import Difference, difference
from app.question_sets.plans import read_name, unknown_question_set
from app.question_sets.tables import QuestionSetVersion
from app.scoring import SET_KEY, QuestionSet, Subject
from app.wire import Out

reading = router("question sets", Scope.SCORE, Scope.READ, Scope.AUTHOR)
authoring = router("question sets", Scope.AUTHOR)

Key = Annotated[str, Path(pattern=SET_KEY)]
Number = Annotated[int, Path(ge=1, lt=2**31)]
Diff = Annotated[
    str | None,
    Query(max_length=80, description="tell what is different from this set, key or key@version"),
]


class SetLine(Out):
    """A published version in a list."""

    key: str
    version: int
    status: Literal["published", "retired"]
    title: str
    subject: Subject
    combine: Literal["reciprocal", "weighted"]
    published_at: datetime
    content_hash: Annotated[str, Field(description="SHA-256 of the canonical definition")]
    extends: Annotated[str | None, Field(description="the version that it was made from")]


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
    ancestry: Annotated[list[str], Field(description="the versions that it was made from, nearest first")]
    difference: Annotated[Difference | None, Field(description="from the version that `diff` names")]


@reading.get("/question-sets", operation_id="list_question_sets")
async def list_question_sets(service: ServiceHere) -> SetLines:
    """List the newest version of every question set."""
    found = await service.database.read(store.list_newest)
    return SetLines(items=[_line(version) for version in found])


@reading.get("/question-sets/{key}", operation_id="get_question_set")
async def get_question_set(key: Key, service: ServiceHere, diff: Diff = None) -> VersionOut:
    """Read the newest version of a question set, and how it differs from another one."""
    return await service.database.read(lambda tx: whole(tx, store.find_version(tx, key), diff))


@reading.get("/question-sets/{key}/versions", operation_id="list_versions")
async def list_versions(key: Key, service: ServiceHere) -> SetLines:
    """List every version of a question set, newest first, including retired ones."""
    found = await service.database.read(lambda tx: store.list_versions(tx, key))
    if not found:
        raise missing("question set of that key")
    return SetLines(items=[_line(version) for version in found])


@reading.get("/question-sets/{key}/versions/{number}", operation_id="get_version")
async def get_version(key: Key, number: Number, service: ServiceHere, diff: Diff = None) -> VersionOut:
    """Read one version of a question set. It never changes, except that it can be retired."""
    return await service.database.read(lambda tx: whole(tx, store.find_version(tx, key, number), diff))


@authoring.post(
    "/question-sets/{key}/versions/{number}/retire", operation_id="retire_version", response_model=VersionOut
)
async def retire_version(key: Key, number: Number, service: ServiceHere, call: CallHere) -> Response:
    """Retire a version, for good. New sessions cannot use it.

    Sessions that were opened with it continue and are scored with it.
    """
    retired = await service.write(
        call, lambda work: whole(work.tx, publishing.retire(work.tx, key, number), None)
    )
    service.plans.forget_newest()
    return retired


def _line(version: QuestionSetVersion) -> SetLine:
    described = {name: version.definition.get(name) for name in ("title", "subject", "combine", "extends")}
    return SetLine.model_validate(version.model_dump(include=set(SetLine.model_fields)) | described)


def whole(tx: Transaction, version: QuestionSetVersion | None, diff: str | None) -> VersionOut:
    """A version as the caller sees it; raises NOT_FOUND if it is none."""
    if version is None:
        raise missing("question set or version of that key")
    question_set = QuestionSet.model_validate(version.definition)
    return VersionOut(
        **version.model_dump(exclude={"builtin", "definition"}),
        definition=question_set,
        ancestry=store.ancestry(tx, question_set),
        difference=difference_from(tx, diff, version.name, question_set),
    )


def difference_from(
    tx: Transaction, diff: str | None, name: str, question_set: QuestionSet
) -> Difference | None:
    """What is different from the version that `diff` names, if it names one; raises INVALID_REQUEST."""
    if diff is None:
        return None
    read_name(diff, "query", "/diff")
    other = store.find_set(tx, diff)
    if other is None:
        raise unknown_question_set("query", "/diff")
    return difference((diff, other), (name, question_set))
