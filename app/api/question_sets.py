"""Read question sets, and retire their versions."""

from typing import Annotated

from fastapi import Path, Query, Response

from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep
from app.keys.schemas import Scope
from app.problems import missing
from app.question_sets import queries as question_set_queries
from app.question_sets import service as question_sets
from app.question_sets.presenters import version_out, version_summary
from app.question_sets.schemas import QuestionSetList, QuestionSetVersionOut
from app.schemas import PLAIN_DIGITS, SetName
from app.scoring import SET_KEY

reading = router("question sets", Scope.SCORE, Scope.READ, Scope.AUTHOR)
authoring = router("question sets", Scope.AUTHOR)
Key = Annotated[str, Path(pattern=SET_KEY)]
Number = Annotated[int, Path(ge=1, lt=2**31), PLAIN_DIGITS]
Diff = Annotated[
    SetName | None,
    Query(description="show the differences from this question set: key or key@version"),
]


@reading.get("/question-sets", operation_id="list_question_sets")
async def list_question_sets(service: ServiceDep) -> QuestionSetList:
    """List the newest version of every question set."""
    found = await service.database.read(question_set_queries.list_newest)
    return QuestionSetList(items=[version_summary(version) for version in found])


@reading.get("/question-sets/{key}", operation_id="get_question_set")
async def get_question_set(key: Key, service: ServiceDep, diff: Diff = None) -> QuestionSetVersionOut:
    """Read the newest version of a question set, and how it differs from another one."""
    return await service.database.read(
        lambda tx: version_out(tx, question_set_queries.find_version(tx, key), diff)
    )


@reading.get("/question-sets/{key}/versions", operation_id="list_versions")
async def list_versions(key: Key, service: ServiceDep) -> QuestionSetList:
    """List every version of a question set, newest first, including retired ones."""
    found = await service.database.read(lambda tx: question_set_queries.list_versions(tx, key))
    if not found:
        raise missing("question set of that key")
    return QuestionSetList(items=[version_summary(version) for version in found])


@reading.get("/question-sets/{key}/versions/{number}", operation_id="get_version")
async def get_version(
    key: Key, number: Number, service: ServiceDep, diff: Diff = None
) -> QuestionSetVersionOut:
    """Read one version of a question set. It never changes, except that it can be retired."""
    return await service.database.read(
        lambda tx: version_out(tx, question_set_queries.find_version(tx, key, number), diff)
    )


@authoring.post(
    "/question-sets/{key}/versions/{number}/retire",
    operation_id="retire_version",
    response_model=QuestionSetVersionOut,
)
async def retire_version(key: Key, number: Number, service: ServiceDep, call: WriteCallDep) -> Response:
    """Retire a version permanently. New sessions cannot use it.

    Sessions that were opened with it continue and are scored with it.
    """
    retired = await service.write(
        call, lambda uow: version_out(uow.tx, question_sets.retire(uow.tx, key, number), None)
    )
    service.plans.forget_newest()
    return retired
