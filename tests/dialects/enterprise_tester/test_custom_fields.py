"""`FieldValues` and `Widgets`: what a team notes beside what every entity has (sections 3.1 to 3.7)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers.testing import perform
from backgroundtasks.models import Account
from backgroundtasks.states import State
from indexing import backends, documents
from indexing.conditions import MAX_FIELDS
from indexing.fields import Known, Place
from indexing.handlers.reindex import Reindex
from indexing.sources import Kind
from tests.support import factories
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunFactory,
    CustomFieldFactory,
    ExternalSystemFactory,
    IncidentFactory,
    PackageFactory,
    ProjectFactory,
    ScriptRunFactory,
    StepResultFactory,
    send,
)
from tickets import custom_fields, visibility
from tickets.handlers.bulkaction import BulkAction
from tickets.models import AgileRun, CustomField, FieldKind, FieldOf, Incident, Project, ScriptRun

pytestmark = pytest.mark.django_db

SYSTEMS = ["Windows", "Linux"]


@pytest.fixture
def caller() -> Caller:
    return Caller(factories.actor(role="admin"))


def field(project: Project, kind: FieldKind = FieldKind.TEXT, **values: Any) -> CustomField:
    values.setdefault("entity_type", FieldOf.INCIDENT)
    return CustomFieldFactory.create(project=project, kind=kind, **values)


def all_kinds(
    project: Project, entity_type: FieldOf = FieldOf.INCIDENT, account: Account | None = None
) -> dict[str, CustomField]:
    """Make a field of each kind, called by it."""
    where = {"project": None, "account": account} if account else {"project": project}
    return {
        kind.value: CustomFieldFactory.create(
            **where,
            kind=kind,
            entity_type=entity_type,
            name=f"My{kind.value}",
            order_number=number,
            choices=SYSTEMS if kind == FieldKind.CHOICE else [],
        )
        for number, kind in enumerate(FieldKind)
    }


GIVEN = {
    "MyText": "Ærø",
    "MyNumber": 12.5,
    "MyDate": "2013-06-17T14:00:00+02:00",
    "MyBoolean": False,
    "MyChoice": "Linux",
}


def expected(fields: dict[str, CustomField]) -> dict[str, Any]:
    choice = {"Id": str(uuid.uuid5(fields["Choice"].pk, "Linux")), "Text": "Linux"}
    return {**GIVEN, "MyDate": "2013-06-17T12:00:00Z", "MyChoice": choice}


def made(caller: Caller, project: Project, values: Any, expand: str = "FieldValues") -> Any:
    sent = {"Summary": "No answer", "ProjectId": str(project.pk), "FieldValues": values}
    return caller.post(f"/api/incidents?$expand={expand}", sent)


def found(caller: Caller, tql: str) -> list[str]:
    items = body(caller.get(f"/api/search?{urlencode({'tql': tql})}"))["Items"]
    return [one["Id"] for one in items]


def _incident(project: Project) -> tuple[str, FieldOf]:
    return f"/api/incident/{IncidentFactory.create(project=project).pk}", FieldOf.INCIDENT


def _agile_run(project: Project) -> tuple[str, FieldOf]:
    row = AgileRunFactory.create(package__project=project)
    return f"/api/agilerun/{row.pk}", FieldOf.AGILE_RUN


def _script_run(project: Project) -> tuple[str, FieldOf]:
    """A run that is completed: its step results are frozen, its fields are not."""
    row = ScriptRunFactory.create(assignment__script__project=project, completed=True)
    return f"/api/scriptrun/{row.pk}", FieldOf.SCRIPT_RUN


def _external_system(project: Project) -> tuple[str, FieldOf]:
    row = ExternalSystemFactory.create(account=project.account)
    return f"/api/externalsystem/{row.pk}", FieldOf.EXTERNAL_SYSTEM


ENTITIES = [_incident, _agile_run, _script_run, _external_system]


@pytest.mark.parametrize("entity", ENTITIES)
class TestEveryEntity:
    def fields(self, project: Project, entity_type: FieldOf) -> dict[str, CustomField]:
        is_system = entity_type == FieldOf.EXTERNAL_SYSTEM
        return all_kinds(project, entity_type, project.account if is_system else None)

    def test_takes_values_of_all_kinds_and_shows_them(
        self, caller: Caller, project: Project, entity: Callable[..., Any]
    ) -> None:
        path, entity_type = entity(project)
        fields = self.fields(project, entity_type)
        before = body(caller.get(f"{path}?$expand=FieldValues"))

        put = body(send(caller, "PUT", f"{path}?$expand=FieldValues", {"FieldValues": GIVEN}))
        # As they were read they may be sent back; names fit in any letter case.
        again = {name.lower(): value for name, value in put["FieldValues"].items()}
        last = body(send(caller, "PUT", f"{path}?$expand=FieldValues", {"FieldValues": again}))

        assert before["FieldValues"] == dict.fromkeys(GIVEN)
        assert put["FieldValues"] == last["FieldValues"] == expected(fields)
        assert "FieldValues" not in put["Expands"]
        assert {"Widgets", "FieldValues"} <= set(body(caller.get(path))["Expands"])

    def test_keeps_what_is_left_out_and_empties_what_is_null(
        self, caller: Caller, project: Project, entity: Callable[..., Any]
    ) -> None:
        path, entity_type = entity(project)
        self.fields(project, entity_type)
        send(caller, "PUT", path, {"FieldValues": GIVEN})

        for sent in ({}, {"FieldValues": None}, {"FieldValues": {}}):
            body(send(caller, "PUT", path, sent))
        shown = body(
            send(caller, "PUT", f"{path}?$expand=FieldValues", {"FieldValues": {"MyText": None}})
        )

        assert shown["FieldValues"]["MyText"] is None
        assert shown["FieldValues"]["MyNumber"] == 12.5

    def test_says_which_fields_it_has(
        self, caller: Caller, project: Project, entity: Callable[..., Any]
    ) -> None:
        path, entity_type = entity(project)
        fields = self.fields(project, entity_type)

        widgets = body(caller.get(f"{path}?$expand=Widgets"))["Widgets"]

        assert [one["Name"] for one in widgets] == list(GIVEN)
        assert widgets[-1] == {
            "FieldCategory": "Custom",
            "Name": "MyChoice",
            "Label": "MyChoice",
            "WidgetType": "ComboBox",
            "ValueType": "Picklist",
            "ItemId": str(fields["Choice"].pk),
            "Required": False,
            "ReadOnly": False,
            "TabIndex": 4,
            "Hidden": False,
            "FormName": "MyChoice",
            "Description": None,
            "Options": [
                {"Id": str(uuid.uuid5(fields["Choice"].pk, text)), "Text": text} for text in SYSTEMS
            ],
        }

    def test_of_another_project_or_type_is_refused_and_changes_nothing(
        self, caller: Caller, project: Project, entity: Callable[..., Any]
    ) -> None:
        path, entity_type = entity(project)
        other = next(each for each in FieldOf if each not in {entity_type, FieldOf.EXTERNAL_SYSTEM})
        field(project, entity_type=other, name="OfAnotherType")
        elsewhere = ProjectFactory.create(account=project.account)
        field(elsewhere, entity_type=entity_type, name="Elsewhere")
        before = body(caller.get(path))

        for name in ("OfAnotherType", "Elsewhere", "Nowhere"):
            answer = send(caller, "PUT", path, {"Name": "Other", "FieldValues": {name: "x"}})
            expected_text = f"There is no custom field '{name}' of {entity_type.value}"
            assert expected_text in message(answer, 403)

        assert body(caller.get(path)) == before


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("MyText", 1, "MyText must be a text of at most 4,000 characters."),
        ("MyText", "x" * 4_001, "MyText must be a text of at most 4,000 characters."),
        ("MyText", "\ud800", ""),
        ("MyText", "a\0b", ""),
        ("MyNumber", "12", "MyNumber must be a number."),
        ("MyNumber", True, "MyNumber must be a number."),
        ("MyNumber", 10**400, "MyNumber must be a number."),
        ("MyDate", "yesterday", "MyDate must be a date such as 2026-06-17T12:00:00Z."),
        ("MyDate", "2026-13-01", "MyDate must be a date such as 2026-06-17T12:00:00Z."),
        ("MyDate", "0001-01-01T00:00:00+10:00", "MyDate must be a date"),
        ("MyDate", 5, "MyDate must be a date such as 2026-06-17T12:00:00Z."),
        ("MyBoolean", "true", "MyBoolean must be true or false."),
        ("MyChoice", "Solaris", "MyChoice must be one of Windows, Linux."),
        ("MyChoice", {"Id": str(uuid.UUID(int=7))}, "MyChoice must be one of Windows, Linux."),
        ("MyChoice", ["Linux"], "MyChoice must be one of Windows, Linux."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(
    caller: Caller, project: Project, name: str, value: Any, text: str
) -> None:
    all_kinds(project)

    answer = made(caller, project, {name: value})

    assert answer.status_code in ({403} if text else {400, 403}), answer.content
    assert text in answer.json()["Message"]
    assert not Incident.objects.exists()


def test_a_choice_is_named_by_its_text_its_id_or_both(caller: Caller, project: Project) -> None:
    row = field(project, FieldKind.CHOICE, name="Platform", choices=SYSTEMS)
    identity = str(uuid.uuid5(row.pk, "Linux"))
    shown = {"Id": identity, "Text": "Linux"}
    nobody = str(uuid.UUID(int=0))

    for sent in (
        "Linux",
        identity,
        identity.upper(),
        shown,
        {"Id": identity},
        {"Text": "Linux"},
        *({"Id": none, "Text": "Linux"} for none in (None, "", nobody)),
    ):
        assert body(made(caller, project, {"Platform": sent}))["FieldValues"]["Platform"] == shown


def test_a_map_of_another_type_is_400(caller: Caller, project: Project) -> None:
    for sent in ("x", [], 1):
        assert message(made(caller, project, sent), 400)


@pytest.mark.parametrize("value", ["2026-06-17", "2026-06-17T00:00:00", "2026-06-17T00:00:00.5Z"])
def test_a_day_is_its_first_moment_and_seconds_are_whole(
    caller: Caller, project: Project, value: str
) -> None:
    all_kinds(project)

    shown = body(made(caller, project, {"MyDate": value}))["FieldValues"]

    assert shown["MyDate"] == "2026-06-17T00:00:00Z"


def test_what_is_required_must_be_there_and_is_not_emptied(
    caller: Caller, project: Project
) -> None:
    field(project, name="Build", required=True)
    field(project, name="Build", required=True, entity_type=FieldOf.AGILE_RUN)
    package = PackageFactory.create(project=project)
    required = "FieldValues: Build: This field is required."

    assert message(made(caller, project, {}), 403) == required
    agile = {"Name": "x", "PackageId": str(package.pk)}
    assert message(caller.post("/api/agileruns", agile), 403) == required
    assert not AgileRun.objects.exists()
    incident = body(made(caller, project, {"Build": "7"}))
    emptied = send(
        caller, "PUT", f"/api/incident/{incident['Id']}", {"FieldValues": {"Build": None}}
    )
    assert message(emptied, 403) == required
    # What was there before the field stays as it is.
    old = IncidentFactory.create(project=project, number=99)
    body(send(caller, "PUT", f"/api/incident/{old.pk}", {"Summary": "Other"}))


def test_a_patch_changes_them_of_incidents_and_of_completed_runs(
    caller: Caller, project: Project
) -> None:
    for entity in (_incident, _script_run):
        path, entity_type = entity(project)
        field(project, entity_type=entity_type, name="Build")

        answer = send(caller, "PATCH", path, {"fieldvalues": {"build": "7"}})

        assert (answer.status_code, answer.content) == (204, b"")
        shown = body(caller.get(f"{path}?$expand=FieldValues"))
        assert shown["FieldValues"] == {"Build": "7"}
        refused = send(caller, "PATCH", path, {"fieldValues": {"Build": 7}})
        assert "Build must be a text" in message(refused, 403)


def test_noting_something_raises_an_incidents_version_once(
    caller: Caller, project: Project
) -> None:
    field(project, name="Build")
    incident = body(made(caller, project, {}))
    path = f"/api/incident/{incident['Id']}"

    for _ in range(2):
        send(caller, "PUT", path, {"FieldValues": {"Build": "7"}})

    assert Incident.objects.get().version_number == 1


def test_a_run_takes_results_and_fields_at_once_or_neither(
    caller: Caller, project: Project
) -> None:
    step = StepResultFactory.create(run__assignment__script__project=project)
    field(project, entity_type=FieldOf.SCRIPT_RUN, name="Build")
    sent = {
        "StepResults": [{"Id": str(step.pk), "Outcome": "Passed"}],
        "FieldValues": {"Nothing": "7"},
    }

    assert message(send(caller, "PUT", f"/api/scriptrun/{step.run_id}", sent), 403)
    assert ScriptRun.objects.get().completed is False
    sent["FieldValues"] = {"Build": "7"}
    path = f"/api/scriptrun/{step.run_id}?$expand=FieldValues"
    shown = body(send(caller, "PUT", path, sent))
    assert (shown["Completed"], shown["FieldValues"]) == (True, {"Build": "7"})


def test_a_project_has_its_own_fields_and_those_of_all(
    caller: Caller, project: Project, account: Account
) -> None:
    CustomFieldFactory.create(project=None, account=account, name="OfAll", order_number=1)
    CustomFieldFactory.create(
        project=None, account=factories.AccountFactory.create(), name="Foreign"
    )
    field(project, name="Own")
    other = ProjectFactory.create(account=account)

    shown = body(caller.get(f"/api/project/{project.pk}?$expand=Widgets"))["Widgets"]

    assert (shown["ProjectId"], shown["ProjectName"]) == (str(project.pk), project.name)
    assert shown["Incident"]["EntityType"] == "Incident"
    assert [one["Name"] for one in shown["Incident"]["Widgets"]] == ["Own", "OfAll"]
    assert shown["AgileRun"]["Widgets"] == shown["ScriptRun"]["Widgets"] == []
    incident = body(made(caller, other, {"OfAll": "x"}))
    assert incident["FieldValues"] == {"OfAll": "x"}


def test_a_field_that_was_renamed_keeps_its_values_and_one_that_is_gone_shows_none(
    caller: Caller, project: Project
) -> None:
    row = field(project, name="Build")
    choice = field(project, FieldKind.CHOICE, name="Platform", choices=SYSTEMS)
    incident = body(made(caller, project, {"Build": "7", "Platform": "Linux"}))
    path = f"/api/incident/{incident['Id']}?$expand=FieldValues"
    CustomField.objects.filter(pk=row.pk).update(name="Revision")
    CustomField.objects.filter(pk=choice.pk).update(choices=["Windows"])

    shown = body(caller.get(path))["FieldValues"]
    # What is no choice any more may be sent back as it was read.
    kept = body(send(caller, "PUT", path, {"FieldValues": shown}))["FieldValues"]

    assert shown["Revision"] == "7"
    assert kept == shown
    assert shown["Platform"]["Text"] == "Linux"
    assert found(caller, "Revision = 7") == [incident["Id"]]
    CustomField.objects.all().delete()
    assert body(caller.get(path))["FieldValues"] == {}


class TestSearch:
    def test_finds_them_by_their_names(self, caller: Caller, project: Project) -> None:
        all_kinds(project)
        one = body(made(caller, project, GIVEN))["Id"]
        two = body(made(caller, project, {"MyNumber": 3, "MyBoolean": True}))["Id"]

        def asked() -> dict[str, set[str]]:
            return {
                query: set(found(caller, f"EntityType = Incident AND {query}")) for query in want
            }

        want = {
            "MyText = ærØ": {one},
            "mytext ~ r": {one},
            "MyText != x": {one, two},
            "MyNumber > 3": {one},
            "MyNumber IN (3, 12.5)": {one, two},
            "MyDate = 2013-06-17": {one},
            "MyDate < 2013-06-17T12:00:00Z": set(),
            "MyDate >= 2013-06-17T12:00:00Z": {one},
            "MyBoolean = true": {two},
            "MyBoolean = no": {one},
            "MyChoice = linux": {one},
        }
        assert asked() == want
        assert found(caller, "EntityType = Incident ORDER BY MyNumber") == [two, one]
        perform(Reindex, {}, account_id=project.account_id)
        assert asked() == want

    def test_takes_fields_of_one_name_for_one(
        self, caller: Caller, project: Project, account: Account
    ) -> None:
        other = ProjectFactory.create(account=account)
        for each in (project, other):
            field(each, name="Build")
        field(project, name="Build", entity_type=FieldOf.AGILE_RUN)
        ids = {body(made(caller, each, {"Build": "7"}))["Id"] for each in (project, other)}

        assert set(found(caller, "Build = 7")) == ids
        groups = body(caller.get(f"/api/search?{urlencode({'tql': 'GROUP BY Build { COUNT }'})}"))
        assert groups["Results"]["GroupByBuild"]["7"] == {"COUNT": 2}
        field(ProjectFactory.create(account=account), FieldKind.NUMBER, name="Build")
        answer = caller.get(f"/api/search?{urlencode({'tql': 'Build = 7'})}")
        assert "there are fields Build of several kinds" in message(answer, 403)

    def test_refuses_a_name_of_more_fields_than_are_read_for_one(
        self, caller: Caller, account: Account
    ) -> None:
        projects = ProjectFactory.create_batch(MAX_FIELDS + 1, account=account)
        fields = [field(each, name="Build") for each in projects]
        query = f"/api/search?{urlencode({'tql': 'Build = 7 ORDER BY Build'})}"

        text = message(caller.get(query), 403)
        fields[0].delete()

        assert f"there are more than {MAX_FIELDS} fields Build" in text
        incident = body(made(caller, projects[-1], {"Build": "7"}))
        assert found(caller, "Build = 7 ORDER BY Build") == [incident["Id"]]

    def test_is_told_no_more_at_once_than_one_transaction_may_write(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = field(project, entity_type=FieldOf.SCRIPT_RUN)
        ScriptRunFactory.create_batch(
            4, assignment__script__project=project, field_values={row.pk.hex: "x" * 1_000}
        )
        monkeypatch.setattr(backends.current(), "CHARACTERS", 2_500)

        batches = [*documents.index_batches(ScriptRun, account_id=project.account_id)]

        assert batches == [2, 2]

    def test_asks_for_a_hundred_fields_of_one_name_by_one_part_of_a_statement(self) -> None:
        """Four hundred conditions on them took Django twenty seconds to put together."""
        keys = tuple(uuid.uuid4().hex for _ in range(MAX_FIELDS))
        known = Known("Build", Kind.TEXT, Place.FIELDS, keys=keys)

        parts = [*known.stored.flatten()]  # type: ignore[union-attr]

        assert len(parts) == 2  # it, and the column

    @pytest.mark.parametrize("character", ["x", "%", "é", "\U0001f600"])
    def test_looks_for_the_longest_text_that_a_value_may_have_and_for_no_longer_one(
        self, caller: Caller, project: Project, character: str
    ) -> None:
        field(project, name="Build")
        longest = character * custom_fields.LONGEST
        incident = body(made(caller, project, {"Build": longest}))

        def asked(text: str) -> Any:
            return caller.post("/api/search", {"tql": f"Build ~ '{text}'"})

        assert [one["Id"] for one in body(asked(longest))["Items"]] == [incident["Id"]]
        assert "it has more than 4,000 characters" in message(asked(longest * 12), 403)

    def test_asks_no_fields_of_projects_that_are_hidden(
        self, caller: Caller, project: Project, account: Account
    ) -> None:
        field(project, name="Build")
        other = ProjectFactory.create(account=account)
        field(other, FieldKind.NUMBER, name="Build")
        incident = body(made(caller, project, {"Build": "7"}))

        run = factories.run(State.RUNNING, owner=caller.actor)
        visibility.hide(Project.objects.filter(pk=other.pk), run.pk)

        assert found(caller, "Build = 7") == [incident["Id"]]

    @pytest.mark.parametrize("number", [20240305123456789, 0.1 + 0.2, 2.5e-7, 7])
    def test_finds_a_number_by_what_was_noted(
        self, caller: Caller, project: Project, number: float
    ) -> None:
        field(project, FieldKind.NUMBER, name="Build")
        incident = body(made(caller, project, {"Build": number}))

        assert incident["FieldValues"] == {"Build": number}
        assert found(caller, f"Build = {number}") == [incident["Id"]]
        assert found(caller, f"Build > {number}") == []

    def test_knows_no_fields_of_other_accounts(self, caller: Caller, project: Project) -> None:
        CustomFieldFactory.create(name="Foreign")

        answer = caller.get(f"/api/search?{urlencode({'tql': 'Foreign = 7'})}")

        assert "there is no field Foreign" in message(answer, 403)


def test_a_list_takes_as_many_queries_for_many_as_for_one(
    caller: Caller, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    all_kinds(project)
    all_kinds(project, FieldOf.AGILE_RUN)
    all_kinds(project, FieldOf.SCRIPT_RUN)
    for path in ("/api/incidents", "/api/agileruns", "/api/scriptruns"):
        first = {"incidents": _incident, "agileruns": _agile_run, "scriptruns": _script_run}
        make = first[path.rpartition("/")[2]]
        make(project)
        asked = f"{path}?$expand=Widgets,FieldValues"
        caller.get(asked)
        with CaptureQueriesContext(connection) as few:
            caller.get(asked)
        for _ in range(3):
            make(ProjectFactory.create(account=project.account))

        with django_assert_num_queries(len(few)):
            assert body(caller.get(asked))["Total"] == 4


def test_projects_with_all_their_words_and_widgets_take_as_many_queries_as_one(
    caller: Caller, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    path = "/api/projects?$expand=Widgets,Versions,Components,Priorities"
    all_kinds(project)
    caller.get(path)
    with CaptureQueriesContext(connection) as few:
        caller.get(path)
    for other in ProjectFactory.create_batch(3, account=project.account):
        all_kinds(other)

    with django_assert_num_queries(len(few)):
        items = body(caller.get(path))["Items"]

    assert [len(one["Widgets"]["Incident"]["Widgets"]) for one in items] == [5] * 4


def test_a_copy_has_the_values_of_its_original(caller: Caller, project: Project) -> None:
    row = AgileRunFactory.create(package__project=project)
    field(project, entity_type=FieldOf.AGILE_RUN, name="Build")
    send(caller, "PUT", f"/api/agilerun/{row.pk}", {"FieldValues": {"Build": "7"}})
    target = PackageFactory.create(project=project)

    perform(
        BulkAction,
        {
            "commandName": "BulkCopy",
            "selections": [{"Id": str(row.pk), "Type": "AgileRun"}],
            "targetPackageId": str(target.pk),
        },
        user=caller.actor.user,
        account_id=project.account_id,
    )

    copy = AgileRun.objects.exclude(pk=row.pk).get()
    shown = body(caller.get(f"/api/agilerun/{copy.pk}?$expand=FieldValues"))
    assert shown["FieldValues"] == {"Build": "7"}
    assert set(found(caller, "Build = 7")) == {str(row.pk), str(copy.pk)}


def test_a_viewer_reads_them_and_writes_none_and_hidden_is_hidden(
    caller: Caller, project: Project
) -> None:
    path, _ = _incident(project)
    field(project, name="Build")
    viewer = Caller(factories.actor(role="viewer", account=project.account))

    assert body(viewer.get(f"{path}?$expand=FieldValues"))["FieldValues"] == {"Build": None}
    answer = send(viewer, "PUT", path, {"FieldValues": {"Build": "7"}})
    assert "needs the role member" in message(answer, 403)
    run = factories.run(State.RUNNING, owner=caller.actor)
    visibility.hide(Project.objects.filter(pk=project.pk), run.pk)
    assert message(send(caller, "PUT", path, {"FieldValues": {"Build": "7"}}), 404)


def test_values_of_other_entities_are_not_touched_by_a_reading(project: Project) -> None:
    """`merged` leaves what it was given as it was."""
    row = field(project, name="Build")
    stored = {row.pk.hex: "6"}

    fields = custom_fields.Fields(project.account_id, FieldOf.INCIDENT, [project.pk])
    after = fields.merged(project.pk, stored, {"Build": "7"})

    assert (stored, after) == ({row.pk.hex: "6"}, {row.pk.hex: "7"})
