"""What a node is (R12), and what the API server's own pod says about how it was started."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.inventory.evidence import Evidence
from workbench.inventory.fields import literal
from workbench.inventory.inventory import PODS_BY_NODE, IndexOf, Inventory
from workbench.inventory.objects import Node
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.techniques.resolve.command import command_line

ROLE_LABELS = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
    # k3s and rke2 put it on their servers: whoever holds etcd's files holds the cluster.
    "node-role.kubernetes.io/etcd",
)
"""The labels that mark a control-plane node (kubeadm, kind, k3s, rke2)."""

SERVER_ANNOTATIONS = ("etcd.k3s.cattle.io/node-name", "etcd.rke2.cattle.io/node-name")
"""The annotations that k3s and rke2 put on servers with an embedded etcd."""

_STATIC = ("kube-apiserver-", "etcd-")


def _control_plane_keys(pod: PodInstance) -> Iterable[str]:
    return (pod.node,) if pod.mirror and pod.name.startswith(_STATIC) else ()


CONTROL_PLANE_PODS: IndexOf[str, PodInstance] = IndexOf("control-plane pods by node", "pods", _control_plane_keys)
"""The mirror pods of the API server and etcd, by the id of their node."""


def node_ids(view: Inventory) -> list[str]:
    """The ids of all nodes: those that were read, those that pods name, and ``Node:*`` if a pod has none yet."""
    known = dict.fromkeys(node.id for node in view.all(Node))
    known.update(dict.fromkeys(view.index(PODS_BY_NODE).keys()))
    return list(known)


def control_plane(view: Inventory, node_id: str) -> str | None:
    """Why a node belongs to the control plane (R12), or ``None`` if nothing says so.

    Args:
        view: An inventory, or an overlay.
        node_id: The id of a node, which need not have been read. ``Node:*`` gives ``None``: nothing is known of it.

    Returns:
        The id of the mirror pod of the API server or etcd that runs there, or ``label:KEY`` or ``annotation:KEY``.
        Managed clusters show none of these.

    Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints"; kubeadm's static pods; the k3s
    and rke2 documentation on node labels.
    """
    if node_id == UNKNOWN_NODE:
        return None
    pods = view.index(CONTROL_PLANE_PODS)[node_id]
    if pods:
        return pods[0].id
    node = view.by_id(node_id)
    if node is None:
        return None
    labels = node.metadata.labels
    if labels:
        for key in ROLE_LABELS:
            if key in labels and labels[key] != "false":
                return f"label:{key}"
    annotations = node.metadata.annotations
    if annotations:
        for key in SERVER_ANNOTATIONS:
            if key in annotations:
                return f"annotation:{key}"
    return None


def control_plane_evidence(view: Inventory, node_id: str, reason: str) -> list[Evidence]:
    """The fields behind a reason of :func:`control_plane`."""
    what, _, key = reason.partition(":")
    if what in ("label", "annotation"):
        return [view.evidence(node_id, f"metadata.{what}s{literal(key)}")]
    return [
        view.evidence(reason, "spec.nodeName"),
        view.evidence(reason, f"metadata.annotations{literal('kubernetes.io/config.mirror')}"),
    ]


def api_server_flag(view: Inventory, flag: str) -> str | None:
    """The value of a flag of kube-apiserver, from the arguments of its mirror pods.

    Args:
        view: An inventory, or an overlay.
        flag: The flag with its dashes: ``--enable-admission-plugins``.

    Returns:
        The value, empty for a flag without one; ``None`` where no API server's pod was read or the flag is not set.
    """
    return api_server_flags(view).get(flag)


def api_server_flags(view: Inventory) -> dict[str, str]:
    """The flags of kube-apiserver by name, with their values; under the empty name the id of the pod that has them."""
    flags: dict[str, str] = view.derived("flags of the API server", frozenset({"Pod"}), _api_server_flags)
    return flags


def sees_api_server(view: Inventory) -> bool:
    """Whether the source holds a pod of the API server, so that an absent flag means its default."""
    return bool(api_server_flags(view))


def _api_server_flags(view: Inventory) -> dict[str, str]:
    index = view.index(CONTROL_PLANE_PODS)
    flags: dict[str, str] = {}
    nodes = index.keys()
    for node in nodes:
        for pod in index[node]:
            if not pod.name.startswith("kube-apiserver-"):
                continue
            flags.setdefault("", pod.id)
            for container in pod.spec.containers or ():
                for flag, values in command_line(container).flags.items():
                    flags.setdefault(f"--{flag}", values[0])
    return flags
