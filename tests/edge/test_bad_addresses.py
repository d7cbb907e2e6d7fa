"""Addresses and methods that lead nowhere, and ids in addresses that are none."""

import re
from itertools import combinations, zip_longest
from urllib.parse import quote

import pytest

from app.problems import (
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    RANGE_NOT_SATISFIABLE,
)
from tests.edge.operations import ALL, METHODS, MOUNTED_FILES, STANDING_IN, named
from tests.edge.problem import assert_problem

pytestmark = pytest.mark.usefixtures("unwritten")

NOBODY = STANDING_IN["prospect_id"]

NOWHERE = [
    "/v1",
    "/v1/",
    "/v1/nope",
    "/v1/score/",
    "/v1/prospects/",
    "/v1//prospects",
    "/v2/score",
    "/V1/score",
    "/v1/score%00",
    "/v1/%ED%A0%80",
    "/livez%00",
    "/livez/",
    "/docs/",
    "/redoc",
    "/openapi.yaml",
    "/v1/prospects/by-external-id/a/b%2Fc",
    "/docs/files",
    "/docs/files/",
    "/docs/files/.",
    "/docs/files/nope.js",
    "/docs/files/%00",
    "/docs/files/%ED%A0%80",
    "/docs/files/swagger-ui.css/x",
    "/docs/files/../../../../../../../../etc/passwd",
    "/docs/files/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/docs/files/%2e%2e/%2e%2e/__init__.py",
    "/docs/files/..%5c..%5c__init__.py",
    "/docs/files//etc/passwd",
    "/docs/files/%2Fetc%2Fpasswd",
    "/docs/files/" + "a" * 5000,
    "/docs/files/" + "a/" * 3000,
]


@pytest.mark.one_database
@pytest.mark.parametrize("address", NOWHERE, ids=lambda address: f"{address[:40]} of {len(address)}")
def test_an_address_that_leads_nowhere(client, address):
    assert_problem(client.get(address), NOT_FOUND)
    assert client.get(address, headers={"X-API-Key": ""}).status_code == 404


@pytest.mark.one_database
@pytest.mark.parametrize("unit", ["lines=0-1", "0-1", "=", "lines=0-1, bytes=0-1"])
def test_a_range_in_a_unit_that_nobody_knows_is_ignored(client, unit):
    whole = client.get("/docs/files/swagger-ui.css")
    told = client.get("/docs/files/swagger-ui.css", headers={"Range": unit})
    assert (told.status_code, told.content) == (200, whole.content)
    assert client.get("/docs/files/swagger-ui.css", headers={"Range": "bytes=0-1"}).status_code == 206


EVERY_METHOD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}


@pytest.mark.one_database
@pytest.mark.parametrize("path", sorted(METHODS))
def test_a_method_that_an_address_does_not_take_is_told_those_that_it_takes(client, path):
    taken = METHODS[path]
    for method in EVERY_METHOD - taken:
        response = client.request(method, path.format(**STANDING_IN))
        if method != "HEAD":
            assert_problem(response, METHOD_NOT_ALLOWED)
        assert (response.status_code, response.headers["allow"]) == (405, ", ".join(sorted(taken)))


def shared_address(one: str, other: str) -> str | None:
    """An address that two paths would share: their words, and any text where both have a parameter."""
    parts = []
    for first, second in zip_longest(one.split("/"), other.split("/"), fillvalue=""):
        pattern, word = (first, second) if "{" in first else (second, first)
        if not re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), word):
            return None
        parts.append(re.sub(r"\{\w+\}", "x", word))
    return "/".join(parts)


SHARED = {
    address: (one, other)
    for one, other in combinations(sorted(METHODS), 2)
    if (address := shared_address(one, other))
}


@pytest.mark.one_database
@pytest.mark.parametrize("address", SHARED)
def test_an_address_belongs_to_one_path_only(client, address):
    """To the one that has words where the other has a parameter, with its methods and no others."""
    words = min(SHARED[address], key=lambda path: path.count("{"))
    response = client.options(address)
    assert_problem(response, METHOD_NOT_ALLOWED)
    assert response.headers["allow"] == ", ".join(sorted(METHODS[words]))


def test_such_addresses_are_looked_for():
    assert "/v1/prospects/import" in SHARED
    assert "/v1/prospects/by-external-id/links/x/fit" in SHARED


@pytest.mark.one_database
def test_the_documentation_is_for_reading(client):
    response = client.post("/docs/files/nope")
    assert_problem(response, METHOD_NOT_ALLOWED)
    assert response.headers["allow"] == "GET, HEAD"


RANGES = {
    "beyond the end": ("bytes=999999999-", RANGE_NOT_SATISFIABLE),
    "no range": ("bytes", MALFORMED_REQUEST),
    "backwards": ("bytes=5-1", MALFORMED_REQUEST),
    "words": ("bytes=a-b", MALFORMED_REQUEST),
}


@pytest.mark.one_database
@pytest.mark.parametrize(("asked", "kind"), RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("address", MOUNTED_FILES.values())
def test_a_range_that_a_file_does_not_have(client, address, asked, kind):
    response = client.get(address, headers={"Range": asked})
    assert_problem(response, kind)
    assert ("content-range" in response.headers) == (kind is RANGE_NOT_SATISFIABLE)


@pytest.mark.one_database
@pytest.mark.parametrize("address", MOUNTED_FILES.values())
def test_a_range_that_a_file_has(client, address):
    response = client.get(address, headers={"Range": "bytes=0-9"})
    assert (response.status_code, len(response.content)) == (206, 10)


NO_UUIDS = {
    "a word": "x",
    "a number": "5",
    "NUL": "%00",
    "half a surrogate pair": "%ED%A0%80",
    "no UTF-8": "%FF",
    "one digit short": NOBODY[:-1],
    "one digit more": NOBODY + "0",
    "no hexadecimal": NOBODY[:-1] + "g",
    "SQL": quote("' OR '1'='1"),
    "5000 characters": "a" * 5000,
}
BY_ID = [operation for operation in ALL if "_id}" in operation.path and "external_id" not in operation.path]


@pytest.mark.one_database
@pytest.mark.parametrize("unusable", NO_UUIDS.values(), ids=NO_UUIDS)
def test_an_id_that_is_none(client, unusable):
    for operation in BY_ID:
        name = next(name for name in STANDING_IN if f"{{{name}}}" in operation.path)
        address = operation.path.format(**{**STANDING_IN, name: unusable})
        body = {"json": {}} if operation.takes_body else {}
        told = assert_problem(client.request(operation.method, address, **body), INVALID_REQUEST)
        assert (told["errors"][0]["where"], told["errors"][0]["pointer"]) == ("path", f"/{name}")


@pytest.mark.parametrize("operation", [o for o in BY_ID if not o.takes_body], ids=named)
def test_an_id_of_nothing(client, operation):
    assert_problem(client.request(operation.method, operation.address), NOT_FOUND)


LINKS = {
    "NUL in the source": ("a%00", "b", "/source"),
    "a capital in the source": ("CRM", "b", "/source"),
    "a line break in the source": ("a%0A", "b", "/source"),
    "a long source": ("a" * 65, "b", "/source"),
    "NUL in the id": ("a", "b%00", "/external_id"),
    "a line break in the id": ("a", "b%0Ac", "/external_id"),
    "a backslash in the id": ("a", "b%5Cc", "/external_id"),
    "a question mark in the id": ("a", "b%3Fc", "/external_id"),
    "a long id": ("a", "b" * 201, "/external_id"),
    "an id in Latin-1": ("a", "M%FCller", "/external_id"),
    "half a surrogate pair in the id": ("a", "%ED%A0%80", "/external_id"),
    "only a no-break space in the id": ("a", "%C2%A0", "/external_id"),
    "an id of an ideographic space": ("a", "%E3%80%80", "/external_id"),
}


@pytest.mark.one_database
@pytest.mark.parametrize(("source", "external_id", "pointer"), LINKS.values(), ids=LINKS)
def test_a_link_that_is_none(client, target, source, external_id, pointer):
    address = f"/v1/prospects/by-external-id/{source}/{external_id}"
    for response in (
        client.get(address),
        client.put(address, json={"name": "new"}),
        client.get(f"{address}/fit"),
        client.delete(f"/v1/prospects/{target.prospect_id}/links/{source}/{external_id}"),
    ):
        assert_problem(response, INVALID_REQUEST, pointer, where="path")


@pytest.mark.parametrize("external_id", ["%EF%BF%BD", "%F4%8F%BF%BF", "%F0%9F%98%80"])
def test_a_link_in_strange_letters_is_unknown_like_any_other(client, external_id):
    assert_problem(client.get(f"/v1/prospects/by-external-id/a/{external_id}"), NOT_FOUND)


VERSIONS = ["0", "-1", "2147483648", "9" * 30, "9" * 5000, "1.5", "1e0", "one", "%00", "NaN", "0x1", "١"]


@pytest.mark.one_database
@pytest.mark.parametrize("number", VERSIONS, ids=lambda number: f"{number[:12]} of {len(number)}")
def test_a_version_that_is_no_number(client, number):
    address = f"/v1/question-sets/qualifying-a-sale/versions/{number}"
    assert_problem(client.get(address), INVALID_REQUEST, "/number", where="path")


@pytest.mark.one_database
@pytest.mark.parametrize("key", ["Qualifying", "a%00", "a%0A", "-a", "a" * 65, "%ED%A0%80", "a@1"])
def test_a_key_that_is_none(client, key):
    for address in (key, f"{key}/versions", f"{key}/versions/1"):
        response = client.get(f"/v1/question-sets/{address}")
        assert_problem(response, INVALID_REQUEST, "/key", where="path")


def test_a_set_or_version_that_is_not_there(client):
    for address in ("nope", "nope/versions", "nope/versions/1", "qualifying-a-sale/versions/2147483647"):
        assert_problem(client.get(f"/v1/question-sets/{address}"), NOT_FOUND)
