"""Whatever a run holds, Astra's task is as the vendor's schema says, and so is every other answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backgroundtasks.api.astra.representation import Run, represent
from backgroundtasks.states import State
from tests.support import factories
from tests.support.astra import get_list, listed, path_of, shown, tasks_path, valid
from tests.support.http import Caller

# What a database can hold.
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=700)
WHOLE = st.integers(0, 2**63 - 1)
TIME = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
RESOURCE = st.fixed_dictionaries({"id": TEXT, "name": TEXT, "kind": TEXT, "path": TEXT})

RUNS = st.builds(
    Run,
    id=st.uuids(version=4),
    account_id=st.uuids(version=4),
    task_type=TEXT,
    state=st.sampled_from(State).map(str),
    queue=TEXT,
    attempt=WHOLE,
    run_after=TIME,
    queued_at=TIME,
    started_at=st.none() | TIME,
    finished_at=st.none() | TIME,
    modified_at=TIME,
    processed=WHOLE,
    total=WHOLE,
    text=TEXT,
    error=TEXT,
    temporary=st.booleans(),
    warnings=st.none() | st.lists(TEXT, max_size=3),
    owner_id=st.none() | WHOLE,
    parent_id=st.none() | st.uuids(version=4),
    child_number=st.none() | WHOLE,
    title=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    resource=st.none() | RESOURCE,
)


@settings(max_examples=300, deadline=None)
@given(run=RUNS)
def test_whatever_a_run_holds_its_task_is_as_the_schema_says(run: Run) -> None:
    task = represent(run, "https://tasks.example.org")

    valid("task", json.loads(json.dumps(task)))


@pytest.mark.django_db
@pytest.mark.parametrize("state", list(State))
def test_every_state_is_as_the_schema_says_alone_and_in_a_list(state: State) -> None:
    caller = Caller()
    run = factories.run(state, owner=caller.actor)

    assert listed(caller, count="true")["items"] == [shown(caller, run)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"bad": "1"},
        {"filter": "x"},
        {"include": "x"},
        {"continue": "x"},
        {"filter": "(" * 10_000},
    ],
)
def test_every_refusal_is_as_the_schema_says(query: Any) -> None:
    caller = Caller()

    assert get_list(caller, **query).status_code == 400
    valid("problem", get_list(caller, **query).json())


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_other_refusal_is_as_the_schema_says(method: str) -> None:
    caller, stranger = Caller(), Caller(authorization="Bearer wrong")
    run = factories.run()

    for path in (path_of(run), tasks_path(caller) + "/x", f"{tasks_path(caller)}/{run.pk}"):
        for one in (caller, stranger):
            answer = one.call(method, path)
            assert answer.status_code in {401, 404, 405}
            valid("problem", answer.json())
