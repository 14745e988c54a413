"""What must not be lost, without ``--to``, and what it is worth (DESIGN, Analysis; ``catalogue.md`` section 3).

ClusterAdmin, control-plane nodes, etcd, Secrets of kube-system and of identities that are admin, the cluster's CA
and signing keys, and what the operator marked: by label or annotation, in the configuration, on the screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from workbench.analysis.admin import Admins
from workbench.analysis.compiled import Compiled
from workbench.analysis.replicas import containers_of, control_plane
from workbench.analysis.selectors import nodes_of
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KINDS, WORKLOADS, ObjectMeta, PersistentVolume, Pod, Service
from workbench.inventory.pods import PodInstance

JEWEL_KEY = "workbench/crown-jewel"
"""The label or annotation that marks an object; any value but ``false`` does."""

DECIDING = ("NODE_CONTROL_PLANE", "SECRET_USE")
"""The techniques whose records make a node a crown jewel."""

EVERYTHING = 10.0
"""Cluster admin, the control plane, etcd, a key of the cluster's CA."""
ADMIN = 9.0
"""The Secret of an identity that is admin, a cloud identity that is."""
MARKED = 8.0
OTHER = 6.0

_SYSTEM_SECRETS = "Secret:kube-system/"


def default_jewels(
    compiled: Compiled,
    admins: Admins,
    *,
    secrets: Iterable[str],
    etcd: Iterable[str],
    marked: Iterable[str],
) -> dict[str, float]:
    """The crown jewels and their values, by id in order.

    Args:
        compiled: The graph.
        admins: Who is admin in it.
        secrets: The Secrets of kube-system (:func:`system_secrets`).
        etcd: The containers of etcd (:func:`etcd`).
        marked: Nodes that the operator named, or whose object is marked (:func:`labelled`).
    """
    found: dict[str, float] = {node_ids.CLUSTER_ADMIN: EVERYTHING}

    def add(node: str, value: float) -> None:
        found[node] = max(value, found.get(node, 0.0))

    for node in (*control_plane(compiled), *etcd):
        add(node, EVERYTHING)
    for node in secrets:
        add(node, OTHER)
    for node, value in _credentials(compiled, admins):
        add(node, value)
    for node in marked:
        add(node, ADMIN if node_ids.kind(node) == "CloudIdentity" else MARKED)
    return dict(sorted(found.items()))


def values(targets: Iterable[str], jewels: Mapping[str, float]) -> dict[str, float]:
    """The values of chosen targets: that of the jewel, or that of anything else."""
    return {node: jewels.get(node, OTHER) for node in sorted(set(targets))}


def etcd(view: Inventory) -> list[str]:
    """The etcd containers of mirror pods: kubeadm and its like run etcd as a static pod."""
    return [
        container.id
        for pod in view.pods
        if pod.mirror and (pod.name.startswith("etcd") or pod.labels.get("component") == "etcd")
        for container in pod.containers
        if container.name.startswith("etcd")
    ]


def system_secrets(nodes: Iterable[str]) -> list[str]:
    """The Secrets of kube-system among some nodes."""
    return [node for node in nodes if node.startswith(_SYSTEM_SECRETS)]


def _credentials(compiled: Compiled, admins: Admins) -> Iterable[tuple[str, float]]:
    """The Secrets that hold a key of the cluster's CA or the credentials of an identity that is admin."""
    number = compiled.catalogue.numbers.get("SECRET_USE")
    if number is None:
        return
    chosen = np.zeros(len(compiled.catalogue.ids), np.bool_)
    chosen[number] = True
    source, target, _ = compiled.select(chosen)
    useful = compiled.identity[target]
    goal = compiled.number(node_ids.CLUSTER_ADMIN)
    if goal is not None:
        useful |= target == goal
    for secret, used_as in zip(source[useful].tolist(), target[useful].tolist(), strict=True):
        identity = compiled.nodes[used_as]
        if identity == node_ids.CLUSTER_ADMIN:
            yield compiled.nodes[secret], EVERYTHING
        elif identity in admins:
            yield compiled.nodes[secret], ADMIN


_MEANING_OTHERS = frozenset({*WORKLOADS, Service, PersistentVolume})
"""Kinds of objects that mean nodes of other kinds (:func:`workbench.analysis.selectors.nodes_of`)."""


def labelled(view: Inventory, compiled: Compiled, key: str = JEWEL_KEY) -> Iterable[str]:
    """The nodes of the objects that a label or an annotation marks, a workload's pod template included."""
    # Objects of other kinds are no nodes.
    nodes = {*compiled.kinds}
    for name, kind in KINDS.items():
        if kind is Pod or (name not in nodes and kind not in _MEANING_OTHERS):
            continue
        for obj in view.all(kind):
            meta = obj.metadata
            labels, annotations = meta.labels, meta.annotations
            if ((labels and key in labels) or (annotations and key in annotations)) and _is_marked(meta, key):
                yield from nodes_of(view, compiled, obj)
    # A pod's own, or those of the template of a representative; replicas have the same.
    marked: dict[PodInstance, bool] = {}
    for pod in view.pods:
        first = pod.alike
        known = marked.get(first)
        if known is None:
            known = marked[first] = _is_marked(first, key)
        if known:
            yield from containers_of(pod)


def _is_marked(owner: ObjectMeta | PodInstance, key: str) -> bool:
    value = _mark(owner.labels, key) or _mark(owner.annotations, key)
    return value is not None and value.lower() != "false"


def _mark(entries: Mapping[str, str | None] | None, key: str) -> str | None:
    if not entries or key not in entries:
        return None
    return entries[key] or "true"
