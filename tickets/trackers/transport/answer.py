"""What a tracker said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tickets.trackers import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

#: As much of a tracker's own words as a text of ours carries.
_DETAIL: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Look at the status first: bodies of errors may be empty, or no JSON."""

    tracker: str
    status: int
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether the tracker did what it was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")

    def json(self) -> Any:
        """
        Return the body's value.

        Raises:
            AnswerUnusable: it is no JSON, as of a login page or another program's.
        """
        if not self.is_json:
            kind = self.headers.get("content-type", "nothing").partition(";")[0][:40]
            raise errors.AnswerUnusable(
                self.tracker, f"it is {kind} instead of JSON (status {self.status})"
            )
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise errors.AnswerUnusable(self.tracker, "it is broken JSON") from None

    def object(self) -> dict[str, Any]:
        """
        Return the body's object.

        Raises:
            AnswerUnusable: it is something else.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise errors.AnswerUnusable(self.tracker, "it is no JSON object")
        return found

    def detail(self) -> str:
        """Return a short text from the body of an error, in whichever way it is said; or empty."""
        if not self.is_json:
            return ""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        return "; ".join(_texts(found))[:_DETAIL]


def _texts(value: Any, depth: int = 0) -> list[str]:
    """Return the texts that the bodies of errors carry, in their order."""
    if isinstance(value, str):
        return [" ".join(value.split())] if value.strip() else []
    if depth > 3:  # noqa: PLR2004 - deeper than any of them goes
        return []
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner, depth + 1)]
    if isinstance(value, dict):
        known = ("message", "msg", "error", "errorMessages", "errors")
        named = [text for name in known for text in _texts(value.get(name), depth + 1)]
        return named or (
            [f"{name}: {text}" for name, text in value.items() if isinstance(text, str)]
            if depth
            else []
        )
    return []
