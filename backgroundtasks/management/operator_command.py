"""The base of what an operator does from a shell."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from backgroundtasks import exceptions

#: What the runs, tasks and messages made from a shell name as their door.
ORIGIN = "command"


class OperatorCommand(BaseCommand):
    """
    A command whose errors are one line on stderr, never a traceback (but with --traceback).

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; say in one line what the core or the database refuses."""
        try:
            return super().execute(*args, **options)
        except exceptions.TaskCenterError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            first_line = str(error).strip().partition("\n")[0]
            raise CommandError(f"The database refuses: {first_line}") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None


def user_named(username: str) -> User:
    """
    Return the user.

    Raises:
        CommandError: there is none.
    """
    users = get_user_model()
    user = users.objects.filter(**{users.USERNAME_FIELD: username}).first()
    if user is None:
        raise CommandError(f"There is no user {username!r}.")
    return user


def operator() -> User:
    """
    Return the superuser in whose name a shell acts: the first active one.

    Raises:
        CommandError: there is none.
    """
    user = get_user_model().objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if user is None:
        raise CommandError("There is no active superuser to act as: run manage.py bootstrap first.")
    return user
