"""Permission sets: what one binding grants by way of one role, to whom, and where.

A grant is the node ``PermissionSet:ns/role@binding`` (a RoleBinding's) or ``PermissionSet:role@binding`` (a
ClusterRoleBinding's) of the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from workbench.inventory.objects import (
    ClusterRole,
    ClusterRoleBinding,
    ObjectMeta,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
)
from workbench.rbac.abilities import Ability
from workbench.rbac.compiled import EMPTY, Compiled, compile_rules, rules_granting
from workbench.rbac.resources import Scope, names_in_namespace, scope_of
from workbench.rbac.roles import RoleIndex, RuleSource
from workbench.rbac.rules import NOTHING, RBAC, Names, allowed_names, allows_url, name_allowed
from workbench.rbac.subjects import subject_fault, subject_id

_NO_CUSTOMS: Final[frozenset[tuple[str, str]]] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """One permission set: a binding, the role that it refers to, and what the two together allow."""

    id: str
    """``PermissionSet:ns/role@binding`` or ``PermissionSet:role@binding``."""
    binding: RoleBinding | ClusterRoleBinding
    """For a virtual grant one without a name, which is not part of any source."""
    role_kind: str
    role_name: str
    role: Role | ClusterRole | None
    """``None`` where there is no such role: the grant then gives no rights."""
    namespace: str
    """Where it counts; empty for the whole cluster."""
    sources: tuple[RuleSource, ...]
    """Each rule with the place where it stands."""
    compiled: Compiled
    """Its abilities, with what is void in a RoleBinding left out."""
    subjects: tuple[tuple[int, str], ...]
    """The index of each subject in the binding, and whom it names."""
    faults: tuple[tuple[int, str], ...] = ()
    """The index of each malformed subject, and what is wrong with it."""
    problem: str = ""
    """Why the grant gives no rights, for people; empty if it does."""
    virtual: bool = False
    """No binding grants it: it stands for what somebody may bind (ROLE_BIND, ROLE_ESCALATE)."""

    @property
    def rules(self) -> tuple[PolicyRule, ...]:
        """The rules of the role as they are granted."""
        return tuple(source.rule for source in self.sources)

    @property
    def identities(self) -> tuple[str, ...]:
        """Whom the binding names, each once."""
        return tuple(dict.fromkeys(identity for _, identity in self.subjects))

    @property
    def cluster_admin(self) -> bool:
        """Whether it is full control of the cluster: one rule of ``*``, ``*``, ``*``, by a ClusterRoleBinding."""
        return self.compiled.everything and not self.namespace

    def counts_in(self, namespace: str) -> bool:
        """Whether its rights hold in the namespace; with the empty string, in the whole cluster."""
        return not self.namespace or self.namespace == namespace

    def names_for(self, ability: Ability) -> Names:
        """The objects it holds the ability for: ``None`` for all of its scope, the empty set for none."""
        return self.compiled.names_for(ability)

    def has(self, ability: Ability, name: str | None = None) -> bool:
        """Whether it grants the ability for that object or, without a name, for any."""
        return self.compiled.has(ability, name)

    def evidence(self, ability: Ability, name: str | None = None) -> tuple[RuleSource, ...]:
        """The rules that grant the ability (for that object), those without resourceNames first."""
        return tuple(self.sources[index] for index in rules_granting(self.rules, ability, self.namespace, name))

    def allowed_names(
        self,
        verb: str,
        group: str,
        resource: str,
        subresource: str = "",
        *,
        cluster_scoped: Collection[tuple[str, str]] = _NO_CUSTOMS,
    ) -> Names:
        """The objects for which it grants any verb on any resource (as ``rules.allowed_names``), in its scope."""
        total: frozenset[str] = NOTHING
        for _, names in self._matching(verb, group, resource, subresource, cluster_scoped):
            if names is None:
                return None
            total |= names
        return total

    def granting(
        self,
        verb: str,
        group: str,
        resource: str,
        subresource: str = "",
        *,
        name: str = "",
        cluster_scoped: Collection[tuple[str, str]] = _NO_CUSTOMS,
    ) -> tuple[int, ...]:
        """The indexes into ``sources`` of the rules that grant it: for that object or, without a name, for any."""
        return tuple(
            index
            for index, names in self._matching(verb, group, resource, subresource, cluster_scoped)
            if not name or names is None or name_allowed(names, name, group, resource)
        )

    def granting_url(self, verb: str, path: str) -> tuple[int, ...]:
        """The indexes of the rules that grant a path outside the resources; void in a RoleBinding."""
        if self.namespace:
            return ()
        return tuple(index for index, source in enumerate(self.sources) if allows_url(source.rule, verb, path))

    def _matching(
        self, verb: str, group: str, resource: str, subresource: str, cluster_scoped: Collection[tuple[str, str]]
    ) -> list[tuple[int, Names]]:
        scope = scope_of(verb, group, resource, cluster_scoped) if self.namespace else Scope.NAMESPACE
        found = []
        for index, source in enumerate(self.sources):
            names = allowed_names(source.rule, verb, group, resource, subresource)
            if self.namespace:
                names = names_in_namespace(names, scope, self.namespace)
            if names is None or names:
                found.append((index, names))
        return found


def grant_of(binding: RoleBinding | ClusterRoleBinding, roles: RoleIndex) -> Grant:
    """The permission set of a binding.

    A RoleBinding grants a Role of its namespace or a ClusterRole, within its namespace; a ClusterRoleBinding grants a
    ClusterRole everywhere. A reference to anything else, or to a role that does not exist, grants nothing
    (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#rolebinding-and-clusterrolebinding).
    """
    return _grant(binding, roles, virtual=False)


def virtual_grant(roles: RoleIndex, kind: str, name: str, namespace: str = "") -> Grant:
    """What a role would grant if somebody bound it: ``PermissionSet:ns/role@``, or ``PermissionSet:role@``.

    Args:
        roles: Where to find it.
        kind: ``Role`` or ``ClusterRole``.
        name: Of the role.
        namespace: Of the binding to come; empty for a ClusterRoleBinding.
    """
    reference = RoleRef(api_group=RBAC, kind=kind, name=name)
    binding: RoleBinding | ClusterRoleBinding
    if namespace:
        binding = RoleBinding(metadata=ObjectMeta(name="", namespace=namespace), role_ref=reference)
    else:
        binding = ClusterRoleBinding(metadata=ObjectMeta(name=""), role_ref=reference)
    return _grant(binding, roles, virtual=True)


def grants_of(bindings: Iterable[RoleBinding | ClusterRoleBinding], roles: RoleIndex) -> list[Grant]:
    """The permission sets of the bindings, in their order."""
    return [_grant(binding, roles, virtual=False) for binding in bindings]


def grants_by_subject(grants: Iterable[Grant]) -> dict[str, list[Grant]]:
    """The grants by the identity that their binding names, in the order given; a group's are not its members'."""
    found: dict[str, list[Grant]] = {}
    for grant in grants:
        for identity in grant.identities:
            found.setdefault(identity, []).append(grant)
    return found


def _grant(binding: RoleBinding | ClusterRoleBinding, roles: RoleIndex, *, virtual: bool) -> Grant:
    namespaced = isinstance(binding, RoleBinding)
    namespace = binding.namespace if namespaced else ""
    reference = binding.role_ref or RoleRef()
    kind, name = reference.kind or "", reference.name or ""
    resolved, problem = None, ""
    if reference.api_group not in {None, "", RBAC}:
        problem = f"roleRef.apiGroup is {reference.api_group!r}, not {RBAC}"
    elif kind not in ({"Role", "ClusterRole"} if namespaced else {"ClusterRole"}):
        problem = f"a {binding.kind} cannot refer to kind {kind!r}"
    elif namespaced and not namespace:
        problem = "a RoleBinding without a namespace"
    else:
        resolved = roles.resolve(kind, name, namespace)
        if resolved is None:
            problem = f"there is no {kind} {name!r}"
    subjects: list[tuple[int, str]] = []
    faults: list[tuple[int, str]] = []
    for index, subject in enumerate(binding.subjects or ()):
        identity = subject_id(subject, namespace)
        if identity is None:
            faults.append((index, subject_fault(subject, namespace) or ""))
        else:
            subjects.append((index, identity))
    place = f"{namespace}/{name}" if namespace else name
    return Grant(
        id=f"PermissionSet:{place}@{binding.name}",
        binding=binding,
        role_kind=kind,
        role_name=name,
        role=resolved.role if resolved else None,
        namespace=namespace,
        sources=resolved.sources if resolved else (),
        compiled=compile_rules(resolved.rules, namespace) if resolved else EMPTY,
        subjects=tuple(subjects),
        faults=tuple(faults),
        problem=problem,
        virtual=virtual,
    )
