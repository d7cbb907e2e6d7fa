"""Stateless scoring."""

from fastapi import Response

from app.http.edge import router
from app.http.service import ServiceHere
from app.keys.store import Scope
from app.scoring import Score, read_answers, read_attributes, score
from app.sessions.requests import ScoreRequest
from app.wire import result_json

scoring = router("scoring", Scope.SCORE)


@scoring.post("/score", operation_id="score", response_model=Score)
async def score_answers(request: ScoreRequest, service: ServiceHere) -> Response:
    """Score answers. Nothing is stored, and the same request always gets the same score.

    Where a question's answers go stale, that needs `as_of` and their `answered_at`; without them the
    time is now.
    """
    plan = await service.plans.get(request.question_set)
    answers = read_answers(plan.question_set, request.sent())
    attributes = read_attributes(plan.question_set, request.attributes)
    result = score(plan, answers, attributes, as_of=request.as_of or service.clock())
    return Response(result_json(result), media_type="application/json")
