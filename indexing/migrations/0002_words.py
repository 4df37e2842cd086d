"""Where each database keeps the words of the documents."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SQLITE = (
    # Our words need no tokenizer: "ascii" parts them at spaces and takes all else as it is.
    # detail=column and columnsize=0: who asks wants to know where a word stands, not how often.
    """
    CREATE VIRTUAL TABLE indexing_words
    USING fts5 (name, text, tokenize = 'ascii', detail = column, columnsize = 0)
    """,
    """
    CREATE TRIGGER indexing_document_gone AFTER DELETE ON indexing_document
    BEGIN DELETE FROM indexing_words WHERE rowid = old.id; END
    """,
)
POSTGRESQL = (
    "ALTER TABLE indexing_document ADD COLUMN words tsvector",
    "CREATE INDEX indexing_document_words ON indexing_document USING gin (words)",
    # Ordered by code point, as SQLite does.
    'ALTER TABLE indexing_document ALTER COLUMN name_key TYPE text COLLATE "C"',
)


def make(_apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def drop(_apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE indexing_document DROP COLUMN words")
    else:
        schema_editor.execute("DROP TRIGGER indexing_document_gone")
        schema_editor.execute("DROP TABLE indexing_words")


class Migration(migrations.Migration):
    dependencies = [("indexing", "0001_index")]

    operations = [migrations.RunPython(make, drop)]
