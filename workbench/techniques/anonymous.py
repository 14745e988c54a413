"""What the internet may do without credentials in the API server, the kubelets and etcd (catalogue 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph.graph import Edge
from workbench.graph.nodes import ANYWHERE, CLUSTER_ADMIN, INTERNET
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node
from workbench.inventory.pods import PodInstance
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.pod_fields import IMAGE, PLACE
from workbench.techniques.resolve import Answer, all_of, distinct
from workbench.techniques.resolve.addresses import external_address
from workbench.techniques.resolve.anonymous import (
    WITHOUT_CREDENTIALS,
    anonymous_evidence,
    anonymous_from_internet,
    beyond_public,
)
from workbench.techniques.resolve.etcd import ETCD_PODS, client_access, etcd_of
from workbench.techniques.resolve.exposure import host_port
from workbench.techniques.resolve.kubelet import CONFIG, anonymous_kubelets, kubelet_evidence
from workbench.techniques.resolve.nodes import node_ids


class ApiAnonymous(Technique):
    """API_ANON: requests without credentials have rights that somebody bound."""

    declaration = Declaration(
        id="API_ANON",
        title="without credentials, is taken for",
        source=("Internet",),
        target=("Group", "User"),
        description=(
            "The API server takes requests without credentials for system:anonymous in system:unauthenticated. A "
            "binding gives one of them more than health, version and discovery."
        ),
        mitre=("T1078",),
        effort=2,
        reason=Reason.API_CALL,
        reads=access.RBAC_KINDS | {"Node", "Pod", "EndpointSlice"},
        subject_type=SubjectType.SINGLETON,
        pod_fields=PLACE | {"command", "args"},
        fixes=("F-BIND-ANON",),
        references=(
            "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
            "https://kubernetes.io/docs/concepts/security/rbac-good-practices/",
        ),
        family="exposure",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (ANYWHERE,)

    def touched_by_permissions(self, view: Inventory) -> bool:
        return not access.changed_subjects(view).isdisjoint(WITHOUT_CREDENTIALS)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        for identity in WITHOUT_CREDENTIALS:
            held = beyond_public(view, identity)
            if not held:
                continue
            heard = anonymous_from_internet(view)
            if heard.off:
                yield Blocked(INTERNET, identity, heard.off)
            else:
                grant, index = held[0]
                yield Found(INTERNET, identity, 2, heard.missing, (grant.id, index))

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        grant_id, index = edge.cause
        grant = access.grant(view, grant_id)
        if grant is None:
            return []
        found = [view.evidence(grant.binding, f"subjects[{index}]"), view.evidence(grant.binding, "roleRef")]
        return [*found, *anonymous_evidence(view)]


class KubeletAnonymous(Technique):
    """KUBELET_ANON: kubelets let in everybody; what containers make of it is NET_KUBELET."""

    declaration = Declaration(
        id="KUBELET_ANON",
        title="commands, without credentials, the kubelet of",
        source=("Internet",),
        target=("Node",),
        description=(
            "The kubelet takes anonymous requests and allows all of them: who reaches its port runs commands in every "
            "container of the node."
        ),
        mitre=("T1133",),
        effort=2,
        reason=Reason.API_CALL,
        reads=frozenset({"ConfigMap", "Node", "Pod"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE,
        fixes=("F-KUBELET",),
        references=("https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",),
        family="exposure",
    )

    # One ConfigMap concerns all nodes, and the others none.
    apart = frozenset({"ConfigMap"})

    def touched_apart(self, view: Inventory) -> set[str] | None:
        changed = {obj.id for pair in view.replaced.get("ConfigMap", ()) for obj in pair if obj is not None}
        return None if CONFIG in changed else set()

    def subjects(self, view: Inventory) -> Iterable[str]:
        return node_ids(view) if anonymous_kubelets(view) is not None else ()

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        answer = anonymous_kubelets(view)
        if answer is None:
            return
        if answer.off is not None:
            yield Blocked(INTERNET, subject, answer.off)
            return
        node = view.by_id(subject)
        public = isinstance(node, Node) and external_address(node) is not None
        yield Found(INTERNET, subject, 2, () if public else fact("C-FW", subject))

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return [*kubelet_evidence(view), view.evidence(edge.target, "status.addresses")]


class EtcdExposed(Technique):
    """ETCD_EXPOSED: etcd serves clients without a certificate; what containers make of it is NET_ETCD."""

    declaration = Declaration(
        id="ETCD_EXPOSED",
        title="reads and writes all state of the cluster in etcd",
        source=("Internet",),
        target=("ClusterAdmin",),
        description=(
            "The cluster's etcd listens on the node's addresses and asks no client for a certificate: who reaches its "
            "port reads every Secret and writes whatever object gives cluster admin."
        ),
        mitre=("T1552",),
        effort=3,
        reason=Reason.RECIPE,
        reads=frozenset({"Node", "Pod"}),
        subject_type=SubjectType.POD,
        pod_fields=PLACE | IMAGE | {"command", "args", "env", "env_from", "host_network"},
        fixes=("F-NODE-CFG",),
        references=("https://etcd.io/docs/v3.6/op-guide/security/",),
        family="exposure",
    )

    def subjects(self, view: Inventory) -> Iterable[PodInstance]:
        return view.index(ETCD_PODS)["etcd"]

    def detect(self, view: Inventory, subject: PodInstance) -> Iterator[Found | Blocked]:
        container = etcd_of(subject)
        if container is None or not subject.spec.host_network:
            return
        answer, addresses, _ = client_access(container)
        if answer.off is not None:
            yield Blocked(INTERNET, CLUSTER_ADMIN, f"{subject.id}: {answer.off}")
            return
        ways = [way for host, _ in addresses if (way := host_port(view, subject, host)) is not None]
        best = min(ways, key=lambda way: len(way.missing), default=None)
        if best is not None:
            missing = all_of(answer, Answer(best.missing)).missing
            yield Found(INTERNET, CLUSTER_ADMIN, 3, missing, container.id)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.cause)
        if container is None:
            return []
        return etcd_evidence(view, container.pod)


def etcd_evidence(view: Inventory, pod: PodInstance) -> list[Evidence]:
    """How an etcd is started, and where it can be reached."""
    container = etcd_of(pod)
    if container is None:
        return []
    return distinct(
        [
            view.evidence(pod.obj, container.field("command")),
            view.evidence(pod.obj, container.field("args")),
            view.evidence(pod.obj, pod.field("hostNetwork"), False),
            view.evidence(pod.obj, pod.field("nodeName")),
            view.evidence(pod.node, "status.addresses"),
        ]
    )


TECHNIQUES: tuple[Technique, ...] = (ApiAnonymous(), KubeletAnonymous(), EtcdExposed())
