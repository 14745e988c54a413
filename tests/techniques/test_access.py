"""Permission sets and identities of a view, in overlays too, and what proves a right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    EVERYTHING,
    account,
    cluster_role,
    cluster_role_binding,
    grant,
    inventory,
    namespace,
    pod,
    role,
    role_binding,
    rule,
    secret,
)
from workbench.inventory.inventory import Inventory
from workbench.rbac import Ability, Need
from workbench.techniques import access
from workbench.techniques.resolve import permissions

RBAC = "rbac.authorization.k8s.io"
BINDER = grant("p", rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC), namespace="dev")
ADMIN = cluster_role("cluster-admin", EVERYTHING)
READ = rule("get", "secrets")


def ids(view: Inventory) -> list[str]:
    return sorted(found.id for found in access.grants(view))


# --- permission sets ------------------------------------------------------------------------------------


def test_every_binding_and_what_could_be_bound() -> None:
    view = inventory(ADMIN, *BINDER, cluster_role_binding("c", "cluster-admin", "User:x"))
    assert ids(view) == [
        "PermissionSet:cluster-admin@c",
        "PermissionSet:dev/cluster-admin@",
        "PermissionSet:dev/p@p",
    ]
    assert [found.id for found in access.real_grants(view)] == [
        "PermissionSet:dev/p@p",
        "PermissionSet:cluster-admin@c",
    ]
    assert access.grant(view, "PermissionSet:dev/cluster-admin@") is not None
    assert access.grant(view, "PermissionSet:dev/gone@p") is None


def test_those_that_grant_something() -> None:
    objects = [
        *grant("a", READ),
        *grant("b", rule("get", "secrets", names="x"), namespace="dev"),
        *grant("c", rule("get", "pods")),
    ]
    view = inventory(*objects)
    found = access.grants_with(view, (Ability.GET_SECRETS, Ability.LIST_SECRETS))
    assert [each.id for each in found] == ["PermissionSet:dev/b@b", "PermissionSet:a@a"]
    assert [each.id for each in access.grants_limited_by_name(view)] == ["PermissionSet:dev/b@b"]
    assert [each.id for each in access.grants_in(view, "dev")] == ["PermissionSet:dev/b@b"]
    assert [each.id for each in access.grants_in(view, "")] == ["PermissionSet:a@a", "PermissionSet:c@c"]
    assert access.grants_in(view, "prod") == []
    everything, some = access.grants_with(view, (Ability.GET_SECRETS,))[::-1]
    assert access.names_for(everything, (Ability.GET_SECRETS,)) is None
    assert access.names_for(some, (Ability.GET_SECRETS, Ability.LIST_SECRETS)) == frozenset({"x"})
    assert access.names_for(some, (Ability.LIST_SECRETS,)) == frozenset()


def test_an_overlay_shares_what_it_does_not_change() -> None:
    base = inventory(ADMIN, *BINDER, *grant("other", READ, namespace="prod"), pod("web", namespace="dev"))
    changed = role_binding("p", "Role:p", namespace="dev")
    view = base.overlay({changed.id: changed})
    assert access.changed_grants(view) == {"PermissionSet:dev/p@p"}
    other = "PermissionSet:prod/other@other"
    assert access.grant(view, other) is access.grant(base, other)
    assert access.changed_grants(base) == set()
    moved = pod("web", namespace="dev", serviceAccountName="x")
    assert access.changed_grants(base.overlay({moved.id: moved})) == set()


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        pytest.param(
            {"Role:dev/p": role("p", rule("get", "pods"), namespace="dev")},
            {"PermissionSet:dev/p@p", "PermissionSet:dev/cluster-admin@"},
            id="the role loses bind",
        ),
        pytest.param(
            {"Role:dev/p": None}, {"PermissionSet:dev/p@p", "PermissionSet:dev/cluster-admin@"}, id="the role goes"
        ),
        pytest.param(
            {"RoleBinding:dev/p": None},
            {"PermissionSet:dev/p@p", "PermissionSet:dev/cluster-admin@"},
            id="the binding goes",
        ),
        pytest.param(
            {"ClusterRole:cluster-admin": cluster_role("cluster-admin", READ)},
            {"PermissionSet:dev/cluster-admin@"},
            id="the role that could be bound changes",
        ),
        pytest.param(
            {"RoleBinding:dev/q": role_binding("q", "ClusterRole:cluster-admin", "User:x", namespace="dev")},
            {"PermissionSet:dev/cluster-admin@q", "PermissionSet:dev/cluster-admin@"},
            id="it is bound",
        ),
        pytest.param({"Role:dev/other": role("other", READ, namespace="dev")}, set(), id="a role that nobody has"),
        pytest.param({"Namespace:dev": namespace("dev", "restricted")}, set(), id="another kind"),
    ],
)
def test_what_a_change_of_rbac_touches(replaced: dict[str, Any], expected: set[str]) -> None:
    base = inventory(ADMIN, *BINDER, *grant("other", READ, namespace="prod"), namespace("dev"))
    view = base.overlay(replaced)
    assert access.changed_grants(view) == expected
    fresh = inventory(
        *(
            obj
            for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Namespace")
            for obj in view._tables[kind]
        )
    )
    assert ids(view) == ids(fresh)


@pytest.mark.parametrize(
    ("replaced", "verbs"),
    [
        pytest.param(
            {"ClusterRole:feeder": cluster_role("feeder", rule("list", "secrets"), feeds="own")}, "list", id="rules"
        ),
        pytest.param({"ClusterRole:feeder": cluster_role("feeder", READ)}, "", id="it feeds no longer"),
        pytest.param({"ClusterRole:feeder": None}, "", id="it goes"),
        pytest.param(
            {"ClusterRole:new": cluster_role("new", rule("watch", "secrets"), feeds="own")}, "get watch", id="a new one"
        ),
    ],
)
def test_an_aggregated_role_follows_what_it_gathers(replaced: dict[str, Any], verbs: str) -> None:
    """In a live cluster its rules are written out, and the controller would write them anew."""
    base = inventory(
        cluster_role("own", READ, gathers="own"),
        cluster_role("feeder", READ, feeds="own"),
        cluster_role_binding("b", "own", "User:eve"),
    )
    view = base.overlay(replaced)
    found = access.grant(view, "PermissionSet:own@b")
    assert found is not None
    assert [verb for each in found.rules for verb in each.verbs or ()] == verbs.split()
    second = view.overlay({"Role:dev/x": role("x", READ, namespace="dev")})
    again = access.grant(second, "PermissionSet:own@b")
    assert again is not None
    assert again.rules == found.rules


# --- identities -----------------------------------------------------------------------------------------


def test_identities() -> None:
    view = inventory(
        account("robot", "dev"),
        pod("web", namespace="dev", serviceAccountName="shop"),
        pod("static", namespace="dev", serviceAccountName="none", annotations={"kubernetes.io/config.mirror": "x"}),
        role_binding("b", "ClusterRole:view", "ServiceAccount:prod/bound", "Group:ops", namespace="dev"),
        cluster_role_binding("c", "view", "User:bob", "User:system:serviceaccount:dev:token"),
        users={"alice": ("admins",)},
    )
    expected = [
        "Group:admins",
        "Group:ops",
        "ServiceAccount:dev/robot",
        "ServiceAccount:dev/shop",
        "ServiceAccount:dev/token",
        "ServiceAccount:prod/bound",
        "User:alice",
        "User:bob",
    ]
    assert access.identities(view) == expected
    assert all(access.is_identity(view, each) for each in expected)
    assert not any(access.is_identity(view, each) for each in ("ServiceAccount:dev/none", "User:eve", "Group:admin"))


def test_rights_come_from_bindings_and_groups() -> None:
    view = inventory(
        *grant("own", READ, to=["ServiceAccount:dev/bot"], namespace="prod"),
        *grant("all", rule("list", "pods"), to=["Group:system:serviceaccounts:dev"]),
        *grant("others", rule("list", "pods"), to=["Group:system:serviceaccounts:prod"]),
    )
    assert [each.id for each in access.grants_of(view, "ServiceAccount:dev/bot")] == ["PermissionSet:prod/own@own"]
    rights = access.effective(view, "ServiceAccount:dev/bot")
    assert [each.id for each in rights.grants] == ["PermissionSet:all@all", "PermissionSet:prod/own@own"]
    assert access.effective(view, "ServiceAccount:dev/bot") is rights


@pytest.mark.parametrize(
    ("objects", "account_id", "expected"),
    [
        pytest.param([account("a", "dev")], "ServiceAccount:dev/a", True, id="its object"),
        pytest.param(
            [pod("w", namespace="dev", serviceAccountName="a")], "ServiceAccount:dev/a", True, id="a pod uses it"
        ),
        pytest.param(
            [role_binding("b", "ClusterRole:v", "ServiceAccount:dev/a", namespace="prod")],
            "ServiceAccount:dev/a",
            True,
            id="bound, in manifests",
        ),
        pytest.param(
            [
                role_binding("b", "ClusterRole:v", "ServiceAccount:dev/a", namespace="prod"),
                account("default", "dev", uid="u"),
                pod("w", namespace="dev"),
            ],
            "ServiceAccount:dev/a",
            False,
            id="bound, and not among the listed ones",
        ),
        pytest.param([account("a", "prod")], "ServiceAccount:dev/a", False, id="of another namespace"),
        pytest.param([], "ServiceAccount:dev/a", False, id="named by nothing"),
    ],
)
def test_accounts_that_exist(objects: list[Any], account_id: str, expected: bool) -> None:
    assert access.account_exists(inventory(*objects), account_id) is expected


def test_namespaces() -> None:
    view = inventory(
        namespace("a"), secret("s", "b"), pod("p", namespace="c"), account("x", "d"), *grant("g", READ, namespace="e")
    )
    assert permissions.namespaces(view) == ["a", "b", "c", "d", "e"]
    assert permissions.namespaces(view.overlay({"Secret:b/s": None})) == ["a", "c", "d", "e"]


# --- evidence -------------------------------------------------------------------------------------------


def field_list(view: Inventory, *items: Any) -> list[tuple[str, str]]:
    return [(item.object, item.field) for item in items]


def test_evidence_of_a_permission_set() -> None:
    objects = grant("p", rule("get", "pods"), rule("get", "secrets", names="a"), READ, to=["User:x", "User:y"])
    view = inventory(*objects)
    found = access.grant(view, "PermissionSet:p@p")
    assert found is not None
    items = access.grant_evidence(view, found, Ability.GET_SECRETS, name="a")
    assert field_list(view, *items) == [
        ("ClusterRole:p", "rules[2]"),
        ("ClusterRoleBinding:p", "roleRef"),
        ("ClusterRoleBinding:p", "subjects"),
    ]
    assert items[0].value == {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
    items = access.grant_evidence(view, found, Ability.GET_SECRETS, holder="User:y")
    assert field_list(view, *items)[-1] == ("ClusterRoleBinding:p", "subjects[1]")


def test_evidence_of_an_aggregated_role_is_the_rule_that_was_gathered() -> None:
    view = inventory(
        cluster_role("own", gathers="own"),
        cluster_role("feeder", rule("get", "pods"), READ, feeds="own"),
        cluster_role_binding("b", "own", "User:eve"),
    )
    found = access.grant(view, "PermissionSet:own@b")
    assert found is not None
    items = access.grant_evidence(view, found, Ability.GET_SECRETS)
    assert field_list(view, *items)[0] == ("ClusterRole:feeder", "rules[1]")


def test_evidence_of_needs_takes_the_binding_that_meets_them() -> None:
    view = inventory(
        *grant("here", READ, to=["User:eve"], namespace="dev"),
        *grant("there", READ, to=["User:eve"], namespace="prod"),
        *grant("team", rule("create", "pods"), to=["Group:ops"]),
        users={"eve": ("ops",)},
    )
    needs = [Need((Ability.LIST_SECRETS, Ability.GET_SECRETS), "prod"), Need((Ability.CREATE_PODS,), "prod")]
    assert field_list(view, *access.need_evidence(view, "User:eve", needs)) == [
        ("Role:prod/there", "rules[0]"),
        ("RoleBinding:prod/there", "roleRef"),
        ("RoleBinding:prod/there", "subjects[0]"),
        ("ClusterRole:team", "rules[0]"),
        ("ClusterRoleBinding:team", "roleRef"),
        ("ClusterRoleBinding:team", "subjects[0]"),
    ]
    assert access.need_evidence(view, "User:eve", [Need((Ability.CREATE_SECRETS,), "prod")]) == []
    assert access.need_evidence(view, "PermissionSet:gone@x", needs) == []


def test_nodes_that_are_there_whatever_leads_to_them() -> None:
    view = inventory(ADMIN, *BINDER, account("robot", "dev"), secret("db", "dev"), namespace("dev"))
    found = list(access.object_nodes(view))
    for expected in (
        "Namespace:dev",
        "ServiceAccount:dev/robot",
        "Secret:dev/db",
        "User:eve",
        "PermissionSet:dev/p@p",
        "PermissionSet:dev/cluster-admin@",
    ):
        assert expected in found
