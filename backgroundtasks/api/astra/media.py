"""Which media type an answer has: what `Accept` asks for, among those that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.http.request import MediaType

from backgroundtasks.api.astra.errors import NOT_ACCEPTABLE, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

JSON: Final = "application/json"
TASK: Final = (JSON, "application/astra-task+json")
#: The vendor's own sample asks for a list by the type of one.
TASKS: Final = (JSON, "application/astra-tasks+json", "application/astra-task+json")
#: Ranges of one `Accept` that are looked at.
_MOST: Final = 100


def negotiate(request: HttpRequest, offered: Sequence[str]) -> str:
    """
    Return the offered type that the client likes best; of equals the first.

    Parameters of a type (`charset=utf-8`) are not looked at.

    Raises:
        Problem: the client takes none of them.
    """
    asked = request.META.get("HTTP_ACCEPT", "*/*").strip()
    if asked in {"", "*/*", JSON}:
        return offered[0]
    ranges = _ranges(asked)
    liked = {kind: _quality(kind, ranges) for kind in offered}
    best = max(offered, key=lambda kind: liked[kind])
    if not liked[best]:
        listed = ", ".join(offered)
        raise Problem(NOT_ACCEPTABLE, f"This can be had as {listed} only.")
    return best


def _ranges(asked: str) -> list[MediaType]:
    # Not `request.accepted_types`: it leaves out what is refused by `q=0`.
    try:
        return [MediaType(text) for text in asked.split(",")[:_MOST]]
    except ValueError:  # longer than Django takes
        return []


def _quality(kind: str, ranges: Sequence[MediaType]) -> float:
    """Return how well a type is liked, as the range says that fits it best; 0: not at all."""
    main, _, sub = kind.partition("/")
    fitting = [
        ((one.main_type != "*") + (one.sub_type != "*"), min(1.0, one.quality))
        for one in ranges
        if one.main_type in {main, "*"} and one.sub_type in {sub, "*"}
    ]
    return max(fitting, default=(0, 0.0))[1]
