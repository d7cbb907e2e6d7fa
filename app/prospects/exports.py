"""Export prospects as the rows of a file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from app.db import Transaction
from app.files.columns import Column, ColumnType, Value, as_text
from app.prospects.queries import links_of, list_attributes
from app.prospects.schemas import ProspectFilter
from app.prospects.tables import Prospect, ProspectLink

ROWS_PER_READ = 200
ID_BYTES = 16
PROSPECT_COLUMNS = (
    Column("prospect_id"),
    Column("name"),
    Column("subject"),
    Column("links"),
    Column("revision", "integer"),
    Column("created_at", "time"),
    Column("updated_at", "time"),
)
Row = Sequence[Value]


@dataclass(frozen=True, slots=True)
class Export:
    """The rows of a file: their columns, the ids of the records in order, and what reads their rows.

    The ids are those of one moment, packed into bytes. Each row is read later, as it is then; a record that
    is erased in between has none. So no transaction lasts for long, and no record is missed or repeated.
    """

    columns: Sequence[Column]
    packed_ids: bytes
    read_rows: Callable[[Transaction, Sequence[UUID]], list[Row]]

    def __len__(self) -> int:
        return len(self.packed_ids) // ID_BYTES

    def reads(self) -> Iterator[Callable[[Transaction], list[Row]]]:
        """Yield what reads the next rows, each time in a transaction of its own."""
        size = ROWS_PER_READ * ID_BYTES
        for start in range(0, len(self.packed_ids), size):
            packed = self.packed_ids[start : start + size]
            places = range(0, len(packed), ID_BYTES)
            ids = [UUID(bytes=packed[place : place + ID_BYTES]) for place in places]
            yield partial(_read, self.read_rows, ids)


def _read(
    read_rows: Callable[[Transaction, Sequence[UUID]], list[Row]], ids: Sequence[UUID], tx: Transaction
) -> list[Row]:
    return read_rows(tx, ids)


def pack_ids(ids: Iterable[UUID]) -> bytes:
    """Return ids as an `Export` keeps them: a UUID object takes several times as much memory."""
    return b"".join(id_.bytes for id_ in ids)


def export_prospects(tx: Transaction, filters: ProspectFilter) -> Export:
    """Return the export of all prospects that match the filters, with a column for each attribute.

    An attribute whose values have several types is a text. One with the name of another column has the
    prefix `attribute_`.
    """
    types: dict[str, ColumnType] = {}

    def ids() -> Iterator[UUID]:
        for prospect_id, attributes in list_attributes(tx, filters):
            for name, value in attributes.items():
                type_ = _type_of(value)
                types[name] = type_ if types.get(name, type_) == type_ else "text"
            yield prospect_id

    packed = pack_ids(ids())
    taken = {column.name for column in PROSPECT_COLUMNS}
    attributes = sorted(types)
    columns = [Column(f"attribute_{name}" if name in taken else name, types[name]) for name in attributes]
    return Export([*PROSPECT_COLUMNS, *columns], packed, partial(_prospect_rows, types=types))


def _type_of(value: object) -> ColumnType:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"


def _prospect_rows(tx: Transaction, ids: Sequence[UUID], types: Mapping[str, ColumnType]) -> list[Row]:
    found = {one.id: one for one in tx.db.exec(select(Prospect).where(col(Prospect.id).in_(ids)))}
    links = links_of(tx, ids)
    return [_prospect_row(found[id_], links[id_], types) for id_ in ids if id_ in found]


def _prospect_row(prospect: Prospect, links: Sequence[ProspectLink], types: Mapping[str, ColumnType]) -> Row:
    attributes = (_cell(prospect.attributes.get(name), types[name]) for name in sorted(types))
    return (
        str(prospect.id),
        prospect.name,
        prospect.subject,
        links_text(links),
        prospect.revision,
        prospect.created_at,
        prospect.updated_at,
        *attributes,
    )


def _cell(value: Any, type_: ColumnType) -> Value:
    """Return the value of an attribute; None if it got another type after the columns were chosen."""
    if value is None or _type_of(value) == type_:
        cell: Value = value
        return cell
    return as_text(value) if type_ == "text" else None


def links_text(links: Sequence[ProspectLink]) -> str:
    """Return links as one cell: "salesforce.account:0015g00000XyZ; hubspot.company:77"."""
    return "; ".join(f"{link.source}:{link.external_id}" for link in links)
