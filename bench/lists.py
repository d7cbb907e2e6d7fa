"""How much longer lists take with more sessions: python -m bench.lists SMALL_URL LARGE_URL [PART_OF_A_PATH]

`bench.fill` fills the two databases. Each read is sent to both of them alternately, so that other
programs slow both down. On a busy machine, the ratio of one read is not reliable:
`tests/api/test_list_growth.py` compares the work instead.
"""

import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import httpx

from bench.server import BENCH_KEY, serving
from bench.table import Measure, print_table

ROUNDS = 31
GOAL = "≤ 1.3, 1.1"
SORTS = ("newest", "ranked", "revisit_on", "updated_at", "name")
# The values of filters: frequent ones, rare ones, and one that nothing has.
SESSION_FILTERS: tuple[Mapping[str, str], ...] = (
    {},
    {"status": "open"},
    {"status": "closed"},
    {"indication": "fit"},
    {"indication": "no_fit"},
    {"indication": "unscorable"},
    {"leaning": "fit"},
    {"leaning": "no_fit"},
    {"decision": "nurture"},
    {"decision": "disqualify"},
    {"outcome": "won"},
    {"question_set": "bant"},
    {"question_set": "meddpicc@1"},
    {"question_set": "qualifying-a-sale"},
    {"subject": "person"},
    {"has_blocker": "true"},
    {"has_blocker": "false"},
    {"actor": "ada"},
    {"actor": "nobody"},
    {"deal": "D8"},
    {"deal": "none"},
    {"assessor": "ada"},
    {"assessor": "nobody"},
    {"revisit_before": "2027-01-01"},
    {"revisit_before": "2027-06-01"},
    {"changed_since": "{recently}"},
    {"changed_since": "2000-01-01T00:00:00Z"},
    {"indication_changed_since": "{recently}"},
    {"indication_changed_since": "2000-01-01T00:00:00Z"},
    {"prospect_id": "{prospect_id}"},
    {"status": "open", "question_set": "meddpicc"},
    {"indication": "fit", "actor": "ada"},
    {"decision": "nurture", "revisit_before": "2027-06-01"},
    {"outcome": "won", "deal": "D8"},
)
PROSPECT_FILTERS: tuple[Mapping[str, str], ...] = (
    {},
    {"q": "har wor"},
    {"q": "works"},
    {"q": "mueller"},
    {"q": "{rare_word}"},
    {"q": "har {rare_word}"},
    {"q": "{external_id}"},
    {"q": "nothing"},
    {"source": "crm.accounts"},
    {"source": "crm.rare"},
    {"source": "crm.none"},
    {"updated_since": "{recently}"},
    {"updated_since": "2000-01-01T00:00:00Z"},
    {"subject": "person"},
    {"q": "works", "source": "crm.rare"},
)
OTHER_READS = (
    "/v1/prospects/{prospect_id}",
    "/v1/prospects/{prospect_id}/fit",
    "/v1/prospects/by-external-id/crm.accounts/{external_id}/fit",
    "/v1/sessions/{session_id}",
    "/v1/sessions/{session_id}/history",
    "/v1/events?after=0",
    "/v1/events?after=0&types=outcome.recorded",
    "/v1/events?after=0&types=prospect.merged",
    "/v1/events?after=latest",
    "/v1/events/latest",
    "/v1/events/latest?types=prospect.*",
    "/v1/events/latest?types=decision.recorded,outcome.recorded",
    "/v1/events/latest?types=prospect.merged",
)


def reads() -> Iterator[str]:
    """Yield the paths of all reads, with names in braces for what differs between databases."""
    for filters in SESSION_FILTERS:
        for sort in SORTS:
            yield _path("/v1/sessions", {**filters, "sort": sort})
    for filters in PROSPECT_FILTERS:
        yield _path("/v1/prospects", filters)
    yield from OTHER_READS


def _path(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query, safe='{}')}" if query else path


class Reader:
    """A client of one service, which knows something that is in its database."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"X-API-Key": BENCH_KEY}, timeout=60)
        session = self.get("/v1/sessions?limit=200")["items"][-1]
        prospect = self.get(f"/v1/prospects/{session['prospect_id']}")
        named = self.get("/v1/prospects?q=1&limit=1")["items"][0]
        linked = self.get("/v1/prospects?source=crm.accounts&limit=1")["items"][0]
        self._known = {
            "session_id": session["session_id"],
            "prospect_id": prospect["id"],
            "rare_word": named["name"].split()[-1],
            "external_id": linked["links"][0]["external_id"],
            "recently": session["updated_at"],
        }

    def get(self, address: str) -> Any:
        response = self._client.get(address)
        response.raise_for_status()
        return response.json()

    def addresses(self, read: str) -> list[str]:
        """Return the address of a read and, if there is one, of its second page."""
        first = re.sub(r"\{(\w+)\}", lambda match: self._known[match[1]], read)
        found = self.get(first)
        following = found.get("next") if isinstance(found, dict) else None
        return [first, following] if following else [first]

    def seconds(self, address: str) -> float:
        """Return how long a read takes."""
        started = time.perf_counter()
        self._client.get(address)
        return time.perf_counter() - started


def measures(small_url: str, large_url: str, only: str = "") -> Iterator[Measure]:
    """Yield the median time of each read in the larger database, compared with the smaller one."""
    with ExitStack() as stack:
        small, large = (Reader(stack.enter_context(serving(url)).url) for url in (small_url, large_url))
        for read in reads():
            if only not in read:
                continue
            addresses = zip(small.addresses(read), large.addresses(read), strict=False)
            for page, (in_small, in_large) in enumerate(addresses, start=1):
                times = [(small.seconds(in_small), large.seconds(in_large)) for _ in range(ROUNDS)]
                medians = [statistics.median(column) * 1000 for column in zip(*times, strict=True)]
                yield Measure(
                    f"{read.removeprefix('/v1')}{', page 2' if page > 1 else ''}",
                    f"{medians[1]:.1f} ms",
                    f"{medians[0]:.1f} ms in the small one",
                    medians[1] / medians[0],
                    GOAL,
                )


if __name__ == "__main__":
    print_table(measures(*sys.argv[1:]))
