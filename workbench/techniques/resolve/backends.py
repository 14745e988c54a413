"""Which ports of Services an Ingress, or a Route of OpenShift, sends requests to.

Source: Kubernetes documentation, "Ingress"; OpenShift documentation, ``Route``. Like ingress-nginx, a backend's number
is looked up among the Service's target ports as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench.inventory.network_objects import Route
from workbench.inventory.objects import Ingress, IngressBackend, IntOrString, Service


def backends(obj: Ingress | Route) -> Iterator[tuple[str, str, IntOrString | None]]:
    """The Service backends of an Ingress or a Route: the field, the Service's name, and its port's number or name.

    The port is ``None`` where a Route leads to all ports of the Service.
    """
    if isinstance(obj, Route):
        yield from _route_backends(obj)
        return
    spec = obj.spec
    if spec is None:
        return
    candidates: list[tuple[str, IngressBackend | None]] = [
        ("spec.defaultBackend", spec.default_backend),
        ("spec.backend", spec.backend),
    ]
    for at, rule in enumerate(spec.rules or ()):
        for index, path in enumerate(rule.http.paths or () if rule.http else ()):
            candidates.append((f"spec.rules[{at}].http.paths[{index}].backend", path.backend))
    for where, backend in candidates:
        if backend is None:
            continue
        service = backend.service
        if service is not None and service.name and service.port is not None:
            port = service.port.number if service.port.number else service.port.name
            if port:
                yield where, service.name, port
        elif backend.service_name and backend.service_port:
            yield where, backend.service_name, backend.service_port


def _route_backends(route: Route) -> Iterator[tuple[str, str, IntOrString | None]]:
    spec = route.spec
    if spec is None:
        return
    port = (spec.port.target_port if spec.port is not None else None) or None
    targets = [("spec.to", spec.to)]
    targets += [(f"spec.alternateBackends[{at}]", each) for at, each in enumerate(spec.alternate_backends or ())]
    for where, target in targets:
        if target is not None and target.name and target.kind in (None, "Service") and target.weight != 0:
            yield where, target.name, port


def backend_ports(service: Service | None, port: IntOrString | None) -> list[tuple[int, str]]:
    """The numbers and protocols of the Service ports that a backend means: one, or all that speak TCP."""
    if port is not None:
        found = backend_port(service, port)
        return [] if found is None else [found]
    ports = (service.spec.ports or ()) if service is not None and service.spec is not None else ()
    return [(each.port, "TCP") for each in ports if each.port and (each.protocol or "TCP") == "TCP"]


def backend_port(service: Service | None, port: IntOrString) -> tuple[int, str] | None:
    """The number and protocol of the Service port that an Ingress backend names, ``None`` if there is none.

    A number may be the port's or, as controllers allow, its targetPort's.
    """
    ports = (service.spec.ports or ()) if service is not None and service.spec is not None else ()
    for candidate in ports:
        if candidate.port and port in (candidate.port, candidate.name):
            return candidate.port, candidate.protocol or "TCP"
    for candidate in ports:
        if candidate.port and candidate.target_port == port:
            return candidate.port, candidate.protocol or "TCP"
    return None
