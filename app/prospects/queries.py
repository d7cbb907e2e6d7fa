"""Find prospects, their links and value aliases."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, String, literal_column, union_all
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, and_, bindparam, case, col, exists, false, func, or_, select

from app.db import Transaction, untracked
from app.events.tables import Event
from app.narrowing import first_with_few, without_index
from app.problems import missing
from app.prospects.schemas import (
    ID_RULES,
    IdRule,
    Link,
    LinkOut,
    ProspectFilter,
    ProspectOut,
    alias_text,
    match_key,
)
from app.prospects.search import has_word, prospects_with_word, words_of
from app.prospects.tables import Prospect, ProspectLink, SourceRule, ValueAlias
from app.schemas import searchable

LinkKey = tuple[str, str]


def _match_key_by(rule: Any, keys: Mapping[IdRule, Any]) -> ColumnElement[str]:
    """Return the SQL expression that chooses among the match keys of one id, by the rule of its source."""
    others = {id_rule: key for id_rule, key in keys.items() if id_rule != "exact"}
    return case(others, value=rule, else_=keys["exact"])


OF_PROSPECT = col(ProspectLink.prospect_id) == col(Prospect.id)
_OTHER_LINK = aliased(ProspectLink)
# Lists a prospect once that has several links to one source.
IS_FIRST_LINK = (
    col(ProspectLink.match_key)
    == select(func.min(_OTHER_LINK.match_key))
    .where(
        col(_OTHER_LINK.source) == col(ProspectLink.source),
        col(_OTHER_LINK.prospect_id) == col(ProspectLink.prospect_id),
    )
    .correlate(ProspectLink)
    .scalar_subquery()
)
PROSPECTS_PER_FETCH = 1000
PROSPECT_TABLE = SQLModel.metadata.tables["prospect"]
LINK_TABLE = SQLModel.metadata.tables["prospect_link"]
SELECT_PROSPECT = select_columns(*PROSPECT_TABLE.c).where(PROSPECT_TABLE.c.id == bindparam("prospect"))
# The match key of a link, from its source and from its key by each rule. Statements read the rule themselves,
# so that it cannot change in between.
MATCH_KEY = _match_key_by(
    select(SourceRule.id_rule).where(SourceRule.source == bindparam("of_source")).scalar_subquery(),
    {rule: bindparam(rule, type_=String()) for rule in ID_RULES},
)
HAS_ALIASES = exists(select(ValueAlias.source).where(ValueAlias.source == bindparam("of_source")))
SELECT_BY_LINK = (
    select_columns(*PROSPECT_TABLE.c, LINK_TABLE.c.match_key, HAS_ALIASES)
    .join(LINK_TABLE, OF_PROSPECT)
    .where(LINK_TABLE.c.source == bindparam("of_source"), LINK_TABLE.c.match_key == MATCH_KEY)
)
# FOR NO KEY UPDATE rather than FOR UPDATE: the latter would also wait for transactions that only refer to
# the prospect and hold the locks of its sessions.
# The link is locked too, after its prospect: it may have been removed while this waited for the prospect.
SELECT_BY_LINK_FOR_UPDATE = SELECT_BY_LINK.with_for_update(of=[PROSPECT_TABLE, LINK_TABLE], key_share=True)
SELECT_PROSPECT_FOR_UPDATE = SELECT_PROSPECT.with_for_update(key_share=True)
SELECT_RULES = select(SourceRule.source, SourceRule.id_rule).where(
    col(SourceRule.source).in_(bindparam("sources", expanding=True))
)
SELECT_HAS_ALIAS = select(ValueAlias.source).where(ValueAlias.source == bindparam("source")).limit(1)
SELECT_ALIASES = select(ValueAlias).where(
    ValueAlias.source == bindparam("source"),
    col(ValueAlias.field).in_(bindparam("fields", expanding=True)),
    col(ValueAlias.sent).in_(bindparam("texts", expanding=True)),
)


def _prospect_with_links(prospect: Prospect, links: list[ProspectLink]) -> ProspectOut:
    """Return the response for a prospect with these links."""
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
    tx: Transaction, filters: ProspectFilter, *, after: UUID | None, limit: int
) -> Sequence[Prospect]:
    """Return at most `limit` prospects that match the filters, newest first.

    `after` is the id of the last prospect of the page before. `q` matches a name if every word of `q` begins
    a word of the name, see `search.words_of`, or a whole external id by the rule of its source.
    """
    statement = _listed(tx, select(Prospect), filters, after).limit(limit)
    found: Sequence[Prospect] = tx.db.exec(statement).all()
    return found


def list_attributes(tx: Transaction, filters: ProspectFilter) -> Iterator[tuple[UUID, Mapping[str, Any]]]:
    """Yield the id and the attributes of every prospect that matches the filters, newest first."""
    statement = _listed(tx, select(Prospect.id, Prospect.attributes), filters, None)
    yield from tx.db.exec(statement.execution_options(yield_per=PROSPECTS_PER_FETCH))


def _listed(tx: Transaction, statement: Any, filters: ProspectFilter, after: UUID | None) -> Any:
    """Return the statement for prospects that match the filters, newest first, after the id `after`."""
    id_: Any = col(Prospect.id)
    words = words_of(filters.q) if filters.q else []
    with_id = tx.db.exec(_prospects_with_id(filters.q)).all() if filters.q else ()
    candidates = [prospects_with_word(word) for word in words]
    if filters.q and not words:
        candidates.append(select(Prospect.id).where(false()))
    if filters.q:
        is_named = and_(*map(has_word, words)) if words else false()
        statement = statement.where(or_(is_named, without_index(id_).in_(with_id)) if with_id else is_named)
    if filters.updated_since:
        since = col(Prospect.updated_at) >= filters.updated_since
        candidates.append(select(Prospect.id).where(since).order_by(col(Prospect.updated_at)))
        statement = statement.where(without_index(Prospect.updated_at) >= filters.updated_since)
    few = first_with_few(tx, candidates)
    if few is not None:
        found = [few, _prospects_with_id(filters.q)] if filters.q else [few]
        statement = statement.where(id_.in_(union_all(*(select(one.subquery()) for one in found))))
        id_ = without_index(id_)
    if filters.source and few is None:
        statement = statement.join(ProspectLink, OF_PROSPECT).where(
            ProspectLink.source == filters.source, IS_FIRST_LINK
        )
        id_ = col(ProspectLink.prospect_id)
    elif filters.source:
        statement = statement.where(_has_link_to(filters.source))
    statement = statement.where(Prospect.subject == filters.subject)
    if filters.subject != "prospect":
        # The condition of the index of these prospects, which is used if the query contains it.
        statement = statement.where(col(Prospect.subject) != literal_column("'prospect'"))
    if after:
        statement = statement.where(id_ < after)
    return statement.order_by(id_.desc())


def prospects_named(tx: Transaction, name: str, limit: int) -> Sequence[Prospect]:
    """Return the newest prospects with this name, in any case. The subject of all of them is "prospect"."""
    statement = (
        select(Prospect)
        .where(Prospect.searchable == searchable(name), Prospect.subject == "prospect")
        .order_by(col(Prospect.id).desc())
        .limit(limit)
    )
    found: Sequence[Prospect] = tx.db.exec(statement).all()
    return found


def _has_link_to(source: str) -> ColumnElement[bool]:
    link = select(ProspectLink.source).where(OF_PROSPECT, ProspectLink.source == source)
    return exists(link)


def _prospects_with_id(external_id: str) -> Any:
    """Return the statement that selects the prospects with an external id in any source."""
    keys = {rule: match_key(rule, external_id) for rule in ID_RULES}
    return (
        select(ProspectLink.prospect_id)
        .outerjoin(SourceRule, col(SourceRule.source) == col(ProspectLink.source))
        # The first condition uses the index.
        .where(col(ProspectLink.match_key).in_(set(keys.values())))
        .where(ProspectLink.match_key == _match_key_by(SourceRule.id_rule, keys))
    )


def merged_into(tx: Transaction, prospect_id: UUID) -> UUID | None:
    """Return the prospect that a merged one is part of, after any number of merges.

    None if the prospect was not merged. Merges are searched only if the prospect had events.
    """
    kept = None
    while _is_gone_with_events(tx, kept or prospect_id):
        is_other = col(Event.data)["merged_prospect_id"].as_string() == str(kept or prospect_id)
        statement = select(Event.prospect_id).where(Event.type == "prospect.merged", is_other)
        following = tx.db.exec(statement).first()
        if following is None:
            return None
        kept = following
    return kept


def _is_gone_with_events(tx: Transaction, prospect_id: UUID) -> bool:
    """Whether a prospect no longer exists, but its events do."""
    about_it = select(Event.seq).where(Event.prospect_id == prospect_id).limit(1)
    return tx.db.get(Prospect, prospect_id) is None and tx.db.exec(about_it).first() is not None


def erased_at(tx: Transaction, prospect_id: UUID) -> datetime | None:
    """Return when a prospect was erased. None if it was not, or if it was merged into one that was."""
    is_about_it = Event.prospect_id == prospect_id
    statement = select(Event.at).where(is_about_it, Event.type == "prospect.erased")
    found: datetime | None = tx.db.exec(statement).first()
    return found


def find_prospect(tx: Transaction, prospect_id: UUID, *, lock: bool = False) -> Prospect:
    """Return a prospect, locked for a change if `lock` is set. Raises NOT_FOUND."""
    statement = SELECT_PROSPECT_FOR_UPDATE if lock else SELECT_PROSPECT
    found = untracked(Prospect, tx.run(statement, {"prospect": prospect_id}))
    if not found:
        raise missing("prospect with that id")
    return found[0]


class LinkedProspect(NamedTuple):
    """A prospect, the match key of the link by which it was found, and whether its source has aliases."""

    prospect: Prospect
    match_key: str
    has_aliases: bool


def find_link(tx: Transaction, link: Link, *, lock: bool = False) -> LinkedProspect | None:
    """Return the prospect with a link, locked for a change if `lock` is set; None if there is none."""
    statement = SELECT_BY_LINK_FOR_UPDATE if lock else SELECT_BY_LINK
    rows = tx.run(statement, match_key_parameters(link))
    found = untracked(Prospect, (row[:-2] for row in rows))
    return LinkedProspect(found[0], *rows[0][-2:]) if found else None


def match_key_parameters(link: Link) -> dict[str, str]:
    """Return the parameters of MATCH_KEY for a link."""
    keys = {str(rule): match_key(rule, link.external_id) for rule in ID_RULES}
    return {"of_source": link.source, **keys}


def find_by_link(tx: Transaction, link: Link, *, lock: bool = False) -> Prospect | None:
    """Do the same as `find_link`, and return only the prospect."""
    found = find_link(tx, link, lock=lock)
    return found and found.prospect


def require_by_link(tx: Transaction, link: Link) -> Prospect:
    """Return the prospect with a link. Raises NOT_FOUND."""
    found = find_by_link(tx, link)
    if found is None:
        raise missing("prospect with that source and external id")
    return found


def prospect_out(tx: Transaction, prospect: Prospect) -> ProspectOut:
    """Return the response for a prospect."""
    return prospects_out(tx, [prospect])[0]


def prospects_out(tx: Transaction, prospects: Sequence[Prospect]) -> list[ProspectOut]:
    """Return the responses for several prospects. One query reads all their links."""
    links = links_of(tx, [prospect.id for prospect in prospects])
    return [_prospect_with_links(prospect, links[prospect.id]) for prospect in prospects]


def names_of(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, str | None]:
    """Return the names of prospects by their ids."""
    statement = select(Prospect.id, Prospect.name).where(col(Prospect.id).in_(ids))
    return dict(tx.db.exec(statement).all())


def links_of(tx: Transaction, ids: Iterable[UUID]) -> dict[UUID, list[ProspectLink]]:
    """Return the links of each of these prospects, oldest first."""
    links: dict[UUID, list[ProspectLink]] = {prospect_id: [] for prospect_id in ids}
    statement = (
        select(ProspectLink)
        .where(col(ProspectLink.prospect_id).in_(list(links)))
        .order_by(col(ProspectLink.linked_at), col(ProspectLink.source), col(ProspectLink.external_id))
    )
    for link in tx.db.exec(statement):
        links[link.prospect_id].append(link)
    return links


def find_ids_by_link(tx: Transaction, links: Iterable[LinkKey]) -> dict[LinkKey, UUID]:
    """Return the ids of prospects by their link, a (source, external id). Unknown links are left out."""
    keys = match_keys(tx, set(links))
    statement = select(ProspectLink).where(col(ProspectLink.match_key).in_({key for _, key in keys.values()}))
    found = {(link.source, link.match_key): link.prospect_id for link in tx.db.exec(statement)}
    return {link: found[key] for link, key in keys.items() if key in found}


def match_keys(tx: Transaction, links: Collection[LinkKey]) -> dict[LinkKey, LinkKey]:
    """Return the (source, match key) of each link, a (source, external id), by the current rules."""
    rules = find_id_rules(tx, {source for source, _ in links})
    return {(source, sent): (source, match_key(rules[source], sent)) for source, sent in links}


def find_id_rules(tx: Transaction, sources: Collection[str]) -> dict[str, IdRule]:
    """Return the rule of each of these sources."""
    rows = tx.sql.execute(SELECT_RULES, {"sources": list(sources)})
    stored = {source: cast("IdRule", rule) for source, rule in rows}
    return {source: stored.get(source, "exact") for source in sources}


def translate_values(tx: Transaction, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with every value that is an alias of this source replaced by its meaning.

    A number and true and false match an alias by their text: 100000003 and "100000003" are the same.
    Translate values once: the meaning of one alias can be what another one stands for, as in 1 for 5 and 5
    for 1.
    """
    texts = {name: text for name, value in values.items() if (text := alias_text(value)) is not None}
    if not texts or not tx.run(SELECT_HAS_ALIAS, {"source": source}):
        return dict(values)
    parameters = {"source": source, "fields": list(texts), "texts": list(set(texts.values()))}
    aliases = tx.db.exec(SELECT_ALIASES, params=parameters)
    meanings = {(alias.field, alias.sent): json.loads(alias.means) for alias in aliases}
    return {
        name: meanings[name, texts[name]] if (name, texts.get(name)) in meanings else value
        for name, value in values.items()
    }


def sources_with_aliases(tx: Transaction, sources: Collection[str]) -> set[str]:
    """Return the sources that have at least one alias."""
    return set(tx.db.exec(select(ValueAlias.source).where(col(ValueAlias.source).in_(sources)).distinct()))
