"""Where code belongs: few packages, and the same file names in each of them."""

from tests.conftest import ROOT, SLOW

PATTERN = {"__init__.py", "tables.py", "schemas.py", "queries.py", "service.py"}
# What a subject asks for besides. `scoring`, `cli`, `edge`, `files` and `pages` name their files after
# their parts, `api` after the groups of operations, and `insights` after its reports.
OTHERS = {
    *(
        "answers.py",
        "carry_over.py",
        "conclusions.py",
        "exports.py",
        "qualification.py",
        "reminders.py",
        "requests.py",
        "scores.py",
        "session_edit.py",
    ),
    *("builtin_sets.py", "documents.py", "files.py", "plans.py", "received.py", "search.py"),
    *("mapping.py", "worker.py", "reader.py"),
    *("message.py", "outbox.py", "retries.py", "sender.py", "targets.py"),
    *("idempotency.py", "presenters.py"),
}
NAMED_BY_PART = ("api", "cli", "db", "edge", "files", "insights", "pages", "scoring")
PACKAGES = {
    *("api", "cli", "db", "edge", "encryption", "events", "files", "inbound", "insights", "keys"),
    *("pages", "prospects", "question_sets", "scoring", "sessions", "webhooks"),
}
MODULES = {
    *(
        "clock.py",
        "demo.py",
        "installation.py",
        "prospect_lifecycle.py",
        "main.py",
    ),
    *(
        "migrate.py",
        "narrowing.py",
        "private_files.py",
        "problems.py",
        "schemas.py",
        "settings.py",
        "strict_json.py",
    ),
}


def patterned() -> set[str]:
    """The names of the files that share their names with those of other packages."""
    paths = {path for package in PACKAGES for path in (ROOT / "app" / package).rglob("*.py")}
    by_part = {path for folder in NAMED_BY_PART for path in (ROOT / "app" / folder).rglob("*.py")}
    return {path.name for path in paths - by_part}


def test_the_packages_are_the_ones_that_the_architecture_describes() -> None:
    found = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    assert found == PACKAGES
    assert {path.name for path in (ROOT / "app").glob("*.py")} == MODULES | {"__init__.py"}
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert [
        name for name in PACKAGES | {one.removesuffix(".py") for one in MODULES} if f"`{name}`" not in page
    ] == []


def test_files_have_the_names_of_the_pattern_or_one_of_a_few_others() -> None:
    assert len(OTHERS) <= 25
    assert patterned() - PATTERN == OTHERS


def test_the_tests_of_a_package_are_in_a_folder_of_its_name() -> None:
    others = {"docs", "house", "packaging", "spark", "tools"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}
    assert folders - others - {path.name for path in (ROOT / "tests").glob("*.py")} <= PACKAGES
    nested = {
        str(path.relative_to(ROOT / "tests"))
        for path in (ROOT / "tests").glob("*/*/")
        if any(path.glob("test_*.py"))
    }
    assert [name for name in nested if not (ROOT / "app" / name).is_dir()] == []


def test_every_slow_test_exists() -> None:
    assert [path for path in sorted(SLOW) if not (ROOT / "tests" / path).exists()] == []
