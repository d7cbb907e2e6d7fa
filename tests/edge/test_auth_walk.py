"""Every route but the operational ones needs a key, before anything else is looked at."""

import pytest

from app.keys.schemas import Scope
from app.keys.service import new_secret
from app.problems import FORBIDDEN, UNAUTHENTICATED
from tests.conftest import ADMIN_KEY
from tests.edge.operations import ALL, GUARDED, named
from tests.edge.problem import assert_problem
from tests.edge.wire import exchange, head

pytestmark = [pytest.mark.one_database, pytest.mark.usefixtures("unwritten")]

# As if a megabyte of JSON was to come, of which nothing ever does.
COMING = {"Content_Type": "application/json", "Content_Length": 1_000_000}


@pytest.fixture(scope="session")
def keys(service):
    """For every scope a key that has it alone, and one that has all but it and admin."""

    def make(*scopes):
        made = service.client.post("/v1/keys", json={"name": "edge", "scopes": list(scopes)})
        return made.json()["key"]

    lesser = set(Scope) - {Scope.ADMIN}
    return {scope: (make(scope), make(*(lesser - {scope}))) for scope in Scope}


def test_the_operational_routes_alone_need_no_key(stranger):
    operational = {"/livez", "/readyz", "/question-set.schema.json", "/docs"}
    by_token = {"/v1/intake/{token}"}
    assert {operation.path for operation in ALL if not operation.guarded} == operational | by_token
    for path in (*operational, "/openapi.json", "/docs/files/swagger-ui.css"):
        assert stranger.get(path, follow_redirects=True).status_code == 200


def test_the_openapi_document_knows_every_operation_and_its_scopes(client):
    paths = client.get("/openapi.json").json()["paths"]
    told = {(path, method.upper()): said for path, said in paths.items() for method, said in said.items()}
    shown = {(o.path, o.method): o.scopes | o.also for o in ALL if o.path != "/docs"}
    assert set(told) == set(shown)
    for place, scopes in shown.items():
        ways = told[place].get("security", [])
        assert {scope for way in ways for needed in way.values() for scope in needed} == scopes


@pytest.mark.one_database
@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_without_a_good_key_nothing_is_answered_and_no_body_is_waited_for(service, operation):
    for key in (None, new_secret(), "a-wrong-key-of-an-operator"):
        sent = COMING if key is None else {**COMING, "X_API_Key": key}
        response = exchange(service.url, head(operation.method, operation.address, **sent))
        assert_problem(response, UNAUTHENTICATED)
        assert response.headers["www-authenticate"] == "Bearer"
        assert key is None or key not in response.text


@pytest.mark.one_database
@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_with_a_key_of_other_scopes_it_is_forbidden_and_no_body_is_waited_for(service, keys, operation):
    allowed = operation.scopes | {Scope.ADMIN}
    for key in [alone for scope, (alone, _) in keys.items() if scope not in allowed]:
        request = head(operation.method, operation.address, Authorization=f"Bearer {key}", **COMING)
        told = assert_problem(exchange(service.url, request), FORBIDDEN)
        assert all(scope in told["detail"] for scope in operation.scopes)
    if len(operation.scopes) == 1:
        _, all_but_it = keys[next(iter(operation.scopes))]
        request = head(operation.method, operation.address, X_API_Key=all_but_it, **COMING)
        assert_problem(exchange(service.url, request), FORBIDDEN)


@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_with_a_key_of_one_of_its_scopes_or_of_admin_it_goes_on(stranger, keys, operation):
    for scope in (frozenset() if operation.also else operation.scopes) | {Scope.ADMIN}:
        headers = {"X-API-Key": keys[scope][0]}
        response = stranger.request(operation.method, operation.address, headers=headers)
        # 422: the operation needs a parameter.
        assert response.status_code in (200, 400, 404, 415, 422)


NO_KEYS = {
    "empty": {"X-API-Key": ""},
    "blanks": {"X-API-Key": "   "},
    "Bearer and nothing": {"Authorization": "Bearer"},
    "Bearer and blanks": {"Authorization": "Bearer  "},
    "Basic": {"Authorization": "Basic YTpi"},
    "Basic beside a good key": {"Authorization": "Basic YTpi", "X-API-Key": ADMIN_KEY},
    "a wrong Bearer beside a good key": {"Authorization": "Bearer wrong-one", "X-API-Key": ADMIN_KEY},
    "a key without a scheme": {"Authorization": ADMIN_KEY},
    "a prefix": {"X-API-Key": ADMIN_KEY[:-1]},
    "one letter more": {"X-API-Key": ADMIN_KEY + "x"},
    "capitals": {"X-API-Key": ADMIN_KEY.upper()},
    "a mistyped key": {"X-API-Key": new_secret()[:-1] + "_"},
    "only the prefix": {"X-API-Key": "pfk_"},
    "latin letters": {"X-API-Key": "\xfc\xff"},
    "a long one": {"X-API-Key": "x" * 20_000},
    "SQL": {"X-API-Key": "' OR 1=1 --"},
}


@pytest.mark.one_database
@pytest.mark.parametrize("headers", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key(service, headers):
    response = exchange(service.url, head("GET", "/v1/keys", **headers))
    told = assert_problem(response, UNAUTHENTICATED)
    for sent in headers.values():
        assert sent.strip() in ("", "Bearer", "pfk_") or sent not in f"{told['detail']}{response.headers}"


@pytest.mark.one_database
def test_a_key_in_the_query_or_in_a_cookie_is_not_looked_at(stranger):
    address = f"/v1/keys?api_key={ADMIN_KEY}&X-API-Key={ADMIN_KEY}"
    assert_problem(stranger.get(address, headers={"Cookie": f"X-API-Key={ADMIN_KEY}"}), UNAUTHENTICATED)


def test_an_operators_own_key_is_shown_by_a_quarter_at_most(client):
    shown = [key["prefix"] for key in client.get("/v1/keys").json()["items"]]
    assert ADMIN_KEY[: len(ADMIN_KEY) // 4] in shown
    assert not any(ADMIN_KEY.startswith(begins) for begins in shown if len(begins) > len(ADMIN_KEY) // 4)
