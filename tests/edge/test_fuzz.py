"""Schemathesis: what the document promises, for requests that nobody would think of."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import ADMIN_KEY
from tests.edge.operations import ALL, named

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# The same examples every time: a test fails for what was changed, and not by chance.
BOUNDED = settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def promised(service):
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


@pytest.mark.parametrize("operation", [o for o in ALL if o.path != "/docs"], ids=named)
def test_every_operation_keeps_its_promises(promised, operation):
    described = promised[operation.path][operation.method]

    @given(case=described.as_strategy())
    @BOUNDED
    def keeps_them(case):
        case.call_and_validate(headers={"X-API-Key": ADMIN_KEY}, checks=CHECKS)

    keeps_them()
