"""How texts are compared, here and in every SQL dialect."""

from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from app.scoring.question_set import Value

# Ignored at both ends of a text: space, tab, line ends and U+00A0.
BLANKS = " \t\n\r\u00a0"
TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


@lru_cache(maxsize=10_000)
def _folded_text(text: str) -> str:
    return text.strip(BLANKS).translate(TO_LOWER)


def is_blank(value: object) -> bool:
    """Whether a value is a text of blanks only."""
    return isinstance(value, str) and not value.strip(BLANKS)


def folded(value: Value) -> Value:
    """A text without blanks at its ends and with ASCII letters in lower case; other values unchanged."""
    return _folded_text(value) if isinstance(value, str) else value
