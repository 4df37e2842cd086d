"""Tenants and who belongs to them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

#: Django permission of who may back up and check the installation without operating all of it.
SECURITY_AND_INFRASTRUCTURE = "backgroundtasks.security_and_infrastructure"


class Role(models.TextChoices):
    """What a member may do in an account; each includes the one before."""

    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"


class Account(models.Model):
    """A tenant. Enterprise Tester's organisation is the account's own: same id, same name."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True)
    #: Installation-wide work belongs to the one reserved account; only superusers act in it.
    is_system = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="accounts"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_system"], condition=models.Q(is_system=True), name="one_system_account"
            )
        ]
        permissions = [
            (
                SECURITY_AND_INFRASTRUCTURE.partition(".")[2],
                "Security and infrastructure: back up and check the installation",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One user in one account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    #: Where requests go that name no account.
    is_default = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="one_membership_per_user"),
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(is_default=True),
                name="one_default_account_per_user",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.account} as {self.role}"
