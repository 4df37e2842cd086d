"""
Files that people attach to steps, results and incidents.

The content is stored before its row, and removed after it, so no row is ever without its file. What
dies in between leaves a file without a row, which the installation's hourly cleaner removes.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks import clock
from tickets import conf, uploads, visibility
from tickets.models import (
    AgileRunStep,
    AgileRunStepIncident,
    Attachment,
    AutomatedTestRun,
    Incident,
    IncidentLink,
    ResultNodeIncident,
    ScriptRun,
    Stage,
    StepResult,
    StepResultIncident,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from django.contrib.auth.models import User
    from django.core.files import File
    from django.db.models import QuerySet

    from tickets.places import Place

logger = logging.getLogger(__name__)

#: Of one step, node, run or incident: lists of them are not always paged.
MOST: Final = 1_000
#: Rows that one transaction removes.
BATCH: Final = 200
#: Rows that the cleaner asks for at once.
_ASKED: Final = 500
_FROZEN: Final = "The run is completed: its step results do not change any more."


class OwnerGone(Exception):
    """What the files were for was removed meanwhile."""


class AttachmentRefused(Exception):
    """It takes no attachments, or loses none; the text is for people."""


class Kind(StrEnum):
    """What files can be attached to, by the field of `Attachment`."""

    STEP_RESULT = "step_result"
    AGILE_STEP = "agile_step"
    RUN = "run"
    NODE = "node"
    INCIDENT = "incident"


@dataclass(frozen=True, slots=True)
class Owner:
    """What files are attached to."""

    kind: Kind
    id: UUID
    account_id: UUID
    project_id: UUID
    #: Of the run that a step or a node belongs to.
    run_id: UUID | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What its attachments have in common, by the fields of their model."""
        if self.kind == Kind.NODE:
            return {"run_id": self.run_id, "node_id": self.id}
        if self.kind == Kind.RUN:
            return {"run_id": self.id, "node_id": None}
        return {f"{self.kind}_id": self.id}

    @property
    def attachments(self) -> QuerySet[Attachment]:
        """Its attachments."""
        return Attachment.objects.filter(**self.fields)


_KINDS: Final[dict[type[IncidentLink], Kind]] = {
    StepResultIncident: Kind.STEP_RESULT,
    AgileRunStepIncident: Kind.AGILE_STEP,
    ResultNodeIncident: Kind.NODE,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A file whose content is in the file store already."""

    id: UUID
    name: str
    content_type: str
    size: int


def of_place(place: Place, account_id: UUID) -> Owner:
    """Return a step or node as an owner."""
    return Owner(
        _KINDS[place.model], place.target_id, account_id, place.project_id, run_id=place.run_id
    )


def visible(account_id: UUID) -> QuerySet[Attachment]:
    """Return the account's attachments, without those of projects and runs that nobody sees."""
    return (
        Attachment.objects.filter(account_id=account_id)
        .exclude(project__in=visibility.hidden_projects())
        .exclude(run__stage__in=[Stage.STAGED, Stage.DISCARDED])
    )


def store(account_id: UUID, content: File[bytes]) -> UUID:
    """
    Store the content of a new attachment, and return the id that its row is to have.

    Raises:
        OSError: the store cannot take it.
    """
    identity = uuid.uuid4()
    try:
        uploads.save(name_of(account_id, identity), content)
    except BaseException:
        forget([name_of(account_id, identity)])
        raise
    return identity


def name_of(account_id: UUID, identity: UUID) -> str:
    """Return where the content of an attachment is; in one of 256 folders of its account."""
    folder = uploads.folder(account_id, uploads.ATTACHMENTS)
    return f"{folder}/{identity.hex[:2]}/{identity.hex}"


def attach(owner: Owner, files: Sequence[Stored], user: User | None) -> list[Attachment]:
    """
    Attach files whose content is stored, all or none of them.

    Raises:
        OwnerGone: it was removed meanwhile.
        AttachmentRefused: it is a step of a completed run, or has too many already.
    """
    now = clock.now()
    rows = [
        Attachment(
            id=file.id,
            account_id=owner.account_id,
            project_id=owner.project_id,
            name=file.name,
            content_type=file.content_type,
            size=file.size,
            created_by=user,
            # Lists show them in the order in which they were sent.
            created_at=now + timedelta(microseconds=place),
            **owner.fields,
        )
        for place, file in enumerate(files)
    ]
    with transaction.atomic():
        _hold(owner)
        if owner.attachments.count() + len(rows) > MOST:
            raise AttachmentRefused(f"It would have more than {MOST:,} attachments.")
        Attachment.objects.bulk_create(rows)
    return rows


def refuse_frozen(owner: Owner) -> None:
    """
    Look, before a file comes, whether its owner takes any; `attach` makes sure of it.

    Raises:
        AttachmentRefused: it is a step of a completed run.
    """
    if owner.kind != Kind.STEP_RESULT:
        return
    if ScriptRun.objects.filter(step_results=owner.id, completed=True).exists():
        raise AttachmentRefused(_FROZEN)


def detach(owner: Owner, attachment_id: UUID) -> bool:
    """
    Remove an attachment of an owner; return whether there was one.

    Raises:
        OwnerGone: the owner was removed meanwhile.
        AttachmentRefused: it is a step of a completed run.
    """
    with transaction.atomic():
        _hold(owner)
        return bool(sum(remove(owner.attachments.filter(pk=attachment_id))))


def remove(rows: QuerySet[Attachment]) -> Iterator[int]:
    """
    Remove attachments and their contents, in short transactions.

    Yields:
        How many a batch had, after it was removed.
    """
    while ids := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            yield remove_batch(ids)


def remove_batch(ids: Iterable[UUID]) -> int:
    """Remove rows in the caller's transaction; their contents go when it is committed."""
    rows = Attachment.objects.filter(pk__in=list(ids))
    names = [name_of(*found) for found in rows.values_list("account_id", "pk")]
    removed, _ = rows.delete()
    transaction.on_commit(partial(forget, names), robust=True)
    return removed


def forget(names: Iterable[str]) -> None:
    """Remove contents that have no row; what cannot be removed is left to the cleaner."""
    for name in names:
        try:
            uploads.delete(name)
        except OSError as error:
            logger.warning("attachment.left_behind name=%s error=%s", name, error)


def remove_leftovers() -> Iterator[int]:
    """
    Remove the contents, of whichever account, that have had no row for `conf.ABANDONED_AFTER`.

    Yields:
        How many went, after each folder.

    Raises:
        OSError: the store is away, or some could not be removed: when all others are.
    """
    problems: list[OSError] = []
    oldest = clock.now() - conf.ABANDONED_AFTER
    for owner in uploads.folders_in(uploads.ATTACHMENTS):
        for folder in uploads.folders_in(owner):
            old = [name for names in _without_rows(folder) for name in uploads.older(names, oldest)]
            yield uploads.delete_leftovers(old, problems)
    if problems:
        raise problems[0]


def _without_rows(folder: str) -> Iterator[list[str]]:
    """Yield the files in a folder that no attachment has; what is named by no id has no row."""
    files = uploads.files_in(folder)
    for start in range(0, len(files), _ASKED):
        part = {name: _identity(name) for name in files[start : start + _ASKED]}
        ids = [identity for identity in part.values() if identity is not None]
        known = set(Attachment.objects.filter(pk__in=ids).values_list("pk", flat=True))
        yield [name for name, identity in part.items() if identity not in known]


def _identity(name: str) -> UUID | None:
    try:
        return uuid.UUID(hex=name.rpartition("/")[2])
    except ValueError:
        return None


def _hold(owner: Owner) -> None:
    """
    Keep the owner from being removed, or completed, until the transaction ends.

    Raises:
        OwnerGone: it is not there any more.
        AttachmentRefused: its run is completed.
    """
    run_id = owner.run_id or owner.id
    if owner.kind == Kind.STEP_RESULT:
        # Whoever completes the run locks it, too.
        if _held(ScriptRun.objects.filter(pk=run_id), "completed"):
            raise AttachmentRefused(_FROZEN)
        there = _held(StepResult.objects.filter(pk=owner.id))
    elif owner.kind in {Kind.RUN, Kind.NODE}:
        # Nodes are removed after their run was discarded.
        there = _held(AutomatedTestRun.objects.filter(pk=run_id, stage=Stage.SHOWN))
    elif owner.kind == Kind.AGILE_STEP:
        there = _held(AgileRunStep.objects.filter(pk=owner.id))
    else:
        there = _held(Incident.objects.filter(pk=owner.id))
    if there is None:
        raise OwnerGone


def _held(rows: QuerySet[Any], column: str = "pk") -> Any:
    return rows.select_for_update(no_key=True).values_list(column, flat=True).first()
