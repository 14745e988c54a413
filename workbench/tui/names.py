"""How nodes and values are written on the screen."""

from __future__ import annotations

import json
from typing import Any

from workbench.graph import nodes
from workbench.tui.text import shown

CROWN = "★"
ENTRY = "◎"

NAME_LIMIT = 1024
"""A node's name holds at most a namespace, a pod, and a container: 63 + 253 + 63, more when escaped."""


VALUE_LIMIT = 160
"""Where the value of an evidence is cut; the YAML has it whole."""


def node_name(node: str) -> str:
    """A node without its kind, the namespace before it: ``shop/cart``."""
    if node == nodes.INTERNET:
        return "internet"
    if node == nodes.CLUSTER_ADMIN:
        return "cluster-admin"
    return shown(node.partition(":")[2] or node, NAME_LIMIT)


def tagged(node: str) -> str:
    """The tag and the name: ``SA   shop/cart``."""
    return f"{nodes.tag(node):<4} {node_name(node)}"


def short(node: str) -> str:
    """One or two words for a list: ``secret payments/db``."""
    if node in (nodes.INTERNET, nodes.CLUSTER_ADMIN):
        return node_name(node)
    return f"{nodes.tag(node).lower()} {node_name(node)}"


def full(node: str) -> str:
    """The kind as Kubernetes writes it, and the name: ``Deployment shop/cart``."""
    if node in (nodes.INTERNET, nodes.CLUSTER_ADMIN):
        return node_name(node)
    return f"{shown(nodes.kind(node))} {node_name(node)}"


def end_of(node: str) -> str:
    """As :func:`short`, for the end of an edge, which may be a set: ``any of the secrets in shop``."""
    if not nodes.is_hub(node):
        return short(node)
    members, scope = nodes.hub_parts(node)
    where = "" if scope == nodes.ANYWHERE else f" in {shown(scope)}"
    return f"any of the {shown(members.partition('-beside-')[0]).replace('-', ' ')}{where}"


def value_of(value: Any, default: Any = None) -> str:
    """A value of an evidence, in one line."""
    if value is None:
        return "not set" if default is None else f"not set, which means {value_of(default)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, tuple)):
        return shown(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str), VALUE_LIMIT)
    return shown(value, VALUE_LIMIT)
