"""Which paths of a list go through which object.

Nodes of paths are finer than objects, and a path is listed once for all its replicas. So a path through a container
goes through its pod, through the replicas of the pod, and through all that own them; one through a permission set goes
through its binding and its role; one through an endpoint goes through the Service, Ingress, pod or node that it is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from workbench.analysis.paths import Path
from workbench.analysis.session import Analysis
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.techniques import access

_PODS = frozenset({"Container", "Pod", "Volume"})


class Through:
    """The paths through each object."""

    def __init__(self, analysis: Analysis, paths: Sequence[Path]) -> None:
        """Look at each path once.

        Args:
            analysis: What the paths were found in.
            paths: The list; what is given back are places in it.
        """
        self._view = analysis.view
        self._analysis = analysis
        self._classes: dict[int, set[int]] = {}
        self._objects: dict[str, set[int]] = {}
        self._of_classes: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._of_alike: dict[tuple[PodInstance | ContainerInstance, ...], tuple[int, ...]] = {}
        # The volume with the token has a name of its own in each replica, and so is no replica of another one.
        self._renamed = {pod.alike: pod.renamed[0] for pod in self._view.pods if pod.renamed}
        self._on_paths: set[int] = set()
        for at, path in enumerate(paths):
            for node in {*path.nodes, *_own_nodes(analysis, path)}:
                self._add(node, at)
        self._add_owners()

    def of(self, about: str) -> tuple[int, ...]:
        """The places of the paths through an object, sorted."""
        pod = self._view.pods.get(about) if about.startswith("Pod:") else None
        own = self._objects.get(about, ())
        if pod is None:
            return tuple(sorted(own))
        found = self._of_pod(pod)
        return tuple(sorted({*own, *found})) if own else found

    def _add(self, node: str, at: int) -> None:
        namespace = node_ids.namespace(node)
        if namespace:
            self._objects.setdefault(f"Namespace:{namespace}", set()).add(at)
        if node_ids.kind(node) in _PODS:
            number = self._analysis.compiled.number(node)
            if number is not None:
                self._on_paths.add(number)
                self._classes.setdefault(self._classes_of([number])[0], set()).add(at)
            if node_ids.kind(node) == "Volume" and not namespace:
                self._objects.setdefault(f"PersistentVolume:{node_ids.name(node)}", set()).add(at)
            return
        for about in objects_of(self._view, node):
            self._objects.setdefault(about, set()).add(at)

    def _of_pod(self, pod: PodInstance) -> tuple[int, ...]:
        """The paths through the nodes of a pod, one tuple for all pods with the same ones."""
        key = self._classes_of_replicas(pod)
        first = self._renamed.get(pod.alike)
        if first is not None:
            number = self._analysis.compiled.number(pod.volume_id(pod.own_volume(first)))
            if number is not None and number in self._on_paths:
                key = tuple(sorted({*key, *self._classes_of([number])}))
        found = self._of_classes.get(key)
        if found is None:
            found = self._of_classes[key] = tuple(sorted(set[int]().union(*(self._classes[one] for one in key))))
        return found

    def _classes_of_replicas(self, pod: PodInstance) -> tuple[int, ...]:
        """The classes of the nodes of a pod that have paths, but for the volume that each replica calls otherwise."""
        alike: tuple[PodInstance | ContainerInstance, ...] = (
            pod.alike,
            *(container.alike for container in pod.containers),
        )
        known = self._of_alike.get(alike)
        if known is None:
            own = self._renamed.get(pod.alike)
            own = None if own is None else pod.own_volume(own)
            volumes = [pod.volume_id(name) for name in pod.volumes if name != own]
            nodes = (pod.id, *(container.id for container in pod.containers), *volumes)
            places = [place for place in map(self._analysis.compiled.number, nodes) if place is not None]
            known = self._of_alike[alike] = tuple(sorted(set(self._classes_of(places)) & self._classes.keys()))
        return known

    def _classes_of(self, places: list[int]) -> list[int]:
        """What replicas of one another share, of each of some nodes."""
        classes: list[int] = self._analysis.replicas.classes_of(np.array(places, dtype=np.int64)).tolist()
        return classes

    def _add_owners(self) -> None:
        """A path through a pod goes through its controller, and through the top owner."""
        added: set[tuple[str, tuple[int, ...]]] = set()
        for pod in self._view.pods:
            found = self._of_pod(pod)
            if not found:
                continue
            for owner in owners_of(self._view, pod):
                if (owner, found) not in added:
                    added.add((owner, found))
                    self._objects.setdefault(owner, set()).update(found)


def _own_nodes(analysis: Analysis, path: Path) -> Iterator[str]:
    """The worker nodes of the replicas that a path stands for, where it leads over the one of the replica shown."""
    if len(path.sources) < 2:
        return
    replicas, compiled = analysis.replicas, analysis.compiled
    numbers = compiled.numbers((path.source, *path.sources)).tolist()
    homes = [replicas.own_node(number) for number in numbers]
    if homes and homes[0] >= 0 and compiled.nodes[homes[0]] in path.nodes:
        yield from (compiled.nodes[home] for home in homes if home >= 0)


def owners_of(view: Inventory, pod: PodInstance) -> Iterable[str]:
    """The ids of what controls a pod: the nearest controller, and the top owner; of a representative its workload."""
    if pod.obj.id != pod.id:
        yield pod.obj.id
    for reference in pod.obj.metadata.owner_references or ():
        if reference.controller and reference.kind != "Node":
            yield f"{reference.kind}:{pod.namespace}/{reference.name}"
    if pod.owner not in (pod.id, pod.obj.id):
        yield pod.owner


def objects_of(view: Inventory, node: str) -> Iterable[str]:
    """The ids of the objects that a node other than a pod's stands for; the node's own id where it is one."""
    kind = node_ids.kind(node)
    if kind == "PermissionSet":
        grant = access.grant(view, node)
        if grant is None:
            return ()
        role = f"{grant.role_kind}:{grant.role_name}"
        if grant.role_kind == "Role":
            role = f"{grant.role_kind}:{grant.namespace}/{grant.role_name}"
        return (role,) if grant.virtual else (grant.binding.id, role)
    if kind == "Endpoint":
        return (_of_endpoint(node),)
    return (node,)


def _of_endpoint(node: str) -> str:
    place, _, _ = node.removeprefix("Endpoint:").rpartition("/")
    if place.startswith("node."):
        return f"Node:{place.removeprefix('node.')}"
    namespace, _, name = place.partition("/")
    # A Service's name holds no dot.
    for prefix, kind in (("pod.", "Pod"), ("ingress.", "Ingress"), ("gateway.", "Gateway")):
        if name.startswith(prefix):
            return f"{kind}:{namespace}/{name.removeprefix(prefix)}"
    return f"Service:{namespace}/{name}"
