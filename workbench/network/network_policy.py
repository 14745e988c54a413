"""NetworkPolicy (``networking.k8s.io/v1``) as rules of the core.

Source: Kubernetes documentation, "Network Policies", and the API types; what is refused is what the API server's
validation refuses (``pkg/apis/networking/validation``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from workbench.inventory.network_objects import (
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from workbench.network.checks import Faults, block, excepted, port, protocol
from workbench.network.labels import Selector, selector, simple_selector
from workbench.network.ports import LAST_PORT, PROTOCOLS, Port, PortRange
from workbench.network.rules import Action, Anyone, Blocks, Direction, Peer, Pods, Policy, Rule, Tier

ORDER = 1000.0
"""Where Calico puts it among its own policies (Calico documentation, NetworkPolicy, ``order``)."""


def parse(policy: NetworkPolicy, report: Faults) -> Policy:
    """A policy as rules; what is wrong is reported, and the result then only good for whom it selects."""
    spec = policy.spec or NetworkPolicySpec()
    subject = Pods(selector(spec.pod_selector, "spec.podSelector", report), namespace=policy.namespace)
    for index, kind in enumerate(spec.policy_types or ()):
        if kind not in ("Ingress", "Egress"):
            report(f"spec.policyTypes[{index}]", f"{kind!r} is neither Ingress nor Egress")
    directions = directions_of(spec)
    rules = {
        Direction.INGRESS: tuple(
            _rule(policy, rule, f"spec.ingress[{index}]", report) for index, rule in enumerate(spec.ingress or ())
        ),
        Direction.EGRESS: tuple(
            _rule(policy, rule, f"spec.egress[{index}]", report) for index, rule in enumerate(spec.egress or ())
        ),
    }
    return Policy(
        policy.id,
        Tier.NAMESPACE,
        (ORDER, f"{policy.namespace}/{policy.name}"),
        subject,
        {direction: found for direction, found in rules.items() if direction in directions},
        directions,
    )


def directions_of(spec: NetworkPolicySpec) -> frozenset[Direction]:
    """In which directions a policy isolates: without types Ingress, and Egress if there is an egress rule."""
    types = spec.policy_types or ["Ingress", *(["Egress"] if spec.egress else [])]
    return frozenset(direction for direction in Direction if direction.value.capitalize() in types)


def _rule(
    policy: NetworkPolicy, rule: NetworkPolicyIngressRule | NetworkPolicyEgressRule, where: str, report: Faults
) -> Rule:
    side = "from" if isinstance(rule, NetworkPolicyIngressRule) else "to"
    found = rule.from_ if isinstance(rule, NetworkPolicyIngressRule) else rule.to
    namespace = policy.namespace
    peers: tuple[Peer, ...] = tuple(
        _simple_peer(namespace, peer) or _peer(policy, peer, f"{where}.{side}[{index}]", report)
        for index, peer in enumerate(found or ())
    )
    return Rule(Action.ALLOW, peers or (Anyone(),), _ports(rule.ports, f"{where}.ports", report), where)


def _simple_peer(namespace: str, peer: NetworkPolicyPeer) -> Peer | None:
    """As :func:`_peer` for one that has nothing but labels, as most do; ``None`` for others."""
    if peer.ip_block is not None or (peer.pod_selector is None and peer.namespace_selector is None):
        return None
    pods, namespaces = simple_selector(peer.pod_selector), simple_selector(peer.namespace_selector)
    if pods is None or namespaces is None:
        return None
    return _pods(pods, None, namespace) if peer.namespace_selector is None else _pods(pods, namespaces, "")


@lru_cache(maxsize=8192)
def _pods(pods: Selector, namespaces: Selector | None, namespace: str) -> Pods:
    """The same object for the same pods: what it matches is looked up far more often than it is made."""
    return Pods(pods, namespaces, namespace)


def _peer(policy: NetworkPolicy, peer: NetworkPolicyPeer, where: str, report: Faults) -> Peer:
    if peer.ip_block is not None:
        if peer.pod_selector is not None or peer.namespace_selector is not None:
            report(f"{where}.ipBlock", "ipBlock stands with podSelector or namespaceSelector; only one may")
        whole = block(peer.ip_block.cidr, f"{where}.ipBlock.cidr", report)
        out = excepted(peer.ip_block.except_, whole, f"{where}.ipBlock.except", report)
        return Blocks(((whole, out),) if whole is not None else ())
    if peer.pod_selector is None and peer.namespace_selector is None:
        report(where, "a peer needs podSelector, namespaceSelector or ipBlock")
    pods = selector(peer.pod_selector, f"{where}.podSelector", report)
    if peer.namespace_selector is None:
        return _pods(pods, None, policy.namespace)
    return _pods(pods, selector(peer.namespace_selector, f"{where}.namespaceSelector", report), "")


def _ports(ports: Sequence[NetworkPolicyPort] | None, where: str, report: Faults) -> tuple[Port, ...] | None:
    if not ports:
        return None
    return tuple(_simple_port(each) or _port(each, f"{where}[{index}]", report) for index, each in enumerate(ports))


def _simple_port(found: NetworkPolicyPort) -> Port | None:
    """As :func:`_port` for a single number, as most are; ``None`` for others."""
    number, which = found.port, found.protocol or "TCP"
    if isinstance(number, int) and found.end_port is None and 1 <= number <= LAST_PORT and which in PROTOCOLS:
        return _number(which, number)
    return None


@lru_cache(maxsize=4096)
def _number(which: str, number: int) -> PortRange:
    return PortRange(which, number, number)


def _port(found: NetworkPolicyPort, where: str, report: Faults) -> Port:
    which = protocol(found.protocol, f"{where}.protocol", report)
    return port(found.port, found.end_port, which, where, report)
