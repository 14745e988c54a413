"""What no known answer covers (network.md, section 4), and the traps, each with the source of what is expected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.worlds import TRIO, asked, network, rows, workload
from workbench.network.addresses import span
from workbench.network.explain import why


def policy(kind: str, spec: dict[str, Any], name: str = "p", version: str = "", **meta: str) -> dict[str, Any]:
    versions = {
        "NetworkPolicy": "networking.k8s.io/v1",
        "AdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
        "BaselineAdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
        "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2",
        "CiliumNetworkPolicy": "cilium.io/v2",
        "CiliumClusterwideNetworkPolicy": "cilium.io/v2",
        "GlobalNetworkPolicy": "projectcalico.org/v3",
    }
    return {
        "apiVersion": version or versions[kind],
        "kind": kind,
        "metadata": {"name": name, **meta},
        "spec": spec,
    }


def np(spec: dict[str, Any], name: str = "p", namespace: str = "shop") -> dict[str, Any]:
    return policy("NetworkPolicy", spec, name, namespace=namespace)


DB = {"matchLabels": {"app": "db"}}
WEB = {"matchLabels": {"app": "web"}}
EVERY: dict[str, Any] = {}


# --- NetworkPolicy (Kubernetes documentation, "Network Policies") -----------------------------------------


def test_a_block_of_one_family_says_nothing_of_the_other() -> None:
    """A CIDR matches the addresses inside of it (API types, IPBlock), and these are of one family."""
    net = network(TRIO, [np({"podSelector": DB, "ingress": [{"from": [{"ipBlock": {"cidr": "2001:db8::/32"}}]}]})])
    assert asked(net, "2001:db8::7", "shop/db") == "yes"
    assert asked(net, "2001:db9::7", "shop/db") == "no"
    assert asked(net, "192.0.2.1", "shop/db") == "no"
    assert [str(span) for span, _ in net.incoming(workload(net, "shop/web"))] == [
        "0.0.0.0-255.255.255.255",
        "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]


def test_pods_are_no_addresses_of_a_block_unless_asked_for() -> None:
    """The API leaves it open whether a block matches pods; plugins differ (np-guard/netpol-analyzer issue 456)."""
    pods = """
apiVersion: v1
kind: Pod
metadata: {name: src, namespace: shop, labels: {app: src}}
spec: {nodeName: n, containers: [{name: c}]}
status: {phase: Running, podIP: 10.2.3.4}
"""
    ingress = [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    rules = [np({"podSelector": DB, "ingress": ingress})]
    assert asked(network(TRIO, pods, rules), "shop/src", "shop/db") == "no"
    covered = network(TRIO, pods, rules, blocks_cover_pods=True)
    assert asked(covered, "shop/src", "shop/db") == "unknown"
    assert asked(covered, "shop/web", "shop/db") == "no"


@pytest.mark.parametrize(
    ("restart", "expected"), [pytest.param("Always", "yes", id="sidecar"), pytest.param(None, "no", id="plain")]
)
def test_named_ports_of_init_containers(restart: str | None, expected: str) -> None:
    """Init containers that keep running have ports of the pod ("Sidecar containers"); others have ended."""
    init = {"name": "i", "ports": [{"name": "metrics", "containerPort": 9090}]}
    if restart:
        init["restartPolicy"] = restart
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "side", "namespace": "shop", "labels": {"app": "side"}},
        "spec": {"containers": [{"name": "c"}], "initContainers": [init]},
    }
    rule = np({"podSelector": {"matchLabels": {"app": "side"}}, "ingress": [{"ports": [{"port": "metrics"}]}]})
    assert asked(network(TRIO, [pod, rule]), "shop/web", "shop/side", "9090/TCP") == expected


def test_pods_that_have_completed_take_no_part() -> None:
    """A pod whose phase is Succeeded or Failed has no container that runs ("Pod Lifecycle")."""
    text = """
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop}
spec: {nodeName: n, containers: [{name: c}]}
status: {phase: PHASE}
"""
    for phase, there in (("Succeeded", False), ("Failed", False), ("Running", True)):
        net = network(TRIO, text.replace("PHASE", phase))
        assert any(each.name == "shop/done[Pod]" for each in net.workloads) is there, phase


def test_live_pods_belong_to_the_topmost_owner() -> None:
    """Controllers are followed upwards ("Owners and Dependents"); replicas with other labels count together."""
    text = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, uid: d}
spec: {template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: api-1
  namespace: shop
  uid: r
  ownerReferences: [{kind: Deployment, name: api, uid: d, controller: true}]
"""
    replicas = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"api-1-{slot}",
                "namespace": "shop",
                "uid": slot,
                "labels": {"app": "api", "slot": slot},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "api-1", "uid": "r", "controller": True}],
            },
            "spec": {"nodeName": "n", "containers": [{"name": "c"}]},
            "status": {"phase": "Running"},
        }
        for slot in ("blue", "green")
    ]
    rules = [np({"podSelector": DB, "ingress": [{"from": [{"podSelector": {"matchLabels": {"slot": "blue"}}}]}]})]
    net = network(TRIO, text, replicas, rules)
    assert [each.name for each in net.workloads if "api" in each.name] == ["shop/api[Deployment]"]
    assert len(workload(net, "shop/api").classes) == 2
    assert asked(net, "shop/api", "shop/db") == "yes"
    assert asked(net, "shop/web", "shop/db") == "no"
    assert ("shop/api[Deployment]", "shop/api[Deployment]") not in rows(net)


def test_pods_on_the_network_of_their_node_are_open_to_question() -> None:
    """ "NetworkPolicy behaviour for hostNetwork pods is undefined": nothing is said to be closed to them."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"hostNetwork": True, "containers": [{"name": "c"}]},
    }
    deny = np({"podSelector": EVERY, "policyTypes": ["Ingress", "Egress"]})
    net = network(TRIO, [pod, deny])
    assert asked(net, "shop/agent", "ops/tool") == "yes"
    assert asked(net, "ops/tool", "shop/agent") == "yes"
    assert asked(net, "shop/agent", "shop/db") == "unknown"
    assert asked(net, "shop/web", "shop/agent") == "unknown"
    assert asked(net, "shop/web", "shop/db") == "no"


# --- the admin tiers (network-policy-api, types and KEP 2091) ----------------------------------------------

ALL_NAMESPACES = {"namespaces": EVERY}


def admin(
    *rules: dict[str, Any], kind: str = "AdminNetworkPolicy", priority: int = 5, name: str = "p", **more: Any
) -> Any:
    return policy(kind, {"subject": ALL_NAMESPACES, "priority": priority, "ingress": list(rules), **more}, name)


def rule(action: str, port: int | None = None, **peers: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"action": action, "from": [peers or ALL_NAMESPACES]}
    if port:
        out["ports"] = [{"portNumber": {"port": port}}]
    return out


def test_baseline_counts_only_where_no_network_policy_selects() -> None:
    base = policy("BaselineAdminNetworkPolicy", {"subject": ALL_NAMESPACES, "ingress": [rule("Deny")]}, name="default")
    allow = np({"podSelector": DB, "ingress": [{}]})
    net = network(TRIO, [base, allow])
    assert asked(net, "ops/tool", "shop/db") == "yes"
    assert asked(net, "ops/tool", "shop/web") == "no"


def test_two_policies_of_one_priority_are_unknown_only_where_they_disagree() -> None:
    """The type's ``priority``: with the same value "the behavior is undefined"."""
    first = admin(rule("Allow", 80), rule("Allow", 443), name="a")
    second = admin(rule("Deny", 80), rule("Deny", 81), name="b")
    net = network(TRIO, [first, second])
    assert [asked(net, "shop/web", "shop/db", f"{port}/TCP") for port in (80, 81, 443, 85)] == [
        "unknown",
        "no",
        "yes",
        "yes",
    ]
    assert [(fault.object.name, fault.field) for fault in net.parsed.faults] == [("b", "spec.priority")]
    assert asked(network(TRIO, [first, admin(rule("Deny", 80), name="b", priority=6)]), "shop/web", "shop/db") == "yes"


def test_nodes_as_peers_match_no_pod() -> None:
    """``nodes`` selects "nodes in the cluster", and with them what shares their addresses, which is not certain."""
    spec = {
        "subject": ALL_NAMESPACES,
        "priority": 1,
        "egress": [{"action": "Deny", "to": [{"nodes": {"matchLabels": {"role": "worker"}}}]}],
    }
    net = network(TRIO, [policy("AdminNetworkPolicy", spec)])
    assert asked(net, "shop/web", "shop/db") == "yes"
    assert asked(net, "shop/web", "8.8.8.8") == "yes"


def test_cluster_network_policy_has_two_tiers_and_its_own_words() -> None:
    """v1alpha2: ``tier``, Accept in place of Allow, ``protocols`` in place of ``ports``, several in Baseline."""

    def cluster(tier: str, priority: int, action: str, protocols: list[Any], name: str) -> dict[str, Any]:
        rules = [{"action": action, "from": [ALL_NAMESPACES], "protocols": protocols}]
        spec = {"tier": tier, "priority": priority, "subject": ALL_NAMESPACES, "ingress": rules}
        return policy("ClusterNetworkPolicy", spec, name)

    tcp80 = [{"tcp": {"destinationPort": {"number": 80}}}]
    net = network(
        TRIO,
        [
            cluster("Admin", 1, "Pass", tcp80, "a"),
            cluster("Admin", 2, "Deny", [{"tcp": {"destinationPort": {"range": {"start": 80, "end": 90}}}}], "b"),
            cluster("Baseline", 1, "Accept", [{"destinationNamedPort": "http"}], "c"),
            cluster("Baseline", 2, "Deny", [{"tcp": {}}], "d"),
        ],
    )
    assert not net.parsed.faults
    assert asked(net, "shop/web", "shop/db", "80/TCP") == "no", "passed by a, denied by d"
    assert asked(net, "shop/web", "shop/db", "85/TCP") == "no", "denied by b"
    assert asked(net, "ops/tool", "shop/web", "8080/TCP") == "yes", "accepted by c"
    assert asked(net, "ops/tool", "shop/db", "8080/TCP") == "no", "c names a port that db has not"
    assert asked(net, "ops/tool", "shop/db", "53/UDP") == "yes", "nothing decides"


def test_domains_are_not_decided() -> None:
    spec = {
        "tier": "Admin",
        "priority": 1,
        "subject": ALL_NAMESPACES,
        "egress": [
            {"action": "Accept", "to": [{"domainNames": ["*.example.com"]}]},
            {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]},
        ],
    }
    net = network(TRIO, [policy("ClusterNetworkPolicy", spec)])
    assert asked(net, "shop/web", "8.8.8.8", "443/TCP") == "unknown"
    assert asked(net, "shop/web", "shop/db") == "yes"


# --- Cilium (its documentation, "Network Policy") ---------------------------------------------------------


def cnp(spec: dict[str, Any], name: str = "p") -> dict[str, Any]:
    return policy("CiliumNetworkPolicy", spec, name, namespace="shop")


def test_a_cilium_denial_wins_over_what_network_policy_allows() -> None:
    """ "Deny policies take precedence over allow policies", those of NetworkPolicy as well."""
    deny = cnp({"endpointSelector": DB, "ingressDeny": [{"fromEndpoints": [{}]}]})
    net = network(TRIO, [np({"podSelector": DB, "ingress": [{}]}), deny])
    assert asked(net, "shop/web", "shop/db") == "no"
    assert asked(net, "ops/tool", "shop/db") == "yes"


def test_an_empty_cilium_rule_only_isolates() -> None:
    """ "Ingress default deny": ``ingress: [{}]``."""
    net = network(TRIO, [cnp({"endpointSelector": DB, "ingress": [{}]})])
    assert asked(net, "shop/web", "shop/db") == "no"
    assert asked(net, "8.8.8.8", "shop/db") == "no"


def test_cilium_without_default_deny_isolates_nothing() -> None:
    """``enableDefaultDeny: {ingress: false}``."""
    spec = {"endpointSelector": DB, "ingress": [{"fromEndpoints": [WEB]}], "enableDefaultDeny": {"ingress": False}}
    assert asked(network(TRIO, [cnp(spec)]), "ops/tool", "shop/db") == "yes"


def test_cilium_selects_by_namespace_and_its_labels() -> None:
    keys = (
        {"k8s:io.kubernetes.pod.namespace": "ops"},
        {"k8s:io.cilium.k8s.namespace.labels.team": "ops"},
    )
    for labels in keys:
        net = network(TRIO, [cnp({"endpointSelector": DB, "ingress": [{"fromEndpoints": [{"matchLabels": labels}]}]})])
        assert (asked(net, "ops/tool", "shop/db"), asked(net, "shop/web", "shop/db")) == ("yes", "no")


@pytest.mark.parametrize(
    "egress",
    [
        {"toFQDNs": [{"matchName": "example.com"}]},
        {"toGroups": [{"aws": {}}]},
        {"toEntities": ["world"], "toPorts": [{"ports": [{"port": "80"}], "rules": {"http": [{"method": "GET"}]}}]},
        {"toEntities": ["kube-apiserver"]},
        {"toCIDRSet": [{"cidrGroupRef": "g"}]},
    ],
    ids=lambda egress: next(iter(egress)),
)
def test_what_cilium_decides_by_more_than_addresses_and_ports_is_unknown(egress: dict[str, Any]) -> None:
    net = network(TRIO, [cnp({"endpointSelector": WEB, "egress": [egress]})])
    assert asked(net, "shop/web", "8.8.8.8") == "unknown"
    assert asked(net, "shop/web", "shop/db") == "no"


def test_why_it_is_not_known_is_said() -> None:
    net = network(TRIO, [cnp({"endpointSelector": WEB, "egress": [{"toFQDNs": [{"matchName": "example.com"}]}]})])
    found = why(net, workload(net, "shop/web"), net.column_of(span("8.8.8.8")))
    assert [(each.action, each.detail) for each in found] == [
        ("may allow", "toFQDNs is not decided"),
        ("deny", "it selects the pod, and no rule allows this"),
    ]


def test_the_api_server_is_known_by_its_endpoints() -> None:
    piece = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.9]}]
ports: [{name: https, port: 6443}]
"""
    net = network(TRIO, piece, [cnp({"endpointSelector": WEB, "egress": [{"toEntities": ["kube-apiserver"]}]})])
    assert asked(net, "shop/web", "192.0.2.9") == "yes"
    assert asked(net, "shop/web", "8.8.8.8") == "no"


# --- Calico (its documentation, NetworkPolicy and GlobalNetworkPolicy) --------------------------------------


def calico(spec: dict[str, Any], name: str = "g") -> dict[str, Any]:
    return policy("GlobalNetworkPolicy", spec, name)


def test_calico_and_network_policies_are_asked_in_one_order() -> None:
    """NetworkPolicy has order 1000 in the default tier; what no rule of the tier matches is denied at its end."""
    allow = np({"podSelector": DB, "ingress": [{"from": [{"podSelector": WEB}]}]})
    for order, expected in ((10, "no"), (2000, "yes")):
        deny = calico(
            {"order": order, "types": ["Ingress"], "selector": "app == 'db'", "ingress": [{"action": "Deny"}]}
        )
        assert asked(network(TRIO, [allow, deny]), "shop/web", "shop/db") == expected, order


def test_another_tier_of_calico_is_unknown() -> None:
    spec = {"tier": "platform", "selector": "app == 'db'", "types": ["Ingress"], "ingress": [{"action": "Deny"}]}
    net = network(TRIO, [calico(spec)])
    assert asked(net, "shop/web", "shop/db") == "unknown"
    assert asked(net, "shop/db", "shop/web") == "yes"


@pytest.mark.parametrize(
    ("spec", "into", "out"),
    [
        pytest.param({"preDNAT": True, "applyOnForward": True}, "unknown", "yes", id="before DNAT"),
        pytest.param({"applyOnForward": True, "types": ["Ingress", "Egress"]}, "unknown", "unknown", id="forwarded"),
        pytest.param({"doNotTrack": True, "applyOnForward": True}, "unknown", "yes", id="untracked"),
        pytest.param({"types": ["Ingress", "Egress"]}, "yes", "yes", id="local to nodes"),
    ],
)
def test_calico_at_the_interfaces_of_nodes(spec: dict[str, Any], into: str, out: str) -> None:
    """ "Summary of host endpoint policies": which of them apply to forwarded traffic."""
    ingress = {"types": ["Ingress"], "ingress": [{"action": "Deny"}]}
    net = network(TRIO, [calico({"selector": "role == 'node-interface'", **ingress, **spec})])
    assert asked(net, "192.0.2.1", "shop/db") == into
    assert asked(net, "shop/db", "192.0.2.1") == out
    assert asked(net, "shop/web", "shop/db") == "yes"


def test_calico_nets_match_pods_by_address() -> None:
    pods = """
apiVersion: v1
kind: Pod
metadata: {name: src, namespace: shop, labels: {app: src}}
spec: {nodeName: n, containers: [{name: c}]}
status: {phase: Running, podIP: 10.2.3.4}
"""
    ingress = [{"action": "Allow", "source": {"nets": ["10.2.0.0/16"]}}]
    net = network(TRIO, pods, [calico({"selector": "app == 'db'", "types": ["Ingress"], "ingress": ingress})])
    assert asked(net, "shop/src", "shop/db") == "yes"
    assert asked(net, "shop/web", "shop/db") == "unknown", "its address is not known"
    egress = [{"action": "Deny", "destination": {"nets": ["169.254.169.254/32"]}}, {"action": "Allow"}]
    net = network(TRIO, [calico({"selector": "app == 'web'", "types": ["Egress"], "egress": egress})])
    assert asked(net, "shop/web", "169.254.169.254") == "no"
    assert asked(net, "shop/web", "shop/db") == "yes", "no pod has a link-local address"


def test_calico_network_sets_are_addresses() -> None:
    text = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {role: partner}}
spec: {nets: [192.0.2.0/24]}
"""
    ingress = [{"action": "Allow", "source": {"selector": "role == 'partner' || app in {'web', 'x'}"}}]
    net = network(TRIO, text, [calico({"selector": "app == 'db'", "types": ["Ingress"], "ingress": ingress})])
    assert [asked(net, who, "shop/db") for who in ("192.0.2.5", "8.8.8.8", "shop/web", "ops/tool")] == [
        "yes",
        "no",
        "yes",
        "no",
    ]


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("all()", "web db tool"),
        ("!has(app)", ""),
        ("app contains 'e' && app != 'x'", "web"),
        ("app starts with 't' || app ends with 'b'", "web db tool"),
        ("app not in {'web','db'}", "tool"),
        ('(app == "web")', "web"),
        ("projectcalico.org/namespace == 'ops'", "tool"),
        ("pcns.team == 'sales'", "web db"),
    ],
)
def test_calico_selectors(expression: str, chosen: str) -> None:
    net = network(TRIO, [calico({"selector": expression, "types": ["Ingress"], "ingress": []})])
    closed = [name for name in ("shop/web", "shop/db", "ops/tool") if asked(net, "8.8.8.8", name) == "no"]
    assert [name.rpartition("/")[2] for name in closed] == chosen.split()
