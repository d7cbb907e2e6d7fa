"""`demo`: a few dozen invented prospects to look at, and away with them again."""

import random
from collections.abc import Mapping
from functools import partial
from itertools import cycle, product
from typing import Annotated, Any, Literal

import typer
from rich.progress import track
from sqlmodel import col, select

from app.cli.console import err, migrated_database, say
from app.db import Database, Transaction
from app.lifecycle import erase
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

SOURCE = "prospect-fit.demo"  # a plain "demo" could be the source of somebody's own prospects
SET = "qualifying-a-sale"
FIRST = ["Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Ivy", "Juniper", "Larch"]
SECOND = {"Logistics": "logistics", "Clinics": "healthcare", "Retail": "retail", "Schools": "education"}
NAMES = {
    f"{number:03d}": f"{first} {second}" for number, (second, first) in enumerate(product(SECOND, FIRST), 1)
}
# How far a prospect has come: the share of questions answered, how well the answers tend to be
# rated (1..5), and what was concluded.
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
    remove: Annotated[bool, typer.Option("--remove", help="Take them away again.")] = False,
) -> None:
    """Load 36 invented prospects with sessions at every stage; run again, it starts over."""
    with migrated_database() as database:
        gone, kept = database.write_sync(_remove)
        database.truncate_wal_sync()
        if kept:
            say(f"Left alone, since they have other links too: {kept}.")
        if remove:
            say(f"Removed {gone} invented prospects.")
            return
        count = _load(database)
        say(f"Loaded {count} invented prospects with the source '{SOURCE}'.")
        say("Try GET /v1/sessions?sort=ranked, and 'prospect-fit demo --remove' when you are done.")


def _remove(tx: Transaction) -> tuple[int, int]:
    """Erase those that nobody linked or merged with anything else; how many, and how many others."""
    linked = select(ProspectLink.prospect_id).where(ProspectLink.source == SOURCE)
    found = select(Prospect).where(col(Prospect.id).in_(linked)).order_by(col(Prospect.id)).with_for_update()
    prospects = tx.db.exec(found).all()
    links = links_of(tx, [prospect.id for prospect in prospects])
    invented = [prospect for prospect in prospects if all(map(_is_ours, links[prospect.id]))]
    for prospect in invented:
        erase(tx, prospect.id)
    return len(invented), len(prospects) - len(invented)


def _is_ours(link: ProspectLink) -> bool:
    return link.source == SOURCE and link.external_id in NAMES


def _load(database: Database) -> int:
    """Invent all but those that were left alone; how many."""
    database.write_sync(lambda tx: publish_builtin(tx, read_builtin()))
    plans = Plans(database, Settings().default_question_set)
    plan = database.read_sync(lambda tx: plans.find(tx, SET))
    dice = random.Random(7)  # noqa: S311  # the same prospects every time
    stages = cycle(STAGES.values())
    count = 0
    for number in track(NAMES, "Inventing prospects", console=err, transient=True):
        request = _invent(dice, plan, number, next(stages))
        count += database.write_sync(partial(_qualify_new, plans, request))
    return count


def _qualify_new(plans: Plans, request: QualifyRequest, tx: Transaction) -> bool:
    """Qualify a prospect that does not exist yet; whether it was new."""
    if find_by_link(tx, request.link):
        return False
    qualify(UnitOfWork(tx, plans, SOURCE), request)
    return True


def _invent(dice: random.Random, plan: Plan, number: str, stage: Stage) -> QualifyRequest:
    share, tendency, decision, outcome = stage
    scored = [one.question for one in plan.asked if not one.step.gated or decision == "pursue"]
    asked = scored[: round(share * len(scored))]
    word: Literal["yes", "unsure"] = "yes" if tendency > 4 else "unsure"
    return QualifyRequest(
        source=SOURCE,
        external_id=number,
        name=NAMES[number],
        attributes=_facts(dice, NAMES[number]),
        question_set=SET,
        ratings={question.key: _rating(dice, tendency) for question in asked},
        decision=DecisionIn.model_validate({"decision": decision, "match": word, "benefit": word})
        if decision
        else None,
        outcome=OutcomeIn.model_validate({"outcome": outcome, "amount": dice.randrange(10, 200) * 1000})
        if outcome
        else None,
        actor="demo",
    )


def _facts(dice: random.Random, name: str) -> dict[str, Any]:
    return {
        "industry": SECOND[name.split()[1]],
        "employees": dice.randrange(10, 2000),
        "annual_revenue": dice.randrange(1, 400) * 100_000,
    }


def _rating(dice: random.Random, tendency: float) -> int:
    return min(5, max(1, round(dice.gauss(tendency, 0.7))))
