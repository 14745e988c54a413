"""Small clusters written as YAML, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from workbench.inventory.decode import from_data
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import kind_of
from workbench.inventory.records import KubernetesObject
from workbench.network.addresses import span
from workbench.network.connections import Network, Workload
from workbench.network.ports import PortRange
from workbench.network.rows import Verdict
from workbench.network.rules import Direction

TRIO = """
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: sales}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ops, labels: {team: ops}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: tool, namespace: ops, labels: {app: tool}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 9090}]}]}
"""
"""Two namespaces and three pods; what most tests add policies to."""


def decoded(data: Mapping[str, Any]) -> KubernetesObject:
    """An object as it would be read."""
    kind = kind_of(data["apiVersion"], data["kind"])
    assert kind is not None, data
    return from_data(kind, dict(data))


def documents(*parts: str | Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The objects of YAML texts, and plain objects."""
    out: list[Mapping[str, Any]] = []
    for part in parts:
        out.extend(each for each in yaml.safe_load_all(part) if each) if isinstance(part, str) else out.extend(part)
    return out


def view(*parts: str | Iterable[Mapping[str, Any]]) -> Inventory:
    """An inventory of YAML texts and of plain objects."""
    return Inventory([(decoded(each), None) for each in documents(*parts)])


def network(*parts: str | Iterable[Mapping[str, Any]], blocks_cover_pods: bool = False) -> Network:
    """The reachability of YAML texts and of plain objects."""
    return Network(view(*parts), ports=PROBES, blocks_cover_pods=blocks_cover_pods)


PROBES = tuple(
    PortRange(protocol, number, number)
    for protocol in ("TCP", "UDP", "SCTP")
    for number in (53, 80, 81, 85, 443, 5432, 8080, 9090, 30000)
)
"""Ports that tests ask about."""


def workload(net: Network, name: str) -> Workload:
    """A workload by ``namespace/name``."""
    return next(each for each in net.workloads if each.name.partition("[")[0] == name)


def told(net: Network, verdict: Verdict, port: str) -> str:
    """``yes``, ``no`` or ``unknown`` for one port, such as ``80/TCP``."""
    number, _, protocol = port.partition("/")
    bit = net.reach.space.mask(PortRange(protocol or "TCP", int(number), int(number)))
    return "yes" if verdict[0] & bit else "unknown" if verdict[1] & bit else "no"


def asked(net: Network, source: str, target: str, port: str = "80/TCP") -> str:
    """``yes``, ``no`` or ``unknown``: may one end reach the other; an end is ``namespace/name`` or an address."""
    if "/" not in source:
        return told(net, _outside(net, target, source, Direction.INGRESS), port)
    if "/" not in target:
        return told(net, _outside(net, source, target, Direction.EGRESS), port)
    return told(net, net.pair(workload(net, source), workload(net, target)), port)


def _outside(net: Network, near: str, address: str, direction: Direction) -> Verdict:
    found = span(address)
    spans = net.outgoing(workload(net, near)) if direction is Direction.EGRESS else net.incoming(workload(net, near))
    for each, verdict in spans:
        if each.family == found.family and each.low <= found.low <= each.high:
            return verdict
    return (0, 0)


def rows(net: Network) -> dict[tuple[str, str], Verdict]:
    """Every connection between workloads."""
    return {(each.source, each.target): each.verdict for each in net.between()}
