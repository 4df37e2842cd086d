"""Start a task."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction

from backgroundtasks import clock, conf, exceptions
from backgroundtasks.handlers import TaskHandler, permissions, registry, storable
from backgroundtasks.lifecycle import exclusive, rows, store
from backgroundtasks.models import IdempotencyKey, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from backgroundtasks.handlers import Actor

_CHUNK = 1000
_MOST_LABELS = 50
_LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a repeated submission the same one: per account, user and route."""

    key: str
    #: `POST /api/backgroundtasks`
    route: str
    #: SHA-256 of the request's body, in hex.
    digest: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a submission."""

    run_id: UUID
    handler: type[TaskHandler]
    queued_at: datetime
    #: False when an idempotency key led to a run that was there already.
    created: bool = True
    #: True when the run waits for its time.
    scheduled: bool = field(default=False)
    #: Of its task.
    labels: Mapping[str, str] | None = None


def submit(
    actor: Actor,
    task_type: str,
    parameters: dict[str, Any],
    *,
    title: str = "",
    run_after: datetime | None = None,
    priority: int | None = None,
    labels: Mapping[str, str] | None = None,
    idempotency: Idempotency | None = None,
) -> Submission:
    """
    Accept a task: from here on it is not lost.

    Task, run and wake-up are stored together or not at all, and take part in the caller's
    `atomic()`.

    Args:
        actor: Who asks, and in which account.
        task_type: In any letter case.
        parameters: As they came; the handler's serializer validates them.
        title: For people; the handler's own by default.
        run_after: Not before this moment (aware).
        priority: -100 to 100; the handler's own by default.
        labels: Name to value, for people and their filters: texts of at most 100 characters.
        idempotency: Answer a repetition with the first submission's run.

    Raises:
        LabelsInvalid: too many, too long, or no texts; nothing was stored.
        TaskTypeUnknown, PermissionRefused, ParametersInvalid: nothing was stored.
        SubmissionRefused, SubmissionFailed: the handler's own check refused.
        IdempotencyConflict: the key was used with another body.
        ExclusiveRunExists: the handler refuses a second unfinished run of the same key.
    """
    handler = registry.get(task_type)
    permissions.require(handler.permissions, actor, f"start {handler.task_type}")
    if idempotency is not None:
        # A repetition is answered even when the check below would refuse it by now.
        known = find_known(actor, idempotency)
        if known is not None:
            return known
    run = new_run(
        actor,
        handler,
        parameters,
        title=title,
        run_after=run_after,
        priority=priority,
        labels=labels,
        check=True,
    )
    if run.scheduled or handler.accepted.__func__ is TaskHandler.accepted.__func__:  # type: ignore[attr-defined]
        return store_run(actor, handler, run, idempotency, with_task=True)
    with transaction.atomic():
        submission = store_run(actor, handler, run, idempotency, with_task=True)
        if submission.created:
            handler.accepted(actor, run.id, handler.loaded(run.parameters or {}))
    return submission


def store_run(
    actor: Actor,
    handler: type[TaskHandler],
    run: rows.NewRun,
    idempotency: Idempotency | None,
    *,
    with_task: bool,
) -> Submission:
    """
    Store a new run, unless its idempotency key has led to one; return that then.

    Raises:
        IdempotencyConflict: the key was used with another body.
        ExclusiveRunExists: the handler refuses a second unfinished run of the same key.
    """
    submission = Submission(
        run.id, handler, run.queued_at, scheduled=run.scheduled, labels=run.labels
    )
    if idempotency is None:
        if not handler.refuse_while_unfinished:
            store().insert(run, with_task=with_task)
            return submission
        with transaction.atomic():
            _guard_exclusive(handler, run)
            store().insert(run, with_task=with_task)
        return submission
    try:
        with transaction.atomic():
            _guard_exclusive(handler, run)
            store().insert(run, with_task=with_task)
            made, created = IdempotencyKey.objects.get_or_create(
                account=actor.account,
                user=actor.user,
                route=idempotency.route,
                key=idempotency.key,
                defaults={"digest": idempotency.digest, "run_id": run.id},
            )
            if not created:
                # Somebody else came first, at the same moment: ours is taken back.
                transaction.set_rollback(True)
    except exceptions.ExclusiveRunExists:
        # Perhaps by the same submission, at the same moment.
        known = find_known(actor, idempotency)
        if known is None:
            raise
        return known
    return submission if created else _answer(made, idempotency)


def submit_many(
    actor: Actor, task_type: str, many: Iterable[dict[str, Any]], *, priority: int | None = None
) -> list[UUID]:
    """
    Accept many tasks of one type, in order; all or none.

    `check_submission` is not asked. Memory stays flat over chunks of a thousand.

    Raises:
        TaskTypeUnknown, PermissionRefused, ParametersInvalid: nothing was stored.
        ExclusiveRunExists: as for one submission; two of one key are refused as well.
    """
    handler = registry.get(task_type)
    permissions.require(handler.permissions, actor, f"start {handler.task_type}")
    ids: list[UUID] = []

    def made() -> Iterable[Sequence[rows.NewRun]]:
        for chunk in _chunks(many):
            runs = [new_run(actor, handler, parameters, priority=priority) for parameters in chunk]
            if handler.refuse_while_unfinished:
                _guard_many(handler, runs)
            ids.extend(run.id for run in runs)
            yield runs

    with transaction.atomic():
        store().insert_many(made())
    return ids


def new_run(
    actor: Actor,
    handler: type[TaskHandler],
    parameters: dict[str, Any],
    *,
    title: str = "",
    run_after: datetime | None = None,
    priority: int | None = None,
    labels: Mapping[str, str] | None = None,
    check: bool = False,
) -> rows.NewRun:
    """Return the run to be stored."""
    validated = handler.validated(parameters)
    if check:
        handler.check_submission(actor, validated)
    now = clock.now()
    key = handler.exclusive_key(validated)
    resource = handler.resource(validated)
    return rows.NewRun(
        id=uuid.uuid4(),
        task_id=uuid.uuid4(),
        account_id=actor.account.pk,
        owner_id=actor.user.pk,
        task_type=handler.task_type,
        title=title[:200],
        parameters=handler.stored(validated),
        origin=actor.origin,
        labels=checked_labels(labels),
        resource=None if resource is None else asdict(resource),
        queue=handler.queue,
        priority=handler.priority if priority is None else priority,
        position=clock.position(),
        run_after=run_after or now,
        queued_at=now,
        scheduled=run_after is not None and run_after > now,
        batchable=handler.short and key is None,
        exclusive_key=None
        if key is None
        else exclusive.scoped_key(actor.account.pk, handler.task_type, key),
    )


def checked_labels(labels: Mapping[str, Any] | None) -> dict[str, str] | None:
    """
    Return labels that can be stored.

    Raises:
        LabelsInvalid: too many, too long, or no texts.
    """
    if not labels:
        return None
    if len(labels) > _MOST_LABELS:
        raise exceptions.LabelsInvalid(f"A task has at most {_MOST_LABELS} labels.")
    for name, value in labels.items():
        texts: tuple[Any, Any] = (name, value)
        for text in texts:
            if not isinstance(text, str) or len(text) > _LONGEST_LABEL or storable.problem(text):
                raise exceptions.LabelsInvalid(
                    f"Names and values of labels are texts of at most {_LONGEST_LABEL} characters."
                )
        if not name:
            raise exceptions.LabelsInvalid("A label has a name.")
    return dict(labels)


def _guard_exclusive(handler: type[TaskHandler], run: rows.NewRun) -> None:
    """
    Refuse a second unfinished run of a key, for handlers that want that.

    Within a transaction: until its end, whoever else asks for the key waits.
    """
    if not handler.refuse_while_unfinished or run.exclusive_key is None:
        return
    if exclusive.is_taken(run.exclusive_key):
        raise exceptions.ExclusiveRunExists(handler.task_type)


def _guard_many(handler: type[TaskHandler], runs: Sequence[rows.NewRun]) -> None:
    """Refuse runs that share a key with each other or with an unfinished one."""
    keyed = {run.exclusive_key: run for run in runs if run.exclusive_key is not None}
    if len(keyed) < sum(run.exclusive_key is not None for run in runs):
        raise exceptions.ExclusiveRunExists(handler.task_type)
    # In one order everywhere, so that two who ask for several keys never wait for each other.
    for key in sorted(keyed):
        _guard_exclusive(handler, keyed[key])


def hold_task(task_id: UUID) -> bool:
    """Keep a task from going with its last run until the transaction ends; False: it is gone."""
    held = Task.objects.select_for_update(no_key=True).filter(pk=task_id)
    return held.values_list("pk", flat=True).first() is not None


def find_known(actor: Actor, idempotency: Idempotency) -> Submission | None:
    """Return the earlier submission of this key, if it is remembered."""
    keys = IdempotencyKey.objects.filter(
        account=actor.account, user=actor.user, route=idempotency.route, key=idempotency.key
    ).select_related("run")
    known = keys.first()
    if known is None:
        return None
    if known.created_at < clock.now() - conf.IDEMPOTENCY:
        known.delete()  # this one, and none that somebody made at this very moment
        return None
    return _answer(known, idempotency)


def _answer(known: IdempotencyKey, idempotency: Idempotency) -> Submission:
    """Return the earlier submission; refuse when its body was another."""
    if known.digest != idempotency.digest:
        raise exceptions.IdempotencyConflict(idempotency.key)
    run = known.run
    return Submission(run.pk, registry.get(run.task_type), run.queued_at, created=False)


def _chunks(many: Iterable[dict[str, Any]]) -> Iterable[Sequence[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for one in many:
        chunk.append(one)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
