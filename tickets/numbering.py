"""Numbers that count within a project: incidents, agile runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Max

from tickets.models import Project

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model


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
    rows = model._default_manager.filter(project_id=project_id)  # noqa: SLF001 - Django's public name for it
    highest: int | None = rows.aggregate(highest=Max("number"))["highest"]
    return (highest or 0) + 1


def hold_project(project_id: UUID) -> bool:
    """
    Let one at a time pass here for a project, until its transaction ends.

    Returns:
        Whether the project is there.
    """
    held = Project.objects.select_for_update(no_key=True).filter(pk=project_id)
    return held.values_list("pk", flat=True).first() is not None
