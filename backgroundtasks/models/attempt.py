"""What became of earlier attempts."""

from __future__ import annotations

from django.db import models


class AttemptOutcome(models.TextChoices):
    """Why an attempt ended without ending its run."""

    FAILED = "failed"  #: the handler raised; the run waits for its next attempt
    INTERRUPTED = "interrupted"  #: the worker was stopped; the run went back to the queue
    DIED = "died"  #: the worker died or lost its lease
    PAUSED = "paused"  #: somebody asked the run to pause, and it stopped at a safe checkpoint
    WAITED = "waited"  #: the run let go of its worker until its child runs have ended


class Attempt(models.Model):
    """
    An attempt that did not end its run.

    The attempt that is under way, or that ended the run, stands on the run itself
    (`attempt`, `worker`, `started_at`, `finished_at`, `state`, `error`); this table keeps
    only those before it, so that an ordinary run costs no second row.
    """

    run = models.ForeignKey(
        "backgroundtasks.TaskStatus", on_delete=models.CASCADE, related_name="attempts"
    )
    number = models.PositiveIntegerField()
    worker = models.ForeignKey(
        "backgroundtasks.Worker",
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
    )
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=12, choices=AttemptOutcome.choices)
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.outcome}"
