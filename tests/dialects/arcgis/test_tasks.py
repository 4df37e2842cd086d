"""`/system/tasks`: the list, one task field by field, and every operation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backgroundtasks import clock, operations, queries, scheduling
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Schedule, Task, TaskStatus
from backgroundtasks.operations import Timing
from backgroundtasks.states import HELD, State
from tests.support import factories
from tests.support.arcgis import BACKUP, CRON, TASKS, Script, code, made, system

pytestmark = pytest.mark.django_db

HOURLY = "0 0 * * * ?"


@pytest.fixture
def script() -> Script:
    return Script()


def details(said: Any) -> str:
    """Return what a refusal says."""
    assert code(said) == 400, said
    return " ".join([said["error"]["message"], *said["error"]["details"]])


class TestList:
    def test_one_page_holds_everything(self, script: Script) -> None:
        ids = [made(script, title=f"t{n}") for n in range(3)]

        said = script.get(TASKS)

        assert set(said) == {"result", "total", "num", "start", "nextStart"}
        assert [one["id"] for one in said["result"]] == ids
        assert (said["total"], said["num"], said["start"], said["nextStart"]) == (3, 3, 0, 0)

    def test_start_and_num_page_through_it(self, script: Script) -> None:
        ids = [made(script) for _ in range(3)]

        first = script.get(TASKS, num=2)
        second = script.get(TASKS, num=2, start=first["nextStart"])

        assert [one["id"] for one in first["result"] + second["result"]] == ids
        assert (first["num"], first["nextStart"]) == (2, 2)
        assert (second["start"], second["num"], second["nextStart"], second["total"]) == (
            2,
            1,
            0,
            3,
        )
        assert script.get(TASKS, start="9" * 40)["result"] == []

    @pytest.mark.parametrize("wrong", [{"start": -1}, {"num": "x"}, {"num": "1.5"}])
    def test_what_is_no_number_is_400(self, script: Script, wrong: dict[str, Any]) -> None:
        assert next(iter(wrong)) in details(script.get(TASKS, **wrong))

    def test_a_task_that_was_started_once_is_shown_but_not_listed(self, script: Script) -> None:
        run = factories.run(owner=queries.actor_of(script.user, system().pk), task_type="Work")

        assert script.get(TASKS)["result"] == []
        said = script.get(f"{TASKS}/{run.task_id.hex}")
        assert (said["taskState"], said["active"], said["maxOccurrences"]) == (
            "completed",
            False,
            1,
        )
        assert "cronExpression" not in said
        assert code(script.get(f"{TASKS}/{run.pk.hex}")) == 404

    def test_it_costs_the_same_number_of_queries_however_long_it_is(self, script: Script) -> None:
        def asked(count: int) -> int:
            for _ in range(count):
                made(script)
            script.get(TASKS)  # what is asked once is asked now
            with CaptureQueriesContext(connection) as queries_made:
                assert len(script.get(TASKS)["result"]) == Schedule.objects.count()
            return len(queries_made)

        assert asked(1) == asked(20)

    def test_it_is_about_the_system_account_unless_another_one_is_named(
        self, script: Script
    ) -> None:
        member = factories.actor()
        schedule = operations.create_schedule(member, "Work", {}, Timing(HOURLY))
        headers = {
            "X-Account-Id": str(member.account.pk),
            "X-Esri-Authorization": f"Bearer {script.token}",
        }

        assert script.get(TASKS)["result"] == []
        assert code(script.get(f"{TASKS}/{schedule.pk.hex}")) == 404
        there = script.client.get(TASKS, {"f": "json"}, headers=headers).json()
        assert [one["id"] for one in there["result"]] == [schedule.pk.hex]
        headers["X-Account-Id"] = "nowhere"
        assert code(script.client.get(TASKS, {"f": "json"}, headers=headers).json()) == 403


class TestTask:
    def test_every_member_of_a_backup_is_as_the_vendor_documents(self, script: Script) -> None:
        task_id = made(script, title="weekly", startDate=4_102_444_800_000)
        task = Schedule.objects.get().task

        said = script.get(f"{TASKS}/{task_id}")

        created = said.pop("created")
        assert abs(created / 1000 - clock.now().timestamp()) < 60
        assert said.pop("updated") == created
        assert len(said.pop("ownerId")) == 32
        next_start = datetime.fromtimestamp(said.pop("nextStart") / 1000, UTC)
        assert (next_start.year, next_start.weekday(), next_start.hour) == (2100, 5, 4)
        assert said == {
            "id": task.pk.hex,
            "taskId": task.pk.hex,
            "taskTitle": "weekly",
            "title": "weekly",
            "taskType": "CreateBackup",
            "type": "CREATE_BACKUP_TASK_TYPE",
            "taskState": "active",
            "active": True,
            "cronSchedule": CRON,
            "cronExpression": "0 0 4 ? * 7",
            "cronDescription": "At 04:00, only on Saturday",
            "runIntervalSeconds": 604_800,
            "maxOccurrences": -1,
            "generation": 1,
            "startDate": 4_102_444_800_000,
            "owner": script.user.username,
            "orgId": system().pk.hex[:16].upper(),
            "parameters": {**BACKUP, "itemId": "", "passcode": "********", "description": ""},
        }

    def test_fires_raise_the_generation_and_move_last_start_but_not_updated(
        self, script: Script
    ) -> None:
        task_id = made(script)
        before = script.get(f"{TASKS}/{task_id}")
        due = clock.now().replace(microsecond=0) - timedelta(seconds=2)
        Schedule.objects.update(next_at=due)
        assert scheduling.fire_due() == 1

        after = script.get(f"{TASKS}/{task_id}")

        assert "lastStart" not in before
        assert after["lastStart"] == int(due.timestamp()) * 1000
        assert after["generation"] == 2
        assert after["updated"] == before["updated"]

    @pytest.mark.parametrize(
        "fields, seconds",
        [
            ({"minute": "*/1", "hour": "*", "dayOfMonth": "*", "dayOfWeek": "?"}, 60),
            ({"minute": "0", "hour": "*", "dayOfMonth": "*", "dayOfWeek": "?"}, 3600),
            ({"minute": "30", "hour": "2", "dayOfMonth": "*", "dayOfWeek": "?"}, 86_400),
        ],
    )
    def test_the_interval_is_the_gap_between_two_fires(
        self, script: Script, fields: dict[str, str], seconds: int
    ) -> None:
        task_id = made(script, **fields)

        assert script.get(f"{TASKS}/{task_id}")["runIntervalSeconds"] == seconds

    def test_other_types_have_an_item_and_a_constant_in_the_same_manner(
        self, script: Script
    ) -> None:
        said = script.get(
            f"{TASKS}/{made(script, type='CreateHealthCheckReports', parameters='{}')}"
        )

        assert UUID(said["itemId"])
        assert said["type"] == "CREATE_HEALTH_CHECK_REPORTS_TASK_TYPE"

    @pytest.mark.parametrize(
        "path", ["x", "0" * 32, "0" * 31, str(UUID(int=1)), "%00", "createtask2"]
    )
    def test_an_unknown_id_is_404_everywhere(self, script: Script, path: str) -> None:
        assert code(script.get(f"{TASKS}/{path}")) == 404
        for operation in ("update", "enable", "disable", "delete", "runNow"):
            assert code(script.post(f"{TASKS}/{path}/{operation}")) == 404
        assert code(script.get(f"{TASKS}/{path}/runs")) == 404

    def test_a_passcode_is_nowhere_to_be_read(
        self, script: Script, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        task_id = made(script)
        script.post(f"{TASKS}/{task_id}/update", parameters='{"passcode": "another-one"}')
        said = [script.get(TASKS), script.get(f"{TASKS}/{task_id}")]
        pages = [
            script.client.get(path, {"token": script.token}).content.decode()
            for path in (TASKS, f"{TASKS}/{task_id}", f"{TASKS}/{task_id}/update")
        ]
        bad = {"token": script.token, "type": "CreateBackup", "minute": "99"}
        for parameters in (json.dumps(BACKUP), json.dumps(BACKUP)[:-1]):
            form = {**bad, "parameters": parameters, "passcode": "open-sesame"}
            pages.append(script.client.post(f"{TASKS}/createTask", form).content.decode())

        for text in [json.dumps(said), *pages, caplog.text, str(Task.objects.get().parameters)]:
            assert "open-sesame" not in text
            assert "another-one" not in text


class TestCreate:
    def test_answers_what_every_client_takes_for_a_success(self, script: Script) -> None:
        said = script.post(
            f"{TASKS}/createTask", type="CreateBackup", parameters=json.dumps(BACKUP), **CRON
        )

        task_id = Schedule.objects.get().pk.hex
        assert said == {"status": "success", "success": True, "taskId": task_id, "id": task_id}
        assert not TaskStatus.objects.exists()

    def test_takes_all_that_the_vendor_documents(self, script: Script) -> None:
        task_id = made(
            script,
            title="night",
            itemId="",
            startDate=4_102_444_800_000,
            endDate="4133980800000",
            maxOccurrences=10,
            minute="0/20",
            hour="*",
            dayOfMonth="LW",
            month="3/3",
            dayOfWeek="?",
        )

        said = script.get(f"{TASKS}/{task_id}")
        assert said["cronExpression"] == "0 0/20 * LW 3/3 ?"
        assert (said["startDate"], said["endDate"]) == (4_102_444_800_000, 4_133_980_800_000)
        assert said["maxOccurrences"] == 10

    @pytest.mark.parametrize("spelling", ["CREATE_BACKUP_TASK_TYPE", "createbackup"])
    def test_takes_the_type_in_either_spelling(self, script: Script, spelling: str) -> None:
        assert script.get(f"{TASKS}/{made(script, type=spelling)}")["taskType"] == "CreateBackup"

    @pytest.mark.parametrize(
        "in_the_address, named",
        [
            ({"passcode": "a long passcode"}, "passcode"),
            ({"parameters": '{"name": "weekly", "passcode": "a long passcode"}'}, "parameters"),
        ],
    )
    def test_refuses_a_passcode_in_the_address_which_logs_keep(
        self, script: Script, in_the_address: dict[str, str], named: str
    ) -> None:
        form = {
            "f": "json",
            "token": script.token,
            "type": "CreateBackup",
            "parameters": json.dumps(BACKUP),
            **CRON,
        }
        form = {name: value for name, value in form.items() if name not in in_the_address}

        answer = script.client.post(f"{TASKS}/createTask?{urlencode(in_the_address)}", form)

        assert answer.json() == {
            "error": {
                "code": 400,
                "message": "Invalid parameters.",
                "details": [f"{named}: send secrets in the body; logs keep addresses."],
            }
        }
        assert not Schedule.objects.exists()

    def test_takes_other_parameters_in_the_address(self, script: Script) -> None:
        form = {"f": "json", "token": script.token, "parameters": json.dumps(BACKUP), **CRON}

        answer = script.client.post(
            f"{TASKS}/createTask?{urlencode({'type': 'CreateBackup', 'title': 'weekly'})}", form
        )

        assert answer.json()["success"], answer.content
        assert Schedule.objects.get().task.title == "weekly"

    def test_takes_the_passcode_beside_the_parameters_from_a_form(self, script: Script) -> None:
        """A person should not have to type it where everybody can read it."""
        parameters = {name: value for name, value in BACKUP.items() if name != "passcode"}

        made(script, parameters=json.dumps(parameters), passcode="typed-unseen")

        assert secrets.unseal(Task.objects.get().parameters)["passcode"] == "typed-unseen"

    @pytest.mark.parametrize(
        "of_month, of_week, expected",
        [
            ("*", "*", "* * ?"),
            ("*", "2-6", "? * 2-6"),
            ("15", "*", "15 * ?"),
            ("?", "6#3", "? * 6#3"),
            ("L", "?", "L * ?"),
        ],
    )
    def test_reads_unix_day_fields(
        self, script: Script, of_month: str, of_week: str, expected: str
    ) -> None:
        """The vendor's Python API sends no `?` at all."""
        task_id = made(script, dayOfMonth=of_month, dayOfWeek=of_week)

        assert script.get(f"{TASKS}/{task_id}")["cronExpression"] == f"0 0 4 {expected}"

    @pytest.mark.parametrize(
        "wrong, named",
        [
            ({"dayOfMonth": "1", "dayOfWeek": "2"}, "cannot both restrict"),
            ({"dayOfMonth": "?", "dayOfWeek": "?"}, "must be ?"),
            ({"dayOfWeek": "0"}, "1 is Sunday"),
            ({"dayOfMonth": "*", "dayOfWeek": "0"}, "1 is Sunday"),
            ({"dayOfWeek": "0-5"}, "1 is Sunday"),
            ({"dayOfWeek": "1,0"}, "1 is Sunday"),
            ({"dayOfWeek": "0#2"}, "1 is Sunday"),
            ({"dayOfWeek": "8"}, "dayOfWeek"),
            ({"minute": "60"}, "minute"),
            ({"minute": "?"}, "minute"),
            ({"hour": "24"}, "hour"),
            ({"hour": "1 2"}, "hour"),
            ({"month": "13"}, "month"),
            ({"dayOfMonth": "31", "month": "2", "dayOfWeek": "?"}, "Never fires"),
            ({"minute": ""}, "minute: required"),
            ({"minute": "x" * 5000}, "minute"),
            ({"startDate": "-1"}, "startDate"),
            ({"endDate": "-1"}, "endDate"),
            ({"startDate": "tomorrow"}, "startDate"),
            ({"startDate": "1.5"}, "startDate"),
            ({"startDate": "9" * 17}, "startDate"),
            ({"startDate": "4102444800000", "endDate": "4102444799999"}, "endDate: Lies before"),
            ({"endDate": "1000"}, "Never fires"),
            ({"maxOccurrences": "0"}, "maxOccurrences"),
            ({"maxOccurrences": "-2"}, "maxOccurrences"),
            ({"maxOccurrences": "many"}, "maxOccurrences"),
            ({"maxOccurrences": "9" * 15}, "maxOccurrences"),
            ({"type": ""}, "type: required"),
            ({"type": "CreateCoffee"}, "CreateCoffee"),
            ({"title": "x" * 201}, "title"),
            ({"title": "a\0b"}, "title"),
            ({"parameters": "{"}, "parameters"),
            ({"parameters": "[]"}, "parameters"),
            ({"parameters": "null"}, "parameters"),
            ({"parameters": '{"a": NaN}'}, "parameters"),
            ({"parameters": "[" * 100_000}, "parameters"),
            ({"parameters": '{"name": "\\ud800"}'}, "parameters"),
            ({"parameters": json.dumps({**BACKUP, "passcode": "short"})}, "passcode"),
            ({"parameters": json.dumps({**BACKUP, "passcode": "********"})}, "passcode"),
            ({"parameters": json.dumps({**BACKUP, "storeName": "../etc"})}, "store"),
            ({"parameters": json.dumps({**BACKUP, "retentionOffset": 5})}, "retentionOffset"),
            ({"parameters": json.dumps({**BACKUP, "colour": "red"})}, "colour"),
        ],
    )
    def test_what_does_not_fit_is_named_and_nothing_is_stored(
        self, script: Script, wrong: dict[str, str], named: str
    ) -> None:
        form = {"type": "CreateBackup", "parameters": json.dumps(BACKUP), **CRON, **wrong}

        assert named in details(script.post(f"{TASKS}/createTask", **form))
        assert not Task.objects.exists()

    def test_several_problems_are_named_at_once(self, script: Script) -> None:
        said = script.post(
            f"{TASKS}/createTask", type="CreateBackup", minute="x", maxOccurrences="0"
        )

        assert len(said["error"]["details"]) == 2

    def test_ten_megabytes_of_title_are_400(self, script: Script) -> None:
        said = script.post(f"{TASKS}/createTask", title="x" * 10_000_000)

        assert "larger" in details(said)

    def test_the_installations_own_types_exist_once(self, script: Script, settings: Any) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "SYSTEM_TASKS": ("CleanGPJobs",)}

        assert "CleanGPJobs" in details(
            script.post(f"{TASKS}/createTask", type="CleanGPJobs", parameters="{}", **CRON)
        )

    def test_get_shows_the_form_and_creates_nothing(self, script: Script) -> None:
        page = script.client.get(f"{TASKS}/createTask", {"token": script.token})

        assert page.status_code == 200
        for name in (*CRON, "type", "title", "parameters", "passcode", "startDate", "token", "f"):
            assert f'name="{name}"' in page.content.decode()
        assert 'type="password"' in page.content.decode()
        assert code(script.get(f"{TASKS}/createTask")) == 405
        assert not Task.objects.exists()

    def test_from_a_page_it_leads_to_the_task(self, script: Script) -> None:
        form = {"type": "CreateBackup", "parameters": json.dumps(BACKUP), "startDate": "", **CRON}

        answer = script.client.post(f"{TASKS}/createTask", {**form, "token": script.token})

        assert answer.status_code == 303
        assert answer["Location"] == f"{TASKS}/{Schedule.objects.get().pk.hex}"

    def test_a_page_shows_the_problem_and_what_was_typed(self, script: Script) -> None:
        form = {
            "type": "CreateBackup",
            "title": "my <title>",
            "minute": "61",
            "token": script.token,
        }

        answer = script.client.post(f"{TASKS}/createTask", form)

        assert answer.status_code == 400
        assert "my &lt;title&gt;" in answer.content.decode()
        assert 'role="alert"' in answer.content.decode()


class TestUpdate:
    def test_changes_what_is_sent_from_the_next_time_on(self, script: Script) -> None:
        task_id = made(script, title="a", maxOccurrences=5)
        before = script.get(f"{TASKS}/{task_id}")

        said = script.post(f"{TASKS}/{task_id}/update", title="b", hour="5")

        after = script.get(f"{TASKS}/{task_id}")
        assert said == {"status": "success", "success": True, "taskId": task_id, "id": task_id}
        assert after["cronExpression"] == "0 0 5 ? * 7"
        assert after["nextStart"] - before["nextStart"] == 3_600_000
        assert (after["title"], after["generation"]) == ("b", 2)
        assert after["updated"] > before["updated"]
        changed = {"title", "taskTitle", "cronSchedule", "cronExpression", "cronDescription"}
        changed |= {"nextStart", "generation", "updated"}
        assert {name for name in after if after[name] != before[name]} <= changed

    def test_one_day_field_frees_the_other(self, script: Script) -> None:
        task_id = made(script)

        script.post(f"{TASKS}/{task_id}/update", dayOfMonth="15")
        assert script.get(f"{TASKS}/{task_id}")["cronExpression"] == "0 0 4 15 * ?"
        script.post(f"{TASKS}/{task_id}/update", dayOfMonth="?")
        assert script.get(f"{TASKS}/{task_id}")["cronExpression"] == "0 0 4 ? * *"

    def test_an_empty_date_takes_it_away_and_an_empty_number_leaves_it(
        self, script: Script
    ) -> None:
        task_id = made(script, endDate=4_102_444_800_000, maxOccurrences=5)

        script.post(f"{TASKS}/{task_id}/update", endDate="", maxOccurrences="", minute="")

        said = script.get(f"{TASKS}/{task_id}")
        assert "endDate" not in said
        assert said["maxOccurrences"] == 5

    @pytest.mark.parametrize("new", ["", "********", "another-passcode"])
    def test_a_mask_keeps_the_passcode_and_a_new_one_is_sealed(
        self, script: Script, new: str
    ) -> None:
        task_id = made(script)
        shown = script.get(f"{TASKS}/{task_id}")["parameters"]
        change = {**shown, "name": "renamed"} | ({"passcode": new} if new else {})

        script.post(f"{TASKS}/{task_id}/update", parameters=json.dumps(change))

        stored = Task.objects.get().parameters
        assert secrets.is_sealed(stored["passcode"])
        kept = new if new.startswith("another") else BACKUP["passcode"]
        assert secrets.unseal(stored) == {
            **BACKUP,
            "name": "renamed",
            "description": "",
            "passcode": kept,
        }

    def test_parameters_are_merged_and_null_takes_one_away(self, script: Script) -> None:
        task_id = made(script)

        script.post(
            f"{TASKS}/{task_id}/update",
            parameters='{"metaData": null, "retentionOffset": null, "description": "d"}',
        )

        assert script.get(f"{TASKS}/{task_id}")["parameters"] == {
            "itemId": "",
            "name": BACKUP["name"],
            "storeName": "default",
            "passcode": "********",
            "description": "d",
        }

    def test_the_form_shows_what_is_and_sent_back_changes_nothing(self, script: Script) -> None:
        task_id = made(script, title="t", startDate=4_102_444_800_000, maxOccurrences=3)
        before = script.get(f"{TASKS}/{task_id}")
        page = script.client.get(f"{TASKS}/{task_id}/update", {"token": script.token})
        form = page.context["form"]
        sent = {field.name: field.value for field in form.fields}

        answer = script.client.post(form.action, {**sent, "token": script.token})

        assert (answer.status_code, answer["Location"]) == (303, f"{TASKS}/{task_id}")
        after = script.get(f"{TASKS}/{task_id}")
        assert {name for name in after if after[name] != before[name]} == {"generation", "updated"}
        assert secrets.unseal(Task.objects.get().parameters)["passcode"] == BACKUP["passcode"]

    @pytest.mark.parametrize("state", ["paused", "active"])
    def test_is_active_starts_and_stops_it(self, script: Script, state: str) -> None:
        """So does `Task.start` and `Task.stop` of the vendor's Python API."""
        task_id = made(script)
        if state == "active":
            script.post(f"{TASKS}/{task_id}/disable")

        script.post(f"{TASKS}/{task_id}/update", isActive="true" if state == "active" else "false")

        assert script.get(f"{TASKS}/{task_id}")["taskState"] == state

    @pytest.mark.parametrize(
        "wrong, named",
        [
            ({"type": "CleanGPJobs"}, "stays one"),
            ({"isActive": "maybe"}, "isActive"),
            ({"dayOfMonth": "1", "dayOfWeek": "2"}, "both restrict"),
            ({"dayOfWeek": "0"}, "Sunday"),
            ({"endDate": "-5"}, "endDate"),
            ({"endDate": "5"}, "Never fires"),
            ({"maxOccurrences": "0"}, "maxOccurrences"),
            ({"title": "x" * 201, "hour": "5"}, "title"),
            ({"parameters": "nothing"}, "parameters"),
            ({"parameters": '{"storeName": "elsewhere"}', "hour": "5"}, "elsewhere"),
            ({"parameters": '{"passcode": "short"}', "hour": "5"}, "passcode"),
        ],
    )
    def test_what_does_not_fit_is_named_and_nothing_is_changed(
        self, script: Script, wrong: dict[str, str], named: str
    ) -> None:
        task_id = made(script)
        before = script.get(f"{TASKS}/{task_id}")

        assert named in details(script.post(f"{TASKS}/{task_id}/update", **wrong))
        assert script.get(f"{TASKS}/{task_id}") == before

    def test_of_a_completed_one_the_title_alone_can_change(self, script: Script) -> None:
        task_id = made(script, maxOccurrences=1)
        Schedule.objects.update(state="completed", next_at=None, runs_made=1)

        script.post(f"{TASKS}/{task_id}/update", title="done")

        said = script.get(f"{TASKS}/{task_id}")
        assert (said["title"], said["taskState"], said["active"]) == ("done", "completed", False)

    def test_a_time_that_is_due_is_not_lost_by_an_edit_of_the_title(self, script: Script) -> None:
        task_id = made(script)
        Schedule.objects.update(next_at=clock.now() - timedelta(seconds=1))

        script.post(f"{TASKS}/{task_id}/update", title="late")

        assert scheduling.fire_due() == 1


class TestEnableAndDisable:
    def test_they_stop_its_times_and_let_them_come_again(self, script: Script) -> None:
        task_id = made(script)
        before = script.get(f"{TASKS}/{task_id}")

        assert script.post(f"{TASKS}/{task_id}/disable")["success"] is True
        paused = script.get(f"{TASKS}/{task_id}")
        assert (paused["taskState"], paused["active"]) == ("paused", False)
        assert "nextStart" not in paused
        assert paused["updated"] > before["updated"]
        assert script.post(f"{TASKS}/{task_id}/disable")["success"] is True
        assert script.get(f"{TASKS}/{task_id}") == paused

        assert script.post(f"{TASKS}/{task_id}/enable")["taskId"] == task_id
        active = script.get(f"{TASKS}/{task_id}")
        assert (active["taskState"], active["nextStart"]) == ("active", before["nextStart"])

    def test_a_completed_one_is_not_woken_without_an_edit(self, script: Script) -> None:
        task_id = made(script, maxOccurrences=1)
        Schedule.objects.update(state="completed", next_at=None, runs_made=1)

        assert "maxOccurrences" in details(script.post(f"{TASKS}/{task_id}/enable"))
        assert code(script.post(f"{TASKS}/{task_id}/disable")) == 400

    def test_a_broken_one_is_paused_and_says_why(self, script: Script) -> None:
        task_id = made(script)
        Schedule.objects.update(state="broken", next_at=None, problem="It broke.")

        said = script.get(f"{TASKS}/{task_id}")
        assert (said["taskState"], said["active"], said["problem"]) == (
            "paused",
            False,
            "It broke.",
        )
        script.post(f"{TASKS}/{task_id}/enable")
        assert "problem" not in script.get(f"{TASKS}/{task_id}")


class TestRunNow:
    def test_makes_a_run_beside_its_times(self, script: Script) -> None:
        task_id = made(script)
        before = script.get(f"{TASKS}/{task_id}")

        said = script.post(f"{TASKS}/{task_id}/runNow")

        run = TaskStatus.objects.get()
        assert said == {
            "status": "success",
            "success": True,
            "taskId": task_id,
            "id": task_id,
            "runId": run.pk.hex,
        }
        assert (run.state, run.owner) == (State.QUEUED, script.user)
        assert script.get(f"{TASKS}/{task_id}") == before

    def test_a_paused_one_runs_too(self, script: Script) -> None:
        task_id = made(script)
        script.post(f"{TASKS}/{task_id}/disable")

        assert script.post(f"{TASKS}/{task_id}/runNow")["success"] is True

    def test_from_a_page_it_leads_to_the_run(self, script: Script) -> None:
        path = f"{TASKS}/{made(script)}"

        answer = script.client.post(f"{path}/runNow", {"token": script.token})

        assert answer["Location"] == f"{path}/runs/{TaskStatus.objects.get().pk.hex}"
        assert script.client.get(answer["Location"], {"token": script.token}).status_code == 200


class TestDelete:
    def test_takes_the_task_and_its_runs(self, script: Script) -> None:
        task_id = made(script)
        script.post(f"{TASKS}/{task_id}/runNow")

        assert script.post(f"{TASKS}/{task_id}/delete")["status"] == "success"
        assert code(script.get(f"{TASKS}/{task_id}")) == 404
        assert code(script.post(f"{TASKS}/{task_id}/delete")) == 404
        assert not Schedule.objects.exists()
        assert {run.state for run in TaskStatus.objects.all()} <= {State.CANCELLED}

    @pytest.mark.parametrize("state", sorted(HELD))
    def test_one_that_is_running_is_refused_and_stays(self, script: Script, state: State) -> None:
        task_id = made(script)
        task = Schedule.objects.get().task
        actor = queries.actor_of(script.user, system().pk)
        factories.run(state, task=task, owner=actor, task_type="CreateBackup")

        assert "under way" in details(script.post(f"{TASKS}/{task_id}/delete"))
        assert script.get(f"{TASKS}/{task_id}")["taskState"] == "active"

    def test_one_that_the_installation_needs_is_refused_but_pauses(self, script: Script) -> None:
        task_id = made(script)
        Schedule.objects.update(protected=True)

        assert "pause it instead" in details(script.post(f"{TASKS}/{task_id}/delete"))
        assert script.post(f"{TASKS}/{task_id}/disable")["success"] is True

    def test_its_page_says_that_it_cannot_be_undone(self, script: Script) -> None:
        path = f"{TASKS}/{made(script)}/delete"

        page = script.client.get(path, {"token": script.token})

        assert page.context["form"].destructive
        assert script.client.post(path, {"token": script.token})["Location"] == TASKS
