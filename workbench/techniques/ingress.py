"""What the internet reaches through Ingresses, and through the Routes of OpenShift (catalogue 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph.graph import Edge
from workbench.graph.nodes import INTERNET
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import Route
from workbench.inventory.objects import Ingress, Service
from workbench.network import enforcement
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.endpoints import backend_endpoint, endpoint_of, service_endpoint
from workbench.techniques.pod_fields import LISTENING
from workbench.techniques.resolve import ingress as classes
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.backends import backend_ports, backends
from workbench.techniques.resolve.exposure import forwarded, in_cloud, ingress_exposure, route_exposure, rules_of_entry
from workbench.techniques.resolve.reached import changed_pods, changed_ways_in, leading_elsewhere


class ExposeIngress(Technique):
    """EXPOSE_INGRESS: an exposed controller forwards to the backends of an Ingress, or a router to those of a Route."""

    declaration = Declaration(
        id="EXPOSE_INGRESS",
        title="reaches, by an ingress,",
        source=("Internet",),
        target=("Endpoint",),
        description=(
            "The controller of the Ingress's class, or a router of OpenShift, is exposed to the internet and forwards "
            "to the backends of the Ingress or the Route."
        ),
        mitre=("T1190",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=reach.READS | {"Ingress", "Route", "IngressClass", "Node"},
        subject_type=SubjectType.OBJECT,
        pod_fields=LISTENING | reach.POD_FIELDS,
        subject_kinds=("Ingress", "Route"),
        fixes=("F-ING-AUTH", "F-ING-DEL"),
        references=(
            "https://kubernetes.io/docs/concepts/services-networking/ingress/",
            "https://docs.redhat.com/en/documentation/openshift_container_platform/latest/html/ingress_and_load_balancing/",
        ),
        family="exposure",
    )

    def subjects(self, view: Inventory) -> Iterable[Ingress | Route]:
        yield from view.all(Ingress)
        yield from view.all(Route)

    def touched_by_pods(self, view: Inventory) -> set[str] | None:
        """Those of the pods' namespaces; of all others an edge depends on the controllers alone, and on the nodes."""
        base = view.base
        changed = changed_pods(view)
        changed |= leading_elsewhere(view) if changed else set()
        if base is None or not access.pods_stay(view) or enforcement.differs(view):
            return None
        if changed & (classes.serving_namespaces(view) | classes.serving_namespaces(base)):
            return None
        return {
            obj.id for namespace in changed for kind in (Ingress, Route) for obj in view.in_namespace(kind, namespace)
        }

    apart = frozenset({"NetworkPolicy"})

    def touched_apart(self, view: Inventory) -> set[str] | None:
        """Those whose backends, or whose controllers, policies may let others get to."""
        changed = changed_ways_in(view)
        if changed & classes.serving_namespaces(view):
            return None
        return {subject.id for subject in self.subjects(view) if subject.namespace in changed}

    def detect(self, view: Inventory, subject: Ingress | Route) -> Iterator[Found | Blocked]:
        wanted = list(backends(subject))
        if not wanted:
            return
        exposure = ingress_exposure(view, subject) if isinstance(subject, Ingress) else route_exposure(view, subject)
        serving = view.containers.get(exposure.cause[0]) if exposure.cause is not None else None
        # Of a controller that is not in the source it is not known whom policies take it for.
        known = serving is not None or (isinstance(subject, Ingress) and in_cloud(view, subject))
        found: dict[str, Found] = {}
        shut: dict[str, str] = {}
        """Why nothing gets to an Endpoint by any backend of it."""
        for where, name, port in wanted:
            ports = backend_ports(view.get(Service, name, subject.namespace), port)
            if not ports and isinstance(port, int):
                endpoint = backend_endpoint(subject, port)
                shut.setdefault(endpoint, f"the backend {name}:{port} has no Service port")
            for resolved in ports:
                endpoint = backend_endpoint(subject, resolved[0])
                node = endpoint_of(view, subject.namespace, service_endpoint(subject.namespace, name, *resolved))
                if node is None or (node.resolved and not node.targets):
                    shut.setdefault(endpoint, f"the backend {name}:{port or resolved[0]} has no ready pod")
                    continue
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
        owner, where, name, cause = edge.cause
        obj = view.by_id(owner)
        if not isinstance(obj, (Ingress, Route)):
            return []
        found = [view.evidence(obj, where)]
        if isinstance(obj, Ingress):
            class_name, class_object = classes.ingress_class(view, obj)
            found.append(view.evidence(obj, "spec.ingressClassName"))
            if class_object is not None:
                found.append(view.evidence(class_object, "spec.controller"))
            elif class_name and not (obj.spec and obj.spec.ingress_class_name):
                found.append(view.evidence(obj, f"metadata.annotations{literal(classes.CLASS_ANNOTATION)}"))
        if cause is not None:
            found.extend(_controller_evidence(view, cause))
        found.append(
            view.evidence(obj, "status.loadBalancer.ingress" if isinstance(obj, Ingress) else "status.ingress")
        )
        found.extend(view.evidence(obj, f"metadata.annotations{literal(key)}") for key in classes.protections(obj))
        found.append(view.evidence(f"Service:{obj.namespace}/{name}", "spec.selector"))
        serving = view.containers.get(cause[0]) if cause is not None else None
        behind = endpoint_of(view, obj.namespace, edge.target)
        return found + rules_of_entry(view, behind, edge, serving.pod if serving is not None else None)


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


TECHNIQUES: tuple[Technique, ...] = (ExposeIngress(),)
