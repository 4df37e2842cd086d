"""Who acts from a shell on the installation itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import CommandError

from backgroundtasks.management.operator_command import ORIGIN, operator
from backgroundtasks.models import Account
from backgroundtasks.queries import actor_of

if TYPE_CHECKING:
    from backgroundtasks.handlers import Actor


def read() -> Actor:
    """
    Return the first superuser, in the system account.

    Raises:
        CommandError: there is none, or no such account.
    """
    system = Account.objects.filter(is_system=True).first()
    if system is None:
        raise CommandError("There is no system account: run manage.py bootstrap first.")
    return actor_of(operator(), system.pk, origin=ORIGIN)
