"""Return every failure as `application/problem+json` (RFC 9457)."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Message

from app.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    RANGE_NOT_SATISFIABLE,
    FieldError,
    Kind,
    Problem,
    Where,
    invalid,
)
from app.schemas import FieldErrorOut, ProblemOut
from app.scoring import Flawed, shape_flaw

PROBLEM_MEDIA_TYPE = "application/problem+json"
# Only pages send errors as HTML.
PROBLEM_TYPES = (PROBLEM_MEDIA_TYPE.encode(), b"text/html; charset=utf-8")
MAX_ERRORS = 20
MAX_ERROR_POINTER_LENGTH = 200
MAX_ERROR_DETAIL_LENGTH = 300
HTTP_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {
        "description": "A problem",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
    }
    for code in ("4XX", "5XX")
}


def add_problem_handlers(app: FastAPI) -> None:
    """Convert the exceptions of all operations to problem responses."""
    for kind in (Problem, Flawed, RequestValidationError):
        app.add_exception_handler(kind, _on_error)
    app.add_exception_handler(HTTPException, on_http_exception)


def problem_out(request: Request, problem: Problem) -> ProblemOut:
    """Convert a problem to the body of a response. It names at most MAX_ERRORS fields."""
    return ProblemOut(
        type=problem.kind.type,
        title=problem.kind.title,
        status=problem.kind.status,
        detail=problem.detail,
        remedy=problem.kind.remedy,
        errors=[
            FieldErrorOut(
                where=error.where,
                pointer=error.pointer[:MAX_ERROR_POINTER_LENGTH],
                code=error.code,
                detail=error.detail,
            )
            for error in problem.errors[:MAX_ERRORS]
        ],
        request_id=getattr(request.state, "request_id", None),
    )


def problem_response(request: Request, problem: Problem) -> Response:
    """Return the response for a problem."""
    body = problem_out(request, problem).model_dump_json()
    return Response(body, problem.kind.status, problem.headers, media_type=PROBLEM_MEDIA_TYPE)


def internal_error(request: Request) -> Response:
    """Return the response for an unexpected exception. It contains no details of the exception."""
    return problem_response(request, Problem(INTERNAL_ERROR, "The failure was logged."))


def problem_of(error: Exception) -> Problem:
    """Return the problem of a `Problem`, a `Flawed` or a `RequestValidationError`."""
    if isinstance(error, Flawed):
        return invalid(error.flaws)
    if isinstance(error, RequestValidationError):
        return _invalid_request(error.errors(), error.body)
    return cast("Problem", error)


async def _on_error(request: Request, error: Exception) -> Response:
    return problem_response(request, problem_of(error))


def invalid_body(error: ValidationError, body: Any) -> Problem:
    """Return the INVALID_REQUEST problem for a body that is not valid."""
    return _invalid_request(_located(error, "body"), body)


def invalid_query(error: ValidationError) -> Problem:
    """Return the INVALID_REQUEST problem for query parameters that are not valid."""
    return _invalid_request(_located(error, "query"), None)


def _located(error: ValidationError, where: Where) -> list[dict[str, Any]]:
    raw_errors = error.errors(include_url=False, include_input=False)
    return [{**one, "loc": (where, *one["loc"])} for one in raw_errors]


def _invalid_request(raw_errors: Sequence[Any], body: Any) -> Problem:
    errors = _field_errors(raw_errors[:MAX_ERRORS], body)
    first = errors[0]
    pointer, text = first.pointer[:MAX_ERROR_POINTER_LENGTH], first.detail[:MAX_ERROR_DETAIL_LENGTH]
    suffix = f" (and {len(raw_errors) - 1} more)" if len(raw_errors) > 1 else ""
    detail = f"{first.where} {pointer or '/'}: {text}{suffix}"
    return Problem(INVALID_REQUEST, detail, errors)


def _field_errors(raw_errors: Iterable[Any], body: Any) -> list[FieldError]:
    errors = []
    for error in raw_errors:
        where, *place = error["loc"]
        location = where if where in ("body", "path", "query", "header") else "body"
        # The location of an error in a parameter consists of its name only.
        flaw = shape_flaw(error, place, body if location == "body" else {name: {} for name in place})
        errors.append(FieldError(cast("Where", location), flaw.pointer, flaw.kind, flaw.detail))
    return errors


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Convert the exceptions of Starlette: no such route, or a method that the route does not support."""
    exception = cast("HTTPException", error)
    headers = dict(exception.headers or {})
    if exception.status_code == METHOD_NOT_ALLOWED.status and (methods := _allowed_methods(request)):
        headers["Allow"] = ", ".join(methods)
    return _response_for_status(request, exception.status_code, headers)


def is_problem(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether the headers of a response say that it is a problem, or a page that shows one."""
    return any(name == b"content-type" and value in PROBLEM_TYPES for name, value in headers)


def problem_instead_of(start: Message, request: Request) -> Response:
    """Return the problem that replaces another error response, such as one of Starlette's static files."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    kept = {name: value for name, value in headers.items() if name in ("allow", "content-range")}
    return _response_for_status(request, start["status"], kept)


def _response_for_status(request: Request, status: int, headers: Mapping[str, str]) -> Response:
    kind = KIND_BY_STATUS.get(status)
    if kind is None:
        return internal_error(request)
    detail = HTTPStatus(status).description or kind.title
    return problem_response(request, Problem(kind, detail, headers=headers))


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of an address. Starlette names only those of the first route that matches.

    HEAD is supported wherever GET is: the middleware handles it.
    """
    return [
        method
        for method in HTTP_METHODS
        if any(
            route.matches({**request.scope, "method": "GET" if method == "HEAD" else method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


KIND_BY_STATUS: Mapping[int, Kind] = {
    kind.status: kind for kind in (MALFORMED_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, RANGE_NOT_SATISFIABLE)
}
