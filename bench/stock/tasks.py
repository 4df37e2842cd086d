"""What stock django-q2 runs."""

from bench import moments


def nothing() -> None:
    """Do nothing."""


def stamp(path: str) -> None:
    """Tell when the work began."""
    moments.tell(path)
