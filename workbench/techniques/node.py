"""What a compromised node gives (catalogue 2.4).

Out of ``Node:*``, the node of pods that are not scheduled yet, a step to a pod and what is the pod's takes the two to
share a node (C-NODE), except for the pods of a DaemonSet without nodeSelector or affinity, which run on every node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import PODS_BY_NODE, Inventory
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.many import Many, ManyTechnique, Record, RecordTechnique
from workbench.techniques.pod_fields import ACCOUNT, PLACE, REFERENCES, TOKENS
from workbench.techniques.resolve.container import on_every_node
from workbench.techniques.resolve.nodes import ROLE_LABELS, control_plane, control_plane_evidence, node_ids
from workbench.techniques.resolve.references import Where, dotted, optional, pod_references, referred
from workbench.techniques.resolve.token import ACCOUNT_NAME, token_volumes_of_replicas

NODES_GROUP = "Group:system:nodes"

_SHARED_NODE: tuple[Fact, ...] = fact("C-NODE", UNKNOWN_NODE)
_ON: tuple[Fact, ...] = ()
_NODE_AUTHORIZER = "https://kubernetes.io/docs/reference/access-authn-authz/node/"


def shares_node(pod: PodInstance) -> tuple[Fact, ...]:
    """What it takes for a step from a pod's node to the pod: nothing, or C-NODE where the node is not known."""
    return _ON if pod.node != UNKNOWN_NODE or on_every_node(pod) else _SHARED_NODE


def bound(pod: PodInstance) -> bool:
    """Whether a pod is bound to its node and has not ended, so that the node authorizer lets the node act for it."""
    if pod.containers:
        return True
    return pod.status is None or pod.status.phase not in ("Succeeded", "Failed")


def _scheduled(view: Inventory, pod: PodInstance) -> list[Evidence]:
    found = [view.evidence(pod.obj, pod.field("nodeName"))]
    if pod.node == UNKNOWN_NODE:
        found.append(view.evidence(pod.obj, pod.field("nodeSelector")))
        found.append(view.evidence(pod.obj, pod.field("affinity")))
    return found


class _NodeTechnique(ManyTechnique):
    """A technique whose subjects are all nodes, or all that run a pod."""

    def subjects(self, view: Inventory) -> Iterable[str]:
        return view.index(PODS_BY_NODE).keys()


def _by_sharing(node: str, pods: Iterable[PodInstance]) -> Iterable[tuple[tuple[Fact, ...], Iterable[PodInstance]]]:
    """Pods of a node with what it takes to get from it to them, in their order."""
    return groupby(pods, shares_node) if node == UNKNOWN_NODE else [(_ON, pods)]


class PodAttach(_NodeTechnique):
    """POD_ATTACH: root on a node controls the pods that run there."""

    declaration = Declaration(
        id="POD_ATTACH",
        title="controls the pod",
        source=("Node",),
        target=("Pod",),
        description="Root on a node enters every pod that runs there through the container runtime.",
        mitre=("T1609",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE,
        fixes=("F-NODE-ISO",),
        references=("https://kubehound.io/reference/attacks/POD_ATTACH/",),
        family="node",
    )

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        running = [pod for pod in view.index(PODS_BY_NODE)[subject] if pod.containers]
        for missing, pods in _by_sharing(subject, running):
            yield Many(subject, list(pods), 1, missing)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        pod = view.pods.get(edge.target)
        if pod is None:
            return []
        found = _scheduled(view, pod)
        if pod.live:
            found.append(view.evidence(pod.obj, "status.phase"))
        return found


class VolumeAccess(_NodeTechnique):
    """VOLUME_ACCESS: root on a node reads and writes the volumes of its pods."""

    declaration = Declaration(
        id="VOLUME_ACCESS",
        title="reads and writes the volume",
        source=("Node",),
        target=("Volume",),
        description="The kubelet lays out the volumes of a node's pods on the node's disk, where root reads them.",
        mitre=("T1552",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE | {"volumes"},
        fixes=("F-NODE-ISO",),
        references=("https://kubehound.io/reference/attacks/VOLUME_ACCESS/",),
        family="node",
    )

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        running = [pod for pod in view.index(PODS_BY_NODE)[subject] if pod.containers]
        for missing, pods in _by_sharing(subject, running):
            targets: list[str] = []
            causes: list[str] = []
            for pod in pods:
                volumes = pod.spec.volumes
                if volumes:
                    prefix = f"Volume:{pod.namespace}/{pod.name}/"
                    targets += [f"{prefix}{volume.name}" for volume in volumes]
                    causes += [pod.id] * len(volumes)
            yield Many(subject, targets, 1, missing, causes)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        pod = view.pods.get(edge.cause)
        if pod is None:
            return []
        volume = edge.target.rpartition("/")[2]
        return [view.evidence(pod.obj, pod.field(f"volumes[name={volume}]")), *_scheduled(view, pod)]


class TokenSteal(RecordTechnique):
    """TOKEN_STEAL: a volume that holds a token of the API gives the account."""

    declaration = Declaration(
        id="TOKEN_STEAL",
        title="holds a token of",
        source=("Volume",),
        target=("ServiceAccount",),
        description="The volume holds a token that the API server accepts; who reads it speaks as the account.",
        mitre=("T1552",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "Secret", "ServiceAccount"}),
        subject_type=SubjectType.POD,
        pod_fields=TOKENS,
        fixes=("F-AUTOMOUNT", "F-SA-OWN"),
        references=("https://kubehound.io/reference/attacks/TOKEN_STEAL/",),
        family="node",
    )

    def subjects(self, view: Inventory) -> Iterable[PodInstance]:
        return view.pods

    def records(self, view: Inventory, subjects: Iterable[PodInstance]) -> Iterator[Record | Blocked]:
        for pod in subjects:
            if pod.containers:
                for volume, account, secret in token_volumes_of_replicas(view, pod):
                    name = pod.volume_id(pod.own_volume(volume))
                    yield name, account, 1, (), (pod.id, secret) if secret else pod.id

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        pod_id, secret = (edge.cause, "") if isinstance(edge.cause, str) else edge.cause
        pod = view.pods.get(pod_id)
        if pod is None:
            return []
        volume = edge.source.rpartition("/")[2]
        found = [view.evidence(pod.obj, pod.field(f"volumes[name={volume}]"))]
        if secret:
            found.append(view.evidence(secret, f"metadata.annotations[{ACCOUNT_NAME}]"))
        else:
            found.append(view.evidence(pod.obj, pod.field("serviceAccountName"), "default"))
        return found


class NodeIdentity(Technique):
    """NODE_IDENTITY: root on a node holds the kubelet's credentials."""

    declaration = Declaration(
        id="NODE_IDENTITY",
        title="acts as the kubelet",
        source=("Node",),
        target=("User", "Group"),
        description=(
            "The kubelet's client certificate lies on the node's disk. The Node authorizer lets its user act without "
            "any RBAC binding."
        ),
        mitre=("T1078",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Node", "Pod"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE,
        references=(_NODE_AUTHORIZER,),
        family="node",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return node_ids(view)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        if subject == UNKNOWN_NODE:
            yield Found(subject, NODES_GROUP, 1)
        else:
            yield Found(subject, f"User:system:node:{nodes.name(subject)}", 1)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return [_node_evidence(view, edge.source)]


class NodeSecrets(_NodeTechnique):
    """NODE_SECRETS: a kubelet may read what the pods bound to it refer to."""

    declaration = Declaration(
        id="NODE_SECRETS",
        title="reads, as the kubelet,",
        source=("Node",),
        target=("Secret", "ConfigMap"),
        description=(
            "The Node authorizer lets a kubelet read every Secret and ConfigMap that a pod bound to it refers to: in "
            "volumes, the environment, pull secrets and CSI references."
        ),
        mitre=("T1552.007",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "Secret", "ConfigMap", "ServiceAccount"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE | REFERENCES,
        fixes=("F-NODE-ISO",),
        references=(_NODE_AUTHORIZER,),
        family="node",
        api_only=True,
    )

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        known = subject != UNKNOWN_NODE
        best: dict[str, tuple[tuple[Fact, ...], str]] = {}
        surely = True
        for pod in view.index(PODS_BY_NODE)[subject]:
            if not pod.containers and not bound(pod):
                continue
            shared = _ON if known else shares_node(pod)
            for target, is_optional in referred(view, pod):
                found = best.get(target)
                if found is not None and (shared or not found[0]):
                    continue
                named = optional(view, target) if is_optional else _ON
                if named is not None and (found is None or len(shared) + len(named) < len(found[0])):
                    best[target] = shared + named, pod.id
                    surely = surely and not best[target][0]
        runs = [(_ON, best.items())] if surely else groupby(best.items(), lambda item: item[1][0])
        for missing, run in runs:
            together = dict(run)
            yield Many(subject, list(together), 1, missing, [pod_id for _, pod_id in together.values()])

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        pod = view.pods.get(edge.cause)
        where = _place(view, pod, edge.target) if pod is not None else None
        if pod is None or where is None:
            return []
        found = [view.evidence(pod.obj, pod.field(dotted(where))), *_scheduled(view, pod)]
        if where == ("serviceAccountName",):
            found.insert(0, view.evidence(pod.account, "imagePullSecrets"))
        return found


def _place(view: Inventory, pod: PodInstance, target: str) -> Where | None:
    """Where a pod refers to an object; of several places the first one that takes least."""
    best: tuple[int, Where] | None = None
    for node, where, is_optional in pod_references(view, pod):
        if node == target:
            named = optional(view, target) if is_optional else _ON
            if named is not None and (best is None or len(named) < best[0]):
                best = len(named), where
    return None if best is None else best[1]


class NodeToken(_NodeTechnique):
    """NODE_TOKEN: a kubelet may ask for tokens of the accounts of its pods."""

    declaration = Declaration(
        id="NODE_TOKEN",
        title="asks, as the kubelet, for a token of",
        source=("Node",),
        target=("ServiceAccount",),
        description=(
            "The Node authorizer and NodeRestriction let a kubelet create tokens, bound to a pod, for the service "
            "account of every pod bound to it, whether the pod mounts a token or not."
        ),
        mitre=("T1528",),
        effort=2,
        reason=Reason.API_CALL,
        reads=frozenset({"Pod"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE | ACCOUNT,
        fixes=("F-NODE-ISO", "F-SA-OWN"),
        references=(_NODE_AUTHORIZER,),
        family="node",
        api_only=True,
    )

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        known = subject != UNKNOWN_NODE
        best: dict[str, PodInstance] = {}
        for pod in view.index(PODS_BY_NODE)[subject]:
            if pod.mirror or not (pod.containers or bound(pod)):
                continue
            first = best.get(pod.account)
            if first is None or (not known and shares_node(first) and not shares_node(pod)):
                best[pod.account] = pod
        for missing, pods in _by_sharing(subject, best.values()):
            together = list(pods)
            yield Many(subject, [pod.account for pod in together], 2, missing, [pod.id for pod in together])

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        pod = view.pods.get(edge.cause)
        if pod is None:
            return []
        return [view.evidence(pod.obj, pod.field("serviceAccountName"), "default"), *_scheduled(view, pod)]


class NodeControlPlane(Technique):
    """NODE_CONTROL_PLANE: the disk of a control-plane node holds the keys of the cluster (R12)."""

    declaration = Declaration(
        id="NODE_CONTROL_PLANE",
        title="holds the keys of the cluster",
        source=("Node",),
        target=("ClusterAdmin",),
        description=(
            "On the disk of a control-plane node lie the certificate authority's key, the key that signs service "
            "account tokens, etcd's client certificate and the administrators' kubeconfigs."
        ),
        mitre=("T1552.004",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Node", "Pod"}),
        subject_type=SubjectType.NODE,
        pod_fields=PLACE,
        fixes=("F-NODE-ISO",),
        references=("https://kubernetes.io/docs/setup/best-practices/certificates/",),
        family="node",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return node_ids(view)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        if subject == UNKNOWN_NODE:
            yield Found(subject, nodes.CLUSTER_ADMIN, 1, fact("C-CPNODE", UNKNOWN_NODE))
            return
        reason = control_plane(view, subject)
        if reason is not None:
            yield Found(subject, nodes.CLUSTER_ADMIN, 1, (), reason)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        if edge.cause is None:
            return [_node_evidence(view, edge.source)]
        return control_plane_evidence(view, edge.source, edge.cause)


def _node_evidence(view: Inventory, node_id: str) -> Evidence:
    """The Node object, or the first pod that names the node; of an unknown node the label that nobody can read."""
    if node_id == UNKNOWN_NODE:
        return view.evidence(node_id, f"metadata.labels{literal(ROLE_LABELS[0])}")
    if view.by_id(node_id) is not None:
        return view.evidence(node_id, "metadata.name")
    pods: Sequence[PodInstance] = view.index(PODS_BY_NODE)[node_id]
    if pods:
        return view.evidence(pods[0].obj, pods[0].field("nodeName"))
    return Evidence(node_id, "", None)


TECHNIQUES: tuple[Technique, ...] = (
    PodAttach(),
    VolumeAccess(),
    TokenSteal(),
    NodeIdentity(),
    NodeSecrets(),
    NodeToken(),
    NodeControlPlane(),
)
