"""A caller of the API in process, and the server as a real process."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
from django.test import Client

from backgroundtasks import operations
from tests.support import factories
from tests.support.waiting import wait_for
from tests.support.workers import START_LIMIT, environment

if TYPE_CHECKING:
    from types import TracebackType

    from django.contrib.auth.models import User

    from backgroundtasks.handlers import Actor

ROOT = Path(__file__).resolve().parents[2]
SHORTCUT = "backgroundtasks.api.enterprise_tester.shortcut.Shortcut"


class Caller:
    """Somebody who calls the API with a credential of their own."""

    def __init__(self, actor: Actor | None = None, *, authorization: str | None = None) -> None:
        self.actor = actor or factories.actor()
        self.headers = {"authorization": authorization or f"Bearer {token(self.actor.user)}"}
        self._client = Client(raise_request_exception=False)

    def get(self, path: str, **headers: str) -> Any:
        return self._client.get(path, headers={**self.headers, **_named(headers)})

    def post(
        self, path: str, body: Any = None, *, kind: str = "application/json", **headers: str
    ) -> Any:
        """Send a body: bytes and texts as they are, everything else as JSON."""
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        return self._client.post(
            path, raw, content_type=kind, headers={**self.headers, **_named(headers)}
        )

    def call(self, method: str, path: str, **headers: str) -> Any:
        return self._client.generic(method, path, headers={**self.headers, **_named(headers)})

    def start(self, task_type: str = "Work", **parameters: Any) -> Any:
        """Start a task and return the 202's body."""
        answer = self.post("/api/backgroundtasks", {"Type": task_type, "Parameters": parameters})
        assert answer.status_code == 202, answer.content
        return answer.json()


def token(user: User, **kwargs: Any) -> str:
    """Return a bearer token of a user."""
    return operations.issue_token(user, **kwargs)[0]


def basic(name: str, password: str) -> str:
    """Return the header of a Basic login."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Server:
    """
    The web server as a process, on the test's own database; a context.

    Args:
        numbers: Of `settings.TASKCENTER`; floats are seconds.
    """

    def __init__(self, **numbers: float) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the server
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scripts.web"],
            cwd=ROOT,
            env={**environment(**numbers), "PORT": str(port), "WEB_PROCESSES": "1"},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        try:
            wait_for(self._answers, "the web server to answer", limit=START_LIMIT)
        except BaseException as error:
            # What was not entered is not left.
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        if kind is not None:
            sys.stderr.write(self.log())
        self._log.close()

    def log(self) -> str:
        """Return what the server has written."""
        self._log.seek(0)
        return self._log.read()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return httpx.get(f"{self.url}/livez").status_code == 200
        except httpx.TransportError:
            return False
