"""Accounts and their members in the admin, and what a given user sees."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers import Actor
from backgroundtasks.models import Account, Membership
from backgroundtasks.states import State
from tests.support import factories

pytestmark = pytest.mark.django_db

ADMIN = "/admin/backgroundtasks/"
SEEN_BY = f"{ADMIN}taskstatus/seen-by/"


def shown(client: Client, path: str, **query: object) -> str:
    answer = client.get(path, query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def members(account: Account, *rows: dict[str, Any]) -> dict[str, Any]:
    """Return the form of an account's page: a row for each member, with its id if it is one."""
    form: dict[str, Any] = {
        "name": account.name,
        "memberships-TOTAL_FORMS": len(rows),
        "memberships-INITIAL_FORMS": sum("id" in row for row in rows),
    }
    for n, row in enumerate(rows):
        for name, value in ({"account": account.pk} | row).items():
            form[f"memberships-{n}-{name}"] = value
    return form


class TestMembers:
    def page(self, account: Account) -> str:
        return f"{ADMIN}account/{account.pk}/change/"

    def test_are_shown_with_their_roles(self, admin: Client, root: Actor) -> None:
        ann = factories.actor("viewer", account=root.account, username="ann")

        page = shown(admin, self.page(root.account))

        assert '<option value="viewer" selected>' in page
        assert f"user=ann&amp;account={root.account.pk}" in page
        listed = shown(admin, f"{ADMIN}membership/", q="ann")
        assert re.search(r'field-role">Viewer', listed)
        assert "root" not in re.findall(r'field-user">(?:<[^>]*>)?(\w+)', listed)
        assert ann.user.username in listed

    def test_are_added_changed_and_removed(self, admin: Client, root: Actor) -> None:
        mine = Membership.objects.get(user=root.user)
        ann, bob = (factories.UserFactory.create() for _ in range(2))
        ann_here = factories.MembershipFactory.create(
            account=root.account, user=ann, role="viewer", is_default=False
        )

        answer = admin.post(
            self.page(root.account),
            members(
                root.account,
                {"id": mine.pk, "user": root.user.pk, "role": "member", "is_default": "on"},
                {"id": ann_here.pk, "user": ann.pk, "role": "viewer", "DELETE": "on"},
                {"user": bob.pk, "role": "admin", "is_default": "on"},
            ),
        )

        assert answer.status_code == 302
        assert dict(root.account.memberships.values_list("user", "role")) == {
            root.user.pk: "member",
            bob.pk: "admin",
        }

    def test_have_one_default_account(self, admin: Client, root: Actor) -> None:
        ann = factories.actor(username="ann")

        answer = admin.post(
            self.page(root.account),
            members(root.account, {"user": ann.user.pk, "role": "viewer", "is_default": "on"}),
        )

        assert f"The default account of ann is {ann.account}: end that first." in (
            answer.content.decode()
        )
        assert not root.account.memberships.filter(user=ann.user).exists()

    def test_are_none_in_the_reserved_account(self, admin: Client) -> None:
        system = factories.AccountFactory.create(is_system=True)

        assert "memberships-0" not in shown(admin, self.page(system))


class TestSeenBy:
    @pytest.fixture
    def ann(self, root: Actor) -> Actor:
        return factories.actor("viewer", account=root.account, username="ann")

    def test_lists_what_the_user_sees_and_nothing_else(
        self, admin: Client, root: Actor, ann: Actor
    ) -> None:
        mine = factories.run(State.RUNNING, owner=ann, task_type="OwnersWork")
        shared = factories.run(State.FAILED, owner=root)
        hidden = factories.run(owner=root, task_type="OwnersWork")
        foreign = factories.run()

        page = shown(admin, SEEN_BY, user="ann", account=root.account.pk)

        assert str(mine.pk) in page
        assert str(shared.pk) in page
        assert str(hidden.pk) not in page
        assert str(foreign.pk) not in page

    def test_says_what_the_user_may_start_and_what_is_lacking(
        self, admin: Client, ann: Actor
    ) -> None:
        page = re.sub(r"\s+", " ", shown(admin, SEEN_BY, user="ann"))

        assert "<td>Work</td><td>Do what the parameters order, once</td>" in page
        assert "No: it needs the role member in the account." in page
        member = factories.actor("member", account=ann.account, username="bob")
        page = re.sub(r"\s+", " ", shown(admin, SEEN_BY, user=member.user.username))
        assert "order, once</td> <td>Yes</td>" in page
        assert "No: it needs a permission that its handler does not name." in page

    def test_is_marked_and_leaves_the_operator_who_it_is(
        self, admin: Client, root: Actor, ann: Actor
    ) -> None:
        factories.run(owner=ann)

        answer = admin.get(SEEN_BY, {"user": "ann"})

        page = re.sub(r"\s+", " ", answer.content.decode())
        assert "This is what <strong>ann</strong> sees in the account" in page
        assert "You are still root" in page
        assert admin.get(SEEN_BY).wsgi_request.user == root.user
        # A form to ask, and Django's own to leave: nothing that does anything to a run.
        assert set(re.findall(r'<form[^>]*method="post"[^>]*>', page)) <= {
            '<form id="logout-form" method="post" action="/admin/logout/">'
        }

    @pytest.mark.parametrize(
        "which, said",
        [
            ("seen", "ann sees the run"),
            ("hidden", "the handler of OwnersWork hides it"),
            ("gone", "the handler of GoneWork is gone"),
            ("foreign", "it belongs to the account Elsewhere"),
            ("unknown", "There is no run 7, or it is flushed."),
        ],
    )
    def test_says_why_a_run_is_not_seen(
        self, admin: Client, root: Actor, ann: Actor, which: str, said: str
    ) -> None:
        elsewhere = factories.actor(account=factories.AccountFactory.create(name="Elsewhere"))
        ids: dict[str, object] = {
            "seen": factories.run(owner=root).pk,
            "hidden": factories.run(owner=root, task_type="OwnersWork").pk,
            "gone": factories.run(owner=root, task_type="GoneWork").pk,
            "foreign": factories.run(owner=elsewhere).pk,
            "unknown": 7,
        }

        assert said in shown(admin, SEEN_BY, user="ann", run=ids[which])

    @pytest.mark.parametrize(
        "values, account, said",
        [
            (None, "", "There is no user"),
            ({"is_active": False}, "", "is not active: every request is answered 401."),
            ({}, "", "Without any account, every request is answered 403."),
            ({}, "nonsense", "badly formed"),
            ({}, "00000000-0000-4000-8000-000000000000", "is not a member of the account."),
        ],
    )
    def test_says_why_a_user_sees_nothing(
        self, admin: Client, values: dict[str, Any] | None, account: str, said: str
    ) -> None:
        if values is not None:
            User.objects.create(username="zoe", **values)

        assert said in shown(admin, SEEN_BY, user="zoe", account=account)

    def test_shows_the_account_that_is_chosen(self, admin: Client, ann: Actor) -> None:
        second = factories.MembershipFactory.create(
            user=ann.user, role="admin", is_default=False
        ).account
        there = factories.run(owner=Actor(ann.user, second, "admin"), task_type="GoneWork")

        assert str(there.pk) not in shown(admin, SEEN_BY, user="ann")
        assert str(there.pk) in shown(admin, SEEN_BY, user="ann", account=second.pk)

    def test_is_for_operators_of_the_installation_alone(self, desk: Client, staff: Actor) -> None:
        assert desk.get(SEEN_BY, {"user": "sam"}).status_code == 403

    def test_costs_the_same_for_many_runs_as_for_one(
        self, admin: Client, ann: Actor, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(60):
            factories.run(owner=ann)

        # session, the operator, the user, its accounts, the membership, count, page
        with django_assert_num_queries(7):
            page = shown(admin, SEEN_BY, user="ann")

        assert "Page 1" in page
        assert "Page 2" in shown(admin, SEEN_BY, user="ann", page=2)
