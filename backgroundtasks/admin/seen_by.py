"""
What a given user sees: for operators who are asked why somebody misses something.

It is read with that user's rights, by an actor made for the page; nobody is signed in as
anybody else, and nothing can be done here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from backgroundtasks import exceptions, queries
from backgroundtasks.admin import looks, scope
from backgroundtasks.admin.paging import BoundedPaginator
from backgroundtasks.handlers import registry

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import Membership, TaskStatus

_PAGE: Final = 50


def link(membership: Membership) -> str:
    """Return a link to what a member sees in the account."""
    if membership._state.adding:  # noqa: SLF001 - Django's documented flag
        return looks.NOTHING
    query = urlencode(
        {"user": membership.user.get_username(), scope.ACCOUNT: membership.account_id}
    )
    address = reverse("admin:backgroundtasks_seen_by")
    return format_html('<a href="{}?{}">what this user sees</a>', address, query)


def show(request: HttpRequest, *, model_admin: ModelAdmin[Any]) -> TemplateResponse:
    """Show the runs that the user sees, and the types that the user may start, or why none."""
    if not (request.user.is_active and scope.user_of(request).is_superuser):
        raise PermissionDenied
    name = request.GET.get("user", "").strip().replace("\0", "")
    context = model_admin.admin_site.each_context(request) | {
        "title": "What a user sees",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "name": name,
        "asked_run": request.GET.get("run", "").strip(),
    }
    if name:
        context |= _looked(request, name)
    return TemplateResponse(request, "admin/backgroundtasks/seen_by.html", context)


def _looked(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return what the page shows of a user; `problem` when that one sees nothing at all."""
    users = get_user_model()
    user = users.objects.filter(**{users.USERNAME_FIELD: name}).first()
    if user is None:
        return {"problem": f"There is no user {name!r}."}
    accounts = list(queries.accounts_of(user)[:1000])
    found: dict[str, Any] = {"seen_user": user, "accounts": accounts}
    if not user.is_active:
        return found | {"problem": f"{name} is not active: every request is answered 401."}
    try:
        actor = _actor(user, request.GET.get(scope.ACCOUNT, ""))
    except (exceptions.AccountRefused, ValueError) as error:
        hint = "" if accounts else " Without any account, every request is answered 403."
        return found | {"problem": f"{error}{hint}"}
    runs = queries.visible_runs(actor).select_related("task", "owner").order_by("-position", "-pk")
    page = BoundedPaginator(runs, _PAGE).get_page(request.GET.get("page"))
    return found | {
        "actor": actor,
        "page": page,
        "runs": [_row(run) for run in page],
        "types": queries.list_task_types(actor),
        "answer": _about(request, actor),
        "query": urlencode({"user": name, scope.ACCOUNT: actor.account.pk}),
    }


def _actor(user: User, account: str) -> Actor:
    """
    Return the user as the APIs would see them.

    Raises:
        AccountRefused: the user belongs to no account, or not to this one.
        ValueError: it is no id.
    """
    return queries.actor_of(user, UUID(account) if account else None, origin=scope.ORIGIN)


def _row(run: TaskStatus) -> dict[str, Any]:
    return {
        "run": looks.link("backgroundtasks_taskstatus_change", run.task, run.pk),
        "state": looks.state(run.state),
        "progress": looks.progress(run),
        "type": run.task_type,
        "owner": run.owner or looks.NOTHING,
        "queued": looks.moment(run.queued_at),
    }


def _about(request: HttpRequest, actor: Actor) -> str:
    """Return whether the user sees the run that was asked about, and else why not."""
    spelling = request.GET.get("run", "").strip()
    if not spelling:
        return ""
    name = actor.user.get_username()
    try:
        run_id = queries.run_id_of(spelling)
        mine = queries.operator_on(scope.user_of(request), run_id, origin=scope.ORIGIN)
        run = queries.get_run(mine, run_id)
    except exceptions.RunNotFound:
        return f"There is no run {spelling[:100]}, or it is flushed."
    if queries.visible_runs(actor).filter(pk=run_id).exists():
        return f"{name} sees the run {run_id}."
    if run.account_id != actor.account.pk:
        return (
            f"{name} does not see the run {run_id} here: it belongs to the account {mine.account}."
        )
    if registry.find(run.task_type) is None:
        return (
            f"{name} does not see the run {run_id}: the handler of {run.task_type} is gone, and "
            "then only administrators of the account see it."
        )
    return f"{name} does not see the run {run_id}: the handler of {run.task_type} hides it."
