"""`serve` and `migrate`: migrate the database, and serve the API."""

import os
import signal
import socket
import sys
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.cli.console import fail, opened_database, print_text, reported_failures, warn_if_journal_is_missing
from app.cli.sign_in import sign_in_url
from app.keys.service import create_sign_in_link
from app.main import migrate_database, prepare_database
from app.migrate import newest_revision
from app.settings import PREFIX, Settings

if sys.platform != "win32":
    import resource

# Connections that the kernel keeps until the service accepts them.
BACKLOG = 2048
# Longer than proxies keep an idle connection, which is 60 seconds for many: otherwise they would sometimes
# send a request on a connection that the service is closing.
KEEP_ALIVE_SECONDS = 75
# Many systems kill a process 10 seconds after asking it to stop. Closing the database takes up to 2.
MAX_STOPPING_SECONDS = 7
# Other files that a process opens: the database, its log and files of the Python installation.
OTHER_OPEN_FILES = 200
# The example names its question set, because the default set may not have these questions.
EXAMPLE_SET = "qualifying-a-sale"
EXAMPLE_RATINGS = '{"requirements": 4, "current_challenges": 5, "timeline": 4, "budget": 3}'

AdminKey = Annotated[str | None, typer.Option(help="The first API key. By default, one is created.")]
DefaultSet = Annotated[
    str | None, typer.Option(help="The set for scores and new sessions if nothing else chooses one.")
]
StaleNotice = Annotated[int | None, typer.Option(help="Days before an answer goes stale to record an event.")]
ImportRows = Annotated[int | None, typer.Option(help="Rows per request to import or qualify.")]
ImportBytes = Annotated[int | None, typer.Option(help="The largest file to import in one request, in bytes.")]
IntakePosts = Annotated[int | None, typer.Option(help="Payloads that one intake accepts in an hour.")]
IntakeBytes = Annotated[
    int | None, typer.Option(help="Bytes of payloads that one intake accepts in an hour.")
]
IntakeWaiting = Annotated[
    int | None, typer.Option(help="Payloads of one intake that can wait to be processed.")
]
WebhookPending = Annotated[int | None, typer.Option(help="Pending deliveries of one webhook.")]


def serve(  # noqa: PLR0913, PLR0917  # one option for each setting
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on; 0 chooses a free port.")] = None,
    public_url: Annotated[str | None, typer.Option(help="The URL of the service behind a proxy.")] = None,
    workers: Annotated[int | None, typer.Option(help="The number of processes.")] = None,
    max_connections: Annotated[int | None, typer.Option(help="The connections per process.")] = None,
    database_url: Annotated[str | None, typer.Option(help="sqlite:///FILE or postgresql://…")] = None,
    admin_key: AdminKey = None,
    encryption_key: Annotated[
        str | None, typer.Option(help="The key that encrypts secrets; safer as a variable or a file.")
    ] = None,
    default_question_set: DefaultSet = None,
    pool_size: Annotated[int | None, typer.Option(help="PostgreSQL connections per process.")] = None,
    wait_seconds: Annotated[float | None, typer.Option(help="The longest wait for the database.")] = None,
    stale_notice_days: StaleNotice = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="The largest request body, in bytes.")] = None,
    import_rows: ImportRows = None,
    import_bytes: ImportBytes = None,
    intake_posts_per_hour: IntakePosts = None,
    intake_bytes_per_hour: IntakeBytes = None,
    intake_waiting_payloads: IntakeWaiting = None,
    webhook_networks: Annotated[
        str | None, typer.Option(help="Private networks that webhooks may reach.")
    ] = None,
    webhook_seconds: Annotated[float | None, typer.Option(help="Time limit for a webhook request.")] = None,
    webhook_pending_deliveries: WebhookPending = None,
    webhook_test_shows_answer: Annotated[
        bool | None, typer.Option(help="Show what receivers of webhooks respond.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Migrate the database, publish the built-in question sets and serve the API.

    Every option is also a setting: --port is the environment variable PROSPECT_FIT_PORT.
    """
    options = {name: value for name, value in locals().items() if value is not None}
    # Passed through the environment, so that every serving process reads the same settings.
    os.environ |= {PREFIX + name.upper(): str(value) for name, value in options.items()}
    with reported_failures():
        settings = Settings()
        _allow_open_files(settings)
        listener = _listen(settings.host, settings.port)
        with opened_database() as database:
            warn_if_journal_is_missing(database)
            new_key = prepare_database(database, settings)
            # Logs are kept for longer than a link works, but they should not have one without need.
            is_wanted = new_key is not None or sys.stdout.isatty()
            link = database.write_sync(create_sign_in_link) if is_wanted else None
    _print_instructions(settings, listener.getsockname()[1], new_key, link)
    _run(settings, listener)


def migrate() -> None:
    """Migrate the database to the newest schema, and create the key file of an SQLite database."""
    with reported_failures(), opened_database() as database:
        migrate_database(database, Settings())
        print_text(f"The schema is at revision {newest_revision()}.")


def _listen(host: str, port: int) -> socket.socket:
    """Bind the address first, so that no URL is printed for a service that cannot start."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        fail(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port or --host.")
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def _allow_open_files(settings: Settings) -> None:
    """Raise the limit of open files if all connections would exceed it. Serving processes inherit it."""
    if sys.platform == "win32":
        return
    # A connection can send a file, which is then open too.
    needed = 2 * settings.max_connections + settings.pool_size + OTHER_OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        fail(
            f"{settings.max_connections} connections need {needed} open files, but the limit is {hard}: "
            "raise it ('ulimit -Hn'), or choose a smaller --max-connections."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _run(settings: Settings, listener: socket.socket) -> None:
    options: dict[str, Any] = {
        "factory": True,
        # httptools is not available on Windows. The other protocol of uvicorn has its own limit.
        "http": "auto" if sys.platform == "win32" else "app.edge.protocol:BoundedHttp",
        # There are no web sockets: the limits of the protocol do not apply to an upgraded connection.
        "ws": "none",
        "log_config": None,
        "log_level": settings.log_level,
        "access_log": False,
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": MAX_STOPPING_SECONDS,
        # A process that is still starting must not be mistaken for one that hangs.
        "timeout_worker_healthcheck": 60,
        "server_header": False,
    }
    config = uvicorn.Config("app.main:create_app_from_environment", workers=settings.workers, **options)
    if settings.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    try:
        uvicorn.Server(config).run([listener])
    except KeyboardInterrupt:
        # End as after SIGTERM. Otherwise Python would wait for threads to which the database does not answer.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


def _print_instructions(settings: Settings, port: int, new_key: str | None, link: str | None) -> None:
    local_url = settings.local_url(port)
    url = settings.public_url or local_url
    print_text(f"\nProspect Fit runs at {url} (documentation: {url}/docs)\n")
    if url != local_url:
        print_text(f"It listens at {local_url}\n")
    if link:
        print_text(f"Open this link within five minutes to sign in once:\n{sign_in_url(url, link)}\n")
    if new_key:
        print_text(f"The admin key, which is shown only once: {new_key}\n")
    elif settings.admin_key:
        print_text("The admin key is the one in your settings.\n")
    else:
        print_text(
            "The admin key was shown at the first start. "
            "To create another key, run 'prospect-fit keys create NAME'.\n"
        )
    print_text(
        f"""Try:

KEY={new_key or "…"}
curl {url}/v1/score -H "X-API-Key: $KEY" -H "Content-Type: application/json" \\
  -d '{{"question_set": "{EXAMPLE_SET}", "ratings": {EXAMPLE_RATINGS}}}'
"""
    )
