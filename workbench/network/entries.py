"""Entries: where traffic from outside of the cluster comes in, apart from Ingress, Gateway and Route objects.

Load balancers, node ports, external IPs and host ports say what leads to a pod; policies say what it admits. Both are
needed, and a policy's addresses only mean something where the address of the client is still there at the pod.

Source: Kubernetes documentation, "Service" and "External Traffic Policy" (``Cluster`` hides the client's address).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.inventory.objects import Service, ServicePort
from workbench.inventory.pods import PodInstance
from workbench.network import services
from workbench.network.addresses import Span, span
from workbench.network.bits import numbers_of
from workbench.network.classes import runs
from workbench.network.connections import Network
from workbench.network.ports import PROTOCOLS, PortRange
from workbench.network.reach import NOTHING
from workbench.network.rows import Verdict
from workbench.network.rules import Direction

READS = services.READS
"""The kinds that entries are found from, beside those of policies."""


class Way(enum.StrEnum):
    """How traffic comes in."""

    LOAD_BALANCER = "load-balancer"
    NODE_PORT = "node-port"
    EXTERNAL_IP = "external-ip"
    HOST_PORT = "host-port"
    HOST_NETWORK = "host-network"


@dataclass(frozen=True, slots=True)
class Entry:
    """One way from outside to one port of a pod."""

    object: str
    """The id of the Service, or of the pod."""
    way: Way
    addresses: tuple[str, ...]
    """Those that are known; none for a load balancer without one yet, and for a port of every node."""
    port: int
    """The port at these addresses."""
    pod: PodInstance
    target: PortRange
    ranges: tuple[Span, ...]
    """The clients that are let in (``loadBalancerSourceRanges``); empty for all."""
    keeps_client: bool
    """Whether the pod sees the client's own address."""


def entries(network: Network) -> Iterator[Entry]:
    """Every entry of a view: those of Services, then those of pods."""
    view = network.view
    for service in view.all(Service):
        for port in services.ports_of(service):
            ways = list(_ways(service, port))
            if ways:
                for pod, target in services.targets(view, service, port):
                    for way, addresses, number in ways:
                        yield Entry(service.id, way, addresses, number, pod, target, *_clients(service, way))
    for pod in view.pods:
        if runs(pod):
            yield from _of_pod(pod)


def _ways(service: Service, port: ServicePort) -> Iterator[tuple[Way, tuple[str, ...], int]]:
    spec = service.spec
    if spec is None or not port.port:
        return
    if spec.type == "LoadBalancer":
        status = service.status.load_balancer if service.status is not None else None
        found = [each.ip or each.hostname for each in (status.ingress if status is not None else None) or ()]
        yield Way.LOAD_BALANCER, tuple(address for address in found if address), port.port
    if port.node_port or spec.type == "NodePort":
        yield Way.NODE_PORT, (), port.node_port or 0
    if spec.external_ips:
        yield Way.EXTERNAL_IP, tuple(spec.external_ips), port.port


def _clients(service: Service, way: Way) -> tuple[tuple[Span, ...], bool]:
    spec = service.spec
    assert spec is not None
    keeps = spec.external_traffic_policy == "Local"
    if way is not Way.LOAD_BALANCER:
        return (), keeps
    out: list[Span] = []
    for text in spec.load_balancer_source_ranges or ():
        try:
            out.append(span(text.strip()))
        except ValueError:
            continue
    return tuple(out), keeps


def _of_pod(pod: PodInstance) -> Iterator[Entry]:
    for container in (*(pod.spec.containers or ()), *(pod.spec.init_containers or ())):
        for port in container.ports or ():
            number = port.container_port
            protocol = port.protocol or "TCP"
            if not number or protocol not in PROTOCOLS:
                continue
            target = PortRange(protocol, number, number)
            addresses = (port.host_ip,) if port.host_ip and port.host_ip not in ("0.0.0.0", "::") else ()
            if pod.spec.host_network:
                yield Entry(pod.id, Way.HOST_NETWORK, addresses, number, pod, target, (), True)
            elif port.host_port:
                yield Entry(pod.id, Way.HOST_PORT, addresses, port.host_port, pod, target, (), True)


def admitted(network: Network, entry: Entry) -> Verdict:
    """What the policies of the pod say to clients of an entry.

    Returns:
        The mask of the target port as allowed where every client that keeps its address is let in by some policy (or
        none selects the pod); as unknown where it depends on an address that is not the client's own any more.
    """
    reach = network.reach
    number = reach.class_of(entry.pod)
    if number is None:
        return NOTHING
    columns = reach.columns
    clients = columns.addresses.all
    if entry.ranges:
        clients = 0
        for each in entry.ranges:
            clients |= columns.addresses.bits(each)
    port = reach.space.mask(entry.target)
    some_allowed = some_unknown = 0
    all_allowed = port
    for atom in numbers_of(clients):
        allowed, unknown = reach.gate(Direction.INGRESS, number, columns.first_address + atom)
        some_allowed |= allowed & port
        some_unknown |= unknown & port
        all_allowed &= allowed
    if entry.keeps_client:
        return some_allowed, some_unknown & ~some_allowed
    return all_allowed, port & ~all_allowed
