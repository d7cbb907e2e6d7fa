"""A crowd that upserts the same external ids, while some link, merge, unlink and erase what it makes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from uuid import uuid4

import httpx

from tests.api.at_once import at_once
from tests.api.calls import merge, ok

CLIENTS = 16
LINKERS = 3


@dataclass(frozen=True)
class Told:
    """What was tried with the external id of that number, and the answer."""

    what: str
    number: int
    response: httpx.Response

    @property
    def created(self):
        return self.response.status_code == 201 or self.response.json().get("prospect_created") is True


@dataclass
class Crowd:
    """Of every ten external ids two are of prospects that get merged, one is erased, one unlinked."""

    client: httpx.Client
    question_set: str
    ids: int
    source: str = field(default_factory=lambda: f"crowd-{uuid4().hex[:12]}")
    told: list[Told] = field(default_factory=list)

    @property
    def merged(self):
        return [n for n in range(self.ids) if n % 10 in (5, 6)]

    @property
    def erased(self):
        return [n for n in range(self.ids) if n % 10 == 7]

    @property
    def unlinked(self):
        return [n for n in range(self.ids) if n % 10 == 8]

    @property
    def lasting(self):
        """Those whose prospect, or what it was merged into, has the link for ever."""
        return [n for n in range(self.ids) if n % 10 not in (7, 8)]

    def run(self):
        upserting = [partial(self.upsert_all, number) for number in range(CLIENTS)]
        linking = [partial(self.link_all, number) for number in range(LINKERS)]
        creating = [partial(self.create_all, names) for names in (("x", "y"), ("y", "x"))]
        others = [self.merge_pairs, self.erase_some, self.unlink_some, self.answer_the_erased]
        at_once([*upserting, *linking, *creating, *others])

    def tell(self, what, number, response):
        self.told.append(Told(what, number, response))
        return response

    def link(self, name):
        return {"source": self.source, "external_id": str(name)}

    def upsert_all(self, who):
        """By either way, so that each is used by half of the clients for each id."""
        for number in Random(who).sample(range(self.ids), self.ids):
            if puts(who, number):
                self.put(number, {f"a{who}": number})
            else:
                self.qualify(number, {f"q{who}": rating(who, number)})

    def put(self, number, attributes):
        address = f"/v1/prospects/by-external-id/{self.source}/{number}"
        return self.tell("put", number, self.client.put(address, json={"attributes": attributes}))

    def qualify(self, number, ratings):
        sent = {**self.link(number), "question_set": self.question_set, "deal": str(number)}
        return self.tell("qualify", number, self.client.post("/v1/qualify", json=sent | {"ratings": ratings}))

    def who_has(self, number):
        return self.put(number, {}).json()["id"]

    def merge_pairs(self):
        for number in self.merged[::2]:
            one, other = self.who_has(number), self.who_has(number + 1)
            both = at_once(partial(merge, self.client, *pair) for pair in ((one, other), (other, one)))
            for response in both:
                self.tell("merge", number, response)

    def erase_some(self):
        for number in self.erased * 2:
            address = f"/v1/prospects/{self.who_has(number)}"
            self.tell("erase", number, self.client.delete(address))

    def unlink_some(self):
        for number in self.unlinked * 2:
            self.unlink(number, self.who_has(number), number)

    def unlink(self, number, prospect, name):
        address = f"/v1/prospects/{prospect}/links/{self.source}/{name}"
        return self.tell("unlink", number, self.client.delete(address))

    def answer_the_erased(self):
        for number in self.erased * 4:
            address = f"/v1/sessions/{self.qualify(number, {}).json()['session_id']}/answers"
            headers = {"Idempotency-Key": uuid4().hex}
            sent = {"ratings": {"q0": 1 + number % 5}}
            self.tell("answer", number, self.client.patch(address, json=sent, headers=headers))

    def link_all(self, who):
        """All want every link, each for another prospect, and some take it away again."""
        for number in self.lasting:
            for_whom = self.lasting[(number + who * 7) % len(self.lasting)]
            prospect = self.who_has(for_whom)
            added = self.client.post(f"/v1/prospects/{prospect}/links", json=self.link(extra(number)))
            self.tell("link", number, added)
            if added.is_success and is_taken_away(number):
                self.take_away(number)

    def take_away(self, number):
        name = extra(number)
        for prospect in self.owners(name):
            self.unlink(number, prospect, name)

    def owners(self, name) -> Iterator[str]:
        """Whoever has a link, as long as somebody has it."""
        address = f"/v1/prospects/by-external-id/{self.source}/{name}"
        while (found := self.client.get(address)).status_code != 404:
            yield ok(found)["id"]

    def create_all(self, names):
        """Two create prospects with the same two links, named the other way round."""
        for number in range(self.ids):
            links = [self.link(f"{name}-{number}") for name in names]
            self.tell("create", number, self.client.post("/v1/prospects", json={"links": links}))


def puts(who, number):
    return (who + number) % 2 == 0


def rating(who, number):
    return 1 + (who + number) % 5


def extra(number):
    return f"extra-{number}"


def is_taken_away(number):
    return number % 3 == 0
