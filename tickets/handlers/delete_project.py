"""`DeleteProject`: a project goes with all that it holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from rest_framework import serializers

from backgroundtasks import queries
from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import (
    Actor,
    Interrupted,
    Outcome,
    Resource,
    TaskContext,
    TaskFailed,
    TaskHandler,
    permissions,
)
from backgroundtasks.handlers.fields import OptionalId
from tickets import removal, uploads, visibility
from tickets.models import Project
from tickets.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

REMOVING = "Deleting the project"


class DeleteProject(TaskHandler):
    """
    Deletes a project with everything in it.

    Nobody sees it from the moment at which this was accepted. When it is cancelled, or fails,
    what is left is shown again. Its elements are rows.
    """

    task_type = "DeleteProject"
    permissions = (permissions.Role("member"),)
    idempotent = True
    pausable = True
    timeout = timedelta(hours=6)

    class Parameters(serializers.Serializer[Any]):
        """The project, by one of the two names."""

        ProjectId = OptionalId(required=False, allow_null=True)
        Id = OptionalId(required=False, allow_null=True, help_text="Another name of `ProjectId`.")

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse none, and two that differ."""
            return require_one_id(attrs, "ProjectId")

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Let one run work on a project at a time."""
        return str(parameters["ProjectId"])

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return the project."""
        project_id = parameters["ProjectId"]
        found = Project.objects.filter(pk=project_id)
        return Resource(
            id=str(project_id),
            name=found.values_list("name", flat=True).first() or "",
            kind="project",
            path=path_of("project", project_id),
        )

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse a project that the account does not have, or does not have any more."""
        project_id = parameters["ProjectId"]
        if not visibility.visible_projects(actor.account.pk).filter(pk=project_id).exists():
            raise SubmissionRefused(f"The project {project_id} does not exist.")

    @classmethod
    def accepted(cls, actor: Actor, run_id: UUID, parameters: dict[str, Any]) -> None:
        """Hide the project."""
        cls.check_submission(actor, parameters)  # somebody else may have come first
        visibility.hide(Project.objects.filter(pk=parameters["ProjectId"]), run_id)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Remove everything below the project, then the project."""
        project_id = parameters["ProjectId"]
        projects = Project.objects.filter(pk=project_id, account_id=context.account_id)
        if "total" not in context.memory:
            if not projects.exists():
                raise TaskFailed(f"The project {project_id} does not exist any more.")
            # Whoever removes the whole organisation hides it, too, and goes on when this ends.
            visibility.hide(projects.exclude(queries.unfinished("hidden_by")), context.run_id)
        return remove_all(context, projects, REMOVING)


def remove_all(context: TaskContext, projects: Any, text: str) -> Outcome:
    """Remove projects and what of the account nobody will come back for, counting rows."""
    tally = Tally(context, lambda: removal.count(projects), text)
    try:
        for count in removal.remove_projects(projects):
            tally.advance(count)
    except Interrupted:
        context.message(
            "info",
            "delete.interrupted",
            f"{tally.done:,} of {tally.total:,} rows are deleted.",
            deleted=tally.done,
        )
        raise
    removal.finish(removal.remove_unfinished(context.account_id))
    uploads.sweep(context.account_id)
    tally.end()
    return Outcome({"Deleted": tally.done})


def require_one_id(attrs: dict[str, Any], name: str) -> dict[str, Any]:
    """
    Return parameters with the id under its own name, which may have come as `Id`.

    Raises:
        ValidationError: there is none, or there are two.
    """
    named, other = attrs.get(name), attrs.get("Id")
    if named is None and other is None:
        raise serializers.ValidationError({name: ["This field is required."]})
    if named is not None and other is not None and named != other:
        raise serializers.ValidationError({"Id": [f"It is not the same as {name}."]})
    return {name: named or other}


def path_of(route: str, identity: object) -> str:
    """Return where a resource is shown; nothing in a project that does not show it."""
    try:
        return reverse(route, args=(identity,))
    except NoReverseMatch:
        return ""
