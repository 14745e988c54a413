"""What an identity may do: the union of its own grants and those of its groups, and the smallest holder of a right.

Nothing here knows the cluster as a whole: an ``Effective`` is made from the grants of one identity, so a changed
binding concerns the identities that it names (and the members of the groups among them), no others.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workbench.rbac.abilities import Ability, ability_covers
from workbench.rbac.compiled import Compiled, unite
from workbench.rbac.grants import Grant
from workbench.rbac.resources import ResourceQuery
from workbench.rbac.rules import NOTHING, Names
from workbench.rbac.subjects import MASTERS, groups_of


@dataclass(frozen=True, slots=True)
class Holding:
    """That an ability is held in some place: for which objects, and by which grants."""

    ability: Ability
    namespace: str
    """The place that was asked about; empty for the whole cluster."""
    names: Names
    """The objects it is held for; ``None`` for all of the place."""
    grants: tuple[Grant, ...]
    """All that contribute, by id; those that hold it for all objects first."""

    @property
    def unrestricted(self) -> bool:
        """Whether it is held for every object of the place."""
        return self.names is None

    def covers(self, name: str) -> bool:
        """Whether it is held for that object; ``domain/*`` counts for signers."""
        return ability_covers(self.ability, self.names, name)

    def grants_for(self, name: str) -> tuple[Grant, ...]:
        """The grants that each suffice for that object; empty if it takes several together."""
        return tuple(grant for grant in self.grants if grant.has(self.ability, name))


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a technique needs: an ability, or any of several, in one place."""

    abilities: tuple[Ability, ...]
    """Any of them is enough."""
    namespace: str = ""
    """Where; empty for the whole cluster, which only ClusterRoleBindings give."""
    name: str | None = None
    """The object it is needed for; ``None``: any object will do."""
    unrestricted: bool = False
    """Whether it has to be held for all objects of the place."""

    def met_by(self, held: Compiled) -> bool:
        """Whether these rights, which hold in the place, are enough."""
        if self.unrestricted:
            return any(held.mask & ability.bit for ability in self.abilities)
        return held.has_any(self.abilities, self.name)


def _half(grant: Grant, ability: Ability, names: frozenset[str]) -> bool:
    """Whether the grant has one half of creating these names by applying them: ``create``, or ``patch``."""
    compiled = grant.compiled
    if compiled.applies & ability.bit:
        return True
    return bool(names & (compiled.creatable.get(ability, NOTHING) | compiled.appliable.get(ability, NOTHING)))


class HolderKind(enum.Enum):
    """At which grain something is held."""

    GRANT = "grant"
    GROUP = "group"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Holder:
    """The smallest thing that holds all that a technique needs: the source of its edge."""

    kind: HolderKind
    id: str
    """The id of the permission set, the group or the identity."""
    grants: tuple[Grant, ...]
    """The grants whose rights are used, by id: the evidence."""


def _by_id(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Each grant once, sorted by id."""
    found = {grant.id: grant for grant in grants}
    return tuple(found[key] for key in sorted(found))


class Effective:
    """The effective rights of one identity.

    Equal rights are one ``Compiled`` object, whoever holds them, so a caller may keep decisions by
    ``effective.cluster`` and ``effective.in_namespace(ns)``.
    """

    __slots__ = ("_by_namespace", "_cluster_grants", "_grants", "_united", "cluster", "identity", "sources")

    def __init__(
        self, identity: str, own: Sequence[Grant], groups: Mapping[str, Sequence[Grant]] | None = None
    ) -> None:
        """Join the grants.

        Args:
            identity: Its id; also that of a group, to see what membership alone gives.
            own: The grants whose binding names it.
            groups: The grants of each group that it is in, by the group's id (``groups_of``).
        """
        self.identity = identity
        self.sources: tuple[tuple[str, tuple[Grant, ...]], ...] = (
            (identity, tuple(own)),
            *((group, tuple(grants)) for group, grants in (groups or {}).items()),
        )
        """The identity and its groups, each with the grants whose binding names it."""
        self._grants: tuple[Grant, ...] | None = None
        self._cluster_grants: list[Grant] = []
        self._by_namespace: dict[str, list[Grant]] = {}
        for _, grants in self.sources:
            for grant in grants:
                if grant.namespace:
                    self._by_namespace.setdefault(grant.namespace, []).append(grant)
                else:
                    self._cluster_grants.append(grant)
        self.cluster: Compiled = unite([grant.compiled for grant in self._cluster_grants])
        """What holds in the whole cluster: in every namespace, and for cluster-scoped resources."""
        self._united: dict[str, Compiled] = {}

    def __repr__(self) -> str:
        return f"Effective({self.identity!r}, {len(self.grants)} grants)"

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Its own grants and those of its groups, each once, by id."""
        if self._grants is None:
            self._grants = _by_id(grant for _, grants in self.sources for grant in grants)
        return self._grants

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces where RoleBindings add to ``cluster``, sorted."""
        return tuple(sorted(self._by_namespace))

    @property
    def cluster_admin(self) -> bool:
        """Whether it has full control of the cluster: as ``system:masters``, or by one rule of ``*``, ``*``, ``*``."""
        return self.cluster.everything or any(identity == MASTERS for identity, _ in self.sources)

    @property
    def masters(self) -> bool:
        """Whether it is, or is in, ``system:masters``, about which RBAC is not asked at all."""
        return any(identity == MASTERS for identity, _ in self.sources)

    def in_namespace(self, namespace: str) -> Compiled:
        """What it may do in a namespace: by ClusterRoleBindings and by the RoleBindings there; ``""``: the cluster."""
        local = self._by_namespace.get(namespace)
        if not local:
            return self.cluster
        held = self._united.get(namespace)
        if held is None:
            held = unite([self.cluster, *(grant.compiled for grant in local)])
            self._united[namespace] = held
        return held

    def holds(self, ability: Ability, namespace: str = "") -> Holding | None:
        """How it holds an ability in a namespace (``""``: in the whole cluster); ``None`` if it does not."""
        names = self.in_namespace(namespace).names_for(ability)
        if names is not None and not names:
            return None
        counting = self._counting_in(namespace)
        full = [grant for grant in counting if grant.compiled.mask & ability.bit]
        partial = [grant for grant in counting if ability in grant.compiled.names]
        if names is not None:
            missing = names.difference(*(grant.compiled.names[ability] for grant in partial))
            if missing:
                partial += [grant for grant in counting if grant not in partial and _half(grant, ability, missing)]
                partial.sort(key=lambda grant: grant.id)
        return Holding(ability, namespace, names, (*full, *partial))

    def meets(self, needs: Iterable[Need]) -> bool:
        """Whether all the needs are met by what it holds."""
        return all(need.met_by(self.in_namespace(need.namespace)) for need in needs)

    def holders(self, needs: Sequence[Need]) -> tuple[Holder, ...]:
        """The smallest holders of all the needs, by id: where the edges of a technique start.

        Returns:
            Each single grant that is enough; if there is none, each group whose grants are; if there is none, the
            identity itself, if it holds them all by its own and its groups' grants together; else nothing. Grants and
            groups come out alike for every member, so a caller that goes over identities meets them more than once.
        """
        if not self.meets(needs):
            return ()
        alone = [
            Holder(HolderKind.GRANT, grant.id, (grant,))
            for grant in self.grants
            if all(grant.counts_in(need.namespace) and need.met_by(grant.compiled) for need in needs)
        ]
        if alone:
            return tuple(alone)
        groups = []
        for group, grants in self.sources[1:]:
            joined = Effective(group, grants)
            if grants and joined.meets(needs):
                groups.append(Holder(HolderKind.GROUP, group, joined._used(needs)))
        if groups:
            return tuple(sorted(groups, key=lambda holder: holder.id))
        kind = HolderKind.GROUP if self.identity.startswith("Group:") else HolderKind.IDENTITY
        return (Holder(kind, self.identity, self._used(needs)),)

    def _counting_in(self, namespace: str) -> tuple[Grant, ...]:
        return _by_id([*self._cluster_grants, *self._by_namespace.get(namespace, ())])

    def _used(self, needs: Sequence[Need]) -> tuple[Grant, ...]:
        used: list[Grant] = []
        for need in needs:
            for ability in need.abilities:
                holding = self.holds(ability, need.namespace)
                if holding is None or (need.unrestricted and not holding.unrestricted):
                    continue
                if need.name is None:
                    used.extend(holding.grants)
                elif holding.covers(need.name):
                    used.extend(holding.grants_for(need.name) or holding.grants)
        return _by_id(used)


def effective_of(
    identity: str, by_subject: Mapping[str, Sequence[Grant]], extra: Mapping[str, Sequence[str]] | None = None
) -> Effective:
    """The effective rights of an identity.

    Args:
        identity: Its id; it need not be named by any binding.
        by_subject: The grants by the identity that a binding names (``grants_by_subject``).
        extra: Groups of users from the configuration (``groups_of``).
    """
    groups = {group: by_subject.get(group, ()) for group in groups_of(identity, extra)}
    return Effective(identity, by_subject.get(identity, ()), groups)


@dataclass(frozen=True, slots=True)
class Access:
    """One line of ``who-can``: a grant that allows what was asked, whom it reaches, and by which rules."""

    grant: Grant
    identities: tuple[str, ...]
    """Whom the binding names; groups stand for their members."""
    names: Names
    """The objects it is allowed for; ``None`` for all of the grant's scope."""
    rules: tuple[int, ...]
    """Indexes into ``grant.sources``."""


def who_can(
    grants: Iterable[Grant],
    verb: str,
    query: ResourceQuery,
    *,
    namespace: str | None = None,
    cluster_scoped: Iterable[tuple[str, str]] = (),
) -> list[Access]:
    """The grants that allow a verb on a resource, an object or a path, by id.

    Args:
        grants: Those to search, usually all.
        verb: Of the request; for a path an HTTP method in lower case. ``*`` asks for all verbs at once.
        query: What it is about (``parse_resource``). Without a name, grants for some objects only are found too, with
            their ``names``.
        namespace: ``None`` finds a RoleBinding wherever it is; a name only what counts there; ``""`` only what counts
            in the whole cluster.
        cluster_scoped: Custom resources without a namespace (``cluster_scoped_customs``).

    ``system:masters`` may do everything even without a binding, and the rights of kubelets come from the Node
    authoriser; neither is RBAC, so neither is found here.
    """
    customs = frozenset(cluster_scoped)
    found = []
    for grant in grants:
        if namespace is not None and not grant.counts_in(namespace):
            continue
        names: Names = None
        if query.url:
            rules = grant.granting_url(verb, query.url)
        else:
            where = (verb, query.group, query.resource, query.subresource)
            rules = grant.granting(*where, name=query.name, cluster_scoped=customs)
            if rules:
                names = grant.allowed_names(*where, cluster_scoped=customs)
        if rules:
            found.append(Access(grant, grant.identities, names, rules))
    return sorted(found, key=lambda access: access.grant.id)
