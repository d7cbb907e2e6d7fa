"""Create the application from its settings, and prepare the database."""

import gc
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from app.api import (
    batch,
    drafts,
    events,
    exports,
    fits,
    forms,
    imports,
    insights,
    intakes,
    keys,
    prospects,
    qualify_batch,
    question_sets,
    receipts,
    scoring,
    sessions,
    sources,
    statements,
    value_aliases,
    webhooks,
)
from app.clock import Clock, utc_now
from app.db import Database, Transaction, open_database, sqlite_file
from app.edge.authorise import KeyRing
from app.edge.bodies import IncompleteBodies
from app.edge.computing import Computing
from app.edge.connections import CONNECTIONS, Connections
from app.edge.cookies import SignInCookies
from app.edge.docs_files import DocsFiles
from app.edge.key_watch import KeyWatch
from app.edge.logs import configure_logs
from app.edge.memory import return_free_memory
from app.edge.middleware import RequestLog
from app.edge.openapi import describe
from app.edge.operations import DOCS_FILES, operations
from app.edge.problem_responses import add_problem_handlers
from app.edge.process_folder import ProcessFolder
from app.edge.readiness import ReadinessCheck
from app.edge.service import Service
from app.encryption.files import key_file_of
from app.encryption.service import open_cipher, prepare_key
from app.events.service import FeedPublisher
from app.inbound.imports.worker import ImportRuns
from app.inbound.intake.worker import IntakeWorker
from app.insights.win_probability import WinCurves
from app.keys.idempotency import ResponseCleaner
from app.keys.service import ensure_admin_key
from app.migrate import migrate
from app.pages import assets, home, import_columns, interview, publishing, review, sign_in
from app.pages import drafts as draft_pages
from app.pages import imports as import_pages
from app.pages import insights as insight_pages
from app.pages import prospects as prospect_pages
from app.pages import question_sets as set_pages
from app.pages.routes import on_unknown_address
from app.private_files import is_readable_by_others
from app.question_sets.builtin_sets import read_builtin
from app.question_sets.plans import Plans
from app.question_sets.queries import find_set
from app.question_sets.service import publish_builtin
from app.scoring import Flaw, Flawed
from app.sessions.reminders import any_due, record_due
from app.sessions.session_edit import SYSTEM_KEY_NAME, UnitOfWork
from app.settings import Settings
from app.webhooks.worker import DeliveryWorker

if TYPE_CHECKING:
    from app.webhooks.sender import Sender

log = logging.getLogger(__name__)
# How long a thread computes before Python switches to another one, such as that of the event loop.
SWITCH_SECONDS = 0.001
ROUTERS = (
    scoring.scoring,
    batch.scoring,
    qualify_batch.writing,
    forms.writing,
    sessions.writing,
    exports.reading_sessions,
    sessions.reading,
    imports.writing,
    prospects.writing,
    exports.reading_prospects,
    prospects.reading,
    fits.reading,
    insights.reading,
    question_sets.reading,
    forms.reading,
    statements.reading,
    question_sets.authoring,
    drafts.authoring,
    sources.reading,
    sources.writing,
    value_aliases.reading,
    value_aliases.authoring,
    intakes.authoring,
    intakes.writing,
    receipts.writing,
    receipts.reading,
    receipts.receiving,
    events.reading,
    webhooks.managing,
    webhooks.sending,
    webhooks.reading,
    keys.managing,
    operations,
)
PAGES = (
    assets.assets,
    sign_in.entrance,
    home.everybody,
    home.managing,
    review.reading,
    insight_pages.reading,
    import_pages.writing,
    import_pages.receiving,
    import_columns.choosing,
    prospect_pages.reading,
    prospect_pages.writing,
    interview.reading,
    interview.writing,
    draft_pages.authoring,
    publishing.authoring,
    set_pages.reading,
)


def create_app(settings: Settings, clock: Clock = utc_now, sender: "Sender | None" = None) -> FastAPI:
    """Create the application. Its database must be migrated; `prospect-fit serve` does that first."""
    service = _create_service(settings, clock, cache(lambda: sender or _create_sender(settings)))
    app = FastAPI(
        title="Prospect Fit",
        lifespan=lambda _: _background_work(service),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": settings.public_url}] if settings.public_url else None,
    )
    app.state.service = service
    for router in (*ROUTERS, *PAGES):
        # The routers have no options that depend on the application. With `include_router`, FastAPI would
        # examine every route a second time.
        app.router.routes.extend(router.routes)
    app.mount(DOCS_FILES, DocsFiles(packages=[("fastapi_offline", "static")]))
    app.add_middleware(RequestLog)
    add_problem_handlers(app)
    app.add_exception_handler(HTTPException, on_unknown_address)
    describe(app)
    return app


def _create_sender(settings: Settings) -> "Sender":
    # An HTTP client takes long to import, and a service that sends nothing does not need it.
    from app.webhooks.sender import Sender  # noqa: PLC0415

    return Sender(settings.webhook_networks, settings.webhook_seconds)


def _create_service(settings: Settings, clock: Clock, find_sender: "Callable[[], Sender]") -> Service:
    database = open_database(settings, clock)
    plans = Plans(database, settings.default_question_set)
    notice = timedelta(days=settings.stale_notice_days)
    feed = FeedPublisher(
        database,
        lambda tx: any_due(tx, notice),
        lambda tx: record_due(UnitOfWork(tx, plans, SYSTEM_KEY_NAME), notice),
    )
    cipher = open_cipher(settings)
    url = urlsplit(settings.public_url or "")
    keys = KeyRing(database, clock, SignInCookies(cipher, is_secure=url.scheme == "https", path=url.path))
    computing = Computing()
    return Service(
        settings=settings,
        database=database,
        plans=plans,
        cipher=cipher,
        keys=keys,
        key_watch=KeyWatch(database, keys),
        bodies=IncompleteBodies(settings.max_body_bytes),
        computing=computing,
        temporary=ProcessFolder(),
        feed=feed,
        find_sender=find_sender,
        intakes=IntakeWorker(database, plans),
        imports=ImportRuns(
            database,
            plans,
            compute=computing.run,
            read=computing.run_reading,
            max_rows=settings.import_rows,
            pauses=settings.workers > 1,
        ),
        readiness=ReadinessCheck(database),
        win_curves=WinCurves(database, computing.run),
        clock=clock,
    )


@asynccontextmanager
async def _background_work(service: Service) -> AsyncIterator[dict[str, Connections]]:
    """Run the background workers of the service, and close its database at the end.

    Yields the state that uvicorn passes to the protocol of every connection.
    """
    connections = Connections(service.settings.max_connections)
    delivery_worker = DeliveryWorker(
        service.database,
        service.plans,
        service.cipher,
        service.find_sender,
        service.feed.publish_pending,
        service.read_scores,
        attempt_seconds=service.settings.webhook_seconds,
        max_pending=service.settings.webhook_pending_deliveries,
    )
    await service.database.mark_in_use()
    async with anyio.create_task_group() as background:
        background.start_soon(connections.run_checks)
        background.start_soon(return_free_memory)
        background.start_soon(delivery_worker.run)
        background.start_soon(service.intakes.run)
        background.start_soon(service.imports.run)
        background.start_soon(service.temporary.run)
        background.start_soon(ResponseCleaner(service.database).run)
        background.start_soon(service.key_watch.run)
        background.start_soon(service.win_curves.run)
        yield {CONNECTIONS: connections}
        background.cancel_scope.cancel()
    service.temporary.close()
    # In a thread: cancelled requests may still wait for their commits in the event loop.
    await to_thread.run_sync(service.database.close)


def create_app_from_environment() -> FastAPI:
    """Create the application of one serving process, with the settings of the environment."""
    settings = Settings()
    configure_logs(settings.log_level)
    for file in exposed_files(settings):
        log.warning("other users of this machine can read %s: run 'chmod 600 %s'", file, file)
    app = create_app(settings)
    tune_process()
    if parent := multiprocessing.parent_process():
        Thread(target=_stop_after, args=[parent], daemon=True).start()
    return app


def _stop_after(parent: BaseProcess) -> None:
    """Stop this process when its parent has ended: a parent that is killed does not stop its children."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def tune_process() -> None:
    """Prepare a process for serving, after its applications were created."""
    # The objects of the code never become garbage. Without this, every large body would make the collector
    # examine all of them, which stops all threads for a fifth of a second.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    # The matrices of the insights are small. With a thread for each core, OpenBLAS takes four times the CPU
    # time, and longer. It reads this when the first report imports numpy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def exposed_files(settings: Settings) -> list[Path]:
    """Return the files of an SQLite database and its key file that other users of the machine can read."""
    database_file = sqlite_file.path_of(settings.database_url.get_secret_value())
    if database_file is None:
        return []
    key_file = key_file_of(database_file)
    exposed_key = [key_file] if is_readable_by_others(key_file) else []
    return sqlite_file.readable_by_others(database_file) + exposed_key


def migrate_database(database: Database, settings: Settings) -> None:
    """Migrate a database, create the key file of an SQLite database, and check the encryption key.

    Raises:
        UnknownSchema: if another build created the database.
        WrongKey: if the database has secrets that this process cannot decrypt.
    """
    migrate(database)
    cipher = open_cipher(settings)
    database.write_sync(lambda tx: prepare_key(tx, cipher))


def prepare_database(database: Database, settings: Settings) -> str | None:
    """Migrate a database, publish the built-in question sets and make sure that there is an admin key.

    It also creates the key file of an SQLite database. It is safe to run this again.

    Returns:
        The secret of the first API key if this created one, to be shown once; otherwise None.

    Raises:
        InvalidFile: if a built-in question set is not valid. Nothing is written then.
        UnknownSchema: if another build created the database.
        WrongKey: if the database has secrets that this process cannot decrypt.
        Flawed: if the default question set is not published.
    """
    builtin = read_builtin()
    migrate_database(database, settings)
    secret = settings.admin_key.get_secret_value() if settings.admin_key else None
    database.write_sync(lambda tx: publish_builtin(tx, builtin))
    # Check this before a key is created: its secret would be lost if the start failed afterwards.
    database.read_sync(lambda tx: _require_default(tx, settings.default_question_set))
    return database.write_sync(lambda tx: ensure_admin_key(tx, secret))


def _require_default(tx: Transaction, name: str) -> None:
    if find_set(tx, name) is None:
        detail = "this question set is not published: see 'prospect-fit question-sets list'"
        raise Flawed([Flaw("/default_question_set", detail, "unknown_question_set")])
