"""Which identities are cluster admin: directly, or by a few calls to the Kubernetes API (``catalogue.md`` 3 a and b).

*Direct* is an identity that holds a grant of everything in the cluster, itself or through a group.

*Derivable* is one that gets there by techniques that need the Kubernetes API alone, each of weight 4 or less:
binding or escalating roles, impersonating, making tokens or pods for an admin's account, issuing certificates,
changing admission, a privileged pod where control-plane nodes are known. The fixed point of "reaches an identity
that is admin" is one search backward from ClusterAdmin. Steps that depend on a fact which the objects do not show
count, for unknown is never taken for safe; the weight is that before the surcharge. That a node of unknown
name is a control-plane node does not count: then every identity that may create pods would be an admin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from workbench.analysis.arrays import Bools, Ints
from workbench.analysis.chosen import Choice, Chosen
from workbench.analysis.compiled import Compiled
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KubernetesObject

MOST_EFFORT = 4
"""The heaviest technique of a way that makes admin derivable."""

HOLDING = ("PERMISSION_DISCOVER", "GROUP_MEMBER")
"""How an identity comes to hold a permission set."""
DIRECT = (*HOLDING, "CLUSTER_ADMIN", "SYSTEM_MASTERS")
_CONTROL_PLANE = "NODE_CONTROL_PLANE"

BOOTSTRAPPING = "kubernetes.io/bootstrapping"
"""The label of the bindings that the API server itself makes (Kubernetes documentation, RBAC, auto-reconciliation)."""


@dataclass(frozen=True, slots=True)
class Admins:
    """The identities that are cluster admin."""

    direct: frozenset[str]
    derivable: frozenset[str]
    """Those that are not direct."""
    nodes: tuple[Bools, Bools] | None = field(default=None, repr=False, compare=False)
    """Both as masks of the nodes of the graph."""
    leading: Bools | None = field(default=None, repr=False, compare=False)
    """Whatever leads to cluster admin by the techniques that count, also what is no identity, as a mask."""
    chosen: tuple[Chosen, Chosen] | None = field(default=None, repr=False, compare=False)
    """The searches behind it: for who is direct, and for who is admin at all."""

    def stay(self, compiled: Compiled) -> bool:
        """Whether a what-if leaves them as they are: nobody gets in, or falls out, but by an edge to one who is in."""
        if self.leading is None:
            return False
        return not compiled.changes(_counting(compiled), self.leading)

    def of(self, node: str) -> Literal["direct", "derivable"] | None:
        """How an identity is admin, ``None`` if it is not."""
        if node in self.direct:
            return "direct"
        return "derivable" if node in self.derivable else None

    def __contains__(self, node: object) -> bool:
        return node in self.direct or node in self.derivable


def techniques(compiled: Compiled, ids: tuple[str, ...]) -> Bools:
    """A mask of some techniques and of the membership of hubs."""
    chosen = compiled.catalogue.internal.copy()
    for identifier in ids:
        number = compiled.catalogue.numbers.get(identifier)
        if number is not None:
            chosen[number] = True
    return chosen


def admins(compiled: Compiled, before: Admins | None = None) -> Admins:
    """Who is cluster admin in a graph, whatever techniques a search leaves out.

    Args:
        compiled: The graph.
        before: In a what-if, who was in the graph as it was.
    """
    goal = compiled.number(node_ids.CLUSTER_ADMIN)
    if goal is None:
        return Admins(frozenset(), frozenset())
    if before is not None and before.chosen is not None:
        lost = tuple(each.after(compiled) for each in before.chosen)
        if lost[0] is not None and lost[1] is not None:
            return _without(compiled, before, lost[0], lost[1])
    last = np.zeros(len(compiled.catalogue.ids), np.bool_)
    number = compiled.catalogue.numbers.get(_CONTROL_PLANE)
    if number is not None:
        last[number] = True
    api = techniques(compiled, DIRECT) | compiled.catalogue.api_only
    directly = Chosen(compiled, [Choice(techniques(compiled, DIRECT), on=True)], [goal])
    somehow = Chosen(compiled, [Choice(api, at_most=MOST_EFFORT), Choice(last, on=True)], [goal])
    direct = directly.leading & compiled.identity
    derivable = somehow.leading & compiled.identity & ~direct
    if before is not None and before.nodes is not None and _same(before.nodes, (direct, derivable)):
        return before
    leading = directly.leading | somehow.leading
    return Admins(
        _names(compiled, direct), _names(compiled, derivable), (direct, derivable), leading, (directly, somehow)
    )


def _without(compiled: Compiled, before: Admins, lost: Ints, lost_somehow: Ints) -> Admins:
    """The admins of a what-if that only takes ways: those without the nodes that have none any more."""
    assert before.nodes is not None
    assert before.chosen is not None
    direct, derivable = (mask.copy() for mask in before.nodes)
    fallen = lost[direct[lost]]
    direct[fallen] = False
    derivable[fallen] = before.chosen[1].leading[fallen]
    derivable[lost_somehow] = False
    if all(np.array_equal(old, new) for old, new in zip(before.nodes, (direct, derivable), strict=True)):
        return before
    sets = [
        known - _names(compiled, old & ~new) | _names(compiled, new & ~old)
        for known, old, new in zip((before.direct, before.derivable), before.nodes, (direct, derivable), strict=True)
    ]
    return Admins(sets[0], sets[1])


def _counting(compiled: Compiled) -> Bools:
    """The techniques of :func:`admins`."""
    return techniques(compiled, (*DIRECT, _CONTROL_PLANE)) | compiled.catalogue.api_only


def _same(before: tuple[Bools, Bools], after: tuple[Bools, Bools]) -> bool:
    """Whether two masks are what they were, and new nodes are in neither."""
    size = len(before[0])
    return all(np.array_equal(old, new[:size]) and not new[size:].any() for old, new in zip(before, after, strict=True))


def _names(compiled: Compiled, which: Bools) -> frozenset[str]:
    return frozenset(compiled.nodes[number] for number in np.flatnonzero(which).tolist())


def binding_of(view: Inventory, permission_set: str) -> KubernetesObject | None:
    """The binding that a permission set comes from, ``None`` for a virtual one.

    The id is ``PermissionSet:ns/role@binding``; both names may hold an ``@``, so the objects decide.
    """
    namespace, slash, rest = permission_set.removeprefix("PermissionSet:").partition("/")
    if not slash:
        namespace, rest = "", namespace
    at = rest.find("@")
    while at >= 0:
        role, name = rest[:at], rest[at + 1 :]
        node = f"RoleBinding:{namespace}/{name}" if namespace else f"ClusterRoleBinding:{name}"
        found = view.by_id(node)
        if found is not None and getattr(getattr(found, "role_ref", None), "name", None) == role:
            return found
        at = rest.find("@", at + 1)
    return None


def is_kubernetes_own(view: Inventory, binding: KubernetesObject) -> bool:
    """Whether Kubernetes made a binding: the API server (its label), kubeadm (its prefix), or built-in knowledge."""
    if view.is_builtin(binding.id):
        return True
    return BOOTSTRAPPING in (binding.metadata.labels or {}) or binding.name.startswith("kubeadm:")
