"""Where a container runs: its node, its operating system, its runtime, and with whom it shares the node."""

from __future__ import annotations

from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node, NodeInfo
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
