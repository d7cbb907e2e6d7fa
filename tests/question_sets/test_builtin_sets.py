"""The built-in question sets are read from what was parsed before, unless a YAML file has changed."""

from app.question_sets import builtin_sets
from app.question_sets.builtin_sets import BUILTIN, PARSED_FILE, parsed_text, read_builtin


def test_the_parsed_file_contains_what_the_yaml_files_say() -> None:
    assert PARSED_FILE.read_text("utf-8") == parsed_text()


def test_a_changed_yaml_file_counts_at_once(tmp_path, monkeypatch) -> None:
    # First, because what it returns is kept.
    (before,) = (question_set for question_set in read_builtin() if question_set.key == "bant")
    text = (BUILTIN / "bant.yaml").read_text("utf-8")
    (tmp_path / "bant.yaml").write_text(text.replace("title: ", "title: Our ", 1), "utf-8")
    monkeypatch.setattr(builtin_sets, "BUILTIN", tmp_path)
    (changed,) = read_builtin.__wrapped__()
    assert changed.title == f"Our {before.title}"
