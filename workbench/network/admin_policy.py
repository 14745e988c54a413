"""AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1) and ClusterNetworkPolicy (v1alpha2) as rules of the core.

Source: network-policy-api, the API types with their validation markers, and KEP 2091.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from workbench.inventory.network_objects import (
    AdminNetworkPolicy,
    AdminPeer,
    AdminPolicySpec,
    AdminPort,
    AdminRule,
    AdminSubject,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    ClusterProtocol,
    ProtocolPorts,
)
from workbench.network.checks import Faults, block, number, port_name, ports_between, protocol
from workbench.network.labels import EVERYTHING, selector
from workbench.network.ports import NamedPort, Port, PortRange
from workbench.network.rules import Action, Blocks, Direction, Nodes, Outside, Peer, Perhaps, Pods, Policy, Rule, Tier

AnyAdminPolicy: TypeAlias = AdminNetworkPolicy | BaselineAdminNetworkPolicy | ClusterNetworkPolicy

_HIGHEST = 1000
_ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_CLUSTER_ACTIONS = {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}


def tier_of(policy: AnyAdminPolicy) -> Tier:
    """The tier that a policy is in."""
    if isinstance(policy, BaselineAdminNetworkPolicy):
        return Tier.BASELINE
    if isinstance(policy, ClusterNetworkPolicy) and policy.spec is not None and policy.spec.tier == "Baseline":
        return Tier.BASELINE
    return Tier.ADMIN


def parse(policy: AnyAdminPolicy, report: Faults) -> Policy:
    """A policy as rules; what is wrong is reported, and the result then only good for whom it selects."""
    spec = policy.spec or AdminPolicySpec()
    priority = 0
    if isinstance(policy, BaselineAdminNetworkPolicy):
        if policy.name != "default":
            report("metadata.name", f"{policy.name!r}: a BaselineAdminNetworkPolicy has to be called 'default'")
    elif spec.priority is None:
        report("spec.priority", "no priority is given")
    elif not 0 <= spec.priority <= _HIGHEST:
        report("spec.priority", f"{spec.priority} is no priority: 0 to {_HIGHEST}")
    else:
        priority = spec.priority
    if isinstance(policy, ClusterNetworkPolicy) and spec.tier not in ("Admin", "Baseline"):
        report("spec.tier", f"{spec.tier or ''!r} is neither Admin nor Baseline")
    rules = {
        direction: tuple(
            _rule(policy, rule, direction, f"spec.{direction}[{index}]", report)
            for index, rule in enumerate((spec.ingress if direction is Direction.INGRESS else spec.egress) or ())
        )
        for direction in Direction
    }
    return Policy(
        policy.id, tier_of(policy), (float(priority), policy.name), subject(spec.subject, "spec.subject", report), rules
    )


def subject(found: AdminSubject | None, where: str, report: Faults) -> Pods:
    """Whom a policy selects."""
    if found is None or (found.namespaces is None) == (found.pods is None):
        report(where, "a subject needs either namespaces or pods")
        return Pods(EVERYTHING, EVERYTHING)
    return _pods(found, where, report)


def _pods(found: AdminSubject | AdminPeer, where: str, report: Faults) -> Pods:
    if found.namespaces is not None:
        return Pods(EVERYTHING, selector(found.namespaces, f"{where}.namespaces", report))
    pods = found.pods
    return Pods(
        selector(pods.pod_selector if pods else None, f"{where}.pods.podSelector", report),
        selector(pods.namespace_selector if pods else None, f"{where}.pods.namespaceSelector", report),
    )


def _rule(policy: AnyAdminPolicy, rule: AdminRule, direction: Direction, where: str, report: Faults) -> Rule:
    actions = _CLUSTER_ACTIONS if isinstance(policy, ClusterNetworkPolicy) else _ACTIONS
    known = list(actions)[:2] if isinstance(policy, BaselineAdminNetworkPolicy) else list(actions)
    if rule.action not in known:
        report(f"{where}.action", f"{rule.action or ''!r} is none of {', '.join(known)}")
    side, found = ("from", rule.from_) if direction is Direction.INGRESS else ("to", rule.to)
    if not found:
        report(f"{where}.{side}", "a rule needs at least one peer")
    peers = tuple(_peer(peer, direction, f"{where}.{side}[{index}]", report) for index, peer in enumerate(found or ()))
    if isinstance(policy, ClusterNetworkPolicy):
        ports = _cluster_ports(rule.protocols, f"{where}.protocols", report)
    else:
        ports = _ports(rule.ports, f"{where}.ports", report)
    return Rule(actions.get(rule.action or "", Action.DENY), peers, ports, where)


def _peer(peer: AdminPeer, direction: Direction, where: str, report: Faults) -> Peer:
    fields = {
        "namespaces": peer.namespaces,
        "pods": peer.pods,
        "nodes": peer.nodes,
        "networks": peer.networks,
        "domainNames": peer.domain_names,
    }
    given = [name for name, value in fields.items() if value is not None]
    outward = [name for name in given if name in ("nodes", "networks", "domainNames")]
    if len(given) != 1:
        what = f"{' and '.join(given)} stand together" if given else "it is empty"
        report(where, f"a peer needs exactly one of {', '.join(fields)}: {what}")
    elif outward and direction is Direction.INGRESS:
        report(f"{where}.{outward[0]}", "only egress rules have such peers")
    if peer.nodes is not None:
        selector(peer.nodes, f"{where}.nodes", report)
        return Nodes()
    if peer.domain_names is not None:
        return Perhaps(Outside(), "the addresses of its domains are not known")
    if peer.networks is not None:
        if not peer.networks:
            report(f"{where}.networks", "at least one network is needed")
        spans = [block(text, f"{where}.networks[{index}]", report) for index, text in enumerate(peer.networks)]
        return Blocks(tuple((found, ()) for found in spans if found is not None))
    return _pods(peer, where, report)


def _ports(ports: Sequence[AdminPort] | None, where: str, report: Faults) -> tuple[Port, ...] | None:
    if not ports:
        return None
    out: list[Port] = []
    for index, each in enumerate(ports):
        at = f"{where}[{index}]"
        fields = {"portNumber": each.port_number, "portRange": each.port_range, "namedPort": each.named_port}
        given = [name for name, value in fields.items() if value is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} stand together" if given else "it is empty"
            report(at, f"a port needs exactly one of {', '.join(fields)}: {what}")
        elif each.port_number is not None:
            at += ".portNumber"
            which = protocol(each.port_number.protocol, f"{at}.protocol", report)
            low = number(each.port_number.port, f"{at}.port", report)
            out.append(PortRange(which, low, low))
        elif each.port_range is not None:
            at += ".portRange"
            which = protocol(each.port_range.protocol, f"{at}.protocol", report)
            low = number(each.port_range.start, f"{at}.start", report)
            out.append(ports_between(which, low, number(each.port_range.end, f"{at}.end", report), f"{at}.end", report))
        else:
            out.append(NamedPort(port_name(each.named_port or "", f"{at}.namedPort", report), None))
    return tuple(out)


def _cluster_ports(found: Sequence[ClusterProtocol] | None, where: str, report: Faults) -> tuple[Port, ...] | None:
    if not found:
        return None
    out: list[Port] = []
    for index, each in enumerate(found):
        at = f"{where}[{index}]"
        fields: dict[str, ProtocolPorts | str | None] = {
            "tcp": each.tcp,
            "udp": each.udp,
            "sctp": each.sctp,
            "destinationNamedPort": each.destination_named_port,
        }
        given = [name for name, value in fields.items() if value is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} stand together" if given else "it is empty"
            report(at, f"a protocol needs exactly one of {', '.join(fields)}: {what}")
            continue
        value = fields[given[0]]
        if isinstance(value, ProtocolPorts):
            out.append(_destination(value, given[0].upper(), f"{at}.{given[0]}.destinationPort", report))
        else:
            out.append(NamedPort(port_name(value or "", f"{at}.destinationNamedPort", report), None))
    return tuple(out)


def _destination(found: ProtocolPorts, which: str, where: str, report: Faults) -> Port:
    port = found.destination_port
    if port is None:
        return PortRange(which)
    if (port.number is None) == (port.range is None):
        report(where, "a destinationPort needs either number or range")
    if port.range is not None:
        low = number(port.range.start, f"{where}.range.start", report)
        high = number(port.range.end, f"{where}.range.end", report)
        return ports_between(which, low, high, f"{where}.range.end", report)
    low = number(port.number, f"{where}.number", report)
    return PortRange(which, low, low)
