"""Requests of a wrong shape: unknown fields, ids of nothing, too many wishes at once."""

import httpx
import pytest

from app.problems import INVALID_REQUEST, NOT_FOUND
from tests.conftest import ADMIN_KEY
from tests.edge.operations import STANDING_IN, WITH_BODY, named
from tests.edge.problem import PRIVATE, assert_problem
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("unwritten")

NOBODY = STANDING_IN["prospect_id"]


@pytest.mark.one_database
@pytest.mark.parametrize("prospect_id", ["", "x", 5, None, NOBODY[:-1], NOBODY + "0", [NOBODY], "{}"])
def test_an_unusable_id_in_a_body(client, target, prospect_id):
    sent = {"prospect_id": prospect_id}
    assert_problem(client.post("/v1/sessions", json=sent), INVALID_REQUEST, "/prospect_id")
    response = client.post(f"/v1/prospects/{target.prospect_id}/merge", json=sent)
    assert_problem(response, INVALID_REQUEST, "/prospect_id")


def test_what_is_not_there_cannot_be_used(client, target):
    assert_problem(client.post("/v1/sessions", json={"prospect_id": NOBODY}), NOT_FOUND)
    response = client.post(f"/v1/prospects/{target.prospect_id}/merge", json={"prospect_id": NOBODY})
    assert_problem(response, NOT_FOUND)


# A draft is kept as it was sent: what is wrong in it is told, and it cannot be published. A flat form may
# have more than its question set asks: that is told, and ignored.
OF_ANY_FIELDS = ("save_draft", "post_form")
OF_KNOWN_FIELDS = [operation for operation in WITH_BODY if operation.name not in OF_ANY_FIELDS]


@pytest.mark.one_database
@pytest.mark.parametrize("operation", OF_KNOWN_FIELDS, ids=named)
def test_an_unknown_field_is_refused_everywhere(client, operation):
    response = client.request(operation.method, operation.address, json={"frobnicate": PRIVATE})
    told = assert_problem(response, INVALID_REQUEST)
    unknown = [e["pointer"] for e in told["errors"] if e["code"] == "unknown_field"]
    assert unknown == ["/frobnicate"]


@pytest.mark.one_database
@pytest.mark.parametrize("operation", WITH_BODY, ids=named)
def test_a_body_that_is_no_object_is_refused_everywhere(client, operation):
    headers = {"Content-Type": "application/json"}
    for body in (b"[]", b"null", b'"text"', b"5", b"true", b"[{}]"):
        response = client.request(operation.method, operation.address, content=body, headers=headers)
        assert_problem(response, INVALID_REQUEST, "")


REPEATED = {
    "x-api-key": (ADMIN_KEY, ADMIN_KEY),
    "authorization": (f"Bearer {ADMIN_KEY}", "Bearer another"),
    "idempotency-key": ("one", "other"),
    "if-match": ('"1"', '"2"'),
}


@pytest.mark.one_database
@pytest.mark.parametrize("name", REPEATED)
def test_a_repeated_header_is_refused(service, target, name):
    """Otherwise the service would use the first one, and a proxy perhaps the last one."""
    others = [] if name == "x-api-key" else [("x-api-key", ADMIN_KEY)]
    headers = [*others, *((name, value) for value in REPEATED[name])]
    address = f"{service.url}/v1/prospects/{target.prospect_id}"
    response = httpx.patch(address, json={"name": "changed"}, headers=headers, timeout=PATIENCE)
    assert_problem(response, INVALID_REQUEST, f"/{name}", where="header")


SCOPES = {"none": [], "unknown": ["root"], "a text": "read", "six": ["read"] * 6, "null": None}


@pytest.mark.one_database
@pytest.mark.parametrize("scopes", SCOPES.values(), ids=SCOPES)
def test_unusable_scopes(client, scopes):
    told = client.post("/v1/keys", json={"name": "x", "scopes": scopes})
    pointer = "/scopes/0" if scopes == ["root"] else "/scopes"
    assert_problem(told, INVALID_REQUEST, pointer)


FITS = {
    "none": ([], "/prospects"),
    "201": ([{"prospect_id": NOBODY}] * 201, "/prospects"),
    "neither an id nor a link": ([{}], "/prospects/0"),
    "half a link": ([{"source": "bad"}], "/prospects/0"),
    "both": ([{"prospect_id": NOBODY, "source": "bad", "external_id": "x"}], "/prospects/0"),
    "an id with half a link": ([{"prospect_id": NOBODY, "source": "bad"}], "/prospects/0"),
}


@pytest.mark.one_database
@pytest.mark.parametrize(("prospects", "pointer"), FITS.values(), ids=FITS)
def test_unusable_wishes_for_fits(client, prospects, pointer):
    assert_problem(client.post("/v1/fits", json={"prospects": prospects}), INVALID_REQUEST, pointer)
