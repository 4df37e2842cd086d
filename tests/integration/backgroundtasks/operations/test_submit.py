"""P1 and P9: what is accepted is there as a whole, and a repetition is the same submission."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from backgroundtasks import clock, exceptions, operations, queries
from backgroundtasks.handlers import registry
from backgroundtasks.models import IdempotencyKey, Task, TaskStatus
from backgroundtasks.operations import Idempotency
from backgroundtasks.states import FINAL, State
from tests.support import factories

pytestmark = pytest.mark.django_db

KEY = Idempotency(key="k", route="POST /x", digest="a" * 64)


UNSTORABLE = "Holds a NUL or half a surrogate pair, which cannot be stored."


class Undo(Exception):
    """Rolls a transaction back."""


class TestWithinTheCallersTransaction:
    @pytest.mark.parametrize("idempotency", [None, KEY])
    def test_a_submission_goes_when_that_is_rolled_back(
        self, idempotency: Idempotency | None
    ) -> None:
        actor = factories.actor()

        with contextlib.suppress(Undo), transaction.atomic():
            operations.submit(actor, "Work", {}, idempotency=idempotency)
            operations.submit_many(actor, "Work", [{}] * 3)
            raise Undo

        assert not Task.objects.exists()
        assert not TaskStatus.objects.exists()
        assert not IdempotencyKey.objects.exists()

    def test_a_submission_stays_when_that_commits(self) -> None:
        with transaction.atomic():
            submission = operations.submit(factories.actor(), "Work", {})

        assert TaskStatus.objects.get(pk=submission.run_id).state == State.QUEUED

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.postgres
    def test_the_wake_up_comes_with_the_commit_and_not_before(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("needs PostgreSQL")
        actor = factories.actor()
        listener = connection.copy()
        listener.connect()
        raw = listener.connection
        raw.execute("LISTEN backgroundtasks")

        def heard() -> int:
            return len(list(raw.notifies(timeout=0.2)))

        try:
            with contextlib.suppress(Undo), transaction.atomic():
                operations.submit(actor, "Work", {})
                raise Undo
            assert heard() == 0
            with transaction.atomic():
                operations.submit(actor, "Work", {})
                assert heard() == 0
            assert heard() == 1
            operations.submit_many(actor, "Work", [{}] * 2000)
            assert heard() == 1
        finally:
            listener.close()


class TestASubmission:
    @pytest.mark.parametrize(
        "task_type, parameters, error, text",
        [
            ("Nothing", {}, exceptions.TaskTypeUnknown, "There is no task type 'Nothing'."),
            (
                "NobodysWork",
                {},
                exceptions.PermissionRefused,
                (
                    "You may not start NobodysWork: it needs a permission that its handler does not "
                    "name."
                ),
            ),
            (
                "Work",
                {"Nope": 1, "Also": 2},
                exceptions.ParametersInvalid,
                (
                    "The parameters of Work are not valid. Also: There is no parameter of this name.; "
                    "Nope: There is no parameter of this name."
                ),
            ),
            (
                "Work",
                {"Steps": "many"},
                exceptions.ParametersInvalid,
                "The parameters of Work are not valid. Steps: A valid integer is required.",
            ),
            (
                "Work",
                [],
                exceptions.ParametersInvalid,
                "The parameters of Work are not valid. Parameters: Must be an object.",
            ),
            *(
                (
                    "Work",
                    {"Result": value},
                    exceptions.ParametersInvalid,
                    f"The parameters of Work are not valid. Result: {problem}",
                )
                for value, problem in (
                    (float("nan"), "Value must be valid JSON."),
                    ({"a": [float("inf")]}, "Value must be valid JSON."),
                    ("a\0b", UNSTORABLE),
                    ({"a": [{"\ud800": 1}]}, UNSTORABLE),
                    ([{"$sealed": "mine"}], "Holds the reserved name $sealed."),
                )
            ),
        ],
    )
    def test_that_is_refused_stores_nothing(
        self, task_type: str, parameters: Any, error: type[Exception], text: str
    ) -> None:
        actor = factories.actor()

        with pytest.raises(error) as refusal:
            operations.submit(actor, task_type, parameters)

        assert str(refusal.value) == text
        assert not Task.objects.exists()

    def test_of_many_stores_all_or_none(self) -> None:
        with pytest.raises(exceptions.ParametersInvalid):
            operations.submit_many(factories.actor(), "Work", [{}] * 1500 + [{"Steps": "x"}])

        assert not TaskStatus.objects.exists()

    def test_of_many_keeps_their_order(self) -> None:
        ids = operations.submit_many(factories.actor(), "Work", [{}] * 1100)

        assert list(TaskStatus.objects.order_by("position").values_list("pk", flat=True)) == ids

    def test_for_later_waits_as_scheduled(self) -> None:
        due = clock.now() + timedelta(hours=1)

        submission = operations.submit(factories.actor(), "Work", {}, run_after=due)

        run = TaskStatus.objects.get(pk=submission.run_id)
        assert submission.scheduled
        assert (run.state, run.run_after) == (State.SCHEDULED, due)


class TestAnIdempotencyKey:
    def test_with_the_same_body_leads_to_the_same_run(self) -> None:
        actor = factories.actor()

        first = operations.submit(actor, "Work", {}, idempotency=KEY)
        again = operations.submit(actor, "Work", {}, idempotency=KEY)

        assert (first.created, again.created) == (True, False)
        assert again.run_id == first.run_id
        assert again.queued_at == TaskStatus.objects.get().queued_at

    def test_with_another_body_is_refused(self) -> None:
        actor = factories.actor()
        operations.submit(actor, "Work", {}, idempotency=KEY)

        with pytest.raises(exceptions.IdempotencyConflict) as refusal:
            operations.submit(
                actor, "Work", {}, idempotency=dataclasses.replace(KEY, digest="b" * 64)
            )

        assert str(refusal.value) == (
            "The idempotency key 'k' was used before with another request."
        )
        assert TaskStatus.objects.count() == 1

    def test_is_a_keys_own_for_each_account_user_and_route(self) -> None:
        actor = factories.actor()
        colleague = factories.actor(account=actor.account)
        elsewhere = factories.MembershipFactory.create(user=actor.user, is_default=False)
        abroad = queries.actor_of(actor.user, elsewhere.account_id)

        made = [
            operations.submit(who, "Work", {}, idempotency=key).created
            for who, key in [
                (actor, KEY),
                (colleague, KEY),
                (abroad, KEY),
                (actor, dataclasses.replace(KEY, route="POST /y")),
                (actor, dataclasses.replace(KEY, key="l")),
            ]
        ]

        assert made == [True] * 5
        assert TaskStatus.objects.count() == 5

    def test_is_forgotten_after_a_day(self) -> None:
        actor = factories.actor()
        operations.submit(actor, "Work", {}, idempotency=KEY)
        keys = IdempotencyKey.objects.all()
        keys.update(created_at=clock.now() - timedelta(hours=23.9))
        assert not operations.submit(actor, "Work", {}, idempotency=KEY).created
        keys.update(created_at=clock.now() - timedelta(hours=24.1))

        assert operations.submit(actor, "Work", {}, idempotency=KEY).created
        assert TaskStatus.objects.count() == 2

    def test_is_answered_also_when_the_submission_would_be_refused_by_now(self) -> None:
        actor = factories.actor()
        first = operations.submit(actor, "OneAtATime", {"Key": "a"}, idempotency=KEY)

        again = operations.submit(actor, "OneAtATime", {"Key": "a"}, idempotency=KEY)

        assert again.run_id == first.run_id


class TestAnExclusiveKey:
    @pytest.mark.parametrize("state", sorted(set(State) - FINAL))
    def test_refuses_a_second_run_while_one_is_unfinished(self, state: State) -> None:
        actor = factories.actor()
        first = operations.submit(actor, "OneAtATime", {"Key": "a"})
        TaskStatus.objects.filter(pk=first.run_id).update(state=state)

        with pytest.raises(exceptions.ExclusiveRunExists) as refusal:
            operations.submit(actor, "OneAtATime", {"Key": "a"})

        assert str(refusal.value) == "A OneAtATime for the same thing has not finished yet."
        assert operations.submit(actor, "OneAtATime", {"Key": "b"}).created
        assert operations.submit(factories.actor(), "OneAtATime", {"Key": "a"}).created

    @pytest.mark.parametrize("state", sorted(FINAL))
    def test_is_free_when_the_run_has_finished(self, state: State) -> None:
        actor = factories.actor()
        first = operations.submit(actor, "OneAtATime", {"Key": "a"})
        TaskStatus.objects.filter(pk=first.run_id).update(state=state)

        assert operations.submit(actor, "OneAtATime", {"Key": "a"}).created

    def test_refuses_many_at_once_and_a_retry_too(self) -> None:
        actor = factories.actor()
        first = operations.submit(actor, "OneAtATime", {"Key": "a"})
        TaskStatus.objects.filter(pk=first.run_id).update(state=State.FAILED)
        operations.submit(actor, "OneAtATime", {"Key": "a"})

        with pytest.raises(exceptions.ExclusiveRunExists):
            operations.retry(actor, first.run_id)
        with pytest.raises(exceptions.ExclusiveRunExists):
            operations.submit_many(actor, "OneAtATime", [{"Key": "b"}, {"Key": "b"}])
        assert TaskStatus.objects.count() == 2

    def test_tells_long_keys_apart(self) -> None:
        actor = factories.actor()
        operations.submit(actor, "OneAtATime", {"Key": "x" * 500 + "1"})

        assert operations.submit(actor, "OneAtATime", {"Key": "x" * 500 + "2"}).created


class TestAccepted:
    """What a handler writes is stored together with its run."""

    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        told: list[Any] = []

        def accepted(cls: Any, actor: Any, run_id: Any, parameters: dict[str, Any]) -> None:
            assert TaskStatus.objects.filter(pk=run_id).exists()
            told.append((actor, run_id, parameters["Mark"]))
            if parameters["Mark"] == "refused":
                raise exceptions.SubmissionRefused("It cannot be after all.")

        monkeypatch.setattr(registry.get("Work"), "accepted", classmethod(accepted))
        return told

    @pytest.mark.parametrize("idempotency", [None, KEY])
    def test_is_told_of_each_run_once(
        self, told: list[Any], idempotency: Idempotency | None
    ) -> None:
        actor = factories.actor()

        submission = operations.submit(actor, "Work", {"Mark": "x"}, idempotency=idempotency)
        if idempotency is not None:
            operations.submit(actor, "Work", {"Mark": "x"}, idempotency=idempotency)

        assert told == [(actor, submission.run_id, "x")]

    @pytest.mark.parametrize("idempotency", [None, KEY])
    def test_takes_the_run_with_it_when_it_refuses(
        self, told: list[Any], idempotency: Idempotency | None
    ) -> None:
        with pytest.raises(exceptions.SubmissionRefused):
            operations.submit(
                factories.actor(), "Work", {"Mark": "refused"}, idempotency=idempotency
            )

        assert len(told) == 1
        assert not Task.objects.exists()
        assert not IdempotencyKey.objects.exists()

    def test_is_not_told_of_a_run_that_waits_for_its_time(self, told: list[Any]) -> None:
        due = clock.now() + timedelta(hours=1)

        operations.submit(factories.actor(), "Work", {"Mark": "x"}, run_after=due)

        assert told == []
