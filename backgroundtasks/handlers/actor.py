"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from backgroundtasks.models import Account


@dataclass(frozen=True, slots=True)
class Actor:
    """A user who acts in an account, through one door."""

    user: User
    account: Account
    #: The user's role in the account: `viewer`, `member` or `admin`; `""` without one.
    role: str
    #: The door: `enterprise_tester`, `admin`, `command`, `code` …
    origin: str = "code"
    #: What the credential may do; None: all that the user may.
    scopes: frozenset[str] | None = None

    @property
    def is_operator(self) -> bool:
        """Whether this is an operator of the whole installation."""
        return self.user.is_active and self.user.is_superuser
