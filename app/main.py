"""The only wiring: settings in, application out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from app.api import (
    batch,
    drafts,
    events,
    fits,
    forms,
    imports,
    intakes,
    keys,
    prospects,
    question_sets,
    scoring,
    sessions,
    statements,
    value_aliases,
    webhooks,
)
from app.clock import Clock, utc_now
from app.db import Database
from app.http.authorise import KeyRing
from app.http.logs import configure_logs
from app.http.lookout import Lookout
from app.http.middleware import RequestLog
from app.http.operations import DOCS_FILES, operations
from app.http.problem_responses import add_problem_handlers
from app.http.service import Service
from app.intake.worker import Worker
from app.openapi import describe
from app.question_sets.plans import Plans
from app.settings import Settings
from app.webhooks.dispatcher import Dispatcher
from app.webhooks.sending import Sender

ROUTERS = (
    scoring.scoring,
    batch.scoring,
    forms.writing,
    sessions.writing,
    sessions.reading,
    imports.writing,
    prospects.writing,
    prospects.reading,
    fits.reading,
    question_sets.reading,
    forms.reading,
    statements.reading,
    question_sets.authoring,
    drafts.authoring,
    value_aliases.reading,
    value_aliases.authoring,
    intakes.authoring,
    intakes.receiving,
    events.reading,
    webhooks.managing,
    webhooks.reading,
    keys.managing,
    operations,
)


def open_database(settings: Settings, clock: Clock = utc_now) -> Database:
    """The database that the settings name."""
    return Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.pool_size,
        wait_seconds=settings.wait_seconds,
        clock=clock,
    )


def create_app(settings: Settings, clock: Clock = utc_now, sender: Sender | None = None) -> FastAPI:
    """The application. Its database has to be migrated: `prospect-fit serve` sees to that."""
    database = open_database(settings, clock)
    plans = Plans(database, settings.default_question_set)
    lookout = Lookout(database, plans)
    sender = sender or Sender(settings.webhook_networks, settings.webhook_seconds)
    intakes_worker = Worker(database, plans)
    service = Service(settings, database, plans, KeyRing(database), lookout, sender, intakes_worker, clock)
    dispatcher = Dispatcher(database, plans, sender, lookout.catch_up, service.read_scores)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as background:
            background.start_soon(dispatcher.run)
            background.start_soon(intakes_worker.run)
            yield
            background.cancel_scope.cancel()
        database.close()

    app = FastAPI(
        title="Prospect Fit",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": settings.public_url}] if settings.public_url else None,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    app.mount(DOCS_FILES, StaticFiles(packages=[("fastapi_offline", "static")]))
    app.add_middleware(RequestLog)
    add_problem_handlers(app)
    describe(app)
    return app


def served() -> FastAPI:
    """The application of one serving process, from the environment."""
    settings = Settings()
    configure_logs(settings.log_level)
    return create_app(settings)
