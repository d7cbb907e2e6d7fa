"""Bodies that are no acceptable JSON are refused whole, and nothing is written."""

import json

import pytest

from app.problems import MALFORMED_BODY, UNSUPPORTED_MEDIA_TYPE
from tests.edge.operations import STANDING_IN, WITH_BODY, named
from tests.edge.problem import PRIVATE, assert_problem

pytestmark = [pytest.mark.usefixtures("unwritten"), pytest.mark.one_database]

JSON = {"Content-Type": "application/json"}
# Everything that a body needs to be taken, but for the one thing that is wrong with it.
START = b'{"source": "bad", "external_id": "body", '
TEXT = b'"answers": [{"question": "budget", "rating": 3, "text": "' + PRIVATE.encode()

BROKEN = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "no JSON": PRIVATE.encode(),
    "cut off": START + TEXT,
    "two values": b"{} {}",
    "a comment": b"{} // hello",
    "a trailing comma": START + b'"ratings": {"budget": 3,}}',
    "single quotes": b"{'source': 'bad'}",
    "NaN": START + b'"ratings": {"budget": NaN}}',
    "Infinity": START + b'"attributes": {"size": Infinity}}',
    "minus Infinity": START + b'"attributes": {"size": -Infinity}}',
    "1e400": START + b'"attributes": {"size": 1e400}}',
    "minus 1e400": START + b'"attributes": {"size": -1e400}}',
    "2 to the 63rd": START + b'"ratings": {"budget": 9223372036854775808}}',
    "minus 2 to the 64th": START + b'"attributes": {"size": -18446744073709551616}}',
    "an integer of 5000 digits": START + b'"ratings": {"budget": ' + b"9" * 5000 + b"}}",
    "a name twice": START + b'"name": "a", "name": "b"}',
    "a name twice, once escaped": START + b'"name": "a", "\\u006eame": "b"}',
    "a name twice, deep": START + b'"answers": [{"question": "budget", "rating": 1, "rating": 5}]}',
    "the same rating twice": START + b'"ratings": {"budget": 1, "budget": 1}}',
    "a raw NUL": START + TEXT + b'\0"}]}',
    "an escaped NUL": START + TEXT + b'\\u0000"}]}',
    "NUL in a name": START + b'"ratings": {"bud\\u0000get": 3}}',
    "NUL between": b"{}\0",
    "half a surrogate pair": START + TEXT + b'\\ud83d"}]}',
    "the other half": START + TEXT + b'\\ude00"}]}',
    "halves in the wrong order": START + TEXT + b'\\ude00\\ud83d"}]}',
    "half a pair in a name": b'{"\\ud83d": 1}',
    "a raw surrogate": START + TEXT + b'\xed\xa0\xbd"}]}',
    "bytes that are no UTF-8": START + TEXT + b'\xff"}]}',
    "an overlong NUL": START + TEXT + b'\xc0\x80"}]}',
    "UTF-16": '{"source": "bad"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"source": "bad"}'.encode("utf-16-le"),
    "UTF-32": '{"source": "bad"}'.encode("utf-32-be"),
    "a byte order mark alone": b"\xef\xbb\xbf",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "a byte order mark inside": b"{\xef\xbb\xbf}",
    "a line break in a text": START + TEXT + b'\n"}]}',
    "40 levels": START + b'"attributes": {"a": ' + b"[" * 38 + b"]" * 38 + b"}}",
    "300 levels": START + b'"attributes": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
    "300 levels of objects": b'{"a": ' * 300 + b"1" + b"}" * 300,
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "100,000 levels of objects, unclosed": b'{"a":' * 100_000,
    # With backtracking or a new start at each quote, this took the process most of an hour.
    "an unfinished text of 400,000 quotes": b"[" * 100_001 + b'"' + b'\\"' * 400_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_refused(client, body):
    assert_problem(client.post("/v1/qualify", content=body, headers=JSON), MALFORMED_BODY)


@pytest.mark.parametrize("operation", WITH_BODY, ids=named)
def test_every_operation_that_takes_a_body_refuses_a_broken_one(client, operation):
    for name in ("nothing", "NaN", "a name twice", "an escaped NUL", "300 levels"):
        response = client.request(operation.method, operation.address, content=BROKEN[name], headers=JSON)
        assert_problem(response, MALFORMED_BODY)


def test_a_pair_of_surrogates_and_an_escaped_line_break_are_texts_like_any_other(client):
    """What is refused above is refused for what it is, and not for being escaped."""
    body = b'{"answers": [{"question": "budget", "rating": 3, "text": "\\ud83d\\ude00\\n\\u0001"}]}'
    assert client.post("/v1/score", content=body, headers=JSON).status_code == 200


@pytest.mark.one_database
@pytest.mark.parametrize("path", ["/v1/qualify", "/v1/score/batch", "/v1/prospects/import?source=bad"])
def test_a_compressed_body_is_refused_with_the_remedy(client, path):
    media_type = "application/json" if path == "/v1/qualify" else "application/x-ndjson"
    headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
    response = client.post(path, content=b"\x1f\x8b", headers=headers)
    told = assert_problem(response, UNSUPPORTED_MEDIA_TYPE)
    assert told["detail"] == "The body has a Content-Encoding: send it as it is, without compression."
    assert response.headers["Accept-Encoding"] == "identity"
    plain = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert client.post("/v1/score", content=b"{}", headers=plain).status_code == 200


@pytest.mark.one_database
def test_more_lists_and_objects_than_anybody_needs_are_refused_before_they_are_read(client):
    body = b'{"attributes": {"a": [' + b"[],{}," * 50_000 + b"[]]}}"
    problem = assert_problem(client.post("/v1/score", content=body, headers=JSON), MALFORMED_BODY)
    assert problem["detail"] == "The body cannot be read: it has more than 100000 lists and objects."


def test_30_levels_are_read_and_judged(client):
    body = b'{"attributes": {"a": ' + b"[" * 28 + b"]" * 28 + b"}}"
    assert client.post("/v1/score", content=body, headers=JSON).status_code == 422


FOREIGN = {
    "what curl -d sends": "application/x-www-form-urlencoded",
    "none": None,
    "text": "text/plain",
    "text that says it is JSON": "text/json",
    "a form": "multipart/form-data; boundary=x",
    "XML": "application/xml",
    "a list of types": "application/json, text/plain",
    "half a type": "json",
    "nonsense": ";;=",
    "lines of JSON": "application/x-ndjson",
}


@pytest.mark.parametrize("media_type", FOREIGN.values(), ids=FOREIGN)
def test_a_body_that_is_not_declared_as_json_is_told_exactly_what_to_add(client, link, media_type):
    headers = {"Content-Type": media_type} if media_type else {}
    response = client.post("/v1/qualify", content=json.dumps(link).encode(), headers=headers)
    told = assert_problem(response, UNSUPPORTED_MEDIA_TYPE)
    assert "-H 'Content-Type: application/json'" in told["remedy"]


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/vnd.api+json"],
)
def test_every_spelling_of_json_is_taken(client, media_type):
    response = client.post("/v1/score", content=b"{}", headers={"Content-Type": media_type})
    assert response.status_code == 200


def test_a_body_to_an_operation_that_takes_none_is_not_looked_at(client, target):
    response = client.request("GET", f"/v1/sessions/{target.session_id}", content=BROKEN["100,000 levels"])
    assert response.status_code == 200
    address = f"/v1/keys/{STANDING_IN['key_id']}"
    assert client.request("DELETE", address, content=BROKEN["UTF-16"]).status_code == 404
