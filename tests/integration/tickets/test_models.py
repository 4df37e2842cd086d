"""What the database itself keeps: "exactly one" rests on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import ForeignKey, Q

from backgroundtasks import operations
from backgroundtasks.exceptions import SecretUnreadable
from tests.support.projects import (
    AgileRunStepFactory,
    ExternalSystemFactory,
    ExternalSystemLinkFactory,
    ExternalTicketFactory,
    IncidentFactory,
    NodeFactory,
    ProjectFactory,
    ScriptAssignmentFactory,
    ScriptRunFactory,
    StepResultFactory,
)
from tickets import credentials, numbering, picklists, staging
from tickets.models import (
    AgileRunStepIncident,
    ExternalSystem,
    Incident,
    Picklist,
    PicklistItem,
    ResultNode,
    ResultNodeIncident,
    ScriptRun,
    StepResultIncident,
)

pytestmark = pytest.mark.django_db


def refused(make: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


def test_an_incident_is_linked_once_with_what_it_was_found_by() -> None:
    incident, step = IncidentFactory.create(), StepResultFactory.create()
    agile, node = AgileRunStepFactory.create(), NodeFactory.create()
    links: list[tuple[Any, dict[str, Any]]] = [
        (StepResultIncident, {"step_result": step}),
        (AgileRunStepIncident, {"step": agile}),
        (ResultNodeIncident, {"node": node, "run": node.run}),
    ]
    for model, found_by in links:
        model.objects.create(incident=incident, **found_by)
        refused(lambda m=model, f=found_by: m.objects.create(incident=incident, **f))
        model.objects.create(incident=IncidentFactory.create(), **found_by)


def test_a_ticket_has_one_incident_in_a_project_and_an_incident_one_ticket_in_a_link() -> None:
    ticket = ExternalTicketFactory.create()
    again = {"link": ticket.link, "ticket_id": ticket.ticket_id}

    refused(lambda: ExternalTicketFactory.create(**again))
    refused(lambda: ExternalTicketFactory.create(link=ticket.link, incident=ticket.incident))
    # Another project may use the same tracker.
    elsewhere = ExternalSystemLinkFactory.create(
        external_system=ticket.external_system, project=ProjectFactory.create()
    )
    ExternalTicketFactory.create(link=elsewhere, ticket_id=ticket.ticket_id)


def test_a_ticket_that_is_still_to_be_made_is_reserved_once() -> None:
    ticket = ExternalTicketFactory.create(ticket_id=None, key="")

    refused(
        lambda: ExternalTicketFactory.create(
            link=ticket.link, incident=ticket.incident, ticket_id=None, key=""
        )
    )
    ExternalTicketFactory.create(link=ticket.link, ticket_id=None, key="")


def test_an_assignment_has_one_run_under_way() -> None:
    assignment = ScriptAssignmentFactory.create()
    ScriptRunFactory.create_batch(2, assignment=assignment, completed=True)
    ScriptRunFactory.create(assignment=assignment)

    refused(lambda: ScriptRunFactory.create(assignment=assignment))
    assert ScriptRun.objects.count() == 3


def test_removing_a_test_run_removes_its_nodes_links_and_no_incident() -> None:
    node = NodeFactory.create()
    ResultNodeIncident.objects.create(run=node.run, node=node, incident=IncidentFactory.create())

    assert staging.discard(node.run_id)

    assert not ResultNode.objects.exists()
    assert not ResultNodeIncident.objects.exists()
    assert Incident.objects.count() == 1


def test_numbers_count_within_a_project() -> None:
    one, other = ProjectFactory.create(), ProjectFactory.create()
    IncidentFactory.create(project=one, number=7)

    assert numbering.next_number(Incident, one.pk) == 8
    assert numbering.next_number(Incident, other.pk) == 1


class TestPicklists:
    def test_a_project_gets_its_words_once(self) -> None:
        project = ProjectFactory.create()
        picklists.provide(project)
        picklists.provide(project)

        words = PicklistItem.objects.filter(project=project)
        assert words.count() == sum(map(len, picklists.DEFAULTS.values()))
        assert picklists.first(project, Picklist.INCIDENT_STATUS).name == "Open"

    def test_a_new_word_is_added_and_found_in_any_letter_case(self) -> None:
        project = ProjectFactory.create()

        added = picklists.named(project, Picklist.INCIDENT_STATUS, " Needs Info ")

        assert added.name == "Needs Info"
        assert picklists.named(project, Picklist.INCIDENT_STATUS, "NEEDS INFO") == added
        assert picklists.named(project, Picklist.INCIDENT_TYPE, "Needs Info") != added


class TestCredentials:
    def test_are_sealed_and_open_for_their_base_url_alone(self) -> None:
        system = ExternalSystemFactory.build(base_url="https://tracker.example.org")
        credentials.keep(system, "hunter2")

        assert "hunter2" not in str(system.credentials)
        assert credentials.password(system) == "hunter2"
        system.base_url = "https://elsewhere.example.org"
        with pytest.raises(SecretUnreadable):
            credentials.password(system)

    def test_none_is_empty_and_an_empty_one_takes_it_away(self) -> None:
        system = ExternalSystemFactory.build()
        credentials.keep(system, "hunter2")
        assert credentials.given(system)

        credentials.keep(system, "")

        assert not credentials.given(system)
        assert credentials.password(system) == ""

    def test_are_sealed_anew_when_the_data_keys_rotate(self) -> None:
        system = ExternalSystemFactory.build()
        credentials.keep(system, "hunter2")
        system.account.save()
        system.save()

        assert operations.reseal_secrets() == (1, [])

        stored = ExternalSystem.objects.get()
        assert stored.credentials != system.credentials
        assert credentials.password(stored) == "hunter2"


def _indexed(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the column that each index of a model begins with, and which rows it has; None: all."""
    for index in [*model._meta.indexes, *model._meta.constraints]:
        first = next(iter(getattr(index, "fields", ())), None)
        if first is None and getattr(index, "expressions", ()):
            first = getattr(index.expressions[0], "name", None)
        if first is not None:
            yield first, index.condition


def test_every_foreign_key_has_an_index_that_begins_with_it() -> None:
    """A removal goes by each of them, 200 rows at a time: without one it would read the whole table."""
    bare = []
    for model in apps.get_app_config("tickets").get_models():
        indices = [*_indexed(model)]
        for field in model._meta.concrete_fields:
            usable = (None, Q(**{f"{field.name}__isnull": False}))
            has = any(first == field.name and rows in usable for first, rows in indices)
            # Result nodes go with their run; nobody looks for their children.
            looked_for = isinstance(field, ForeignKey) and field.db_constraint
            if looked_for and not field.db_index and not has:
                bare.append(f"{model.__name__}.{field.name}")

    assert bare == []
