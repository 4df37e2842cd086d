"""
The index: one row per entity and one per relationship.

The words of a document are not in these models, since each database keeps them in its own way
(`indexing.backends`): SQLite in the FTS5 table `indexing_words`, PostgreSQL in the column `words`.
"""

from __future__ import annotations

from django.db import models


class Document(models.Model):
    """What is indexed of one entity."""

    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the index below begins with it
        db_constraint=False,  # written by the thousand, beside what it belongs to
    )
    #: As its source registered it: `AutomatedTest`.
    entity_type = models.CharField(max_length=60)
    entity_id = models.UUIDField()
    project_id = models.UUIDField(null=True)
    name = models.TextField()
    #: The name as it is compared and ordered: `indexing.words.fold`.
    name_key = models.TextField()
    updated_at = models.DateTimeField(null=True)
    #: The source's further fields by name in lower case, as they are compared.
    fields = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entity_type", "entity_id"], name="one_document_per_entity"
            )
        ]
        indexes = [
            models.Index(
                fields=["account", "project_id", "entity_type"], name="document_by_project"
            )
        ]

    def __str__(self) -> str:
        return f"{self.entity_type} {self.name}"


class Relationship(models.Model):
    """A direct relationship from one entity to another; indirect ones follow from these."""

    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # it is found by the ids of its ends
        db_constraint=False,  # as a document's
    )
    type = models.CharField(max_length=60)
    source_id = models.UUIDField()
    destination_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source_id", "type", "destination_id"], name="one_relationship_per_type"
            )
        ]
        indexes = [models.Index(fields=["destination_id"], name="relationship_back")]

    def __str__(self) -> str:
        return f"{self.type}: {self.source_id} to {self.destination_id}"


class Rebuild(models.Model):
    """The last finished `Reindex` of an account, and of each of its projects."""

    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,  # the constraint below begins with it
    )
    #: None: all projects.
    project_id = models.UUIDField(null=True)
    run_id = models.UUIDField()
    finished_at = models.DateTimeField()
    documents = models.PositiveBigIntegerField()
    removed = models.PositiveBigIntegerField()
    relationships = models.PositiveBigIntegerField(null=True)
    optimized = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "project_id"], name="one_rebuild_per_project"
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(project_id=None),
                name="one_rebuild_of_all_projects",
            ),
        ]

    def __str__(self) -> str:
        return f"rebuild of {self.project_id or 'all projects'}"
