"""`question-sets lint | load | export`."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.console import failures_told, give_up, migrated_database, say
from app.question_sets.files import BrokenFile, Fault, as_yaml, read_file
from app.question_sets.plans import Plans
from app.question_sets.publishing import publish
from app.scoring import QuestionSet
from app.settings import Settings

question_sets = typer.Typer(no_args_is_help=True, help="Question sets as YAML files.")

Files = Annotated[list[Path], typer.Argument(help="YAML files.", exists=True, dir_okay=False)]


@question_sets.command()
def lint(files: Files) -> None:
    """Check files and name every fault with its line."""
    for question_set in _read_all(files):
        count = sum(len(step.questions) for step in question_set.steps)
        say(f"{question_set.key}: {count} questions, no fault.")


@question_sets.command()
def load(files: Files) -> None:
    """Publish each file as the next version of its set; the same content makes no new one."""
    read = _read_all(files)
    with migrated_database() as database:
        done = database.write_here(lambda tx: [publish(tx, question_set) for question_set in read])
        for version, is_new in done:
            what = "published" if is_new else "is published already"
            say(f"{version.key}@{version.version} {what}.")


@question_sets.command()
def export(
    name: Annotated[str, typer.Argument(help="A key for the newest version, or key@version.")],
) -> None:
    """Print a published version as YAML."""
    with migrated_database() as database:
        plans = Plans(database, Settings().default_question_set)
        plan = database.read_here(lambda tx: plans.find(tx, name))
        say(as_yaml(plan.question_set).rstrip())


def _read_all(files: list[Path]) -> list[QuestionSet]:
    """Every file, or every fault of all of them."""
    read: list[QuestionSet] = []
    faults: list[Fault] = []
    with failures_told():
        for path in files:
            try:
                read.append(read_file(path))
            except BrokenFile as error:
                faults += error.faults
    if faults:
        give_up("\n".join(map(str, faults)))
    return read
