"""Question sets as sellers see them."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.pages.rendering import page
from app.pages.routes import page_router
from app.question_sets.files import as_yaml
from app.question_sets.queries import list_drafts, list_newest, list_versions
from app.schemas import SetName

reading = page_router(Scope.READ, Scope.SCORE, Scope.AUTHOR)
Name = Annotated[SetName, Path()]


@reading.get("/question-sets")
async def get_question_sets(request: Request, service: ServiceDep) -> Response:
    """Show the newest version of every set, and the drafts to those who may edit them."""
    sets, drafts = await service.database.read(lambda tx: (list_newest(tx), list_drafts(tx)))
    return page(request, "question_sets.html", sets=sets, drafts=drafts)


@reading.get("/question-sets/{name}")
async def get_question_set(request: Request, service: ServiceDep, name: Name) -> Response:
    """Show one set with its steps and questions, and all its versions."""
    plan = await service.plans.get(name, "path")
    key = plan.question_set.key
    versions, drafts = await service.database.read(lambda tx: (list_versions(tx, key), list_drafts(tx)))
    has_draft = any(draft.key == key for draft in drafts)
    return page(
        request,
        "question_set.html",
        plan=plan,
        set=plan.question_set,
        versions=versions,
        has_draft=has_draft,
    )


@reading.get("/question-sets/{name}/file")
async def get_file(service: ServiceDep, name: Name) -> Response:
    """Download a version as a YAML file, as `prospect-fit question-sets load` reads it."""
    plan = await service.plans.get(name, "path")
    headers = {"Content-Disposition": f'attachment; filename="{plan.name}.yaml"'}
    return Response(as_yaml(plan.question_set.canonical()), headers=headers, media_type="application/yaml")
