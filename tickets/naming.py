"""The names of projects: one of each in an account, also among those that are on their way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db.models import Value
from django.db.models.functions import Lower

from indexing import documents
from tickets import visibility
from tickets.models import Project

if TYPE_CHECKING:
    from uuid import UUID

#: Room for what is put behind a name.
_LONGEST: Final = 220


def free(account_id: UUID, name: str) -> None:
    """
    Take a name from a project that is being removed: it is about to be given to another one.

    Nobody sees that, unless the removal is cancelled or fails: then the project comes back under
    a name of its own. In the caller's transaction.
    """
    # As the constraint compares.
    named = Project.objects.filter(account_id=account_id, is_complete=True)
    named = named.alias(key=Lower("name")).filter(key=Lower(Value(name)))
    for project in named.filter(pk__in=visibility.hidden_projects()):
        outgoing = f"{project.name[:_LONGEST]} (being deleted, {project.pk.hex[:8]})"
        Project.objects.filter(pk=project.pk).update(name=outgoing)
        documents.index(Project, [project.pk])
