"""Intakes: other systems post their payloads, and a mapping turns them into forms."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from app.edge.paging import base_url
from app.edge.revisions import IfMatch, set_etag, with_revision
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep, WriteResult
from app.inbound.intake import queries as intake_queries
from app.inbound.intake import schemas
from app.inbound.intake import service as intakes
from app.inbound.intake.items.schemas import DryRun, DryRunOut
from app.inbound.intake.items.service import try_mapping
from app.inbound.intake.presenters import intake_out, intakes_out
from app.inbound.intake.queries import intake_templates
from app.keys.schemas import Scope
from app.keys.service import INTAKE_TOKEN_PREFIX, new_secret
from app.schemas import SetName
from app.sessions.session_edit import UnitOfWork

authoring = router("intakes", Scope.AUTHOR)
# The payloads of an intake change prospects and sessions.
writing = router("intakes", Scope.AUTHOR, also=(Scope.WRITE,))


@writing.post("/intakes", operation_id="create_intake", status_code=201, response_model=schemas.IntakeCreated)
async def create_intake(
    new: schemas.NewIntake, request: Request, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Create an intake. Store its token at once: you cannot read it again.

    If you repeat the request with its idempotency key, the token in the response is masked. If you have not
    stored it, delete the intake and create another one. Try the mapping with a dry run on a sample first. The
    key also needs the scope write.
    """
    token = new_secret(INTAKE_TOKEN_PREFIX)

    def create(uow: UnitOfWork) -> WriteResult:
        created = intake_out(uow.tx, intakes.create_intake(uow.tx, uow.plans, service.cipher, new, token))
        address = f"{base_url(request)}/v1/intake/{token}"
        return WriteResult(schemas.IntakeCreated(**dict(created), token=token, address=address), 201, token)

    return await service.write(call, create)


@authoring.get("/intakes", operation_id="list_intakes")
async def get_intakes(service: ServiceDep) -> schemas.IntakeList:
    """List the intakes, oldest first."""
    return await service.database.read(
        lambda tx: schemas.IntakeList(items=intakes_out(tx, list(intake_queries.list_intakes(tx))))
    )


@authoring.get("/intake-templates", operation_id="list_intake_templates")
async def get_templates(
    service: ServiceDep,
    question_set: Annotated[SetName | None, Query(description="the question set to map to")] = None,
) -> schemas.IntakeTemplateList:
    """Read the ready-made mappings. They are filled in for the questions and attributes of a set."""
    plan = await service.plans.get(question_set, "query")
    return schemas.IntakeTemplateList(items=intake_templates(plan))


@writing.post("/intake-dry-run", operation_id="dry_run_intake")
async def dry_run(sample: DryRun, service: ServiceDep) -> DryRunOut:
    """Try a mapping on a sample, and see what qualify would receive and return. Nothing is written.

    If the mapping cannot be used, the response is a 422 that names the places in it. The key also needs the
    scope write.
    """
    return await service.database.write(
        lambda tx: try_mapping(UnitOfWork(tx, service.plans, "dry run", "dry run"), sample)
    )


@authoring.get("/intakes/{intake_id}", operation_id="get_intake")
async def get_intake(intake_id: UUID, response: Response, service: ServiceDep) -> schemas.IntakeOut:
    """Read an intake."""
    found = await service.database.read(lambda tx: intake_out(tx, intake_queries.find_intake(tx, intake_id)))
    set_etag(response, found.revision)
    return found


@writing.patch("/intakes/{intake_id}", operation_id="update_intake", response_model=schemas.IntakeOut)
async def update_intake(
    intake_id: UUID,
    request: schemas.IntakeChange,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Change an intake. Payloads that are not processed yet are read with the new mapping.

    The key also needs the scope write.
    """
    change = with_revision(request, if_match)
    return await service.write(
        call,
        lambda uow: intake_out(
            uow.tx, intakes.update_intake(uow.tx, uow.plans, service.cipher, intake_id, change)
        ),
    )


@writing.delete("/intakes/{intake_id}", operation_id="delete_intake", status_code=204)
async def delete_intake(intake_id: UUID, service: ServiceDep) -> None:
    """Delete an intake with all its receipts. From then on its address returns a 404."""
    await service.database.write(lambda tx: intakes.delete_intake(tx, intake_id))
    await service.database.purge_deleted()
