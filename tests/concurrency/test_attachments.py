"""Attaching at the very moment at which the owner is removed, or its run completed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from backgroundtasks.models import Account
from tests.support import factories
from tests.support.projects import IncidentFactory, ProjectFactory, StepResultFactory
from tests.support.uploads import file_store, files_in, owner_of
from tickets import attachments, incidents, manual_runs
from tickets.manual_runs import Result
from tickets.models import Attachment, Incident, Outcome, StepResult

__all__ = ["file_store"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("file_store")]

ROUNDS = 25


def at_once(*doings: Callable[[], None]) -> None:
    """Do things at one moment, each on a connection of its own; raise what any of them raised."""
    gate = threading.Barrier(len(doings))
    raised: list[BaseException] = []

    def do(doing: Callable[[], None]) -> None:
        gate.wait(timeout=10)
        try:
            doing()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(doing,)) for doing in doings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not raised, raised


def attach(row: Incident | StepResult, told: list[str]) -> None:
    """Attach a file as a request does; note how it ended."""
    owner = owner_of(row)
    identity = attachments.store(owner.account_id, ContentFile(b"x"))
    file = attachments.Stored(identity, "x", "text/plain", 1)
    try:
        attachments.attach(owner, [file], None)
        told.append("attached")
    except (attachments.OwnerGone, attachments.AttachmentRefused) as error:
        told.append(type(error).__name__)
        attachments.forget([attachments.name_of(owner.account_id, identity)])


def test_neither_a_row_nor_a_file_is_left_of_an_incident_that_goes(file_store: Path) -> None:
    project = ProjectFactory.create()
    told: list[str] = []
    for _ in range(ROUNDS):
        incident = IncidentFactory.create(project=project)

        at_once(lambda: attach(incident, told), lambda: incidents.remove(incident.pk))  # noqa: B023

    assert len(told) == ROUNDS
    assert not Incident.objects.exists()
    assert not Attachment.objects.exists()
    assert not files_in(file_store)


def test_a_run_has_all_of_its_attachments_when_it_is_completed(file_store: Path) -> None:
    user = factories.UserFactory.create()
    account = Account.objects.create(name="Tested")
    told: list[str] = []
    for _ in range(ROUNDS):
        step = StepResultFactory.create(run__assignment__script__project__account=account)
        seen: list[int] = []

        def complete() -> None:
            manual_runs.record(
                step.run_id,  # noqa: B023
                user,
                {step.pk: Result(Outcome.PASSED, None)},  # noqa: B023
            )
            seen.append(Attachment.objects.filter(step_result=step).count())  # noqa: B023

        at_once(lambda: attach(step, told), complete)  # noqa: B023

        # Whoever looks once it is completed sees what stays.
        assert seen == [Attachment.objects.filter(step_result=step).count()]
        assert (told[-1] == "attached") == bool(seen[0])

    assert len(files_in(file_store)) == Attachment.objects.count() == told.count("attached")
