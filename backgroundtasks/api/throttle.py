"""
Failed logins, counted per user and address, and requests, where a dialect limits them.

The counts live in Django's default cache: with the stock one each web process counts for
itself; name a shared cache in `CACHES` to count for all of them together.
"""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.core.cache import cache

from backgroundtasks import clock, conf
from backgroundtasks.api.errors import Throttled

if TYPE_CHECKING:
    from django.http import HttpRequest

_WINDOW: Final = timedelta(minutes=10)


class Failures:
    """The failed logins of one name from one address within ten minutes of the first."""

    def __init__(self, name: str, request: HttpRequest) -> None:
        who = f"{name.lower()}\0{request.META.get('REMOTE_ADDR', '')}"
        self._key = f"backgroundtasks.login.{hashlib.sha256(who.encode()).hexdigest()}"

    def require_few(self) -> None:
        """
        Refuse to look at another login after too many failures; a right one is not looked at.

        Raises:
            Throttled: `conf.LOGIN_ATTEMPTS` failures are reached.
        """
        if cache.get(self._key, 0) >= conf.LOGIN_ATTEMPTS:
            seconds = int(_WINDOW.total_seconds())
            raise Throttled("Too many failed logins; wait ten minutes.", seconds=seconds)

    def count(self) -> None:
        """Add one failure."""
        if not cache.add(self._key, 1, int(_WINDOW.total_seconds())):
            try:
                cache.incr(self._key)
            except ValueError:  # It ran out between the two.
                cache.add(self._key, 1, int(_WINDOW.total_seconds()))


def count_request(who: str, most: int, window: timedelta) -> None:
    """
    Count a request.

    Args:
        who: Whose requests are counted together.
        most: How many are answered within a window.
        window: Windows follow each other; the count begins anew with each.

    Raises:
        Throttled: it is one too many; says in how many whole seconds the next window begins.
    """
    number, passed = divmod(clock.now().timestamp(), window.total_seconds())
    key = f"backgroundtasks.requests.{who}.{int(number)}"
    if cache.add(key, 1, int(window.total_seconds()) + 1):
        return
    try:
        count = cache.incr(key)
    except ValueError:  # It ran out between the two.
        return
    if count > most:
        rest = math.ceil(window.total_seconds() - passed)
        raise Throttled("Too many requests; wait a little.", seconds=rest)
