"""What the values of other systems mean here: "Software & Internet" of one CRM is our saas."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlmodel import SQLModel, bindparam, col, delete, select

from app.db import Transaction
from app.prospects.tables import ValueAlias
from app.scoring import Flaw, Flawed
from app.wire import LONGEST_TEXT, AttributeName, In, Out, Scalar, WriteIn

MOST_ALIASES = 2000

INSERT = SQLModel.metadata.tables["value_alias"].insert()
MEANINGS = select(ValueAlias).where(
    ValueAlias.source == bindparam("source"),
    col(ValueAlias.field).in_(bindparam("fields", expanding=True)),
    col(ValueAlias.sent).in_(bindparam("texts", expanding=True)),
)


class ValueAliasIn(In):
    """One text that the source sends, and what it means here."""

    field: Annotated[
        AttributeName, Field(description="the key of an attribute or a question", examples=["industry"])
    ]
    sent: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=LONGEST_TEXT),
        Field(description="the text exactly as it comes", examples=["Software & Internet"]),
    ]
    means: Annotated[Scalar, Field(description="the value, or the rating, to take it for", examples=["saas"])]


class ValueAliasesIn(WriteIn):
    """Every alias of one source; those that it had before and that are not here are gone."""

    aliases: Annotated[list[ValueAliasIn], Field(max_length=MOST_ALIASES)]


class ValueAliasOut(Out):
    """One text that the source sends, and what it means here."""

    field: str
    sent: str
    means: Scalar


class ValueAliasesOut(Out):
    """Every alias of one source, by field and text."""

    source: str
    aliases: list[ValueAliasOut]


def translated(tx: Transaction, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with every text that has an alias of this source replaced by what it means.

    Harmless when done twice: no alias means what is itself an alias.
    """
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    if not texts:
        return dict(values)
    wanted = {"source": source, "fields": list(texts), "texts": list(set(texts.values()))}
    meanings = {(one.field, one.sent): json.loads(one.means) for one in tx.db.exec(MEANINGS, params=wanted)}
    return {**values, **{name: meanings.get((name, text), text) for name, text in texts.items()}}


def with_aliases(tx: Transaction, sources: Collection[str]) -> set[str]:
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
        tx.db.execute(INSERT, [{"source": source, **row} for row in rows])
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
