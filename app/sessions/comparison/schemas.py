"""The comparison of assessors in requests and responses."""

from typing import Annotated
from uuid import UUID

from pydantic import (
    Field,
)

from app.schemas import (
    Deal,
    In,
    Out,
    SetName,
)
from app.scoring import (
    RatedBy,
    ScoredState,
)
from app.sessions.schemas import AskedSubject, FitOut


class ComparisonQuery(In):
    """Which sessions of a prospect to compare."""

    question_set: Annotated[
        SetName | None,
        Field(description='"key" or "key@version"; without it, the set of the newest session'),
    ] = None
    deal: Annotated[
        Deal | None, Field(description="only for this deal; without it, that of the newest session")
    ] = None
    subject: AskedSubject = None


class AssessorRating(Out):
    """How one session counts a question. `rated_by` is null if it is not rated."""

    assessor: str | None
    session_id: UUID
    state: ScoredState
    rating: int | None
    rated_by: RatedBy | None


class ComparedQuestion(Out):
    """One question with the rating of each assessor whom it applies to."""

    question: str
    label: str
    text: str
    spread: Annotated[
        int | None, Field(ge=0, description="highest minus lowest rating; null with fewer than two ratings")
    ]
    ratings: list[AssessorRating]


class ComparisonOut(Out):
    """What each assessor says about a prospect: one session of each, on one question set and one deal."""

    prospect_id: UUID
    question_set: Annotated[str, Field(description="the key of the set", examples=["qualifying-a-sale"])]
    deal: str | None
    assessors: Annotated[list[FitOut], Field(description="the verdict of each assessor, in order of name")]
    questions: Annotated[list[ComparedQuestion], Field(description="widest spread first")]
