"""How the source is written: small functions, one place that commits, imports where they are seen."""

import ast
import sys

import pytest

from tests.house.source import functions, imported, modules

LONGEST = 50
# Imported, any of these would make a result depend on more than what the function is given.
IMPURE = {
    *("asyncio", "io", "multiprocessing", "os", "pathlib", "socket", "sqlite3", "subprocess", "sys"),
    *("tempfile", "threading", "urllib"),
    *("random", "secrets", "time", "uuid", "zoneinfo"),
}
# What a date and a time can be asked without being told one.
CLOCKS = {"now", "utcnow", "today"}


@pytest.mark.parametrize("path", modules("app", "migrations"))
def test_no_function_is_longer_than_two_screens(path: str) -> None:
    tree = modules("app", "migrations")[path]
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in functions(tree) if node.end_lineno}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_only_the_database_begins_and_commits() -> None:
    calling = {
        path
        for path, tree in modules("app", "migrations").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("begin", "begin_nested", "commit")
    }
    # Migrations have a transaction of their own, and the command line writes scores to other databases.
    others = {"app/migrate.py", "migrations/env.py", "app/cli/bulk/database.py"}
    assert calling == {"app/db/database.py", "app/db/transaction.py", *others}


# Libraries that take long to import, and that most starts do not need.
IMPORTED_WHEN_USED = {
    "app/db/dialects.py:insert_into",
    "app/files/opening.py:open_table",
    "app/files/writer.py:writer_of",
    "app/insights/reports.py:catalogue",
    "app/main.py:_create_sender",
    "app/migrate.py:_upgrade",
    "app/pages/rendering.py:_environment",
    "app/question_sets/builtin_sets.py:parse_builtin",
    "app/scoring/sql/statement.py:score_sql",
    "app/webhooks/targets.py:parse_url",
}


def test_every_other_import_is_at_the_top_of_its_file() -> None:
    hidden = {
        f"{path}:{node.name}"
        for path, tree in modules("app").items()
        for node in functions(tree)
        if list(imported(node))
    }
    assert hidden == IMPORTED_WHEN_USED


# The packages of pure functions, and the libraries that each of them may import.
PURE = {
    "app/scoring": {"pydantic", "pydantic_core", "sqlglot", "typing_extensions"},
    "app/insights/statistics": {"numpy"},
}


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_takes_in_nothing_that_changes_by_itself(package: str) -> None:
    pure = (sys.stdlib_module_names - IMPURE) | PURE[package]
    names = {name for tree in modules(package).values() for name in imported(tree)}
    own = package.replace("/", ".")
    foreign = {name for name in names if not f"{name}.".startswith(f"{own}.")}
    assert {name for name in foreign if name.partition(".")[0] not in pure} == set()


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_looks_at_no_clock(package: str) -> None:
    asked = {
        f"{path}:{node.attr}"
        for path, tree in modules(package).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    }
    assert asked == set()


def test_no_test_limits_how_long_an_answer_may_take_by_accident() -> None:
    """Otherwise httpx waits for five seconds, which a busy machine may need."""
    calls = {"get", "head", "post", "put", "patch", "delete", "request", "stream", "Client", "AsyncClient"}
    hasty = {
        f"{path}:{node.lineno}"
        for path, tree in modules("tests").items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr in calls
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "httpx"
        # A transport in this process knows no time-out; options by ** are not looked into.
        if not {"timeout", "transport", None} & {keyword.arg for keyword in node.keywords}
    }
    assert hasty == set()
