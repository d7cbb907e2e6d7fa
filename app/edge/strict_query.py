"""Reject unknown and repeated query parameters, repeated headers, and addresses that are not UTF-8.

Otherwise a mistyped name would be ignored, and two ids that are not UTF-8 would be read as the same one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import get_origin
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from app.edge.problem_responses import MAX_ERROR_POINTER_LENGTH
from app.problems import invalid
from app.scoring import Flaw, pointer

UNKNOWN_PARAMETER = ("this operation has no such parameter: correct its name or remove it", "unknown_field")
REPEATED_PARAMETER = ("this parameter is repeated: send it once", "repeated")
REPEATED_HEADER = ("this header is repeated: send it once", "repeated")
SINGLE_HEADERS = ("authorization", "x-api-key", "idempotency-key", "if-match")
NOT_UTF8 = ("percent-encode it as UTF-8", "bad_format")
# Stands in a decoded text where it was not UTF-8.
REPLACEMENT = "\ufffd"

# Reading many parameters takes long, and no operation has so many.
MAX_PARAMETERS = 100


def known_parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the names of the query parameters that an operation and its dependencies declare.

    With each name comes whether the parameter may be repeated, because it is a list.
    """
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, info in annotation.model_fields.items():
                yield name, get_origin(info.annotation) is list
        else:
            yield field.alias, False
    for dependency in dependant.dependencies:
        yield from known_parameters(dependency)


def check_query(request: Request, known: Mapping[str, bool]) -> None:
    """Check the query parameters of a request. `known` says for each name whether it may be repeated.

    Raises:
        Problem: INVALID_REQUEST for every parameter that is unknown, or repeated although it must not be.
    """
    if not request.scope["query_string"]:
        return
    if request.scope["query_string"].count(b"&") > MAX_PARAMETERS:
        raise invalid([Flaw("", f"send at most {MAX_PARAMETERS} parameters", "too_long")], "query")
    names = Counter(name for name, _ in request.query_params.multi_items())
    flaws = [
        Flaw(
            pointer(name)[:MAX_ERROR_POINTER_LENGTH],
            *(REPEATED_PARAMETER if name in known else UNKNOWN_PARAMETER),
        )
        for name, count in names.items()
        if name not in known or (count > 1 and not known[name])
    ]
    if flaws:
        raise invalid(flaws, "query")


def check_headers(request: Request) -> None:
    """Check that no header is repeated that takes one value: a proxy may use the other one.

    Raises:
        Problem: INVALID_REQUEST for every header that is repeated.
    """
    names = request.headers.keys()
    flaws = [Flaw(pointer(name), *REPEATED_HEADER) for name in SINGLE_HEADERS if names.count(name) > 1]
    if flaws:
        raise invalid(flaws, "header")


def check_encoding(request: Request) -> None:
    """Check that the address of a request is percent-encoded UTF-8.

    Raises:
        Problem: INVALID_REQUEST for every parameter that is not.
    """
    path, query = request.scope["raw_path"], request.scope["query_string"]
    if b"%" in path and (flaws := _undecodable(path, request.path_params.items())):
        raise invalid(flaws, "path")
    if b"%" in query and (flaws := _undecodable(query, request.query_params.multi_items())):
        raise invalid(flaws, "query")


def _undecodable(encoded: bytes, parameters: Iterable[tuple[str, str]]) -> list[Flaw]:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return [Flaw(pointer(name), *NOT_UTF8) for name, value in parameters if REPLACEMENT in value]
    return []
