"""What the internet reaches through the Gateways of the Gateway API (catalogue 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph.graph import Edge
from workbench.graph.nodes import INTERNET
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import GATEWAY_ROUTES, Gateway, GatewayClass
from workbench.inventory.records import KubernetesObject
from workbench.network import enforcement
from workbench.network.gateway import attachments, granting
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.endpoints import EndpointNode, endpoint_of, gateway_endpoint, service_endpoint
from workbench.techniques.pod_fields import LISTENING
from workbench.techniques.resolve import distinct, reach
from workbench.techniques.resolve import ingress as classes
from workbench.techniques.resolve.exposure import Exposure, forwarded, rules_of_entry
from workbench.techniques.resolve.gateway_exposure import READS, SERVICES_BY_GATEWAY, gateway_exposure, in_cloud
from workbench.techniques.resolve.gateway_routes import Lead, leads_into, leads_of
from workbench.techniques.resolve.reached import changed_pods, leading_elsewhere


class ExposeGateway(Technique):
    """EXPOSE_GATEWAY: an exposed Gateway forwards to the backends of the routes that it admits.

    All backends of a Gateway with one Service port share an Endpoint, whatever routes lead to them.
    """

    declaration = Declaration(
        id="EXPOSE_GATEWAY",
        title="reaches, by a Gateway,",
        source=("Internet",),
        target=("Endpoint",),
        description=(
            "The controller of the Gateway's class is exposed to the internet. A listener of the Gateway admits the "
            "route, and the Gateway forwards to the route's backends."
        ),
        mitre=("T1190",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=READS,
        subject_type=SubjectType.OBJECT,
        pod_fields=LISTENING | reach.POD_FIELDS,
        subject_kinds=tuple(kind.__name__ for kind in GATEWAY_ROUTES),
        fixes=("F-ING-AUTH", "F-ING-DEL"),
        references=("https://gateway-api.sigs.k8s.io/concepts/api-overview/",),
        family="exposure",
    )

    def subjects(self, view: Inventory) -> Iterable[KubernetesObject]:
        for kind in GATEWAY_ROUTES:
            yield from view.all(kind)

    def touched_by_pods(self, view: Inventory) -> set[str] | None:
        """The routes that lead to the pods' namespaces; of all others an edge depends on what serves Gateways alone."""
        base = view.base
        changed = changed_pods(view)
        changed |= leading_elsewhere(view) if changed else set()
        if base is None or not access.pods_stay(view) or enforcement.differs(view):
            return None
        if changed & (_serving(view) | _serving(base)):
            return None
        return {lead.route for namespace in changed for lead in leads_into(view, namespace)}

    def detect(self, view: Inventory, subject: KubernetesObject) -> Iterator[Found | Blocked]:
        found: dict[str, Found] = {}
        closed: dict[str, str] = {}
        for lead in leads_of(view, subject.id):
            endpoint = gateway_endpoint(lead.gateway, lead.port, lead.protocol)
            exposure = gateway_exposure(view, lead.gateway)
            let_in = Exposure(mitigation=lead.off) if lead.off else self._through(view, lead, exposure)
            if not let_in.open:
                closed.setdefault(endpoint, let_in.mitigation)
                continue
            cause = (lead.route, lead.where, lead.parent, *exposure.cause)
            edge = Found(INTERNET, endpoint, 1, let_in.missing, cause)
            known = found.get(endpoint)
            if known is None or len(edge.missing) < len(known.missing):
                found[endpoint] = edge
        yield from found.values()
        for endpoint, mitigation in closed.items():
            if endpoint not in found:
                yield Blocked(INTERNET, endpoint, mitigation)

    def _through(self, view: Inventory, lead: Lead, exposure: Exposure) -> Exposure:
        """What is left of the exposure of a Gateway behind a lead: there has to be a pod, and policies let it in."""
        backend = f"the backend {lead.namespace}/{lead.service}:{lead.port}"
        node = _behind(view, lead)
        if node is None:
            return Exposure(mitigation=f"{backend} has no Service port")
        if node.resolved and not node.targets:
            return Exposure(mitigation=f"{backend} has no ready pod")
        if not exposure.open:
            return exposure
        proxy = view.pods.get(exposure.cause[1] or "")
        # Of a proxy that is not in the source it is not known whom policies take it for.
        if proxy is not None or in_cloud(view, lead.gateway):
            exposure = forwarded(view, exposure, proxy, node)
        guarded = fact("C-INGRESS", lead.gateway)
        if node.resolved or not exposure.open or set(guarded) <= set(exposure.missing):
            return exposure
        return Exposure(exposure.missing + guarded, exposure.cause)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        route_id, where, parent, shown, proxy = edge.cause
        route = view.by_id(route_id)
        if route is None:
            return []
        found = [view.evidence(route, where), view.evidence(route, f"spec.parentRefs[{parent}]")]
        for attachment in attachments(view, route):
            if attachment.index != parent or attachment.gateway is None:
                continue
            gateway = attachment.gateway
            found.append(view.evidence(gateway, f"spec.listeners[name={attachment.listener}]"))
            found += self._of_gateway(view, gateway)
        found.append(view.evidence(route, "status.parents"))
        lead = next((each for each in leads_of(view, route_id) if (each.where, each.parent) == (where, parent)), None)
        if lead is not None:
            grant = granting(view, route, lead.namespace, lead.service)
            if grant is not None:
                found.append(view.evidence(grant, "spec"))
            found.append(view.evidence(f"Service:{lead.namespace}/{lead.service}", "spec.selector"))
        if shown is not None:
            found += _exposing(view, shown)
        if lead is not None:
            found += rules_of_entry(view, _behind(view, lead), edge, view.pods.get(proxy or ""))
        return distinct(found)

    def _of_gateway(self, view: Inventory, gateway: Gateway) -> Iterator[Evidence]:
        yield view.evidence(gateway, "spec.gatewayClassName")
        name = gateway.spec.gateway_class_name if gateway.spec is not None else None
        class_object = view.get(GatewayClass, name or "")
        if class_object is not None:
            yield view.evidence(class_object, "spec.controllerName")
        yield view.evidence(gateway, "status.addresses")


def _behind(view: Inventory, lead: Lead) -> EndpointNode | None:
    """The Endpoint of the Service port that a lead ends at."""
    name = service_endpoint(lead.namespace, lead.service, lead.port, lead.protocol)
    return endpoint_of(view, lead.namespace, name)


def _exposing(view: Inventory, shown: str) -> Iterator[Evidence]:
    """What shows that a Gateway is exposed: a Service, a container with a port of its node, or nothing beside it."""
    container = view.containers.get(shown)
    if container is not None:
        yield view.evidence(container.pod.obj, container.field("ports"))
        yield view.evidence(container.pod.obj, container.pod.field("hostNetwork"), False)
    elif shown.startswith("Service:"):
        yield view.evidence(shown, "spec.type", "ClusterIP")
        yield view.evidence(shown, "status.loadBalancer.ingress")


def _serving(view: Inventory) -> set[str]:
    """The namespaces of the pods that may serve a Gateway."""
    index = view.index(SERVICES_BY_GATEWAY)
    services = {service.namespace for key in index.keys() for service in index[key]}  # noqa: SIM118 - an index
    return services | classes.serving_namespaces(view)


TECHNIQUES: tuple[Technique, ...] = (ExposeGateway(),)
