"""Question sets as YAML 1.2 files, and their JSON Schema for editors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from io import StringIO
from math import inf
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import DictSchema, WithDefaultSchema
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from app.question_sets.documents import FindBase, NamedSet, Variant, read_document
from app.question_sets.queries import split_name
from app.scoring import Flaw, Flawed, QuestionSet

SCHEMA_FILE_NAME = "question-set.schema.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
BUILTIN = Path(__file__).parent / "builtin"
ENDINGS = (".yaml", ".yml")
# What editors go by to check a file and to complete it.
EDITOR_HEADER = f"# yaml-language-server: $schema={SCHEMA_FILE_NAME}\n"


class StrictJsonSchema(GenerateJsonSchema):
    """A schema that refuses what reading refuses, and proposes nothing that it refuses."""

    def dict_schema(self, schema: DictSchema) -> dict[str, Any]:
        """A map takes no names but those of its pattern."""
        return super().dict_schema(schema) | {"additionalProperties": False}

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        """A null as the default says nothing."""
        told = super().default_schema(schema)
        return {name: value for name, value in told.items() if (name, value) != ("default", None)}


def question_set_schema() -> dict[str, Any]:
    """A document is a variant if it extends a set and has no steps of its own, or else a whole set."""
    references, schema = models_json_schema(
        [(QuestionSet, "validation"), (Variant, "validation")],
        by_alias=True,
        schema_generator=StrictJsonSchema,
    )
    return {
        "$schema": SCHEMA_DIALECT,
        "title": "A question set of Prospect Fit, whole or as a variant of another",
        "if": {"required": ["extends"], "not": {"required": ["steps"]}},
        "then": references[Variant, "validation"],
        "else": references[QuestionSet, "validation"],
        "$defs": schema["$defs"],
    }


@dataclass(frozen=True, slots=True)
class FileError:
    """What is wrong in a file, and on which line (from 1)."""

    path: Path
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.detail}"


class InvalidFile(ValueError):
    """A file is no valid question set; `faults` says why, by file and line."""

    def __init__(self, faults: Iterable[FileError]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.path, fault.line)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class File:
    """A file with the document that it holds, not yet understood."""

    path: Path
    text: str
    document: Any

    @property
    def key(self) -> str | None:
        """The key that the document says, if it says one."""
        said = self.document.get("key") if isinstance(self.document, dict) else None
        return said if isinstance(said, str) else None

    @property
    def extends(self) -> str | None:
        """The name of the version that the document says it was made from."""
        said = self.document.get("extends") if isinstance(self.document, dict) else None
        return said if isinstance(said, str) else None

    @property
    def number(self) -> int | None:
        """The version that a file called key@n.yaml holds; None for any other name."""
        parts = split_name(self.path.stem)
        return parts[1] if parts else None

    def broken(self, flaws: Iterable[Flaw]) -> InvalidFile:
        """The error that names the lines of these flaws."""
        root = _yaml().compose(self.text)
        return InvalidFile(
            [
                FileError(self.path, _line_of(root, flaw.pointer), f"{flaw.pointer or '/'}: {flaw.detail}")
                for flaw in flaws
            ]
        )


def open_file(path: Path) -> File:
    """The document in a file; raises `BrokenFile` if it is no YAML 1.2, or `OSError`."""
    try:
        text = path.read_text("utf-8")
        file = File(path, text, _yaml().load(text))
    except UnicodeDecodeError:
        raise InvalidFile([FileError(path, 1, "the file is not UTF-8")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InvalidFile([FileError(path, line, str(error.problem or error.context))]) from None
    except (YAMLError, RecursionError):
        raise InvalidFile([FileError(path, 1, "the file is not YAML 1.2")]) from None
    if "@" in path.stem and not file.number:
        detail = "a name with @ is that of a version, as bant@2.yaml: this is none"
        raise InvalidFile([FileError(path, 1, detail)])
    if file.number and path.stem.partition("@")[0] != file.key:
        raise file.broken([Flaw("/key", "the name of the file says another key")])
    return file


def parse_file(file: File, find_base: FindBase, earlier: Iterable[NamedSet] = ()) -> QuestionSet:
    """The question set in a file; raises `BrokenFile` with every fault found.

    `earlier` are the versions that it follows.
    """
    try:
        return read_document(file.document, find_base, earlier)
    except Flawed as error:
        raise file.broken(error.flaws) from None


def read_file(path: Path) -> QuestionSet:
    """The question set in a file that extends none; raises `BrokenFile`, or `OSError`."""
    return parse_file(open_file(path), lambda _: None)


def read_builtin() -> Iterator[QuestionSet]:
    """The sets that come with the service, each after the one that it extends; raises `BrokenFile`."""
    known: dict[str, QuestionSet] = {}
    for file in in_order([open_file(path) for path in sorted(BUILTIN.glob("*.yaml"))]):
        question_set = parse_file(file, known.get)
        known[f"{question_set.key}@1"] = question_set
        yield question_set


def files_below(paths: Iterable[Path]) -> list[Path]:
    """The files named, and all YAML files in the folders named and below; none twice."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix in ENDINGS) if path.is_dir() else [path]
        found |= dict.fromkeys(inside)
    return list(found)


def in_order(files: Sequence[File]) -> list[File]:
    """Each file after those that hold what it extends, and after earlier versions of its own set.

    One without a number is the next version: it goes after those that have one. Raises `BrokenFile`
    where files extend each other.
    """
    _refuse_doubles(files)
    before = {file.path: [other.path for other in files if _goes_before(other, file)] for file in files}
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        path = error.args[1][0]
        raise InvalidFile([FileError(path, 1, "it is made from itself, by way of other files")]) from None
    by_path = {file.path: file for file in files}
    return [by_path[path] for path in order]


def _refuse_doubles(files: Sequence[File]) -> None:
    """Two files of one set with the same number, or with none, would be two versions at each load."""
    first: dict[tuple[str, int | None], Path] = {}
    for file in files:
        if file.key is None:
            continue
        other = first.setdefault((file.key, file.number), file.path)
        if other != file.path:
            raise file.broken([Flaw("/key", f"{other} is a file of the same question set and version")])


def _goes_before(first: File, file: File) -> bool:
    if first is file or first.key is None:
        return False
    if first.key == file.key:
        return (first.number or inf) < (file.number or inf)
    parts = split_name(file.extends or "")
    return parts is not None and parts[0] == first.key and first.number in (None, parts[1])


def as_yaml(question_set: QuestionSet) -> str:
    """The question set as a file; reading it gives the same set."""
    yaml = YAML()
    yaml.width = 100
    out = StringIO()
    yaml.dump(question_set.canonical(), out)
    return EDITOR_HEADER + out.getvalue()


def _yaml() -> YAML:
    # The C loader reads YAML 1.1, where the answer `no` would become false.
    return YAML(typ="safe", pure=True)


def _line_of(root: Node | None, pointer: str) -> int:
    """The line of what a pointer names, or of the nearest thing around it that is there."""
    node: Any = root
    line = node.start_mark.line if node else 0
    for part in pointer.split("/")[1:]:
        if isinstance(node, MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if part not in pairs:
                break
            key, node = pairs[part]
            line = key.start_mark.line
        elif isinstance(node, SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1
