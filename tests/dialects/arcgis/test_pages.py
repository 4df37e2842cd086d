"""The HTML directory: what its pages show, how its forms behave, and what they keep to themselves."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from backgroundtasks import operations, queries
from backgroundtasks.api import authentication
from backgroundtasks.api.arcgis import notice, paging
from backgroundtasks.api.arcgis.properties import property_of
from backgroundtasks.models import Schedule, TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.arcgis import BACKUP, CRON, ROOT, SHARING, TASKS, Script, made, system, user
from tests.support.pages import Page, read

pytestmark = pytest.mark.django_db

LOGIN = f"{ROOT}/login"
PASSCODE = "a battery that is stapled"
CREATE = f"{TASKS}/createTask"


class Browser:
    """Somebody who signed in, and sends what the forms hold."""

    def __init__(self, **who: Any) -> None:
        self.user = user(username="ann", **who)
        self.user.set_password("sesame-42")
        self.user.save()
        self.client = Client(raise_request_exception=False)
        answer = self.client.post(LOGIN, {"username": "ann", "password": "sesame-42"})
        assert answer.status_code == 303, answer.content

    def get(self, path: str) -> Page:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return read(answer)

    def send(self, path: str, **changes: Any) -> Any:
        """Fill in the form of a page and send it."""
        page = self.get(path)
        form: dict[str, Any] = {}
        for name, one in page.fields.items():
            if one.get("type") == "checkbox":
                continue
            form[name] = one.get("value")
            if one.tag == "textarea":
                form[name] = one.text.removeprefix("\n")
            if one.tag == "select":
                chosen = [o for o in page.all("option") if o.parent is one]
                form[name] = next((o for o in chosen if "selected" in o.attributes), chosen[0]).get(
                    "value"
                )
        (target,) = {f.get("action") for f in page.all("form", method="post") if f.within("main")}
        return self.client.post(target, form | changes)


@pytest.fixture
def browser() -> Browser:
    return Browser()


def stored(browser: Browser, state: State = State.SUCCEEDED) -> TaskStatus:
    """Return a run of the newest task."""
    task = Schedule.objects.latest("created_at").task
    actor = queries.actor_of(browser.user, system().pk)
    return factories.run(state, owner=actor, task=task, task_type=task.task_type)


def walk(browser: Browser) -> set[str]:
    """Follow every link from the root on; return where they led."""
    ahead, seen = [ROOT, LOGIN, f"{SHARING}/generateToken"], set()
    while ahead:
        address = ahead.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = browser.client.get(address)
        assert answer.status_code == 200, address
        if "f=json" in address or "f=pjson" in address:
            assert "error" not in answer.json(), address
        elif address.startswith((ROOT, SHARING)):  # pages of the API's reference are not ours
            page = read(answer)
            assert page.flaws() == [], address
            ahead += [link for link in page.links.values() if not link.startswith("#")]
    return seen


class TestEveryPage:
    @pytest.mark.usefixtures("installation")
    def test_every_link_leads_somewhere_and_every_page_is_usable(self, browser: Browser) -> None:
        operations.make_system_tasks()
        made(Script(browser.user), title="<b>weekly</b>")
        stored(browser)

        seen = walk(browser)

        for reached in (
            CREATE,
            LOGIN,
            f"{ROOT}/jobs",
            f"{ROOT}/healthCheck/run",
            f"{ROOT}/system/disasterrecovery/stores/default/backups/create",
        ):
            assert reached in seen
        assert any(address.endswith("/runNow") for address in seen)
        assert any("/runs/" in address and address.endswith("/update") for address in seen)

    @pytest.mark.usefixtures("installation")
    def test_whoever_may_not_see_tasks_meets_no_link_to_them(self) -> None:
        browser = Browser(operator=False)
        browser.user.user_permissions.add(
            Permission.objects.get(codename="security_and_infrastructure")
        )

        seen = walk(browser)

        assert f"{ROOT}/system/disasterrecovery/stores/default" in seen
        assert not [address for address in seen if address.startswith(TASKS)]

    def test_is_kept_by_nobody_and_lets_nothing_in(self, browser: Browser) -> None:
        for path in (ROOT, CREATE, f"{ROOT}/nothing", LOGIN, f"{SHARING}/generateToken"):
            answer = browser.client.get(path)
            style = read(answer).one("style").text
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            policy = answer["Content-Security-Policy"]

            assert f"style-src 'sha256-{digest}'" in policy
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer["Cache-Control"] == "no-store"
            assert answer["X-Content-Type-Options"] == "nosniff"
            assert answer["X-Frame-Options"] == "DENY"

    def test_knows_phones_and_the_dark(self, browser: Browser) -> None:
        page = browser.get(ROOT)

        assert "width=device-width" in page.one("meta", name="viewport").get("content")
        assert "prefers-color-scheme: dark" in page.one("style").text
        assert page.all("a")[0].get("href") == "#content"

    def test_has_its_bar_and_its_trail(self, browser: Browser) -> None:
        task = made(Script(browser.user))

        page = browser.get(f"{TASKS}/{task}")

        assert "Signed in as ann" in " ".join(page.one("header").text.split())
        trail = [one.text.strip() for one in page.all("a") if one.within("nav")]
        assert trail == ["Home", "system", "tasks", task]
        assert page.links["tasks"] == TASKS

    def test_a_step_of_the_trail_where_there_is_nothing_is_no_link(self, browser: Browser) -> None:
        page = browser.get(f"{ROOT}/healthCheck/reports/query")

        assert all(
            browser.client.get(one.get("href")).status_code == 200
            for one in page.all("a")
            if one.within("nav")
        )


class TestResource:
    def test_shows_its_members_with_times_that_can_be_read(self, browser: Browser) -> None:
        task = made(Script(browser.user), startDate=4_102_444_800_000)

        shown = browser.get(f"{TASKS}/{task}").properties

        assert shown["taskState"] == "active"
        assert shown["startDate"].split() == ["2100-01-01", "00:00:00", "UTC", "4102444800000"]
        assert json.loads(shown["cronSchedule"])["hour"] == "4"
        assert shown["maxOccurrences"] == "-1"

    def test_masks_what_is_secret(self, browser: Browser) -> None:
        task = made(Script(browser.user), parameters=json.dumps({**BACKUP, "passcode": PASSCODE}))

        for path in (TASKS, f"{TASKS}/{task}", f"{TASKS}/{task}/update", f"{TASKS}/{task}/runs"):
            assert PASSCODE not in browser.client.get(path).content.decode()
        parameters = json.loads(browser.get(f"{TASKS}/{task}").properties["parameters"])
        assert parameters["passcode"] == "********"

    def test_says_what_can_be_done_and_in_which_formats(self, browser: Browser) -> None:
        task = made(Script(browser.user))

        page = browser.get(f"{TASKS}/{task}")

        text = page.one("main").text
        assert "Supported Operations:" in text
        assert "Supported Interfaces:" in text
        assert page.links["Disable Task"] == f"{TASKS}/{task}/disable"
        assert page.links["runs"] == f"{TASKS}/{task}/runs"
        for name in ("json", "pjson"):
            assert browser.client.get(page.links[name]).json()["id"] == task

    def test_whatever_somebody_has_typed_is_text(self, browser: Browser) -> None:
        evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
        script = Script(browser.user)
        task = made(script, title=evil, parameters=json.dumps({**BACKUP, "description": evil}))
        run = stored(browser, State.FAILED)
        operations.remark(queries.actor_of(browser.user, system().pk), run.pk, evil)

        for path in ("", f"/{task}", f"/{task}/update", f"/{task}/delete", f"/{task}/runs"):
            page = browser.get(f"{TASKS}{path}")
            assert page.flaws() == []
            assert not page.all("img")
        assert evil in browser.get(f"{TASKS}/{task}").one("h1").text
        assert evil in browser.get(f"{TASKS}/{task}/runs/{run.pk.hex}").properties["result"]

    def test_a_list_is_a_table_of_what_one_looks_for(self, browser: Browser) -> None:
        task = made(Script(browser.user), title="weekly")

        page = browser.get(TASKS)

        assert page.links["weekly"] == f"{TASKS}/{task}"
        headings = [one.text for one in page.all("th", scope="col")]
        assert headings[:3] == ["Name", "taskType", "taskState"]
        states = [one.text.strip() for one in page.all("td") if one.get("data-name") == "taskState"]
        assert states == ["active"]

    def test_a_long_list_has_pages(self, browser: Browser) -> None:
        for title in "abc":
            made(Script(browser.user), title=title)

        first = browser.get(f"{TASKS}?num=2")
        last = browser.get(f"{TASKS}{first.links['Next page']}")

        assert "2 of 3" in first.one("main").text
        assert {"a", "b"} <= set(first.links)
        assert "c" in last.links
        assert "Next page" not in last.links
        assert "a" in browser.get(f"{TASKS}{last.links['First page']}").links

    def test_a_page_is_shorter_for_people(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paging, "ON_A_PAGE", 1)
        for title in "ab":
            made(Script(browser.user), title=title)

        assert browser.get(TASKS).links["Next page"] == "?start=1"
        assert "First page" in browser.get(f"{TASKS}?start=1").links
        assert browser.client.get(TASKS, {"f": "json"}).json()["num"] == 2

    @pytest.mark.parametrize("path", [TASKS, f"{ROOT}/jobs"])
    def test_a_list_costs_the_same_however_long_it_is(self, browser: Browser, path: str) -> None:
        def queries_of_a_look() -> int:
            browser.get(path)  # whoever looks is known from now on
            with CaptureQueriesContext(connection) as asked:
                browser.get(path)
            return len(asked)

        made(Script(browser.user))
        stored(browser)
        few = queries_of_a_look()
        for _ in range(3):
            made(Script(browser.user))
            stored(browser)

        assert queries_of_a_look() == few

    def test_a_run_that_goes_on_can_be_looked_at_again(self, browser: Browser) -> None:
        task = made(Script(browser.user))
        path = f"{TASKS}/{task}/runs/{stored(browser, State.RUNNING).pk.hex}"

        assert browser.get(path).links["Look again"] == path
        done = f"{TASKS}/{task}/runs/{stored(browser).pk.hex}"
        assert "Look again" not in browser.get(done).links

    def test_parameters_of_reading_are_a_form_that_changes_nothing(self, browser: Browser) -> None:
        page = browser.get(f"{ROOT}/healthCheck/reports/query?runResult=failed")

        assert page.one("form", method="get").get("action") == f"{ROOT}/healthCheck/reports/query"
        (chosen,) = [one for one in page.all("option") if "selected" in one.attributes]
        assert chosen.get("value") == "failed"

    @pytest.mark.parametrize(
        "name, value, text",
        [
            ("created", 1_795_642_572_003, "2026-11-25 21:36:12 UTC"),
            ("endtime", 0, "0"),
            ("created", 10**30, str(10**30)),
            ("created", True, "true"),
            ("active", False, "false"),
            ("parameters", {}, "{}"),
            ("parameters", {"a": "ü"}, '{\n  "a": "ü"\n}'),
            ("percentComplete", 40, "40 %"),
            ("result", None, ""),
        ],
    )
    def test_a_value_is_shown_as_people_read_it(self, name: str, value: Any, text: str) -> None:
        assert property_of(name, value).text == text


class TestForm:
    def test_has_the_widget_that_goes_with_each_parameter(self, browser: Browser) -> None:
        fields = browser.get(CREATE).fields

        assert fields["type"].tag == "select"
        assert fields["parameters"].tag == "textarea"
        assert fields["passcode"].get("type") == "password"
        assert fields["startDate"].get("type") == "datetime-local"
        assert fields["maxOccurrences"].get("type") == "number"
        assert "required" in fields["minute"].attributes
        assert fields["token"].get("type") == "hidden"
        assert fields["f"].tag == "select"

    @pytest.mark.parametrize(
        "sent, shown, step",
        [
            ("4102444800000", "2100-01-01T00:00:00", "1"),
            ("4102444800005", "2100-01-01T00:00:00.005", "0.001"),
            ("2100-01-01T12:30", "2100-01-01T12:30", "1"),
            ("9" * 30, "9" * 30, "1"),
        ],
    )
    def test_a_time_in_milliseconds_is_shown_as_its_widget_can(
        self, browser: Browser, sent: str, shown: str, step: str
    ) -> None:
        page = read(browser.send(CREATE, minute="77", startDate=sent))

        field = page.fields["startDate"]
        assert (field.get("value"), field.get("step")) == (shown, step)

    @pytest.mark.usefixtures("installation")
    def test_a_checkbox_says_yes_and_stays_ticked(self, browser: Browser) -> None:
        path = f"{ROOT}/system/disasterrecovery/stores/register"

        assert "checked" not in browser.get(path).fields["isDefault"].attributes
        page = read(browser.send(path, storeName="", isDefault="true"))

        assert page.fields["isDefault"].get("type") == "checkbox"
        assert "checked" in page.fields["isDefault"].attributes

    @pytest.mark.usefixtures("installation")
    def test_a_backup_is_kept_until_the_time_that_is_chosen(self, browser: Browser) -> None:
        path = f"{ROOT}/system/disasterrecovery/stores/default/backups/create"

        answer = browser.send(
            path, name="kept", passcode=PASSCODE, retentionDate="2100-01-01T00:00"
        )

        assert answer.status_code == 303
        run = TaskStatus.objects.latest("queued_at")
        assert run.task.parameters["retentionOffset"] > 0

    def test_creates_leads_to_what_is_new_and_says_so_once(self, browser: Browser) -> None:
        answer = browser.send(CREATE, title="nightly", passcode=PASSCODE)

        task = Schedule.objects.get()
        assert (answer.status_code, answer["Location"]) == (303, f"{TASKS}/{task.pk.hex}")
        page = browser.get(answer["Location"])
        assert "Create Task: done." in page.one("div", role="status").text
        assert not browser.get(answer["Location"]).all("div", role="status")

    def test_answers_in_the_format_that_is_chosen(self, browser: Browser) -> None:
        answer = browser.send(CREATE, passcode=PASSCODE, f="json")

        assert answer.json()["success"] is True

    def test_keeps_what_was_typed_but_no_passcode(self, browser: Browser) -> None:
        typed = json.dumps({**BACKUP, "passcode": PASSCODE, "name": 'a"<b>'})

        answer = browser.send(
            CREATE, title="<i>mine</i>", parameters=typed, passcode=PASSCODE, minute="77", hour="x"
        )

        assert answer.status_code == 400
        page = read(answer)
        assert page.flaws() == []
        assert page.fields["title"].get("value") == "<i>mine</i>"
        assert json.loads(page.fields["parameters"].text) == {
            **BACKUP,
            "passcode": "",
            "name": 'a"<b>',
        }
        assert PASSCODE not in answer.content.decode()
        assert "type it again" in page.one("p", id="field-passcode-help").text
        assert not Schedule.objects.exists()

    def test_says_what_is_wrong_above_and_beside_the_field(self, browser: Browser) -> None:
        page = read(browser.send(CREATE, passcode=PASSCODE, minute="77"))

        alert = page.one("div", role="alert")
        assert "(code 400)" in alert.text
        (link,) = [one for one in page.all("a") if one.within("div") is alert]
        assert link.get("href") == "#field-minute"
        assert page.fields["minute"].get("aria-invalid") == "true"
        assert "field-minute-problem" in page.fields["minute"].get("aria-describedby")
        assert "77" in page.one("p", id="field-minute-problem").text
        assert not page.fields["hour"].get("aria-invalid")

    @pytest.mark.parametrize(
        "typed",
        ['{"passcode": "%s", ', '{"passcode" :"%s', '{"PASSCODE":"\\"%s"}', '{"dbPassword": "%s"}'],
    )
    def test_json_that_breaks_off_shows_no_passcode_either(
        self, browser: Browser, typed: str
    ) -> None:
        answer = browser.send(CREATE, parameters=typed % PASSCODE)

        assert answer.status_code == 400
        assert PASSCODE not in answer.content.decode()

    def test_a_passcode_that_stays_can_be_sent_back(self, browser: Browser) -> None:
        task = made(Script(browser.user))

        page = read(browser.send(f"{TASKS}/{task}/update", minute="77"))

        assert json.loads(page.fields["parameters"].text)["passcode"] == "********"

    def test_says_which_one_it_is_about_and_warns_of_what_cannot_be_undone(
        self, browser: Browser
    ) -> None:
        task = made(Script(browser.user), title="weekly")

        page = browser.get(f"{TASKS}/{task}/delete")

        assert "weekly" in page.one("main").text
        assert "This cannot be undone." in page.one("main").text
        assert page.links["Cancel"] == f"{TASKS}/{task}"

    def test_disables_runs_and_deletes(self, browser: Browser) -> None:
        task = made(Script(browser.user), title="weekly")
        path = f"{TASKS}/{task}"

        assert browser.send(f"{path}/disable")["Location"] == path
        assert browser.get(path).properties["taskState"] == "paused"
        run = browser.send(f"{path}/runNow")["Location"]
        assert browser.get(run).one("h1").text == "Run of weekly"
        assert browser.get(run).properties["status"] == "scheduled"
        TaskStatus.objects.update(state=State.SUCCEEDED)
        assert browser.send(f"{path}/delete")["Location"] == TASKS
        assert "Delete Task: done." in browser.get(TASKS).one("div", role="status").text
        assert browser.client.get(path).status_code == 404

    @pytest.mark.usefixtures("installation")
    def test_what_starts_a_job_leads_to_its_page(self, browser: Browser) -> None:
        path = f"{ROOT}/system/disasterrecovery/stores/default/backups/create"

        answer = browser.send(path, name="by-hand", passcode=PASSCODE)

        assert answer["Location"].startswith(f"{ROOT}/jobs/j")
        page = browser.get(answer["Location"])
        assert page.properties["status"] == "SUBMITTED"
        assert page.links["Look again"] == answer["Location"]

    def test_a_long_notice_fits_into_a_cookie(self) -> None:
        request, answer = RequestFactory().get(ROOT), HttpResponse()

        notice.leave(answer, request, notice.Notice("Restore", "ü<&" * 5000))
        request.COOKIES |= {name: one.value for name, one in answer.cookies.items()}

        assert sum(len(one.OutputString()) for one in answer.cookies.values()) < 4096
        found = notice.find(request)
        assert found is not None
        assert (found.title, found.text[:6]) == ("Restore", "ü<&ü<&")

    def test_a_notice_that_somebody_else_wrote_is_not_shown(self, browser: Browser) -> None:
        browser.client.cookies["arcgis_done"] = '["Wire Money", ""]'

        assert not browser.get(TASKS).all("div", role="status")


class TestWhoseTokenHasExpired:
    TYPED = {
        "type": "CreateBackup",
        "title": "weekly, of <the> shop",
        "parameters": '{"description": "for ü", "passcode": "a battery that is stapled"}',
        "passcode": PASSCODE,
        **CRON,
        "hour": "7",
    }

    def expired(self, browser: Browser, *, signed_in: bool) -> HttpResponse:
        """Send a form whose token has expired; the cookie is as old, or newer."""
        token = browser.client.cookies["arcgis_token"].value
        if signed_in:
            assert browser.client.post(LOGIN, {"username": "ann", "password": "sesame-42"})
        operations.revoke_token(token)
        authentication.forget()
        return browser.client.post(CREATE, {"token": token, "f": "html", **self.TYPED})

    def shows_what_was_typed(self, browser: Browser, answer: HttpResponse) -> Page:
        page = read(answer)
        assert page.flaws() == []
        assert page.one("h1").text == "Create Task"
        assert page.fields["title"].get("value") == "weekly, of <the> shop"
        assert page.fields["hour"].get("value") == "7"
        assert '"description": "for ü"' in page.fields["parameters"].text
        assert "battery" not in answer.content.decode()
        assert not Schedule.objects.exists()
        new = browser.client.cookies["arcgis_token"].value
        assert page.fields["token"].get("value") == new
        return page

    def test_gets_the_form_again_with_what_was_typed_and_a_token_that_holds(
        self, browser: Browser
    ) -> None:
        answer = self.expired(browser, signed_in=True)

        assert answer.status_code == 403
        page = self.shows_what_was_typed(browser, answer)
        alert = page.one("div", role="alert").text
        assert "Invalid Token." in alert
        assert "Nothing was done" in alert
        typed = {name: one.get("value") or one.text for name, one in page.fields.items()}
        typed |= {"f": "html", "parameters": json.dumps(BACKUP), "type": "CreateBackup"}
        assert browser.client.post(CREATE, typed).status_code == 303
        assert Schedule.objects.get().task.title == "weekly, of <the> shop"

    def test_signs_in_and_finds_what_was_typed(self, browser: Browser) -> None:
        answer = self.expired(browser, signed_in=False)

        assert answer.status_code == 403
        page = read(answer)
        assert page.flaws() == []
        assert "battery" not in answer.content.decode()
        assert "Nothing was done" in page.one("div", role="alert").text
        form = {name: one.get("value") for name, one in page.fields.items()}
        wrong = browser.client.post(LOGIN, {**form, "username": "ann", "password": "guessed"})
        again = {name: one.get("value") for name, one in read(wrong).fields.items()}
        kept = {name: form[name] for name in ("again", "typed")}
        assert {name: again[name] for name in kept} == kept

        answer = browser.client.post(LOGIN, {**again, "username": "ann", "password": "sesame-42"})

        assert answer.status_code == 200
        self.shows_what_was_typed(browser, answer)

    def test_is_shown_nothing_that_another_may_not_see(self, browser: Browser) -> None:
        page = read(self.expired(browser, signed_in=False))
        other = user(username="bob", operator=False)
        other.set_password("sesame-42")
        other.save()
        form = {name: one.get("value") for name, one in page.fields.items()}

        answer = browser.client.post(LOGIN, {**form, "username": "bob", "password": "sesame-42"})

        assert answer.status_code == 403
        assert "default administrator" in read(answer).one("div", role="alert").text

    def test_is_answered_at_once_whatever_somebody_unknown_has_typed(self) -> None:
        """Looking for secrets took minutes: the square of how often a text says "secret"."""
        typed = '"' + "secret" * 100_000

        began = time.process_time()
        answer = Client().post(CREATE, {"f": "html", "parameters": typed})

        assert answer.status_code in {401, 403}
        assert time.process_time() - began < 3

    @pytest.mark.parametrize("again", ["/admin/", "//evil.example/x", "/arcgis/admin/login", "x"])
    def test_is_led_nowhere_but_to_a_form_of_ours(self, browser: Browser, again: str) -> None:
        form = {"username": "ann", "password": "sesame-42", "again": again, "typed": "a=b"}

        answer = browser.client.post(LOGIN, form)

        assert (answer.status_code, answer["Location"]) == (303, ROOT)

    def test_as_json_is_answered_as_ever(self, browser: Browser) -> None:
        operations.revoke_token(browser.client.cookies["arcgis_token"].value)
        authentication.forget()

        answer = browser.client.post(CREATE, {"token": "old", "f": "json", **self.TYPED})

        assert answer.json() == {"error": {"code": 498, "message": "Invalid Token.", "details": []}}


class TestWhoIsSignedIn:
    def test_a_cookie_alone_sends_no_form(self, browser: Browser) -> None:
        task = made(Script(browser.user))

        answer = browser.client.post(f"{TASKS}/{task}/delete")

        assert answer.status_code == 403
        assert "Token Required." in read(answer).one("div", role="alert").text
        assert Schedule.objects.filter(pk=task).exists()

    def test_a_page_that_there_is_not_knows_who_looks(self, browser: Browser) -> None:
        answer = browser.client.get(f"{ROOT}/nothing")

        assert answer.status_code == 404
        page = read(answer)
        assert page.flaws() == []
        assert "Signed in as ann" in " ".join(page.one("header").text.split())

    def test_somebody_without_the_privilege_can_go_and_come_back_as_another(self) -> None:
        browser = Browser(operator=False)

        answer = browser.client.get(TASKS)

        assert answer.status_code == 403
        page = read(answer)
        assert page.flaws() == []
        assert "default administrator" in page.one("div", role="alert").text
        assert page.links["Sign in as somebody else"].startswith(LOGIN)
        assert "Sign out" in [one.text for one in page.all("button")]

    def test_signing_in_says_what_a_browser_may_fill_in(self) -> None:
        fields = read(Client().get(LOGIN)).fields

        assert fields["username"].get("autocomplete") == "username"
        assert fields["password"].get("autocomplete") == "current-password"

    def test_a_failed_sign_in_says_so_and_not_what_programs_are_told(self) -> None:
        answer = Client().post(LOGIN, {"username": "ann", "password": "sesame-43"})

        text = read(answer).one("div", role="alert").text
        assert "You are not signed in." in text
        assert "Invalid username or password." in text
        assert "token" not in text

    def test_generate_token_keeps_what_was_typed_but_the_password(self) -> None:
        form = {"username": "ann", "password": "sesame-43", "referer": "<r>", "expiration": "5"}

        answer = Client().post(f"{SHARING}/generateToken", form)

        page = read(answer)
        assert answer.status_code == 400
        assert page.flaws() == []
        assert page.fields["username"].get("value") == "ann"
        assert page.fields["referer"].get("value") == "<r>"
        assert page.fields["password"].get("value") == ""
        assert b"sesame" not in answer.content

    def test_generate_token_shows_the_token_and_its_end(self) -> None:
        Browser()
        form = {"username": "ann", "password": "sesame-42"}

        page = read(Client().post(f"{SHARING}/generateToken", form))

        assert page.properties["token"]
        assert "UTC" in page.properties["expires"]


def test_an_address_in_the_directory_is_escaped() -> None:
    """Names of files in a store are not ours to choose."""
    from backgroundtasks.api.arcgis.resource import href

    assert href('a b/50%?x#"y') == f"{ROOT}/a%20b/50%25%3Fx%23%22y"


def test_cron_of_the_form_is_what_the_form_shows(browser: Browser) -> None:
    task = made(Script(browser.user))

    fields = browser.get(f"{TASKS}/{task}/update").fields

    assert {name: fields[name].get("value") for name in CRON} == CRON
