"""YAML texts of question sets: what is read, where its errors are, and that written texts are read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.question_sets.reader import InvalidYaml, Position, read_yaml, write_yaml
from app.scoring import Flaw

# Nine times nine times …: filled in, the last line has 9¹² texts.
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
ERRORS = {
    "title: One\n\tsteps: []": (2, 1, "a tab cannot indent a line: use spaces"),
    "a: 1\nb: {c: 1,\n    c: 2}": (3, 5, "`c` is already on line 2: remove one of them"),
    "text: Why: because": (1, 10, "a colon is not allowed here"),
    "text: 'It ends\nnowhere": (2, 8, "the text in quotes does not end"),
    "a: [1, 2": (1, 9, "the list is not complete"),
    "a: @home": (1, 4, "a text cannot start with @: put it in quotes"),
    "a: *b": (1, 4, "there is no anchor &b above"),
    "a: &a [*a]": (1, 8, "there is no anchor &a above"),
    "a: 1\nb: !!python/object:os.system x": (2, 4, "a question set has no tags"),
    "a: 1\n---\nb: 2": (2, 1, "there is more than one document here"),
    "? [a]\n: 1": (1, 3, "a name must be a text"),
    "a: 1\nb: \a": (2, 1, "a control character is not allowed"),
    "a: " + "[" * 100_000: (1, 1003, "values are nested more than 50 levels deep"),
    "a: " + "[" * 51 + "]" * 51: (1, 54, "values are nested more than 50 levels deep"),
    # Up to line 5, 171 + 1,548 + 13,941 + 125,478 are repeated; each e of line 6 has 125,479 more.
    BOMB: (6, 8, "aliases repeat more than 200000 characters here"),
    # 19 · 10,001 = 190,019.
    f"a: &a {'x' * 10_000}\nb: [{'*a, ' * 30}]": (2, 81, "aliases repeat more than 200000 characters here"),
    'a: 1\nb: "x\\0"': (2, 4, "a text contains a NUL character"),
    'a: 1\n"b\\0": x': (2, 1, "a text contains a NUL character"),
    f"a: [1, {2**63 - 1}, {2**63}]": (1, 29, "an integer does not fit into 64 bits"),
    f"a: -{'9' * 399}": (1, 4, "an integer does not fit into 64 bits"),
    "שלום: עולם\n😀: '": (2, 5, "the text in quotes does not end"),
    'a: "x\u2028y"\nb: \'': (2, 5, "the text in quotes does not end"),
}


@pytest.mark.parametrize("text", ERRORS, ids=map(str, range(len(ERRORS))))
def test_an_error_is_explained_at_its_line_and_column(text: str) -> None:
    with pytest.raises(InvalidYaml) as refused:
        read_yaml(text)
    line, column, detail = ERRORS[text]
    (error,) = refused.value.errors
    assert (error.at, error.detail[: len(detail)]) == (Position(line, column), detail)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("\ufeffa: 1\r\nb: x\r\n", {"a": 1, "b": "x"}),
        ("a: no\nb: 010\nc: 0o10\nd: .inf\ne: 2026-01-01\nf: 1e999", None),
        ("a: &x [1, true, ~, 1.5]\nb: *x", {"a": [1, True, None, 1.5], "b": [1, True, None, 1.5]}),
        ("1: !!str 2\nnull: '3'", {"1": "2", "null": "3"}),
    ],
)
def test_values_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    if "010" in text:
        value = {"a": "no", "b": 10, "c": 8, "d": ".inf", "e": "2026-01-01", "f": "1e999"}
    assert read_yaml(text).value == value


def test_a_flaw_is_at_its_value_or_at_what_would_contain_it() -> None:
    read = read_yaml("key: x\nsteps:\n  - key: one\n    questions: [{key: a/b},\n      {key: c}]\n")
    assert read.position_of("/steps/0/questions/1/key") == Position(5, 8)
    assert read.position_of("/steps/0/questions/1/weight") == Position(5, 7)
    assert read.position_of("/steps/7/questions") == Position(2, 1)
    assert read.position_of("/title") == Position(1, 1)
    assert str(read.error_of(Flaw("/key", "wrong")).detail) == "/key: wrong"


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))) | st.sampled_from(
    ["no", "1e5", "0o7", "5.", "~", "", "2026-01-01", "=", "<<", "a: b", "x\n"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_again(document: dict) -> None:
    assert read_yaml(write_yaml(document)).value == document
