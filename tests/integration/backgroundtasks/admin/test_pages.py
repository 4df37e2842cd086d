"""Tasks, starting one, queues, workers, accounts, credentials, and the dashboard."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from backgroundtasks import clock, operations
from backgroundtasks.handlers import Actor
from backgroundtasks.models import AccessToken, OAuthClient, Queue, TaskStatus, Worker
from backgroundtasks.operations.issue_token import digest
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

ADMIN = "/admin/backgroundtasks/"
TASKS = f"{ADMIN}task/"


def shown(client: Client, path: str, **query: object) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def told(client: Client, path: str, **data: object) -> list[str]:
    client.cookies.pop("messages", None)  # of the one before
    answer = client.post(path, data)
    assert answer.status_code == 302, answer.content.decode()
    return [str(message) for message in get_messages(answer.wsgi_request)]


class TestTasks:
    def listed(self, client: Client, **narrowed: object) -> list[UUID]:
        answer = client.get(TASKS, narrowed)
        assert answer.status_code == 200
        return [task.pk for task in answer.context["cl"].result_list]

    def test_lists_a_task_once_however_often_it_ran(self, admin: Client, root: Actor) -> None:
        old = factories.run(State.FAILED, owner=root)
        operations.retry(root, old.pk)
        newer = factories.run(owner=root)
        factories.run()

        assert self.listed(admin) == [newer.task_id, old.task_id]

    def test_narrows_by_type_time_words_and_ids(self, admin: Client, root: Actor) -> None:
        past = clock.now() - timedelta(hours=2)
        early = factories.run(owner=root, position=clock.position_at(past))
        side = factories.run(owner=root, task_type="SideWork")
        titled = TaskStatus.objects.get(
            pk=operations.submit(root, "Work", {}, title="Nightly import").run_id
        )

        assert self.listed(admin, task_type="SideWork") == [side.task_id]
        assert self.listed(admin, queued="hour") == [titled.task_id, side.task_id]
        assert self.listed(admin, q="nightly") == [titled.task_id]
        assert self.listed(admin, q=str(early.task_id)) == [early.task_id]
        assert self.listed(admin, q=f"work-{early.pk}") == [early.task_id]

    def test_hides_from_staff_what_is_not_theirs(self, desk: Client, staff: Actor) -> None:
        foreign = factories.run()
        hidden = factories.run(owner=factories.actor(account=staff.account), task_type="OwnersWork")

        assert self.listed(desk) == []
        for run in (foreign, hidden):
            assert desk.get(f"{TASKS}{run.task_id}/change/").status_code == 302

    def test_costs_the_same_for_many_as_for_one(
        self, admin: Client, root: Actor, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            factories.run(owner=factories.actor(account=root.account))

        with django_assert_num_queries(6):
            self.listed(admin)

    def test_shows_the_runs_of_a_task(self, admin: Client, root: Actor) -> None:
        old = factories.run(State.FAILED, owner=root)
        new = operations.retry(root, old.pk).run_id

        page = shown(admin, f"{TASKS}{old.task_id}/change/")

        assert str(old.pk) in page
        assert str(new) in page


class TestStart:
    def test_offers_the_types_and_says_what_is_missing_for_the_others(
        self, desk: Client, staff: Actor
    ) -> None:
        page = shown(desk, f"{TASKS}add/")

        assert f"?type=Work&amp;account={staff.account.pk}" in page
        assert "?type=NobodysWork" not in page
        assert "it needs a permission that its handler does not name" in page

    def test_starts_a_task_in_the_operators_name(self, desk: Client, staff: Actor) -> None:
        said = told(
            desk,
            f"{TASKS}add/?type=Work",
            **{"title": "By hand", "parameters-Steps": "3", "parameters-Safe": "on"},
        )

        run = TaskStatus.objects.select_related("task").get()
        assert said[0].startswith("Work is queued as ")
        assert run.owner_id == staff.user.pk
        assert run.task.title == "By hand"
        assert run.task.origin == "admin"
        assert run.task.parameters["Steps"] == 3
        assert run.task.parameters["Safe"] is True
        assert "Mark" not in run.task.parameters  # left empty: not given

    def test_labels_the_task(self, admin: Client) -> None:
        wrong = admin.post(f"{TASKS}add/?type=Work", {"labels": "team=core\nlevel"})
        long = admin.post(f"{TASKS}add/?type=Work", {"labels": "a=" + "x" * 101})
        told(admin, f"{TASKS}add/?type=Work", labels=" team = core \r\n\r\nnote=a=b\n")

        assert wrong.context["forms"][0].errors["labels"] == [
            "This is not written as name=value: level"
        ]
        assert "texts of at most 100" in long.context["forms"][0].errors["labels"][0]
        task = TaskStatus.objects.select_related("task").get().task
        assert task.labels == {"team": "core", "note": "a=b"}

    def test_seals_a_secret_and_never_shows_it_again(self, admin: Client) -> None:
        page = shown(admin, f"{TASKS}add/", type="Work")
        refused = admin.post(
            f"{TASKS}add/?type=Work",
            {"parameters-Secret": "hunter2", "parameters-Steps": "many"},
        ).content.decode()
        told(admin, f"{TASKS}add/?type=Work", **{"parameters-Secret": "hunter2"})

        field = re.search(r'<input[^>]*name="parameters-Secret"[^>]*>', page)
        assert field is not None
        assert 'type="password"' in field[0]
        assert "hunter2" not in refused
        stored = TaskStatus.objects.select_related("task").get().task.parameters
        assert "$sealed" in stored["Secret"]

    def test_shows_errors_at_the_fields_and_keeps_what_was_typed(self, admin: Client) -> None:
        answer = admin.post(
            f"{TASKS}add/?type=Work",
            {"parameters-Steps": "many", "parameters-Result": "{", "parameters-Mark": "here"},
        )
        page = answer.content.decode()

        form = answer.context["forms"][1]
        assert form.errors == {"Result": [form.errors["Result"][0]]}
        assert form.errors["Result"][0].startswith("This is no JSON: ")
        assert 'value="here"' in page
        assert not TaskStatus.objects.exists()

        again = admin.post(f"{TASKS}add/?type=Work", {"parameters-Steps": "many"})

        assert again.context["forms"][1].errors == {"Steps": ["A valid integer is required."]}
        assert not TaskStatus.objects.exists()

    def test_says_what_else_is_refused(self, admin: Client, root: Actor) -> None:
        told(admin, f"{TASKS}add/?type=OneAtATime", **{"parameters-Key": "one"})

        busy = admin.post(f"{TASKS}add/?type=OneAtATime", {"parameters-Key": "one"})
        nobody = admin.post(f"{TASKS}add/?type=NobodysWork", {})

        assert "A OneAtATime for the same thing has not finished yet." in busy.content.decode()
        assert "You may not start NobodysWork" in nobody.content.decode()
        assert TaskStatus.objects.count() == 1

    def test_starts_in_another_account_only_who_belongs_there(
        self, desk: Client, admin: Client
    ) -> None:
        elsewhere = factories.AccountFactory.create()
        path = f"{TASKS}add/?type=Work&account={elsewhere.pk}"

        assert desk.post(path, {}).status_code == 403
        # A superuser may look in, but has no role there.
        assert "it needs the role member in the account" in admin.post(path, {}).content.decode()
        assert not TaskStatus.objects.exists()

    def test_refuses_who_may_not_add_tasks(self, desk: Client, staff: Actor) -> None:
        staff.user.user_permissions.filter(codename="add_task").delete()

        assert desk.get(f"{TASKS}add/").status_code == 403


class TestDashboard:
    PATH = f"{ADMIN}taskstatus/dashboard/"

    def test_puts_problems_first(self, admin: Client, root: Actor) -> None:
        late = clock.now() - timedelta(minutes=9)
        factories.run(owner=root, run_after=late)
        factories.run(owner=root, queue="side")
        factories.run(State.LOST, owner=root)
        factories.run(State.PAUSED, owner=root, position=1)
        operations.pause_queue("side")

        page = shown(admin, self.PATH)

        problems = re.findall(r'<li class="error">(?:<a [^>]*>)?([^<]*)', page)
        assert problems[0] == (
            "Nothing is being done: no worker has ever run here. Start manage.py runworkers."
        )
        assert re.fullmatch(r"A run in the queue default has waited 9 min \d s\.", problems[1])
        assert problems[2:] == [
            "The queue side is paused; runs that wait: 1.",
            "Paused, until somebody resumes them: 1.",
            "Lost with their worker within a day: 1.",
        ]
        assert "?state=queued&amp;queue=side" in page

    def test_says_that_all_is_well(self, admin: Client, root: Actor) -> None:
        Worker.objects.create(host="here", host_id="boot", pid=7)
        factories.run(State.SUCCEEDED, owner=root)

        page = shown(admin, self.PATH)

        assert "All well" in page
        assert "here:7" in page

    def test_is_linked_from_the_first_page(self, admin: Client, client: Client) -> None:
        for page in ("/admin/", ADMIN):
            assert shown(admin, page).count(f'<a href="{self.PATH}">') == 1

    def test_is_not_for_everybody(self, client: Client) -> None:
        client.force_login(factories.UserFactory.create(is_staff=True))

        assert client.get(self.PATH).status_code == 403
        assert self.PATH not in client.get("/admin/").content.decode()

    def test_costs_a_fixed_number_of_queries(
        self, admin: Client, root: Actor, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for state in State:
            factories.run(state, owner=root)
            factories.run(state)
        Worker.objects.create(host="here", host_id="boot", pid=7)

        with django_assert_num_queries(8):
            shown(admin, self.PATH)


class TestQueues:
    def test_lists_what_handlers_name_and_pauses_and_resumes(self, admin: Client) -> None:
        page = shown(admin, f"{ADMIN}queue/")
        assert "side" in page

        paused = told(admin, f"{ADMIN}queue/", action="pause", _selected_action=["side"])
        assert Queue.objects.get(name="side").paused_at is not None
        resumed = told(admin, f"{ADMIN}queue/", action="resume", _selected_action=["side"])

        assert paused == ["The queue side is paused; what runs, runs on."]
        assert resumed == ["The queue side goes on."]
        assert Queue.objects.get(name="side").paused_at is None

    def test_staff_who_may_only_look_cannot_pause(self, desk: Client) -> None:
        shown(desk, f"{ADMIN}queue/")
        answer = desk.post(f"{ADMIN}queue/", {"action": "pause", "_selected_action": ["side"]})

        assert answer.status_code in {200, 302, 403}
        assert not Queue.objects.filter(paused_at__isnull=False).exists()


def test_workers_show_what_they_hold(admin: Client, root: Actor) -> None:
    worker = Worker.objects.create(host="here", host_id="boot", pid=7)
    run = factories.run(State.RUNNING, owner=root, worker_id=worker.pk)
    Worker.objects.create(
        host="gone", host_id="boot", pid=8, beat_at=clock.now() - timedelta(hours=1)
    )

    page = shown(admin, f"{ADMIN}worker/")

    assert f"{run.pk}/change/" in page
    assert "lives" in page
    assert "gone without a word" in page
    assert str(run.pk) in shown(admin, f"{ADMIN}worker/{worker.pk}/change/")


def test_accounts_are_made_but_never_deleted(admin: Client, root: Actor) -> None:
    forms = {
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(root.user.pk),
        "memberships-0-role": "viewer",
    }
    told(admin, f"{ADMIN}account/add/", name="Laboratory", **forms)

    assert root.user.accounts.filter(name="Laboratory").exists()
    assert "Laboratory" in shown(admin, f"{ADMIN}account/")
    assert admin.get(f"{ADMIN}account/{root.account.pk}/delete/").status_code == 403


class TestCredentials:
    def test_a_client_shows_its_secret_once(self, admin: Client, root: Actor) -> None:
        said = told(admin, f"{ADMIN}oauthclient/add/", name="CI", user=str(root.user.pk), scope="")

        client = OAuthClient.objects.get()
        codes = re.findall(r"<code>(.*?)</code>", said[0])
        assert codes[0] == str(client.pk)
        assert client.secret_digest == digest(codes[1])
        assert codes[1] in shown(admin, f"{ADMIN}oauthclient/")  # the message, once
        page = shown(admin, f"{ADMIN}oauthclient/{client.pk}/change/")
        assert client.secret_digest not in page
        assert codes[1] not in page

    def test_clients_are_revoked(self, admin: Client, root: Actor) -> None:
        client, _ = operations.create_client("CI", root.user)

        said = told(
            admin, f"{ADMIN}oauthclient/", action="revoke", _selected_action=[str(client.pk)]
        )

        client.refresh_from_db()
        assert said == ["CI is revoked."]
        assert client.revoked_at is not None

    def test_tokens_are_listed_without_digests_and_revoked(
        self, admin: Client, root: Actor
    ) -> None:
        for _ in range(2):
            operations.issue_token(root.user)
        page = shown(admin, f"{ADMIN}accesstoken/")
        actions = re.findall(r'formaction="([^"]+)"', page)

        for token in AccessToken.objects.all():
            assert token.digest not in page
            assert admin.get(f"{ADMIN}accesstoken/{token.digest}/change/").status_code == 404
        assert len(actions) == 2
        assert told(admin, actions[0]) == ["The token of root is revoked."]
        assert AccessToken.objects.filter(revoked_at__isnull=True).count() == 1
        assert told(admin, actions[0]) == ["There is no such token any more."]

    def test_staff_who_may_only_look_revoke_nothing(self, desk: Client, staff: Actor) -> None:
        operations.issue_token(staff.user)
        actions = re.findall(r'formaction="([^"]+)"', shown(desk, f"{ADMIN}accesstoken/"))

        assert desk.post(actions[0]).status_code == 404
        assert not AccessToken.objects.filter(revoked_at__isnull=False).exists()
