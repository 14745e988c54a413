"""Which namespaces hold pods whose ways through the network an overlay changes, and hubs for sets that many reach."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.network import enforcement
from workbench.techniques.endpoints import ALL_READS
from workbench.techniques.resolve import reach
from workbench.techniques.resolve.reach import Passage

_LEADING = (ALL_READS | {"DaemonSet"}) - {"Namespace"}
"""Kinds that say what leads to pods, and which there are; whether a pod gets to an address they do not decide."""


def changed_pods(view: Inventory) -> set[str]:
    """The namespaces of the pods that an overlay changes."""
    return {pod.namespace for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None}


def changed_ways_out(view: Inventory) -> set[str] | None:
    """The namespaces whose pods may get to other addresses than before; ``None``: all. It errs wide."""
    found = changed_pods(view)
    if not reach.matters(view):
        return found
    if enforcement.differs(view) or (view.replaced.keys() & reach.READS) - _LEADING - {"NetworkPolicy"}:
        return None
    policies = (obj for pair in view.replaced.get("NetworkPolicy", ()) for obj in pair)
    return found | {policy.namespace for policy in policies if policy is not None}


def class_of(view: Inventory, pod: PodInstance) -> int | None:
    """The number of the class of a pod: policies say the same of all pods of it; ``None`` if it has completed."""
    return reach.network_of(view).reach.class_of(pod)


def addresses_of(view: Inventory, node_id: str) -> list[str]:
    """The addresses at which a node listens; none of one that was not read."""
    node = view.by_id(node_id)
    known = (node.status.addresses if isinstance(node, Node) and node.status is not None else None) or ()
    return [each.address for each in known if each.address and each.type in ("InternalIP", "ExternalIP")]


def to_node_address(view: Inventory, pod: PodInstance, node_id: str, port: int) -> Passage:
    """As :func:`reach.to_node`, for any pod of the class, as if it ran on another node."""
    addresses = addresses_of(view, node_id)
    if not addresses:
        # Of a node without addresses policies say the same as of one that is not known.
        return reach.to_node(view, pod, UNKNOWN_NODE, port)
    passages = [reach.to_address(view, pod, address, port) for address in addresses]
    return min(passages, key=lambda passage: (not passage.open, len(passage.missing)))


def hub_of(kind: str, members: Iterable[str]) -> str:
    """The hub of a set that is named after nothing but its members, so that an overlay calls it the same."""
    return nodes.hub(kind, blake2s("\n".join(members).encode(), digest_size=8).hexdigest())
