"""`serve` and `migrate`: bring the database up to date, and answer."""

import os
import socket
import sys
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.cli.console import fail, migrated_database, reported_failures, say
from app.main import open_database, prepare_database
from app.migrate import newest_revision
from app.settings import PREFIX, Settings

# Named, since the default may be a set that does not ask these.
EXAMPLE_SET = "qualifying-a-sale"
EXAMPLE_RATINGS = '{"requirements": 4, "current_challenges": 5, "timeline": 4, "budget": 3}'


def serve(  # noqa: PLR0913, PLR0917  # one option for each setting
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0 takes a free one.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where callers reach it behind a proxy.")] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes serve.")] = None,
    database_url: Annotated[str | None, typer.Option(help="Where everything is stored.")] = None,
    admin_key: Annotated[str | None, typer.Option(help="The first key.")] = None,
    default_question_set: Annotated[str | None, typer.Option(help="For requests that name none.")] = None,
    pool_size: Annotated[int | None, typer.Option(help="PostgreSQL connections a process.")] = None,
    wait_seconds: Annotated[float | None, typer.Option(help="Longest wait for the database.")] = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="The largest request body.")] = None,
    webhook_networks: Annotated[str | None, typer.Option(help="Private networks webhooks may reach.")] = None,
    webhook_seconds: Annotated[float | None, typer.Option(help="Time for a webhook's receiver.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Migrate, load the built-in question sets, and serve; every option is also a setting."""
    given = {name: value for name, value in locals().items() if value is not None}
    # Through the environment, so that every serving process finds the same settings.
    os.environ |= {PREFIX + name.upper(): str(value) for name, value in given.items()}
    with reported_failures():
        settings = Settings()
        listening = _listen(settings.host, settings.port)
        database = open_database(settings)
        try:
            new_key = prepare_database(database, settings)
        finally:
            database.close()
    _greet(settings, listening.getsockname()[1], new_key)
    _run(settings, listening)


def migrate() -> None:
    """Bring the database to the newest schema, and do nothing else."""
    with migrated_database():
        say(f"The schema is at revision {newest_revision()}.")


def _listen(host: str, port: int) -> socket.socket:
    """Take the address before anything else, so that nobody is greeted by a service that is not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        fail(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port or --host.")
    # From here on the kernel keeps callers waiting until the service answers.
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening


def _run(settings: Settings, listening: socket.socket) -> None:
    options: dict[str, Any] = {
        "factory": True,
        # On Windows, where httptools is not, uvicorn's other protocol has a limit of its own.
        "http": "auto" if sys.platform == "win32" else "app.edge.protocol:BoundedHttp",
        "log_config": None,
        "log_level": settings.log_level,
        "access_log": False,
        "timeout_graceful_shutdown": 20,
        # A process that is only starting must not be taken for one that hangs.
        "timeout_worker_healthcheck": 60,
        "server_header": False,
    }
    config = uvicorn.Config("app.main:create_app_from_environment", workers=settings.workers, **options)
    if settings.workers == 1:
        uvicorn.Server(config).run([listening])
    else:
        Multiprocess(config, sockets=[listening]).run()


def _greet(settings: Settings, port: int, new_key: str | None) -> None:
    here = _listening_at(settings.host, port)
    url = settings.public_url or here
    say(f"\nProspect Fit answers at {url} (documentation: {url}/docs)\n")
    if url != here:
        say(f"It listens at {here}\n")
    if new_key:
        say(f"The admin key, shown this once: {new_key}\n")
    elif settings.admin_key:
        say("The admin key is the one of your setting.\n")
    else:
        say("The admin key was shown at the first start; 'prospect-fit keys create' makes another.\n")
    say(
        f"""Try:

KEY={new_key or "…"}
curl {url}/v1/score -H "X-API-Key: $KEY" -H "Content-Type: application/json" \\
  -d '{{"question_set": "{EXAMPLE_SET}", "ratings": {EXAMPLE_RATINGS}}}'
"""
    )


def _listening_at(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
