"""`/system/disasterrecovery`: stores and backups over ArcGIS' API, clause by clause."""

from __future__ import annotations

import html
import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from backgroundtasks import clock
from backgroundtasks.api.arcgis.vocabulary import milliseconds
from backgroundtasks.handlers.testing import perform
from backgroundtasks.maintenance import stores
from backgroundtasks.maintenance.handlers.create_backup import CreateBackup
from backgroundtasks.models import BackupStore, Message, Task, TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.arcgis import ROOT, Script, code, user
from tests.support.rows import all_rows

pytestmark = pytest.mark.django_db

RECOVERY = f"{ROOT}/system/disasterrecovery"
STORES = f"{RECOVERY}/stores"
BACKUPS = f"{STORES}/default/backups"
PASSCODE = "a battery that is stapled"
HOSTED = json.dumps({"type": "HOSTED", "storageConfig": {"path": "offsite"}})
DAY = 86_400_000


@pytest.fixture
def script(installation: Path) -> Script:
    return Script()


@pytest.fixture
def name(installation: Path) -> str:
    """A backup that there is; making it needs no worker."""
    wish = {"name": "nightly", "passcode": PASSCODE, "description": "Before the upgrade"}
    return str(perform(CreateBackup, wish).result["name"])


def text_of(said: Any) -> str:
    error = said["error"]
    return " ".join([error["message"], *error["details"]])


class TestTheResource:
    def test_it_leads_to_stores_settings_and_status(self, script: Script) -> None:
        assert script.get(RECOVERY) == {
            "operations": ["status"],
            "resources": ["stores", "settings"],
        }
        assert script.get(f"{RECOVERY}/settings")["staging"]["provisioningType"] == "STATIC"

    def test_security_and_infrastructure_opens_it_and_nothing_less_does(
        self, installation: Path
    ) -> None:
        who = user(operator=False)
        assert code(Script(who).get(STORES)) == 403
        who = user(operator=False)
        who.user_permissions.add(Permission.objects.get(codename="security_and_infrastructure"))
        keeper = Script(who)

        registered = keeper.post(f"{STORES}/register", storeName="offsite", settings=HOSTED)
        assert registered["status"] == "success"
        made = keeper.post(f"{STORES}/offsite/backups/create", name="mine", passcode=PASSCODE)
        assert keeper.get(f"{ROOT}/jobs/{made['jobid']}")["username"] == who.username


class TestStores:
    def test_one_is_registered_shown_validated_chosen_and_unregistered(
        self, script: Script
    ) -> None:
        done = script.post(
            f"{STORES}/register", storeName="offsite", settings=HOSTED, isDefault="true"
        )
        assert done["status"] == "success"

        listed = {store["name"]: store for store in script.get(STORES)["backupStores"]}
        assert {name: store["default"] for name, store in listed.items()} == {
            "default": False,
            "offsite": True,
        }
        assert script.get(f"{STORES}/offsite") == listed["offsite"]
        assert script.post(f"{STORES}/offsite/validate")["status"] == "success"
        chosen = script.post(f"{STORES}/default/update", settings='{"default": true}')
        assert chosen["status"] == "success"
        assert script.post(f"{STORES}/offsite/unregister")["status"] == "success"
        assert code(script.get(f"{STORES}/offsite")) == 404

    def test_what_a_kubernetes_client_asks_for_becomes_a_folder_of_its_name(
        self, installation: Path, script: Script
    ) -> None:
        volume = {"provisioningType": "DYNAMIC", "storageClass": "backups", "size": "64Gi"}
        settings = json.dumps({"type": "HOSTED", "storageConfig": volume})

        done = script.post(f"{STORES}/register", storeName="second", settings=settings)

        assert done["settings"]["storageConfig"] == {"path": str(installation / "backups/second")}

    @pytest.mark.parametrize(
        "settings",
        [
            {"type": "HOSTED", "storageConfig": {"path": "../elsewhere"}},
            {"type": "HOSTED", "storageConfig": {"path": "/etc"}},
            {"type": "HOSTED", "storageConfig": []},
            {"type": "HOSTED", "password": "x"},
            {"type": "TAPE"},
            {"type": "S3", "storageConfig": {"bucket": "No"}},
            {"type": "S3", "storageConfig": {"bucket": "backups", "acl": "public"}},
            [],
            "no JSON",
            None,
        ],
        ids=repr,
    )
    def test_settings_that_are_none_are_400_and_change_nothing(
        self, installation: Path, script: Script, settings: Any
    ) -> None:
        text = settings if isinstance(settings, str) else json.dumps(settings)

        said = script.post(f"{STORES}/register", storeName="offsite", settings=text)

        assert code(said) == 400
        assert str(installation) not in text_of(said)
        assert not BackupStore.objects.exists()

    def test_names_are_checked(self, script: Script) -> None:
        for name in ("", "../x", "default"):
            assert code(script.post(f"{STORES}/register", storeName=name, settings=HOSTED)) == 400

    def test_unknown_ones_are_404(self, script: Script) -> None:
        for path in ("validate", "unregister", "backups/create"):
            said = script.post(f"{STORES}/nowhere/{path}", name="x", passcode=PASSCODE)
            assert code(said) == 404, path
        for path in ("", "/backups", "/backups/x"):
            assert code(script.get(f"{STORES}/nowhere{path}")) == 404

    def test_one_that_is_needed_is_not_unregistered(self, script: Script, name: str) -> None:
        script.post(f"{STORES}/register", storeName="offsite", settings=HOSTED)
        script.post(f"{STORES}/offsite/backups/create", name="one", passcode=PASSCODE)

        said = script.post(f"{STORES}/offsite/unregister")

        assert code(said) == 400
        assert "makes a backup in offsite" in text_of(said)
        assert code(script.post(f"{STORES}/default/unregister")) == 400

    def test_other_credentials_alone_choose_no_default(
        self, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "try_out", lambda store: None)
        cloud = json.dumps({"type": "S3", "storageConfig": {"bucket": "backups"}})
        script.post(f"{STORES}/register", storeName="cloud", settings=cloud)
        page = f"{STORES}/cloud/update"
        form = html.unescape(script.client.get(page, {"token": script.token}).text)
        shown = re.findall(r'<textarea[^>]*name="settings"[^>]*>\s*(.*?)</textarea>', form)

        said = script.post(page, settings=shown[0], accessKeyId="AKIA", secretAccessKey="other")

        assert said["status"] == "success"
        assert not script.get(f"{STORES}/cloud")["default"]

    def test_of_two_wishes_none_is_met_when_one_is_refused(self, script: Script) -> None:
        script.post(f"{STORES}/register", storeName="offsite", settings=HOSTED)

        said = script.post(
            f"{STORES}/offsite/update", settings='{"default": true}', accessKeyId="AKIA"
        )

        assert code(said) == 400
        assert not script.get(f"{STORES}/offsite")["default"]

    def test_the_default_mark_is_only_given(self, script: Script) -> None:
        for settings in ('{"default": false}', "{}", '{"default": true, "x": 1}'):
            assert code(script.post(f"{STORES}/default/update", settings=settings)) == 400

    def test_secrets_are_shown_nowhere(
        self, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        secret = "a-well-kept-secret"
        cloud = {"type": "S3", "storageConfig": {"bucket": "b", "endpointUrl": "http://x:1"}}
        form = {
            "storeName": "cloud",
            "settings": json.dumps(cloud),
            "accessKeyId": "AKIA",
            "secretAccessKey": secret,
        }

        said = script.post(f"{STORES}/register", **form)
        page = script.client.post(f"{STORES}/register", {"token": script.token, **form})

        assert code(said) == 400
        assert b"Is the name of a bucket" in page.content
        for shown in (json.dumps(said), page.text, caplog.text, str(all_rows())):
            assert secret not in shown


class TestCreating:
    def test_it_is_answered_with_a_job(self, script: Script) -> None:
        until = milliseconds(clock.now()) + 7 * DAY

        said = script.post(
            f"{BACKUPS}/create",
            name="nightly",
            passcode=PASSCODE,
            description="Before the upgrade",
            retentionDate=until,
        )

        assert set(said) == {"jobsUrl", "jobid"}
        assert said["jobsUrl"] == f"http://testserver{ROOT}/jobs/{said['jobid']}"
        job = script.get(f"{ROOT}/jobs/{said['jobid']}")
        assert (job["status"], job["endtime"]) == ("SUBMITTED", 0)
        given = Task.objects.get().parameters
        assert given["storeName"] == "default"
        assert abs(given["retentionOffset"] - 7 * DAY) < 60_000

    def test_it_is_made_as_it_was_asked_for(self, script: Script) -> None:
        script.post(f"{BACKUPS}/create", name="nightly", passcode=PASSCODE)
        from backgroundtasks.handlers import secrets

        made = perform(CreateBackup, secrets.unseal(Task.objects.get().parameters))

        [listed] = script.get(BACKUPS)["backups"]
        assert listed["backupName"] == made.result["name"]
        assert listed["scheduleType"] == "MANUAL"
        assert "retentionDate" not in listed

    @pytest.mark.parametrize(
        "change",
        [
            {"passcode": ""},
            {"passcode": "seven77"},
            {"name": ""},
            {"name": "../x"},
            {"retentionDate": "yesterday"},
            {"retentionDate": "1"},
            {"retentionDate": "9" * 30},
            {"retentionDate": "-5"},
            {"description": "x" * 1001},
        ],
        ids=str,
    )
    def test_what_cannot_be_is_400_and_makes_nothing(
        self, script: Script, change: dict[str, str]
    ) -> None:
        wish = {"name": "nightly", "passcode": PASSCODE} | change

        said = script.post(f"{BACKUPS}/create", **wish)

        assert code(said) == 400
        if change.get("passcode"):
            assert change["passcode"] not in json.dumps(said)
        assert not Task.objects.exists()

    def test_of_two_at_one_moment_one_follows_the_other(self, script: Script) -> None:
        both = [
            script.post(f"{BACKUPS}/create", name="nightly", passcode=PASSCODE) for _ in range(2)
        ]

        runs = TaskStatus.objects.filter(task_type="CreateBackup")
        assert both[0]["jobid"] != both[1]["jobid"]
        # One of a key is with a worker at a time.
        assert len(set(runs.values_list("exclusive_key", flat=True))) == 1

    def test_the_passcode_stands_nowhere(
        self, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)

        said = script.post(f"{BACKUPS}/create", name="nightly", passcode=PASSCODE)
        page = script.client.post(
            f"{BACKUPS}/create", {"token": script.token, "name": "../x", "passcode": PASSCODE}
        )
        job = script.get(f"{ROOT}/jobs/{said['jobid']}")

        for shown in (json.dumps(said), json.dumps(job), page.text, caplog.text, str(all_rows())):
            assert PASSCODE not in shown
        assert 'type="password"' in page.text


class TestOne:
    def test_it_is_shown_as_documented(self, script: Script, name: str) -> None:
        found = script.get(f"{BACKUPS}/{name}")

        assert found["backupName"] == name
        assert (found["backupStore"], found["backupType"]) == ("default", "FULL")
        assert found["description"] == "Before the upgrade"
        assert found["siteName"] == "arcgis"
        assert found["completeTime"] <= milliseconds(clock.now())

    def test_a_damaged_one_is_shown_as_that(
        self, installation: Path, script: Script, name: str
    ) -> None:
        (installation / f"backups/{name}.tcbackup").write_bytes(b"no backup")

        assert script.get(f"{BACKUPS}/{name}")["state"] == "damaged"
        assert [one["state"] for one in script.get(BACKUPS)["backups"]] == ["damaged"]
        assert script.post(f"{BACKUPS}/{name}/delete") == {"status": "success", "success": True}

    def test_one_of_a_schedule_is_shown_as_that(self, script: Script) -> None:
        run = factories.run(State.RUNNING, scheduled_for=clock.now())
        perform(CreateBackup, {"name": "due", "passcode": PASSCODE}, run_id=run.pk)

        assert [one["scheduleType"] for one in script.get(BACKUPS)["backups"]] == ["SCHEDULED"]

    def test_it_is_kept_longer(self, script: Script, name: str) -> None:
        until = milliseconds(clock.now()) + DAY

        said = script.post(f"{BACKUPS}/{name}/update", retentionDate=until)

        assert said["status"] == "success"
        assert script.get(f"{BACKUPS}/{name}")["retentionDate"] == until
        for wrong in ("", "1", "soon"):
            assert code(script.post(f"{BACKUPS}/{name}/update", retentionDate=wrong)) == 400

    def test_it_is_deleted_but_not_while_it_is_read(self, script: Script, name: str) -> None:
        with stores.get().open(name, held=True):
            said = script.post(f"{BACKUPS}/{name}/delete")
            assert code(said) == 400
            assert "is being read" in text_of(said)

        assert script.post(f"{BACKUPS}/{name}/delete")["status"] == "success"
        assert code(script.post(f"{BACKUPS}/{name}/delete")) == 404
        assert code(script.get(f"{BACKUPS}/{name}")) == 404

    @pytest.mark.parametrize("bad", ["..", "%2e%2e%2fsettings", ".hidden", "x" * 101])
    def test_a_name_that_leads_elsewhere_finds_nothing(self, script: Script, bad: str) -> None:
        assert code(script.get(f"{BACKUPS}/{bad}")) in {400, 404}
        assert code(script.post(f"{BACKUPS}/{bad}/delete")) in {400, 404}


@pytest.mark.django_db(transaction=True)
class TestRestoring:
    def test_the_passcode_is_tried_and_the_command_named(self, script: Script, name: str) -> None:
        said = script.post(f"{BACKUPS}/{name}/restore", passcode=PASSCODE)

        assert said["status"] == "success"
        assert f"manage.py restore_backup {name}" in said["message"]
        job = script.get(f"{ROOT}/jobs/{said['jobid']}")
        assert job["operationURI"].endswith(f"/backups/{name}/restore")
        assert script.get(f"{RECOVERY}/status")["status"]["operation"] == "Restore"
        assert PASSCODE not in str(all_rows())

    def test_a_wrong_one_is_refused(self, script: Script, name: str) -> None:
        for passcode in ("", "another battery"):
            said = script.post(f"{BACKUPS}/{name}/restore", passcode=passcode)
            assert code(said) == 400
            assert not passcode or passcode not in json.dumps(said)
        assert not TaskStatus.objects.exists()

    def test_it_is_refused_while_a_backup_is_made(self, script: Script, name: str) -> None:
        script.post(f"{BACKUPS}/create", name="nightly", passcode=PASSCODE)

        said = script.post(f"{BACKUPS}/{name}/restore", passcode=PASSCODE)

        assert code(said) == 400
        assert "A backup is being made" in text_of(said)


class TestStatus:
    def test_without_a_job_there_is_none(self, script: Script) -> None:
        assert script.get(f"{RECOVERY}/status")["status"]["state"] == "none"

    def test_the_last_job_is_told_with_its_stages(self, script: Script) -> None:
        script.post(f"{BACKUPS}/create", name="nightly", passcode=PASSCODE)
        run = TaskStatus.objects.get()
        now = clock.now()
        TaskStatus.objects.filter(pk=run.pk).update(
            state=State.SUCCEEDED,
            attempt=2,
            started_at=now,
            finished_at=now,
            result={"values": {"name": "nightly-1", "store": "default"}, "warnings": []},
        )
        for attempt, text in ((1, "Copying files"), (2, "Copying files"), (2, "Verifying")):
            Message.objects.create(run=run, key="backup.stage", text=text, attempt=attempt)

        status = script.get(f"{RECOVERY}/status")["status"]

        assert (status["state"], status["code"], status["operation"]) == ("success", 3, "Backup")
        assert status["backupName"] == "nightly-1"
        assert [(stage["name"], stage["state"]) for stage in status["stages"]] == [
            ("Copying files", "completed"),
            ("Verifying", "completed"),
        ]

    def test_a_backup_tells_its_stages(self, installation: Path) -> None:
        run = perform(CreateBackup, {"name": "nightly", "passcode": PASSCODE})

        texts = [said.text for said in run.messages if said.key == "backup.stage"]
        assert texts[0] == "Copying files"
        assert texts[-1] == "Verifying"


class TestThePathsOfTheFirstVersion:
    def test_they_do_the_same(self, script: Script, name: str) -> None:
        old = f"{RECOVERY}/backuprestore"

        made = script.post(f"{old}/backup", name="old", passcode=PASSCODE, storeName="default")
        assert script.get(f"{ROOT}/jobs/{made['jobid']}")["status"] == "SUBMITTED"
        assert script.get(f"{old}/status") == script.get(f"{RECOVERY}/status")
        assert script.get(f"{old}/backups", storeName="default") == script.get(BACKUPS)
        assert script.get(f"{old}/backups/{name}") == script.get(f"{BACKUPS}/{name}")
        assert script.post(f"{old}/backups/{name}/delete")["status"] == "success"
        assert code(script.get(f"{old}/backups", storeName="nowhere")) == 404

    def test_their_pages_stay_with_the_store_that_was_asked_for(
        self, installation: Path, script: Script, name: str
    ) -> None:
        script.post(f"{STORES}/register", storeName="offsite", settings=HOSTED)
        copied = installation / "backups/offsite"
        shutil.copy(installation / f"backups/{name}.tcbackup", copied)
        asked = {"token": script.token, "storeName": "offsite"}
        old = f"{RECOVERY}/backuprestore/backups"

        assert f"{STORES}/offsite/backups/{name}" in script.client.get(old, asked).text
        page = script.client.get(f"{old}/{name}", asked).text
        assert f"{old}/{name}/delete?storeName=offsite" in page
        form = script.client.get(f"{old}/{name}/delete", asked).text
        assert re.search(r'name="storeName" value="offsite"', form)

        script.post(f"{old}/{name}/delete", storeName="offsite")
        assert not (copied / f"{name}.tcbackup").exists()
        assert (installation / f"backups/{name}.tcbackup").exists()


class TestTheDirectory:
    def test_every_page_leads_on(self, script: Script, name: str) -> None:
        pages = {
            RECOVERY: "stores",
            STORES: "default",
            f"{STORES}/default": "backups",
            BACKUPS: name,
            f"{BACKUPS}/{name}": "Restore",
            f"{BACKUPS}/create": "passcode",
            f"{STORES}/register": "storeName",
            f"{BACKUPS}/{name}/update": "retentionDate",
            f"{RECOVERY}/status": "none",
        }
        for path, part in pages.items():
            page = script.client.get(path, {"token": script.token})
            assert page.status_code == 200, path
            assert part in page.text, path

    def test_a_backup_that_is_begun_leads_to_its_job(self, script: Script) -> None:
        form = {"token": script.token, "name": "nightly", "passcode": PASSCODE}

        answer = script.client.post(f"{BACKUPS}/create", form)

        assert answer.status_code == 303
        assert answer["Location"].startswith(f"{ROOT}/jobs/j")

    def test_a_cookie_alone_makes_nothing(self, installation: Path) -> None:
        script = Script()
        browser = Client()
        browser.cookies["arcgis_token"] = script.token

        answer = browser.post(
            f"{BACKUPS}/create", {"f": "json", "name": "nightly", "passcode": PASSCODE}
        )

        assert answer.json()["error"]["code"] == 499
        assert not Task.objects.exists()


def test_lists_cost_a_constant_number_of_queries(
    installation: Path, script: Script, name: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        path = stores.LocalStore(installation / "backups").path(name)
        path.with_name(f"copy{number}.tcbackup").write_bytes(path.read_bytes())

    with django_assert_max_num_queries(8):
        assert len(script.get(BACKUPS)["backups"]) == 6
