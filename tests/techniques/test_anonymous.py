"""What the internet may do without credentials: in the API server, in kubelets, in etcd."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    EVERYTHING,
    api_server,
    blocked,
    cluster_role,
    cluster_role_binding,
    container,
    edges,
    grant,
    inventory,
    node,
    obj,
    pairs,
    pod,
    proof,
    role,
    role_binding,
    rule,
)
from workbench.inventory.changes import overlay
from workbench.inventory.inventory import Inventory
from workbench.rbac.builtin import builtin_policy
from workbench.remediation.permissions import binding_subjects

ANYBODY = "Group:system:unauthenticated"
USER = "User:system:anonymous"
PUBLIC = {"type": "ExternalIP", "address": "203.0.113.7"}
HIDDEN = ("C-ANON", "Cluster")


# --- the API server -------------------------------------------------------------------------------------


def opened(*objects: Any) -> Inventory:
    return inventory(*grant("pods", rule("get", "pods"), to=[ANYBODY]), *objects)


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        ([], (HIDDEN, ("C-FW", "Node:*"))),
        ([api_server("--v=2")], (("C-FW", "Node:cp-1"),)),
        ([api_server("--v=2"), node("cp-1", addresses=[PUBLIC])], ()),
        ([api_server("--anonymous-auth=true"), node("cp-1", addresses=[PUBLIC])], ()),
        ([api_server("--authentication-config=/etc/auth.yaml"), node("cp-1", addresses=[PUBLIC])], (HIDDEN,)),
        (
            [
                obj(
                    "EndpointSlice",
                    "kubernetes",
                    labels={"kubernetes.io/service-name": "kubernetes"},
                    endpoints=[{"addresses": ["203.0.113.9"]}],
                )
            ],
            (HIDDEN,),
        ),
        ([node("a", addresses=[PUBLIC])], (HIDDEN, ("C-FW", "Node:*"))),
    ],
    ids=["nothing known", "private", "public", "turned on", "limited by a file", "managed", "public worker"],
)
def test_anonymous_requests(objects: list[Any], missing: Any) -> None:
    view = opened(*objects)
    (edge,) = edges(view, "API_ANON")
    assert (edge.source, edge.target, edge.missing) == ("Internet", ANYBODY, missing)
    assert edge.effort == (4 if missing else 2)


def test_anonymous_requests_can_be_turned_off() -> None:
    view = opened(api_server("--anonymous-auth=false"), node("cp-1", addresses=[PUBLIC]))
    assert edges(view, "API_ANON") == []
    assert "--anonymous-auth=false" in blocked(view, "API_ANON")[0].mitigation


CLUSTER_INFO = role("info", rule("get", "configmaps", names="cluster-info"), namespace="kube-public")


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        (grant("all", EVERYTHING, to=[USER]), [USER]),
        (grant("some", rule("get", "pods"), to=[USER, ANYBODY], namespace="shop"), [ANYBODY, USER]),
        ([cluster_role_binding("info", "system:public-info-viewer", ANYBODY)], []),
        ([cluster_role_binding("found", "system:discovery", ANYBODY, USER)], []),
        ([CLUSTER_INFO, role_binding("info", "Role:info", USER, namespace="kube-public")], []),
        (
            [
                role("info", rule("get", "configmaps"), namespace="kube-public"),
                role_binding("info", "Role:info", USER, namespace="kube-public"),
            ],
            [USER],
        ),
        (
            [
                cluster_role("metrics", {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}),
                cluster_role_binding("metrics", "metrics", ANYBODY),
            ],
            [ANYBODY],
        ),
        (
            [
                cluster_role("metrics", {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}),
                role_binding("metrics", "ClusterRole:metrics", ANYBODY),
            ],
            [],
        ),
        ([cluster_role_binding("gone", "nothing", ANYBODY)], []),
        (grant("others", rule("get", "pods"), to=["Group:system:authenticated"]), []),
    ],
    ids=[
        "everything",
        "a namespace",
        "public-info-viewer",
        "discovery",
        "cluster-info",
        "all of kube-public",
        "metrics",
        "no resource in a RoleBinding",
        "no such role",
        "authenticated",
    ],
)
def test_what_everybody_may_do_is_no_finding(objects: list[Any], found: list[str]) -> None:
    known = builtin_policy(33)
    view = inventory(*objects, builtins=(*known.cluster_roles, *known.cluster_role_bindings))
    assert [target for _, target in pairs(view, "API_ANON")] == found


def test_evidence_of_anonymous_requests() -> None:
    view = opened(api_server("--v=2"), node("cp-1", addresses=[PUBLIC]))
    (edge,) = edges(view, "API_ANON")
    found = proof(view, edge)
    assert next(iter(found)) == ("ClusterRoleBinding:pods", "subjects[0]")
    assert found[("Node:cp-1", "status.addresses")] == [PUBLIC]
    assert ("Pod:kube-system/kube-apiserver-cp-1", "spec.containers[name=kube-apiserver].command") in found


def test_the_fix_takes_anonymous_subjects_out_together_and_leaves_the_rest() -> None:
    view = inventory(
        *grant("all", EVERYTHING, to=[USER, ANYBODY, "User:bob"]),
        cluster_role_binding("info", "system:public-info-viewer", ANYBODY),
        cluster_role("system:public-info-viewer", {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}),
    )
    found = {(fix.fix, fix.target.name): fix for fix in binding_subjects(view)}
    assert set(found) == {("F-BIND-ANON", "all"), ("F-BIND-SUBJ", "all"), ("F-BIND-SUBJ", "info")}
    fix = found["F-BIND-ANON", "all"]
    assert fix.observed_on == (ANYBODY, USER)
    after = overlay(view, [fix.change])
    assert edges(after, "API_ANON") == []
    binding: Any = after.by_id("ClusterRoleBinding:all")
    assert [subject.name for subject in binding.subjects] == ["bob"]


# --- kubelets -------------------------------------------------------------------------------------------


def kubelet_config(anonymous: str, mode: str) -> Any:
    text = (
        "apiVersion: kubelet.config.k8s.io/v1beta1\n"
        "authentication:\n"
        "  anonymous:\n"
        f"    enabled: {anonymous}\n"
        "  webhook:\n"
        "    enabled: true\n"
        "authorization:\n"
        f"  mode: {mode}\n"
        "staticPodURLHeader:\n"
        "  Authorization: [s3cret]\n"
    )
    return obj("ConfigMap", "kubelet-config", "kube-system", data={"kubelet": text})


def test_kubelets_that_let_everybody_in() -> None:
    view = inventory(kubelet_config("true", "AlwaysAllow"), node("a", addresses=[PUBLIC]), node("b"))
    found = {edge.target: edge for edge in edges(view, "KUBELET_ANON")}
    assert {key: (edge.effort, edge.missing) for key, edge in found.items()} == {
        "Node:a": (2, ()),
        "Node:b": (4, (("C-FW", "Node:b"),)),
    }
    shown = proof(view, found["Node:a"])
    assert "AlwaysAllow" in shown[("ConfigMap:kube-system/kubelet-config", "data[kubelet]")]
    assert shown[("Node:a", "status.addresses")] == [PUBLIC]


@pytest.mark.parametrize(
    ("anonymous", "mode", "reason"),
    [
        ("false", "AlwaysAllow", "anonymous.enabled: false"),
        ("true", "Webhook", "authorization.mode: Webhook"),
    ],
)
def test_kubelets_that_ask(anonymous: str, mode: str, reason: str) -> None:
    view = inventory(kubelet_config(anonymous, mode), node("a", addresses=[PUBLIC]))
    assert edges(view, "KUBELET_ANON") == []
    assert reason in blocked(view, "KUBELET_ANON")[0].mitigation


def test_what_nobody_says_of_kubelets_is_not_claimed() -> None:
    view = inventory(node("a", addresses=[PUBLIC]))
    assert edges(view, "KUBELET_ANON") == [] == blocked(view, "KUBELET_ANON")


def test_no_more_of_the_kubelets_configuration_is_kept_than_is_read() -> None:
    assert "s3cret" not in str(kubelet_config("false", "Webhook").data)


# --- etcd -----------------------------------------------------------------------------------------------

SECURE = ("--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.4:2379", "--client-cert-auth=true")


def etcd(*arguments: str, name: str = "etcd-cp-1", mirror: bool = True, image: str = "etcd:3.5", **fields: Any) -> Any:
    command = ["etcd", *arguments]
    return pod(
        name,
        container("etcd", image=f"registry.k8s.io/{image}", **{"command": command, **fields}),
        namespace="kube-system",
        node="cp-1",
        annotations={"kubernetes.io/config.mirror": "x"} if mirror else None,
        hostNetwork=True,
    )


@pytest.mark.parametrize(
    ("item", "public", "missing"),
    [
        (etcd("--listen-client-urls=http://0.0.0.0:2379"), True, ()),
        (etcd("--listen-client-urls=http://0.0.0.0:2379"), False, (("C-FW", "Node:cp-1"),)),
        (etcd("--listen-client-urls=https://0.0.0.0:2379"), True, ()),
        (etcd("--listen-client-urls", "https://[::]:2379", "--client-cert-auth=false"), True, ()),
        (etcd("--listen-client-urls=https://10.0.0.4:2379"), True, (("C-FW", "Node:cp-1"),)),
        (etcd("--listen-client-urls=http://0.0.0.0:2379", "--client-cert-auth"), True, ()),
        (etcd("--config-file=/etc/etcd.yaml"), True, (HIDDEN,)),
        (etcd(command=None, image="etcd:3.5", env=[{"name": "ETCD_CLIENT_CERT_AUTH", "value": "1"}]), True, (HIDDEN,)),
    ],
    ids=["plain", "no public address", "TLS", "turned off", "private address", "plain all the same", "file", "env"],
)
def test_etcd_without_certificates(item: Any, public: bool, missing: Any) -> None:
    view = inventory(item, node("cp-1", addresses=[PUBLIC] if public else []))
    (edge,) = edges(view, "ETCD_EXPOSED")
    assert (edge.source, edge.target, edge.missing) == ("Internet", "ClusterAdmin", missing)
    assert edge.effort == (5 if missing else 3)
    assert ("Pod:kube-system/etcd-cp-1", "spec.containers[name=etcd].command") in proof(view, edge)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (etcd(*SECURE), "--client-cert-auth asks"),
        (etcd("--listen-client-urls=http://127.0.0.1:2379"), "loopback"),
        (etcd("--data-dir=/var/lib/etcd"), "loopback"),
    ],
    ids=["kubeadm", "loopback", "default"],
)
def test_etcd_that_asks(item: Any, reason: str) -> None:
    view = inventory(item, node("cp-1", addresses=[PUBLIC]))
    assert edges(view, "ETCD_EXPOSED") == []
    assert reason in blocked(view, "ETCD_EXPOSED")[0].mitigation


@pytest.mark.parametrize(
    "item",
    [
        etcd("--listen-client-urls=http://0.0.0.0:2379", mirror=False),
        etcd("--listen-client-urls=http://0.0.0.0:2379", name="etcd-events-cp-1"),
        etcd(name="etcd-manager-main-cp-1", command=["/etcd-manager"], image="etcd-manager:3"),
    ],
    ids=["an application's own", "events", "kops' manager"],
)
def test_other_etcds(item: Any) -> None:
    view = inventory(item, node("cp-1", addresses=[PUBLIC]))
    assert edges(view, "ETCD_EXPOSED") == [] == blocked(view, "ETCD_EXPOSED")
