"""How a command gets a passcode: never from its own command line, which everybody can read."""

from __future__ import annotations

import getpass
import os
import sys

from django.core.management.base import CommandError

_VARIABLE = "TASKCENTER_PASSCODE"


def asked(*, twice: bool = False) -> str:
    """
    Return the passcode: from the environment, a prompt, or the first line of standard input.

    Args:
        twice: Ask again, where somebody types it for the first time.

    Raises:
        CommandError: there is none.
    """
    passcode = os.environ.get(_VARIABLE)
    if not passcode and sys.stdin.isatty():
        passcode = getpass.getpass("Passcode: ")
        if twice and getpass.getpass("Again: ") != passcode:
            raise CommandError("These were two passcodes.", returncode=2)
    elif not passcode:
        passcode = sys.stdin.readline().rstrip("\r\n")
    if not passcode:
        raise CommandError(
            f"A passcode is needed: type it, pipe it in, or set {_VARIABLE}.", returncode=2
        )
    return passcode
