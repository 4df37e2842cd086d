"""`POST /api/automatedtestassignment/{id}/runs`: results come in (sections 1.3, 2.8)."""

import errno
import logging
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.http import UnreadablePostError
from pytest_django import Settings

from backgroundtasks.models import Task, TaskStatus
from tests.support import factories
from tests.support.http import Caller
from tests.support.projects import AssignmentFactory
from tests.support.uploads import file_store, files_in, multipart, one_file
from tickets import uploads
from tickets.api.multipart import UploadedFile
from tickets.models import AutomatedTestAssignment

__all__ = ["file_store"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

REPORT = b'<testsuite name="s"><testcase name="c"/></testsuite>'


@pytest.fixture
def assignment(caller: Caller) -> AutomatedTestAssignment:
    found: AutomatedTestAssignment = AssignmentFactory.create(
        automated_test__project__account=caller.actor.account
    )
    return found


def path_of(assignment: AutomatedTestAssignment) -> str:
    return f"/api/automatedtestassignment/{assignment.pk}/runs"


def upload(
    caller: Caller,
    assignment: AutomatedTestAssignment,
    sent: tuple[bytes, str] | None = None,
    **headers: str,
) -> Any:
    body, kind = sent or one_file(REPORT)
    return caller.post(path_of(assignment), body, kind=kind, **headers)


def refusal(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.content
    assert list(answer.json()) == ["Message"]
    text: str = answer.json()["Message"]
    return text


class TestUpload:
    @pytest.mark.spec("enterprise_tester", "AutomatedTestImport", "202")
    def test_answers_202_with_the_background_task(
        self, caller: Caller, assignment: AutomatedTestAssignment, file_store: Path
    ) -> None:
        answer = upload(caller, assignment)

        assert answer.status_code == 202
        body = answer.json()
        run = TaskStatus.objects.get()
        assert body["Id"] == f"automatedtestimport-{run.pk}"
        assert answer["Location"] == body["Self"]
        assert body["Self"] == f"http://testserver/api/backgroundtask/{body['Id']}"
        assert body["Complete"] is False
        [file] = files_in(file_store)
        assert file.read_bytes() == REPORT
        parameters = Task.objects.get().parameters
        assert parameters["AutomatedTestAssignmentId"] == str(assignment.pk)
        assert str(file).endswith(parameters["ResultsPath"])

    @pytest.mark.spec("enterprise_tester", "AutomatedTestImport", "multipart")
    @pytest.mark.parametrize("kind", ["form-data", "mixed"])
    @pytest.mark.parametrize("name", ["report", "fileupload", "anything at all"])
    def test_takes_any_part_name_in_both_kinds(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        file_store: Path,
        kind: str,
        name: str,
    ) -> None:
        assert upload(caller, assignment, one_file(REPORT, name, kind)).status_code == 202
        assert [file.read_bytes() for file in files_in(file_store)] == [REPORT]

    @pytest.mark.parametrize(
        "path", ["/API/AutomatedTestAssignment/{}/Runs/", "/api/automatedtestassignment/{}/runs/"]
    )
    def test_is_taken_under_any_spelling_of_its_path(
        self, caller: Caller, assignment: AutomatedTestAssignment, path: str
    ) -> None:
        body, kind = one_file(REPORT)

        answer = caller.post(path.format(str(assignment.pk).upper()), body, kind=kind)

        assert answer.status_code == 202

    @pytest.mark.parametrize(
        "headers",
        [
            'Content-Disposition: form-data; name="r"; filename="a.zip"',
            "Content-Disposition: attachment; filename*=UTF-8''r%20.xml",
            "Content-Type: text/xml",
            'content-disposition: form-data; name="r"\r\ncontent-type: application/zip',
        ],
    )
    def test_knows_a_file_when_it_sees_one(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        file_store: Path,
        headers: str,
    ) -> None:
        field = ('Content-Disposition: form-data; name="comment"', b"nightly")

        answer = upload(caller, assignment, multipart(field, (headers, REPORT)))

        assert answer.status_code == 202
        assert [file.read_bytes() for file in files_in(file_store)] == [REPORT]

    def test_of_several_files_takes_the_first(
        self, caller: Caller, assignment: AutomatedTestAssignment, file_store: Path
    ) -> None:
        head = 'Content-Disposition: form-data; name="r"; filename="r.xml"'

        upload(caller, assignment, multipart((head, REPORT), (head, b"<other/>")))

        assert [file.read_bytes() for file in files_in(file_store)] == [REPORT]

    def test_keeps_every_byte_of_a_large_file(
        self, caller: Caller, assignment: AutomatedTestAssignment, file_store: Path
    ) -> None:
        content = os.urandom(300_000) + b"\r\n--" + os.urandom(100_000) + b"\r\n"

        assert upload(caller, assignment, one_file(content)).status_code == 202

        assert [file.read_bytes() for file in files_in(file_store)] == [content]

    def test_never_holds_the_file_in_memory(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        pieces: list[int] = []
        read = UploadedFile.read

        def counted(self: UploadedFile, size: int = -1) -> bytes:
            piece = read(self, size)
            pieces.append(len(piece))
            pieces.append(sum(map(len, self._pieces)))
            return piece

        monkeypatch.setattr(UploadedFile, "read", counted)

        upload(caller, assignment, one_file(b"x" * 2_000_000))

        assert max(pieces) <= 70_000


class TestRefusal:
    @pytest.mark.spec("enterprise_tester", "AutomatedTestImport", "415")
    @pytest.mark.parametrize("kind", ["application/json", "text/xml", "multipart", "image/png"])
    def test_answers_415_when_it_is_not_multipart(
        self, caller: Caller, assignment: AutomatedTestAssignment, kind: str
    ) -> None:
        answer = caller.post(path_of(assignment), REPORT, kind=kind)

        assert refusal(answer, 415) == "Results are uploaded as multipart/form-data."

    @pytest.mark.spec("enterprise_tester", "AutomatedTestImport", "403")
    @pytest.mark.parametrize(
        "parts",
        [
            [],
            [('Content-Disposition: form-data; name="comment"', b"nightly")],
            [('Content-Disposition: form-data; name="r"; filename=""', b"")],
        ],
    )
    def test_answers_403_when_it_carries_no_file(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        parts: list[tuple[str, bytes]],
        file_store: Path,
    ) -> None:
        answer = upload(caller, assignment, multipart(*parts))

        assert refusal(answer, 403) == "The upload carries no file."
        assert not files_in(file_store)

    @pytest.mark.parametrize(
        "sent",
        [
            (b"\r\n", "multipart/form-data; boundary=x"),
            (b"not multipart at all", "multipart/form-data; boundary=x"),
            (REPORT, "multipart/form-data"),
            (REPORT, f"multipart/form-data; boundary={'x' * 300}"),
            (one_file(REPORT)[0], "multipart/form-data; boundary=another"),
        ],
    )
    def test_answers_400_when_it_is_broken(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        sent: tuple[bytes, str],
        file_store: Path,
    ) -> None:
        answer = upload(caller, assignment, sent)

        assert refusal(answer, 400)
        assert not files_in(file_store)

    @pytest.mark.parametrize("cut", [1, 5, 20, 60, 110])
    def test_answers_400_when_it_broke_off(
        self, caller: Caller, assignment: AutomatedTestAssignment, cut: int, file_store: Path
    ) -> None:
        body, kind = one_file(REPORT)

        answer = upload(caller, assignment, (body[: -cut - 2], kind))

        assert refusal(answer, 400) == "The upload broke off."
        assert not files_in(file_store)
        assert not TaskStatus.objects.exists()

    def test_is_of_a_client_that_went_away(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        monkeypatch: pytest.MonkeyPatch,
        file_store: Path,
    ) -> None:
        pump = UploadedFile._pump
        pumped: list[int] = []

        class Gone:
            def read(self, size: int) -> bytes:
                raise UnreadablePostError("connection reset")

        def breaking(self: UploadedFile) -> bool:
            pumped.append(1)
            if len(pumped) == 3:
                self._request = Gone()  # type: ignore[assignment]
            return pump(self)

        monkeypatch.setattr(UploadedFile, "_pump", breaking)

        answer = upload(caller, assignment, one_file(b"x" * 500_000))

        assert refusal(answer, 400) == "The upload broke off."
        assert not files_in(file_store)

    @pytest.mark.spec("enterprise_tester", "AutomatedTestImport", "limit")
    def test_of_too_large_a_body_comes_before_reading_it(
        self, caller: Caller, assignment: AutomatedTestAssignment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(UploadedFile, "_pump", None)

        answer = upload(caller, assignment, CONTENT_LENGTH=str(10 * 1024**3))

        assert refusal(answer, 413) == "Results may have at most 2,147,483,648 bytes."

    def test_of_too_large_a_file_comes_while_it_streams(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        settings: Settings,
        file_store: Path,
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "UPLOAD_LIMIT": 100_000}

        answer = upload(caller, assignment, one_file(b"x" * 100_001))

        assert refusal(answer, 413) == "Results may have at most 100,000 bytes."
        assert not files_in(file_store)
        assert upload(caller, assignment, one_file(b"x" * 100_000)).status_code == 202

    def test_of_a_coding_says_what_to_do(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        head = "Content-Type: text/xml\r\nContent-Transfer-Encoding: base64"

        answer = upload(caller, assignment, multipart((head, b"PHg+"), kind="mixed"))

        assert "without a Content-Transfer-Encoding" in refusal(answer, 403)

    def test_answers_404_for_what_is_unknown_or_foreign(
        self, caller: Caller, file_store: Path
    ) -> None:
        foreign = AssignmentFactory.create()

        for identity in (foreign.pk, uuid.uuid4()):
            body, kind = one_file(REPORT)
            answer = caller.post(f"/api/automatedtestassignment/{identity}/runs", body, kind=kind)

            assert refusal(answer, 404) == (
                f"The automated test assignment {identity} does not exist."
            )
        assert not files_in(file_store)

    def test_of_a_viewer_names_the_role(
        self, caller: Caller, assignment: AutomatedTestAssignment, file_store: Path
    ) -> None:
        viewer = Caller(factories.actor("viewer", caller.actor.account))

        answer = upload(viewer, assignment)

        assert "the role member" in refusal(answer, 403)
        assert not files_in(file_store)


class _FullDisk(FileSystemStorage):
    """A store whose disk fills up after the first piece."""

    def _save(self, name: str, content: Any) -> str:
        def first_piece_only(size: int | None = None) -> Any:
            yield content.read(1_000)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        content.chunks = first_piece_only
        return super()._save(name, content)


class TestFullDisk:
    def test_is_a_500_that_leaves_nothing_and_one_line_in_the_log(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        monkeypatch: pytest.MonkeyPatch,
        file_store: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(uploads, "store", lambda: _FullDisk(location=str(file_store)))

        with caplog.at_level(logging.ERROR, logger="tickets"):
            answer = upload(caller, assignment, one_file(REPORT * 1_000))

        assert refusal(answer, 500) == (
            "The results could not be stored; the server's log says why."
        )
        assert not files_in(file_store)
        assert not TaskStatus.objects.exists()
        [line] = [record for record in caplog.records if record.name.startswith("tickets")]
        assert line.getMessage().startswith("upload.failed name=results/")
        assert "No space left on device" in line.getMessage()


class TestIdempotency:
    def test_answers_a_repeated_upload_with_the_first_task(
        self, caller: Caller, assignment: AutomatedTestAssignment, file_store: Path
    ) -> None:
        # Each body has a boundary of its own: what counts is the file.
        first = upload(caller, assignment, one_file(REPORT), idempotency_key="k")
        second = upload(caller, assignment, one_file(REPORT), idempotency_key="k")

        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json()["Id"] == second.json()["Id"]
        assert TaskStatus.objects.count() == 1
        assert len(files_in(file_store)) == 1

    def test_answers_409_when_the_file_is_another(
        self, caller: Caller, assignment: AutomatedTestAssignment, file_store: Path
    ) -> None:
        upload(caller, assignment, one_file(REPORT), idempotency_key="k")

        answer = upload(caller, assignment, one_file(REPORT + b" "), idempotency_key="k")

        assert "'k'" in refusal(answer, 409)
        assert len(files_in(file_store)) == 1

    def test_is_of_one_assignment(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        other = AssignmentFactory.create(automated_test__project__account=caller.actor.account)

        first = upload(caller, assignment, idempotency_key="k").json()
        second = upload(caller, other, idempotency_key="k").json()

        assert first["Id"] != second["Id"]

    def test_refuses_a_bad_key_before_the_file_comes(
        self, caller: Caller, assignment: AutomatedTestAssignment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(UploadedFile, "_pump", None)

        assert "Idempotency-Key" in refusal(upload(caller, assignment, idempotency_key=""), 403)
