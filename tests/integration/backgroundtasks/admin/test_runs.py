"""Runs in the admin: lists, a run's page, cancel and retry."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from backgroundtasks import clock, operations
from backgroundtasks.admin import RunAdmin, filters
from backgroundtasks.admin.paging import BoundedPaginator
from backgroundtasks.handlers import Actor
from backgroundtasks.models import Attempt, Message, TaskStatus
from backgroundtasks.states import FINAL, State
from tests.support import factories

pytestmark = pytest.mark.django_db

RUNS = "/admin/backgroundtasks/taskstatus/"


def listed(client: Client, **narrowed: object) -> list[object]:
    answer = client.get(RUNS, narrowed)
    assert answer.status_code == 200, answer
    return [run.pk for run in answer.context["cl"].result_list]


def page(client: Client, run: TaskStatus) -> str:
    answer = client.get(f"{RUNS}{run.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def told(client: Client, path: str, **data: object) -> list[str]:
    """POST, and return what the operator is told."""
    client.cookies.pop("messages", None)  # of the one before
    answer = client.post(path, data)
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


class TestList:
    def test_shows_the_operators_account_newest_first(self, admin: Client, root: Actor) -> None:
        first, second = (factories.run(owner=root) for _ in range(2))
        factories.run()

        assert listed(admin) == [second.pk, first.pk]

    def test_shows_another_account_to_a_superuser(self, admin: Client) -> None:
        elsewhere = factories.run()

        assert listed(admin, account=elsewhere.account_id) == [elsewhere.pk]

    def test_shows_no_other_account_to_staff(self, desk: Client, staff: Actor) -> None:
        mine, elsewhere = factories.run(owner=staff), factories.run()

        assert listed(desk) == [mine.pk]
        assert desk.get(RUNS, {"account": str(elsewhere.account_id)}).status_code == 403
        assert desk.get(RUNS, {"account": "nonsense"}).status_code == 403

    def test_hides_from_staff_what_a_handler_hides(
        self, desk: Client, staff: Actor, admin: Client
    ) -> None:
        colleague = factories.actor(account=staff.account)
        hidden = factories.run(owner=colleague, task_type="OwnersWork")

        assert listed(desk) == []
        assert desk.get(f"{RUNS}{hidden.pk}/change/").status_code == 302
        assert listed(admin, account=staff.account.pk) == [hidden.pk]

    @pytest.mark.parametrize("state", list(State))
    def test_filters_by_state(self, admin: Client, root: Actor, state: State) -> None:
        runs = {one: factories.run(one, owner=root) for one in State}
        factories.run(state)  # of another account

        assert listed(admin, state=state.value) == [runs[state].pk]

    def test_filters_by_problem_type_queue_and_time(self, admin: Client, root: Actor) -> None:
        failed = factories.run(State.FAILED, owner=root)
        lost = factories.run(State.LOST, owner=root, task_type="SideWork", queue="side")
        old = clock.now() - timedelta(hours=2)
        early = factories.run(owner=root, position=clock.position_at(old), queued_at=old)

        assert listed(admin, state="problems") == [lost.pk, failed.pk]
        assert listed(admin, task_type="SideWork") == [lost.pk]
        assert listed(admin, queue="side") == [lost.pk]
        assert listed(admin, queued="hour") == [lost.pk, failed.pk]
        assert early.pk in listed(admin, queued="day")

    @pytest.mark.parametrize("spelling", ["{0}", "{0.hex}", "work-{0}", "WORK_{0}"])
    def test_finds_a_run_of_any_account_by_any_spelling_of_its_id(
        self, admin: Client, spelling: str
    ) -> None:
        run = factories.run()
        factories.run()

        assert listed(admin, q=spelling.format(run.pk)) == [run.pk]

    def test_finds_the_runs_of_a_task(self, admin: Client, root: Actor) -> None:
        run = factories.run(State.FAILED, owner=root)
        again = operations.retry(root, run.pk).run_id

        assert listed(admin, q=str(run.task_id)) == [again, run.pk]

    def test_finds_words_of_title_type_and_owner(self, admin: Client, root: Actor) -> None:
        titled = operations.submit(root, "Work", {}, title="Nightly import").run_id
        typed = factories.run(owner=root, task_type="SideWork")
        owned = factories.run(owner=factories.actor(account=root.account, username="carol"))

        assert listed(admin, q="nightly") == [titled]
        assert listed(admin, q="IMPORT work") == [titled]
        assert listed(admin, q="sidew") == [typed.pk]
        assert listed(admin, q="carol") == [owned.pk]
        assert listed(admin, q="nothing of it") == []

    def test_looks_for_words_among_the_newest_runs_only(
        self, admin: Client, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filters, "WINDOW", 2)
        runs = [factories.run(owner=root) for _ in range(3)]
        waiting = [runs[2].pk, runs[1].pk]

        assert listed(admin, q="work") == waiting
        # Unfinished runs are few: all of them are looked through.
        assert listed(admin, q="work", state="queued") == [*waiting, runs[0].pk]

    def test_costs_the_same_for_many_runs_as_for_one(
        self, admin: Client, root: Actor, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for state in State:
            factories.run(state, owner=factories.actor(account=root.account))

        # session, user, accounts, the operator's own, count, page
        with django_assert_num_queries(6) as context:
            listed(admin)

        counts = [query["sql"] for query in context.captured_queries if "COUNT(" in query["sql"]]
        assert len(counts) == 1
        assert f"LIMIT {BoundedPaginator.limit}" in counts[0]

    def test_says_that_it_ends(
        self, admin: Client, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(BoundedPaginator, "limit", 2)
        monkeypatch.setattr(RunAdmin, "list_per_page", 1)
        for _ in range(3):
            factories.run(owner=root)

        answer = admin.get(RUNS)

        assert answer.context["cl"].paginator.num_pages == 2
        assert "The newest 2 are listed" in answer.content.decode()

    def test_refuses_who_may_not_look(self, client: Client) -> None:
        client.force_login(factories.UserFactory.create(is_staff=True))

        assert client.get(RUNS).status_code == 403

    def test_offers_no_way_to_add_change_or_delete(self, admin: Client, root: Actor) -> None:
        run = factories.run(owner=root)

        assert admin.get(f"{RUNS}add/").status_code == 403
        assert admin.get(f"{RUNS}{run.pk}/delete/").status_code == 403
        assert admin.post(f"{RUNS}{run.pk}/change/", {"state": "succeeded"}).status_code == 403
        run.refresh_from_db()
        assert run.state == State.QUEUED


class TestPage:
    def test_shows_messages_attempts_and_the_end(self, admin: Client, root: Actor) -> None:
        run = factories.run(State.FAILED, owner=root, error="Disk <full>.")
        Message.objects.create(run=run, level="warning", key="k", text="Careful & slow", attempt=1)
        Attempt.objects.create(
            run=run, number=1, finished_at=clock.now(), outcome="died", error="Killed."
        )
        TaskStatus.objects.filter(pk=run.pk).update(attempt=2)

        shown = page(admin, run)

        assert "Disk &lt;full&gt;." in shown
        assert "Careful &amp; slow" in shown
        assert "Killed." in shown
        assert "bt-died" in shown

    def test_masks_secret_parameters(self, admin: Client, root: Actor) -> None:
        submission = operations.submit(root, "Work", {"Secret": "hunter2", "Mark": "seen"})
        run = TaskStatus.objects.get(pk=submission.run_id)

        for shown in (
            page(admin, run),
            admin.get(f"/admin/backgroundtasks/task/{run.task_id}/change/").content.decode(),
        ):
            assert "********" in shown
            assert "seen" in shown
            assert "hunter2" not in shown
            assert "sealed" not in shown

    def test_links_a_run_with_its_retry(self, admin: Client, root: Actor) -> None:
        old = factories.run(State.FAILED, owner=root)
        new = TaskStatus.objects.get(pk=operations.retry(root, old.pk).run_id)

        assert f'href="{RUNS}{new.pk}/change/"' in page(admin, old)
        assert f'href="{RUNS}{old.pk}/change/"' in page(admin, new)

    def test_shows_labels_and_what_it_works_on(self, admin: Client, root: Actor) -> None:
        run = factories.run(owner=root, labels={"team": "<core>"})
        run.task.resource = {"id": "7", "name": "Shop", "kind": "project", "path": "/api/project/7"}
        run.task.save()

        for shown in (
            page(admin, run),
            admin.get(f"/admin/backgroundtasks/task/{run.task_id}/change/").content.decode(),
        ):
            assert "<b>team</b> &lt;core&gt;" in shown
            assert 'project <a href="/api/project/7">Shop</a> (7)' in shown

    @pytest.mark.parametrize("path", ["", "javascript:alert(1)", "//elsewhere.example/x"])
    def test_links_what_it_works_on_only_within_this_server(
        self, admin: Client, root: Actor, path: str
    ) -> None:
        run = factories.run(owner=root)
        run.task.resource = {"id": "7", "name": "", "kind": "", "path": path}
        run.task.save()

        assert f'href="{path}"' not in page(admin, run)

    def test_links_a_run_with_its_children(
        self, admin: Client, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from backgroundtasks.admin import runs

        monkeypatch.setattr(runs, "_MOST_CHILDREN", 2)
        parent = factories.run(State.WAITING, owner=root)
        several = [factories.run(owner=root, parent=parent, child_key=str(n)) for n in range(3)]

        shown = page(admin, parent)

        assert [f'href="{RUNS}{child.pk}/change/"' in shown for child in several] == [
            True,
            True,
            False,
        ]
        assert f'href="{RUNS}{parent.pk}/change/"' in page(admin, several[0])
        everything = f"{RUNS}?account={root.account.pk}&amp;parent={parent.pk}"
        assert everything in shown
        assert listed(admin, parent=parent.pk) == [child.pk for child in reversed(several)]
        assert listed(admin, parent=parent.pk, state="failed") == []
        assert listed(admin, parent="nonsense") == []

    def test_shows_staff_no_children_that_their_handler_hides(
        self, desk: Client, staff: Actor
    ) -> None:
        parent = factories.run(State.WAITING, owner=staff)
        hidden = factories.run(
            owner=factories.actor(account=staff.account),
            task_type="OwnersWork",
            parent=parent,
            child_key="a",
        )

        assert str(hidden.pk) not in page(desk, parent)

    @pytest.mark.parametrize("state", list(State))
    def test_renews_itself_and_offers_to_cancel_while_unfinished_else_to_retry(
        self, admin: Client, root: Actor, state: State
    ) -> None:
        run = factories.run(state, owner=root)

        shown = page(admin, run)

        finished = state in FINAL
        assert ("follow.js" in shown) is not finished
        assert ('http-equiv="refresh"' in shown) is not finished
        assert (f"{run.pk}/cancel/" in shown) is not finished
        assert (f"{run.pk}/retry/" in shown) is finished

    @pytest.mark.parametrize("spelling", ["{0.hex}", "work-{0}"])
    def test_is_found_by_any_spelling_of_its_id(self, admin: Client, spelling: str) -> None:
        run = factories.run()

        answer = admin.get(f"{RUNS}{spelling.format(run.pk)}/change/")

        assert answer.status_code == 200
        assert str(run.pk) in answer.content.decode()

    @pytest.mark.parametrize("unknown", ["nonsense", "00000000-0000-4000-8000-000000000000"])
    def test_of_an_unknown_run_goes_back_with_a_message(self, admin: Client, unknown: str) -> None:
        assert admin.get(f"{RUNS}{unknown}/change/").status_code == 302

    def test_costs_the_same_for_many_messages_as_for_one(
        self, admin: Client, root: Actor, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        run = factories.run(State.SUCCEEDED, owner=root)
        for number in range(20):
            Message.objects.create(run=run, key="k", text=str(number))
        page(admin, run)  # a process asks for the content type once

        with django_assert_num_queries(15):
            page(admin, run)


class TestCancelAndRetry:
    def test_buttons_cancel_and_retry(self, admin: Client, root: Actor) -> None:
        waiting = factories.run(owner=root)

        cancelled = told(admin, f"{RUNS}{waiting.pk}/cancel/")
        retried = told(admin, f"{RUNS}{waiting.pk}/retry/")

        waiting.refresh_from_db()
        assert waiting.state == State.CANCELLED
        assert waiting.error == "Cancelled by root."
        assert cancelled[0].endswith("is cancelled.")
        new = TaskStatus.objects.get(retry_of=waiting)
        assert str(new.pk) in retried[0]

    def test_buttons_pause_and_resume(self, admin: Client, root: Actor) -> None:
        running = factories.run(State.RUNNING, owner=root, task_type="PausableWork")
        waiting = factories.run(State.WAITING, owner=root)

        said = [
            told(admin, f"{RUNS}{run.pk}/{deed}/")[0].partition("</a> ")[2]
            for deed in ("pause", "resume")
            for run in (running, waiting)
        ]

        assert said == [
            "pauses at its next safe checkpoint.",
            "is paused.",
            "runs on; it had not paused yet.",
            "is queued again.",
        ]

    def test_actions_pause_and_resume(self, admin: Client, root: Actor) -> None:
        waiting, queued = (factories.run(one, owner=root) for one in (State.WAITING, State.QUEUED))
        chosen = [str(waiting.pk), str(queued.pk)]

        said = told(admin, RUNS, action="pause_runs", _selected_action=chosen)
        assert TaskStatus.objects.get(pk=waiting.pk).state == State.PAUSED
        told(admin, RUNS, action="resume_runs", _selected_action=[str(waiting.pk)])

        assert TaskStatus.objects.get(pk=waiting.pk).state == State.QUEUED
        assert f"The run {queued.pk} is queued; it cannot become paused." in said[1]

    @pytest.mark.parametrize("state", list(State))
    def test_buttons_to_pause_and_resume_are_there_where_they_make_sense(
        self, admin: Client, root: Actor, state: State
    ) -> None:
        run = factories.run(state, owner=root, task_type="PausableWork")
        other = factories.run(state, owner=root)

        shown = page(admin, run)

        assert (f"{run.pk}/pause/" in shown) is (state in {State.RUNNING, State.WAITING})
        assert (f"{run.pk}/resume/" in shown) is (state in {State.PAUSING, State.PAUSED})
        # A type that cannot pause while it runs.
        assert (f"{other.pk}/pause/" in page(admin, other)) is (state == State.WAITING)

    @pytest.mark.parametrize("deed", ["pause", "resume"])
    def test_a_link_pauses_nothing(self, admin: Client, root: Actor, deed: str) -> None:
        run = factories.run(State.WAITING, owner=root)

        assert admin.get(f"{RUNS}{run.pk}/{deed}/").status_code == 405
        assert TaskStatus.objects.get().state == State.WAITING

    def test_a_link_cancels_nothing(self, admin: Client, root: Actor) -> None:
        run = factories.run(owner=root)

        assert admin.get(f"{RUNS}{run.pk}/cancel/").status_code == 405
        run.refresh_from_db()
        assert run.state == State.QUEUED

    def test_another_site_cancels_nothing(self, root: Actor) -> None:
        run = factories.run(owner=root)
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(root.user)

        assert browser.post(f"{RUNS}{run.pk}/cancel/").status_code == 403
        run.refresh_from_db()
        assert run.state == State.QUEUED

    def test_an_action_does_what_it_can_and_tells_the_rest(
        self, admin: Client, root: Actor
    ) -> None:
        waiting, running, finished = (
            factories.run(state, owner=root)
            for state in (State.QUEUED, State.RUNNING, State.SUCCEEDED)
        )

        said = told(
            admin,
            RUNS,
            action="cancel_runs",
            _selected_action=[str(run.pk) for run in (waiting, running, finished)],
        )

        assert sorted(text.partition("</a> ")[2] or text for text in said) == [
            f"The run {finished.pk} is succeeded; it cannot become cancelled.",
            "is cancelled.",
            "stops at its next checkpoint.",
        ]

    def test_an_action_retries(self, admin: Client, root: Actor) -> None:
        lost = factories.run(State.LOST, owner=root)

        told(admin, RUNS, action="retry_runs", _selected_action=[str(lost.pk)])

        assert TaskStatus.objects.filter(retry_of=lost).count() == 1

    def test_staff_cancel_with_their_own_permissions(self, desk: Client, staff: Actor) -> None:
        mine = factories.run(owner=staff)
        nobodys = factories.run(owner=staff, task_type="NobodysWork")
        foreign = factories.run()

        allowed = told(desk, f"{RUNS}{mine.pk}/cancel/")
        refused = told(desk, f"{RUNS}{nobodys.pk}/cancel/")
        unknown = told(desk, f"{RUNS}{foreign.pk}/cancel/")

        assert allowed[0].endswith("is cancelled.")
        assert refused == [
            "You may not cancel it: it needs a permission that its handler does not name."
        ]
        assert unknown == [f"There is no run {foreign.pk}."]
        foreign.refresh_from_db()
        assert foreign.state == State.QUEUED

    def test_an_action_takes_no_more_than_can_be_done_in_one_request(
        self, admin: Client, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from backgroundtasks.admin import runs

        monkeypatch.setattr(runs, "_MOST_AT_ONCE", 1)
        several = [factories.run(owner=root) for _ in range(2)]

        said = told(
            admin,
            RUNS,
            action="cancel_runs",
            select_across="1",
            _selected_action=[str(several[0].pk)],
        )

        assert said == ["Choose at most 1 runs at once."]
        assert not TaskStatus.objects.filter(state=State.CANCELLED).exists()
