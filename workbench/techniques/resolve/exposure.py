"""Whether the internet reaches a Service, a port of a node, or the backends of an Ingress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import Route
from workbench.inventory.objects import Ingress, LoadBalancerStatus, Node, Service, ServiceStatus
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.network.addresses import Span, span
from workbench.techniques.api import fact
from workbench.techniques.endpoints import EndpointNode, EndpointType, Target, endpoints_of, host_ports, is_loopback
from workbench.techniques.resolve import ingress as classes
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.addresses import exposed_node, external_address, is_public, ranges
from workbench.techniques.resolve.nodes import api_server_flag


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the internet reaches a Service or a pod: the facts it takes, and the cause; or what keeps it out."""

    missing: tuple[Fact, ...] = ()
    cause: Any = None
    mitigation: str = ""

    @property
    def open(self) -> bool:
        return not self.mitigation


def internal_annotation(service: Service) -> str | None:
    """The annotation that makes a Service's load balancer an internal one, by its key.

    Source: Kubernetes documentation, Service, "Internal load balancer"; the AWS Load Balancer Controller's and
    GKE's annotations.
    """
    for key, value in (service.metadata.annotations or {}).items():
        if value is None:
            continue
        text = value.strip().lower()
        if key.endswith("load-balancer-internal"):
            # AWS's in-tree provider took an address range here, which meant "internal" all the same.
            if text not in ("", "false"):
                return key
        elif (key.endswith("aws-load-balancer-scheme") or key.endswith("/load-balancer-type")) and text == "internal":
            return key
    return None


def load_balancer(service: Service) -> Exposure | None:
    """Whether the internet reaches a Service by its load balancer; ``None`` if it has none."""
    spec = service.spec
    if spec is None or spec.type != "LoadBalancer":
        return None
    key = internal_annotation(service)
    if key is not None:
        return Exposure(mitigation=f"metadata.annotations[{key}] makes the load balancer an internal one")
    addresses = balancer_addresses(service.status)
    if addresses and not any(is_public(address) for address in addresses):
        return Exposure(mitigation=f"status.loadBalancer holds private addresses only ({addresses[0]})")
    missing: tuple[Fact, ...] = ()
    if spec.load_balancer_source_ranges:
        admitted = ranges(spec.load_balancer_source_ranges)
        if admitted == "private":
            return Exposure(mitigation="spec.loadBalancerSourceRanges admits private addresses only")
        if admitted == "some":
            missing += fact("C-FW", "Node:*")
    if not addresses:
        missing += fact("C-LB", service.id)
    return Exposure(missing, "loadBalancer")


def node_port(view: Inventory) -> Exposure:
    """Whether the internet reaches a port of every node."""
    node, public = exposed_node(view)
    return Exposure(() if public else fact("C-FW", node), node)


def external_ip(view: Inventory, service: Service) -> Exposure | None:
    """Whether the internet reaches a Service by its ``externalIPs``; ``None`` if it has no routable one."""
    routable = [address for address in (service.spec.external_ips or ()) if is_public(address)] if service.spec else []
    if not routable:
        return None
    plugins = api_server_flag(view, "--enable-admission-plugins") or ""
    if "DenyServiceExternalIPs" in plugins.split(","):
        return Exposure(mitigation="the API server's admission plugin DenyServiceExternalIPs refuses externalIPs")
    return Exposure((), routable[0])


def host_port(view: Inventory, pod: PodInstance, host_ip: str | None) -> Exposure | None:
    """Whether the internet reaches a port that a pod opens on its node; ``None`` if it listens on loopback."""
    if host_ip:
        if is_loopback(host_ip):
            return None
        if host_ip not in ("0.0.0.0", "::") and not is_public(host_ip):
            return Exposure(fact("C-FW", pod.node))
    node = view.by_id(pod.node)
    if isinstance(node, Node) and external_address(node) is not None:
        return Exposure()
    return Exposure(fact("C-FW", pod.node))


def balancer_addresses(status: ServiceStatus | None) -> list[str]:
    balancer: LoadBalancerStatus | None = status.load_balancer if status is not None else None
    found = [item.ip or item.hostname for item in balancer.ingress or ()] if balancer is not None else []
    return [address for address in found if address]


def admitted(view: Inventory, exposure: Exposure, endpoint: EndpointNode | None) -> Exposure:
    """What is left of an exposure once the policies of the pods behind an Endpoint are asked: one of them is enough.

    Args:
        view: The objects.
        exposure: How the internet gets to the Endpoint; of what keeps it out nothing is asked.
        endpoint: The Endpoint; one without pods, or none, changes nothing.
    """
    if not exposure.open or endpoint is None or not endpoint.targets:
        return exposure
    service = view.by_id(endpoint.object)
    spec = service.spec if isinstance(service, Service) else None
    keeps = spec is None or spec.external_traffic_policy == "Local"
    clients = _spans((spec.load_balancer_source_ranges if spec is not None else None) or ())
    return _through(
        exposure,
        (
            reach.from_internet(view, each.pod, each.port, endpoint.protocol, keeps_client=keeps, clients=clients)
            for each in endpoint.targets
        ),
    )


def forwarded(view: Inventory, exposure: Exposure, controller: PodInstance | None, endpoint: EndpointNode) -> Exposure:
    """The same of what a controller, or without one a load balancer outside of the cluster, forwards to."""

    def passage(target: Target) -> reach.Passage:
        if controller is None:
            return reach.from_internet(view, target.pod, target.port, endpoint.protocol, keeps_client=False)
        return reach.to_pod(view, controller, target.pod, target.port, endpoint.protocol)

    return _through(exposure, map(passage, endpoint.targets)) if exposure.open and endpoint.targets else exposure


def _through(exposure: Exposure, passages: Iterable[reach.Passage]) -> Exposure:
    best: reach.Passage | None = None
    for passage in passages:
        if passage == reach.OPEN:
            return exposure
        if best is None or (passage.open, -len(passage.missing)) > (best.open, -len(best.missing)):
            best = passage
    assert best is not None, "there is a pod to get to"
    if not best.open:
        return Exposure(mitigation=best.mitigation)
    more = tuple(each for each in best.missing if each not in exposure.missing)
    return Exposure(exposure.missing + more, exposure.cause)


def rules_of_entry(
    view: Inventory, endpoint: EndpointNode | None, edge: Edge, controller: PodInstance | None = None
) -> list[Evidence]:
    """The rules of network policies that let the internet, or a controller, get to a pod behind an Endpoint.

    Args:
        view: The objects.
        endpoint: The Endpoint, or that of the Service behind it.
        edge: The step from the internet, whose facts say which of the pods is meant.
        controller: The pod that forwards, if one does.
    """
    found: list[Evidence] = []
    for each in endpoint.targets if endpoint is not None else ():
        assert endpoint is not None, "it has targets"
        alone = replace(endpoint, targets=[each])
        if controller is not None:
            let_in = forwarded(view, Exposure(), controller, alone)
            rules = reach.evidence(view, controller, each.pod, each.port, endpoint.protocol)
        else:
            let_in = admitted(view, Exposure(), alone)
            rules = reach.evidence_of_entry(view, each.pod, each.port, endpoint.protocol)
        if let_in.open and not set(let_in.missing) - set(edge.missing):
            return rules
        found = found or rules
    return found


def _spans(texts: Iterable[str]) -> list[Span]:
    out: list[Span] = []
    for text in texts:
        try:
            out.append(span(text.strip()))
        except ValueError:
            continue
    return out


def best(exposures: Iterable[Exposure | None]) -> Exposure | None:
    """The open exposure that takes the fewest facts, ``None`` if there is none."""
    found = [exposure for exposure in exposures if exposure is not None and exposure.open]
    return min(found, key=lambda exposure: len(exposure.missing), default=None)


def ingress_exposure(view: Inventory, ingress: Ingress) -> Exposure:
    """Whether the internet reaches the controller of an Ingress; its cause begins with the controller's container."""
    name, found = classes.ingress_class(view, ingress)
    controller = classes.controller_name(name, found)
    guarded = fact("C-INGRESS", ingress.id)
    protected = guarded if classes.protections(ingress) else ()
    if controller in classes.CLOUD:
        return _by_cloud(ingress, name, controller, protected)
    serving, exposed = _serving(view, name, controller)
    if serving is None:
        return Exposure(guarded)
    if exposed is None:
        if controller in classes.SPLIT:
            return Exposure(guarded, (serving.id, None))
        return Exposure(mitigation=f"the controller {serving.pod.id} is not exposed")
    return Exposure(protected + exposed.missing, (serving.id, exposed.cause))


def in_cloud(view: Inventory, ingress: Ingress) -> bool:
    """Whether a load balancer outside of the cluster serves an Ingress."""
    return classes.controller_name(*classes.ingress_class(view, ingress)) in classes.CLOUD


def route_exposure(view: Inventory, route: Route) -> Exposure:
    """Whether the internet reaches the backends of a Route (OpenShift) through a router that admits it."""
    admitting: list[str | None] = []
    refusing: list[str | None] = []
    for each in (route.status.ingress if route.status is not None else None) or ():
        refused = any(said.type == "Admitted" and said.status == "False" for said in each.conditions or ())
        (refusing if refused else admitting).append(each.router_name)
    if refusing and not admitting:
        return Exposure(mitigation="status.ingress says that no router admits the Route")
    guarded = fact("C-INGRESS", route.id)
    found = [_serving(view, None, f"router:{name}") for name in dict.fromkeys(admitting)]
    if not any(serving is not None for serving, _ in found):
        found = [_serving(view, None, classes.OPENSHIFT)]
    serving = next((router for router, _ in found if router is not None), None)
    if serving is None:
        return Exposure(guarded)
    exposed = best(exposure for _, exposure in found)
    if exposed is None:
        return Exposure(mitigation=f"the router {serving.pod.id} is not exposed")
    protected = guarded if classes.protections(route) else ()
    return Exposure(protected + exposed.missing, (serving.id, exposed.cause))


def _serving(
    view: Inventory, name: str | None, controller: str | None
) -> tuple[ContainerInstance | None, Exposure | None]:
    """The first container that serves a class, and the best exposure of all that do; one answer for many Ingresses."""
    known = view.memo("exposure of controllers", reach.READS | {"Node"})
    if (name, controller) not in known:
        serving = classes.controllers(view, name, controller)
        exposed = best(pod_exposures(view, {container.pod.id: container.pod for container in serving}))
        known[name, controller] = (serving[0] if serving else None, exposed)
    found: tuple[ContainerInstance | None, Exposure | None] = known[name, controller]
    return found


def _by_cloud(ingress: Ingress, name: str | None, controller: str | None, protected: tuple[Fact, ...]) -> Exposure:
    scheme = (ingress.metadata.annotations or {}).get("alb.ingress.kubernetes.io/scheme")
    if controller == classes.ALB and scheme != "internet-facing":
        # The controller's own default; an IngressClassParams object, which is not read, may set another.
        if scheme == "internal":
            return Exposure(mitigation="metadata.annotations[alb.ingress.kubernetes.io/scheme] is internal")
        return Exposure(fact("C-INGRESS", ingress.id))
    if name == "gce-internal":
        return Exposure(mitigation="the class gce-internal is an internal load balancer")
    addresses = balancer_addresses(ingress.status)
    if not addresses:
        return Exposure(protected + fact("C-LB", ingress.id))
    if not any(is_public(address) for address in addresses):
        return Exposure(mitigation=f"status.loadBalancer holds private addresses only ({addresses[0]})")
    return Exposure(protected)


def service_exposures(view: Inventory, service: Service) -> Iterator[Exposure]:
    """Every way in which the internet might reach a Service, those that are closed too."""
    spec = service.spec
    if spec is None:
        return
    ways = [load_balancer(service), external_ip(view, service)]
    if spec.type == "NodePort" or any(port.node_port for port in spec.ports or ()):
        ways.append(node_port(view))
    yield from (way for way in ways if way is not None)


def pod_exposures(view: Inventory, pods: dict[str, PodInstance]) -> Iterator[Exposure]:
    """Every way in which the internet reaches one of some pods, with the id of the object that opens it."""
    for namespace in dict.fromkeys(pod.namespace for pod in pods.values()):
        for endpoint in endpoints_of(view, namespace):
            if endpoint.type is not EndpointType.SERVICE:
                continue
            if not any(target.pod.id in pods for target in endpoint.targets):
                continue
            service = view.by_id(endpoint.object)
            if not isinstance(service, Service) or service.spec is None:
                continue
            for way in service_exposures(view, service):
                open_to = admitted(view, way, endpoint)
                if open_to.open:
                    yield Exposure(open_to.missing, service.id)
    for pod in pods.values():
        for container, _, _, _, host_ip in host_ports(pod):
            exposure = host_port(view, pod, host_ip)
            if exposure is not None:
                yield Exposure(exposure.missing, container.id)
