"""R9: whom a subject names, and the groups of an identity."""

from __future__ import annotations

import pytest

from tests.rbac.builders import RBAC
from workbench.inventory.objects import Subject
from workbench.rbac.subjects import groups_of, service_account_of, subject_fault, subject_id, user_id, username_of


class TestSubjectId:
    @pytest.mark.parametrize(
        ("subject", "namespace", "expected"),
        [
            (Subject(kind="ServiceAccount", name="ci", namespace="a"), "b", "ServiceAccount:a/ci"),
            (Subject(kind="ServiceAccount", name="ci"), "b", "ServiceAccount:b/ci"),
            (Subject(kind="ServiceAccount", name="ci", namespace=""), "b", "ServiceAccount:b/ci"),
            (Subject(kind="ServiceAccount", name="ci", namespace="a", api_group=""), "", "ServiceAccount:a/ci"),
            (Subject(kind="User", name="alice", api_group=RBAC), "b", "User:alice"),
            (Subject(kind="User", name="alice", namespace="ignored"), "", "User:alice"),
            (Subject(kind="Group", name="system:masters", api_group=RBAC), "", "Group:system:masters"),
            (Subject(kind="User", name="system:serviceaccount:a:ci", api_group=RBAC), "", "ServiceAccount:a/ci"),
            (Subject(kind="User", name="system:node:w1", api_group=RBAC), "", "User:system:node:w1"),
            (Subject(kind="Group", name="system:serviceaccount:a:ci"), "", "Group:system:serviceaccount:a:ci"),
        ],
    )
    def test_names_somebody(self, subject: Subject, namespace: str, expected: str) -> None:
        assert subject_id(subject, namespace) == expected
        assert subject_fault(subject, namespace) is None

    @pytest.mark.parametrize(
        ("subject", "namespace", "fault"),
        [
            (Subject(), "b", "kind ''"),
            (Subject(kind="Role", name="x"), "b", "kind 'Role'"),
            (Subject(kind="user", name="x"), "b", "kind 'user'"),
            (Subject(kind="User"), "b", "without a name"),
            (Subject(kind="Group", name=""), "b", "without a name"),
            (Subject(kind="ServiceAccount", name="ci"), "", "needs a namespace"),
            (Subject(kind="ServiceAccount", name="ci", api_group=RBAC), "b", "must be empty"),
            (Subject(kind="ServiceAccount", name="system:serviceaccount:a:ci"), "b", "cannot be the name"),
            (Subject(kind="ServiceAccount", name="ci", namespace="A/b"), "b", "cannot be the name"),
            (Subject(kind="User", name="alice", api_group="v1"), "b", f"must be {RBAC}"),
            (Subject(kind="Group", name="devs", api_group="apps"), "b", f"must be {RBAC}"),
        ],
    )
    def test_malformed_names_nobody_and_says_why(self, subject: Subject, namespace: str, fault: str) -> None:
        assert subject_id(subject, namespace) is None
        assert fault in (subject_fault(subject, namespace) or "")


@pytest.mark.parametrize(
    "name",
    [
        "system:serviceaccount:a",
        "system:serviceaccount:a:b:c",
        "system:serviceaccount::ci",
        "system:serviceaccount:a:",
        "system:serviceaccount:A:ci",
        "system:serviceaccount:a:ci\n",
        "system:serviceaccounts:a:ci",
    ],
)
def test_a_malformed_account_is_just_a_user(name: str) -> None:
    assert service_account_of(name) is None
    assert user_id(name) == f"User:{name}"


def test_user_names_go_both_ways() -> None:
    assert username_of("ServiceAccount:a/ci.bot") == "system:serviceaccount:a:ci.bot"
    assert user_id("system:serviceaccount:a:ci.bot") == "ServiceAccount:a/ci.bot"
    assert username_of("User:alice") == "alice"
    assert username_of("Group:devs") is None


class TestGroups:
    def test_service_account(self) -> None:
        assert groups_of("ServiceAccount:dev/ci") == (
            "Group:system:serviceaccounts:dev",
            "Group:system:serviceaccounts",
            "Group:system:authenticated",
        )

    def test_node(self) -> None:
        assert groups_of("User:system:node:w1") == ("Group:system:nodes", "Group:system:authenticated")

    def test_anonymous_is_in_one_group_whatever_the_configuration_says(self) -> None:
        expected = ("Group:system:unauthenticated",)
        assert groups_of("User:system:anonymous") == expected
        assert groups_of("User:system:anonymous", {"system:anonymous": ["system:masters"]}) == expected

    def test_user_with_groups_of_the_configuration(self) -> None:
        extra = {"alice": ["corp:admins", "system:masters", "corp:admins"]}
        assert groups_of("User:alice", extra) == (
            "Group:corp:admins",
            "Group:system:masters",
            "Group:system:authenticated",
        )
        assert groups_of("User:bob", extra) == ("Group:system:authenticated",)

    def test_the_configuration_does_not_apply_to_accounts(self) -> None:
        extra = {"system:serviceaccount:dev:ci": ["system:masters"], "dev/ci": ["system:masters"]}
        assert groups_of("ServiceAccount:dev/ci", extra) == groups_of("ServiceAccount:dev/ci")

    def test_a_group_is_in_none(self) -> None:
        assert groups_of("Group:system:serviceaccounts:dev") == ()
