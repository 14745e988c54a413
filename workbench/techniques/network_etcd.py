"""NET_ETCD: containers that reach an etcd which asks nobody for a certificate (catalogue 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from workbench.graph.graph import Edge
from workbench.graph.nodes import CLUSTER_ADMIN
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import UNKNOWN_NODE, ContainerInstance, PodInstance
from workbench.techniques.anonymous import etcd_evidence
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.many import Record
from workbench.techniques.network_common import FAMILY, FromContainers
from workbench.techniques.pod_fields import IMAGE, PLACE
from workbench.techniques.resolve import Answer, all_of, reach
from workbench.techniques.resolve.etcd import ETCD_PODS, Access, client_access, etcd_of
from workbench.techniques.resolve.reach import OPEN, Passage
from workbench.techniques.resolve.reached import changed_ways_out, class_of


class _Etcd(NamedTuple):
    container: ContainerInstance
    access: Access


class NetEtcd(FromContainers):
    """NET_ETCD: a container reaches etcd, which serves clients without a certificate."""

    declaration = Declaration(
        id="NET_ETCD",
        title="reads and writes all state of the cluster in etcd",
        source=("Container",),
        target=("ClusterAdmin",),
        description=(
            "The container reaches the client port of the cluster's etcd, which asks for no certificate: it reads "
            "every Secret and writes whatever object gives cluster admin."
        ),
        mitre=("T1552",),
        effort=3,
        reason=Reason.RECIPE,
        reads=reach.READS | {"Node"},
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS | PLACE | IMAGE | {"command", "args", "env", "env_from"},
        fixes=("F-NP-EG",),
        references=("https://etcd.io/docs/v3.6/op-guide/security/",),
        family=FAMILY,
    )

    def touched(self, view: Inventory) -> set[str] | None:
        assert view.base is not None, "only an overlay has changes"
        before, after = view.base.index(ETCD_PODS)["etcd"], view.index(ETCD_PODS)["etcd"]
        if not before and not after:
            return set()
        if list(before) != list(after) or "Node" in view.replaced:
            return None
        found = changed_ways_out(view)
        # Policies of the namespace of etcd concern whoever gets there.
        return None if found is None or any(pod.namespace in found for pod in after) else found

    def pointless(self, view: Inventory) -> bool:
        return not any(etcd.access.answer.off is None or etcd.access.local is not None for etcd in _etcds(view))

    def among(self, view: Inventory, pods: Sequence[PodInstance]) -> Iterable[PodInstance]:
        return pods if _serves_pods(view) else [pod for pod in pods if pod.spec.host_network]

    def of_pod(self, view: Inventory, pod: PodInstance) -> Iterator[Record | Blocked]:
        best: tuple[Answer, str] | None = None
        for etcd in _etcds(view):
            answer = _answer(view, pod, etcd)
            if (
                answer is not None
                and answer.off is None
                and (best is None or len(answer.missing) < len(best[0].missing))
            ):
                best = answer, etcd.container.id
        if best is not None:
            for container in pod.containers:
                yield container.id, CLUSTER_ADMIN, 3, best[0].missing, best[1]

    def denied(self, view: Inventory) -> Iterable[Blocked]:
        for etcd in _etcds(view):
            for pod in view.pods if etcd.access.answer.off is None else ():
                answer = _answer(view, pod, etcd)
                if answer is not None and answer.off is not None:
                    yield from (Blocked(container.id, CLUSTER_ADMIN, answer.off) for container in pod.containers)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container, etcd = view.containers.get(edge.source), view.containers.get(edge.cause)
        if container is None or etcd is None:
            return []
        found = etcd_evidence(view, etcd.pod)
        port = next((port for _, port in client_access(etcd).addresses), None)
        if port is None or (container.pod.node == etcd.pod.node and etcd.pod.spec.host_network):
            return [*found, view.evidence(container.pod.obj, container.pod.field("hostNetwork"), False)]
        if not etcd.pod.spec.host_network:
            return found + reach.evidence(view, container.pod, etcd.pod, port)
        for address in reach.addresses_of(view, etcd.pod.node)[:1]:
            found += reach.evidence(view, container.pod, address, port)
        return found


def _etcds(view: Inventory) -> list[_Etcd]:
    known = view.memo("ways to etcd", frozenset({"Pod"}))
    if "etcd" not in known:
        containers = (etcd_of(pod) for pod in view.index(ETCD_PODS)["etcd"])
        known["etcd"] = [
            _Etcd(container, client_access(container)) for container in containers if container is not None
        ]
    found: list[_Etcd] = known["etcd"]
    return found


def _serves_pods(view: Inventory) -> bool:
    """Whether some etcd serves more than the network of its own node."""
    found: bool = view.derived(
        "etcd that serves pods",
        frozenset({"Pod"}),
        lambda over: any(etcd.access.answer.off is None for etcd in _etcds(over)),
    )
    return found


def _answer(view: Inventory, pod: PodInstance, etcd: _Etcd) -> Answer | None:
    """What it takes for a pod to use an etcd, ``None`` where there is no way that could be closed."""
    target = etcd.container.pod
    if pod is target:
        return None
    access = etcd.access
    together = bool(pod.spec.host_network and target.spec.host_network) and pod.node == target.node != UNKNOWN_NODE
    if together and access.local is not None:
        return access.local
    if access.answer.off is not None:
        return None
    port = access.addresses[0][1]
    passage = _passage(view, pod, target, port)
    return Answer((), passage.mitigation) if not passage.open else all_of(access.answer, Answer(passage.missing))


def _passage(view: Inventory, pod: PodInstance, target: PodInstance, port: int) -> Passage:
    if not target.spec.host_network:
        return reach.to_pod(view, pod, target, port)
    if pod.node == target.node != UNKNOWN_NODE:
        # Nothing keeps a pod from its own node.
        return OPEN
    known = view.memo("etcd by class", reach.READS | {"Node"})
    key = class_of(view, pod), target.id, port
    if key not in known:
        known[key] = reach.to_other_node(view, pod, target.node, port)
    found: Passage = known[key]
    return found


TECHNIQUES: tuple[Technique, ...] = (NetEtcd(),)
