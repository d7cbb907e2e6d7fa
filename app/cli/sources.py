"""`sources list | set`: how the ids of other systems are compared."""

from typing import Annotated

import typer

from app.cli.console import existing_database, print_text
from app.cli.terminal import out, table
from app.prospects.schemas import IdRule, Link
from app.prospects.sources.queries import list_sources
from app.prospects.sources.service import set_id_rule

sources = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Set how the ids of other systems are compared."
)


@sources.command("list")
def list_() -> None:
    """List the sources whose rule was set. Every other source has the rule exact."""
    with existing_database() as database:
        rows = table("source", "id rule")
        for source in database.read_sync(list_sources).items:
            rows.add_row(source.source, source.id_rule)
        out.print(rows)


@sources.command("set")
def set_(
    source: Annotated[str, typer.Argument(help="The source, such as salesforce.account.")],
    id_rule: Annotated[
        IdRule,
        typer.Argument(
            help="exact: every character counts; ignore_case: case makes no difference; salesforce: the "
            "15-character and the 18-character id of one record are the same."
        ),
    ],
) -> None:
    """Set how the ids of a source are compared. If ids of different prospects collide, nothing changes."""
    with existing_database() as database:
        link = Link(source=source, external_id="any")
        database.write_sync(lambda tx: set_id_rule(tx, link.source, id_rule))
        print_text(f"{link.source}: {id_rule}.")
