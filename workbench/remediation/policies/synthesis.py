"""From flows to a NetworkPolicy: one for each workload, in both directions (``remediation.md`` section 2).

The policy holds what the flows of the workload need and nothing else: peers by the selectors of their workloads, ports
as the pods have them, equal ports merged, all of it sorted, so that equal objects give equal policies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from workbench.inventory.inventory import Inventory
from workbench.network.labels import NAMESPACE_NAME
from workbench.network.ports import LAST_PORT, PortRange
from workbench.network.rules import Direction
from workbench.remediation.policies.flows import Addresses, End, Flow, Flows, Labelled, Place
from workbench.remediation.policies.surroundings import node_blocks
from workbench.remediation.policies.workloads import Workload, plain_selector

API_VERSION = "networking.k8s.io/v1"
MANAGED = {"app.kubernetes.io/managed-by": "workbench"}
VOLATILE = "workbench/volatile-addresses"
"""The annotation that names the addresses in a policy that change when nodes come and go."""

_LONGEST_NAME = 253

Plain: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A policy and what the user should know of it."""

    policy: Plain
    """As the API writes it."""
    volatile: tuple[str, ...]
    """The blocks in it that change when nodes come and go."""
    notes: tuple[str, ...]


def policy_name(workload: Workload) -> str:
    """``wb-<kind>-<name>``; a name that would be too long ends with a hash of it."""
    name = f"wb-{workload.kind.lower()}-{workload.name}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def synthesize(
    view: Inventory, flows: Flows, workload: Workload, left_out: Collection[tuple[Direction, Flow]] = ()
) -> Synthesized:
    """The policy of a workload that has a selector of its own.

    Args:
        view: The objects.
        flows: Whose traffic has to stay possible.
        workload: The subject; none of its pods is on the network of its node.
        left_out: Flows that get no rule.
    """
    known = flows.of(workload.id)
    peers = _Peers(view, flows, workload)
    incoming = [flow for flow in known.incoming if (Direction.INGRESS, flow) not in left_out]
    outgoing = [flow for flow in known.outgoing if (Direction.EGRESS, flow) not in left_out]
    ingress = _rules("from", ((flow.sources, flow.ports) for flow in incoming), peers)
    egress = _rules("to", ((flow.targets, flow.ports) for flow in outgoing), peers)
    metadata: Plain = {"name": policy_name(workload), "namespace": workload.namespace, "labels": dict(MANAGED)}
    volatile = tuple(sorted(peers.volatile))
    if volatile:
        metadata["annotations"] = {VOLATILE: ",".join(volatile)}
    selector = workload.selector
    policy: Plain = {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {
            "podSelector": plain_selector(selector) if selector is not None else {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }
    return Synthesized(policy, volatile, tuple(dict.fromkeys((*known.notes, *peers.notes))))


def default_deny(namespace: str) -> Plain:
    """The policy that lets nothing into the pods of a namespace that no other policy lets in."""
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": {"name": "wb-default-deny-ingress", "namespace": namespace, "labels": dict(MANAGED)},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []},
    }


# --- rules --------------------------------------------------------------------------------------------


class _Peers:
    """Ends of flows as peers of a policy."""

    def __init__(self, view: Inventory, flows: Flows, subject: Workload) -> None:
        self._view = view
        self._flows = flows
        self._namespace = subject.namespace
        self.volatile: set[str] = set()
        self.notes: list[str] = []

    def of(self, end: End) -> list[Plain] | None:
        """The peers that an end is; ``None`` for everybody."""
        match end:
            case Place.ANYWHERE:
                return None
            case Place.PODS:
                return [{"namespaceSelector": {}}]
            case Addresses():
                if end.volatile:
                    self.volatile.update(end.blocks)
                if end.note:
                    self.notes.append(end.note)
                return [{"ipBlock": {"cidr": block}} for block in end.blocks]
            case Labelled():
                return [self._pods(end.namespace, {"matchLabels": dict(end.labels)})]
            case _:
                return self._of_workload(str(end))

    def _of_workload(self, owner: str) -> list[Plain] | None:
        workload = self._flows.workloads.get(owner)
        if workload is None:
            return []
        out: list[Plain] = []
        if workload.on_host:
            # Pods on the network of their node come with its address (Kubernetes documentation, "Network Policies").
            blocks = node_blocks(self._view, workload.nodes)
            if not blocks:
                self.notes.append(
                    f"{owner} is on the network of its node, whose address is not known: anybody is let in"
                )
                return None
            self.volatile.update(blocks)
            out += [{"ipBlock": {"cidr": block}} for block in blocks]
        if not all(pod.spec.host_network for pod in workload.pods):
            selector = workload.selector
            if selector is None:
                self.notes.append(f"no label tells the pods of {owner} from others: its whole namespace is meant")
            out.append(self._pods(workload.namespace, plain_selector(selector) if selector is not None else {}))
        return out

    def _pods(self, namespace: str, selector: Plain) -> Plain:
        if namespace == self._namespace:
            return {"podSelector": selector}
        # Both selectors in one item: two items would mean either.
        return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: namespace}}, "podSelector": selector}


def _rules(side: str, wanted: Iterable[tuple[tuple[End, ...], tuple[PortRange, ...]]], peers: _Peers) -> list[Plain]:
    """The rules of one direction: the ports of each peer together, then the peers of equal ports."""
    everybody: set[PortRange] = set()
    ports_of: dict[str, set[PortRange]] = {}
    known: dict[str, Plain] = {}
    for ends, ports in wanted:
        for end in ends:
            found = peers.of(end)
            if found is None:
                everybody.update(ports)
                continue
            for peer in found:
                text = json.dumps(peer, sort_keys=True)
                known[text] = peer
                ports_of.setdefault(text, set()).update(ports)
    by_ports: dict[tuple[PortRange, ...], list[str]] = {}
    for text, numbers in ports_of.items():
        left = tuple(sorted(numbers - everybody, key=_order))
        if left:
            by_ports.setdefault(left, []).append(text)
    rules: list[Plain] = []
    for numbers_, texts in sorted(by_ports.items(), key=lambda item: [_order(port) for port in item[0]]):
        rules.append({side: [known[text] for text in sorted(texts)], "ports": list(map(_port, numbers_))})
    if everybody:
        rules.append({"ports": [_port(port) for port in sorted(everybody, key=_order)]})
    return rules


def _order(port: PortRange) -> tuple[int, int, str]:
    return port.low, port.high, port.protocol


def _port(port: PortRange) -> Plain:
    if (port.low, port.high) == (1, LAST_PORT):
        return {"protocol": port.protocol}
    out: Plain = {"protocol": port.protocol, "port": port.low}
    return out if port.high == port.low else {**out, "endPort": port.high}
