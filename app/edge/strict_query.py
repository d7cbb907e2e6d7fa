"""A strict look at query parameters: a mistyped name would be taken for a parameter that was not sent."""

from collections import Counter
from collections.abc import Collection, Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from app.edge.problem_responses import LONGEST_POINTER
from app.problems import invalid
from app.scoring import Flaw, pointer

UNKNOWN = ("there is no such parameter here: correct its name or take it away", "unknown_field")
REPEATED = ("that parameter is there more than once: send one", "repeated")


def known_parameters(dependant: Dependant) -> Iterator[str]:
    """The names of the query parameters that an operation and what it depends on declare."""
    for field in dependant.query_params:
        declared = field.field_info.annotation
        if isinstance(declared, type) and issubclass(declared, BaseModel):
            yield from declared.model_fields
        else:
            yield field.alias
    for inner in dependant.dependencies:
        yield from known_parameters(inner)


def check_query(request: Request, known: Collection[str]) -> None:
    """Raises INVALID_REQUEST for a parameter that is not known, or that is there more than once."""
    names = Counter(name for name, _ in request.query_params.multi_items())
    flaws = [
        Flaw(pointer(name)[:LONGEST_POINTER], *(REPEATED if name in known else UNKNOWN))
        for name, count in names.items()
        if name not in known or count > 1
    ]
    if flaws:
        raise invalid(flaws, "query")
