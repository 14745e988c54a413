"""Where a container runs: its node, its operating system, its runtime, and with whom it shares the node."""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node, NodeInfo, ObjectMeta
from workbench.inventory.pods import UNKNOWN_NODE, ContainerInstance, PodInstance
from workbench.techniques.resolve import HOLDS, Answer, needs

OS_LABEL = "kubernetes.io/os"
_NO_INFO = NodeInfo()
_NODES = frozenset({"Node"})


def node_of(view: Inventory, pod: PodInstance) -> Node | None:
    """The node that a pod runs on; ``None`` if it is not known or not in the view."""
    if pod.node == UNKNOWN_NODE:
        return None
    found = view.by_id(pod.node)
    return found if isinstance(found, Node) else None


def node_info(node: Node | None) -> NodeInfo:
    """What the kubelet reports about a node; empty for a node that was not read."""
    if node is None or node.status is None:
        return _NO_INFO
    return node.status.node_info or _NO_INFO


def on_linux(view: Inventory, pod: PodInstance) -> bool:
    """Whether a pod runs on Linux; an unknown operating system counts as Linux (DESIGN, Graph)."""
    spec = pod.spec
    if spec.os is not None and spec.os.name is not None:
        return spec.os.name != "windows"
    memo = view.memo("operating systems of nodes", _NODES)
    system: str | None = memo.get(pod.node, "")
    if system == "":
        system = memo[pod.node] = node_info(node_of(view, pod)).operating_system
    if system is not None:
        return system != "windows"
    return (spec.node_selector or {}).get(OS_LABEL) != "windows"


def runtime_of(view: Inventory, container: ContainerInstance) -> str | None:
    """The container runtime: ``containerd``, ``cri-o``, ``docker``, ...; ``None`` if it is not known.

    Source: ``status.nodeInfo.containerRuntimeVersion`` and ``status.containerStatuses[].containerID``, which
    both begin with the runtime's name.
    """
    version = _version_on(view, container.pod.node)
    if version is None and container.status is not None:
        version = container.status.container_id
    return _runtime(version)


def runtime_of_node(view: Inventory, node: str) -> str | None:
    """The container runtime of all containers of a node, ``None`` if the node does not say it."""
    return _runtime(_version_on(view, node))


def _version_on(view: Inventory, node: str) -> str | None:
    memo = view.memo("runtimes of nodes", _NODES)
    version: str | None = memo.get(node, "")
    if version == "":
        found = view.by_id(node) if node != UNKNOWN_NODE else None
        version = memo[node] = node_info(found if isinstance(found, Node) else None).container_runtime_version
    return version


def _runtime(version: str | None) -> str | None:
    return version.partition("://")[0] if version and "://" in version else None


_MICROK8S = "microk8s.io/cluster"
_HOSTNAME = "kubernetes.io/hostname"


def on_microk8s(view: Inventory, pod: PodInstance) -> bool:
    """Whether the node of a pod is one of MicroK8s."""
    node = node_of(view, pod)
    return node is not None and _MICROK8S in (node.metadata.labels or {})


def kinds_of_nodes(view: Inventory) -> Callable[[PodInstance], int | None]:
    """A number for the node of a pod, the same for nodes that differ in nothing but their names and addresses.

    What is said of a container is said of its replicas on all nodes of a kind (:class:`FactsOfReplicas`). ``None``: the
    node does not name its runtime, so that the status of each container may.
    """
    known: dict[str, int | None] = view.memo("kinds of nodes by id", _NODES)
    kinds: dict[bytes, int] = view.memo("kinds of nodes", _NODES)

    def kind(pod: PodInstance) -> int | None:
        found = known.get(pod.node, -1)
        if found == -1:
            node = node_of(view, pod)
            named = _runtime(node_info(node).container_runtime_version) is not None
            found = known[pod.node] = kinds.setdefault(_nameless(node), len(kinds)) if node and named else None
        return found

    return kind


def _nameless(node: Node) -> bytes:
    """What is said of a node beside its name and addresses."""
    said = node.__copy__()
    labels = {key: value for key, value in sorted((node.metadata.labels or {}).items()) if key != _HOSTNAME}
    said.metadata = ObjectMeta(labels=labels, annotations=node.metadata.annotations)
    if said.spec is not None:
        said.spec = said.spec.__copy__()
        said.spec.provider_id = None
    if said.status is not None:
        said.status = said.status.__copy__()
        said.status.addresses = None
    return msgspec.json.encode(said)


class _Own(enum.Enum):
    """What of a pod a fact is about."""

    NODE = enum.auto()
    POD = enum.auto()


class FactsOfReplicas:
    """Missing facts of a pod, and so those of its replicas, which are about their own nodes and themselves."""

    __slots__ = ("_own", "missing")

    def __init__(self, pod: PodInstance, missing: tuple[Fact, ...]) -> None:
        self.missing = missing
        names = {pod.obj.id: _Own.POD, pod.node: _Own.NODE} if missing else {}
        own = [(condition, names.get(about, about)) for condition, about in missing]
        self._own = own if any(isinstance(about, _Own) for _, about in own) else None

    def of(self, pod: PodInstance) -> tuple[Fact, ...]:
        """The facts of a replica."""
        if self._own is None:
            return self.missing
        found = [
            (condition, about if isinstance(about, str) else pod.node if about is _Own.NODE else pod.obj.id)
            for condition, about in self._own
        ]
        return tuple(sorted(found)) if len(found) > 1 else (found[0],)


def on_every_node(pod: PodInstance) -> bool:
    """Whether a pod belongs to a DaemonSet that neither nodeSelector nor affinity keeps from a node."""
    return pod.owner.startswith("DaemonSet:") and not pod.spec.node_selector and not pod.spec.affinity


def shares_node(pod: PodInstance, other: PodInstance) -> Answer:
    """Whether ``other`` runs on the node of ``pod``, for two pods with one node id.

    Pods of manifests all stand on ``Node:*``: whether two of them meet is C-NODE, except for a pod of a
    DaemonSet that runs on every node (DESIGN, Graph).
    """
    if pod.node != UNKNOWN_NODE or pod is other or on_every_node(other):
        return HOLDS
    return needs("C-NODE", UNKNOWN_NODE)


def node_evidence(view: Inventory, pod: PodInstance, *fields: str) -> list[Evidence]:
    """Which node the pod runs on, and fields of that node's ``status.nodeInfo``."""
    out: list[Evidence] = []
    if pod.spec.node_name:
        out.append(view.evidence(pod.obj, pod.field("nodeName")))
    node = node_of(view, pod)
    if node is not None:
        out += [view.evidence(node, f"status.nodeInfo.{field}") for field in fields]
    return out
