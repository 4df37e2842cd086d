"""Each dialect as a reader of runs: what it says of one, as facts that all of them know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from django.contrib.auth.models import User

from backgroundtasks.api.arcgis.vocabulary import owner_id
from backgroundtasks.api.astra import identities
from backgroundtasks.models import Task

if TYPE_CHECKING:
    from backgroundtasks.models import TaskStatus
    from tests.support.http import Caller


@dataclass(frozen=True, slots=True)
class Facts:
    """What every dialect says of a run, in its own words and units."""

    run_id: UUID
    #: It ended as its owner wished; None: it has not ended.
    well: bool | None
    #: Of a hundred, cut to a whole number.
    percent: int
    #: To the second: one dialect has no finer times.
    queued: datetime
    #: Of queueing until a worker begins, as one dialect shows it.
    started: datetime
    finished: datetime | None
    #: Why it did not end well; "" otherwise.
    why: str
    #: Who started it; None where the dialect says it in lists alone.
    owner: str | None


class Dialect(Protocol):
    """One vendor's API."""

    name: str
    #: Members of an account may read here; else only operators of the installation.
    for_members: bool

    def path(self, caller: Caller, run: TaskStatus) -> str:
        """Return where a run is, for this caller."""

    def list_paths(self, caller: Caller) -> list[str]:
        """Return where the caller's runs are: most dialects have one list of them."""

    def headers(self, caller: Caller) -> dict[str, str]:
        """Return what names the caller's account, where the path and the default do not."""

    def is_missing(self, answer: Any) -> bool:
        """Return whether an answer says that there is no such thing for the caller."""

    def is_of_nobody(self, answer: Any) -> bool:
        """Return whether an answer asks for a good credential."""

    def items(self, body: Any) -> list[Any]:
        """Return the runs of a list's body."""

    def facts(self, item: Any) -> Facts:
        """Return what a representation says, alone or in a list."""


class _WithStatuses:
    """What dialects have in common that say everything by HTTP's statuses."""

    for_members = True

    def headers(self, caller: Caller) -> dict[str, str]:
        return {}

    def is_missing(self, answer: Any) -> bool:
        return bool(answer.status_code == 404)

    def is_of_nobody(self, answer: Any) -> bool:
        return bool(answer.status_code == 401)


class EnterpriseTester(_WithStatuses):
    """Public ids with a prefix, progress as a fraction, times in whole seconds."""

    name = "Enterprise Tester"

    def path(self, caller: Caller, run: TaskStatus) -> str:
        return f"/api/backgroundtask/{run.task_type.lower()}-{run.pk}"

    def list_paths(self, caller: Caller) -> list[str]:
        return ["/api/backgroundtasks?$top=1000"]

    def items(self, body: Any) -> list[Any]:
        return list(body["Items"])

    def facts(self, item: Any) -> Facts:
        ended = "FinishedAt" in item
        return Facts(
            run_id=UUID(item["Id"][-36:]),
            well=item["Complete"] if ended else None,
            percent=_cut(item["ProgressInPercent"] * 100),
            queued=_second(item["QueuedAt"]),
            started=_second(item["StartedAt"]),
            finished=_second_or_none(item.get("FinishedAt")),
            why=item.get("Error", ""),
            owner=item.get("Owner"),
        )


class SailPoint(_WithStatuses):
    """One of its versions: ids without dashes, whole percents, the reason as the last message."""

    def __init__(self, base: str) -> None:
        self.name = f"SailPoint {base}"
        self._base = base

    def path(self, caller: Caller, run: TaskStatus) -> str:
        return f"{self._base}/{run.pk.hex}"

    def list_paths(self, caller: Caller) -> list[str]:
        return [self._base]

    def items(self, body: Any) -> list[Any]:
        return list(body)

    def facts(self, item: Any) -> Facts:
        status = (item["completionStatus"] or "").upper()
        well = status in {"SUCCESS", "WARNING"} if status else None
        return Facts(
            run_id=UUID(item["id"]),
            well=well,
            percent=item["percentComplete"],
            queued=_second(item["created"]),
            started=_second(item["launched"] or item["created"]),
            finished=_second_or_none(item["completed"]),
            why=item["messages"][-1]["localizedText"]["message"] if well is False else "",
            owner=item["launcher"],
        )


class Astra(_WithStatuses):
    """Below an account, percents with decimals, users as identifiers, nothing that is null."""

    name = "Astra"

    def path(self, caller: Caller, run: TaskStatus) -> str:
        return f"/accounts/{caller.actor.account.pk}/core/v1/tasks/{run.pk}"

    def list_paths(self, caller: Caller) -> list[str]:
        return [f"/accounts/{caller.actor.account.pk}/core/v1/tasks"]

    def items(self, body: Any) -> list[Any]:
        return list(body["items"])

    def facts(self, item: Any) -> Facts:
        ends = {"completed": True, "failed": False, "cancelled": False}
        well = ends.get(item["state"])
        queued = item["metadata"]["creationTimestamp"]
        users = {identities.of_user(user.pk): user.username for user in User.objects.all()}
        return Facts(
            run_id=UUID(item["id"]),
            well=well,
            percent=_cut(item.get("percentDone", 0)),
            queued=_second(queued),
            started=_second(item.get("startTime", queued)),
            finished=_second_or_none(item.get("endTime")),
            why=item["stateDetails"][0]["detail"] if well is False else "",
            owner=users[item["userID"]],
        )


class ArcGIS:
    """Below their tasks, times in milliseconds, users as ids, and 200 whatever it says."""

    name = "ArcGIS"
    for_members = False
    _TASKS: Final = "/arcgis/admin/system/tasks"

    def path(self, caller: Caller, run: TaskStatus) -> str:
        return f"{self._TASKS}/{run.task_id.hex}/runs/{run.pk.hex}?f=json"

    def list_paths(self, caller: Caller) -> list[str]:
        return [f"{self._TASKS}/{task.pk.hex}/runs?f=json" for task in Task.objects.all()]

    def headers(self, caller: Caller) -> dict[str, str]:
        return {"X-Account-Id": str(caller.actor.account.pk)}

    def is_missing(self, answer: Any) -> bool:
        # Whoever is no operator hears the same of everything.
        return self._code(answer) in {403, 404}

    def is_of_nobody(self, answer: Any) -> bool:
        return self._code(answer) in {498, 499}

    def items(self, body: Any) -> list[Any]:
        return list(body["result"])

    def facts(self, item: Any) -> Facts:
        well = {"succeeded": True, "failed": False, "skipped": False}.get(item["status"])
        users = {owner_id(user.pk): user.username for user in User.objects.all()}
        return Facts(
            run_id=UUID(item["runId"]),
            well=well,
            percent=item["percentComplete"],
            queued=_instant(item["created"]),
            started=_instant(item.get("started", item["created"])),
            finished=_instant(item["finished"]) if "finished" in item else None,
            why=item["result"] if well is False else "",
            owner=users[item["task"]["ownerId"]],
        )

    def _code(self, answer: Any) -> int:
        assert answer.status_code == 200
        return int(answer.json().get("error", {}).get("code", 0))


#: A dialect that is not here is not asked: add it.
DIALECTS: Final[tuple[Dialect, ...]] = (
    EnterpriseTester(),
    SailPoint("/task-status/v1"),
    SailPoint("/beta/task-status"),
    Astra(),
    ArcGIS(),
)


def one(dialect: Dialect, caller: Caller, run: TaskStatus) -> Facts | None:
    """Return what a dialect says of a run; None when it knows none."""
    answer = caller.get(dialect.path(caller, run), **dialect.headers(caller))
    if dialect.is_missing(answer):
        return None
    assert answer.status_code == 200, (dialect.name, answer.content)
    return dialect.facts(answer.json())


def listed(dialect: Dialect, caller: Caller) -> dict[UUID, Facts]:
    """Return what a dialect says of every run that the caller sees."""
    found: list[Facts] = []
    for path in dialect.list_paths(caller):
        answer = caller.get(path, **dialect.headers(caller))
        if dialect.is_missing(answer):
            continue
        assert answer.status_code == 200, (dialect.name, answer.content)
        found += [dialect.facts(item) for item in dialect.items(answer.json())]
    assert len({facts.run_id for facts in found}) == len(found), dialect.name
    return {facts.run_id: facts for facts in found}


def _cut(percent: float) -> int:
    return int(round(percent, 6))


def _second(text: str) -> datetime:
    """Return a time in any dialect's spelling, to the second."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)


def _second_or_none(text: str | None) -> datetime | None:
    return None if text is None else _second(text)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)
