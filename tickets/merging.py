"""
What becomes of a ticket and its incident when either was changed, or both.

Field by field, against what both were when they last agreed: what one side changed the other
takes. What both changed differently the tracker decides, for there its people work; what the
incident had is kept in a comment. See decision 76.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from tickets import trackers

#: People write these in any letter case.
_ANY_CASE: Final = {"status", "assignee"}


@dataclass(frozen=True, slots=True)
class Fields:
    """What is kept in step. An empty status or summary is none; an empty assignee is nobody."""

    summary: str
    status: str
    assignee: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that both sides changed, each to something else."""

    field: str
    #: The incident's, which was given up.
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What is to be done on each side."""

    #: Fields that the incident takes from the ticket.
    take: dict[str, str]
    #: What the tracker is to change; false when nothing.
    push: trackers.Change
    conflicts: list[Conflict]


def merge(*, ours: Fields, our_base: Fields, theirs: Fields, their_base: Fields) -> Merged:
    """
    Bring two sides together.

    Args:
        ours: The incident as it is.
        our_base: As it was when both agreed; an assignee that we do not know was nobody.
        theirs: The ticket as it is.
        their_base: As it was then.
    """
    take: dict[str, str] = {}
    push: dict[str, str] = {}
    conflicts: list[Conflict] = []
    for name in (field.name for field in fields(Fields)):
        here, there = getattr(ours, name), getattr(theirs, name)
        changed_here = _differ(name, here, getattr(our_base, name))
        if name != "assignee" and not here:
            changed_here = False  # no tracker takes an empty one
        if not _differ(name, there, getattr(their_base, name)):
            if changed_here:
                push[name] = here
        elif not changed_here:
            take[name] = there
        elif _differ(name, here, there):
            take[name] = there
            conflicts.append(Conflict(name, here, there))
    return Merged(take, trackers.Change(**push), conflicts)


def _differ(name: str, one: str, other: str) -> bool:
    if name in _ANY_CASE:
        return one.casefold() != other.casefold()
    return one != other
