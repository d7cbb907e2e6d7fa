"""Read and write question sets as YAML 1.2 files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from math import inf
from pathlib import Path
from typing import Any

from app.problems import UserError
from app.question_sets.documents import SCHEMA_FILE_NAME, FindBase, NamedSet, read_document
from app.question_sets.queries import split_name
from app.question_sets.reader import Document, InvalidYaml, TextError, read_yaml, write_yaml
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
    """At least one file is not a valid question set; `errors` are ordered by file and line."""

    def __init__(self, errors: Iterable[FileError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.path, error.line)))
        super().__init__("\n".join(map(str, self.errors)))


@dataclass(frozen=True, slots=True)
class File:
    """A file with the document that it contains, which is not checked yet."""

    path: Path
    content: Document

    @property
    def document(self) -> Any:
        """The document as JSON values."""
        return self.content.value

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
        return _invalid(self.path, map(self.content.error_of, flaws))


def open_file(path: Path) -> File:
    """Load a file. Raises `InvalidFile` if it is not YAML 1.2 or has a wrong name, and `OSError`."""
    try:
        file = File(path, read_yaml(path.read_text("utf-8")))
    except UnicodeDecodeError:
        raise InvalidFile([FileError(path, 1, "the file is not UTF-8")]) from None
    except InvalidYaml as error:
        raise _invalid(path, error.errors) from None
    if "@" in path.stem and not file.number:
        detail = "a file name with @ has to end in a version number, such as bant@2.yaml: rename the file"
        raise InvalidFile([FileError(path, 1, detail)])
    if file.number and path.stem.partition("@")[0] != file.key:
        raise file.as_error([Flaw("/key", "the file name contains another key")])
    return file


def _invalid(path: Path, errors: Iterable[TextError]) -> InvalidFile:
    return InvalidFile([FileError(path, error.at.line, error.detail) for error in errors])


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


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return the text of a YAML file for a document; reading it gives the same document."""
    return EDITOR_HEADER + write_yaml(document)
