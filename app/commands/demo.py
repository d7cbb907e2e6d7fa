"""`demo`."""


def demo() -> None:
    """X."""
