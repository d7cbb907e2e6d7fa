"""Find prospects, their links and value aliases."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import bindparam, col, or_, select

from app.db import Transaction
from app.problems import missing
from app.prospects.schemas import Link, LinkOut, ProspectFilter, ProspectOut, ValueAliasesOut, ValueAliasOut
from app.prospects.tables import Prospect, ProspectLink, ValueAlias

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
MEANINGS = select(ValueAlias).where(
    ValueAlias.source == bindparam("source"),
    col(ValueAlias.field).in_(bindparam("fields", expanding=True)),
    col(ValueAlias.sent).in_(bindparam("texts", expanding=True)),
)


def _prospect_with_links(prospect: Prospect, links: list[ProspectLink]) -> ProspectOut:
    """A stored prospect as the caller sees it."""
    return ProspectOut(
        id=prospect.id,
        name=prospect.name,
        subject=prospect.subject,
        attributes=prospect.attributes,
        links=[LinkOut(source=link.source, external_id=link.external_id) for link in links],
        revision=prospect.revision,
        created_at=prospect.created_at,
        updated_at=prospect.updated_at,
    )


def list_prospects(
    tx: Transaction, wanted: ProspectFilter, *, after: UUID | None, limit: int
) -> Sequence[Prospect]:
    """At most `limit` prospects, newest first, from the one after `after` on.

    `q` is found anywhere in the name, whatever its case, or is exactly an external id.
    """
    statement = select(Prospect).where(Prospect.subject == wanted.subject)
    statement = statement.order_by(col(Prospect.id).desc()).limit(limit)
    if after:
        statement = statement.where(col(Prospect.id) < after)
    if wanted.updated_since:
        statement = statement.where(col(Prospect.updated_at) >= wanted.updated_since)
    if wanted.source:
        linked = select(ProspectLink.prospect_id).where(ProspectLink.source == wanted.source)
        statement = statement.where(col(Prospect.id).in_(linked))
    if wanted.q:
        known_as = select(ProspectLink.prospect_id).where(ProspectLink.external_id == wanted.q)
        statement = statement.where(
            or_(
                col(Prospect.searchable).contains(wanted.q.casefold(), autoescape=True),
                col(Prospect.id).in_(known_as),
            )
        )
    return tx.db.exec(statement).all()


def find_prospect(tx: Transaction, prospect_id: UUID, *, lock: bool = False) -> Prospect:
    """The prospect of that id, locked for a change if asked; raises NOT_FOUND."""
    statement = select(Prospect).where(Prospect.id == prospect_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    found = tx.db.exec(statement).one_or_none()
    if found is None:
        raise missing("prospect of that id")
    return found


def find_by_link(tx: Transaction, link: Link, *, lock: bool = False) -> Prospect | None:
    """The prospect that another system knows by `link`, locked for a change if asked."""
    statement = LINKED_LOCKED if lock else LINKED
    wanted = {"source": link.source, "external_id": link.external_id}
    return tx.db.exec(statement, params=wanted).one_or_none()


def require_by_link(tx: Transaction, link: Link) -> Prospect:
    """The prospect behind a link; raises NOT_FOUND."""
    found = find_by_link(tx, link)
    if found is None:
        raise missing("prospect with that source and external id")
    return found


def prospect_out(tx: Transaction, prospect: Prospect) -> ProspectOut:
    """The prospect as the caller sees it."""
    return prospects_out(tx, [prospect])[0]


def prospects_out(tx: Transaction, prospects: Sequence[Prospect]) -> list[ProspectOut]:
    """The prospects as the caller sees them, with one look-up of their links."""
    links = links_of(tx, [prospect.id for prospect in prospects])
    return [_prospect_with_links(prospect, links[prospect.id]) for prospect in prospects]


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


def find_ids_by_link(tx: Transaction, links: Iterable[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """The prospect behind each (source, external id) that is known."""
    wanted = set(links)
    statement = select(ProspectLink).where(
        col(ProspectLink.external_id).in_([external_id for _, external_id in wanted])
    )
    found = {(link.source, link.external_id): link.prospect_id for link in tx.db.exec(statement)}
    return {link: found[link] for link in wanted & found.keys()}


def translate_values(tx: Transaction, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with every text that has an alias of this source replaced by what it means.

    Harmless when done twice: no alias means what is itself an alias.
    """
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    if not texts:
        return dict(values)
    wanted = {"source": source, "fields": list(texts), "texts": list(set(texts.values()))}
    meanings = {(one.field, one.sent): json.loads(one.means) for one in tx.db.exec(MEANINGS, params=wanted)}
    return {**values, **{name: meanings.get((name, text), text) for name, text in texts.items()}}


def sources_with_aliases(tx: Transaction, sources: Collection[str]) -> set[str]:
    """Those of the sources that have any alias."""
    return set(tx.db.exec(select(ValueAlias.source).where(col(ValueAlias.source).in_(sources)).distinct()))


def list_aliases(tx: Transaction, source: str) -> ValueAliasesOut:
    """Every alias of a source; none for one that was never heard of."""
    wanted = select(ValueAlias).where(ValueAlias.source == source)
    found = tx.db.exec(wanted.order_by(col(ValueAlias.field), col(ValueAlias.sent))).all()
    return ValueAliasesOut(
        source=source,
        aliases=[ValueAliasOut(field=one.field, sent=one.sent, means=json.loads(one.means)) for one in found],
    )
