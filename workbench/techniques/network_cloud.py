"""NET_IMDS: the identity of the node that the cloud's metadata service hands out to containers (catalogue 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import PODS_BY_NODE, Inventory
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique, fact
from workbench.techniques.many import Record
from workbench.techniques.network_common import FAMILY, FromContainers
from workbench.techniques.pod_fields import PLACE
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.cloud import ADDRESS, METADATA_SERVER, PORT, Instance, instance_of
from workbench.techniques.resolve.reach import OPEN, Passage
from workbench.techniques.resolve.reached import changed_ways_out, class_of


class NetMetadata(FromContainers):
    """NET_IMDS: a container reaches the metadata service of the cloud and takes the identity of its node."""

    declaration = Declaration(
        id="NET_IMDS",
        title="asks the metadata service for the identity",
        source=("Container",),
        target=("CloudIdentity",),
        description=(
            "The container reaches 169.254.169.254, where the cloud hands out credentials of the node's role, service "
            "account or managed identity. On AWS whether it answers pods depends on the instance's hop limit; on GKE "
            "with Workload Identity another server answers pods that are not on the node's network."
        ),
        mitre=("T1552.005",),
        effort=2,
        reason=Reason.API_CALL,
        reads=reach.READS | {"Node"},
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS | PLACE,
        fixes=("F-NP-EG", "F-IMDS"),
        references=(
            "https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html",
            "https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity",
            "https://learn.microsoft.com/en-us/azure/aks/use-managed-identity",
        ),
        family=FAMILY,
    )

    def touched(self, view: Inventory) -> set[str] | None:
        return None if "Node" in view.replaced else changed_ways_out(view)

    def pointless(self, view: Inventory) -> bool:
        return not any(_instance(view, node_id) for node_id in view.index(PODS_BY_NODE).keys())  # noqa: SIM118 - an index

    def of_pod(self, view: Inventory, pod: PodInstance) -> Iterator[Record | Blocked]:
        instance = _instance(view, pod.node)
        passage = _passage(view, pod, instance) if instance is not None else None
        if instance is None or passage is None or not passage.open:
            return
        missing = passage.missing
        if instance.provider == "aws" and not pod.spec.host_network:
            missing = tuple(sorted({*missing, *fact("C-HOP", pod.node)}))
        for container in pod.containers:
            yield container.id, instance.identity, 2, missing, None

    def denied(self, view: Inventory) -> Iterable[Blocked]:
        for pod in view.pods:
            instance = _instance(view, pod.node)
            passage = _passage(view, pod, instance) if instance is not None else OPEN
            if instance is not None and not passage.open:
                for container in pod.containers:
                    yield Blocked(container.id, instance.identity, passage.mitigation)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        pod = container.pod
        found = [
            view.evidence(pod.node, "spec.providerID"),
            view.evidence(pod.obj, pod.field("nodeName")),
            view.evidence(pod.obj, pod.field("hostNetwork"), False),
        ]
        if edge.target.startswith("CloudIdentity:gcp/"):
            found.append(view.evidence(pod.node, f"metadata.labels{literal(METADATA_SERVER)}", "false"))
        return found if pod.spec.host_network else [*found, *reach.evidence(view, pod, ADDRESS, PORT)]


def _instance(view: Inventory, node_id: str) -> Instance | None:
    if node_id == UNKNOWN_NODE:
        return None
    known = view.memo("machines of nodes", frozenset({"Node"}))
    if node_id not in known:
        known[node_id] = instance_of(view, node_id)
    found: Instance | None = known[node_id]
    return found


def _passage(view: Inventory, pod: PodInstance, instance: Instance) -> Passage:
    if pod.spec.host_network:
        return OPEN
    if instance.workload_identity:
        return Passage(mitigation=f"{pod.node} has {METADATA_SERVER}: true, and GKE's own server answers its pods")
    known = view.memo("metadata service by class", reach.READS)
    number = class_of(view, pod)
    if number not in known:
        known[number] = reach.to_address(view, pod, ADDRESS, PORT)
    found: Passage = known[number]
    return found


TECHNIQUES: tuple[Technique, ...] = (NetMetadata(),)
