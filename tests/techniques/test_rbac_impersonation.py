"""RBAC on identities: acting as somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    EVERYTHING,
    account,
    cluster_role,
    cluster_role_binding,
    evidence,
    expanded,
    grant,
    inventory,
    permission_set,
    rule,
    targets,
)
from workbench.inventory.inventory import Inventory

P = permission_set("p")
P_DEV = permission_set("p", "dev")
ROLES = [
    cluster_role("cluster-admin", EVERYTHING),
    cluster_role("view", rule("get", "pods")),
    cluster_role("edit", rule("create", "pods")),
]


def in_cluster(*rules: Any) -> list[Any]:
    return grant("p", *rules)


def in_dev(*rules: Any) -> list[Any]:
    return grant("p", *rules, namespace="dev")


def view_of(*objects: Any, **options: Any) -> Inventory:
    return inventory(*ROLES, *objects, **options)


def fields(view: Inventory, edge: Any) -> list[tuple[str, str]]:
    return [(item.object, item.field) for item in evidence(view, edge)]


USERS = rule("impersonate", "users")
GROUPS = rule("impersonate", "groups")
ACCOUNTS = rule("impersonate", "serviceaccounts")
MASTERS = "Group:system:masters"
THERE = [
    account("bot", "dev"),
    account("boss", "prod"),
    cluster_role_binding("v", "view", "User:bob", "Group:team", "ServiceAccount:dev/ghost"),
]
DEV_ACCOUNTS = ["ServiceAccount:dev/bot", "ServiceAccount:dev/ghost"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([USERS], ["User:bob", "User:eve"], id="T13 users, and no account"),
        pytest.param([rule("impersonate", "users", names="bob nobody")], ["User:bob", "User:nobody"], id="named users"),
        pytest.param(
            [rule("impersonate", "users", names="system:serviceaccount:dev:bot")], [], id="an account is no user"
        ),
        pytest.param([GROUPS], [], id="T12 groups alone"),
        pytest.param(
            [rule("impersonate", "users", names="nobody"), GROUPS],
            ["Group:system:masters", "Group:team", "User:nobody"],
            id="T12 with a user",
        ),
        pytest.param(
            [rule("impersonate", "users", names="system:serviceaccount:dev:bot"), GROUPS],
            [],
            id="T12 with no real user",
        ),
        pytest.param(
            [rule("impersonate", "users", names="nobody"), rule("impersonate", "groups", names="system:masters")],
            ["Group:system:masters", "User:nobody"],
            id="a named group",
        ),
        pytest.param(
            [rule("impersonate", "serviceaccounts", names="bot"), GROUPS],
            ["Group:system:masters", "Group:team", "ServiceAccount:dev/bot"],
            id="T12 with an account",
        ),
        pytest.param(
            [ACCOUNTS], [*DEV_ACCOUNTS, "ServiceAccount:prod/boss"], id="accounts, also those that are not there"
        ),
        pytest.param(
            [rule("impersonate", "serviceaccounts", names="boss")], ["ServiceAccount:prod/boss"], id="by name"
        ),
        pytest.param(
            [rule("impersonate", "serviceaccounts", names="ghost")], [DEV_ACCOUNTS[1]], id="one that is not there"
        ),
        pytest.param(
            [rule("impersonate", "uids userextras/scopes", "authentication.k8s.io")], [], id="attributes only"
        ),
        pytest.param([rule("get create", "users groups serviceaccounts")], [], id="other verbs"),
    ],
)
def test_impersonate(rules: list[Any], expected: list[str]) -> None:
    view = view_of(*THERE, *in_cluster(*rules))
    assert targets(view, "IDENTITY_IMPERSONATE", P) == expected
    for edge in expanded(view, "IDENTITY_IMPERSONATE").values():
        assert (edge.effort, edge.verdict) == (2, "on")
        assert fields(view, edge)[0][0] == "ClusterRole:p"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([ACCOUNTS], DEV_ACCOUNTS, id="T14 accounts of the namespace"),
        pytest.param([USERS, GROUPS], [], id="users and groups are void"),
        pytest.param([rule("impersonate", "serviceaccounts", names="boss")], [], id="account of another namespace"),
    ],
)
def test_impersonate_by_a_role_binding(rules: list[Any], expected: list[str]) -> None:
    assert targets(view_of(*THERE, *in_dev(*rules)), "IDENTITY_IMPERSONATE", P_DEV) == expected


def test_groups_and_somebody_from_two_bindings() -> None:
    objects = [
        *grant("groups", GROUPS, to=["User:eve", "User:z"]),
        *grant("accounts", ACCOUNTS, to=["User:eve"], namespace="dev"),
    ]
    view = view_of(*THERE, *objects)
    assert MASTERS in targets(view, "IDENTITY_IMPERSONATE", "User:eve")
    assert targets(view, "IDENTITY_IMPERSONATE", "User:z") == []
    edge = expanded(view, "IDENTITY_IMPERSONATE")["User:eve", MASTERS]
    assert fields(view, edge) == [
        ("ClusterRole:groups", "rules[0]"),
        ("ClusterRoleBinding:groups", "roleRef"),
        ("ClusterRoleBinding:groups", "subjects[0]"),
        ("Role:dev/accounts", "rules[0]"),
        ("RoleBinding:dev/accounts", "roleRef"),
        ("RoleBinding:dev/accounts", "subjects[0]"),
    ]


def test_each_group_has_the_evidence_of_its_own_rule() -> None:
    rules = (rule("impersonate", "groups", names="a"), rule("impersonate", "groups", names="b"), USERS)
    view = view_of(*in_cluster(*rules))
    edge = expanded(view, "IDENTITY_IMPERSONATE")[P, "Group:b"]
    assert [field for _, field in fields(view, edge) if field.startswith("rules")] == ["rules[1]", "rules[2]"]


USER_ALICE = [
    cluster_role_binding("a", "edit", "User:alice"),
    cluster_role_binding("t", "cluster-admin", "Group:admins"),
]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([USERS], False, id="any user"),
        pytest.param([rule("impersonate", "users", names="alice")], False, id="the user by name"),
        pytest.param([USERS, rule("impersonate", "groups", names="other")], False, id="another group"),
        pytest.param([USERS, rule("impersonate", "groups", names="admins")], True, id="the group by name"),
        pytest.param([USERS, GROUPS], True, id="all groups"),
    ],
)
def test_an_impersonated_user_is_in_no_group_that_may_not_be_named(rules: list[Any], expected: bool) -> None:
    view = view_of(*USER_ALICE, *in_cluster(*rules), users={"alice": ("admins",)})
    found = targets(view, "IDENTITY_IMPERSONATE", P)
    assert "PermissionSet:edit@a" in found
    assert ("User:alice" in found) is expected
    assert ("Group:admins" in found) is expected
    edge = expanded(view, "IDENTITY_IMPERSONATE")[P, "PermissionSet:edit@a"]
    assert fields(view, edge)[0] == ("ClusterRole:p", "rules[0]")
    assert ("ClusterRoleBinding:a", "subjects[0]") in fields(view, edge)
    if expected:
        edge = expanded(view, "IDENTITY_IMPERSONATE")[P, "User:alice"]
        assert [field for _, field in fields(view, edge) if field.startswith("rules")] == ["rules[0]", "rules[1]"]


def test_names_with_slashes() -> None:
    """Identity providers call users and groups what they like."""
    rules = (
        rule("impersonate", "users", names="https://id/bob"),
        rule("impersonate", "groups", names="https://id/ops"),
    )
    view = view_of(*in_cluster(*rules))
    assert targets(view, "IDENTITY_IMPERSONATE", P) == ["Group:https://id/ops", "User:https://id/bob"]
    for edge in expanded(view, "IDENTITY_IMPERSONATE").values():
        assert fields(view, edge)[0][1].startswith("rules")


def test_impersonating_what_one_may_bind() -> None:
    """A virtual permission set is as good as any."""
    group = "rbac.authorization.k8s.io"
    binder = (rule("create", "clusterrolebindings", group), rule("bind", "clusterroles", group, "actor"))
    actor = cluster_role("actor", rule("impersonate", "users", names="nobody"), GROUPS)
    view = view_of(actor, *in_cluster(*binder))
    assert MASTERS in targets(view, "IDENTITY_IMPERSONATE", "PermissionSet:actor@")
