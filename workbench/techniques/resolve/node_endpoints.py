"""The Endpoints on each node: whose pods run there, and which of them only the node itself gets to.

A step that leads to what is on the attacker's node takes an Endpoint whose pods all run there. Of one that has others
elsewhere it is not said which of them is meant (C-NODE).

Sources: Kubernetes documentation, "Network Policies": "traffic to and from the node where a Pod is running is always
allowed"; ``hostIP`` of container ports.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeAlias

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.network import enforcement
from workbench.network.enforcement import Enforces
from workbench.network.rules import Direction
from workbench.techniques.endpoints import endpoints_differ, endpoints_of, listens
from workbench.techniques.resolve import HOLDS, Answer, needs, reach, ruled_out
from workbench.techniques.resolve.container import on_every_node
from workbench.techniques.resolve.reached import changed_ways_out

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


Placed: TypeAlias = dict[str, defaultdict[str, list[str]]]
"""The Endpoints of a namespace by the kind of a hub and the node."""


def placed(view: Inventory, namespace: str) -> Placed:
    """Where the Endpoints of a namespace are."""
    base = view.base
    if base is not None and not _differ(view, namespace):
        return placed(base, namespace)
    return view.derived(f"endpoints by node of {namespace}", reach.READS, lambda over: _placed(over, namespace))


def _differ(view: Inventory, namespace: str) -> bool:
    changed = changed_ways_out(view)
    return changed is None or namespace in changed or endpoints_differ(view, namespace)


def _placed(view: Inventory, namespace: str) -> Placed:
    out: Placed = {kind: defaultdict(list) for kind in (ON_NODE, ON_NODE_IF, LOCAL, LOCAL_IF)}
    protected = _protected(view)
    for endpoint in endpoints_of(view, namespace):
        targets = endpoint.targets
        if not targets or not (endpoint.loopback or listens(endpoint)):
            continue
        name = endpoint.id
        here = {target.pod.node for target in targets}
        alone = len(here) == 1
        if UNKNOWN_NODE in here:
            alone = alone and all(on_every_node(target.pod) for target in targets)
        if not endpoint.loopback:
            placing = out[ON_NODE if alone else ON_NODE_IF]
            for node_id in here:
                placing[node_id].append(name)
            here = {target.pod.node for target in targets if protected(target.pod)}
        placing = out[LOCAL if alone else LOCAL_IF]
        for node_id in here:
            placing[node_id].append(name)
    return out


def _protected(view: Inventory) -> Callable[[PodInstance], bool]:
    """Whether some policy limits what gets into a pod, and may have an effect."""
    network = reach.network_of(view).reach
    protects = reach.enforced(view) is not Enforces.NO
    known: dict[int | None, bool] = {None: False}

    def protected(pod: PodInstance) -> bool:
        number = network.class_of(pod)
        if number not in known:
            known[number] = protects and number is not None and bool(network.selecting(Direction.INGRESS, number))
        return known[number]

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
