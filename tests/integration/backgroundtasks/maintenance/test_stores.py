"""Stores as data: registered, validated, chosen and unregistered, and nothing lost by that."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.handlers import Actor
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import errors, stores
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from backgroundtasks.models import Account, BackupStore
from backgroundtasks.operations import Timing
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

PASSCODE = "correct horse"


@pytest.fixture
def root(installation: Path) -> Actor:
    account = Account.objects.create(name="System", is_system=True)
    return queries.actor_of(
        factories.UserFactory.create(username="root", is_superuser=True, is_staff=True), account.pk
    )


def register(root: Actor, name: str = "offsite", path: str = "offsite", **more: Any) -> None:
    operations.register_store(root, name, "local", {"path": path}, **more)


class TestRegistering:
    def test_a_registered_folder_takes_backups(self, installation: Path, root: Actor) -> None:
        register(root)

        made = perform(
            CreateBackup, {"name": "nightly", "passcode": PASSCODE, "storeName": "offsite"}
        )

        assert made.state == State.SUCCEEDED, made.error
        assert made.result["store"] == "offsite"
        assert stores.get("offsite").names() == [made.result["name"]]
        assert (installation / f"backups/offsite/{made.result['name']}.tcbackup").exists()

    @pytest.mark.parametrize(
        "path",
        [
            "../elsewhere",
            "/etc",
            "offsite/../../elsewhere",
            "link",
            "loop",
            "",
            "x" * 300,
            "x" * 1001,
            "a\0b",
            7,
            None,
            ["offsite"],
        ],
        ids=repr,
    )
    def test_a_path_that_climbs_out_is_refused(
        self, installation: Path, root: Actor, path: Any
    ) -> None:
        backups = installation / "backups"
        backups.mkdir()
        (installation / "elsewhere").mkdir()
        (backups / "link").symlink_to(installation / "elsewhere")
        (backups / "loop").symlink_to(backups / "loop")

        with pytest.raises((errors.StoreInvalid, errors.StoreUnreachable)) as refusal:
            operations.register_store(root, "offsite", "local", {"path": path})

        assert str(installation) not in str(refusal.value)
        assert not BackupStore.objects.exists()
        assert list((installation / "elsewhere").iterdir()) == []

    def test_a_folder_that_becomes_a_link_to_elsewhere_is_not_used(
        self, installation: Path, root: Actor
    ) -> None:
        register(root)
        (installation / "backups/offsite").rmdir()
        (installation / "elsewhere").mkdir()
        (installation / "backups/offsite").symlink_to(installation / "elsewhere")

        with pytest.raises(errors.StoreInvalid, match="Leads out of the folders"):
            stores.get("offsite")

    @pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b", "x" * 101])
    def test_a_name_that_is_none_is_refused(self, root: Actor, name: str) -> None:
        with pytest.raises(errors.NameInvalid):
            register(root, name)

    @pytest.mark.parametrize(
        "kind, given, credentials",
        [
            ("tape", {}, {}),
            ("settings", {}, {}),
            ("local", {"path": "x", "mode": "777"}, {}),
            ("local", {"path": "x"}, {"access_key_id": "a", "secret_access_key": "b"}),
            ("s3", {}, {}),
            ("s3", {"bucket": "No Bucket"}, {}),
            ("s3", {"bucket": "backups", "prefix": "a/../b"}, {}),
            ("s3", {"bucket": "backups", "endpoint_url": "file:///etc/passwd"}, {}),
            ("s3", {"bucket": "backups", "endpoint_url": "http://me:secret@host"}, {}),
            ("s3", {"bucket": "backups", "endpoint_url": "http://host:99999999"}, {}),
            ("s3", {"bucket": "backups", "region": "eu west"}, {}),
            ("s3", {"bucket": "backups"}, {"access_key_id": "only one"}),
            ("s3", {"bucket": "backups"}, {"access_key_id": "a", "secret_access_key": "b" * 1001}),
        ],
    )
    def test_settings_that_are_none_are_refused(
        self, root: Actor, kind: str, given: dict[str, Any], credentials: dict[str, str]
    ) -> None:
        with pytest.raises(errors.StoreInvalid):
            operations.register_store(root, "offsite", kind, given, credentials)

        assert not BackupStore.objects.exists()

    def test_a_name_or_a_place_is_taken_once(self, installation: Path, root: Actor) -> None:
        register(root)

        for name, path in (("offsite", "other"), ("default", "other"), ("other", "offsite")):
            with pytest.raises(errors.StoreConflict):
                register(root, name, path)
        with pytest.raises(errors.StoreConflict, match="This place is the store 'default'"):
            register(root, "same", str(installation / "backups"))

    def test_a_folder_that_cannot_be_written_to_is_not_registered(
        self, installation: Path, root: Actor
    ) -> None:
        (installation / "backups").mkdir()
        (installation / "backups/file").write_text("no folder")

        with pytest.raises(
            errors.StoreUnreachable, match=r"cannot be used: (Not a directory|File)"
        ):
            register(root, path="file")

    def test_trying_one_out_sweeps_no_draft_of_another_machine(
        self, installation: Path, root: Actor
    ) -> None:
        register(root)
        # Its lock is not seen here, as on a network's file system.
        draft = installation / "backups/offsite/.work-of-another-machine"
        draft.mkdir()

        operations.validate_store(root, "offsite")

        assert [path.name for path in draft.parent.iterdir()] == [draft.name]

    def test_a_share_that_knows_no_links_takes_backups(
        self, installation: Path, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(source: Path, target: Path) -> None:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported", str(source))

        monkeypatch.setattr(os, "link", refuse)

        made = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE})

        assert made.state == State.SUCCEEDED, made.error
        assert stores.get().names() == [made.result["name"]]
        [whole] = [backup.whole for backup in stores.listed(stores.get())[0]]
        assert whole

    def test_only_operators_may(self, installation: Path, root: Actor) -> None:
        register(root)
        member = factories.actor("admin")
        for operation in (
            lambda: register(member, "other", "other"),
            lambda: operations.validate_store(member, "offsite"),
            lambda: operations.make_store_default(member, "offsite"),
            lambda: operations.unregister_store(member, "offsite"),
            lambda: operations.renew_store_credentials(member, "offsite", {}),
        ):
            with pytest.raises(exceptions.PermissionRefused):
                operation()


class TestTheDefault:
    def test_what_names_no_store_takes_it(self, installation: Path, root: Actor) -> None:
        assert stores.default_name() == "default"
        register(root, make_default=True)
        assert stores.default_name() == "offsite"

        made = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE})

        assert made.result["store"] == "offsite"
        assert [(store.name, store.is_default) for store in stores.all_known()] == [
            ("default", False),
            ("offsite", True),
        ]

    def test_one_of_the_settings_can_be_chosen(self, installation: Path, root: Actor) -> None:
        both = {name: str(installation / name) for name in ("default", "second")}
        register(root, make_default=True)
        with override_settings(TASKCENTER=settings.TASKCENTER | {"BACKUP_STORES": both}):
            operations.make_store_default(root, "second")
            assert stores.default_name() == "second"
        # The settings have it no longer: theirs is taken, and its name is free.
        assert stores.default_name() == "default"
        assert [store.name for store in stores.all_known() if store.is_default] == ["default"]
        register(root, "second", "second")
        assert stores.known("second").registered

    def test_an_unknown_one_is_refused(self, root: Actor) -> None:
        with pytest.raises(errors.StoreUnknown, match="There is no backup store 'nowhere'"):
            operations.make_store_default(root, "nowhere")


class TestUnregistering:
    def test_one_that_nobody_needs_is_forgotten(self, installation: Path, root: Actor) -> None:
        register(root)

        operations.unregister_store(root, "offsite")

        assert [store.name for store in stores.all_known()] == ["default"]
        assert (installation / "backups/offsite").is_dir()

    def test_one_with_backups_is_kept_unless_they_are_to_stay_behind(
        self, installation: Path, root: Actor
    ) -> None:
        register(root)
        (installation / "backups/offsite/nightly.tcbackup").write_bytes(b"x")

        with pytest.raises(errors.StoreConflict, match="There are 1 backups in offsite"):
            operations.unregister_store(root, "offsite")
        operations.unregister_store(root, "offsite", leave_backups=True)

        register(root)
        assert stores.get("offsite").names() == ["nightly"]

    def test_one_that_a_schedule_uses_is_kept(self, root: Actor) -> None:
        register(root)
        wish = {"name": "nightly", "passcode": PASSCODE, "storeName": "offsite"}
        schedule = operations.create_schedule(
            root, "CreateBackup", wish, Timing("0 0 4 * * ?"), title="Every night"
        )

        with pytest.raises(errors.StoreConflict, match=r"Schedules use offsite: Every night\."):
            operations.unregister_store(root, "offsite", leave_backups=True)

        operations.delete_schedule(root, schedule.pk)
        operations.unregister_store(root, "offsite")

    def test_one_that_a_run_writes_to_is_kept(self, root: Actor) -> None:
        register(root)
        wish = {"name": "nightly", "passcode": PASSCODE, "storeName": "offsite"}
        run_id = operations.submit(root, "CreateBackup", wish).run_id

        with pytest.raises(errors.StoreConflict, match=f"The run {run_id} makes a backup"):
            operations.unregister_store(root, "offsite")

    def test_neither_the_default_nor_one_of_the_settings_goes(self, root: Actor) -> None:
        register(root, make_default=True)

        with pytest.raises(errors.StoreConflict, match="is the default store"):
            operations.unregister_store(root, "offsite")
        with pytest.raises(errors.StoreConflict, match="The settings name the store default"):
            operations.unregister_store(root, "default")


class TestBackupsInUse:
    def test_one_that_is_being_read_is_not_deleted(self, installation: Path) -> None:
        name = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE}).result["name"]
        store = stores.get()

        with store.open(name, held=True), pytest.raises(errors.BackupInUse, match="is being read"):
            store.delete(name)
        with store.open(name):
            store.delete(name)  # a look at its header holds nothing

        assert store.names() == []


class TestCommands:
    def test_a_store_is_registered_listed_tried_chosen_and_forgotten(
        self, installation: Path, root: Actor, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("register_store", "offsite", "--path", "offsite", "--default")
        call_command("validate_store", "offsite")
        call_command("list_stores")
        call_command("make_store_default", "default")
        call_command("unregister_store", "offsite")

        said = capsys.readouterr().out
        assert "offsite  local  yes      registered" in said
        assert "The store offsite is not registered any longer." in said

    def test_what_is_refused_is_said_in_a_line(self, root: Actor) -> None:
        for words in (
            ["register_store", "offsite"],
            ["register_store", "offsite", "--path", "x", "--bucket", "y"],
            ["register_store", "offsite", "--path", "/etc"],
            ["validate_store", "nowhere"],
        ):
            with pytest.raises(CommandError):
                call_command(*words)

    def test_backups_of_a_place_that_nobody_knows_are_listed(
        self, installation: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE}).result["name"]

        call_command("list_backups", "--from", str(installation / "backups"))
        call_command("restore_backup", "--list", "--from", str(installation / "backups"))

        assert capsys.readouterr().out.count(name) == 2


class TestAdmin:
    @pytest.fixture
    def browser(self, root: Actor) -> Client:
        client = Client()
        client.force_login(root.user)
        return client

    def test_an_operator_registers_tries_and_forgets_one(
        self, installation: Path, browser: Client
    ) -> None:
        page = "/admin/backgroundtasks/backupstore/"
        wish = {"name": "offsite", "kind": "local", "path": "offsite"}

        answer = browser.post(f"{page}add/", wish, follow=True)
        assert "was added successfully" in answer.text
        tried = browser.post(
            page, {"action": "validate", "_selected_action": ["offsite"]}, follow=True
        )
        assert "The store offsite can be used." in tried.text
        assert "offsite" in browser.get(f"{page}offsite/change/").text
        browser.post(page, {"action": "unregister", "_selected_action": ["offsite"]})
        assert not BackupStore.objects.exists()

    def test_a_refusal_stands_in_the_form(self, installation: Path, browser: Client) -> None:
        answer = browser.post(
            "/admin/backgroundtasks/backupstore/add/",
            {
                "name": "cloud",
                "kind": "s3",
                "bucket": "No",
                "access_key_id": "id",
                "secret_access_key": "a-well-kept-secret",
            },
        )
        assert "Is the name of a bucket" in answer.text
        assert "a-well-kept-secret" not in answer.text

    def test_no_transaction_is_open_while_one_is_tried_out(
        self, installation: Path, browser: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = "/admin/backgroundtasks/backupstore/"
        depths = []
        try_out = stores.try_out

        def watched(store: stores.Store) -> None:
            depths.append(len(connection.savepoint_ids))
            try_out(store)

        monkeypatch.setattr(stores, "try_out", watched)
        outside = len(connection.savepoint_ids)

        browser.post(f"{page}add/", {"name": "offsite", "kind": "local", "path": "offsite"})
        browser.post(page, {"action": "validate", "_selected_action": ["offsite"]})

        assert depths == [outside, outside]

    def test_a_form_from_elsewhere_registers_nothing(self, installation: Path, root: Actor) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(root.user)
        wish = {"name": "offsite", "kind": "local", "path": "offsite"}

        answer = browser.post("/admin/backgroundtasks/backupstore/add/", wish)

        assert answer.status_code == 403
        assert not BackupStore.objects.exists()

    def test_others_see_nothing(self, installation: Path, browser: Client) -> None:
        staff = factories.UserFactory.create(is_staff=True)
        browser.force_login(staff)
        assert browser.get("/admin/backgroundtasks/backupstore/").status_code in {302, 403}


@pytest.mark.django_db(transaction=True)
def test_of_two_registrations_of_one_name_at_one_moment_one_wins(
    installation: Path, root: Actor
) -> None:
    both = threading.Barrier(2, timeout=30)
    ends: list[str] = []

    def register_one(path: str) -> None:
        both.wait()
        try:
            register(root, path=path)
        except errors.StoreConflict:
            ends.append("refused")
        else:
            ends.append("registered")
        finally:
            connection.close()

    threads = [threading.Thread(target=register_one, args=(path,)) for path in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ends) == ["refused", "registered"]
    assert BackupStore.objects.count() == 1
