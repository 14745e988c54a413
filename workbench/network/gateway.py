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
    RouteRule,
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


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a parent of a route is, and whether one of its listeners admits the route."""

    index: int
    """Its position in ``spec.parentRefs``."""
    namespace: str
    name: str
    """Of the Gateway."""
    gateway: Gateway | None
    """``None``: it was not read."""
    listener: str | None
    """The name of the first listener that admits the route; ``None`` if none does, or the Gateway was not read."""


def leading(view: Inventory) -> Iterator[Leading]:
    """Every port of a Service that an admitted route leads to."""
    for kind in GATEWAY_ROUTES:
        for route in view.all(kind):
            doubt = _admitted(view, route)
            if doubt is None:
                continue
            for _, _, reference in backend_references(route):
                yield from _ports(view, route, reference, doubt)


def spec_of(route: KubernetesObject) -> RouteSpec:
    """The spec of a route of any kind; an empty one if there is none."""
    spec: RouteSpec | None = getattr(route, "spec", None)
    return spec if spec is not None else RouteSpec()


def protocol_of(route: KubernetesObject) -> str:
    """The transport protocol of what a route forwards."""
    return "UDP" if route.kind == "UDPRoute" else "TCP"


def backend_references(route: KubernetesObject) -> Iterator[tuple[str, RouteRule, BackendReference]]:
    """The Services that a route sends traffic to, mirrored requests included, each with its dotted field and rule."""
    for at, rule in enumerate(spec_of(route).rules or ()):
        for index, reference in enumerate(rule.backend_refs or ()):
            if reference.weight != 0 and _is_service(reference):
                yield f"spec.rules[{at}].backendRefs[{index}]", rule, reference
        for index, each in enumerate(rule.filters or ()):
            mirror = each.request_mirror
            if mirror is not None and mirror.backend_ref is not None and _is_service(mirror.backend_ref):
                yield f"spec.rules[{at}].filters[{index}].requestMirror.backendRef", rule, mirror.backend_ref


def _is_service(reference: BackendReference) -> bool:
    return not reference.group and reference.kind in (None, "Service") and bool(reference.name)


def _ports(view: Inventory, route: KubernetesObject, reference: BackendReference, doubt: str) -> Iterator[Leading]:
    namespace = reference.namespace or route.namespace
    if not granted(view, route, namespace, reference.name or ""):
        return
    service = view.get(Service, reference.name or "", namespace)
    if service is None:
        return
    for port in ports_of(service):
        if port.port == reference.port and (port.protocol or "TCP") == protocol_of(route):
            yield Leading(route.id, service, port, doubt)


def granted(view: Inventory, route: KubernetesObject, namespace: str, service: str) -> bool:
    """Whether a route may refer to a Service: one of its own namespace, or of one whose ReferenceGrant lets it."""
    return namespace == route.namespace or granting(view, route, namespace, service) is not None


def granting(view: Inventory, route: KubernetesObject, namespace: str, service: str) -> ReferenceGrant | None:
    """The ReferenceGrant of a namespace that lets a route refer to a Service there."""
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
            return grant
    return None


def attachments(view: Inventory, route: KubernetesObject) -> Iterator[Attachment]:
    """The Gateways that a route names as parents."""
    for index, parent in enumerate(spec_of(route).parent_refs or ()):
        if (parent.group or _GROUP) != _GROUP or parent.kind not in (None, "Gateway"):
            continue
        namespace = parent.namespace or route.namespace
        found = view.get(Gateway, parent.name or "", namespace)
        admitting: str | None = None
        if found is not None:
            taking = (each for each in _listeners(found) if _names(parent, each) and _takes(view, found, each, route))
            admitting = next((listener.name or "" for listener in taking), None)
        yield Attachment(index, namespace, parent.name or "", found, admitting)


def _admitted(view: Inventory, route: KubernetesObject) -> str | None:
    """Whether a listener admits a route: empty if so, why it may, or ``None`` if none does."""
    doubt: str | None = None
    for parent in attachments(view, route):
        if parent.listener is not None:
            return ""
        if parent.gateway is None:
            doubt = f"its Gateway {parent.namespace}/{parent.name} was not read"
    return doubt


def _listeners(gateway: Gateway) -> list[Listener]:
    return (gateway.spec.listeners if gateway.spec is not None else None) or []


def _names(parent: ParentReference, listener: Listener) -> bool:
    return parent.section_name in (None, "", listener.name) and parent.port in (None, 0, listener.port)


def _takes(view: Inventory, gateway: Gateway, listener: Listener, route: KubernetesObject) -> bool:
    allowed = listener.allowed_routes
    if allowed is not None and allowed.kinds:
        if not any((each.group or _GROUP) == _GROUP and each.kind == route.kind for each in allowed.kinds):
            return False
    elif route.kind not in _KINDS.get(listener.protocol or "", ()):
        return False
    host = listener.hostname if route.kind in _WITH_HOSTS else None
    hosts = spec_of(route).hostnames
    if host and hosts and not any(_overlap(host, each) for each in hosts):
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
