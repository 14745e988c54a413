"""Which addresses the internet can reach: those of load balancers, nodes and Services."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node
from workbench.inventory.pods import UNKNOWN_NODE

_NOT_ROUTED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)
"""What no router of the internet forwards (RFC 1918, 4193, 6598, 6890). The documentation ranges count as routed, for
examples and tests use them in the place of public addresses."""

_CLOSED = {
    family: sorted(
        (int(network.network_address), int(network.broadcast_address))
        for network in _NOT_ROUTED
        if network.version == family
    )
    for family in (4, 6)
}
"""The same as the first and the last address of each, by family."""

_PRIVATE_NAMES = (".internal", ".local", ".cluster.local", ".svc", "localhost")


def is_public(address: str) -> bool:
    """Whether an address or host name may be reached from the internet; what is neither is not."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        # AWS puts "internal-" before the name of a load balancer inside a VPC.
        return bool(address) and not address.startswith("internal-") and not address.endswith(_PRIVATE_NAMES)
    return not any(parsed.version == network.version and parsed in network for network in _NOT_ROUTED)


def routed_parts(family: int, low: int, high: int) -> list[tuple[int, int]]:
    """The parts of a range of addresses that the internet has, as their first and last address.

    Args:
        family: 4 or 6.
        low, high: The ends of the range, both included, as numbers.
    """
    parts: list[tuple[int, int]] = []
    for first, last in _CLOSED[family]:
        if last < low:
            continue
        if first > high:
            break
        if low < first:
            parts.append((low, first - 1))
        low = last + 1
    if low <= high:
        parts.append((low, high))
    return parts


def ranges(sources: Iterable[str]) -> str:
    """What source ranges let in: ``all``, ``private`` (no address of the internet), or ``some``."""
    private = True
    for text in sources:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            private = False
            continue
        if network.prefixlen == 0:
            return "all"
        if not any(
            network.version == known.version and network.network_address in known and network.broadcast_address in known
            for known in _NOT_ROUTED
        ):
            private = False
    return "private" if private else "some"


def external_address(node: Node) -> str | None:
    """The first public ExternalIP of a node, ``None`` if it has none."""
    for address in (node.status.addresses or ()) if node.status else ():
        if address.type == "ExternalIP" and address.address and is_public(address.address):
            return address.address
    return None


def exposed_node(view: Inventory) -> tuple[str, bool]:
    """A node that stands for all in the question whether a port of every node is open to the internet.

    Returns:
        The id of the first node with a public address and true; else the only node's id, or ``Node:*`` where there
        are several or none, and false.
    """
    found: tuple[str, bool] = view.derived("node with a public address", frozenset({"Node"}), _exposed_node)
    return found


def _exposed_node(view: Inventory) -> tuple[str, bool]:
    known = view.all(Node)
    for node in known:
        if external_address(node) is not None:
            return node.id, True
    return (next(iter(known)).id if len(known) == 1 else UNKNOWN_NODE), False
