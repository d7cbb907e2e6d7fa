"""Generate docs/events.md: every event type with the message that a webhook sends."""

import json
from collections.abc import Iterator, Mapping

from app.events.tables import EVENT_DESCRIPTIONS, EVENT_TYPES
from tools.reference.calls import RecordedCall
from tools.reference.story import Call

EVENTS_HEADER = """\
# Events

`make docs` generates this page from real calls. Every event is an entry of the change
feed (`GET /v1/events`), and is the `data` of a webhook message (`POST /v1/webhooks`). The examples show the
body of a thin message. A full message (`"payload": "full"`) also has the `prospect` and the `session` as they
are when the message is sent, with the score as of the event. Events contain ids and figures, never texts,
names or attributes. `score.*` subscribes to every type that begins with `score.`.

## Follow the feed

To follow the feed, send the `cursor` of each response as `after` in the next request. Begin with `after=0` to
read every event, or with `after=latest` to read only later ones. A cursor is the position and the id of an
event, separated by a dot: `38.01980000-0000-7000-8000-000000000024`. You can make one from any event that you
have received. A position alone is not a cursor.

The feed leaves out events about a person or your own company: those of sessions whose question set has the
`subject` `person` or `own_company`, and those of prospects that were created with such a set. To read them,
send `subject=person` or `subject=own_company`. A webhook gets them if its `question_set` names such a set.

When a prospect is erased, the events about it disappear from the feed. The cursors that name them stay valid.

If the database does not have the event of the cursor at that position, the response is a 410 with the problem
`cursor-gone`. This happens after a backup is restored: the events since the backup no longer exist, and new
events get their positions. Start over in one of these ways:

- Read every event with `after=0`, and skip those whose `id` you have processed. Delete what you derived from
  events that the feed no longer contains.
- Read the newest cursor with `after=latest`. Then read the current state with `GET /v1/prospects` and
  `GET /v1/sessions`, and after that the events after the cursor.

## Receive messages

Messages are signed as [Standard Webhooks](https://www.standardwebhooks.com/) defines it. There are libraries
for most languages.

- `webhook-id` is the id of the event. It stays the same when a message is sent again.
- `webhook-timestamp` is the time of this attempt, in seconds since 1970. Reject messages older than five
  minutes.
- `webhook-signature` is `v1,` followed by the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}` in
  base64. The key is the bytes after `whsec_`, decoded from base64. For a day after the secret changes, the
  header contains two signatures, separated by a space.

Respond with a 2xx status before the timeout (15 seconds by default), and do the work afterwards. After any
other response, the service sends the message again: after 5 seconds, 5 and 30 minutes, and 2, 5, 10, 14, 20
and 24 hours. Each delay can be up to a tenth longer, and together they take more than three days. A `410`
disables the webhook. After a `429`, or a `503` with `Retry-After`, no message is sent until `Retry-After` has
passed. Without it, a `429` means a pause of 2 seconds, which doubles up to 5 minutes if it happens again.
After a `429` the service sends more slowly, at first 8 messages a second or half as many as before, and
twice as many after each minute. The attempt does not count, so a `429` loses no message.

Messages can arrive twice and out of order. Compare `webhook-id` to find messages that you have already
processed, and `revision` to find the newer message about a session. After a backup is restored, messages can
arrive again, with the same `webhook-id`.

If a webhook has as many pending deliveries as the operator allows (10,000 by default), further events wait in
the feed. The service sends them later, and no event is lost. To read them at once, request the feed with
`after={position}.{id}` of the last event that you have.

## Types
"""
BANT_BEST = {"budget": 5, "authority": 5, "need": 5, "timeline": 5}
MORE_CALLS = (
    Call(
        "settle",
        "POST",
        "/v1/qualify",
        {
            "source": "salesforce.account",
            "external_id": "0015g00000XyZ",
            "deal": "0065g00000AbC",
            "question_set": "bant",
            "ratings": BANT_BEST,
        },
        {"settled": "session_id"},
    ),
    Call(
        "reopen",
        "PATCH",
        "/v1/sessions/{settled}/answers",
        {"answers": [{"question": question, "state": "open"} for question in BANT_BEST]},
    ),
)
SAMPLE_CALLS = tuple(
    Call(type_, "GET", f"/v1/webhook-samples?types={type_}&limit=1") for type_ in EVENT_TYPES
)


def events_page(calls: Mapping[str, RecordedCall]) -> str:
    """Return the page, made from the recorded calls of `SAMPLE_CALLS`."""
    return "\n".join([EVENTS_HEADER, *_type_sections(calls)]).rstrip() + "\n"


def _type_sections(calls: Mapping[str, RecordedCall]) -> Iterator[str]:
    yield "| type | meaning |"
    yield "|---|---|"
    yield from (
        f"| [`{type_}`](#{type_.replace('.', '')}) | {EVENT_DESCRIPTIONS[type_]} |" for type_ in EVENT_TYPES
    )
    for type_ in EVENT_TYPES:
        (message,) = json.loads(calls[type_].response)
        yield f"\n## {type_}\n\n{EVENT_DESCRIPTIONS[type_]}\n\n```json"
        yield json.dumps(message, indent=2, ensure_ascii=False)
        yield "```"
