"""Rules compiled to abilities: a bit mask, and names where the rules restrict them.

From the declarations of ``abilities`` a table is made of what an entry of a rule can mean; compiling a rule looks its
entries up there, and the result is kept for every equal tuple of rules, so that the many roles and bindings of a
cluster that grant the same share one object. The table answers as ``rules.allowed_names`` does for each request (a
property test compares them), which alone decides about names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import product
from typing import Final
from weakref import WeakValueDictionary

from workbench.inventory.objects import PolicyRule
from workbench.rbac.abilities import Ability, Request, ability_covers
from workbench.rbac.resources import Scope, names_in_namespace
from workbench.rbac.rules import EVERYTHING, NOTHING, RBAC, Names, allowed_names, is_cluster_admin, matches

_PUT_CREATES: Final = frozenset(
    {("", "endpoints"), ("", "services")}
    | {(RBAC, resource) for resource in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")}
)
"""Where ``PUT`` to a name that does not exist creates it: ``AllowCreateOnUpdate`` of the strategies in
``pkg/registry``, 1.28 to 1.37. Elsewhere only server-side apply does."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Compiled:
    """What some rules allow. Equal sets are one object (compare with ``is``); do not build it by hand."""

    mask: int = 0
    """The bits of the abilities held for every object of the scope."""
    names: Mapping[Ability, frozenset[str]] = field(default_factory=dict)
    """The abilities held for some objects only, and their names; never one that is in ``mask``."""
    everything: bool = False
    """One rule grants all verbs on all resources (``rules.is_cluster_admin``)."""
    creatable: Mapping[Ability, frozenset[str]] = field(default_factory=dict)
    """Names that ``create`` is restricted to; worth something only together with applying (see ``compile_rules``)."""
    applies: int = 0
    """The create abilities whose kind may be applied under any name."""
    appliable: Mapping[Ability, frozenset[str]] = field(default_factory=dict)
    """The create abilities whose kind may be applied under these names only."""

    def names_for(self, ability: Ability) -> Names:
        """The objects it is held for: ``None`` for all, the empty set for none."""
        if self.mask & ability.bit:
            return EVERYTHING
        return self.names.get(ability, NOTHING)

    def has(self, ability: Ability, name: str | None = None) -> bool:
        """Whether it is held for this object or, without a name, for any object at all."""
        if self.mask & ability.bit:
            return True
        names = self.names.get(ability)
        if names is None:
            return False
        return name is None or ability_covers(ability, names, name)

    def has_any(self, abilities: Iterable[Ability], name: str | None = None) -> bool:
        """Whether one of them is held (``has``)."""
        return any(self.has(ability, name) for ability in abilities)

    def __bool__(self) -> bool:
        return bool(self.mask or self.names)


_INTERNED: WeakValueDictionary[tuple[object, ...], Compiled] = WeakValueDictionary()


def _interned(compiled: Compiled) -> Compiled:
    """The one object for an equal set."""
    key = (
        compiled.mask,
        compiled.everything,
        compiled.applies,
        frozenset(compiled.names.items()),
        frozenset(compiled.creatable.items()),
        frozenset(compiled.appliable.items()),
    )
    return _INTERNED.setdefault(key, compiled)


EMPTY: Final = _interned(Compiled())
"""No rights."""


@dataclass(frozen=True, slots=True, eq=False)
class _Use:
    """One verb of one request of an ability."""

    ability: Ability
    request: Request
    verb: str
    scope: Scope
    applies: bool = False
    """It does not give the ability to create, only half of it: applying under a name that one may create."""


@dataclass(slots=True)
class _Cell:
    """What entries of a rule without resourceNames give, as bits of abilities, and how."""

    cluster: int = 0
    """In a ClusterRoleBinding."""
    namespace: int = 0
    """In a RoleBinding."""
    own: int = 0
    """In a RoleBinding, over its own namespace."""
    applies: int = 0
    applies_namespace: int = 0
    uses: list[_Use] = field(default_factory=list)

    def add(self, use: _Use) -> None:
        self.uses.append(use)
        bit = use.ability.bit
        local = bit if use.scope is Scope.NAMESPACE else 0
        if use.applies:
            self.applies |= bit
            self.applies_namespace |= local
        else:
            self.cluster |= bit
            self.namespace |= local
            self.own |= bit if use.scope is Scope.OWN_NAMESPACE else 0


def _uses() -> Iterable[_Use]:
    for ability in Ability:
        for request in ability.requests:
            for verb in request.verbs:
                yield _Use(ability, request, verb, request.scope(verb))
            if request.creates:
                for verb in _applying_verbs(request):
                    yield _Use(ability, request, verb, request.scope("create"), applies=True)


@cache
def _table() -> dict[tuple[str, str, str], _Cell]:
    """The cells of single entries: by resource, API group and verb as they may stand in a rule, wildcards included."""
    cells: dict[tuple[str, str, str], _Cell] = {}
    for use in _uses():
        entries = [use.request.resource, "*"]
        if use.request.subresource:
            entries = [f"{use.request.resource}/{use.request.subresource}", f"*/{use.request.subresource}", "*"]
        for key in product(entries, (use.request.group, "*"), (use.verb, "*")):
            cells.setdefault(key, _Cell()).add(use)
    return cells


@lru_cache(maxsize=1 << 14)
def _cell(resources: tuple[str, ...], groups: tuple[str, ...], verbs: tuple[str, ...]) -> _Cell:
    """What the cells that the entries of a rule hit give together."""
    table = _table()
    wanted = (("*",) if "*" in entries else entries for entries in (resources, groups, verbs))
    hit = [table[key] for key in product(*wanted) if key in table]
    joined = _Cell()
    for use in dict.fromkeys(use for cell in hit for use in cell.uses):
        joined.add(use)
    return joined


def _cell_of(rule: PolicyRule) -> _Cell:
    return _cell(rule.resources or (), rule.api_groups or (), rule.verbs or ())


class _Names:
    """Names collected per ability: unrestricted ones as bits, the others as sets."""

    def __init__(self) -> None:
        self.mask = 0
        self.names: dict[Ability, frozenset[str]] = {}

    def add(self, ability: Ability, names: Names) -> None:
        if names is None:
            self.mask |= ability.bit
        elif names:
            self.names[ability] = self.names.get(ability, NOTHING) | names

    def restricted(self) -> dict[Ability, frozenset[str]]:
        return {ability: self.names[ability] for ability in sorted(self.names) if not self.mask & ability.bit}


@lru_cache(maxsize=1 << 14)
def _compile(rules: tuple[PolicyRule, ...], namespace: str | None) -> Compiled:
    """Compile for the cluster (``None``) or for a RoleBinding of the namespace."""
    held, applies = _Names(), _Names()
    creatable: dict[Ability, frozenset[str]] = {}
    own = 0
    for rule in rules:
        cell = _cell_of(rule)
        if not rule.resource_names:
            if namespace is None:
                held.mask |= cell.cluster
                applies.mask |= cell.applies
            else:
                held.mask |= cell.namespace
                applies.mask |= cell.applies_namespace
                own |= cell.own
            continue
        real_names = frozenset(rule.resource_names) - {""}
        for use in cell.uses:
            request = use.request
            names = allowed_names(rule, use.verb, request.group, request.resource, request.subresource)
            if namespace is not None:
                names = names_in_namespace(names, use.scope, namespace)
            if use.applies:
                applies.add(use.ability, names)
            elif names is None or names:
                held.add(use.ability, names)
            elif real_names and request.creates and (namespace is None or use.scope is Scope.NAMESPACE):
                creatable[use.ability] = creatable.get(use.ability, NOTHING) | real_names
    if own:
        for ability in Ability:
            if own & ability.bit:
                held.add(ability, frozenset({namespace or ""}))
    return _joined(held, applies, creatable, is_cluster_admin(rules))


def _joined(held: _Names, applies: _Names, creatable: dict[Ability, frozenset[str]], everything: bool) -> Compiled:
    """The compiled form of what was collected, with what is created by applying."""
    for ability, names in creatable.items():
        usable = names if applies.mask & ability.bit else names & applies.names.get(ability, NOTHING)
        held.add(ability, usable)
    return _interned(Compiled(held.mask, held.restricted(), everything, creatable, applies.mask, applies.restricted()))


@lru_cache(maxsize=1 << 14)
def _local(rules: tuple[PolicyRule, ...]) -> tuple[Compiled, bool] | None:
    """What RoleBindings of the rules give in any namespace, and whether the own one's name is to be filled in.

    ``None`` if resourceNames decide about the own namespace, so that each is compiled by itself.
    """
    own = [rule for rule in rules if _cell_of(rule).own]
    if any(rule.resource_names for rule in own):
        return None
    return _compile(rules, ""), bool(own)


@lru_cache(maxsize=1 << 14)
def _named(compiled: Compiled, namespace: str) -> Compiled:
    """The compiled rules with the namespace in place of the empty name, which stands for the binding's own."""
    own = frozenset({namespace})
    names = {ability: own if "" in known else known for ability, known in compiled.names.items()}
    return _interned(replace(compiled, names=names))


def compile_rules(rules: Sequence[PolicyRule], namespace: str = "") -> Compiled:
    """Compile a list of rules to the abilities that it grants.

    Args:
        rules: The rules of one role; equal lists share one result.
        namespace: Where a RoleBinding grants them; empty for a ClusterRoleBinding, which grants them everywhere. In a
            namespace the rights to cluster-scoped resources are void, but for those over that very namespace, and
            ``bind`` on cluster roles (``resources.scope_of``).

    Returns:
        The abilities. Which rules grant one of them: ``rules_granting``.

    resourceNames never admit creation by ``POST``. Server-side apply, and ``PUT`` for the few kinds that allow it,
    name the object, so ``create`` and ``patch`` (``update``) of one name together do create it: such names of a
    create ability are in ``names``, also when the two come from different rules or, in ``unite``, different grants
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/).
    """
    key = tuple(rules)
    if not key:
        return EMPTY
    if not namespace:
        return _compile(key, None)
    local = _local(key)
    if local is None:
        return _compile(key, namespace)
    shared, about_namespace = local
    return _named(shared, namespace) if about_namespace else shared


def rules_granting(
    rules: Sequence[PolicyRule], ability: Ability, namespace: str = "", name: str | None = None
) -> tuple[int, ...]:
    """The indexes of the rules that grant an ability, those without resourceNames first: the evidence.

    Args:
        rules: The rules that were compiled.
        ability: The ability.
        namespace: As of ``compile_rules``.
        name: Only rules that count for this object.

    Creating under a name by applying it takes the rules for ``create`` and for ``patch``; all of them are returned.
    """
    strong, weak = [], []
    covered: frozenset[str] = NOTHING
    ways = [(request, verb) for request in ability.requests for verb in request.verbs]
    for index, rule in enumerate(rules):
        restricted: frozenset[str] = NOTHING
        for request, verb in ways:
            names = _allowed(rule, request, verb, namespace)
            if names is None:
                strong.append(index)
                break
            restricted |= names
        else:
            if restricted and (name is None or ability_covers(ability, restricted, name)):
                weak.append(index)
                covered |= restricted
    applied = compile_rules(rules, namespace).names.get(ability, NOTHING) - covered
    if name is not None:
        applied &= {name}
    if applied:
        weak += [
            index
            for index, rule in enumerate(rules)
            if not (rule.resource_names and applied.isdisjoint(rule.resource_names))
            and any(
                matches(rule, verb, request.group, request.resource)
                for request in ability.requests
                for verb in ("create", *_applying_verbs(request))
            )
        ]
    return (*strong, *sorted(set(weak) - set(strong)))


def _allowed(rule: PolicyRule, request: Request, verb: str, namespace: str) -> Names:
    names = allowed_names(rule, verb, request.group, request.resource, request.subresource)
    return names_in_namespace(names, request.scope(verb), namespace) if namespace else names


def _applying_verbs(request: Request) -> tuple[str, ...]:
    """The verbs that create an object of the kind under a name that is in the path."""
    return ("patch", "update") if (request.group, request.resource) in _PUT_CREATES else ("patch",)


@lru_cache(maxsize=1 << 15)
def _unite(parts: tuple[Compiled, ...]) -> Compiled:
    held, applies = _Names(), _Names()
    creatable: dict[Ability, frozenset[str]] = {}
    for part in parts:
        held.mask |= part.mask
        applies.mask |= part.applies
        for ability, names in part.names.items():
            held.add(ability, names)
        for ability, names in part.appliable.items():
            applies.add(ability, names)
        for ability, names in part.creatable.items():
            creatable[ability] = creatable.get(ability, NOTHING) | names
    return _joined(held, applies, creatable, any(part.everything for part in parts))


def unite(parts: Iterable[Compiled]) -> Compiled:
    """What the parts allow together; equal unions are one object."""
    distinct = {id(part): part for part in parts if part is not EMPTY}
    if not distinct:
        return EMPTY
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    return _unite(tuple(distinct[key] for key in sorted(distinct)))
