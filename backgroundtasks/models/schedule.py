"""When a task runs again and again."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from backgroundtasks import clock


class ScheduleState(models.TextChoices):
    """Whether a schedule fires."""

    ACTIVE = "active"
    PAUSED = "paused"  #: somebody stopped it; nothing is made up for when it goes on
    COMPLETED = "completed"  #: its end, or its number of runs, is reached
    BROKEN = "broken"  #: it cannot be fired; `problem` says why


class Overlap(models.TextChoices):
    """What happens at a time when the run before has not finished."""

    SKIP = "skip"  #: the time passes with a run that is `skipped`
    QUEUE = "queue"  #: another run is queued beside it


class Missed(models.TextChoices):
    """What happens after times at which nobody could fire: an outage."""

    ONCE = "once"  #: one run for all of them
    SKIP = "skip"  #: none


class Schedule(models.Model):
    """
    The times of a task; each of them makes one run.

    Only `operations` edit it; `scheduling` moves it on when it fires.
    """

    task = models.OneToOneField(
        "backgroundtasks.Task", primary_key=True, on_delete=models.CASCADE, related_name="schedule"
    )
    #: The task's, repeated so that lists need no join.
    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE, db_index=False)
    #: Quartz cron, in UTC: see `cron`.
    expression = models.CharField(max_length=200)
    #: Neither before the one nor after the other; both included.
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    #: After so many runs it is completed; skipped ones do not count. None: no limit.
    max_runs = models.PositiveIntegerField(null=True, blank=True)
    runs_made = models.PositiveIntegerField(default=0)
    overlap = models.CharField(max_length=10, choices=Overlap.choices, default=Overlap.SKIP)
    missed = models.CharField(max_length=10, choices=Missed.choices, default=Missed.ONCE)

    state = models.CharField(
        max_length=10, choices=ScheduleState.choices, default=ScheduleState.ACTIVE
    )
    #: Why it is broken, for people; empty otherwise.
    problem = models.TextField(blank=True, default="")
    #: The next time; None unless active.
    next_at = models.DateTimeField(null=True, blank=True)
    #: The time that was fired last (not when its run began), and the run that it made.
    last_at = models.DateTimeField(null=True, blank=True)
    last_run_id = models.UUIDField(null=True, blank=True)
    #: Raised by every edit and every time that was fired.
    generation = models.PositiveIntegerField(default=1)
    #: It may be paused, but not deleted: the installation needs it.
    protected = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=clock.now)
    #: Moves with edits only.
    updated_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="active"), name="schedule_due"),
            models.Index(fields=["account", "created_at"], name="schedule_list"),
        ]

    def __str__(self) -> str:
        return self.expression
