"""Make calls on a service of their own, and record the responses."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.main import create_app, open_database, prepare_database
from app.settings import Settings
from app.webhooks.message import OutgoingRequest
from app.webhooks.outbox import AttemptResult
from app.webhooks.sender import Sender
from tools.reference.story import A_PROBLEM, STORY, Call

ADMIN_KEY = "admin-key-of-the-reference"
URL = "http://127.0.0.1:8000"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
SECRET = re.compile(r"(pfk_|pfi_)[0-9A-Za-z]{38}")
SIGNING = re.compile(r"whsec_[0-9A-Za-z+/=]{44}")
DISPLAYED = re.compile(r'"(pfk_|pfi_)[0-9A-Za-z]{6}"')


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call and its response, with the same ids, keys and times in every run."""

    call: Call
    path: str
    body: str
    status: int
    media_type: str
    response: str


async def record_calls(calls: Sequence[Call] = (*STORY, A_PROBLEM)) -> dict[str, RecordedCall]:
    """Make calls, by default those of the story and one that fails; return them by operation."""
    stable = _StableText()
    recorded: dict[str, RecordedCall] = {}
    values: dict[str, str] = {}
    clock = _Clock()
    async with _service(clock) as client:
        for call in calls:
            clock.tick()
            path, body = _filled(call.path, values), _encoded(_filled(call.body, values))
            headers = call.headers | ({"Content-Type": call.media_type} if body else {})
            response = await client.request(call.method, path, content=body.encode(), headers=headers)
            if response.is_error and call is not A_PROBLEM:
                raise RuntimeError(f"{call.operation}: {response.text}")
            for name, where in call.remember.items():
                values[name] = response.json()[where]
            recorded[call.operation] = RecordedCall(
                call,
                stable(path),
                stable(body),
                response.status_code,
                response.headers.get("content-type", "").partition(";")[0],
                stable(response.text),
            )
    return recorded


def _encoded(body: Any) -> str:
    if isinstance(body, list):
        return "\n".join(map(_encoded, body))
    return "" if body is None else json.dumps(body, ensure_ascii=False)


def _filled(template: Any, values: dict[str, str]) -> Any:
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], template)
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    if isinstance(template, dict):
        return {name: _filled(value, values) for name, value in template.items()}
    return template


class _StableText:
    """Replaces what differs from run to run: ids in the order they appear, and keys."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        text = UUID.sub(lambda found: self._id(found[0]), text)
        return SIGNING.sub("whsec_…", DISPLAYED.sub(r'"\1…"', SECRET.sub(r"\1…", text)))

    def _id(self, found: str) -> str:
        return self._ids.setdefault(found, f"01980000-0000-7000-8000-{len(self._ids) + 1:012d}")


class _Clock:
    """Stands still during a call: how often it is looked at depends on what is still remembered."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self) -> None:
        self.now += timedelta(minutes=1)


class FakeReceivers(Sender):
    """Sends nothing: every receiver exists, and accepts what it gets."""

    def __init__(self) -> None:
        super().__init__("", 15, _look_up)

    async def send(self, outgoing: OutgoingRequest) -> AttemptResult:
        del outgoing
        return AttemptResult(204, milliseconds=87)


async def _look_up(host: str, port: int) -> Sequence[Any]:
    del host
    return [(None, None, None, "", ("1.1.1.1", port))]


@asynccontextmanager
async def _service(clock: _Clock) -> AsyncIterator[httpx.AsyncClient]:
    with TemporaryDirectory() as folder:
        settings = Settings(
            database_url=f"sqlite:///{Path(folder) / 'reference.db'}",
            admin_key=ADMIN_KEY,
        )
        database = open_database(settings, clock)
        prepare_database(database, settings)
        database.close()
        transport = httpx.ASGITransport(create_app(settings, clock, FakeReceivers()))
        headers = {"X-API-Key": ADMIN_KEY}
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
            yield client
