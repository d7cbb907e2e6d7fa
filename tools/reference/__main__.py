"""Write the generated files, or with `--check` fail if one of them is out of date."""

import json
import sys
from pathlib import Path

import anyio
from fastapi import FastAPI

from app.main import create_app
from app.question_sets.builtin_sets import PARSED_FILE, parsed_text
from app.question_sets.documents import SCHEMA_FILE_NAME, question_set_schema
from app.settings import Settings
from tools.reference.architecture import ARCHITECTURE_PAGE, architecture_page
from tools.reference.calls import record_calls
from tools.reference.events import MORE_CALLS, SAMPLE_CALLS, events_page
from tools.reference.examples import EXAMPLES_FILE, examples
from tools.reference.markdown import PAGES_FOLDER, pages
from tools.reference.pictures import PICTURES_FOLDER, pictures
from tools.reference.story import FAILING_CALL, STORY

ROOT = Path(__file__).parents[2]


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path."""
    app = create_app(Settings())
    calls = anyio.run(record_calls, (*STORY, FAILING_CALL))
    events = anyio.run(record_calls, (*STORY, *MORE_CALLS, *SAMPLE_CALLS))
    schema = json.dumps(question_set_schema(), indent=2, ensure_ascii=False) + "\n"
    return {
        **pages(app, calls),
        "docs/events.md": events_page(events),
        f"docs/{SCHEMA_FILE_NAME}": schema,
        ARCHITECTURE_PAGE: architecture_page(ROOT),
        EXAMPLES_FILE: examples(calls, _operation_ids(app)),
        **pictures(),
        str(PARSED_FILE.relative_to(ROOT)): parsed_text(),
    }


def _operation_ids(app: FastAPI) -> set[str]:
    return {
        operation["operationId"] for path in app.openapi()["paths"].values() for operation in path.values()
    }


def main() -> int:
    """Write or check the generated files, and return the exit code."""
    files = generated()
    folders = (PAGES_FOLDER, PICTURES_FOLDER)
    # Screenshots are taken by `tools.screenshots`.
    found = (path for folder in folders for path in (ROOT / folder).glob("*.*") if path.suffix != ".webp")
    known = {str(path.relative_to(ROOT)) for path in found}
    stale = [
        name
        for name, text in files.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text("utf-8") != text
    ]
    stale += sorted(known - files.keys())
    if "--check" in sys.argv:
        for name in stale:
            sys.stderr.write(f"{name} is out of date: run 'make docs'.\n")
        return 1 if stale else 0
    for folder in folders:
        (ROOT / folder).mkdir(exist_ok=True)
    for name in stale:
        if name in files:
            (ROOT / name).write_text(files[name], "utf-8")
        else:
            (ROOT / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
