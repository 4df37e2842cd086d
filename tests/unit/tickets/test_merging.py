"""A ticket and its incident, brought together field by field."""

from dataclasses import replace

from tickets import trackers
from tickets.merging import Conflict, Fields, merge

BASE = Fields("Refund is not rounded", "Open", "kim")


def merged(
    ours: Fields = BASE, theirs: Fields = BASE, our_base: Fields = BASE
) -> tuple[object, ...]:
    found = merge(ours=ours, our_base=our_base, theirs=theirs, their_base=BASE)
    return found.take, found.push, found.conflicts


def test_what_nobody_changed_stays() -> None:
    assert merged() == ({}, trackers.Change(), [])


def test_what_the_tracker_changed_the_incident_takes() -> None:
    theirs = Fields("Refund is not rounded up", "Done", "")

    assert merged(theirs=theirs) == (
        {"summary": "Refund is not rounded up", "status": "Done", "assignee": ""},
        trackers.Change(),
        [],
    )


def test_what_the_incident_changed_the_tracker_gets() -> None:
    ours = replace(BASE, status="Done", assignee="")

    assert merged(ours=ours) == ({}, trackers.Change(status="Done", assignee=""), [])


def test_each_side_may_change_another_field() -> None:
    take, push, conflicts = merged(
        ours=replace(BASE, status="Done"), theirs=replace(BASE, assignee="dana")
    )

    assert (take, push, conflicts) == (
        {"assignee": "dana"},
        trackers.Change(status="Done"),
        [],
    )


def test_of_one_field_that_both_changed_the_tracker_decides() -> None:
    take, push, conflicts = merged(
        ours=replace(BASE, status="Done"), theirs=replace(BASE, status="In progress")
    )

    assert (take, push) == ({"status": "In progress"}, trackers.Change())
    assert conflicts == [Conflict("status", "Done", "In progress")]


def test_both_may_change_it_to_the_same() -> None:
    assert merged(ours=replace(BASE, status="done"), theirs=replace(BASE, status="Done")) == (
        {},
        trackers.Change(),
        [],
    )


def test_an_assignee_that_we_do_not_know_is_not_taken_away() -> None:
    nobody = replace(BASE, assignee="")

    assert merged(ours=nobody, our_base=nobody) == ({}, trackers.Change(), [])


def test_an_empty_status_is_never_written() -> None:
    assert merged(ours=replace(BASE, status="")) == ({}, trackers.Change(), [])
