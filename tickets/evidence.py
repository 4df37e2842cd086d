"""
Files in an uploaded zip that its reports name become attachments of the nodes that name them.

They are staged with the run: nobody sees them before it is shown, and whatever removes the run
removes them.
"""

from __future__ import annotations

from functools import cached_property
from typing import IO, TYPE_CHECKING, Final

from django.core.files.base import File
from django.db import transaction

from tickets import attachments, conf, file_names
from tickets.models import Attachment, AutomatedTestRun
from tickets.results.companions import Companion, Companions
from tickets.results.exceptions import ArchiveRefused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from tickets.results.node import Node
    from tickets.staging import Staging

#: Attachments of one import.
MOST: Final = 10_000
#: Rows that one transaction writes; their files wait for it.
BATCH: Final = 50


class Evidence:
    """What the nodes of one import name, and what of that is in the zip."""

    def __init__(self, staged: Staging, file: IO[bytes], *, user_id: int | None) -> None:
        """
        Look whether there can be any.

        Args:
            staged: The run that is being written.
            file: The upload.
            user_id: Whose attachments they will be.
        """
        self._staged = staged
        self._user_id = user_id
        self._companions = Companions(file)
        self._named: list[tuple[int, str, str]] = []
        self._bytes = 0
        #: Named, and not attached; with what stood in the way of the first.
        self.left = 0
        self.problem = ""

    def note(self, nodes: Iterable[Node], report: str) -> None:
        """Remember what nodes name; `report` is the path of theirs in the zip."""
        if not self._companions.is_zip:
            return
        for node in nodes:
            for path in node.mentions:
                if len(self._named) < MOST:
                    self._named.append((node.position, path, report))
                else:
                    self._leave(f"an import has at most {MOST:,}")

    def attach(self) -> Generator[int]:
        """
        Attach what is there; yield after each file how many are attached since the last one.

        Close it when it is left before its end: files that have no row yet go.

        Raises:
            IntegrityError: the run was removed meanwhile.
            OSError: the file store cannot take them.
        """
        rows: list[Attachment] = []
        try:
            for position, path, report in self._named:
                companion = self._found(path, report)
                if companion is None:
                    continue
                row = self._stored(companion, position)
                if row is not None:
                    rows.append(row)
                if len(rows) >= BATCH:
                    written = self._write(rows)
                    rows = []
                    yield written
                else:
                    yield 0
            written = self._write(rows)
            rows = []
            yield written
        finally:
            # What got no row: an error came between.
            attachments.forget(attachments.name_of(row.account_id, row.pk) for row in rows)

    def _found(self, path: str, report: str) -> Companion | None:
        """Return a file that is named; None for one that cannot be attached."""
        try:
            companion = self._companions.find(path, report)
        except ArchiveRefused as error:
            self._leave(f"{path}: {error.reason}")
            return None
        if companion is None:
            self._leave(f"{path} is not in the zip")
        elif companion.size > conf.ATTACHMENT_LIMIT:
            self._leave(f"{path} has more than {conf.ATTACHMENT_LIMIT:,} bytes")
        elif self._bytes + companion.size > conf.UNPACKED_LIMIT:
            self._leave(f"they unpack to more than {conf.UNPACKED_LIMIT:,} bytes")
        else:
            self._bytes += companion.size
            return companion
        return None

    def _stored(self, companion: Companion, position: int) -> Attachment | None:
        """Store a file, and return what is to be its row; None for one that is damaged."""
        run = self._run
        try:
            identity = attachments.store(run.account_id, _Unpacked(companion))
        except ArchiveRefused as error:
            self._leave(f"{companion.name}: {error.reason}")
            return None
        name = file_names.cleaned(companion.name)
        return Attachment(
            id=identity,
            account_id=run.account_id,
            project_id=run.assignment.automated_test.project_id,
            run_id=run.pk,
            node_id=self._staged.node_id(position),
            name=name,
            content_type=file_names.media_type("", name),
            size=companion.size,
            created_by_id=self._user_id,
        )

    def _write(self, rows: list[Attachment]) -> int:
        with transaction.atomic():
            Attachment.objects.bulk_create(rows)
        return len(rows)

    def _leave(self, problem: str) -> None:
        self.left += 1
        self.problem = self.problem or problem

    @cached_property
    def _run(self) -> AutomatedTestRun:
        runs = AutomatedTestRun.objects.select_related("assignment__automated_test")
        run: AutomatedTestRun = runs.get(pk=self._staged.run_id)
        return run


class _Unpacked(File):
    """A file of a zip as a storage takes it: in pieces, once."""

    def __init__(self, companion: Companion) -> None:
        super().__init__(None, name=companion.name)
        self._companion = companion

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield it in pieces of the zip's own size."""
        return self._companion.chunks()
