"""Whether the internet reaches a Gateway, which takes a live controller that is exposed.

Most controllers make a proxy and a Service for each Gateway; some forward with their own pods, and those of clouds make
a load balancer. What none of these shows, the addresses tell that the controller has written into the status.

Sources: Gateway API documentation, API reference (``GatewaySpec.addresses``, ``GatewayStatus.addresses``) and GEP-1762
(labels of what is made for a Gateway); the documentation of Istio, Envoy Gateway, Contour, NGINX Gateway Fabric,
Traefik, GKE, AWS and Azure on their GatewayClasses.
"""

from __future__ import annotations

from collections.abc import Iterable

from workbench.graph.graph import Fact
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.network_objects import Gateway, GatewayAddress, GatewayClass
from workbench.inventory.objects import Node, Service
from workbench.inventory.pods import PodInstance
from workbench.techniques.api import fact
from workbench.techniques.endpoints import ALL_READS, EndpointType, endpoints_of
from workbench.techniques.resolve import ingress as classes
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.addresses import is_public
from workbench.techniques.resolve.exposure import Exposure, admitted, best, pod_exposures, service_exposures

READS = ALL_READS | reach.READS | {"GatewayClass", "Node"}
"""The kinds that decide."""

_GKE = "networking.gke.io/gateway"
_LATTICE = "application-networking.k8s.aws/gateway-api-controller"
_AWS = frozenset({"gateway.k8s.aws/alb", "gateway.k8s.aws/nlb"})
_CLOUD = frozenset({_GKE, "alb.networking.azure.io/alb-controller"})
"""Controllers that have a public load balancer of the cloud send the traffic, unless their class is an internal one."""

_OWN_PODS = {
    "traefik.io/gateway-controller": classes.TRAEFIK,
    classes.NGINX_GATEWAY: classes.NGINX_GATEWAY,
}
"""Controllers whose own pods may forward, with the key of these pods in ``ingress.CONTROLLERS``."""

_CONVENTIONAL = {
    "traefik": "traefik.io/gateway-controller",
    "nginx": classes.NGINX_GATEWAY,
    "amazon-vpc-lattice": _LATTICE,
    "azure-alb-external": "alb.networking.azure.io/alb-controller",
}
"""The classes whose name, without a GatewayClass, says which controller is meant; those of GKE begin with ``gke-``."""

_OWNERS = (
    ("gateway.networking.k8s.io/gateway-name", ""),
    ("istio.io/gateway-name", ""),
    ("gateway.envoyproxy.io/owning-gateway-name", "gateway.envoyproxy.io/owning-gateway-namespace"),
    ("projectcontour.io/owning-gateway-name", "projectcontour.io/owning-gateway-namespace"),
)
"""The labels of what is made for a Gateway: those of its name, and of its namespace where that may be another one."""


def _gateways_of(service: Service) -> Iterable[str]:
    meta = service.metadata
    found: dict[str, None] = {}
    for reference in meta.owner_references or ():
        if reference.kind == "Gateway" and (reference.api_version or "").startswith("gateway.networking.k8s.io/"):
            found[f"Gateway:{service.namespace}/{reference.name}"] = None
    labels = meta.labels or {}
    for name, namespace in _OWNERS:
        if labels.get(name):
            place = labels.get(namespace) if namespace else None
            found[f"Gateway:{place or service.namespace}/{labels[name]}"] = None
    return found


SERVICES_BY_GATEWAY: IndexOf[str, Service] = IndexOf("services of Gateways", "Service", _gateways_of)
"""The Services that were made for a Gateway, by the id of the Gateway."""


def gateway_exposure(view: Inventory, gateway_id: str) -> Exposure:
    """Whether the internet reaches a Gateway.

    The cause is a pair of ids, each ``None`` if there is none: of what shows it (a Service, a container with a port of
    its node, for the status the Gateway), and of a pod that forwards.
    """
    memo = view.memo("exposure of Gateways", READS | {"Gateway"})
    found: Exposure | None = memo.get(gateway_id)
    if found is None:
        found = memo[gateway_id] = _exposure(view, gateway_id)
    return found


def _exposure(view: Inventory, gateway_id: str) -> Exposure:
    unknown = Exposure(fact("C-INGRESS", gateway_id), _NOBODY)
    gateway = view.by_id(gateway_id)
    if not isinstance(gateway, Gateway):
        return unknown
    class_name = (gateway.spec.gateway_class_name if gateway.spec is not None else None) or ""
    controller = controller_name(view, class_name)
    internal = _internal(class_name, controller)
    if internal:
        return Exposure(mitigation=internal)
    services = services_of(view, gateway)
    if services:
        return _by_services(view, services)
    addresses = [each.value for each in (gateway.status.addresses if gateway.status else None) or () if each.value]
    if addresses:
        return _by_addresses(view, gateway_id, addresses)
    if controller in _CLOUD:
        return Exposure(fact("C-LB", gateway_id), _NOBODY)
    serving = classes.controllers(view, None, _OWN_PODS.get(controller or ""))
    exposed = best(pod_exposures(view, {container.pod.id: container.pod for container in serving}))
    if exposed is not None:
        return Exposure(exposed.missing, (exposed.cause, serving[0].pod.id))
    if serving and controller not in classes.SPLIT and controller != classes.NGINX_GATEWAY:
        return Exposure(mitigation=f"the controller {serving[0].pod.id} is not exposed")
    return unknown


_NOBODY = (None, None)


def in_cloud(view: Inventory, gateway_id: str) -> bool:
    """Whether a load balancer outside of the cluster serves a Gateway."""
    gateway = view.by_id(gateway_id)
    if not isinstance(gateway, Gateway) or gateway.spec is None:
        return False
    return controller_name(view, gateway.spec.gateway_class_name or "") in _CLOUD | _AWS


def controller_name(view: Inventory, class_name: str) -> str | None:
    """The controller of a GatewayClass: as its object says, else as its name means by convention."""
    found = view.get(GatewayClass, class_name)
    if found is not None and found.spec is not None and found.spec.controller_name:
        return found.spec.controller_name
    return _GKE if class_name.startswith("gke-") else _CONVENTIONAL.get(class_name)


def _internal(class_name: str, controller: str | None) -> str:
    if controller == _LATTICE:
        return f"the class {class_name} is VPC Lattice, which only networks of the cloud reach"
    if controller == _GKE and ("rilb" in class_name or "internal" in class_name or class_name == "gke-td"):
        return f"the class {class_name} is an internal load balancer"
    return ""


def services_of(view: Inventory, gateway: Gateway) -> list[Service]:
    """The Services through which a Gateway is reached: those that were made for it, and those that it names."""
    found = {service.id: service for service in view.index(SERVICES_BY_GATEWAY)[gateway.id]}
    for address in (gateway.spec.addresses if gateway.spec is not None else None) or ():
        service = _named(view, gateway, address)
        if service is not None:
            found.setdefault(service.id, service)
    return list(found.values())


def _named(view: Inventory, gateway: Gateway, address: GatewayAddress) -> Service | None:
    """The Service whose name in the cluster's DNS a Gateway asks for (Istio, "Manual deployment")."""
    if address.type != "Hostname" or not address.value:
        return None
    name, _, rest = address.value.partition(".")
    namespace, _, zone = rest.partition(".")
    if zone and zone != "svc" and not zone.startswith("svc."):
        return None
    return view.get(Service, name, namespace or gateway.namespace)


def _by_services(view: Inventory, services: list[Service]) -> Exposure:
    ways: list[Exposure] = []
    pods: dict[str, PodInstance] = {}
    closed = ""
    for service in services:
        behind = [
            endpoint
            for endpoint in endpoints_of(view, service.namespace)
            if endpoint.type is EndpointType.SERVICE and endpoint.object == service.id
        ]
        pods.update((target.pod.id, target.pod) for endpoint in behind for target in endpoint.targets)
        for way in service_exposures(view, service):
            for let_in in [admitted(view, way, endpoint) for endpoint in behind] or [way]:
                ways.append(Exposure(let_in.missing, service.id, let_in.mitigation))
                closed = closed or let_in.mitigation
    found = best([*ways, *pod_exposures(view, pods)])
    if found is not None:
        return Exposure(found.missing, (found.cause, next(iter(pods), None)))
    why = f": {closed}" if closed else ""
    return Exposure(mitigation=f"the Gateway's {services[0].id} is not exposed{why}")


def _by_addresses(view: Inventory, gateway_id: str, addresses: list[str]) -> Exposure:
    if any(is_public(address) for address in addresses):
        return Exposure((), (gateway_id, None))
    firewalls: list[tuple[Fact, ...]] = [
        fact("C-FW", node.id)
        for node in view.all(Node)
        if any(each.address in addresses for each in (node.status.addresses if node.status else None) or ())
    ]
    if firewalls:
        return Exposure(firewalls[0], (gateway_id, None))
    return Exposure(mitigation=f"status.addresses holds private addresses only ({addresses[0]})")
