"""Value aliases: what the values of another system mean."""

from fastapi import Response

from app.api.prospects import SourceInPath
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep
from app.keys.schemas import Scope
from app.prospects.sources.queries import list_aliases
from app.prospects.sources.schemas import ValueAliasesIn, ValueAliasesOut
from app.prospects.sources.service import replace_aliases

reading = router("value aliases", Scope.READ, Scope.AUTHOR)
authoring = router("value aliases", Scope.AUTHOR)


@reading.get("/value-aliases/{source}", operation_id="get_value_aliases")
async def get_value_aliases(source: SourceInPath, service: ServiceDep) -> ValueAliasesOut:
    """Read the value aliases of a source."""
    return await service.database.read(lambda tx: list_aliases(tx, source))


@authoring.put(
    "/value-aliases/{source}", operation_id="replace_value_aliases", response_model=ValueAliasesOut
)
async def replace_value_aliases(
    source: SourceInPath, request: ValueAliasesIn, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Replace the value aliases of a source.

    Values that arrive with this `source`, at /v1/qualify or at a prospect's external id, are translated
    first, if the text is exactly the same. A number matches its text, so that the ids of options can be
    aliases. In a flat form this also applies to questions, so that "Hot" can be a rating, and to decisions
    and outcomes. Stored values do not change.
    """
    return await service.write(call, lambda uow: replace_aliases(uow.tx, source, request.aliases))
