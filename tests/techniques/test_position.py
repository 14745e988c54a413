"""What an attacker who holds one thing holds already."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    blocked,
    container,
    deployment,
    edges,
    inventory,
    mount,
    node,
    obj,
    pairs,
    pod,
    proof,
    token_mount,
    token_volume,
)

GROUP = "rbac.authorization.k8s.io"
EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
READ = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
PRIVILEGED = {"securityContext": {"privileged": True}}


def binding(
    name: str, role: str, *subjects: dict[str, Any], namespace: str = "", role_kind: str = "ClusterRole"
) -> Any:
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    reference = {"apiGroup": GROUP, "kind": role_kind, "name": role}
    return obj(kind, name, namespace, subjects=list(subjects), roleRef=reference)


def cluster_role(name: str, *rules: dict[str, Any]) -> Any:
    return obj("ClusterRole", name, rules=list(rules))


def account(name: str, namespace: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def named(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "apiGroup": GROUP, "name": name}


# --- R1 ---------------------------------------------------------------------------------------------


def started(name: str) -> dict[str, Any]:
    return {"name": name, "state": {"running": {}}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param(pod("web"), ["app"], id="running"),
        pytest.param(pod("web", container(**PRIVILEGED), phase="Succeeded"), [], id="T37 succeeded"),
        pytest.param(pod("web", container(**PRIVILEGED), phase="Failed"), [], id="T37 failed"),
        pytest.param(
            pod("web", initContainers=[container("init", **PRIVILEGED)]), ["app"], id="T38 init container that ended"
        ),
        pytest.param(
            pod("web", initContainers=[container("init", restartPolicy="Always", **PRIVILEGED)]),
            ["app", "init"],
            id="T38 sidecar",
        ),
        pytest.param(
            pod(
                "web",
                phase="Pending",
                initContainers=[container("init")],
                status={"initContainerStatuses": [started("init")]},
            ),
            ["init"],
            id="init container that runs",
        ),
        pytest.param(
            pod("web", ephemeralContainers=[container("debug", targetContainerName="app")]),
            ["app", "debug"],
            id="ephemeral container",
        ),
        pytest.param(pod("web", phase="Pending"), [], id="pending"),
        pytest.param(deployment("web", initContainers=[container("init")]), ["app"], id="manifest"),
        pytest.param(
            deployment("web", initContainers=[container("init", restartPolicy="Always")]),
            ["app", "init"],
            id="manifest with a sidecar",
        ),
    ],
)
def test_live_containers(item: Any, expected: list[str]) -> None:
    view = inventory(item)
    assert pairs(view, "CONTAINER_ATTACH") == [
        ("Pod:default/web", f"Container:default/web/{name}") for name in expected
    ]


def test_evidence_of_a_live_container() -> None:
    view = inventory(pod("web", initContainers=[container("init", restartPolicy="Always")]))
    app, init = edges(view, "CONTAINER_ATTACH")
    assert (app.effort, app.verdict) == (1, "on")
    running = {"running": {"startedAt": "2025-01-01T00:00:00Z"}}
    assert proof(view, app) == {
        ("Pod:default/web", "status.containerStatuses[name=app].state"): running,
        ("Pod:default/web", "status.phase"): "Running",
    }
    assert ("Pod:default/web", "status.initContainerStatuses[name=init].state") in proof(view, init)


# --- tokens -----------------------------------------------------------------------------------------

OWN = [("Container:default/web/app", "ServiceAccount:default/shop")]


@pytest.mark.parametrize(
    ("item", "found", "refused"),
    [
        pytest.param(
            pod(
                "web",
                container(volumeMounts=[token_mount()]),
                volumes=[token_volume()],
                serviceAccountName="shop",
            ),
            True,
            False,
            id="mounted",
        ),
        pytest.param(
            deployment("web", serviceAccountName="shop", automountServiceAccountToken=False),
            False,
            True,
            id="T44 automount false",
        ),
        pytest.param(
            pod("web", serviceAccountName="shop", automountServiceAccountToken=False),
            False,
            True,
            id="T44 automount false, live",
        ),
        pytest.param(
            deployment(
                "web",
                container(volumeMounts=[mount("mine", "/token")]),
                volumes=[token_volume("mine")],
                serviceAccountName="shop",
                automountServiceAccountToken=False,
            ),
            True,
            False,
            id="T44 explicit token",
        ),
        pytest.param(
            deployment(
                "web",
                container(volumeMounts=[mount("vault", "/vault")]),
                volumes=[token_volume("vault", audience="vault")],
                serviceAccountName="shop",
                automountServiceAccountToken=False,
            ),
            False,
            True,
            id="T45 audience vault",
        ),
        pytest.param(deployment("web", serviceAccountName="shop"), True, False, id="template"),
    ],
)
def test_tokens(item: Any, found: bool, refused: bool) -> None:
    view = inventory(obj("ServiceAccount", "shop", automountServiceAccountToken=True), item)
    assert pairs(view, "IDENTITY_ASSUME") == (OWN if found else [])
    assert [(edge.source, edge.target) for edge in blocked(view, "IDENTITY_ASSUME")] == (OWN if refused else [])


def test_a_mirror_pod_has_no_token_and_nothing_to_say() -> None:
    view = inventory(pod("web", automountServiceAccountToken=False, annotations={"kubernetes.io/config.mirror": "x"}))
    assert edges(view, "IDENTITY_ASSUME") == [] == blocked(view, "IDENTITY_ASSUME")


def test_evidence_of_a_token() -> None:
    view = inventory(deployment("web", serviceAccountName="shop"))
    (edge,) = edges(view, "IDENTITY_ASSUME")
    assert (edge.effort, edge.verdict) == (1, "on")
    assert proof(view, edge) == {
        ("Deployment:default/web", "spec.template.spec.automountServiceAccountToken"): True,
        ("ServiceAccount:default/shop", "automountServiceAccountToken"): True,
        ("Deployment:default/web", "spec.template.spec.serviceAccountName"): "shop",
    }


# --- groups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "source", "groups"),
    [
        (
            account("ci", "dev"),
            "ServiceAccount:dev/ci",
            ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:dev"],
        ),
        (named("User", "alice"), "User:alice", ["corp:admins", "system:authenticated"]),
        (named("User", "bob"), "User:bob", ["system:authenticated"]),
        (named("User", "system:anonymous"), "User:system:anonymous", ["system:unauthenticated"]),
        (
            named("User", "system:serviceaccount:dev:ci"),
            "ServiceAccount:dev/ci",
            ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:dev"],
        ),
        (named("Group", "corp:admins"), "Group:corp:admins", []),
    ],
)
def test_groups(subject: dict[str, Any], source: str, groups: list[str]) -> None:
    view = inventory(cluster_role("reader", READ), binding("b", "reader", subject), users={"alice": ("corp:admins",)})
    found = [edge for edge in edges(view, "GROUP_MEMBER") if edge.source == source]
    assert sorted(edge.target for edge in found) == [f"Group:{group}" for group in groups]
    assert all((edge.effort, edge.verdict) == (1, "on") for edge in found)


def test_the_user_of_a_node_is_in_the_group_of_nodes() -> None:
    view = inventory(node("n"), pod("web", node="m"))
    found = [pair for pair in pairs(view, "GROUP_MEMBER") if pair[0].startswith("User:system:node:")]
    assert found == [
        (f"User:system:node:{name}", f"Group:{group}")
        for name in ("m", "n")
        for group in ("system:authenticated", "system:nodes")
    ]


def test_evidence_of_a_group() -> None:
    view = inventory(
        cluster_role("reader", READ),
        binding("b", "reader", named("User", "alice"), account("ci", "dev")),
        users={"alice": ("corp:admins",)},
    )
    shown = {(edge.source, edge.target): proof(view, edge) for edge in edges(view, "GROUP_MEMBER")}
    assert shown[("User:alice", "Group:corp:admins")] == {("User:alice", "users.alice.groups"): ["corp:admins"]}
    assert shown[("ServiceAccount:dev/ci", "Group:system:serviceaccounts:dev")] == {
        ("ServiceAccount:dev/ci", "metadata.name"): "ci"
    }


# --- permissions ------------------------------------------------------------------------------------


def test_t09_a_role_binding_may_name_accounts_of_other_namespaces() -> None:
    view = inventory(
        obj("Role", "reader", "a", rules=[READ]),
        binding("b", "reader", account("robot", "b"), namespace="a", role_kind="Role"),
    )
    (edge,) = edges(view, "PERMISSION_DISCOVER")
    assert (edge.source, edge.target, edge.effort) == ("ServiceAccount:b/robot", "PermissionSet:a/reader@b", 1)
    assert proof(view, edge) == {
        ("RoleBinding:a/b", "subjects[0]"): account("robot", "b"),
        ("RoleBinding:a/b", "roleRef"): {"apiGroup": GROUP, "kind": "Role", "name": "reader"},
    }


@pytest.mark.parametrize(
    ("subject", "source"),
    [
        (named("Group", "system:serviceaccounts:dev"), "Group:system:serviceaccounts:dev"),
        (named("User", "alice"), "User:alice"),
        (named("User", "system:serviceaccount:dev:ci"), "ServiceAccount:dev/ci"),
        (account("ci", "dev"), "ServiceAccount:dev/ci"),
        ({"kind": "ServiceAccount", "name": "ci"}, None),
        ({"kind": "Machine", "name": "ci"}, None),
    ],
    ids=["T10 group", "user", "account by user name", "account", "account without namespace", "unknown kind"],
)
def test_subjects_of_a_binding(subject: dict[str, Any], source: str | None) -> None:
    view = inventory(cluster_role("reader", READ), binding("b", "reader", subject))
    assert pairs(view, "PERMISSION_DISCOVER") == ([(source, "PermissionSet:reader@b")] if source else [])


# --- cluster admin ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "admin"),
    [
        ([EVERYTHING], True),
        ([READ, EVERYTHING], True),
        ([{**EVERYTHING, "apiGroups": [""]}], False),
        ([{**EVERYTHING, "verbs": ["get", "list", "watch"]}], False),
        ([{**EVERYTHING, "resources": ["pods"]}], False),
        ([{**EVERYTHING, "resourceNames": ["x"]}], False),
        ([{**EVERYTHING, "verbs": ["get"]}, {**EVERYTHING, "resources": ["pods"]}], False),
    ],
    ids=["everything", "second rule", "one group", "reader", "one resource", "names", "two halves"],
)
def test_cluster_admin(rules: list[dict[str, Any]], admin: bool) -> None:
    view = inventory(cluster_role("boss", *rules), binding("b", "boss", named("User", "alice")))
    found = edges(view, "CLUSTER_ADMIN")
    assert [(edge.source, edge.target, edge.effort, edge.verdict) for edge in found] == (
        [("PermissionSet:boss@b", "ClusterAdmin", 1, "on")] if admin else []
    )
    for edge in found:
        at = rules.index(EVERYTHING)
        assert proof(view, edge) == {
            ("ClusterRole:boss", f"rules[{at}]"): EVERYTHING,
            ("ClusterRoleBinding:b", "roleRef"): {"apiGroup": GROUP, "kind": "ClusterRole", "name": "boss"},
        }


def test_t11_a_role_binding_to_cluster_admin_rules_its_namespace_only() -> None:
    view = inventory(
        cluster_role("cluster-admin", EVERYTHING),
        binding("b", "cluster-admin", named("User", "alice"), namespace="dev"),
    )
    assert pairs(view, "CLUSTER_ADMIN") == []
    assert pairs(view, "PERMISSION_DISCOVER") == [("User:alice", "PermissionSet:dev/cluster-admin@b")]


def test_an_aggregated_role_shows_the_rule_where_it_stands() -> None:
    gathered = obj("ClusterRole", "part", labels={"aggregate": "yes"}, rules=[READ, EVERYTHING])
    boss = obj("ClusterRole", "boss", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"aggregate": "yes"}}]})
    view = inventory(gathered, boss, binding("b", "boss", named("User", "alice")))
    (edge,) = edges(view, "CLUSTER_ADMIN")
    assert next(iter(proof(view, edge))) == ("ClusterRole:part", "rules[1]")


def test_members_of_system_masters_rule_the_cluster_without_rbac() -> None:
    view = inventory()
    (edge,) = edges(view, "SYSTEM_MASTERS")
    assert (edge.source, edge.target, edge.effort) == ("Group:system:masters", "ClusterAdmin", 1)
    assert proof(view, edge) == {("Group:system:masters", "metadata.name"): "system:masters"}
