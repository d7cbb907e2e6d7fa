"""Read JSON files with one request as for POST /v1/score, or a list of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.console import fail
from app.problems import Problem
from app.scoring import Flaw
from app.strict_json import read_json

# The first of these fields that is filled is the name of an object. No question can have one of these keys.
NAME_FIELDS = ("name", "external_id")


@dataclass(frozen=True, slots=True)
class Item:
    """One object to score.

    `place` is where it is in its file: "item 2". `name` is empty if it has none. `content` is a request body
    as for POST /v1/score.
    """

    place: str
    name: str
    content: Any

    def describe(self, flaw: Flaw) -> str:
        """Return a message with the place of the flaw in the file, and what is wrong."""
        return f"{self.place}: {flaw.pointer or '/'}: {flaw.detail}"


def holds_requests(file: Path) -> bool:
    """Return whether the file holds requests, and not rows."""
    return file.suffix.lower() == ".json"


def read_items(file: Path) -> Iterator[Item]:
    """Yield the objects in a JSON file. Fail if it cannot be read."""
    try:
        content = read_json(_text(file).encode())
    except Problem as problem:
        fail(f"{file}: {problem.errors[0].detail}.")
    for number, item in enumerate(content if isinstance(content, list) else [content], 1):
        yield _item(f"item {number}", item)


def _text(file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8: save it as UTF-8.")
    if not text.strip():
        fail(f"{file} is empty.")
    return text


def _item(place: str, item: Any) -> Item:
    if not isinstance(item, dict):
        return Item(place, "", item)
    name = str(next((item[field] for field in NAME_FIELDS if item.get(field)), ""))
    return Item(place, name, {field: item[field] for field in item if field not in NAME_FIELDS})
