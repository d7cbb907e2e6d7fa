"""Schemathesis: what the document promises, for requests that nobody would think of."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from app.problems import CATALOGUE
from tests.conftest import ADMIN_KEY
from tests.edge.operations import ALL, GUARDED, named
from tests.scoring.strategies import EFFORT
from tests.waiting import PATIENCE
from tools.reference.refusals import is_listed

LINES = "application/x-ndjson"


def nothing_invalid_is_accepted(ctx, response, case):
    """Which refusal an invalid request gets is none of its business: those are documented, too."""
    places = (ParameterLocation.PATH, ParameterLocation.QUERY)
    # Whatever is sent as a body of lines is a text, as described, and every line gets an answer of its own.
    if case.media_type == LINES and not any(map(case.meta.is_negative_at, places)):
        return
    if response.status_code < 300:
        negative_data_rejection(ctx, response, case)


def nothing_valid_is_refused_without_a_reason(_ctx, response, case):
    """What the description allows and the service refuses is listed in openapi.md, with the reason."""
    if case.meta.generation.mode is GenerationMode.POSITIVE and response.status_code >= 400:
        told = response.json()
        errors = [(error["code"], error["pointer"]) for error in told["errors"]]
        (kind,) = [kind for kind in CATALOGUE if kind.type == told["type"]]
        assert is_listed(kind, errors), told


CHECKS = [
    nothing_valid_is_refused_without_a_reason,
    nothing_invalid_is_accepted,
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# The same examples every time: a test fails for what was changed, and not by chance.
BOUNDED = settings(
    max_examples=max(1, round(8 * EFFORT)),
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schemathesis.serializer(LINES)
def as_it_is(_context, value):
    """The lines are one text to the description."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="session")
def promised(service):
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json", timeout=PATIENCE)


@pytest.fixture
def there(client, link):
    """The ids of a prospect and a session, since those that are made up lead to nothing."""
    told = client.post("/v1/qualify", json={**link, "ratings": {"budget": 3}}).json()
    return {name: told[name] for name in ("prospect_id", "session_id")} | link


def prove(promised, operation, mode, there):
    """Call an operation with requests that its description calls valid, or invalid."""

    @given(case=promised[operation.path][operation.method].as_strategy(generation_mode=mode))
    @BOUNDED
    def keeps_its_promises(case):
        # A made-up one is refused before anything else is looked at: test_auth_walk.py does that.
        case.headers.pop("Authorization", None)
        # To wait for something to happen would take long. A wait that is not valid has to be refused.
        if isinstance(case.query, dict) and case.query.get("wait") in range(31):
            case.query["wait"] = 0
        if mode is GenerationMode.POSITIVE:
            case.path_parameters.update({n: v for n, v in there.items() if n in case.path_parameters})
        case.call_and_validate(headers={"X-API-Key": ADMIN_KEY}, checks=CHECKS, timeout=PATIENCE)

    keeps_its_promises()


@pytest.mark.parametrize("operation", [o for o in ALL if o.path not in ("/", "/docs")], ids=named)
def test_every_operation_keeps_its_promises(promised, operation, there):
    prove(promised, operation, GenerationMode.POSITIVE, there)


@pytest.mark.one_database
@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_every_operation_keeps_them_when_the_request_does_not(promised, operation, there):
    prove(promised, operation, GenerationMode.NEGATIVE, there)
