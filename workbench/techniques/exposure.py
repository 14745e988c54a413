"""What the internet can connect to (catalogue 2.2): Services and host ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import EllipsisType
from typing import Any

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.graph.nodes import INTERNET
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import Service
from workbench.inventory.pods import PodInstance
from workbench.network import enforcement
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.endpoints import endpoint_of, host_endpoint, host_ports, service_endpoint
from workbench.techniques.pod_fields import LISTENING
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.exposure import (
    Exposure,
    admitted,
    external_ip,
    host_port,
    load_balancer,
    node_port,
    rules_of_entry,
)
from workbench.techniques.resolve.reached import changed_pods, changed_ways_in, leading_elsewhere

_SERVICE_DOCS = "https://kubernetes.io/docs/concepts/services-networking/service/"


def _service_types(service: Service) -> Iterable[str]:
    spec = service.spec
    if spec is None:
        return
    if spec.type == "LoadBalancer":
        yield "LoadBalancer"
    if spec.type == "NodePort" or any(port.node_port for port in spec.ports or ()):
        yield "NodePort"
    if spec.external_ips:
        yield "externalIPs"


SERVICES_BY_EXPOSURE: IndexOf[str, Service] = IndexOf("services by exposure", "Service", _service_types)


# --- Services ---------------------------------------------------------------------------------------


class _ServiceTechnique(Technique):
    """A technique whose subjects are the Services of one kind of exposure."""

    exposure: str
    apart = frozenset({"NetworkPolicy"})

    def subjects(self, view: Inventory) -> Iterable[Service]:
        return view.index(SERVICES_BY_EXPOSURE)[self.exposure]

    def touched_by_pods(self, view: Inventory) -> set[str] | None:
        """Those of the pods' namespaces: what policies let in depends on whom they select there."""
        if enforcement.differs(view):
            return None
        changed = changed_pods(view)
        changed |= leading_elsewhere(view) if changed else set()
        return {service.id for namespace in changed for service in view.in_namespace(Service, namespace)}

    def touched_apart(self, view: Inventory) -> set[str] | None:
        changed = changed_ways_in(view)
        return {service.id for service in self.subjects(view) if service.namespace in changed}

    def _edge(  # noqa: PLR0917 - the parts of an edge
        self, view: Inventory, subject: Service, index: int, exposure: Exposure, effort: int, cause: Any
    ) -> Found | Blocked:
        """The edge to a port of a Service, unless the policies of its pods keep the internet out."""
        assert subject.spec is not None, "it has ports"
        port = (subject.spec.ports or ())[index]
        name = service_endpoint(subject.namespace, subject.name, port.port, port.protocol)
        found = admitted(view, exposure, endpoint_of(view, subject.namespace, name))
        if found.open:
            return Found(INTERNET, name, effort, found.missing, cause)
        return Blocked(INTERNET, name, found.mitigation)


class ExposeLoadBalancer(_ServiceTechnique):
    """EXPOSE_LB: a load balancer with a public address."""

    exposure = "LoadBalancer"
    declaration = Declaration(
        id="EXPOSE_LB",
        title="reaches, by a load balancer,",
        source=("Internet",),
        target=("Endpoint",),
        description="The Service has a load balancer with a public address, which forwards to its pods.",
        mitre=("T1133",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=reach.READS,
        subject_type=SubjectType.OBJECT,
        pod_fields=LISTENING | reach.POD_FIELDS,
        subject_kinds=("Service",),
        fixes=("F-SVC-INT", "F-SVC-RANGES"),
        references=(f"{_SERVICE_DOCS}#loadbalancer",),
        family="exposure",
    )

    def detect(self, view: Inventory, subject: Service) -> Iterator[Found | Blocked]:
        exposure = load_balancer(subject)
        if exposure is None or subject.spec is None:
            return
        for index in range(len(subject.spec.ports or ())):
            yield self._edge(view, subject, index, exposure, 1, (subject.id, index))

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        service, index = edge.cause
        return [
            view.evidence(service, "status.loadBalancer.ingress"),
            view.evidence(service, "spec.type", "ClusterIP"),
            view.evidence(service, f"spec.ports[{index}]"),
            view.evidence(service, "spec.loadBalancerSourceRanges", ["0.0.0.0/0"]),
            view.evidence(service, "metadata.annotations"),
            *rules_of_entry(view, endpoint_of(view, nodes.namespace(service), edge.target), edge),
        ]


class ExposeNodePort(_ServiceTechnique):
    """EXPOSE_NODEPORT: a port of every node leads to the Service."""

    exposure = "NodePort"
    declaration = Declaration(
        id="EXPOSE_NODEPORT",
        title="reaches, by a port of the nodes,",
        source=("Internet",),
        target=("Endpoint",),
        description="Every node forwards a port to the Service, and a node has an address in the internet.",
        mitre=("T1133",),
        effort=2,
        reason=Reason.API_CALL,
        reads=reach.READS | {"Node"},
        subject_type=SubjectType.OBJECT,
        pod_fields=LISTENING | reach.POD_FIELDS,
        subject_kinds=("Service",),
        fixes=("F-SVC-INT",),
        references=(f"{_SERVICE_DOCS}#type-nodeport",),
        family="exposure",
    )

    def detect(self, view: Inventory, subject: Service) -> Iterator[Found | Blocked]:
        spec = subject.spec
        if spec is None or spec.type == "ExternalName":
            return
        exposure = node_port(view)
        for index, port in enumerate(spec.ports or ()):
            # The API server gives every port of a NodePort Service a number, which manifests need not name.
            if port.node_port or spec.type == "NodePort":
                yield self._edge(view, subject, index, exposure, 2, (subject.id, index, exposure.cause))

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        service, index, node = edge.cause
        return [
            view.evidence(service, f"spec.ports[{index}].nodePort", "allocated by the API server"),
            view.evidence(service, "spec.type", "ClusterIP"),
            view.evidence(node, "status.addresses"),
            *rules_of_entry(view, endpoint_of(view, nodes.namespace(service), edge.target), edge),
        ]


class ExposeExternalIP(_ServiceTechnique):
    """EXPOSE_EXTERNALIP: the nodes take traffic to an address of the internet for the Service."""

    exposure = "externalIPs"
    declaration = Declaration(
        id="EXPOSE_EXTERNALIP",
        title="reaches, by an external address,",
        source=("Internet",),
        target=("Endpoint",),
        description="The nodes forward what is sent to one of the Service's externalIPs, which the internet routes.",
        mitre=("T1133",),
        effort=2,
        reason=Reason.API_CALL,
        reads=reach.READS,
        subject_type=SubjectType.OBJECT,
        pod_fields=LISTENING | reach.POD_FIELDS,
        subject_kinds=("Service",),
        fixes=("F-SVC-INT",),
        references=(f"{_SERVICE_DOCS}#external-ips",),
        family="exposure",
    )

    def detect(self, view: Inventory, subject: Service) -> Iterator[Found | Blocked]:
        exposure = external_ip(view, subject)
        if exposure is None or subject.spec is None:
            return
        for index in range(len(subject.spec.ports or ())):
            yield self._edge(view, subject, index, exposure, 2, (subject.id, index))

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        service, index = edge.cause
        return [
            view.evidence(service, "spec.externalIPs"),
            view.evidence(service, f"spec.ports[{index}]"),
            *rules_of_entry(view, endpoint_of(view, nodes.namespace(service), edge.target), edge),
        ]


# --- host ports -------------------------------------------------------------------------------------


def _on_host(pod: PodInstance) -> Iterable[str]:
    """By the spec alone: which of its containers run differs between replicas."""
    spec = pod.spec
    for containers in (spec.containers, spec.init_containers, spec.ephemeral_containers):
        for container in containers or ():
            for port in container.ports or ():
                if port.host_port or (spec.host_network and port.container_port):
                    return ("yes",)
    return ()


PODS_ON_HOST: IndexOf[str, PodInstance] = IndexOf("pods with ports on the host", "pods", _on_host, of_replicas=True)


class ExposeHostPort(Technique):
    """EXPOSE_HOSTPORT: a pod listens on its node's address."""

    declaration = Declaration(
        id="EXPOSE_HOSTPORT",
        title="reaches, by a port of the node,",
        source=("Internet",),
        target=("Endpoint",),
        description=(
            "The pod has a hostPort, or listens in the node's network, and the node has an address in the internet."
        ),
        mitre=("T1133",),
        effort=2,
        reason=Reason.API_CALL,
        reads=reach.READS | {"Node"},
        subject_type=SubjectType.POD,
        pod_fields=LISTENING | reach.POD_FIELDS,
        fixes=("F-HOSTPORT",),
        references=("https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline",),
        family="exposure",
    )

    def subjects(self, view: Inventory) -> Iterable[PodInstance]:
        return view.index(PODS_ON_HOST)["yes"]

    apart = frozenset({"NetworkPolicy"})

    def touched_apart(self, view: Inventory) -> set[str] | None:
        changed = changed_ways_in(view)
        return {pod.id for pod in self.subjects(view) if pod.namespace in changed}

    def touched(self, view: Inventory) -> set[str] | EllipsisType | None:
        # Another network plugin lets policies have an effect on pods that it knows nothing of.
        return None if enforcement.differs(view) else ...

    def detect(self, view: Inventory, subject: PodInstance) -> Iterator[Found | Blocked]:
        for container, index, number, protocol, host_ip in host_ports(subject):
            exposure = host_port(view, subject, host_ip)
            if exposure is not None:
                endpoint = host_endpoint(subject.node, number, protocol)
                exposure = admitted(view, exposure, endpoint_of(view, subject.namespace, endpoint))
                if exposure.open:
                    yield Found(INTERNET, endpoint, 2, exposure.missing, (container.id, index))
                else:
                    yield Blocked(INTERNET, endpoint, exposure.mitigation)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container_id, index = edge.cause
        container = view.containers.get(container_id)
        if container is None:
            return []
        pod = container.pod
        port = f"{container.field('ports')}[{index}]"
        found = [view.evidence(pod.obj, f"{port}.hostPort"), view.evidence(pod.obj, f"{port}.hostIP", "0.0.0.0")]
        if pod.spec.host_network:
            found.insert(0, view.evidence(pod.obj, pod.field("hostNetwork"), False))
            found.append(view.evidence(pod.obj, f"{port}.containerPort"))
        found.append(view.evidence(pod.obj, pod.field("nodeName")))
        found.append(view.evidence(pod.node, "status.addresses"))
        return found + rules_of_entry(view, endpoint_of(view, pod.namespace, edge.target), edge)


TECHNIQUES: tuple[Technique, ...] = (
    ExposeLoadBalancer(),
    ExposeNodePort(),
    ExposeExternalIP(),
    ExposeHostPort(),
)
