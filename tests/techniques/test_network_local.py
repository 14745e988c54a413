"""What containers reach on their own node: past policies, on loopback, by listening in and by spoofing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    container,
    daemon_set,
    deployment,
    edges,
    expanded,
    inventory,
    node,
    obj,
    pod,
    proof,
    service,
    technique,
)
from workbench.inventory.inventory import Inventory

RAW = {"securityContext": {"runAsUser": 0}}
NO_RAW = {"securityContext": {"runAsUser": 0, "capabilities": {"drop": ["NET_RAW"]}}}
AGENT = "Container:ops/agent/c"


def plugin(image: str) -> Any:
    return pod("plugin", container(image=image), namespace="kube-system", node="n9")


CALICO = plugin("docker.io/calico/node:v3.30")
FLANNEL = plugin("docker.io/flannel/flannel:v0.26")


def agent(on: str = "n1", fields: Any = None, **options: Any) -> Any:
    return pod("agent", container("c", **(fields or RAW)), namespace="ops", node=on, **{"hostNetwork": True, **options})


def web(name: str = "web", on: str = "n1", **port: Any) -> Any:
    declared = {"containerPort": 8080, **port}
    return pod(name, container("c", ports=[declared]), namespace="shop", node=on, labels={"app": "web"})


def closed() -> Any:
    return obj("NetworkPolicy", "closed", "shop", spec={"podSelector": {}, "policyTypes": ["Ingress"]})


SERVICE = service("web", {"port": 80, "targetPort": 8080}, namespace="shop")


def reached(view: Inventory, identifier: str, source: str = AGENT) -> dict[str, Any]:
    return {target: edge.missing for (start, target), edge in expanded(view, identifier).items() if start == source}


# --- past policies --------------------------------------------------------------------------------------

ELSEWHERE = (("C-NODE", "Node:n1"),)


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([agent(), web(), closed(), CALICO], {"Endpoint:shop/pod.web/8080": ()}),
        ([agent(), web(), SERVICE, closed(), CALICO], {"Endpoint:shop/web/80": ()}),
        ([agent(), web(), closed()], {"Endpoint:shop/pod.web/8080": ()}),
        ([agent(), web(), closed(), FLANNEL], {}),
        ([agent(), web(), CALICO], {}),
        ([agent("n2"), web(), closed(), CALICO], {}),
        ([agent(hostNetwork=False), web(), closed(), CALICO], {}),
        (
            [agent(), web(), web("web-2", "n2"), SERVICE, closed(), CALICO],
            {"Endpoint:shop/web/80": ELSEWHERE},
        ),
        (
            [agent(), web(hostPort=9000, hostIP="127.0.0.1"), CALICO],
            {"Endpoint:node.n1/9000": ()},
        ),
        ([agent("n2"), web(hostPort=9000, hostIP="127.0.0.1"), CALICO], {}),
    ],
    ids=[
        "protected pod",
        "protected Service",
        "nobody knows who enforces",
        "nobody enforces",
        "not protected",
        "another node",
        "no host network",
        "a pod elsewhere too",
        "loopback",
        "loopback of another node",
    ],
)
def test_node_local(objects: list[Any], expected: Any) -> None:
    assert reached(inventory(*objects), "NET_NODE_LOCAL") == expected


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        (deployment("web", container("c", ports=[{"containerPort": 8080}]), namespace="shop"), (("C-NODE", "Node:*"),)),
        (daemon_set("web", container("c", ports=[{"containerPort": 8080}]), namespace="shop"), ()),
        (
            daemon_set(
                "web", container("c", ports=[{"containerPort": 8080}]), namespace="shop", nodeSelector={"gpu": "yes"}
            ),
            (("C-NODE", "Node:*"),),
        ),
    ],
    ids=["somewhere", "on every node", "on some nodes"],
)
def test_pods_that_are_not_scheduled(target: Any, missing: Any) -> None:
    view = inventory(daemon_set("agent", container("c"), namespace="ops", hostNetwork=True), target, closed())
    assert reached(view, "NET_NODE_LOCAL") == {"Endpoint:shop/pod.web/8080": missing}


def test_evidence_of_what_is_local() -> None:
    view = inventory(agent(), web(), SERVICE, closed(), CALICO)
    (edge,) = [each for each in expanded(view, "NET_NODE_LOCAL").values() if each.source == AGENT]
    found = proof(view, edge)
    assert found[("Pod:ops/agent", "spec.hostNetwork")] is True
    assert found[("Pod:ops/agent", "spec.nodeName")] == found[("Pod:shop/web", "spec.nodeName")] == "n1"
    assert found[("Service:shop/web", "spec.ports[0]")] == {"port": 80, "targetPort": 8080}
    assert ("NetworkPolicy:shop/closed", "spec") in found


# --- listening in ---------------------------------------------------------------------------------------

USER = ("C-USER", "Image:registry.example/app:1")


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([agent(), web(), CALICO], {"Endpoint:shop/pod.web/8080": ()}),
        ([agent(fields={"image": "registry.example/app:1"}), web()], {"Endpoint:shop/pod.web/8080": (USER,)}),
        ([agent(fields=NO_RAW), web()], {}),
        ([agent(fields={"securityContext": {"runAsUser": 9, "allowPrivilegeEscalation": False}}), web()], {}),
        ([agent(hostNetwork=False), web(), CALICO], {}),
        ([agent("n2"), web()], {}),
        ([agent(runtime="cri-o"), node("n1", runtime="cri-o://1.30.0"), web()], {}),
        ([agent(), web(), web("web-2", "n2"), SERVICE, CALICO], {"Endpoint:shop/web/80": ELSEWHERE}),
    ],
    ids=[
        "root",
        "the image's user",
        "dropped",
        "no way to root",
        "no host network",
        "another node",
        "CRI-O",
        "elsewhere",
    ],
)
def test_listening_in(objects: list[Any], expected: Any) -> None:
    assert reached(inventory(*objects), "NET_SNIFF") == expected


# --- spoofing -------------------------------------------------------------------------------------------


def neighbour(fields: Any = None, **options: Any) -> Any:
    return agent(fields=fields, **{"hostNetwork": False, **options})


WEB = "Endpoint:shop/pod.web/8080"
L2 = ("C-L2", "Node:n1")


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([neighbour(), web(), FLANNEL], {WEB: ()}),
        ([neighbour(), web()], {WEB: (L2,)}),
        ([neighbour(), web(), CALICO], {}),
        ([neighbour(), web(), CALICO, pod("f", container(image="flannel/flannel:1"), node="n8")], {}),
        ([neighbour(), web(), plugin("quay.io/cilium/cilium:v1.17.4")], {}),
        ([neighbour(fields=NO_RAW), web(), FLANNEL], {}),
        ([neighbour(runtime="cri-o"), node("n1", runtime="cri-o://1.30.0"), web(), FLANNEL], {}),
        ([agent(), web(), FLANNEL], {}),
        ([neighbour(), web(on="n2"), FLANNEL], {}),
    ],
    ids=[
        "a bridge",
        "nobody knows",
        "routed",
        "Canal",
        "eBPF",
        "dropped",
        "CRI-O",
        "on the host's network",
        "another node",
    ],
)
def test_spoofing(objects: list[Any], expected: Any) -> None:
    assert reached(inventory(*objects), "NET_SPOOF") == expected


def test_what_makes_spoofing_impossible_is_said() -> None:
    said = {found.source: found.mitigation for found in technique("NET_SPOOF").denied(inventory(neighbour(), CALICO))}
    assert "Calico (Pod:kube-system/plugin) routes" in said[AGENT]


def test_evidence_of_spoofing() -> None:
    view = inventory(neighbour(), web(), FLANNEL, node("n1"))
    (edge,) = [each for each in expanded(view, "NET_SPOOF").values() if each.source == AGENT]
    found = proof(view, edge)
    assert ("Pod:ops/agent", "spec.containers[name=c].securityContext.capabilities.drop") in found
    assert ("Pod:kube-system/plugin", "") in found


def test_edges_are_as_many_as_containers_and_endpoints() -> None:
    """No edge for each pair: what is on a node is a hub."""
    agents = [
        pod(f"agent-{number}", container("c", **RAW), namespace="ops", node="n1", hostNetwork=number % 2 == 0)
        for number in range(30)
    ]
    pods = [web(f"web-{number}") for number in range(30)]
    view = inventory(*agents, *pods, closed(), FLANNEL)
    for identifier in ("NET_NODE_LOCAL", "NET_SNIFF", "NET_SPOOF"):
        assert len(edges(view, identifier)) <= 2 * (len(agents) + len(pods) + 1)
    assert len(edges(view, "MEMBER_NODE_ENDPOINTS")) <= 2 * len(pods)
    assert len(reached(view, "NET_SPOOF", "Container:ops/agent-1/c")) == len(pods)
