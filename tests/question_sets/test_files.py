"""Question sets as files in git: lint, load, export and diff over whole folders, as a person runs them."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.conftest import ROOT

SCHEMA = ROOT / "docs" / "question-set.schema.json"

OURS = """\
key: ours
title: Ours
combine: weighted
dimensions: [{key: all, title: All}]
steps:
  - key: only
    title: Only
    questions:
      - {key: need, text: What do they need?, dimension: all}
      - {key: money, text: Can they pay?, dimension: all}
"""


def variant(key, extends, **said):
    told = "".join(f"{name}: {value}\n" for name, value in said.items())
    return f"key: {key}\nextends: {extends}\n{told}"


def write(folder, files):
    """Write texts to files, in folders where their names have some."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def done(finished):
    """The lines that a command printed which had nothing to complain of."""
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.splitlines()


def refused(finished):
    """The lines of a command that gave up."""
    assert (finished.returncode, finished.stdout) == (1, "")
    return finished.stderr.splitlines()


def stored(folder, sql="SELECT key, version, status, content_hash, definition FROM question_set_version"):
    with closing(sqlite3.connect(folder / "data" / "prospect_fit.db")) as database:
        return sorted(database.execute(sql).fetchall())


def names_of(folder, *keys):
    return [f"{key}@{version}" for key, version, *_ in stored(folder) if key in keys]


def retire(folder, name):
    with closing(sqlite3.connect(folder / "data" / "prospect_fit.db", isolation_level=None)) as database:
        database.execute(
            "UPDATE question_set_version SET status = 'retired' WHERE key || '@' || version = ?", (name,)
        )


def wipe(folder):
    shutil.rmtree(folder / "data")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_is_checked_with_all_that_is_in_it_and_below(run_without_database, tmp_path):
    run = run_without_database
    """Bases are the files' own or built in; what is no YAML is left alone; no database is made."""
    write(
        tmp_path / "sets",
        {
            "a-first.yaml": variant("grown", "lean@1", title="Grown"),
            "deep/down/lean.yml": variant("lean", "ours@1", omit="[money]"),
            "deep/ours.yaml": OURS,
            "deep/quick.yaml": variant("quick", "bant@1", omit="[timeline]"),
            "deep/notes.txt": "key: [",
        },
    )
    told = done(run("question-sets", "lint", "sets"))
    assert sorted(told) == [
        "grown: 1 question, no errors.",
        "lean: 1 question, no errors.",
        "ours: 2 questions, no errors.",
        "quick: 3 questions, no errors.",
    ]
    assert told.index("ours: 2 questions, no errors.") < told.index("lean: 1 question, no errors.")
    assert not (tmp_path / "data").exists()


# What is named but not there, or is there twice.
NAMES = """\
key: names
extends: ours@1
omit:
  - need
  - nothing
add:
  - after: nowhere
    question: {key: term, text: How long?, dimension: all}
  - question:
      key: place
      text: Where?
      dimension: all
  - step: only
    question:
      text: Again?
      dimension: all
      key: money
change:
  money:
    weight: 2
  trust:
    weight: 2
"""
# What the whole set that comes out may not be.
RULES = """\
key: rules
extends: ours@1
add:
  - step: only
    question:
      key: term
      text: How long?
      dimension: none
change:
  need:
    weight: 2
    must_reach: 9
thresholds:
  fit_at: 50
  no_fit_below: 60
"""
SHAPES = """\
key: shapes
extends: ours@1
omit: need
change:
  money:
    weight: heavy
    dimension: all
colour: red
"""
ERRORS = {
    "base.yaml": (variant("base", "nobody@1"), [2]),
    "names.yaml": (NAMES, [5, 7, 9, 17, 21]),
    "rules.yaml": (RULES, [8, 12, 15]),
    "shapes.yaml": (SHAPES, [3, 6, 7, 8]),
}


def test_every_fault_in_a_variant_is_named_with_its_own_line(run, tmp_path):
    write(tmp_path / "sets", {"ours.yaml": OURS, **{name: text for name, (text, _) in ERRORS.items()}})
    finished = run("question-sets", "lint", "sets")
    assert (finished.returncode, finished.stdout) == (1, "ours: 2 questions, no errors.\n")
    named = [line.split(": ")[0] for line in finished.stderr.splitlines()]
    assert named == [f"sets/{name}:{line}" for name, (_, lines) in ERRORS.items() for line in lines]


def test_a_question_that_means_something_else_than_in_an_earlier_file_is_a_fault(run, tmp_path):
    changed = OURS.replace("key: all", "key: some").replace("dimension: all", "dimension: some")
    write(tmp_path, {"ours@1.yaml": OURS, "ours@2.yaml": changed, "new.yaml": OURS.replace("ours", "new")})
    finished = run("question-sets", "lint", ".")
    assert finished.returncode == 1
    assert [line.split(": ")[0] for line in finished.stderr.splitlines()] == [
        "ours@2.yaml:9",
        "ours@2.yaml:10",
    ]


def named_in(finished):
    """The files and lines that a command complained of."""
    return [line.split(": ")[0] for line in finished.stderr.splitlines()]


def test_a_file_that_is_not_yaml_is_named_with_its_line_and_hides_no_other_fault(run, tmp_path):
    twice = "key: twice\ntitle: One\ntitle: Two\n"
    wrong = OURS.replace("title: Ours", "titel: Ours").replace("dimension: all}", "dimension: al}", 1)
    write(tmp_path, {"ours.yaml": OURS, "twice.yaml": twice, "open.yml": "key: ours\nx: ["})
    write(tmp_path, {"wrong.yaml": wrong.replace("key: ours", "key: wrong")})
    finished = run("question-sets", "lint", ".")
    assert (finished.returncode, finished.stdout) == (1, "ours: 2 questions, no errors.\n")
    assert named_in(finished) == [
        "open.yml:2",
        "twice.yaml:3",
        "wrong.yaml:1",
        "wrong.yaml:2",
        "wrong.yaml:9",
    ]
    *_, titel, dimension = finished.stderr.splitlines()
    assert titel == "wrong.yaml:2: /titel: there is no such field here: did you mean `title`?"
    assert dimension.endswith("no dimension of this set has that key: did you mean `all`?")


def test_files_that_extend_each_other_are_refused(run, tmp_path):
    write(tmp_path, {"a.yaml": variant("a", "b@1"), "b.yaml": variant("b", "a@1")})
    told = refused(run("question-sets", "lint", "."))
    assert told == [f"{name}.yaml:1: the set extends itself through other files" for name in "ab"]


# Its base has errors too, but nothing that it says of the base is in doubt.
VARIANT_OF_A_WRONG_ONE = """\
key: lean
extends: wrong@1
omit: [mony]
titel: Lean
change:
  need: {weight: heavy, anchors: [{rating: 9, text: Much.}]}
add:
  - after: ned
    question: {key: term, text: How long?, dimension: al}
  - question: {key: place, text: Where?, dimension: all}
"""


def test_faults_of_a_base_hide_no_faults_of_its_variants_and_are_reported_once(run, tmp_path):
    wrong = OURS.replace("key: ours", "key: wrong").replace("title: Ours", "title: Ours\ncolour: red")
    write(tmp_path, {"wrong.yaml": wrong, "lean.yaml": VARIANT_OF_A_WRONG_ONE})
    finished = run("question-sets", "lint", ".")
    lines = [3, 4, 6, 6, 8, 9, 10]
    assert named_in(finished) == [*(f"lean.yaml:{line}" for line in lines), "wrong.yaml:3"]
    for name, meant in (("/omit/0", "money"), ("/titel", "title"), ("/add/0/after", "need")):
        (line,) = [line for line in finished.stderr.splitlines() if f": {name}: " in line]
        assert line.endswith(f": did you mean `{meant}`?")


def test_a_question_that_may_be_in_a_wrong_base_is_not_called_unknown(run, tmp_path):
    wrong = OURS.replace("key: ours", "key: wrong").replace("{key: money", "{kay: money")
    lean = variant("lean", "wrong@1", omit="[money]", thresholds="{fit_at: 50, no_fit_below: 60}")
    write(tmp_path, {"wrong.yaml": wrong, "lean.yaml": lean})
    assert named_in(run("question-sets", "lint", ".")) == ["lean.yaml:4", "wrong.yaml:10", "wrong.yaml:10"]


def test_a_base_that_is_only_published_is_found_where_there_is_a_database(run, tmp_path):
    write(tmp_path, {"sets/ours.yaml": OURS, "lean.yaml": variant("lean", "ours@1", omit="[mony]")})
    done(run("question-sets", "load", "sets"))
    (told,) = refused(run("question-sets", "lint", "lean.yaml"))
    assert told.endswith("ours@1 has no question with that key: did you mean `money`?")
    write(tmp_path, {"lean.yaml": variant("lean", "ours@2", omit="[mony]")})
    (told,) = refused(run("question-sets", "lint", "lean.yaml"))
    assert told.startswith("lean.yaml:2: /extends: no such version is known")


def test_without_a_database_it_is_said_that_a_base_was_not_checked(run_without_database, tmp_path):
    run = run_without_database
    write(tmp_path, {"lean.yaml": variant("lean", "ours@3", omit="[mony]")})
    (told,) = done(run("question-sets", "lint", "lean.yaml"))
    reason = "it is not in these files, not built in, and there is no database"
    assert told == f"lean: no errors, but ours@3 was not checked: {reason}."
    write(tmp_path, {"lean.yaml": variant("lean", "ours@3", omit="[mony]", change="{mony: {wait: 2}}")})
    assert named_in(run("question-sets", "lint", "lean.yaml")) == ["lean.yaml:4", "lean.yaml:4"]
    write(tmp_path, {"lean.yaml": variant("lean", "ours")})
    assert named_in(run("question-sets", "lint", "lean.yaml")) == ["lean.yaml:2"]
    assert not (tmp_path / "data").exists()


def test_a_folder_is_loaded_in_its_own_order_and_again_changes_nothing(run, tmp_path):
    write(
        tmp_path / "sets",
        {
            "1.yaml": variant("third", "second@1", title="Third"),
            "2.yaml": variant("second", "first@2", title="Second"),
            "3/first@2.yaml": OURS.replace("key: ours", "key: first").replace("Can they pay?", "Who pays?"),
            "4/first@1.yaml": OURS.replace("key: ours", "key: first"),
        },
    )
    names = ["first@1", "first@2", "second@1", "third@1"]
    assert done(run("question-sets", "load", "sets")) == [f"{name} published." for name in names]
    before = stored(tmp_path)
    assert done(run("question-sets", "load", "sets")) == [f"{name} is already published." for name in names]
    assert stored(tmp_path) == before


def test_a_file_without_a_number_is_the_next_version_after_all_that_have_one(run, tmp_path):
    first, second, third = (OURS.replace("pay", word) for word in ("pay", "spend", "lend"))
    write(tmp_path, {"ours.yaml": third, "z/ours@1.yaml": first, "z/ours@2.yaml": second})
    names = ["ours@1", "ours@2", "ours@3"]
    assert done(run("question-sets", "load", ".")) == [f"{name} published." for name in names]
    assert done(run("question-sets", "load", ".")) == [f"{name} is already published." for name in names]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (variant("bad", "ours@1", omit="[nothing]"), 3),
        (variant("bad", "ours@9"), 2),
        (OURS.replace("weighted", "sideways"), 3),
        (OURS.replace("key: all", "key: some").replace("dimension: all", "dimension: some"), 9),
    ],
    ids=["a variant", "an unknown base", "a shape", "a changed meaning"],
)
def test_with_one_fault_nothing_is_published(run, tmp_path, broken, line):
    write(tmp_path / "sets", {"a/ours@1.yaml": OURS, "b/other.yaml": OURS.replace("key: ours", "key: other")})
    write(tmp_path / "sets", {"z/bad.yaml": broken})
    told = refused(run("question-sets", "load", "sets"))
    assert told[0].split(": ")[0] == f"sets/z/bad.yaml:{line}"
    assert stored(tmp_path) == []


def test_a_file_called_after_a_version_is_that_version_for_good(run, tmp_path):
    second, fifth = (OURS.replace("pay", word) for word in ("spend", "lend"))
    write(tmp_path, {"ours@2.yaml": second, "ours@5.yaml": fifth})
    assert done(run("question-sets", "load", ".")) == ["ours@2 published.", "ours@5 published."]
    write(tmp_path, {"ours@2.yaml": OURS})
    (taken,) = refused(run("question-sets", "load", "ours@2.yaml"))
    assert taken.startswith("ours@2.yaml:1: /key: ours@2 or a later version is already published")
    write(tmp_path, {"ours@3.yaml": OURS})
    (passed,) = refused(run("question-sets", "load", "ours@3.yaml"))
    assert passed.startswith("ours@3.yaml:1: /key: ours@3 or a later version is already published")
    assert names_of(tmp_path, "ours") == ["ours@2", "ours@5"]
    write(tmp_path, {"theirs@1.yaml": OURS})
    assert refused(run("question-sets", "load", "theirs@1.yaml")) == [
        "theirs@1.yaml:1: /key: the file name contains another key"
    ]
    assert done(run("question-sets", "load", "ours@5.yaml")) == ["ours@5 is already published."]


WORLD = {
    "ours@1.yaml": OURS,
    "ours@2.yaml": OURS.replace("Can they pay?", "'Können sie “ja” sagen, oder: nein?'"),
    "qualifying-a-sale@2.yaml": variant("qualifying-a-sale", "qualifying-a-sale@1", omit="[past_success]"),
    "lean@1.yaml": variant("lean", "ours@1", omit="[money]"),
    "lean@2.yaml": variant("lean", "ours@2", omit="[need]", title="'no'"),
    "leaner@1.yaml": variant("leaner", "lean@2", priority=3, **{"for": "{size: {below: 10}}"})
    + "attributes: {size: number}\n",
    "sale-one@1.yaml": variant("sale-one", "qualifying-a-sale@1", change="{budget: {weight: 3}}"),
    "sale-two@3.yaml": variant("sale-two", "qualifying-a-sale@2", change="{budget: {weight: 3}}"),
}


def test_what_is_exported_wiped_and_loaded_is_the_same_byte_for_byte(run, tmp_path):
    write(tmp_path / "world", WORLD)
    done(run("question-sets", "load", "world"))
    before = stored(tmp_path)
    assert {f"{key}@{version}.yaml" for key, version, *_ in before} >= WORLD.keys()
    done(run("question-sets", "export", "--all-versions", "--output", "one"))
    assert len(contents(tmp_path / "one")) == len(before) + 1
    wipe(tmp_path)
    done(run("migrate"))
    done(run("question-sets", "load", "one"))
    assert stored(tmp_path) == before
    done(run("question-sets", "export", "--all-versions", "--output", "two"))
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert contents(tmp_path / "one")[SCHEMA.name] == SCHEMA.read_bytes()


def test_what_is_exported_is_checked_without_a_fault(run, tmp_path):
    write(tmp_path / "world", WORLD)
    done(run("question-sets", "load", "world"))
    done(run("question-sets", "export", "--all-versions", "-o", "one"))
    assert len(done(run("question-sets", "lint", "one"))) == len(stored(tmp_path))


def test_the_newest_versions_alone_are_the_same_under_new_numbers(run, tmp_path):
    write(tmp_path / "world", {name: WORLD[name] for name in ("ours@1.yaml", "ours@2.yaml", "lean@1.yaml")})
    done(run("question-sets", "load", "world"))
    done(run("question-sets", "export", "-o", "one"))
    wipe(tmp_path)
    done(run("migrate"))
    done(run("question-sets", "load", "one"))
    assert names_of(tmp_path, "ours", "lean") == ["lean@1", "ours@1"]
    done(run("question-sets", "export", "-o", "two"))
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_a_set_is_exported_by_name_and_retired_versions_only_so(run, tmp_path):
    write(tmp_path / "world", {name: WORLD[name] for name in ("ours@1.yaml", "ours@2.yaml")})
    done(run("question-sets", "load", "world"))
    retire(tmp_path, "ours@2")
    done(run("question-sets", "export", "ours", "--all-versions", "-o", "one"))
    assert sorted(contents(tmp_path / "one")) == ["ours@1.yaml", SCHEMA.name]
    done(run("question-sets", "export", "ours", "ours@2", "-o", "two"))
    assert sorted(contents(tmp_path / "two")) == ["ours.yaml", "ours@2.yaml", SCHEMA.name]
    assert contents(tmp_path / "two")["ours.yaml"] == contents(tmp_path / "one")["ours@1.yaml"]
    printed = run("question-sets", "export", "ours@2").stdout
    assert printed == (tmp_path / "two" / "ours@2.yaml").read_text("utf-8")
    assert refused(run("question-sets", "export", "ours@3")) == [
        "There is no published question set or version ours@3. The name of a file must end in .yaml or .yml."
    ]
    assert refused(run("question-sets", "export")) == ["Name one question set, or a folder with --output."]


OTHER = """\
key: ours
extends: ours@1
title: Theirs
omit: [money]
add: [{after: need, question: {key: term, text: How long?, dimension: all}}]
change: {need: {weight: 2, stale_after_days: 3}}
"""
DIFFERENT = [
    '~ title: "Ours" → "Theirs"',
    "- money: Can they pay?",
    "~ need.weight: 1 → 2",
    "~ need.stale_after_days: null → 3",
    "+ term: How long?",
]
BACK = [
    '~ title: "Theirs" → "Ours"',
    "- term: How long?",
    "~ need.weight: 2 → 1",
    "~ need.stale_after_days: 3 → null",
    "+ money: Can they pay?",
]


def test_two_sets_are_compared_question_by_question(run, tmp_path):
    write(tmp_path, {"ours.yaml": OURS, "other.yml": OTHER})
    done(run("question-sets", "load", "ours.yaml"))
    before = stored(tmp_path)
    assert done(run("question-sets", "diff", "ours", "ours.yaml")) == ["No difference."]
    for one, other, lines in (("ours@1", "other.yml", DIFFERENT), ("other.yml", "ours.yaml", BACK)):
        finished = run("question-sets", "diff", one, other)
        assert (finished.returncode, finished.stderr) == (1, "")
        assert finished.stdout.splitlines() == lines
    assert stored(tmp_path) == before
    assert "ours@2" in refused(run("question-sets", "diff", "ours", "ours@2"))[0]
    write(tmp_path, {"other.yml": OTHER.replace("[money]", "[cash]")})
    assert refused(run("question-sets", "diff", "ours", "other.yml"))[0].startswith("other.yml:4: /omit/0: ")


def test_the_schema_is_printed_as_it_is_in_the_documentation(run):
    assert run("question-sets", "schema").stdout.encode() == SCHEMA.read_bytes()
