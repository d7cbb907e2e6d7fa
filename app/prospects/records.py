"""Prospects and links: find, create, change, merge and erase. What a score makes of it is not here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import bindparam, col, delete, select, update

from app.clock import new_id
from app.db import Transaction, insert_if_new
from app.events.tables import EventType
from app.events.tell import About, forget, tell
from app.problems import LINK_TAKEN, Problem, invalid_field, missing, require_revision
from app.prospects.aliases import translated
from app.prospects.tables import Prospect, ProspectLink
from app.prospects.wire import Link, NewProspect, ProspectChange, ProspectOut, prospect_out
from app.scoring import Subject
from app.wire import MOST_ATTRIBUTES

MOST_LINKS = 50

LINKED = (
    select(Prospect)
    .join(ProspectLink, col(ProspectLink.prospect_id) == col(Prospect.id))
    .where(
        ProspectLink.source == bindparam("source"),
        ProspectLink.external_id == bindparam("external_id"),
    )
)
# Not FOR UPDATE: that would wait for whoever only refers to the prospect, and holds its sessions.
# The link too, after its prospect: it may have been taken away while the prospect was waited for.
LINKED_LOCKED = LINKED.with_for_update(of=[Prospect, ProspectLink], key_share=True)


def find(tx: Transaction, prospect_id: UUID, *, lock: bool = False) -> Prospect:
    """The prospect of that id, locked for a change if asked; raises NOT_FOUND."""
    statement = select(Prospect).where(Prospect.id == prospect_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    found = tx.db.exec(statement).one_or_none()
    if found is None:
        raise missing("prospect of that id")
    return found


def find_linked(tx: Transaction, link: Link, *, lock: bool = False) -> Prospect | None:
    """The prospect that another system knows by `link`, locked for a change if asked."""
    statement = LINKED_LOCKED if lock else LINKED
    wanted = {"source": link.source, "external_id": link.external_id}
    return tx.db.exec(statement, params=wanted).one_or_none()


def require_linked(tx: Transaction, link: Link) -> Prospect:
    """The prospect behind a link; raises NOT_FOUND."""
    found = find_linked(tx, link)
    if found is None:
        raise missing("prospect with that source and external id")
    return found


def create(tx: Transaction, new: NewProspect) -> Prospect:
    """A new prospect with its links; raises LINK_TAKEN."""
    prospect = _insert(tx, new.name, new.attributes)
    # In one order: two that want the same links would else wait for each other in a circle.
    for link in sorted(new.links, key=lambda link: link.key):
        _insert_link(tx, prospect, link)
    _tell(tx, prospect, "prospect.created")
    return prospect


def upsert(tx: Transaction, link: Link, change: ProspectChange) -> tuple[Prospect, bool, bool]:
    """The prospect behind `link`, created or changed and locked; whether created, whether changed.

    What the source calls by words of its own is translated.
    """
    attributes = translated(tx, link.source, change.attributes)
    change = change.model_copy(update={"attributes": attributes})
    while True:
        found = find_linked(tx, link, lock=True)
        if found:
            return found, False, apply(tx, found, change)
        created = _insert(tx, change.name, change.attributes)
        values = link_values(tx, created, link)
        if insert_if_new(tx, ProspectLink, values):
            _tell(tx, created, "prospect.created")
            return created, True, True
        # Somebody else created it meanwhile: theirs is the prospect.
        tx.db.delete(created)
        tx.db.flush()


def apply(tx: Transaction, prospect: Prospect, change: ProspectChange) -> bool:
    """Change a locked prospect; whether anything changed. Raises STALE_REVISION."""
    if change.revision is not None:
        require_revision("prospect", prospect.revision, change.revision)
    name, attributes = changed(prospect, change)
    if is_as(prospect, name, attributes):
        return False
    prospect.name, prospect.searchable, prospect.attributes = name, _searchable(name), attributes
    flag_modified(prospect, "attributes")  # the ORM, too, would see no change from 1 to true
    _touch(tx, prospect, "prospect.updated")
    return True


def is_about(tx: Transaction, prospect: Prospect, subject: Subject) -> None:
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
    forget(tx, prospect.id)
    _tell(tx, prospect, "prospect.erased")


def remove(tx: Transaction, prospect: Prospect) -> None:
    """Delete a prospect that was merged into another; what was told of it stays."""
    tx.db.exec(delete(Prospect).where(col(Prospect.id) == prospect.id))
    tx.db.expunge(prospect)


def show(tx: Transaction, prospect: Prospect) -> ProspectOut:
    """The prospect as the caller sees it."""
    return show_all(tx, [prospect])[0]


def show_all(tx: Transaction, prospects: Sequence[Prospect]) -> list[ProspectOut]:
    """The prospects as the caller sees them, with one look-up of their links."""
    links = links_of(tx, [prospect.id for prospect in prospects])
    return [prospect_out(prospect, links[prospect.id]) for prospect in prospects]


def links_of(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, list[ProspectLink]]:
    """The links of every prospect named, oldest first."""
    links: dict[UUID, list[ProspectLink]] = {prospect_id: [] for prospect_id in ids}
    statement = (
        select(ProspectLink)
        .where(col(ProspectLink.prospect_id).in_(list(links)))
        .order_by(col(ProspectLink.linked_at), col(ProspectLink.source), col(ProspectLink.external_id))
    )
    for link in tx.db.exec(statement):
        links[link.prospect_id].append(link)
    return links


def _insert(tx: Transaction, name: str | None, attributes: Mapping[str, Any]) -> Prospect:
    prospect = unsaved(tx, name, attributes)
    tx.db.add(prospect)
    tx.db.flush()
    return prospect


def unsaved(tx: Transaction, name: str | None, attributes: Mapping[str, Any]) -> Prospect:
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
    while not insert_if_new(tx, ProspectLink, link_values(tx, prospect, link)):
        # Nobody has it any more if it was taken away this moment.
        if owner := find_linked(tx, link):
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
    _tell(tx, prospect, event, **data)


def _tell(tx: Transaction, prospect: Prospect, event: EventType, **data: str) -> None:
    tell(tx, About(prospect_id=prospect.id, revision=prospect.revision, data=data), [event])


def _merged(known: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    merged = {k: v for k, v in {**known, **sent}.items() if v is not None}
    if len(merged) > MOST_ATTRIBUTES:
        raise invalid_field("/attributes", "too_long", f"a prospect has at most {MOST_ATTRIBUTES} attributes")
    return merged


def changed(prospect: Prospect, change: ProspectChange) -> tuple[str | None, dict[str, Any]]:
    """The name and the attributes after a change; raises INVALID_REQUEST for too many."""
    name = change.name if change.renames else prospect.name
    return name, _merged(prospect.attributes, change.attributes)


def is_as(prospect: Prospect, name: str | None, attributes: Mapping[str, Any]) -> bool:
    """Whether a prospect has this name and these attributes."""
    return name == prospect.name and are_same(attributes, prospect.attributes)


def are_same(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether attributes have the same names and values, of the same types."""
    return _typed(some) == _typed(others)


def _typed(attributes: Mapping[str, Any]) -> dict[str, tuple[bool, Any]]:
    """The attributes with true and 1 told apart, which Python calls equal."""
    return {name: (isinstance(value, bool), value) for name, value in attributes.items()}


def _refuse_too_many_links(tx: Transaction, prospect: Prospect) -> None:
    if len(links_of(tx, [prospect.id])[prospect.id]) > MOST_LINKS:
        raise invalid_field("", "too_long", f"a prospect has at most {MOST_LINKS} links")


def link_values(tx: Transaction, prospect: Prospect, link: Link) -> dict[str, Any]:
    """The row of a link that is new."""
    return {
        "source": link.source,
        "external_id": link.external_id,
        "prospect_id": prospect.id,
        "linked_at": tx.at,
    }


def _searchable(name: str | None) -> str:
    return (name or "").casefold()
