"""What migrations make of rows that were there before."""

from __future__ import annotations

import uuid
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from tests.support.projects import ProjectFactory
from tickets.models import Project

pytestmark = pytest.mark.django_db


def test_of_projects_of_one_name_those_whose_removal_began_get_names_of_their_own() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX one_project_per_name")
    visible = ProjectFactory.create(name="Billing")
    account = visible.account
    back = [
        ProjectFactory.create(name=name, account=account, hidden_by=uuid.uuid4())
        for name in ("billing", "BILLING", "Orders")
    ]
    filled = ProjectFactory.create(name="Billing", account=account, is_complete=False)

    import_module("tickets.migrations.0009_one_project_per_name").part_namesakes(apps, None)

    names = dict(Project.objects.values_list("pk", "name"))
    assert names == {
        visible.pk: "Billing",
        back[0].pk: f"billing (being deleted, {back[0].pk.hex[:8]})",
        back[1].pk: f"BILLING (being deleted, {back[1].pk.hex[:8]})",
        back[2].pk: "Orders",
        filled.pk: "Billing",
    }
