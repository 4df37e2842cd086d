"""The page about the state machine is what `states.py` says."""

from __future__ import annotations

from pathlib import Path

from backgroundtasks.states import State
from scripts import draw_states

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_what_the_script_draws() -> None:
    page = (ROOT / "docs" / "reference" / "state_machine.md").read_text()

    assert page == draw_states.page(), (
        "Renew it: python -m scripts.draw_states > docs/reference/state_machine.md"
    )


def test_every_state_says_what_it_means() -> None:
    assert set(draw_states.meanings()) == set(State)


def test_every_state_stands_in_a_group() -> None:
    assert all(draw_states.group(state) for state in State)
