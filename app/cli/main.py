"""The command line, `prospect-fit`. Only the command that runs is imported, because imports take seconds."""

import gc
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Place(NamedTuple):
    """Where a command is: a function or a `Typer` in a module of `app.cli`, and its first sentences."""

    module: str
    name: str
    summary: str


COMMANDS = {
    "serve": Place(
        "serve", "serve", "Migrate the database, publish the built-in question sets and serve the API."
    ),
    "migrate": Place(
        "serve",
        "migrate",
        "Migrate the database to the newest schema, and create the key file of an SQLite database.",
    ),
    "keys": Place("keys", "keys", "Create, list, rotate and revoke API keys."),
    "sign-in": Place(
        "sign_in",
        "sign_in",
        "Print a link that signs a browser in once, within five minutes. It uses the oldest admin key.",
    ),
    "secrets": Place("secrets", "secrets", "Rotate or replace the key that encrypts the stored secrets."),
    "sources": Place("sources", "sources", "Set how the ids of other systems are compared."),
    "question-sets": Place(
        "question_sets", "question_sets", "Check, publish, export and compare question sets as YAML files."
    ),
    "score": Place(
        "score_file", "score_file", "Score rows that have a column for each question, or answers in JSON."
    ),
    "import": Place(
        "import_file",
        "import_file",
        "Import prospects from a file of any size: each row creates or changes one prospect.",
    ),
    "export": Place(
        "export", "export", "Write sessions or prospects to a CSV, XLSX, NDJSON or Parquet file."
    ),
    "insights": Place(
        "insights", "insights", "Print what outcomes say about scores, questions, people and accounts."
    ),
    "move": Place(
        "move", "move", "Move all open sessions on older versions of a question set to this version."
    ),
    "sql": Place(
        "sql",
        "sql",
        "Print a question set as one SELECT that computes exactly the same scores in a database.",
    ),
    "backup": Place("backup", "backup", "Copy the database to a file. The service can keep running."),
    "restore": Place("backup", "restore", "Replace the database with a backup. Stop the service first."),
    "verify": Place(
        "verify",
        "verify",
        "Check the stored data, and change nothing. Exits with 1 if anything is wrong.",
    ),
    "demo": Place(
        "demo",
        "demo",
        "Load 104 demo prospects with sessions at every stage. Running it again starts over.",
    ),
    "doctor": Place(
        "doctor",
        "doctor",
        "Check the settings, the database and its content. Exits with 1 if a check fails.",
    ),
    "openapi": Place("openapi", "openapi", "Print the OpenAPI description of the API as JSON."),
}


class _LazyGroup(TyperGroup):
    """Lists every command with its summary, and imports only the one that runs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, place in COMMANDS.items():
            self.add_command(TyperCommand(name, help=place.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(name) if name else None, rest


def load(name: str) -> Any:
    """Import a command, and return it as Typer runs it."""
    place = COMMANDS[name]
    # Modules never become garbage. To search them, while they are imported and when the process ends, takes
    # a third of the time of a short command.
    gc.disable()
    command = getattr(import_module(f"app.cli.{place.module}"), place.name)
    gc.freeze()
    gc.enable()
    if not isinstance(command, typer.Typer):
        function, command = command, typer.Typer(add_completion=False)
        command.command(name)(function)
    return typer.main.get_command(command)


main = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@main.callback()
def _describe() -> None:
    """Score how well a sales prospect fits."""
