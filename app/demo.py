"""Demo prospects with sessions at every stage."""

import random
from collections.abc import Iterator, Mapping
from itertools import cycle, product
from typing import Any, Literal

from sqlmodel import col, select

from app.db import Transaction
from app.prospect_lifecycle import erase
from app.prospects.queries import find_by_link, links_of
from app.prospects.tables import Prospect, ProspectLink
from app.question_sets.plans import Plans
from app.scoring import Plan
from app.sessions.schemas import DecisionIn, OutcomeIn, QualifyRequest
from app.sessions.service import qualify
from app.sessions.session_edit import UnitOfWork

DEMO_SOURCE = "prospect-fit.demo"  # not plain "demo", which could be the source of a user's own prospects
DEMO_SET = "qualifying-a-sale"
DEMO_WORDS = ["Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Ivy", "Juniper", "Larch"]
INDUSTRIES = {"Logistics": "logistics", "Clinics": "healthcare", "Retail": "retail", "Schools": "education"}
DEMO_NAMES = {
    f"{number:03d}": f"{first} {second}"
    for number, (second, first) in enumerate(product(INDUSTRIES, DEMO_WORDS), 1)
}
# How far the qualification of a prospect is: the share of questions that are answered (0 to 1), the mean
# rating (1 to 5), the decision and the outcome.
Stage = tuple[float, float, str | None, str | None]
STAGES: Mapping[str, Stage] = {
    "new": (0.0, 3.0, None, None),
    "first talk": (0.3, 3.4, None, None),
    "half way, promising": (0.6, 4.2, None, None),
    "half way, doubtful": (0.6, 2.0, None, None),
    "all asked, mixed": (1.0, 3.0, None, None),
    "settled, no fit": (0.9, 1.3, None, None),
    "nurtured": (0.7, 3.2, "nurture", None),
    "pursued": (1.0, 4.3, "pursue", None),
    "disqualified": (0.8, 1.6, "disqualify", None),
    "won": (1.0, 4.5, "pursue", "won"),
    "lost": (0.9, 3.1, "pursue", "lost"),
    "no decision": (0.8, 3.0, "pursue", "no_decision"),
}


def demo_requests(plan: Plan) -> Iterator[QualifyRequest]:
    """Yield the request that creates each demo prospect; `plan` is that of DEMO_SET."""
    rng = random.Random(7)  # noqa: S311  # a fixed seed: the same prospects every time
    for number, stage in zip(DEMO_NAMES, cycle(STAGES.values()), strict=False):
        yield _demo_request(rng, plan, number, stage)


def create_demo_prospect(plans: Plans, request: QualifyRequest, tx: Transaction) -> bool:
    """Qualify a demo prospect unless it already exists, and return whether it was created."""
    if find_by_link(tx, request.link):
        return False
    uow = UnitOfWork(tx, plans, DEMO_SOURCE, request.actor)
    qualify(uow, request.model_copy(update={"outcome": None}))
    if request.outcome:
        # Apart from the answers: otherwise they would count as hindsight.
        qualify(uow, request)
    return True


def _demo_request(rng: random.Random, plan: Plan, number: str, stage: Stage) -> QualifyRequest:
    share, mean_rating, decision, outcome = stage
    questions = [asked.question for asked in plan.asked if not asked.step.gated or decision == "pursue"]
    answered = questions[: round(share * len(questions))]
    view: Literal["yes", "unsure"] = "yes" if mean_rating > 4 else "unsure"
    return QualifyRequest(
        source=DEMO_SOURCE,
        external_id=number,
        name=DEMO_NAMES[number],
        attributes=_attributes(rng, DEMO_NAMES[number]),
        question_set=DEMO_SET,
        ratings={question.key: _rating(rng, mean_rating) for question in answered},
        decision=DecisionIn.model_validate({"decision": decision, "match": view, "benefit": view})
        if decision
        else None,
        outcome=OutcomeIn.model_validate({"outcome": outcome, "amount": rng.randrange(10, 200) * 1000})
        if outcome
        else None,
        actor="demo",
    )


def _attributes(rng: random.Random, name: str) -> dict[str, Any]:
    return {
        "industry": INDUSTRIES[name.split()[1]],
        "employees": rng.randrange(10, 2000),
        "annual_revenue": rng.randrange(1, 400) * 100_000,
    }


def _rating(rng: random.Random, mean_rating: float) -> int:
    return min(5, max(1, round(rng.gauss(mean_rating, 0.7))))


def remove_demo(tx: Transaction) -> tuple[int, int]:
    """Erase the demo prospects, and return how many were erased and how many were kept.

    A prospect is kept if it also has links to other systems, added or merged by a user.
    """
    linked = select(ProspectLink.prospect_id).where(ProspectLink.source == DEMO_SOURCE)
    found = select(Prospect).where(col(Prospect.id).in_(linked)).order_by(col(Prospect.id)).with_for_update()
    prospects = tx.db.exec(found).all()
    links = links_of(tx, [prospect.id for prospect in prospects])
    removable = [prospect for prospect in prospects if all(map(_is_demo_link, links[prospect.id]))]
    for prospect in removable:
        erase(tx, prospect.id)
    return len(removable), len(prospects) - len(removable)


def _is_demo_link(link: ProspectLink) -> bool:
    return link.source == DEMO_SOURCE and link.external_id in DEMO_NAMES
