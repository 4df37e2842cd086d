"""
What an actor may see: everything of the account, joined with what its representation needs.

What is unknown and what is another account's is answered alike.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery

from backgroundtasks.api import kit
from tickets import visibility
from tickets.attachments import visible as visible_attachments
from tickets.models import (
    AgileRun,
    AgileRunStep,
    AgileRunStepIncident,
    Attachment,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    ExternalSystem,
    ExternalSystemLink,
    ExternalTicket,
    Incident,
    IncidentComment,
    IncidentLink,
    IncidentPick,
    Project,
    ResultNode,
    ResultNodeIncident,
    Script,
    ScriptAssignment,
    ScriptRun,
    StepResult,
    StepResultIncident,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from django.contrib.auth.models import User
    from rest_framework.request import Request

    from backgroundtasks.handlers import Actor

_LONGEST_SEARCH: Final = 500


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
    return marked(ResultNode.objects.filter(run_id=run_id))


def marked(nodes: QuerySet[ResultNode]) -> QuerySet[ResultNode]:
    """Return nodes with `has_incidents` and `has_attachments`."""
    return nodes.annotate(
        has_incidents=_has(ResultNodeIncident, "node"), has_attachments=_has(Attachment, "node")
    )


def _has(model: type[Attachment | IncidentLink], owner: str) -> Subquery:
    """Return the id of one attachment or link of an owner, which counts as true."""
    # Not `Exists`: PostgreSQL prepares for the whole table instead of the page, and reads every
    # attachment, or link, that there is.
    rows: QuerySet[Any] = model._default_manager.filter(**{owner: OuterRef("pk")})  # noqa: SLF001 - documented API
    return Subquery(rows.values("pk")[:1])


def scripts(actor: Actor) -> QuerySet[Script]:
    """Return the account's scripts."""
    scripts = Script.objects.filter(account=actor.account)
    return scripts.exclude(project__in=visibility.hidden_projects())


def script_assignments(actor: Actor) -> QuerySet[ScriptAssignment]:
    """Return the account's script assignments, each with `last_run_id` and `last_status`."""
    last = ScriptRun.objects.filter(assignment=OuterRef("pk")).order_by("-created_at")
    return (
        ScriptAssignment.objects.filter(account=actor.account)
        .exclude(script__project__in=visibility.hidden_projects())
        .select_related("script", "assigned_to")
        .annotate(
            last_run_id=Subquery(last.values("pk")[:1]),
            last_status=Subquery(last.values("status")[:1]),
        )
    )


def script_runs(actor: Actor) -> QuerySet[ScriptRun]:
    """Return the account's runs of scripts."""
    # Asked once, not for each run: nearly always there is nothing.
    hidden = ScriptAssignment.objects.filter(script__project__in=visibility.hidden_projects())
    return (
        ScriptRun.objects.filter(account=actor.account)
        .exclude(assignment__in=hidden.values("pk"))
        .select_related("assignment__script", "created_by", "run_by", "last_updated_by")
    )


def step_results(actor: Actor) -> QuerySet[StepResult]:
    """Return the steps of the account's runs of scripts, with `has_incidents` and `has_attachments`."""
    hidden = ScriptAssignment.objects.filter(script__project__in=visibility.hidden_projects())
    return (
        StepResult.objects.filter(run__account=actor.account)
        .exclude(run__assignment__in=hidden.values("pk"))
        .annotate(
            has_incidents=_has(StepResultIncident, "step_result"),
            has_attachments=_has(Attachment, "step_result"),
        )
    )


def agile_runs(actor: Actor) -> QuerySet[AgileRun]:
    """Return the account's agile runs."""
    return (
        AgileRun.objects.filter(account=actor.account)
        .exclude(project__in=visibility.hidden_projects())
        .select_related("project", "package", "assigned_to")
    )


def agile_steps(actor: Actor) -> QuerySet[AgileRunStep]:
    """Return the steps of the account's agile runs, with `has_incidents` and `has_attachments`."""
    return (
        AgileRunStep.objects.filter(run__account=actor.account)
        .exclude(run__project__in=visibility.hidden_projects())
        .annotate(
            has_incidents=_has(AgileRunStepIncident, "step"),
            has_attachments=_has(Attachment, "agile_step"),
        )
    )


def incidents(actor: Actor) -> QuerySet[Incident]:
    """Return the account's incidents, with all that they have: tickets, picks, `has_attachments`."""
    return (
        visible_incidents(actor)
        .select_related("project", "assigned_to", "created_by", "last_updated_by")
        .annotate(has_attachments=_has(Attachment, "incident"))
        .prefetch_related(
            Prefetch("external_tickets", ExternalTicket.objects.order_by("created_at", "pk")),
            Prefetch(
                "picks",
                IncidentPick.objects.select_related("item").order_by(
                    "item__order_number", "item__name", "pk"
                ),
            ),
        )
    )


def visible_incidents(actor: Actor) -> QuerySet[Incident]:
    """Return the account's incidents, without what their representation needs."""
    incidents = Incident.objects.filter(account=actor.account)
    return incidents.exclude(project__in=visibility.hidden_projects())


def comments(actor: Actor) -> QuerySet[IncidentComment]:
    """Return the comments of the account's incidents."""
    return (
        IncidentComment.objects.filter(incident__account=actor.account)
        .exclude(incident__project__in=visibility.hidden_projects())
        .select_related("created_by")
    )


def attachments(actor: Actor) -> QuerySet[Attachment]:
    """Return the account's attachments."""
    return visible_attachments(actor.account.pk).select_related("created_by")


def external_systems(actor: Actor) -> QuerySet[ExternalSystem]:
    """Return the account's external systems, each with `number_of_links`."""
    return ExternalSystem.objects.filter(account=actor.account).annotate(
        number_of_links=Count("links")
    )


def external_system_links(actor: Actor) -> QuerySet[ExternalSystemLink]:
    """Return the links of the account's external systems to projects."""
    return (
        ExternalSystemLink.objects.filter(account=actor.account)
        .exclude(project__in=visibility.hidden_projects())
        .select_related("external_system", "project", "account")
    )


def usable_links(actor: Actor) -> QuerySet[ExternalSystemLink]:
    """Return those that are switched on, with their external systems."""
    return external_system_links(actor).filter(enabled=True, external_system__enabled=True)


def wanted_text(request: Request, name: str) -> str:
    """
    Return what is searched for; empty finds everything.

    Raises:
        Refused: longer than 500 characters, or with a NUL.
    """
    text = str(request.query_params.get(name, ""))
    if len(text) > _LONGEST_SEARCH or "\0" in text:
        raise kit.Refused(f"{name} has at most {_LONGEST_SEARCH} characters, and no NUL.")
    return text


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


@contextmanager
def held(rows: QuerySet[Any], identity: UUID, word: str) -> Iterator[Any]:
    """
    Give one of the rows as it is now, and let nobody else change or delete it meanwhile.

    Every PUT and PATCH changes its row in here, so that of several at one moment each writes
    upon what the one before it wrote, and none makes a row again that was deleted:

        given = self.read(ScriptChange)  # before: a slow body keeps no transaction open
        with lookup.held(lookup.scripts(self.actor), script_id, "script") as row:
            _save(row, given)

    What is raised inside undoes all of it.

    Raises:
        NotFound: it is not among them.
    """
    with transaction.atomic():
        # By itself: PostgreSQL reads again, after a wait, only what it locks, and none of the
        # rows that are joined with it.
        locked = rows.model._base_manager.select_for_update(no_key=True)  # noqa: SLF001
        locked.filter(pk=identity).values_list("pk", flat=True).first()
        yield get(rows, identity, word)


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
