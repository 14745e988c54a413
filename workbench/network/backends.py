"""What Ingress objects and OpenShift Routes let in, and with Gateway API routes all of it together.

Source: Kubernetes documentation, "Ingress"; OpenShift documentation, ``Route``. Like ingress-nginx, a backend's number
is looked up among the Service's target ports as well.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import Gateway, Route, RouteTarget
from workbench.inventory.objects import Ingress, IngressBackend, Service
from workbench.inventory.pods import PodInstance
from workbench.network import gateway, services
from workbench.network.ports import PortRange

READS = services.READS | gateway.READS | {"Ingress", "Route"}
"""The kinds that backends are found from."""


def changed(view: Inventory) -> bool:
    """Whether an overlay changes an object, other than pods, that backends are found from."""
    kinds = READS.intersection(view.replaced) - {"Pod"}
    # Namespaces only say which routes a Gateway lets in.
    return bool(kinds - {"Namespace"}) or (bool(kinds) and len(view.all(Gateway)) > 0)


@dataclass(frozen=True, slots=True)
class Backend:
    """A port of a pod that something at the edge of the cluster forwards to."""

    object: str
    """The id of the Ingress, the Route, or the route of a Gateway."""
    pod: PodInstance
    port: PortRange
    doubt: str = ""
    """Why it may not be so."""


def backends(view: Inventory, within: Container[str] | None = None) -> Iterator[Backend]:
    """Every port of a pod that an Ingress, a Gateway or a Route leads to.

    Args:
        view: The objects.
        within: Only pods of these namespaces.
    """
    for ingress in view.all(Ingress):
        if within is not None and ingress.namespace not in within:
            continue
        for item in _of_ingress(ingress):
            name, port = _wanted(item)
            yield from _through(view, ingress.id, ingress.namespace, name, port)
    for route in view.all(Route):
        spec = route.spec
        if spec is None or (within is not None and route.namespace not in within):
            continue
        port = spec.port.target_port if spec.port is not None else None
        for to in (spec.to or RouteTarget(), *(spec.alternate_backends or ())):
            if to.kind in (None, "Service") and to.weight != 0:
                yield from _through(view, route.id, route.namespace, to.name, port)
    for leading in gateway.leading(view):
        if within is not None and leading.service.namespace not in within:
            continue
        for pod, ports in services.targets(view, leading.service, leading.port):
            yield Backend(leading.route, pod, ports, leading.doubt)


def _of_ingress(ingress: Ingress) -> Iterator[IngressBackend]:
    spec = ingress.spec
    if spec is None:
        return
    for backend in (spec.default_backend, spec.backend):
        if backend is not None:
            yield backend
    for rule in spec.rules or ():
        for path in (rule.http.paths if rule.http is not None else None) or ():
            if path.backend is not None:
                yield path.backend


def _wanted(item: IngressBackend) -> tuple[str | None, int | str | None]:
    if item.service is not None:
        port = item.service.port
        return item.service.name, (port.name or port.number) if port is not None else None
    return item.service_name, item.service_port


def _through(
    view: Inventory, source: str, namespace: str, name: str | None, wanted: int | str | None
) -> Iterator[Backend]:
    """What a Service leads to over TCP, which is all that Ingress and Route forward."""
    service = view.get(Service, name, namespace) if name else None
    if service is None:
        return
    for port in services.chosen(service, wanted):
        if (port.protocol or "TCP") == "TCP":
            for pod, ports in services.targets(view, service, port):
                yield Backend(source, pod, ports)
