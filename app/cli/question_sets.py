"""`question-sets list | lint | load | export | diff | schema`: work with question sets as YAML files."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from app.cli.console import (
    counted,
    database_at_hand,
    existing_database,
    fail,
    print_document,
    print_text,
    reported_failures,
)
from app.cli.terminal import out, table
from app.db import Database, Transaction
from app.question_sets.builtin_sets import read_builtin
from app.question_sets.documents import (
    SCHEMA_FILE_NAME,
    UNKNOWN_BASE,
    NamedSet,
    check_document,
    question_set_schema,
)
from app.question_sets.files import (
    ENDINGS,
    File,
    FileError,
    InvalidFile,
    as_yaml,
    files_below,
    in_load_order,
    open_file,
    parse_file,
)
from app.question_sets.presenters import difference, difference_lines
from app.question_sets.queries import find_set, list_all, list_newest, list_versions, split_name
from app.question_sets.service import publish, publish_builtin, read_definition
from app.question_sets.tables import QuestionSetVersion
from app.question_sets.variants.service import UNKNOWN_KEYS
from app.scoring import Checked, Flaw, Flawed, QuestionSet, is_filled_in, with_hints

question_sets = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Check, publish, export and compare question sets as YAML files.",
)
NO_DATABASE = "there is no database"
Paths = Annotated[list[Path], typer.Argument(help="YAML files, or folders with YAML files.", exists=True)]


@question_sets.command("list")
def list_() -> None:
    """List every published version, including retired ones."""
    with _database() as database:
        rows = table("name", "status", "title", "extends")
        for version in database.read_sync(list_all):
            title, extends = (escape(version.definition.get(name) or "") for name in ("title", "extends"))
            rows.add_row(version.name, version.status, title, extends)
        rows.columns[0].no_wrap = True
        out.print(rows)


@question_sets.command()
def lint(paths: Paths) -> None:
    """Check files, and report every error with its line. Needs no database.

    The set that a variant extends can be one of the files, a built-in set or, if there is a database, a
    published version. If several files are versions of one set, a question must mean the same in all of them.
    """
    with reported_failures(), database_at_hand() as database:
        files, errors = _open_each(paths)
        linter = _Linter(database)
        for file in files:
            errors += linter.check(file)
        if errors:
            raise InvalidFile(errors)


class _Linter:
    """Checks files one after the other, and remembers what is in them, because later ones may extend it."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._builtin = {question_set.key: question_set for question_set in read_builtin()}
        self._read: dict[str, Checked] = {}
        self._versions: defaultdict[str | None, list[NamedSet]] = defaultdict(list)

    def check(self, file: File) -> Iterator[FileError]:
        """Yield the errors of a file; print a line if there are none."""
        base = self._find_read(file.extends or "")
        checked = check_document(
            file.document, self._find, self._versions[file.key], base.unknown if base else ()
        )
        flaws = [flaw for flaw in checked.flaws if not self._is_excused(file, flaw, base)]
        name = file.path.stem if file.number else str(file.key)
        self._read |= {str(file.key): checked, name: checked}
        if flaws:
            yield from file.as_error(with_hints(flaws)).errors
        elif checked.question_set is None or checked.flaws:
            reason = "it has errors" if base else f"it is not in these files, not built in, and {NO_DATABASE}"
            print_text(f"{name}: no errors, but {file.extends} was not checked: {reason}.")
        else:
            self._versions[file.key].append((name, checked.question_set))
            count = sum(len(step.questions) for step in checked.question_set.steps)
            print_text(f"{name}: {counted(count, 'question')}, no errors.")

    def _find_read(self, name: str) -> Checked | None:
        return self._read.get(name) or self._read.get(name.partition("@")[0])

    def _find(self, name: str) -> QuestionSet | None:
        key, number = split_name(name) or (name, None)
        if read := self._find_read(name):
            return read.question_set
        if number == 1 and key in self._builtin:
            return self._builtin[key]
        return self._database.read_sync(lambda tx: find_set(tx, name)) if self._database else None

    def _is_excused(self, file: File, flaw: Flaw, base: Checked | None) -> bool:
        """Return whether a flaw is reported for its base, or cannot be known without it."""
        if base and base.flaws:
            has_gaps = base.question_set is None or any(
                is_filled_in(question.key) for step in base.question_set.steps for question in step.questions
            )
            return flaw.pointer == "/extends" or (has_gaps and flaw.kind in UNKNOWN_KEYS)
        _, number = split_name(file.extends or "") or (None, None)
        return flaw.kind == UNKNOWN_BASE and self._database is None and number is not None


@question_sets.command()
def load(paths: Paths) -> None:
    """Publish each file as the next version of its question set. Unchanged content creates no new version.

    A file named key@n.yaml is published as version n. If any file has an error, nothing is published.
    """
    with reported_failures():
        read = _open_all(paths)
        # A built-in set is not published if the files hold the set from its first version on.
        keys = {file.key for file in read if file.key != (file.extends or "").partition("@")[0]}
        builtin = [question_set for question_set in read_builtin() if question_set.key not in keys]

    def publish_all(tx: Transaction) -> list[tuple[QuestionSetVersion, bool]]:
        publish_builtin(tx, builtin)
        return [_publish(tx, file) for file in read]

    with existing_database() as database:
        for version, is_new in database.write_sync(publish_all):
            status = "published" if is_new else "is already published"
            print_text(f"{version.name} {status}.")


@question_sets.command()
def export(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="key (for its newest version) or key@version. By default, all sets."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the files to this folder.", file_okay=False)
    ] = None,
    *,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Export every version that is not retired, as key@n.yaml.")
    ] = False,
) -> None:
    """Print a published version as YAML, or write several to a folder that `load` can read."""
    if output is None and (all_versions or len(names or ()) != 1):
        fail("Name one question set, or a folder with --output.")
    with _database() as database:
        files = database.read_sync(lambda tx: list(_exported_files(tx, names, all_versions=all_versions)))
    if output is None:
        print_document(files[0][1].rstrip())
        return
    with reported_failures():
        output.mkdir(parents=True, exist_ok=True)
        for name, text in [*((f"{name}.yaml", text) for name, text in files), (SCHEMA_FILE_NAME, _schema())]:
            (output / name).write_text(text, "utf-8")
    print_text(f"Wrote {counted(len(files), 'file')} and the schema to {output}.")


@question_sets.command()
def diff(
    before: Annotated[str, typer.Argument(help="A YAML file, a key or key@version.")],
    after: Annotated[str, typer.Argument(help="A YAML file, a key or key@version.")],
) -> None:
    """Compare two question sets, question by question. Exits with 1 if they differ."""
    with _database() as database:
        found = database.read_sync(lambda tx: difference(_named(tx, before), _named(tx, after)))
    lines = list(difference_lines(found))
    print_text("\n".join(lines) or "No difference.")
    if lines:
        raise typer.Exit(1)


@question_sets.command()
def schema() -> None:
    """Print the JSON Schema of question set files, for editors."""
    print_text(_schema().rstrip())


def _schema() -> str:
    return json.dumps(question_set_schema(), indent=2, ensure_ascii=False) + "\n"


@contextmanager
def _database() -> Iterator[Database]:
    """Open the database with the built-in sets published, because variants extend them."""
    with existing_database() as database:
        builtin = read_builtin()
        database.write_sync(lambda tx: publish_builtin(tx, builtin))
        yield database


def _open_all(paths: list[Path]) -> list[File]:
    """Open all files in the order to load them. Raises `InvalidFile` with the errors of all of them."""
    files, errors = _open_each(paths)
    if errors:
        raise InvalidFile(errors)
    return files


def _open_each(paths: list[Path]) -> tuple[list[File], list[FileError]]:
    """Open the files that can be opened, in the order to load them, and return them with all errors."""
    found = files_below(paths)
    if not found:
        fail("There are no YAML files in these paths.")
    opened: list[File] = []
    errors: list[FileError] = []
    for path in found:
        try:
            opened.append(open_file(path))
        except InvalidFile as error:
            errors += error.errors
    while True:
        try:
            return in_load_order(opened), errors
        except InvalidFile as error:
            errors += error.errors
            refused = {one.path for one in error.errors}
            opened = [file for file in opened if file.path not in refused]


def _publish(tx: Transaction, file: File) -> tuple[QuestionSetVersion, bool]:
    try:
        return publish(tx, read_definition(tx, file.document), number=file.number)
    except Flawed as error:
        raise file.as_error(error.flaws) from None


def _exported_files(
    tx: Transaction, names: list[str] | None, *, all_versions: bool
) -> Iterator[tuple[str, str]]:
    """Yield the name, without its ending, and the text of each file to export."""
    for name in names or [version.key for version in list_newest(tx)]:
        key, number = split_name(name) or (name, None)
        if all_versions and number is None:
            for version in list_versions(tx, key):
                if version.status == "published":
                    yield version.name, as_yaml(QuestionSet.model_validate(version.definition).canonical())
        else:
            yield name, as_yaml(_named(tx, name)[1].canonical())


def _named(tx: Transaction, name: str) -> tuple[str, QuestionSet]:
    """Return the question set in the file with this name, or else the published set with this name."""
    if Path(name).suffix in ENDINGS:
        return name, parse_file(open_file(Path(name)), lambda base: find_set(tx, base))
    question_set = find_set(tx, name)
    if question_set is None:
        fail(
            f"There is no published question set or version {name}. "
            f"The name of a file must end in {' or '.join(ENDINGS)}."
        )
    return name, question_set
