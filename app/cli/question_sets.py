"""`question-sets list | lint | load | export | diff | schema`."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from app.cli.console import fail, migrated_database, out, reported_failures, say, table
from app.db import Database, Transaction
from app.question_sets.documents import FindBase, NamedSet
from app.question_sets.files import (
    ENDINGS,
    SCHEMA_FILE_NAME,
    File,
    FileError,
    InvalidFile,
    as_yaml,
    files_below,
    in_load_order,
    open_file,
    parse_file,
    question_set_schema,
    read_builtin,
)
from app.question_sets.queries import find_set, list_all, list_newest, list_versions, split_name
from app.question_sets.responses import difference
from app.question_sets.schemas import Difference
from app.question_sets.service import publish, publish_builtin, read_definition
from app.question_sets.tables import QuestionSetVersion
from app.scoring import Flawed, QuestionSet

question_sets = typer.Typer(no_args_is_help=True, help="Question sets as YAML files.")
Paths = Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.", exists=True)]


@question_sets.command("list")
def list_() -> None:
    """List every published version, retired ones too."""
    with _database() as database:
        rows = table("name", "status", "title", "extends")
        for version in database.read_sync(list_all):
            title, extends = (escape(version.definition.get(name) or "") for name in ("title", "extends"))
            rows.add_row(version.name, version.status, title, extends)
        rows.columns[0].no_wrap = True
        out.print(rows)


@question_sets.command()
def lint(paths: Paths) -> None:
    """Check files and name every fault with its line; needs no database.

    What a variant extends is looked for among the files, and then among the built-in sets; what a
    question meant before, among the files of its set.
    """
    read: dict[str, QuestionSet] = {}
    versions: defaultdict[str | None, list[NamedSet]] = defaultdict(list)
    faults: list[FileError] = []
    with reported_failures():
        builtin = {question_set.key: question_set for question_set in read_builtin()}
        for file in in_load_order(_open_all(paths)):
            try:
                question_set = parse_file(file, _find_among(read, builtin), versions[file.key])
            except InvalidFile as error:
                faults += error.faults
                continue
            name = file.path.stem if file.number else question_set.key
            read |= {question_set.key: question_set, name: question_set}
            versions[file.key].append((name, question_set))
            count = sum(len(step.questions) for step in question_set.steps)
            say(f"{name}: {count} questions, no fault.")
        if faults:
            raise InvalidFile(faults)


@question_sets.command()
def load(paths: Paths) -> None:
    """Publish each file as the next version of its set; the same content makes no new one.

    A file called key@n.yaml is published as that version. With any fault nothing is published.
    """
    with reported_failures():
        read = in_load_order(_open_all(paths))
        # A set that the files tell from its first version on is not published as it was built in.
        keys = {file.key for file in read if file.key != (file.extends or "").partition("@")[0]}
        builtin = [question_set for question_set in read_builtin() if question_set.key not in keys]

    def publish_all(tx: Transaction) -> list[tuple[QuestionSetVersion, bool]]:
        publish_builtin(tx, builtin)
        return [_publish(tx, file) for file in read]

    with migrated_database() as database:
        for version, is_new in database.write_sync(publish_all):
            what = "published" if is_new else "is published already"
            say(f"{version.name} {what}.")


@question_sets.command()
def export(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="A key for the newest version, or key@version; without any, every set."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder to write the files to.", file_okay=False)
    ] = None,
    *,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Every version that is not retired, as key@n.yaml.")
    ] = False,
) -> None:
    """Print a published version as YAML, or write many of them to a folder that `load` reads."""
    if output is None and (all_versions or len(names or ()) != 1):
        fail("Name one set, or a folder with --output.")
    with _database() as database:
        found = database.read_sync(lambda tx: list(_wanted(tx, names, all_versions=all_versions)))
    if output is None:
        say(found[0][1].rstrip())
        return
    with reported_failures():
        output.mkdir(parents=True, exist_ok=True)
        for name, text in [*((f"{name}.yaml", text) for name, text in found), (SCHEMA_FILE_NAME, _schema())]:
            (output / name).write_text(text, "utf-8")
    say(f"Wrote {len(found)} files and the schema to {output}.")


@question_sets.command()
def diff(
    before: Annotated[str, typer.Argument(help="A YAML file, or key or key@version.")],
    after: Annotated[str, typer.Argument(help="A YAML file, or key or key@version.")],
) -> None:
    """Tell what is different between two sets, question by question; exits with 1 if anything is."""
    with _database() as database:
        told = database.read_sync(lambda tx: difference(_named(tx, before), _named(tx, after)))
    lines = list(_told(told))
    say("\n".join(lines) or "No difference.")
    if lines:
        raise typer.Exit(1)


@question_sets.command()
def schema() -> None:
    """Print the JSON Schema of a question set's file, for editors."""
    say(_schema().rstrip())


def _schema() -> str:
    return json.dumps(question_set_schema(), indent=2, ensure_ascii=False) + "\n"


@contextmanager
def _database() -> Iterator[Database]:
    """The database with the built-in sets, which variants are made from."""
    with migrated_database() as database:
        builtin = list(read_builtin())
        database.write_sync(lambda tx: publish_builtin(tx, builtin))
        yield database


def _open_all(paths: list[Path]) -> list[File]:
    """Every file, or every fault of all of them."""
    found = files_below(paths)
    if not found:
        fail("There are no YAML files there.")
    opened: list[File] = []
    faults: list[FileError] = []
    for path in found:
        try:
            opened.append(open_file(path))
        except InvalidFile as error:
            faults += error.faults
    if faults:
        raise InvalidFile(faults)
    return opened


def _find_among(read: dict[str, QuestionSet], builtin: dict[str, QuestionSet]) -> FindBase:
    def find(name: str) -> QuestionSet | None:
        key = name.partition("@")[0]
        return read.get(name) or read.get(key) or builtin.get(key)

    return find


def _publish(tx: Transaction, file: File) -> tuple[QuestionSetVersion, bool]:
    try:
        return publish(tx, read_definition(tx, file.document), number=file.number)
    except Flawed as error:
        raise file.as_error(error.flaws) from None


def _wanted(tx: Transaction, names: list[str] | None, *, all_versions: bool) -> Iterator[tuple[str, str]]:
    """What to export: the name of each file, and its text."""
    for name in names or [version.key for version in list_newest(tx)]:
        key, number = split_name(name) or (name, None)
        if all_versions and number is None:
            for version in list_versions(tx, key):
                if version.status == "published":
                    yield version.name, as_yaml(QuestionSet.model_validate(version.definition))
        else:
            yield name, as_yaml(_named(tx, name)[1])


def _named(tx: Transaction, name: str) -> tuple[str, QuestionSet]:
    """The set in the file of that name, or else the published one."""
    if Path(name).suffix in ENDINGS:
        return name, parse_file(open_file(Path(name)), lambda base: find_set(tx, base))
    question_set = find_set(tx, name)
    if question_set is None:
        fail(f"There is no file {name}, and no question set or version of that name is published.")
    return name, question_set


def _told(told: Difference) -> Iterator[str]:
    for field in told.fields:
        yield f"~ {field.field}: {_short(field.before)} → {_short(field.after)}"
    for question in told.questions:
        if question.change == "changed":
            for field in question.fields:
                yield f"~ {question.question}.{field.field}: {_short(field.before)} → {_short(field.after)}"
        else:
            text = next(field for field in question.fields if field.field == "text")
            sign, words = ("+", text.after) if question.change == "added" else ("-", text.before)
            yield f"{sign} {question.question}: {words}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
