"""`demo`: load a few dozen demo prospects, or remove them again."""

import random
from collections.abc import Mapping
from functools import partial
from itertools import cycle, product
from typing import Annotated, Any, Literal

import typer
from rich.progress import track
from sqlmodel import col, select

from app.cli.console import counted, err, existing_database, print_text
from app.db import Database, Transaction
from app.prospect_lifecycle import erase
from app.prospects.queries import find_by_link, links_of
from app.prospects.tables import Prospect, ProspectLink
from app.question_sets.files import read_builtin
from app.question_sets.plans import Plans
from app.question_sets.service import publish_builtin
from app.scoring import Plan
from app.sessions.schemas import DecisionIn, OutcomeIn, QualifyRequest
from app.sessions.service import qualify
from app.sessions.session_edit import UnitOfWork
from app.settings import Settings

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


def demo(
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the demo prospects.")] = False,
) -> None:
    """Load 36 demo prospects with sessions at every stage. Running it again starts over."""
    with existing_database() as database:
        removed, kept = database.write_sync(_remove)
        database.truncate_wal_sync()
        if kept:
            print_text(f"Not removed because of links to other systems: {counted(kept, 'prospect')}.")
        if remove:
            print_text(f"Removed {counted(removed, 'demo prospect')}.")
            return
        count = _load(database)
        print_text(f"Loaded {counted(count, 'demo prospect')} with the source '{DEMO_SOURCE}'.")
        print_text(
            "Try GET /v1/sessions?sort=ranked. To remove the prospects, run 'prospect-fit demo --remove'."
        )


def _remove(tx: Transaction) -> tuple[int, int]:
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


def _load(database: Database) -> int:
    """Create the demo prospects, except those that were kept, and return how many were created."""
    database.write_sync(lambda tx: publish_builtin(tx, read_builtin()))
    plans = Plans(database, Settings().default_question_set)
    plan = database.read_sync(lambda tx: plans.find(tx, DEMO_SET))
    rng = random.Random(7)  # noqa: S311  # a fixed seed: the same prospects every time
    stages = cycle(STAGES.values())
    count = 0
    for number in track(DEMO_NAMES, "Creating prospects", console=err, transient=True):
        request = _demo_request(rng, plan, number, next(stages))
        count += database.write_sync(partial(_qualify_new, plans, request))
    return count


def _qualify_new(plans: Plans, request: QualifyRequest, tx: Transaction) -> bool:
    """Qualify a prospect unless it already exists, and return whether it was created."""
    if find_by_link(tx, request.link):
        return False
    qualify(UnitOfWork(tx, plans, DEMO_SOURCE, request.actor), request)
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
