"""The Endpoints on each node: whose pods run there, and which of them only the node itself gets to.

A step that leads to what is on the attacker's node takes an Endpoint whose pods all run there. Of one that has others
elsewhere it is not said which of them is meant (C-NODE).

Sources: Kubernetes documentation, "Network Policies": "traffic to and from the node where a Pod is running is always
allowed"; ``hostIP`` of container ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.network import enforcement
from workbench.network.enforcement import Enforces
from workbench.network.rules import Direction
from workbench.techniques.endpoints import endpoints_of, listens
from workbench.techniques.resolve import HOLDS, Answer, needs, reach, ruled_out
from workbench.techniques.resolve.container import on_every_node

ON_NODE = "endpoints-on"
"""The hubs of the Endpoints whose pods all run on a node."""
ON_NODE_IF = "endpoints-on-if"
"""The same, of those that have pods elsewhere too."""
LOCAL = "node-local"
"""The hubs of the Endpoints that policies protect, but not from the node, and of those on its loopback."""
LOCAL_IF = "node-local-if"
_BRIDGED = frozenset({"Flannel"})
_ROUTED = frozenset({"Cilium", "Calico", "Antrea", "OVN-Kubernetes", "Kube-OVN", "kindnet", "Amazon VPC CNI"})
"""Plugins that route between pods, or answer for their addresses: nobody else can. Of others it is not known."""


def hub(kind: str, node_id: str) -> str:
    """The hub of a kind for a node."""
    return nodes.hub(kind, node_id.removeprefix("Node:"))


class _Hubs(dict[str, str]):
    """The hubs of one kind by the nodes."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, node_id: str) -> str:
        found = self[node_id] = hub(self._kind, node_id)
        return found


def placed(view: Inventory, namespaces: Iterable[str]) -> Iterator[tuple[list[str], str]]:
    """The Endpoints of some namespaces, each with the hubs of the nodes that it is on."""
    protected = _protected(view)
    on_node, on_node_if, local, local_if = map(_Hubs, (ON_NODE, ON_NODE_IF, LOCAL, LOCAL_IF))
    for namespace in namespaces:
        for endpoint in endpoints_of(view, namespace):
            targets = endpoint.targets
            if not targets or not (endpoint.loopback or listens(endpoint)):
                continue
            if len(targets) == 1:
                # Most are those of single pods.
                pod = targets[0].pod
                node = pod.node
                alone = node != UNKNOWN_NODE or on_every_node(pod)
                if not endpoint.loopback:
                    yield [(on_node if alone else on_node_if)[node]], endpoint.id
                if endpoint.loopback or protected(pod):
                    yield [(local if alone else local_if)[node]], endpoint.id
                continue
            here = {target.pod.node: None for target in targets}
            alone = len(here) == 1
            if UNKNOWN_NODE in here:
                alone = alone and all(on_every_node(target.pod) for target in targets)
            if not endpoint.loopback:
                hubs = on_node if alone else on_node_if
                yield [hubs[node] for node in here], endpoint.id
                here = {target.pod.node: None for target in targets if protected(target.pod)}
            hubs = local if alone else local_if
            yield [hubs[node] for node in here], endpoint.id


def _protected(view: Inventory) -> Callable[[PodInstance], bool]:
    """Whether some policy limits what gets into a pod, and may have an effect."""
    network = reach.network_of(view).reach
    if reach.enforced(view) is Enforces.NO:
        return lambda pod: False
    class_of = network.class_of_id
    known: dict[int | None, bool] = {None: False}

    def protected(pod: PodInstance) -> bool:
        number = class_of(pod.id)
        found = known.get(number)
        if found is None:
            found = known[number] = number is not None and bool(network.selecting(Direction.INGRESS, number))
        return found

    return protected


def layer_2(view: Inventory) -> Answer:
    """Whether the pods of a node share a bridge, on which each may answer for the address of another.

    Source: the documentation of each network plugin.
    """
    plugin = enforcement.enforcement(view)
    if plugin.plugin in _BRIDGED:
        return HOLDS
    if plugin.plugin in _ROUTED:
        return ruled_out(f"{plugin.plugin} ({plugin.object}) routes between pods: there is no layer 2 to spoof on")
    return needs("C-L2", UNKNOWN_NODE)
