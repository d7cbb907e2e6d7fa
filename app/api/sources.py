"""Sources: how the external ids of another system are compared."""

from fastapi import Response

from app.api.prospects import SourceInPath
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep
from app.keys.schemas import Scope
from app.prospects.sources import queries as source_queries
from app.prospects.sources.schemas import SourceIn, SourceList, SourceOut
from app.prospects.sources.service import set_id_rule

reading = router("sources", Scope.READ, Scope.AUTHOR)
# A rule changes the links of prospects, and a collision shows some of them.
writing = router("sources", Scope.AUTHOR, also=(Scope.WRITE,))


@reading.get("/sources", operation_id="list_sources")
async def get_sources(service: ServiceDep) -> SourceList:
    """List the sources whose rule was set. Every other source has the rule exact."""
    return await service.database.read(source_queries.list_sources)


@reading.get("/sources/{source}", operation_id="get_source")
async def get_source(source: SourceInPath, service: ServiceDep) -> SourceOut:
    """Read how the external ids of a source are compared."""
    return await service.database.read(lambda tx: source_queries.source_out(tx, source))


@writing.put("/sources/{source}", operation_id="set_source", response_model=SourceOut)
async def set_source(
    source: SourceInPath, request: SourceIn, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Set how the external ids of a source are compared.

    If ids of different prospects are the same by the new rule, nothing changes, and the response is a 409
    that lists the pairs. If one prospect has several ids that are the same, it keeps the first one. The rule
    salesforce does not apply to an id of 18 characters whose last three do not match the others. The key also
    needs the scope write.
    """
    return await service.write(call, lambda uow: set_id_rule(uow.tx, source, request.id_rule))
