"""What a new installation needs before anybody can use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import transaction

from backgroundtasks.models import Account, Membership, Role
from backgroundtasks.operations.system_tasks import make_system_account, make_system_tasks

if TYPE_CHECKING:
    from collections.abc import Callable


def bootstrap(account_name: str, username: str, password: Callable[[], str]) -> bool:
    """
    Make the system account with its tasks, and the first account with its administrator; what is there stays.

    Args:
        account_name: Of the first account; it is made only where there is none yet.
        username: Of the superuser who administers it.
        password: Called only when that user is new.

    Returns:
        Whether the user is new.
    """
    users = get_user_model()
    make_system_account()
    make_system_tasks()
    with transaction.atomic():
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
