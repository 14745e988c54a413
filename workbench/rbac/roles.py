"""The roles of a cluster by name, and what each grants: aggregated ClusterRoles included."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from workbench.inventory.objects import ClusterRole, Labels, LabelSelector, PolicyRule, Role, SelectorRequirement


@dataclass(frozen=True, slots=True)
class RuleSource:
    """Where a rule stands: the evidence for what it grants."""

    object: str
    """The id of the Role or ClusterRole that has it; for an aggregated role without rules, of the one gathered."""
    index: int
    """The position in its ``rules``."""
    rule: PolicyRule


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedRole:
    """A role and the rules that it grants."""

    role: Role | ClusterRole
    rules: tuple[PolicyRule, ...]
    sources: tuple[RuleSource, ...]
    """For each of ``rules`` where it stands."""


def _requirement_matches(requirement: SelectorRequirement, labels: Labels) -> bool:
    key, values = requirement.key or "", requirement.values or ()
    match requirement.operator:
        case "In":
            return key in labels and (labels[key] or "") in values
        case "NotIn":
            return key not in labels or (labels[key] or "") not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def selector_matches(selector: LabelSelector, labels: Labels) -> bool:
    """Whether a label selector selects an object with these labels; an empty selector selects everything."""
    return all(
        key in labels and (labels[key] or "") == (value or "") for key, value in (selector.match_labels or {}).items()
    ) and all(_requirement_matches(requirement, labels) for requirement in selector.match_expressions or ())


_NO_LABELS: Final[Labels] = {}


class RoleIndex:
    """Looks up roles and resolves what they grant.

    It keeps what it has resolved, and is cheap to make: after a change of roles, make another. Of two roles with one
    name the later counts.
    """

    def __init__(
        self, roles: Iterable[Role], cluster_roles: Iterable[ClusterRole], *, recompute: Collection[str] = ()
    ) -> None:
        """Index the roles.

        Args:
            roles: The Roles.
            cluster_roles: The ClusterRoles, Kubernetes' own among them if they should count.
            recompute: Names of aggregated ClusterRoles whose ``rules`` are out of date because a role that they
                gather has been changed (``dependents``); they are computed as the controller would.
        """
        self._roles = {(role.namespace, role.name): role for role in roles}
        self._cluster_roles = {role.name: role for role in cluster_roles}
        self._recompute = frozenset(recompute)
        self._resolved: dict[tuple[str, str, str], ResolvedRole | None] = {}
        self._gathered: dict[str, tuple[str, ...]] = {}

    @property
    def cluster_roles(self) -> Collection[ClusterRole]:
        """The ClusterRoles, in the order given."""
        return self._cluster_roles.values()

    def roles_in(self, namespace: str) -> list[Role]:
        """The Roles of a namespace, by name."""
        return sorted((role for (place, _), role in self._roles.items() if place == namespace), key=lambda r: r.name)

    def find(self, kind: str, name: str, namespace: str = "") -> Role | ClusterRole | None:
        """The role of that kind (``Role`` or ``ClusterRole``) and name."""
        if kind == "ClusterRole":
            return self._cluster_roles.get(name)
        return self._roles.get((namespace, name)) if kind == "Role" else None

    def resolve(self, kind: str, name: str, namespace: str = "") -> ResolvedRole | None:
        """The role and its rules, or ``None`` if there is no such role, which then grants nothing.

        An aggregated ClusterRole has the rules that stand in it, which a controller of a live cluster keeps up to
        date; where there are none, and for those to recompute, the union of what its selectors select
        (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles).
        """
        key = (kind, namespace if kind == "Role" else "", name)
        if key not in self._resolved:
            role = self.find(kind, name, namespace)
            self._resolved[key] = self._resolve(role) if role else None
        return self._resolved[key]

    def dependents(self, names: Collection[str]) -> frozenset[str]:
        """The aggregated ClusterRoles that gather one of these ClusterRoles, directly or through another."""
        found: set[str] = set()
        wanted = set(names)
        while wanted:
            reached = {
                name
                for name in self._cluster_roles
                if name not in found and any(gathered in wanted for gathered in self._gathers(name))
            }
            found |= reached
            wanted = reached
        return frozenset(found)

    def _gathers(self, name: str) -> tuple[str, ...]:
        """The names of the ClusterRoles that an aggregated one selects, sorted; not itself."""
        if name not in self._gathered:
            role = self._cluster_roles[name]
            selectors = (role.aggregation_rule.cluster_role_selectors or ()) if role.aggregation_rule else ()
            self._gathered[name] = tuple(
                sorted(
                    other.name
                    for other in (self._cluster_roles.values() if selectors else ())
                    if other.name != name
                    and any(selector_matches(selector, other.metadata.labels or _NO_LABELS) for selector in selectors)
                )
            )
        return self._gathered[name]

    def _is_computed(self, role: ClusterRole) -> bool:
        return role.aggregation_rule is not None and (not role.rules or role.name in self._recompute)

    def _resolve(self, role: Role | ClusterRole) -> ResolvedRole:
        sources: dict[PolicyRule, RuleSource] = {}
        if not isinstance(role, ClusterRole) or not self._is_computed(role):
            own = role.rules or ()
            return ResolvedRole(role, tuple(own), tuple(RuleSource(role.id, i, rule) for i, rule in enumerate(own)))
        # Aggregated roles may gather each other, even in a circle: walk what can be reached, each role once.
        seen = {role.name}
        queue = list(self._gathers(role.name))
        while queue:
            name = queue.pop(0)
            if name in seen:
                continue
            seen.add(name)
            gathered = self._cluster_roles[name]
            if self._is_computed(gathered):
                queue.extend(self._gathers(name))
                continue
            for i, rule in enumerate(gathered.rules or ()):
                sources.setdefault(rule, RuleSource(gathered.id, i, rule))
        return ResolvedRole(role, tuple(sources), tuple(sources.values()))
