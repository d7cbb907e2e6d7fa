"""Find the rules and the value aliases of sources."""

import json

from sqlmodel import col, select

from app.db import Transaction
from app.prospects.queries import find_id_rules
from app.prospects.sources.schemas import SourceList, SourceOut, ValueAliasesOut, ValueAliasOut
from app.prospects.tables import SourceRule, ValueAlias


def source_out(tx: Transaction, source: str) -> SourceOut:
    """Return the response for a source."""
    return SourceOut(source=source, id_rule=find_id_rules(tx, [source])[source])


def list_sources(tx: Transaction) -> SourceList:
    """Return the sources whose rule was set, by name."""
    rows = tx.db.exec(select(SourceRule).order_by(col(SourceRule.source)))
    return SourceList(items=[SourceOut.model_validate(row.model_dump()) for row in rows])


def list_aliases(tx: Transaction, source: str) -> ValueAliasesOut:
    """Return every alias of a source, by field and text. An unknown source has none."""
    statement = select(ValueAlias).where(ValueAlias.source == source)
    aliases = tx.db.exec(statement.order_by(col(ValueAlias.field), col(ValueAlias.sent))).all()
    return ValueAliasesOut(
        source=source,
        aliases=[
            ValueAliasOut(field=alias.field, sent=alias.sent, means=json.loads(alias.means))
            for alias in aliases
        ],
    )
