"""A project goes while its workers are killed; nobody sees any of it from the 202 on."""

from __future__ import annotations

import httpx
import pytest

from backgroundtasks.models import Attempt, TaskStatus
from backgroundtasks.states import FINAL, State
from indexing import documents
from indexing.models import Document
from tests.support import factories
from tests.support.http import Server, token
from tests.support.projects import AutomatedTestFactory, ProjectFactory
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, kill
from tickets.models import AutomatedTest, Project

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

TESTS = 8_000


def test_a_deletion_whose_worker_is_killed_is_finished_by_the_next() -> None:
    actor = factories.actor()
    project = ProjectFactory.create(account=actor.account)
    kept = AutomatedTestFactory.create(project__account=actor.account)
    AutomatedTest.objects.bulk_create(
        (
            AutomatedTest(account=actor.account, project=project, name=f"case {number}")
            for number in range(TESTS)
        ),
        batch_size=1_000,
    )
    assert sum(documents.index_batches(AutomatedTest, account_id=actor.account.pk)) == TESTS + 1
    headers = {"Authorization": f"Bearer {token(actor.user)}"}
    with Server() as server, httpx.Client(base_url=server.url, headers=headers, timeout=60) as api:

        def seen() -> int:
            found: int = api.get("/api/search", params={"tql": "Name ~ case"}).json()["Total"]
            return found + int(api.get(f"/api/project/{project.pk}").status_code == 200)

        assert seen() == TESTS + 1
        task = api.delete(f"/api/project/{project.pk}")
        assert task.status_code == 202, task.text
        assert seen() == 0
        with WorkerCommand(workers=1) as command:
            wait_for(lambda: AutomatedTest.objects.count() <= TESTS, "the first rows to go")
            kill(command.workers()[0].pid)
            left = AutomatedTest.objects.count()
            assert seen() == 0
            run = TaskStatus.objects.get()
            wait_for(lambda: TaskStatus.objects.get(pk=run.pk).state in FINAL, "its end", limit=60)
            assert seen() == 0

    run.refresh_from_db()
    assert 1 < left <= TESTS
    assert (run.state, Attempt.objects.get(run=run, number=1).outcome) == (State.SUCCEEDED, "died")
    assert list(AutomatedTest.objects.all()) == [kept]
    assert Document.objects.get().entity_id == kept.pk
    assert Project.objects.get() == kept.project
