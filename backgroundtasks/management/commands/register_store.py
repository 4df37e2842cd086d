"""Register a backup store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from backgroundtasks import operations
from backgroundtasks.management import passcode, system_actor
from backgroundtasks.management.maintenance_command import MaintenanceCommand
from backgroundtasks.models import StoreKind

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_S3 = ("bucket", "prefix", "endpoint_url", "region")


class Command(MaintenanceCommand):
    """The store is tried out before it is registered; its secret never stands in the command."""

    help = "Register a folder or an S3 bucket as a backup store."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--path", help="a folder below one that BACKUP_ROOTS allows, relative to the first"
        )
        parser.add_argument("--bucket", help="of an S3-compatible server; it is there already")
        parser.add_argument("--prefix", help="of all keys in the bucket")
        parser.add_argument(
            "--endpoint-url", metavar="URL", help="of a server that is not Amazon's"
        )
        parser.add_argument("--region")
        parser.add_argument(
            "--access-key-id",
            metavar="ID",
            help="its secret is asked for, read from standard input, or from "
            "TASKCENTER_STORE_SECRET; without: what boto3 finds",
        )
        parser.add_argument(
            "--default", action="store_true", help="tasks that name no store take this one"
        )
        parser.add_argument(
            "--renew", action="store_true", help="only give a registered store other credentials"
        )

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        actor = system_actor.read()
        if options["renew"]:
            operations.renew_store_credentials(actor, name, _credentials(options))
            self.stdout.write(f"The store {name} has its new credentials.")
            return
        if (options["path"] is None) == (options["bucket"] is None):
            raise CommandError("Give either --path or --bucket.", returncode=2)
        local = options["path"] is not None
        names = ("path",) if local else _S3
        operations.register_store(
            actor,
            name,
            StoreKind.LOCAL.value if local else StoreKind.S3.value,
            {key: options[key] for key in names if options[key] is not None},
            _credentials(options),
            make_default=options["default"],
        )
        self.stdout.write(f"The store {name} is registered.")


def _credentials(options: dict[str, Any]) -> dict[str, str]:
    if options["access_key_id"] is None:
        return {}
    return {
        "access_key_id": options["access_key_id"],
        "secret_access_key": passcode.secret("secret access key", "TASKCENTER_STORE_SECRET"),
    }
