"""
What an actor may see: everything of the account, joined with what its representation needs.

What is unknown and what is another account's is answered alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model, OuterRef, QuerySet, Subquery

from backgroundtasks.api import kit
from tickets import visibility
from tickets.models import (
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    Project,
    ResultNode,
)

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

    from backgroundtasks.handlers import Actor


def actor(request: Any) -> Actor:
    """Return who asks, of a request that a resource has authenticated."""
    asking: Actor = request.auth
    return asking


def projects(actor: Actor) -> QuerySet[Project]:
    """Return the account's projects."""
    visible = visibility.visible_projects(actor.account.pk)
    return visible.select_related("account", "manager")


def packages(actor: Actor) -> QuerySet[ExecutionPackage]:
    """Return the account's execution packages."""
    packages = ExecutionPackage.objects.filter(account=actor.account)
    return packages.exclude(project__in=visibility.hidden_projects())


def automated_tests(actor: Actor) -> QuerySet[AutomatedTest]:
    """Return the account's automated tests."""
    tests = AutomatedTest.objects.filter(account=actor.account)
    return tests.exclude(project__in=visibility.hidden_projects())


def assignments(actor: Actor) -> QuerySet[AutomatedTestAssignment]:
    """Return the account's assignments, each with `last_run_id` and `last_status`."""
    last = (
        AutomatedTestRun.objects.shown().filter(assignment=OuterRef("pk")).order_by("-imported_at")
    )
    return (
        AutomatedTestAssignment.objects.filter(account=actor.account)
        .exclude(automated_test__project__in=visibility.hidden_projects())
        .select_related("automated_test", "assigned_to")
        .annotate(
            last_run_id=Subquery(last.values("pk")[:1]),
            last_status=Subquery(last.values("status")[:1]),
        )
    )


def runs(actor: Actor) -> QuerySet[AutomatedTestRun]:
    """Return the account's runs that are shown."""
    return visible_runs(actor).select_related("run_by")


def visible_runs(actor: Actor) -> QuerySet[AutomatedTestRun]:
    """Return the account's runs that are shown, without what their representation needs."""
    runs = AutomatedTestRun.objects.shown().filter(account=actor.account)
    # Asked once, not for each run: nearly always there is nothing.
    hidden = AutomatedTestAssignment.objects.filter(
        automated_test__project__in=visibility.hidden_projects()
    )
    return runs.exclude(assignment__in=hidden.values("pk"))


def nodes(actor: Actor, run_id: UUID) -> QuerySet[ResultNode]:
    """
    Return the nodes of a run.

    Raises:
        NotFound: the run is unknown.
    """
    get(visible_runs(actor), run_id, "automated test run")
    return ResultNode.objects.filter(run_id=run_id)


def get(rows: QuerySet[Any], identity: UUID, word: str) -> Any:
    """
    Return one of the rows.

    Raises:
        NotFound: it is not among them.
    """
    row = rows.filter(pk=identity).first()
    if row is None:
        raise kit.NotFound(f"The {word} {identity} does not exist.")
    return row


def hold(row: Model, word: str) -> None:
    """
    Keep a row that is about to be changed from being deleted until the transaction ends.

    A new row passes. Without this, saving would make a row again that somebody deleted after
    it was read.

    Raises:
        NotFound: it is gone.
    """
    if row._state.adding:  # noqa: SLF001 - documented API
        return
    locked = type(row)._base_manager.select_for_update(no_key=True).filter(pk=row.pk)  # noqa: SLF001
    if locked.values_list("pk", flat=True).first() is None:
        raise kit.NotFound(f"The {word} {row.pk} does not exist.")


def require(rows: QuerySet[Any], identity: UUID, word: str) -> Any:
    """
    Return one of the rows that a request's body names.

    Raises:
        Refused: it is not among them.
    """
    row = rows.filter(pk=identity).first()
    if row is None:
        raise kit.Refused(f"The {word} {identity} does not exist.")
    return row


def member(actor: Actor, identity: str | None) -> User | None:
    """
    Return the member of the account with this id; None for none.

    Raises:
        Refused: there is no such member.
    """
    if not identity or identity.strip("0-") == "":
        return None
    found = actor.account.members.filter(pk=int(identity)) if _is_id(identity) else None
    user = found.first() if found is not None else None
    if user is None:
        raise kit.Refused(f"The user {identity} does not exist.")
    return user


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004 - 32 bits
