"""What a compromised node gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    container,
    daemon_set,
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
    workload,
)
from workbench.inventory.evidence import Gap, Problem
from workbench.techniques.resolve.nodes import api_server_flag, control_plane, node_ids

MIRROR = {"kubernetes.io/config.mirror": "hash"}
SHARED = (("C-NODE", "Node:*"),)


def secret(name: str, **fields: Any) -> Any:
    return obj("Secret", name, **fields)


# --- R12 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        pytest.param([node("n")], None, id="worker"),
        pytest.param(
            [node("n", labels={"node-role.kubernetes.io/control-plane": ""})],
            "label:node-role.kubernetes.io/control-plane",
            id="role label",
        ),
        pytest.param(
            [node("n", labels={"node-role.kubernetes.io/master": ""})],
            "label:node-role.kubernetes.io/master",
            id="old role label",
        ),
        pytest.param(
            [node("n", labels={"node-role.kubernetes.io/etcd": "true"})],
            "label:node-role.kubernetes.io/etcd",
            id="k3s or rke2 server",
        ),
        pytest.param([node("n", labels={"node-role.kubernetes.io/worker": ""})], None, id="another role"),
        pytest.param([node("n", labels={"node-role.kubernetes.io/control-plane": "false"})], None, id="said not to be"),
        pytest.param(
            [node("n"), pod("kube-apiserver-n", namespace="kube-system", node="n", annotations=MIRROR)],
            "Pod:kube-system/kube-apiserver-n",
            id="T53 mirror pod of the API server, no label",
        ),
        pytest.param(
            [pod("etcd-n", namespace="kube-system", node="n", annotations=MIRROR)],
            "Pod:kube-system/etcd-n",
            id="mirror pod of etcd, node not read",
        ),
        pytest.param([node("n"), pod("kube-apiserver-n", namespace="kube-system", node="n")], None, id="no mirror pod"),
        pytest.param(
            [node("n"), pod("kube-proxy-n", namespace="kube-system", node="n", annotations=MIRROR)],
            None,
            id="another mirror pod",
        ),
    ],
)
def test_control_plane(objects: list[Any], reason: str | None) -> None:
    view = inventory(*objects)
    assert control_plane(view, "Node:n") == reason
    found = edges(view, "NODE_CONTROL_PLANE")
    assert [(edge.source, edge.target, edge.effort, edge.verdict) for edge in found] == (
        [("Node:n", "ClusterAdmin", 1, "on")] if reason else []
    )


def test_evidence_of_a_control_plane_node() -> None:
    labelled = inventory(node("n", labels={"node-role.kubernetes.io/control-plane": ""}))
    (edge,) = edges(labelled, "NODE_CONTROL_PLANE")
    assert proof(labelled, edge) == {("Node:n", "metadata.labels[node-role.kubernetes.io/control-plane]"): ""}
    mirrored = inventory(pod("etcd-n", namespace="kube-system", node="n", annotations=MIRROR))
    (edge,) = edges(mirrored, "NODE_CONTROL_PLANE")
    assert proof(mirrored, edge) == {
        ("Pod:kube-system/etcd-n", "spec.nodeName"): "n",
        ("Pod:kube-system/etcd-n", "metadata.annotations[kubernetes.io/config.mirror]"): "hash",
    }


def test_the_unknown_node_may_be_a_control_plane_node() -> None:
    view = inventory(deployment("web"))
    (edge,) = edges(view, "NODE_CONTROL_PLANE")
    assert (edge.source, edge.effort, edge.missing) == ("Node:*", 3, (("C-CPNODE", "Node:*"),))
    assert proof(view, edge) == {("Node:*", "metadata.labels[node-role.kubernetes.io/control-plane]"): None}


def test_node_ids_are_those_read_and_those_named() -> None:
    view = inventory(node("a"), pod("web", node="b"), deployment("other"))
    assert node_ids(view) == ["Node:a", "Node:b", "Node:*"]


def test_flags_of_the_api_server() -> None:
    arguments = ["--anonymous-auth=false", "--secure-port", "6443", "--allow-privileged", "--bind-address=::"]
    view = inventory(
        pod(
            "kube-apiserver-n",
            container("kube-apiserver", command=["kube-apiserver"], args=arguments),
            namespace="kube-system",
            annotations=MIRROR,
        )
    )
    assert api_server_flag(view, "--anonymous-auth") == "false"
    assert api_server_flag(view, "--secure-port") == "6443"
    assert api_server_flag(view, "--allow-privileged") == ""
    assert api_server_flag(view, "--authorization-mode") is None


# --- steps to pods ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (pod("web"), [("Node:worker-1", "Pod:default/web")]),
        (pod("web", phase="Succeeded"), []),
        (pod("web", node=None), [("Node:*", "Pod:default/web")]),
        (deployment("web"), [("Node:*", "Pod:default/web")]),
        (deployment("web", fields={"replicas": 0}), []),
    ],
    ids=["live", "ended", "not scheduled", "manifest", "no replica"],
)
def test_pods_of_a_node(item: Any, expected: list[tuple[str, str]]) -> None:
    assert pairs(inventory(item), "POD_ATTACH") == expected


def test_evidence_of_pod_attach() -> None:
    view = inventory(pod("web"))
    (edge,) = edges(view, "POD_ATTACH")
    assert (edge.effort, edge.verdict) == (1, "on")
    assert proof(view, edge) == {
        ("Pod:default/web", "spec.nodeName"): "worker-1",
        ("Pod:default/web", "status.phase"): "Running",
    }


AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}


@pytest.mark.parametrize(
    ("item", "missing"),
    [
        (daemon_set("web"), ()),
        (daemon_set("web", nodeSelector={"gpu": "yes"}), SHARED),
        (daemon_set("web", affinity=AFFINITY), SHARED),
        (deployment("web"), SHARED),
        (workload("StatefulSet", "web"), SHARED),
    ],
    ids=["daemon set", "node selector", "affinity", "deployment", "stateful set"],
)
@pytest.mark.parametrize("identifier", ["POD_ATTACH", "VOLUME_ACCESS", "NODE_SECRETS", "NODE_TOKEN"])
def test_out_of_the_unknown_node(item: Any, missing: tuple[Any, ...], identifier: str) -> None:
    spec = item.spec.template.spec
    spec.volumes = (
        inventory(pod("x", volumes=[{"name": "keys", "secret": {"secretName": "keys"}}]))
        .pods.get("Pod:default/x")
        .spec.volumes
    )  # type: ignore[union-attr]
    (edge,) = edges(inventory(item), identifier)
    assert edge.source == "Node:*"
    assert edge.missing == missing
    assert edge.effort == (2 if identifier == "NODE_TOKEN" else 1) + (2 if missing else 0)


def test_evidence_out_of_the_unknown_node_shows_what_chooses_it() -> None:
    view = inventory(daemon_set("web", nodeSelector={"gpu": "yes"}))
    (edge,) = edges(view, "POD_ATTACH")
    assert proof(view, edge) == {
        ("DaemonSet:default/web", "spec.template.spec.nodeName"): None,
        ("DaemonSet:default/web", "spec.template.spec.nodeSelector"): {"gpu": "yes"},
        ("DaemonSet:default/web", "spec.template.spec.affinity"): None,
    }


# --- identity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (node("n"), [("Node:n", "User:system:node:n")]),
        (pod("web", node="n"), [("Node:n", "User:system:node:n")]),
        (deployment("web"), [("Node:*", "Group:system:nodes")]),
    ],
    ids=["read", "named by a pod", "not known"],
)
def test_node_identity(item: Any, expected: list[tuple[str, str]]) -> None:
    view = inventory(item)
    assert pairs(view, "NODE_IDENTITY") == expected
    (edge,) = edges(view, "NODE_IDENTITY")
    assert (edge.effort, edge.verdict) == (1, "on")


# --- volumes and tokens -----------------------------------------------------------------------------


def test_volumes_and_the_tokens_in_them() -> None:
    view = inventory(
        obj("ServiceAccount", "robot", uid="u1"),
        secret(
            "legacy",
            type="kubernetes.io/service-account-token",
            annotations={
                "kubernetes.io/service-account.name": "robot",
                "kubernetes.io/service-account.uid": "u1",
            },
        ),
        pod(
            "web",
            container(volumeMounts=[token_mount()]),
            serviceAccountName="shop",
            volumes=[
                token_volume(),
                token_volume("vault", audience="vault"),
                {"name": "legacy", "secret": {"secretName": "legacy"}},
                {"name": "scratch", "emptyDir": {}},
            ],
        ),
    )
    assert pairs(view, "VOLUME_ACCESS") == [
        ("Node:worker-1", f"Volume:default/web/{name}") for name in ("kube-api-access-x", "legacy", "scratch", "vault")
    ]
    assert pairs(view, "TOKEN_STEAL") == [
        ("Volume:default/web/kube-api-access-x", "ServiceAccount:default/shop"),
        ("Volume:default/web/legacy", "ServiceAccount:default/robot"),
    ]
    own, legacy = edges(view, "TOKEN_STEAL")
    assert proof(view, own)[("Pod:default/web", "spec.serviceAccountName")] == "shop"
    assert (
        proof(view, legacy)[("Secret:default/legacy", "metadata.annotations[kubernetes.io/service-account.name]")]
        == "robot"
    )


@pytest.mark.parametrize(
    "item",
    [
        pod("web", phase="Succeeded", volumes=[token_volume()]),
        pod("web", annotations=MIRROR, volumes=[token_volume()]),
        pod("web", volumes=[{"name": "scratch", "emptyDir": {}}]),
    ],
    ids=["ended", "mirror", "no token"],
)
def test_no_token_in_the_volumes(item: Any) -> None:
    assert pairs(inventory(item), "TOKEN_STEAL") == []


def test_node_token_asks_for_every_account_once_whether_mounted_or_not() -> None:
    view = inventory(
        pod("a", serviceAccountName="shop", automountServiceAccountToken=False),
        pod("b", serviceAccountName="shop"),
        pod("c", serviceAccountName="done", phase="Failed"),
        pod("d", serviceAccountName="static", annotations=MIRROR),
        pod("e", serviceAccountName="waiting", phase="Pending"),
    )
    found = edges(view, "NODE_TOKEN")
    assert [(edge.target, edge.effort) for edge in found] == [
        ("ServiceAccount:default/shop", 2),
        ("ServiceAccount:default/waiting", 2),
    ]
    assert proof(view, found[0]) == {
        ("Pod:default/a", "spec.serviceAccountName"): "shop",
        ("Pod:default/a", "spec.nodeName"): "worker-1",
    }


def test_node_token_prefers_the_pod_that_is_on_every_node() -> None:
    view = inventory(deployment("web"), daemon_set("agent"))
    (edge,) = edges(view, "NODE_TOKEN")
    assert (edge.target, edge.missing, edge.cause) == ("ServiceAccount:default/default", (), "Pod:default/agent")


# --- secrets ----------------------------------------------------------------------------------------


def test_node_secrets_follow_every_reference() -> None:
    key = {"valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}
    view = inventory(
        pod(
            "web",
            container(env=[{"name": "A", **key}], envFrom=[{"configMapRef": {"name": "settings"}}]),
            initContainers=[
                container("init", envFrom=[{"secretRef": {"name": "of-init"}}], volumeMounts=[mount("v", "/v")])
            ],
            imagePullSecrets=[{"name": "pull"}],
            volumes=[
                {"name": "v", "secret": {"secretName": "volume"}},
                {"name": "p", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
                {"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "csi"}}},
                {"name": "f", "flexVolume": {"driver": "d", "secretRef": {"name": "flex"}}},
                {"name": "m", "configMap": {"name": "files"}},
            ],
        ),
    )
    assert pairs(view, "NODE_SECRETS") == [
        *(("Node:worker-1", f"ConfigMap:default/{name}") for name in ("files", "settings")),
        *(
            ("Node:worker-1", f"Secret:default/{name}")
            for name in ("csi", "env", "flex", "of-init", "projected", "pull", "volume")
        ),
    ]


def test_t46_pull_secrets_are_the_nodes_and_not_the_containers() -> None:
    view = inventory(secret("pull"), pod("web", imagePullSecrets=[{"name": "pull"}]))
    assert pairs(view, "SECRET_MOUNT") == pairs(view, "SECRET_ENV") == []
    (edge,) = edges(view, "NODE_SECRETS")
    assert (edge.target, edge.verdict, edge.effort) == ("Secret:default/pull", "on", 1)
    assert proof(view, edge) == {
        ("Pod:default/web", "spec.imagePullSecrets[0]"): {"name": "pull"},
        ("Pod:default/web", "spec.nodeName"): "worker-1",
    }


def test_admission_copies_the_accounts_pull_secrets_to_a_template() -> None:
    account = obj("ServiceAccount", "default", imagePullSecrets=[{"name": "pull"}])
    view = inventory(account, deployment("web"))
    (edge,) = edges(view, "NODE_SECRETS")
    assert edge.target == "Secret:default/pull"
    assert proof(view, edge)[("ServiceAccount:default/default", "imagePullSecrets")] == [{"name": "pull"}]
    assert pairs(inventory(account, pod("web")), "NODE_SECRETS") == []


@pytest.mark.parametrize(
    ("objects", "coverage", "missing"),
    [
        ([secret("maybe")], [], ()),
        ([], [], None),
        ([], [Gap("Secret", "default", Problem.FORBIDDEN)], (("C-NAME", "Secret:default/maybe"),)),
        ([], [Gap("Secret", "other", Problem.FORBIDDEN)], None),
    ],
    ids=["there", "missing", "not listed", "another namespace not listed"],
)
def test_optional_references(objects: list[Any], coverage: list[Gap], missing: tuple[Any, ...] | None) -> None:
    web = pod("web", volumes=[{"name": "v", "secret": {"secretName": "maybe", "optional": True}}])
    found = edges(inventory(*objects, web, coverage=coverage), "NODE_SECRETS")
    assert [edge.missing for edge in found] == ([] if missing is None else [missing])


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("Running", ["Secret:default/keys"]), ("Pending", ["Secret:default/keys"]), ("Succeeded", [])],
)
def test_node_secrets_of_pods_that_are_bound(phase: str, expected: list[str]) -> None:
    view = inventory(pod("web", phase=phase, volumes=[{"name": "v", "secret": {"secretName": "keys"}}]))
    assert [edge.target for edge in edges(view, "NODE_SECRETS")] == expected
