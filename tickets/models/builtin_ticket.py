"""The tracker that needs no other program: its tickets, in our own database."""

from __future__ import annotations

from django.db import models

from backgroundtasks import clock


class BuiltinStatus(models.TextChoices):
    """
    How far a ticket is; in the words of most trackers.

    All that a project's incidents begin with are among them, in any letter case: what is
    closed here can be closed there.
    """

    OPEN = "Open"
    IN_PROGRESS = "In progress"
    RESOLVED = "Resolved"
    CLOSED = "Closed"
    DONE = "Done"


class BuiltinProject(models.Model):
    """Where ticket numbers are given: the part of a key before the dash."""

    account = models.ForeignKey("backgroundtasks.Account", on_delete=models.CASCADE)
    key = models.CharField(max_length=20)
    #: 0: none was given yet.
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="one_builtin_project_per_key")
        ]

    def __str__(self) -> str:
        return self.key


class BuiltinTicket(models.Model):
    """A ticket; `TST-12` is number 12 of the project TST."""

    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        db_index=False,  # the constraints below begin with it
    )
    project = models.ForeignKey(
        BuiltinProject,
        on_delete=models.CASCADE,
        related_name="tickets",
        db_index=False,  # likewise
    )
    number = models.PositiveIntegerField()
    summary = models.CharField(max_length=1000)
    description = models.TextField(blank=True, default="")
    kind = models.CharField(max_length=50, default="Bug")
    status = models.CharField(
        max_length=20, choices=BuiltinStatus.choices, default=BuiltinStatus.OPEN
    )
    assignee = models.CharField(max_length=150, blank=True, default="")
    #: Names the draft that it was made from; None where a person made it.
    mark = models.CharField(max_length=200, null=True, blank=True, editable=False)
    #: Raised by every change.
    version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "number"], name="one_builtin_ticket_per_key"
            ),
            models.UniqueConstraint(fields=["account", "mark"], name="one_builtin_ticket_per_mark"),
        ]
        indexes = [
            models.Index(fields=["project", "updated_at", "id"], name="builtin_ticket_by_change"),
            models.Index(fields=["account", "-id"], name="builtin_ticket_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.project.key}-{self.number}"


class BuiltinComment(models.Model):
    """What was said of a ticket."""

    ticket = models.ForeignKey(
        BuiltinTicket,
        on_delete=models.CASCADE,
        related_name="comments",
        db_index=False,  # the constraint below begins with it
    )
    text = models.TextField()
    mark = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ticket", "mark"], name="one_builtin_comment_per_mark")
        ]

    def __str__(self) -> str:
        return self.text[:80]


class BuiltinBacklink(models.Model):
    """A link from a ticket to where it was found."""

    ticket = models.ForeignKey(
        BuiltinTicket,
        on_delete=models.CASCADE,
        related_name="backlinks",
        db_index=False,  # the constraint below begins with it
    )
    global_id = models.CharField(max_length=200)
    url = models.CharField(max_length=1000)
    title = models.CharField(max_length=255)
    summary = models.CharField(max_length=1000, blank=True, default="")
    resolved = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ticket", "global_id"], name="one_builtin_link_per_id")
        ]

    def __str__(self) -> str:
        return self.title
