"""Where an attacker may start, without ``--from`` (DESIGN, Analysis; ``catalogue.md`` section 3).

The internet; every running container that is not a mirror pod's, for assuming a breach is the point; and the service
accounts, users and groups that somebody gave rights to, for their credentials leak. Identities whose rights come
only from Kubernetes' own bindings are no starts, and neither are those that are cluster admin directly: who holds
one needs no path.
"""

from __future__ import annotations

import numpy as np

from workbench.analysis.admin import HOLDING, binding_of, is_kubernetes_own, techniques
from workbench.analysis.compiled import Compiled
from workbench.analysis.reach import leading_to
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import Inventory

UNAUTHENTICATED = frozenset({"Group:system:unauthenticated", "User:system:anonymous"})
"""Whoever reaches the API server without credentials (Kubernetes documentation, Authenticating, anonymous requests)."""


def breached(view: Inventory) -> set[str]:
    """The running containers, but for those of mirror pods."""
    return {container.id for pod in view.pods if not pod.mirror for container in pod.containers}


def holders(view: Inventory, compiled: Compiled) -> set[str]:
    """The identities that hold a permission set of a binding that is not Kubernetes' own, also through a group."""
    source, target, numbers = compiled.select(techniques(compiled, HOLDING))
    held = compiled.catalogue.numbers.get("PERMISSION_DISCOVER")
    goals: list[int] = []
    for place in np.unique(target[numbers == held]) if held is not None else ():
        binding = binding_of(view, compiled.nodes[place])
        if binding is not None and not is_kubernetes_own(view, binding):
            goals.append(int(place))
    which = leading_to(compiled, source, target, goals)
    found = (compiled.nodes[number] for number in np.flatnonzero(which))
    return {node for node in found if node_ids.kind(node) in node_ids.IDENTITIES}


_BY_KIND = {"Internet": 1.0, "Container": 0.85, "User": 0.85, "Group": 0.85}
_OTHER = 0.75


def exposure(node: str) -> float:
    """How open a start is: 1 for the internet and the unauthenticated, 0.85 for what is often taken, else 0.75."""
    return 1.0 if node in UNAUTHENTICATED else _BY_KIND.get(node.partition(":")[0], _OTHER)
