"""Bytes as they arrive, cut into lines."""


class Lines:
    """The lines of what is fed, without their ends; None for one longer than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._begun, self._too_long = bytearray(), False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        lines = [self._line(end) for end in ends]
        self._add(rest)
        return lines

    def rest(self) -> list[bytes | None]:
        """What stands behind the last line end, at the end of all: at most one line."""
        return [self._line(b"")] if self._begun or self._too_long else []

    def _line(self, end: bytes) -> bytes | None:
        self._add(end)
        line = None if self._too_long else bytes(self._begun)
        self._begun, self._too_long = bytearray(), False
        return line

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._begun) + len(part) > self._most_bytes
        if self._too_long:
            self._begun.clear()
        else:
            self._begun += part
