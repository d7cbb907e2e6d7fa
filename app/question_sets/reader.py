"""Read and write YAML 1.2, with the line and the column of every value.

libyaml parses the text; the values follow the core schema of YAML 1.2, in which the word `no` is a text.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from typing import Any, NamedTuple, NoReturn

import yaml

from app.scoring import Flaw, parts_of, pointer
from app.strict_json import unstorable_reason

MAX_DEPTH = 50
# An alias repeats a value, so aliases of aliases can make a short text very large.
MAX_REPEATED_CHARACTERS = 200_000
TOO_DEEP = f"values are nested more than {MAX_DEPTH} levels deep"
MAX_NUMBER_LENGTH = 400
LINE_WIDTH = 100
NULL = re.compile(r"~|null|Null|NULL|")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
ODD_LINE_END = re.compile("[\r\x85\u2028\u2029]")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
TAG = "tag:yaml.org,2002:"
# What the messages of libyaml mean to an author. Messages that are not here are shown as they are.
EXPLANATIONS: Mapping[str, str] = {
    "mapping values are not allowed in this context": "a colon is not allowed here: correct the indentation, "
    "or put a text that contains a colon in quotes",
    "did not find expected key": "the line does not continue what is above it: correct the indentation, or "
    "put the text in quotes",
    "could not find expected ':'": "a name needs a colon after it",
    "did not find expected '-' indicator": "the entries of a list start with - in the same column",
    "block sequence entries are not allowed in this context": "a list cannot start here: start it on a line "
    "of its own",
    "did not find expected ',' or ']'": "the list is not complete: add a comma or ]",
    "did not find expected ',' or '}'": "the braces are not complete: add a comma or }",
    "found unexpected end of stream": "the text in quotes does not end: add the closing quote",
    "found a tab character that violates indentation": "a tab cannot indent a line: use spaces",
    "did not find expected <document start>": "there is more than one document here: remove the line ---",
    "exceeded maximum nesting depth": TOO_DEEP,
}
CANNOT_START = "found character that cannot start any token"


class Position(NamedTuple):
    """A place in a text; line and column are counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class TextError:
    """Something that is wrong at a position of a text, and what to do."""

    at: Position
    detail: str


class InvalidYaml(ValueError):
    """The text is not YAML 1.2, or not as a question set uses it; `errors`, at least one, say why."""

    def __init__(self, errors: list[TextError]) -> None:
        self.errors = errors
        super().__init__("; ".join(one.detail for one in errors))


@dataclass(frozen=True, slots=True)
class Document:
    """What a text contains, as JSON values, and the position of each value by its JSON pointer."""

    value: Any
    positions: Mapping[str, Position]

    def position_of(self, place: str) -> Position:
        """Return the position of a JSON pointer, or of the nearest part above it that the text contains."""
        parts = parts_of(place)
        above = (pointer(*parts[:length]) for length in range(len(parts), 0, -1))
        return next((self.positions[one] for one in above if one in self.positions), Position(1, 1))

    def error_of(self, flaw: Flaw) -> TextError:
        """Return a flaw of the value with its position in the text."""
        return TextError(self.position_of(flaw.pointer), f"{flaw.pointer or '/'}: {flaw.detail}")


def read_yaml(text: str) -> Document:
    """Return the one document of a text. An empty text contains null.

    Raises:
        InvalidYaml: if the text is not YAML, repeats a name, uses custom tags, contains what cannot be
            stored, or is too large once its aliases are filled in.
    """
    return _Reader(text.removeprefix("\ufeff")).read()


class _Value(NamedTuple):
    """A value, and its size: the number of values and of characters of texts and names in it."""

    value: Any
    size: int


class _Reader:
    """Turns the events of the parser into values. It does not recurse deeper than MAX_DEPTH."""

    def __init__(self, text: str) -> None:
        self._text = text
        # libyaml treats some other characters as line ends too; editors do not.
        self._line_starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        self._positions: dict[str, Position] = {}
        self._anchors: dict[str, _Value] = {}
        self._repeated = 0
        self._errors: list[TextError] = []
        self._events: Iterator[Any] = iter(())

    def read(self) -> Document:
        try:
            self._events = yaml.parse(self._text, Loader=yaml.CSafeLoader)
            value = self._document()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            detail = str(error.problem or error.context)
            self._errors.append(TextError(self._position(mark), self._explained(detail, mark)))
        except yaml.reader.ReaderError as error:
            line = self._text.encode()[: error.position].count(b"\n") + 1
            self._errors.append(TextError(Position(line, 1), "a control character is not allowed: remove it"))
        if self._errors:
            raise InvalidYaml(sorted(self._errors))
        return Document(value, self._positions)

    def _document(self) -> Any:
        value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, EXPLANATIONS["did not find expected <document start>"])
                value = self._value(next(self._events), (), 0).value
        return value

    def _value(self, event: Any, place: tuple[str | int, ...], depth: int) -> _Value:
        self._positions.setdefault(pointer(*place), self._position(event.start_mark))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                self._refuse(
                    event, f"there is no anchor &{event.anchor} above: add it, or put the text in quotes"
                )
            found = self._anchors[event.anchor]
            self._repeated += found.size
            if self._repeated > MAX_REPEATED_CHARACTERS:
                self._refuse(event, f"aliases repeat more than {MAX_REPEATED_CHARACTERS} characters here")
            return found
        if depth > MAX_DEPTH:
            self._refuse(event, TOO_DEEP)
        read: Callable[..., _Value] = self._scalar
        if isinstance(event, yaml.SequenceStartEvent):
            read = self._list
        elif isinstance(event, yaml.MappingStartEvent):
            read = self._map
        found = read(event, place, depth)
        if event.anchor:
            self._anchors[event.anchor] = found
        return found

    def _list(self, start: Any, place: tuple[str | int, ...], depth: int) -> _Value:
        self._require_tag(start, "seq")
        values: list[Any] = []
        size = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found = self._value(event, (*place, len(values)), depth + 1)
            values.append(found.value)
            size += found.size
        return _Value(values, size)

    def _map(self, start: Any, place: tuple[str | int, ...], depth: int) -> _Value:
        self._require_tag(start, "map")
        values: dict[str, Any] = {}
        size = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "a name must be a text: put it in quotes")
            name = event.value
            self._require_storable(event, name)
            inner = (*place, name)
            if name in values:
                first = self._positions[pointer(*inner)].line
                detail = f"`{name}` is already on line {first}: remove one of them"
                self._errors.append(TextError(self._position(event.start_mark), detail))
            self._positions.setdefault(pointer(*inner), self._position(event.start_mark))
            found = self._value(next(self._events), inner, depth + 1)
            values.setdefault(name, found.value)
            size += found.size + len(name)
        return _Value(values, size)

    def _scalar(self, event: Any, _place: object, _depth: int) -> _Value:
        self._require_tag(event, "str", "int", "float", "bool", "null")
        is_text = not event.implicit[0] if event.tag in (None, "!") else event.tag == f"{TAG}str"
        value = event.value if is_text else _plain(event.value)
        self._require_storable(event, value)
        return _Value(value, 1 + len(event.value))

    def _require_storable(self, event: Any, value: Any) -> None:
        """Check what a body in JSON cannot have either: NUL, which YAML writes as an escape, and more."""
        if reason := unstorable_reason(value):
            self._errors.append(TextError(self._position(event.start_mark), reason))

    def _require_tag(self, event: Any, *names: str) -> None:
        if event.tag not in (None, "!", *(TAG + name for name in names)):
            self._refuse(event, "a question set has no tags: remove the word that starts with !")

    def _refuse(self, event: Any, detail: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=detail, problem_mark=event.start_mark)

    def _position(self, mark: Any) -> Position:
        index = min(mark.index, len(self._text)) if mark else 0
        line = bisect_right(self._line_starts, index)
        return Position(line, index - self._line_starts[line - 1] + 1)

    def _explained(self, problem: str, mark: Any) -> str:
        if problem == CANNOT_START:
            character = self._text[mark.index : mark.index + 1]
            if character == "\t":
                return EXPLANATIONS["found a tab character that violates indentation"]
            return f"a text cannot start with {character}: put it in quotes"
        return EXPLANATIONS.get(problem, problem)


def _plain(text: str) -> Any:
    """Return the value of a text without quotes."""
    if NULL.fullmatch(text):
        return None
    if BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if len(text) <= MAX_NUMBER_LENGTH:
        if INTEGER.fullmatch(text):
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        # JSON has no infinite number.
        if NUMBER.fullmatch(text) and isfinite(float(text)):
            return float(text)
    return text


def write_yaml(value: Any) -> str:
    """Return JSON values as YAML; `read_yaml` returns the same values."""
    text = json.dumps(value, ensure_ascii=False)
    # libyaml escapes characters above U+FFFF. The other dumper is slower, and writes U+0085 as a space.
    is_fast = max(text) <= "\uffff" or ODD_LINE_END.search(text)
    dumper = _FastDumper if is_fast else _FullDumper
    return yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=LINE_WIDTH)


class _FastDumper(yaml.CSafeDumper):
    pass


class _FullDumper(yaml.SafeDumper):
    pass


def _text_node(dumper: Any, text: str) -> Any:
    has_lines = "\n" in text and not ODD_LINE_END.search(text)
    return dumper.represent_scalar(f"{TAG}str", text, style="|" if has_lines else None)


for _dumper in (_FastDumper, _FullDumper):
    _dumper.add_representer(str, _text_node)
    _dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]
    # A text that would be read as a number gets quotes.
    for _pattern in (INTEGER, NUMBER):
        _dumper.add_implicit_resolver(
            f"{TAG}float", re.compile(f"^(?:{_pattern.pattern})$"), [*"-+.0123456789"]
        )
