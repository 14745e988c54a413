"""What somebody may bind: the targets of ROLE_BIND and ROLE_ESCALATE, and the virtual permission sets among them.

Binding a role takes write access to bindings *and* the verb ``bind`` on the role; without ``bind`` only
permissions already held can be given on. Source: Kubernetes documentation, "Using RBAC Authorization",
"Privilege escalation prevention and bootstrapping".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from workbench.inventory.inventory import Inventory
from workbench.rbac import Ability, Effective, Grant, Holder, Need
from workbench.techniques import access

WRITE_CLUSTER = (Ability.CREATE_CLUSTERROLEBINDINGS, Ability.MODIFY_CLUSTERROLEBINDINGS)
WRITE = (Ability.CREATE_ROLEBINDINGS, Ability.MODIFY_ROLEBINDINGS)
BIND = (Ability.BIND_CLUSTERROLES, Ability.BIND_ROLES)

Virtual = tuple[str, str, str]
"""Namespace (empty for the cluster), kind and name of a role that nobody has bound there yet."""


@dataclass(slots=True)
class Bindable:
    """The edges of both techniques, before they are edges."""

    admins: dict[str, str] = field(default_factory=dict)
    """Holders that may bind any ClusterRole in the whole cluster, with what they use: ``bind`` or ``escalate``."""
    cluster_roles: list[tuple[str, str]] = field(default_factory=list)
    """``(holder, role)``: the named ClusterRoles that a holder may bind in the whole cluster."""
    everything: list[tuple[str, str]] = field(default_factory=list)
    """``(holder, namespace)``: any ClusterRole in that namespace."""
    any_role: list[tuple[str, str]] = field(default_factory=list)
    """``(holder, namespace)``: any Role of that namespace."""
    named: list[tuple[str, str, str, str]] = field(default_factory=list)
    """``(holder, namespace, kind, role)``: that role in that namespace."""
    escalates: list[tuple[str, str]] = field(default_factory=list)
    """``(holder, namespace)``: may give a role of its own there every right; empty for the cluster."""
    virtual: set[Virtual] = field(default_factory=set)


def bindable(view: Inventory) -> Bindable:
    """What the holders of real permission sets may bind, computed once for a view."""
    return view.derived("bindable roles", access.RBAC_KINDS, _bindable)


def _bindable(view: Inventory) -> Bindable:
    out = Bindable()
    _cluster(view, out)
    _escalate_cluster(view, out)
    for namespace in _namespaces(view):
        _namespaced(view, out, namespace)
        _escalate_namespace(view, out, namespace)
    _virtual(view, out)
    return out


def _smallest(view: Inventory, needs: list[Need]) -> list[tuple[Holder, Effective]]:
    """The smallest holders over all identities with what each holds, by id; virtual permission sets apart."""
    abilities = [ability for need in needs for ability in need.abilities]
    found: dict[str, tuple[Holder, Effective]] = {}
    named = [grant for grant in access.real_grants(view) if grant.compiled.has_any(abilities)]
    for grant in named:
        alone = Effective(grant.id, (grant,))
        if alone.meets(needs):
            found[grant.id] = (alone.holders(needs)[0], alone)
    identities: set[str] = set()
    for grant in named:
        identities.update(grant.identities)
    groups = {identity for identity in identities if identity.startswith("Group:")}
    if groups:
        identities.update(i for i in access.identities(view) if groups.intersection(access.groups_of(view, i)))
    for identity in sorted(identities):
        rights = access.effective(view, identity)
        for holder in rights.holders(needs):
            if holder.id not in found:
                own = rights if holder.id == identity else Effective(holder.id, holder.grants)
                found[holder.id] = (holder, own)
    return [found[key] for key in sorted(found)]


def _cluster(view: Inventory, out: Bindable) -> None:
    needs = [Need(WRITE_CLUSTER), Need((Ability.BIND_CLUSTERROLES,))]
    for holder, rights in _smallest(view, needs):
        roles = rights.cluster.names_for(Ability.BIND_CLUSTERROLES)
        if not _writes_any(rights, WRITE_CLUSTER, ""):
            # Only some bindings may be changed: they keep their role.
            writable = _written(rights, WRITE_CLUSTER, "")
            bound = {
                grant.role_name
                for grant in access.real_grants(view)
                if not grant.namespace and grant.binding.name in writable
            }
            roles = frozenset(bound) if roles is None else roles & bound
        if roles is None:
            out.admins[holder.id] = "bind"
        else:
            out.cluster_roles.extend((holder.id, role) for role in sorted(roles) if _exists(view, "ClusterRole", role))


def _writes_any(rights: Effective, abilities: tuple[Ability, ...], namespace: str) -> bool:
    held = rights.in_namespace(namespace)
    return any(held.names_for(ability) is None for ability in abilities)


def _written(rights: Effective, abilities: tuple[Ability, ...], namespace: str) -> frozenset[str]:
    held = rights.in_namespace(namespace)
    total: frozenset[str] = frozenset()
    for ability in abilities:
        total |= held.names_for(ability) or frozenset()
    return total


def _exists(view: Inventory, kind: str, name: str, namespace: str = "") -> bool:
    return access.roles(view).find(kind, name, namespace) is not None


def _namespaces(view: Inventory) -> list[str]:
    return sorted({*view.namespaces(), "kube-system", "default"})


def _namespaced(view: Inventory, out: Bindable, namespace: str) -> None:
    needs = [Need(WRITE, namespace), Need(BIND, namespace)]
    for holder, rights in _smallest(view, needs):
        if holder.id in out.admins:
            continue
        held = rights.in_namespace(namespace)
        cluster_roles = held.names_for(Ability.BIND_CLUSTERROLES)
        local_roles = held.names_for(Ability.BIND_ROLES)
        if not _writes_any(rights, WRITE, namespace):
            writable = _written(rights, WRITE, namespace)
            bound = [g for g in access.real_grants(view) if g.namespace == namespace and g.binding.name in writable]
            known = frozenset(g.role_name for g in bound if g.role_kind == "ClusterRole")
            local = frozenset(g.role_name for g in bound if g.role_kind == "Role")
            cluster_roles = known if cluster_roles is None else cluster_roles & known
            local_roles = local if local_roles is None else local_roles & local
        if cluster_roles is None:
            out.everything.append((holder.id, namespace))
        else:
            out.named.extend(
                (holder.id, namespace, "ClusterRole", role)
                for role in sorted(cluster_roles)
                if _exists(view, "ClusterRole", role)
            )
        if local_roles is None:
            out.any_role.append((holder.id, namespace))
        else:
            out.named.extend(
                (holder.id, namespace, "Role", role)
                for role in sorted(local_roles)
                if _exists(view, "Role", role, namespace)
            )


def _escalate_cluster(view: Inventory, out: Bindable) -> None:
    """A ClusterRole that is bound to the holder in the whole cluster may be given every right."""
    needs = [Need((Ability.ESCALATE_CLUSTERROLES,)), Need((Ability.MODIFY_CLUSTERROLES,))]
    for holder, rights in _smallest(view, needs):
        escalated = rights.cluster.names_for(Ability.ESCALATE_CLUSTERROLES)
        modified = rights.cluster.names_for(Ability.MODIFY_CLUSTERROLES)
        own = {grant.role_name for grant in _held(view, holder, rights) if not grant.namespace}
        if any(_in(role, escalated) and _in(role, modified) for role in own):
            out.escalates.append((holder.id, ""))


def _escalate_namespace(view: Inventory, out: Bindable, namespace: str) -> None:
    needs = [Need((Ability.ESCALATE_ROLES,), namespace), Need((Ability.MODIFY_ROLES,), namespace)]
    for holder, rights in _smallest(view, needs):
        held = rights.in_namespace(namespace)
        escalated, modified = held.names_for(Ability.ESCALATE_ROLES), held.names_for(Ability.MODIFY_ROLES)
        own = {
            grant.role_name
            for grant in _held(view, holder, rights)
            if grant.namespace == namespace and grant.role_kind == "Role"
        }
        if any(_in(role, escalated) and _in(role, modified) for role in own):
            out.escalates.append((holder.id, namespace))


def _held(view: Inventory, holder: Holder, rights: Effective) -> tuple[Grant, ...]:
    """All permission sets that are bound to a holder, not only those whose rights the technique uses."""
    if holder.id.startswith("PermissionSet:"):
        return rights.grants
    return access.effective(view, holder.id).grants


def _in(name: str, names: frozenset[str] | None) -> bool:
    return names is None or name in names


def _virtual(view: Inventory, out: Bindable) -> None:
    bound = {(grant.namespace, grant.role_kind, grant.role_name) for grant in access.real_grants(view)}
    for _, role in out.cluster_roles:
        _add(out, bound, ("", "ClusterRole", role))
    for _, namespace in out.everything:
        _add(out, bound, (namespace, "ClusterRole", "cluster-admin"))
    for _, namespace, kind, role in out.named:
        _add(out, bound, (namespace, kind, role))
    for _, namespace in out.any_role:
        for local in access.roles(view).roles_in(namespace):
            _add(out, bound, (namespace, "Role", local.name))
    for _, namespace in out.escalates:
        if namespace:
            out.virtual.add((namespace, "ClusterRole", "cluster-admin"))


def _add(out: Bindable, bound: set[Virtual], wanted: Virtual) -> None:
    if wanted not in bound:
        out.virtual.add(wanted)


def permission_sets(view: Inventory, namespace: str, kind: str, role: str) -> Iterator[str]:
    """The ids of the permission sets, real or virtual, that grant a role in a namespace (empty: the cluster)."""
    by_role = view.derived("grants by role", access.RBAC_KINDS, _by_role)
    yield from by_role.get((namespace, kind, role), ())


def _by_role(view: Inventory) -> dict[Virtual, list[str]]:
    out: dict[Virtual, list[str]] = {}
    for grant in access.grants(view):
        out.setdefault((grant.namespace, grant.role_kind, grant.role_name), []).append(grant.id)
    return out
