"""
The attachments of steps, results and incidents.

    /api/stepresult/{id}/attachments                    …/attachment/{attachmentId}
    /api/agilerun/{id}/step/{id}/attachments            …/attachment/{attachmentId}
    /api/automatedtestrun/{id}/attachments              …/attachment/{attachmentId}
    /api/automatedtestrun/{id}/node/{id}/attachments    …/attachment/{attachmentId}
    /api/incident/{id}/attachments                      …/attachment/{attachmentId}
    /api/attachment/{id}/contents
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from backgroundtasks.api import kit
from tickets import attachments, contents, places
from tickets.api import collection, lookup
from tickets.api.attachments import bodies, receiving
from tickets.attachments import Kind, Owner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.http import FileResponse
    from rest_framework.request import Request

    from tickets.models import Attachment
    from tickets.places import Place

MEMBERS: Final = {
    "Id": "id",
    "Name": "name",
    "FileName": "name",
    "ContentType": "content_type",
    "CreatedAt": "created_at",
    "CreatedBy": "created_by__username",
    "Size": "size",
}


class _OfOwner(kit.ResourceView):
    """What the resources of one kind of owner have in common."""

    def owner(self, **ids: UUID) -> Owner:
        """Return what the path names; NotFound when the account has no such thing."""
        raise NotImplementedError

    def shown(self, rows: Sequence[Attachment], ids: dict[str, UUID]) -> list[dict[str, Any]]:
        """Return attachments of the owner as JSON."""
        return [bodies.body(self.request, row, ids.get("agile_run_id")) for row in rows]


class _Attachments(_OfOwner):
    #: The vendor's answer is a plain array, not a page.
    plain: ClassVar[bool] = False

    def get(self, request: Request, **ids: UUID) -> kit.Response:
        """Return the attachments, the first one first."""
        rows = self.owner(**ids).attachments.select_related("created_by")
        if self.plain:
            return kit.Response(self.shown(list(rows.order_by("created_at", "pk")), ids))
        return collection.page(
            request, rows, lambda part: self.shown(part, ids), MEMBERS, order=("created_at",)
        )

    def post(self, request: Request, **ids: UUID) -> kit.Response:
        """
        Attach the files of a multipart body, all or none of them.

        Whatever their parts are called. Answered with an array of what was made.
        """
        owner = self.owner(**ids)
        http = request._request  # noqa: SLF001 - the request it wraps; nobody has read from it
        account_id = self.actor.account.pk
        try:
            attachments.refuse_frozen(owner)
        except attachments.AttachmentRefused as error:
            raise kit.Refused(str(error)) from None
        files = receiving.receive(http, account_id)
        try:
            made = attachments.attach(owner, files, self.actor.user)
        except attachments.OwnerGone:
            receiving.forget(files, account_id)
            raise kit.NotFound("What should get the attachments was removed meanwhile.") from None
        except attachments.AttachmentRefused as error:
            receiving.forget(files, account_id)
            raise kit.Refused(str(error)) from None
        except BaseException:
            receiving.forget(files, account_id)
            raise
        body = self.shown(made, ids)
        return kit.Response(body, 201, headers={"Location": body[0]["Self"]})


class _Attachment(_OfOwner):
    def get(self, request: Request, attachment_id: UUID, **ids: UUID) -> kit.Response:
        """Return what is known of the attachment; its content is behind `Content`."""
        rows = self.owner(**ids).attachments.select_related("created_by")
        row = lookup.get(rows, attachment_id, "attachment")
        return kit.Response(self.shown([row], ids)[0])

    def delete(self, request: Request, attachment_id: UUID, **ids: UUID) -> kit.Response:
        """Remove the attachment and its content."""
        try:
            there = attachments.detach(self.owner(**ids), attachment_id)
        except attachments.OwnerGone:
            there = False
        except attachments.AttachmentRefused as error:
            raise kit.Refused(str(error)) from None
        if not there:
            raise kit.NotFound(f"The attachment {attachment_id} does not exist.")
        return kit.Response(status=200)


class _OfStepResult(_OfOwner):
    def owner(self, **ids: UUID) -> Owner:
        """Return the step of a script's run."""
        step_id = ids["step_result_id"]
        return _placed(
            self, places.of_step_result(self.actor.account.pk, step_id), "step result", step_id
        )


class StepResultAttachments(_OfStepResult, _Attachments):
    """The attachments of a script's step."""


class StepResultAttachmentById(_OfStepResult, _Attachment):
    """One attachment of a script's step."""


class _OfAgileStep(_OfOwner):
    def owner(self, **ids: UUID) -> Owner:
        """Return the step of an agile run."""
        step_id = ids["step_id"]
        place = places.of_agile_step(self.actor.account.pk, ids["agile_run_id"], step_id)
        return _placed(self, place, "step", step_id)


class AgileStepAttachments(_OfAgileStep, _Attachments):
    """The attachments of an agile run's step."""


class AgileStepAttachmentById(_OfAgileStep, _Attachment):
    """One attachment of an agile run's step."""


class _OfRun(_OfOwner):
    def owner(self, **ids: UUID) -> Owner:
        """Return the run of an automated test."""
        runs = lookup.visible_runs(self.actor).select_related("assignment__automated_test")
        row = lookup.get(runs, ids["run_id"], "automated test run")
        project_id = row.assignment.automated_test.project_id
        return Owner(Kind.RUN, row.pk, self.actor.account.pk, project_id)


class RunAttachments(_OfRun, _Attachments):
    """The attachments of a run as a whole; those of its nodes are with the nodes."""

    plain = True


class RunAttachmentById(_OfRun, _Attachment):
    """One attachment of a run."""


class _OfNode(_OfOwner):
    def owner(self, **ids: UUID) -> Owner:
        """Return the node of a run."""
        node_id = ids["node_id"]
        return _placed(
            self,
            places.of_node(self.actor.account.pk, ids["run_id"], node_id),
            "result node",
            node_id,
        )


class NodeAttachments(_OfNode, _Attachments):
    """The attachments of a result node."""

    plain = True


class NodeAttachmentById(_OfNode, _Attachment):
    """One attachment of a result node."""


class _OfIncident(_OfOwner):
    def owner(self, **ids: UUID) -> Owner:
        """Return the incident."""
        row = lookup.get(lookup.visible_incidents(self.actor), ids["incident_id"], "incident")
        return Owner(Kind.INCIDENT, row.pk, self.actor.account.pk, row.project_id)


class IncidentAttachments(_OfIncident, _Attachments):
    """The attachments of an incident."""


class IncidentAttachmentById(_OfIncident, _Attachment):
    """One attachment of an incident."""


class AttachmentContents(kit.ResourceView):
    """The content of an attachment, whatever it is attached to."""

    def get(self, request: Request, attachment_id: UUID) -> FileResponse:
        """Return the file as it was uploaded; browsers are told to save it, and never to show it."""
        rows = lookup.attachments(self.actor)
        row: Attachment = lookup.get(rows, attachment_id, "attachment")
        try:
            return contents.answer(row)
        except FileNotFoundError:
            raise kit.NotFound(f"The content of the attachment {row.pk} is not there.") from None


def _placed(view: kit.ResourceView, place: Place | None, word: str, identity: UUID) -> Owner:
    if place is None:
        raise kit.NotFound(f"The {word} {identity} does not exist.")
    return attachments.of_place(place, view.actor.account.pk)
