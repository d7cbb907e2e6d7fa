"""Call a new, empty service, and record the responses."""

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

from app.db import open_database
from app.main import create_app, prepare_database
from app.settings import Settings
from app.webhooks.outbox import AttemptResult
from app.webhooks.record_updates.message import OutgoingRequest
from app.webhooks.sender import Sender
from tools.reference.story import FAILING_CALL, STORY, Call

REFERENCE_KEY = "admin-key-of-the-reference"
BASE_URL = "http://127.0.0.1:8000"
ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKEN_PATTERN = re.compile(r"(pfk_|pfi_)[0-9A-Za-z]{38}")
SIGNING_SECRET_PATTERN = re.compile(r"whsec_[0-9A-Za-z+/=]{44}")
KEY_PREFIX_PATTERN = re.compile(r'"(pfk_|pfi_)[0-9A-Za-z]{6}"')
DATABASE_PATTERN = re.compile(r'("database":")[0-9a-f]{16}"')


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call and its response, with the same ids, keys and times in every run."""

    call: Call
    path: str
    body: str
    status: int
    media_type: str
    response: str


async def record_calls(calls: Sequence[Call] = (*STORY, FAILING_CALL)) -> dict[str, RecordedCall]:
    """Make calls, and return them by operation. The default is the story and one call that fails.

    Raises `RuntimeError` if any other call fails.
    """
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
            if response.is_error and call is not FAILING_CALL:
                raise RuntimeError(f"{call.operation}: {response.text}")
            for name, field_name in call.remember.items():
                values[name] = response.json()[field_name]
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
        return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    if isinstance(template, dict):
        return {name: _filled(value, values) for name, value in template.items()}
    return template


class _StableText:
    """Replaces what differs from run to run: ids, in the order in which they appear, and secrets."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        text = ID_PATTERN.sub(lambda match: self._id(match[0]), text)
        text = DATABASE_PATTERN.sub(r'\g<1>169c7f6cb0f4a794"', text)
        return SIGNING_SECRET_PATTERN.sub(
            "whsec_…", KEY_PREFIX_PATTERN.sub(r'"\1…"', TOKEN_PATTERN.sub(r"\1…", text))
        )

    def _id(self, id_: str) -> str:
        return self._ids.setdefault(id_, f"01980000-0000-7000-8000-{len(self._ids) + 1:012d}")


class _Clock:
    """A clock that stands still during a call, because caches decide how often a call reads the clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self) -> None:
        self.now += timedelta(minutes=1)


class FakeReceivers(Sender):
    """A sender that sends nothing. Every receiver exists and accepts every message."""

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
            admin_key=REFERENCE_KEY,
        )
        database = open_database(settings, clock)
        prepare_database(database, settings)
        database.close()
        transport = httpx.ASGITransport(create_app(settings, clock, FakeReceivers()))
        headers = {"X-API-Key": REFERENCE_KEY}
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client:
            yield client
