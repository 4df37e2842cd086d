"""
Django's flush, which clears away what a test with real transactions has left.

Django's own empties all tables, full or not, and fills again what migrating had filled. On
PostgreSQL that makes some hundred files anew: 0.1 to 0.3 s a test.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

#: What migrating fills; no test changes it.
KEPT = {ContentType._meta.db_table, Permission._meta.db_table}
#: Bytes from which on PostgreSQL makes a table anew faster than it deletes its rows.
LARGE = 1024 * 1024


class Command(flush.Command):
    """Empty the tables that hold something."""

    def handle(self, **options: Any) -> None:
        """Leave to Django what only it does."""
        if options["reset_sequences"] or options["inhibit_post_migrate"]:
            super().handle(**options)
            return
        connection = connections[options["database"]]
        quote = connection.ops.quote_name
        filled = _filled(connection)
        # Django's foreign keys are looked at in the end, so the order is all the same.
        with transaction.atomic(connection.alias), connection.cursor() as cursor:
            if large := _large(connection, filled):
                cursor.execute(f"TRUNCATE {', '.join(map(quote, large))} CASCADE")
            for table in filled:
                cursor.execute(f"DELETE FROM {quote(table)}")


def _filled(connection: BaseDatabaseWrapper) -> list[str]:
    tables = set(connection.introspection.django_table_names(include_views=False)) - KEPT
    quote = connection.ops.quote_name
    looks = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in tables]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        return [name for (name,) in cursor.fetchall()]


def _large(connection: BaseDatabaseWrapper, tables: list[str]) -> list[str]:
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND pg_relation_size(oid) > %s",
            [tables, LARGE],
        )
        return [name for (name,) in cursor.fetchall()]
