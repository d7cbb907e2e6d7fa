"""Read and write question sets as YAML 1.2 files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from io import StringIO
from math import inf
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from app.problems import UserError
from app.question_sets.documents import SCHEMA_FILE_NAME, FindBase, NamedSet, read_document
from app.question_sets.queries import split_name
from app.scoring import Flaw, Flawed, QuestionSet

ENDINGS = (".yaml", ".yml")
# Editors use the schema to check and complete a file.
EDITOR_HEADER = f"# yaml-language-server: $schema={SCHEMA_FILE_NAME}\n"


@dataclass(frozen=True, slots=True)
class FileError:
    """An error in a file, with its line, counted from 1."""

    path: Path
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.detail}"


class InvalidFile(UserError):
    """At least one file is not a valid question set; `faults` has the errors, ordered by file and line."""

    def __init__(self, faults: Iterable[FileError]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.path, fault.line)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class File:
    """A file with the document that it contains, which is not checked yet."""

    path: Path
    text: str
    document: Any

    @property
    def key(self) -> str | None:
        """The key in the document, or None."""
        key = self.document.get("key") if isinstance(self.document, dict) else None
        return key if isinstance(key, str) else None

    @property
    def extends(self) -> str | None:
        """The name of the version that the document extends, or None."""
        name = self.document.get("extends") if isinstance(self.document, dict) else None
        return name if isinstance(name, str) else None

    @property
    def number(self) -> int | None:
        """The version number of a file called key@n.yaml; None for any other name."""
        parts = split_name(self.path.stem)
        return parts[1] if parts else None

    def as_error(self, flaws: Iterable[Flaw]) -> InvalidFile:
        """Return the exception for flaws in the document, with the line of each."""
        root = _yaml().compose(self.text)
        return InvalidFile(
            [
                FileError(self.path, _line_of(root, flaw.pointer), f"{flaw.pointer or '/'}: {flaw.detail}")
                for flaw in flaws
            ]
        )


def open_file(path: Path) -> File:
    """Load a file. Raises `InvalidFile` if it is not YAML 1.2 or has a wrong name, and `OSError`."""
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
        detail = "a file name with @ has to end in a version number, such as bant@2.yaml: rename the file"
        raise InvalidFile([FileError(path, 1, detail)])
    if file.number and path.stem.partition("@")[0] != file.key:
        raise file.as_error([Flaw("/key", "the file name contains another key")])
    return file


def parse_file(file: File, find_base: FindBase, earlier: Iterable[NamedSet] = ()) -> QuestionSet:
    """Return the question set in a file; raises `InvalidFile` with every error.

    `earlier` are the versions that the set follows.
    """
    try:
        return read_document(file.document, find_base, earlier)
    except Flawed as error:
        raise file.as_error(error.flaws) from None


def read_file(path: Path) -> QuestionSet:
    """Return the question set in a file that extends no other set; raises `InvalidFile` and `OSError`."""
    return parse_file(open_file(path), lambda _: None)


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Return the given files, and all YAML files in the given directories and below, each once."""
    files: dict[Path, None] = {}
    for path in paths:
        below = sorted(p for p in path.rglob("*") if p.suffix in ENDINGS) if path.is_dir() else [path]
        files |= dict.fromkeys(below)
    return list(files)


def in_load_order(files: Sequence[File]) -> list[File]:
    """Return the files in the order to read them: after the sets they extend and after earlier versions.

    A file without a version number contains the next version, and comes after those with a number. Raises
    `InvalidFile` if files extend each other, or if two files contain the same version.
    """
    _refuse_duplicates(files)
    predecessors = {file.path: [other.path for other in files if _goes_before(other, file)] for file in files}
    try:
        order = list(TopologicalSorter(predecessors).static_order())
    except CycleError as error:
        detail = "the set extends itself through other files"
        raise InvalidFile([FileError(path, 1, detail) for path in set(error.args[1])]) from None
    by_path = {file.path: file for file in files}
    return [by_path[path] for path in order]


def _refuse_duplicates(files: Sequence[File]) -> None:
    """Refuse two files of one set with the same number or both without one.

    Each load would publish both of them, as two new versions.
    """
    first: dict[tuple[str, int | None], Path] = {}
    for file in files:
        if file.key is None:
            continue
        other = first.setdefault((file.key, file.number), file.path)
        if other != file.path:
            raise file.as_error([Flaw("/key", f"{other} contains the same question set and version")])


def _goes_before(first: File, file: File) -> bool:
    if first is file or first.key is None:
        return False
    if first.key == file.key:
        return (first.number or inf) < (file.number or inf)
    parts = split_name(file.extends or "")
    return parts is not None and parts[0] == first.key and first.number in (None, parts[1])


def as_yaml(question_set: QuestionSet) -> str:
    """Return the text of a YAML file for a question set; reading it gives the same set."""
    yaml = YAML()
    yaml.width = 100
    out = StringIO()
    yaml.dump(question_set.canonical(), out)
    return EDITOR_HEADER + out.getvalue()


def _yaml() -> YAML:
    # The C loader reads YAML 1.1, in which the word `no` is false.
    return YAML(typ="safe", pure=True)


def _line_of(root: Node | None, pointer: str) -> int:
    """Return the line of the node at a pointer, or of its nearest parent that exists, counted from 1."""
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
