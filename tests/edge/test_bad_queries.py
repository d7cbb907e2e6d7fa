"""Query parameters that cannot be used, and cursors that no list ever gave."""

import base64
import json
from urllib.parse import quote

import pytest

from app.problems import INVALID_REQUEST
from tests.edge.operations import GUARDED, STANDING_IN, named
from tests.edge.problem import PRIVATE, assert_problem

pytestmark = pytest.mark.usefixtures("unwritten")

NOBODY = STANDING_IN["prospect_id"]
LONG = "x" * 256

ANY_LIST = {
    "limit=0": "/limit",
    "limit=-1": "/limit",
    "limit=201": "/limit",
    "limit=" + "9" * 5000: "/limit",
    "limit=1e1": "/limit",
    "limit=1_0": "/limit",
    "limit=%2B5": "/limit",
    "limit=%205": "/limit",
    "limit=NaN": "/limit",
    "limit=true": "/limit",
    "limit=": "/limit",
    "limit=%00": "/limit",
    "frobnicate=1": "/frobnicate",
    "%00=1": "/\0",
    "%ED%A0%80=1": "/���",
    "a/b~=1": "/a~1b~0",
}
PROSPECTS = {
    "q=": "/q",
    "q=%20": "/q",
    "q=%00": "/q",
    "q=a%0Ab": "/q",
    f"q={LONG}": "/q",
    "q=M%FCller": "/q",
    "source=": "/source",
    "source=CRM": "/source",
    "source=%00": "/source",
    "updated_since=": "/updated_since",
    "updated_since=0": "/updated_since",
    "updated_since=1700000000": "/updated_since",
    "updated_since=-1.5": "/updated_since",
    "updated_since=2026-01-31": "/updated_since",
    "updated_since=2026-01-31T09:00:00": "/updated_since",
    "updated_since=2026-01-31T09:00:00+01:00": "/updated_since",
    "updated_since=2026-02-30T09:00:00Z": "/updated_since",
    "updated_since=10000-01-01T00:00:00Z": "/updated_since",
    "updated_since=9999-12-31T23:59:59-23:59": "/updated_since",
    "updated_since=0001-01-01T00:00:00%2B23:59": "/updated_since",
    "updated_since=yesterday": "/updated_since",
}
SESSIONS = {
    "prospect_id=x": "/prospect_id",
    "prospect_id=%00": "/prospect_id",
    "deal=": "/deal",
    "deal=%00": "/deal",
    f"deal={LONG}": "/deal",
    "assessor=": "/assessor",
    "assessor=%00": "/assessor",
    "status=ajar": "/status",
    "indication=FIT": "/indication",
    "decision=maybe": "/decision",
    "outcome=draw": "/outcome",
    "sort=oldest": "/sort",
    "question_set=": "/question_set",
    "question_set=%00": "/question_set",
    "question_set=Not a set": "/question_set",
    "question_set=a@9999999999": "/question_set",
    "question_set=" + "a" * 81: "/question_set",
}


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("query", "pointer"), (ANY_LIST | PROSPECTS).items(), ids=lambda text: f"{text[:30]} of {len(text)}"
)
def test_prospects_cannot_be_asked_for_by(client, query, pointer):
    assert_problem(client.get(f"/v1/prospects?{query}"), INVALID_REQUEST, pointer, where="query")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("query", "pointer"), (ANY_LIST | SESSIONS).items(), ids=lambda text: f"{text[:30]} of {len(text)}"
)
def test_sessions_cannot_be_asked_for_by(client, query, pointer):
    assert_problem(client.get(f"/v1/sessions?{query}"), INVALID_REQUEST, pointer, where="query")


@pytest.mark.one_database
@pytest.mark.parametrize("query", ["question_set=%00", "question_set=Not a set", "deal=%00", "deal="])
def test_a_fit_cannot_be_asked_for_by(client, target, query):
    pointer = "/" + query.partition("=")[0]
    linked = f"/v1/prospects/by-external-id/{target.source}/{target.external_id}/fit"
    for address in (linked, f"/v1/prospects/{target.prospect_id}/fit"):
        assert_problem(client.get(f"{address}?{query}"), INVALID_REQUEST, pointer, where="query")


@pytest.mark.one_database
@pytest.mark.parametrize("operation", GUARDED, ids=named)
def test_an_unknown_parameter_is_refused_everywhere(client, operation):
    response = client.request(operation.method, f"{operation.address}?frobnicate={PRIVATE}&x")
    told = assert_problem(response, INVALID_REQUEST, "/frobnicate", "/x", where="query")
    assert {error["code"] for error in told["errors"]} == {"unknown_field"}


@pytest.mark.one_database
def test_a_name_from_the_path_or_the_body_is_unknown_in_the_query(client, target):
    fit = f"/v1/prospects/{target.prospect_id}/fit?prospect_id={target.prospect_id}&questionset=bant"
    assert_problem(client.get(fit), INVALID_REQUEST, "/prospect_id", "/questionset", where="query")
    response = client.post("/v1/score?question_set=bant", json={})
    assert_problem(response, INVALID_REQUEST, "/question_set", where="query")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("prospects?limit=1&limit=1", "limit"),
        ("sessions?sort=ranked&limit=1&sort=newest", "sort"),
        (f"prospects/{NOBODY}/fit?deal=a&deal=a", "deal"),
        ("question-sets/bant?diff=bant&%64iff=bant", "diff"),
    ],
)
def test_a_repeated_parameter_is_refused(client, address, name):
    told = assert_problem(client.get(f"/v1/{address}"), INVALID_REQUEST, f"/{name}", where="query")
    assert told["errors"][0]["code"] == "repeated"


@pytest.mark.one_database
def test_a_long_name_is_not_told_whole(client):
    told = assert_problem(client.get(f"/v1/keys?{'x' * 5000}=1"), INVALID_REQUEST)
    assert len(told["detail"]) < 600


@pytest.mark.parametrize("q", ["%25", "_", "%5C", "'", "%22", "%F0%9F%98%80"])
def test_strange_words_are_searched_for_like_any_other(client, target, q):
    """An underscore and a percent sign are themselves: the target's name has none of these."""
    found = client.get(f"/v1/prospects?q={q}")
    assert found.status_code == 200
    assert target.prospect_id not in [prospect["id"] for prospect in found.json()["items"]]


def cursor(position: object) -> str:
    text = position if isinstance(position, bytes) else json.dumps(position).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


NOT_OURS = {
    "nothing": "",
    "padding": "====",
    "no base64": "%%%",
    "letters": "hello",
    "an umlaut": "ü",
    "NUL": "\0",
    "a long one": "A" * 501,
    "no JSON": cursor(b"\xff\xfe"),
    "UTF-16": cursor('["a"]'.encode("utf-16")),
    "null": cursor(None),
    "an object": cursor({"id": NOBODY}),
    "an empty list": cursor([]),
    "too long a list": cursor([0, 0.0, NOBODY, NOBODY]),
    "a text for an id": cursor(["newest"]),
    "a number for an id": cursor([5]),
    "an id in a list": cursor([[NOBODY]]),
    "nulls": cursor([None, None, None]),
    "300 levels": cursor(b"[" * 300),
    "cut off": cursor(b'[0, 0.0, "0189'),
    "an escaped NUL": cursor(["\0"]),
    "half a surrogate pair": cursor(["\ud800"]),
}
RANKED = {
    "a rank of 1e999": cursor(f'[1e999, 0.0, "{NOBODY}"]'.encode()),
    "a rank of NaN": cursor(f'[NaN, 0.0, "{NOBODY}"]'.encode()),
    "a rank of 2 to the 31st": cursor([2**31, 0.0, NOBODY]),
    "a rank of 2 to the 63rd": cursor([2**63, 0.0, NOBODY]),
    "a rank of 2 to the 70th": cursor([2**70, 0.0, NOBODY]),
    "a rank of minus 2 to the 64th": cursor([-(2**64), 0.0, NOBODY]),
    "a rank of 340 digits": cursor(b"[" + b"9" * 340 + b"]"),
    "a rank as text": cursor(["0", 0.0, NOBODY]),
    "a rank of true": cursor([True, 0.0, NOBODY]),
    "a rank of 1.5": cursor([1.5, 0.0, NOBODY]),
    "a score of 1e999": cursor(f'[0, 1e999, "{NOBODY}"]'.encode()),
    "a score of NaN": cursor(f'[0, NaN, "{NOBODY}"]'.encode()),
    "a score of minus Infinity": cursor(f'[0, -Infinity, "{NOBODY}"]'.encode()),
    "a score of 10 to the 340th": cursor(b"[0, 1" + b"0" * 340 + b"]"),
    "a score as text": cursor([0, "inf", NOBODY]),
    "the place of another list": cursor([NOBODY]),
}


@pytest.mark.one_database
@pytest.mark.parametrize("position", NOT_OURS.values(), ids=NOT_OURS)
def test_a_cursor_that_no_list_gave(client, position):
    after = quote(position)
    for address in ("prospects?", "sessions?", "sessions?sort=ranked&"):
        response = client.get(f"/v1/{address}after={after}")
        assert_problem(response, INVALID_REQUEST, "/after", where="query")


@pytest.mark.one_database
@pytest.mark.parametrize("position", RANKED.values(), ids=RANKED)
def test_a_cursor_that_no_ranked_list_gave(client, position):
    response = client.get(f"/v1/sessions?sort=ranked&after={position}")
    assert_problem(response, INVALID_REQUEST, "/after", where="query")


def test_the_cursors_that_a_list_gives_are_taken(client, target):
    """What is refused above is refused for what it is."""
    del target
    for position, sort in (([NOBODY], "newest"), ([5, 1.0, NOBODY], "ranked"), ([0, -0.0, NOBODY], "ranked")):
        assert client.get(f"/v1/sessions?sort={sort}&after={cursor(position)}").status_code == 200
