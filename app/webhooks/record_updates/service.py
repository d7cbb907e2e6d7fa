"""Remember what record updates wrote, so that a value that comes back is a repeated value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.db import Transaction
from app.prospects.received import OF_PROSPECT, Part, remember_written
from app.prospects.schemas import Link


@dataclass(frozen=True, slots=True)
class Written:
    """What a record update writes that people may change in the other system, and the links of the record.

    `answers` has the ratings by question, the decision and the outcome of the session that `part` names, and
    `of_prospect` the name and the attributes.
    """

    links: Sequence[Link]
    part: Part
    answers: Mapping[str, Any]
    of_prospect: Mapping[str, Any]


def remember(tx: Transaction, written: Written) -> None:
    """Count what was written to a record as received from its links. Locks the prospect."""
    for link in written.links:
        remember_written(tx, link, written.part, written.answers)
        remember_written(tx, link, OF_PROSPECT, written.of_prospect)
