"""What the values of another system mean here."""

from fastapi import Response

from app.api.prospects import SourceInPath
from app.http.edge import router
from app.http.service import CallHere, ServiceHere
from app.keys.store import Scope
from app.prospects import aliases
from app.prospects.aliases import ValueAliasesIn, ValueAliasesOut

reading = router("value aliases", Scope.READ, Scope.AUTHOR)
authoring = router("value aliases", Scope.AUTHOR)


@reading.get("/value-aliases/{source}", operation_id="get_value_aliases")
async def get_value_aliases(source: SourceInPath, service: ServiceHere) -> ValueAliasesOut:
    """Read what the values of a source mean here."""
    return await service.database.read(lambda tx: aliases.list_aliases(tx, source))


@authoring.put(
    "/value-aliases/{source}", operation_id="replace_value_aliases", response_model=ValueAliasesOut
)
async def replace_value_aliases(
    source: SourceInPath, request: ValueAliasesIn, service: ServiceHere, call: CallHere
) -> Response:
    """Say what the values of a source mean here, from now on.

    Whatever comes with this `source`, to /v1/qualify or to a prospect's external id, is translated before
    anything else is done with it: a text exactly as it stands here. In a flat form that goes for
    questions too, so that "Hot" can be a rating. What is stored already stays as it is.
    """
    return await service.write(call, lambda work: aliases.replace_aliases(work.tx, source, request.aliases))
