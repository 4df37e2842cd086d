"""What a shell wants to have done: the options of commands that start or schedule a task."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import queries
from backgroundtasks.management.operator_command import ORIGIN, operator, user_named

if TYPE_CHECKING:
    from backgroundtasks.handlers import Actor


@dataclass(frozen=True, slots=True)
class Wish:
    """A task, and who wants it."""

    actor: Actor
    task_type: str
    parameters: dict[str, Any]
    labels: dict[str, str]


def add_arguments(parser: CommandParser) -> None:
    """Take the type, its parameters and labels, the user and the account."""
    parser.add_argument("task_type", metavar="TYPE", help="in any letter case")
    parser.add_argument(
        "--parameters",
        default="{}",
        metavar="JSON",
        help="an object; - reads it from standard input, which keeps secrets out of sight",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        dest="labels",
        metavar="NAME=VALUE",
        help="for people and their filters; may be given several times",
    )
    parser.add_argument("--user", help="who starts it (default: the first superuser)")
    parser.add_argument("--account", type=UUID, help="id (default: the user's default one)")


def read(
    *,
    task_type: str,
    parameters: str,
    labels: list[str],
    user: str | None,
    account: UUID | None,
    **_others: Any,
) -> Wish:
    """
    Return what the options say.

    Raises:
        CommandError: the parameters are no JSON object, a label has no value, an unknown user.
    """
    actor = queries.actor_of(user_named(user) if user else operator(), account, origin=ORIGIN)
    return Wish(actor, task_type, _parsed(parameters), dict(map(_label, labels)))


def _label(text: str) -> tuple[str, str]:
    """Return the name and the value of `name=value`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--label is written NAME=VALUE, not {text!r}.", returncode=2)
    return name, value


def _parsed(parameters: str) -> dict[str, Any]:
    """Return the JSON object that was given."""
    text = sys.stdin.read() if parameters == "-" else parameters
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--parameters is no JSON: {error}.", returncode=2) from None
    if not isinstance(parsed, dict):
        raise CommandError('--parameters must be an object: {"Name": value}.', returncode=2)
    return parsed
