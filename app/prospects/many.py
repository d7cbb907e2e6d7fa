"""Many prospects in one transaction: found, created and compared in a few statements."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from sqlmodel import SQLModel, col, select

from app.db import Transaction, insert_new
from app.events.tell import About, tell_all
from app.problems import Problem
from app.prospects import records
from app.prospects.aliases import translated, with_aliases
from app.prospects.tables import Prospect, ProspectLink
from app.prospects.wire import Link, ProspectChange

PROSPECT = SQLModel.metadata.tables["prospect"]


def find_ids(tx: Transaction, links: Iterable[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """The prospect behind each (source, external id) that is known."""
    wanted = set(links)
    statement = select(ProspectLink).where(
        col(ProspectLink.external_id).in_([external_id for _, external_id in wanted])
    )
    found = {(link.source, link.external_id): link.prospect_id for link in tx.db.exec(statement)}
    return {link: found[link] for link in wanted & found.keys()}


def turn(link: tuple[str, str], ids: Mapping[tuple[str, str], UUID]) -> tuple[bool, str, str, str]:
    """When the prospect behind a link is due in a transaction that changes several. `ids` are the known.

    Those are locked by their id, as by a merge, and new links come last in one order: no two transactions
    wait for each other in a circle.
    """
    known = ids.get(link)
    return known is None, str(known or ""), *link


def create_linked(tx: Transaction, new: Sequence[tuple[Link, ProspectChange]]) -> set[tuple[str, str]]:
    """Create a prospect for each of several links, as `upsert` does, in a few statements.

    Returns the links, as (source, external id), that nobody else had meanwhile; only those were created.
    """
    if not new:
        return set()
    made = {
        key: records.unsaved(tx, change.name, change.attributes) for key, change in _in_our_words(tx, new)
    }
    tx.db.execute(PROSPECT.insert(), [prospect.model_dump() for prospect in made.values()])
    links = [
        records.link_values(tx, prospect, link)
        for prospect, (link, _) in zip(made.values(), new, strict=True)
    ]
    mine = insert_new(tx, ProspectLink, links)
    others = [prospect.id for link, prospect in made.items() if link not in mine]
    if others:
        tx.db.execute(PROSPECT.delete().where(PROSPECT.c.id.in_(others)))
    created = [prospect for link, prospect in made.items() if link in mine]
    tell_all(tx, [(About(prospect_id=p.id, revision=p.revision), "prospect.created") for p in created])
    return mine


def find_unchanged(tx: Transaction, wanted: Sequence[tuple[Link, ProspectChange]]) -> set[tuple[str, str]]:
    """The links, as (source, external id), of known prospects that `upsert` would leave as they are.

    All that are known are locked, in one statement and in the order of their ids. A link that comes more
    than once is left out.
    """
    if not wanted:
        return set()
    changes = list(_in_our_words(tx, wanted))
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
                if records.is_as(found[key], *records.changed(found[key], change)):
                    unchanged.add(key)
    return unchanged


def _in_our_words(
    tx: Transaction, wanted: Sequence[tuple[Link, ProspectChange]]
) -> Iterator[tuple[tuple[str, str], ProspectChange]]:
    """Each change by its (source, external id), with what the source calls by words of its own translated."""
    translating = with_aliases(tx, {link.source for link, _ in wanted})
    for link, change in wanted:
        attributes = change.attributes
        if link.source in translating:
            attributes = translated(tx, link.source, attributes)
        yield link.key, change.model_copy(update={"attributes": attributes})
