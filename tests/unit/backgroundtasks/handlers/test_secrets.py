"""Secrets: sealed at any depth, masked, opened by whoever has a key, rotated."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from rest_framework import serializers

from backgroundtasks import exceptions
from backgroundtasks.handlers import SecretField, secrets

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


class Credentials(serializers.Serializer[Any]):
    Name = serializers.CharField()
    Password = SecretField()


class Deep(serializers.Serializer[Any]):
    One = SecretField()
    Listed = serializers.ListField(child=SecretField())
    Named = serializers.DictField(child=SecretField())
    Login = Credentials()
    Logins = Credentials(many=True)


PLAIN = {
    "One": "s1",
    "Listed": ["s2", "s3"],
    "Named": {"a": "s4"},
    "Login": {"Name": "ann", "Password": "s5"},
    "Logins": [{"Name": "bob", "Password": "s6"}],
}
MASKED = {
    "One": "********",
    "Listed": ["********", "********"],
    "Named": {"a": "********"},
    "Login": {"Name": "ann", "Password": "********"},
    "Logins": [{"Name": "bob", "Password": "********"}],
}


@pytest.fixture(autouse=True)
def keys(settings: Any) -> Any:
    def use(*values: str) -> None:
        settings.TASKCENTER = {**settings.TASKCENTER, "DATA_KEYS": values}

    use(OLD)
    return use


def _sealed() -> dict[str, Any]:
    return secrets.seal(Deep(), PLAIN)


def test_are_sealed_at_any_depth_and_nothing_else_is() -> None:
    sealed = _sealed()

    text = str(sealed)
    assert not [secret for secret in ("s1", "s2", "s3", "s4", "s5", "s6") if f"'{secret}'" in text]
    assert sealed["Login"]["Name"] == "ann"
    assert secrets.unseal(sealed) == PLAIN


def test_are_masked_where_people_look() -> None:
    assert secrets.mask(_sealed()) == MASKED


def test_are_known_for_cutting_them_from_logs() -> None:
    assert sorted(secrets.opened(_sealed())) == ["s1", "s2", "s3", "s4", "s5", "s6"]


def test_stay_readable_while_an_older_key_is_known(keys: Any) -> None:
    sealed = _sealed()
    keys(NEW, OLD)

    assert secrets.unseal(sealed) == PLAIN


def test_need_the_older_key_no_more_after_a_rotation(keys: Any) -> None:
    sealed = _sealed()
    keys(NEW, OLD)
    rotated = secrets.rotate(sealed)
    keys(NEW)

    assert secrets.unseal(rotated) == PLAIN
    with pytest.raises(exceptions.SecretUnreadable):
        secrets.unseal(sealed)


def test_whose_key_is_missing_are_masked_all_the_same_and_cut_from_nothing(keys: Any) -> None:
    sealed = _sealed()
    keys(NEW)

    assert secrets.mask(sealed) == MASKED
    assert secrets.opened(sealed) == []


def test_that_were_tampered_with_are_refused() -> None:
    with pytest.raises(exceptions.SecretUnreadable):
        secrets.unseal({"$sealed": "tampered"})
