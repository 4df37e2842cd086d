"""What a deletion removes, in which steps, and what stops it."""

from __future__ import annotations

import copy
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from pytest_django import DjangoCaptureOnCommitCallbacks

from backgroundtasks import clock
from backgroundtasks.handlers.testing import perform
from backgroundtasks.states import State
from indexing import documents
from indexing.models import Document, Relationship
from tests.support.factories import AccountFactory
from tests.support.importing import imported
from tests.support.projects import (
    AgileRunStepFactory,
    AssignmentFactory,
    AutomatedTestFactory,
    CustomFieldFactory,
    ExternalSystemFactory,
    ExternalSystemLinkFactory,
    ExternalTicketFactory,
    IncidentFactory,
    NodeFactory,
    PackageFactory,
    PicklistItemFactory,
    ProjectFactory,
    RunFactory,
    ScriptFactory,
    StepResultFactory,
    pick,
)
from tests.support.reports import report
from tests.support.rows import all_rows
from tests.support.uploads import attached, files_in
from tickets import attachments, removal, staging, uploads
from tickets.handlers.delete_organisation import DeleteOrganisation
from tickets.handlers.delete_project import DeleteProject
from tickets.models import (
    AgileRunStepIncident,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    Backlink,
    BuiltinProject,
    CustomField,
    ExecutionPackage,
    ExternalSystem,
    FieldOf,
    IncidentComment,
    PicklistItem,
    Project,
    ResultNode,
    ResultNodeIncident,
    Stage,
    StepResult,
    StepResultIncident,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

MODELS = (Project, ExecutionPackage, AutomatedTest, AutomatedTestAssignment, AutomatedTestRun)


def filled(project: Project | None = None) -> Project:
    """Return an indexed project that has a row in every table which belongs to projects."""
    project = project or ProjectFactory.create()
    outer = PackageFactory.create(project=project)
    inner = PackageFactory.create(project=project, parent=outer)
    test = AutomatedTestFactory.create(project=project, package=inner)
    assignment = AssignmentFactory.create(automated_test=test, package=inner)
    run = imported(assignment, b"".join(report(20)))
    word = PicklistItem.objects.create(
        account=project.account, project=project, picklist="Priority", name="High"
    )
    script = ScriptFactory.create(project=project)
    step = StepResultFactory.create(run__assignment__script=script, run__assignment__package=inner)
    agile = AgileRunStepFactory.create(run__package=outer, run__priority=word)
    incident = IncidentFactory.create(project=project, priority=word)
    pick(incident, PicklistItemFactory.create(project=project), "Component")
    CustomFieldFactory.create(project=project)
    system = ExternalSystemFactory.create(account=project.account)
    link = ExternalSystemLinkFactory.create(project=project, external_system=system)
    ticket = ExternalTicketFactory.create(link=link, incident=incident)
    Backlink.objects.create(ticket=ticket, global_id="g", url="u", title="t")
    IncidentComment.objects.create(incident=incident, text="Again.")
    StepResultIncident.objects.create(step_result=step, incident=incident)
    AgileRunStepIncident.objects.create(step=agile, incident=incident)
    node = ResultNode.objects.filter(run=run, is_case=True).first()
    for owner in (step, agile, run, node, incident):
        attached(owner)
    ResultNodeIncident.objects.create(run=run, node=node, incident=incident)
    for model in MODELS:
        documents.index(model, model._base_manager.values_list("pk", flat=True))
    return project


def rows_of_projects() -> dict[str, list[tuple[object, ...]]]:
    """Return every row that belongs to a project, and what the index knows of them."""
    beside = ("tickets_externalsystem", "tickets_builtin", "tickets_ticketwriter")
    return {
        table: rows
        for table, rows in all_rows().items()
        if table == "tickets_externalsystemlink"
        or (table.startswith("tickets_") and not table.startswith(beside))
        or table in {"indexing_document", "indexing_relationship"}
    }


def test_every_table_of_projects_is_tried_here() -> None:
    filled()

    assert all(rows_of_projects().values())


MANY = 3_000


def many(row: Any, **others: list[Any]) -> list[Any]:
    """Store copies of a row, each with the next one of the others."""
    rows = [copy.copy(row) for _ in range(MANY)]
    for number, one in enumerate(rows):
        one.pk = uuid.uuid4()
        for name, values in others.items():
            setattr(one, name, values[number])
    made: list[Any] = type(row)._base_manager.bulk_create(rows, batch_size=1_000)
    return made


class TestDeleteProject:
    def test_leaves_nothing_of_the_project_and_all_of_the_others(self) -> None:
        other = filled(ProjectFactory.create(account=AccountFactory.create()))
        before = rows_of_projects()
        project = filled(ProjectFactory.create(account=other.account))

        run = perform(DeleteProject, {"ProjectId": str(project.pk)}, account_id=project.account_id)

        assert rows_of_projects() == before
        assert run.state == State.SUCCEEDED
        left = removal.count(Project.objects.all())
        assert run.result == {"Deleted": left}
        assert run.progress == (left, left, "Deleting the project")

    def test_also_of_what_an_import_has_staged_or_given_up(self) -> None:
        project = filled()
        assignment = AutomatedTestAssignment.objects.get()
        for stage in (Stage.STAGED, Stage.DISCARDED):
            NodeFactory.create(run=RunFactory.create(assignment=assignment, stage=stage))

        perform(DeleteProject, {"Id": str(project.pk)}, account_id=project.account_id)

        assert not any(rows_of_projects().values())

    def test_sweeps_documents_of_rows_that_came_in_between(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = filled()
        true_remove = removal.remove

        def remove(rows: object) -> Iterator[int]:
            yield from true_remove(rows)  # type: ignore[arg-type]
            if rows.model is AutomatedTest and Project.objects.exists():  # type: ignore[attr-defined]
                late = AutomatedTestFactory.create(project=project)
                documents.index(AutomatedTest, [late.pk])

        monkeypatch.setattr(removal, "remove", remove)

        removal.finish(removal.remove_projects(Project.objects.filter(pk=project.pk)))

        assert not any(rows_of_projects().values())

    def test_is_counted_at_once_whatever_the_database_thinks_that_there_is(self) -> None:
        project = filled()
        [step] = StepResult.objects.all()
        before = removal.count(Project.objects.all())
        scripts = many(step.run.assignment.script)
        assignments = many(step.run.assignment, script=scripts)
        runs = many(step.run, assignment=assignments)
        many(step, run=runs)
        if connection.vendor == "postgresql":
            # As before the first ANALYZE of a server that is slow to it: one row a table, it thinks.
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE pg_class SET reltuples = 1, relpages = 100000"
                    " WHERE relkind = 'r' AND relname LIKE 'tickets_%'"
                )
                cursor.execute("SET LOCAL statement_timeout TO '20s'")

        assert removal.count(Project.objects.filter(pk=project.pk)) == before + 4 * MANY

    @pytest.mark.parametrize("stop", ["cancel_after", "stop_after", "pause_after"])
    def test_stops_at_any_step_and_the_next_attempt_goes_on(
        self, stop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(staging, "BATCH_REMOVED", 5)
        project = filled()
        parameters = {"ProjectId": str(project.pk)}
        all_of_it = removal.count(Project.objects.filter(pk=project.pk))

        first = perform(DeleteProject, parameters, account_id=project.account_id, **{stop: 4})  # type: ignore[arg-type]

        assert (
            first.state
            == {
                "cancel_after": State.CANCELLED,
                "stop_after": State.QUEUED,
                "pause_after": State.PAUSED,
            }[stop]
        )
        assert Project.objects.filter(pk=project.pk).exists()
        left = removal.count(Project.objects.filter(pk=project.pk))
        assert 0 < left < all_of_it
        [said] = first.messages
        assert said.text == f"{all_of_it - left} of {all_of_it} rows are deleted."

        second = perform(
            DeleteProject,
            parameters,
            account_id=project.account_id,
            attempt=2,
            memory=first.memory,
        )

        assert second.state == State.SUCCEEDED
        assert second.result == {"Deleted": all_of_it}
        assert not any(rows_of_projects().values())

    def test_that_died_after_the_last_row_succeeds(self) -> None:
        run = perform(
            DeleteProject,
            {"ProjectId": str(uuid.uuid4())},
            attempt=2,
            memory={"total": 5, "done": 5},
        )

        assert run.state == State.SUCCEEDED

    def test_fails_for_a_project_of_another_account(self) -> None:
        project = filled()

        run = perform(DeleteProject, {"ProjectId": str(project.pk)}, account_id=uuid.uuid4())

        assert run.state == State.FAILED
        assert run.error == f"The project {project.pk} does not exist any more."
        assert Project.objects.filter(pk=project.pk).exists()

    def test_takes_with_it_what_nobody_fills_any_more(self) -> None:
        project = filled()
        ProjectFactory.create(account=project.account, is_complete=False, hidden_by=uuid.uuid4())

        perform(DeleteProject, {"ProjectId": str(project.pk)}, account_id=project.account_id)

        assert not Project.objects.exists()


class TestDeleteOrganisation:
    def test_leaves_no_project_and_no_file_of_the_account(
        self,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        other = filled()
        uploads.save(uploads.new_name(other.account_id), ContentFile(b"x"))
        theirs = CustomFieldFactory.create(project=None, account=other.account)
        kept = set(files_in(file_store))
        before = rows_of_projects()
        account = AccountFactory.create()
        for _ in range(2):
            filled(ProjectFactory.create(account=account))
        BuiltinProject.objects.create(account=account, key="TST")
        for entity_type in FieldOf:
            CustomFieldFactory.create(project=None, account=account, entity_type=entity_type)
        for kind in (uploads.RESULTS, uploads.SELECTIONS, uploads.EXPORTS):
            uploads.save(uploads.new_name(account.pk, kind), ContentFile(b"x"))

        with django_capture_on_commit_callbacks(execute=True):
            run = perform(
                DeleteOrganisation, {"OrganisationId": str(account.pk)}, account_id=account.pk
            )

        assert run.state == State.SUCCEEDED
        assert rows_of_projects() == before
        assert set(files_in(file_store)) == kept
        assert ExternalSystem.objects.get().account == other.account
        assert not BuiltinProject.objects.exists()
        assert CustomField.objects.filter(project=None).get() == theirs

    def test_keeps_the_fields_that_what_was_made_meanwhile_may_have(self) -> None:
        account = AccountFactory.create()
        fields = [
            CustomFieldFactory.create(project=None, account=account, entity_type=entity_type)
            for entity_type in (FieldOf.INCIDENT, FieldOf.EXTERNAL_SYSTEM)
        ]
        before = clock.now()
        ExternalSystemFactory.create(account=account)
        project = ProjectFactory.create(account=account)

        removal.finish(removal.remove_rest(account.pk, before))
        assert CustomField.objects.count() == 2
        project.delete()
        removal.finish(removal.remove_rest(account.pk, before))

        assert CustomField.objects.get() == fields[1]

    def test_goes_on_where_it_was_stopped_and_keeps_what_was_made_meanwhile(
        self,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        project = filled()
        account_id = project.account_id
        run_id = uuid.uuid4()
        parameters = {"Id": str(account_id)}

        with django_capture_on_commit_callbacks(execute=True):
            first = perform(
                DeleteOrganisation, parameters, account_id=account_id, run_id=run_id, stop_after=2
            )
        later = ProjectFactory.create(account=project.account)
        system = ExternalSystemFactory.create(account=project.account)
        # Of an import into the new project, which was accepted.
        name = uploads.new_name(account_id)
        uploads.save(name, ContentFile(b"x"))
        uploaded = file_store / name
        attachment = attached(IncidentFactory.create(project=later))
        soon = time.time() + 1  # some file systems count in whole ticks of a slow clock
        os.utime(uploaded, (soon, soon))
        with django_capture_on_commit_callbacks(execute=True):
            second = perform(
                DeleteOrganisation,
                parameters,
                account_id=account_id,
                run_id=run_id,
                attempt=2,
                memory=first.memory,
            )

        assert (first.state, second.state) == (State.QUEUED, State.SUCCEEDED)
        assert list(Project.objects.all()) == [later]
        assert list(ExternalSystem.objects.all()) == [system]
        there = file_store / attachments.name_of(account_id, attachment.pk)
        assert set(files_in(file_store)) == {uploaded, there}
        assert not Document.objects.exists()
        assert not Relationship.objects.exists()
