"""Numbers that count within a project: incidents, agile runs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from backgroundtasks import kept
from tickets.models import Project

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model, QuerySet


class ProjectGone(Exception):
    """The project was removed meanwhile."""

    def __init__(self, project_id: UUID) -> None:
        super().__init__(f"The project {project_id} does not exist.")


def next_number(model: type[Model], project_id: UUID) -> int:
    """
    Return the number of the project's next row of the model, from 1.

    Within a transaction: whoever asks for the same project waits until its end.

    Raises:
        ProjectGone: somebody removed it.
    """
    if not hold_project(project_id):
        raise ProjectGone(project_id)
    return (_highest(model).first(project_id) or 0) + 1


@cache
def _highest(model: type[Model]) -> kept.Query[[UUID], int]:
    @kept.query
    def query(project: UUID) -> QuerySet[Any, int]:
        rows = model._default_manager.filter(project_id=project)  # noqa: SLF001 - Django's public name for it
        return rows.order_by("-number").values_list("number", flat=True)[:1]

    return query


def hold_project(project_id: UUID) -> bool:
    """
    Let one at a time pass here for a project, until its transaction ends.

    Returns:
        Whether the project is there.
    """
    return bool(_held(project_id))


@kept.query
def _held(project: UUID) -> QuerySet[Project, UUID]:
    held = Project.objects.select_for_update(no_key=True).filter(pk=project)
    return held.values_list("pk", flat=True)
