"""
Leave a tracker alone that does not answer, or that refuses our login.

What was found stands with the external system, so that every process and machine knows it:
one failing tracker costs a timeout now and then, not one for each task. The time grows with
each failure; when it has passed one operation tries, and the others wait for what it finds.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import F, Q

from backgroundtasks import clock
from tickets import conf
from tickets.models import ExternalSystem
from tickets.trackers import errors

if TYPE_CHECKING:
    from tickets.trackers.protocol import Connection

_LONGEST: Final = timedelta(minutes=10)


class Circuit:
    """The circuit of one connection's system; without a stored system it is always closed."""

    def __init__(self, connection: Connection) -> None:
        self._rows = ExternalSystem.objects.filter(pk=connection.id)
        self._name = connection.name
        self._known = False
        self._clean = True

    def enter(self) -> None:
        """
        Ask whether the tracker may be asked. One query; a second one for the one that tries.

        Raises:
            CircuitOpen: it did not answer lately.
            CredentialsRefused: it refused the login too often.
        """
        row = self._rows.values("failures", "open_until", "refused_logins").first()
        if row is None:
            return
        self._known = True
        self._clean = not any(row.values())
        if row["refused_logins"] >= conf.TRACKER_LOGINS:
            raise errors.CredentialsRefused(self._name, "it was not asked again")
        if row["open_until"] is not None:
            self._try(row["open_until"])

    def answered(self) -> None:
        """Note that it works; costs nothing where that was known."""
        if not self._clean:
            self._rows.update(failures=0, open_until=None, refused_logins=0, problem="")
            self._clean = True

    def reset(self) -> None:
        """Note that a check went well, whatever was known."""
        self._rows.filter(
            Q(failures__gt=0) | Q(open_until__isnull=False) | Q(refused_logins__gt=0)
        ).update(failures=0, open_until=None, refused_logins=0, problem="")

    def failed(self, error: errors.TrackerError) -> None:
        """Note what went wrong, where it concerns more than one ticket."""
        if not self._known:
            return
        if isinstance(error, errors.CredentialsRefused):
            self._rows.update(refused_logins=F("refused_logins") + 1, problem=str(error))
        elif isinstance(error, errors.Throttled):
            if error.retry_after:
                self._hold(clock.now() + error.retry_after, str(error))
        elif isinstance(error, errors.TrackerUnreachable):
            self._count(error)
        elif not isinstance(error, errors.ConnectionInvalid | errors.AnswerUnusable):
            self.answered()

    def _try(self, open_until: datetime) -> None:
        """Go on as the one that tries, when it is time; of several at one moment one is."""
        now = clock.now()
        if open_until > now:
            raise errors.CircuitOpen(self._name, open_until - now)
        held = now + conf.TRACKER_TIMEOUT
        if not self._rows.filter(open_until=open_until).update(open_until=held):
            raise errors.CircuitOpen(self._name, conf.TRACKER_PAUSE)

    def _count(self, error: errors.TrackerUnreachable) -> None:
        self._rows.update(failures=F("failures") + 1, problem=str(error))
        failures = self._rows.values_list("failures", flat=True).first() or 0
        beyond = failures - conf.TRACKER_FAILURES
        if beyond >= 0 or error.retry_after:
            # 2**10 pauses are beyond the longest one whatever the setting is.
            pause = min(conf.TRACKER_PAUSE * 2 ** min(max(beyond, 0), 10), _LONGEST)
            wait = pause if beyond >= 0 else timedelta()
            self._hold(clock.now() + max(wait, error.retry_after or timedelta()), str(error))

    def _hold(self, until: datetime, problem: str) -> None:
        later = Q(open_until__isnull=True) | Q(open_until__lt=until)
        self._rows.filter(later).update(open_until=until, problem=problem)
