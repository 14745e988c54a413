"""Which Gateways lead to which Services, through the routes that their listeners admit (Gateway API).

A route counts where a listener of the Gateway admits it and the Gateway's controller has not said otherwise
(``status.parents``); a backend in another namespace where a ReferenceGrant there lets the route refer to it.

Source: Gateway API documentation, API reference (``RouteStatus``, ``ReferenceGrant``) and GEP-1494 (external
authentication).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from workbench.graph.graph import Fact
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import GATEWAY_ROUTES, ParentReference, RouteRule, RouteStatus
from workbench.inventory.records import KubernetesObject
from workbench.network import gateway
from workbench.techniques.api import fact

READS = gateway.READS
"""The kinds that decide."""

_HTTP = ("HTTPRoute", "GRPCRoute")
_AUTHENTICATING = ("ExternalAuth", "ExtensionRef")
"""The filters that ask who it is, or may: what an extension does no object of the Gateway API says."""


class Lead(NamedTuple):
    """A backend of a route that a Gateway forwards to, or would."""

    gateway: str
    """The id of the Gateway, which need not have been read."""
    route: str
    """The id of the route."""
    where: str
    """The field of the route that names the backend."""
    parent: int
    """The position of the Gateway in ``spec.parentRefs``."""
    namespace: str
    service: str
    """The name of the Service."""
    port: int
    """The number of the Service's port."""
    protocol: str
    http: bool
    """Whether the Gateway forwards requests and not connections."""
    missing: tuple[Fact, ...] = ()
    """The facts that the route takes."""
    off: str = ""
    """What keeps the Gateway from forwarding; empty if nothing does."""


def leads_of(view: Inventory, route: str) -> Sequence[Lead]:
    """Every backend of a route, by the id of the route, once for each Gateway that it names."""
    return _leads(view).get(route, ())


def leads_into(view: Inventory, namespace: str) -> Sequence[Lead]:
    """The leads to Services of a namespace that nothing keeps out."""
    return _leads_by_namespace(view).get(namespace, ())


def changed_namespaces(view: Inventory) -> set[str]:
    """The namespaces into which an overlay leads otherwise than what it lies over."""
    base = view.base
    if base is None:
        return set()
    before, after = _leads_by_namespace(base), _leads_by_namespace(view)
    if before is after:
        return set()
    return {namespace for namespace in before.keys() | after.keys() if before.get(namespace) != after.get(namespace)}


def _leads(view: Inventory) -> dict[str, list[Lead]]:
    found: dict[str, list[Lead]] = view.derived("leads of Gateways", READS, _compute)
    return found


def _compute(view: Inventory) -> dict[str, list[Lead]]:
    out: dict[str, list[Lead]] = {}
    for kind in GATEWAY_ROUTES:
        for route in view.all(kind):
            found = list(_of_route(view, route))
            if found:
                out[route.id] = found
    return out


def _leads_by_namespace(view: Inventory) -> dict[str, list[Lead]]:
    found: dict[str, list[Lead]] = view.derived("leads of Gateways by namespace", READS, _by_namespace)
    return found


def _by_namespace(view: Inventory) -> dict[str, list[Lead]]:
    out: dict[str, list[Lead]] = {}
    for found in _leads(view).values():
        for lead in found:
            if not lead.off:
                out.setdefault(lead.namespace, []).append(lead)
    return out


def _of_route(view: Inventory, route: KubernetesObject) -> Iterator[Lead]:
    references = list(gateway.backend_references(route))
    for parent in gateway.attachments(view, route):
        refused = _refused(route, parent)
        for where, rule, reference in references:
            if not reference.port:
                continue
            namespace, name = reference.namespace or route.namespace, reference.name or ""
            off = refused
            if not off and not gateway.granted(view, route, namespace, name):
                off = f"no ReferenceGrant in {namespace} lets {route.id} refer to the Service {name}"
            yield Lead(
                f"Gateway:{parent.namespace}/{parent.name}",
                route.id,
                where,
                parent.index,
                namespace,
                name,
                reference.port,
                gateway.protocol_of(route),
                route.kind in _HTTP,
                fact("C-INGRESS", route.id) if _guarded(rule) else (),
                off,
            )


def _refused(route: KubernetesObject, parent: gateway.Attachment) -> str:
    if parent.gateway is not None and parent.listener is None:
        return (
            f"no listener of {parent.gateway.id} admits {route.id}: its namespaces, kinds, protocol or hostname differ"
        )
    status: RouteStatus | None = getattr(route, "status", None)
    reference = (gateway.spec_of(route).parent_refs or ())[parent.index]
    for said in (status.parents if status is not None else None) or ():
        if said.parent_ref is None or not _same(said.parent_ref, reference, route.namespace):
            continue
        for condition in said.conditions or ():
            if condition.type == "Accepted" and condition.status == "False":
                reason = f" ({condition.reason})" if condition.reason else ""
                return f"status.parents of {route.id} says that it is not accepted{reason}"
    return ""


def _same(one: ParentReference, other: ParentReference, namespace: str) -> bool:
    def key(reference: ParentReference) -> tuple[Any, ...]:
        return reference.namespace or namespace, reference.name, reference.section_name or "", reference.port or 0

    return key(one) == key(other)


def _guarded(rule: RouteRule) -> bool:
    """Whether something may ask who it is before a request gets to a backend."""
    return any(each.extension_ref is not None or each.type in _AUTHENTICATING for each in rule.filters or ())
