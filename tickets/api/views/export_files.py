"""`/api/exportfile/{filename}`: what an export has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import FileResponse

from backgroundtasks.api import kit
from tickets import uploads
from tickets.bulk import export

if TYPE_CHECKING:
    from rest_framework.request import Request


class ExportFile(kit.ResourceView):
    """A file that an export of the account has written."""

    def get(self, request: Request, filename: str) -> FileResponse:
        """Return the file; 404 once it has expired."""
        name = export.find(self.actor.account.pk, filename)
        if name is None:
            raise kit.NotFound(f"The file {filename[:100]} does not exist.")
        try:
            file = uploads.read(name)
        except FileNotFoundError:
            raise kit.NotFound(f"The file {filename[:100]} does not exist.") from None
        return FileResponse(
            file,
            as_attachment=True,
            filename=filename.lower(),
            content_type="text/csv; charset=utf-8",
            headers={"Cache-Control": "private, no-store"},
        )
