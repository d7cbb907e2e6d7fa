"""Create, change, link, merge and erase prospects; replace value aliases."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import SQLModel, col, delete, select, update

from app.clock import new_id
from app.db import Transaction, insert_if_new, insert_new
from app.events.service import EventSubject, erase_events, record_events, record_events_of_many
from app.events.tables import EventType
from app.problems import LINK_TAKEN, Problem, invalid_field, missing, require_revision
from app.prospects.queries import find_by_link, links_of, list_aliases, sources_with_aliases, translate_values
from app.prospects.schemas import Link, NewProspect, ProspectChange, ValueAliasesOut, ValueAliasIn
from app.prospects.tables import Prospect, ProspectLink, ValueAlias
from app.schemas import MAX_ATTRIBUTES
from app.scoring import Flaw, Flawed, Subject

MAX_LINKS = 50
PROSPECT = SQLModel.metadata.tables["prospect"]
INSERT_ALIASES = SQLModel.metadata.tables["value_alias"].insert()


def create(tx: Transaction, new: NewProspect) -> Prospect:
    """A new prospect with its links; raises LINK_TAKEN."""
    prospect = _insert(tx, new.name, new.attributes)
    # In one order: two that want the same links would else wait for each other in a circle.
    for link in sorted(new.links, key=lambda link: link.key):
        _insert_link(tx, prospect, link)
    _record_event(tx, prospect, "prospect.created")
    return prospect


def upsert(tx: Transaction, link: Link, change: ProspectChange) -> tuple[Prospect, bool, bool]:
    """The prospect behind `link`, created or changed and locked; whether created, whether changed.

    What the source calls by words of its own is translated.
    """
    attributes = translate_values(tx, link.source, change.attributes)
    change = change.model_copy(update={"attributes": attributes})
    while True:
        found = find_by_link(tx, link, lock=True)
        if found:
            return found, False, apply_change(tx, found, change)
        created = _insert(tx, change.name, change.attributes)
        values = _link_row(tx, created, link)
        if insert_if_new(tx, ProspectLink, values):
            _record_event(tx, created, "prospect.created")
            return created, True, True
        # Somebody else created it meanwhile: theirs is the prospect.
        tx.db.delete(created)
        tx.db.flush()


def apply_change(tx: Transaction, prospect: Prospect, change: ProspectChange) -> bool:
    """Change a locked prospect; whether anything changed. Raises STALE_REVISION."""
    if change.revision is not None:
        require_revision("prospect", prospect.revision, change.revision)
    name, attributes = _after_change(prospect, change)
    if _is_unchanged(prospect, name, attributes):
        return False
    prospect.name, prospect.searchable, prospect.attributes = name, _searchable(name), attributes
    flag_modified(prospect, "attributes")  # the ORM, too, would see no change from 1 to true
    _touch(tx, prospect, "prospect.updated")
    return True


def set_subject(tx: Transaction, prospect: Prospect, subject: Subject) -> None:
    """Tell what a new record is about; only prospects are in the lists of prospects."""
    prospect.subject = subject
    tx.db.add(prospect)
    tx.db.flush()


def add_link(tx: Transaction, prospect: Prospect, link: Link) -> None:
    """Link a locked prospect; a link that it has changes nothing. Raises LINK_TAKEN if another one has it."""
    if _insert_link(tx, prospect, link):
        _touch(tx, prospect, "prospect.linked")


def remove_link(tx: Transaction, prospect: Prospect, source: str, external_id: str) -> None:
    """Take a link away from a locked prospect; raises NOT_FOUND."""
    removed = tx.db.exec(
        delete(ProspectLink).where(
            col(ProspectLink.prospect_id) == prospect.id,
            col(ProspectLink.source) == source,
            col(ProspectLink.external_id) == external_id,
        )
    )
    if removed.rowcount == 0:
        raise missing("such link of this prospect")
    _touch(tx, prospect, "prospect.unlinked")


def merge(tx: Transaction, kept: Prospect, other: Prospect) -> None:
    """Give `kept` the links of `other` and the attributes it lacks. Both are locked.

    What `kept` knows goes before what `other` says; the caller removes `other`.
    Raises INVALID_REQUEST where that is more than one prospect may have.
    """
    tx.db.exec(
        update(ProspectLink).where(col(ProspectLink.prospect_id) == other.id).values(prospect_id=kept.id)
    )
    _refuse_too_many_links(tx, kept)
    kept.name = kept.name or other.name
    kept.searchable = _searchable(kept.name)
    kept.attributes = _merged(other.attributes, kept.attributes)
    _touch(tx, kept, "prospect.merged", merged_prospect_id=str(other.id))


def erase(tx: Transaction, prospect: Prospect) -> None:
    """Delete a locked prospect with everything that is stored of it, but that it was erased."""
    remove(tx, prospect)
    erase_events(tx, prospect.id)
    _record_event(tx, prospect, "prospect.erased")


def remove(tx: Transaction, prospect: Prospect) -> None:
    """Delete a prospect that was merged into another; what was told of it stays."""
    tx.db.exec(delete(Prospect).where(col(Prospect.id) == prospect.id))
    tx.db.expunge(prospect)


def _insert(tx: Transaction, name: str | None, attributes: Mapping[str, Any]) -> Prospect:
    prospect = _new_prospect(tx, name, attributes)
    tx.db.add(prospect)
    tx.db.flush()
    return prospect


def _new_prospect(tx: Transaction, name: str | None, attributes: Mapping[str, Any]) -> Prospect:
    """A new prospect, not stored yet."""
    return Prospect(
        id=new_id(),
        name=name,
        searchable=_searchable(name),
        attributes=_merged({}, attributes),
        created_at=tx.at,
        updated_at=tx.at,
    )


def _insert_link(tx: Transaction, prospect: Prospect, link: Link) -> bool:
    """Whether the link is new; raises LINK_TAKEN if another prospect has it."""
    while not insert_if_new(tx, ProspectLink, _link_row(tx, prospect, link)):
        # Nobody has it any more if it was taken away this moment.
        if owner := find_by_link(tx, link):
            if owner.id != prospect.id:
                raise Problem(LINK_TAKEN, f"Prospect {owner.id} has that link.")
            return False
    _refuse_too_many_links(tx, prospect)
    return True


def _touch(tx: Transaction, prospect: Prospect, event: EventType, **data: str) -> None:
    """Write a changed prospect as its next revision, and tell of it."""
    prospect.revision += 1
    prospect.updated_at = tx.at
    tx.db.add(prospect)
    tx.db.flush()
    _record_event(tx, prospect, event, **data)


def _record_event(tx: Transaction, prospect: Prospect, event: EventType, **data: str) -> None:
    record_events(tx, EventSubject(prospect_id=prospect.id, revision=prospect.revision, data=data), [event])


def _merged(known: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    merged = {k: v for k, v in {**known, **sent}.items() if v is not None}
    if len(merged) > MAX_ATTRIBUTES:
        raise invalid_field("/attributes", "too_long", f"a prospect has at most {MAX_ATTRIBUTES} attributes")
    return merged


def _after_change(prospect: Prospect, change: ProspectChange) -> tuple[str | None, dict[str, Any]]:
    """The name and the attributes after a change; raises INVALID_REQUEST for too many."""
    name = change.name if change.renames else prospect.name
    return name, _merged(prospect.attributes, change.attributes)


def _is_unchanged(prospect: Prospect, name: str | None, attributes: Mapping[str, Any]) -> bool:
    """Whether a prospect has this name and these attributes."""
    return name == prospect.name and same_attributes(attributes, prospect.attributes)


def same_attributes(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether attributes have the same names and values, of the same types."""
    return _typed(some) == _typed(others)


def _typed(attributes: Mapping[str, Any]) -> dict[str, tuple[bool, Any]]:
    """The attributes with true and 1 told apart, which Python calls equal."""
    return {name: (isinstance(value, bool), value) for name, value in attributes.items()}


def _refuse_too_many_links(tx: Transaction, prospect: Prospect) -> None:
    if len(links_of(tx, [prospect.id])[prospect.id]) > MAX_LINKS:
        raise invalid_field("", "too_long", f"a prospect has at most {MAX_LINKS} links")


def _link_row(tx: Transaction, prospect: Prospect, link: Link) -> dict[str, Any]:
    """The row of a link that is new."""
    return {
        "source": link.source,
        "external_id": link.external_id,
        "prospect_id": prospect.id,
        "linked_at": tx.at,
    }


def _searchable(name: str | None) -> str:
    return (name or "").casefold()


def lock_order(link: tuple[str, str], ids: Mapping[tuple[str, str], UUID]) -> tuple[bool, str, str, str]:
    """When the prospect behind a link is due in a transaction that changes several. `ids` are the known.

    Those are locked by their id, as by a merge, and new links come last in one order: no two transactions
    wait for each other in a circle.
    """
    known = ids.get(link)
    return known is None, str(known or ""), *link


def create_many(tx: Transaction, new: Sequence[tuple[Link, ProspectChange]]) -> set[tuple[str, str]]:
    """Create a prospect for each of several links, as `upsert` does, in a few statements.

    Returns the links, as (source, external id), that nobody else had meanwhile; only those were created.
    """
    if not new:
        return set()
    made = {
        key: _new_prospect(tx, change.name, change.attributes) for key, change in _translated_changes(tx, new)
    }
    tx.db.execute(PROSPECT.insert(), [prospect.model_dump() for prospect in made.values()])
    links = [_link_row(tx, prospect, link) for prospect, (link, _) in zip(made.values(), new, strict=True)]
    mine = insert_new(tx, ProspectLink, links)
    others = [prospect.id for link, prospect in made.items() if link not in mine]
    if others:
        tx.db.execute(PROSPECT.delete().where(PROSPECT.c.id.in_(others)))
    created = [prospect for link, prospect in made.items() if link in mine]
    record_events_of_many(
        tx, [(EventSubject(prospect_id=p.id, revision=p.revision), "prospect.created") for p in created]
    )
    return mine


def find_unchanged(tx: Transaction, wanted: Sequence[tuple[Link, ProspectChange]]) -> set[tuple[str, str]]:
    """The links, as (source, external id), of known prospects that `upsert` would leave as they are.

    All that are known are locked, in one statement and in the order of their ids. A link that comes more
    than once is left out.
    """
    if not wanted:
        return set()
    changes = list(_translated_changes(tx, wanted))
    times = Counter(key for key, _ in changes)
    statement = (
        select(Prospect, ProspectLink)
        .join(ProspectLink, col(ProspectLink.prospect_id) == col(Prospect.id))
        # SQLite looks through all rows for pairs.
        .where(col(ProspectLink.source).in_({source for source, _ in times}))
        .where(col(ProspectLink.external_id).in_({external_id for _, external_id in times}))
        .order_by(col(Prospect.id))
        .with_for_update(of=[Prospect, ProspectLink], key_share=True)
    )
    found = {(link.source, link.external_id): prospect for prospect, link in tx.db.exec(statement)}
    unchanged = set()
    for key, change in changes:
        if key in found and times[key] == 1:
            with suppress(Problem):  # for whoever tries to change it to tell
                if _is_unchanged(found[key], *_after_change(found[key], change)):
                    unchanged.add(key)
    return unchanged


def _translated_changes(
    tx: Transaction, wanted: Sequence[tuple[Link, ProspectChange]]
) -> Iterator[tuple[tuple[str, str], ProspectChange]]:
    """Each change by its (source, external id), with what the source calls by words of its own translated."""
    translating = sources_with_aliases(tx, {link.source for link, _ in wanted})
    for link, change in wanted:
        attributes = change.attributes
        if link.source in translating:
            attributes = translate_values(tx, link.source, attributes)
        yield link.key, change.model_copy(update={"attributes": attributes})


def replace_aliases(tx: Transaction, source: str, aliases: Sequence[ValueAliasIn]) -> ValueAliasesOut:
    """Let a source have these aliases and no others.

    Raises `Flawed` for a text that has two meanings, and for a meaning that is itself an alias.
    """
    flaws = list(_contradictions(aliases))
    if flaws:
        raise Flawed(flaws)
    tx.db.exec(delete(ValueAlias).where(col(ValueAlias.source) == source))
    if aliases:
        rows = [alias.model_dump() | {"means": json.dumps(alias.means)} for alias in aliases]
        tx.db.execute(INSERT_ALIASES, [{"source": source, **row} for row in rows])
    return list_aliases(tx, source)


def _contradictions(aliases: Sequence[ValueAliasIn]) -> Iterator[Flaw]:
    sent = Counter((alias.field, alias.sent) for alias in aliases)
    seen = set()
    for index, alias in enumerate(aliases):
        here = (alias.field, alias.sent)
        if here in seen:
            yield Flaw(f"/aliases/{index}/sent", "that text is there before: send it once", "repeated")
        elif alias.means != alias.sent and (alias.field, alias.means) in sent:
            detail = "that is an alias itself: send what it means in the end"
            yield Flaw(f"/aliases/{index}/means", detail, "chained")
        seen.add(here)
