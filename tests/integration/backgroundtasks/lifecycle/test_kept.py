"""Statements that are put together once: they give and store what the ORM gives and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Q

from backgroundtasks import kept
from tests.support.projects import ProjectFactory, ScriptFactory
from tickets.models import BuiltinProject, BuiltinTicket, Script

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db


@kept.query
def _scripts(project: UUID, name: str) -> QuerySet[Script]:
    return Script.objects.filter(project=project, name=name).select_related("project__manager")


@kept.query
def _columns(project: UUID) -> QuerySet[Script, tuple[Any, ...]]:
    rows = Script.objects.filter(project=project).order_by("name")
    return rows.values_list("pk", "project__is_complete", "created_at")


@kept.query
def _names(project: UUID) -> QuerySet[Script, str]:
    return Script.objects.filter(project=project).order_by("name").values_list("name", flat=True)


@kept.query
def _none(project: UUID) -> QuerySet[Script]:
    return Script.objects.filter(Q(project=project) & Q(pk__in=[]))


def test_instances_are_what_the_orm_gives_for_each_calls_values(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    one, other = ScriptFactory.create(name="Refund"), ScriptFactory.create(name="Refund")

    for script in (one, other, one):
        with django_assert_num_queries(1):
            [found] = _scripts(script.project_id, "Refund")
            assert (found.project.name, found.project.manager) == (script.project.name, None)
        stored = Script.objects.get(pk=script.pk)
        assert vars(found).keys() == vars(stored).keys()
        for field in Script._meta.concrete_fields:
            assert getattr(found, field.attname) == getattr(stored, field.attname)
        found.save()
    assert _scripts(one.project_id, "refund") == []
    assert _scripts.first(uuid4(), "Refund") is None


def test_columns_are_what_the_orm_gives() -> None:
    project = ProjectFactory.create()
    for name in ("Refund", "Cancel"):
        ScriptFactory.create(project=project, name=name)

    rows = Script.objects.filter(project=project).order_by("name")
    assert _columns(project.pk) == list(
        rows.values_list("pk", "project__is_complete", "created_at")
    )
    assert _names(project.pk) == ["Cancel", "Refund"]


def test_what_can_have_no_rows_has_none() -> None:
    assert _none(uuid4()) == []


def test_a_row_is_stored_as_the_orm_stores_it(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    project = ProjectFactory.create()
    script = Script(account_id=project.account_id, project=project, name="50 % off")

    with django_assert_num_queries(1):
        kept.insert(script)
    script.name = "Refund"
    script.save()

    stored = Script.objects.get()
    for field in Script._meta.concrete_fields:
        assert getattr(stored, field.attname) == getattr(script, field.attname)


def test_a_row_that_is_there_stays_or_takes_what_it_is_to_take() -> None:
    account = ProjectFactory.create().account
    first, again, renewed = (
        BuiltinProject(account=account, key="TST", last_number=number) for number in (1, 2, 3)
    )

    kept.insert(first)
    assert not kept.insert_once(again)
    with pytest.raises(IntegrityError), transaction.atomic():
        kept.insert(again)
    assert BuiltinProject.objects.get().last_number == 1
    kept.upsert(renewed, unique=("account", "key"), update=("last_number",))

    assert (again.pk, renewed.pk) == (None, first.pk)
    assert BuiltinProject.objects.get().last_number == 3
    ticket = BuiltinTicket(account=account, project=renewed, number=1, summary="Refund")
    assert kept.insert_once(ticket)
    assert BuiltinTicket.objects.get() == ticket


def test_a_row_that_is_no_row_is_refused_and_not_taken_for_one_that_is_there() -> None:
    account = ProjectFactory.create().account

    with pytest.raises(IntegrityError), transaction.atomic():
        kept.insert_once(BuiltinProject(account=account, key="A", last_number=None))
    with pytest.raises(IntegrityError), transaction.atomic():
        kept.insert_once(BuiltinProject(account=account, key="A", last_number=-1))

    assert not BuiltinProject.objects.exists()


def test_several_are_asked_for_and_stored_together_each_for_itself() -> None:
    account = ProjectFactory.create().account
    one, other = ScriptFactory.create(name="Refund"), ScriptFactory.create(name="Cancel")
    asked = [(other.project_id, "Cancel"), (one.project_id, "Cancel"), (one.project_id, "Refund")]

    assert _scripts.each(asked) == [[other], [], [one]]
    assert _none.each([(one.project_id,)] * 2) == [[], []]
    assert _scripts.each([]) == []

    rows = [
        BuiltinProject(account=account, key=key, last_number=number)
        for number, key in enumerate(("A", "B", "A"))
    ]
    assert kept.insert_each_once(rows) == [True, True, False]
    assert [row.pk is None for row in rows] == [False, False, True]
    renewed = [
        BuiltinProject(account=account, key=key, last_number=number)
        for number, key in ((7, "B"), (8, "C"), (9, "C"))
    ]
    kept.upsert_each(renewed, unique=("account", "key"), update=("last_number",))
    assert kept.insert_each_once([]) == []

    stored = dict(BuiltinProject.objects.values_list("key", "pk"))
    assert [row.pk for row in renewed] == [stored["B"], stored["C"], stored["C"]]
    assert dict(BuiltinProject.objects.values_list("key", "last_number")) == {
        "A": 0,
        "B": 7,
        "C": 9,
    }


def test_what_is_sent_together_is_refused_together() -> None:
    account = ProjectFactory.create().account
    good, bad = (BuiltinProject(account=account, key="A", last_number=n) for n in (1, None))

    with pytest.raises(IntegrityError), transaction.atomic():
        kept.upsert_each([good, bad], unique=("account", "key"), update=("last_number",))

    assert not BuiltinProject.objects.exists()


@kept.shared
def _shared(project: UUID) -> QuerySet[Script]:
    return Script.objects.filter(project=project).select_related("project")


def test_a_shared_instance_is_another_one_when_its_row_changed() -> None:
    script = ScriptFactory.create(name="Refund")

    first, again = (_shared.first(script.project_id) for _ in range(2))
    script.project.name = "Payments"
    script.project.save()
    changed = _shared.first(script.project_id)

    assert first is again
    assert changed is not None
    assert changed.project.name == "Payments"
