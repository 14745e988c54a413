"""What the routes of the Gateway API lead to.

A route counts where a listener of a parent admits it: by the route's namespace, its kind, and an overlap of host
names. A backend in another namespace needs a ReferenceGrant there.

Source: Gateway API documentation: API reference, "Cross-Namespace routing", ``ReferenceGrant``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import (
    GATEWAY_ROUTES,
    BackendReference,
    Gateway,
    Listener,
    ParentReference,
    ReferenceGrant,
    RouteSpec,
)
from workbench.inventory.objects import Service, ServicePort
from workbench.inventory.records import KubernetesObject
from workbench.network.classes import namespace_labels
from workbench.network.labels import LabelIndex, selector
from workbench.network.services import ports_of

READS = frozenset({"Gateway", "ReferenceGrant", "Namespace", *(kind.__name__ for kind in GATEWAY_ROUTES)})
"""The kinds that are looked at."""

_GROUP = "gateway.networking.k8s.io"
_KINDS = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute", "TCPRoute"),
    "TCP": ("TCPRoute",),
    "UDP": ("UDPRoute",),
}
"""The kinds of routes that a listener's protocol takes, where the listener does not say."""

_WITH_HOSTS = ("HTTPRoute", "GRPCRoute", "TLSRoute")


@dataclass(frozen=True, slots=True)
class Leading:
    """A route that leads to a port of a Service."""

    route: str
    service: Service
    port: ServicePort
    doubt: str = ""


def leading(view: Inventory) -> Iterator[Leading]:
    """Every port of a Service that an admitted route leads to."""
    for kind in GATEWAY_ROUTES:
        for route in view.all(kind):
            spec: RouteSpec | None = getattr(route, "spec", None)
            if spec is None:
                continue
            doubt = _admitted(view, route, spec)
            if doubt is None:
                continue
            for reference in _backends(spec):
                yield from _ports(view, route, reference, doubt)


def _backends(spec: RouteSpec) -> Iterator[BackendReference]:
    for rule in spec.rules or ():
        for reference in rule.backend_refs or ():
            if reference.weight != 0:
                yield reference
        for each in rule.filters or ():
            if each.request_mirror is not None and each.request_mirror.backend_ref is not None:
                yield each.request_mirror.backend_ref


def _ports(view: Inventory, route: KubernetesObject, reference: BackendReference, doubt: str) -> Iterator[Leading]:
    if reference.group or reference.kind not in (None, "Service") or not reference.name:
        return
    namespace = reference.namespace or route.namespace
    if namespace != route.namespace and not _granted(view, route, namespace, reference.name):
        return
    service = view.get(Service, reference.name, namespace)
    if service is None:
        return
    protocol = "UDP" if route.kind == "UDPRoute" else "TCP"
    for port in ports_of(service):
        if port.port == reference.port and (port.protocol or "TCP") == protocol:
            yield Leading(route.id, service, port, doubt)


def _granted(view: Inventory, route: KubernetesObject, namespace: str, service: str) -> bool:
    """Whether a ReferenceGrant of a namespace lets a route of another refer to a Service there."""
    for grant in view.in_namespace(ReferenceGrant, namespace):
        if grant.spec is None:
            continue
        asked = any(
            each.group == _GROUP and each.kind == route.kind and each.namespace == route.namespace
            for each in grant.spec.from_ or ()
        )
        given = any(
            not each.group and each.kind == "Service" and each.name in (None, "", service)
            for each in grant.spec.to or ()
        )
        if asked and given:
            return True
    return False


def _admitted(view: Inventory, route: KubernetesObject, spec: RouteSpec) -> str | None:
    """Whether a listener admits a route: empty if so, why it may, or ``None`` if none does."""
    doubt: str | None = None
    for parent in spec.parent_refs or ():
        if (parent.group or _GROUP) != _GROUP or parent.kind not in (None, "Gateway"):
            continue
        found = view.get(Gateway, parent.name or "", parent.namespace or route.namespace)
        if found is None:
            doubt = f"its Gateway {parent.namespace or route.namespace}/{parent.name} was not read"
        elif any(
            _takes(view, found, listener, route, spec) for listener in _listeners(found) if _names(parent, listener)
        ):
            return ""
    return doubt


def _listeners(gateway: Gateway) -> list[Listener]:
    return (gateway.spec.listeners if gateway.spec is not None else None) or []


def _names(parent: ParentReference, listener: Listener) -> bool:
    return parent.section_name in (None, "", listener.name) and parent.port in (None, 0, listener.port)


def _takes(view: Inventory, gateway: Gateway, listener: Listener, route: KubernetesObject, spec: RouteSpec) -> bool:
    allowed = listener.allowed_routes
    if allowed is not None and allowed.kinds:
        if not any((each.group or _GROUP) == _GROUP and each.kind == route.kind for each in allowed.kinds):
            return False
    elif route.kind not in _KINDS.get(listener.protocol or "", ()):
        return False
    host = listener.hostname if route.kind in _WITH_HOSTS else None
    if host and spec.hostnames and not any(_overlap(host, each) for each in spec.hostnames):
        return False
    return _from_namespace(view, gateway, listener, route.namespace)


def _from_namespace(view: Inventory, gateway: Gateway, listener: Listener, namespace: str) -> bool:
    namespaces: Any = listener.allowed_routes.namespaces if listener.allowed_routes is not None else None
    match namespaces.from_ if namespaces is not None and namespaces.from_ else "Same":
        case "All":
            return True
        case "Selector":
            if namespaces.selector is None:
                return False
            wanted = selector(namespaces.selector, "", lambda field, problem: None)
            return bool(wanted.bits(LabelIndex([namespace_labels(view, namespace)])))
        case "Same":
            return namespace == gateway.namespace
    return False


def _overlap(one: str, other: str) -> bool:
    """Whether two host names, each perhaps with ``*.`` before it, have a name in common."""
    one, other = one.lower(), other.lower()
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    if other.startswith("*."):
        return one.endswith(other[1:])
    return one == other
