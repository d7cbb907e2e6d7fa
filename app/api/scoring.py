"""Stateless scoring."""

from app.http.edge import router
from app.http.service import ServiceHere
from app.keys.store import Scope
from app.scoring import Score, read_answers, read_attributes, score
from app.sessions.requests import ScoreRequest

scoring = router("scoring", Scope.SCORE)


@scoring.post("/score", operation_id="score")
async def score_answers(request: ScoreRequest, service: ServiceHere) -> Score:
    """Score answers. Nothing is stored, and the same request always gets the same score.

    Where a question's answers go stale, that needs `as_of` and their `answered_at`; without them the
    time is now.
    """
    plan = await service.plans.get(request.question_set)
    answers = read_answers(plan.question_set, request.sent())
    attributes = read_attributes(plan.question_set, request.attributes)
    return score(plan, answers, attributes, as_of=request.as_of or service.clock())
