"""Put a backup back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backgroundtasks import scheduling
from backgroundtasks.maintenance import backup, manifest, restore, stores
from backgroundtasks.management import passcode, store_named
from backgroundtasks.management.commands.list_backups import table
from backgroundtasks.management.maintenance_command import MaintenanceCommand


class Command(MaintenanceCommand):
    """In maintenance mode only; the present data is gone only when the backup's has been checked."""

    help = "Replace the installation's data by a backup's, or only look at backups."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="", help="of the backup")
        store_named.add_arguments(parser)
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--list", action="store_true", help="show the backups, and do nothing")
        group.add_argument(
            "--verify", action="store_true", help="read all of it, check it, and do nothing"
        )
        group.add_argument(
            "--data-keys-to",
            metavar="FILE",
            help="write the data keys that it holds into a new file, and do nothing else",
        )
        group.add_argument(
            "--continue",
            action="store_true",
            dest="proceed",
            help="finish one that was interrupted",
        )
        group.add_argument(
            "--undo",
            action="store_true",
            help="bring back what was before one that was interrupted",
        )

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        if options["list"]:
            self.stdout.write(table(stores.listed(store_named.read(**options))[0]))
        elif options["proceed"]:
            self._tell(restore.proceed(scheduling.rearm, self._say))
        elif options["undo"]:
            self.stdout.write(f"The restore of {restore.undo()} is taken back.")
        elif not name:
            raise CommandError("Which backup? --list shows them.", returncode=2)
        else:
            place = store_named.read(**options)
            self._with(name, place, verify=options["verify"], keys_to=options["data_keys_to"])

    def _with(self, name: str, place: stores.Store, *, verify: bool, keys_to: str | None) -> None:
        place.size(name)  # before anybody types a passcode
        if verify:
            with place.open(name, held=True) as file:
                content = backup.verify(file, passcode.asked(), _ignore)
            rows = sum(content.tables.values())
            self.stdout.write(
                f"{name} is whole: {len(content.tables)} tables with {rows} rows, "
                f"{content.file_count} files, {content.vendor}, release {content.release}."
            )
        elif keys_to is not None:
            self._write_keys(place, name, Path(keys_to))
        else:
            self._tell(
                restore.restore(
                    place,
                    name,
                    passcode.asked(),
                    after=scheduling.rearm,
                    told=_ignore,
                    stage=self._say,
                )
            )

    def _write_keys(self, place: stores.Store, name: str, path: Path) -> None:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{path} cannot be made: {error.strerror}.") from None
        with os.fdopen(handle, "wb") as keys, place.open(name) as file:
            backup.unpack(
                file,
                passcode.asked(),
                _ignore,
                lambda member: _Keeper(keys if member == manifest.DATA_KEYS else None),
            )
        self.stdout.write(f"The data keys of {name} are in {path}, a line each.")

    def _tell(self, restored: restore.Restored) -> None:
        held = restored.held
        self.stdout.write(
            f"Restored {restored.name}, made at {restored.made_at}. {held.paused} runs are held "
            f"(resume or cancel them), {held.cancelled} were cancelled. Open the installation with "
            "manage.py maintenance off."
        )

    def _say(self, text: str) -> None:
        self.stderr.write(f"{text} …")


class _Keeper:
    """Writes one member somewhere, and others nowhere."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes | memoryview, /) -> None:
        """Write it, if it is wanted."""
        if self._file is not None:
            self._file.write(data)

    def close(self) -> None:
        """Do nothing: whoever opened the file closes it."""


def _ignore(_count: int) -> None:
    """Tell nobody."""
