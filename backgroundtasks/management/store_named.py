"""Which store a command means: a known one by name, or a place that nobody has registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backgroundtasks.maintenance import stores

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Take the store's name, or its place."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--store", help="where they lie (default: the default store)")
    group.add_argument(
        "--from",
        dest="place",
        metavar="PLACE",
        help="a folder, or s3://bucket/prefix with credentials from the environment: needs no "
        "database that knows the store",
    )


def read(*, store: str | None, place: str | None, **_others: Any) -> stores.Store:
    """
    Return the store that the options name.

    Raises:
        StoreUnknown: there is none of this name.
    """
    return stores.get(store) if place is None else stores.at(place)
