"""The vendor's clients, as they send requests and read answers; none of their code is here."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from backgroundtasks.models import Schedule
from tests.support.arcgis import BACKUP, CRON, ROOT, SHARING, TASKS, user
from tests.support.http import token

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
#: Statuses that the Python API's transport repeats: five times, also a POST.
REPEATED = {413, 429, 500, 502, 503, 504}


class PythonApi:
    """The Python API: the token in `X-Esri-Authorization` alone, nothing of it in a body."""

    def __init__(self, token: str = "") -> None:
        self._headers = {"X-Esri-Authorization": f"Bearer {token}"} if token else {}
        self._http = Client()

    def get(self, path: str, **parameters: Any) -> Any:
        return self._read(self._http.get(path, {"f": "json", **parameters}, headers=self._headers))

    def post(self, path: str, **parameters: Any) -> Any:
        # What is missing is left out, not sent empty.
        form = {"f": "json"} | {name: one for name, one in parameters.items() if one is not None}
        return self._read(self._http.post(path, form, headers=self._headers))

    def _read(self, answer: Any) -> Any:
        assert answer.status_code not in REPEATED
        assert "json" in answer["Content-Type"] or "text" in answer["Content-Type"]
        said = answer.json()
        if "error" in said and "messages" not in said:
            error = said["error"]
            raise RuntimeError("\n".join([error["message"], *error["details"]]), error["code"])
        return said


class AdminCli:
    """The command line: `Authorization: Bearer`, and `f=json` in the form body of a GET."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, **parameters: Any) -> Any:
        answer = Client().generic(
            method,
            path,
            urlencode({"f": "json", **parameters}),
            content_type=FORM,
            headers=self._headers,
        )
        assert answer.status_code == 200
        said = answer.json()
        if "error" in said:
            # It reads all three by name.
            error = said["error"]
            raise RuntimeError(error["code"], error["message"], error["details"])
        return said


def unix(text: str) -> dict[str, str]:
    """Return the five fields of a Unix expression, as the Python API splits it."""
    return dict(zip(CRON, text.split(), strict=True))


@pytest.fixture
def api() -> PythonApi:
    return PythonApi(token(user(username="ann")))


class TestThePythonApi:
    def test_logs_in(self) -> None:
        ann = user(username="ann")
        ann.set_password("sesame-42")
        ann.save()
        anonymous = PythonApi()
        # Dispensable questions come first.
        for path in ("/arcgis/info", "/arcgis/rest/info", "/arcgis/rest/services"):
            assert Client().get(path, {"f": "json"}).status_code == 404

        info = anonymous.get(f"{SHARING}/info")
        assert info["authInfo"]["isTokenBasedSecurity"]
        assert info["authInfo"]["tokenServicesUrl"].startswith("https://")
        login = {"username": "ann", "password": "sesame-42", "referer": "http"}
        found = anonymous.post(f"{SHARING}/generateToken", client="referer", expiration=60, **login)
        assert found["expires"] / 1000 > 1_700_000_000
        api = PythonApi(found["token"])
        for portal in (api.get(f"{SHARING}/portals/self"), api.post(f"{SHARING}/portals/self")):
            assert portal["portalDeploymentType"] == "ArcGISEnterpriseOnKubernetes"
            assert portal["user"]["username"] == "ann"
        for path in ("users/ann", "self"):
            person = api.get(f"{SHARING}/community/{path}", returnUserLicensedItems=True)
            assert any(":admin:" in privilege for privilege in person["privileges"])
        with pytest.raises(RuntimeError):
            api.post(f"{SHARING}/portals/self/roles")
        assert "system" in api.get(ROOT)["resources"]

    @pytest.mark.parametrize(
        "cron, expression",
        [
            ("0 * * * *", "0 0 * * * ?"),
            ("30 2 * * 2-6", "0 30 2 ? * 2-6"),
            ("0 4 1 * *", "0 0 4 1 * ?"),
        ],
    )
    def test_creates_a_task_from_a_unix_expression(
        self, api: PythonApi, cron: str, expression: str
    ) -> None:
        said = api.post(
            f"{TASKS}/createTask",
            title="nightly",
            type="CreateBackup",
            parameters=json.dumps(BACKUP),
            itemId="",
            startDate=None,
            maxOccurrences=10,
            **unix(cron),
        )

        # With these two it makes a `Task` of the answer.
        assert said["success"] is True
        task = api.get(f"{TASKS}/{said['taskId']}")
        assert (task["cronExpression"], task["maxOccurrences"]) == (expression, 10)

    def test_hears_what_is_wrong_with_its_weekly(self, api: PythonApi) -> None:
        with pytest.raises(RuntimeError, match="dayOfWeek: 1 is Sunday"):
            api.post(
                f"{TASKS}/createTask",
                type="CreateBackup",
                parameters=json.dumps(BACKUP),
                **unix("0 0 * * 0"),
            )
        assert not Schedule.objects.exists()

    def test_works_with_a_task(self, api: PythonApi) -> None:
        form = {"type": "CreateBackup", "parameters": json.dumps(BACKUP), **CRON}
        path = f"{TASKS}/{api.post(f'{TASKS}/createTask', **form)['taskId']}"
        known = api.get(path)

        # `Task.update` echoes what it has read, our constant in `type` too.
        echo = {name: known[name] for name in ("title", "type")}
        echo["parameters"] = json.dumps(known["parameters"])
        said = api.post(
            f"{path}/update", **echo, itemId="", **known["cronSchedule"], isActive="false"
        )
        assert (said["success"], said["taskId"]) == (True, known["id"])
        assert api.get(path)["active"] is False
        assert api.post(f"{path}/enable")["success"] is True
        assert api.post(f"{path}/disable")["success"] is True
        assert api.get(f"{path}/runs")["runs"] == []
        assert api.post(f"{path}/delete")["success"] is True
        with pytest.raises(RuntimeError):
            api.get(path)

    def test_misspells_the_result_of_a_run(self, api: PythonApi) -> None:
        form = {"type": "CreateBackup", "parameters": json.dumps(BACKUP), **CRON}
        path = f"{TASKS}/{api.post(f'{TASKS}/createTask', **form)['taskId']}"
        run_id = api.post(f"{path}/runNow")["runId"]

        said = api.post(f"{path}/runs/{run_id}/update", status="failed", results="Not today.")

        assert said["runId"] == run_id
        run = api.get(f"{path}/runs/{run_id}")
        assert (run["status"], run["result"]) == ("failed", "Not today.")
        assert api.post(f"{path}/runs/{run_id}/delete")["success"] is True

    @pytest.mark.parametrize("bad", ["", "no-such-token"])
    def test_is_never_made_to_repeat_a_post(self, bad: str) -> None:
        with pytest.raises(RuntimeError):
            PythonApi(bad).post(f"{TASKS}/createTask", type="CreateBackup")


class TestTheCommandLine:
    def test_reads_and_does(self, api: PythonApi) -> None:
        cli = AdminCli(token(user(username="bob")))
        form = {"type": "CreateBackup", "parameters": json.dumps(BACKUP), **CRON}

        task_id = cli.ask("POST", f"{TASKS}/createTask", **form)["taskId"]

        assert [one["id"] for one in cli.ask("GET", TASKS)["result"]] == [task_id]
        assert cli.ask("GET", TASKS, num=1, start=1)["result"] == []
        with pytest.raises(RuntimeError) as refused:
            cli.ask("POST", f"{TASKS}/{'0' * 32}/delete")
        assert refused.value.args[0] == 404

    def test_asks_for_a_token_each_time(self) -> None:
        bob = user(username="bob")
        bob.set_password("sesame-42")
        bob.save()
        login = {"username": "bob", "password": "sesame-42", "client": "referer"}

        for _ in range(2):
            form = urlencode({**login, "referer": "referer", "expiration": 60, "f": "json"})
            answer = Client().post(f"{SHARING}/generateToken", form, content_type=FORM)
            assert AdminCli(answer.json()["token"]).ask("GET", ROOT)["status"] == "success"


def test_sample_scripts_send_the_token_of_a_post_in_its_url() -> None:
    bearer = token(user())
    query = urlencode({"f": "json", "token": bearer})

    answer = Client().post(f"{TASKS}/{'0' * 32}/delete?{query}")

    assert answer.json()["error"]["code"] == 404
