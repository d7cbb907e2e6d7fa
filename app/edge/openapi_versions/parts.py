"""What the converters share: they refuse what they do not know."""

from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from typing import Any

Part = dict[str, Any]
Convert = Callable[[Any, str], Part]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class UnsupportedSchema(ValueError):
    """A part of a description that the older version cannot tell. The message says where it stands."""


def expect(part: Part, known: Collection[str], where: str) -> None:
    """Raise Undescribable for a name that is neither known nor an extension."""
    strange = sorted(name for name in part if name not in known and not name.startswith("x-"))
    if strange:
        raise UnsupportedSchema(f"{where}: cannot convert {', '.join(strange)}")


def converted(part: Part, name: str, convert: Convert, where: str) -> Part:
    """`{name: …}` converted if the part has it, else nothing: to be spread into a new part."""
    return {name: convert(part[name], f"{where}/{name}")} if name in part else {}


def each(convert: Convert) -> Convert:
    """Converts every value of a map."""
    return lambda parts, where: {
        name: convert(part, f"{where}/{_pointer(name)}") for name, part in parts.items()
    }


def kept(part: Part, names: Collection[str]) -> Part:
    """Copies of those names, and of every extension."""
    return {name: deepcopy(value) for name, value in part.items() if name in names or name.startswith("x-")}


def operations(document: Part) -> Iterator[tuple[str, str, Part]]:
    """Path, method and operation, for every operation of a document."""
    for path, item in document["paths"].items():
        expect(item, METHODS, f"#/paths/{_pointer(path)}")
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def place(path: str, method: str) -> str:
    """The JSON pointer of an operation."""
    return f"#/paths/{_pointer(path)}/{method}"


def _pointer(name: str) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
