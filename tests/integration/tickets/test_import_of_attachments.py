"""`[[ATTACHMENT|path]]` in a report: files of the zip become attachments of the nodes that name them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from pytest_django import Settings

from backgroundtasks.handlers.testing import perform
from backgroundtasks.states import State
from tests.support.http import Caller
from tests.support.projects import AssignmentFactory
from tests.support.reports import zipped
from tests.support.uploads import files_in
from tickets import evidence, staging, uploads
from tickets.evidence import Evidence
from tickets.handlers.automated_test_import import AutomatedTestImport
from tickets.models import Attachment, AutomatedTestAssignment, AutomatedTestRun, ResultNode

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("file_store")]

SHOT = b"\x89PNG" + bytes(range(200))


def report(**said: str) -> bytes:
    cases = "".join(
        f"<testcase name='{name}'><system-out>{text}</system-out></testcase>"
        for name, text in said.items()
    )
    return f"<testsuite name='shop'>{cases}</testsuite>".encode()


def uploaded(assignment: AutomatedTestAssignment, content: bytes) -> dict[str, Any]:
    name = uploads.new_name(assignment.account_id)
    uploads.save(name, ContentFile(content))
    return {"AutomatedTestAssignmentId": str(assignment.pk), "ResultsPath": name}


def imported(content: bytes, **more: Any) -> Any:
    assignment = more.pop("assignment", None) or AssignmentFactory.create()
    parameters = uploaded(assignment, content)
    return perform(AutomatedTestImport, parameters, account_id=assignment.account_id, **more)


def told_by(run: Any) -> list[str]:
    return [message.text for message in run.messages if message.key == "import.attachments_left"]


def kept() -> dict[str, tuple[str, bytes]]:
    """Return name of the node to name and content of its attachment."""
    store = uploads.store()
    found = {}
    for row in Attachment.objects.select_related("node"):
        [path] = [name for name in _all_files(store) if name.endswith(row.pk.hex)]
        assert row.node
        found[row.node.name] = (row.name, store.open(path).read())
    return found


def _all_files(store: Any) -> list[str]:
    return [
        f"attachments/{account}/{folder}/{name}"
        for account in store.listdir("attachments")[0]
        for folder in store.listdir(f"attachments/{account}")[0]
        for name in store.listdir(f"attachments/{account}/{folder}")[1]
    ]


def test_files_of_the_zip_are_attached_to_the_nodes_that_name_them() -> None:
    caller = Caller()
    assignment = AssignmentFactory.create(automated_test__project__account=caller.actor.account)
    content = zipped(
        {
            "out/TEST-shop.xml": report(
                pays="started\n[[ATTACHMENT|/ws/build/out/shots/pay.png]]\n", adds="no picture"
            ),
            "out/shots/pay.png": SHOT,
            "out/shots/nobodys.png": b"nobody names it",
        }
    )

    run = imported(content, assignment=assignment)

    assert run.state == State.SUCCEEDED, run
    assert kept() == {"pays": ("pay.png", SHOT)}
    row = Attachment.objects.get()
    assert (row.content_type, row.size) == ("image/png", len(SHOT))
    assert row.project == assignment.automated_test.project
    path = f"/api/automatedtestrun/{row.run_id}/node/{row.node_id}"
    assert caller.get(path).json()["HasAttachments"] is True
    [shown] = caller.get(f"{path}/attachments").json()
    assert b"".join(caller.get(shown["Content"]).streaming_content) == SHOT


def test_a_suite_may_name_some_too_and_two_cases_the_same_file() -> None:
    text = "[[ATTACHMENT|log.txt]]"
    suite = (
        f"<testsuite name='shop'><testcase name='a'><system-err>{text}</system-err></testcase>"
        f"<testcase name='b'><system-out>{text}</system-out></testcase>"
        f"<system-out>{text}</system-out></testsuite>"
    )

    imported(zipped({"a.xml": suite.encode(), "log.txt": b"log"}))

    assert kept() == dict.fromkeys(("a", "b", "shop"), ("log.txt", b"log"))


def test_what_is_not_in_the_zip_is_left_out_with_a_warning() -> None:
    text = "[[ATTACHMENT|/etc/passwd]]\n[[ATTACHMENT|../../secret]]\n[[ATTACHMENT|a.txt]]"

    run = imported(zipped({"r.xml": report(c=text), "a.txt": b"a"}))

    assert kept() == {"c": ("a.txt", b"a")}
    assert run.state == State.SUCCEEDED
    assert told_by(run) == ["2 attachments were left out: /etc/passwd is not in the zip."]


def test_of_a_report_without_a_zip_nothing_is_attached_and_nothing_is_said() -> None:
    run = imported(report(c="[[ATTACHMENT|/etc/passwd]]"))

    assert run.state == State.SUCCEEDED
    assert not Attachment.objects.exists()


@pytest.mark.parametrize(
    "numbers, told",
    [
        ({"ATTACHMENT_LIMIT": 3}, "1 attachments were left out: big has more than 3 bytes."),
        (
            {"UNPACKED_LIMIT": 600},
            "1 attachments were left out: they unpack to more than 600 bytes.",
        ),
    ],
)
def test_limits_are_kept_to(settings: Settings, numbers: dict[str, int], told: str) -> None:
    settings.TICKETS = {**settings.TICKETS, **numbers}
    text = "[[ATTACHMENT|small]]\n[[ATTACHMENT|big]]"

    run = imported(zipped({"r.xml": report(c=text), "small": b"x", "big": b"x" * 600}))

    assert told_by(run) == [told]
    assert kept() == {"c": ("small", b"x")}


def test_more_than_an_import_may_have_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST", 3)
    monkeypatch.setattr(evidence, "BATCH", 2)
    text = "[[ATTACHMENT|x]]"

    run = imported(zipped({"r.xml": report(a=text, b=text, c=text, d=text), "x": b"x"}))

    assert set(kept()) == {"a", "b", "c"}
    assert told_by(run) == ["1 attachments were left out: an import has at most 3."]


def test_a_damaged_file_is_left_out_and_the_results_are_there(file_store: Path) -> None:
    content = bytearray(
        zipped({"r.xml": report(c="[[ATTACHMENT|x]]"), "x": b"evidence" * 100}, method=0)
    )
    content[content.index(b"evidence") + 1] ^= 1

    run = imported(bytes(content))

    assert run.state == State.SUCCEEDED
    [warning] = told_by(run)
    assert "x: the zip is damaged" in warning
    assert AutomatedTestRun.objects.shown().count() == 1
    assert not files_in(file_store)


def test_an_attempt_that_ends_in_between_leaves_nothing_and_the_next_one_makes_it_whole(
    monkeypatch: pytest.MonkeyPatch, file_store: Path
) -> None:
    monkeypatch.setattr(evidence, "BATCH", 1)
    text = "[[ATTACHMENT|x]]"
    content = zipped({"r.xml": report(a=text, b=text), "x": b"x"})
    assignment = AssignmentFactory.create()
    parameters = uploaded(assignment, content)
    run_id = uuid.uuid4()
    with monkeypatch.context() as patched:
        write = Evidence._write

        def broken(self: Evidence, rows: Any) -> int:
            if Attachment.objects.exists():
                raise OSError("the disk is full")
            return write(self, rows)

        patched.setattr(Evidence, "_write", broken)
        first = perform(
            AutomatedTestImport, parameters, account_id=assignment.account_id, run_id=run_id
        )

    assert first.state != State.SUCCEEDED
    assert "the disk is full" in str(first.error)
    assert not Attachment.objects.exists()
    assert not AutomatedTestRun.objects.exists()
    assert len(files_in(file_store)) == 1  # the upload, for the next attempt

    second = perform(
        AutomatedTestImport, parameters, account_id=assignment.account_id, run_id=run_id, attempt=2
    )

    assert second.state == State.SUCCEEDED
    assert set(kept()) == {"a", "b"}
    assert len(files_in(file_store)) == 2


def test_one_that_is_cancelled_in_between_leaves_nothing(file_store: Path) -> None:
    text = "[[ATTACHMENT|x]]"
    content = zipped({"r.xml": report(a=text, b=text, c=text), "x": b"x"})
    ends = set()
    for asked in range(1, 12):
        run = imported(content, cancel_after=asked)
        if run.state == State.SUCCEEDED:
            break
        ends.add(run.state)
        assert not AutomatedTestRun.objects.exists()
        assert not Attachment.objects.exists()
        assert not files_in(file_store)

    assert ends == {State.CANCELLED}
    assert set(kept()) == {"a", "b", "c"}


def test_one_that_was_killed_is_cleared_up_by_the_next_attempt(file_store: Path) -> None:
    """As `kill -9` leaves it: rows and files under a staged run, which nobody sees."""
    assignment = AssignmentFactory.create()
    run_id = uuid.uuid4()
    content = zipped({"r.xml": report(a="[[ATTACHMENT|x]]"), "x": b"x"})
    parameters = uploaded(assignment, content)
    staged = staging.Staging.begin(assignment, import_id=run_id, run_by_id=None)
    with uploads.read(parameters["ResultsPath"]) as file:
        dead = Evidence(staged, file, user_id=None)
        dead._named = [(0, "x", "r.xml")]
        list(dead.attach())
    assert Attachment.objects.count() == 1

    perform(
        AutomatedTestImport, parameters, account_id=assignment.account_id, run_id=run_id, attempt=2
    )

    assert kept() == {"a": ("x", b"x")}
    assert len(files_in(file_store)) == 1
    assert ResultNode.objects.filter(pk=Attachment.objects.get().node_id).exists()


def test_a_full_disk_fails_the_attempt_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, file_store: Path
) -> None:
    assignment = AssignmentFactory.create()
    content = zipped({"r.xml": report(a="[[ATTACHMENT|x]]"), "x": b"x"})
    parameters = uploaded(assignment, content)

    class FullDisk(FileSystemStorage):
        def _save(self, name: str, content: Any) -> str:
            raise OSError("No space left on device")

    monkeypatch.setattr(uploads, "store", lambda: FullDisk(location=str(file_store)))

    run = perform(AutomatedTestImport, parameters, account_id=assignment.account_id)

    assert "No space left on device" in str(run.error)
    assert not AutomatedTestRun.objects.exists()
    assert not Attachment.objects.exists()
