"""`DeleteOrganisation`: an account's projects go, all of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rest_framework import serializers

from backgroundtasks import clock
from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import Actor, Outcome, Resource, TaskContext, TaskHandler, permissions
from backgroundtasks.handlers.fields import OptionalId
from tickets import removal, uploads, visibility
from tickets.handlers.delete_project import path_of, remove_all, require_one_id
from tickets.models import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

REMOVING = "Deleting the organisation"


class DeleteOrganisation(TaskHandler):
    """
    Deletes everything that the organisation has: projects, external systems and files.

    The organisation is the account's own. The account stays, with its members, its tasks and
    this run, which says what became of it; operators remove accounts. Projects, systems and
    files that are made after it has begun stay, too. Nobody sees the other projects from the
    moment at which this was accepted; when it is cancelled, or fails, what is left is shown
    again. Its elements are rows.
    """

    task_type = "DeleteOrganisation"
    permissions = (permissions.Role("admin"),)
    idempotent = True
    pausable = True
    timeout = timedelta(hours=24)

    class Parameters(serializers.Serializer[Any]):
        """The organisation, by one of the two names."""

        OrganisationId = OptionalId(required=False, allow_null=True)
        Id = OptionalId(
            required=False, allow_null=True, help_text="Another name of `OrganisationId`."
        )

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse none, and two that differ."""
            return require_one_id(attrs, "OrganisationId")

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Let one run work on the organisation at a time."""
        return str(parameters["OrganisationId"])

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return the organisation."""
        organisation_id = parameters["OrganisationId"]
        return Resource(
            id=str(organisation_id),
            kind="organisation",
            path=path_of("organisation", organisation_id),
        )

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse an organisation that is not the account's own."""
        organisation_id = parameters["OrganisationId"]
        if organisation_id != actor.account.pk:
            raise SubmissionRefused(f"The organisation {organisation_id} does not exist.")

    @classmethod
    def accepted(cls, actor: Actor, run_id: UUID, parameters: dict[str, Any]) -> None:
        """Hide all projects."""
        _hide_all(actor.account.pk, run_id)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Remove one project after the other, then the files."""
        if "total" not in context.memory:
            # Before the projects are hidden: what is uploaded later belongs to others, which stay.
            context.remember(before=clock.now().isoformat())
            _hide_all(context.account_id, context.run_id)
        before = datetime.fromisoformat(context.memory["before"])
        projects = Project.objects.filter(account_id=context.account_id, hidden_by=context.run_id)
        outcome = remove_all(context, projects, REMOVING)
        removal.finish(removal.remove_rest(context.account_id, before))
        uploads.remove_all(context.account_id, before)
        return outcome


def _hide_all(account_id: UUID, run_id: UUID) -> None:
    """Hide every project, also those that are about to go already: their removal may be cancelled."""
    visibility.hide(Project.objects.filter(account_id=account_id, is_complete=True), run_id)
