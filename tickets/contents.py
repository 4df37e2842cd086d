"""The content of an attachment as an answer to a browser, which may only save it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.http import FileResponse

from tickets import attachments, uploads

if TYPE_CHECKING:
    from tickets.models import Attachment

logger = logging.getLogger(__name__)

#: Anybody may upload a page with a script: it must never run as one of ours.
_HEADERS: Final = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def answer(attachment: Attachment) -> FileResponse:
    """
    Return the content as a file to be saved, in the type that it was uploaded as.

    Raises:
        FileNotFoundError: it is not in the file store, which is logged.
    """
    try:
        file = uploads.read(attachments.name_of(attachment.account_id, attachment.pk))
    except FileNotFoundError:
        logger.error("attachment.content_missing id=%s", attachment.pk)
        raise
    return FileResponse(
        file,
        as_attachment=True,
        filename=attachment.name,
        content_type=attachment.content_type,
        headers=_HEADERS,
    )
