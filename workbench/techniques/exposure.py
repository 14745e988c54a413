"""What the internet can connect to (catalogue 2.2): Services, host ports and Ingresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.graph.nodes import INTERNET
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import Ingress, Service
from workbench.inventory.pods import PodInstance
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.endpoints import (
    EndpointExploit,
    backend_port,
    backends,
    endpoint_of,
    host_endpoint,
    host_ports,
    ingress_endpoint,
    service_endpoint,
)
from workbench.techniques.pod_fields import LISTENING
from workbench.techniques.resolve import ingress as classes
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.exposure import (
    Exposure,
    admitted,
    external_ip,
    forwarded,
    host_port,
    in_cloud,
    ingress_exposure,
    load_balancer,
    node_port,
)

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


def _rules(view: Inventory, namespace: str, edge: Edge, controller: PodInstance | None = None) -> list[Evidence]:
    """The rules of network policies that let the internet, or a controller, get to a pod behind an Endpoint."""
    endpoint = endpoint_of(view, namespace, edge.target)
    best: list[Evidence] = []
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
        best = best or rules
    return best


# --- Services ---------------------------------------------------------------------------------------


class _ServiceTechnique(Technique):
    """A technique whose subjects are the Services of one kind of exposure."""

    exposure: str

    def subjects(self, view: Inventory) -> Iterable[Service]:
        return view.index(SERVICES_BY_EXPOSURE)[self.exposure]

    def touched_by_pods(self, view: Inventory) -> set[str] | None:
        """Those of the pods' namespaces: what policies let in depends on whom they select there."""
        changed = {pod.namespace for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None}
        return {service.id for namespace in changed for service in view.in_namespace(Service, namespace)}

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
            *_rules(view, nodes.namespace(service), edge),
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
            *_rules(view, nodes.namespace(service), edge),
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
            *_rules(view, nodes.namespace(service), edge),
        ]


# --- host ports -------------------------------------------------------------------------------------


def _on_host(pod: PodInstance) -> Iterable[str]:
    for _ in host_ports(pod):
        return ("yes",)
    return ()


PODS_ON_HOST: IndexOf[str, PodInstance] = IndexOf("pods with ports on the host", "pods", _on_host)


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
        return found + _rules(view, pod.namespace, edge)


# --- Ingresses --------------------------------------------------------------------------------------


class ExposeIngress(Technique):
    """EXPOSE_INGRESS: an exposed controller forwards to the backends of an Ingress."""

    declaration = Declaration(
        id="EXPOSE_INGRESS",
        title="reaches, by an ingress,",
        source=("Internet",),
        target=("Endpoint",),
        description="The controller of the Ingress's class is exposed to the internet and forwards to its backends.",
        mitre=("T1190",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=reach.READS | {"Ingress", "IngressClass", "Node"},
        subject_type=SubjectType.OBJECT,
        pod_fields=LISTENING | reach.POD_FIELDS,
        subject_kinds=("Ingress",),
        fixes=("F-ING-AUTH", "F-ING-DEL"),
        references=("https://kubernetes.io/docs/concepts/services-networking/ingress/",),
        family="exposure",
    )

    def subjects(self, view: Inventory) -> Iterable[Ingress]:
        return view.all(Ingress)

    def touched_by_pods(self, view: Inventory) -> set[str] | None:
        """Those of the pods' namespaces; of all others an edge depends on the controllers alone, and on the nodes."""
        base = view.base
        changed = {pod.namespace for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None}
        if base is None or not access.pods_stay(view) or changed & (_serving(view) | _serving(base)):
            return None
        return {ingress.id for namespace in changed for ingress in view.in_namespace(Ingress, namespace)}

    def detect(self, view: Inventory, subject: Ingress) -> Iterator[Found | Blocked]:
        wanted = list(backends(subject))
        if not wanted:
            return
        exposure = ingress_exposure(view, subject)
        serving = view.containers.get(exposure.cause[0]) if exposure.cause is not None else None
        found: dict[str, Found] = {}
        shut: dict[str, str] = {}
        """Why nothing gets to an Endpoint by any backend of it."""
        for where, name, port in wanted:
            resolved = backend_port(view.get(Service, name, subject.namespace), port)
            if resolved is None:
                if isinstance(port, int):
                    endpoint = ingress_endpoint(subject.namespace, subject.name, port)
                    shut.setdefault(endpoint, f"the backend {name}:{port} has no Service port")
                continue
            endpoint = ingress_endpoint(subject.namespace, subject.name, resolved[0])
            node = endpoint_of(view, subject.namespace, service_endpoint(subject.namespace, name, *resolved))
            if node is None or (node.resolved and not node.targets):
                shut.setdefault(endpoint, f"the backend {name}:{port} has no ready pod")
                continue
            # Of a controller that is not in the source it is not known whom policies take it for.
            known = serving is not None or in_cloud(view, subject)
            let_in = forwarded(view, exposure, serving.pod if serving else None, node) if known else exposure
            if exposure.open and not let_in.open:
                shut.setdefault(endpoint, let_in.mitigation)
                continue
            missing = let_in.missing
            if not node.resolved and not any(condition == "C-INGRESS" for condition, _ in missing):
                missing += fact("C-INGRESS", subject.id)
            best = found.get(endpoint)
            if best is None or len(missing) < len(best.missing):
                found[endpoint] = Found(INTERNET, endpoint, 1, missing, (subject.id, where, name, exposure.cause))
        for endpoint, edge in found.items():
            yield edge if exposure.open else Blocked(INTERNET, endpoint, exposure.mitigation)
        for endpoint, mitigation in shut.items():
            if endpoint not in found:
                yield Blocked(INTERNET, endpoint, mitigation)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        ingress_id, where, name, cause = edge.cause
        ingress = view.by_id(ingress_id)
        if not isinstance(ingress, Ingress):
            return []
        found = [view.evidence(ingress, where)]
        class_name, class_object = classes.ingress_class(view, ingress)
        found.append(view.evidence(ingress, "spec.ingressClassName"))
        if class_object is not None:
            found.append(view.evidence(class_object, "spec.controller"))
        elif class_name and not (ingress.spec and ingress.spec.ingress_class_name):
            found.append(view.evidence(ingress, f"metadata.annotations{literal(classes.CLASS_ANNOTATION)}"))
        if cause is not None:
            found.extend(_controller_evidence(view, cause))
        found.append(view.evidence(ingress, "status.loadBalancer.ingress"))
        found.extend(
            view.evidence(ingress, f"metadata.annotations{literal(key)}") for key in classes.protections(ingress)
        )
        found.append(view.evidence(f"Service:{ingress.namespace}/{name}", "spec.selector"))
        serving = view.containers.get(cause[0]) if cause is not None else None
        return found + _rules(view, ingress.namespace, edge, serving.pod if serving is not None else None)


def _serving(view: Inventory) -> set[str]:
    """The namespaces of the pods of ingress controllers."""
    index = view.index(classes.CONTROLLERS)
    return {container.pod.namespace for key in index.keys() for container in index[key]}  # noqa: SIM118 - an index


def _controller_evidence(view: Inventory, cause: tuple[str, str | None]) -> list[Evidence]:
    controller_id, opener = cause
    found: list[Evidence] = []
    controller = view.containers.get(controller_id)
    if controller is not None:
        found.append(view.evidence(controller.pod.obj, controller.field("image")))
        found.append(view.evidence(controller.pod.obj, controller.field("args")))
    if opener is None:
        return found
    container = view.containers.get(opener)
    if container is not None:
        found.append(view.evidence(container.pod.obj, container.field("ports")))
        found.append(view.evidence(container.pod.obj, container.pod.field("hostNetwork"), False))
    else:
        found.append(view.evidence(opener, "spec.type", "ClusterIP"))
        found.append(view.evidence(opener, "status.loadBalancer.ingress"))
    return found


TECHNIQUES: tuple[Technique, ...] = (
    ExposeLoadBalancer(),
    ExposeNodePort(),
    ExposeExternalIP(),
    ExposeHostPort(),
    ExposeIngress(),
    EndpointExploit(),
)
