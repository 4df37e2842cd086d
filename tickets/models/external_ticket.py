"""What an incident is called in a tracker, and how it stood there."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from backgroundtasks import clock


class ExternalTicket(models.Model):
    """
    A tracker's ticket that an incident is kept in step with.

    The constraints are what "exactly one" rests on: a ticket has one incident in a project,
    and an incident one ticket in a link, however many runs try it and however often they are
    killed. Of a ticket that is still to be made `ticket_id` is None.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        "backgroundtasks.Account",
        on_delete=models.CASCADE,
        db_index=False,  # the second index below begins with it
    )
    incident = models.ForeignKey(
        "tickets.Incident",
        on_delete=models.CASCADE,
        related_name="external_tickets",
        db_index=False,  # the second constraint below begins with it
    )
    #: None when the link was removed and references were to be kept.
    link = models.ForeignKey(
        "tickets.ExternalSystemLink",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tickets",
    )
    #: The link's, repeated for the first constraint; None like it.
    external_system = models.ForeignKey(
        "tickets.ExternalSystem",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="tickets",
    )
    #: The incident's, likewise.
    project = models.ForeignKey("tickets.Project", on_delete=models.CASCADE, related_name="+")
    #: The background run that brought ticket and incident together.
    linked_by = models.UUIDField(null=True, blank=True, editable=False)

    #: The tracker's own id: never changes, while the key may when a ticket is moved.
    ticket_id = models.CharField(max_length=255, null=True, blank=True)
    key = models.CharField(max_length=255, blank=True, default="")
    url = models.CharField(max_length=1000, blank=True, default="")

    # As the tracker had it when the two last agreed: what differs from it was changed.
    type = models.CharField(max_length=255, blank=True, default="")
    summary = models.CharField(max_length=1000, blank=True, default="")
    status = models.CharField(max_length=255, blank=True, default="")
    #: `open`, `in_progress` or `done`; empty where the tracker does not tell.
    status_category = models.CharField(max_length=20, blank=True, default="")
    priority = models.CharField(max_length=255, blank=True, default="")
    assignee = models.CharField(max_length=255, blank=True, default="")
    #: Who the incident was assigned to at that time. Not whom `assignee` names now: logins change,
    #: and somebody unknown then may be a member since.
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: For a write that must not overwrite another's: an ETag, a lock version.
    version = models.CharField(max_length=255, blank=True, default="")
    #: By the tracker's clock.
    changed_at = models.DateTimeField(null=True, blank=True)
    #: The incident's version when they last agreed; a higher one is to be pushed.
    incident_version = models.PositiveIntegerField(default=0)
    synchronized_at = models.DateTimeField(null=True, blank=True)
    #: Why the two are not in step, for people; empty while they are.
    problem = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_system", "project", "ticket_id"],
                condition=Q(ticket_id__isnull=False, external_system__isnull=False),
                name="one_incident_per_ticket",
            ),
            models.UniqueConstraint(
                fields=["incident", "link"],
                condition=Q(link__isnull=False),
                name="one_ticket_per_link",
            ),
        ]
        indexes = [
            models.Index(fields=["incident"], name="ticket_by_incident"),
            models.Index(fields=["account", "created_at"], name="ticket_by_account"),
        ]

    def __str__(self) -> str:
        return self.key or f"ticket to be made for {self.incident_id}"


class Backlink(models.Model):
    """
    A link from a ticket back to what it was found by, in the tracker.

    `global_id` names it there too, so that making it again finds it.
    """

    class State(models.TextChoices):
        """How far it is."""

        WANTED = "wanted"
        MADE = "made"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ticket = models.ForeignKey(
        ExternalTicket,
        on_delete=models.CASCADE,
        related_name="backlinks",
        db_index=False,  # the constraint below begins with it
    )
    global_id = models.CharField(max_length=255)
    url = models.CharField(max_length=1000)
    title = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    #: What the tracker calls it.
    reference = models.CharField(max_length=255, blank=True, default="")
    #: Why it could not be made, for people.
    problem = models.TextField(blank=True, default="")
    #: The background run that makes it.
    made_by = models.UUIDField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ticket", "global_id"], name="one_backlink_per_place")
        ]
        indexes = [
            models.Index(fields=["state", "id"], condition=~Q(state="made"), name="backlink_open")
        ]

    def __str__(self) -> str:
        return self.title
