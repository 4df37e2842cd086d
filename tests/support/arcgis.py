"""A caller of ArcGIS' API, as its scripts send requests: a form, a token, `f=json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.test import Client

from backgroundtasks.models import Account
from tests.support import factories
from tests.support.http import token

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROOT = "/arcgis/admin"
SHARING = "/arcgis/sharing/rest"
TASKS = f"{ROOT}/system/tasks"


def system() -> Account:
    """Return the system account."""
    return Account.objects.get_or_create(is_system=True, defaults={"name": "System"})[0]


def user(*, operator: bool = True, **values: Any) -> User:
    """Return an operator of the installation, or somebody else."""
    system()
    return factories.UserFactory.create(is_superuser=operator, **values)


class Script:
    """Somebody with a token, who sends it in the body of a POST and the query of a GET."""

    def __init__(self, who: User | None = None) -> None:
        self.user = who or user()
        self.token = token(self.user)
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the body of a JSON answer."""
        return body(self.client.get(path, {"f": "json", "token": self.token, **parameters}))

    def post(self, path: str, **parameters: Any) -> Any:
        """Return the body of a JSON answer."""
        form = {"f": "json", "token": self.token, **parameters}
        return body(self.client.post(path, form))


def body(answer: Any) -> Any:
    """Return the body of an answer that no client repeats."""
    assert answer.status_code == 200, answer.content
    return answer.json()


def code(said: Any) -> int:
    """Return the code of an error, which has all its members and nothing beside it."""
    assert set(said) == {"error"}, said
    assert set(said["error"]) == {"code", "message", "details"}
    assert isinstance(said["error"]["details"], list)
    return int(said["error"]["code"])


#: Saturdays at 04:00.
CRON = {"minute": "0", "hour": "4", "dayOfMonth": "?", "month": "*", "dayOfWeek": "7"}
BACKUP: dict[str, Any] = {
    "name": "weekly",
    "passcode": "open-sesame",
    "storeName": "default",
    "retentionOffset": 604_800_000,
    "metaData": {
        "recurring": True,
        "startTime": "04:00",
        "retention": {"type": "week", "value": 1},
    },
}


def made(script: Script, **form: Any) -> str:
    """Return the id of a new task: a weekly backup, unless it is asked for otherwise."""
    wish = {"type": "CreateBackup", "parameters": json.dumps(BACKUP), **CRON, **form}
    said = script.post(f"{TASKS}/createTask", **wish)
    assert said.get("success"), said
    return str(said["taskId"])
