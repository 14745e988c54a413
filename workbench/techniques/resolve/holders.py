"""The smallest holder of several permissions: where a step that takes them starts (DESIGN, "Graph").

One permission set, so that the operator sees which binding to cut; else the group; a member only if its own rights
are needed. Each holder comes with what it reaches *beyond* what smaller ones among its rights reach: two bindings
may each be enough for something, and together be enough for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from workbench.inventory.inventory import Inventory
from workbench.rbac import Ability, Effective, Grant
from workbench.rbac.subjects import AUTHENTICATED, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED
from workbench.techniques.resolve import permissions

Reached: TypeAlias = Mapping[str, Any]
"""The nodes that some rights reach, each with the cause from which the evidence is rebuilt."""

Reach: TypeAlias = Callable[[Effective], Reached]
"""What some rights reach by a technique. More rights reach no less."""

Covers: TypeAlias = Callable[[Reached, str], bool]
"""Whether what is reached already makes one more node pointless, as a hub does for its members."""


_OF_MANY = (SERVICE_ACCOUNTS, AUTHENTICATED, UNAUTHENTICATED, NODES)
"""How the groups begin whose members go by their names (R9)."""


class Step(NamedTuple):
    """One edge of a technique that takes several permissions."""

    holder: str
    """The id of the permission set, the group or the identity."""
    target: str
    cause: Any


def steps_of_grants(grants: Iterable[Grant], reach: Reach) -> dict[str, Reached]:
    """What each permission set reaches all by itself, by id."""
    return {grant.id: reach(Effective(grant.id, (grant,))) for grant in grants}


def smallest_holders(
    view: Inventory,
    parts: Sequence[Sequence[Ability]],
    reach: Reach,
    covers: Covers = lambda reached, node: node in reached,
) -> Iterator[Step]:
    """The edges of a technique from the smallest holder of what each takes, over all bindings; sorted by holder.

    Args:
        view: An inventory, or an overlay.
        parts: The permissions that it takes, each as the abilities of which one will do; whoever lacks all of one
            part, in every place, reaches nothing.
        reach: What the rights of one permission set, group or identity reach.
        covers: Whether a node is pointless beside what a smaller holder reaches.
    """
    relevant = [permissions.real_grants_with(view, part) for part in parts]
    if not all(relevant):
        return
    enough = set.intersection(*({grant.id for grant in grants} for grants in relevant))
    alone = steps_of_grants((grant for grant in relevant[0] if grant.id in enough), reach)
    for holder in sorted(alone):
        yield from _steps(holder, alone[holder])
    named = [permissions.named_with(view, part) for part in parts]
    groups: dict[str, Reached] = {}
    # Groups first, so that what one of them reaches is known for its members.
    for identity in (*_groups(frozenset.intersection(*named)), *_members(view, named)):
        own_groups = permissions.groups_of(view, identity)
        if not all(identity in part or not part.isdisjoint(own_groups) for part in named):
            continue
        rights = permissions.effective(view, identity)
        if len(rights.grants) < 2:
            continue
        smaller = [alone[grant.id] for grant in rights.grants if grant.id in alone]
        smaller += [groups[group] for group in own_groups if group in groups]
        found = {
            node: cause
            for node, cause in reach(rights).items()
            if not any(covers(reached, node) for reached in smaller)
        }
        if identity.startswith("Group:"):
            groups[identity] = found
        yield from _steps(identity, found)


def holders_stay(view: Inventory, parts: Sequence[Sequence[Ability]]) -> bool:
    """Whether an overlay leaves alone who holds the permissions that a technique takes; it errs on the side of no.

    So it is if it changes nothing but roles and bindings in their places, none of the permission sets that this
    changes grants any of them before or after, and nobody who gets or loses one of these sets holds a permission of
    each part.
    """
    base = view.base
    if base is None or not view.replaced.keys() <= permissions.RBAC_KINDS:
        return False
    if any(old is None or new is None for pairs in view.replaced.values() for old, new in pairs):
        return False
    if permissions.concerns(view, [ability for part in parts for ability in part]):
        return False
    named = [permissions.named_with(view, part) for part in parts]
    if not all(named):
        return True
    for pair in permissions.changed(view):
        for identity in {identity for grant in pair if grant is not None for identity in grant.identities}:
            if identity.startswith(_OF_MANY):
                return False
            # Any other group has the members that the operator names, and no others that we know of.
            members = [f"User:{user}" for user in view.users] if identity.startswith("Group:") else []
            for member in (identity, *members):
                held = {member, *permissions.groups_of(view, member)}
                if not any(held.isdisjoint(part) for part in named):
                    return False
    return True


def _steps(holder: str, reached: Reached) -> Iterator[Step]:
    for node, cause in reached.items():
        if node != holder:
            yield Step(holder, node, cause)


def _groups(named: Iterable[str]) -> list[str]:
    return sorted(identity for identity in named if identity.startswith("Group:"))


def _members(view: Inventory, named: Sequence[frozenset[str]]) -> list[str]:
    """The identities, no groups, that may hold all parts, by bindings that name them or their groups; sorted.

    Whoever holds all of them holds the rarest one: named by one of its bindings, or as a member of a group among them.
    """
    rarest = min(named, key=len)
    found = {identity for identity in rarest if not identity.startswith("Group:")}
    groups = _groups(rarest)
    if any(group.startswith(_OF_MANY) for group in groups):
        found.update(identity for identity in permissions.identities(view) if not identity.startswith("Group:"))
    elif groups:
        # Any other group has the members that the operator names, and no others that we know of.
        found.update(f"User:{user}" for user in view.users)
    return sorted(found)
