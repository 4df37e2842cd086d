import uuid
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from backgroundtasks.models import Account
from indexing import documents
from indexing.models import Rebuild
from tests.support.indexing.library import Project


@pytest.fixture
def operator(client: Client, account: Account) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


def rebuild(account: Account, project_id: uuid.UUID | None = None) -> Rebuild:
    return Rebuild.objects.create(
        account=account,
        project_id=project_id,
        run_id=uuid.uuid4(),
        finished_at=datetime(2024, 3, 5, tzinfo=UTC),
        documents=3,
        removed=1,
        relationships=2,
        optimized=True,
    )


def test_rebuilds_are_listed_with_their_project(operator: Client, account: Account) -> None:
    project = Project.objects.create(account_id=account.pk, name="Billing & more")
    documents.index(Project, [project.pk])
    rebuild(account)
    rebuild(account, project.pk)
    gone = rebuild(account, uuid.uuid4())

    page = operator.get(reverse("admin:indexing_rebuild_changelist")).content.decode()

    assert "all projects" in page
    assert "Billing &amp; more" in page
    assert str(gone.project_id) in page


def test_a_rebuild_shows_what_is_indexed_now(operator: Client, account: Account) -> None:
    project = Project.objects.create(account_id=account.pk, name="Billing")
    documents.index(Project, [project.pk])

    for each in (rebuild(account), rebuild(account, project.pk)):
        page = operator.get(reverse("admin:indexing_rebuild_change", args=[each.pk]))

        assert "<tr><td>Project</td><td>1</td></tr>" in page.content.decode()


def test_nobody_changes_what_happened(operator: Client, account: Account) -> None:
    found = rebuild(account)

    assert operator.get(reverse("admin:indexing_rebuild_add")).status_code == 403
    assert (
        operator.post(reverse("admin:indexing_rebuild_delete", args=[found.pk])).status_code == 403
    )
