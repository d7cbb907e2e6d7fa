"""Score answers without storing anything."""

from fastapi import Response

from app.edge.routes import router
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.schemas import result_json
from app.scoring import Score, read_answers, read_attributes, score
from app.sessions.requests import ScoreRequest

scoring = router("scoring", Scope.SCORE)
MAX_QUICK_QUESTIONS = 100


@scoring.post("/score", operation_id="score", response_model=Score)
async def score_answers(request: ScoreRequest, service: ServiceDep) -> Response:
    """Score answers. Nothing is stored, and the same request always gets the same score.

    If answers of the set can go stale, this is only true if you send `as_of` and the `answered_at` of each
    answer. Without `as_of`, the service uses the current time.
    """
    plan = await service.plans.get(request.question_set)

    def compute() -> bytes:
        answers = read_answers(plan.question_set, request.sent())
        attributes = read_attributes(plan.question_set, request.attributes)
        return result_json(score(plan, answers, attributes, as_of=request.as_of or service.clock()))

    # Most of the time is needed to find what unknown attributes can change.
    is_quick = len(plan.questions) <= MAX_QUICK_QUESTIONS and not plan.effects
    result = compute() if is_quick else await service.computing.run(compute)
    return Response(result, media_type="application/json")
