"""The impact of a draft in responses."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    Field,
)

from app.schemas import (
    Out,
    ProblemOut,
)
from app.scoring import (
    Indication,
)
from app.sessions.tables import Status


class ImpactFigures(Out):
    """The figures of a session with one of the two question sets."""

    question_set: str
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class ImpactReason(Out):
    """One difference that affects this session. `question` is null if it concerns the whole set."""

    question: str | None
    before: Annotated[str | None, Field(examples=["rated 2, weight 1"])]
    after: Annotated[str | None, Field(examples=["rated 2, weight 3, must reach 3"])]


class ImpactChange(Out):
    """A session whose indication would change, and why."""

    kind: Literal["changed"]
    session_id: UUID
    prospect_id: UUID
    status: Status
    before: ImpactFigures
    after: ImpactFigures
    why: list[ImpactReason]


class ImpactProgress(Out):
    """How many sessions have been scored so far. It also shows that the stream is still alive."""

    kind: Literal["progress"]
    sessions: int


class ImpactTransition(Out):
    """The number of sessions that would change from one indication to another."""

    before: Indication | None
    after: Indication | None
    sessions: int


class ImpactSummary(Out):
    """The last line, if everything was scored. Without this line or a problem, the response is incomplete."""

    kind: Literal["summary"]
    sessions: Annotated[int, Field(description="the number of sessions that were scored again")]
    changed: int
    turns: Annotated[list[ImpactTransition], Field(description="the most frequent change first")]


class ImpactProblem(Out):
    """The last line, if the preview could not be finished."""

    kind: Literal["problem"]
    problem: ProblemOut


ImpactLine = ImpactChange | ImpactProgress | ImpactSummary | ImpactProblem
