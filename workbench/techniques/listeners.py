"""What proves that the traffic to an Endpoint arrives at a container."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import GATEWAY_ROUTES, Route
from workbench.inventory.objects import Ingress, Service
from workbench.inventory.pods import ContainerInstance, ContainerType, PodInstance
from workbench.techniques.endpoints import endpoints_of, pod_of, ready_condition, service_endpoint, slices_of
from workbench.techniques.resolve import distinct, gateway_routes
from workbench.techniques.resolve.backends import backend_ports, backends


def listener_evidence(
    view: Inventory, endpoint: str, container: ContainerInstance, owner: str, where: str
) -> list[Evidence]:
    """The way from an Endpoint to a container: the image, what declares the port, and what selects the pod.

    Args:
        view: An inventory, or an overlay.
        endpoint: The id of the Endpoint.
        container: The container.
        owner: The id of the object that declares the Endpoint.
        where: The field there.
    """
    pod = container.pod
    found = [view.evidence(pod.obj, container.field("image"))]
    if container.status is not None and container.type is ContainerType.CONTAINER:
        found.append(view.evidence(pod.obj, f"status.containerStatuses[name={container.name}].imageID"))
    if owner == pod.id:
        found.append(view.evidence(pod.obj, where or container.field("ports")))
        return found
    found.append(view.evidence(owner, where))
    service = view.by_id(owner)
    if isinstance(service, (Ingress, Route)):
        service = _backend(view, service, endpoint, container.id)
    elif isinstance(service, GATEWAY_ROUTES):
        lead = next((each for each in gateway_routes.leads_of(view, owner) if each.where == where), None)
        service = view.get(Service, lead.service, lead.namespace) if lead is not None else None
    if isinstance(service, Service):
        if service.id != owner:
            found.append(view.evidence(service, "spec.ports"))
        found += _selected(view, service, pod)
    found.append(view.evidence(pod.obj, container.field("ports")))
    return distinct(found)


def _selected(view: Inventory, service: Service, pod: PodInstance) -> Iterator[Evidence]:
    """What makes a pod one of those behind a Service: its labels and that it is ready, or its EndpointSlice."""
    selector = service.spec.selector if service.spec else None
    if not selector:
        for item in slices_of(view, service):
            for index, endpoint in enumerate(item.endpoints or ()):
                if pod_of(view, item, endpoint) is pod:
                    yield view.evidence(item, f"endpoints[{index}].targetRef.name")
                    yield view.evidence(item, f"endpoints[{index}].conditions.ready", True)
                    return
        return
    yield view.evidence(service, "spec.selector")
    labels = "metadata.labels"
    prefix = labels if pod.template is None else f"{pod.prefix.removesuffix('spec')}{labels}"
    for key in selector:
        yield view.evidence(pod.obj, f"{prefix}{literal(key)}")
    if ready_condition(pod) is not None:
        if service.spec is not None and service.spec.publish_not_ready_addresses:
            yield view.evidence(service, "spec.publishNotReadyAddresses")
        else:
            yield view.evidence(pod.obj, "status.conditions[type=Ready].status")


def _backend(view: Inventory, obj: Ingress | Route, source: str, container: str) -> Service | None:
    """The Service through which an Ingress or a Route leads to a container."""
    number = source.rpartition("/")[2]
    for _, name, port in backends(obj):
        service = view.get(Service, name, obj.namespace)
        for resolved in backend_ports(service, port):
            if service is None or str(resolved[0]) != number:
                continue
            wanted = service_endpoint(obj.namespace, name, *resolved)
            for endpoint in endpoints_of(view, obj.namespace):
                if endpoint.id == wanted and any(
                    listener.id == container for target in endpoint.targets for listener in target.containers
                ):
                    return service
    return None
