"""What a run said."""

from __future__ import annotations

from django.db import models

from backgroundtasks import clock


class Level(models.TextChoices):
    """How much a message matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Message(models.Model):
    """One line that a run said, for people."""

    run = models.ForeignKey(
        "backgroundtasks.TaskStatus",
        on_delete=models.CASCADE,
        related_name="messages",
        db_index=False,
    )
    level = models.CharField(max_length=7, choices=Level.choices, default=Level.INFO)
    #: Stable name of what happened, for programs: `import.suite_error`.
    key = models.CharField(max_length=100)
    text = models.TextField(blank=True, default="")
    parameters = models.JSONField(default=dict)
    attempt = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        #: The newest of a run are found at its end, however many there are.
        indexes = [models.Index(fields=["run", "id"], name="message_of_run")]

    def __str__(self) -> str:
        return self.text or self.key
