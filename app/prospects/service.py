"""Create, change, link, merge and erase prospects."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import col, delete, select, update

from app.clock import new_id
from app.db import Transaction, dialect_of, insert_into, insert_new, lock_table_for_insert, new_untracked
from app.events.service import (
    EventSubject,
    erase_events,
    record_events,
    record_events_of_many,
    set_event_subject,
)
from app.events.tables import EventType
from app.problems import (
    LINK_TAKEN,
    Problem,
    invalid_field,
    missing,
    require_revision,
)
from app.prospects import received as received_values
from app.prospects.queries import (
    LINK_TABLE,
    MATCH_KEY,
    PROSPECT_TABLE,
    LinkKey,
    find_by_link,
    find_ids_by_link,
    find_link,
    links_of,
    match_key_parameters,
    match_keys,
    sources_with_aliases,
    translate_values,
)
from app.prospects.received import NAME_FIELD, OF_PROSPECT, Received, ReceivedFromLink, is_same
from app.prospects.schemas import (
    Link,
    NewProspect,
    ProspectChange,
)
from app.prospects.search import insert_terms, replace_terms
from app.prospects.tables import Prospect, ProspectLink
from app.schemas import MAX_ATTRIBUTES, searchable
from app.scoring import Subject

MAX_LINKS = 50
INSERT_PROSPECT = PROSPECT_TABLE.insert()
SET_SUBJECT = (
    PROSPECT_TABLE.update()
    .where(PROSPECT_TABLE.c.id == bindparam("created"))
    .values(subject=bindparam("subject"))
)
UPDATE_PROSPECT = PROSPECT_TABLE.update().where(PROSPECT_TABLE.c.id == bindparam("changed"))
# The columns that a new revision of a prospect can change.
CHANGING = ("name", "searchable", "attributes", "entered", "revision", "updated_at")
DELETE_PROSPECT = PROSPECT_TABLE.delete().where(PROSPECT_TABLE.c.id == bindparam("deleted"))


def create(tx: Transaction, new: NewProspect, entered_by: str) -> Prospect:
    """Create a prospect with its links. Raises LINK_TAKEN if another prospect has one of them."""
    prospect = _insert(tx, new.name, new.attributes, entered_by)
    # Links are inserted in one order, so that two transactions that insert the same links cannot deadlock.
    for link in sorted(new.links, key=lambda link: link.key):
        _insert_link(tx, prospect, link)
    _record_event(tx, prospect, "prospect.created")
    return prospect


@dataclass(frozen=True, slots=True)
class Upserted:
    """A locked prospect, what an upsert did to it, and what its link sent before, which is not saved yet."""

    prospect: Prospect
    is_created: bool
    is_changed: bool
    from_link: ReceivedFromLink


def upsert(
    tx: Transaction,
    link: Link,
    change: ProspectChange,
    deal: str = "",
    assessor: str = "",
    *,
    is_translated: bool = False,
) -> Upserted:
    """Create or change the prospect with a link, and lock it.

    Values that are aliases of the source are translated, unless `is_translated` says that they are. A value
    that the link repeats changes nothing, and a null removes only what the link itself has set. The caller
    saves the `from_link` of the result, which also has the received values about the deal and the assessor.
    Raises STALE_REVISION.
    """
    while True:
        found = find_link(tx, link, lock=True)
        if not is_translated and (found is None or found.has_aliases):
            attributes = translate_values(tx, link.source, change.attributes)
            change, is_translated = change.model_copy(update={"attributes": attributes}), True
        if found:
            prospect = found.prospect
            from_link = received_values.load(tx, (link.source, found.match_key), deal, assessor)
            new_values = _new_values(tx, from_link.part(OF_PROSPECT), change, prospect)
            is_changed = apply_change(tx, prospect, new_values, by=from_link.link)
            return Upserted(prospect, is_created=False, is_changed=is_changed, from_link=from_link)
        created = _insert(tx, change.name, change.attributes)
        if match_key := _insert_link_if_new(tx, created, link):
            _record_event(tx, created, "prospect.created")
            from_link = _received_at_creation(tx, (link.source, match_key), created)
            return Upserted(created, is_created=True, is_changed=True, from_link=from_link)
        # Another transaction has created the prospect meanwhile, so this one is not needed.
        tx.run(DELETE_PROSPECT, {"deleted": created.id})


def _received_at_creation(tx: Transaction, link: LinkKey, created: Prospect) -> ReceivedFromLink:
    """Return what was received from a link, a (source, match key), that created a prospect."""
    from_link = ReceivedFromLink(link)
    received = from_link.part(OF_PROSPECT)
    if created.name is not None:
        received.remember(NAME_FIELD, created.name, tx.at)
    for name, value in created.attributes.items():
        received.remember(name, value, tx.at)
    return from_link


def _new_values(
    tx: Transaction, received: Received, change: ProspectChange, prospect: Prospect
) -> ProspectChange:
    """Return a change of a prospect without what its link repeats, and remember the rest."""
    attributes = {
        name: value
        for name, value in change.attributes.items()
        if _is_new_value(tx, received, name, value, prospect.attributes.get(name))
    }
    new_values: dict[str, Any] = {"attributes": attributes, "revision": change.revision}
    if change.has_name and _is_new_value(tx, received, NAME_FIELD, change.name, prospect.name):
        new_values["name"] = change.name
    return ProspectChange.model_construct(**new_values)


def _is_new_value(tx: Transaction, received: Received, name: str, value: Any, current: Any) -> bool:
    """Whether a value differs from the last one that was received, which it then becomes.

    A null is new if the link itself has set the current value.
    """
    if value is None:
        is_own = received.has_set(name, current)
        received.forget(name)
        return is_own
    if received.repeats(name, value):
        return False
    received.remember(name, value, None if is_same(value, current) else tx.at)
    return True


def apply_change(tx: Transaction, prospect: Prospect, change: ProspectChange, by: LinkKey | str) -> bool:
    """Change a locked prospect. Return whether anything changed. Raises STALE_REVISION.

    `by` is the link that sent the change, as (source, match key), or the name of the author who entered it.
    """
    if change.revision is not None:
        require_revision("prospect", prospect.revision, change.revision)
    name, attributes = _changed_values(prospect, change)
    if _is_unchanged(prospect, name, attributes):
        return False
    changed = _changed_fields(prospect, name, attributes)
    entered_by, link = (by, None) if isinstance(by, str) else (None, by)
    received_values.mark_overwritten(tx, prospect.id, changed, link)
    _rename(tx, prospect, name)
    prospect.attributes = attributes
    kept = {name: origin for name, origin in prospect.entered.items() if name not in changed}
    prospect.entered = kept | _entered(tx, changed & attributes.keys(), entered_by)
    save_revision(tx, prospect, "prospect.updated")
    return True


def _rename(tx: Transaction, prospect: Prospect, name: str | None) -> None:
    """Change the name of a locked prospect, and the words by which it is found. The caller stores the row."""
    if name != prospect.name:
        replace_terms(tx, prospect.id, prospect.name, name)
        prospect.name, prospect.searchable = name, searchable(name or "")


def set_subject(tx: Transaction, prospect: Prospect, subject: Subject) -> None:
    """Set the subject of a new prospect and of the events about it.

    The list of prospects and the feed show the subject "prospect" by default.
    """
    if prospect.subject != subject:
        prospect.subject = subject
        tx.run(SET_SUBJECT, {"created": prospect.id, "subject": subject})
        set_event_subject(tx, prospect.id, subject)


def add_link(tx: Transaction, prospect: Prospect, link: Link) -> None:
    """Add a link to a locked prospect. A link that it already has changes nothing.

    Raises LINK_TAKEN if another prospect has the link.
    """
    if _insert_link(tx, prospect, link):
        save_revision(tx, prospect, "prospect.linked")


def remove_link(tx: Transaction, prospect: Prospect, link: Link) -> None:
    """Remove a link from a locked prospect. Raises NOT_FOUND if it has no such link."""
    source, key = match_keys(tx, [link.key])[link.key]
    removed = tx.db.exec(
        delete(ProspectLink).where(
            col(ProspectLink.prospect_id) == prospect.id,
            col(ProspectLink.source) == source,
            col(ProspectLink.match_key) == key,
        )
    )
    if removed.rowcount == 0:
        raise missing("such link on this prospect")
    save_revision(tx, prospect, "prospect.unlinked")


def merge(tx: Transaction, target: Prospect, other: Prospect) -> None:
    """Give `target` the links of `other`, and the name and attributes that it lacks. Both are locked.

    Where both have a value, `target` keeps its own. The caller deletes `other`. Raises INVALID_REQUEST if
    `target` would have too many links or attributes.
    """
    own = {
        name for name, value in {NAME_FIELD: target.name, **target.attributes}.items() if value is not None
    }
    # Even if the values are the same, the links of `other` have not set those that stay.
    received_values.mark_overwritten(tx, other.id, own)
    tx.db.exec(
        update(ProspectLink).where(col(ProspectLink.prospect_id) == other.id).values(prospect_id=target.id)
    )
    _require_room_for_links(tx, target)
    _rename(tx, target, target.name or other.name)
    taken = {name: origin for name, origin in other.entered.items() if name not in target.attributes}
    target.attributes = _merged_attributes(other.attributes, target.attributes)
    target.entered = taken | target.entered
    save_revision(tx, target, "prospect.merged", merged_prospect_id=str(other.id))


def erase(tx: Transaction, prospect: Prospect) -> None:
    """Delete a locked prospect and the events about it. Only the event `prospect.erased` remains."""
    delete_row(tx, prospect)
    erase_events(tx, prospect.id)
    _record_event(tx, prospect, "prospect.erased")


def delete_row(tx: Transaction, prospect: Prospect) -> None:
    """Delete the row of a prospect, and with it its links. The events about it remain."""
    tx.run(DELETE_PROSPECT, {"deleted": prospect.id})


def _insert(
    tx: Transaction, name: str | None, attributes: Mapping[str, Any], entered_by: str | None = None
) -> Prospect:
    prospect = _new_prospect(tx, name, attributes)
    prospect.entered = _entered(tx, prospect.attributes, entered_by)
    tx.run(INSERT_PROSPECT, prospect.model_dump())
    insert_terms(tx, [prospect])
    return prospect


def _new_prospect(tx: Transaction, name: str | None, attributes: Mapping[str, Any]) -> Prospect:
    """Return a new prospect that is not stored yet."""
    values = {
        "id": new_id(),
        "name": name,
        "searchable": searchable(name or ""),
        "attributes": _merged_attributes({}, attributes),
        "created_at": tx.at,
        "updated_at": tx.at,
    }
    return new_untracked(Prospect, values)


def _entered(tx: Transaction, attributes: Iterable[str], by: str | None) -> dict[str, Any]:
    """Return who enters these attributes now, and when, by name; empty without `by`: a link sets them."""
    return {name: {"by": by, "at": tx.at.isoformat()} for name in attributes} if by else {}


def _insert_link(tx: Transaction, prospect: Prospect, link: Link) -> bool:
    """Insert a link. Return whether it is new. Raises LINK_TAKEN if another prospect has it."""
    while not _insert_link_if_new(tx, prospect, link):
        # If the link was removed in this moment, it has no owner any more, and the insert is tried again.
        if owner := find_by_link(tx, link):
            if owner.id != prospect.id:
                raise Problem(LINK_TAKEN, f"Prospect {owner.id} already has that link.")
            return False
    _require_room_for_links(tx, prospect)
    return True


def _insert_link_if_new(tx: Transaction, prospect: Prospect, link: Link) -> str | None:
    """Insert a link, and return its match key. Returns None if the link exists.

    The statement takes its lock of the table before it reads the rule of the source: see `lock_table`.
    """
    row = {
        "source": link.source,
        "external_id": link.external_id,
        "prospect_id": prospect.id,
        "linked_at": tx.at,
    }
    inserted = tx.run(_insert_new_link(dialect_of(tx)), row | match_key_parameters(link))
    return inserted[0][0] if inserted else None


@cache
def _insert_new_link(dialect: str) -> Any:
    """Return the statement of `_insert_link_if_new`, built once."""
    insert = insert_into(LINK_TABLE, dialect).values(match_key=MATCH_KEY).on_conflict_do_nothing()
    return insert.returning(LINK_TABLE.c.match_key)


def save_revision(tx: Transaction, prospect: Prospect, event: EventType, **data: str) -> None:
    """Store a changed prospect as its next revision, and record the event."""
    prospect.revision += 1
    prospect.updated_at = tx.at
    values = {name: getattr(prospect, name) for name in CHANGING}
    tx.run(UPDATE_PROSPECT, {"changed": prospect.id, **values})
    _record_event(tx, prospect, event, **data)


def _record_event(tx: Transaction, prospect: Prospect, event: EventType, **data: str) -> None:
    about = EventSubject(
        prospect_id=prospect.id,
        subject=prospect.subject,
        revision=prospect.revision,
        data=data,
    )
    record_events(tx, about, [event])


def _merged_attributes(stored: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes after a change, without those that were sent as null.

    Raises INVALID_REQUEST if there are too many.
    """
    merged = {name: value for name, value in {**stored, **sent}.items() if value is not None}
    if len(merged) > MAX_ATTRIBUTES:
        detail = f"a prospect has at most {MAX_ATTRIBUTES} attributes: send null to remove some"
        raise invalid_field("/attributes", "too_long", detail)
    return merged


def _changed_values(prospect: Prospect, change: ProspectChange) -> tuple[str | None, dict[str, Any]]:
    """Return the name and the attributes after a change. Raises INVALID_REQUEST for too many attributes."""
    name = change.name if change.has_name else prospect.name
    return name, _merged_attributes(prospect.attributes, change.attributes)


def _is_unchanged(prospect: Prospect, name: str | None, attributes: Mapping[str, Any]) -> bool:
    """Whether a prospect already has this name and exactly these attributes."""
    return name == prospect.name and same_attributes(attributes, prospect.attributes)


def _changed_fields(prospect: Prospect, name: str | None, attributes: Mapping[str, Any]) -> set[str]:
    """Return the fields whose values a change replaces, by the names of received values."""
    before = {NAME_FIELD: prospect.name, **prospect.attributes}
    after = {NAME_FIELD: name, **attributes}
    return {key for key in before.keys() | after.keys() if not is_same(before.get(key), after.get(key))}


def same_attributes(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two sets of attributes have the same names and values. The values true and 1 differ."""
    return first.keys() == second.keys() and all(is_same(first[name], second[name]) for name in first)


def _require_room_for_links(tx: Transaction, prospect: Prospect) -> None:
    if len(links_of(tx, [prospect.id])[prospect.id]) > MAX_LINKS:
        detail = f"a prospect has at most {MAX_LINKS} links: remove links that are no longer used"
        raise invalid_field("", "too_long", detail)


def _link_rows(tx: Transaction, links: Sequence[tuple[Prospect, Link]]) -> list[dict[str, Any]]:
    """Return the rows of new links. Until the transaction ends, the rules of their sources do not change."""
    lock_table_for_insert(tx, ProspectLink)
    keys = match_keys(tx, [link.key for _, link in links])
    return [
        {
            "source": link.source,
            "match_key": keys[link.key][1],
            "external_id": link.external_id,
            "prospect_id": prospect.id,
            "linked_at": tx.at,
        }
        for prospect, link in links
    ]


@dataclass(frozen=True, slots=True, order=True)
class LockOrder:
    """The place of a prospect in the order in which a transaction locks several ones.

    Known prospects come first, by their id, as in a merge. New ones come last, by their link. Transactions
    that lock several prospects in this order cannot deadlock.
    """

    is_new: bool
    place: LinkKey


def lock_orders(tx: Transaction, links: Iterable[LinkKey]) -> dict[LinkKey, LockOrder]:
    """Return the lock order of the prospect with each link, a (source, external id)."""
    keys = match_keys(tx, set(links))
    ids = find_ids_by_link(tx, keys)
    return {
        link: LockOrder(is_new=False, place=(str(ids[link]), ""))
        if link in ids
        else LockOrder(is_new=True, place=key)
        for link, key in keys.items()
    }


def create_many(tx: Transaction, new: Sequence[tuple[Link, ProspectChange]]) -> set[LinkKey]:
    """Create a prospect for each of several new links, as `upsert` does, in a few statements.

    Returns the links, as (source, external id), whose prospects were created. A link is left out if an
    earlier one is the same, or if another transaction has inserted it meanwhile.
    """
    if not new:
        return set()
    changes = [change for _, change in _translated_changes(tx, new)]
    prospects = [_new_prospect(tx, change.name, change.attributes) for change in changes]
    links = [link for link, _ in new]
    rows: dict[LinkKey, tuple[Prospect, Link, dict[str, Any]]] = {}
    for prospect, link, row in zip(
        prospects, links, _link_rows(tx, list(zip(prospects, links, strict=True))), strict=True
    ):
        rows.setdefault((row["source"], row["match_key"]), (prospect, link, row))
    # Links are inserted in one order, so that two transactions that insert the same ones cannot deadlock.
    first = dict(sorted(rows.items()))
    tx.insert_rows(INSERT_PROSPECT, [prospect.model_dump() for prospect, _, _ in first.values()])
    inserted = insert_new(tx, ProspectLink, [row for _, _, row in first.values()])
    unused = [prospect.id for key, (prospect, _, _) in first.items() if key not in inserted]
    if unused:
        tx.sql.execute(PROSPECT_TABLE.delete().where(PROSPECT_TABLE.c.id.in_(unused)))
    created = [(prospect, link) for key, (prospect, link, _) in first.items() if key in inserted]
    insert_terms(tx, (prospect for prospect, _ in created))
    received_values.save_all(
        tx, [_received_at_creation(tx, key, first[key][0]) for key in first if key in inserted]
    )
    record_events_of_many(
        tx, [(EventSubject(prospect_id=p.id, revision=p.revision), "prospect.created") for p, _ in created]
    )
    return {link.key for _, link in created}


def find_unchanged(tx: Transaction, changes: Sequence[tuple[Link, ProspectChange]]) -> set[LinkKey]:
    """Return the links, as (source, external id), for which `upsert` would change and remember nothing.

    All known prospects are locked, in one statement and in the order of their ids. A link that occurs more
    than once is left out.
    """
    if not changes:
        return set()
    keys = match_keys(tx, {link.key for link, _ in changes})
    counts = Counter(keys[link.key] for link, _ in changes)
    statement = (
        select(Prospect, ProspectLink)
        .join(ProspectLink, col(ProspectLink.prospect_id) == col(Prospect.id))
        # Two conditions, because SQLite scans all rows if it compares pairs.
        .where(col(ProspectLink.source).in_({source for source, _ in counts}))
        .where(col(ProspectLink.match_key).in_({key for _, key in counts}))
        .order_by(col(Prospect.id))
        .with_for_update(of=[Prospect, ProspectLink], key_share=True)
    )
    found = {(link.source, link.match_key): prospect for prospect, link in tx.db.exec(statement)}
    received_by_link = received_values.load_of_prospects(tx, found)
    unchanged = set()
    for link, change in _translated_changes(tx, changes):
        prospect = found.get(keys[link.key])
        if prospect and counts[keys[link.key]] == 1:
            received = received_by_link.get(keys[link.key], Received())
            new_values = _new_values(tx, received, change, prospect)
            with suppress(Problem):  # `upsert` raises it again
                if not received.changed and _is_unchanged(prospect, *_changed_values(prospect, new_values)):
                    unchanged.add(link.key)
    return unchanged


def _translated_changes(
    tx: Transaction, changes: Sequence[tuple[Link, ProspectChange]]
) -> Iterator[tuple[Link, ProspectChange]]:
    """Yield each change with the value aliases of its source translated."""
    with_aliases = sources_with_aliases(tx, {link.source for link, _ in changes})
    for link, change in changes:
        attributes = change.attributes
        if link.source in with_aliases:
            attributes = translate_values(tx, link.source, attributes)
        yield link, change.model_copy(update={"attributes": attributes})
