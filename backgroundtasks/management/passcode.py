"""How a command gets a secret: never from its own command line, which everybody can read."""

from __future__ import annotations

import getpass
import os
import sys

from django.core.management.base import CommandError


def asked(*, twice: bool = False) -> str:
    """
    Return the passcode: from the environment, a prompt, or the first line of standard input.

    Args:
        twice: Ask again, where somebody types it for the first time.

    Raises:
        CommandError: there is none.
    """
    return secret("passcode", "TASKCENTER_PASSCODE", twice=twice)


def secret(what: str, variable: str, *, twice: bool = False) -> str:
    """
    Return a secret: from a variable of the environment, a prompt, or standard input.

    Raises:
        CommandError: there is none.
    """
    text = os.environ.get(variable)
    if not text and sys.stdin.isatty():
        text = getpass.getpass(f"{what.capitalize()}: ")
        if twice and getpass.getpass("Again: ") != text:
            raise CommandError(f"These were two {what}s.", returncode=2)
    elif not text:
        text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise CommandError(
            f"A {what} is needed: type it, pipe it in, or set {variable}.", returncode=2
        )
    return text
