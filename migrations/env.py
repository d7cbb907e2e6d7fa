"""The entry point of Alembic. It uses the connection that the service passes, or the configured database."""

from alembic import context
from sqlmodel import SQLModel

import app.events.tables
import app.inbound.intake.tables
import app.installation
import app.keys.tables
import app.prospects.tables
import app.question_sets.tables
import app.sessions.tables
import app.webhooks.tables  # noqa: F401
from app.db import Database
from app.settings import Settings


def run() -> None:
    """Run the requested migrations."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        url = Settings().database_url.get_secret_value()
        database = Database(url)
        database.create()
        with database.engine.connect() as connection, connection.begin():
            context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
            context.run_migrations()
        return
    context.configure(connection=connection, target_metadata=SQLModel.metadata, transactional_ddl=False)
    context.run_migrations()


run()
