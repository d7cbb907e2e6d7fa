"""The command line, `prospect-fit`."""

import typer

from app.cli.backup import backup, restore
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.export import export
from app.cli.import_file import import_file
from app.cli.keys import keys
from app.cli.move import move
from app.cli.openapi import openapi
from app.cli.question_sets import question_sets
from app.cli.score_file import score_file
from app.cli.secrets import secrets
from app.cli.serve import migrate, serve
from app.cli.sources import sources
from app.cli.sql import sql
from app.cli.verify import verify

main = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Score how well a sales prospect fits.",
)
main.command()(serve)
main.command()(migrate)
main.add_typer(keys, name="keys")
main.add_typer(secrets, name="secrets")
main.add_typer(sources, name="sources")
main.add_typer(question_sets, name="question-sets")
main.command("score")(score_file)
main.command("import")(import_file)
main.add_typer(export, name="export")
main.command()(move)
main.command()(sql)
main.command()(backup)
main.command()(restore)
main.command()(verify)
main.command()(demo)
main.command()(doctor)
main.command()(openapi)
