"""
A project with none of our other apps: `backgroundtasks`, one `include()` and one handler.

The handler and its test are the ones of `docs/howto/write_a_handler.md`, taken from the page.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings

from tests.support.installation import free_port
from tests.support.waiting import wait_for

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).resolve().parents[2]
SKELETON = ROOT / "tests" / "host_project"
PAGE = ROOT / "docs" / "howto" / "write_a_handler.md"
#: A block of the page that says which file it is.
FILES = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORDS = " ".join(f"word{n}" for n in range(40))


@dataclass
class Host:
    """The project in a folder of its own, with its own database, server and workers."""

    folder: Path
    environment: dict[str, str]
    url: str = ""

    def command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "manage.py", *words)

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def done(self, *words: str) -> str:
        """Run a command that must end well; return what it printed."""
        finished = self.manage(*words)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    @contextmanager
    def process(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        log = self.folder / f"{words[0]}.log"
        with log.open("wb") as output:
            started = subprocess.Popen(
                self.command(*words),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
            )
        try:
            yield started
        except BaseException:
            sys.stderr.write(log.read_text())
            raise
        finally:
            started.terminate()
            try:
                started.wait(40)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(10)


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """Make a database of the kind that the suite runs on; yield its URL."""
    known: dict[str, Any] = settings.DATABASES["default"]
    if known["ENGINE"].endswith("sqlite3"):
        yield f"sqlite:///{folder / 'host.sqlite3'}"
        return
    login = f"{known['USER']}:{known['PASSWORD'] or ''}@{known['HOST']}:{known['PORT'] or 5432}"
    name = f"host_project_{secrets.token_hex(6)}"
    with psycopg.connect(f"postgres://{login}/postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield f"postgres://{login}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host") / "project"
    shutil.copytree(SKELETON, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.findall(PAGE.read_text()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "library" / "__init__.py").touch()
    (folder / "library" / "handlers" / "__init__.py").touch()
    with ExitStack() as stack:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TASKCENTER_", "DJANGO_", "DATABASE_", "PYTEST_"))
        }
        project = Host(
            folder,
            inherited
            | {
                "HOST_DATABASE_URL": stack.enter_context(database(folder)),
                "PYTHONPATH": str(ROOT),
                "TASKCENTER_ADMIN_PASSWORD": "horse staple",
            },
        )
        project.done("migrate", "--verbosity", "0")
        project.done("bootstrap")
        yield project


@pytest.fixture(scope="module")
def running(host: Host) -> Iterator[Host]:
    """The project with its web server and its workers."""
    port = free_port()
    host.url = f"http://127.0.0.1:{port}"
    with (
        host.process("runserver", "--noreload", f"127.0.0.1:{port}") as server,
        host.process("runworkers", "--workers", "1") as workers,
    ):

        def ready() -> bool:
            assert server.poll() is None
            assert workers.poll() is None
            try:
                httpx.get(f"{host.url}/api/")
            except httpx.TransportError:
                return False
            return host.manage("check_worker").returncode == 0

        wait_for(ready, "the host project's server and workers", limit=90)
        yield host


@pytest.fixture
def api(running: Host) -> Iterator[httpx.Client]:
    token = running.done("issue_token", "admin").strip()
    with httpx.Client(
        base_url=running.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        yield client


@pytest.fixture
def operator(running: Host) -> Iterator[httpx.Client]:
    """A browser that is signed in to the admin."""
    with httpx.Client(base_url=running.url, timeout=30) as browser:
        browser.get("/admin/login/")
        answer = browser.post(
            "/admin/login/",
            data={
                "username": "admin",
                "password": "horse staple",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            },
        )
        assert answer.status_code == 302
        yield browser


def start(api: httpx.Client, pause: float) -> str:
    """Start the page's task; return the address of its run."""
    answer = api.post(
        "/api/backgroundtasks",
        json={"Type": "CountWords", "Parameters": {"Text": WORDS, "Pause": pause}},
    )
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


def poll(api: httpx.Client, run: str) -> dict[str, Any]:
    answer = api.get(run)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_handler_of_the_page_has_at_most_25_lines() -> None:
    files = dict(FILES.findall(PAGE.read_text()))

    assert set(files) == {
        "library/handlers/count_words.py",
        "library/handlers/count_pages.py",
        "library/handlers/count_shelf.py",
        "library/tests.py",
        "library/test_more.py",
    }
    assert len(files["library/handlers/count_words.py"].strip().splitlines()) <= 25


def test_the_project_passes_djangos_checks_and_needs_no_migration(host: Host) -> None:
    host.done("check", "--fail-level", "WARNING", "--database", "default")
    host.done("makemigrations", "--check", "--dry-run", "backgroundtasks")


def test_the_tests_of_the_page_pass(host: Host) -> None:
    finished = host.manage("test", "library")

    assert finished.returncode == 0, finished.stderr
    assert "Ran 5 tests" in finished.stderr


def test_a_task_is_started_watched_and_finished_over_http(
    api: httpx.Client, operator: httpx.Client
) -> None:
    run = start(api, pause=0.1)

    seen = wait_for(lambda: (body := poll(api, run))["ProcessedElements"] and body, "some progress")
    ended = wait_for(lambda: (body := poll(api, run))["Complete"] and body, "the end")
    page = operator.get(f"/admin/backgroundtasks/taskstatus/{ended['Id']}/change/")

    assert 0 < seen["ProcessedElements"] < 40
    assert seen["TotalElements"] == 40
    assert seen["Complete"] is False
    assert (ended["ProcessedElements"], ended["TotalElements"]) == (40, 40)
    assert ended["Id"].startswith("countwords-")
    assert page.status_code == 200
    assert "&quot;Words&quot;: 40" in page.text


def test_a_task_starts_others_and_waits_for_them_with_one_worker(api: httpx.Client) -> None:
    answer = api.post(
        "/api/backgroundtasks",
        json={
            "Type": "CountShelf",
            "Parameters": {"Books": {"Hamlet": "to be or not", "Emma": "handsome clever"}},
        },
    )
    assert answer.status_code == 202, answer.text

    run = answer.headers["Location"]
    ended = wait_for(lambda: (body := poll(api, run))["Complete"] and body, "the end")

    # The words of both, as the children counted them.
    assert (ended["ProcessedElements"], ended["TotalElements"]) == (6, 6)


def test_a_running_task_is_cancelled(api: httpx.Client) -> None:
    run = start(api, pause=0.5)
    wait_for(lambda: poll(api, run)["ProcessedElements"], "some progress")

    answer = api.post(f"{run}/cancel")
    ended = wait_for(lambda: (body := poll(api, run)).get("Error") and body, "the end")

    assert answer.status_code in {200, 202}, answer.text
    assert ended["Complete"] is False
    assert ended["ProcessedElements"] < 40


def test_an_operator_starts_one_in_the_admin(operator: httpx.Client, api: httpx.Client) -> None:
    types = operator.get("/admin/backgroundtasks/task/add/")
    form = operator.get("/admin/backgroundtasks/task/add/?type=CountWords")
    answer = operator.post(
        "/admin/backgroundtasks/task/add/?type=CountWords",
        data={
            "parameters-Text": "to be or not",
            "csrfmiddlewaretoken": operator.cookies["csrftoken"],
        },
    )

    assert "Count the words of a text, slowly" in types.text
    assert "seconds a word" in form.text
    assert answer.status_code == 302
    run = answer.headers["Location"].split("/")[-3]
    wait_for(lambda: poll(api, f"/api/backgroundtask/countwords-{run}")["Complete"], "the end")
    assert "Task center" in operator.get("/admin/").text


def test_arcgis_directory_is_there_with_its_style_and_the_projects_task(api: httpx.Client) -> None:
    page = api.get("/arcgis/admin/system/tasks/createTask")

    assert page.status_code == 200
    assert "--paper:" in page.text
    assert '<option value="CountWords"' in page.text


def test_a_shell_starts_one_and_waits(running: Host) -> None:
    printed = running.done(
        "submit_task", "CountWords", "--parameters", '{"Text": "to be or not"}', "--wait"
    )

    assert printed.splitlines()[1:] == ["succeeded"]
