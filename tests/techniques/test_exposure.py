"""How the internet reaches Services and the ports of nodes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    blocked,
    container,
    daemon_set,
    edges,
    inventory,
    node,
    pairs,
    pod,
    proof,
    service,
)
from workbench.techniques.resolve.addresses import is_public, ranges

PUBLIC = {"type": "ExternalIP", "address": "203.0.113.7"}
PRIVATE = {"type": "InternalIP", "address": "10.0.0.4"}
FIREWALL = (("C-FW", "Node:*"),)


# --- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("203.0.113.7", True),
        ("8.8.8.8", True),
        ("2001:db8::1", True),
        ("10.1.2.3", False),
        ("172.20.0.1", False),
        ("172.32.0.1", True),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.1.1", False),
        ("127.0.0.1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("a1b2.eu-west-1.elb.amazonaws.com", True),
        ("internal-a1b2.eu-west-1.elb.amazonaws.com", False),
        ("balancer.svc.cluster.local", False),
        ("", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["10.0.0.0/8", "192.168.4.0/24"], "private"),
        (["0.0.0.0/0"], "all"),
        (["10.0.0.0/8", "::/0"], "all"),
        (["203.0.113.0/24"], "some"),
        (["10.0.0.0/8", "203.0.113.0/24"], "some"),
        (["8.0.0.0/6"], "some"),
        (["no range"], "some"),
    ],
)
def test_source_ranges(sources: list[str], expected: str) -> None:
    assert ranges(sources) == expected


# --- load balancers ---------------------------------------------------------------------------------

LB = {"type": "LoadBalancer"}


@pytest.mark.parametrize(
    ("item", "missing"),
    [
        pytest.param(service(address="203.0.113.7", **LB), (), id="public address"),
        pytest.param(service(address="x.elb.amazonaws.com", **LB), (), id="public name"),
        pytest.param(service(**LB), (("C-LB", "Service:default/web"),), id="no status"),
        pytest.param(
            service(address="203.0.113.7", loadBalancerSourceRanges=["198.51.100.0/24"], **LB),
            FIREWALL,
            id="ranges of the internet",
        ),
        pytest.param(
            service(loadBalancerSourceRanges=["198.51.100.0/24"], **LB),
            (*FIREWALL, ("C-LB", "Service:default/web")),
            id="ranges and no status",
        ),
        pytest.param(service(address="203.0.113.7", loadBalancerSourceRanges=["0.0.0.0/0"], **LB), (), id="all ranges"),
        pytest.param(
            service(
                address="203.0.113.7",
                annotations={"service.beta.kubernetes.io/aws-load-balancer-internal": "false"},
                **LB,
            ),
            (),
            id="internal: false",
        ),
        pytest.param(
            service(
                address="203.0.113.7", annotations={"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}, **LB
            ),
            (),
            id="another type",
        ),
    ],
)
def test_load_balancers(item: Any, missing: tuple[Any, ...]) -> None:
    view = inventory(item)
    assert blocked(view, "EXPOSE_LB") == []
    (edge,) = edges(view, "EXPOSE_LB")
    assert (edge.source, edge.target) == ("Internet", "Endpoint:default/web/80")
    assert edge.missing == missing
    assert edge.effort == (3 if missing else 1)


@pytest.mark.parametrize(
    ("annotations", "address", "fields"),
    [
        ({"service.beta.kubernetes.io/aws-load-balancer-internal": "true"}, "203.0.113.7", {}),
        ({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}, None, {}),
        ({"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}, None, {}),
        ({"networking.gke.io/load-balancer-type": "Internal"}, None, {}),
        ({"cloud.google.com/load-balancer-type": "Internal"}, None, {}),
        ({}, "10.0.0.9", {}),
        ({}, "203.0.113.7", {"loadBalancerSourceRanges": ["10.0.0.0/8"]}),
    ],
    ids=["T49 AWS", "Azure", "AWS scheme", "GKE", "GKE old", "private address", "private ranges"],
)
def test_internal_load_balancers(annotations: dict[str, str], address: str | None, fields: dict[str, Any]) -> None:
    view = inventory(service(address=address, annotations=annotations, **LB, **fields))
    assert edges(view, "EXPOSE_LB") == []
    (found,) = blocked(view, "EXPOSE_LB")
    assert (found.source, found.target) == ("Internet", "Endpoint:default/web/80")
    wanted = next(iter(annotations), "loadBalancerSourceRanges" if fields else "status.loadBalancer")
    assert wanted in found.mitigation


def test_other_services_have_no_load_balancer() -> None:
    view = inventory(service(type="ClusterIP"), service("port", type="NodePort"))
    assert edges(view, "EXPOSE_LB") == [] == blocked(view, "EXPOSE_LB")


def test_evidence_of_a_load_balancer() -> None:
    view = inventory(
        service("web", {"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns"}, address="203.0.113.7", **LB)
    )
    found = edges(view, "EXPOSE_LB")
    assert [edge.target for edge in found] == ["Endpoint:default/web/80", "Endpoint:default/web/53-udp"]
    assert proof(view, found[1]) == {
        ("Service:default/web", "status.loadBalancer.ingress"): [{"ip": "203.0.113.7"}],
        ("Service:default/web", "spec.type"): "LoadBalancer",
        ("Service:default/web", "spec.ports[1]"): {"name": "dns", "port": 53, "protocol": "UDP"},
        ("Service:default/web", "spec.loadBalancerSourceRanges"): ["0.0.0.0/0"],
        ("Service:default/web", "metadata.annotations"): None,
    }


# --- node ports and external addresses --------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "missing"),
    [
        ([node("a", addresses=[PRIVATE]), node("b", addresses=[PRIVATE, PUBLIC])], ()),
        ([node("a", addresses=[PRIVATE])], (("C-FW", "Node:a"),)),
        ([node("a", addresses=[PRIVATE]), node("b")], FIREWALL),
        ([], FIREWALL),
        ([node("a", addresses=[{"type": "ExternalIP", "address": "10.0.0.4"}])], (("C-FW", "Node:a"),)),
    ],
    ids=["public", "one private", "private", "not known", "private ExternalIP"],
)
def test_node_ports(nodes: list[Any], missing: tuple[Any, ...]) -> None:
    view = inventory(service("web", {"port": 80, "nodePort": 30080}, type="NodePort"), *nodes)
    (edge,) = edges(view, "EXPOSE_NODEPORT")
    assert (edge.source, edge.target, edge.missing) == ("Internet", "Endpoint:default/web/80", missing)
    assert edge.effort == (4 if missing else 2)


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (service("web", {"port": 80, "nodePort": 30080}, **LB), True),
        (service("web", {"port": 80}, type="NodePort"), True),
        (service("web", {"port": 80}, **LB), False),
        (service("web", {"port": 80}), False),
    ],
    ids=["load balancer with node port", "to be allocated", "load balancer without", "cluster address"],
)
def test_which_services_have_node_ports(item: Any, found: bool) -> None:
    assert pairs(inventory(item), "EXPOSE_NODEPORT") == ([("Internet", "Endpoint:default/web/80")] if found else [])


def test_evidence_of_a_node_port() -> None:
    view = inventory(
        service("web", {"port": 80, "nodePort": 30080}, type="NodePort"), node("a", addresses=[PRIVATE, PUBLIC])
    )
    (edge,) = edges(view, "EXPOSE_NODEPORT")
    assert proof(view, edge) == {
        ("Service:default/web", "spec.ports[0].nodePort"): 30080,
        ("Service:default/web", "spec.type"): "NodePort",
        ("Node:a", "status.addresses"): [PRIVATE, PUBLIC],
    }


def api_server(*arguments: str) -> Any:
    return pod(
        "kube-apiserver-cp",
        container("kube-apiserver", command=["kube-apiserver", *arguments]),
        namespace="kube-system",
        annotations={"kubernetes.io/config.mirror": "x"},
    )


@pytest.mark.parametrize(
    ("addresses", "arguments", "found", "refused"),
    [
        (["203.0.113.7"], [], True, False),
        (["10.0.0.7"], [], False, False),
        (["10.0.0.7", "203.0.113.7"], ["--enable-admission-plugins=NodeRestriction"], True, False),
        (["203.0.113.7"], ["--enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs"], False, True),
    ],
    ids=["routable", "private", "another plugin", "denied"],
)
def test_external_addresses(addresses: list[str], arguments: list[str], found: bool, refused: bool) -> None:
    view = inventory(service(externalIPs=addresses), api_server(*arguments))
    assert [(edge.target, edge.effort) for edge in edges(view, "EXPOSE_EXTERNALIP")] == (
        [("Endpoint:default/web/80", 2)] if found else []
    )
    assert bool(blocked(view, "EXPOSE_EXTERNALIP")) is refused
    for edge in edges(view, "EXPOSE_EXTERNALIP"):
        assert proof(view, edge)[("Service:default/web", "spec.externalIPs")] == addresses


# --- host ports -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "spec", "expected"),
    [
        pytest.param({"containerPort": 80, "hostPort": 8080}, {}, "Endpoint:node.worker-1/8080", id="host port"),
        pytest.param(
            {"containerPort": 53, "hostPort": 53, "protocol": "UDP"}, {}, "Endpoint:node.worker-1/53-udp", id="UDP"
        ),
        pytest.param({"containerPort": 80}, {}, None, id="container port"),
        pytest.param({"containerPort": 9100}, {"hostNetwork": True}, "Endpoint:node.worker-1/9100", id="host network"),
        pytest.param({"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}, {}, None, id="loopback"),
        pytest.param(
            {"containerPort": 80, "hostPort": 8080, "hostIP": "203.0.113.7"},
            {},
            "Endpoint:node.worker-1/8080",
            id="public hostIP",
        ),
    ],
)
def test_host_ports(port: dict[str, Any], spec: dict[str, Any], expected: str | None) -> None:
    view = inventory(pod("web", container(ports=[port]), **spec), node(addresses=[PUBLIC]))
    found = edges(view, "EXPOSE_HOSTPORT")
    assert [(edge.source, edge.target, edge.effort, edge.verdict) for edge in found] == (
        [("Internet", expected, 2, "on")] if expected else []
    )


@pytest.mark.parametrize(
    ("item", "nodes", "missing"),
    [
        (pod("web", container(ports=[{"containerPort": 80, "hostPort": 80}])), [node(addresses=[PRIVATE])], "worker-1"),
        (pod("web", container(ports=[{"containerPort": 80, "hostPort": 80}])), [], "worker-1"),
        (daemon_set("web", container(ports=[{"containerPort": 80, "hostPort": 80}])), [node(addresses=[PUBLIC])], "*"),
        (
            pod("web", container(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.4"}])),
            [node(addresses=[PUBLIC])],
            "worker-1",
        ),
    ],
    ids=["private node", "node not read", "not scheduled", "private hostIP"],
)
def test_host_ports_behind_a_firewall(item: Any, nodes: list[Any], missing: str) -> None:
    (edge,) = edges(inventory(item, *nodes), "EXPOSE_HOSTPORT")
    assert edge.target == f"Endpoint:node.{missing}/80"
    assert edge.missing == (("C-FW", f"Node:{missing}"),)


def test_a_pod_that_ended_listens_nowhere() -> None:
    view = inventory(
        pod("web", container(ports=[{"containerPort": 80, "hostPort": 80}]), phase="Succeeded"),
        node(addresses=[PUBLIC]),
    )
    assert edges(view, "EXPOSE_HOSTPORT") == [] == edges(view, "ENDPOINT_EXPLOIT")


def test_evidence_of_host_ports() -> None:
    view = inventory(pod("web", container(ports=[{"containerPort": 9100}]), hostNetwork=True), node(addresses=[PUBLIC]))
    (edge,) = edges(view, "EXPOSE_HOSTPORT")
    port = "spec.containers[name=app].ports[0]"
    assert proof(view, edge) == {
        ("Pod:default/web", "spec.hostNetwork"): True,
        ("Pod:default/web", f"{port}.hostPort"): None,
        ("Pod:default/web", f"{port}.hostIP"): "0.0.0.0",
        ("Pod:default/web", f"{port}.containerPort"): 9100,
        ("Pod:default/web", "spec.nodeName"): "worker-1",
        ("Node:worker-1", "status.addresses"): [PUBLIC],
    }
