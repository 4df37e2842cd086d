"""Rows and files of attachments: which goes when, and what is left when somebody dies in between."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from backgroundtasks import clock
from backgroundtasks.handlers import Actor
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance.handlers.clean_gp_jobs import CleanGPJobs
from backgroundtasks.states import State
from tests.support import factories
from tests.support.factories import AccountFactory
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunFactory,
    AgileRunStepFactory,
    AttachmentFactory,
    IncidentFactory,
    NodeFactory,
    PackageFactory,
    ProjectFactory,
    StepResultFactory,
    send,
)
from tests.support.uploads import attached, files_in, owner_of
from tickets import attachments, conf, removal, staging, uploads
from tickets.api import lookup
from tickets.handlers.bulkaction import BulkAction
from tickets.handlers.delete_project import DeleteProject
from tickets.models import (
    AgileRun,
    AgileRunStep,
    Attachment,
    AutomatedTestRun,
    ExecutionPackage,
    Incident,
    Project,
    ScriptRun,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]


def cleaned() -> Any:
    run = perform(CleanGPJobs, {})
    assert run.state == State.SUCCEEDED
    return run.result


def actor_of(project: Project) -> Actor:
    return factories.actor("viewer", project.account)


def aged(path: Path, age: timedelta) -> None:
    moment = (clock.now() - age).timestamp()
    os.utime(path, (moment, moment))


def one_of_each() -> list[Any]:
    """Return one of each thing that takes attachments, in one project and package."""
    project = ProjectFactory.create()
    package = PackageFactory.create(project=project)
    node = NodeFactory.create(
        run__assignment__automated_test__project=project, run__assignment__package=package
    )
    return [
        StepResultFactory.create(
            run__assignment__script__project=project, run__assignment__package=package
        ),
        AgileRunStepFactory.create(run__package=package),
        node.run,
        node,
        IncidentFactory.create(project=project),
    ]


class TestRow:
    @pytest.mark.parametrize("owners", [[], ["incident", "run"], ["node"], ["node", "incident"]])
    def test_has_exactly_one_owner_which_the_database_sees_to(self, owners: list[str]) -> None:
        _, _, run, node, incident = one_of_each()
        found = {"run": run, "node": node, "incident": incident}
        given = {name: found[name] for name in owners}

        with pytest.raises(IntegrityError), transaction.atomic():
            AttachmentFactory.create(**{"incident": None, "project": incident.project, **given})

    @pytest.mark.parametrize("place", range(5))
    def test_of_each_kind_is_found_by_an_index(self, place: int) -> None:
        owner = one_of_each()[place]
        attached(owner)
        rows = owner_of(owner).attachments

        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
            plan = rows.explain()

        assert "attachment_by_" in plan
        assert rows.count() == 1

    def test_of_a_page_are_looked_up_one_by_one_and_not_read_all(self) -> None:
        """PostgreSQL read the whole table for `EXISTS`: 78 ms of a page with 200,000 attachments."""
        project = ProjectFactory.create()
        incidents = Incident.objects.bulk_create(
            Incident(account=project.account, project=project, number=number, summary="x")
            for number in range(1, 1_001)
        )
        Attachment.objects.bulk_create(
            Attachment(
                account=project.account,
                project=project,
                incident=incident,
                name="x",
                content_type="text/plain",
                size=1,
            )
            for incident in incidents
            for _ in range(3)
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        actor = actor_of(project)

        plan = lookup.incidents(actor).order_by("-created_at", "pk")[:25].explain()

        found = [line for line in plan.splitlines() if "attachment" in line]
        assert found
        assert all("attachment_by_incident" in line for line in found), plan


class TestRemoval:
    @pytest.mark.parametrize(
        "gone",
        [
            lambda owners: removal.remove(ScriptRun.objects.all()),
            lambda owners: removal.remove(AgileRun.objects.all()),
            lambda owners: removal.remove(AutomatedTestRun.objects.all()),
            lambda owners: iter([staging.discard(owners[2].pk)]),
            lambda owners: removal.remove(Incident.objects.all()),
        ],
        ids=["script run", "agile run", "automated run", "discarded run", "incident"],
    )
    def test_of_what_has_them_takes_their_files_along(
        self,
        gone: Any,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        owners = one_of_each()
        made = [attached(owner) for owner in owners]

        with django_capture_on_commit_callbacks(execute=True):
            removal.finish(gone(owners))

        left = set(Attachment.objects.all())
        assert 3 <= len(left) < len(made)
        assert {path.name for path in files_in(file_store)} == {row.pk.hex for row in left}

    def test_of_a_package_and_of_a_project_too(
        self,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        owners = one_of_each()
        *_, of_incident = [attached(owner) for owner in owners]
        [other] = [attached(IncidentFactory.create())]
        project = owners[-1].project

        with django_capture_on_commit_callbacks(execute=True):
            removal.finish(removal.remove(ExecutionPackage.objects.filter(project=project)))
        assert {path.name for path in files_in(file_store)} == {
            of_incident.pk.hex,
            other.pk.hex,
        }

        with django_capture_on_commit_callbacks(execute=True):
            perform(DeleteProject, {"ProjectId": str(project.pk)}, account_id=project.account_id)
        assert [path.name for path in files_in(file_store)] == [other.pk.hex]

    @pytest.mark.parametrize("place", [0, 1, 4])
    def test_takes_along_what_was_attached_at_that_very_moment(
        self,
        place: int,
        file_store: Path,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        owner = one_of_each()[place]
        hold = staging.hold

        def attached_just_before(rows: Any) -> None:
            if rows.model is type(owner):
                attached(owner)
            hold(rows)

        monkeypatch.setattr(staging, "hold", attached_just_before)

        with django_capture_on_commit_callbacks(execute=True):
            removal.finish(removal.remove(type(owner).objects.filter(pk=owner.pk)))

        assert not Attachment.objects.exists()
        assert not files_in(file_store)

    def test_of_an_import_takes_along_what_it_attached_at_that_very_moment(
        self,
        file_store: Path,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        """An attempt that lost its run goes on until it notices."""
        _, _, run, node, _ = one_of_each()
        account_id = run.account_id
        hold = staging.hold

        def attached_just_before(rows: Any) -> None:
            identity = attachments.store(account_id, ContentFile(b"x"))
            AttachmentFactory.create(
                id=identity,
                account_id=account_id,
                project=run.assignment.automated_test.project,
                incident=None,
                run=run,
                node_id=node.pk,
            )
            hold(rows)

        monkeypatch.setattr(staging, "hold", attached_just_before)

        with django_capture_on_commit_callbacks(execute=True):
            assert staging.discard(run.pk)

        assert not Attachment.objects.exists()
        assert not files_in(file_store)

    def test_goes_in_batches(self, monkeypatch: pytest.MonkeyPatch, file_store: Path) -> None:
        monkeypatch.setattr(attachments, "BATCH", 2)
        incident = IncidentFactory.create()
        for _ in range(5):
            attached(incident)

        assert list(attachments.remove(Attachment.objects.all())) == [2, 2, 1]

    def test_of_a_step_that_an_agile_run_loses(
        self,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        caller = Caller()
        run = AgileRunFactory.create(package__project__account=caller.actor.account)
        kept, lost = (AgileRunStepFactory.create(run=run) for _ in range(2))
        of_kept, _ = attached(kept), attached(lost)

        with django_capture_on_commit_callbacks(execute=True):
            answer = send(
                caller, "PUT", f"/api/agilerun/{run.pk}", {"Steps": [{"Id": str(kept.pk)}]}
            )

        assert answer.status_code == 200, answer.content
        assert [path.name for path in files_in(file_store)] == [of_kept.pk.hex]
        assert Attachment.objects.get() == of_kept

    def test_that_is_rolled_back_keeps_the_file(self, file_store: Path) -> None:
        attached(IncidentFactory.create())

        def removed_and_rolled_back() -> None:
            with transaction.atomic():
                removal.finish(attachments.remove(Attachment.objects.all()))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            removed_and_rolled_back()

        assert len(files_in(file_store)) == Attachment.objects.count() == 1

    def test_of_a_file_that_cannot_be_removed_leaves_it_to_the_cleaner(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        made = attached(IncidentFactory.create())

        def stale(name: str) -> None:
            raise OSError("Stale file handle")

        with monkeypatch.context() as patched:
            patched.setattr(uploads, "delete", stale)
            with django_capture_on_commit_callbacks(execute=True):
                removal.finish(removal.remove(Incident.objects.all()))

        assert f"attachment.left_behind name={attachments.name_of(made.account_id, made.pk)}" in (
            caplog.text
        )
        [left] = files_in(file_store)
        aged(left, conf.ABANDONED_AFTER + timedelta(minutes=1))
        assert cleaned() == {"runs": 0, "files": 0, "attachments": 1}

    def test_a_bulk_deletion_removes_files_and_a_bulk_copy_makes_none(
        self,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        _, step, *_ = one_of_each()
        attached(step)
        package = step.run.package
        target = PackageFactory.create(project=package.project)
        selected = {"selections": [{"Id": str(step.run_id), "Type": "AgileRun"}]}
        places = {"targetPackageId": str(target.pk), "sourcePackageId": str(package.pk)}

        copied = perform(
            BulkAction,
            {"commandName": "BulkCopy", **selected, **places},
            account_id=package.account_id,
        )
        assert copied.state == State.SUCCEEDED, copied
        assert AgileRunStep.objects.count() == 2
        assert Attachment.objects.count() == len(files_in(file_store)) == 1

        with django_capture_on_commit_callbacks(execute=True):
            perform(
                BulkAction,
                {"commandName": "BulkDelete", **selected},
                account_id=package.account_id,
            )
        assert not Attachment.objects.exists()
        assert not files_in(file_store)


class TestCleaning:
    def test_removes_old_files_without_rows_and_nothing_else(self, file_store: Path) -> None:
        kept = attached(IncidentFactory.create())
        account = AccountFactory.create()
        old, young = (attachments.store(account.pk, ContentFile(b"x")) for _ in range(2))
        for path in files_in(file_store):
            if path.name != young.hex:
                aged(path, conf.ABANDONED_AFTER + timedelta(minutes=1))
        account.delete()

        assert cleaned() == {"runs": 0, "files": 0, "attachments": 1}
        names = {path.name for path in files_in(file_store)}
        assert {kept.pk.hex, young.hex} <= names
        assert old.hex not in names
        assert len(names) == 2

    def test_asks_in_batches_and_takes_a_stray_name_for_nobodys(
        self, file_store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attachments, "_ASKED", 2)
        made = attached(IncidentFactory.create())
        folder = (file_store / attachments.name_of(made.account_id, made.pk)).parent
        for name in ("a", "not an id", "z", "zz"):
            (folder / name).write_bytes(b"x")
            aged(folder / name, conf.ABANDONED_AFTER + timedelta(minutes=1))

        assert cleaned() == {"runs": 0, "files": 0, "attachments": 4}
        assert [path.name for path in files_in(file_store)] == [made.pk.hex]

    def test_goes_on_behind_a_file_that_cannot_be_removed_and_says_so(
        self, file_store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After a restore as root, for one."""
        account = AccountFactory.create()
        stuck = attachments.store(account.pk, ContentFile(b"x"))
        for _ in range(5):
            attachments.store(account.pk, ContentFile(b"x"))
        uploads.save(stray := uploads.new_name(account.pk), ContentFile(b"x"))
        uploads.save(export := uploads.new_name(account.pk, uploads.EXPORTS), ContentFile(b"x"))
        for path in files_in(file_store):
            aged(path, conf.ABANDONED_AFTER + timedelta(minutes=1))
        delete = uploads.delete

        def denied(name: str) -> None:
            if name in {attachments.name_of(account.pk, stuck), stray}:
                raise PermissionError(errno.EACCES, "Permission denied")
            delete(name)

        monkeypatch.setattr(uploads, "delete", denied)

        assert uploads.sweep(account.pk) == 1
        assert not uploads.exists(export)
        run = perform(CleanGPJobs, {})
        assert run.state == State.WARNED
        assert run.result["attachments"] == 5
        assert len(files_in(file_store)) == 2

    def test_an_installation_without_any_is_fine(self) -> None:
        assert cleaned() == {"runs": 0, "files": 0, "attachments": 0}


class TestCrash:
    def test_between_file_and_row_leaves_a_file_that_nobody_can_reach(
        self, file_store: Path
    ) -> None:
        """As `kill -9` would: neither `except` nor `finally` runs."""
        incident = IncidentFactory.create()

        identity = attachments.store(incident.account_id, ContentFile(b"x"))

        assert not Attachment.objects.exists()
        [left] = files_in(file_store)
        assert left.name == identity.hex
        assert cleaned() == {"runs": 0, "files": 0, "attachments": 0}
        aged(left, conf.ABANDONED_AFTER + timedelta(minutes=1))
        assert cleaned() == {"runs": 0, "files": 0, "attachments": 1}

    def test_while_it_is_stored_leaves_nothing_that_is_half_there(
        self, file_store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Breaking(FileSystemStorage):
            def _save(self, name: str, content: Any) -> str:
                super()._save(name, content)
                raise KeyboardInterrupt

        monkeypatch.setattr(uploads, "store", lambda: Breaking(location=str(file_store)))

        with pytest.raises(KeyboardInterrupt):
            attachments.store(AccountFactory.create().pk, ContentFile(b"x"))

        assert not files_in(file_store)
