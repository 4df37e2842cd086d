"""`/api/automatedtestassignment/{id}/runs`: the runs of an assignment; new results go here."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.core.files.base import File

from backgroundtasks import conf, operations
from backgroundtasks.api import kit
from tickets import uploads
from tickets.api import collection, expansions, lookup
from tickets.api.multipart import UploadedFile
from tickets.api.views.runs import MEMBERS, ORDER
from tickets.handlers.automated_test_import import AutomatedTestImport

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

log = logging.getLogger(__name__)


class AssignmentRuns(kit.ResourceView):
    """The runs of an assignment."""

    def get(self, request: Request, assignment_id: UUID) -> kit.Response:
        """Return a page of runs, the last one first."""
        assignment = lookup.get(
            lookup.assignments(self.actor), assignment_id, "automated test assignment"
        )
        return collection.page(
            request,
            lookup.runs(self.actor).filter(assignment=assignment),
            partial(expansions.runs, request),
            MEMBERS,
            order=ORDER,
        )

    def post(self, request: Request, assignment_id: UUID) -> kit.Response:
        """
        Import a results file: 202 and the background task.

        The body is multipart; its first file counts, whatever its part is called.
        """
        assignment = lookup.get(
            lookup.assignments(self.actor), assignment_id, "automated test assignment"
        )
        http = request._request  # noqa: SLF001 - the request it wraps; nobody has read from it
        kit.read_idempotency(http, "")  # a bad key is refused before the file comes
        upload = UploadedFile(http, limit=conf.UPLOAD_LIMIT)
        if not upload.begin():
            raise kit.Refused("The upload carries no file.")
        name = uploads.new_name(self.actor.account.pk)
        try:
            _receive(name, upload)
            submission = operations.submit(
                self.actor,
                AutomatedTestImport.task_type,
                {"AutomatedTestAssignmentId": str(assignment.pk), "ResultsPath": name},
                idempotency=kit.read_idempotency(http, upload.digest),
            )
        except BaseException:
            _forget(name)
            raise
        if not submission.created:
            _forget(name)
        return kit.started(request, submission)


def _receive(name: str, upload: UploadedFile) -> None:
    """
    Stream the upload into the file store.

    Raises:
        Failed: the store cannot take it, for instance because its disk is full.
        ApiError: the body is too large, broke off or is no multipart body.
    """
    try:
        uploads.save(name, File(upload, name=name))  # type: ignore[arg-type]
        upload.finish()
    except OSError as error:
        log.error("upload.failed name=%s received=%d error=%s", name, upload.size, error)
        raise kit.Failed("The results could not be stored; the server's log says why.") from error


def _forget(name: str) -> None:
    """Remove a file that nobody will import; what cannot be removed is swept later."""
    try:
        uploads.delete(name)
    except OSError as error:
        log.warning("upload.left_behind name=%s error=%s", name, error)
