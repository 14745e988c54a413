"""Which nodes of the graph are replicas of each other, and what a path's node is called once they are collapsed.

Containers, pods and volumes of pods with one top owner are replicas: their template is the same. A worker node
that a replica's own container leads to counts as the same node for each of them; a control-plane node never does,
for there the path ends or goes on in another way.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TypeAlias

import numpy as np

from workbench.analysis.arrays import Bools, Ints
from workbench.analysis.compiled import Compiled
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import PodInstance

OWN_NODE = "Node:(its own)"
"""What stands for the worker node that a replica runs on in a path with collapsed replicas."""


def control_plane(compiled: Compiled) -> frozenset[str]:
    """The control-plane nodes: those that NODE_CONTROL_PLANE is proved for; ``Node:*`` never is one."""
    number = compiled.catalogue.numbers.get("NODE_CONTROL_PLANE")
    if number is None:
        return frozenset()
    chosen = np.zeros(len(compiled.catalogue.ids), np.bool_)
    chosen[number] = True
    sources, _, _ = compiled.select(chosen, on=True)
    found = {compiled.nodes[source] for source in np.unique(sources)}
    return frozenset(node for node in found if node_ids.kind(node) == "Node" and node != node_ids.UNKNOWN_NODE)


_Key: TypeAlias = tuple[str, str, str]
"""The kind, the owner and the name, if it has one of its own, of what has replicas."""


class Replicas:
    """The classes of the nodes of a compiled graph.

    Attributes:
        classes: The class of each node by number, from 1; nodes that are no replicas have their own. 0 is free.
        own_node: The number of the worker node that a container, pod or volume belongs to, -1 for all else.
        worker: Which nodes are worker nodes.
    """

    classes: Ints
    own_node: Ints
    worker: Bools

    def __init__(self, view: Inventory, compiled: Compiled) -> None:
        """Classify all nodes.

        Args:
            view: What the graph was built from; in a what-if, the overlay.
            compiled: The graph.
        """
        size = len(compiled.nodes)
        self._nodes = compiled.nodes
        self._leaders: dict[_Key, int] = {}
        self.classes = np.arange(1, size + 1, dtype=np.int64)
        self.own_node = np.full(size, -1, np.int64)
        self.worker = np.zeros(size, np.bool_)
        masters = control_plane(compiled)
        for number in np.flatnonzero(compiled.of_kind("Node")).tolist():
            self.worker[number] = compiled.nodes[number] not in masters
        homes: dict[str, int] = {}
        owned: dict[str, tuple[str, int]] = {}
        numbers, leader = compiled.graph.numbers, self._leaders.setdefault
        # For each replica its number, that of the first of its class, and that of the node that it runs on.
        found: list[tuple[int, int, int]] = []
        for pod in view.pods:
            owner, runs_on = pod.owner, pod.node
            home = homes.get(runs_on)
            if home is None:
                home = homes[runs_on] = self._home(compiled, runs_on)
            owned[pod.id.removeprefix("Pod:")] = owner, home
            place = numbers.get(pod.id)
            if place is not None:
                found.append((place, leader(("Pod", owner, ""), place), home))
            for container in pod.containers:
                place = numbers.get(container.id)
                if place is not None:
                    found.append((place, leader(("Container", owner, container.name), place), home))
        for place in np.flatnonzero(compiled.of_kind("Volume")).tolist():
            pod_name, name = _volume_of(compiled.nodes[place])
            of = owned.get(pod_name)
            if of is not None:
                found.append((place, leader(("Volume", of[0], name), place), of[1]))
        self._set(found)

    def _set(self, found: list[tuple[int, int, int]]) -> None:
        rows = np.array(found, np.int64).reshape(-1, 3)
        self.classes[rows[:, 0]] = rows[:, 1] + 1
        self.own_node[rows[:, 0]] = rows[:, 2]

    def _home(self, compiled: Compiled, node: str) -> int:
        found = compiled.number(node)
        return -1 if found is None or not self.worker[found] else found

    @cached_property
    def _keys(self) -> dict[int, _Key]:
        """The kind, owner and name of each class that has replicas."""
        return {leader + 1: key for key, leader in self._leaders.items()}

    def _others(self, view: Inventory, compiled: Compiled, nodes: Iterable[str]) -> Iterable[tuple[int, int, int]]:
        """What is to be set for some volumes, pods and containers, one by one."""
        for node in nodes:
            place = compiled.number(node)
            kind = node_ids.kind(node)
            name, part = _volume_of(node) if kind == "Volume" else (node, "")
            if kind == "Volume":
                name = f"Pod:{name}"
            container = view.containers.get(node) if kind == "Container" else None
            if container is not None:
                name, part = container.pod.id, container.name
            pod = view.pods.get(name)
            if pod is not None and place is not None:
                yield place, self._leaders.setdefault((kind, pod.owner, part), place), self._home(compiled, pod.node)

    def patched(self, view: Inventory, compiled: Compiled) -> Replicas:
        """The classes after a what-if: owners and nodes of pods stay, only new nodes are classified.

        Args:
            view: The overlay.
            compiled: The patched graph.
        """
        size = len(self._nodes)
        names = compiled.nodes[size:]
        if not names:
            return self
        new = Replicas.__new__(Replicas)
        new._nodes, new._leaders = compiled.nodes, dict(self._leaders)
        new.classes = np.append(self.classes, np.arange(size + 1, size + len(names) + 1))
        new.own_node = np.append(self.own_node, np.full(len(names), -1))
        new.worker = np.append(self.worker, [node.startswith("Node:") for node in names]).astype(np.bool_)
        new._set(list(new._others(view, compiled, names)))
        return new

    def has_replicas(self, place: int) -> bool:
        """Whether a node is a container, a pod or a volume of a pod, which may have replicas."""
        return int(self.classes[place]) in self._keys

    def key(self, place: int) -> str:
        """What a node is called in a path with collapsed replicas; the same for all replicas."""
        found = self._keys.get(int(self.classes[place]))
        if found is None:
            return self._nodes[place]
        kind, owner, name = found
        return f"{kind}:{owner}/{name}" if name else f"{kind}:{owner}"


def _volume_of(node: str) -> tuple[str, str]:
    """The pod's namespace and name, and the name of a volume's id; a persistent volume has no pod."""
    whole = node.removeprefix("Volume:")
    slash = whole.find("/", whole.find("/") + 1)
    return (whole[:slash], whole[slash + 1 :]) if 0 < slash < len(whole) - 1 else ("", node)


def containers_of(pod: PodInstance) -> tuple[str, ...]:
    """The nodes that holding a pod means: its running containers, or the pod itself if it has none."""
    return tuple(container.id for container in pod.containers) or (pod.id,)
