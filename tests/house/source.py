"""The source as syntax trees, for the guards of the house."""

import ast
from collections.abc import Iterator
from functools import cache

from tests.conftest import ROOT

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def modules(*folders: str) -> dict[str, ast.Module]:
    """Every module below these folders, by its path."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in paths}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def imported(tree: ast.AST) -> Iterator[str]:
    """The full name of all that is imported, wherever."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)
