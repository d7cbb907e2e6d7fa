"""The command line, `prospect-fit`."""

import typer

from app.commands.demo import demo
from app.commands.doctor import doctor
from app.commands.importing import import_file
from app.commands.keys import keys
from app.commands.question_sets import question_sets
from app.commands.reference import openapi
from app.commands.score_file import score_file
from app.commands.serving import migrate, serve
from app.commands.statement import sql

main = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Scores how well a sales prospect fits.",
)
main.command()(serve)
main.command()(migrate)
main.add_typer(keys, name="keys")
main.add_typer(question_sets, name="question-sets")
main.command("score")(score_file)
main.command("import")(import_file)
main.command()(sql)
main.command()(demo)
main.command()(doctor)
main.command()(openapi)
