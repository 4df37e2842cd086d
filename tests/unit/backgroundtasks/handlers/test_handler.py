"""What a handler's class is checked for, and what it answers about itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from backgroundtasks import exceptions
from backgroundtasks.handlers import TaskHandler, permissions, registry


@pytest.fixture(autouse=True)
def _leave_the_registry_as_it_was() -> Iterator[None]:
    before = dict(registry._handlers)
    yield
    registry._handlers.clear()
    registry._handlers.update(before)


def _make(name: str = "Digging", **members: Any) -> Any:
    return type(name, (TaskHandler,), {"task_type": name, **members})


class TestAClass:
    def test_with_a_task_type_is_found_in_any_letter_case(self) -> None:
        handler = _make()

        assert registry.find("DIGGING") is registry.get("digging") is handler

    def test_without_one_is_not_registered(self) -> None:
        before = registry.all_handlers()

        type("Base", (TaskHandler,), {})

        assert registry.all_handlers() == before

    def test_that_inherits_a_task_type_is_not_registered_again(self) -> None:
        handler = _make()

        type("Deeper", (handler,), {})

        assert registry.get("Digging") is handler

    def test_that_is_short_must_be_idempotent(self) -> None:
        with pytest.raises(TypeError) as refusal:
            _make(short=True)

        assert str(refusal.value) == "Digging is short, so it must be idempotent too."
        assert registry.find("Digging") is None

    def test_with_several_attempts_must_be_idempotent(self) -> None:
        with pytest.raises(TypeError) as refusal:
            _make(max_attempts=2)

        assert str(refusal.value) == "Digging has several attempts, so it must be idempotent."

    def test_may_not_take_a_name_that_is_taken(self) -> None:
        _make()

        with pytest.raises(ImproperlyConfigured) as refusal:
            type("Other", (TaskHandler,), {"task_type": "digging"})

        assert str(refusal.value).startswith("The task type digging is declared by ")

    def test_with_a_role_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ValueError) as refusal:
            permissions.Role("boss")

        assert str(refusal.value) == (
            "There is no role 'boss'; the roles are viewer, member, admin."
        )


class TestItsNumbers:
    def test_are_the_installations_unless_it_has_its_own(self) -> None:
        plain = _make("Plain", idempotent=True)
        own = _make(
            "Own",
            idempotent=True,
            timeout=timedelta(1),
            lease=timedelta(2),
            retention=timedelta(3),
            max_attempts=4,
        )

        assert plain.timeout_of() == timedelta(hours=1)
        assert (plain.lease_of(), plain.retention_of()) == (timedelta(seconds=30), timedelta(90))
        assert plain.attempts_of() == 3
        assert (own.timeout_of(), own.lease_of(), own.retention_of(), own.attempts_of()) == (
            timedelta(1),
            timedelta(2),
            timedelta(3),
            4,
        )

    def test_of_attempts_is_one_when_it_may_not_run_again(self) -> None:
        assert _make().attempts_of() == 1

    @pytest.mark.parametrize(
        "failures, seconds", [(1, 5), (2, 10), (3, 20), (8, 600), (50, 600), (10**6, 600)]
    )
    def test_of_the_pause_double_up_to_a_limit(self, failures: int, seconds: int) -> None:
        pauses = [_make().pause_before(failures).total_seconds() for _ in range(50)]

        assert seconds * 0.8 <= min(pauses) <= max(pauses) <= seconds
        assert len(set(pauses)) > 1


def test_a_title_is_the_first_line_of_the_docstring_or_the_task_type() -> None:
    assert _make("Plain").title() != ""
    assert _make("Told", __doc__="Dig a hole.\n\nDeep.").title() == "Dig a hole"


def test_an_unknown_task_type_is_named() -> None:
    with pytest.raises(exceptions.TaskTypeUnknown):
        registry.get("Nothing")


def test_discovery_finds_every_handler_of_every_app() -> None:
    registry._handlers.clear()
    modules = _forget_modules()

    registry.discover()

    found = {handler.task_type for handler in registry.all_handlers()}
    assert {"Work", "ShortWork", "Noop", "SideWork"} <= found
    _restore(modules)


def _forget_modules() -> dict[str, Any]:
    import sys

    names = [name for name in sys.modules if name.startswith("tests.work.handlers")]
    return {name: sys.modules.pop(name) for name in names}


def _restore(modules: dict[str, Any]) -> None:
    import sys

    sys.modules.update(modules)
