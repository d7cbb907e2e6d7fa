"""Read back a file that a library can only write as a whole."""

from collections.abc import Iterator
from pathlib import Path

BYTES_PER_CHUNK = 262_144


def chunks_of(file: Path) -> Iterator[bytes]:
    """Yield the content of a file in chunks."""
    with file.open("rb") as content:
        while chunk := content.read(BYTES_PER_CHUNK):
            yield chunk
