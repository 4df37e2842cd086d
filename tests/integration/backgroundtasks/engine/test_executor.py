"""One attempt: whatever its handler does, the run ends in a state that is true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction
from rest_framework import serializers

from backgroundtasks import clock, operations, queries
from backgroundtasks.engine import executor
from backgroundtasks.engine.drain import Drainer
from backgroundtasks.handlers import Outcome, SecretField, TaskFailed, registry
from backgroundtasks.handlers.context import Cancelled
from backgroundtasks.lifecycle import arrows
from backgroundtasks.models import Attempt, Membership, Message, TaskStatus
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db(transaction=True)


def _do(drainer: Drainer, task_type: str, parameters: dict[str, Any] | None = None) -> TaskStatus:
    submission = operations.submit(factories.actor(), task_type, parameters or {})
    drainer.drain()
    return TaskStatus.objects.get(pk=submission.run_id)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class TestWhateverAHandlerRaises:
    @pytest.mark.parametrize(
        "error, text",
        [
            (RuntimeError("boom"), "RuntimeError: boom"),
            (ValueError(), "ValueError"),
            (SystemExit(3), "SystemExit: 3"),
            (KeyboardInterrupt(), "KeyboardInterrupt"),
            (Unspeakable(), "Unspeakable"),
            (RuntimeError("a\0b"), "RuntimeError: a\N{REPLACEMENT CHARACTER}b"),
            (RuntimeError("a\ud800b"), "RuntimeError: a\N{REPLACEMENT CHARACTER}b"),
            (TaskFailed("No space left."), "No space left."),
            (TaskFailed(""), "Failed without a reason."),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_ends_its_run_as_failed(
        self, make_handler: Any, drainer: Drainer, error: BaseException, text: str
    ) -> None:
        def perform(*_: Any) -> None:
            raise error

        make_handler(perform)

        run = _do(drainer, "Played")

        assert (run.state, run.error) == (State.FAILED, text)
        assert run.token is None

    def test_keeps_a_traceback_for_its_author_also_when_the_text_is_long(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(*_: Any) -> None:
            raise RuntimeError("ошибка\n" * 4000)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert run.state == State.FAILED
        message = Message.objects.get(run=run)
        assert message.key == "run.exception"
        assert "ошибка" in message.parameters["traceback"]

    @pytest.mark.parametrize(
        "leave_open",
        [lambda: transaction.set_autocommit(False), lambda: transaction.atomic().__enter__()],
        ids=["without autocommit", "an atomic block"],
    )
    def test_is_settled_although_it_left_the_connection_in_a_transaction(
        self, make_handler: Any, drainer: Drainer, leave_open: Callable[[], None]
    ) -> None:
        def perform(*_: Any) -> None:
            leave_open()
            raise RuntimeError("boom")

        make_handler(perform)

        assert _do(drainer, "Played").state == State.FAILED
        assert connection.get_autocommit()

    def test_leaves_nothing_for_the_pulse_to_renew(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(*_: Any) -> None:
            raise Unspeakable

        make_handler(perform)

        _do(drainer, "Played")

        assert drainer._pulse.batch is None
        assert drainer._pulse.execution is None


class TestAResult:
    @pytest.mark.parametrize(
        "value",
        [float("nan"), float("inf"), {1, 2}, object(), "\ud800", {"deep": ["\udfff"]}],
        ids=["NaN", "infinity", "set", "object", "lone surrogate", "lone surrogate within"],
    )
    def test_that_is_no_json_fails_the_run_with_a_text(
        self, make_handler: Any, drainer: Drainer, value: object
    ) -> None:
        make_handler(lambda *_: Outcome(result={"Value": value}))

        run = _do(drainer, "Played")

        assert run.state == State.FAILED
        assert run.error.startswith("The result cannot be stored as JSON: ")
        assert run.result is None

    def test_that_the_database_refuses_fails_alone(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        make_handler(
            lambda context, parameters: Outcome(result={"Value": parameters["Text"]}),
            idempotent=True,
            short=True,
            Parameters=type(
                "Parameters",
                (serializers.Serializer,),
                {"Text": serializers.CharField(trim_whitespace=False)},
            ),
        )
        make_handler(lambda *_: Outcome(result={"Value": "a\0b"}), name="Nul", idempotent=True, short=True)  # fmt: skip
        actor = factories.actor()
        drainer._most = 10
        good = operations.submit(actor, "Played", {"Text": "a"})
        bad = operations.submit(actor, "Nul", {})
        also_good = operations.submit(actor, "Played", {"Text": "b"})

        drainer.drain()

        ends = dict(TaskStatus.objects.values_list("pk", "state"))
        assert ends[good.run_id] == ends[also_good.run_id] == State.SUCCEEDED
        run = TaskStatus.objects.get(pk=bad.run_id)
        if connection.vendor == "postgresql":
            assert run.state == State.FAILED
            assert run.error == "The result cannot be stored in this database."
        else:
            assert run.result == {"values": {"Value": "a\0b"}, "warnings": []}

    def test_with_warnings_is_one_line_in_the_log(
        self, make_handler: Any, drainer: Drainer, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_handler(lambda *_: Outcome(warnings=["One is odd.", "So is another."]))

        run = _do(drainer, "Played")

        assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
            f"run.warned run_id={run.pk} type=Played attempt=1 warnings=2 first=One is odd."
        ]

    def test_with_warnings_ends_warned_and_says_each(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        make_handler(lambda *_: Outcome(result={"n": 1}, warnings=["One is odd."]))

        run = _do(drainer, "Played")

        assert run.state == State.WARNED
        assert run.result == {"values": {"n": 1}, "warnings": ["One is odd."]}
        assert [m.text for m in Message.objects.filter(run=run)] == ["One is odd."]


class TestProgress:
    @pytest.mark.parametrize(
        "steps, stored",
        [
            ([(0, 100, "Reading"), (7,)], (7, 100, "Reading")),
            ([(1, 10, "a\0b")], (1, 10, "a\N{REPLACEMENT CHARACTER}b")),
            ([(1, 10, "a\ud800b")], (1, 10, "a\N{REPLACEMENT CHARACTER}b")),
            ([(10**30, 10**30, "x")], (2**63 - 1, 2**63 - 1, "x")),
            ([(-5, -1, "x")], (0, 0, "x")),
            ([(12, 10, "x")], (10, 10, "x")),
        ],
        ids=["kept", "NUL", "surrogate", "huge", "negative", "beyond its total"],
    )
    def test_is_stored_with_the_end(
        self,
        make_handler: Any,
        drainer: Drainer,
        steps: list[Any],
        stored: tuple[int, int, str],
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            for step in steps:
                context.progress(*step)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert run.state == State.SUCCEEDED
        assert (run.processed, run.total, run.text) == stored

    @pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
    def test_of_any_text_reaches_the_database_through_the_pulse(
        self, make_handler: Any, drainer: Drainer, text: str
    ) -> None:
        seen: list[Any] = []

        def perform(context: Any, _: Any) -> None:
            context.progress(3, 10**40, text)
            drainer._pulse._tick()
            seen.append(TaskStatus.objects.values_list("processed", "text").get(pk=context.run_id))

        make_handler(perform)

        _do(drainer, "Played")

        assert seen == [(3, "a\N{REPLACEMENT CHARACTER}b")]

    def test_of_a_failed_attempt_leaves_no_text_on_the_next_one(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            if context.attempt == 1:
                raise TaskFailed("Busy.", temporary=True, retry_after=timedelta(0))

        make_handler(perform, idempotent=True)
        run = _do(drainer, "Played")
        assert (run.state, run.text) == (State.SCHEDULED, "Busy.")

        arrows.promote_due()
        drainer.drain()

        run.refresh_from_db()
        assert (run.state, run.text) == (State.SUCCEEDED, "")


class TestRetries:
    def test_follow_the_backoff_until_the_attempts_are_used_up(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            raise TaskFailed(f"Busy {context.attempt}.", temporary=True)

        make_handler(perform, idempotent=True, max_attempts=3, backoff=timedelta(minutes=1))
        began = clock.now()
        run = _do(drainer, "Played")

        for failed, pause in ((1, timedelta(minutes=1)), (2, timedelta(minutes=2))):
            run.refresh_from_db()
            assert (run.state, run.attempt) == (State.SCHEDULED, failed)
            assert began + pause * 0.8 <= run.run_after <= clock.now() + pause
            assert drainer.drain() == 0
            TaskStatus.objects.filter(pk=run.pk).update(run_after=began)
            assert arrows.promote_due() == 1
            drainer.drain()

        run.refresh_from_db()
        assert (run.state, run.error, run.temporary) == (State.FAILED, "Busy 3.", True)
        assert [(a.number, a.outcome, a.error) for a in queries.list_attempts(run)] == [
            (1, "failed", "Busy 1."),
            (2, "failed", "Busy 2."),
            (3, "failed", "Busy 3."),
        ]
        assert [a.pk is None for a in queries.list_attempts(run)] == [False, False, True]

    def test_come_when_the_handler_says(self, make_handler: Any, drainer: Drainer) -> None:
        def perform(*_: Any) -> None:
            raise TaskFailed("Later.", temporary=True, retry_after=timedelta(hours=3))

        make_handler(perform, idempotent=True)

        run = _do(drainer, "Played")

        assert timedelta(hours=2.9) < run.run_after - clock.now() <= timedelta(hours=3)

    @pytest.mark.parametrize("idempotent, temporary", [(True, False), (False, True)])
    def test_are_not_made_for_what_would_fail_again_or_may_not_run_again(
        self, make_handler: Any, drainer: Drainer, *, idempotent: bool, temporary: bool
    ) -> None:
        def perform(*_: Any) -> None:
            raise TaskFailed("No.", temporary=temporary)

        make_handler(perform, idempotent=idempotent)

        assert _do(drainer, "Played").state == State.FAILED

    def test_are_not_made_of_a_cancelled_run_and_leave_no_second_record(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            arrows.request_cancel(TaskStatus.objects.filter(pk=context.run_id))
            raise TaskFailed("Busy.", temporary=True)

        make_handler(perform, idempotent=True)

        run = _do(drainer, "Played")

        assert (run.state, run.error) == (State.FAILED, "Busy.")
        assert not Attempt.objects.exists()


class TestStopping:
    def test_a_run_that_was_to_be_cancelled_is_cancelled_when_its_worker_stops(
        self, make_handler: Any, drainer: Drainer, stop_flag: Any
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            arrows.request_cancel(TaskStatus.objects.filter(pk=context.run_id))
            stop_flag.age = 0.0
            context.checkpoint(safe=True)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert run.state == State.CANCELLED
        assert not Attempt.objects.exists()
        assert not Message.objects.filter(key="run.late_write_discarded").exists()

    def test_a_handlers_interruption_by_a_cancel_keeps_its_progress(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            context.progress(4, 9)
            arrows.request_cancel(TaskStatus.objects.filter(pk=context.run_id))
            raise Cancelled

        make_handler(perform)

        run = _do(drainer, "Played")

        assert (run.state, run.processed, run.total) == (State.CANCELLED, 4, 9)


class TestPausing:
    def _pause(self, drainer: Drainer, run_id: Any) -> None:
        """Have somebody pause the run, and the pulse hear of it."""
        assert arrows.request_pause(run_id)
        drainer._pulse.execution.began_at -= 1  # type: ignore[union-attr]
        drainer._pulse._tick()

    def test_takes_effect_at_a_safe_checkpoint_only_and_keeps_memory_and_progress(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        passed = []

        def perform(context: Any, _: Any) -> None:
            if context.attempt == 1:
                self._pause(drainer, context.run_id)
                context.checkpoint()
                passed.append("unsafe")
                context.progress(4, 9)
                context.remember(step=4)
                context.checkpoint(safe=True)
                passed.append("safe")
            passed.append(context.memory["step"])

        make_handler(perform, pausable=True)

        run = _do(drainer, "Played")

        assert passed == ["unsafe"]
        assert (run.state, run.memory, run.processed, run.total) == (
            State.PAUSED,
            {"step": 4},
            4,
            9,
        )
        assert (run.token, run.lease_until, run.interruptions) == (None, None, 1)
        attempt = Attempt.objects.get()
        assert (attempt.number, attempt.outcome) == (1, "paused")
        message = Message.objects.get()
        assert (message.key, message.text) == (
            "run.paused",
            "Paused at a safe checkpoint. Resume it to let it go on.",
        )
        assert arrows.resume(run.pk)
        drainer.drain()
        run.refresh_from_db()
        assert (run.state, run.attempt, passed) == (State.SUCCEEDED, 2, ["unsafe", 4])

    def test_that_is_taken_back_in_time_lets_the_handler_go_on(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            self._pause(drainer, context.run_id)
            assert arrows.withdraw_pause(context.run_id)
            drainer._pulse._look_at = 0.0
            drainer._pulse._tick()
            context.checkpoint(safe=True)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert (run.state, run.attempt) == (State.SUCCEEDED, 1)

    def test_that_is_taken_back_too_late_queues_the_run_again(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            if context.attempt == 1:
                self._pause(drainer, context.run_id)
                assert arrows.withdraw_pause(context.run_id)
                context.checkpoint(safe=True)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert (run.state, run.attempt, run.interruptions) == (State.SUCCEEDED, 2, 1)

    def test_that_turns_into_a_cancel_cancels(self, make_handler: Any, drainer: Drainer) -> None:
        def perform(context: Any, _: Any) -> None:
            self._pause(drainer, context.run_id)
            arrows.request_cancel(TaskStatus.objects.filter(pk=context.run_id))
            context.checkpoint(safe=True)

        make_handler(perform)

        assert _do(drainer, "Played").state == State.CANCELLED

    def test_does_not_undo_an_end_that_comes_first(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        make_handler(lambda context, _: self._pause(drainer, context.run_id))

        assert _do(drainer, "Played").state == State.SUCCEEDED

    def test_is_heeded_when_the_worker_stops(
        self, make_handler: Any, drainer: Drainer, stop_flag: Any
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            arrows.request_pause(context.run_id)
            stop_flag.age = 0.0
            context.checkpoint(safe=True)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert (run.state, run.interruptions) == (State.PAUSED, 1)
        assert Attempt.objects.get().outcome == "interrupted"

    @pytest.mark.parametrize("attempts, ends", [(2, "paused"), (1, "failed")])
    def test_is_heeded_when_the_attempt_fails_and_another_one_is_left(
        self, make_handler: Any, drainer: Drainer, attempts: int, ends: str
    ) -> None:
        def perform(context: Any, _: Any) -> None:
            arrows.request_pause(context.run_id)
            raise TaskFailed("Busy.", temporary=True)

        make_handler(perform, idempotent=True, max_attempts=attempts)

        run = _do(drainer, "Played")

        assert run.state == ends
        assert run.interruptions == 0
        if ends == State.PAUSED:
            assert (Attempt.objects.get().outcome, Attempt.objects.get().error) == (
                "failed",
                "Busy.",
            )
            assert "Attempt 1 failed: Busy." in Message.objects.get().text

    def test_does_not_stop_the_clock(self, make_handler: Any, drainer: Drainer) -> None:
        def perform(context: Any, _: Any) -> None:
            self._pause(drainer, context.run_id)
            context.checkpoint(safe=True)

        make_handler(perform, timeout=timedelta(seconds=1))

        run = _do(drainer, "Played")

        assert (run.state, run.error) == (State.FAILED, "Timed out after 1 s.")


class TestPermission:
    """Asked again when the run starts."""

    def _submit_then(self, change: Any, drainer: Drainer) -> TaskStatus:
        actor = factories.actor()
        submission = operations.submit(actor, "Work", {})
        change(actor)
        drainer.drain()
        return TaskStatus.objects.get(pk=submission.run_id)

    def test_a_role_that_was_withdrawn_refuses_the_run(self, drainer: Drainer) -> None:
        run = self._submit_then(
            lambda actor: Membership.objects.filter(user=actor.user).update(role="viewer"), drainer
        )

        assert run.state == State.FAILED
        assert run.error == "You may not run Work: it needs the role member in the account."

    def test_a_membership_that_ended_refuses_the_run(self, drainer: Drainer) -> None:
        run = self._submit_then(
            lambda actor: Membership.objects.filter(user=actor.user).delete(), drainer
        )

        assert run.state == State.FAILED
        assert run.error == f"The user '{run.owner.username}' is not a member of the account."

    def test_a_user_who_was_switched_off_refuses_the_run(self, drainer: Drainer) -> None:
        run = self._submit_then(
            lambda actor: get_user_model().objects.filter(pk=actor.user.pk).update(is_active=False),
            drainer,
        )

        assert run.error == "You may not run Work: it needs an active user."

    def test_a_user_who_was_deleted_refuses_the_run(self, drainer: Drainer) -> None:
        run = self._submit_then(lambda actor: actor.user.delete(), drainer)

        assert run.error == "The user '(deleted)' is not a member of the account."

    def test_a_handler_that_is_gone_fails_the_run(
        self, make_handler: Any, drainer: Drainer
    ) -> None:
        make_handler(lambda *_: None)
        submission = operations.submit(factories.actor(), "Played", {})
        del registry._handlers["played"]

        drainer.drain()

        run = TaskStatus.objects.get(pk=submission.run_id)
        assert (run.state, run.error) == (
            State.FAILED,
            "No handler has the task type Played any more.",
        )

    def test_is_asked_again_when_the_database_was_away(
        self, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask = executor.actor_of_id
        away = [OperationalError("gone"), None]

        def broken(*arguments: Any) -> Any:
            error = away.pop(0)
            if error is not None:
                raise error
            return ask(*arguments)

        monkeypatch.setattr(executor, "actor_of_id", broken)

        assert _do(drainer, "Work").state == State.SUCCEEDED


SECRET = 'pä"ss\\wörd 1'


class TestASecret:
    @pytest.fixture(autouse=True)
    def _handler(self, make_handler: Any) -> None:
        self.make = lambda perform: make_handler(
            perform,
            Parameters=type(
                "Parameters", (serializers.Serializer,), {"Password": SecretField(required=False)}
            ),
        )

    def test_is_open_to_the_handler_only(self, drainer: Drainer) -> None:
        seen: list[str] = []
        self.make(lambda context, parameters: seen.append(parameters["Password"]))

        run = _do(drainer, "Played", {"Password": SECRET})

        assert seen == [SECRET]
        assert set(run.task.parameters["Password"]) == {"$sealed"}
        assert SECRET not in str(run.task.parameters)

    def test_is_cut_from_errors_messages_tracebacks_progress_and_logs(
        self, drainer: Drainer, caplog: pytest.LogCaptureFixture
    ) -> None:
        shown: list[str] = []

        def perform(context: Any, parameters: Any) -> None:
            secret = parameters["Password"]
            context.message("info", "said", f"with {secret}", value=[{"inner": f"<{secret}>"}])
            context.progress(1, 2, f"using {secret}")
            drainer._pulse._tick()
            shown.append(TaskStatus.objects.get(pk=context.run_id).text)
            raise RuntimeError(f"refused {secret}")

        self.make(perform)

        run = _do(drainer, "Played", {"Password": SECRET})

        assert run.error == "RuntimeError: refused ********"
        assert [run.text, *shown] == ["using ********"] * 2
        said, crashed = Message.objects.filter(run=run).order_by("pk")
        assert said.text == "with ********"
        assert said.parameters == {"value": [{"inner": "<********>"}]}
        assert "refused ********" in crashed.parameters["traceback"]
        stored = str(list(Message.objects.values_list("text", "parameters")))
        assert SECRET not in stored + caplog.text
        assert "wörd" not in stored + caplog.text

    @pytest.mark.parametrize("secret", ["1", '"', "{", "e"])
    def test_of_one_character_harms_no_message(self, drainer: Drainer, secret: str) -> None:
        self.make(lambda context, parameters: context.message("info", "k", "x", n=[1, {"a": "b"}]))

        run = _do(drainer, "Played", {"Password": secret})

        assert run.state == State.SUCCEEDED
        assert Message.objects.get(run=run).parameters == {"n": [1, {"a": "b"}]}

    def test_whose_key_is_missing_fails_the_run_with_a_text(
        self, drainer: Drainer, settings: Any
    ) -> None:
        self.make(lambda *_: None)
        submission = operations.submit(factories.actor(), "Played", {"Password": SECRET})
        settings.TASKCENTER = {**settings.TASKCENTER, "DATA_KEYS": (Fernet.generate_key(),)}

        drainer.drain()

        run = TaskStatus.objects.get(pk=submission.run_id)
        assert run.state == State.FAILED
        assert run.error == "A stored secret cannot be read: its data key is missing."


class TestAMessage:
    @pytest.mark.parametrize(
        "value, stored",
        [
            (float("nan"), "nan"),
            ("x" * 30_000, "x" * 20_000),
            ("a\0\ud800b", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"),
            (timedelta(1), "1 day, 0:00:00"),
            ([True, None, 1.5], [True, None, 1.5]),
        ],
        ids=["NaN", "long", "NUL and surrogate", "no JSON", "JSON"],
    )
    def test_takes_any_value(
        self, make_handler: Any, drainer: Drainer, value: object, stored: object
    ) -> None:
        make_handler(lambda context, _: context.message("loud", "a\0key", "t\0", value=value))

        run = _do(drainer, "Played")

        assert run.state == State.SUCCEEDED
        message = Message.objects.get(run=run)
        assert (message.level, message.text) == ("info", "t\N{REPLACEMENT CHARACTER}")
        assert message.key == "a\N{REPLACEMENT CHARACTER}key"
        assert message.parameters == {"value": stored}

    def test_in_a_handlers_broken_transaction_ends_the_attempt_instead_of_waiting_for_ever(
        self, make_handler: Any, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        remember = arrows.remember
        tries: list[int] = []

        def broken(*arguments: Any, **values: Any) -> bool:
            tries.append(1)
            if len(tries) == 1:
                connection.close()
                raise OperationalError("server closed the connection unexpectedly")
            assert len(tries) < 4, "tried again within a transaction that is lost"
            return remember(*arguments, **values)

        monkeypatch.setattr(arrows, "remember", broken)

        def perform(context: Any, _: Any) -> None:
            with transaction.atomic():
                context.remember(cursor=1)

        make_handler(perform)

        run = _do(drainer, "Played")

        assert run.state == State.FAILED
        assert run.error == "OperationalError: server closed the connection unexpectedly"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_a_handler_that_writes_without_end_leaves_others_their_turn(
    make_handler: Any, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps: list[float] = []
    now = [0.0]
    monkeypatch.setattr(executor.time, "sleep", gaps.append)
    monkeypatch.setattr(executor.time, "monotonic", lambda: now[0])

    def perform(context: Any, _: Any) -> None:
        for _second in range(10):
            now[0] += 1
            with transaction.atomic():
                context.checkpoint()
            context.checkpoint()

    make_handler(perform)

    assert _do(drainer, "Played").state == State.SUCCEEDED
    assert gaps == [0.11, 0.11, 0.11]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's commits do not wait")
def test_a_transaction_that_comes_to_the_disk_with_the_end_does_not_wait_for_it_by_itself(
    make_handler: Any, drainer: Drainer
) -> None:
    seen: list[str] = []

    def waits() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            return str(cursor.fetchone()[0])

    def perform(context: Any, _: Any) -> None:
        with transaction.atomic():
            context.commit_with_end()
            seen.append(waits())
        seen.append(waits())

    make_handler(perform)
    with connection.cursor() as cursor:
        # The tests' own sessions do not wait.
        cursor.execute("SET synchronous_commit TO on")
    try:
        run = _do(drainer, "Played")
    finally:
        connection.close()

    assert seen == ["off", "on"]
    assert run.state == State.SUCCEEDED
