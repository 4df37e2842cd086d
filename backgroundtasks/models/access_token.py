"""Credentials that we hand out; only their digests are kept."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from backgroundtasks import clock


class OAuthClient(models.Model):
    """A program that may get tokens by its id and secret; it acts as its user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    #: SHA-256 of the secret, in hex; the secret is random, so no slow hash is needed.
    secret_digest = models.CharField(max_length=64)
    #: What its tokens may do at most, space-separated; empty: all that the user may.
    scope = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "OAuth client"

    def __str__(self) -> str:
        return self.name


class AccessToken(models.Model):
    """A bearer token: expiring, scoped, revocable."""

    #: SHA-256 of the token, in hex: nobody can read a token out of the database.
    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    client = models.ForeignKey(OAuthClient, null=True, blank=True, on_delete=models.CASCADE)
    #: Space-separated; empty: all that the user may.
    scope = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"token of {self.user}"
