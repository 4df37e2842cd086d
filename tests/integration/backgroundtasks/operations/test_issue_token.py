"""Credentials are made for what there is."""

from __future__ import annotations

import pytest

from backgroundtasks import exceptions, operations
from backgroundtasks.models import AccessToken, OAuthClient
from tests.support import factories

pytestmark = pytest.mark.django_db

TEXT = "There is no scope 'tasks:wirte'; the scopes are tasks:read, tasks:write."


def test_a_token_for_an_unknown_scope_is_refused() -> None:
    with pytest.raises(exceptions.ScopeUnknown) as refusal:
        operations.issue_token(factories.actor().user, scope="tasks:read tasks:wirte")

    assert str(refusal.value) == TEXT
    assert not AccessToken.objects.exists()


def test_a_client_for_an_unknown_scope_is_refused() -> None:
    with pytest.raises(exceptions.ScopeUnknown) as refusal:
        operations.create_client("ci", factories.actor().user, scope="tasks:wirte")

    assert str(refusal.value) == TEXT
    assert not OAuthClient.objects.exists()
