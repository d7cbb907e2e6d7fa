"""Demo prospects with a history of fifteen months: sessions at every stage, won and lost deals, accounts."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from typing import Any, NamedTuple

from sqlmodel import col, select

from app.db import Transaction
from app.prospect_lifecycle import erase
from app.prospects.queries import find_by_link, links_of
from app.prospects.schemas import Link
from app.prospects.tables import Prospect, ProspectLink
from app.question_sets.plans import Plans
from app.scoring import Plan, Question
from app.sessions.qualification import qualify
from app.sessions.requests import QualifyRequest
from app.sessions.session_edit import UnitOfWork

DEMO_SOURCE = "prospect-fit.demo"  # not plain "demo", which could be the source of a user's own prospects
DEMO_SETS = DEMO_SET, ACCOUNT_SET = "qualifying-a-sale", "key-account-selection"
DEMO_WORDS = [
    *("Alder", "Aspen", "Beech", "Birch", "Cedar", "Cherry", "Chestnut", "Cypress", "Elm", "Fir", "Hazel"),
    *("Holly", "Ivy", "Juniper", "Larch", "Laurel", "Linden", "Maple", "Oak", "Pine", "Poplar", "Rowan"),
    *("Spruce", "Walnut", "Willow", "Yew"),
]
INDUSTRIES = {"Logistics": "logistics", "Clinics": "healthcare", "Retail": "retail", "Schools": "education"}
DEMO_NAMES = {
    f"{number:03d}": f"{first} {second}"
    for number, (second, first) in enumerate(product(INDUSTRIES, DEMO_WORDS), 1)
}
SELLERS = ("Mara Lind", "Jonas Weber", "Priya Nair", "Tom Okafor")
COMPETITORS = ("Fernwood Systems", "Gridline", "Northgate Software")
EVIDENCE = ("fact", "judgement", "assumption")
DEALS = (None, None, "First site", "New region", "Replacement")
REASONS = {
    "pursue": "They have a date, and the people who decide are involved.",
    "nurture": "They see the need, but nobody can decide about it this year.",
    "disqualify": "They gain too little from what we offer.",
}
# The stages of a sale, and the number of prospects at each.
STAGES: Mapping[str, int] = {
    "won": 36,
    "lost": 34,
    "no_decision": 6,
    "disqualified": 5,
    "nurtured": 6,
    "pursued": 4,
    "second talk": 5,
    "first talk": 5,
    "new": 3,
}
DECISIONS = {"disqualified": "disqualify", "nurtured": "nurture", "pursued": "pursue"}
OUTCOMES = ("won", "lost", "no_decision")
# The mean quality of the deals at a stage; `INFLUENCE` says what it changes.
MEAN_QUALITY = {"won": 0.55, "lost": -0.4, "disqualified": -1.7, "nurtured": -0.2, "pursued": 0.9}
# How many days ago the oldest and the newest deal were opened: those with an outcome, and the open ones.
CLOSED_DEALS, OPEN_DEALS = (460, 62), (40, 12)
# How much the quality of a deal changes its ratings: a rating is 3.6 + influence × quality + noise. Questions
# that are not here have USUAL_INFLUENCE.
INFLUENCE = {
    **dict.fromkeys(("trigger", "decision_makers", "current_challenges", "budget"), 1.1),
    **dict.fromkeys(("requirements", "timeline", "open_items", "goal"), 0.8),
    **dict.fromkeys(("best_parts", "past_success", "data_points"), 0.0),
}
USUAL_INFLUENCE = 0.35
# Of this many prospects, one has a deal that a second assessor rates as well.
SECOND_ASSESSOR_EVERY = 4
SHARE_UNKNOWN = 0.04
PROSPECTS_PER_TRANSACTION = 8


class DemoStep(NamedTuple):
    """What was recorded about a prospect in one call, as many days ago."""

    days_ago: float
    request: QualifyRequest


@dataclass(frozen=True, slots=True)
class DemoProspect:
    """A prospect with the calls that recorded its history, oldest first."""

    link: Link
    steps: Sequence[DemoStep]


def demo_prospects(plans: Mapping[str, Plan], today: date) -> list[DemoProspect]:
    """Return the demo prospects, the oldest first. `plans` has those of DEMO_SETS by their names."""
    rng = random.Random(7)  # noqa: S311  # a fixed seed: the same prospects every time
    stages = [stage for stage, count in STAGES.items() for _ in range(count)]
    rng.shuffle(stages)
    invented = [
        DemoProspect(
            Link(source=DEMO_SOURCE, external_id=number),
            _steps(_Deal.invented(rng, number, stage, plans[DEMO_SET], today), plans[ACCOUNT_SET]),
        )
        for number, stage in zip(DEMO_NAMES, stages, strict=True)
    ]
    return sorted(invented, key=lambda one: -one.steps[0].days_ago)


def in_batches(prospects: Sequence[DemoProspect]) -> Iterator[Sequence[DemoProspect]]:
    """Yield the prospects in parts, each to be created in one short transaction."""
    for start in range(0, len(prospects), PROSPECTS_PER_TRANSACTION):
        yield prospects[start : start + PROSPECTS_PER_TRANSACTION]


def create_demo_prospects(plans: Plans, prospects: Iterable[DemoProspect], tx: Transaction) -> int:
    """Record the history of the demo prospects that do not exist, and return how many these are."""
    missing = [one for one in prospects if not find_by_link(tx, one.link)]
    for days_ago, request in (step for one in missing for step in one.steps):
        # Webhooks skip what happened long ago.
        then = replace(tx, at=tx.at - timedelta(days=days_ago), silent=True)
        qualify(UnitOfWork(then, plans, DEMO_SOURCE, request.actor), request)
    return len(missing)


@dataclass(frozen=True, slots=True)
class _Deal:
    """A deal, with the data for its history. `truth` has the rating that fits the deal best, by question."""

    rng: random.Random
    number: str
    stage: str
    plan: Plan
    today: date
    opened: float
    seller: str
    deal: str | None
    truth: Mapping[str, float]

    @classmethod
    def invented(cls, rng: random.Random, number: str, stage: str, plan: Plan, today: date) -> "_Deal":
        quality = rng.gauss(MEAN_QUALITY.get(stage, 0.1), 0.7)
        usual = {key: 3.6 + INFLUENCE.get(key, USUAL_INFLUENCE) * quality for key in plan.questions}
        return cls(
            rng,
            number,
            stage,
            plan,
            today,
            opened=rng.uniform(*(CLOSED_DEALS if stage in OUTCOMES else OPEN_DEALS)),
            seller=SELLERS[int(number) % len(SELLERS)],
            deal=rng.choice(DEALS),
            truth={key: rng.gauss(rating, 0.6) for key, rating in usual.items()},
        )

    @property
    def assessors(self) -> list[str | None]:
        """The assessors, each with a session; [None] if there is one session without an assessor."""
        place = int(self.number) // SECOND_ASSESSOR_EVERY
        if int(self.number) % SECOND_ASSESSOR_EVERY:
            return [None]
        return [self.seller, SELLERS[(SELLERS.index(self.seller) + 1 + place % 3) % len(SELLERS)]]

    def step(self, days_ago: float, **fields: Any) -> DemoStep:
        """Return a call that was made some days ago, at least 0.01."""
        request = {"source": DEMO_SOURCE, "external_id": self.number, "actor": self.seller, **fields}
        return DemoStep(max(0.01, days_ago), QualifyRequest.model_validate(request))

    def day(self, days_ago: float) -> str:
        """Return the day that was some days ago, in ISO 8601. A negative number gives a day to come."""
        return str(self.today - timedelta(days=round(days_ago)))


def _steps(deal: _Deal, accounts: Plan) -> list[DemoStep]:
    """Return the history of a deal, oldest first."""
    steps = [step for assessor in deal.assessors for step in _session(deal, assessor)]
    if deal.stage == "won" and int(deal.number) % 3:
        steps.append(_account(deal, accounts))
    return sorted(steps, key=lambda one: -one.days_ago)


def _session(deal: _Deal, assessor: str | None) -> Iterator[DemoStep]:
    """Yield the steps of one session: two talks, the decision, the talk after it, and the outcome."""
    rng = deal.rng
    identity = {"question_set": DEMO_SET, "deal": deal.deal, "assessor": assessor}
    identity["actor"] = assessor or deal.seller
    ungated = [asked.question for asked in deal.plan.asked if not asked.step.gated]
    gated = [asked.question for asked in deal.plan.asked if asked.step.gated]
    half = len(ungated) * 2 // 3
    second_talk = max(1.0, deal.opened - rng.uniform(8, 16)) - (0.2 if assessor else 0)
    decided = max(0.5, second_talk - rng.uniform(1, 6))
    first = {"name": DEMO_NAMES[deal.number], "attributes": _attributes(deal)}
    if deal.stage == "new":
        yield deal.step(deal.opened, **identity, **first)
        return
    yield deal.step(deal.opened, **identity, **first, answers=_answers(deal, ungated[:half]))
    if deal.stage == "first talk":
        return
    yield deal.step(second_talk, **identity, answers=_answers(deal, ungated[half:]))
    decision = DECISIONS.get(deal.stage) or ("pursue" if deal.stage in OUTCOMES else None)
    if decision is None:
        return
    yield deal.step(decided, **identity, decision=_decision(deal, decision, decided))
    if decision == "pursue":
        yield deal.step(decided - 0.3, **identity, answers=_answers(deal, gated))
    if deal.stage in OUTCOMES:
        # On one day for all assessors, because it is one deal.
        closed = deal.opened - 50
        yield deal.step(closed - (0.1 if assessor else 0), **identity, outcome=_outcome(deal, closed))


def _attributes(deal: _Deal) -> dict[str, Any]:
    return {
        "industry": INDUSTRIES[DEMO_NAMES[deal.number].split()[1]],
        "employees": round(10 * deal.rng.lognormvariate(2.5, 1)),
        "annual_revenue": round(deal.rng.lognormvariate(2, 1)) * 1_000_000 + 500_000,
    }


def _answers(deal: _Deal, questions: Iterable[Question]) -> list[dict[str, Any]]:
    rng = deal.rng
    return [
        {"question": one.key, "state": "unknown"}
        if rng.random() < SHARE_UNKNOWN and one.must_reach is None
        else {
            "question": one.key,
            "rating": min(5, max(1, round(rng.gauss(deal.truth[one.key], 0.6)))),
            "evidence": rng.choice(EVIDENCE),
        }
        for one in questions
    ]


def _decision(deal: _Deal, decision: str, decided: float) -> dict[str, Any]:
    view = {"pursue": "yes", "nurture": "unsure", "disqualify": "no"}[decision]
    words = {"decision": decision, "match": view, "benefit": view, "reason": REASONS[decision]}
    # The day to revisit comes after the decision.
    days_ago = min(deal.rng.choice((21, 6, 1, 0, -2, -30)), decided - 1)
    return words | ({"revisit_on": deal.day(days_ago)} if decision == "nurture" else {})


def _outcome(deal: _Deal, closed: float) -> dict[str, Any]:
    # From the number of the deal alone: all assessors record the same outcome.
    rng = random.Random(int(deal.number))  # noqa: S311
    outcome: dict[str, Any] = {"outcome": deal.stage, "closed_on": deal.day(closed), "currency": "EUR"}
    outcome["amount"] = round(rng.lognormvariate(3.6, 0.7)) * 1000
    if deal.stage == "won":
        outcome["reason"] = rng.choice(("references", "service", "fit"))
    if deal.stage == "lost":
        outcome["reason"] = _reason_for_losing(deal, rng)
        if outcome["reason"] in ("price", "missing_function"):
            outcome["competitor"] = rng.choice(COMPETITORS)
    return outcome


def _reason_for_losing(deal: _Deal, rng: random.Random) -> str:
    if deal.truth["budget"] < 2.6:
        return "no_budget"
    if deal.truth["timeline"] < 2.6:
        return "timing"
    return rng.choice(("price", "price", "missing_function"))


def _account(deal: _Deal, accounts: Plan) -> DemoStep:
    """Return the step that rates a customer as an account. Some ratings are still missing."""
    rng = deal.rng
    revenue = round(rng.lognormvariate(5, 1.2)) * 1000
    attributes = {
        "existing_account": True,
        "annual_revenue_with_us": revenue,
        "annual_profit_with_us": round(revenue * rng.uniform(-0.05, 0.35)),
    }
    ratings = {
        key: min(5, max(1, round(rng.gauss(3.4, 1.2))))
        for key, question in accounts.questions.items()
        if question.rate_from is None and rng.random() < 0.9
    }
    return deal.step(deal.opened - 55, question_set=ACCOUNT_SET, attributes=attributes, ratings=ratings)


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
