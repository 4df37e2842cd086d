"""
What an app registers to be found by `/api/search`, and how it says that something changed.

    class AutomatedTests(documents.DocumentSource):
        entity_type = "AutomatedTest"
        model = AutomatedTest
        fields = {"Type": documents.text("type"),
                  "Package": documents.reference("package_id", to="ExecutionPackage")}
        relationships = (documents.Relation("Package", "package_id"),)

        def represent(self, request, ids):
            return {test.pk: body(request, test) for test in AutomatedTest.objects.filter(pk__in=ids)}

    documents.register(AutomatedTests())          # in AppConfig.ready()
    documents.index(AutomatedTest, [test.pk])     # in the transaction that wrote it
    documents.remove(AutomatedTest, [test.pk])    # in the transaction that deleted it

A source says where in the database everything stands, with the paths of Django's lookups. So one
declaration serves single writes and `Reindex`, which fills the index without making an object for
each row.
"""

from indexing.sources import (
    DocumentSource,
    Field,
    Joined,
    Kind,
    Relation,
    apart,
    flag,
    knows,
    moment,
    number,
    reference,
    register,
    register_values,
    text,
    texts,
)
from indexing.writing import index, index_batches, relate, remove, remove_batches

__all__ = [
    "DocumentSource",
    "Field",
    "Joined",
    "Kind",
    "Relation",
    "apart",
    "flag",
    "index",
    "index_batches",
    "knows",
    "moment",
    "number",
    "reference",
    "register",
    "register_values",
    "relate",
    "remove",
    "remove_batches",
    "text",
    "texts",
]
