"""Set how the ids of a source are compared, and replace its value aliases."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlmodel import SQLModel, bindparam, col, delete

from app.db import Transaction, insert_new, insert_or_update, lock_table
from app.problems import LINKS_COLLIDE, FieldError, Problem
from app.prospects.queries import find_id_rules, find_prospect
from app.prospects.received import rows_with_new_keys
from app.prospects.schemas import IdRule, match_key
from app.prospects.service import save_revision
from app.prospects.sources.queries import list_aliases, source_out
from app.prospects.sources.schemas import SourceOut, ValueAliasesOut, ValueAliasIn
from app.prospects.tables import ProspectLink, ReceivedValues, ValueAlias
from app.scoring import Flaw, Flawed

MAX_LISTED_COLLISIONS = 100
RULE_TABLE = SQLModel.metadata.tables["source_rule"]
LINK_TABLE = SQLModel.metadata.tables["prospect_link"]
DELETE_LINK = LINK_TABLE.delete().where(
    LINK_TABLE.c.source == bindparam("its_source"), LINK_TABLE.c.match_key == bindparam("its_key")
)
INSERT_ALIASES = SQLModel.metadata.tables["value_alias"].insert()


def set_id_rule(tx: Transaction, source: str, rule: IdRule) -> SourceOut:
    """Set how the external ids of a source are compared.

    A prospect with several ids that are the same by the rule keeps the first one. Raises LINKS_COLLIDE, with
    every pair up to MAX_LISTED_COLLISIONS, if ids of different prospects are the same by the rule.
    """
    lock_table(tx, ProspectLink)
    if find_id_rules(tx, [source])[source] != rule:
        _compare_links(tx, source, rule)
    insert_or_update(tx, RULE_TABLE, {"source": source, "id_rule": rule}, {"id_rule": rule})
    return source_out(tx, source)


def _compare_links(tx: Transaction, source: str, rule: IdRule) -> None:
    """Store the match keys of all links of a source by a new rule; raises LINKS_COLLIDE."""
    statement = select(LINK_TABLE).where(LINK_TABLE.c.source == source)
    first: dict[str, Any] = {}
    pairs, superfluous, changed = [], [], []
    for link in tx.db.execute(statement.order_by(LINK_TABLE.c.linked_at, LINK_TABLE.c.external_id)):
        key = match_key(rule, link.external_id)
        earlier = first.setdefault(key, link)
        if earlier.prospect_id != link.prospect_id:
            pairs.append((earlier, link))
        elif earlier is not link:
            superfluous.append(link)
        elif key != link.match_key:
            changed.append(link)
    if pairs:
        raise _collision(pairs)
    # What a superfluous link sent counts where the link that stays has sent nothing.
    new_keys = {link.match_key: match_key(rule, link.external_id) for link in [*changed, *superfluous]}
    received = rows_with_new_keys(tx, source, new_keys)
    gone = [{"its_source": source, "its_key": link.match_key} for link in [*superfluous, *changed]]
    if gone:
        # Deleted before they are inserted, because a new key of one link can be the old key of another one.
        tx.db.execute(DELETE_LINK, gone)
    if changed:
        rows = [{**link._asdict(), "match_key": match_key(rule, link.external_id)} for link in changed]
        tx.db.execute(LINK_TABLE.insert(), rows)
    if received:
        insert_new(tx, ReceivedValues, received)
    for prospect_id in sorted({link.prospect_id for link in superfluous}):
        save_revision(tx, find_prospect(tx, prospect_id, lock=True), "prospect.unlinked")


def _collision(pairs: Sequence[tuple[Any, Any]]) -> Problem:
    errors = [
        FieldError(
            "body",
            "/id_rule",
            "collision",
            f"'{earlier.external_id}' of prospect {earlier.prospect_id} and '{later.external_id}' of "
            f"prospect {later.prospect_id} would be the same id",
        )
        for earlier, later in pairs[:MAX_LISTED_COLLISIONS]
    ]
    more = f", of which {len(errors)} are listed" if len(pairs) > len(errors) else ""
    detail = f"By this rule, {len(pairs)} links of other prospects would be the same as an earlier one{more}."
    return Problem(LINKS_COLLIDE, detail, errors)


def replace_aliases(tx: Transaction, source: str, aliases: Sequence[ValueAliasIn]) -> ValueAliasesOut:
    """Replace all aliases of a source.

    Raises `Flawed` for a text that occurs twice in a field.
    """
    flaws = list(_repeated(aliases))
    if flaws:
        raise Flawed(flaws)
    tx.db.exec(delete(ValueAlias).where(col(ValueAlias.source) == source))
    if aliases:
        rows = [alias.model_dump() | {"means": json.dumps(alias.means)} for alias in aliases]
        tx.db.execute(INSERT_ALIASES, [{"source": source, **row} for row in rows])
    return list_aliases(tx, source)


def _repeated(aliases: Sequence[ValueAliasIn]) -> Iterator[Flaw]:
    seen = set()
    for index, alias in enumerate(aliases):
        key = (alias.field, alias.sent)
        if key in seen:
            yield Flaw(f"/aliases/{index}/sent", "an earlier alias has this text: send it once", "repeated")
        seen.add(key)
