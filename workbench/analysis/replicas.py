"""Which nodes of the graph are replicas of each other, and what a path's node is called once they are collapsed.

Pods with one top owner, and their containers, volumes and Endpoints, are replicas: their template is the same. A worker
node that a replica's own container leads to counts as the same node for each of them; a control-plane node never does,
for there the path ends or goes on in another way.
"""

from __future__ import annotations

from itertools import count
from typing import TypeAlias

import numpy as np

from workbench.analysis.arrays import Bools, Int32s, Ints
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


_OF_PODS = ("Pod", "Container", "Volume", "Endpoint")
"""The kinds of nodes that are a pod or may belong to one."""

_Key: TypeAlias = tuple[str, str, str]
"""The kind, the owner and the name, if it has one of its own, of what has replicas."""


class Replicas:
    """The classes of the nodes of a compiled graph; each is found when somebody asks, for few lie on any path.

    Attributes:
        worker: Which nodes are worker nodes.
    """

    worker: Bools

    def __init__(self, view: Inventory, compiled: Compiled) -> None:
        """Prepare the classes of all nodes.

        Args:
            view: What the graph was built from; in a what-if, the overlay.
            compiled: The graph.
        """
        size = len(compiled.nodes)
        self._view, self._below = view, view
        self._compiled = compiled
        self._known_below = size
        self._keys: dict[int, _Key] = {}
        self._numbers: dict[_Key, int] = {}
        self._next = count(1)
        # What is no replica is a class of its own.
        self._classes = np.arange(1, size + 1, dtype=np.int64)
        self._own_node = np.full(size, -1, np.int64)
        self._open = compiled.of_kind(*_OF_PODS)
        self.worker = np.zeros(size, np.bool_)
        masters = control_plane(compiled)
        for number in np.flatnonzero(compiled.of_kind("Node")).tolist():
            self.worker[number] = compiled.nodes[number] not in masters

    def patched(self, view: Inventory, compiled: Compiled) -> Replicas:
        """The classes after a what-if: owners and nodes of pods stay, only new nodes are looked up in the overlay.

        Args:
            view: The overlay.
            compiled: The patched graph.
        """
        size = self._known_below
        names = compiled.nodes[size:]
        if not names:
            return self
        new = Replicas.__new__(Replicas)
        new._view, new._below, new._compiled, new._known_below = view, self._below, compiled, size
        new._keys, new._numbers, new._next = self._keys, self._numbers, self._next
        new._classes = np.append(self._classes, np.arange(size + 1, size + len(names) + 1))
        new._own_node = np.append(self._own_node, np.full(len(names), -1))
        new._open = np.append(self._open, compiled.of_kind(*_OF_PODS)[size:])
        new.worker = np.append(self.worker, [node.startswith("Node:") for node in names]).astype(np.bool_)
        return new

    def classes_of(self, nodes: Ints | Int32s) -> Ints:
        """The class of each of some nodes: negative if it may have replicas, then the same for all of them; never 0."""
        self._find(nodes)
        return self._classes[nodes]

    def own_nodes_of(self, nodes: Ints | Int32s) -> Ints:
        """The number of the worker node that each of some containers, pods and volumes belongs to, -1 for all else."""
        self._find(nodes)
        return self._own_node[nodes]

    def own_node(self, node: int) -> int:
        """The same for one node."""
        return int(self.own_nodes_of(np.array([node]))[0])

    def has_replicas(self, node: int) -> bool:
        """Whether a node is a pod, or belongs to one, and so may have replicas."""
        return self._class(node) < 0

    def key(self, node: int) -> str:
        """What a node is called in a path with collapsed replicas; the same for all replicas."""
        found = self._keys.get(self._class(node))
        if found is None:
            return self._compiled.nodes[node]
        kind, owner, name = found
        return f"{kind}:{owner}/{name}" if name else f"{kind}:{owner}"

    def _class(self, node: int) -> int:
        return int(self.classes_of(np.array([node]))[0])

    def _find(self, nodes: Ints | Int32s) -> None:
        """Look up the owners and nodes of the pods of some nodes, each once."""
        fresh = nodes[self._open[nodes]]
        if not len(fresh):
            return
        below = fresh < self._known_below
        for view, numbers in ((self._below, fresh[below]), (self._view, fresh[~below])):
            if len(numbers):
                self._look_up(view, numbers)
        self._open[fresh] = False

    def _look_up(self, view: Inventory, nodes: Ints | Int32s) -> None:
        """Set the classes and the own nodes of nodes that may belong to pods."""
        compiled = self._compiled
        names = map(compiled.nodes.__getitem__, nodes.tolist())
        # Almost all are containers.
        container = view.containers.get
        found = [
            (each.pod, each.spec.name or "") if (each := container(name)) is not None else _pod_of(view, name)
            for name in names
        ]
        belongs = np.array([each is not None for each in found], np.bool_)
        nodes, parts = nodes[belongs], [each for each in found if each is not None]
        kinds = map(compiled.kinds.__getitem__, compiled.kind_numbers(nodes).tolist())
        keys = [(kind, pod.owner, part) for kind, (pod, part) in zip(kinds, parts, strict=True)]
        known = self._numbers.get
        self._classes[nodes] = [known(key) or self._number(key) for key in keys]
        homes = {node: self._home(node) for node in {pod.node for pod, _ in parts}}
        self._own_node[nodes] = [homes[pod.node] for pod, _ in parts]

    def _number(self, key: _Key) -> int:
        """The class of a key; negative, so that none is the class of a node that has no replicas."""
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers.setdefault(key, -next(self._next))
            self._keys[known] = key
        return known

    def _home(self, node: str) -> int:
        found = self._compiled.number(node)
        return -1 if found is None or not self.worker[found] else found


def _pod_of(view: Inventory, node: str) -> tuple[PodInstance, str] | None:
    """The pod that a pod, volume or Endpoint is or belongs to, and its name in it."""
    kind = node_ids.kind(node)
    if kind == "Endpoint":
        namespace, _, rest = node.removeprefix("Endpoint:").partition("/")
        name, _, port = rest.rpartition("/")
        # No Service has a dot in its name.
        found = view.pods.get(f"Pod:{namespace}/{name.removeprefix('pod.')}") if name.startswith("pod.") else None
        return (found, port) if found is not None else None
    name, part = _volume_of(node) if kind == "Volume" else (node, "")
    pod = view.pods.get(f"Pod:{name}" if kind == "Volume" else name)
    return (pod, part) if pod is not None else None


def _volume_of(node: str) -> tuple[str, str]:
    """The pod's namespace and name, and the name of a volume's id; a persistent volume has no pod."""
    whole = node.removeprefix("Volume:")
    slash = whole.find("/", whole.find("/") + 1)
    return (whole[:slash], whole[slash + 1 :]) if 0 < slash < len(whole) - 1 else ("", node)


def containers_of(pod: PodInstance) -> tuple[str, ...]:
    """The nodes that holding a pod means: its running containers, or the pod itself if it has none."""
    return tuple(container.id for container in pod.containers) or (pod.id,)
