"""`StreamProgress` and server-sent events: as it happens, without a database connection each."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from backgroundtasks.api import watcher
from backgroundtasks.api.enterprise_tester import progress_stream
from backgroundtasks.lifecycle import arrows
from backgroundtasks.lifecycle.rows import Fence
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.http import Caller
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_stream_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watcher, "_IDLE", timedelta(milliseconds=20))
    yield
    wait_for(lambda: progress_stream.open_streams() == 0, "the streams to close")
    # Its connection would keep the test database from being dropped.
    wait_for(lambda: not _watchers(), "the watcher to end")


def _watchers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "backgroundtasks-watcher"]


def _fence(run: TaskStatus) -> Fence:
    return Fence(run.pk, 1, 7)


def _start(run: TaskStatus) -> None:
    """Make a queued run a running one, as a claim does."""
    TaskStatus.objects.filter(pk=run.pk).update(
        state=State.RUNNING, attempt=1, token=7, started_at=run.queued_at, event=2
    )


def _stream(caller: Caller, **members: Any) -> Any:
    return caller.post("/api/backgroundtasks", {"Type": "Work", "StreamProgress": True, **members})


class TestStreamProgress:
    @pytest.mark.spec("enterprise_tester", "Background Tasks", "StreamProgress")
    def test_is_one_array_whose_elements_come_as_they_happen(self, caller: Caller) -> None:
        answer = _stream(caller)
        pieces = iter(answer.streaming_content)
        run = TaskStatus.objects.get()

        text = next(pieces)
        assert json.loads(text + b"]")[0]["ProgressInPercent"] == 0.0
        _start(run)
        text += next(pieces)
        arrows.report(_fence(run), processed=1, total=3, text="Indexing")
        text += next(pieces)
        assert [e["ProgressInPercent"] for e in json.loads(text + b"]")] == [0.0, 0.0, 0.33]
        arrows.fail(_fence(run), error="No.", temporary=False, retention=DAY)
        text += b"".join(pieces)

        elements = json.loads(text)
        assert answer.status_code == 202
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        assert answer["X-Accel-Buffering"] == "no"
        assert answer["Location"] == elements[0]["Self"]
        assert {e["Id"] for e in elements} == {f"work-{run.pk}"}
        assert ["Error" in e for e in elements] == [False, False, False, True]
        assert caller.get(answer["Location"]).json() == elements[-1]

    def test_the_task_survives_its_client(self, caller: Caller) -> None:
        answer = _stream(caller)
        next(iter(answer.streaming_content))

        answer.close()

        assert progress_stream.open_streams() == 0
        assert caller.get(answer["Location"]).json()["State"] == "queued"

    def test_a_client_that_leaves_before_the_first_byte_gives_its_place_back(
        self, caller: Caller
    ) -> None:
        answer = _stream(caller)
        assert progress_stream.open_streams() == 1

        answer.close()

        assert progress_stream.open_streams() == 0

    def test_a_refused_start_takes_no_place(self, caller: Caller) -> None:
        answer = _stream(caller, Type="Nope")

        assert (answer.status_code, list(answer.json())) == (403, ["Message"])
        assert progress_stream.open_streams() == 0

    def test_a_repetition_of_a_finished_one_is_an_array_of_one(self, caller: Caller) -> None:
        body = {"Type": "Work", "StreamProgress": True}
        caller.post("/api/backgroundtasks", body, idempotency_key="a").close()
        TaskStatus.objects.update(state=State.SUCCEEDED)

        answer = caller.post("/api/backgroundtasks", body, idempotency_key="a")

        (only,) = json.loads(b"".join(answer.streaming_content))
        assert only["Complete"] is True

    def test_a_run_that_is_deleted_ends_the_array(self, caller: Caller) -> None:
        answer = _stream(caller)
        pieces = iter(answer.streaming_content)
        first = next(pieces)

        TaskStatus.objects.all().delete()

        assert len(json.loads(first + b"".join(pieces))) == 1

    def test_a_quiet_stream_shows_that_it_lives(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress_stream, "HEARTBEAT", timedelta(milliseconds=1))
        answer = _stream(caller)
        pieces = iter(answer.streaming_content)
        next(pieces)

        assert next(pieces) == b"\n"

        answer.close()


class TestLimit:
    def test_a_stream_beyond_the_limit_is_503_and_starts_nothing(
        self, caller: Caller, settings: Any
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "STREAMS": 1}
        open_one = _stream(caller)

        answer = _stream(caller)

        assert (answer.status_code, list(answer.json())) == (503, ["Message"])
        assert int(answer["Retry-After"]) > 0
        assert TaskStatus.objects.count() == 1
        open_one.close()
        _stream(caller).close()

    def test_streams_share_one_query_however_many_there_are(self, caller: Caller) -> None:
        streams = [_stream(caller) for _ in range(10)]

        assert len(_watchers()) == 1
        for stream in streams:
            stream.close()

    def test_an_open_stream_holds_no_connection(self, caller: Caller) -> None:
        answer = _stream(caller)

        assert connection.connection is None
        answer.close()


class TestEvents:
    def test_show_the_run_at_once_and_every_change(self, caller: Caller) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor, total=3)

        answer = caller.get(f"/api/backgroundtask/work-{run.pk}/events")
        pieces = iter(answer.streaming_content)
        assert next(pieces) == b"retry: 3000\n\n"
        first = _read(next(pieces))
        arrows.report(_fence(run), processed=1, total=3, text="Indexing")
        second = _read(next(pieces))
        arrows.settle_cancelled(_fence(run), reason="Enough.", retention=DAY)
        TaskStatus.objects.filter(pk=run.pk, state=State.RUNNING).update(
            state=State.FAILED, error="Enough.", event=9
        )
        last = [_read(piece) for piece in pieces]

        assert answer["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer["Cache-Control"] == "no-store"
        assert (first["event"], first["id"]) == ("progress", "1")
        assert (second["event"], second["data"]["Message"]) == ("progress", "Indexing")
        assert [event["event"] for event in last] == ["end"]
        assert last[0]["data"]["Error"] == "Enough."

    def test_what_the_client_has_seen_is_not_sent_again(self, caller: Caller) -> None:
        run = factories.run(State.RUNNING, owner=caller.actor, event=5)

        answer = caller.get(f"/api/backgroundtask/work-{run.pk}/events", last_event_id="5")
        pieces = iter(answer.streaming_content)
        next(pieces)
        arrows.report(_fence(run), processed=1, total=3, text="Indexing")

        assert _read(next(pieces))["id"] == "6"
        answer.close()

    def test_who_has_seen_the_end_is_told_to_stay_away(self, caller: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=caller.actor, event=5)

        answer = caller.get(f"/api/backgroundtask/work-{run.pk}/events", last_event_id="5")

        assert (answer.status_code, answer.content) == (204, b"")

    def test_a_finished_run_is_one_event(self, caller: Caller) -> None:
        run = factories.run(State.SUCCEEDED, owner=caller.actor)

        answer = caller.get(f"/api/backgroundtask/work-{run.pk}/events")

        events = [_read(piece) for piece in list(answer.streaming_content)[1:]]
        assert [event["event"] for event in events] == ["end"]

    def test_a_quiet_stream_shows_that_it_lives(
        self, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress_stream, "HEARTBEAT", timedelta(milliseconds=1))
        run = factories.run(State.RUNNING, owner=caller.actor)
        answer = caller.get(f"/api/backgroundtask/work-{run.pk}/events")
        pieces = iter(answer.streaming_content)
        next(pieces), next(pieces)

        assert next(pieces).startswith(b": ")

        answer.close()

    def test_a_foreign_run_is_404(self, caller: Caller) -> None:
        foreign = factories.run()

        answer = caller.get(f"/api/backgroundtask/work-{foreign.pk}/events")

        assert (answer.status_code, list(answer.json())) == (404, ["Message"])
        assert progress_stream.open_streams() == 0


def test_streams_go_on_when_the_database_was_away(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watcher, "_RECOVERY", timedelta(milliseconds=10))
    real = progress_stream._watcher._read
    failures = iter([True, True])

    def away(ids: Any) -> Any:
        if next(failures, False):
            raise DatabaseError("gone fishing")
        return real(ids)

    monkeypatch.setattr(progress_stream._watcher, "_read", away)
    answer = _stream(caller)
    pieces = iter(answer.streaming_content)
    next(pieces)

    TaskStatus.objects.update(state=State.SUCCEEDED, event=2)

    assert json.loads(b"[" + next(pieces)[1:] + b"]")[0]["Complete"] is True
    assert caplog.text.count("watcher.database_away") == 2
    answer.close()


def _read(piece: bytes) -> dict[str, Any]:
    fields = dict(line.split(": ", 1) for line in piece.decode().strip().split("\n"))
    return {**fields, "data": json.loads(fields["data"])}
