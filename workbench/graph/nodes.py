"""Node ids and kinds.

A node id is ``Kind:namespace/name``, or ``Kind:name`` without a namespace; ``Internet`` and ``ClusterAdmin``
are ids of their own. Hubs (``Hub:containers/shop``) stand for the members of a set and never leave the
program: presentations merge the edge into a hub and the one out of it into one step.
"""

from __future__ import annotations

INTERNET = "Internet"
CLUSTER_ADMIN = "ClusterAdmin"
UNKNOWN_NODE = "Node:*"
HUB = "Hub"
ANYWHERE = "*"
"""The scope of a hub that spans all namespaces."""

TAGS = {
    "Internet": "NET",
    "Endpoint": "EP",
    "Container": "CTR",
    "Pod": "POD",
    "Image": "IMG",
    "Registry": "REG",
    "Vulnerability": "CVE",
    "ServiceAccount": "SA",
    "User": "USR",
    "Group": "GRP",
    "PermissionSet": "PRM",
    "Secret": "SEC",
    "ConfigMap": "CM",
    "Volume": "VOL",
    "Node": "NOD",
    "Namespace": "NS",
    "CloudIdentity": "CLD",
    "Controller": "CTL",
    "ClusterAdmin": "ADM",
}
"""The short word for a kind of node; workloads are ``WRK``."""

PLURAL = {
    "Endpoint": "endpoints",
    "Container": "containers",
    "Pod": "pods",
    "Image": "images",
    "ServiceAccount": "service accounts",
    "User": "users",
    "Group": "groups",
    "PermissionSet": "permission sets",
    "Secret": "secrets",
    "ConfigMap": "config maps",
    "Volume": "volumes",
    "Node": "nodes",
    "Namespace": "namespaces",
}
"""Kinds of nodes in running text."""

IDENTITIES = frozenset({"ServiceAccount", "User", "Group"})


_FREE = frozenset({"Image", "Registry", "CloudIdentity", "Vulnerability", "User", "Group", "Node", HUB})
"""Kinds without a namespace whose names may hold a slash; users and groups are called whatever an issuer says."""


def kind(node: str) -> str:
    """The kind of a node id."""
    return node.partition(":")[0]


def namespace(node: str) -> str:
    """The namespace of a node id, empty where it has none."""
    head, slash, _ = node.partition(":")[2].partition("/")
    if not slash or kind(node) in _FREE or (kind(node) == "Endpoint" and head.startswith("node.")):
        return ""
    return head


def name(node: str) -> str:
    """What stands after the kind and the namespace."""
    rest = node.partition(":")[2]
    return rest.partition("/")[2] if namespace(node) else rest or node


def tag(node: str) -> str:
    """The short word for the node's kind."""
    return TAGS.get(kind(node), "WRK")


def hub(members: str, scope: str) -> str:
    """The id of the hub for a set: ``hub("containers", "shop")``."""
    return f"{HUB}:{members}/{scope}"


def is_hub(node: str) -> bool:
    """Whether an id is that of a hub."""
    return node.startswith("Hub:")


def hub_parts(node: str) -> tuple[str, str]:
    """The set and the scope of a hub's id."""
    members, _, scope = node.removeprefix("Hub:").partition("/")
    return members, scope
