"""Entities as CSV, for spreadsheets: whoever wrote a name must not make their program compute."""

from __future__ import annotations

import csv
import re
import tempfile
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.files.base import File

from backgroundtasks import clock
from indexing.documents import apart
from tickets import conf, uploads
from tickets.bulk import kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tickets.bulk.kinds import Kind

COLUMNS: Final = (
    "EntityType",
    "Id",
    "Name",
    "Project",
    "Package",
    "Status",
    "Type",
    "Priority",
    "AssignedTo",
    "AffectedVersions",
    "FixedVersions",
    "Components",
    "Description",
    "CreatedAt",
    "LastUpdatedAt",
)
#: Spreadsheets tell UTF-8 by it.
_MARK: Final = "\ufeff"
#: What makes a spreadsheet take a cell for a formula; also in the width of Asian scripts.
_FORMULA: Final = re.compile("^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
#: Of a file's public name.
_PUBLIC: Final = re.compile(
    r"export-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.csv", re.IGNORECASE
)


def public_name(run_id: UUID) -> str:
    """Return what the export of a run is called."""
    return f"export-{run_id}.csv"


def find(account_id: UUID, public: str) -> str | None:
    """Return the file of an export of the account; None when it is not (any more) there."""
    found = _PUBLIC.fullmatch(public)
    if found is None:
        return None
    name = _file_of(account_id, UUID(found[1]))
    try:
        is_old = uploads.store().get_modified_time(name) < clock.now() - conf.EXPORTS_KEPT
    except FileNotFoundError:
        return None
    if is_old:
        uploads.delete(name)
        return None
    return name


class Export:
    """A file that is being written; it is there for others once it is `kept`."""

    def __init__(self) -> None:
        self._file: IO[str] = tempfile.TemporaryFile(  # noqa: SIM115 - closed by `close`
            "w+", encoding="utf-8", newline=""
        )
        self._file.write(_MARK)
        self._writer = csv.writer(self._file, quoting=csv.QUOTE_ALL)
        self._writer.writerow(COLUMNS)

    def add(
        self, kind: Kind, ids: Sequence[UUID], account_id: UUID, project_id: UUID | None
    ) -> int:
        """Write entities of one kind in their order; return how many were not there."""
        paths = dict(kind.columns)
        chosen = kind.visible(account_id).filter(pk__in=ids)
        if project_id is not None:
            chosen = chosen.filter(**{kind.project: project_id})
        rows = {row[0]: row[1:] for row in chosen.values_list("pk", *paths.values())}
        name = kinds.name_of(kind)
        for identity in ids:
            if identity in rows:
                values: dict[str, Any] = dict(zip(paths, rows[identity], strict=True))
                values |= {"EntityType": name, "Id": identity}
                for column in kinds.SEVERAL:
                    values[column] = ", ".join(apart(values.get(column)))
                self._writer.writerow([cell(values.get(column)) for column in COLUMNS])
        return len(ids) - len(rows)

    def keep(self, account_id: UUID, run_id: UUID) -> str:
        """Store the file; return its public name. One of an earlier attempt is replaced."""
        name = _file_of(account_id, run_id)
        uploads.delete(name)
        self._file.seek(0)
        uploads.save(name, File(self._file.buffer))  # type: ignore[attr-defined]
        return public_name(run_id)

    def close(self) -> None:
        """Let go of what was not kept."""
        self._file.close()


def cell(value: Any) -> str:
    """Return a value as text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def columns_of(all_kinds: Iterable[Kind]) -> set[str]:
    """Return the columns that kinds give a value."""
    return {column for kind in all_kinds for column, _ in kind.columns}


def _file_of(account_id: UUID, run_id: UUID) -> str:
    return f"{uploads.folder(account_id, uploads.EXPORTS)}/{run_id.hex}"
