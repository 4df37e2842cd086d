"""What a new installation needs before anybody can use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import transaction

from backgroundtasks.models import Account, Membership, Role

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEM_ACCOUNT = "System"


def bootstrap(account_name: str, username: str, password: Callable[[], str]) -> bool:
    """
    Make the system account, and the first account with its administrator; what is there stays.

    Args:
        account_name: Of the first account; it is made only where there is none yet.
        username: Of the superuser who administers it.
        password: Called only when that user is new.

    Returns:
        Whether the user is new.
    """
    users = get_user_model()
    with transaction.atomic():
        _system_account()
        user = users.objects.filter(**{users.USERNAME_FIELD: username}).first()
        is_new = user is None
        if user is None:
            user = users.objects.create_superuser(username, password=password())
        account = Account.objects.filter(is_system=False).order_by("created_at").first()
        if account is None:
            account = Account.objects.create(name=account_name)
        # Only what this command made is put right: a user who was there before may have
        # been removed from the account on purpose.
        if is_new or not account.memberships.exists():
            Membership.objects.get_or_create(
                account=account, user=user, defaults={"role": Role.ADMIN, "is_default": True}
            )
    return is_new


def _system_account() -> None:
    """Make the reserved account of installation-wide work; give way when its name is taken."""
    if not Account.objects.filter(is_system=True).exists():
        taken = Account.objects.filter(name=SYSTEM_ACCOUNT).exists()
        name = f"{SYSTEM_ACCOUNT} (reserved)" if taken else SYSTEM_ACCOUNT
        Account.objects.create(name=name, is_system=True)
