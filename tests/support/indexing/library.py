"""A small app of its own that is indexed: projects, shelves in them, and books on the shelves."""

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.db import models
from django.http import HttpRequest

from indexing import documents


class Named(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.TextField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Project(Named):
    account_id = models.UUIDField()
    updated_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "library"


class Shelf(Named):
    inside = models.ForeignKey("self", null=True, on_delete=models.CASCADE, db_constraint=False)
    # No constraint anywhere: these tables stand outside of what Django's flush knows.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_constraint=False)

    class Meta:
        app_label = "library"


class Book(Named):
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, db_constraint=False)
    blurb = models.TextField(null=True)
    status = models.TextField(default="Open")
    pages = models.IntegerField(null=True)
    lent = models.BooleanField(default=False)
    bought_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)
    hidden = models.BooleanField(default=False)
    sequel_of = models.ForeignKey("self", null=True, on_delete=models.CASCADE, db_constraint=False)

    class Meta:
        app_label = "library"


MODELS = (Project, Shelf, Book)


class Source(documents.DocumentSource):
    def represent(
        self, request: HttpRequest, ids: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, dict[str, Any]]:
        return {
            each.pk: {
                "Id": str(each.pk),
                "Name": each.name,
                "Self": request.build_absolute_uri(f"/api/{self.entity_type.lower()}/{each.pk}"),
            }
            for each in self.queryset().filter(pk__in=ids)
        }


class Projects(Source):
    entity_type = "Project"
    model = Project
    project = "pk"


class Shelves(Source):
    entity_type = "BookShelf"
    aliases = ("Shelf",)
    model = Shelf
    account = "project__account_id"
    updated_at = None
    fields = {"Package": documents.reference("inside_id", to="BookShelf")}
    relationships = (documents.Relation("StandsIn", "project_id"),)


class Books(Source):
    entity_type = "Book"
    model = Book
    account = "shelf__project__account_id"
    project = "shelf__project_id"
    texts = ("blurb", "shelf__name")
    fields = {
        "Status": documents.text("status"),
        "Shelf": documents.reference("shelf_id", to="BookShelf"),
        "Package": documents.reference("shelf_id", to="BookShelf"),
        "Path": documents.text("shelf__name"),
        "Pages": documents.number("pages"),
        "Lent": documents.flag("lent"),
        "BoughtAt": documents.moment("bought_at"),
    }
    relationships = (
        documents.Relation("StandsOn", "shelf_id"),
        documents.Relation("Continues", "sequel_of_id"),
    )

    def queryset(self) -> models.QuerySet[Any]:
        return Book.objects.filter(hidden=False)


SOURCES = (Projects(), Shelves(), Books())
