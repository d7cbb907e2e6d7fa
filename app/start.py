"""What has to be there before the service answers: the schema, the built-in sets, a first key."""

from app.db import Database
from app.keys.store import ensure_admin_key
from app.question_sets.files import read_builtin
from app.question_sets.publishing import publish_builtin
from app.schema import migrate
from app.settings import Settings


def prepare(database: Database, settings: Settings) -> str | None:
    """Bring a database to where the service can serve from it; harmless when run again.

    Returns the first key if one was made, to be shown once. Raises `BrokenFile` before anything is
    written if a built-in question set is not valid.
    """
    builtin = list(read_builtin())
    migrate(database)
    secret = settings.admin_key.get_secret_value() if settings.admin_key else None
    database.write_here(lambda tx: publish_builtin(tx, builtin))
    return database.write_here(lambda tx: ensure_admin_key(tx, secret))
