"""Attachments, to be looked at and saved; whoever runs the tests makes and removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from tickets import contents
from tickets.admin.pages import JoiningPaginator, ReadOnlyPages
from tickets.models import Attachment

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import FileResponse, HttpRequest

#: Of one thing; a page is no report.
_MOST: int = 100


@admin.register(Attachment)
class AttachmentAdmin(ReadOnlyPages):
    """The newest first; search by name or id."""

    paginator = JoiningPaginator
    list_display = ("name", "download", "belongs_to", "project", "created_by", "created_at")
    list_select_related = (
        *("project", "created_by", "incident"),
        *("step_result__run__assignment__script", "agile_step__run"),
        *("run__assignment__automated_test", "node"),
    )
    list_filter = ("created_at",)
    search_fields = ("name", "=id")
    search_help_text = "A part of the name, or the id"
    ordering = ("-created_at", "pk")
    fields = (
        *("id", "account", "project", "belongs_to", "name", "content_type", "size"),
        *("created_by", "created_at", "download"),
    )
    readonly_fields = fields

    def get_urls(self) -> list[Any]:
        """Add where the files are."""
        content = self.admin_site.admin_view(self.content)
        own = path("<uuid:attachment_id>/content/", content, name="tickets_attachment_content")
        return [own, *super().get_urls()]

    def content(self, request: HttpRequest, attachment_id: UUID) -> FileResponse:
        """Return the file, to be saved."""
        row: Attachment | None = self.get_queryset(request).filter(pk=attachment_id).first()
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        try:
            if row is not None:
                return contents.answer(row)
        except FileNotFoundError:
            raise Http404("Its file is not there; the server's log says so.") from None
        raise Http404

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return attachments without what may be long and is not shown."""
        rows = super().get_queryset(request)
        return rows.defer("node__description", "node__metadata", "node__parameters", "node__notes")

    @admin.display(description="file")
    def download(self, attachment: Attachment) -> str:
        return format_html(
            '<a href="{}" download>Save</a> ({})',
            address_of(attachment),
            filesizeformat(attachment.size),
        )

    @admin.display(description="belongs to")
    def belongs_to(self, attachment: Attachment) -> str:
        address, text = _owner(attachment)
        return format_html('<a href="{}">{}</a>', address, text)


def address_of(attachment: Attachment) -> str:
    """Return where the file is."""
    return reverse("admin:tickets_attachment_content", args=[attachment.pk])


def downloads(rows: QuerySet[Attachment]) -> str:
    """Return attachments as links to their files, one a line, at most a hundred."""
    found = rows.select_related("created_by").order_by("created_at", "pk")[:_MOST]
    return (
        format_html_join(
            mark_safe("<br>"),
            '<a href="{}" download>{}</a> ({}, {})',
            (
                (
                    address_of(row),
                    row.name,
                    filesizeformat(row.size),
                    row.created_by.get_username() if row.created_by else "by nobody",
                )
                for row in found
            ),
        )
        or "-"
    )


def _owner(attachment: Attachment) -> tuple[str, str]:
    """Return address and name of what a file is attached to."""
    if (incident := attachment.incident) is not None:
        return reverse("admin:tickets_incident_change", args=[incident.pk]), f"Incident {incident}"
    if (step := attachment.step_result) is not None:
        name = f"Step {step.position + 1} of {step.run.assignment.script.name}"
        return reverse("stepresult", args=[step.pk]), name
    if (agile := attachment.agile_step) is not None:
        return (
            reverse("agilerun", args=[agile.run_id]),
            f"Step {agile.position + 1} of {agile.run.name}",
        )
    if (node := attachment.node) is not None:
        return reverse("admin:tickets_resultnode_change", args=[node.pk]), f"Result {node.name}"
    run = attachment.run
    name = run.assignment.automated_test.name if run else ""
    return reverse(
        "admin:tickets_automatedtestrun_change", args=[attachment.run_id]
    ), f"Run of {name}"
