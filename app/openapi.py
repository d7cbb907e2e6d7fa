"""How the API describes itself at /openapi.json."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.http.problem_responses import ProblemOut

DESCRIPTION = """\
Scores how well a sales prospect fits, for both sides: is our offer right for them, and would they
benefit? It returns a range beside the score, says when nothing can change the indication any more,
and what to ask next. The decision is a person's.

Send an API key as `Authorization: Bearer pfk_…` or `X-API-Key: pfk_…`. Every failure is an
`application/problem+json` with a stable `type`, the fields in `errors`, and a `remedy`.
"""


def _summarise(operation: dict[str, Any]) -> None:
    """The first line of an operation's docstring is its summary, the rest its description."""
    operation["summary"], _, rest = operation.pop("description").partition("\n")
    if rest.strip():
        operation["description"] = rest.strip()


def describe(app: FastAPI) -> None:
    """Let the application describe itself, problems included."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=version("prospect-fit"),
                description=DESCRIPTION,
                routes=app.routes,
                servers=app.servers or None,
            )
            schemas = schema["components"]["schemas"]
            problem = ProblemOut.model_json_schema(
                mode="serialization", ref_template="#/components/schemas/{model}"
            )
            schemas.update(problem.pop("$defs"))
            schemas["ProblemOut"] = problem
            for path in schema["paths"].values():
                for operation in path.values():
                    _summarise(operation)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
