"""Files of a request's body, stored as they arrive."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.core.files.base import File

from backgroundtasks.api import kit
from tickets import attachments, conf, file_names
from tickets.api.multipart import UploadedFiles
from tickets.attachments import Stored

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from tickets.api.multipart import Heading

logger = logging.getLogger(__name__)

#: Files of one request.
MOST_FILES: Final = 20


def receive(request: HttpRequest, account_id: UUID) -> list[Stored]:
    """
    Store all files of the body, or none.

    Raises:
        Refused: there is no file, or there are too many.
        Failed: the store cannot take them, for instance because its disk is full.
        ApiError: the body is no multipart body, broke off, or a file is too large.
    """
    upload = UploadedFiles(request, limit=conf.ATTACHMENT_LIMIT, most=MOST_FILES)
    files: list[Stored] = []
    try:
        while heading := upload.next():
            _refuse_more(files)
            files.append(_store(upload, heading, account_id))
        upload.finish()
    except BaseException:
        forget(files, account_id)
        raise
    if not files:
        raise kit.Refused("The upload carries no file.")
    return files


def forget(files: list[Stored], account_id: UUID) -> None:
    """Remove contents that get no rows."""
    attachments.forget(attachments.name_of(account_id, file.id) for file in files)


def _refuse_more(files: list[Stored]) -> None:
    if len(files) == MOST_FILES:
        raise kit.Refused(f"An upload may carry at most {MOST_FILES} files.")


def _store(upload: UploadedFiles, heading: Heading, account_id: UUID) -> Stored:
    name = file_names.cleaned(heading.file_name)
    try:
        # It reads in pieces, which is all that a storage needs of a file.
        content: File[bytes] = File(upload, name=name)  # type: ignore[arg-type]
        identity = attachments.store(account_id, content)
    except OSError as error:
        logger.error("attachment.failed received=%d error=%s", upload.size, error)
        raise kit.Failed(
            "The attachment could not be stored; the server's log says why."
        ) from error
    return Stored(identity, name, file_names.media_type(heading.content_type, name), upload.size)
