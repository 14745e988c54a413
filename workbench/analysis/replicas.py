"""Which nodes of the graph are replicas of each other, and what a path's node is called once they are collapsed.

Containers, pods and volumes of pods with one top owner are replicas: their template is the same. A worker node
that a replica's own container leads to counts as the same node for each of them; a control-plane node never does,
for there the path ends or goes on in another way.
"""

from __future__ import annotations

from collections.abc import Iterable

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
        self._keys: dict[int, str] = {}
        self.classes = np.arange(1, size + 1, dtype=np.int64)
        self.own_node = np.full(size, -1, np.int64)
        self.worker = np.zeros(size, np.bool_)
        self._leaders: dict[tuple[str, str, str], int] = {}
        masters = control_plane(compiled)
        volumes: list[str] = []
        for number, node in enumerate(compiled.nodes):
            if node.startswith("Node:"):
                self.worker[number] = node not in masters
            elif node.startswith("Volume:"):
                volumes.append(node)
        on: dict[str, int] = {}
        numbers = compiled.graph.numbers
        places: list[int] = []
        leaders: list[int] = []
        homes: list[int] = []
        for pod in view.pods:
            owner, home = pod.owner, on.get(pod.node)
            if home is None:
                home = on[pod.node] = self._home(compiled, pod.node)
            place = numbers.get(pod.id)
            if place is not None:
                places.append(place)
                leaders.append(self._leader(place, ("Pod", owner, "")))
                homes.append(home)
            for container in pod.containers:
                place = numbers.get(container.id)
                if place is not None:
                    places.append(place)
                    leaders.append(self._leader(place, ("Container", owner, container.name)))
                    homes.append(home)
        for place, leader, home in self._others(view, compiled, volumes):
            places.append(place)
            leaders.append(leader)
            homes.append(home)
        self._set(places, leaders, homes)

    def _set(self, places: list[int], leaders: list[int], homes: list[int]) -> None:
        at = np.array(places, np.int64)
        self.classes[at] = np.array(leaders, np.int64) + 1
        self.own_node[at] = np.array(homes, np.int64)

    def _home(self, compiled: Compiled, node: str) -> int:
        found = compiled.number(node)
        return -1 if found is None or not self.worker[found] else found

    def _leader(self, place: int, key: tuple[str, str, str]) -> int:
        """The replica that a class is named after: the first one."""
        leader = self._leaders.setdefault(key, place)
        if leader == place:
            kind, owner, name = key
            self._keys[place + 1] = f"{kind}:{owner}/{name}" if name else f"{kind}:{owner}"
        return leader

    def _others(self, view: Inventory, compiled: Compiled, nodes: Iterable[str]) -> Iterable[tuple[int, int, int]]:
        """What is to be set for some volumes, pods and containers, one by one."""
        for node in nodes:
            place = compiled.number(node)
            kind = node_ids.kind(node)
            name, part = _volume_of(node) if kind == "Volume" else (node, "")
            container = view.containers.get(node) if kind == "Container" else None
            if container is not None:
                name, part = container.pod.id, container.name
            pod = view.pods.get(name)
            if pod is not None and place is not None:
                yield place, self._leader(place, (kind, pod.owner, part)), self._home(compiled, pod.node)

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
        new._nodes, new._keys, new._leaders = compiled.nodes, dict(self._keys), dict(self._leaders)
        new.classes = np.append(self.classes, np.arange(size + 1, size + len(names) + 1))
        new.own_node = np.append(self.own_node, np.full(len(names), -1))
        new.worker = np.append(self.worker, [node.startswith("Node:") for node in names]).astype(np.bool_)
        for place, leader, home in new._others(view, compiled, names):
            new._set([place], [leader], [home])
        return new

    def has_replicas(self, place: int) -> bool:
        """Whether a node is a container, a pod or a volume of a pod, which may have replicas."""
        return int(self.classes[place]) in self._keys

    def key(self, place: int) -> str:
        """What a node is called in a path with collapsed replicas; the same for all replicas."""
        return self._keys.get(int(self.classes[place])) or self._nodes[place]


def _volume_of(node: str) -> tuple[str, str]:
    """The pod and the name of a volume's id; a persistent volume has no pod."""
    namespace, _, rest = node.removeprefix("Volume:").partition("/")
    pod, _, volume = rest.partition("/")
    return (f"Pod:{namespace}/{pod}", volume) if volume else ("", node)


def containers_of(pod: PodInstance) -> tuple[str, ...]:
    """The nodes that holding a pod means: its running containers, or the pod itself if it has none."""
    return tuple(container.id for container in pod.containers) or (pod.id,)
