"""RBAC on RBAC: binding and escalating, from the smallest holder. Impersonation has a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.builders import (
    EVERYTHING,
    account,
    cluster_role,
    cluster_role_binding,
    edges,
    evidence,
    expanded,
    grant,
    inventory,
    namespace,
    permission_set,
    pod,
    proof,
    role,
    role_binding,
    rule,
    targets,
)
from workbench.graph.nodes import CLUSTER_ADMIN
from workbench.inventory.inventory import Inventory
from workbench.rbac import builtin_policy
from workbench.techniques import access

RBAC = "rbac.authorization.k8s.io"
P = permission_set("p")
P_DEV = permission_set("p", "dev")
ADMIN = cluster_role("cluster-admin", EVERYTHING)
VIEW = cluster_role("view", rule("get", "pods"))
EDIT = cluster_role("edit", rule("create", "pods"))
MAKE = rule("create", "rolebindings", RBAC)
MAKE_CLUSTER = rule("create", "clusterrolebindings", RBAC)
BIND = rule("bind", "clusterroles", RBAC)
RULES_DEV = "PermissionSet:dev/cluster-admin@"


def bind(name: str) -> dict[str, Any]:
    return rule("bind", "clusterroles", RBAC, name)


def in_cluster(*rules: Any, to: Sequence[str] = ("User:eve",)) -> list[Any]:
    return grant("p", *rules, to=to)


def in_dev(*rules: Any, to: Sequence[str] = ("User:eve",)) -> list[Any]:
    return grant("p", *rules, to=to, namespace="dev")


def view_of(*objects: Any, **options: Any) -> Inventory:
    return inventory(ADMIN, VIEW, EDIT, *objects, **options)


def fields(view: Inventory, edge: Any) -> list[tuple[str, str]]:
    return [(item.object, item.field) for item in evidence(view, edge)]


# --- ROLE_BIND: the whole cluster ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([MAKE_CLUSTER, BIND], [CLUSTER_ADMIN], id="any role"),
        pytest.param([rule("patch", "clusterrolebindings", RBAC), BIND], [CLUSTER_ADMIN], id="patch: cluster-admin's"),
        pytest.param([rule("*", "*", RBAC)], [CLUSTER_ADMIN], id="wildcards"),
        pytest.param(
            [MAKE_CLUSTER, bind("view edit")], ["PermissionSet:edit@", "PermissionSet:view@"], id="named roles"
        ),
        pytest.param([MAKE_CLUSTER, bind("gone")], [], id="a role that does not exist"),
        pytest.param([MAKE_CLUSTER], [], id="without bind only what is held already"),
        pytest.param([BIND], [], id="bind alone"),
        pytest.param([MAKE_CLUSTER, rule("bind", "clusterrolebindings", RBAC)], [], id="T15 bind on bindings"),
        pytest.param([MAKE_CLUSTER, rule("bind", "roles", RBAC)], [], id="bind on Roles does not count there"),
        pytest.param([rule("get list delete", "clusterrolebindings", RBAC), BIND], [], id="no writing"),
        pytest.param([rule("create", "clusterrolebindings", RBAC, "x"), BIND], [], id="names void create"),
        pytest.param(
            [rule("create patch", "clusterrolebindings", RBAC, "x"), BIND], [CLUSTER_ADMIN], id="applied by name"
        ),
    ],
)
def test_bind_in_the_cluster(rules: list[Any], expected: list[str]) -> None:
    assert targets(view_of(*in_cluster(*rules)), "ROLE_BIND", P) == expected


def test_bind_by_a_role_binding_never_reaches_the_cluster() -> None:
    assert targets(view_of(*in_dev(MAKE_CLUSTER, BIND)), "ROLE_BIND", P_DEV) == []


def test_a_binding_that_may_be_changed_by_name_keeps_its_role() -> None:
    """roleRef cannot change, so that joining is all there is."""
    change = rule("patch", "clusterrolebindings", RBAC, "viewers")
    objects = [cluster_role_binding("viewers", "view", "Group:x"), cluster_role_binding("editors", "edit", "Group:x")]
    view = view_of(*objects, *in_cluster(change, BIND))
    assert targets(view, "ROLE_BIND", P) == ["PermissionSet:view@viewers"]
    assert targets(view_of(*objects, *in_cluster(change, bind("edit"))), "ROLE_BIND", P) == []
    edge = expanded(view, "ROLE_BIND")[P, "PermissionSet:view@viewers"]
    assert ("ClusterRoleBinding:viewers", "roleRef") in fields(view, edge)


# --- ROLE_BIND: a namespace ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "there", "expected"),
    [
        pytest.param([MAKE, BIND], [], [RULES_DEV], id="any role: cluster-admin in the namespace"),
        pytest.param([MAKE, bind("edit")], [], ["PermissionSet:dev/edit@"], id="T16 a named role, bound by nobody"),
        pytest.param(
            [MAKE, bind("edit")],
            [role_binding("team", "ClusterRole:edit", "Group:team", namespace="dev")],
            ["PermissionSet:dev/edit@team"],
            id="a named role, bound already",
        ),
        pytest.param(
            [MAKE, bind("edit")],
            [role_binding("team", "ClusterRole:edit", "Group:team", namespace="prod")],
            ["PermissionSet:dev/edit@"],
            id="bound in another namespace",
        ),
        pytest.param(
            [MAKE, BIND],
            [role_binding("boss", "ClusterRole:cluster-admin", "Group:x", namespace="dev")],
            ["PermissionSet:dev/cluster-admin@boss"],
            id="any role, cluster-admin is bound already",
        ),
        pytest.param(
            [MAKE, BIND],
            [role_binding("team", "ClusterRole:edit", "Group:x", namespace="dev")],
            [RULES_DEV, "PermissionSet:dev/edit@team"],
            id="any role: what is bound, and cluster-admin",
        ),
        pytest.param([MAKE, bind("gone")], [], [], id="a role that does not exist"),
        pytest.param([MAKE], [], [], id="without bind"),
        pytest.param([rule("patch", "rolebindings", RBAC)], [], [], id="T18 patch without bind"),
        pytest.param([MAKE, rule("bind", "rolebindings", RBAC)], [], [], id="T15 bind on bindings"),
        pytest.param([rule("patch", "rolebindings", RBAC), BIND], [], [], id="patch where nothing is bound"),
        pytest.param(
            [rule("update", "rolebindings", RBAC), BIND],
            [role_binding("team", "ClusterRole:edit", "Group:x", namespace="dev")],
            ["PermissionSet:dev/edit@team"],
            id="update: what is bound",
        ),
        pytest.param(
            [rule("patch", "rolebindings", RBAC, "team"), BIND],
            [
                role_binding("team", "ClusterRole:edit", "Group:x", namespace="dev"),
                role_binding("other", "ClusterRole:view", "Group:x", namespace="dev"),
            ],
            ["PermissionSet:dev/edit@team"],
            id="patch by name",
        ),
        pytest.param(
            [rule("patch", "rolebindings", RBAC), bind("view")],
            [role_binding("team", "ClusterRole:edit", "Group:x", namespace="dev")],
            [],
            id="patch where another role is bound",
        ),
    ],
)
def test_bind_in_a_namespace(rules: list[Any], there: list[Any], expected: list[str]) -> None:
    view = view_of(*there, *in_dev(*rules))
    assert targets(view, "ROLE_BIND", P_DEV) == expected
    for edge in edges(view, "ROLE_BIND"):
        assert (edge.effort, edge.verdict) == (2, "on")
        assert edge.target != CLUSTER_ADMIN


ROLES = rule("bind", "roles", RBAC)
LOCAL = [role("a", rule("get", "pods"), namespace="dev"), role("b", rule("get", "pods"), namespace="dev")]
ELSEWHERE = role("c", rule("get", "pods"), namespace="prod")


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        pytest.param([ROLES], ["PermissionSet:dev/a@", "PermissionSet:dev/b@x"], id="bind on roles alone: every Role"),
        pytest.param([rule("bind", "roles", RBAC, "a")], ["PermissionSet:dev/a@"], id="one Role"),
        pytest.param([rule("bind", "roles", RBAC, "c")], [], id="a Role of another namespace"),
        pytest.param(
            [ROLES, BIND], [RULES_DEV, "PermissionSet:dev/b@x"], id="with cluster roles, cluster-admin stands for all"
        ),
        pytest.param([BIND], [RULES_DEV], id="bind on cluster roles leaves Roles out"),
    ],
)
def test_bind_local_roles(bound: list[Any], expected: list[str]) -> None:
    there = [*LOCAL, ELSEWHERE, role_binding("x", "Role:b", "User:z", namespace="dev")]
    holder = cluster_role("binder", MAKE, *bound)
    view = view_of(*there, holder, role_binding("p", "ClusterRole:binder", "User:eve", namespace="dev"))
    source = "PermissionSet:dev/binder@p"
    # The holder's own permission set is one of a ClusterRole, and no step to it.
    assert targets(view, "ROLE_BIND", source) == (
        sorted([*expected, source]) if any(BIND is each for each in bound) else expected
    )


def test_bind_in_every_namespace() -> None:
    there = [namespace("dev"), namespace("prod"), role_binding("t", "ClusterRole:edit", "User:z", namespace="prod")]
    view = view_of(*there, *in_cluster(MAKE, BIND))
    assert targets(view, "ROLE_BIND", P) == [
        RULES_DEV,
        "PermissionSet:prod/cluster-admin@",
        "PermissionSet:prod/edit@t",
    ]
    named = view_of(*there, *in_cluster(MAKE, bind("edit")))
    assert targets(named, "ROLE_BIND", P) == ["PermissionSet:dev/edit@", "PermissionSet:prod/edit@t"]


def test_a_virtual_permission_set_has_the_rights_of_its_role() -> None:
    view = view_of(pod("web", namespace="dev"), *in_dev(MAKE, BIND))
    found = access.grant(view, RULES_DEV)
    assert found is not None
    assert (found.virtual, found.namespace, found.identities) == (True, "dev", ())
    assert targets(view, "POD_EXEC", RULES_DEV) == ["Container:dev/web/app"]
    assert (RULES_DEV, CLUSTER_ADMIN) not in expanded(view, "CLUSTER_ADMIN")
    edge = expanded(view, "POD_EXEC")[RULES_DEV, "Container:dev/web/app"]
    assert fields(view, edge) == [("ClusterRole:cluster-admin", "rules[0]")]


def test_cluster_admin_is_known_where_the_source_has_no_roles() -> None:
    view = inventory(pod("web", namespace="dev"), *in_dev(MAKE, BIND))
    assert targets(view, "POD_EXEC", RULES_DEV) == ["Container:dev/web/app"]


def test_a_virtual_permission_set_may_bind_further() -> None:
    chain = [
        cluster_role("first", MAKE, bind("second")),
        cluster_role("second", MAKE, bind("edit")),
    ]
    view = view_of(*chain, *in_dev(MAKE, bind("first")))
    assert targets(view, "ROLE_BIND", P_DEV) == ["PermissionSet:dev/first@"]
    assert targets(view, "ROLE_BIND", "PermissionSet:dev/first@") == ["PermissionSet:dev/second@"]
    assert targets(view, "ROLE_BIND", "PermissionSet:dev/second@") == ["PermissionSet:dev/edit@"]


def test_nobody_may_bind_where_nobody_has_the_right() -> None:
    view = view_of(*in_dev(rule("*", "pods")))
    assert edges(view, "ROLE_BIND") == []
    assert not [found.id for found in access.grants(view) if found.virtual]


def test_cluster_admin_in_a_namespace_is_no_cluster_admin() -> None:
    """T11."""
    view = view_of(role_binding("b", "ClusterRole:cluster-admin", "User:eve", namespace="dev"))
    assert edges(view, "CLUSTER_ADMIN") == []
    everything = [*edges(view, "ROLE_BIND"), *edges(view, "ROLE_ESCALATE"), *edges(view, "IDENTITY_IMPERSONATE")]
    assert CLUSTER_ADMIN not in {edge.target for edge in everything}


def test_evidence_of_binding() -> None:
    view = view_of(*in_dev(rule("get", "pods"), MAKE, bind("edit")))
    edge = expanded(view, "ROLE_BIND")[P_DEV, "PermissionSet:dev/edit@"]
    assert fields(view, edge) == [
        ("Role:dev/p", "rules[1]"),
        ("RoleBinding:dev/p", "roleRef"),
        ("RoleBinding:dev/p", "subjects[0]"),
        ("Role:dev/p", "rules[2]"),
        ("ClusterRole:edit", "metadata.name"),
    ]
    cluster = view_of(*in_cluster(MAKE_CLUSTER, BIND))
    edge = expanded(cluster, "ROLE_BIND")[P, CLUSTER_ADMIN]
    assert fields(cluster, edge)[0] == ("ClusterRole:p", "rules[0]")
    assert ("ClusterRole:p", "rules[1]") in fields(cluster, edge)
    assert proof(cluster, edge)["ClusterRoleBinding:p", "subjects[0]"]["name"] == "eve"


# --- the smallest holder ------------------------------------------------------------------------------


def two(first: Sequence[str], second: Sequence[str]) -> list[Any]:
    return [*grant("makes", MAKE_CLUSTER, to=first), *grant("binds", BIND, to=second)]


@pytest.mark.parametrize(
    ("objects", "holders"),
    [
        pytest.param(grant("p", MAKE_CLUSTER, BIND, to=["User:a", "User:b"]), [P], id="one permission set"),
        pytest.param(two(["Group:ops"], ["Group:ops"]), ["Group:ops"], id="a group"),
        pytest.param(two(["User:a"], ["User:a"]), ["User:a"], id="an identity"),
        pytest.param(two(["User:alice"], ["Group:ops"]), ["User:alice"], id="a member with a right of its own"),
        pytest.param(two(["User:bob"], ["Group:ops"]), [], id="no member"),
        pytest.param(two(["User:a"], ["User:b"]), [], id="two identities"),
        pytest.param(
            two(["ServiceAccount:dev/bot"], ["Group:system:serviceaccounts:dev"]),
            ["ServiceAccount:dev/bot"],
            id="an account and the group of its namespace",
        ),
        pytest.param(
            two(["Group:system:serviceaccounts:dev"], ["Group:system:authenticated"]),
            ["ServiceAccount:dev/bot"],
            id="two groups of an account",
        ),
        pytest.param(two(["Group:ops"], ["Group:dev"]), ["User:alice"], id="two groups of a user"),
        pytest.param(
            [*two(["User:a"], ["User:a"]), *grant("p", MAKE_CLUSTER, BIND, to=["User:a"])],
            [P],
            id="one permission set is enough, and no second step from its subject",
        ),
    ],
)
def test_the_smallest_holder(objects: list[Any], holders: list[str]) -> None:
    bot = account("bot", "dev")
    view = view_of(bot, account("other", "prod"), *objects, users={"alice": ("ops", "dev")})
    found = edges(view, "ROLE_BIND")
    assert [edge.source for edge in found] == holders
    for edge in found:
        assert edge.target == CLUSTER_ADMIN
        used = [item for item in fields(view, edge) if item[1].startswith("rules")]
        expected = [("ClusterRole:p", "rules[0]"), ("ClusterRole:p", "rules[1]")]
        assert used == (
            expected if holders == [P] else [("ClusterRole:makes", "rules[0]"), ("ClusterRole:binds", "rules[0]")]
        )


def test_two_bindings_together_are_enough_for_more() -> None:
    """One permission set binds ``view``; only both of one subject bind ``edit``."""
    objects = [
        *grant("p", MAKE, bind("view"), to=["User:a", "User:b"], namespace="dev"),
        *grant("q", bind("edit"), to=["User:a"], namespace="dev"),
    ]
    view = view_of(*objects)
    assert targets(view, "ROLE_BIND", P_DEV) == ["PermissionSet:dev/view@"]
    assert targets(view, "ROLE_BIND", "User:a") == ["PermissionSet:dev/edit@"]
    assert targets(view, "ROLE_BIND", "User:b") == []


def test_the_subject_in_the_evidence_is_the_one_that_holds() -> None:
    objects = [
        *grant("makes", MAKE_CLUSTER, to=["User:z", "User:alice"]),
        *grant("binds", BIND, to=["User:z2", "User:z3", "Group:ops"]),
    ]
    view = view_of(*objects, users={"alice": ("ops",)})
    (edge,) = edges(view, "ROLE_BIND")
    assert edge.source == "User:alice"
    assert fields(view, edge) == [
        ("ClusterRole:makes", "rules[0]"),
        ("ClusterRoleBinding:makes", "roleRef"),
        ("ClusterRoleBinding:makes", "subjects[1]"),
        ("ClusterRole:binds", "rules[0]"),
        ("ClusterRoleBinding:binds", "roleRef"),
        ("ClusterRoleBinding:binds", "subjects[2]"),
    ]


# --- ROLE_ESCALATE ------------------------------------------------------------------------------------

ESCALATE = rule("escalate", "clusterroles", RBAC)
WRITE = rule("patch", "clusterroles", RBAC)
LOCAL_ESCALATE = rule("escalate", "roles", RBAC)


def escalate(name: str, kind: str = "clusterroles") -> dict[str, Any]:
    return rule("escalate", kind, RBAC, name)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([ESCALATE, WRITE], [CLUSTER_ADMIN], id="own role"),
        pytest.param([ESCALATE, rule("update", "clusterroles", RBAC)], [CLUSTER_ADMIN], id="update"),
        pytest.param([escalate("p"), WRITE], [CLUSTER_ADMIN], id="own role by name"),
        pytest.param([escalate("other"), WRITE], [], id="a role that is not bound to the holder"),
        pytest.param([ESCALATE, rule("patch", "clusterroles", RBAC, "other")], [], id="may write another role only"),
        pytest.param([ESCALATE], [], id="T17 no writing"),
        pytest.param([ESCALATE, rule("get list delete", "clusterroles", RBAC)], [], id="T17 other verbs"),
        pytest.param([WRITE], [], id="no escalate"),
        pytest.param([ESCALATE, rule("create", "clusterroles", RBAC)], [], id="a new role is bound to nobody"),
        pytest.param([ESCALATE, rule("create", "clusterroles", RBAC), MAKE_CLUSTER], [], id="nor may it be bound"),
        pytest.param(
            [ESCALATE, rule("create", "clusterroles", RBAC), MAKE_CLUSTER, bind("new")],
            [CLUSTER_ADMIN],
            id="a new role that may be bound",
        ),
        pytest.param(
            [escalate("new"), rule("create", "clusterroles", RBAC), MAKE_CLUSTER, bind("new")],
            [],
            id="escalate by name fails on POST",
        ),
        pytest.param(
            [escalate("new"), rule("create patch", "clusterroles", RBAC, "new"), MAKE_CLUSTER, bind("new")],
            [CLUSTER_ADMIN],
            id="and holds where the role is applied under it",
        ),
        pytest.param(
            [escalate("view"), WRITE, MAKE_CLUSTER, bind("view")],
            [CLUSTER_ADMIN],
            id="an existing role that may be bound",
        ),
        pytest.param([escalate("view"), WRITE, MAKE_CLUSTER, bind("edit")], [], id="another role may be bound"),
        pytest.param([LOCAL_ESCALATE, rule("patch", "roles", RBAC)], [], id="Roles: none is bound to the holder"),
    ],
)
def test_escalate_in_the_cluster(rules: list[Any], expected: list[str]) -> None:
    view = view_of(*in_cluster(*rules))
    assert targets(view, "ROLE_ESCALATE", P) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([LOCAL_ESCALATE, rule("patch", "roles", RBAC)], [RULES_DEV], id="own Role"),
        pytest.param([escalate("p", "roles"), rule("update", "roles", RBAC, "p")], [RULES_DEV], id="by name"),
        pytest.param([escalate("q", "roles"), rule("update", "roles", RBAC)], [], id="another Role"),
        pytest.param([LOCAL_ESCALATE], [], id="no writing"),
        pytest.param([ESCALATE, WRITE], [], id="cluster roles are void in a RoleBinding"),
        pytest.param([LOCAL_ESCALATE, rule("create", "roles", RBAC)], [], id="a new Role is bound to nobody"),
        pytest.param([LOCAL_ESCALATE, rule("create", "roles", RBAC), MAKE, ROLES], [RULES_DEV], id="but may be bound"),
    ],
)
def test_escalate_in_a_namespace(rules: list[Any], expected: list[str]) -> None:
    view = view_of(*in_dev(*rules))
    assert targets(view, "ROLE_ESCALATE", P_DEV) == expected
    for edge in edges(view, "ROLE_ESCALATE"):
        assert (edge.effort, edge.verdict) == (2, "on")


def test_the_changed_role_may_be_bound_to_the_holder_by_another_binding() -> None:
    """The permission set may change the role; that it profits is the identity's."""
    objects = [
        cluster_role("target", rule("get", "pods")),
        *in_cluster(escalate("target"), WRITE, to=["User:eve", "User:bob"]),
    ]
    view = view_of(*objects, cluster_role_binding("t", "target", "User:eve"))
    assert targets(view, "ROLE_ESCALATE", P) == []
    assert [(edge.source, edge.target) for edge in edges(view, "ROLE_ESCALATE")] == [("User:eve", CLUSTER_ADMIN)]
    (edge,) = edges(view, "ROLE_ESCALATE")
    assert fields(view, edge) == [
        ("ClusterRole:p", "rules[0]"),
        ("ClusterRoleBinding:p", "roleRef"),
        ("ClusterRoleBinding:p", "subjects[0]"),
        ("ClusterRole:p", "rules[1]"),
        ("ClusterRoleBinding:t", "roleRef"),
        ("ClusterRoleBinding:t", "subjects[0]"),
    ]
    local = view_of(*objects, role_binding("t", "ClusterRole:target", "User:eve", namespace="dev"))
    assert [(e.source, e.target) for e in edges(local, "ROLE_ESCALATE")] == [("User:eve", RULES_DEV)]


def test_a_dangling_binding_is_filled() -> None:
    objects = in_cluster(ESCALATE, rule("create", "clusterroles", RBAC))
    view = view_of(*objects, cluster_role_binding("d", "ghost", "User:eve"))
    assert [(edge.source, edge.target) for edge in edges(view, "ROLE_ESCALATE")] == [("User:eve", CLUSTER_ADMIN)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param([escalate("feeder"), WRITE], True, id="a role that feeds one of the holder's"),
        pytest.param([escalate("stray"), WRITE], False, id="a role that feeds none"),
        pytest.param([ESCALATE, rule("create", "clusterroles", RBAC)], True, id="a new role that feeds it"),
    ],
)
def test_aggregated_roles(rules: list[Any], expected: bool) -> None:
    view = view_of(
        cluster_role("own", gathers="own"),
        cluster_role("feeder", rule("get", "pods"), feeds="own"),
        cluster_role("stray", rule("get", "pods")),
        cluster_role_binding("own", "own", "User:eve"),
        *in_cluster(*rules),
    )
    assert [(e.source, e.target) for e in edges(view, "ROLE_ESCALATE")] == (
        [("User:eve", CLUSTER_ADMIN)] if expected else []
    )


def test_kubernetes_own_controller_may_escalate() -> None:
    policy = builtin_policy(33)
    view = inventory(builtins=(*policy.cluster_roles, *policy.cluster_role_bindings))
    name = "system:controller:clusterrole-aggregation-controller"
    source = f"PermissionSet:{name}@{name}"
    assert [edge.source for edge in edges(view, "ROLE_ESCALATE") if edge.target == CLUSTER_ADMIN] == [
        "PermissionSet:cluster-admin@cluster-admin",
        source,
    ]
    edge = expanded(view, "ROLE_ESCALATE")[source, CLUSTER_ADMIN]
    assert all(item.builtin for item in evidence(view, edge))
    assert fields(view, edge)[0] == (f"ClusterRole:{name}", "rules[0]")
