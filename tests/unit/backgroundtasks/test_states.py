"""The state machine, as data."""

from __future__ import annotations

import pytest

from backgroundtasks.states import ARROWS, FINAL, GOOD, HELD, PENDING, STANDING, State, feet


def test_every_state_has_its_arrows() -> None:
    assert set(ARROWS) == set(State)


def test_every_state_is_pending_held_standing_or_final_and_only_one_of_these() -> None:
    assert sorted([*PENDING, *HELD, *STANDING, *FINAL]) == sorted(State)
    assert GOOD < FINAL


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_finished_run_never_changes(state: State) -> None:
    assert ARROWS[state] == frozenset()


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_from_every_other_state_an_end_can_be_reached(state: State) -> None:
    reached, edge = {state}, {state}
    while edge:
        edge = {to for at in edge for to in ARROWS[at]} - reached
        reached |= edge

    assert reached & FINAL


@pytest.mark.parametrize("to", State)
def test_feet_are_the_states_that_an_arrow_leaves(to: State) -> None:
    assert feet(to) == {state for state, targets in ARROWS.items() if to in targets}
