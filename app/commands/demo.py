"""`demo`: a few dozen invented prospects to look at, and away with them again."""

import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer
from rich.progress import track
from sqlmodel import col, select

from app.commands.console import err, migrated_database, say
from app.db import Database, Transaction
from app.prospects.records import erase
from app.prospects.tables import Prospect, ProspectLink
from app.question_sets.files import read_builtin
from app.question_sets.plans import Plans
from app.question_sets.publishing import publish_builtin
from app.scoring import Plan
from app.sessions.case import Work
from app.sessions.flow import qualify
from app.sessions.requests import DecisionIn, OutcomeIn, QualifyRequest
from app.settings import Settings

SOURCE = "demo"
SET = "qualifying-a-sale"

FIRST = ["Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Ivy", "Juniper", "Larch"]
SECOND = {"Logistics": "logistics", "Clinics": "healthcare", "Retail": "retail", "Schools": "education"}

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
        gone = database.write_here(_remove)
        if remove:
            say(f"Removed {gone} invented prospects.")
            return
        count = _load(database)
        say(f"Loaded {count} invented prospects with the source '{SOURCE}'.")
        say("Try GET /v1/sessions?sort=ranked, and 'prospect-fit demo --remove' when you are done.")


def _remove(tx: Transaction) -> int:
    linked = select(ProspectLink.prospect_id).where(ProspectLink.source == SOURCE)
    invented = tx.db.exec(select(Prospect).where(col(Prospect.id).in_(linked))).all()
    for prospect in invented:
        erase(tx, prospect)
    return len(invented)


def _load(database: Database) -> int:
    database.write_here(lambda tx: publish_builtin(tx, read_builtin()))
    plans = Plans(database, Settings().default_question_set)
    plan = database.read_here(lambda tx: plans.find(tx, SET))
    dice = random.Random(7)  # noqa: S311  # the same prospects every time
    names = [f"{first} {second}" for second in SECOND for first in FIRST]
    stages = list(STAGES.values())
    for number, name in enumerate(track(names, "Inventing prospects", console=err, transient=True)):
        request = _invent(dice, plan, name, number, stages[number % len(stages)])
        database.write_here(lambda tx, request=request: qualify(Work(tx, plans, SOURCE), request))  # type: ignore[misc]
    return len(names)


def _invent(dice: random.Random, plan: Plan, name: str, number: int, stage: Stage) -> QualifyRequest:
    share, tendency, decision, outcome = stage
    scored = [question for step, question in plan.asked if not step.gated or decision == "pursue"]
    asked = scored[: round(share * len(scored))]
    word: Literal["yes", "unsure"] = "yes" if tendency > 4 else "unsure"
    return QualifyRequest(
        source=SOURCE,
        external_id=f"{number + 1:03d}",
        name=name,
        attributes=_facts(dice, name),
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
