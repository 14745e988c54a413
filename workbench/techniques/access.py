"""Who may do what, as the techniques ask it: the permission sets of a view, and who holds several together.

A step that takes one permission starts at the permission set (:class:`Grant`); one that takes several starts at
the smallest holder of them all: one permission set, else the group, else the identity (DESIGN, "Graph").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from workbench.graph import nodes
from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_ACCOUNT, IndexOf, Inventory
from workbench.inventory.objects import (
    WORKLOADS,
    ClusterRole,
    ClusterRoleBinding,
    ConfigMap,
    KubernetesObject,
    Namespace,
    Role,
    RoleBinding,
    Secret,
    ServiceAccount,
)
from workbench.inventory.pods import ContainerInstance
from workbench.rbac import (
    Ability,
    Effective,
    Grant,
    Holder,
    Need,
    RoleIndex,
    RuleSource,
    grant_of,
    virtual_grant,
)
from workbench.rbac.subjects import groups_of as rbac_groups_of
from workbench.rbac.subjects import subject_id
from workbench.techniques.resolve.token import api_tokens

RBAC_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
"""What permissions are computed from."""

MASTERS = "Group:system:masters"

AnyBinding = RoleBinding | ClusterRoleBinding


def _subjects(binding: AnyBinding) -> list[str]:
    found = (subject_id(subject, binding.namespace) for subject in binding.subjects or ())
    return list(dict.fromkeys(identity for identity in found if identity is not None))


_BY_SUBJECT: IndexOf[str, AnyBinding] = IndexOf("role bindings by subject", "RoleBinding", _subjects)
_CLUSTER_BY_SUBJECT: IndexOf[str, AnyBinding] = IndexOf(
    "cluster role bindings by subject", "ClusterRoleBinding", _subjects
)


# --- permission sets ----------------------------------------------------------------------------------


def roles(view: Inventory) -> RoleIndex:
    """The roles of a view; aggregated ones that gather a changed role are computed anew."""
    return view.derived("roles", frozenset({"Role", "ClusterRole"}), _roles)


def _roles(view: Inventory) -> RoleIndex:
    changed = {
        obj.name for pair in view.replaced.get("ClusterRole", ()) for obj in pair if obj is not None
    }
    index = RoleIndex(view.all(Role), view.all(ClusterRole))
    recompute = index.dependents(changed) if changed else frozenset()
    return RoleIndex(view.all(Role), view.all(ClusterRole), recompute=recompute) if recompute else index


def _grant(view: Inventory, binding: AnyBinding) -> Grant:
    """The permission set of a binding, kept for as long as neither the binding nor any role changes."""
    known: dict[int, Grant] = view.derived("grants by binding", frozenset({"Role", "ClusterRole"}), lambda _: {})
    found = known.get(id(binding))
    if found is None or found.binding is not binding:
        found = known[id(binding)] = grant_of(binding, roles(view))
    return found


def real_grants(view: Inventory) -> list[Grant]:
    """The permission set of every binding, in the order of the bindings."""
    return view.derived("real grants", RBAC_KINDS, _real_grants)


def _real_grants(view: Inventory) -> list[Grant]:
    return [_grant(view, binding) for binding in (*view.all(RoleBinding), *view.all(ClusterRoleBinding))]


def grants(view: Inventory) -> list[Grant]:
    """Every permission set: those of bindings, and the virtual ones that somebody could bind."""
    return view.derived("grants", RBAC_KINDS, _all_grants)


def _all_grants(view: Inventory) -> list[Grant]:
    from workbench.techniques.resolve.binding import bindable

    virtual = [
        virtual_grant(roles(view), kind, name, namespace) for namespace, kind, name in sorted(bindable(view).virtual)
    ]
    return [*real_grants(view), *virtual]


def _grants_by_id(view: Inventory) -> dict[str, Grant]:
    return view.derived("grants by id", RBAC_KINDS, lambda seen: {grant.id: grant for grant in grants(seen)})


def grant(view: Inventory, node: str) -> Grant | None:
    """The permission set of an id, ``None`` if there is none."""
    return _grants_by_id(view).get(node)


def grant_ids(view: Inventory, binding: AnyBinding) -> set[str]:
    """The id of a binding's permission set."""
    return {_grant(view, binding).id}


def grants_with(view: Inventory, *abilities: Ability) -> Iterator[Grant]:
    """The permission sets that grant one of the abilities, for any object."""
    for found in grants(view):
        if found.compiled.has_any(abilities):
            yield found


def names_for(found: Grant, abilities: Iterable[Ability]) -> frozenset[str] | None:
    """The objects that a permission set grants one of the abilities for: ``None`` all, empty none."""
    total: frozenset[str] = frozenset()
    for ability in abilities:
        names = found.names_for(ability)
        if names is None:
            return None
        total |= names
    return total


# --- identities ---------------------------------------------------------------------------------------


def grants_of(view: Inventory, identity: str) -> Sequence[Grant]:
    """The permission sets whose bindings name the identity itself, not its groups."""
    bindings = (*view.index(_BY_SUBJECT)[identity], *view.index(_CLUSTER_BY_SUBJECT)[identity])
    return [_grant(view, binding) for binding in bindings]


def groups_of(view: Inventory, identity: str) -> tuple[str, ...]:
    """The ids of the groups of an identity (R9)."""
    return rbac_groups_of(identity, view.users)


def effective(view: Inventory, identity: str) -> Effective:
    """What an identity may do by its own and its groups' permission sets."""
    known: dict[str, Effective] = view.derived("effective rights", RBAC_KINDS, lambda _: {})
    found = known.get(identity)
    if found is None:
        found = known[identity] = Effective(
            identity, grants_of(view, identity), {group: grants_of(view, group) for group in groups_of(view, identity)}
        )
    return found


def identities(view: Inventory) -> list[str]:
    """Service accounts, users and groups that exist, or that pods, bindings or the operator name; sorted."""
    return view.derived("identities", RBAC_KINDS | {"ServiceAccount", "Pod"}, _identities)


def _identities(view: Inventory) -> list[str]:
    found = {account.id for account in view.all(ServiceAccount)}
    found.update(account for account in view.index(PODS_BY_ACCOUNT).keys() if not _only_mirrors(view, account))
    found.update(view.index(_BY_SUBJECT).keys())
    found.update(view.index(_CLUSTER_BY_SUBJECT).keys())
    for user, groups in view.users.items():
        found.add(f"User:{user}")
        found.update(f"Group:{group}" for group in groups)
    return sorted(found)


def _only_mirrors(view: Inventory, account: str) -> bool:
    return all(pod.mirror for pod in view.index(PODS_BY_ACCOUNT)[account])


def identity_exists(view: Inventory, identity: str) -> bool:
    """Whether an identity is known: for a service account, whether its object was read or a pod uses it."""
    if identity.startswith("ServiceAccount:"):
        return view.by_id(identity) is not None or identity in view.index(PODS_BY_ACCOUNT)
    return identity in view.index(_BY_SUBJECT) or identity in view.index(_CLUSTER_BY_SUBJECT)


def controller_accounts(view: Inventory) -> list[str]:
    """The accounts of Kubernetes' controllers that only its own bindings name: there if C-CTRLSA holds."""
    return view.derived("controller accounts", RBAC_KINDS | {"ServiceAccount", "Pod"}, _controller_accounts)


def _controller_accounts(view: Inventory) -> list[str]:
    return [
        identity
        for identity in identities(view)
        if identity.startswith("ServiceAccount:kube-system/")
        and not identity_exists(view, identity)
        and any(view.is_builtin(found.binding.id) for found in grants_of(view, identity))
    ]


def container_holds(view: Inventory, container: ContainerInstance, *abilities: Ability) -> list[Grant]:
    """The permission sets that grant one of the abilities to an account whose token a container holds, by id."""
    found: dict[str, Grant] = {}
    for token in api_tokens(view, container):
        for held in effective(view, token.account).grants:
            if held.compiled.has_any(abilities):
                found[held.id] = held
    return [found[key] for key in sorted(found)]


def holders(view: Inventory, needs: Sequence[Need]) -> list[Holder]:
    """The smallest holders of all the needs, over all identities, each once, by id."""
    wanted = [ability for need in needs for ability in need.abilities]
    found: dict[str, Holder] = {}
    for held in grants_with(view, *wanted):
        if all(held.counts_in(need.namespace) and need.met_by(held.compiled) for need in needs):
            # Virtual permission sets have no subjects, so that no identity leads to them.
            found.setdefault(held.id, Effective("", (held,)).holders(needs)[0])
    for identity in candidates(view, wanted):
        for holder in effective(view, identity).holders(needs):
            found.setdefault(holder.id, holder)
    return [found[key] for key in sorted(found)]


def candidates(view: Inventory, abilities: Iterable[Ability]) -> list[str]:
    """The identities that hold one of the abilities by themselves or by a group, sorted."""
    named: set[str] = set()
    for held in grants_with(view, *abilities):
        named.update(held.identities)
    groups = {identity for identity in named if identity.startswith("Group:")}
    if groups:
        named.update(
            identity for identity in identities(view) if groups.intersection(groups_of(view, identity))
        )
    return sorted(named)


# --- evidence -----------------------------------------------------------------------------------------


def grant_evidence(view: Inventory, found: Grant, *abilities: Ability, name: str | None = None) -> list[Evidence]:
    """The rule that grants each ability, and the binding that brings the role."""
    sources: dict[tuple[str, int], RuleSource] = {}
    for ability in abilities:
        for source in found.evidence(ability, name)[:1]:
            sources.setdefault((source.object, source.index), source)
    out = [view.evidence(source.object, f"rules[{source.index}]") for source in sources.values()]
    if not found.virtual:
        out.append(view.evidence(found.binding, "roleRef"))
        out.extend(view.evidence(found.binding, f"subjects[{index}]") for index, _ in found.subjects[:3])
    return out


def holder_evidence(view: Inventory, source: str, *abilities: Ability) -> list[Evidence]:
    """What proves that a permission set, a group or an identity holds the abilities."""
    held = grant(view, source)
    if held is not None:
        return grant_evidence(view, held, *abilities)
    out: list[Evidence] = []
    for found in effective(view, source).grants:
        if found.compiled.has_any(abilities):
            for item in grant_evidence(view, found, *(a for a in abilities if found.has(a))):
                if item not in out:
                    out.append(item)
    return out


# --- nodes --------------------------------------------------------------------------------------------


def object_nodes(view: Inventory) -> Iterator[str]:
    """The ids of the objects, identities and permission sets that are nodes of the graph whatever leads to them."""
    kinds: tuple[type[KubernetesObject], ...] = (Namespace, *WORKLOADS, ServiceAccount, Secret, ConfigMap)
    for kind in kinds:
        for obj in view.all(kind):
            yield obj.id
    yield from identities(view)
    for found in grants(view):
        yield found.id


def about_namespace(condition: str, namespace: str) -> tuple[Fact, ...]:
    """A missing fact about a namespace, or about the cluster where it is about all of them."""
    return ((condition, f"Namespace:{namespace}" if namespace not in ("", nodes.ANYWHERE) else "Cluster"),)
