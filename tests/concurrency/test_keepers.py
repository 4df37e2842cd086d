"""P10: however many keepers look, each due time makes one run."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from backgroundtasks import clock, scheduling
from backgroundtasks.models import Schedule, TaskStatus
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)

KEEPERS = 5
SCHEDULES = 120


def test_five_keepers_fire_each_schedule_once() -> None:
    owner = factories.actor()
    for _ in range(SCHEDULES):
        task = factories.TaskFactory.create(account=owner.account, owner=owner.user)
        Schedule.objects.create(
            task=task,
            account=owner.account,
            expression="0 0 * * * ?",
            next_at=clock.now() - timedelta(seconds=1),
        )
    gate = threading.Barrier(KEEPERS)
    fired: list[int] = []

    def keep() -> None:
        try:
            gate.wait(30)
            while Schedule.objects.filter(next_at__lte=clock.now()).exists():
                try:
                    fired.append(scheduling.fire_due())
                except OperationalError:
                    connection.close()  # SQLite's lock; a keeper comes again
        finally:
            connection.close()

    threads = [threading.Thread(target=keep) for _ in range(KEEPERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(fired) == SCHEDULES
    assert TaskStatus.objects.values("task_id").distinct().count() == SCHEDULES
    assert TaskStatus.objects.count() == SCHEDULES
    assert set(Schedule.objects.values_list("runs_made", flat=True)) == {1}
