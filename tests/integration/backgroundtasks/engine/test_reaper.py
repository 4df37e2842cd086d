"""What becomes of runs whose worker cannot do them any more (P4 to P7)."""

from __future__ import annotations

import os
import uuid
from datetime import timedelta
from typing import Any

import pytest

from backgroundtasks import clock, conf
from backgroundtasks.engine import process, reaper
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import Attempt, TaskStatus, Worker
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids that were killed, without killing anything."""
    pids: list[int] = []
    monkeypatch.setattr(process, "kill", lambda pid, started: pids.append(pid) or True)
    return pids


def _worker(*, lives: bool = True, here: bool = True, silent: bool = True) -> Worker:
    """Return a worker; a silent one has not said for a day that it lives."""
    now = clock.now()
    return Worker.objects.create(
        host="here" if here else "there",
        host_id=process.host_id() if here else "another machine",
        pid=os.getpid(),
        pid_started=(process.started(os.getpid()) or 0) + (0 if lives else 1),
        beat_at=now - DAY if silent else now,
    )


def _run(worker: Worker, state: State = State.RUNNING, **values: Any) -> TaskStatus:
    return factories.run(state, worker_id=worker.pk, **values)


def _expired() -> dict[str, Any]:
    return {"lease_until": clock.now() - timedelta(seconds=1)}


class TestADeadWorkersRun:
    """P5, the whole table."""

    @pytest.mark.parametrize(
        "task_type, state, attempt, interruptions, batch, stopping, ends, outcome",
        [
            ("Work", "running", 1, 0, False, False, "lost", None),
            ("Work", "running", 1, 0, False, True, "lost", None),
            ("Work", "cancelling", 1, 0, False, False, "cancelled", None),
            ("Gone", "running", 1, 0, False, False, "lost", None),
            ("AgainWork", "running", 1, 0, False, False, "scheduled", "died"),
            ("AgainWork", "running", 2, 0, False, False, "scheduled", "died"),
            ("AgainWork", "running", 3, 0, False, False, "failed", None),
            ("AgainWork", "running", 3, 1, False, False, "scheduled", "died"),
            ("AgainWork", "running", 9, 6, False, False, "failed", None),
            ("AgainWork", "running", 3, 0, False, True, "queued", "interrupted"),
            ("AgainWork", "cancelling", 3, 0, False, True, "cancelled", None),
            ("ShortWork", "running", 3, 0, True, False, "queued", "died"),
            ("ShortWork", "running", 3, 0, False, False, "failed", None),
            ("ShortWork", "cancelling", 1, 0, True, False, "cancelled", None),
            ("Work", "pausing", 1, 0, False, False, "lost", None),
            ("AgainWork", "pausing", 1, 0, False, False, "paused", "died"),
            ("AgainWork", "pausing", 3, 0, False, False, "failed", None),
            ("AgainWork", "pausing", 3, 0, False, True, "paused", "interrupted"),
            ("ShortWork", "pausing", 3, 0, True, False, "paused", "died"),
        ],
    )
    def test_ends_or_goes_back_as_its_handler_allows(
        self,
        *,
        task_type: str,
        state: str,
        attempt: int,
        interruptions: int,
        batch: bool,
        stopping: bool,
        ends: str,
        outcome: str | None,
    ) -> None:
        worker = _worker(lives=False)
        run = _run(
            worker,
            State(state),
            task_type=task_type,
            attempt=attempt,
            interruptions=interruptions,
            token=7,
        )
        if batch:
            _run(worker, task_type="ShortWork", token=7)
        elif task_type == "ShortWork":
            _run(worker, task_type="ShortWork", token=8)

        assert reaper.reap_dead_workers(stopping=stopping) >= 1

        run.refresh_from_db()
        assert run.state == ends
        assert run.attempt == attempt
        assert (run.token, run.lease_until) == (None, None)
        assert run.solo == (batch and ends in {"queued", "paused"})
        assert run.interruptions == interruptions + (batch or stopping) * bool(outcome)
        records = Attempt.objects.filter(run=run).values_list("number", "outcome")
        assert list(records) == ([(attempt, outcome)] if outcome else [])
        worker.refresh_from_db()
        assert worker.stopped_at is not None

    def test_says_why_in_words_for_people(self) -> None:
        worker = _worker(lives=False)
        lost = _run(worker)
        failed = _run(worker, task_type="AgainWork", attempt=3, token=8)

        reaper.reap_dead_workers()

        lost.refresh_from_db()
        failed.refresh_from_db()
        assert lost.error == (
            f"Lost: its worker here:{os.getpid()} died, and it may have been done in part. "
            "Retry it if it may run again."
        )
        assert failed.error == f"Gave up after 3 attempts: its worker here:{os.getpid()} died."

    @pytest.mark.parametrize("here, lives", [(True, True), (False, False)])
    def test_is_left_alone_while_nobody_knows_its_worker_dead(
        self, *, here: bool, lives: bool
    ) -> None:
        run = _run(_worker(here=here, lives=lives))

        assert reaper.reap_dead_workers() == 0
        run.refresh_from_db()
        assert run.state == State.RUNNING

    def test_is_settled_once_by_several_keepers(self) -> None:
        run = _run(_worker(lives=False), task_type="AgainWork")
        found = list(TaskStatus.objects.select_related("worker"))

        for _ in range(3):
            reaper._recover_one(found[0], "it died", interrupted=False, batch=False)

        run.refresh_from_db()
        assert run.state == State.SCHEDULED
        assert Attempt.objects.count() == 1


class TestAnExpiredLease:
    def test_is_taken_from_a_worker_of_another_machine(self, killed: list[int]) -> None:
        run = _run(_worker(here=False), task_type="AgainWork", **_expired())

        assert reaper.reap_expired_leases() == 1

        run.refresh_from_db()
        assert run.state == State.SCHEDULED
        assert run.text == "Interrupted: its worker did not renew the lease."
        assert killed == []

    def test_of_a_silent_worker_of_this_machine_kills_it(self, killed: list[int]) -> None:
        _run(_worker(), **_expired())

        reaper.reap_expired_leases()

        assert killed == [os.getpid()]

    def test_of_a_worker_that_lives_and_has_let_go_of_the_run_harms_no_other_run_of_it(
        self, killed: list[int]
    ) -> None:
        worker = _worker(silent=False)
        run = _run(worker, **_expired())
        other = _run(worker, token=8)

        assert reaper.reap_expired_leases() == 1

        assert killed == []
        run.refresh_from_db()
        other.refresh_from_db()
        assert (run.state, other.state) == (State.LOST, State.RUNNING)

    def test_is_not_taken_while_it_lasts(self) -> None:
        _run(_worker())

        assert reaper.reap_expired_leases() == 0


class TestATimeout:
    def _hanging(self, worker: Worker, **values: Any) -> TaskStatus:
        return _run(worker, started_at=clock.now() - 2 * DAY, **values)

    def test_ends_the_run_and_kills_its_worker(self, killed: list[int]) -> None:
        run = self._hanging(_worker())

        assert reaper.enforce_timeouts() == 1

        run.refresh_from_db()
        assert (run.state, run.error) == (State.FAILED, "Timed out after 60 s.")
        assert killed == [os.getpid()]

    def test_of_a_batch_uses_up_nothing_of_the_runs_that_never_began(
        self, killed: list[int]
    ) -> None:
        worker = _worker()
        runs = [self._hanging(worker, task_type="ShortWork", token=7) for _ in range(3)]

        assert reaper.enforce_timeouts() == 3

        assert set(killed) == {os.getpid()}
        for run in runs:
            run.refresh_from_db()
            assert (run.state, run.solo, run.interruptions) == (State.QUEUED, True, 1)

    def test_is_kept_by_the_machine_that_can_kill(self, killed: list[int]) -> None:
        self._hanging(_worker(here=False))

        assert reaper.enforce_timeouts() == 0
        assert killed == []

    def test_that_was_met_in_the_last_moment_kills_nobody(
        self, killed: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worker = _worker()
        run = self._hanging(worker)
        held = reaper._held_here

        def then_it_ends() -> Any:
            found = list(held().annotate(ran=reaper._since("started_at")))
            arrows.fail(reaper._fence(run), error="e", temporary=False, retention=DAY)
            return type("Found", (), {"annotate": lambda self, **_: found})()

        monkeypatch.setattr(reaper, "_held_here", then_it_ends)

        assert reaper.enforce_timeouts() == 0
        assert killed == []


class TestACancel:
    def test_that_is_not_heeded_is_enforced_after_its_grace(self, killed: list[int]) -> None:
        worker = _worker()
        run = _run(
            worker,
            State.CANCELLING,
            cancel_requested_at=clock.now() - conf.CANCEL_GRACE - timedelta(seconds=1),
        )
        patient = _run(worker, State.CANCELLING, token=8)

        assert reaper.enforce_cancels() == 1

        run.refresh_from_db()
        patient.refresh_from_db()
        assert run.state == State.CANCELLED
        assert run.error == "Cancelled by force: it did not stop by itself."
        assert patient.state == State.CANCELLING
        assert killed == [os.getpid()]


def test_workers_that_fell_silent_long_ago_are_forgotten() -> None:
    old = Worker.objects.create(host="a", host_id="b", pid=1, beat_at=clock.now() - 2 * DAY)
    run = factories.run(State.SUCCEEDED, worker_id=old.pk)
    fresh = Worker.objects.create(id=uuid.uuid4(), host="a", host_id="b", pid=2)

    assert reaper.forget_workers() == 1

    assert list(Worker.objects.all()) == [fresh]
    run.refresh_from_db()
    assert run.worker_id == old.pk
