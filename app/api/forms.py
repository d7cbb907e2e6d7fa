"""Qualify with a flat form, and describe the form as OpenAPI for form builders."""

from typing import Annotated, Any, Literal

from fastapi import Path, Request, Response

from app.api.question_sets import Key, Number
from app.db import Transaction
from app.edge.form_description import describe_form
from app.edge.openapi_versions import to_2_0, to_3_0
from app.edge.paging import base_url
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep
from app.inbound.forms.schemas import Form, FormResult
from app.inbound.forms.service import qualify_by_form
from app.keys.schemas import Scope
from app.problems import missing
from app.question_sets import queries as question_set_queries
from app.question_sets.queries import read_name
from app.schemas import SetName
from app.scoring import QuestionSet
from app.sessions.session_edit import UnitOfWork

writing = router("flat forms", Scope.WRITE)
reading = router("flat forms", Scope.SCORE, Scope.READ, Scope.AUTHOR)
OpenApi = Annotated[Literal["3.0", "2.0"], Path(description="the OpenAPI version")]
CONVERTERS = {"3.0": to_3_0, "2.0": to_2_0}


@writing.post("/qualify/{key}", operation_id="qualify_by_form", response_model=FormResult)
async def post_form(
    key: Annotated[SetName, Path()], form: Form, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Qualify with a flat form. It has a field for every attribute and question of the set.

    For callers that cannot send lists or maps, or that send every value as text. The form of a question set,
    with all its fields, is described at /v1/question-sets/{key}/openapi-3.0.json and …-2.0.json.
    """

    def qualify(uow: UnitOfWork) -> FormResult:
        if not question_set_queries.version_exists(uow.tx, *read_name(key, "path", "/key")):
            raise missing("question set of that key")
        return qualify_by_form(uow, key, form)

    return await service.write(call, qualify, form.actor)


@reading.get("/question-sets/{key}/openapi-{openapi}.json", operation_id="describe_form")
async def get_form(key: Key, openapi: OpenApi, request: Request, service: ServiceDep) -> dict[str, Any]:
    """Read the flat form of a question set as OpenAPI. It describes the newest version, for form builders."""
    return await service.database.read(lambda tx: _form_description(tx, request, openapi, key, None))


@reading.get(
    "/question-sets/{key}/versions/{number}/openapi-{openapi}.json", operation_id="describe_version_form"
)
async def get_version_form(
    key: Key, number: Number, openapi: OpenApi, request: Request, service: ServiceDep
) -> dict[str, Any]:
    """Read the flat form of one version as OpenAPI. A form that is built with it stays on that version."""
    return await service.database.read(lambda tx: _form_description(tx, request, openapi, key, number))


def _form_description(
    tx: Transaction, request: Request, openapi: str, key: str, number: int | None
) -> dict[str, Any]:
    version = question_set_queries.find_version(tx, key, number)
    if version is None:
        raise missing("question set or version of that key")
    question_set = QuestionSet.model_validate(version.definition)
    name = key if number is None else version.name
    return CONVERTERS[openapi](describe_form(question_set, name, version.version, base_url(request)))
