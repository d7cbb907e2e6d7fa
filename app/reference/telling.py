"""Make calls on a service of their own, and tell them with what was answered."""

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

from app.main import create_app, open_database
from app.reference.story import A_PROBLEM, STORY, Call
from app.settings import Settings
from app.start import prepare
from app.webhooks.message import Outgoing
from app.webhooks.outbox import Result
from app.webhooks.sending import Sender

ADMIN_KEY = "admin-key-of-the-reference"
URL = "http://127.0.0.1:8000"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
SECRET = re.compile(r"(pfk_|pfi_)[0-9A-Za-z]{38}")
SIGNING = re.compile(r"whsec_[0-9A-Za-z+/=]{44}")
SHOWN = re.compile(r'"(pfk_|pfi_)[0-9A-Za-z]{6}"')


@dataclass(frozen=True, slots=True)
class Told:
    """A call as it was made, and the answer as it came, with ids and keys made the same every time."""

    call: Call
    path: str
    sent: str
    status: int
    answer: str


# Of an answer that is a long text.
SHOWN_LINES = 25


async def tell(calls: Sequence[Call] = (*STORY, A_PROBLEM)) -> dict[str, Told]:
    """Make calls, those of the story and one that fails unless told otherwise; the tellings by operation."""
    steady = _Steady()
    told: dict[str, Told] = {}
    values: dict[str, str] = {}
    clock = _Clock()
    async with _service(clock) as client:
        for call in calls:
            clock.tick()
            path, sent = _filled(call.path, values), _as_sent(_filled(call.body, values))
            headers = call.headers | ({"Content-Type": call.media_type} if sent else {})
            response = await client.request(call.method, path, content=sent.encode(), headers=headers)
            if response.is_error and call is not A_PROBLEM:
                raise RuntimeError(f"{call.operation}: {response.text}")
            for name, where in call.remember.items():
                values[name] = response.json()[where]
            told[call.operation] = Told(
                call,
                steady(path),
                steady(sent),
                response.status_code,
                steady(_answer(response)),
            )
    return told


def _as_sent(body: Any) -> str:
    if isinstance(body, list):
        return "\n".join(map(_as_sent, body))
    return "" if body is None else json.dumps(body, ensure_ascii=False)


def _answer(response: httpx.Response) -> str:
    type_ = response.headers.get("content-type", "")
    if type_.startswith("text/plain"):
        return "\n".join([*response.text.splitlines()[:SHOWN_LINES], "…"])
    if not response.content or "ndjson" in type_:
        return response.text.rstrip()
    return json.dumps(response.json(), indent=2, ensure_ascii=False)


def _filled(template: Any, values: dict[str, str]) -> Any:
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], template)
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    if isinstance(template, dict):
        return {name: _filled(value, values) for name, value in template.items()}
    return template


class _Steady:
    """Replaces what differs from run to run: ids in the order they appear, and keys."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        text = UUID.sub(lambda found: self._id(found[0]), text)
        return SIGNING.sub("whsec_…", SHOWN.sub(r'"\1…"', SECRET.sub(r"\1…", text)))

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


class Elsewhere(Sender):
    """Other systems, as if all of them were there and took what they are sent."""

    def __init__(self) -> None:
        super().__init__("", 15, _look_up)

    async def send(self, outgoing: Outgoing) -> Result:
        del outgoing
        return Result(204, milliseconds=87)


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
        prepare(database, settings)
        database.close()
        transport = httpx.ASGITransport(create_app(settings, clock, Elsewhere()))
        headers = {"X-API-Key": ADMIN_KEY}
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
            yield client
