"""`/api/organisation`, `/api/organisation/{id}`: the account's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks import operations
from backgroundtasks.api import kit
from backgroundtasks.exceptions import SubmissionRefused
from tickets.api import representations
from tickets.handlers.delete_organisation import DeleteOrganisation

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class OwnOrganisation(kit.ResourceView):
    """The organisation, without an id: there is one."""

    def get(self, request: Request) -> kit.Response:
        """Return the organisation."""
        return kit.Response(representations.organisation(request, self.actor.account))


class OrganisationById(kit.ResourceView):
    """The organisation."""

    write_role = None  # its task type asks for the role that it takes

    def get(self, request: Request, organisation_id: UUID) -> kit.Response:
        """Return the organisation."""
        if organisation_id != self.actor.account.pk:
            raise kit.NotFound(f"The organisation {organisation_id} does not exist.")
        return kit.Response(representations.organisation(request, self.actor.account))

    def delete(self, request: Request, organisation_id: UUID) -> kit.Response:
        """Remove all that the organisation has: 202 and the background task; hidden at once."""
        http = request._request  # noqa: SLF001 - the request it wraps
        try:
            submission = operations.submit(
                self.actor,
                DeleteOrganisation.task_type,
                {"OrganisationId": str(organisation_id)},
                idempotency=kit.read_idempotency(http, kit.digest_of(b"")),
            )
        except SubmissionRefused as refusal:
            raise kit.NotFound(str(refusal)) from None
        return kit.started(request, submission)
