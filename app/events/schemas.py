"""The cursor of the change feed: the last event that a follower has read."""

from dataclasses import dataclass
from uuid import UUID

CURSOR_PATTERN = r"(0|[1-9][0-9]{0,14})(\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position and the id of the last event that was read. Its text is `{position}.{id}`, or `0`.

    The id shows whether the database still has that event at that position: after a backup is restored, the
    same positions are given to other events.
    """

    position: int = 0
    event_id: UUID | None = None

    def __str__(self) -> str:
        return f"{self.position}.{self.event_id}" if self.event_id else str(self.position)


# Before the first event.
BEGINNING = Cursor()


def parse_cursor(text: str) -> Cursor:
    """Return the cursor that a text of the form `CURSOR_PATTERN` stands for."""
    position, _, event_id = text.partition(".")
    return Cursor(int(position), UUID(event_id) if event_id else None)
