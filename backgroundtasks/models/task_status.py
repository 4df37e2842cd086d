"""One execution of a task. The table of runs is the queue."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from backgroundtasks import clock
from backgroundtasks.states import FINAL, HELD, STANDING, State

#: In the order of `State`: SQLite compares the text of a partial index' condition.
_HELD = [state.value for state in State if state in HELD]
_STANDING = [state.value for state in State if state in STANDING]
_BEGUN = [state.value for state in State if state in HELD | STANDING]
_UNFINISHED = [state.value for state in State if state not in FINAL]
_FINAL = [state.value for state in State if state in FINAL]


class TaskStatus(models.Model):
    """
    A run: one execution of a task, from queued to its end.

    Only `lifecycle` writes `state`. Account, owner and type repeat the task's, so that
    claims, lists and permission checks need no join.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.ForeignKey(
        "backgroundtasks.Task", on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE, db_index=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, db_index=False
    )
    task_type = models.CharField(max_length=100)

    #: Through which door it came: its task's `origin`, or of a retry whoever retried.
    origin = models.CharField(max_length=30, default="code", db_default="code")
    state = models.CharField(
        max_length=12, choices=[(state.value, state.value) for state in State], default=State.QUEUED
    )
    queue = models.CharField(max_length=50, default="default")
    #: -100 to 100; the higher one starts first.
    priority = models.SmallIntegerField(default=0, db_default=0)
    #: Place in the queue and in lists: see `clock.position`.
    position = models.BigIntegerField(default=clock.position)
    #: Not before this moment.
    run_after = models.DateTimeField(default=clock.now)
    #: Of a short handler: may be claimed together with others.
    batchable = models.BooleanField(default=False)
    #: It was in a batch whose worker died: it is claimed alone, to find out which one did it.
    solo = models.BooleanField(default=False, db_default=False)
    #: At most one run of a key has begun and not ended.
    exclusive_key = models.CharField(max_length=200, null=True, blank=True)

    #: Raised by every claim, never lowered.
    attempt = models.PositiveIntegerField(default=0, db_default=0)
    #: Attempts that something else than a failure ended: a stop, a pause, a wait, a kill in a batch.
    interruptions = models.PositiveIntegerField(default=0, db_default=0)
    #: The fence: writes of an attempt must carry it.
    token = models.BigIntegerField(null=True, blank=True)
    worker = models.ForeignKey(
        "backgroundtasks.Worker",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="runs",
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    queued_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    #: The last visible change: of the state, of progress, a message.
    modified_at = models.DateTimeField(default=clock.now)
    #: When the finished run is flushed.
    expires_at = models.DateTimeField(null=True, blank=True)

    processed = models.BigIntegerField(default=0, db_default=0)
    #: 0 until the handler has counted.
    total = models.BigIntegerField(default=0, db_default=0)
    #: What it is doing, for people.
    text = models.TextField(blank=True, default="", db_default="")
    #: `{"values": {...}, "warnings": [...]}` of the handler's outcome.
    result = models.JSONField(null=True, blank=True)
    #: Why it did not end well, for people; empty otherwise.
    error = models.TextField(blank=True, default="", db_default="")
    #: What somebody noted about the finished run, for people; None: nobody did.
    remark = models.TextField(null=True, blank=True)
    #: The failure may pass by itself.
    temporary = models.BooleanField(default=False, db_default=False)
    #: What the handler wants to remember over its attempts.
    memory = models.JSONField(null=True, blank=True)
    #: The finished run that a person retried.
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    #: The time of the task's schedule that made this run.
    scheduled_for = models.DateTimeField(null=True, blank=True)
    #: The run whose handler started this one.
    parent = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="children",
    )
    #: Among its parent's children: the handler's name for it, and its place, from 0.
    child_key = models.CharField(max_length=100, null=True, blank=True)
    child_number = models.PositiveIntegerField(null=True, blank=True)
    #: While it waits for its children, its progress is theirs.
    progress_of_children = models.BooleanField(default=False, db_default=False)
    #: `Resource.id` of what it works on (`Task.resource` has all of it).
    resource_id = models.CharField(max_length=200, null=True, blank=True)
    #: Raised by every visible change: live feeds and ETags build on it.
    event = models.PositiveIntegerField(default=1, db_default=1)

    class Meta:
        verbose_name = "run"
        indexes = [
            models.Index(
                "queue",
                models.F("priority").desc(),
                "position",
                condition=Q(state="queued"),
                name="run_claim",
            ),
            models.Index(fields=["run_after"], condition=Q(state="scheduled"), name="run_due"),
            models.Index(
                fields=["lease_until"],
                condition=Q(state__in=_HELD),
                name="run_lease",
            ),
            models.Index(
                fields=["expires_at"], condition=Q(expires_at__isnull=False), name="run_expires"
            ),
            models.Index(
                fields=["exclusive_key"],
                condition=Q(exclusive_key__isnull=False),
                name="run_exclusive",
            ),
            # Behind the order stands what never changes of a run and filters ask for: where no
            # index finds the runs that fit, the index alone tells which do not.
            models.Index(
                fields=["account", "position", "task_type", "owner", "origin", "resource_id"],
                name="run_list",
            ),
            models.Index(
                fields=["account", "position"],
                condition=Q(state__in=_UNFINISHED),
                name="run_list_unfinished",
            ),
            models.Index(fields=["task", "position"], name="run_list_by_task"),
            models.Index(fields=["account", "task_type", "position"], name="run_list_by_type"),
            models.Index(
                fields=["account", "state", "position", "temporary"],
                condition=Q(state__in=_FINAL),
                name="run_list_ended",
            ),
            models.Index(fields=["owner", "position"], name="run_list_by_owner"),
            models.Index(
                fields=["account", "resource_id", "position"],
                condition=Q(resource_id__isnull=False),
                name="run_list_by_resource",
            ),
            models.Index(
                fields=["position"], condition=Q(state__in=_STANDING), name="run_standing"
            ),
            models.Index(
                fields=["parent", "state"],
                condition=Q(parent__isnull=False),
                name="run_children",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["exclusive_key"],
                condition=Q(state__in=_BEGUN),
                name="one_run_per_exclusive_key",
            ),
            models.UniqueConstraint(
                fields=["task", "scheduled_for"],
                condition=Q(scheduled_for__isnull=False),
                name="one_run_per_due_time",
            ),
            models.UniqueConstraint(
                fields=["parent", "child_key"],
                condition=Q(parent__isnull=False),
                name="one_child_per_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_type} {self.id} ({self.state})"
