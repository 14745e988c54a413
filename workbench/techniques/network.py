"""NET_REACH: what a container gets to over the network, and the hubs that keep its edges few (catalogue, 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NAMESPACE, Inventory
from workbench.inventory.objects import Service
from workbench.inventory.pods import PodInstance
from workbench.network.enforcement import Enforces
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.endpoints import (
    EndpointNode,
    Target,
    declaration_evidence,
    endpoints_of,
    find_endpoint,
    listens,
    namespaces,
)
from workbench.techniques.exposure import PODS_ON_HOST
from workbench.techniques.many import Many, ManyTechnique, Record, RecordTechnique
from workbench.techniques.resolve import reach

if TYPE_CHECKING:
    from workbench.techniques.resolve.reach_groups import Groups

_DOCS = "https://kubernetes.io/docs/concepts/services-networking/network-policies/"


class NetReach(RecordTechnique):
    """NET_REACH: policies let a container's pod connect to what listens at an Endpoint."""

    declaration = Declaration(
        id="NET_REACH",
        title="connects to",
        source=("Container",),
        target=("Endpoint",),
        description=(
            "No network policy keeps the container from connecting to the port, or some let it. What listens there "
            "then decides what comes of it. A pod that declares no port and stands behind no Service is not known to "
            "listen."
        ),
        mitre=("T1046",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=reach.READS,
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS,
        fixes=("F-NP-IN", "F-NP-EG", "F-NP-DENY"),
        references=(_DOCS, "https://network-policy-api.sigs.k8s.io/api-overview/"),
        family="network",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return list(view.index(PODS_BY_NAMESPACE).keys())

    def touched(self, view: Inventory) -> set[str] | None:
        """The namespaces with pods whose hubs differ, and those whose pods differ themselves."""
        base = view.base
        assert base is not None, "only an overlay has changes"
        found = _namespaces_of_pods(view) if "pods" in view.replaced else set()
        if reach.matters(view):
            before, now = _groups_of(base), _groups_of(view)
            differing = _differing(before.sources, now.sources)
            found.update(map(nodes.namespace, differing))
            # A group may come to reach something surely, or no longer do so, by another hub of the same name.
            hubs = {name for name in set(now.sources.values()) if before.leading(name) != now.leading(name)}
            if hubs:
                found.update(nodes.namespace(pod) for pod, name in now.sources.items() if name in hubs)
        return found

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        groups = _groups_of(view)
        hubs: dict[str, tuple[str | None, str | None]] = {"": (None, None)}
        names = groups.sources
        pods = view.index(PODS_BY_NAMESPACE)
        for subject in subjects:
            for pod in pods[subject]:
                name = names.get(pod.id, "")
                if name not in hubs:
                    hubs[name] = groups.leading(name)
                surely, maybe = hubs[name]
                for container in pod.containers:
                    if surely is not None:
                        yield container, surely, 1, (), None
                    if maybe is not None:
                        yield container, maybe, 1, reach.C_CNI, None

    def denied(self, view: Inventory) -> Iterator[Blocked]:
        """One record for each group of pods and group of Endpoints that policies keep apart, by their hubs if any."""
        if reach.enforced(view) is not Enforces.YES:
            return
        groups = _groups_of(view)
        sources: dict[str, PodInstance] = {}
        for pod in view.pods:
            if pod.containers and pod.id in groups.sources:
                sources.setdefault(groups.sources[pod.id], pod)
        targets: dict[str, EndpointNode] = {}
        for namespace in namespaces(view):
            for endpoint in filter(listens, endpoints_of(view, namespace)):
                name = groups.targets.get(endpoint.id)
                targets.setdefault(endpoint.id if name is None else nodes.hub(reach.TARGETS, name), endpoint)
        for name, pod in sources.items():
            surely, maybe = groups.leading(name)
            reached = {each for hub in (surely, maybe) if hub is not None for each in groups.links[hub]}
            for node, endpoint in targets.items():
                if node not in reached:
                    target = endpoint.targets[0]
                    passage = reach.to_pod(view, pod, target.pod, target.port, endpoint.protocol)
                    if not passage.open:
                        yield Blocked(surely or maybe or pod.containers[0].id, node, passage.mitigation)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        found = find_endpoint(view, edge.target)
        if container is None or found is None:
            return []
        best: tuple[bool, list[Evidence]] | None = None
        for target in found.targets:
            passage = reach.to_pod(view, container.pod, target.pod, target.port, found.protocol)
            fits = passage.open and bool(passage.missing) == bool(edge.missing)
            if best is None or (fits and not best[0]):
                best = (fits, _through(view, container.pod, found, target))
        return best[1] if best is not None else []


def _through(view: Inventory, source: PodInstance, endpoint: EndpointNode, target: Target) -> list[Evidence]:
    """What leads to one of the pods behind an Endpoint, and the rules that let it pass."""
    out = [declaration_evidence(view, endpoint)]
    if isinstance(view.by_id(endpoint.object), Service):
        out.append(view.evidence(endpoint.object, "spec.selector"))
    return out + reach.evidence(view, source, target.pod, target.port, endpoint.protocol)


def _groups_of(view: Inventory) -> Groups:
    # Quick commands load the catalogue, and need no numpy for that.
    from workbench.techniques.resolve.reach_groups import groups_of

    return groups_of(view)


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """The ids whose groups differ."""
    found = {each for each, group in now.items() if before.get(each) != group}
    return found | (before.keys() - now.keys())


def _namespaces_of_pods(view: Inventory) -> set[str]:
    return {pod.namespace for pair in view.replaced["pods"] for pod in pair if pod is not None}


class NetworkMembers(ManyTechnique):
    """What the hubs of :class:`NetReach` lead to: the hubs of Endpoints, and in each namespace its Endpoints."""

    declaration = Declaration(
        id="MEMBER_NETWORK",
        title="stands for",
        source=(nodes.HUB,),
        target=("Endpoint",),
        description="The hub of pods that reach the same Endpoints leads to the hubs of these.",
        mitre=(),
        effort=0,
        reason=Reason.POSSESSED,
        reads=reach.READS,
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS,
        family="network",
        internal=True,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (*namespaces(view), nodes.ANYWHERE)

    def touched(self, view: Inventory) -> set[str] | None:
        """The namespaces whose Endpoints have another hub, and all together where hubs lead to others."""
        base = view.base
        assert base is not None, "only an overlay has changes"
        if not reach.matters(view):
            return set()
        before, now = _groups_of(base), _groups_of(view)
        differing = _differing(before.targets, now.targets)
        found = {namespace for namespace in map(nodes.namespace, differing) if namespace}
        if before.links != now.links:
            found.add(nodes.ANYWHERE)
        if any(not nodes.namespace(endpoint) for endpoint in differing):
            # The port of a node belongs to the namespace of the pod that listens there.
            found.update(pod.namespace for each in (base, view) for pod in each.index(PODS_ON_HOST)["yes"])
        return found

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        groups = _groups_of(view)
        if subject == nodes.ANYWHERE:
            for source, targets in groups.links.items():
                yield Many(source, targets, 0)
            return
        members: dict[str, dict[str, None]] = {}
        for endpoint in endpoints_of(view, subject):
            name = groups.targets.get(endpoint.id)
            if name is not None:
                members.setdefault(name, {})[endpoint.id] = None
        for name, found in members.items():
            yield Many(nodes.hub(reach.TARGETS, name), list(found), 0)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


TECHNIQUES: tuple[Technique, ...] = (NetReach(), NetworkMembers())
