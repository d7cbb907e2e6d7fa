"""What has to be there before the service answers: the schema, the built-in sets, a first key."""

from app.db import Database, Transaction
from app.keys.store import ensure_admin_key
from app.question_sets.files import read_builtin
from app.question_sets.publishing import publish_builtin
from app.question_sets.store import find_set
from app.schema import migrate
from app.scoring import Flaw, Flawed
from app.settings import Settings


def prepare(database: Database, settings: Settings) -> str | None:
    """Bring a database to where the service can serve from it; harmless when run again.

    Returns the first key if one was made, to be shown once. Raises `BrokenFile` before anything is
    written if a built-in question set is not valid, `ForeignSchema` if another build made the database,
    and `Flawed` if the default question set is not there.
    """
    builtin = list(read_builtin())
    migrate(database)
    secret = settings.admin_key.get_secret_value() if settings.admin_key else None
    database.write_here(lambda tx: publish_builtin(tx, builtin))
    # Before a key is made, which would be lost with a start that fails.
    database.read_here(lambda tx: _require_default(tx, settings.default_question_set))
    return database.write_here(lambda tx: ensure_admin_key(tx, secret))


def _require_default(tx: Transaction, name: str) -> None:
    if find_set(tx, name) is None:
        detail = "no such question set is published: see 'prospect-fit question-sets list'"
        raise Flawed([Flaw("/default_question_set", detail, "unknown_question_set")])
