"""Remember which values each link sent last, so that a repeated value is not taken for a new one.

The values of one part of a link are stored together: those of the prospect itself, or those about one deal,
assessor and question set. The row of a part belongs to the prospect, which the caller has locked.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlmodel import SQLModel, or_

from app.db import Transaction, insert_or_replace
from app.prospects.queries import LINK_TABLE, LinkKey, find_link
from app.prospects.schemas import Link
from app.prospects.tables import Prospect

TABLE = SQLModel.metadata.tables["received_values"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The field of the prospect's name. No attribute has an empty name.
NAME_FIELD = ""
# A longer text is remembered as a hash, because it only has to be compared.
MAX_REMEMBERED_TEXT = 24
SELECT_PARTS = select(
    *(TABLE.c[name] for name in ("deal", "assessor", "question_set", "opened_on", "fields"))
)
SELECT_OF_LINK = SELECT_PARTS.where(
    TABLE.c.source == bindparam("source"),
    TABLE.c.match_key == bindparam("match_key"),
    or_(
        TABLE.c.question_set == "",
        (TABLE.c.deal == bindparam("deal")) & (TABLE.c.assessor == bindparam("assessor")),
    ),
)
SELECT_OF_ALL_LINKS = (
    select(TABLE.c.source, TABLE.c.match_key, TABLE.c.fields)
    .join(LINK_TABLE, (LINK_TABLE.c.source == TABLE.c.source) & (LINK_TABLE.c.match_key == TABLE.c.match_key))
    .where(LINK_TABLE.c.prospect_id == bindparam("prospect"), TABLE.c.question_set == "")
)
SELECT_OF_PROSPECTS = select(TABLE.c.source, TABLE.c.match_key, TABLE.c.fields).where(
    # Two conditions, because SQLite scans all rows if it compares pairs.
    TABLE.c.source.in_(bindparam("sources", expanding=True)),
    TABLE.c.match_key.in_(bindparam("match_keys", expanding=True)),
    TABLE.c.question_set == "",
)


class Part(NamedTuple):
    """Which values of a link belong together. Each field is '' if it has no value.

    `question_set` is a key. It is '' for the name and the attributes of the prospect. `opened_on` is the day
    that a row of a file names.
    """

    deal: str = ""
    assessor: str = ""
    question_set: str = ""
    opened_on: str = ""


OF_PROSPECT = Part()


@dataclass(slots=True)
class Received:
    """The values that were last received in one part of a link, by field.

    An entry is a list of the value, the time in microseconds since 1970 or None, and perhaps more values that
    belong to it. `changed` says whether an entry differs from the stored ones.
    """

    entries: dict[str, list[Any]] = field(default_factory=dict)
    changed: bool = False

    def repeats(self, name: str, value: Any, *more: Any) -> bool:
        """Whether a value is the last one that was received. A None among `more` is not compared."""
        entry = self.entries.get(name)
        if entry is None or not is_same(entry[0], _remembered(value)):
            return False
        for place, new in enumerate(more, start=2):
            if new is not None and (place >= len(entry) or _remembered(new) != entry[place]):
                return False
        return True

    def remember(self, name: str, value: Any, at: datetime | None, *more: Any) -> None:
        """Store a value as the last one, with the time at which it was given, or None if others gave it."""
        entry = [_remembered(value), None if at is None else _microseconds(at), *map(_remembered, more)]
        while entry[-1] is None:
            entry.pop()
        self._replace(name, entry)

    def set_time(self, name: str, at: datetime) -> None:
        """Change the time of the last value."""
        entry = self.entries[name]
        self._replace(name, [entry[0], _microseconds(at), *entry[2:]])

    def _replace(self, name: str, entry: list[Any]) -> None:
        if self.entries.get(name) != entry:
            self.entries[name] = entry
            self.changed = True

    def forget(self, *names: str) -> None:
        """Remove entries: whatever is received next differs from the last value."""
        for name in names:
            if self.entries.pop(name, None) is not None:
                self.changed = True

    def mark_overwritten(self, name: str) -> None:
        """Note that the link has not set the current value, if there is an entry."""
        if self._time(name) is not None:
            self.entries[name][1] = None
            self.changed = True

    def is_older(self, name: str, at: datetime) -> bool:
        """Whether a time is before that of the last value."""
        stored = self._time(name)
        return stored is not None and _microseconds(at) < stored

    def has_set(self, name: str, value: Any, at: datetime | None = None) -> bool:
        """Whether the link itself has set the current value. Answers are compared by their time too."""
        time = self._time(name)
        return time is not None and self.repeats(name, value) and (at is None or time == _microseconds(at))

    def set_at(self, name: str, value: Any) -> datetime | None:
        """Return when the link itself has set the current value; None if it has not."""
        time = self._time(name)
        return None if time is None or not self.has_set(name, value) else EPOCH + timedelta(microseconds=time)

    def _time(self, name: str) -> int | None:
        entry = self.entries.get(name, [])
        return entry[1] if len(entry) > 1 else None


@dataclass(slots=True)
class ReceivedFromLink:
    """What was received from one link, a (source, match key), by part."""

    link: LinkKey
    parts: dict[Part, Received] = field(default_factory=dict)

    def part(self, part: Part) -> Received:
        """Return what was received in a part."""
        return self.parts.setdefault(part, Received())

    def save(self, tx: Transaction) -> None:
        """Store the parts that have changed. The link is stored already."""
        save_all(tx, [self])


def load(tx: Transaction, link: LinkKey, deal: str = "", assessor: str = "") -> ReceivedFromLink:
    """Return what was received from a link, a (source, match key), about its prospect and about a deal."""
    source, match_key = link
    parameters = {"source": source, "match_key": match_key, "deal": deal, "assessor": assessor}
    rows = tx.run(SELECT_OF_LINK, parameters)
    return ReceivedFromLink(link, {Part(*part): Received(fields) for *part, fields in rows})


def load_of_prospects(tx: Transaction, links: Collection[LinkKey]) -> dict[LinkKey, Received]:
    """Return what was received from each of these links about its prospect, in one statement."""
    parameters = {"sources": {source for source, _ in links}, "match_keys": {key for _, key in links}}
    rows = tx.sql.execute(SELECT_OF_PROSPECTS, parameters)
    return {(source, match_key): Received(fields) for source, match_key, fields in rows}


class Origin(NamedTuple):
    """When a value was set, and by what: the link to the system `source`, or the person `entered_by`.

    If a key that belongs to nobody set the value, `entered_by` is the name of the key.
    """

    at: datetime
    source: str | None = None
    entered_by: str | None = None


def origins(tx: Transaction, prospect: Prospect) -> dict[str, Origin]:
    """Return the origin of each attribute of a prospect."""
    entered = {
        name: Origin(datetime.fromisoformat(one["at"]), entered_by=one["by"])
        for name, one in prospect.entered.items()
    }
    from_links = {
        name: Origin(at, source=source)
        for source, _, entries in tx.run(SELECT_OF_ALL_LINKS, {"prospect": prospect.id})
        for name, value in prospect.attributes.items()
        if (at := Received(entries).set_at(name, value))
    }
    return from_links | entered


def save_all(tx: Transaction, links: Sequence[ReceivedFromLink]) -> None:
    """Store the parts of several links that have changed, in one statement. The links are stored already."""
    rows = [
        {
            "source": from_link.link[0],
            "match_key": from_link.link[1],
            **part._asdict(),
            "fields": received.entries,
        }
        for from_link in links
        for part, received in from_link.parts.items()
        if received.changed
    ]
    if rows:
        insert_or_replace(tx, TABLE, rows)


def mark_overwritten(
    tx: Transaction, prospect_id: UUID, fields: AbstractSet[str], by: LinkKey | None = None
) -> None:
    """Note that these values of a locked prospect come from none of its links but `by`."""
    links = []
    for source, match_key, entries in tx.run(SELECT_OF_ALL_LINKS, {"prospect": prospect_id}):
        if (source, match_key) != by:
            received = Received(entries)
            for name in fields & entries.keys():
                received.mark_overwritten(name)
            links.append(ReceivedFromLink((source, match_key), {OF_PROSPECT: received}))
    save_all(tx, links)


def rows_with_new_keys(tx: Transaction, source: str, keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what was received from links of a source, with other match keys.

    `keys` has the new match keys by the old ones, and the rows have their order. They disappear when their
    links are deleted, and can be inserted again afterwards.
    """
    if not keys:
        return []
    rows = tx.sql.execute(select(TABLE).where(TABLE.c.source == source).execution_options(yield_per=1000))
    places = {key: place for place, key in enumerate(keys)}
    found = [row._asdict() for row in rows if row.match_key in keys]
    found.sort(key=lambda row: places[row["match_key"]])
    return [{**row, "match_key": keys[row["match_key"]]} for row in found]


def remember_written(tx: Transaction, link: Link, part: Part, values: Mapping[str, Any]) -> None:
    """Count values that a record update wrote to a link as received from it, so that it may echo them.

    `values` has a rating, a state, or another value by the name of its field in a flat form; None forgets the
    last value. In the part OF_PROSPECT they are its `name` and attributes. Locks the prospect. A link that
    no longer exists is left out.
    """
    found = find_link(tx, link, lock=True)
    if found is None:
        return
    from_link = load(tx, (link.source, found.match_key), part.deal, part.assessor)
    received = from_link.part(part)
    for name, value in values.items():
        field_name = NAME_FIELD if part == OF_PROSPECT and name == "name" else name
        if value is None:
            received.forget(field_name)
        elif not received.repeats(field_name, value):
            # Only answers are compared by time. Of other values, the link has not set what it was sent.
            received.remember(field_name, value, None if part == OF_PROSPECT else tx.at)
    from_link.save(tx)


def _remembered(value: Any) -> Any:
    """Return a value as it is stored: a long text as its hash."""
    if isinstance(value, str) and (len(value) > MAX_REMEMBERED_TEXT or value.startswith("#")):
        return "#" + blake2b(value.encode(), digest_size=8).hexdigest()
    return value


def is_same(first: Any, second: Any) -> bool:
    """Whether two values are the same. Python treats true and 1 as equal."""
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def _microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
