"""Ids that may be left out are left out in every way in which clients do it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from rest_framework import serializers

from backgroundtasks.handlers import registry
from backgroundtasks.handlers.fields import OptionalId

ZEROS = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("given", [ZEROS, ZEROS.replace("-", ""), "", None, UUID(int=0)])
def test_zeros_and_an_empty_text_are_none(given: Any) -> None:
    assert OptionalId(allow_null=True).run_validation(given) is None


def test_one_that_is_needed_is_still_missed() -> None:
    with pytest.raises(serializers.ValidationError):
        OptionalId().run_validation(ZEROS)


def test_an_id_is_an_id() -> None:
    value = "6F9619FF-8B86-D011-B42D-00CF4FC964FF"
    assert OptionalId(allow_null=True).run_validation(value) == UUID(value)


def test_every_id_that_a_task_type_does_without_takes_zeros() -> None:
    optional = [
        (handler.task_type, name, field)
        for handler in registry.all_handlers()
        for name, field in handler.Parameters().fields.items()
        if isinstance(field, serializers.UUIDField) and not field.required
    ]
    assert len(optional) > 10
    for task_type, name, field in optional:
        assert field.run_validation(ZEROS) is None, f"{task_type}.{name}"
