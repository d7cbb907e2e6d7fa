"""Sixteen writers of one session, and all that they were told."""

from dataclasses import dataclass, field
from functools import partial
from threading import Barrier
from typing import Any

import httpx

from tests.api.at_once import at_once
from tests.api.calls import ok
from tests.waiting import PATIENCE

WRITERS = 16
VERSIONS = 3
SHARED = ("shared0", "shared1", "shared2")


@dataclass(frozen=True)
class Told:
    """One request: which write, what was sent, on which revision and under which key, and the answer.

    `turn` is that of the meeting at which all made such a write on the same revision, if any.
    """

    write: str
    sent: dict[str, Any]
    seen: int | None
    key: str | None
    turn: int | None
    response: httpx.Response

    @property
    def is_done(self):
        """Whether it had an effect of its own: neither refused nor answered again."""
        return self.response.is_success and "idempotent-replayed" not in self.response.headers

    @property
    def revision(self):
        return self.response.json()["revision"]


@dataclass(frozen=True)
class Room:
    """Where the writers meet: one session of one prospect."""

    client: httpx.Client
    question_set: str
    session_id: str
    prospect_id: str
    meeting: Barrier = field(default_factory=lambda: Barrier(WRITERS, timeout=PATIENCE))

    def address(self, write):
        session = f"/v1/sessions/{self.session_id}"
        return {
            "answers": ("PATCH", f"{session}/answers"),
            "decision": ("POST", f"{session}/decision"),
            "move": ("POST", f"{session}/move"),
            "attributes": ("PATCH", f"/v1/prospects/{self.prospect_id}"),
        }[write]

    def read(self, write):
        """The revision to base such a write on."""
        what = f"prospects/{self.prospect_id}" if write == "attributes" else f"sessions/{self.session_id}"
        return ok(self.client.get(f"/v1/{what}"))["revision"]


@dataclass
class Writer:
    """One of them. Whatever it says is new, so that every write that goes through is a revision."""

    room: Room
    number: int
    told: list[Told] = field(default_factory=list)
    seen: int = 1
    seen_of_prospect: int = 1

    def write(self, rounds):
        """In every round nine writes as it likes, and one that all make on the same revision."""
        for turn in range(rounds):
            self.as_it_likes(turn)
            self.with_all_others(turn)
        return self.told

    def as_it_likes(self, turn):
        own, shared = f"own{self.number}", SHARED[(self.number + turn) % 3]
        rating, other = 1 + (self.number + turn) % 5, 1 + (self.number * 2 + turn) % 5
        writes = [
            lambda: self.answers(turn, {own: rating}),
            lambda: self.answers(turn, {own: rating}),  # another text and evidence, but no other rating
            lambda: self.answers(turn, {shared: rating}),
            lambda: self.on_what_it_saw("answers", self.said(turn, {SHARED[turn % 3]: other})),
            lambda: self.twice(turn, {own: other, shared: other}),
            lambda: self.as_its_twin(turn),
            lambda: self.on_what_it_saw("decision", self.decided(turn, "alone")),
            lambda: self.on_what_it_saw("attributes", self.measured(turn, 1)),
            lambda: self.answers(turn, {own: other, f"gone{1 + turn % 2}": rating}),
        ]
        for n in range(len(writes)):
            writes[(n + self.number) % len(writes)]()

    def with_all_others(self, turn):
        """All read before any writes, and all have written before any goes on."""
        version = 2 + turn // 3
        last = "move" if version <= VERSIONS else "answers"
        write = ("attributes", "decision", last)[turn % 3]
        sent = {
            "answers": self.said(turn, {SHARED[0]: 1 + self.number % 5}),
            "decision": self.decided(turn, "with all"),
            "attributes": self.measured(turn, 2),
            "move": {"question_set": f"{self.room.question_set}@{version}"},
        }[write]
        self.room.meeting.wait()
        seen = self.room.read(write)
        self.room.meeting.wait()
        self.send(write, sent, seen, turn=turn)
        self.room.meeting.wait()

    def answers(self, turn, ratings):
        self.send("answers", self.said(turn, ratings))

    def twice(self, turn, ratings):
        key = f"{self.room.session_id}-{self.number}-{turn}"
        sent = self.said(turn, ratings)
        self.send("answers", sent, key=key)
        self.send("answers", sent, key=key)

    def as_its_twin(self, turn):
        """Two writers send the very same, each when it comes to that."""
        pair = self.number // 2
        said = [{"question": SHARED[pair % 3], "rating": 1 + turn % 5, "text": f"twins {pair} {turn}"}]
        self.send("answers", {"answers": said}, key=f"{self.room.session_id}-twins-{pair}-{turn}")

    def on_what_it_saw(self, write, sent):
        """Refused, it reads again and tries once more."""
        seen = self.seen_of_prospect if write == "attributes" else self.seen
        if not self.send(write, sent, seen).is_success:
            self.send(write, sent, self.room.read(write))

    def send(self, write, sent, seen=None, key=None, turn=None):
        method, address = self.room.address(write)
        headers = {"If-Match": f'"{seen}"'} if seen and write != "answers" else {}
        headers |= {"Idempotency-Key": key} if key else {}
        body = sent | {"revision": seen} if seen and write == "answers" else sent
        response = self.room.client.request(method, address, json=body, headers=headers)
        self.told.append(Told(write, sent, seen, key, turn, response))
        if response.is_success and write == "attributes":
            self.seen_of_prospect = response.json()["revision"]
        elif response.is_success:
            self.seen = response.json()["revision"]
        return response

    def said(self, turn, ratings):
        by = f"{self.number} in turn {turn}, write {len(self.told)}"
        evidence = ("fact", "judgement", "assumption")[len(self.told) % 3]
        return {
            "answers": [
                {"question": question, "rating": rating, "text": by, "evidence": evidence}
                for question, rating in ratings.items()
            ]
        }

    def decided(self, turn, where):
        decision = ("pursue", "nurture")[turn % 2]
        return {
            "decision": decision,
            "reason": f"by {self.number} in turn {turn}, {where}",
            "actor": "ana@example.com",
        }

    def measured(self, turn, which):
        return {"attributes": {"employees": (turn * WRITERS + self.number) * 2 + which}}


def all_write(room, rounds):
    """What every writer was told, in no order."""
    writers = [Writer(room, number) for number in range(WRITERS)]
    return [one for told in at_once(partial(w.write, rounds) for w in writers) for one in told]
