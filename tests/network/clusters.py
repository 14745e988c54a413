"""Random small clusters with policies of every kind, for laws that hold for every cluster."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.network.worlds import PROBES

NAMESPACES = ("one", "two")
KEYS, VALUES = ("a", "b"), ("x", "y")
ADDRESSES = ("10.0.0.1", "10.1.0.1", "8.8.8.8")
PORTS = [(port.protocol, port.low) for port in PROBES if port.low in (53, 80, 85, 8080)]

labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)
expressions = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        st.sampled_from(KEYS),
        st.sampled_from(("In", "NotIn")),
        st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        st.sampled_from(KEYS),
        st.sampled_from(("Exists", "DoesNotExist")),
    ),
)
selectors = st.one_of(
    st.just({}),
    labels.map(lambda found: {"matchLabels": found}),
    expressions.map(lambda found: {"matchExpressions": [found]}),
)
blocks = st.sampled_from(
    (
        {"cidr": "0.0.0.0/0"},
        {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]},
        {"cidr": "8.8.0.0/16"},
        {"cidr": "2001:db8::/32"},
    )
)
np_peers = st.one_of(
    st.fixed_dictionaries({"podSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}),
    st.fixed_dictionaries({"podSelector": selectors, "namespaceSelector": selectors}),
    st.fixed_dictionaries({"ipBlock": blocks}),
)
np_ports = st.sampled_from(
    (
        {"port": 80},
        {"port": 80, "endPort": 90},
        {"port": "web"},
        {"port": "web", "protocol": "UDP"},
        {"protocol": "UDP"},
        {"port": 53, "protocol": "SCTP"},
    )
)


def np_rules(side: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        st.fixed_dictionaries(
            {}, optional={side: st.lists(np_peers, max_size=2), "ports": st.lists(np_ports, max_size=2)}
        ),
        max_size=2,
    )


def named(kind: str, version: str, spec: st.SearchStrategy[Any], *, namespaced: bool) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda namespace, spec: {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": "p", **({"namespace": namespace} if namespaced else {})},
            "spec": spec,
        },
        st.sampled_from(NAMESPACES),
        spec,
    )


network_policies = named(
    "NetworkPolicy",
    "networking.k8s.io/v1",
    st.fixed_dictionaries(
        {"podSelector": selectors},
        optional={
            "ingress": np_rules("from"),
            "egress": np_rules("to"),
            "policyTypes": st.lists(st.sampled_from(("Ingress", "Egress")), max_size=2, unique=True),
        },
    ),
    namespaced=True,
)

scopes = st.one_of(
    st.fixed_dictionaries({"namespaces": selectors}),
    st.fixed_dictionaries({"pods": st.fixed_dictionaries({"namespaceSelector": selectors, "podSelector": selectors})}),
)
networks = st.fixed_dictionaries({"networks": st.sampled_from((["10.0.0.0/8"], ["0.0.0.0/0"], ["8.8.8.8/32"]))})
admin_ports = st.sampled_from(
    (
        {"portNumber": {"port": 80}},
        {"portNumber": {"protocol": "UDP", "port": 53}},
        {"portRange": {"start": 80, "end": 90}},
        {"namedPort": "web"},
    )
)
cluster_ports = st.sampled_from(
    (
        {"tcp": {"destinationPort": {"number": 80}}},
        {"tcp": {"destinationPort": {"range": {"start": 80, "end": 90}}}},
        {"udp": {}},
        {"destinationNamedPort": "web"},
    )
)


def admin_spec(actions: tuple[str, ...], ports: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    each = admin_ports if ports == "ports" else cluster_ports

    def rules(side: str, peers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(
            st.fixed_dictionaries(
                {"action": st.sampled_from(actions), side: st.lists(peers, min_size=1, max_size=2)},
                optional={ports: st.lists(each, min_size=1, max_size=2)},
            ),
            max_size=2,
        )

    return st.fixed_dictionaries(
        {"subject": scopes, **more},
        optional={"ingress": rules("from", scopes), "egress": rules("to", scopes | networks)},
    )


priorities = st.integers(0, 2)
admin_policies = named(
    "AdminNetworkPolicy",
    "policy.networking.k8s.io/v1alpha1",
    admin_spec(("Allow", "Deny", "Pass"), "ports", priority=priorities),
    namespaced=False,
)
baseline_policies = named(
    "BaselineAdminNetworkPolicy",
    "policy.networking.k8s.io/v1alpha1",
    admin_spec(("Allow", "Deny"), "ports"),
    namespaced=False,
).map(lambda found: {**found, "metadata": {"name": "default"}})
cluster_policies = named(
    "ClusterNetworkPolicy",
    "policy.networking.k8s.io/v1alpha2",
    admin_spec(
        ("Accept", "Deny", "Pass"), "protocols", priority=priorities, tier=st.sampled_from(("Admin", "Baseline"))
    ),
    namespaced=False,
)

cilium_ports = st.sampled_from(
    (
        {"port": "80", "protocol": "TCP"},
        {"port": "80", "endPort": 90},
        {"port": "0", "protocol": "UDP"},
        {"port": "53", "protocol": "ANY"},
    )
)


def cilium_rules(side: str) -> st.SearchStrategy[Any]:
    endpoints = st.one_of(
        selectors, st.sampled_from(NAMESPACES).map(lambda name: {"matchLabels": {"io.kubernetes.pod.namespace": name}})
    )
    peers = st.one_of(
        st.fixed_dictionaries({f"{side}Endpoints": st.lists(endpoints, max_size=2)}),
        st.fixed_dictionaries({f"{side}CIDR": st.just(["10.0.0.0/8"])}),
        st.fixed_dictionaries(
            {f"{side}Entities": st.lists(st.sampled_from(("world", "cluster", "all")), min_size=1, max_size=1)}
        ),
        st.just({}),
    )
    ports = st.one_of(
        st.just({}),
        st.lists(cilium_ports, min_size=1, max_size=2).map(lambda found: {"toPorts": [{"ports": found}]}),
    )
    return st.lists(st.builds(lambda peer, found: {**peer, **found}, peers, ports), min_size=1, max_size=2)


cilium_policies = named(
    "CiliumNetworkPolicy",
    "cilium.io/v2",
    st.fixed_dictionaries(
        {"endpointSelector": selectors},
        optional={
            "ingress": cilium_rules("from"),
            "egress": cilium_rules("to"),
            "ingressDeny": cilium_rules("from"),
            "egressDeny": cilium_rules("to"),
        },
    ),
    namespaced=True,
)

calico_selectors = st.sampled_from(("", "a == 'x'", "a != 'x'", "has(b)", "b == 'y'"))
calico_entities = st.one_of(
    st.just({}),
    st.sampled_from(("a == 'x'", "a != 'x'", "has(b)")).map(lambda found: {"selector": found}),
    st.just({"namespaceSelector": "a == 'x'"}),
    st.just({"nets": ["8.8.0.0/16"]}),
)


def calico_rules(side: str) -> st.SearchStrategy[Any]:
    def made(action: str, entity: dict[str, Any], port: dict[str, Any] | None) -> dict[str, Any]:
        rule: dict[str, Any] = {"action": action, side: dict(entity)}
        if port:
            rule["protocol"] = port["protocol"]
            rule.setdefault("destination", {})
            rule["destination"] = {**rule["destination"], "ports": port["ports"]}
        return rule

    ports = st.sampled_from((None, {"protocol": "TCP", "ports": [80]}, {"protocol": "TCP", "ports": ["80:90"]}))
    return st.lists(st.builds(made, st.sampled_from(("Allow", "Deny", "Pass")), calico_entities, ports), max_size=2)


calico_spec = st.fixed_dictionaries(
    {
        "selector": calico_selectors,
        "types": st.lists(st.sampled_from(("Ingress", "Egress")), min_size=1, max_size=2, unique=True),
    },
    optional={
        "order": st.sampled_from((1, 500, 1500)),
        "ingress": calico_rules("source"),
        "egress": calico_rules("destination"),
    },
)
calico_policies = named("NetworkPolicy", "projectcalico.org/v3", calico_spec, namespaced=True)
calico_globals = named("GlobalNetworkPolicy", "projectcalico.org/v3", calico_spec, namespaced=False)

pods = st.builds(
    lambda found, port: {
        "labels": found,
        "ports": [{"name": "web", "containerPort": port}] if port else [],
    },
    labels,
    st.sampled_from((None, 80, 8080)),
)


def cluster(*policies: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Two namespaces, four pods, and some policies."""

    def made(of_namespaces: list[Any], of_pods: list[Any], found: list[Any]) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for name, own in zip(NAMESPACES, of_namespaces, strict=True):
            out.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}})
        for at, each in enumerate(of_pods):
            meta = {"name": f"pod{at}", "namespace": NAMESPACES[at % 2], "labels": each["labels"]}
            containers = [{"name": "c", "ports": each["ports"]}]
            out.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers}})
        for at, policy in enumerate(found):
            if policy["kind"] == "BaselineAdminNetworkPolicy" and any(each["kind"] == policy["kind"] for each in out):
                continue
            own_policy = deepcopy(policy)
            if own_policy["metadata"]["name"] != "default":
                own_policy["metadata"]["name"] = f"p{at}"
            out.append(own_policy)
        return out

    return st.builds(
        made,
        st.lists(labels, min_size=2, max_size=2),
        st.lists(pods, min_size=4, max_size=4),
        st.lists(st.one_of(*policies), max_size=4),
    )


usual = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
