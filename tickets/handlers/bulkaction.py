"""`bulkaction`: copy, move, delete or export many entities."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import transaction
from rest_framework import serializers

from backgroundtasks import queries
from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import (
    Actor,
    Outcome,
    TaskContext,
    TaskFailed,
    TaskHandler,
    permissions,
)
from backgroundtasks.handlers.fields import OptionalId
from indexing import tql
from tickets import removal, uploads, visibility
from tickets.bulk import kinds, selection
from tickets.bulk.export import Export
from tickets.bulk.placing import MISSING, Placing
from tickets.bulk.selection import Entity
from tickets.handlers.selections_field import SelectionsField
from tickets.models import ExecutionPackage
from tickets.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.db.models import QuerySet

    from tickets.bulk.kinds import Kind

COPY: Final = "BulkCopy"
MOVE: Final = "BulkMove"
DELETE: Final = "BulkDelete"
EXPORT: Final = "CsvExport"
#: What is shown while it is done.
DOING: Final = {COPY: "Copying", MOVE: "Moving", DELETE: "Deleting", EXPORT: "Exporting"}
_VERBS: Final = {COPY: "copied", MOVE: "moved", DELETE: "deleted", EXPORT: "exported"}

#: Entities that one transaction copies or moves.
BATCH: Final = 100
#: Entities that are deleted, or read for an export, between two looks at whether to stop.
BATCH_LIGHT: Final = 500


class CommandField(serializers.ChoiceField):
    """One of the commands, in any letter case."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the command as we spell it."""
        if isinstance(data, str):
            data = next((one for one in DOING if one.lower() == data.lower()), data)
        return super().to_internal_value(data)


class BulkAction(TaskHandler):
    """
    Copies, moves, deletes or exports many entities at once.

    They are named one by one, or found by a query when it begins. Its elements are entities.
    What cannot be done with some of them is a warning, and does not keep it from the others.
    """

    task_type = "bulkaction"
    permissions = (permissions.Role("member"),)
    idempotent = True
    pausable = True
    timeout = timedelta(hours=6)

    class Parameters(serializers.Serializer[Any]):
        """Source: contract `enterprise_tester.md`, section 2.8; `tql` and `selectionFile` are ours."""

        commandName = CommandField(choices=list(DOING))
        scenarioName = serializers.CharField(
            max_length=100, required=False, allow_null=True, allow_blank=True
        )
        targetId = OptionalId(required=False, allow_null=True)
        targetType = serializers.CharField(max_length=60, required=False, allow_null=True)
        targetPackageId = OptionalId(required=False, allow_null=True)
        sourcePackageId = OptionalId(required=False, allow_null=True)
        projectId = OptionalId(required=False, allow_null=True)
        selections = SelectionsField(required=False, allow_null=True)
        tql = serializers.CharField(
            max_length=20_000,
            required=False,
            allow_null=True,
            help_text="What is selected, instead of `selections`.",
        )
        retainStructure = serializers.BooleanField(
            required=False,
            allow_null=True,
            help_text="Make the folders below the source package again in the target.",
        )
        selectionFile = serializers.CharField(
            max_length=200,
            required=False,
            allow_null=True,
            help_text="Where a long selection is kept; set by the server.",
        )

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse what the command cannot be done with."""
            given = {name: value for name, value in attrs.items() if value not in (None, "", [])}
            _require_scenario(given)
            _require_one_selection(given)
            if given["commandName"] in {COPY, MOVE}:
                _require_target(given)
            else:
                _refuse_target(given)
            _require_kinds(given)
            return given

    @classmethod
    def exclusive_key(cls, parameters: Mapping[str, Any]) -> str | None:
        """Let one run move in a project at a time: two could put two packages into each other."""
        if parameters["commandName"] != MOVE:
            return None
        target = ExecutionPackage.objects.filter(pk=parameters["targetPackageId"])
        project_id = target.values_list("project_id", flat=True).first()
        return None if project_id is None else f"move {project_id}"

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse packages and projects that are not the account's; keep a long selection as a file."""
        account_id = actor.account.pk
        project_id = parameters.get("projectId")
        if project_id is not None:
            projects = visibility.visible_projects(account_id)
            if not projects.filter(pk=project_id).exists():
                raise SubmissionRefused(f"The project {project_id} does not exist.")
        found: set[UUID] = set()
        for name in ("targetPackageId", "sourcePackageId"):
            package = _package(account_id, parameters.get(name))
            if name in parameters and package is None:
                raise SubmissionRefused(f"The execution package {parameters[name]} does not exist.")
            if package is not None and project_id not in {None, package.project_id}:
                raise SubmissionRefused(
                    f"The execution package {package.pk} is in another project."
                )
            if package is not None:
                found.add(package.project_id)
        if parameters.get("retainStructure") and len(found) > 1:
            raise SubmissionRefused("retainStructure: the two packages are of two projects.")
        _check_query(account_id, parameters)
        _keep_selection(account_id, parameters)

    @classmethod
    def result_members(
        cls, result: Mapping[str, Any], link: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """Return how many entities it was done with, and a link to the file of an export."""
        members: dict[str, Any] = {"DoneElements": result["Done"]}
        if result.get("FileName"):
            href = link("exportfile", result["FileName"])
            members["FileName"] = result["FileName"]
            members["Links"] = [{"Href": href, "Rel": "ExportFile"}]
        return members

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Work through the selection, a batch at a time."""
        if "outcome" not in context.memory:
            # Kept before the selection goes: an attempt that dies in between is not lost.
            context.remember(outcome=_act(context, parameters))
        result, problems = context.memory["outcome"]
        used = [context.memory.get("file"), context.memory.get("plan")]
        if not queries.is_scheduled(context.task_id):
            used.append(parameters.get("selectionFile"))
        for name in filter(None, used):
            uploads.delete(name)
        uploads.sweep(context.account_id)
        return Outcome(result, warnings=problems)


# --- what the parameters may be ------------------------------------------------------------------


def _require_scenario(given: Mapping[str, Any]) -> None:
    scenario, command = given.get("scenarioName", ""), given["commandName"]
    fits = scenario.lower().startswith(command.lower()) and scenario.lower().endswith("scenario")
    if scenario and not fits:
        text = f"A scenario of {command} is called {command}…Scenario."
        raise serializers.ValidationError({"scenarioName": [text]})


def _require_one_selection(given: Mapping[str, Any]) -> None:
    ways = [name for name in ("selections", "tql", "selectionFile") if name in given]
    if not ways:
        text = "Select something: by selections, or by tql."
        raise serializers.ValidationError({"selections": [text]})
    if len(ways) > 1:
        raise serializers.ValidationError({ways[1]: [f"Give {ways[0]} or this, not both."]})


def _require_target(given: dict[str, Any]) -> None:
    """Take the target under either of its names."""
    kind = given.pop("targetType", None)
    target = given.pop("targetId", None)
    if kind is not None and kinds.find(kind) is not kinds.PACKAGE:
        raise serializers.ValidationError({"targetType": ["The target is an ExecutionPackage."]})
    named = given.setdefault("targetPackageId", target)
    if named is None:
        raise serializers.ValidationError({"targetPackageId": ["This field is required."]})
    if target not in {None, named}:
        raise serializers.ValidationError({"targetId": ["It is not the same as targetPackageId."]})
    if given.get("retainStructure") and "sourcePackageId" not in given:
        text = "It is required with retainStructure."
        raise serializers.ValidationError({"sourcePackageId": [text]})


def _refuse_target(given: Mapping[str, Any]) -> None:
    names = ("targetId", "targetType", "targetPackageId", "sourcePackageId", "retainStructure")
    for name in names:
        if given.get(name):
            text = f"Only for {COPY} and {MOVE}."
            raise serializers.ValidationError({name: [text]})


def _require_kinds(given: Mapping[str, Any]) -> None:
    """Refuse entities that the command is not for."""
    command = given["commandName"]
    for name in {one["Type"] for one in given.get("selections", ())}:
        kind = kinds.find(name)
        if kind is None or not _may(command, kind):
            text = f"A {name} cannot be {_VERBS[command]} by a bulkaction."
            raise serializers.ValidationError({"selections": [text]})


def _may(command: str, kind: Kind) -> bool:
    return {
        COPY: kind.copied,
        MOVE: bool(kind.package),
        DELETE: kind.deleted,
        EXPORT: True,
    }[command]


def _check_query(account_id: UUID, parameters: Mapping[str, Any]) -> None:
    text = parameters.get("tql")
    if text is None:
        return
    try:
        selection.found(account_id, text, parameters.get("projectId"))
    except tql.QueryInvalid as error:
        raise SubmissionRefused(f"tql: {error}") from None


def _keep_selection(account_id: UUID, parameters: dict[str, Any]) -> None:
    name = parameters.get("selectionFile")
    if name is not None:
        if not (uploads.belongs_to(name, account_id, uploads.SELECTIONS) and uploads.exists(name)):
            raise SubmissionRefused("selectionFile names no selection of this account.")
        return
    if len(parameters.get("selections", ())) > selection.INLINE:
        name = uploads.new_name(account_id, uploads.SELECTIONS)
        selection.save(name, selection.given(parameters.pop("selections")))
        parameters["selectionFile"] = name


def _package(account_id: UUID, identity: UUID | None) -> ExecutionPackage | None:
    found: ExecutionPackage | None = kinds.PACKAGE.visible(account_id).filter(pk=identity).first()
    return found


# --- what is done --------------------------------------------------------------------------------


def _act(context: TaskContext, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """
    Do the command; return the outcome's values, and why some were left out.

    Raises:
        TaskFailed: all were.
    """
    command = parameters["commandName"]
    entities = _selected(context, parameters)
    result: dict[str, Any] = {}
    if command == EXPORT:
        total, failed = _export(context, entities, parameters, result)
    elif command == DELETE:
        total, failed = _delete(context, entities, parameters)
    else:
        total, failed = _place(context, entities, parameters)
    problems = [
        f"{number:,} of {total:,} were not {_VERBS[command]}: they {reason}."
        for reason, number in sorted(failed.items())
    ]
    done = total - failed.total()
    if total and not done:
        raise TaskFailed(" ".join(problems))
    return {"Done": done, **result}, problems


def _selected(context: TaskContext, parameters: Mapping[str, Any]) -> list[Entity]:
    """Return the entities, the same ones in every attempt."""
    name = context.memory.get("file") or parameters.get("selectionFile")
    if name is not None:
        try:
            entities = selection.load(name)
        except FileNotFoundError:
            raise TaskFailed("The selection is not there any more: select again.") from None
    elif "tql" in parameters:
        entities = _found(context, parameters)
    else:
        return selection.given(parameters["selections"])
    command = parameters["commandName"]
    for name in sorted({name for name, _ in entities}):
        kind = kinds.find(name)
        if kind is None or not _may(command, kind):
            raise TaskFailed(f"A {name} cannot be {_VERBS[command]} by a bulkaction.")
    return entities


def _found(context: TaskContext, parameters: Mapping[str, Any]) -> list[Entity]:
    """Ask the query once, and keep what it found for the next attempt."""
    try:
        found = selection.found(context.account_id, parameters["tql"], parameters.get("projectId"))
    except tql.QueryInvalid as error:
        raise TaskFailed(str(error)) from error
    entities = list(found.values_list("entity_type", "entity_id"))
    name = uploads.new_name(context.account_id, uploads.SELECTIONS)
    selection.save(name, entities)
    context.remember(file=name)
    return entities


def _batches(
    entities: list[Entity], begin: int, size: int
) -> Iterator[tuple[int, Kind, list[UUID]]]:
    """Yield batches of one kind each, with the place behind each."""
    place = begin
    while place < len(entities):
        name = entities[place][0]
        ids: list[UUID] = []
        while place < len(entities) and entities[place][0] == name and len(ids) < size:
            ids.append(entities[place][1])
            place += 1
        kind = kinds.find(name)
        if kind is not None:
            yield place, kind, ids


def _failed(context: TaskContext) -> Counter[str]:
    """Return why entities were not done with, in this attempt and those before."""
    return Counter(context.memory.get("failed", {}))


def _place(
    context: TaskContext, entities: list[Entity], parameters: Mapping[str, Any]
) -> tuple[int, Counter[str]]:
    """Copy or move; rows, documents and the place in the selection are stored together."""
    command = parameters["commandName"]
    target = _package(context.account_id, parameters["targetPackageId"])
    if target is None:
        raise TaskFailed(
            f"The execution package {parameters['targetPackageId']} does not exist any more."
        )
    source = None
    if parameters.get("retainStructure"):
        source = _package(context.account_id, parameters["sourcePackageId"])
    placing = Placing(target, run_id=context.run_id, source=source, moves=command == MOVE)
    todo = _plan(context, placing, entities, command)
    act = placing.move if command == MOVE else placing.copy
    tally = Tally(context, lambda: len(todo), DOING[command])
    failed = _failed(context)
    for place, kind, ids in _batches(todo, tally.done, BATCH):
        with transaction.atomic():
            failed += act(kind, ids)
            # With the rows, or a second attempt would copy them again.
            context.remember(done=place, failed=failed)
        tally.advance(len(ids))
    tally.end()
    return len(todo), failed


def _plan(
    context: TaskContext, placing: Placing, entities: list[Entity], command: str
) -> list[Entity]:
    """Return what is to be placed, one by one, the same in every attempt."""
    name = context.memory.get("plan")
    if name is not None:
        todo = selection.load(name)
    else:
        todo = placing.outermost(entities)
        if command == COPY:
            todo = placing.expanded(todo)
        name = uploads.new_name(context.account_id, uploads.SELECTIONS)
        selection.save(name, todo)
        context.remember(plan=name)
    placing.know(todo if command == COPY else ())
    return todo


def _delete(
    context: TaskContext, entities: list[Entity], parameters: Mapping[str, Any]
) -> tuple[int, Counter[str]]:
    """Remove entities with all that hangs below them."""
    tally = Tally(context, lambda: len(entities), DOING[DELETE])
    project_id = parameters.get("projectId")
    if "failed" not in context.memory:
        # Looked at before anything goes: what is in a package that is selected goes with it.
        missing = sum(
            len(ids) - _there(context, kind, ids, project_id).count()
            for _, kind, ids in _batches(entities, 0, BATCH_LIGHT)
        )
        context.remember(failed={MISSING: missing} if missing else {})
    failed = _failed(context)
    for _, kind, ids in _batches(entities, tally.done, BATCH_LIGHT):
        for _ in removal.remove(_there(context, kind, ids, project_id)):
            tally.advance(0)
        tally.advance(len(ids))
    tally.end()
    return len(entities), failed


def _there(
    context: TaskContext, kind: Kind, ids: list[UUID], project_id: UUID | None
) -> QuerySet[Any]:
    """Return those of the ids that can be seen; of a project, if one was named."""
    rows = kind.visible(context.account_id).filter(pk__in=ids)
    return rows if project_id is None else rows.filter(**{kind.project: project_id})


def _export(
    context: TaskContext,
    entities: list[Entity],
    parameters: Mapping[str, Any],
    result: dict[str, Any],
) -> tuple[int, Counter[str]]:
    """Write the file anew, whatever an earlier attempt wrote."""
    total, missing = len(entities), 0
    context.progress(0, total, DOING[EXPORT])
    export = Export()
    try:
        for place, kind, ids in _batches(entities, 0, BATCH_LIGHT):
            missing += export.add(kind, ids, context.account_id, parameters.get("projectId"))
            context.progress(place, total)
            context.checkpoint(safe=True)
        if missing < total or not total:
            result["FileName"] = export.keep(context.account_id, context.run_id)
    finally:
        export.close()
    return total, Counter({MISSING: missing} if missing else {})
