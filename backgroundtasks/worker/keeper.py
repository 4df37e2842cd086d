"""
The keeper: one loop that puts right what nobody else can.

Any process may run it, and several at once do no harm: each step is a round of guarded
updates. It never runs inside the queue that it watches.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from backgroundtasks import conf, scheduling
from backgroundtasks.engine import reaper
from backgroundtasks.lifecycle import arrows, families, flushing
from backgroundtasks.models import IdempotencyKey
from backgroundtasks.models.access_token import AccessToken
from backgroundtasks.operations.system_tasks import make_system_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

#: How often (seconds) finished runs past their retention are looked for.
_FLUSH_EVERY: Final = 10.0
#: How often (seconds) it looks whether the installation's own tasks are there.
_MAKE_EVERY: Final = 3600.0
#: Until it tries again after it could not make them.
_MAKE_AGAIN: Final = 60.0
#: Seconds of flushing in one round: more waits for the next, so that leases are looked at.
_FLUSH_TIME: Final = 2.0
#: Seconds between two rounds at least, while another keeper has the schedules that are due.
_SHORTEST: Final = 0.01
#: Seconds of firing in one round.
_FIRE_TIME: Final = 2.0
#: Batches of due runs in one round.
_DUE_BATCHES: Final = 20


class Keeper:
    """Rounds of upkeep; call `round` every second or so."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._flush_at = 0.0
        self._make_at = 0.0
        self._last_good = monotonic()
        self._patient_until = 0.0
        self._lost = False
        self._pause = 1.0

    def round(self) -> float:
        """
        Do what is due; the database being away is everyday business.

        Returns:
            Seconds until the next round: sooner than usual when a schedule is due before.
        """
        try:
            self._round()
        except (DatabaseError, InterfaceError) as error:
            if not self._lost:
                self._lost = True
                logger.error(
                    "keeper.database_lost error=%s; it goes on by itself when the database is back",
                    str(error).partition("\n")[0],
                )
            connection.close()
        except Exception:
            # One run that nobody can settle must not end the command with all its workers.
            logger.exception("keeper.round_failed; it goes on with the next round")
        return self._pause

    def _round(self) -> None:
        now = self._monotonic()
        if now >= self._make_at:
            # Also in a project that never calls `bootstrap`, and after an old backup came back.
            # When it cannot, that must not keep other rounds from their work.
            self._make_at = now + _MAKE_AGAIN
            make_system_tasks()
            self._make_at = now + _MAKE_EVERY
        self._pause = conf.KEEPER_INTERVAL.total_seconds()
        if now - self._last_good > conf.LEASE.total_seconds() / 2:
            # The database was away, or this machine slept: workers could not renew either.
            self._be_patient()
        for _ in range(_DUE_BATCHES):
            if not arrows.promote_due():
                break
        families.look_after_all()
        self._fire()
        reaper.reap_dead_workers()
        if reaper.leases_wait_for_a_lock():
            self._be_patient()
        if self._monotonic() >= self._patient_until:
            reaper.reap_expired_leases()
            reaper.kill_silent_workers()
        reaper.enforce_timeouts()
        reaper.enforce_cancels()
        if now >= self._flush_at:
            done = self._flush()
            self._flush_at = now + (_FLUSH_EVERY if done else 0.0)
        due = scheduling.next_due()
        if due is not None:
            self._pause = min(self._pause, max(due, _SHORTEST))
        self._last_good = self._monotonic()
        if self._lost:
            self._lost = False
            logger.warning("keeper.database_back")

    def _fire(self) -> None:
        """Fire due schedules; what is left over comes with the next round, which is at once."""
        until = self._monotonic() + _FIRE_TIME
        while scheduling.fire_due() and self._monotonic() < until:
            pass

    def _be_patient(self) -> None:
        """Give the workers the time to renew before their runs are taken from them."""
        self._patient_until = self._monotonic() + 2 * conf.HEARTBEAT.total_seconds()

    def _flush(self) -> bool:
        """Delete what has outlived its use; return whether all of it."""
        until = self._monotonic() + _FLUSH_TIME
        while more := flushing.flush():
            if self._monotonic() >= until:
                break
        reaper.forget_workers()
        IdempotencyKey.objects.filter(created_at__lt=Now() - conf.IDEMPOTENCY).delete()
        AccessToken.objects.filter(expires_at__lt=Now() - conf.IDEMPOTENCY).delete()
        return not more
