"""What an overlay recomputes of what containers reach over the network: servers of the cluster, clouds, their node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    container,
    daemon_set,
    grant,
    inventory,
    namespace,
    node,
    obj,
    pod,
    role_binding,
    rule,
    secret,
    service,
    token_mount,
    token_volume,
)
from tests.techniques.test_recompute import check
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.inventory.objects import KubernetesObject

TOKEN = {"volumeMounts": [token_mount()]}
ROOT = {"securityContext": {"runAsUser": 0}}


def at(*addresses: str) -> list[dict[str, str]]:
    return [{"type": "InternalIP", "address": address} for address in addresses]


N1 = node("n1", addresses=at("10.1.0.1"), provider_id="aws:///a/i-1")
N2 = node("n2", addresses=at("10.1.0.2"), provider_id="gce://p/z/n2")
N3 = node("n3", addresses=at("10.2.0.3"))
AGENT = pod("agent", container("c", **ROOT), namespace="ops", node="n1", hostNetwork=True)
WEB = pod(
    "web",
    container("c", **TOKEN, **ROOT, ports=[{"containerPort": 8080}]),
    namespace="apps",
    node="n1",
    labels={"app": "web"},
    volumes=[token_volume()],
    serviceAccountName="robot",
)
OTHER = pod("other", container("c", **ROOT), namespace="apps", node="n2", labels={"app": "web"})
LOOPBACK = pod(
    "loop",
    container("c", ports=[{"containerPort": 80, "hostPort": 81, "hostIP": "127.0.0.1"}]),
    namespace="lab",
    node="n1",
)
SERVICE = service("web", {"port": 80, "targetPort": 8080}, namespace="apps")
CLOSED = obj(
    "NetworkPolicy",
    "closed",
    "apps",
    spec={
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}],
    },
)
PLUGIN = pod("plugin", container(image="docker.io/calico/node:v3.30"), namespace="kube-system", node="n3")
CONTROLLERS = [
    pod(
        name,
        container(
            image=f"registry.k8s.io/ingress-nginx/controller:{version}", args=["--validating-webhook=:8443"], **TOKEN
        ),
        namespace="edge",
        node="n2",
        labels={"app": name},
        volumes=[token_volume()],
        serviceAccountName=name,
    )
    for name, version in (("one", "v1.9.0"), ("two", "v1.12.0"))
]
ONLY = obj(
    "NetworkPolicy",
    "webhook",
    "edge",
    spec={"podSelector": {"matchLabels": {"app": "one"}}, "ingress": [{"from": [{"podSelector": {}}]}]},
)
ETCD = pod(
    "etcd-n3",
    container("etcd", image="etcd:3.5", command=["etcd", "--listen-client-urls=http://0.0.0.0:2379"]),
    namespace="kube-system",
    node="n3",
    annotations={"kubernetes.io/config.mirror": "x"},
    hostNetwork=True,
)
ASIDE = pod("aside", container("c", **ROOT), namespace="kube-system", node="n3", hostNetwork=True)
PROXY = grant("proxy", rule("get", "nodes/proxy"), to=["ServiceAccount:apps/robot"])
PLANNED = daemon_set("planned", container("c", ports=[{"containerPort": 9}]), namespace="apps", labels={"app": "web"})


def kubelet_config(mode: str, enabled: str = "true") -> KubernetesObject:
    text = f"authentication:\n  anonymous:\n    enabled: {enabled}\nauthorization:\n  mode: {mode}\n"
    return obj("ConfigMap", "kubelet-config", "kube-system", data={"kubelet": text})


OPEN = kubelet_config("AlwaysAllow")
SHUT = kubelet_config("Webhook", "false")
WORLD = (
    N1,
    N2,
    N3,
    AGENT,
    WEB,
    OTHER,
    LOOPBACK,
    SERVICE,
    CLOSED,
    PLUGIN,
    *CONTROLLERS,
    ONLY,
    ETCD,
    ASIDE,
    *PROXY,
    PLANNED,
    namespace("edge", stage="prod"),
)
CHANGES = [
    pytest.param(N1, "/spec/providerID", "azure:///x/1", id="provider"),
    pytest.param(N1, "/status/addresses", at("10.2.0.9"), id="address of a node"),
    pytest.param(N2, "/metadata/labels", {"iam.gke.io/gke-metadata-server-enabled": "true"}, id="workload identity"),
    pytest.param(N1, "/status/nodeInfo/containerRuntimeVersion", "cri-o://1.30", id="runtime"),
    pytest.param(AGENT, "/spec/hostNetwork", False, id="off the host's network"),
    pytest.param(OTHER, "/spec/hostNetwork", True, id="on to the host's network"),
    pytest.param(AGENT, "/spec/containers[name=c]/securityContext", {"capabilities": {"drop": ["ALL"]}}, id="raw"),
    pytest.param(WEB, "/metadata/labels", {"app": "x"}, id="labels"),
    pytest.param(WEB, "/spec/volumes", [], id="token"),
    pytest.param(WEB, "/spec/serviceAccountName", "other", id="account"),
    pytest.param(LOOPBACK, "/spec/containers[name=c]/ports", [{"containerPort": 80, "hostPort": 81}], id="loopback"),
    pytest.param(SERVICE, "/spec/selector", {"app": "none"}, id="what a Service selects"),
    pytest.param(CLOSED, "/spec/egress", [], id="nothing out"),
    pytest.param(CLOSED, "/spec/egress", [{}], id="everything out"),
    pytest.param(CLOSED, "/spec/policyTypes", ["Egress"], id="ingress is open"),
    pytest.param(CLOSED, "/spec/podSelector/matchLabels", {"app": "x"}, id="whom a policy is about"),
    pytest.param(PLUGIN, "/spec/containers[name=app]/image", "flannel/flannel:1", id="a plugin that enforces nothing"),
    pytest.param(PLUGIN, "/spec/containers[name=app]/image", "other:1", id="no plugin"),
    pytest.param(CONTROLLERS[0], "/spec/containers[name=app]/image", "controller:v1", id="another image"),
    pytest.param(
        CONTROLLERS[0],
        "/spec/containers[name=app]/image",
        "registry.k8s.io/ingress-nginx/controller:v1.12.1",
        id="a fixed version",
    ),
    pytest.param(CONTROLLERS[1], "/spec/containers[name=app]/args", ["--v=2"], id="no webhook"),
    pytest.param(CONTROLLERS[1], "/spec/serviceAccountName", "one", id="account of a controller"),
    pytest.param(CONTROLLERS[1], "/metadata/labels", {"app": "one"}, id="labels of a controller"),
    pytest.param(ONLY, "/spec/ingress", [{}], id="what a policy lets in"),
    pytest.param(ONLY, "/spec/podSelector", {}, id="which controllers a policy is about"),
    pytest.param(ETCD, "/spec/containers[name=etcd]/command", ["etcd"], id="etcd on loopback"),
    pytest.param(PROXY[1], "/subjects", [], id="who may use kubelets"),
    pytest.param(PROXY[0], "/rules[0]/resourceNames", ["n3"], id="which kubelets"),
    pytest.param(PLANNED, "/spec/template/spec/nodeSelector", {"gpu": "yes"}, id="not on every node"),
]


@pytest.mark.parametrize("config", [OPEN, SHUT], ids=["kubelets open", "kubelets shut"])
@pytest.mark.parametrize(("target", "path", "value"), CHANGES)
def test_a_change(target: KubernetesObject, path: str, value: Any, config: KubernetesObject) -> None:
    base = inventory(*WORLD, config)
    # What kubelets take from everybody they need not be told by a binding.
    effect = target not in PROXY or config is SHUT or path.endswith("subjects")
    check(base, overlay(base, [Change(Target.of(target), (Op("set", path, value),))]), effect=effect)


@pytest.mark.parametrize("config", [OPEN, SHUT], ids=["kubelets open", "kubelets shut"])
@pytest.mark.parametrize("gone", WORLD, ids=lambda item: item.id)
def test_an_object_that_goes(gone: KubernetesObject, config: KubernetesObject) -> None:
    base = inventory(*WORLD, config)
    check(base, base.overlay({gone.id: None}), effect=gone.kind != "Namespace")


@pytest.mark.parametrize(
    "new",
    [
        SHUT,
        kubelet_config("Webhook"),
        node("n4", addresses=at("10.3.0.1")),
        pod("new", container("c", **ROOT), namespace="apps", node="n7", hostNetwork=True),
        pod("new", container("c", ports=[{"containerPort": 7}]), namespace="lab", node="n1"),
        obj("NetworkPolicy", "all", "lab", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
        obj("NetworkPolicy", "all", "edge", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
        namespace("edge"),
        secret("robot", "apps", token_of="robot"),
        role_binding("more", "ClusterRole:proxy", "ServiceAccount:ops/default", namespace="ops"),
        *grant("others", rule("get", "nodes/proxy"), to=["Group:system:serviceaccounts"])[1:],
        obj("AdminNetworkPolicy", "deny", spec={"priority": 1, "subject": {"namespaces": {}}, "egress": []}),
    ],
    ids=lambda item: item.id,
)
def test_a_new_object(new: KubernetesObject) -> None:
    base = inventory(*WORLD, OPEN)
    check(base, base.overlay({new.id: new}), effect=new.kind not in ("Namespace", "Secret", "AdminNetworkPolicy"))


def test_changes_together() -> None:
    base = inventory(*WORLD, OPEN)
    replaced = {CLOSED.id: None, N3.id: None, SHUT.id: SHUT, WEB.id: None}
    check(base, base.overlay(replaced))
