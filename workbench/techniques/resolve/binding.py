"""What somebody may bind, or write into a role of its own: the steps of ROLE_BIND and ROLE_ESCALATE.

Binding a role takes write access to bindings *and* the verb ``bind`` on the role; changing what a role allows takes
write access to it *and* ``escalate``, and helps only whom the role is bound to, or who may bind it. Without these
verbs only permissions already held can be given on. Source: Kubernetes documentation, "Using RBAC Authorization",
"Privilege escalation prevention and bootstrapping"; ``pkg/registry/rbac`` for what the API server asks, and when.

A role that nobody has bound yet is a *virtual* permission set (DESIGN, "Graph").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import ClusterRole, ClusterRoleBinding, Role
from workbench.rbac import (
    Ability,
    Compiled,
    Effective,
    Grant,
    Names,
    RoleIndex,
    builtin_policy,
    virtual_grant,
)
from workbench.techniques.resolve import CLUSTER, permissions
from workbench.techniques.resolve.holders import Reached, Step, holders_stay, smallest_holders, steps_of_grants

CLUSTER_ROLE_SETS = "cluster-role-permission-sets"
ROLE_SETS = "role-permission-sets"
NAMESPACE_ADMINS = "namespace-admins"
UNBOUND_ROLES = "unbound-roles"

READS = permissions.RBAC_KINDS | permissions.IDENTITY_KINDS | permissions.NAMESPACE_KINDS
"""The kinds that this resolver reads: beside RBAC what names identities and namespaces."""

_ADMIN = "cluster-admin"
_SETS = {"ClusterRole": CLUSTER_ROLE_SETS, "Role": ROLE_SETS}

Virtual: TypeAlias = tuple[str, str, str]
"""Namespace (empty for the cluster), kind and name of a role that nobody has bound there."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """The rights to one kind of role, and to the bindings that grant it in one kind of place."""

    create: Ability
    modify: Ability
    escalate: Ability
    bind: Ability


ROLES = {
    "ClusterRole": Abilities(
        Ability.CREATE_CLUSTERROLES,
        Ability.MODIFY_CLUSTERROLES,
        Ability.ESCALATE_CLUSTERROLES,
        Ability.BIND_CLUSTERROLES,
    ),
    "Role": Abilities(Ability.CREATE_ROLES, Ability.MODIFY_ROLES, Ability.ESCALATE_ROLES, Ability.BIND_ROLES),
}
BIND_IN_CLUSTER = (Ability.CREATE_CLUSTERROLEBINDINGS, Ability.MODIFY_CLUSTERROLEBINDINGS)
BIND_IN_NAMESPACE = (Ability.CREATE_ROLEBINDINGS, Ability.MODIFY_ROLEBINDINGS)

_BIND = ((*BIND_IN_CLUSTER, *BIND_IN_NAMESPACE), tuple(abilities.bind for abilities in ROLES.values()))
"""What ROLE_BIND takes: of each part one."""
_CHANGE = (
    tuple(abilities.escalate for abilities in ROLES.values()),
    tuple(ability for abilities in ROLES.values() for ability in (abilities.create, abilities.modify)),
)
"""What ROLE_ESCALATE takes."""


class Cause(NamedTuple):
    """What a step uses; empty text is "any" or "none"."""

    place: str
    """Where the rights are held: a namespace, or empty for the whole cluster."""
    kind: str
    """``Role`` or ``ClusterRole``."""
    role: str
    """The role that is bound or changed; empty for any, or for a new one."""
    binding: str = ""
    """ROLE_BIND: the name of the existing binding that is joined. ROLE_ESCALATE: the id of the permission set by
    which the holder has the role."""
    binds: str = ""
    """ROLE_ESCALATE: where the holder binds the role to itself: a namespace, ``*`` (any), or ``Cluster``."""


@dataclass(frozen=True, slots=True)
class Bindable:
    """The steps of both techniques, and the virtual permission sets that they lead to."""

    binds: tuple[Step, ...]
    escalates: tuple[Step, ...]
    virtual: dict[str, Grant]
    """By id."""


def bindable(view: Inventory) -> Bindable:
    """What everybody may bind, or write into a role of its own; computed once for a view."""
    return view.derived("bindable roles", READS, _bindable)


def changes(view: Inventory) -> bool:
    """Whether an overlay changes any of this."""
    return view.base is None or bindable(view) is not bindable(view.base)


def _bindable(view: Inventory) -> Bindable:
    """Virtual permission sets may lead to further ones, so those are asked in turn until no new one comes up."""
    if view.base is not None and _stays(view, view.base):
        return bindable(view.base)
    ways = _Ways(view)
    binds = list(smallest_holders(view, _BIND, ways.bound, _covers))
    escalates = list(smallest_holders(view, _CHANGE, ways.escalated, _covers))
    virtual: dict[str, Grant] = {}
    while new := _made(view, ways.wanted, virtual):
        virtual.update((grant.id, grant) for grant in new)
        # Whoever rules a namespace has nothing to gain there.
        asking = [grant for grant in new if not grant.compiled.everything]
        for grant_id, reached in steps_of_grants(asking, ways.bound).items():
            binds += [Step(grant_id, node, cause) for node, cause in reached.items() if node != grant_id]
        for grant_id, reached in steps_of_grants(asking, ways.escalated).items():
            escalates += [Step(grant_id, node, cause) for node, cause in reached.items() if node != grant_id]
    return Bindable(tuple(binds), tuple(escalates), {key: virtual[key] for key in sorted(virtual)})


def _stays(view: Inventory, base: Inventory) -> bool:
    """Whether an overlay surely leaves all this as it is; of roles and bindings it reads more than who holds what."""
    if not (holders_stay(view, _BIND) and holders_stay(view, _CHANGE)):
        return False
    if "ClusterRole" in view.replaced:
        return False
    unbound = [grant.role for grant in bindable(base).virtual.values()]
    if any(role is old for old, _ in view.replaced.get("Role", ()) for role in unbound):
        return False
    # What is bound where stays the same.
    return all(
        old.role_ref == new.role_ref
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for old, new in view.replaced.get(kind, ())
    )


def _made(view: Inventory, wanted: Collection[Virtual], known: Collection[str]) -> list[Grant]:
    """The virtual permission sets that are wanted and not there yet; from the view below where it has the same."""
    below = bindable(view.base).virtual if view.base is not None else {}
    found: dict[str, Grant] = {}
    for namespace, kind, name in sorted(wanted):
        node = virtual_id(namespace, name)
        if node in known or node in found:
            continue
        made = virtual_grant(_roles_with(view, kind, name), kind, name, namespace)
        same = below.get(node)
        if same is not None and same.role is made.role and same.sources == made.sources:
            made = same
        found[node] = made
    return list(found.values())


def _roles_with(view: Inventory, kind: str, name: str) -> RoleIndex:
    """The roles of the source; where it lacks cluster-admin, which every cluster has, Kubernetes' own."""
    known = permissions.roles(view)
    if (kind, name) == ("ClusterRole", _ADMIN) and known.find(kind, name) is None:
        return RoleIndex((), builtin_policy(view.server_version.minor).cluster_roles)
    return known


def virtual_id(namespace: str, role: str) -> str:
    """The id of the virtual permission set of a role."""
    return f"PermissionSet:{namespace}/{role}@" if namespace else f"PermissionSet:{role}@"


def hub_of(grant: Grant) -> str | None:
    """The set of hubs that a virtual permission set is a member of, ``None`` if edges lead to it alone."""
    if grant.namespace and grant.role_kind == "Role":
        return UNBOUND_ROLES
    return NAMESPACE_ADMINS if grant.namespace and grant.role_name == _ADMIN else None


def _covers(reached: Reached, node: str) -> bool:
    """Whether a node adds nothing to what is reached: the cluster, what spans all namespaces, the node itself."""
    if node in reached or nodes.CLUSTER_ADMIN in reached:
        return True
    if nodes.is_hub(node):
        return nodes.hub(nodes.hub_parts(node)[0], nodes.ANYWHERE) in reached
    return node.endswith(f"/{_ADMIN}@") and nodes.hub(NAMESPACE_ADMINS, nodes.ANYWHERE) in reached


def _within(names: Names, name: str) -> bool:
    return names is None or name in names


def _bound_roles(view: Inventory) -> set[Virtual]:
    """The roles that some binding grants, and where."""
    return {
        (grant.namespace, grant.role_kind, grant.role_name)
        for grant in permissions.real_grants(view)
        if grant.role is not None
    }


class _Ways:
    """What rights reach by binding and by escalating; it keeps note of the virtual permission sets among that."""

    def __init__(self, view: Inventory) -> None:
        self._view = view
        self.wanted: set[Virtual] = set()
        self._bound = view.derived("bound roles", permissions.RBAC_KINDS, _bound_roles)

    # --- binding ----------------------------------------------------------------------------------

    def bound(self, rights: Effective) -> Reached:
        """What rights reach by binding roles."""
        reached: dict[str, Any] = {}
        self._bound_in_cluster(rights.cluster, reached)
        if nodes.CLUSTER_ADMIN not in reached:
            for place, held in _places(rights):
                for kind in ROLES:
                    self._bound_in(place, held, kind, reached)
        return reached

    def _bound_in_cluster(self, held: Compiled, reached: dict[str, Any]) -> None:
        names = held.names_for(Ability.BIND_CLUSTERROLES)
        if not _some(names):
            return
        makes, joins = self._writes(held, "")
        if names is None and (makes or joins is None):
            # The API server keeps a binding to cluster-admin, which can be joined where none can be made.
            reached[nodes.CLUSTER_ADMIN] = Cause("", "ClusterRole", "")
        elif makes:
            for role in sorted(names or ()):
                if self._exists("ClusterRole", role):
                    self._want(("", "ClusterRole", role), Cause("", "ClusterRole", role), reached)
        else:
            self._join(permissions.grants_in(self._view, ""), joins, Cause("", "ClusterRole", ""), names, reached)

    def _bound_in(self, place: str, held: Compiled, kind: str, reached: dict[str, Any]) -> None:
        names = held.names_for(ROLES[kind].bind)
        if not _some(names):
            return
        makes, joins = self._writes(held, place or nodes.ANYWHERE)
        if not makes and not _some(joins):
            return
        scope = place or nodes.ANYWHERE
        if names is None and (makes or joins is None):
            cause = Cause(place, kind, "")
            reached[nodes.hub(_SETS[kind], scope)] = cause
            if makes and kind == "ClusterRole":
                self._rule(place, cause, reached, unbound=True)
            elif makes and held.names_for(Ability.BIND_CLUSTERROLES) is not None:
                reached[nodes.hub(UNBOUND_ROLES, scope)] = cause
                self._want_roles(place)
        elif makes:
            for role in sorted(names or ()):
                self._bind_named(place, kind, role, reached)
        else:
            # What a binding refers to cannot change, so only the roles of the bindings that are there.
            for namespace in self._namespaces(place):
                self._join(permissions.grants_in(self._view, namespace), joins, Cause(place, kind, ""), names, reached)

    def _want_roles(self, place: str) -> None:
        for namespace in self._namespaces(place):
            for role in self._view.in_namespace(Role, namespace):
                if (namespace, "Role", role.name) not in self._bound:
                    self.wanted.add((namespace, "Role", role.name))

    def _bind_named(self, place: str, kind: str, role: str, reached: dict[str, Any]) -> None:
        """A role that may be bound by name: where it is bound already, and elsewhere by a virtual permission set."""
        cause = Cause(place, kind, role)
        for grant in permissions.grants_of_role(self._view, kind, role):
            if grant.namespace and place in ("", grant.namespace):
                reached[grant.id] = cause
        for namespace in self._namespaces(place):
            if (namespace, kind, role) not in self._bound and self._exists(kind, role, namespace):
                self._want((namespace, kind, role), cause, reached)

    def _join(self, grants: Iterable[Grant], joins: Names, cause: Cause, names: Names, reached: dict[str, Any]) -> None:
        """The permission sets of existing bindings, of some that may be changed, whose role may be bound."""
        for grant in grants:
            fits = grant.role is not None and grant.role_kind == cause.kind and _within(names, grant.role_name)
            if fits and _within(joins, grant.binding.name):
                reached[grant.id] = cause._replace(role=grant.role_name, binding=grant.binding.name)

    def _writes(self, held: Compiled, scope: str) -> tuple[bool, Names]:
        """Whether a binding can be made, and which existing ones can be changed.

        Args:
            held: The rights in the scope.
            scope: A namespace, ``*`` for all of them, empty for bindings of the whole cluster.
        """
        create, modify = BIND_IN_NAMESPACE if scope else BIND_IN_CLUSTER
        made = held.names_for(create)
        if made and scope != nodes.ANYWHERE:
            made -= {grant.binding.name for grant in permissions.grants_in(self._view, scope)}
        return _some(made), held.names_for(modify)

    # --- escalating -------------------------------------------------------------------------------

    def escalated(self, rights: Effective) -> Reached:
        """What rights reach by writing every right into a role: of the holder's own, or one that it may bind."""
        reached: dict[str, Any] = {}
        for grant in rights.grants:
            if grant.namespace and rights.in_namespace(grant.namespace).everything:
                continue
            place = "" if grant.role_kind == "ClusterRole" else grant.namespace
            role = self._own(rights.in_namespace(place), grant)
            if role is not None:
                self._all(grant.namespace, Cause(place, grant.role_kind, role, grant.id), reached)
        self._escalated_by_binding(rights, reached)
        return {nodes.CLUSTER_ADMIN: reached[nodes.CLUSTER_ADMIN]} if nodes.CLUSTER_ADMIN in reached else reached

    def _all(self, namespace: str, cause: Cause, reached: dict[str, Any]) -> None:
        if not namespace:
            reached.setdefault(nodes.CLUSTER_ADMIN, cause)
        else:
            self._rule(namespace, cause, reached, unbound=False)

    def _own(self, held: Compiled, grant: Grant) -> str | None:
        """The role to change so that a permission set allows everything: its own, or one that feeds it."""
        kind, name = grant.role_kind, grant.role_name
        if kind not in ROLES or (kind == "Role" and isinstance(grant.binding, ClusterRoleBinding)):
            return None
        abilities = ROLES[kind]
        if not _some(held.names_for(abilities.escalate)):
            return None
        if self._writable(held, kind, name, exists=grant.role is not None):
            return name
        role = grant.role
        if isinstance(role, ClusterRole) and role.aggregation_rule and role.aggregation_rule.cluster_role_selectors:
            escalated = held.names_for(abilities.escalate)
            if escalated is None and _some(held.names_for(abilities.create)):
                return ""
            for feeding in sorted((escalated or frozenset()) | (held.names_for(abilities.modify) or frozenset())):
                if (
                    self._exists(kind, feeding)
                    and self._writable(held, kind, feeding, exists=True)
                    and name in permissions.roles(self._view).dependents({feeding})
                ):
                    return feeding
        return None

    def _writable(self, held: Compiled, kind: str, name: str, *, exists: bool) -> bool:
        """Whether every right can be written into a role of that name."""
        abilities = ROLES[kind]
        escalated, modified = held.names_for(abilities.escalate), held.names_for(abilities.modify)
        if exists:
            return _within(escalated, name) and _within(modified, name)
        if not _within(held.names_for(abilities.create), name):
            return False
        # A POST has no name, so that escalate by name counts only where the role is applied under it.
        return escalated is None or (name in escalated and _within(modified, name))

    def _escalated_by_binding(self, rights: Effective, reached: dict[str, Any]) -> None:
        """Roles that the holder may change and then bind to itself."""
        cluster = rights.cluster
        makes, _ = self._writes(cluster, "")
        if makes and (role := self._bindable_and_writable(cluster, cluster, "ClusterRole", "")) is not None:
            reached.setdefault(nodes.CLUSTER_ADMIN, Cause("", "ClusterRole", role, "", CLUSTER))
            return
        for place, held in _places(rights):
            makes, _ = self._writes(held, place or nodes.ANYWHERE)
            for kind in ROLES if makes else ():
                changing = cluster if kind == "ClusterRole" else held
                role = self._bindable_and_writable(held, changing, kind, place)
                if role is not None:
                    where = "" if kind == "ClusterRole" else place
                    self._rule(place, Cause(where, kind, role, "", place or nodes.ANYWHERE), reached, unbound=False)
                    break

    def _bindable_and_writable(self, binding: Compiled, changing: Compiled, kind: str, place: str) -> str | None:
        abilities = ROLES[kind]
        names = binding.names_for(abilities.bind)
        if names is None:
            # Any ClusterRole may be bound as it is (ROLE_BIND); Roles have to be made first.
            new = changing.names_for(abilities.escalate) is None and _some(changing.names_for(abilities.create))
            if kind == "ClusterRole" or new:
                return "" if new else None
            found = (role.name for role in self._view.in_namespace(Role, place)) if place else ()
            return next((name for name in found if self._writable(changing, kind, name, exists=True)), None)
        for name in sorted(names):
            if self._writable(changing, kind, name, exists=self._exists(kind, name, place)):
                return name
        return None

    # --- both -------------------------------------------------------------------------------------

    def _rule(self, place: str, cause: Cause, reached: dict[str, Any], *, unbound: bool) -> None:
        """All rights in a namespace, or in each of them: the virtual binding of cluster-admin there.

        Args:
            place: The namespace; empty for each.
            cause: What the step uses.
            reached: What is added to.
            unbound: Only where no binding grants it already.
        """
        for namespace in self._namespaces(place):
            if not unbound or (namespace, "ClusterRole", _ADMIN) not in self._bound:
                self.wanted.add((namespace, "ClusterRole", _ADMIN))
                if place:
                    reached.setdefault(virtual_id(namespace, _ADMIN), cause)
        if not place:
            reached.setdefault(nodes.hub(NAMESPACE_ADMINS, nodes.ANYWHERE), cause)

    def _want(self, virtual: Virtual, cause: Cause, reached: dict[str, Any]) -> None:
        self.wanted.add(virtual)
        reached.setdefault(virtual_id(virtual[0], virtual[2]), cause)

    def _namespaces(self, place: str) -> list[str]:
        return [place] if place else permissions.namespaces(self._view)

    def _exists(self, kind: str, name: str, namespace: str = "") -> bool:
        return permissions.roles(self._view).find(kind, name, namespace) is not None


def _some(names: Names) -> bool:
    return names is None or bool(names)


def _places(rights: Effective) -> Iterator[tuple[str, Compiled]]:
    """The cluster, by the empty name, and each namespace where more is held than everywhere, and not yet everything."""
    yield "", rights.cluster
    for namespace in rights.namespaces:
        held = rights.in_namespace(namespace)
        if held is not rights.cluster and not held.everything:
            yield namespace, held
