"""The directory: formats, parents and children, who sees what, and what there is not."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from backgroundtasks import checks
from backgroundtasks.models import Account
from tests.support.arcgis import ROOT, Script, body, code, user

pytestmark = pytest.mark.django_db


def privileged() -> Any:
    """Return somebody who may back up and check the installation, and nothing else."""
    who = user(operator=False)
    who.user_permissions.add(Permission.objects.get(codename="security_and_infrastructure"))
    return who


class TestFormats:
    def test_json_is_compact_and_pjson_indented(self) -> None:
        script = Script()
        answers = {
            f: script.client.get(ROOT, {"f": f, "token": script.token}) for f in ("json", "pjson")
        }

        assert answers["json"].json() == answers["pjson"].json()
        refused = script.client.get(f"{ROOT}/nothing", {"f": "pjson", "token": script.token})
        assert b'\n  "' in refused.content
        assert b"\n" not in answers["json"].content
        assert b'\n  "' in answers["pjson"].content
        assert "json" in answers["json"]["Content-Type"]

    def test_html_is_the_default(self) -> None:
        script = Script()

        page = script.client.get(ROOT, {"token": script.token})

        assert page["Content-Type"].startswith("text/html")
        assert b"<h1>Home</h1>" in page.content

    def test_another_one_is_400(self) -> None:
        assert code(Script().get(ROOT, f="xml")) == 400

    def test_f_is_read_from_the_body_of_a_get(self) -> None:
        """One of the vendor's clients sends it there."""
        script = Script()

        answer = Client().generic(
            "GET",
            ROOT,
            "f=json",
            content_type="application/x-www-form-urlencoded",
            headers={"Authorization": f"Bearer {script.token}"},
        )

        assert body(answer)["status"] == "success"

    def test_a_page_lets_nothing_in_from_elsewhere(self) -> None:
        script = Script()

        page = script.client.get(ROOT, {"token": script.token})

        assert "default-src 'none'" in page["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert page["Cache-Control"] == "no-store"
        assert b"<script" not in page.content


class TestResources:
    def test_the_root_says_its_version_and_its_resources(self) -> None:
        said = Script().get(ROOT)

        assert set(said) == {"fullVersion", "currentVersion", "resources", "status"}
        assert "system" in said["resources"]

    def test_a_parent_says_its_operations_and_resources(self) -> None:
        said = Script().get(f"{ROOT}/system")

        assert said["operations"] == []
        assert "tasks" in said["resources"]

    def test_a_slash_at_the_end_and_letter_case_do_not_matter(self) -> None:
        script = Script()

        assert script.get(f"{ROOT}/System/") == script.get(f"{ROOT}/system")

    def test_a_post_reads_too(self) -> None:
        """A query that is too long for a URL is sent by POST."""
        script = Script()

        assert script.post(f"{ROOT}/system") == script.get(f"{ROOT}/system")

    def test_what_there_is_not_is_404(self) -> None:
        script = Script()

        for path in (f"{ROOT}/nothing", f"{ROOT}/system/nothing"):
            assert code(script.get(path)) == 404
            page = script.client.get(path, {"token": script.token})
            assert page.status_code == 404
            assert page["Content-Type"].startswith("text/html")

    def test_other_methods_are_405(self) -> None:
        answer = Client().put(ROOT)

        assert answer.status_code == 405
        assert "GET" in answer["Allow"]

    def test_the_first_part_of_the_paths_is_a_setting(self, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.support.arcgis_elsewhere"
        script = Script()

        assert script.get("/portal/gis/admin")["status"] == "success"
        assert (
            "/portal/gis/sharing"
            in script.get("/portal/gis/sharing/rest/info")["authInfo"]["tokenServicesUrl"]
        )
        page = script.client.get("/portal/gis/admin", {"token": script.token}).content.decode()
        assert 'href="/portal/gis/admin/system"' in page

    @pytest.mark.parametrize("context", ["", "a/b", "a b", "<x>", "/arcgis"])
    def test_what_is_no_part_of_a_path_is_refused_at_start(
        self, settings: Any, context: str
    ) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "ARCGIS_CONTEXT": context}

        assert [found.id for found in checks.numbers_agree()] == ["backgroundtasks.E006"]


class TestWhoMay:
    def test_somebody_without_a_privilege_enters_nowhere(self) -> None:
        script = Script(user(operator=False))

        for path in (ROOT, f"{ROOT}/system", f"{ROOT}/system/tasks", f"{ROOT}/nothing"):
            assert code(script.get(path)) == 403
            assert script.client.get(path, {"token": script.token}).status_code == 403

    def test_security_and_infrastructure_opens_the_api_but_not_the_tasks(self) -> None:
        script = Script(privileged())

        assert "system" in script.get(ROOT)["resources"]
        assert "tasks" not in script.get(f"{ROOT}/system")["resources"]
        assert code(script.get(f"{ROOT}/system/tasks")) == 403

    def test_a_user_who_was_deactivated_is_out(self) -> None:
        script = Script()
        script.user.is_active = False
        script.user.save()

        assert code(script.get(ROOT)) == 498


def test_an_installation_that_has_never_been_started_says_what_to_do() -> None:
    script = Script()
    Account.objects.filter(is_system=True).delete()

    for said in (script.get(f"{ROOT}/system"), script.post(f"{ROOT}/system")):
        assert code(said) == 500
        assert "start its workers" in said["error"]["message"]


class TestBadInput:
    def test_a_body_that_is_too_large_is_400_and_not_413(self) -> None:
        """The vendor's clients repeat a request that is answered 413."""
        script = Script()

        said = script.post(f"{ROOT}/system", title="x" * 10_000_000)

        assert code(said) == 400
        assert "larger" in said["error"]["message"]

    def test_a_body_that_is_no_form_is_400(self) -> None:
        script = Script()
        headers = {"Authorization": f"Bearer {script.token}"}

        said = body(Client().post(ROOT, {"a": 1}, content_type="application/json", headers=headers))

        assert code(said) == 400

    def test_too_many_parameters_are_400(self) -> None:
        script = Script()
        many = {f"p{n}": "x" for n in range(2000)}

        assert code(script.post(ROOT, **many)) == 400

    @pytest.mark.parametrize("raw", [b"f=json&token=%00", b"f=js%00on", b"%ff%fe=%80&f=json"])
    def test_bytes_that_are_no_text_are_refused(self, raw: bytes) -> None:
        answer = Client().generic(
            "POST", ROOT, raw, content_type="application/x-www-form-urlencoded"
        )

        assert code(body(answer)) in {400, 499}

    def test_a_host_that_is_not_ours_is_400(self, settings: Any) -> None:
        settings.ALLOWED_HOSTS = ["ours.example"]

        answer = Client().get(ROOT, {"f": "json"}, headers={"host": "evil.example"})

        assert code(body(answer)) == 400
        assert b"evil" not in answer.content

    def test_a_crash_is_200_with_a_code_and_has_its_line_in_the_log(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        script = Script()
        monkeypatch.setattr("backgroundtasks.api.arcgis.access.identify", lambda *_: 1 // 0)

        for said in (script.get(ROOT), script.post(ROOT)):
            assert code(said) == 500
            assert "zero" not in said["error"]["message"]
        assert "request.failed" in caplog.text
        assert script.token not in caplog.text
