"""Imports over HTTP, as sentences."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.api.calls import every_page
from tests.api.conftest import database, publish, ruled

__all__ = ["database", "publish", "ruled"]

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def source() -> str:
    """A source that no other test uses."""
    return f"import.{uuid4().hex[:12]}"


@pytest.fixture
def send(client, source) -> Callable[..., list[dict[str, Any]]]:
    """Imports a text, and returns what was answered."""

    def send_it(text: Any, headers: dict[str, str] = CSV, **query: Any) -> list[dict[str, Any]]:
        query = {"source": source} | query
        response = client.post("/v1/prospects/import", params=query, content=text, headers=headers)
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.text.splitlines()]

    return send_it


def lines(*objects: Any) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


def problems(answers: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The problem of every line that has one."""
    return {
        answer["line"]: answer["problem"] for answer in answers if "line" in answer and "problem" in answer
    }


def remarks(answers: list[dict[str, Any]]) -> dict[int, list[str]]:
    """What was left out of every line of which something was."""
    return {answer["line"]: answer["remarks"] for answer in answers if "remarks" in answer}


def counted(answers: list[dict[str, Any]]) -> tuple[int, int, int, int]:
    """Created, changed, unchanged and refused, in the end."""
    *_, end = answers
    assert end["done"], end
    return end["created"], end["changed"], end["unchanged"], end["refused"]


def stored(client, source) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """Every prospect of a source, by its external id there."""
    found = every_page(client, f"/v1/prospects?source={source}&limit=200")
    by_id = {
        link["external_id"]: (prospect["name"], prospect["attributes"])
        for prospect in found
        for link in prospect["links"]
        if link["source"] == source
    }
    assert len(by_id) == len(found), "every prospect has one link of the source"
    return by_id
