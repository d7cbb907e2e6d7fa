"""Helpers of the converters, which reject everything that they do not know.

A `Part` is a JSON object in a description; `where` is its JSON pointer, for error messages.
"""

from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from typing import Any

Part = dict[str, Any]
Convert = Callable[[Any, str], Part]
OPERATION_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class UnsupportedSchema(ValueError):
    """The older version cannot express a part of the description. The message names its JSON pointer."""


def require_known_keys(part: Part, known: Collection[str], where: str) -> None:
    """Check the keys of a part.

    Raises:
        UnsupportedSchema: for a key that is neither known nor an extension (`x-…`).
    """
    unknown = sorted(name for name in part if name not in known and not name.startswith("x-"))
    if unknown:
        raise UnsupportedSchema(f"{where}: cannot convert {', '.join(unknown)}")


def convert_key(part: Part, name: str, convert: Convert, where: str) -> Part:
    """Return `{name: …}` with the converted value, or `{}` if the part does not have that key."""
    return {name: convert(part[name], f"{where}/{name}")} if name in part else {}


def map_converter(convert: Convert) -> Convert:
    """Return a converter for maps that applies `convert` to every value."""
    return lambda parts, where: {
        name: convert(part, f"{where}/{_escape(name)}") for name, part in parts.items()
    }


def copy_keys(part: Part, names: Collection[str]) -> Part:
    """Return a copy of a part with only these keys and all extensions."""
    return {name: deepcopy(value) for name, value in part.items() if name in names or name.startswith("x-")}


def list_operations(document: Part) -> Iterator[tuple[str, str, Part]]:
    """Yield the path, the method and the operation of every operation of a document."""
    for path, item in document["paths"].items():
        require_known_keys(item, OPERATION_METHODS, f"#/paths/{_escape(path)}")
        for method in OPERATION_METHODS:
            if method in item:
                yield path, method, item[method]


def operation_pointer(path: str, method: str) -> str:
    """Return the JSON pointer of an operation."""
    return f"#/paths/{_escape(path)}/{method}"


def label(name: str) -> str:
    """Return the name of a field in words, for people: `external_id` is `External id`."""
    words = name.replace("_", " ").replace("-", " ")
    return words[0].upper() + words[1:]


def _escape(name: str) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
