"""Where this dialect is mounted."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import NoReverseMatch, get_script_prefix, reverse

if TYPE_CHECKING:
    from uuid import UUID


def task_path(account_id: UUID, run_id: UUID) -> str:
    """Return the path of a task on this server."""
    prefix = get_script_prefix()
    head, middle = _around(prefix, settings.ROOT_URLCONF)
    return f"{prefix[:-1]}{head}{account_id}{middle}{run_id}"


def around() -> tuple[str, str]:
    """
    Return what stands before the account's id in the path of a task, and between that and the task's.

    Both are below the application's own path; empty where the dialect is not mounted.
    """
    return _around(get_script_prefix(), settings.ROOT_URLCONF)


@lru_cache(maxsize=100)
def _around(prefix: str, _urls: str) -> tuple[str, str]:
    try:
        path = reverse("astra-task", args=("x", "y"))
    except NoReverseMatch:
        return "", ""
    head, _, rest = path[len(prefix) - 1 :].partition("/x/")
    return f"{head}/", f"/{rest.removesuffix('y')}"
