"""Make what a new installation needs: the first account, its administrator, the system account."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.core.management.base import CommandParser

from backgroundtasks import operations
from backgroundtasks.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    """`make up` calls it at every start; what is there stays as it is."""

    help = "Make the first account with a superuser as its administrator; safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", default="Default", help="name of the first account")
        parser.add_argument("--user", default="admin", help="name of the superuser")

    def handle(self, *args: Any, account: str, user: str, **options: Any) -> None:
        given = os.environ.get("TASKCENTER_ADMIN_PASSWORD")
        password = given or secrets.token_urlsafe(12)
        is_new = operations.bootstrap(account, user, lambda: password)
        if is_new and not given:
            self.stdout.write(f"The password of {user} is {password} (it is not shown again).")
