"""The question sets that come with the service: YAML files, and what was read from them."""

import hashlib
import json
from functools import cache
from pathlib import Path

from app.scoring import QuestionSet

BUILTIN = Path(__file__).parent / "builtin"
# `make docs` writes it, because reading the YAML files takes a quarter of a second.
PARSED_FILE = BUILTIN.with_suffix(".json")


@cache
def read_builtin() -> tuple[QuestionSet, ...]:
    """Return the sets that come with the service, each after the one it extends.

    Raises:
        InvalidFile: if a YAML file was changed since PARSED_FILE was written, and is not valid.
    """
    parsed = json.loads(PARSED_FILE.read_bytes())
    if parsed["digest"] == _digest():
        return tuple(map(QuestionSet.model_validate, parsed["question_sets"]))
    return parse_builtin()


def parse_builtin() -> tuple[QuestionSet, ...]:
    """Do the same as `read_builtin`, and read the YAML files; raises `InvalidFile`."""
    # The YAML library takes long to import, and few starts need it.
    from app.question_sets.files import in_load_order, open_file, parse_file  # noqa: PLC0415

    known: dict[str, QuestionSet] = {}
    for file in in_load_order([open_file(path) for path in _yaml_files()]):
        question_set = parse_file(file, known.get)
        known[f"{question_set.key}@1"] = question_set
    return tuple(known.values())


def parsed_text() -> str:
    """Return the text of PARSED_FILE for the YAML files as they are now, with one set on each line."""
    sets = ",\n".join(
        json.dumps(question_set.canonical(), ensure_ascii=False, separators=(",", ":"))
        for question_set in parse_builtin()
    )
    return f'{{"digest":"{_digest()}","question_sets":[\n{sets}\n]}}\n'


def _yaml_files() -> list[Path]:
    return sorted(BUILTIN.glob("*.yaml"))


def _digest() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in _yaml_files())).hexdigest()
