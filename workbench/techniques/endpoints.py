"""The Endpoints of a namespace: what listens there, under which id, and which containers stand behind it.

An Endpoint stands for every Service port, every backend of an Ingress, Gateway or Route, every hostPort, and every
declared container port that no Service covers; where a pod declares no port and no Service covers it, its Endpoint's
port is ``any``.

===============================  ==================================================================
``Endpoint:ns/service/80``       the Service's port number, with ``-udp`` or ``-sctp`` when not TCP
``Endpoint:ns/pod.NAME/80``      a container port of a pod that no Service covers; ``any``
``Endpoint:ns/ingress.NAME/80``  the backends of an Ingress with one Service port
``Endpoint:ns/route.NAME/80``    the same of a Route of OpenShift
``Endpoint:ns/gateway.NAME/80``  the same of a Gateway, whatever namespaces its routes and backends are in
``Endpoint:node.NAME/80``        a hostPort, or a declared port of a pod in the node's network
===============================  ==================================================================
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from workbench.graph import nodes
from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NAMESPACE, Inventory
from workbench.inventory.network_objects import Route
from workbench.inventory.objects import (
    Endpoint,
    EndpointSlice,
    Ingress,
    Service,
    ServicePort,
)
from workbench.inventory.pods import ContainerInstance, ContainerType, PodInstance
from workbench.network.ports import PROTOCOLS
from workbench.techniques.resolve import gateway_routes
from workbench.techniques.resolve.backends import backend_ports, backends

READS = frozenset({"Pod", "Service", "EndpointSlice", "Ingress", "Route"})
"""The kinds that the Endpoints of a namespace depend on, but for those of Gateways."""
ALL_READS = READS | gateway_routes.READS
"""The kinds that they all depend on."""

ANY = "any"
SLICE_SERVICE = "kubernetes.io/service-name"


class EndpointType(enum.StrEnum):
    """What an Endpoint stands for."""

    SERVICE = "service"
    POD = "pod"
    INGRESS = "ingress"
    ROUTE = "route"
    GATEWAY = "gateway"
    HOST_PORT = "node"


_OF_PODS = (EndpointType.SERVICE, EndpointType.POD, EndpointType.HOST_PORT)


class Target(NamedTuple):
    """One pod behind an Endpoint."""

    pod: PodInstance
    port: int | None
    """The number that the traffic arrives at in the pod; ``None`` for any."""
    containers: tuple[ContainerInstance, ...]
    """The containers that may listen there: those that declare the port, else all of the pod."""


@dataclass(slots=True)
class EndpointNode:
    """One Endpoint of the graph."""

    id: str
    type: EndpointType
    object: str
    """The id of the Service, Pod, Ingress or Route that it comes from; of a hostPort the pod's, of a Gateway the
    route's."""
    port: int | None
    """The number that a client connects to; ``None`` for any."""
    protocol: str
    targets: list[Target] = field(default_factory=list)
    """The ready pods behind it. Empty: nothing in the source listens there."""
    where: str = ""
    """The dotted path, within the object, of what declares it."""
    loopback: bool = False
    """Whether only the node itself can connect (``hostIP`` on loopback)."""
    resolved: bool = True
    """Whether the source shows what is behind it; a Service without selector needs its EndpointSlices."""
    http: bool = False
    """Whether only HTTP gets through."""
    missing: tuple[Fact, ...] = ()
    """The facts that it takes to get from here to the pods."""


def port_suffix(protocol: str) -> str:
    """What stands after the port in an Endpoint's id."""
    return "" if protocol == "TCP" else f"-{protocol.lower()}"


def service_endpoint(namespace: str, service: str, port: int | None, protocol: str | None = None) -> str:
    """The id of the Endpoint of a Service's port."""
    return f"Endpoint:{namespace}/{service}/{port}{port_suffix(protocol or 'TCP')}"


def ingress_endpoint(namespace: str, ingress: str, port: int) -> str:
    """The id of the Endpoint of an Ingress's backends with one Service port."""
    return f"Endpoint:{namespace}/ingress.{ingress}/{port}"


def route_endpoint(namespace: str, route: str, port: int) -> str:
    """The id of the Endpoint of the backends of a Route (OpenShift) with one Service port."""
    return f"Endpoint:{namespace}/route.{route}/{port}"


def gateway_endpoint(gateway_id: str, port: int, protocol: str = "TCP") -> str:
    """The id of the Endpoint of a Gateway's backends with one Service port."""
    namespace, _, name = gateway_id.removeprefix("Gateway:").partition("/")
    return f"Endpoint:{namespace}/gateway.{name}/{port}{port_suffix(protocol)}"


def host_endpoint(node_id: str, port: int, protocol: str | None = None) -> str:
    """The id of the Endpoint of a port of a node."""
    return f"Endpoint:node.{node_id.removeprefix('Node:')}/{port}{port_suffix(protocol or 'TCP')}"


def endpoints_of(view: Inventory, namespace: str) -> Sequence[EndpointNode]:
    """The Endpoints of a namespace, hostPorts of its pods included; of Gateways those that lead to a Service of it.

    Args:
        view: An inventory, or an overlay, which computes only the namespaces that its changes touch.
        namespace: The namespace's name.
    """
    base = view.base
    if base is not None and not endpoints_differ(view, namespace):
        return endpoints_of(base, namespace)
    return view.derived(f"endpoints of {namespace}", ALL_READS, lambda over: _endpoints(over, namespace))


def listens(endpoint: EndpointNode) -> bool:
    """Whether something is known to listen at an Endpoint for clients within the cluster.

    The backends of an Ingress are Endpoints of their Services too; a pod that declares no port and stands behind no
    Service is not known to listen at all; what listens on loopback is for the node alone.
    """
    return (
        endpoint.port is not None
        and endpoint.type in _OF_PODS
        and not endpoint.loopback
        and bool(endpoint.targets)
        and endpoint.protocol in PROTOCOLS
    )


def endpoint_of(view: Inventory, namespace: str, identifier: str) -> EndpointNode | None:
    """One Endpoint of a namespace by its id."""
    base = view.base
    if base is not None and not endpoints_differ(view, namespace):
        return endpoint_of(base, namespace, identifier)
    known: dict[str, EndpointNode] = view.derived(
        f"endpoints of {namespace} by id",
        ALL_READS,
        lambda over: {endpoint.id: endpoint for endpoint in endpoints_of(over, namespace)},
    )
    return known.get(identifier)


def find_endpoint(view: Inventory, identifier: str) -> EndpointNode | None:
    """An Endpoint by its id alone; of a Gateway, whose Services may be in several namespaces, one in its own."""
    namespace = nodes.namespace(identifier)
    if namespace:
        return endpoint_of(view, namespace, identifier)
    return view.derived("endpoints of nodes by id", ALL_READS, _of_nodes).get(identifier)


def _of_nodes(view: Inventory) -> dict[str, EndpointNode]:
    """The ports of nodes, which have no namespace; what pods of several claim belongs to the first of them."""
    found: dict[str, EndpointNode] = {}
    for namespace in reversed(namespaces(view)):
        for endpoint in endpoints_of(view, namespace):
            if endpoint.type is EndpointType.HOST_PORT:
                found[endpoint.id] = endpoint
    return found


def declaration_evidence(view: Inventory, endpoint: EndpointNode) -> Evidence:
    """What declares an Endpoint: of a pod that stands for a workload, the workload, which is what was read."""
    pod = view.pods.get(endpoint.object)
    return view.evidence(endpoint.object if pod is None else pod.obj, endpoint.where)


def namespaces(view: Inventory) -> list[str]:
    """The namespaces that may have Endpoints: those of pods, Services, Ingresses and Routes."""
    found = dict.fromkeys(view.index(PODS_BY_NAMESPACE).keys())
    for kind in (Service, Ingress, Route):
        found.update(dict.fromkeys(obj.namespace for obj in view.all(kind)))
    return list(found)


def host_ports(pod: PodInstance) -> Iterator[tuple[ContainerInstance, int, int, str, str | None]]:
    """The ports of a pod on its node: container, position in ``ports``, number, protocol and ``hostIP``.

    A pod in the node's network listens there with every port that it declares.
    """
    shared = pod.spec.host_network
    for container in pod.containers:
        ports = container.spec.ports
        if ports:
            for index, port in enumerate(ports):
                number = port.host_port or (port.container_port if shared else None)
                if number:
                    yield container, index, number, port.protocol or "TCP", port.host_ip


def is_ready(pod: PodInstance) -> bool:
    """Whether a pod takes traffic: by its Ready condition; a representative, or a pod without conditions, does."""
    if not pod.containers:
        return False
    ready = ready_condition(pod)
    return ready is None or ready


def ready_condition(pod: PodInstance) -> bool | None:
    """What the Ready condition of a pod says, ``None`` if there is none."""
    status = pod.status
    for condition in (status.conditions or ()) if status is not None else ():
        if condition.type == "Ready":
            return condition.status == "True"
    return None


def listeners(pod: PodInstance, port: int | None, protocol: str) -> tuple[ContainerInstance, ...]:
    """The containers of a pod that may listen on a port: those that declare it, else all but ephemeral ones.

    Declaring a port is information only: a container may listen on any (Kubernetes API reference, ContainerPort).
    """
    containers = pod.containers
    if len(containers) == 1:
        return containers
    if port is not None:
        declaring = tuple(
            container
            for container in containers
            if any(
                declared.container_port == port and (declared.protocol or "TCP") == protocol
                for declared in container.spec.ports or ()
            )
        )
        if declaring:
            return declaring
    return tuple(container for container in containers if container.type is not ContainerType.EPHEMERAL)


def _alone(container: ContainerInstance) -> tuple[ContainerInstance, ...]:
    """One container: all of its pod, as a rule, so that there is nothing to make."""
    containers = container.pod.containers
    return containers if len(containers) == 1 else (container,)


# --- making them ------------------------------------------------------------------------------------


def endpoints_differ(view: Inventory, namespace: str) -> bool:
    """Whether an overlay changes anything that the Endpoints of a namespace depend on."""
    for kind, pairs in view.replaced.items():
        if kind == "pods":
            if any(pod is not None and pod.namespace == namespace for pair in pairs for pod in pair):
                return True
        elif kind in gateway_routes.READS:
            if namespace in gateway_routes.changed_namespaces(view):
                return True
        elif kind in READS and kind != "Pod":
            for pair in pairs:
                if any(obj is not None and obj.metadata.namespace == namespace for obj in pair):
                    return True
    return False


def _endpoints(view: Inventory, namespace: str) -> list[EndpointNode]:
    services = view.in_namespace(Service, namespace)
    pods = view.index(PODS_BY_NAMESPACE)[namespace]
    covered: _Covered = {}
    by_service: dict[tuple[str, int, str], EndpointNode] = {}
    found: list[EndpointNode] = []
    behind = _pods_by_service(view, namespace, services, pods)
    for service in services:
        spec = service.spec
        if spec is None or spec.type == "ExternalName":
            continue
        selected = behind[service.name]
        for index, port in enumerate(spec.ports or ()):
            if port.port is None:
                continue
            node = _service_port(service, index, port, selected)
            by_service[service.name, port.port, node.protocol] = node
            for target in node.targets:
                at_port = covered.get((target.port, node.protocol))
                if at_port is None:
                    at_port = covered[target.port, node.protocol] = set()
                at_port.add(target.pod)
            found.append(node)
    served: set[PodInstance] = set().union(*covered.values())
    declared: dict[ContainerInstance, list[_Declared]] = {}
    for pod in pods:
        if pod.containers:
            _add_of_pod(pod, declared, covered, served, found)
    for ingress in view.in_namespace(Ingress, namespace):
        found += _of_backends(view, ingress, by_service)
    for route in view.in_namespace(Route, namespace):
        found += _of_backends(view, route, by_service)
    found += _of_gateways(view, namespace, by_service)
    return found


def _service_port(
    service: Service, index: int, port: ServicePort, selected: Sequence[PodInstance] | None
) -> EndpointNode:
    protocol = port.protocol or "TCP"
    assert port.port is not None
    node = EndpointNode(
        service_endpoint(service.namespace, service.name, port.port, protocol),
        EndpointType.SERVICE,
        service.id,
        port.port,
        protocol,
        where=f"spec.ports[{index}]",
        resolved=selected is not None,
    )
    wanted = port.target_port if port.target_port not in (None, "", 0) else port.port
    if isinstance(wanted, str) and wanted.isdigit():
        wanted = int(wanted)
    targets = node.targets
    known: dict[ContainerInstance, int | None] = {}
    for pod in selected or ():
        containers = pod.containers
        if isinstance(wanted, int):
            targets.append(Target(pod, wanted, listeners(pod, wanted, protocol)))
        elif len(containers) > 1:
            named = _named_port(pod, wanted or "", protocol)
            if named is not None:
                targets.append(Target(pod, named[0], (named[1],)))
        else:
            # What the name means is asked once for all replicas.
            first = containers[0].alike
            if first not in known:
                named = _named_port(pod, wanted or "", protocol)
                known[first] = named[0] if named is not None else None
            number = known[first]
            if number is not None:
                targets.append(Target(pod, number, containers))
    return node


def _named_port(pod: PodInstance, name: str, protocol: str) -> tuple[int, ContainerInstance] | None:
    for container in pod.containers:
        for port in container.spec.ports or ():
            if port.name == name and (port.protocol or "TCP") == protocol and port.container_port:
                return port.container_port, container
    return None


def _pods_by_service(
    view: Inventory, namespace: str, services: Sequence[Service], pods: Sequence[PodInstance]
) -> dict[str, Sequence[PodInstance] | None]:
    """The ready pods behind every Service; ``None`` where the source does not show it."""
    out: dict[str, Sequence[PodInstance] | None] = {}
    wanted: set[tuple[str, str | None]] = set()
    for service in services:
        selector = service.spec.selector if service.spec else None
        if selector:
            wanted.add(next(iter(selector.items())))
    by_label: dict[tuple[str, str | None], list[PodInstance]] = {label: [] for label in wanted}
    if wanted:
        # Replicas have the same labels.
        known: dict[PodInstance, list[list[PodInstance]]] = {}
        for pod in pods:
            if pod.containers:
                buckets = known.get(pod.alike)
                if buckets is None:
                    buckets = known[pod.alike] = [by_label[label] for label in pod.labels.items() if label in by_label]
                for bucket in buckets:
                    bucket.append(pod)
    for service in services:
        spec = service.spec
        selector = spec.selector if spec else None
        if spec is None or not selector:
            out[service.name] = _from_slices(view, service)
            continue
        items = list(selector.items())
        candidates = by_label[items[0]]
        rest = items[1:]
        unready = spec.publish_not_ready_addresses is True
        found: list[PodInstance] = []
        for pod in candidates:
            if rest:
                labels = pod.labels
                if any(labels.get(key) != value for key, value in rest):
                    continue
            if unready or is_ready(pod):
                found.append(pod)
        out[service.name] = found
    return out


def _from_slices(view: Inventory, service: Service) -> list[PodInstance] | None:
    """The pods that a Service's EndpointSlices name (a Service without selector)."""
    slices = slices_of(view, service)
    if not slices:
        return None
    found: list[PodInstance] = []
    for item in slices:
        for endpoint in item.endpoints or ():
            pod = pod_of(view, item, endpoint)
            ready = endpoint.conditions is None or endpoint.conditions.ready is not False
            if pod is not None and ready and pod.containers and pod not in found:
                found.append(pod)
    return found


def slices_of(view: Inventory, service: Service) -> list[EndpointSlice]:
    return [
        item
        for item in view.in_namespace(EndpointSlice, service.namespace)
        if (item.metadata.labels or {}).get(SLICE_SERVICE) == service.name
    ]


def pod_of(view: Inventory, item: EndpointSlice, endpoint: Endpoint) -> PodInstance | None:
    ref = endpoint.target_ref
    if ref is None or ref.kind != "Pod":
        return None
    return view.pods.get(f"Pod:{ref.namespace or item.namespace}/{ref.name}")


_Covered: TypeAlias = dict[tuple[int | None, str], set[PodInstance]]
"""The pods at which a Service leads to a port, by its number and protocol."""


class _Declared(NamedTuple):
    """A port that a container declares."""

    number: int
    protocol: str
    on_host: int | None
    """The port of the node, if there is one."""
    where: str
    loopback: bool


def _declared(container: ContainerInstance) -> Iterator[_Declared]:
    shared = container.pod.spec.host_network
    for index, port in enumerate(container.spec.ports or ()):
        number = port.container_port
        if number:
            on_host = port.host_port or (number if shared else None)
            loopback = port.host_ip is not None and is_loopback(port.host_ip)
            yield _Declared(number, port.protocol or "TCP", on_host, f"{container.field('ports')}[{index}]", loopback)


def _add_of_pod(
    pod: PodInstance,
    known: dict[ContainerInstance, list[_Declared]],
    covered: _Covered,
    served: set[PodInstance],
    found: list[EndpointNode],
) -> None:
    shared = pod.spec.host_network
    declares = False
    name = pod.id
    for container in pod.containers:
        declared = known.get(container.alike)
        if declared is None:
            declared = known[container.alike] = list(_declared(container.alike))
        for number, protocol, on_host, where, loopback in declared:
            declares = True
            if on_host:
                found.append(
                    EndpointNode(
                        host_endpoint(pod.node, on_host, protocol),
                        EndpointType.HOST_PORT,
                        name,
                        on_host,
                        protocol,
                        [Target(pod, number, _alone(container))],
                        where,
                        loopback,
                    )
                )
            if shared:
                continue
            at_port = covered.get((number, protocol))
            if at_port is None:
                at_port = covered[number, protocol] = set()
            if pod not in at_port:
                at_port.add(pod)
                found.append(
                    EndpointNode(
                        f"Endpoint:{pod.namespace}/pod.{pod.name}/{number}{port_suffix(protocol)}",
                        EndpointType.POD,
                        name,
                        number,
                        protocol,
                        [Target(pod, number, listeners(pod, number, protocol))],
                        where,
                    )
                )
    if not declares and pod not in served:
        found.append(
            EndpointNode(
                f"Endpoint:{pod.namespace}/pod.{pod.name}/{ANY}",
                EndpointType.POD,
                name,
                None,
                "TCP",
                [Target(pod, None, listeners(pod, None, "TCP"))],
            )
        )


def backend_endpoint(obj: Ingress | Route, port: int) -> str:
    """The id of the Endpoint of the backends with one Service port."""
    make = ingress_endpoint if isinstance(obj, Ingress) else route_endpoint
    return make(obj.namespace, obj.name, port)


def _of_backends(
    view: Inventory, obj: Ingress | Route, by_service: dict[tuple[str, int, str], EndpointNode]
) -> Iterator[EndpointNode]:
    made: dict[int, EndpointNode] = {}
    for where, name, port in backends(obj):
        found = backend_ports(view.get(Service, name, obj.namespace), port)
        # A number says which Endpoint is meant even if nothing is behind it.
        dangling = [(port, "TCP")] if isinstance(port, int) and not found else []
        for number, protocol in found or dangling:
            node = made.get(number)
            if node is None:
                node = made[number] = EndpointNode(
                    backend_endpoint(obj, number),
                    EndpointType.INGRESS if isinstance(obj, Ingress) else EndpointType.ROUTE,
                    obj.id,
                    number,
                    "TCP",
                    where=where,
                    http=True,
                )
            behind = by_service.get((name, number, protocol)) if found else None
            if behind is not None:
                known = {target.pod.id for target in node.targets}
                node.targets.extend(target for target in behind.targets if target.pod.id not in known)
                node.resolved = node.resolved and behind.resolved
    yield from made.values()


def _of_gateways(
    view: Inventory, namespace: str, by_service: dict[tuple[str, int, str], EndpointNode]
) -> Iterator[EndpointNode]:
    """One for each Gateway, Service port and set of facts: routes of one Gateway may differ in what they take."""
    made: set[tuple[str, str, int, str, bool, tuple[Fact, ...]]] = set()
    for lead in gateway_routes.leads_into(view, namespace):
        key = (lead.gateway, lead.service, lead.port, lead.protocol, lead.http, lead.missing)
        behind = by_service.get((lead.service, lead.port, lead.protocol))
        if key in made or behind is None:
            continue
        made.add(key)
        yield EndpointNode(
            gateway_endpoint(lead.gateway, lead.port, lead.protocol),
            EndpointType.GATEWAY,
            lead.route,
            lead.port,
            lead.protocol,
            behind.targets,
            lead.where,
            resolved=behind.resolved,
            http=lead.http,
            missing=lead.missing,
        )


def is_loopback(address: str) -> bool:
    """Whether an address is on the loopback interface."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
