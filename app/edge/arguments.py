"""Read the arguments of an operation from its request, as FastAPI does.

For every request, FastAPI finds out again what an operation and its dependencies need, which takes as long
as scoring. This module does it once for each operation.
"""

from operator import attrgetter
from typing import Any, cast

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError

# What FastAPI can also pass to a function, but no operation asks for.
NOT_READ = (
    "cookie_params",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
)


class Arguments:
    """How to read the arguments of an operation, or of one of its dependencies, from a request."""

    def __init__(self, dependant: Dependant) -> None:
        asked = [name for name in NOT_READ if getattr(dependant, name)]
        assert not asked, f"{dependant.call} asks for {asked}"
        assert len(dependant.body_params) <= 1, f"{dependant.call} asks for two bodies"
        self._dependencies = [
            (str(one.name), cast("Any", one.call), Arguments(one)) for one in dependant.dependencies
        ]
        places = {
            "path_params": dependant.path_params,
            "query_params": dependant.query_params,
            "headers": dependant.header_params,
        }
        self._parameters = [(attrgetter(place), fields) for place, fields in places.items() if fields]
        self._body = dependant.body_params[0] if dependant.body_params else None
        self._request_name = dependant.request_param_name

    async def read(self, request: Request) -> dict[str, Any]:
        """Return the arguments by name. Raises RequestValidationError with the errors of all invalid ones."""
        errors: list[Any] = []
        body = await request.json() if self._body else None
        values = await self.collect(request, body, errors)
        if errors:
            raise RequestValidationError(errors, body=body)
        return values

    async def collect(self, request: Request, body: Any, errors: list[Any]) -> dict[str, Any]:
        """Return the arguments that are valid, and add the errors of the others to `errors`."""
        values: dict[str, Any] = {}
        for name, call, arguments in self._dependencies:
            count = len(errors)
            needed = await arguments.collect(request, body, errors)
            if len(errors) == count:
                values[name] = await call(**needed)
        for found_in, fields in self._parameters:
            read, flaws = request_params_to_args(fields, found_in(request))
            values |= read
            errors += flaws
        if self._body:
            values[self._body.name], flaws = self._body.validate(body, loc=("body",))
            errors += flaws
        if self._request_name:
            values[self._request_name] = request
        return values
