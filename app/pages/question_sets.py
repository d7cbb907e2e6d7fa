"""Question sets as sellers see them."""

from typing import Annotated

from fastapi import Path, Request, Response

from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.pages.rendering import page
from app.pages.routes import page_router
from app.question_sets.queries import list_newest
from app.schemas import SetName

reading = page_router(Scope.READ, Scope.SCORE, Scope.AUTHOR)


@reading.get("/question-sets")
async def get_question_sets(request: Request, service: ServiceDep) -> Response:
    """Show the newest version of every set."""
    return page(request, "question_sets.html", sets=await service.database.read(list_newest))


@reading.get("/question-sets/{name}")
async def get_question_set(
    request: Request, service: ServiceDep, name: Annotated[SetName, Path()]
) -> Response:
    """Show one set with its steps and questions."""
    plan = await service.plans.get(name, "path")
    return page(request, "question_set.html", plan=plan, set=plan.question_set)
