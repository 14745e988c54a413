"""Where an attacker may start, without ``--from`` (DESIGN, Analysis; ``catalogue.md`` section 3).

The internet; every running container that is not a mirror pod's, for assuming a breach is the point; and the service
accounts, users and groups that somebody gave rights to, for their credentials leak. Identities whose rights come
only from Kubernetes' own bindings are no starts, and neither are those that are cluster admin directly: who holds
one needs no path.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from workbench.analysis.admin import HOLDING, binding_of, is_kubernetes_own, techniques
from workbench.analysis.arrays import Bools
from workbench.analysis.chosen import Choice, Chosen
from workbench.analysis.compiled import Compiled
from workbench.inventory.inventory import Inventory

UNAUTHENTICATED = frozenset({"Group:system:unauthenticated", "User:system:anonymous"})
"""Whoever reaches the API server without credentials (Kubernetes documentation, Authenticating, anonymous requests)."""


def breached(view: Inventory) -> Set[str]:
    """The running containers, but for those of mirror pods, in the order of the pods."""
    return dict.fromkeys([container.id for pod in view.pods if not pod.mirror for container in pod.containers]).keys()


_GRANTED = "PERMISSION_DISCOVER"
"""How an identity comes to hold a permission set by a binding that names it."""


@dataclass(frozen=True)
class Holders:
    """The identities that hold a permission set of a binding that is not Kubernetes' own, also through a group.

    Attributes:
        which: The identities, as a mask of the nodes.
        own: For each permission set that somebody holds, by number, whether its binding is Kubernetes' own, or there
            is none.
        leading: Whatever leads to such a permission set by holding it, identities or not, as a mask.
        chosen: The search behind it.
    """

    which: Bools
    own: Mapping[int, bool]
    leading: Bools
    chosen: Chosen

    def stay(self, view: Inventory, compiled: Compiled) -> bool:
        """Whether a what-if leaves them as they are."""
        if not view.replaced.keys().isdisjoint(_BINDINGS):
            return False
        # A permission set that nobody held may come to be held.
        granted = np.zeros(len(compiled.catalogue.ids), np.bool_)
        number = compiled.catalogue.numbers.get(_GRANTED)
        if number is not None:
            granted[number] = True
        if compiled.changes(granted, np.ones(len(self.leading), np.bool_)):
            return False
        return not compiled.changes(techniques(compiled, HOLDING), self.leading)


def holders(view: Inventory, compiled: Compiled, before: Holders | None = None) -> Holders:
    """Who holds rights that somebody gave.

    Args:
        view: The objects; in a what-if, the overlay.
        compiled: Their graph.
        before: In a what-if, what was found in the graph as it was.
    """
    if before is not None and (after := _without(view, compiled, before)) is not None:
        return after
    number = compiled.catalogue.numbers.get(_GRANTED)
    _, target, numbers = compiled.select(techniques(compiled, HOLDING))
    granted: list[int] = np.unique(target[numbers == number]).tolist() if number is not None else []
    suffixes = _suffixes(view)
    own: dict[int, bool] = {}
    for place in granted:
        known = None if before is None else before.own.get(place)
        if known is None or (suffixes and compiled.nodes[place].endswith(suffixes)):
            binding = binding_of(view, compiled.nodes[place])
            known = binding is None or is_kubernetes_own(view, binding)
        own[place] = known
    goals = [place for place in granted if not own[place]]
    chosen = Chosen(compiled, [Choice(techniques(compiled, HOLDING))], goals)
    return Holders(chosen.leading & compiled.identity, own, chosen.leading, chosen)


def _suffixes(view: Inventory) -> tuple[str, ...]:
    """How the names of the permission sets of changed bindings end: with that of the binding."""
    return tuple(
        f"@{obj.name}" for kind in _BINDINGS for pair in view.replaced.get(kind, ()) for obj in pair if obj is not None
    )


def _without(view: Inventory, compiled: Compiled, before: Holders) -> Holders | None:
    """The holders of a what-if that only takes ways; ``None`` if it may bring some, or makes a binding another's."""
    for old, new in (pair for kind in _BINDINGS for pair in view.replaced.get(kind, ())):
        if old is None or new is None or old.role_ref != new.role_ref:
            return None
        if is_kubernetes_own(view, old) != is_kubernetes_own(view, new):
            return None
    for (_, target), records in compiled.changed.items():
        if target not in before.own and any(edge.technique == _GRANTED for edge in records):
            return None
    lost = before.chosen.after(compiled)
    if lost is None:
        return None
    which, leading = before.which.copy(), before.leading.copy()
    which[lost] = leading[lost] = False
    return Holders(which, before.own, leading, before.chosen)


_BINDINGS = ("RoleBinding", "ClusterRoleBinding")

_BY_KIND = {"Internet": 1.0, "Container": 0.85, "User": 0.85, "Group": 0.85}
_OTHER = 0.75


def exposure(node: str) -> float:
    """How open a start is: 1 for the internet and the unauthenticated, 0.85 for what is often taken, else 0.75."""
    return 1.0 if node in UNAUTHENTICATED else _BY_KIND.get(node.partition(":")[0], _OTHER)
