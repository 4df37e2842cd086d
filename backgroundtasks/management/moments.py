"""Times as a shell writes them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime


def read_moment(text: str) -> datetime:
    """
    Return the time of an ISO 8601 text; UTC without a zone.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-03-01T04:00:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
