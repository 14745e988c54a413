"""Kubelets, etcd, admission webhooks and metadata services, as containers reach them over the network."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    account,
    blocked,
    container,
    deployment,
    edges,
    expanded,
    grant,
    inventory,
    node,
    obj,
    pairs,
    pod,
    proof,
    rule,
    targets,
    technique,
    token_mount,
    token_volume,
)
from workbench.inventory.inventory import Inventory

CALICO = pod("calico", container(image="docker.io/calico/node:v3.30"), namespace="kube-system", node="n2")
PLUGIN = ("C-CNI", "Cluster")


def at(address: str) -> list[dict[str, str]]:
    return [{"type": "InternalIP", "address": address}]


def client(name: str = "client", *, on: str = "n1", namespace: str = "apps", **options: Any) -> Any:
    return pod(name, container("c"), namespace=namespace, node=on, labels={"app": name}, **options)


def egress(*rules: dict[str, Any], namespace: str = "apps", selector: Any = None) -> Any:
    spec = {"podSelector": selector or {}, "policyTypes": ["Egress"], "egress": list(rules)}
    return obj("NetworkPolicy", "egress", namespace, spec=spec)


def to(cidr: str, *excepted: str) -> dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": cidr, **({"except": list(excepted)} if excepted else {})}}]}


def denied(view: Inventory, identifier: str) -> dict[str, str]:
    return {found.source: found.mitigation for found in technique(identifier).denied(view)}


# --- kubelets -------------------------------------------------------------------------------------------


def kubelet_config(enabled: str = "true", mode: str = "AlwaysAllow") -> Any:
    text = f"authentication:\n  anonymous:\n    enabled: {enabled}\nauthorization:\n  mode: {mode}\n"
    return obj("ConfigMap", "kubelet-config", "kube-system", data={"kubelet": text})


NODES = tuple(
    node(name, addresses=at(address)) for name, address in (("n1", "10.1.0.1"), ("n2", "10.1.0.2"), ("n3", "10.2.0.3"))
)
CLIENT = "Container:apps/client/c"


def kubelets(view: Inventory) -> dict[str, Any]:
    return {
        target: edge.missing for (source, target), edge in expanded(view, "NET_KUBELET").items() if source == CLIENT
    }


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], {"Node:n1": (), "Node:n2": (), "Node:n3": ()}),
        ([CALICO, egress()], {"Node:n1": ()}),
        ([egress()], {"Node:n1": (), "Node:n2": (PLUGIN,), "Node:n3": (PLUGIN,)}),
        ([CALICO, egress(to("10.2.0.0/16"))], {"Node:n1": (), "Node:n3": ()}),
        ([CALICO, egress(to("10.1.0.0/16"))], {"Node:n1": (), "Node:n2": ()}),
        ([CALICO, egress(to("0.0.0.0/0"))], {"Node:n1": (), "Node:n2": (), "Node:n3": ()}),
        ([CALICO, egress({**to("10.0.0.0/8"), "ports": [{"port": 443}]})], {"Node:n1": ()}),
    ],
    ids=["no policy", "its own node", "nobody knows who enforces", "one node", "two nodes", "all", "another port"],
)
def test_anonymous_kubelets(objects: list[Any], expected: Any) -> None:
    assert kubelets(inventory(*NODES, kubelet_config(), client(), *objects)) == expected


def test_kubelets_that_ask_take_no_anonymous_requests() -> None:
    view = inventory(*NODES, kubelet_config("false"), client())
    assert edges(view, "NET_KUBELET") == []
    assert edges(inventory(*NODES, client()), "NET_KUBELET") == []


def test_many_containers_share_the_hubs_of_the_nodes() -> None:
    clients = [client(f"client-{number}") for number in range(40)]
    machines = [node(f"m{number}", addresses=at(f"10.2.0.{number}")) for number in range(1, 41)]
    for objects in ([], [CALICO, egress(to("10.2.0.0/16"))]):
        found = edges(inventory(*NODES, *machines, kubelet_config(), *clients, *objects), "NET_KUBELET")
        assert len(found) <= 2 * (len(clients) + 1)


HOLDER = {
    "serviceAccountName": "robot",
    "volumes": [token_volume()],
}


def holder(**options: Any) -> Any:
    return pod("client", container("c", volumeMounts=[token_mount()]), namespace="apps", node="n1", **HOLDER, **options)


def may_proxy(names: str | None = None) -> list[Any]:
    return grant("proxy", rule("get", "nodes/proxy", names=names), to=["ServiceAccount:apps/robot"])


def test_with_a_token_where_policies_keep_the_api_server_away() -> None:
    objects = [*NODES, CALICO, account("robot", "apps"), holder(), *may_proxy()]
    # The API server leads to kubelets too, from the permission set (NODE_PROXY).
    assert edges(inventory(*objects), "NET_KUBELET") == []
    view = inventory(*objects, egress(to("10.2.0.0/16")))
    assert kubelets(view) == {"Node:n1": (), "Node:n3": ()}
    (edge,) = [each for each in edges(view, "NET_KUBELET") if each.target == "Node:n3"]
    found = proof(view, edge)
    assert ("ClusterRole:proxy", "rules[0]") in found
    assert ("NetworkPolicy:apps/egress", "spec.egress") in found
    assert kubelets(inventory(*objects[:-2], *may_proxy("n3"), egress())) == {}
    assert kubelets(inventory(*objects[:-2], *may_proxy("n3"), egress(to("10.2.0.0/16")))) == {"Node:n3": ()}


def test_evidence_of_an_anonymous_kubelet() -> None:
    view = inventory(*NODES, kubelet_config(), client(), CALICO, egress(to("10.2.0.0/16")))
    (edge,) = [each for each in edges(view, "NET_KUBELET") if each.target == "Node:n3"]
    found = proof(view, edge)
    assert "AlwaysAllow" in found[("ConfigMap:kube-system/kubelet-config", "data[kubelet]")]
    assert found[("Node:n3", "status.addresses")] == at("10.2.0.3")
    assert ("NetworkPolicy:apps/egress", "spec.egress[0]") in found


# --- etcd -----------------------------------------------------------------------------------------------

CP = node("cp", addresses=at("10.9.0.1"))


def etcd(*arguments: str) -> Any:
    return pod(
        "etcd-cp",
        container("etcd", image="registry.k8s.io/etcd:3.5", command=["etcd", *arguments]),
        namespace="kube-system",
        node="cp",
        annotations={"kubernetes.io/config.mirror": "x"},
        hostNetwork=True,
    )


PLAIN = "--listen-client-urls=http://0.0.0.0:2379"
LOCAL = "--listen-client-urls=http://127.0.0.1:2379"
SECURE = ("--listen-client-urls=https://127.0.0.1:2379,https://10.9.0.1:2379", "--client-cert-auth=true")


@pytest.mark.parametrize(
    ("objects", "missing"),
    [
        ([client(), etcd(PLAIN)], ()),
        ([client(), etcd(PLAIN), CALICO, egress(to("10.9.0.0/16"))], ()),
        ([client(), etcd(PLAIN), egress()], (PLUGIN,)),
        ([client(on="cp"), etcd(PLAIN), CALICO, egress()], ()),
        ([client(on="cp", hostNetwork=True), etcd(LOCAL)], ()),
        ([client(), etcd("--config-file=/etcd.yaml")], (("C-ANON", "Cluster"),)),
    ],
    ids=["open", "allowed", "nobody knows who enforces", "its own node", "loopback of its node", "a file decides"],
)
def test_etcd(objects: list[Any], missing: Any) -> None:
    view = inventory(CP, *objects)
    found = [edge for edge in edges(view, "NET_ETCD") if edge.source == CLIENT]
    assert [(edge.target, edge.missing) for edge in found] == [("ClusterAdmin", missing)]
    assert found[0].effort == (5 if missing else 3)
    assert ("Pod:kube-system/etcd-cp", "spec.containers[name=etcd].command") in proof(view, found[0])


@pytest.mark.parametrize(
    "objects",
    [
        [client(), etcd(*SECURE)],
        [client(on="cp", hostNetwork=True), etcd(*SECURE)],
        [client(), etcd(LOCAL)],
        [client(on="cp"), etcd(LOCAL)],
        [client(), etcd(PLAIN), CALICO, egress()],
    ],
    ids=["certificates", "certificates on loopback", "loopback", "loopback from a pod", "policy"],
)
def test_etcd_out_of_reach(objects: list[Any]) -> None:
    view = inventory(CP, *objects)
    assert [edge for edge in edges(view, "NET_ETCD") if edge.source == CLIENT] == []


def test_what_keeps_etcd_away_is_said() -> None:
    view = inventory(CP, client(), etcd(PLAIN), CALICO, egress())
    assert "NetworkPolicy:apps/egress selects" in denied(view, "NET_ETCD")[CLIENT]


# --- the admission webhook of ingress-nginx -------------------------------------------------------------

NGINX = "registry.k8s.io/ingress-nginx/controller:{}"


def controller(
    version: str = "v1.11.3", *arguments: str, name: str = "nginx", token: bool = True, image: str = NGINX
) -> Any:
    chosen = list(arguments) or ["--validating-webhook=:8443", "--ingress-class=nginx"]
    fields = {"volumeMounts": [token_mount()]} if token else {}
    return pod(
        name,
        container("controller", image=image.format(version), args=["/nginx-ingress-controller", *chosen], **fields),
        namespace="ingress-nginx",
        node="n2",
        serviceAccountName=name,
        labels={"app": name},
        **({"volumes": [token_volume()]} if token else {}),
    )


ACCOUNT = "ServiceAccount:ingress-nginx/nginx"


def vulnerable(version: str = "v1.11.3") -> tuple[str, str]:
    return ("C-VULN", f"Image:{NGINX.format(version)}")


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("v1.9.4", True),
        ("v1.11.4", True),
        ("v1.11.5", False),
        ("v1.11.10", False),
        ("v1.12.0", True),
        ("v1.12.1", False),
        ("v1.13.0", False),
        ("v0.49.0", True),
        ("latest", True),
        ("v1.12.0@sha256:0", True),
    ],
)
def test_versions_of_the_controller(version: str, found: bool) -> None:
    view = inventory(client(), controller(version))
    expected = [(CLIENT, ACCOUNT)] if found else []
    assert pairs(view, "NET_ADMISSION_NGINX") == expected
    for edge in edges(view, "NET_ADMISSION_NGINX"):
        assert (edge.missing, edge.effort) == ((vulnerable(version),), 9)


@pytest.mark.parametrize(
    "item",
    [
        controller("v1.11.3", "--ingress-class=nginx"),
        controller(token=False),
        controller(image="nginx/nginx-ingress:{}"),
    ],
    ids=["no webhook", "no token", "another controller"],
)
def test_controllers_without_a_webhook_to_call(item: Any) -> None:
    assert edges(inventory(client(), item), "NET_ADMISSION_NGINX") == []


def from_api_server() -> Any:
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"ipBlock": {"cidr": "10.9.0.1/32"}}]}],
    }
    return obj("NetworkPolicy", "webhook", "ingress-nginx", spec=spec)


def test_policies_about_the_webhook() -> None:
    view = inventory(client(), controller(), from_api_server())
    (edge,) = edges(view, "NET_ADMISSION_NGINX")
    assert edge.missing == (PLUGIN, vulnerable())
    closed = inventory(client(), controller(), from_api_server(), CALICO)
    assert edges(closed, "NET_ADMISSION_NGINX") == []
    assert "NetworkPolicy:ingress-nginx/webhook" in denied(closed, "NET_ADMISSION_NGINX")[CLIENT]
    # No policy stops what comes from the node itself.
    near = client("near", on="n2", hostNetwork=True)
    far = client("far", on="n1", hostNetwork=True)
    view = inventory(near, far, controller(), from_api_server(), CALICO)
    assert {edge.source: edge.missing for edge in edges(view, "NET_ADMISSION_NGINX")} == {
        "Container:apps/near/c": (vulnerable(),),
        # The address of its node may be the one that the policy lets in.
        "Container:apps/far/c": (PLUGIN, vulnerable()),
    }


def test_many_controllers_are_one_hub() -> None:
    controllers = [controller(name=f"nginx-{number}") for number in range(20)]
    clients = [client(f"client-{number}") for number in range(20)]
    view = inventory(*controllers, *clients)
    found = [edge for edge in edges(view, "NET_ADMISSION_NGINX") if edge.source.startswith("Container:apps/")]
    assert len(found) == len(clients)
    assert len(targets(view, "NET_ADMISSION_NGINX", "Container:apps/client-3/c")) == 20


def test_evidence_names_the_vulnerabilities() -> None:
    view = inventory(client(), controller())
    (edge,) = edges(view, "NET_ADMISSION_NGINX")
    shown = technique("NET_ADMISSION_NGINX").evidence(view, edge)
    assert shown[0].value == NGINX.format("v1.11.3")
    assert "CVE-2025-1974" in str(shown[1].value)
    assert ("Pod:ingress-nginx/nginx", "spec.containers[name=controller].args") in proof(view, edge)


# --- metadata services ----------------------------------------------------------------------------------

AWS = "aws:///eu-west-1a/i-0abc"
GCE = "gce://shop-1/europe-west1-b/gke-n1"
AZURE = (
    "azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v/virtualMachines/0"
)
WORKLOAD_IDENTITY = {"iam.gke.io/gke-metadata-server-enabled": "true"}
HOP = ("C-HOP", "Node:n1")
METADATA = "169.254.169.254/32"


@pytest.mark.parametrize(
    ("provider", "labels", "objects", "identity", "missing"),
    [
        (AWS, None, [client()], "CloudIdentity:aws/i-0abc", (HOP,)),
        (AWS, None, [client(hostNetwork=True)], "CloudIdentity:aws/i-0abc", ()),
        (AWS, None, [client(hostNetwork=True), CALICO, egress()], "CloudIdentity:aws/i-0abc", ()),
        (AWS, None, [client(), egress(to("0.0.0.0/0", METADATA))], "CloudIdentity:aws/i-0abc", (PLUGIN, HOP)),
        (AWS, None, [client(), CALICO, egress(to("0.0.0.0/0"))], "CloudIdentity:aws/i-0abc", (HOP,)),
        (GCE, None, [client()], "CloudIdentity:gcp/shop-1/europe-west1-b/gke-n1", ()),
        (GCE, WORKLOAD_IDENTITY, [client(hostNetwork=True)], "CloudIdentity:gcp/shop-1/europe-west1-b/gke-n1", ()),
        (AZURE, None, [client()], f"CloudIdentity:azure/{AZURE.removeprefix('azure:///')}", ()),
    ],
    ids=[
        "AWS",
        "host network",
        "host network, policy",
        "unknown plugin",
        "allowed",
        "GCP",
        "GKE, host network",
        "Azure",
    ],
)
def test_metadata_services(provider: str, labels: Any, objects: list[Any], identity: str, missing: Any) -> None:
    view = inventory(node("n1", provider_id=provider, labels=labels), *objects)
    found = [edge for edge in edges(view, "NET_IMDS") if edge.source == CLIENT]
    assert [(edge.target, edge.missing) for edge in found] == [(identity, missing)]
    assert found[0].effort == (4 if missing else 2)
    assert proof(view, found[0])[("Node:n1", "spec.providerID")] == provider


@pytest.mark.parametrize(
    ("provider", "labels", "objects", "reason"),
    [
        (AWS, None, [client(), CALICO, egress(to("0.0.0.0/0", METADATA))], "NetworkPolicy:apps/egress"),
        (GCE, WORKLOAD_IDENTITY, [client()], "GKE's own server"),
        (None, None, [client()], None),
        ("kind://docker/kind/n1", None, [client()], None),
        ("aws:///eu-west-1a/0123/fargate-ip-10-0-0-1", None, [client()], None),
    ],
    ids=["policy", "Workload Identity", "no provider", "kind", "Fargate"],
)
def test_metadata_services_out_of_reach(provider: Any, labels: Any, objects: list[Any], reason: str | None) -> None:
    view = inventory(node("n1", provider_id=provider, labels=labels), *objects)
    assert [edge for edge in edges(view, "NET_IMDS") if edge.source == CLIENT] == []
    said = denied(view, "NET_IMDS").get(CLIENT)
    assert (said is None) if reason is None else reason in (said or "")


def test_a_pod_that_is_not_scheduled_has_no_cloud() -> None:
    view = inventory(node("n1", provider_id=AWS), deployment("web"))
    assert edges(view, "NET_IMDS") == [] == blocked(view, "NET_IMDS")
