"""NetworkPolicy (``networking.k8s.io/v1``) as rules of the core.

Source: Kubernetes documentation, "Network Policies", and the API types; what is refused is what the API server's
validation refuses (``pkg/apis/networking/validation``).
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.inventory.network_objects import (
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from workbench.network.checks import Faults, block, excepted, port, protocol
from workbench.network.labels import selector
from workbench.network.ports import Port
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
    peers: tuple[Peer, ...] = tuple(
        _peer(policy, peer, f"{where}.{side}[{index}]", report) for index, peer in enumerate(found or ())
    )
    return Rule(Action.ALLOW, peers or (Anyone(),), _ports(rule.ports, f"{where}.ports", report), where)


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
        return Pods(pods, namespace=policy.namespace)
    return Pods(pods, selector(peer.namespace_selector, f"{where}.namespaceSelector", report))


def _ports(ports: Sequence[NetworkPolicyPort] | None, where: str, report: Faults) -> tuple[Port, ...] | None:
    if not ports:
        return None
    return tuple(
        port(
            each.port,
            each.end_port,
            protocol(each.protocol, f"{where}[{index}].protocol", report),
            f"{where}[{index}]",
            report,
        )
        for index, each in enumerate(ports)
    )
