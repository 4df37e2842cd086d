"""Fixtures over the library; a conftest imports them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from backgroundtasks.models import Account
from indexing import sources
from tests.support.indexing import library


@pytest.fixture(scope="session")
def library_tables(django_db_setup: None, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        # Each conftest that imports this has a fixture of its own, over one database.
        known = connection.introspection.table_names()
        with connection.schema_editor() as editor:
            for model in library.MODELS:
                if model._meta.db_table not in known:
                    editor.create_model(model)


@pytest.fixture
def registered() -> Iterator[None]:
    """Only the library is indexed."""
    known = dict(sources._sources)
    sources._sources.clear()
    for source in library.SOURCES:
        sources.register(source)
    yield
    sources._sources.clear()
    sources._sources.update(known)


@pytest.fixture
def account(db: None, library_tables: None, registered: None) -> Account:
    return Account.objects.create(name="Readers")


@pytest.fixture
def other_account(account: Account) -> Account:
    return Account.objects.create(name="Other readers")
