"""What every refusal has to be, and what nobody may ever read in one."""

import httpx

from app.edge.problem_responses import MAX_ERRORS, PROBLEM_MEDIA_TYPE
from app.problems import CATALOGUE, Kind

FIELDS = {"type", "title", "status", "detail", "remedy", "errors", "request_id"}
# Stands in requests for an answer's text or a secret.
PRIVATE = "what only the seller may read"


def assert_problem(response: httpx.Response, kind: Kind, *pointers: str, where: str = "body") -> dict:
    """A whole problem of that kind, at exactly these places of the request; returns what it tells."""
    assert response.headers["content-type"] == PROBLEM_MEDIA_TYPE, response.text
    assert PRIVATE not in response.text
    told = response.json()
    assert set(told) == FIELDS
    assert (response.status_code, told["type"]) == (kind.status, kind.type), told
    assert kind in CATALOGUE
    assert (told["status"], told["title"], told["remedy"]) == (kind.status, kind.title, kind.remedy)
    assert told["detail"]
    assert told["request_id"] == response.headers["x-request-id"]
    assert len(told["errors"]) <= MAX_ERRORS
    if pointers:
        assert [error["pointer"] for error in told["errors"]] == list(pointers), told
        assert {error["where"] for error in told["errors"]} == {where}
        assert all(error["code"] and error["detail"] for error in told["errors"])
    return told
