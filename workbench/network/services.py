"""What Services lead to: pods, and the ports of them.

Source: Kubernetes documentation, "Service" (selectors, headless, ``ExternalName``, Services without selectors) and
"EndpointSlices".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.inventory.inventory import PODS_BY_NAMESPACE, IndexOf, Inventory
from workbench.inventory.objects import EndpointSlice, Service, ServicePort
from workbench.inventory.pods import PodInstance
from workbench.network.classes import container_ports, runs
from workbench.network.ports import LAST_PORT, PROTOCOLS, PortRange

READS = frozenset({"Service", "EndpointSlice", "Pod"})
"""The kinds that Services are resolved from."""

_SERVICE_LABEL = "kubernetes.io/service-name"

_SLICES: IndexOf[tuple[str, str], EndpointSlice] = IndexOf(
    "endpoint slices by service",
    "EndpointSlice",
    lambda item: ((item.namespace, (item.metadata.labels or {}).get(_SERVICE_LABEL) or ""),),
)


def ports_of(service: Service) -> list[ServicePort]:
    """The ports of a Service; none of an ``ExternalName``, which leads to a name outside."""
    spec = service.spec
    return [] if spec is None or spec.type == "ExternalName" else list(spec.ports or ())


def chosen(service: Service, wanted: int | str | None) -> list[ServicePort]:
    """The ports of a Service that a backend names: by number, name or target port; all without a name."""
    if wanted is None or wanted == "":
        return ports_of(service)
    return [port for port in ports_of(service) if wanted in (port.port, port.name, target(port))]


def target(port: ServicePort) -> int | str | None:
    """The number or the name of the port at the pods; without ``targetPort`` the same as the Service's."""
    return port.target_port if port.target_port not in (None, 0, "") else port.port


def targets(view: Inventory, service: Service, port: ServicePort) -> Iterator[tuple[PodInstance, PortRange]]:
    """The pods that a port of a Service leads to, each with the port that it means there."""
    spec = service.spec
    protocol = port.protocol or "TCP"
    if spec is None or spec.type == "ExternalName" or protocol not in PROTOCOLS:
        return
    if not spec.selector:
        # An empty selector is none: endpoints are then somebody else's to write.
        yield from _by_slices(view, service, port)
        return
    wanted = target(port)
    selector = spec.selector.items()
    for pod in view.index(PODS_BY_NAMESPACE)[service.namespace]:
        labels = pod.labels
        for key, value in selector:
            if labels.get(key) != value:
                break
        else:
            if not runs(pod):
                continue
            number = port_at(pod, wanted, protocol)
            if number is not None and 1 <= number <= LAST_PORT:
                yield pod, PortRange(protocol, number, number)


def port_at(pod: PodInstance, wanted: int | str | None, protocol: str) -> int | None:
    """The number that a target port means on a pod, ``None`` where the pod has no port of that name."""
    if isinstance(wanted, str) and not wanted.isdecimal():
        found = (number for name, of, number in container_ports(pod) if name == wanted and of == protocol)
        return next(found, None)
    return int(wanted) if wanted is not None else None


def slices(view: Inventory, service: Service) -> Sequence[EndpointSlice]:
    """The slices that hold the endpoints of a Service."""
    return view.index(_SLICES)[service.namespace, service.name]


def _by_slices(view: Inventory, service: Service, port: ServicePort) -> Iterator[tuple[PodInstance, PortRange]]:
    for item in slices(view, service):
        for own in item.ports or ():
            if (own.name or "") != (port.name or "") or (own.protocol or "TCP") != (port.protocol or "TCP"):
                continue
            for endpoint in item.endpoints or ():
                reference = endpoint.target_ref
                if reference is None or reference.kind != "Pod" or not own.port:
                    continue
                pod = view.pods.get(f"Pod:{reference.namespace or item.namespace}/{reference.name}")
                if pod is not None and runs(pod):
                    yield pod, PortRange(own.protocol or "TCP", own.port, own.port)
