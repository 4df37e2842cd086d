"""Results come in over HTTP, are imported by a worker, and survive what happens to either."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories
from tests.support.http import Server, token
from tests.support.reports import report, zipped
from tests.support.uploads import files_in
from tests.support.waiting import wait_for
from tests.support.workers import WorkerCommand, kill
from tickets.models import AutomatedTestRun, ResultNode

pytestmark = [pytest.mark.acceptance, pytest.mark.django_db(transaction=True)]

CASES = 40_000


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the processes a file store of the test's own."""
    folder = tmp_path / "files"
    monkeypatch.setenv("TASKCENTER_FILES_DIR", str(folder))
    return folder


@pytest.fixture
def api(files: Path) -> Iterator[httpx.Client]:
    """Return a member's client of a real server."""
    authorization = f"Bearer {token(factories.actor().user)}"
    with (
        Server() as server,
        httpx.Client(
            base_url=server.url, headers={"Authorization": authorization}, timeout=60
        ) as client,
    ):
        yield client


def made(api: httpx.Client, collection: str, **members: Any) -> Any:
    answer = api.post(f"/api/{collection}", json=members)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def runs(api: httpx.Client) -> str:
    """Return where the results of a new assignment are uploaded, found by its link."""
    project = made(api, "projects", Name="Billing")
    package = made(api, "executionpackages", Name="Nightly", ProjectId=project["Id"])
    test = made(api, "automatedtests", Name="Unit tests", ProjectId=project["Id"])
    assignment = made(
        api, "automatedtestassignments", AutomatedTestId=test["Id"], PackageId=package["Id"]
    )
    # The first one: there are clients that do not look for its name.
    link = assignment["Links"][0]
    assert link["Rel"] == "Runs"
    href: str = link["Href"]
    return href


def uploaded(api: httpx.Client, runs: str, content: bytes) -> str:
    answer = api.post(runs, files={"report": ("report.xml", content, "text/xml")})
    assert answer.status_code == 202, answer.text
    where: str = answer.json()["Self"]
    assert answer.headers["Location"] == where
    return where


def ended(api: httpx.Client, task: str) -> Any:
    """Poll as the vendor's client does, until the task is complete or has an error."""

    def finished() -> Any:
        body = api.get(task).json()
        assert body["ProcessedElements"] <= body["TotalElements"]
        return body if body["Complete"] or "Error" in body else None

    return wait_for(finished, "the import to end", limit=60)


def run_of(task: str) -> TaskStatus:
    return TaskStatus.objects.get(pk=task[-36:])


def test_a_report_becomes_a_run_that_can_be_read_and_searched(
    api: httpx.Client, runs: str, files: Path
) -> None:
    with WorkerCommand(workers=1):
        task = uploaded(api, runs, zipped({"TEST-a.xml": b"".join(report(300))}))
        body = ended(api, task)

    assert (body["Complete"], body["Message"]) == (True, "Task Completed")
    assert (body["TotalElements"], body["ProcessedElements"]) == (300, 300)
    [link] = body["Links"]
    run = api.get(link["Href"], params={"$expand": "Totals"}).json()
    assert run["Status"] == "Failed"
    assert (run["Totals"]["TotalResults"], run["Totals"]["Failed"]) == (300, 3)
    [suite] = api.get(run["Links"][0]["Href"]).json()
    failed = api.get(suite["Links"][0]["Href"], params={"status": "Failed"}).json()
    assert [node["Name"] for node in failed] == ["case_7", "case_107", "case_207"]
    found = api.get("/api/search", params={"tql": "Name ~ case_107"}).json()
    assert [item["Self"] for item in found["Items"]] == [failed[1]["Self"]]
    assert not files_in(files)


def test_a_report_that_is_none_fails_with_its_reason(
    api: httpx.Client, runs: str, files: Path
) -> None:
    with WorkerCommand(workers=1):
        task = uploaded(api, runs, b"<html/>")
        body = ended(api, task)

    assert body["Complete"] is False
    assert body["Error"] == (
        "Unable to parse results: its root element is <html>, not <testsuites> or <testsuite>."
    )
    assert not AutomatedTestRun.objects.exists()
    assert not files_in(files)


def test_an_import_whose_worker_is_killed_is_finished_by_the_next(
    api: httpx.Client, runs: str, files: Path
) -> None:
    with WorkerCommand(workers=1) as command:
        task = uploaded(api, runs, b"".join(report(CASES)))
        wait_for(lambda: ResultNode.objects.count() > 0, "the first nodes")
        kill(command.workers()[0].pid)
        assert not AutomatedTestRun.objects.shown().exists()
        body = ended(api, task)

    assert body["Complete"] is True, body
    assert run_of(task).attempt == 2
    run = AutomatedTestRun.objects.get()
    assert run.total_results == CASES
    assert ResultNode.objects.count() == run.total_nodes
    assert not files_in(files)


def test_a_cancelled_import_leaves_nothing_behind(
    api: httpx.Client, runs: str, files: Path
) -> None:
    with WorkerCommand(workers=1):
        task = uploaded(api, runs, b"".join(report(CASES * 4)))
        wait_for(lambda: ResultNode.objects.count() > 0, "the first nodes")
        assert api.post(f"{task}/cancel").status_code == 200
        wait_for(lambda: run_of(task).state in FINAL, "the import to end")
        assert run_of(task).state == State.CANCELLED
        wait_for(lambda: not AutomatedTestRun.objects.exists(), "the staged rows to go")

    assert not ResultNode.objects.exists()
    wait_for(lambda: not files_in(files), "the file to go")


def _half_a_request(api: httpx.Client, runs: str, length: int, body: bytes) -> socket.socket:
    """Send the beginning of an upload and leave the connection open."""
    url = httpx.URL(runs)
    connection = socket.create_connection((url.host, url.port), timeout=20)
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
        f"Authorization: {api.headers['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def test_a_client_that_goes_away_leaves_nothing_behind(
    api: httpx.Client, runs: str, files: Path
) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="r"; filename="r.xml"\r\n\r\n'
    connection = _half_a_request(api, runs, 50_000_000, head + b"<" * 1_000_000)
    connection.close()

    # The server answers others, and whatever it had begun to store is gone.
    assert api.get(runs).json()["Total"] == 0
    wait_for(lambda: not files_in(files), "the file to go")
    assert not TaskStatus.objects.exists()


def test_ten_gigabytes_are_refused_before_they_come(
    api: httpx.Client, runs: str, files: Path
) -> None:
    with _half_a_request(api, runs, 10 * 1024**3, b"--x\r\n") as connection:
        answer = b""
        while b'"}' not in answer and (more := connection.recv(65_536)):
            answer += more

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"Message":"Results may have at most 2,147,483,648 bytes."}' in answer
    assert not files_in(files)
