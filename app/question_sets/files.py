"""Question sets as YAML 1.2 files; every error has its line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from app.scoring import Flawed, QuestionSet, read_question_set

BUILTIN = Path(__file__).parent / "builtin"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, and on which line (from 1)."""

    path: Path
    line: int
    detail: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.detail}"


class BrokenFile(ValueError):
    """A file is no valid question set; `faults` says why, line by line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def read_file(path: Path) -> QuestionSet:
    """The question set in a file; raises `BrokenFile` with every fault found, or `OSError`."""
    try:
        text = path.read_text("utf-8")
        data = _yaml().load(text)
    except UnicodeDecodeError:
        raise BrokenFile([Fault(path, 1, "the file is not UTF-8")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BrokenFile([Fault(path, line, str(error.problem or error.context))]) from None
    except (YAMLError, RecursionError):
        raise BrokenFile([Fault(path, 1, "the file is not YAML 1.2")]) from None
    try:
        return read_question_set(data)
    except Flawed as error:
        root = _yaml().compose(text)
        raise BrokenFile(
            [
                Fault(path, _line_of(root, flaw.pointer), f"{flaw.pointer or '/'}: {flaw.detail}")
                for flaw in error.flaws
            ]
        ) from None


def read_builtin() -> Iterator[QuestionSet]:
    """The sets that come with the service; raises `BrokenFile`."""
    for path in sorted(BUILTIN.glob("*.yaml")):
        yield read_file(path)


def as_yaml(question_set: QuestionSet) -> str:
    """The question set as a file; reading it gives the same set."""
    yaml = YAML()
    yaml.width = 100
    out = StringIO()
    yaml.dump(question_set.canonical(), out)
    return out.getvalue()


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
