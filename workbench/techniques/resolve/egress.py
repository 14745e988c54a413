"""Whether a pod's network policies let it reach the API server (C-API).

Policies of the pod's own namespace that select it and have the type Egress shut off what none of them allows; no
such policy allows everything. Whether the network plugin enforces them no object shows, so that the answer is never
worse than conditional. Source: Kubernetes documentation, "Network Policies".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPort
from workbench.inventory.objects import EndpointSlice
from workbench.inventory.pods import PodInstance
from workbench.rbac import selector_matches
from workbench.techniques.resolve.nodes import CONTROL_PLANE_PODS

_POLICIES = frozenset({"NetworkPolicy"})
_ADDRESSES = frozenset({"Pod", "EndpointSlice"})
_SERVICE_LABEL = "kubernetes.io/service-name"
_PORTS = frozenset({443, 6443})
"""Where API servers listen, if their EndpointSlice was not read."""


def reaches_api_server(view: Inventory, pod: PodInstance) -> tuple[Fact, ...]:
    """What it takes for a pod to reach the API server: nothing, or C-API about its namespace."""
    policies = egress_policies(view, pod)
    if not policies or any(_lets_out(view, policy) for policy in policies):
        return ()
    return (("C-API", f"Namespace:{pod.namespace}"),)


def _lets_out(view: Inventory, policy: NetworkPolicy) -> bool:
    """Whether a policy lets the pods that it selects reach some address of the API server."""
    memo = view.memo("policies that let pods reach the API server", _POLICIES | _ADDRESSES)
    found: bool | None = memo.get(policy.id)
    if found is None:
        addresses, ports = api_server(view)
        rules = (policy.spec.egress if policy.spec else None) or ()
        found = memo[policy.id] = any(_allows(rule, addresses, ports) for rule in rules)
    return found


def egress_policies(view: Inventory, pod: PodInstance) -> list[NetworkPolicy]:
    """The policies that limit what a pod may reach; none for a pod on the host's network."""
    found = policies_by_namespace(view).get(pod.namespace) if not pod.spec.host_network else None
    return [policy for policy in found if _selects(policy, pod)] if found else []


def policies_by_namespace(view: Inventory) -> dict[str, list[NetworkPolicy]]:
    """The policies that limit egress: nothing keeps the pods of any other namespace from the API server."""
    return view.derived("policies that limit egress", _POLICIES, _limiting)


def _limiting(view: Inventory) -> dict[str, list[NetworkPolicy]]:
    found: dict[str, list[NetworkPolicy]] = {}
    for policy in view.all(NetworkPolicy):
        if _limits_egress(policy):
            found.setdefault(policy.namespace, []).append(policy)
    return found


def _limits_egress(policy: NetworkPolicy) -> bool:
    if policy.spec is None:
        return False
    types = policy.spec.policy_types
    return "Egress" in types if types else bool(policy.spec.egress)


def _selects(policy: NetworkPolicy, pod: PodInstance) -> bool:
    selector = policy.spec.pod_selector if policy.spec else None
    return selector is None or selector_matches(selector, pod.labels)


def api_server(view: Inventory) -> tuple[tuple[str, ...], frozenset[int]]:
    """The addresses at which the API server listens, none if they were not read, and its ports."""
    found: tuple[tuple[str, ...], frozenset[int]] = view.derived("addresses of the API server", _ADDRESSES, _addresses)
    return found


def _addresses(view: Inventory) -> tuple[tuple[str, ...], frozenset[int]]:
    addresses: set[str] = set()
    ports: set[int] = set()
    for piece in view.in_namespace(EndpointSlice, "default"):
        if (piece.metadata.labels or {}).get(_SERVICE_LABEL) == "kubernetes":
            for endpoint in piece.endpoints or ():
                addresses.update(endpoint.addresses or ())
            ports.update(port.port for port in piece.ports or () if port.port)
    index = view.index(CONTROL_PLANE_PODS)
    for node in index.keys():  # noqa: SIM118 - an index, not a dict
        for pod in index[node]:
            if pod.name.startswith("kube-apiserver-") and pod.status is not None:
                addresses.update(address for address in (pod.status.pod_ip, pod.status.host_ip) if address)
    return tuple(sorted(addresses)), frozenset(ports) or _PORTS


def _allows(rule: NetworkPolicyEgressRule, addresses: Iterable[str], ports: frozenset[int]) -> bool:
    """Whether a rule lets some address of the API server through; pods and namespaces cannot select it."""
    if rule.ports and not any(_allows_port(port, ports) for port in rule.ports):
        return False
    if not rule.to:
        return True
    blocks = [peer.ip_block for peer in rule.to if peer.ip_block is not None]
    known = list(addresses)
    if not known:
        return any(block.cidr in ("0.0.0.0/0", "::/0") and not block.except_ for block in blocks)
    return any(_holds(block.cidr, block.except_ or (), address) for block in blocks for address in known)


def _allows_port(port: NetworkPolicyPort, ports: frozenset[int]) -> bool:
    number = port.port
    if (port.protocol or "TCP") != "TCP":
        return False
    if number is None:
        return True
    return isinstance(number, int) and any(number <= known <= (port.end_port or number) for known in ports)


def _holds(cidr: str | None, excepted: Iterable[str], address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        if ip not in ipaddress.ip_network(cidr or "", strict=False):
            return False
        return not any(ip in ipaddress.ip_network(text, strict=False) for text in excepted)
    except ValueError:
        return False


def egress_evidence(view: Inventory, pod: PodInstance) -> list[Evidence]:
    """The policies that were asked: whom they select and what they let out."""
    out: list[Evidence] = []
    for policy in egress_policies(view, pod):
        out.append(view.evidence(policy, "spec.podSelector"))
        out.append(view.evidence(policy, "spec.egress"))
    return out
