"""Every failure as `application/problem+json` (RFC 9457)."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    FieldError,
    Kind,
    Problem,
    Where,
    invalid,
)
from app.schemas import FieldErrorOut, ProblemOut
from app.scoring import Flawed, shape_flaw

PROBLEM_MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
LONGEST_POINTER = 200
LONGEST_DETAIL = 300
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {
        "description": "A problem",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
    }
    for code in ("4XX", "5XX")
}


def add_problem_handlers(app: FastAPI) -> None:
    """Let every exception end as a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(Flawed, _on_flawed)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def problem_out(request: Request, problem: Problem) -> ProblemOut:
    """A problem as the caller sees it."""
    return ProblemOut(
        type=problem.kind.type,
        title=problem.kind.title,
        status=problem.kind.status,
        detail=problem.detail,
        remedy=problem.kind.remedy,
        errors=[
            FieldErrorOut(
                where=error.where,
                pointer=error.pointer[:LONGEST_POINTER],
                code=error.code,
                detail=error.detail,
            )
            for error in problem.errors[:MAX_ERRORS]
        ],
        request_id=getattr(request.state, "request_id", None),
    )


def problem_response(request: Request, problem: Problem) -> Response:
    """The response that tells of a problem."""
    body = problem_out(request, problem).model_dump_json()
    return Response(body, problem.kind.status, problem.headers, media_type=PROBLEM_MEDIA_TYPE)


def internal_error(request: Request) -> Response:
    """What a caller is told of a failure that nobody foresaw."""
    return problem_response(request, Problem(INTERNAL_ERROR, "The failure was logged."))


async def _on_problem(request: Request, error: Exception) -> Response:
    return problem_response(request, cast("Problem", error))


async def _on_flawed(request: Request, error: Exception) -> Response:
    return problem_response(request, invalid(cast("Flawed", error).flaws))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    failure = cast("RequestValidationError", error)
    found = failure.errors()
    errors = _field_errors(found[:MAX_ERRORS], failure.body)
    first = errors[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    detail = f"{first.where} {first.pointer[:LONGEST_POINTER] or '/'}: {first.detail[:LONGEST_DETAIL]}{more}"
    return problem_response(request, Problem(INVALID_REQUEST, detail, errors))


def _field_errors(found: Iterable[Any], body: Any) -> list[FieldError]:
    errors = []
    for error in found:
        where, *place = error["loc"]
        known = where if where in ("body", "path", "query", "header") else "body"
        # Of a parameter the whole place is its name.
        flaw = shape_flaw(error, place, body if known == "body" else {name: {} for name in place})
        errors.append(FieldError(cast("Where", known), flaw.pointer, flaw.kind, flaw.detail))
    return errors


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own failures: no route, a method that the route does not take."""
    failure = cast("HTTPException", error)
    kind = _KINDS.get(failure.status_code)
    if kind is None:
        return internal_error(request)
    detail = HTTPStatus(failure.status_code).description or kind.title
    headers = dict(failure.headers or {})
    if kind is METHOD_NOT_ALLOWED and (methods := _methods_here(request)):
        headers["Allow"] = ", ".join(methods)
    return problem_response(request, Problem(kind, detail, headers=headers))


def _methods_here(request: Request) -> list[str]:
    """The methods of this address: Starlette names those of the first route alone.

    HEAD is answered wherever GET is: the middleware sees to that.
    """
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": "GET" if method == "HEAD" else method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


_KINDS: dict[int, Kind] = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}
