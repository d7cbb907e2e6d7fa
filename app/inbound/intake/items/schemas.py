"""Items of a payload as qualify receives them, and dry runs of a mapping."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from app.inbound.intake.schemas import IntakeMapping
from app.schemas import In, Out, SetName
from app.scoring import State
from app.sessions.schemas import QualifyResult
from app.sessions.tables import DecisionWord, OutcomeWord


class DryRun(In):
    """A mapping, and a sample payload of the other system to try it on."""

    mapping: IntakeMapping
    question_set: SetName | None = None
    payload: Annotated[Any, Field(description="the sample, as JSON; for a web form, an object of its fields")]
    partial: Annotated[
        bool,
        Field(strict=True, description="accept pointers that lead nowhere in the sample"),
    ] = False


class MappedAnswer(Out):
    """An answer as qualify would receive it."""

    question: str
    state: State
    rating: int | None


class MappedItem(Out):
    """One item of a payload as qualify would receive it."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    assessor: str | None
    actor: str | None
    opened_on: date | None
    answered_at: datetime | None
    decision: DecisionWord | None
    decision_reason: str | None
    decision_revisit_on: date | None
    outcome: OutcomeWord | None
    outcome_amount: float | None
    outcome_currency: str | None
    outcome_closed_on: date | None
    outcome_reason: str | None
    outcome_competitor: str | None
    question_set: str
    attributes: dict[str, Any]
    answers: list[MappedAnswer]
    ignored: Annotated[list[str], Field(description="ratings that the question set does not know")]
    unresolved_pointers: Annotated[
        list[str], Field(description="fields of the mapping whose pointers lead nowhere in this item")
    ]


class DryRunItem(Out):
    """One item, and what qualify would return for it. Nothing was written."""

    skipped: Annotated[
        bool,
        Field(
            description="whether a condition of the mapping does not hold, or no pointer finds "
            "the property that the item is about"
        ),
    ]
    mapped: MappedItem | None
    answer: QualifyResult | None


class DryRunOut(Out):
    """The result of a dry run, item by item."""

    items: list[DryRunItem]
