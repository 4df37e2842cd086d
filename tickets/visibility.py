"""
Which projects nobody sees, and with them all that they hold.

A project that is being removed is hidden from the moment at which that was accepted, by the
background run that does it, for as long as that run has not ended: so a removal that was cancelled
shows what is left by itself, and one whose worker was killed shows nothing. One that is being filled
is hidden until it is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from backgroundtasks import queries
from tickets.models import Project

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet


def hidden_projects() -> QuerySet[Project, UUID]:
    """Return the ids of the projects that nobody sees: few, and found by an index of their own."""
    hidden = Project.objects.filter(hidden_by__isnull=False)
    hidden = hidden.filter(Q(is_complete=False) | queries.unfinished("hidden_by"))
    return hidden.values_list("pk", flat=True)


def visible_projects(account_id: UUID) -> QuerySet[Project]:
    """Return the projects of an account that can be seen."""
    return Project.objects.filter(account_id=account_id).exclude(pk__in=hidden_projects())


def hide(projects: QuerySet[Project], run_id: UUID) -> None:
    """Hide projects until a background run has ended."""
    projects.update(hidden_by=run_id)
