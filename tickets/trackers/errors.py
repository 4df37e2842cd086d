"""
What may come between us and a tracker; every text is for people and holds no secret.

    TrackerError                     code                    what a run does
    ├── ConnectionInvalid            connection_invalid      fails: somebody must put it right
    │   └── AddressRefused           address_refused
    ├── KeyInvalid                   key_invalid             fails, before any request
    ├── TicketNotFound               ticket_not_found        fails: the tracker's definite no
    │   ├── TicketElsewhere          ticket_elsewhere
    │   └── TicketMoved              ticket_moved
    ├── TicketAmbiguous              ticket_ambiguous        fails: the tester must say which
    ├── CredentialsRefused           credentials_refused     fails; asking again locks accounts
    ├── AccessRefused                access_refused          fails
    ├── ChangeRefused                change_refused          fails, with the fields
    ├── Unsupported                  unsupported             fails
    ├── AnswerUnusable               answer_unusable         fails
    │   └── AnswerTooLarge           answer_too_large
    └── Temporary                    temporary               tries again later
        ├── ChangeConflict           change_conflict
        ├── TicketBusy               ticket_busy
        ├── Throttled                throttled
        └── TrackerUnreachable       tracker_unreachable
            ├── TrackerSlow          tracker_slow
            └── CircuitOpen          circuit_open

Nobody sleeps: what is `Temporary` says in `retry_after` when it may be tried again, None
where nobody knows, and the run makes its next attempt then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta


class TrackerError(Exception):
    """Never raised itself; catch it to catch whatever a tracker may do."""

    code: ClassVar[str]
    #: Whether it may pass by itself.
    temporary: ClassVar[bool] = False
    #: The earliest moment of the next attempt from now; None: as the caller likes.
    retry_after: timedelta | None = None


class ConnectionInvalid(TrackerError):
    """What was written down about the tracker is incomplete, or names nothing there."""

    code = "connection_invalid"

    def __init__(self, tracker: str, problems: Sequence[str]) -> None:
        super().__init__(f"The connection to {tracker} cannot be used: {' '.join(problems)}")
        self.problems = list(problems)


class AddressRefused(ConnectionInvalid):
    """The base URL leads where we do not go."""

    code = "address_refused"

    def __init__(self, tracker: str, reason: str) -> None:
        super().__init__(tracker, [reason])
        self.reason = reason


class KeyInvalid(TrackerError):
    """The text is no ticket's key in this tracker."""

    code = "key_invalid"

    def __init__(self, tracker: str, key: str, example: str) -> None:
        super().__init__(
            f"{shown(key)} is no key of a ticket in {tracker}; one looks like {example}."
        )
        self.key = key


class TicketNotFound(TrackerError):
    """The tracker has no such ticket, or does not show it to us."""

    code = "ticket_not_found"

    def __init__(self, tracker: str, key: str) -> None:
        super().__init__(f"{tracker} has no ticket {shown(key)}, or does not show it to us.")
        self.key = key


class TicketElsewhere(TicketNotFound):
    """The ticket belongs to another project of the tracker than the connection's."""

    code = "ticket_elsewhere"

    def __init__(self, tracker: str, key: str, project: str) -> None:
        TrackerError.__init__(
            self, f"The ticket {shown(key)} of {tracker} is not of the project {shown(project)}."
        )
        self.key = key
        self.project = project


class TicketMoved(TicketNotFound):
    """The ticket was moved out of the connection's project."""

    code = "ticket_moved"

    def __init__(self, tracker: str, key: str, moved_to: str) -> None:
        TrackerError.__init__(
            self, f"The ticket {shown(key)} of {tracker} was moved: it is {shown(moved_to)} now."
        )
        self.key = key
        self.moved_to = moved_to


class TicketAmbiguous(TrackerError):
    """Several tickets answer to the key."""

    code = "ticket_ambiguous"

    def __init__(self, key: str, places: Sequence[str]) -> None:
        super().__init__(
            f"The key {shown(key)} is ambiguous: there is one in {', '.join(places)}. Say which."
        )
        self.key = key
        self.places = list(places)


class CredentialsRefused(TrackerError):
    """The tracker does not accept the login; asking again would only lock the account."""

    code = "credentials_refused"

    def __init__(self, tracker: str, detail: str = "") -> None:
        super().__init__(
            _detailed(f"{tracker} refused the login", detail, "Give the credentials anew.")
        )


class AccessRefused(TrackerError):
    """The login is good, but may not do this."""

    code = "access_refused"

    def __init__(self, tracker: str, what: str, detail: str = "") -> None:
        super().__init__(_detailed(f"{tracker} does not let us {what}", detail))
        self.what = what


class ChangeRefused(TrackerError):
    """The tracker takes what we wrote for wrong."""

    code = "change_refused"

    def __init__(self, tracker: str, what: str, problems: Mapping[str, str]) -> None:
        listed = "; ".join(f"{name}: {text}" if name else text for name, text in problems.items())
        super().__init__(_detailed(f"{tracker} refused to {what}", listed))
        self.what = what
        #: Field to text; "" for what is about no field.
        self.problems = dict(problems)


class Unsupported(TrackerError):
    """This tracker cannot do it at all."""

    code = "unsupported"

    def __init__(self, tracker: str, what: str) -> None:
        super().__init__(f"{tracker} cannot {what}.")
        self.what = what


class AnswerUnusable(TrackerError):
    """What answers there does not speak as this tracker should."""

    code = "answer_unusable"

    def __init__(self, tracker: str, reason: str) -> None:
        super().__init__(f"The answer of {tracker} cannot be used: {reason}.")
        self.reason = reason


class AnswerTooLarge(AnswerUnusable):
    """The answer has more bytes than we take; a part of what was asked for may be had."""

    code = "answer_too_large"

    def __init__(self, tracker: str, limit: int) -> None:
        super().__init__(tracker, f"it is larger than {limit} bytes")
        self.limit = limit


class Temporary(TrackerError):
    """It may pass by itself; a next attempt is worth making."""

    code = "temporary"
    temporary = True


class ChangeConflict(Temporary):
    """Somebody changed the ticket meanwhile."""

    code = "change_conflict"

    def __init__(self, tracker: str, key: str) -> None:
        super().__init__(f"Somebody else changed {shown(key)} in {tracker} at the same moment.")
        self.key = key


class TicketBusy(Temporary):
    """Another run writes to the ticket."""

    code = "ticket_busy"

    def __init__(self, tracker: str, key: str, retry_after: timedelta) -> None:
        super().__init__(f"Another run writes to {shown(key)} in {tracker}.")
        self.key = key
        self.retry_after = retry_after


class Throttled(Temporary):
    """The tracker wants fewer requests."""

    code = "throttled"

    def __init__(self, tracker: str, retry_after: timedelta | None) -> None:
        wait = f" for {retry_after.total_seconds():.0f} s" if retry_after is not None else ""
        super().__init__(f"{tracker} asks us to wait{wait}: it had too many requests.")
        self.retry_after = retry_after


class TrackerUnreachable(Temporary):
    """It cannot be connected with, ends the connection, or says that it is away."""

    code = "tracker_unreachable"

    def __init__(self, tracker: str, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{tracker} cannot be reached: {reason}.")
        self.reason = reason
        self.retry_after = retry_after


class TrackerSlow(TrackerUnreachable):
    """It did not answer in time; whether it did what we asked is not known."""

    code = "tracker_slow"


class CircuitOpen(TrackerUnreachable):
    """It did not answer lately, so nobody asks it for a while."""

    code = "circuit_open"

    def __init__(self, tracker: str, retry_after: timedelta) -> None:
        super().__init__(
            tracker,
            f"it did not answer lately, and is left alone for {retry_after.total_seconds():.0f} s",
            retry_after,
        )


def shown(text: str) -> str:
    """Return what somebody typed, or a tracker said, as it may stand in a text: short, in quotes."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")  # noqa: PLR2004


def _detailed(text: str, detail: str, advice: str = "") -> str:
    """Return `text (detail). advice`, without what is empty."""
    first = f"{text}: {detail.rstrip('.')}." if detail else f"{text}."
    return f"{first} {advice}".rstrip()
