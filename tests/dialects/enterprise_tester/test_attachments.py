"""Files of steps, results and incidents (sections 1.3, 1.7 and 3.3 to 3.6, and the vendor's own pages)."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from backgroundtasks.states import State
from tests.support import factories
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunStepFactory,
    AttachmentFactory,
    IncidentFactory,
    NodeFactory,
    RunFactory,
    StepResultFactory,
    send,
)
from tests.support.uploads import file_store, files_in, multipart
from tickets import attachments, uploads, visibility
from tickets.api.attachments import receiving
from tickets.api.multipart import UploadedFiles
from tickets.models import Attachment, Incident, Project, ResultNode, ScriptRun

__all__ = ["file_store"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

HOST = "http://testserver"
NOBODY = uuid.UUID(int=7)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
KINDS = ["step result", "agile step", "run", "node", "incident"]


@pytest.fixture
def incident(project: Project) -> Incident:
    return IncidentFactory.create(project=project)


def of_kind(kind: str, project: Project) -> tuple[str, dict[str, str]]:
    """Make something to attach to; return its path and the members that name it."""
    match kind:
        case "step result":
            step = StepResultFactory.create(run__assignment__script__project=project)
            return f"/api/stepresult/{step.pk}", {"StepResultId": str(step.pk)}
        case "agile step":
            step = AgileRunStepFactory.create(run__package__project=project)
            ids = {"RunId": str(step.run_id), "StepId": str(step.pk)}
            return f"/api/agilerun/{step.run_id}/step/{step.pk}", ids
        case "run":
            run = RunFactory.create(assignment__automated_test__project=project)
            return f"/api/automatedtestrun/{run.pk}", {"RunId": str(run.pk)}
        case "node":
            node = NodeFactory.create(run__assignment__automated_test__project=project)
            ids = {"NodeId": str(node.pk), "RunId": str(node.run_id)}
            return f"/api/automatedtestrun/{node.run_id}/node/{node.pk}", ids
    incident = IncidentFactory.create(project=project)
    return f"/api/incident/{incident.pk}", {"IncidentId": str(incident.pk)}


def part(content: bytes = PNG, name: str = "screen.png", kind: str = "image/png") -> Any:
    said = f"\r\nContent-Type: {kind}" if kind else ""
    return f'Content-Disposition: form-data; name="file"; filename="{name}"{said}', content


def attach(caller: Caller, path: str, *parts: Any) -> Any:
    sent, kind = multipart(*(parts or (part(),)))
    return caller.post(f"{path}/attachments", sent, kind=kind)


def attached(caller: Caller, path: str, *parts: Any) -> Any:
    [one] = body(attach(caller, path, *parts), 201)
    return one


def listed(caller: Caller, path: str, **query: Any) -> list[Any]:
    found = body(caller.get(f"{path}/attachments?{urlencode(query)}"))
    return list(found["Items"]) if isinstance(found, dict) else found


def content_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


class TestAttach:
    @pytest.mark.parametrize("kind", KINDS)
    def test_answers_201_with_an_array_as_the_vendors_pages_show_it(
        self, caller: Caller, project: Project, kind: str, file_store: Path
    ) -> None:
        path, owner = of_kind(kind, project)

        answer = attach(caller, path)

        row = Attachment.objects.get()
        [found] = body(answer, 201)
        assert found == {
            **owner,
            "Id": str(row.pk),
            "Name": "screen.png",
            "FileName": "screen.png",
            "ContentType": "image/png",
            "CreatedAt": found["CreatedAt"],
            "CreatedById": str(caller.actor.user.pk),
            "CreatedBy": caller.actor.user.username,
            "Size": len(PNG),
            "Self": f"{HOST}{path}/attachment/{row.pk}",
            "Content": f"{HOST}/api/attachment/{row.pk}/contents",
        }
        assert answer["Location"] == found["Self"]
        assert [file.read_bytes() for file in files_in(file_store)] == [PNG]
        assert row.project_id == project.pk

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_there_in_lists_by_itself_and_as_a_file(
        self, caller: Caller, project: Project, kind: str
    ) -> None:
        path, _ = of_kind(kind, project)
        made = attached(caller, path)

        assert listed(caller, path) == [made]
        assert body(caller.get(made["Self"])) == made
        assert content_of(caller.get(made["Content"])) == PNG

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_deletion_takes_the_file_along(
        self,
        caller: Caller,
        project: Project,
        kind: str,
        file_store: Path,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        path, _ = of_kind(kind, project)
        made = attached(caller, path)
        kept = attached(caller, path, part(b"kept", "kept.txt", "text/plain"))

        with django_capture_on_commit_callbacks(execute=True):
            answer = caller.call("DELETE", made["Self"])

        assert (answer.status_code, answer.content) == (200, b"")
        assert [file.read_bytes() for file in files_in(file_store)] == [b"kept"]
        assert listed(caller, path) == [kept]
        for gone in (made["Self"], made["Content"]):
            assert message(caller.get(gone), 404) == f"The attachment {made['Id']} does not exist."
        assert message(caller.call("DELETE", made["Self"]), 404)

    def test_several_files_are_several_attachments(
        self, caller: Caller, incident: Incident
    ) -> None:
        path = f"/api/incident/{incident.pk}"

        made = body(
            attach(
                caller,
                path,
                part(b"a" * 200_000, "a.txt", "text/plain"),
                ('Content-Disposition: form-data; name="comment"', b"two logs"),
                part(b"", "empty.log", ""),
                part(b"a" * 200_000, "a.txt", "text/plain"),
            ),
            201,
        )

        assert [(one["FileName"], one["Size"]) for one in made] == [
            ("a.txt", 200_000),
            ("empty.log", 0),
            ("a.txt", 200_000),
        ]
        assert listed(caller, path) == made
        assert [len(content_of(caller.get(one["Content"]))) for one in made] == [
            200_000,
            0,
            200_000,
        ]

    @pytest.mark.parametrize("kind", ["form-data", "mixed"])
    def test_takes_both_kinds_of_multipart(
        self, caller: Caller, incident: Incident, kind: str
    ) -> None:
        sent, said = multipart(part(), kind=kind)

        answer = caller.post(f"/API/Incident/{incident.pk}/Attachments/", sent, kind=said)

        assert body(answer, 201)[0]["Size"] == len(PNG)

    @pytest.mark.parametrize(
        "headers, name",
        [
            ('Content-Disposition: form-data; name="f"; filename="../../etc/passwd"', "passwd"),
            ('Content-Disposition: form-data; name="f"; filename="C:\\\\logs\\\\a.log"', "a.log"),
            ('Content-Disposition: form-data; name="f"; filename="a\tb.txt"', "ab.txt"),
            ('Content-Disposition: form-data; name="f"; filename="…ünï.txt"', "…ünï.txt"),
            ('Content-Disposition: form-data; name="f"; filename=".."', "attachment"),
            (
                "Content-Disposition: form-data; filename=a.txt; filename*=utf-8''%C3%A4.txt",
                "ä.txt",
            ),
            ("Content-Disposition: attachment; filename*=utf-8''%E2%82%AC%0D%0A.txt", "€.txt"),
            ("Content-Disposition: attachment; filename*=nonsense''x.txt", "attachment"),
            (f'Content-Disposition: form-data; name="f"; filename="{"é" * 300}.png"', None),
            ('Content-Disposition: form-data; name="f"; filename="\u202egnp.exe"', "gnp.exe"),
            ("Content-Type: image/png", "attachment"),
        ],
    )
    def test_keeps_names_without_folders_and_control_characters(
        self, caller: Caller, incident: Incident, headers: str, name: str | None
    ) -> None:
        made = attached(caller, f"/api/incident/{incident.pk}", (headers, PNG))

        assert made["FileName"] == (name or "é" * 251 + ".png")
        saved = caller.get(made["Content"])["Content-Disposition"]
        assert saved.startswith("attachment; filename")
        assert not set(saved) & set("\r\n\t")

    @pytest.mark.parametrize(
        "name, said, kept",
        [
            ("a.png", "IMAGE/PNG; x=y", "image/png"),
            ("a.png", "", "image/png"),
            ("a.png", "application/octet-stream", "image/png"),
            ("a.svg.gz", "", "application/octet-stream"),
            ("a.unheard", "", "application/octet-stream"),
            ("a.html", "text/html", "text/html"),
            ("a.txt", "no type", "text/plain"),
            ("a.txt", f"text/{'x' * 300}", "text/plain"),
        ],
    )
    def test_the_type_is_what_the_client_says_else_what_the_name_says(
        self, caller: Caller, incident: Incident, name: str, said: str, kept: str
    ) -> None:
        made = attached(caller, f"/api/incident/{incident.pk}", part(PNG, name, said))

        assert made["ContentType"] == kept
        assert caller.get(made["Content"])["Content-Type"] == kept

    def test_a_run_shows_its_own_and_each_node_its_own(
        self, caller: Caller, project: Project
    ) -> None:
        node = NodeFactory.create(run__assignment__automated_test__project=project)
        run = f"/api/automatedtestrun/{node.run_id}"
        other = NodeFactory.create(run=node.run)
        of_run = attached(caller, run, part(name="run.png"))
        of_node = attached(caller, f"{run}/node/{node.pk}", part(name="node.png"))

        assert listed(caller, run) == [of_run]
        assert listed(caller, f"{run}/node/{node.pk}") == [of_node]
        assert listed(caller, f"{run}/node/{other.pk}") == []
        nobodys = f"{run}/attachment/{of_node['Id']}"
        assert message(caller.get(nobodys), 404)
        assert message(caller.call("DELETE", nobodys), 404)


class TestRefusal:
    @pytest.mark.parametrize("kind", ["application/json", "image/png", ""])
    def test_is_415_when_it_is_not_multipart(
        self, caller: Caller, incident: Incident, kind: str
    ) -> None:
        answer = caller.post(f"/api/incident/{incident.pk}/attachments", PNG, kind=kind)

        assert message(answer, 415) == "Attachments are uploaded as multipart/form-data."

    @pytest.mark.parametrize(
        "parts",
        [
            [],
            [('Content-Disposition: form-data; name="comment"', b"nightly")],
            [('Content-Disposition: form-data; name="f"; filename=""', b"")],
        ],
    )
    def test_is_403_when_there_is_no_file(
        self, caller: Caller, incident: Incident, parts: Any, file_store: Path
    ) -> None:
        sent, kind = multipart(*parts)

        answer = caller.post(f"/api/incident/{incident.pk}/attachments", sent, kind=kind)

        assert message(answer, 403) == "The upload carries no file."
        assert not files_in(file_store)

    def test_is_413_for_a_file_over_the_limit_and_none_is_kept(
        self, caller: Caller, incident: Incident, settings: Settings, file_store: Path
    ) -> None:
        settings.TICKETS = {**settings.TICKETS, "ATTACHMENT_LIMIT": 100_000}
        path = f"/api/incident/{incident.pk}"

        answer = attach(caller, path, part(b"x" * 100_000), part(b"x" * 100_001))

        assert message(answer, 413) == "Attachments may have at most 100,000 bytes."
        assert not files_in(file_store)
        assert not Attachment.objects.exists()
        assert attached(caller, path, part(b"x" * 100_000))

    def test_of_too_large_a_body_comes_before_reading_it(
        self, caller: Caller, incident: Incident, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(UploadedFiles, "_pump", None)
        sent, kind = multipart(part())

        answer = caller.post(
            f"/api/incident/{incident.pk}/attachments",
            sent,
            kind=kind,
            CONTENT_LENGTH=str(10 * 1024**3),
        )

        assert message(answer, 413) == "Attachments may have at most 104,857,600 bytes."

    def test_is_403_for_too_many_files(
        self, caller: Caller, incident: Incident, file_store: Path
    ) -> None:
        path = f"/api/incident/{incident.pk}"
        most = receiving.MOST_FILES

        answer = attach(caller, path, *[part(b"x")] * (most + 1))

        assert message(answer, 403) == f"An upload may carry at most {most} files."
        assert not files_in(file_store)
        assert len(body(attach(caller, path, *[part(b"x")] * most), 201)) == most

    def test_is_403_when_it_has_too_many_already(
        self,
        caller: Caller,
        incident: Incident,
        file_store: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(attachments, "MOST", 2)
        path = f"/api/incident/{incident.pk}"
        attached(caller, path)

        answer = attach(caller, path, part(), part())

        assert message(answer, 403) == "It would have more than 2 attachments."
        assert len(files_in(file_store)) == 1

    @pytest.mark.parametrize("cut", [1, 30, 100, 500])
    def test_is_400_when_it_broke_off(
        self, caller: Caller, incident: Incident, cut: int, file_store: Path
    ) -> None:
        sent, kind = multipart(part(), part())

        answer = caller.post(
            f"/api/incident/{incident.pk}/attachments", sent[: -cut - 2], kind=kind
        )

        assert message(answer, 400) == "The upload broke off."
        assert not files_in(file_store)
        assert not Attachment.objects.exists()

    def test_is_400_when_headers_of_a_part_never_end(
        self, caller: Caller, incident: Incident
    ) -> None:
        answer = attach(caller, f"/api/incident/{incident.pk}", part(name="x" * 100_000))

        assert message(answer, 400) == (
            "The body is not multipart as it says: Maximum header size exceeded"
        )

    def test_of_a_full_disk_is_500_and_a_line_in_the_log(
        self,
        caller: Caller,
        incident: Incident,
        file_store: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        class FullDisk(FileSystemStorage):
            def _save(self, name: str, content: Any) -> str:
                super()._save(name, content)
                raise OSError("No space left on device")

        monkeypatch.setattr(uploads, "store", lambda: FullDisk(location=str(file_store)))

        with caplog.at_level(logging.ERROR, logger="tickets"):
            answer = attach(caller, f"/api/incident/{incident.pk}")

        assert message(answer, 500) == (
            "The attachment could not be stored; the server's log says why."
        )
        assert not files_in(file_store)
        assert f"attachment.failed received={len(PNG)} error=No space left" in caplog.text

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_viewer_reads_and_a_member_writes(
        self, caller: Caller, project: Project, kind: str
    ) -> None:
        path, _ = of_kind(kind, project)
        made = attached(caller, path)
        viewer = Caller(factories.actor("viewer", caller.actor.account))

        assert listed(viewer, path) == [made]
        assert viewer.get(made["Content"]).status_code == 200
        assert "the role member" in message(attach(viewer, path), 403)
        assert "the role member" in message(viewer.call("DELETE", made["Self"]), 403)
        assert Attachment.objects.count() == 1

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("who", ["stranger", "hidden"])
    def test_is_404_for_what_the_caller_does_not_see(
        self, caller: Caller, project: Project, kind: str, who: str, file_store: Path
    ) -> None:
        path, _ = of_kind(kind, project)
        made = attached(caller, path)
        if who == "hidden":
            removing = factories.run(State.RUNNING, owner=caller.actor)
            visibility.hide(Project.objects.filter(pk=project.pk), removing.pk)
        else:
            caller = Caller()

        for method, place in [
            ("GET", f"{path}/attachments"),
            ("GET", made["Self"]),
            ("DELETE", made["Self"]),
            ("GET", made["Content"]),
        ]:
            assert "does not exist." in message(caller.call(method, place), 404)
        assert "does not exist." in message(attach(caller, path), 404)
        assert len(files_in(file_store)) == 1

    @pytest.mark.parametrize(
        "path",
        [
            f"/api/stepresult/{NOBODY}",
            f"/api/incident/{NOBODY}",
            f"/api/automatedtestrun/{NOBODY}",
            f"/api/automatedtestrun/{NOBODY}/node/{NOBODY}",
            f"/api/agilerun/{NOBODY}/step/{NOBODY}",
        ],
    )
    def test_is_404_for_what_there_is_not(self, caller: Caller, path: str) -> None:
        assert "does not exist." in message(caller.get(f"{path}/attachments"), 404)
        assert "does not exist." in message(attach(caller, path), 404)

    def test_without_credentials_is_401(self, caller: Caller, incident: Incident) -> None:
        made = attached(caller, f"/api/incident/{incident.pk}")
        nobody = Caller(caller.actor, authorization="Bearer wrong")

        assert nobody.get(made["Content"]).status_code == 401

    def test_of_what_was_removed_while_the_file_came_keeps_nothing(
        self,
        caller: Caller,
        project: Project,
        file_store: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path, _ = of_kind("incident", project)
        receive = receiving.receive

        def removed_meanwhile(*given: Any) -> Any:
            files = receive(*given)
            Incident.objects.all().delete()
            return files

        monkeypatch.setattr(receiving, "receive", removed_meanwhile)

        assert "removed meanwhile" in message(attach(caller, path), 404)
        assert not files_in(file_store)

    def test_attachments_of_a_discarded_run_are_gone(
        self, caller: Caller, project: Project
    ) -> None:
        path, ids = of_kind("node", project)
        made = attached(caller, path)
        run = ResultNode.objects.get().run
        run.stage = "discarded"
        run.save()

        assert message(caller.get(made["Content"]), 404)
        assert message(caller.get(made["Self"]), 404)
        assert ids["RunId"] == str(run.pk)


class TestFrozenSteps:
    @pytest.fixture
    def step(self, caller: Caller, project: Project) -> str:
        path, ids = of_kind("step result", project)
        attached(caller, path)
        run_id = body(caller.get(path))["RunId"]
        results = [{"Id": ids["StepResultId"], "Outcome": "Failed"}]
        run = body(send(caller, "PUT", f"/api/scriptrun/{run_id}", {"StepResults": results}))
        assert run["Completed"]
        return path

    def test_get_no_attachments_and_lose_none(
        self, caller: Caller, step: str, file_store: Path
    ) -> None:
        [made] = listed(caller, step)
        text = "The run is completed: its step results do not change any more."

        assert message(attach(caller, step), 403) == text
        assert message(caller.call("DELETE", made["Self"]), 403) == text
        assert listed(caller, step) == [made]
        assert len(files_in(file_store)) == 1

    def test_are_refused_before_the_file_comes(
        self, caller: Caller, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(UploadedFiles, "_pump", None)

        assert "The run is completed" in message(attach(caller, step), 403)

    def test_of_a_run_that_is_completed_while_the_file_comes_get_none(
        self, caller: Caller, project: Project, file_store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, _ = of_kind("step result", project)
        receive = receiving.receive

        def completed_meanwhile(*given: Any) -> Any:
            files = receive(*given)
            ScriptRun.objects.update(completed=True)
            return files

        monkeypatch.setattr(receiving, "receive", completed_meanwhile)

        assert "The run is completed" in message(attach(caller, path), 403)
        assert not files_in(file_store)


class TestDownload:
    @pytest.mark.parametrize(
        "name, kind",
        [("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.js", "text/javascript")],
    )
    def test_is_saved_and_never_shown(
        self, caller: Caller, incident: Incident, name: str, kind: str
    ) -> None:
        page = b"<script>alert(1)</script>"
        made = attached(caller, f"/api/incident/{incident.pk}", part(page, name, kind))

        answer = caller.get(made["Content"])

        assert answer.status_code == 200
        assert content_of(answer) == page
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["Content-Length"] == str(len(page))

    def test_a_name_beyond_ascii_is_coded(self, caller: Caller, incident: Incident) -> None:
        made = attached(caller, f"/api/incident/{incident.pk}", part(name='Fehler "ä".png'))

        assert caller.get(made["Content"])["Content-Disposition"].startswith(
            "attachment; filename*=utf-8''Fehler%20"
        )

    def test_a_content_that_is_lost_is_404_and_a_line_in_the_log(
        self, caller: Caller, incident: Incident, caplog: pytest.LogCaptureFixture
    ) -> None:
        row = AttachmentFactory.create(incident=incident)

        answer = caller.get(f"/api/attachment/{row.pk}/contents")

        assert message(answer, 404) == f"The content of the attachment {row.pk} is not there."
        assert f"attachment.content_missing id={row.pk}" in caplog.text

    def test_every_byte_of_a_large_file_comes_back(
        self, caller: Caller, incident: Incident
    ) -> None:
        content = b"".join(number.to_bytes(4, "big") for number in range(300_000)) + b"\r\n--"

        made = attached(caller, f"/api/incident/{incident.pk}", part(content))

        assert content_of(caller.get(made["Content"])) == content


class TestMarks:
    @pytest.mark.parametrize("kind", ["step result", "incident", "node"])
    def test_has_attachments_is_true_where_there_are_some(
        self, caller: Caller, project: Project, kind: str
    ) -> None:
        path, _ = of_kind(kind, project)
        before = body(caller.get(path))["HasAttachments"]

        made = attached(caller, path)

        assert (before, body(caller.get(path))["HasAttachments"]) == (False, True)
        caller.call("DELETE", made["Self"])
        assert body(caller.get(path))["HasAttachments"] is False

    def test_also_of_the_steps_of_an_agile_run(self, caller: Caller, project: Project) -> None:
        path, ids = of_kind("agile step", project)
        AgileRunStepFactory.create(run_id=ids["RunId"])
        attached(caller, path)

        run = body(caller.get(f"/api/agilerun/{ids['RunId']}?$expand=Steps"))

        assert {one["Id"]: one["HasAttachments"] for one in run["Steps"]}[ids["StepId"]] is True
        assert sorted(one["HasAttachments"] for one in run["Steps"]) == [False, True]

    @pytest.mark.parametrize("kind", ["step result", "incident"])
    def test_the_expansion_shows_them(self, caller: Caller, project: Project, kind: str) -> None:
        path, _ = of_kind(kind, project)
        made = [attached(caller, path), attached(caller, path, part(name="second.png"))]

        found = body(caller.get(f"{path}?$expand=Attachments"))

        assert found["Attachments"] == made
        assert "Attachments" not in found["Expands"]
        assert "Attachments" in body(caller.get(path))["Expands"]
        [link] = [one["Href"] for one in found["Links"] if one["Rel"] == "Attachments"]
        assert link == f"{HOST}{path}/attachments"

    def test_a_page_costs_the_same_however_many_there_are(
        self,
        caller: Caller,
        project: Project,
    ) -> None:
        def cost(path: str) -> int:
            caller.get(path)  # what is remembered of a credential is now
            with CaptureQueriesContext(connection) as found:
                body(caller.get(path))
            return len(found)

        incidents = "/api/incidents?$expand=Attachments"
        costs = []
        for number in (1, 6):
            for _ in range(number):
                path, _ = of_kind("incident", project)
                body(attach(caller, path, part(), part()), 201)
            costs.append((cost(incidents), cost(f"{path}/attachments")))

        assert costs[0] == costs[1]

    def test_a_list_takes_odata(self, caller: Caller, incident: Incident) -> None:
        path = f"/api/incident/{incident.pk}"
        for name, size in (("b.png", 2), ("a.png", 1), ("c.txt", 3)):
            attached(caller, path, part(b"x" * size, name, ""))

        found = listed(
            caller, path, **{"$filter": "ContentType eq 'image/png'", "$orderby": "Size desc"}
        )

        assert [one["FileName"] for one in found] == ["b.png", "a.png"]
        page = body(caller.get(f"{path}/attachments?$top=1&$skip=1&$inlinecount=allpages"))
        assert (page["Total"], page["Items"][0]["FileName"]) == (3, "a.png")

    def test_a_search_shows_the_mark(self, caller: Caller, project: Project) -> None:
        sent = {"Summary": "Refund is not rounded", "ProjectId": str(project.pk)}
        made = body(caller.post("/api/incidents", sent))
        attached(caller, f"/api/incident/{made['Id']}")

        query = urlencode({"tql": "Name ~ refund AND EntityType = Incident"})
        [found] = body(caller.get(f"/api/search?{query}"))["Items"]

        assert found["HasAttachments"] is True
