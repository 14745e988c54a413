"""Which concrete nodes a hub stands for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    claim,
    cluster_role,
    cluster_role_binding,
    container,
    daemon_set,
    deployment,
    edges,
    grant,
    inventory,
    namespace,
    node,
    obj,
    pod,
    role,
    role_binding,
    rule,
    secret,
)
from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.rbac import builtin_policy
from workbench.techniques import members
from workbench.techniques.api import SubjectType

MIRROR = {"kubernetes.io/config.mirror": "x"}
RBAC = "rbac.authorization.k8s.io"


def of(view: Inventory, members_of: str, scope: str = "dev") -> list[str]:
    """The direct members of a hub."""
    hub = nodes.hub(members_of, scope)
    found = [edge.target for each in members.TECHNIQUES for edge in edges(view, each.id) if edge.source == hub]
    assert len(found) == len(set(found)), f"{hub} has a member twice"
    return sorted(found)


PODS = [
    pod("web", container("a"), container("b"), namespace="dev"),
    pod("bare", container(image="gcr.io/distroless/base"), namespace="dev"),
    pod("static", namespace="dev", annotations=MIRROR),
    pod("done", namespace="dev", phase="Succeeded"),
    pod("other", namespace="prod"),
]


@pytest.mark.parametrize(
    ("hub", "expected"),
    [
        (members.CONTAINERS, ["static/app", "web/a", "web/b"]),
        (members.DISTROLESS, ["bare/app"]),
        (members.PATCHABLE, ["bare/app", "web/a", "web/b"]),
    ],
)
def test_containers(hub: str, expected: list[str]) -> None:
    view = inventory(*PODS)
    assert of(view, hub) == [f"Container:dev/{name}" for name in expected]
    assert of(view, hub, "*") == [nodes.hub(hub, "dev"), nodes.hub(hub, "prod")]
    assert of(view, hub, "lab") == []


def test_accounts() -> None:
    policy = builtin_policy(33)
    view = inventory(
        account("robot", "dev"),
        pod("web", namespace="dev", serviceAccountName="shop"),
        pod("static", namespace="dev", serviceAccountName="none", annotations=MIRROR),
        role_binding("b", "ClusterRole:view", "ServiceAccount:dev/bound", namespace="prod"),
        builtins=(*policy.cluster_roles, *policy.cluster_role_bindings),
    )
    assert of(view, members.ACCOUNTS) == [f"ServiceAccount:dev/{name}" for name in ("bound", "robot", "shop")]
    assert of(view, members.ABSENT_ACCOUNTS) == []
    assert of(view, members.CONTROLLER_ACCOUNTS) == []
    controllers = of(view, members.CONTROLLER_ACCOUNTS, "kube-system")
    assert "ServiceAccount:kube-system/job-controller" in controllers
    assert "ServiceAccount:kube-system/kube-dns" not in controllers
    assert set(controllers) < set(of(view, members.ABSENT_ACCOUNTS, "kube-system"))


def test_accounts_that_a_live_cluster_has_not() -> None:
    live = [account("default", "dev", uid="u"), pod("web", namespace="dev")]
    gone = role_binding("b", "ClusterRole:view", "ServiceAccount:dev/gone", namespace="dev")
    view = inventory(*live, gone)
    assert of(view, members.ACCOUNTS) == ["ServiceAccount:dev/default"]
    assert of(view, members.ABSENT_ACCOUNTS) == ["ServiceAccount:dev/gone"]


def test_what_pods_mount() -> None:
    web = pod(
        "web",
        container(envFrom=[{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "perhaps", "optional": True}}]),
        namespace="dev",
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "e", "emptyDir": {}}],
        imagePullSecrets=[{"name": "pull"}],
    )
    objects = [
        web,
        secret("db", "dev"),
        secret("x", "prod"),
        claim("bound", "pv", "dev"),
        claim("pending", None, "dev"),
    ]
    view = inventory(*objects, obj("ConfigMap", "here", "dev"))
    assert of(view, members.SECRETS) == ["Secret:dev/db", "Secret:dev/pull"]
    assert of(view, members.CONFIG_MAPS) == ["ConfigMap:dev/env", "ConfigMap:dev/here"]
    assert of(view, members.CLAIMS) == ["Volume:dev/web/v", "Volume:pv"]


def test_accounts_with_a_token_secret() -> None:
    tokens = [secret("t1", "dev", token_of="robot"), secret("t2", "dev", token_of="robot"), secret("db", "dev")]
    view = inventory(*tokens, account("robot", "dev"), account("plain", "dev"))
    assert of(view, members.TOKEN_ACCOUNTS) == ["ServiceAccount:dev/robot"]


def test_nodes() -> None:
    assert of(inventory(node("a"), pod("web", node="b")), members.NODES, "*") == ["Node:a", "Node:b"]
    assert of(inventory(deployment("web")), members.NODES, "*") == ["Node:*"]
    assert of(inventory(), members.NODES, "*") == ["Node:*"]


def test_users_and_groups() -> None:
    view = inventory(
        cluster_role_binding("a", "view", "User:bob", "Group:ops", "ServiceAccount:dev/x", "User:system:anonymous"),
        cluster_role_binding("b", "edit", "User:alice"),
        users={"alice": ("admins",), "carol": ()},
    )
    # Acting as alice does not bring her groups, so what stands for her is what she is granted herself.
    assert of(view, members.USERS, "*") == [
        "PermissionSet:edit@b",
        "User:bob",
        "User:carol",
        "User:system:anonymous",
    ]
    assert of(view, members.GROUPS, "*") == ["Group:admins", "Group:ops", "Group:system:masters"]


def test_permission_sets() -> None:
    bindings = [
        role("local", rule("get", "pods"), namespace="dev"),
        cluster_role("view", rule("get", "pods")),
        role_binding("a", "Role:local", "User:x", namespace="dev"),
        role_binding("b", "ClusterRole:view", "User:x", namespace="dev"),
        role_binding("c", "ClusterRole:gone", "User:x", namespace="dev"),
        cluster_role_binding("d", "view", "User:x"),
    ]
    view = inventory(*bindings)
    assert of(view, "role-permission-sets") == ["PermissionSet:dev/local@a"]
    assert of(view, "cluster-role-permission-sets") == ["PermissionSet:dev/view@b"]


def test_what_nobody_has_bound() -> None:
    binder = grant("p", rule("create", "rolebindings", RBAC), rule("bind", "roles clusterroles", RBAC))
    local = role("local", rule("get", "pods"), namespace="dev")
    view = inventory(namespace("dev"), local, *binder)
    assert of(view, "namespace-admins") == ["PermissionSet:dev/cluster-admin@"]
    assert of(view, "unbound-roles") == []
    binder = grant("p", rule("create", "rolebindings", RBAC), rule("bind", "roles", RBAC))
    view = inventory(namespace("dev"), local, *binder)
    assert of(view, "namespace-admins") == []
    assert of(view, "unbound-roles") == ["PermissionSet:dev/local@"]
    assert of(view, "unbound-roles", "*") == ["Hub:unbound-roles/dev"]


def test_what_stands_beside_a_workload() -> None:
    view = inventory(deployment("web", namespace="dev"), daemon_set("agent", namespace="ops"), account("x", "lab"))
    assert of(view, "accounts-beside-deployments", "*") == ["Hub:accounts/dev"]
    assert of(view, "secrets-beside-daemonsets", "*") == ["Hub:secrets/ops"]
    assert of(view, "accounts-beside-cronjobs", "*") == []


@pytest.mark.parametrize("each", members.TECHNIQUES, ids=lambda each: each.id)
def test_membership_is_internal_and_free(each: Any) -> None:
    declaration = each.declaration
    assert declaration.internal
    assert declaration.effort == 0
    assert declaration.subject_type in (SubjectType.SCOPE, SubjectType.SINGLETON)
    view = inventory(*PODS, account("robot", "dev"), secret("db", "dev"), deployment("api", namespace="dev"))
    for edge in edges(view, each.id):
        assert (edge.effort, edge.missing) == (0, ())
        assert nodes.is_hub(edge.source)
        assert nodes.is_hub(edge.target) or nodes.kind(edge.target) in (*declaration.target, "PermissionSet")
        assert each.evidence(view, edge) == []


def test_a_large_namespace_takes_one_edge_into_the_hub() -> None:
    many = [pod(f"web-{number}", namespace="dev") for number in range(50)]
    view = inventory(*many, *grant("p", rule("create", "pods/exec"), namespace="dev"))
    assert [edge.target for edge in edges(view, "POD_EXEC")] == ["Hub:containers/dev", "Hub:distroless-containers/dev"]
