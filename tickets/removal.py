"""
Removing rows with all that hangs below them: the one way in which anything of this app goes.

What hangs below a row its model knows: what would be deleted with it goes before it, from the bottom
up, and what only names it loses the name. Each batch is a short transaction of its own, with what the
search index knows of it; a removal that was interrupted is finished by asking again.

    for count in removal.remove(ExecutionPackage.objects.filter(pk=package.pk)):
        context.checkpoint(safe=True)
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection, models, transaction

from backgroundtasks import queries
from indexing import documents
from tickets import attachments, staging
from tickets.models import (
    Attachment,
    AutomatedTestRun,
    BuiltinProject,
    CustomField,
    ExternalSystem,
    FieldOf,
    Incident,
    IncidentPick,
    PicklistItem,
    Project,
    ResultNode,
    ScriptAssignment,
    ScriptRun,
    TicketWriter,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from uuid import UUID

    from django.db.models import ForeignObjectRel, Model, QuerySet

#: Rows that one transaction removes, with their documents: a few tens of milliseconds.
BATCH: Final = 200


def remove(rows: QuerySet[Any]) -> Iterator[int]:
    """
    Remove rows and all that hangs below them.

    Yields:
        How many rows a batch had, after it was removed.
    """
    model = rows.model
    while ids := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
        if model is AutomatedTestRun:
            yield from staging.remove_nodes(ids)
        for relation in _below(model):
            if relation.related_model is not IncidentPick or model is not Incident:
                yield from remove(_at(relation, ids))
        for relation in _naming(model):
            yield from _loosen(relation, ids)
        yield _remove_batch(model, ids)


def _remove_batch(model: Any, ids: list[Any]) -> int:
    """Remove rows that nothing hangs below any more, in one transaction; return how many."""
    rows = model._base_manager.filter(pk__in=ids)  # noqa: SLF001 - documented API
    with transaction.atomic():
        staging.hold(rows)
        for relation in _below(model):
            if relation.related_model is Attachment:
                # That came while others went; the database would take the rows and leave the files.
                attachments.remove_batch(_at(relation, ids).values_list("pk", flat=True))
            elif relation.related_model is IncidentPick and model is PicklistItem:
                # Likewise; the database knows nothing of what search finds.
                finish(remove(_at(relation, ids)))
        for relation in _naming(model):
            finish(_loosen(relation, ids))
        # An assignment's status is that of its last run.
        assigned = set(rows.values_list("assignment_id", flat=True)) if model is ScriptRun else ()
        # An incident is found by what it has picked.
        picking = set(rows.values_list("incident_id", flat=True)) if model is IncidentPick else ()
        if documents.knows(model):
            documents.remove(model, ids)
        if model is Attachment:
            return attachments.remove_batch(ids)
        # One may be gone already, with a row of its own model that it hung below.
        _, gone = rows.delete()
        if assigned and documents.knows(ScriptAssignment):
            documents.index(ScriptAssignment, assigned)
        if picking and documents.knows(Incident):
            documents.index(Incident, picking)
    # What an incident has picked goes in the same transaction: it needs not be indexed for that.
    went = (Incident, IncidentPick) if model is Incident else (model,)
    return sum(gone.get(one._meta.label, 0) for one in went)  # noqa: SLF001 - documented API


def finish(removal: Iterator[int]) -> None:
    """Remove all of it, here and now."""
    for _ in removal:
        pass


def remove_projects(projects: QuerySet[Project]) -> Iterator[int]:
    """Remove projects; whatever was still being written into one goes with it."""
    for project_id, account_id in list(projects.values_list("pk", "account_id")):
        # Emptied first: the project's own row, which hides all of it, goes last.
        for relation in _below(Project):
            yield from remove(_at(relation, [project_id]))
        yield from remove(Project.objects.filter(pk=project_id))
        # Of rows that came in between and went with it.
        for model in _tree(Project):
            if documents.knows(model):
                left = documents.remove_batches(model, account_id=account_id, project_id=project_id)
                for _ in left:
                    yield 0


def remove_unfinished(account_id: UUID) -> Iterator[int]:
    """Remove the projects of an account that a task began to fill, and that none fills any more."""
    abandoned = Project.objects.filter(account_id=account_id, is_complete=False)
    yield from remove_projects(abandoned.exclude(queries.unfinished("hidden_by")))


def remove_rest(account_id: UUID, before: datetime) -> Iterator[int]:
    """Remove what an account had beside its projects, as far as no project of it needs it."""
    systems = ExternalSystem.objects.filter(
        account_id=account_id, links=None, created_at__lt=before
    )
    ids = list(systems.values_list("pk", flat=True))
    yield from remove(ExternalSystem.objects.filter(pk__in=ids))
    TicketWriter.objects.filter(system__in=ids).delete()
    if not Project.objects.filter(account_id=account_id).exists():
        yield from remove(BuiltinProject.objects.filter(account_id=account_id))
        # Those of all projects; a system that stays may have values in them.
        fields = CustomField.objects.filter(account_id=account_id, created_at__lt=before)
        if ExternalSystem.objects.filter(account_id=account_id).exists():
            fields = fields.exclude(entity_type=FieldOf.EXTERNAL_SYSTEM)
        yield from remove(fields)


def count(rows: QuerySet[Any]) -> int:
    """
    Return how many rows `remove` would remove; rows below a row of the same model count once.

    One statement, which finds the rows of each model once. Nested conditions PostgreSQL evaluates
    row by row where its statistics mislead it: minutes for some thousand rows.
    """
    tree = _tree(rows.model)
    # The first one is the top: nothing is above it.
    try:
        top, parameters = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return 0
    chosen = {rows.model: [top]}
    for model in tree:
        for relation in _below(model):
            child: Any = relation.related_model
            if child is not model:
                chosen.setdefault(child, []).append(_named(child, relation.field, model))
    nodes = ResultNode._meta.get_field("run")  # noqa: SLF001 - documented API
    if AutomatedTestRun in chosen:
        chosen[ResultNode] = [_named(ResultNode, nodes, AutomatedTestRun)]
        tree.append(ResultNode)
    # SQLite does so by itself, and older ones do not know the word.
    once = "MATERIALIZED" if connection.vendor == "postgresql" else ""
    ways = [f"{_found(model)} (id) AS {once} ({' UNION '.join(chosen[model])})" for model in tree]
    counts = [f"(SELECT COUNT(*) FROM {_found(model)})" for model in tree]  # noqa: S608 - of the models
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {', '.join(ways)} SELECT {' + '.join(counts)}", parameters)
        [total] = cursor.fetchone()
    return int(total)


def _found(model: Any) -> str:
    """Return what a statement calls the rows of a model that it found."""
    return f'"found_{model._meta.db_table}"'  # noqa: SLF001 - documented API


def _named(child: Any, field: Any, parent: Any) -> str:
    """Return what selects the rows that name one of those found by a field."""
    table = child._meta  # noqa: SLF001 - documented API
    return (
        f'SELECT "{table.pk.column}" FROM "{table.db_table}"'  # noqa: S608 - of the models
        f' WHERE "{field.column}" IN (SELECT id FROM {_found(parent)})'
    )


def has_contents(row: Model) -> bool:
    """Whether anything would be removed with a row."""
    return any(_at(relation, [row.pk]).exists() for relation in _below(type(row)))


def _tree(top: type[Model]) -> list[type[Model]]:
    """Return the model and those that hang below it, each behind all that it hangs on."""
    above: dict[type[Model], set[type[Model]]] = {top: set()}
    waiting = [top]
    while waiting:
        model = waiting.pop()
        for relation in _below(model):
            child: Any = relation.related_model
            if child not in above:
                waiting.append(child)
            above.setdefault(child, set())
            if child is not model:
                above[child].add(model)
    return list(TopologicalSorter(above).static_order())


def _below(model: type[Model]) -> list[ForeignObjectRel]:
    """Return the relations by which rows are deleted with a row of the model; who names others first."""
    found = [one for one in _relations(model) if one.on_delete is models.CASCADE]
    children = [one.related_model for one in found]

    def named(relation: ForeignObjectRel) -> int:
        others = _relations(relation.related_model)
        return sum(other.related_model in children for other in others)

    return sorted(found, key=named)


def _naming(model: type[Model]) -> list[ForeignObjectRel]:
    """Return the relations of rows that stay, and lose the name of a row of the model."""
    return [one for one in _relations(model) if one.on_delete is models.SET_NULL]


def _relations(model: type[Model]) -> list[ForeignObjectRel]:
    fields: list[Any] = model._meta.get_fields(include_hidden=True)  # noqa: SLF001 - documented API
    return [
        field
        for field in fields
        if (field.one_to_many or field.one_to_one)
        and field.auto_created
        and not field.concrete
        # Nodes go with their run, by the thousand.
        and field.related_model is not ResultNode
    ]


def _at(relation: ForeignObjectRel, ids: Collection[Any]) -> QuerySet[Any]:
    """Return the rows that name one of these by a relation."""
    manager = relation.related_model._base_manager  # noqa: SLF001
    rows: QuerySet[Any] = manager.filter(**{f"{relation.field.name}__in": ids})
    return rows


def _loosen(relation: ForeignObjectRel, ids: Collection[Any]) -> Iterator[int]:
    """Take the names of rows that go from those that stay."""
    model: Any = relation.related_model
    naming = _at(relation, ids)
    while batch := list(naming.order_by().values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            rows = model._base_manager.filter(pk__in=batch)  # noqa: SLF001 - documented API
            staging.hold_to_change(rows)
            rows.update(**{relation.field.name: None})
            if documents.knows(model):
                documents.index(model, batch)
        yield 0
