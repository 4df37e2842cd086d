"""Operators' pages of trackers: connections, tickets, and the links that failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from backgroundtasks.handlers import Actor
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import State
from tests.support import factories
from tests.support.projects import (
    ExternalSystemFactory,
    ExternalSystemLinkFactory,
    ExternalTicketFactory,
    IncidentFactory,
    NodeFactory,
    PicklistItemFactory,
    ProjectFactory,
    StepResultFactory,
)
from tickets import credentials, places
from tickets.models import Backlink, ExternalSystem, Incident

pytestmark = pytest.mark.django_db

ADMIN = "/admin/tickets"
EMPTY = {
    "links-TOTAL_FORMS": "0",
    "links-INITIAL_FORMS": "0",
    "comments-TOTAL_FORMS": "0",
    "comments-INITIAL_FORMS": "0",
}


def browser(actor: Actor, *codenames: str) -> Client:
    """Return the browser of a member who has these permissions of the app."""
    actor.user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="tickets", codename__in=codenames)
    )
    client = Client()
    client.force_login(actor.user)
    return client


@pytest.fixture
def operator() -> Actor:
    return factories.actor(is_staff=True)


@pytest.fixture
def desk(operator: Actor) -> Client:
    names = ("externalsystem", "incident")
    return browser(
        operator,
        "add_externalsystem",
        "view_externalticket",
        *(f"{what}_{name}" for name in names for what in ("view", "change")),
    )


def written(system: ExternalSystem | None = None, **values: Any) -> dict[str, Any]:
    """Return what the form of a system sends."""
    row = system or ExternalSystem(name="Own", kind="builtin")
    return {
        "name": row.name,
        "kind": row.kind,
        "base_url": row.base_url,
        "user_name": row.user_name,
        "display_url": "",
        "settings": "{}",
        "enabled": "on",
        **EMPTY,
        **values,
    }


class TestExternalSystems:
    def test_are_made_with_a_password_that_is_never_shown(
        self, desk: Client, operator: Actor
    ) -> None:
        answer = desk.post(
            f"{ADMIN}/externalsystem/add/",
            written(account=str(operator.account.pk), password="hunter2"),
        )

        assert answer.status_code == 302, answer.context["adminform"].form.errors
        row = ExternalSystem.objects.get()
        assert credentials.password(row) == "hunter2"
        page = desk.get(f"{ADMIN}/externalsystem/{row.pk}/change/").content.decode()
        assert "hunter2" not in page
        assert "Set; leave it empty to keep it." in page

    def test_keep_their_password_until_another_is_given(
        self, desk: Client, operator: Actor
    ) -> None:
        row = ExternalSystemFactory.build(account=operator.account)
        credentials.keep(row, "hunter2")
        row.save()
        path = f"{ADMIN}/externalsystem/{row.pk}/change/"

        desk.post(path, written(row, name="Renamed"))
        renamed = ExternalSystem.objects.get()
        elsewhere = desk.post(path, written(row, base_url="https://elsewhere.example.org"))
        moved = desk.post(
            path, written(row, base_url="https://elsewhere.example.org", password="other")
        )

        assert (renamed.name, credentials.password(renamed)) == ("Renamed", "hunter2")
        assert "Another base URL asks for the password again." in elsewhere.content.decode()
        assert moved.status_code == 302
        assert credentials.password(ExternalSystem.objects.get()) == "other"
        desk.post(path, written(ExternalSystem.objects.get(), forget_password="on"))
        assert not credentials.given(ExternalSystem.objects.get())

    def test_say_that_a_name_is_taken(self, desk: Client, operator: Actor) -> None:
        row, other = ExternalSystemFactory.create_batch(2, account=operator.account)
        path = f"{ADMIN}/externalsystem/{row.pk}/change/"

        answer = desk.post(path, written(row, name=other.name.upper()))

        assert "An external system of this name exists already." in answer.content.decode()

    @pytest.mark.parametrize("settings", ["[1]", '"text"', "7", "[]", "false"])
    def test_refuse_settings_that_are_no_object(
        self, desk: Client, operator: Actor, settings: str
    ) -> None:
        answer = desk.post(
            f"{ADMIN}/externalsystem/add/",
            written(account=str(operator.account.pk), settings=settings),
        )

        assert answer.status_code == 200
        assert "It must be a JSON object." in answer.content.decode()
        assert not ExternalSystem.objects.exists()

    @pytest.mark.parametrize("settings", ["", "null", "{}"])
    def test_take_nothing_for_no_settings(
        self, desk: Client, operator: Actor, settings: str
    ) -> None:
        desk.post(
            f"{ADMIN}/externalsystem/add/",
            written(account=str(operator.account.pk), settings=settings),
        )

        assert ExternalSystem.objects.get().settings == {}

    def test_that_cannot_be_used_are_switched_off(self, desk: Client, operator: Actor) -> None:
        row = ExternalSystemFactory.create(
            account=operator.account, credentials={"$sealed": "nothing"}
        )
        path = f"{ADMIN}/externalsystem/{row.pk}/change/"
        off = {name: value for name, value in written(row).items() if name != "enabled"}

        answer = desk.post(path, off)

        assert answer.status_code == 302
        assert not ExternalSystem.objects.get().enabled
        assert "cannot be read any more" in desk.post(path, written(row)).content.decode()

    def test_say_at_the_press_of_a_button_what_works(self, desk: Client, operator: Actor) -> None:
        link = ExternalSystemLinkFactory.create(
            project__account=operator.account, tracker_project="TST"
        )
        page = f"{ADMIN}/externalsystem/{link.external_system_id}"
        assert "Test this connection" in desk.get(f"{page}/change/").content.decode()

        tested = desk.post(f"{page}/test/").content.decode()

        assert "Nothing that was tried failed." in tested
        for what in ("credentials", "search", "comment", "backlink"):
            assert f">{what}</th>" in tested

    def test_are_tested_before_a_project_uses_them_in_one_that_is_named(
        self, desk: Client, operator: Actor
    ) -> None:
        system = ExternalSystemFactory.create(account=operator.account)
        path = f"{ADMIN}/externalsystem/{system.pk}/test/"

        first = desk.post(path).content.decode()
        again = desk.post(path, {"project": " TST "}).content.decode()

        assert "It needs the tracker&#x27;s project." in first
        assert 'name="project" value=""' in first
        assert "Nothing that was tried failed." in again
        assert 'name="project" value="TST"' in again

    def test_are_tested_in_the_first_project_and_offer_the_others(
        self, desk: Client, operator: Actor
    ) -> None:
        system = ExternalSystemFactory.create(account=operator.account)
        for project in ("TST", "OTH"):
            ExternalSystemLinkFactory.create(
                external_system=system, project__account=operator.account, tracker_project=project
            )

        page = desk.post(f"{ADMIN}/externalsystem/{system.pk}/test/").content.decode()

        assert 'name="project" value="TST"' in page
        assert '<option value="OTH">' in page

    def test_say_until_when_they_are_left_alone(self, desk: Client, operator: Actor) -> None:
        system = ExternalSystemFactory.create(
            account=operator.account, open_until=datetime(2026, 3, 5, 8, 15, 42, tzinfo=UTC)
        )

        page = desk.get(f"{ADMIN}/externalsystem/{system.pk}/change/").content.decode()

        assert "Left alone until:" in page
        assert "March 5, 2026, 8:15 a.m." in page

    def test_of_a_superuser_are_made_in_their_own_account_first(self, operator: Actor) -> None:
        factories.actor()
        operator.user.is_superuser = True
        operator.user.save()

        page = browser(operator).get(f"{ADMIN}/externalsystem/add/").content.decode()

        assert f'<option value="{operator.account.pk}" selected>' in page

    def test_that_are_being_made_show_nothing_of_what_comes_later(
        self, desk: Client, operator: Actor
    ) -> None:
        page = desk.get(f"{ADMIN}/externalsystem/add/").content.decode()

        assert f'<option value="{operator.account.pk}" selected>' in page
        for later in ("forget_password", "At present", "External system links"):
            assert later not in page

    def test_are_tested_by_who_may_change_them_and_by_post_alone(self, operator: Actor) -> None:
        system = ExternalSystemFactory.create(account=operator.account)
        foreign = ExternalSystemFactory.create()
        looker = browser(operator, "view_externalsystem")

        assert looker.get(f"{ADMIN}/externalsystem/{system.pk}/test/").status_code == 405
        for row in (system, foreign):
            assert looker.post(f"{ADMIN}/externalsystem/{row.pk}/test/").status_code == 403
        forged = Client(enforce_csrf_checks=True)
        forged.force_login(operator.user)
        assert forged.post(f"{ADMIN}/externalsystem/{system.pk}/test/").status_code == 403

    def test_of_another_account_are_not_there(self, desk: Client) -> None:
        foreign = ExternalSystemFactory.create()

        assert desk.get(f"{ADMIN}/externalsystem/{foreign.pk}/change/").status_code == 302
        assert foreign.name not in desk.get(f"{ADMIN}/externalsystem/").content.decode()
        theirs = written(account=str(foreign.account_id))
        assert desk.post(f"{ADMIN}/externalsystem/add/", theirs).status_code == 200
        assert ExternalSystem.objects.count() == 1


def test_an_incident_shows_its_tickets_and_what_it_was_found_by(
    desk: Client, operator: Actor
) -> None:
    project = ProjectFactory.create(account=operator.account)
    incident = IncidentFactory.create(project=project)
    ticket = ExternalTicketFactory.create(link__project=project, incident=incident)
    step = StepResultFactory.create(run__assignment__script__project=project)
    place = places.of_step_result(operator.account.pk, step.pk)
    assert place
    place.link(incident.pk, incident.account_id)

    page = desk.get(f"{ADMIN}/incident/{incident.pk}/change/").content.decode()
    shown = desk.get(f"{ADMIN}/externalticket/{ticket.pk}/change/").content.decode()

    assert f"{ticket.key}" in page
    for text in (page, shown):
        assert f"/api/stepresult/{step.pk}" in text
        assert place.title in text


def test_a_result_node_shows_its_incidents_to_who_may_see_those(operator: Actor) -> None:
    project = ProjectFactory.create(account=operator.account)
    node = NodeFactory.create(run__assignment__automated_test__project=project)
    incident = IncidentFactory.create(project=project, summary="Rounded up")
    place = places.of_node(operator.account.pk, node.run_id, node.pk)
    assert place
    place.link(incident.pk, incident.account_id)
    path = f"{ADMIN}/resultnode/{node.pk}/change/"

    page = browser(operator, "view_resultnode", "view_incident").get(path).content.decode()
    without = browser(operator, "view_resultnode").get(path).content.decode()

    assert f'<a href="{ADMIN}/incident/{incident.pk}/change/">{incident}</a>' in page
    assert incident.summary not in without
    assert node.name in without


def test_changing_an_incident_raises_its_version(desk: Client, operator: Actor) -> None:
    incident = IncidentFactory.create(project__account=operator.account)
    sent = {"summary": "Other", "description": "", **EMPTY}

    answer = desk.post(f"{ADMIN}/incident/{incident.pk}/change/", sent)

    assert answer.status_code == 302, answer.content
    row = Incident.objects.get()
    assert (row.summary, row.version_number) == ("Other", 1)
    assert row.last_updated_by == operator.user


def test_an_incident_picks_versions_and_components_of_its_project(
    desk: Client, operator: Actor
) -> None:
    incident = IncidentFactory.create(project__account=operator.account)
    version = PicklistItemFactory.create(project=incident.project, picklist="Version")
    foreign = PicklistItemFactory.create(picklist="Version")
    path = f"{ADMIN}/incident/{incident.pk}/change/"
    sent = {"summary": incident.summary, "description": "", **EMPTY}

    refused = desk.post(path, {**sent, "fixed_versions": [str(foreign.pk)]})
    taken = desk.post(path, {**sent, "fixed_versions": [str(version.pk)]})
    page = desk.get(path).content.decode()

    assert "is not one of the available choices" in refused.content.decode()
    assert taken.status_code == 302, taken.content
    picked = incident.picks.get()
    assert (picked.item, picked.picked_as) == (version, "FixedVersion")
    assert Incident.objects.get().version_number == 1
    assert f'<option value="{version.pk}" selected>' in page
    desk.post(path, sent)
    assert not incident.picks.exists()


class TestFailedLinks:
    def failed(self, operator: Actor, **values: Any) -> TaskStatus:
        return factories.run(
            State.FAILED,
            owner=operator,
            task_type="LinkTicketToStepResult",
            parameters={"Key": "TST-7"},
            error="Bugs cannot be reached: it is off.",
            **values,
        )

    def test_are_shown_with_their_reason_and_tried_again(
        self, desk: Client, operator: Actor
    ) -> None:
        run = self.failed(operator)
        self.failed(factories.actor())  # another account's
        factories.run(State.FAILED, owner=operator, error="No link.")
        path = f"{ADMIN}/externalticket/failed/"

        page = desk.get(path).content.decode()
        after = desk.post(path, {"run": [str(run.pk), "nonsense"]}).content.decode()

        assert page.count('name="run"') == 1
        assert "Bugs cannot be reached: it is off." in page
        assert "TST-7" in page
        assert "1 is tried again." in after
        assert 'name="run"' not in after
        again = TaskStatus.objects.get(retry_of=run.pk)
        assert (again.state, again.task_id) == (State.QUEUED, run.task_id)

    def test_say_that_none_was_chosen(self, desk: Client) -> None:
        page = desk.post(f"{ADMIN}/externalticket/failed/").content.decode()

        assert "Nothing was chosen." in page

    def test_say_which_incident_and_which_tracker_they_were_about(
        self, desk: Client, operator: Actor
    ) -> None:
        link = ExternalSystemLinkFactory.create(project__account=operator.account, name="Shop bugs")
        incident = IncidentFactory.create(project=link.project, summary="Rounded up")
        foreign = ExternalSystemLinkFactory.create(name="Not yours")
        for task_type, parameters in (
            ("CreateTicketLink", {"IncidentId": incident.pk, "ExternalSystemLinkId": link.pk}),
            ("SynchronizeExternalSystem", {"ExternalSystemId": link.external_system_id}),
            ("CreateTicketLink", {"TicketId": "10020", "ExternalSystemLinkId": foreign.pk}),
        ):
            given = {name: str(value) for name, value in parameters.items()}
            factories.run(State.FAILED, owner=operator, task_type=task_type, parameters=given)

        page = desk.get(f"{ADMIN}/externalticket/failed/").content.decode()

        assert f"<td>a new one, of incident {incident}</td><td>Shop bugs</td>" in page
        assert f"<td>-</td><td>{link.external_system.name}</td>" in page
        assert "<td>10020</td><td>-</td>" in page
        assert "Not yours" not in page

    def test_are_for_who_may_see_tickets(self, operator: Actor) -> None:
        run = self.failed(operator)
        stranger = browser(operator, "view_incident")

        assert stranger.get(f"{ADMIN}/externalticket/failed/").status_code == 403
        answer = stranger.post(f"{ADMIN}/externalticket/failed/", {"run": [str(run.pk)]})
        assert answer.status_code == 403
        assert not TaskStatus.objects.filter(retry_of=run.pk).exists()

    def test_a_link_back_that_was_refused_is_tried_again_by_its_task(
        self, desk: Client, operator: Actor
    ) -> None:
        run = factories.run(State.WARNED, owner=operator, task_type="LinkTicketToStepResult")
        ticket = ExternalTicketFactory.create(link__project__account=operator.account)
        foreign = ExternalTicketFactory.create()
        rows = [
            Backlink.objects.create(
                ticket=one,
                global_id="task-center:stepresult:1",
                url="https://tests.example.org/1",
                title="Step 1",
                state=Backlink.State.FAILED,
                problem="Bugs does not let us comment.",
                made_by=run.task_id,
            )
            for one in (ticket, foreign)
        ]
        path = f"{ADMIN}/externalticket/failed/"

        page = desk.get(path).content.decode()
        desk.post(path, {"backlink": [str(row.pk) for row in rows] + ["nonsense"]})

        assert page.count('name="backlink"') == 1
        assert "Bugs does not let us comment." in page
        assert TaskStatus.objects.get(retry_of=run.pk).task_id == run.task_id

    def test_a_ticket_shows_why_there_is_no_way_back(self, desk: Client, operator: Actor) -> None:
        ticket = ExternalTicketFactory.create(link__project__account=operator.account)
        Backlink.objects.create(
            ticket=ticket,
            global_id="task-center:stepresult:1",
            url="https://tests.example.org/1",
            title="Step 1",
            state=Backlink.State.FAILED,
            problem="Bugs does not let us comment.",
        )

        page = desk.get(f"{ADMIN}/externalticket/{ticket.pk}/change/").content.decode()

        assert "Bugs does not let us comment." in page
        assert '<a href="https://tests.example.org/1" rel="noreferrer">' in page
