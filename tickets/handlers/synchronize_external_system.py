"""`SynchronizeExternalSystem`: incidents and tickets are brought into step."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rest_framework import serializers

from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import (
    Actor,
    Outcome,
    Resource,
    TaskContext,
    TaskFailed,
    TaskHandler,
    permissions,
)
from backgroundtasks.handlers.fields import OptionalId
from tickets import linking, trackers
from tickets.handlers.ticket_linking import again, path_of
from tickets.models import ExternalSystem, ExternalSystemLink, ExternalTicket
from tickets.synchronization import Counts, Synchronization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PULLING: Final = "Asking for changes"
_PUSHING: Final = "Writing changes"
#: Tickets that are named in the warnings; the others are counted.
_NAMED: Final = 10


class SynchronizeExternalSystem(TaskHandler):
    """
    Brings incidents and the tickets of an external system into step, both ways.

    Its elements are tickets. Give it a schedule to keep them so.
    """

    task_type = "SynchronizeExternalSystem"
    permissions = (permissions.Role("member"),)
    idempotent = True
    pausable = True
    timeout = timedelta(hours=2)

    class Parameters(serializers.Serializer[Any]):
        """The external system, or one of its links."""

        ExternalSystemId = serializers.UUIDField()
        ExternalSystemLinkId = OptionalId(
            required=False, allow_null=True, help_text="Only this link; all of them by default."
        )

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Let one run work on an external system at a time."""
        return str(parameters["ExternalSystemId"])

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return the external system."""
        system_id = parameters["ExternalSystemId"]
        found = ExternalSystem.objects.filter(pk=system_id)
        return Resource(
            id=str(system_id),
            name=found.values_list("name", flat=True).first() or "",
            kind="externalsystem",
            path=path_of("externalsystem", {"system_id": system_id}),
        )

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse what is not the account's, or is switched off."""
        _links(actor.account.pk, parameters)

    @classmethod
    def result_members(
        cls, result: Mapping[str, Any], link: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """Return what was done, counted."""
        return dict(result)

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Synchronise one link after the other."""
        try:
            links = _links(context.account_id, parameters)
        except SubmissionRefused as refusal:
            raise TaskFailed(str(refusal)) from None
        total = ExternalTicket.objects.filter(link__in=links).count()
        context.progress(0, total, _PULLING)
        counts, problems = Counts(**context.memory.get("counts", {})), list[str]()
        for link in links:
            if str(link.pk) in context.memory.get("ended", []):
                continue
            try:
                self._synchronize(context, link, counts)
            except trackers.errors.TrackerError as error:
                ExternalSystemLink.objects.filter(pk=link.pk).update(problem=str(error))
                if error.temporary:
                    raise again(self, context, error) from None
                problems.append(f"{link.name}: {error}")
        if problems and len(problems) == len(links):
            raise TaskFailed(" ".join(problems))
        context.progress(total, total)
        return _outcome(counts, problems)

    def _synchronize(self, context: TaskContext, link: ExternalSystemLink, counts: Counts) -> None:
        known = context.memory.get("link")
        at = known if known and known["id"] == str(link.pk) else {}
        work = Synchronization(
            link,
            began=_moment(at.get("began")),
            cursor=at.get("cursor"),
            latest=_moment(at.get("latest")),
            unnamed=at.get("unnamed", ()),
            counts=Counts(**at.get("counts", {})),
        )
        for _ in work.pull():
            context.remember(link=_at(work))
            context.progress(work.done)
            context.checkpoint(safe=True)
        for _ in work.push():
            context.remember(link=_at(work))
            context.progress(work.done, text=_PUSHING)
            context.checkpoint(safe=True)
        work.end()
        _add(counts, work.counts)
        ended = [*context.memory.get("ended", []), str(link.pk)]
        context.remember(ended=ended, counts=asdict(counts), link=None)


def _at(work: Synchronization) -> dict[str, Any]:
    """Return what another attempt goes on from."""
    counts = work.counts
    return {
        "id": str(work.link.pk),
        "began": work.began.isoformat(),
        "cursor": work.cursor,
        "latest": work.latest.isoformat() if work.latest else None,
        "unnamed": work.unnamed,
        # What failed or is gone, its row says, which is looked at again.
        "counts": {"pulled": counts.pulled, "pushed": counts.pushed, "made": counts.made},
    }


def _links(account_id: Any, parameters: Mapping[str, Any]) -> list[ExternalSystemLink]:
    """
    Return the links that are to be synchronised.

    Raises:
        SubmissionRefused: the system or the link is not there, or is switched off.
    """
    system_id, link_id = parameters["ExternalSystemId"], parameters.get("ExternalSystemLinkId")
    system = ExternalSystem.objects.filter(pk=system_id, account=account_id).first()
    if system is None:
        raise SubmissionRefused(f"The external system {system_id} does not exist.")
    if not system.enabled:
        raise SubmissionRefused(f"The external system {system.name!r} is switched off.")
    if link_id is None:
        return linking.links_of(system)
    try:
        link = linking.usable_link(account_id, link_id)
    except linking.LinkRefused as refusal:
        raise SubmissionRefused(str(refusal)) from None
    if link.external_system_id != system_id:
        raise SubmissionRefused(f"The link {link.name!r} is not of {system.name!r}.")
    return [link]


def _add(counts: Counts, more: Counts) -> None:
    counts.pulled += more.pulled
    counts.pushed += more.pushed
    counts.made += more.made
    counts.gone += more.gone
    counts.failures += more.failures


def _outcome(counts: Counts, problems: list[str]) -> Outcome:
    failures = counts.failures
    warnings = [*problems, *failures[:_NAMED]]
    if len(failures) > _NAMED:
        warnings.append(f"{len(failures) - _NAMED:,} more tickets are not in step.")
    result = {
        "Pulled": counts.pulled,
        "Pushed": counts.pushed,
        "Created": counts.made,
        "Gone": counts.gone,
        "Failed": len(failures),
    }
    return Outcome(result, warnings=warnings)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
