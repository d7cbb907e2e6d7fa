"""JSON is read as strictly whether orjson or the standard library parses it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.problems import Problem
from app.strict_json import MAX_INT64, read_json
from tests.scoring.strategies import effort

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
# Names and texts with colons, which count when repeated names are looked for.
NAMES = TEXTS | st.sampled_from(["a", "b", "a:", ":", "::b", "a\\:"])
NUMBERS = st.integers(-MAX_INT64, MAX_INT64) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | NAMES,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(NAMES, parts, max_size=4),
    max_leaves=20,
)
WRITERS = st.builds(
    dict,
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 1]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\r\n ")]),
)


@effort(150)
@given(VALUES, WRITERS)
def test_any_value_is_read_as_the_standard_library_reads_it(value, writer):
    text = json.dumps(value, **writer)
    # The written form also compares the types: 1, 1.0 and true are equal.
    assert repr(read_json(text.encode())) == repr(json.loads(text))


@effort(100)
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), VALUES, WRITERS, st.integers(0, 2), st.data())
def test_a_repeated_name_is_refused_wherever_it_is(members, value, writer, depth, data):
    name = data.draw(st.sampled_from(sorted(members)))
    text = json.dumps(members, **writer).rstrip().removesuffix("}")
    text += f"{writer['separators'][0]}{json.dumps(name)}:{json.dumps(value)}}}"
    for _ in range(depth):
        text = f'[{{"inside": {text}}}, ":"]'
    with pytest.raises(Problem, match="the same name twice"):
        read_json(text.encode())


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("9223372036854775808", "64 bits"),
        ("-9223372036854775808", "64 bits"),
        ("18446744073709551616", "64 bits"),
        ("1e400", "too large"),
        ("NaN", "not JSON"),
        ("-Infinity", "not JSON"),
    ],
)
def test_a_number_that_cannot_be_stored_is_refused(number, reason):
    assert read_json(b'{"a": 9223372036854775807}') == {"a": MAX_INT64}
    with pytest.raises(Problem, match=reason):
        read_json(f'{{"a": [{number}]}}'.encode())
