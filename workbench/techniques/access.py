"""Who may do what, as the techniques ask it: permission sets, virtual ones included, and what proves a right.

A step that takes one permission starts at the permission set (:class:`Grant`); one that takes several starts at
the smallest holder of them all (``resolve.holders``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from workbench.graph import nodes
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    WORKLOADS,
    ConfigMap,
    KubernetesObject,
    Namespace,
    Secret,
    ServiceAccount,
)
from workbench.inventory.pods import PodInstance
from workbench.rbac import Ability, Effective, Grant, Names, Need, mask_of
from workbench.rbac.subjects import username_of
from workbench.techniques.resolve import binding, distinct, permissions
from workbench.techniques.resolve.permissions import (
    RBAC_KINDS,
    account_exists,
    effective,
    grants_of,
    groups_of,
    holding,
    identities,
    identity_exists,
    is_identity,
    real_grants,
    subjects_of,
)

__all__ = [
    "RBAC_KINDS",
    "account_exists",
    "changed_grants",
    "changed_names",
    "changed_subjects",
    "effective",
    "grant",
    "grant_evidence",
    "grants",
    "grants_in",
    "grants_limited_by_name",
    "grants_limited_in",
    "grants_naming",
    "grants_of",
    "grants_with",
    "groups_of",
    "identities",
    "identity_exists",
    "is_identity",
    "names_for",
    "need_evidence",
    "object_nodes",
    "pods_stay",
    "real_grants",
    "rights_of",
    "subjects_of",
]


# --- permission sets ----------------------------------------------------------------------------------


def grants(view: Inventory) -> list[Grant]:
    """Every permission set: those of bindings, and the virtual ones that somebody could bind."""
    return list(_by_id(view).values())


def grant(view: Inventory, node: str) -> Grant | None:
    """The permission set of an id, ``None`` if there is none."""
    return _by_id(view).get(node)


def _by_id(view: Inventory) -> dict[str, Grant]:
    return view.derived("permission sets by id", binding.READS, _compute_by_id)


def _compute_by_id(view: Inventory) -> dict[str, Grant]:
    if view.base is not None and pods_stay(view) and view.replaced.keys().isdisjoint(binding.READS - {"Pod"}):
        return _by_id(view.base)
    if view.base is not None and not binding.changes(view):
        below = _by_id(view.base)
        pairs = permissions.changed(view)
        if all(old is not None and new is not None and old.id == new.id for old, new in pairs):
            return {**below, **{new.id: new for _, new in pairs if new is not None}} if pairs else below
    found = {grant.id: grant for grant in real_grants(view)}
    found.update(binding.bindable(view).virtual)
    if view.base is not None:
        below = _by_id(view.base)
        if found.keys() == below.keys() and all(below[key] is each for key, each in found.items()):
            return below
    return found


def pods_stay(view: Inventory) -> bool:
    """Whether an overlay leaves all that identities and namespaces take from pods: which there are, where, as whom."""

    def place(pod: PodInstance) -> tuple[str, str, bool]:
        return pod.account, pod.node, pod.mirror

    return all(
        old is not None and new is not None and place(old) == place(new) for old, new in view.replaced.get("pods", ())
    )


def _settled(view: Inventory) -> Inventory:
    """The lowest view with the same permission sets, which has everything that follows from them already."""
    while view.base is not None and _by_id(view) is _by_id(view.base):
        view = view.base
    return view


def grants_with(view: Inventory, abilities: Iterable[Ability]) -> list[Grant]:
    """The permission sets that grant one of the abilities, for any object."""
    wanted = tuple(abilities)
    name = f"permission sets with {mask_of(wanted):x}"

    def compute(seen: Inventory) -> list[Grant]:
        base = seen.base
        if base is not None and not (binding.changes(seen) or permissions.concerns(seen, wanted)):
            return grants_with(base, wanted)
        return holding(_by_id(seen).values(), wanted)

    return _settled(view).derived(name, binding.READS, compute)


def grants_limited_by_name(view: Inventory) -> list[Grant]:
    """The permission sets that grant something for named objects only."""
    return _settled(view).derived("permission sets limited by name", binding.READS, _limited_by_name)


def _limited_by_name(view: Inventory) -> list[Grant]:
    return [grant for grant in _by_id(view).values() if grant.compiled.names]


def grants_limited_in(view: Inventory, namespace: str) -> list[Grant]:
    """Those of :func:`grants_limited_by_name` that count in a namespace, alone or as one of all."""
    found = _settled(view).derived("permission sets limited by name, by namespace", binding.READS, _limited_in)
    return [*found.get("", ()), *(found.get(namespace, ()) if namespace else ())]


def _limited_in(view: Inventory) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for grant in grants_limited_by_name(view):
        found.setdefault(grant.namespace, []).append(grant)
    return found


def grants_naming(view: Inventory, names: Iterable[str]) -> Iterator[Grant]:
    """Those of :func:`grants_limited_by_name` whose rules hold one of some names."""
    found = _settled(view).derived("permission sets by the names that they are limited to", binding.READS, _by_name)
    for name in names:
        yield from found.get(name, ())


def _by_name(view: Inventory) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for grant in grants_limited_by_name(view):
        for name in frozenset().union(*grant.compiled.names.values()):
            found.setdefault(name, []).append(grant)
    return found


def grants_in(view: Inventory, namespace: str) -> list[Grant]:
    """The permission sets that count in one namespace alone; those of the whole cluster, if it is empty."""
    return _settled(view).derived("all permission sets by namespace", binding.READS, _by_namespace).get(namespace, [])


def _by_namespace(view: Inventory) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for grant in _by_id(view).values():
        found.setdefault(grant.namespace, []).append(grant)
    return found


def changed_grants(view: Inventory) -> set[str]:
    """The ids of the permission sets that an overlay changes, adds or takes away."""
    return view.derived("changed permission sets", binding.READS, _changed_grants)


def _changed_grants(view: Inventory) -> set[str]:
    if view.base is None or _settled(view) is not view:
        return set()
    if not binding.changes(view):
        return {grant.id for pair in permissions.changed(view) for grant in pair if grant is not None}
    before, after = _by_id(view.base), _by_id(view)
    found = {key for key, grant in after.items() if before.get(key) is not grant}
    return found.union(key for key in before if key not in after)


def changed_subjects(view: Inventory) -> set[str]:
    """The identities that the permission sets which an overlay changes are, or were, bound to."""
    sides = [view] if view.base is None else [view.base, view]
    found = (grant(side, key) for key in changed_grants(view) for side in sides)
    return {identity for each in found if each is not None for identity in each.identities}


def changed_names(view: Inventory) -> frozenset[str]:
    """The names that ``resourceNames`` may hold of what an overlay changes in RBAC: roles, bindings and subjects."""
    return view.derived("names of changed permissions", binding.READS, _changed_names)


def _changed_names(view: Inventory) -> frozenset[str]:
    found: set[str] = set()
    for kind in RBAC_KINDS:
        for pair in view.replaced.get(kind, ()):
            found.update(name for obj in pair if obj is not None for name in (obj.name, obj.namespace))
            if kind in ("RoleBinding", "ClusterRoleBinding"):
                found.update(name for obj in pair if obj is not None for name in _names_of(subjects_of(obj)))
    sides = [view] if view.base is None else [view.base, view]
    for key in changed_grants(view):
        for side in sides:
            each = grant(side, key)
            if each is not None:
                found.update((each.binding.name, each.role_name, *_names_of(each.identities)))
    return frozenset(found - {""})


def _names_of(identities: Iterable[str]) -> Iterator[str]:
    for identity in identities:
        yield from (nodes.name(identity), nodes.namespace(identity))
        user = username_of(identity)
        if user is not None:
            yield user


def names_for(found: Grant, abilities: Iterable[Ability]) -> Names:
    """The objects that a permission set grants one of the abilities for: ``None`` all, empty none."""
    total: frozenset[str] = frozenset()
    for ability in abilities:
        names = found.names_for(ability)
        if names is None:
            return None
        total |= names
    return total


def rights_of(view: Inventory, holder: str) -> Effective:
    """The rights of a holder: of a permission set its own, else those of the identity with its groups."""
    if holder.startswith("PermissionSet:"):
        found = grant(view, holder)
        return Effective(holder, (found,) if found is not None else ())
    return effective(view, holder)


# --- evidence -----------------------------------------------------------------------------------------


def grant_evidence(
    view: Inventory, found: Grant, *abilities: Ability, name: str | None = None, holder: str = ""
) -> list[Evidence]:
    """The rule that grants each ability, the binding that brings the role, and the subject that it is bound to.

    Args:
        view: An inventory, or an overlay.
        found: The permission set; of a virtual one there is the rule alone.
        abilities: What has to be granted.
        name: The object that they are needed for; ``None``: any will do.
        holder: The identity that holds it, itself or by a group; empty: all that the binding names.
    """
    out: list[Evidence] = []
    for ability in abilities:
        rules = found.evidence(ability, name)
        if found.compiled.mask & ability.bit or not any(request.creates for request in ability.requests):
            # One rule is enough, except for creating by name, which takes two rights together.
            rules = rules[:1]
        out += [view.evidence(source.object, f"rules[{source.index}]") for source in rules]
    if not found.virtual:
        out.append(view.evidence(found.binding, "roleRef"))
        out.append(view.evidence(found.binding, _subject_field(view, found, holder)))
    return distinct(out)


def _subject_field(view: Inventory, found: Grant, holder: str) -> str:
    held_by = {holder, *groups_of(view, holder)} if holder else set()
    for index, identity in found.subjects:
        if identity in held_by or len(found.subjects) == 1:
            return f"subjects[{index}]"
    return "subjects"


def need_evidence(view: Inventory, holder: str, needs: Sequence[Need]) -> list[Evidence]:
    """What proves that a holder has all that some needs ask for: for each the rules, bindings and subjects used."""
    rights = rights_of(view, holder)
    identity = "" if holder.startswith("PermissionSet:") else holder
    out: list[Evidence] = []
    for need in needs:
        for ability in need.abilities:
            held = rights.holds(ability, need.namespace)
            if held is None or (need.name is not None and not held.covers(need.name)):
                continue
            used = held.grants[:1] if held.unrestricted or need.name is None else held.grants_for(need.name)[:1]
            for found in used or held.grants:
                out += grant_evidence(view, found, ability, name=need.name, holder=identity)
            break
    return distinct(out)


# --- nodes --------------------------------------------------------------------------------------------


def object_nodes(view: Inventory) -> Iterator[str]:
    """The ids of the objects, identities and permission sets that are nodes of the graph whatever leads to them."""
    kinds: tuple[type[KubernetesObject], ...] = (Namespace, *WORKLOADS, ServiceAccount, Secret, ConfigMap)
    for kind in kinds:
        yield from view.all(kind).ids()
    yield from identities(view)
    yield from _by_id(view)
