"""Flows: who talks to whom, as far as objects declare it (``remediation.md`` section 2, "Input").

A workload that names a Service in its environment or its arguments talks to what the Service selects; an Ingress, a
Gateway or a Route sends to its backends, a load balancer or a node port lets the outside in; every pod looks names up,
and one with a token of the Kubernetes API talks to the API server. Probes come from the pod's own node, which no policy
keeps out (Kubernetes documentation, "Network Policies": traffic from the node where a pod runs is always allowed).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from workbench.inventory import connectivity
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import WORKLOADS, Container, EndpointSlice, Service, ServicePort, StatefulSet
from workbench.network import services
from workbench.network.backends import Backend, backends
from workbench.network.ports import LAST_PORT, PROTOCOLS, PortRange
from workbench.remediation.policies import surroundings
from workbench.remediation.policies.surroundings import WHOLE, Dns, host_block
from workbench.remediation.policies.workloads import Workload, workloads
from workbench.techniques.resolve.token import api_tokens

READS = (
    surroundings.READS
    | services.READS
    | frozenset({"ServiceAccount", "Secret", "SecurityContextConstraints", *(kind.__name__ for kind in WORKLOADS)})
)

"""The kinds that flows are declared by."""

_CALLED_BY_API_SERVER = re.compile(r"webhook|admission|metrics-server|custom-metrics|external-metrics")
"""How Services are called that the API server itself calls: webhooks and aggregated APIs, whose configurations are not
read."""


_ASKED = tuple(PortRange(protocol, surroundings.DNS_PORT, surroundings.DNS_PORT) for protocol in ("TCP", "UDP"))
"""Where resolvers listen to which the cluster's own forward (CoreDNS, plugin ``forward``)."""

_HOLDS_TOKEN = "it holds a token of the Kubernetes API"


class Place(enum.StrEnum):
    """Ends of flows that are no one workload."""

    ANYWHERE = "anywhere"
    """Everybody, inside and outside: who it is, is not known."""
    PODS = "all pods"


@dataclass(frozen=True, slots=True)
class Addresses:
    """An end of a flow that only its addresses tell."""

    blocks: tuple[str, ...]
    what: str
    """Whose they are, for people."""
    volatile: bool = False
    """Whether they change when nodes come and go."""
    note: str = ""
    """What the user should know of them."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pods that were not read, by the labels that they have by convention."""

    namespace: str
    labels: tuple[tuple[str, str], ...]


End: TypeAlias = str | Place | Addresses | Labelled
"""The id of a workload, or one of the others."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Traffic that has to stay possible: from every source to every target, to the ports of the pods there."""

    sources: tuple[End, ...]
    targets: tuple[End, ...]
    ports: tuple[PortRange, ...]
    why: str
    """What declares it, for people."""
    ordinary: bool = False
    """Whether it is what every pod does: look up names, or use the token that it was given."""


@dataclass(slots=True)
class Known:
    """What is known of the traffic of one workload."""

    incoming: list[Flow] = field(default_factory=list)
    outgoing: list[Flow] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    """The ids of the Services that select it."""
    notes: list[str] = field(default_factory=list)
    """What could not be followed, for people."""


class Flows:
    """The flows of a view, by workload.

    Attributes:
        workloads: The workloads.
        dns: Where names are looked up.
    """

    def __init__(self, view: Inventory, more: Iterable[Flow] = ()) -> None:
        """Gather the flows; linear in workloads, Services and what they name.

        Args:
            view: The objects.
            more: Flows of another origin, such as those that were observed.
        """
        self._view = view
        self.workloads = workloads(view)
        self._known: dict[str, Known] = {owner: Known() for owner in self.workloads.all}
        self._seen: set[tuple[tuple[End, ...], tuple[End, ...], tuple[PortRange, ...]]] = set()
        self._names = connectivity.Services(
            (each.namespace, each.name, each.spec.cluster_ip if each.spec is not None else None)
            for each in view.all(Service)
        )
        self._targets: dict[tuple[str, int], list[tuple[End, PortRange]]] = {}
        self._forwarders: dict[str, tuple[End, ...]] = {}
        self.dns = self._cluster_dns()
        for service in view.all(Service):
            for flow in self._of_service(service):
                self._add(flow)
        for workload in self.workloads.all.values():
            for flow in self._of_workload(workload):
                self._add(flow)
        for backend in backends(self.workloads.view):
            self._add(self._of_backend(backend))
        for workload in self.dns.workloads:
            self._add(self._answers(workload))
            self._add(Flow((workload.id,), (Addresses(WHOLE, "other resolvers"),), _ASKED, "it asks other resolvers"))
        for flow in more:
            self._add(flow)

    def of(self, owner: str) -> Known:
        """What is known of the workload of an owner's id."""
        return self._known.get(owner) or Known()

    def _add(self, flow: Flow) -> None:
        key = (flow.sources, flow.targets, flow.ports)
        if key in self._seen or not flow.sources or not flow.targets:
            return
        self._seen.add(key)
        for end in flow.sources:
            if isinstance(end, str) and end in self._known:
                self._known[end].outgoing.append(flow)
        for end in flow.targets:
            if isinstance(end, str) and end in self._known:
                self._known[end].incoming.append(flow)

    # --- Services ---------------------------------------------------------------------------------

    def targets(self, service: Service, port: ServicePort) -> list[tuple[End, PortRange]]:
        """What a port of a Service leads to: workloads or addresses, with the ports there; each once."""
        key = (service.id, id(port))
        if key not in self._targets:
            self._targets[key] = list(dict.fromkeys(self._targets_of(service, port)))
        return self._targets[key]

    def _targets_of(self, service: Service, port: ServicePort) -> Iterator[tuple[End, PortRange]]:
        spec = service.spec
        protocol = port.protocol or "TCP"
        if spec is None or protocol not in PROTOCOLS:
            return
        if spec.selector:
            for workload in self.workloads.selected(service.namespace, spec.selector):
                for pod in workload.pods:
                    if all(pod.labels.get(name) == value for name, value in spec.selector.items()):
                        number = services.port_at(pod, services.target(port), protocol)
                        if number is not None and 1 <= number <= LAST_PORT:
                            yield workload.id, PortRange(protocol, number, number)
            return
        for piece in services.slices(self._view, service):
            yield from self._of_slice(piece, port)

    def _of_slice(self, piece: EndpointSlice, port: ServicePort) -> Iterator[tuple[End, PortRange]]:
        for own in piece.ports or ():
            protocol = own.protocol or "TCP"
            if (own.name or "") != (port.name or "") or protocol != (port.protocol or "TCP") or not own.port:
                continue
            for endpoint in piece.endpoints or ():
                reference = endpoint.target_ref
                name = f"Pod:{piece.namespace}/{reference.name}" if reference and reference.kind == "Pod" else ""
                pod = self._view.pods.get(name)
                if pod is not None:
                    yield pod.owner, PortRange(protocol, own.port, own.port)
                    continue
                blocks = tuple(block for block in map(host_block, endpoint.addresses or ()) if block is not None)
                if blocks:
                    yield Addresses(blocks, f"endpoints of {piece.id}"), PortRange(protocol, own.port, own.port)

    def _of_service(self, service: Service) -> Iterator[Flow]:
        spec = service.spec
        if spec is None:
            return
        outside = self._outside(service)
        called = _CALLED_BY_API_SERVER.search(service.name)
        for port in services.ports_of(service):
            for end, number in self.targets(service, port):
                if not isinstance(end, str) or end not in self._known:
                    continue
                known = self._known[end]
                if service.id not in known.services:
                    known.services.append(service.id)
                if outside is not None:
                    yield Flow((outside,), (end,), (number,), f"{service.id} is open to the outside")
                if called or _CALLED_BY_API_SERVER.search(port.name or ""):
                    why = f"{service.id} looks like one that the API server calls"
                    yield Flow(self._from_api_server(), (end,), (number,), why)
                if spec.cluster_ip == "None" and self._has_replicas(end):
                    yield Flow((end,), (end,), (number,), f"replicas find one another through {service.id}")

    def _has_replicas(self, owner: str) -> bool:
        found = self.workloads.all[owner].obj
        return isinstance(found, StatefulSet) and found.spec is not None and (found.spec.replicas or 1) > 1

    def _outside(self, service: Service) -> Addresses | None:
        """Who outside of the cluster is let in by a Service."""
        spec = service.spec
        assert spec is not None
        if spec.type not in ("LoadBalancer", "NodePort") and not spec.external_ips:
            return None
        if spec.type != "LoadBalancer" or not spec.load_balancer_source_ranges:
            return Addresses(WHOLE, "the outside")
        ranges = tuple(sorted({each.strip() for each in spec.load_balancer_source_ranges}))
        if spec.external_traffic_policy != "Local":
            # Unless it is Local the client's address is lost on the way between two nodes: the pod sees a node's.
            ranges += surroundings.node_blocks(self._view)
        return Addresses(ranges, f"loadBalancerSourceRanges of {service.id}")

    # --- workloads --------------------------------------------------------------------------------

    def _of_workload(self, workload: Workload) -> Iterator[Flow]:
        for pod in workload.pods:
            spec = pod.spec
            for container in (*(spec.containers or ()), *(spec.init_containers or ())):
                yield from self._named(workload, container)
                for port in container.ports or ():
                    protocol, number = port.protocol or "TCP", port.container_port
                    if port.host_port and number and protocol in PROTOCOLS and not spec.host_network:
                        target = PortRange(protocol, number, number)
                        yield Flow((Addresses(WHOLE, "the outside"),), (workload.id,), (target,), "it has a hostPort")
        if workload not in self.dns.workloads:
            # Those who answer let every pod in: one flow instead of one from each workload.
            self._known[workload.id].outgoing.append(self._looks_up(workload))
        if any(api_tokens(self._view, container) for pod in workload.pods for container in pod.containers):
            yield Flow((workload.id,), (self._api_server(),), self._api_ports(), _HOLDS_TOKEN, ordinary=True)

    def _named(self, workload: Workload, container: Container) -> Iterator[Flow]:
        """The flows to the Services that a container's environment and arguments name."""
        for where, name, text in _texts(container):
            for address in connectivity.addresses(name, text):
                key = self._names.of(address.host, workload.namespace)
                service = self._view.get(Service, key[1], key[0]) if key is not None else None
                if service is not None and service.id != "Service:default/kubernetes":
                    why = f"{where} of {container.name} names {service.id}"
                    yield from self._to(workload, service, address.port, why)

    def _to(self, workload: Workload, service: Service, wanted: int | None, why: str) -> Iterator[Flow]:
        spec = service.spec
        notes = self._known[workload.id].notes
        if spec is not None and spec.type == "ExternalName":
            notes.append(f"{why}, which leads to a name outside: no policy can allow a name")
            return
        ports = [port for port in services.ports_of(service) if wanted in (None, port.port)]
        found = [each for port in ports for each in self.targets(service, port)]
        if not ports and wanted is not None and spec is not None and spec.cluster_ip == "None":
            # A headless Service gives addresses only: clients may take any port of the pods.
            number = PortRange("TCP", wanted, wanted)
            pods = {end for port in services.ports_of(service) for end, _ in self.targets(service, port)}
            found = [(end, number) for end in sorted(pods, key=str)]
        if not found:
            notes.append(f"{why}{f' port {wanted}' if wanted else ''}, which leads to no pod")
        for end, number in found:
            yield Flow((workload.id,), (end,), (number,), why)

    # --- surroundings -----------------------------------------------------------------------------

    def _cluster_dns(self) -> Dns:
        found: list[tuple[Workload, int]] = []
        for service in surroundings.dns_services(self._view):
            for port in services.ports_of(service):
                if port.port == surroundings.DNS_PORT:
                    for end, number in self.targets(service, port):
                        workload = self.workloads.get(end) if isinstance(end, str) else None
                        if workload is not None:
                            found.append((workload, number.low))
        return surroundings.cluster_dns(self._view, self.workloads, found)

    def _looks_up(self, workload: Workload) -> Flow:
        dns = self.dns
        ends: list[End] = [each.id for each in dns.workloads]
        if dns.assumed:
            ends.append(Labelled(dns.namespace, dns.selector))
        if dns.addresses:
            ends.append(Addresses(dns.addresses, "NodeLocal DNS"))
        ports = {*dns.ports, surroundings.DNS_PORT} if dns.addresses else set(dns.ports)
        numbers = tuple(PortRange(protocol, port, port) for protocol in ("TCP", "UDP") for port in sorted(ports))
        return Flow((workload.id,), tuple(ends), numbers, "it looks names up", ordinary=True)

    def _answers(self, workload: Workload) -> Flow:
        numbers = tuple(PortRange(protocol, port, port) for protocol in ("TCP", "UDP") for port in self.dns.ports)
        nodes = surroundings.node_blocks(self._view)
        ends: tuple[End, ...] = (Place.PODS, Addresses(nodes, "the nodes", volatile=True)) if nodes else (Place.PODS,)
        return Flow(ends, (workload.id,), numbers, "every pod looks names up there")

    def _api_server(self) -> Addresses:
        """Where the API server listens; anywhere outside if its addresses were not read."""
        blocks, _ = surroundings.api_blocks(self._view)
        if blocks:
            return Addresses(blocks, "the API server", volatile=True)
        note = "the address of the API server is not in the source: any address is allowed at its ports, put it there"
        return Addresses(WHOLE, "the API server", note=note)

    def _from_api_server(self) -> tuple[End, ...]:
        """Where the calls of the API server come from."""
        found = self._api_server()
        tunnels = [each.id for each in self.workloads.all.values() if "konnectivity-agent" in each.name]
        return (found, *tunnels) if found.volatile else (Place.ANYWHERE,)

    def _api_ports(self) -> tuple[PortRange, ...]:
        return tuple(PortRange("TCP", port, port) for port in surroundings.api_blocks(self._view)[1])

    def _of_backend(self, backend: Backend) -> Flow:
        if backend.object not in self._forwarders:
            found = surroundings.forwarder(self._view, backend.object)
            ends: tuple[End, ...] = tuple(owner for owner in found.owners if owner in self._known)
            if found.outside:
                ends = (Addresses(WHOLE, "the outside"),)
            self._forwarders[backend.object] = ends or (Place.ANYWHERE,)
        why = f"{backend.object} leads to it"
        return Flow(self._forwarders[backend.object], (backend.pod.owner,), (backend.port,), why)


def _texts(container: Container) -> Iterator[tuple[str, str, str]]:
    """What is kept of values and arguments: where it stands, the variable or the flag, and the text."""
    for variable in container.env or ():
        if variable.value:
            yield f"env {variable.name}", variable.name or "", str(variable.value)
    for which, words in (("args", container.args), ("command", container.command)):
        before = ""
        for word in words or ():
            flag, equals, value = word.partition("=")
            if flag.startswith("-"):
                if equals:
                    yield which, flag, value
                before = "" if equals else flag
            else:
                # Without a flag the name of a program, or of a mode of it, may be that of a Service, too.
                yield which, before, word
                before = ""


def flows(view: Inventory) -> Flows:
    """The declared flows of a view, computed once for it."""
    return view.derived("declared flows", READS, Flows)
