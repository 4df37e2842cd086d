"""External systems, their links to projects, and the tickets in them (sections 3.7 to 3.9)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from backgroundtasks.models import Account
from tests.support import factories
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import (
    ExternalSystemFactory,
    ExternalSystemLinkFactory,
    ExternalTicketFactory,
    IncidentFactory,
    ProjectFactory,
    send,
)
from tests.support.trackers.hostile import Hostile, hang
from tests.support.trackers.hostile import answer as hostile_answer
from tickets import asking, credentials, trackers
from tickets.connections import tracker_of
from tickets.models import ExternalSystem, ExternalSystemLink, ExternalTicket, Incident, Project
from tickets.trackers.builtin import BuiltinTracker

pytestmark = pytest.mark.django_db

HOST = "http://testserver"


@pytest.fixture
def caller() -> Caller:
    return Caller(factories.actor(role="admin"))


def filed(link: ExternalSystemLink, summary: str) -> trackers.Ticket:
    draft = trackers.Draft(summary=summary, mark=uuid.uuid4().hex)
    return tracker_of(link).create(draft)


class TestExternalSystems:
    def test_answer_as_the_contract_says(self, caller: Caller, account: Account) -> None:
        answer = caller.post("/api/externalsystems", {"Name": "Own tracker", "Type": "BuiltIn"})

        row = ExternalSystem.objects.get()
        assert body(answer, 201) == {
            "Id": str(row.pk),
            "OrganisationId": str(account.pk),
            "Name": "Own tracker",
            "Type": "builtin",
            "ConnectionType": "Incident",
            "ConnectionString": "",
            "DisplayUrl": "",
            "Enabled": True,
            "QualifiedName": "Own tracker",
            "TypeDescription": "Built-in",
            "NumberOfLinks": 0,
            "Categories": ["DefectTracker"],
            "UserName": None,
            "HasPassword": False,
            "ConfigurationComplete": True,
            "ConfigurationProblems": [],
            "Problem": None,
            "Expands": ["ExternalSystemLinks", "Configuration", "Widgets", "FieldValues"],
            "Self": f"{HOST}/api/externalsystem/{row.pk}",
            "Links": [
                {
                    "Href": f"{HOST}/api/externalsystem/{row.pk}/links",
                    "Rel": "ExternalSystemLinks",
                },
                {"Href": f"{HOST}/api/externalsystem/{row.pk}/check", "Rel": "Check"},
            ],
        }

    def test_a_password_goes_in_and_never_out(self, caller: Caller) -> None:
        sent = {"Name": "Own", "Type": "builtin", "UserName": "bot", "Password": "hunter2"}

        made = caller.post("/api/externalsystems?$expand=Configuration", sent)
        read = caller.get(body(made, 201)["Self"].removeprefix(HOST))

        assert b"hunter2" not in made.content + read.content
        assert body(read)["HasPassword"] is True
        row = ExternalSystem.objects.get()
        assert "hunter2" not in str(row.credentials)
        assert credentials.password(row) == "hunter2"

    def test_another_base_url_asks_for_the_password_again(
        self, caller: Caller, account: Account
    ) -> None:
        row = ExternalSystemFactory.create(account=account)
        path = f"/api/externalsystem/{row.pk}"
        send(caller, "PUT", path, {"Password": "hunter2"})

        elsewhere = {"ConnectionString": "https://elsewhere.example.org/"}
        refusal = message(send(caller, "PUT", path, elsewhere), 403)
        given = body(send(caller, "PUT", path, {**elsewhere, "Password": "other"}))

        assert refusal == "Another base URL asks for the password again."
        assert given["ConnectionString"] == "https://elsewhere.example.org"
        assert credentials.password(ExternalSystem.objects.get()) == "other"

    @pytest.mark.parametrize(
        "sent, status, text",
        [
            ({"Name": "x", "Type": "abacus"}, 403, "There is no such type of system"),
            ({"Name": "x"}, 403, "Type: This field is required."),
            ({"Name": "x", "Type": "builtin", "Password": 5}, 400, "must be a text"),
            (
                {"Name": "x", "Type": "builtin", "Configuration": "[]"},
                403,
                "Configuration: It must be a JSON object",
            ),
            (
                {"Name": "x", "Type": "builtin", "Configuration": '{"a": 1}'},
                403,
                "There is no setting 'a'.",
            ),
        ],
    )
    def test_refuse_what_is_not_valid(
        self, caller: Caller, sent: Any, status: int, text: str
    ) -> None:
        assert text in message(caller.post("/api/externalsystems", sent), status)
        assert not ExternalSystem.objects.exists()

    @pytest.mark.parametrize(
        "kind, more",
        [
            ("builtin", {}),
            ("github", {"Configuration": ""}),
            ("jira", {"Configuration": '{"edition": "datacenter"}'}),
            ("redmine", {"Configuration": '{"in_progress": ["Working"]}'}),
            ("roundup", {"Configuration": '{"done": ["gone"], "class": "bug"}'}),
        ],
    )
    def test_of_every_kind_are_made(self, caller: Caller, kind: str, more: Any) -> None:
        sent = {
            "Name": "Theirs",
            "Type": kind,
            "ConnectionString": "https://tracker.example.org/",
            "UserName": "bot",
            "Password": "hunter2",
            **more,
        }

        found = body(caller.post("/api/externalsystems", sent), 201)

        assert found["ConfigurationComplete"] is True
        assert found["ConnectionString"] == "https://tracker.example.org"

    @pytest.mark.parametrize(
        "kind, more, text",
        [
            ("roundup", {"ConnectionString": "http://169.254.169.254/"}, "must begin with https"),
            ("roundup", {"ConnectionString": "https://kim:pw@x.example.org"}, "no user name"),
            ("roundup", {"ConnectionString": ""}, "It needs a base URL."),
            ("roundup", {"Password": ""}, "It needs a password or token."),
            ("roundup", {"Configuration": '{"done": 5}'}, "The setting done is a list of texts."),
            ("jira", {"Configuration": '{"edition": {}}'}, "The setting edition is a text."),
        ],
    )
    def test_that_could_not_be_used_are_refused(
        self, caller: Caller, kind: str, more: Any, text: str
    ) -> None:
        sent = {
            "Name": "Theirs",
            "Type": kind,
            "ConnectionString": "https://tracker.example.org",
            "UserName": "bot",
            "Password": "hunter2",
            **more,
        }

        refusal = message(caller.post("/api/externalsystems", sent), 403)

        assert text in refusal
        assert "pw" not in refusal
        assert not ExternalSystem.objects.exists()

    def test_answer_409_when_the_name_is_in_use(self, caller: Caller) -> None:
        sent = {"Name": "Own", "Type": "builtin"}
        body(caller.post("/api/externalsystems", sent), 201)

        again = caller.post("/api/externalsystems", {**sent, "Name": "OWN"})

        assert message(again, 409) == "An external system named 'OWN' exists already."

    def test_are_changed_by_administrators_only(self, account: Account) -> None:
        row = ExternalSystemFactory.create(account=account)
        member = Caller(factories.actor(role="member", account=account))

        refused = send(member, "PATCH", f"/api/externalsystem/{row.pk}", {"Enabled": False})

        assert "needs the role admin" in message(refused, 403)
        assert member.get(f"/api/externalsystem/{row.pk}").status_code == 200

    def test_are_switched_off_and_on(self, caller: Caller, account: Account) -> None:
        row = ExternalSystemFactory.create(account=account)

        found = body(send(caller, "PATCH", f"/api/externalsystem/{row.pk}", {"Enabled": False}))

        assert found["Enabled"] is False

    def test_that_cannot_be_used_are_switched_off_but_not_on(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        # Nobody reads its password any more.
        ExternalSystem.objects.update(credentials={"$sealed": "nothing"})
        path = f"/api/externalsystem/{link.external_system_id}"
        there = f"/api/externalsystemlink/{link.pk}"

        for one in (path, there):
            assert body(send(caller, "PATCH", one, {"Enabled": False}))["Enabled"] is False
            assert "cannot be read" in message(send(caller, "PATCH", one, {"Enabled": True}), 403)
            assert body(caller.get(one))["Enabled"] is False

    @pytest.mark.parametrize("kept", [True, False])
    def test_are_removed_and_references_kept_unless_said_otherwise(
        self, caller: Caller, link: ExternalSystemLink, kept: bool
    ) -> None:
        ticket = ExternalTicketFactory.create(link=link)
        query = "" if kept else "?keepReferences=false"

        answer = caller.call("DELETE", f"/api/externalsystem/{link.external_system_id}{query}")

        assert answer.status_code == 200, answer.content
        assert not ExternalSystemLink.objects.exists()
        keys = body(caller.get(f"/api/incident/{ticket.incident_id}?$expand=ExternalKeys"))
        assert keys["ExternalKeys"] == (ticket.key if kept else None)
        assert keys["ExternalSystemLinkIds"] is None

    def test_say_what_works(self, caller: Caller, link: ExternalSystemLink) -> None:
        found = body(caller.post(f"/api/externalsystem/{link.external_system_id}/check"))

        assert found["Works"] is True
        assert {one["Capability"] for one in found["Findings"]} == {
            word.value for word in trackers.Capability
        }

    def test_say_it_for_the_project_that_is_asked_for(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        path = f"/api/externalsystem/{link.external_system_id}/check"

        refused = message(caller.post(f"{path}?project=no-key"), 403)

        assert "The project is a letter and at most 19" in refused
        assert body(caller.post(f"{path}?project=WEB"))["Works"] is True

    def test_their_types_are_listed(self, caller: Caller) -> None:
        found = body(caller.get("/api/externalsystemtypes"))

        assert {one["Type"] for one in found["Items"]} == set(trackers.KINDS)

    def test_their_types_say_which_members_must_be_given(self, caller: Caller) -> None:
        found = body(caller.get("/api/externalsystemtypes"))

        needs = {one["Type"]: one["Needs"] for one in found["Items"]}
        assert needs["builtin"] == ["DefectTrackerProjectId"]
        assert needs["roundup"] == ["ConnectionString", "UserName", "Password"]
        assert needs["redmine"] == ["ConnectionString", "Password", "DefectTrackerProjectId"]


class TestLinks:
    def test_answer_as_the_contract_says(
        self, caller: Caller, account: Account, project: Project
    ) -> None:
        system = ExternalSystemFactory.create(account=account)
        sent = {
            "ExternalSystemId": str(system.pk),
            "ProjectId": str(project.pk),
            "Name": "Bugs",
            "DefectTrackerProjectId": "TST",
        }

        answer = caller.post("/api/externalsystemlinks", sent)

        found = body(answer, 201)
        assert answer["Location"] == found["Self"]
        assert found["Type"] == found["ExternalSystemConnectionType"] == "Incident"
        assert (found["Name"], found["DefectTrackerProjectId"]) == ("Bugs", "TST")
        assert found["ProjectName"] == project.name
        assert found["ConfigurationComplete"] is True
        assert found["LastSynchronizedAt"] is None
        shown = body(caller.get(f"/api/externalsystem/{system.pk}?$expand=ExternalSystemLinks"))
        assert shown["NumberOfLinks"] == 1
        assert shown["ExternalSystemLinks"][0]["Id"] == found["Id"]
        listed = body(caller.get(f"/api/externalsystem/{system.pk}/links"))
        assert listed["Items"] == [found]
        of_project = body(caller.get(f"/api/project/{project.pk}?$expand=ExternalSystemLinks"))
        assert of_project["ExternalSystemLinks"] == [found]

    def test_are_made_once_for_each_project_of_the_tracker(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        sent = {
            "ExternalSystemId": str(link.external_system_id),
            "ProjectId": str(link.project_id),
            "Name": "Other",
            "DefectTrackerProjectId": "TST",
        }

        assert "one with this project" in message(
            caller.post("/api/externalsystemlinks", sent), 409
        )
        other = {**sent, "DefectTrackerProjectId": "OTHER"}
        assert caller.post("/api/externalsystemlinks", other).status_code == 201
        bad = {**sent, "DefectTrackerProjectId": "no such key!"}
        assert "The project is a letter" in message(
            caller.post("/api/externalsystemlinks", bad), 403
        )

    def test_join_what_the_account_has(self, caller: Caller, link: ExternalSystemLink) -> None:
        foreign = ExternalSystemFactory.create()
        sent = {"ExternalSystemId": str(foreign.pk), "ProjectId": str(link.project_id)}

        refusal = message(caller.post("/api/externalsystemlinks", sent), 403)

        assert refusal == f"The external system {foreign.pk} does not exist."

    def test_are_copied_to_another_project(self, caller: Caller, link: ExternalSystemLink) -> None:
        other = ProjectFactory.create(account=link.account)

        made = body(
            caller.post(f"/api/externalsystemlink/{link.pk}/copy", {"ProjectId": str(other.pk)}),
            201,
        )

        assert (made["ProjectId"], made["DefectTrackerProjectId"]) == (str(other.pk), "TST")
        assert made["Id"] != str(link.pk)

    def test_are_found_by_a_part_of_their_name(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        path = f"/api/project/{link.project_id}/searchlinks"

        assert body(caller.get(f"{path}?query=bug"))["Total"] == 1
        assert body(caller.post(f"{path}?query=feature"))["Total"] == 0

    def test_are_removed_with_their_references_when_asked_to(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        ExternalTicketFactory.create(link=link)
        path = f"/api/externalsystemlink/{link.pk}"

        assert message(caller.call("DELETE", f"{path}?keepReferences=perhaps"), 403)
        assert caller.call("DELETE", f"{path}?keepReferences=false").status_code == 200

        assert not ExternalTicket.objects.exists()
        assert Incident.objects.count() == 1


class TestTickets:
    def test_are_found_by_words_and_by_key(self, caller: Caller, link: ExternalSystemLink) -> None:
        filed(link, "Refund is not rounded")
        ticket = filed(link, "Basket is empty")
        path = f"/api/project/{link.project_id}/tickets"

        found = body(caller.get(f"{path}?q=basket"))

        assert (found["Skip"], found["Top"], found["Total"], found["Failures"]) == (0, 25, 1, [])
        own = f"{HOST}/api/externalsystemlink/{link.pk}/ticket/{ticket.id}"
        [item] = found["Items"]
        assert item == {
            "Key": "TST-2",
            "Summary": "Basket is empty",
            "Url": f"{HOST}{ticket.url}",
            "Id": ticket.id,
            "Type": "Bug",
            "ExternalSystemId": str(link.pk),
            "ExternalSystemName": "Bugs",
            "IncidentId": None,
            "Status": "Open",
            "InternalKey": None,
            "Expands": ["ExternalSystem"],
            "Self": own,
            "Links": [
                {"Href": f"{own}/link", "Rel": "StartCreateIncident"},
                {
                    "Href": f"{HOST}/api/externalsystemlink/{link.pk}",
                    "Rel": "ExternalSystemLink",
                },
            ],
        }
        assert body(caller.get(own.removeprefix(HOST))) == item
        assert [one["Key"] for one in body(caller.get(f"{path}?q=tst-1"))["Items"]] == ["TST-1"]
        expanded = body(caller.get(f"{path}?q=basket&$expand=ExternalSystem"))["Items"][0]
        assert expanded["ExternalSystem"]["Id"] == str(link.pk)

    def test_show_their_incident_instead_of_a_start(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        ticket = filed(link, "Basket is empty")
        incident = IncidentFactory.create(project=link.project)
        ExternalTicketFactory.create(link=link, incident=incident, ticket_id=ticket.id)

        found = body(caller.get(f"/api/externalsystemlink/{link.pk}/ticket/{ticket.id}"))

        assert found["IncidentId"] == str(incident.pk)
        assert {one["Rel"] for one in found["Links"]} == {"Incident", "ExternalSystemLink"}

    def test_of_several_trackers_come_together_and_pages_go_on(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        other = ExternalSystemLinkFactory.create(
            project=link.project, tracker_project="WEB", name="Web"
        )
        for number in range(2):
            filed(link, f"Refund {number}")
            filed(other, f"Refund {number}")
        path = f"/api/project/{link.project_id}/tickets?q=refund&$top=3"

        first = body(caller.get(path))["Items"]
        rest = body(caller.get(f"{path}&$skip=3"))["Items"]

        assert [one["Key"] for one in first + rest] == ["TST-2", "WEB-2", "TST-1", "WEB-1"]

    def test_one_that_the_tracker_has_not_is_404(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        path = f"/api/externalsystemlink/{link.pk}/ticket/99999"

        assert "has no ticket '99999'" in message(caller.get(path), 404)
        assert message(caller.get(f"/api/externalsystemlink/{uuid.UUID(int=7)}/ticket/1"), 404)


def test_a_ticket_of_another_project_is_shown_when_an_incident_went_there_with_it(
    caller: Caller, link: ExternalSystemLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = filed(link, "Refund is not rounded")
    elsewhere = replace(ticket, project="OTH", key="OTH-1")
    monkeypatch.setattr(BuiltinTracker, "read", lambda *_: elsewhere)
    path = f"/api/externalsystemlink/{link.pk}/ticket/{ticket.id}"

    refused = message(caller.get(path), 404)
    ExternalTicketFactory.create(link=link, ticket_id=ticket.id)

    assert "is not of the project 'TST'" in refused
    assert body(caller.get(path))["Key"] == "OTH-1"


class TestTrackersElsewhere:
    """What a tracker that somebody else runs may do to a request."""

    @pytest.fixture(autouse=True)
    def near_trackers(self, settings: Any) -> None:
        settings.TICKETS = {
            "TRACKER_HTTP": True,
            "TRACKER_NETWORKS": ["127.0.0.0/8"],
        }

    @pytest.fixture
    def server(self) -> Iterator[Hostile]:
        with Hostile() as started:
            yield started

    @pytest.fixture
    def away(self, server: Hostile, project: Project) -> ExternalSystemLink:
        """Link the project with a Roundup that is the hostile server."""
        system = ExternalSystemFactory.build(
            account=project.account, kind="roundup", base_url=server.url, user_name="bot"
        )
        credentials.keep(system, "hunter2")
        system.save()
        made: ExternalSystemLink = ExternalSystemLinkFactory.create(
            project=project, external_system=system, name="Theirs"
        )
        return made

    def test_a_search_shows_what_it_has_and_names_who_did_not_answer(
        self,
        caller: Caller,
        link: ExternalSystemLink,
        away: ExternalSystemLink,
        server: Hostile,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(asking, "PATIENCE", 1.0)
        filed(link, "Refund is not rounded")
        server.sins["/rest/data/issue"] = hang

        found = body(caller.get(f"/api/project/{link.project_id}/tickets?q=refund"))

        assert [one["Key"] for one in found["Items"]] == ["TST-1"]
        [failure] = found["Failures"]
        assert failure["ExternalSystemLinkId"] == str(away.pk)
        assert failure["ExternalSystemName"] == "Theirs"
        assert "it did not answer within 1 s" in failure["Message"]

    @pytest.mark.parametrize("scheme", ["https://", ""])
    def test_a_secret_in_a_pasted_url_is_told_to_no_tracker(
        self, caller: Caller, away: ExternalSystemLink, server: Hostile, scheme: str
    ) -> None:
        server.sins["/rest/data/issue"] = hostile_answer(200, '{"data": {"collection": []}}')
        pasted = f"{scheme}kim:hunter3@redmine.example.org/issues/12?key=0a1b2c"

        found = caller.get(f"/api/project/{away.project_id}/tickets?{urlencode({'q': pasted})}")

        assert body(found)["Failures"] == []
        [asked] = server.requests
        assert "redmine.example.org" in asked
        assert not re.search("hunter3|0a1b2c", asked)
        assert not re.search("hunter3|0a1b2c", found.content.decode())

    def test_words_with_signs_are_told_as_they_are(
        self, caller: Caller, away: ExternalSystemLink, server: Hostile
    ) -> None:
        server.sins["/rest/data/issue"] = hostile_answer(200, '{"data": {"collection": []}}')

        for words in ("kim@example.org", "why?token=7", "either/or ?"):
            body(caller.get(f"/api/project/{away.project_id}/tickets?{urlencode({'q': words})}"))

        told = [parse_qs(head.split()[1].partition("?")[2])["title"] for head in server.requests]
        assert told == [["kim@example.org"], ["why?token=7"], ["either/or", "?"]]

    def test_one_ticket_is_503_while_its_tracker_throttles(
        self, caller: Caller, away: ExternalSystemLink, server: Hostile
    ) -> None:
        server.sins["/rest/data/issue/1"] = hostile_answer(429, **{"Retry-After": "7"})

        answer = caller.get(f"/api/externalsystemlink/{away.pk}/ticket/1")

        assert message(answer, 503)
        assert 6 <= int(answer["Retry-After"]) <= 7

    # Whoever waits for a tracker has a thread, and a connection to the database, of their own.
    @pytest.mark.django_db(transaction=True)
    def test_a_refused_login_is_500_with_what_to_do_and_without_the_password(
        self, caller: Caller, away: ExternalSystemLink, server: Hostile
    ) -> None:
        server.sins["/rest/data/issue/1"] = hostile_answer(401, "Invalid Login")

        answer = caller.get(f"/api/externalsystemlink/{away.pk}/ticket/1")

        assert "refused the login" in message(answer, 500)
        assert b"hunter2" not in answer.content
        shown = body(caller.get(f"/api/externalsystem/{away.external_system_id}"))
        assert "refused the login" in shown["Problem"]

    def test_a_check_says_what_is_wrong(
        self, caller: Caller, away: ExternalSystemLink, server: Hostile
    ) -> None:
        server.sins["/rest/data/user"] = hostile_answer(401, "Invalid Login")

        found = body(caller.post(f"/api/externalsystem/{away.external_system_id}/check"))

        works = {one["Capability"]: one["Works"] for one in found["Findings"]}
        assert (found["Works"], works["credentials"]) == (False, False)


class TestChoicesOfAField:
    def test_are_the_trackers_own_in_its_order(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        path = f"/api/externalsystemlink/{link.pk}/field"

        found = body(caller.get(f"{path}/status"))

        texts = ("Open", "In progress", "Resolved", "Closed", "Done")
        shown = [{"Identifier": text, "Text": text} for text in texts]
        assert found == {"Skip": 0, "Top": 25, "Total": 5, "Items": shown}
        part = body(caller.get(f"{path}/Status?query=o&$skip=1&$top=1"))
        assert part == {"Skip": 1, "Top": 1, "Total": 5, "Items": shown[1:2]}
        assert body(caller.get(f"{path}/Status?query=PROG"))["Items"] == shown[1:2]

    def test_are_none_where_any_text_fits(self, caller: Caller, link: ExternalSystemLink) -> None:
        for name in ("Type", "Priority"):
            found = body(caller.get(f"/api/externalsystemlink/{link.pk}/field/{name}"))
            assert found["Items"] == []

    def test_are_404_for_a_field_or_a_link_that_is_not_there(
        self, caller: Caller, link: ExternalSystemLink
    ) -> None:
        foreign = ExternalSystemLinkFactory.create(tracker_project="TST")
        unknown = caller.get(f"/api/externalsystemlink/{link.pk}/field/Colour")

        assert "there are Status, Priority, Type" in message(unknown, 404)
        for identity in (foreign.pk, uuid.UUID(int=7)):
            path = f"/api/externalsystemlink/{identity}/field/Status"
            assert message(caller.get(path), 404)

    def test_a_tracker_that_does_not_answer_is_503(
        self, caller: Caller, link: ExternalSystemLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(self: Any, field: Any) -> Any:
            raise trackers.errors.TrackerUnreachable("Bugs", "it is off")

        monkeypatch.setattr(BuiltinTracker, "choices", away)

        answer = caller.get(f"/api/externalsystemlink/{link.pk}/field/Status")

        assert "it is off" in message(answer, 503)
        assert int(answer["Retry-After"]) >= 1

    def test_are_for_whoever_may_read(self, account: Account, link: ExternalSystemLink) -> None:
        viewer = Caller(factories.actor(role="viewer", account=account))

        assert body(viewer.get(f"/api/externalsystemlink/{link.pk}/field/Status"))["Total"] == 5
