"""What is written below something that is being removed, at that very moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import Model

from tests.support import factories
from tests.support.http import Caller
from tests.support.projects import NodeFactory, PackageFactory, ProjectFactory, RunFactory
from tests.support.waiting import wait_for
from tickets import removal, staging
from tickets.api.views import execution_packages
from tickets.models import AutomatedTestRun, ExecutionPackage, Project, ResultNode

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["removal", "discarded"])
def test_an_import_that_is_just_writing_breaks_no_removal(way: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: whoever comes second waits")
    run = RunFactory.create(stage="staged")
    refused: list[IntegrityError] = []

    def write() -> None:
        try:
            NodeFactory.create(run=run)
        except IntegrityError as error:
            refused.append(error)
        finally:
            connection.close()

    writing = threading.Thread(target=write)

    def write_between(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('DELETE FROM "tickets_automatedtestrun"'):
            writing.start()
            wait_for(lambda: not writing.is_alive() or somebody_waits_for_us(), "the import")
        return execute(sql, *rest)

    with connection.execute_wrapper(write_between):
        if way == "removal":
            removal.finish(removal.remove(AutomatedTestRun.objects.filter(pk=run.pk)))
        else:
            staging.discard(run.pk)
    writing.join(30)

    assert len(refused) == 1
    assert not AutomatedTestRun.objects.exists()
    assert not ResultNode.objects.exists()


def somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks "
            "WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


def test_who_writes_into_what_is_gone_is_told_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Caller(factories.actor())
    project = ProjectFactory.create(account=caller.actor.account)
    parent = PackageFactory.create(project=project)
    refuse = execution_packages._refuse_misplaced

    def overtaken(*given: Model) -> None:
        refuse(*given)  # type: ignore[arg-type]
        removal.finish(removal.remove_projects(Project.objects.filter(pk=project.pk)))

    monkeypatch.setattr(execution_packages, "_refuse_misplaced", overtaken)

    answer = caller.post("/api/executionpackages", {"Name": "Late", "ParentId": str(parent.pk)})

    assert (answer.status_code, list(answer.json())) == (409, ["Message"])
    assert "at this very moment" in answer.json()["Message"]
    assert "request.overtaken error=" in caplog.text
    assert "request.failed" not in caplog.text
    assert not ExecutionPackage.objects.exists()
