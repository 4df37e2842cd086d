"""The base of every task type."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Q
from rest_framework import serializers

from backgroundtasks import conf, exceptions
from backgroundtasks.handlers import registry, secrets
from backgroundtasks.handlers.storable import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from backgroundtasks.handlers.actor import Actor
    from backgroundtasks.handlers.context import TaskContext
    from backgroundtasks.handlers.outcome import Outcome
    from backgroundtasks.handlers.permissions import Permission
    from backgroundtasks.handlers.resource import Resource


class TaskHandler:
    """
    One task type: what it takes, who may start and see it, and how it is done.

    A subclass with a `task_type` registers itself; put it into `<app>/handlers/`. It must
    give `permissions` and `perform`; the rest has defaults.
    """

    #: Public name, matched in any letter case: `Reindex`.
    task_type: ClassVar[str] = ""
    #: All must be met to start it; empty: nobody may.
    permissions: ClassVar[tuple[Permission, ...]] = ()

    #: It may run again after its worker died, or failed for a passing reason.
    idempotent: ClassVar[bool] = False
    #: It may be paused: it has safe checkpoints, from which it goes on through `memory`.
    pausable: ClassVar[bool] = False
    #: It takes milliseconds: several may be claimed and finished together. Needs `idempotent`.
    short: ClassVar[bool] = False
    #: From the start of an attempt; then it fails. Kept even when it does not look.
    timeout: ClassVar[timedelta | None] = None
    #: Attempts that may fail before the run does; only for idempotent handlers above 1.
    max_attempts: ClassVar[int | None] = None
    #: Wait before the second attempt; doubled for each further one, with jitter.
    backoff: ClassVar[timedelta | None] = None
    #: How long its worker may fail to renew its lease; longer for calls that block all threads.
    lease: ClassVar[timedelta | None] = None
    queue: ClassVar[str] = "default"
    #: -100 to 100; the higher one starts first.
    priority: ClassVar[int] = 0
    #: How long a finished run is kept.
    retention: ClassVar[timedelta | None] = None
    #: Refuse a submission while a run of its `exclusive_key` is unfinished, instead of queueing it.
    refuse_while_unfinished: ClassVar[bool] = False

    #: Enterprise Tester's id is `<id_prefix><id_separator><run id>`; the type in lower case by default.
    id_prefix: ClassVar[str] = ""
    id_separator: ClassVar[str] = "-"

    class Parameters(serializers.Serializer[Any]):
        """What the task takes; the base takes nothing."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the class, and register it when it names a task type of its own."""
        super().__init_subclass__(**kwargs)
        if "task_type" in cls.__dict__ and cls.task_type:
            if cls.short and not cls.idempotent:
                raise TypeError(f"{cls.__name__} is short, so it must be idempotent too.")
            if cls.is_joint() and not cls.short:
                raise TypeError(f"{cls.__name__} has perform_together, so it must be short.")
            if (cls.max_attempts or 1) > 1 and not cls.idempotent:
                raise TypeError(f"{cls.__name__} has several attempts, so it must be idempotent.")
            for name, field in cls.Parameters._declared_fields.items():  # noqa: SLF001
                if field.source not in {None, name}:
                    raise TypeError(f"{cls.__name__}.Parameters.{name} must not have a source.")
            registry.register(cls)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome | None:
        """
        Do the work.

        Args:
            context: For progress, messages and checkpoints.
            parameters: What the serializer validated: UUIDs, dates …; secrets are open.

        Returns:
            The outcome; None for one without values.

        Raises:
            TaskFailed: to fail with a text for people. Anything else fails the attempt too,
                with the exception's name and text.
        """
        raise NotImplementedError

    @classmethod
    def perform_together(
        cls, works: Sequence[tuple[TaskContext, dict[str, Any]]]
    ) -> Mapping[UUID, Outcome | None]:
        """
        Do at once what can be done at once of `short` runs that were claimed together.

        For types whose runs cost less together than one by one: fewer statements, one commit.
        Asked for first attempts only, before any of them is performed. The runs that are not in the
        answer are performed alone then, and all of them when this raises: what it wrote for those
        is undone (a transaction), or `perform` finds it as another attempt would.

        It must not take long: nobody can cancel one of the runs meanwhile.

        Args:
            works: The context and the parameters of each, as `perform` takes them; two or more.

        Returns:
            The outcomes of what was done, by the context's `run_id`.
        """
        return {}

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Return the key of which one run at a time may be with a worker; None for no limit."""
        return None

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource | None:
        """Return what a task with these (validated) parameters works on; None for nothing."""
        return None

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """
        Refuse a submission before it is accepted; called outside any transaction of ours.

        The parameters are stored as this leaves them: what is too long for a row may be put into a
        file here, and its name into the parameters.

        Raises:
            SubmissionRefused: the caller asked for something that cannot be.
            SubmissionFailed: the task could not be created.
        """

    @classmethod
    def accepted(cls, actor: Actor, run_id: UUID, parameters: dict[str, Any]) -> None:
        """
        Write into the app's own tables that a run was accepted: both are stored, or neither.

        Called for a submission that is due at once. A run that comes about otherwise (by a
        schedule, a retry, `submit_many`) finds nothing written: let `perform` do it as well.

        Raises:
            SubmissionRefused: it cannot be after all; nothing is stored.
        """

    @classmethod
    def visible_to(cls, actor: Actor) -> Q:
        """Return which runs of the account the actor may see, as a filter of `TaskStatus`."""
        return Q()

    @classmethod
    def result_members(
        cls, result: Mapping[str, Any], link: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """
        Return extra members of a finished run in the Enterprise Tester dialect.

        Args:
            result: The outcome's `result`.
            link: `link("incident", id)` gives the absolute URL of a resource.
        """
        return {}

    @classmethod
    def title(cls) -> str:
        """Return one line for people: the first of the class' docstring."""
        return (cls.__doc__ or cls.task_type).strip().splitlines()[0].rstrip(".")

    @classmethod
    def validated(cls, given: Any) -> dict[str, Any]:
        """
        Return the parameters as Python values.

        Raises:
            ParametersInvalid: names every field that does not fit, unknown ones too.
        """
        if not isinstance(given, dict):
            raise exceptions.ParametersInvalid(
                cls.task_type, {"Parameters": ["Must be an object."]}
            )
        serializer = cls._serializer()
        unknown = given.keys() - serializer.fields.keys()
        if unknown:
            raise exceptions.ParametersInvalid(
                cls.task_type,
                {
                    name: ["There is no parameter of this name."]
                    for name in sorted(map(str, unknown))
                },
            )
        if not serializer.fields:
            return {}
        try:
            return dict(serializer.run_validation(given))
        except serializers.ValidationError as error:
            problems = error.detail if isinstance(error.detail, dict) else {"": error.detail}
            raise exceptions.ParametersInvalid(cls.task_type, problems) from None

    @classmethod
    def stored(cls, validated: dict[str, Any]) -> dict[str, Any]:
        """
        Return validated parameters as the JSON that is stored: secrets are sealed.

        Raises:
            ParametersInvalid: a value that its field takes cannot be stored.
        """
        fields = cls._serializer().fields
        written = {
            name: None if value is None else fields[name].to_representation(value)
            for name, value in validated.items()
            if name in fields
        }
        problems = {name: [text] for name, value in written.items() if (text := problem(value))}
        if problems:
            raise exceptions.ParametersInvalid(cls.task_type, problems)
        return {name: secrets.seal(fields[name], value) for name, value in written.items()}

    @classmethod
    def loaded(cls, stored: dict[str, Any]) -> dict[str, Any]:
        """Return stored parameters as `perform` takes them: validated again, secrets open."""
        return cls.validated(secrets.unseal(stored))

    @classmethod
    @cache
    def _serializer(cls) -> serializers.Serializer[Any]:
        """
        Return the class' serializer, made once: making one costs more than validating.

        It is used as REST framework uses the child of a list: its `run_validation` keeps
        nothing, so threads share it; it has no `initial_data`.
        """
        return cls.Parameters()

    @classmethod
    def is_joint(cls) -> bool:
        """Return whether several runs may be done at once."""
        return cls.perform_together.__func__ is not TaskHandler.perform_together.__func__  # type: ignore[attr-defined]

    @classmethod
    def timeout_of(cls) -> timedelta:
        """Return the timeout of an attempt."""
        return cls.timeout or conf.TIMEOUT

    @classmethod
    def lease_of(cls) -> timedelta:
        """Return how long a lease of its runs lasts."""
        return cls.lease or conf.LEASE

    @classmethod
    def retention_of(cls) -> timedelta:
        """Return how long its finished runs are kept."""
        return cls.retention or conf.RETENTION

    @classmethod
    def attempts_of(cls) -> int:
        """Return how many attempts may fail."""
        return (cls.max_attempts or conf.MAX_ATTEMPTS) if cls.idempotent else 1

    @classmethod
    def pause_before(cls, failures: int) -> timedelta:
        """
        Return the wait before the next attempt after `failures` failed ones (1 or more).

        It doubles from `backoff` (5 s, 10 s, 20 s …) up to ten minutes; jitter takes up to a
        fifth off, so that runs which failed together do not come back together.
        """
        first: timedelta = cls.backoff or conf.BACKOFF
        limit: timedelta = conf.BACKOFF_LIMIT
        doubled: timedelta = first * 2 ** min(failures - 1, 20)
        return min(doubled, limit) * (1 - random.random() / 5)  # noqa: S311 - no secret

    @classmethod
    def public_prefix(cls) -> str:
        """Return what stands before the run's id in the Enterprise Tester dialect."""
        return (cls.id_prefix or cls.task_type.lower()) + cls.id_separator
