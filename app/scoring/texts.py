"""How texts are compared, here and in every SQL dialect alike."""

from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from app.scoring.question_set import Value

# At both ends of a text these say nothing: space, tab, line ends and U+00A0.
BLANKS = " \t\n\r\u00a0"
TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


@lru_cache(maxsize=10_000)
def _folded_text(text: str) -> str:
    return text.strip(BLANKS).translate(TO_LOWER)


def is_blank(value: object) -> bool:
    """Whether it is a text that says nothing."""
    return isinstance(value, str) and not value.strip(BLANKS)


def folded(value: Value) -> Value:
    """A text without blanks at its ends and without ASCII case; any other value as it is."""
    return _folded_text(value) if isinstance(value, str) else value
