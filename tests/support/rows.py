"""Everything that a database holds."""

from __future__ import annotations

from django.db import connection


def all_rows() -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = sorted(cursor.fetchall(), key=repr)
    return found
