"""More of what no known answer covers (network.md, section 4): ClusterNetworkPolicy, IPv6, Services, owners, routes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.test_edges import INGRESS, SERVICE, WEB, changed, gateway, let_in, route
from tests.network.test_semantics import ALL_NAMESPACES, np, policy
from tests.network.worlds import TRIO, asked, network

# --- ClusterNetworkPolicy (network-policy-api, apis/v1alpha2) ----------------------------------------------


def cnp(
    action: str,
    protocols: list[Any] | None = None,
    *,
    tier: str = "Admin",
    priority: int = 1,
    name: str = "c",
    **to: Any,
) -> dict[str, Any]:
    """One egress rule for all pods."""
    rule: dict[str, Any] = {"action": action, "to": [to or ALL_NAMESPACES]}
    if protocols is not None:
        rule["protocols"] = protocols
    spec = {"tier": tier, "priority": priority, "subject": ALL_NAMESPACES, "egress": [rule]}
    return policy("ClusterNetworkPolicy", spec, name)


PROTOCOLS = [
    ([{"tcp": {"destinationPort": {"number": 8080}}}], "8080/TCP"),
    ([{"tcp": {"destinationPort": {"range": {"start": 80, "end": 81}}}}], "80/TCP 81/TCP"),
    ([{"udp": {"destinationPort": {"number": 53}}}], "53/UDP"),
    ([{"sctp": {"destinationPort": {"range": {"start": 53, "end": 80}}}}], "53/SCTP 80/SCTP"),
    ([{"udp": {}}], "53/UDP 80/UDP 81/UDP 8080/UDP"),
    ([{"destinationNamedPort": "http"}], "8080/TCP"),
    ([{"tcp": {"destinationPort": {"number": 80}}}, {"udp": {"destinationPort": {"number": 80}}}], "80/TCP 80/UDP"),
]
ASKED = [f"{port}/{protocol}" for protocol in ("TCP", "UDP", "SCTP") for port in (53, 80, 81, 8080)]


@pytest.mark.parametrize(("protocols", "denied"), PROTOCOLS)
def test_protocols_of_cluster_network_policy(protocols: list[Any], denied: str) -> None:
    """``ClusterNetworkPolicyProtocol``: exactly one of tcp, udp, sctp, destinationNamedPort; any of the list."""
    net = network(TRIO, [cnp("Deny", protocols)])
    assert not net.parsed.faults
    assert [port for port in ASKED if asked(net, "shop/db", "shop/web", port) == "no"] == denied.split()


def test_a_rule_without_protocols_is_about_all_of_them() -> None:
    """``protocols``: without any, the rule matches whatever the protocol and the port are."""
    net = network(TRIO, [cnp("Deny")])
    assert {asked(net, "shop/db", "shop/web", port) for port in ASKED} == {"no"}


def test_networks_of_cluster_network_policy_are_outside() -> None:
    """``networks`` is for destinations outside of the cluster; blocks of both families may stand together."""
    net = network(TRIO, [cnp("Deny", networks=["10.0.0.0/8", "2001:db8::/32"])])
    assert asked(net, "shop/db", "10.1.2.3") == "no"
    assert asked(net, "shop/db", "2001:db8::1") == "no"
    assert asked(net, "shop/db", "192.0.2.1") == "yes"
    assert asked(net, "shop/db", "2001:db9::1") == "yes"
    assert asked(net, "shop/db", "shop/web") == "yes"


def test_pass_in_the_baseline_tier_leaves_it() -> None:
    """``Pass``: in the Baseline tier the rest of it is skipped, and nothing comes after it: allowed by default."""
    first = cnp("Pass", tier="Baseline", priority=1, name="a")
    last = cnp("Deny", tier="Baseline", priority=2, name="b")
    assert asked(network(TRIO, [first, last]), "shop/db", "shop/web") == "yes"
    assert asked(network(TRIO, [last]), "shop/db", "shop/web") == "no"


def test_network_policy_stands_between_the_tiers() -> None:
    """KEP 2091: Admin, then NetworkPolicy, then Baseline, which counts only where no NetworkPolicy selects."""
    open_egress = np({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Egress"], "egress": [{}]})
    net = network(TRIO, [open_egress, cnp("Deny", tier="Baseline")])
    assert asked(net, "shop/db", "shop/web") == "yes"
    assert asked(net, "shop/web", "shop/db") == "no"
    assert asked(network(TRIO, [open_egress, cnp("Deny")]), "shop/db", "shop/web") == "no"


def test_one_priority_in_two_tiers_is_no_conflict() -> None:
    """``priority`` orders the policies of one tier."""
    both = [cnp("Deny", name="a"), cnp("Accept", tier="Baseline", name="b")]
    assert not network(TRIO, both).parsed.faults
    same = [cnp("Deny", name="a"), cnp("Accept", name="b")]
    net = network(TRIO, same)
    assert [(fault.object.name, fault.field) for fault in net.parsed.faults] == [("b", "spec.priority")]
    assert asked(net, "shop/db", "shop/web") == "unknown"


# --- IPv6 (API types, IPBlock: a CIDR of either family) ---------------------------------


def test_what_is_taken_out_of_a_block_of_ipv6() -> None:
    block = {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]}
    net = network(TRIO, [np({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": block}]}]})])
    assert asked(net, "shop/db", "2001:db8:2::1") == "yes"
    assert asked(net, "shop/db", "2001:db8:1::1") == "no"
    assert asked(net, "shop/db", "192.0.2.1") == "no"


def test_a_pod_with_an_address_of_ipv6_inside_of_a_block() -> None:
    """As for IPv4: the API leaves open whether a block matches pods (np-guard/netpol-analyzer issue 456)."""
    pods = """
apiVersion: v1
kind: Pod
metadata: {name: src, namespace: shop, labels: {app: src}}
spec: {nodeName: n, containers: [{name: c}]}
status: {phase: Running, podIP: "2001:db8::9"}
"""
    rules = [np({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"ipBlock": BLOCK6}]}]})]
    assert asked(network(TRIO, pods, rules), "shop/src", "shop/db") == "no"
    assert asked(network(TRIO, pods, rules, blocks_cover_pods=True), "shop/src", "shop/db") == "unknown"
    elsewhere = pods.replace("2001:db8::9", "2001:db9::9")
    assert asked(network(TRIO, elsewhere, rules, blocks_cover_pods=True), "shop/src", "shop/db") == "no"


BLOCK6 = {"cidr": "2001:db8::/32"}


# --- Services (Kubernetes documentation, "Service") -----------------------------------------------------------


def test_a_service_leads_to_pods_of_its_namespace_that_run() -> None:
    """Selectors are namespaced, and a pod that has completed is no endpoint ("Pod Lifecycle", "Service")."""
    pod = """
apiVersion: v1
kind: Pod
metadata: {name: WHO, namespace: NAMESPACE, labels: {app: web}}
spec: {nodeName: n, containers: [{name: c, ports: [{name: http, containerPort: 8081}]}]}
status: {phase: PHASE}
"""

    def made(namespace: str, phase: str) -> str:
        return pod.replace("NAMESPACE", namespace).replace("PHASE", phase).replace("WHO", "more")

    more = {"shop/more[Pod]": {"TCP": [[8081, 8081]]}}
    assert let_in(network(TRIO, made("shop", "Running"), [SERVICE, INGRESS])) == WEB | more
    assert let_in(network(TRIO, made("shop", "Succeeded"), [SERVICE, INGRESS])) == WEB
    assert let_in(network(TRIO, made("ops", "Running"), [SERVICE, INGRESS])) == WEB


def test_a_named_target_port_of_a_sidecar() -> None:
    """Init containers that keep running are containers of the pod ("Sidecar containers"); others have ended."""
    for restart, expected in (({"restartPolicy": "Always"}, [[9000, 9000]]), ({}, None)):
        init = {"name": "i", "ports": [{"name": "proxy", "containerPort": 9000}], **restart}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "side", "namespace": "shop", "labels": {"app": "side"}},
            "spec": {"containers": [{"name": "c"}], "initContainers": [init]},
        }
        service = changed(SERVICE, selector={"app": "side"}, ports=[{"port": 80, "targetPort": "proxy"}])
        found = let_in(network(TRIO, [pod, service, INGRESS]))
        assert found == ({"shop/side[Pod]": {"TCP": expected}} if expected else {})


# --- owners (Kubernetes documentation, "Owners and Dependents") ------------------------------------------------


def test_a_replica_set_and_its_deployment_are_one_workload() -> None:
    """Both as manifests, without pods: the one that owns the other stands for the pods."""
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "c"}]}}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "controller": True}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"}}
    replicas = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "api-1", "namespace": "shop", "ownerReferences": [owner]},
    }
    net = network(TRIO, [{**deployment, "spec": {"template": template}}, {**replicas, "spec": {"template": template}}])
    assert [each.name for each in net.workloads if "api" in each.name] == ["shop/api[Deployment]"]


# --- Gateway API (its documentation, API reference: Listener, AllowedRoutes, ParentReference) ------------------

KINDS = "{namespaces: {from: Same}, kinds: [{kind: KIND}]}"


def admitting(kind: str) -> str:
    """A Gateway whose listener names the kinds that it takes."""
    return gateway().replace("{namespaces: {from: Same}}", KINDS.replace("KIND", kind))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([gateway(), route(parent="{name: gw, sectionName: l}")], WEB, id="its listener"),
        pytest.param([gateway(), route(parent="{name: gw, port: 80}")], WEB, id="its port"),
        pytest.param([gateway(), route(parent="{kind: Service, group: '', name: gw}")], {}, id="no Gateway: a mesh"),
        pytest.param([admitting("GRPCRoute"), route()], {}, id="kinds without it"),
        pytest.param([admitting("HTTPRoute"), route()], WEB, id="kinds with it"),
        pytest.param([gateway(allowed="{from: None}"), route()], {}, id="from None"),
        pytest.param([gateway(host="a.example.com"), route(hosts='["*.example.com"]')], WEB, id="route with *"),
        pytest.param([gateway(host='"*.example.com"'), route(hosts="[example.com]")], {}, id="* is not nothing"),
        pytest.param([gateway(host='"*.example.com"'), route(hosts="[x.y.example.com]")], WEB, id="* is several names"),
        pytest.param([gateway(host="a.example.com"), route()], WEB, id="route without names"),
        pytest.param([gateway(host="a.example.com", protocol="TCP"), route("TCPRoute")], WEB, id="TCP has no names"),
        pytest.param([gateway(protocol="HTTPS"), route("GRPCRoute")], WEB, id="GRPC through HTTPS"),
        pytest.param([gateway(protocol="UDP"), route("UDPRoute")], {}, id="a UDP route to a TCP port"),
    ],
)
def test_which_listeners_take_a_route(texts: list[str], expected: dict[str, Any]) -> None:
    assert let_in(network(TRIO, *texts, [SERVICE])) == expected
