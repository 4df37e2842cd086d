"""`AutomatedTestImport`: an uploaded results file becomes a run with its nodes."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

from django.db import IntegrityError
from django.urls import NoReverseMatch, reverse
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
from backgroundtasks.handlers.context import Cancelled, TimedOut
from tickets import conf, staging, uploads, visibility
from tickets.evidence import Evidence
from tickets.models import AutomatedTestAssignment, AutomatedTestRun
from tickets.results import upload
from tickets.results.census import count_cases
from tickets.results.exceptions import ResultsUnreadable
from tickets.results.junit import JUnitReader
from tickets.results.text import short
from tickets.staging import RunTakenAway, Staging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from django.db.models import QuerySet

    from tickets.results.upload import Report

COUNTING = "Counting test cases"
READING = "Importing results"


class AutomatedTestImport(TaskHandler):
    """
    Imports an uploaded results file into a run of an automated test.

    Its elements are test cases. The file is deleted when the import has ended, well or
    not; while another attempt may follow, it is kept.
    """

    task_type = "AutomatedTestImport"
    permissions = (permissions.Role("member"),)
    idempotent = True
    timeout = timedelta(hours=2)

    class Parameters(serializers.Serializer[Any]):
        """Where the results go, and where they are."""

        AutomatedTestAssignmentId = serializers.UUIDField()
        ResultsPath = serializers.CharField(
            max_length=200,
            help_text="The name of an uploaded file in the file store, never a server's path.",
        )

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse an assignment or a file that is not the account's, or is not there."""
        assignment_id = parameters["AutomatedTestAssignmentId"]
        if not _assignments(actor.account.pk).filter(pk=assignment_id).exists():
            raise SubmissionRefused(
                f"The automated test assignment {assignment_id} does not exist."
            )
        name = parameters["ResultsPath"]
        if not (uploads.belongs_to(name, actor.account.pk) and uploads.exists(name)):
            raise SubmissionRefused("ResultsPath names no uploaded file of this account.")

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return the assignment that gets the results, by the name of its test."""
        assignment_id = parameters["AutomatedTestAssignmentId"]
        found = AutomatedTestAssignment.objects.filter(pk=assignment_id)
        return Resource(
            id=str(assignment_id),
            name=found.values_list("automated_test__name", flat=True).first() or "",
            kind="automatedtestassignment",
            path=_path_of(assignment_id),
        )

    @classmethod
    def result_members(
        cls, result: Mapping[str, Any], link: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """Return the run that was made, and a link to it."""
        run_id = result["AutomatedTestRunId"]
        return {
            "AutomatedTestRunId": run_id,
            "Links": [{"Href": link("automatedtestrun", run_id), "Rel": "AutomatedTestRun"}],
        }

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Read the file, stage its nodes, show them."""
        name = parameters["ResultsPath"]
        try:
            with staging.unmapped():
                run = _import(context, parameters["AutomatedTestAssignmentId"], name)
                # Also when an earlier attempt showed the run: it may have died just then.
                staging.index_nodes(run.pk)
        except (TaskFailed, Cancelled, TimedOut) as end:
            if not getattr(end, "temporary", False):
                uploads.delete(name)
            raise
        uploads.delete(name)
        uploads.sweep(context.account_id)
        staging.sweep(context.account_id)
        return Outcome({"AutomatedTestRunId": str(run.pk), "TotalResults": run.total_results})


def _assignments(account_id: UUID) -> QuerySet[AutomatedTestAssignment]:
    """Return the account's assignments, without those of projects that nobody sees."""
    assignments = AutomatedTestAssignment.objects.filter(account_id=account_id)
    return assignments.exclude(automated_test__project__in=visibility.hidden_projects())


def _path_of(assignment_id: UUID) -> str:
    """Return where the assignment is shown; nothing in a project that does not show them."""
    try:
        return reverse("automatedtestassignment", args=(assignment_id,))
    except NoReverseMatch:
        return ""


def _import(context: TaskContext, assignment_id: UUID, name: str) -> AutomatedTestRun:
    """Return the run that is shown at the end, whichever attempt made it."""
    shown = staging.find_shown(context.run_id)
    if shown is not None:  # an earlier attempt came this far and died before it could say so
        return shown
    staging.discard_import(context.run_id)
    assignment = _assignments(context.account_id).filter(pk=assignment_id).first()
    if assignment is None:
        raise TaskFailed(f"The automated test assignment {assignment_id} does not exist any more.")
    with _opened(name) as file:
        staged = Staging.begin(assignment, import_id=context.run_id, run_by_id=context.user_id)
        try:
            reader = _stage(context, staged, file)
        except (IntegrityError, RunTakenAway) as error:
            raise TaskFailed("The results were taken over by another attempt.") from error
        except ResultsUnreadable as error:
            staging.discard(staged.run_id)
            raise TaskFailed(str(error)) from error
        except OSError as error:
            staging.discard(staged.run_id)
            raise TaskFailed(
                f"The attachments cannot be stored: {error}.", temporary=True
            ) from error
        except BaseException:
            staging.discard(staged.run_id)
            raise
    _tell(context, reader)
    return AutomatedTestRun.objects.get(pk=staged.run_id)


def _opened(name: str) -> IO[bytes]:
    try:
        return uploads.read(name)
    except FileNotFoundError:
        raise TaskFailed(
            "The uploaded results are not there any more: upload them again."
        ) from None
    except OSError as error:
        raise TaskFailed(
            f"The uploaded results cannot be read: {error}.", temporary=True
        ) from error


def _stage(context: TaskContext, staged: Staging, file: IO[bytes]) -> JUnitReader:
    """Read all reports of the file into rows, with the files that they name, and show them."""
    reports = upload.reports(file, unpacked_limit=conf.UNPACKED_LIMIT)
    total = _count(context, reports)
    reader = JUnitReader()
    evidence = Evidence(staged, file, user_id=context.user_id)
    for report in reports:
        for nodes in reader.read(report.chunks(), report.source):
            context.checkpoint()
            staged.add(nodes)
            evidence.note(nodes, report.source)
            done = reader.totals.results
            # The look ahead may have missed some; a total is never below what is done.
            context.progress(done, max(done, total), READING)
    with closing(evidence.attach()) as attaching:
        for _ in attaching:
            context.checkpoint()
    context.checkpoint()
    staged.show(reader.totals, started_at=reader.started_at, finished_at=reader.finished_at)
    done = reader.totals.results
    context.progress(done, done, READING)
    if evidence.left:
        context.message(
            "warning",
            "import.attachments_left",
            short(f"{evidence.left:,} attachments were left out: {evidence.problem}."),
            left=evidence.left,
        )
    return reader


def _count(context: TaskContext, reports: list[Report]) -> int:
    context.progress(0, 0, COUNTING)
    total = 0
    for report in reports:
        context.checkpoint()
        total += count_cases(report.chunks())
    context.progress(0, total, READING)
    return total


def _tell(context: TaskContext, reader: JUnitReader) -> None:
    """Say what a person should know of the results, as messages of the background run."""
    totals = reader.totals
    for suite, text in reader.problems:
        where = f"The suite {suite}" if suite else "The report"
        context.message("error", "import.suite_error", short(f"{where} has an error: {text}"))
    if totals.suite_errors > len(reader.problems):
        left = totals.suite_errors - len(reader.problems)
        context.message("error", "import.suite_errors", f"{left:,} more suites have an error.")
    if totals.unread_durations:
        context.message(
            "warning",
            "import.durations_unread",
            f"{totals.unread_durations:,} durations could not be read and were left out.",
        )
    if not totals.results:
        context.message("warning", "import.empty", "The results hold no test case.")
