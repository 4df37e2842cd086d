"""`Reindex`: fill the index again from the database, while it is being searched and written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from rest_framework import serializers

from backgroundtasks import clock
from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import (
    Actor,
    Interrupted,
    Outcome,
    Resource,
    TaskContext,
    TaskHandler,
    permissions,
)
from backgroundtasks.handlers.fields import OptionalId
from indexing import backends, sources, writing
from indexing.models import Rebuild
from indexing.sources import PROJECT, DocumentSource
from indexing.writing import Scope

QUEUING = "Queuing index events"
ENTITIES = "Indexing entities"
RELATIONSHIPS = "Indexing relationships"
OPTIMIZING = "Optimizing"

_PHASES = (ENTITIES, RELATIONSHIPS, OPTIMIZING)

#: The cursor is stored this often; after a crash at most this much is done again.
_REMEMBER_EVERY = 1.0  # seconds


class Reindex(TaskHandler):
    """Rebuild the search index of all projects, or of one."""

    task_type = "Reindex"
    permissions = (permissions.Role("member"),)
    idempotent = True
    timeout = timedelta(hours=6)

    class Parameters(serializers.Serializer[Any]):
        """Source: contract `enterprise_tester.md`, section 2.8."""

        Optimize = serializers.BooleanField(
            default=False, help_text="Make the index smaller and faster afterwards; takes longer."
        )
        ProjectId = OptionalId(
            required=False, allow_null=True, default=None, help_text="One project; all without it."
        )
        SkipRelationships = serializers.BooleanField(
            default=False, help_text="Leave the relationships as they are."
        )

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Let one rebuild of the same thing run at a time; the core keeps accounts apart."""
        return str(parameters["ProjectId"] or "all projects")

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource | None:
        """Return the project, if it is about one."""
        project_id = parameters["ProjectId"]
        source = sources.find(PROJECT)
        if project_id is None or source is None:
            return None
        found = source.queryset().filter(pk=project_id)
        name = found.values_list(source.name, flat=True).first()
        return Resource(id=str(project_id), name=name or "", kind="project")

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse a project that is not there."""
        project_id = parameters["ProjectId"]
        if project_id is not None and not _is_project(actor.account.pk, project_id):
            raise SubmissionRefused(f"The project {project_id} does not exist.")

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Work through the phases; each goes on where an earlier attempt stopped."""
        scope = Scope(context.account_id, parameters["ProjectId"])
        related = [] if parameters["SkipRelationships"] else sources.all_sources()
        if "total" not in context.memory:
            context.progress(0, 0, QUEUING)
            context.remember(total=_count(scope, related) + parameters["Optimize"])
        journey = _Journey(context)
        for source in journey.left(ENTITIES, sources.all_sources()):
            for cursor, count in writing.rebuild_documents(source, scope, journey.cursor):
                journey.advance(cursor, documents=count)
            for gone in writing.sweep(source, scope):
                journey.advance(journey.cursor, removed=gone)
        for source in journey.left(RELATIONSHIPS, related):
            for cursor, count in writing.rebuild_relationships(source, scope, journey.cursor):
                journey.advance(cursor, relationships=count)
        if parameters["Optimize"]:
            journey.enter(OPTIMIZING)
            for _ in backends.current().optimize():
                context.checkpoint(safe=True)
        journey.end()
        self._record(context, parameters, journey)
        return Outcome(
            result={
                "Documents": journey.documents,
                "Removed": journey.removed,
                "Relationships": journey.relationships if related else None,
            }
        )

    def _record(self, context: TaskContext, parameters: dict[str, Any], journey: _Journey) -> None:
        """Keep for the admin when this was rebuilt last."""
        Rebuild.objects.update_or_create(
            account_id=context.account_id,
            project_id=parameters["ProjectId"],
            defaults={
                "run_id": context.run_id,
                "finished_at": clock.now(),
                "documents": journey.documents,
                "removed": journey.removed,
                "relationships": None if parameters["SkipRelationships"] else journey.relationships,
                "optimized": parameters["Optimize"],
            },
        )


def _is_project(account_id: UUID, project_id: UUID) -> bool:
    source = sources.find(PROJECT)
    if source is None:
        return False
    found = Scope(account_id, project_id).entities(source)
    hidden = source.hidden()
    return (found if hidden is None else found.exclude(pk__in=hidden)).exists()


def _count(scope: Scope, related: Iterable[DocumentSource]) -> int:
    """Return the elements of the run: entities, and their relationships."""
    entities = sum(scope.entities(source).count() for source in sources.all_sources())
    return entities + sum(writing.count_relationships(source, scope) for source in related)


class _Journey:
    """Where the run is and what it did; kept in its memory, so that an attempt goes on."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        memory = context.memory
        self._total: int = memory["total"]
        self._phase: str = memory.get("phase", ENTITIES)
        self._source: str = memory.get("source", "")
        #: Up to which entity of the source the work is done; None: none yet.
        self.cursor: Any = memory.get("cursor")
        self.documents: int = memory.get("documents", 0)
        self.removed: int = memory.get("removed", 0)
        self.relationships: int = memory.get("relationships", 0)
        self._remembered_at = time.monotonic()

    def left(self, phase: str, among: Iterable[DocumentSource]) -> Iterator[DocumentSource]:
        """Yield the sources whose turn in a phase is still to come, from the one it is in."""
        if _PHASES.index(phase) < _PHASES.index(self._phase):
            return
        self.enter(phase)
        for source in among:
            name = source.entity_type.lower()
            if name < self._source:
                continue
            if name > self._source:
                self._source, self.cursor = name, None
            yield source

    def enter(self, phase: str) -> None:
        """Begin a phase, unless the run is in it already."""
        if phase != self._phase:
            self._phase, self._source, self.cursor = phase, "", None
            self._remember()
        self._show()

    def advance(
        self, cursor: Any, *, documents: int = 0, removed: int = 0, relationships: int = 0
    ) -> None:
        """Count what a batch did; stop here if the run must stop."""
        self.cursor = cursor
        self.documents += documents
        self.removed += removed
        self.relationships += relationships
        self._show()
        if time.monotonic() - self._remembered_at >= _REMEMBER_EVERY:
            self._remember()
        try:
            self._context.checkpoint(safe=True)
        except Interrupted:
            self._remember()
            raise

    def end(self) -> None:
        """Show that all is done; entities may have come and gone since they were counted."""
        self._context.progress(self._total, self._total)

    def _show(self) -> None:
        done = self.documents + self.relationships
        self._context.progress(min(done, self._total), self._total, self._phase)

    def _remember(self) -> None:
        self._remembered_at = time.monotonic()
        self._context.remember(
            phase=self._phase,
            source=self._source,
            cursor=None if self.cursor is None else str(self.cursor),
            documents=self.documents,
            removed=self.removed,
            relationships=self.relationships,
        )
