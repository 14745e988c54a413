"""The permission sets that bindings give, and the identities that hold them (R9, R10).

Everything is looked up through indexes and kept by the view. An overlay computes anew only the permission sets of
the bindings and roles that it changes, so two views share a :class:`Grant` exactly where nothing about it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from workbench.inventory.inventory import PODS_BY_ACCOUNT, PODS_BY_NAMESPACE, IndexOf, Inventory
from workbench.inventory.objects import (
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
from workbench.rbac import Ability, Compiled, Effective, Grant, RoleIndex, grant_of, mask_of
from workbench.rbac.builtin import BOOTSTRAP_LABEL
from workbench.rbac.subjects import groups_of as _groups_of
from workbench.rbac.subjects import subject_id

RBAC_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
"""What permissions are computed from."""

IDENTITY_KINDS = frozenset({"RoleBinding", "ClusterRoleBinding", "ServiceAccount", "Pod"})
"""What names identities."""

NAMESPACE_KINDS = frozenset({"Namespace", "Pod", "ServiceAccount", "Secret", "ConfigMap", "Role", "RoleBinding"})
"""What makes a namespace worth rights in it."""

ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
"""The annotation of an account whose pods may mount only the Secrets that it lists."""

CONTROLLERS = "kube-system"
"""The namespace of the accounts of Kubernetes' own controllers."""
_CONTROLLER_PREFIX = "system:controller:"
"""How the bindings of those accounts are called (Kubernetes documentation, RBAC, "Roles for built-in controllers")."""

AnyBinding: TypeAlias = RoleBinding | ClusterRoleBinding


def subjects_of(binding: AnyBinding) -> list[str]:
    """The identities that a binding names, each once."""
    found = (subject_id(subject, binding.namespace) for subject in binding.subjects or ())
    return list(dict.fromkeys(identity for identity in found if identity is not None))


_BY_SUBJECT: IndexOf[str, AnyBinding] = IndexOf("role bindings by subject", "RoleBinding", subjects_of)
_CLUSTER_BY_SUBJECT: IndexOf[str, AnyBinding] = IndexOf(
    "cluster role bindings by subject", "ClusterRoleBinding", subjects_of
)


# --- permission sets ----------------------------------------------------------------------------------


def roles(view: Inventory) -> RoleIndex:
    """The roles of a view; aggregated ones that gather a changed role are computed anew."""
    return view.derived("roles", frozenset({"Role", "ClusterRole"}), _roles)


def _roles(view: Inventory) -> RoleIndex:
    return RoleIndex(view.all(Role), view.all(ClusterRole), recompute=_outdated(view))


def _outdated(view: Inventory) -> frozenset[str]:
    """The aggregated ClusterRoles whose rules are out of date, for an overlay changes what they gather or gathered."""
    return view.derived("outdated cluster roles", frozenset({"ClusterRole"}), _compute_outdated)


def _compute_outdated(view: Inventory) -> frozenset[str]:
    base = view.base
    if base is None:
        return frozenset()
    changed = {obj.name for pair in view.replaced.get("ClusterRole", ()) for obj in pair if obj is not None}
    now = RoleIndex((), view.all(ClusterRole))
    return _outdated(base) | roles(base).dependents(changed) | now.dependents(changed)


def _by_binding(view: Inventory) -> dict[str, Grant]:
    return view.derived("permission sets by binding", RBAC_KINDS, _compute_by_binding)


def _compute_by_binding(view: Inventory) -> dict[str, Grant]:
    known = roles(view)
    if view.base is None:
        bindings: Iterable[AnyBinding] = (*view.all(RoleBinding), *view.all(ClusterRoleBinding))
        return {binding.id: grant_of(binding, known) for binding in bindings}
    found = dict(_by_binding(view.base))
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for old, new in view.replaced.get(kind, ()):
            if new is not None:
                found[new.id] = grant_of(new, known)
            elif old is not None:
                found.pop(old.id, None)
    changed = {
        (obj.kind, obj.namespace, obj.name)
        for kind in ("Role", "ClusterRole")
        for pair in view.replaced.get(kind, ())
        for obj in pair
        if obj is not None
    }
    if changed:
        changed |= {("ClusterRole", "", name) for name in _outdated(view)}
        for key, grant in found.items():
            place = grant.namespace if grant.role_kind == "Role" else ""
            if (grant.role_kind, place, grant.role_name) in changed:
                found[key] = grant_of(grant.binding, known)
    return found


def changed(view: Inventory) -> list[tuple[Grant | None, Grant | None]]:
    """The permission sets of bindings that an overlay changes, before and after; ``None`` where there is none."""
    return view.derived("changed permission sets of bindings", RBAC_KINDS, _compute_changed)


def _compute_changed(view: Inventory) -> list[tuple[Grant | None, Grant | None]]:
    if view.base is None:
        return []
    before, after = _by_binding(view.base), _by_binding(view)
    found = [(before.get(key), grant) for key, grant in after.items() if before.get(key) is not grant]
    return [*found, *((grant, None) for key, grant in before.items() if key not in after)]


def concerns(view: Inventory, abilities: Sequence[Ability]) -> bool:
    """Whether one of the permission sets that an overlay changes grants, or granted, one of some abilities."""
    return any(each is not None and each.compiled.has_any(abilities) for pair in changed(view) for each in pair)


def named_stay(view: Inventory) -> bool:
    """Whether an overlay leaves the subjects that bindings name the same, all of them together."""
    return view.derived("subjects stay", frozenset({"RoleBinding", "ClusterRoleBinding"}), _named_stay)


def _named_stay(view: Inventory) -> bool:
    base = view.base
    if base is None:
        return False
    return all(
        (identity in view.index(of)) == (identity in base.index(of))
        for kind, of in (("RoleBinding", _BY_SUBJECT), ("ClusterRoleBinding", _CLUSTER_BY_SUBJECT))
        for pair in view.replaced.get(kind, ())
        for binding in pair
        if binding is not None
        for identity in subjects_of(binding)
    )


def real_grants(view: Inventory) -> list[Grant]:
    """The permission set of every binding."""
    return list(_by_binding(view).values())


def grants_in(view: Inventory, namespace: str) -> Sequence[Grant]:
    """The permission sets of the RoleBindings of a namespace; of the ClusterRoleBindings, if it is empty."""
    found = view.derived("permission sets by namespace", RBAC_KINDS, _by_namespace)
    return found.get(namespace, ())


def _by_namespace(view: Inventory) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for grant in _by_binding(view).values():
        found.setdefault(grant.namespace, []).append(grant)
    return found


def grants_of_role(view: Inventory, kind: str, name: str) -> Sequence[Grant]:
    """The permission sets, in whatever namespace, of an existing role of that kind and name."""
    found = view.derived("permission sets by role", RBAC_KINDS, _by_role)
    return found.get((kind, name), ())


def _by_role(view: Inventory) -> dict[tuple[str, str], list[Grant]]:
    found: dict[tuple[str, str], list[Grant]] = {}
    for grant in _by_binding(view).values():
        if grant.role is not None:
            found.setdefault((grant.role_kind, grant.role_name), []).append(grant)
    return found


def holding(grants: Iterable[Grant], abilities: Iterable[Ability]) -> list[Grant]:
    """Those of some permission sets that grant one of the abilities, for any object."""
    wanted = tuple(abilities)
    decided: dict[Compiled, bool] = {}
    found = []
    for grant in grants:
        compiled = grant.compiled
        holds = decided.get(compiled)
        if holds is None:
            holds = decided[compiled] = compiled.has_any(wanted)
        if holds:
            found.append(grant)
    return found


def real_grants_with(view: Inventory, abilities: Iterable[Ability]) -> list[Grant]:
    """The permission sets of bindings that grant one of the abilities, for any object."""
    wanted = tuple(abilities)
    name = f"permission sets of bindings with {mask_of(wanted):x}"

    def compute(seen: Inventory) -> list[Grant]:
        if seen.base is not None and not concerns(seen, wanted):
            return real_grants_with(seen.base, wanted)
        return holding(_by_binding(seen).values(), wanted)

    return view.derived(name, RBAC_KINDS, compute)


def named_with(view: Inventory, abilities: Iterable[Ability]) -> frozenset[str]:
    """The identities that those bindings name (:func:`real_grants_with`); groups stand for their members."""
    wanted = tuple(abilities)
    name = f"identities named with {mask_of(wanted):x}"

    def compute(seen: Inventory) -> frozenset[str]:
        if seen.base is not None and not concerns(seen, wanted):
            return named_with(seen.base, wanted)
        return _named(real_grants_with(seen, wanted))

    return view.derived(name, RBAC_KINDS, compute)


def _named(grants: Iterable[Grant]) -> frozenset[str]:
    return frozenset(identity for grant in grants for _, identity in grant.subjects)


def grants_of(view: Inventory, identity: str) -> list[Grant]:
    """The permission sets whose bindings name the identity itself, not its groups."""
    known = _by_binding(view)
    bindings = (*view.index(_BY_SUBJECT)[identity], *view.index(_CLUSTER_BY_SUBJECT)[identity])
    return [known[binding.id] for binding in bindings]


def effective(view: Inventory, identity: str) -> Effective:
    """What an identity may do by its own and its groups' permission sets."""
    known: dict[str, Effective] = view.derived("effective rights", RBAC_KINDS, lambda _: {})
    found = known.get(identity)
    if found is None:
        # Whoever is in a group shares what it is granted.
        of_groups: dict[str, tuple[Grant, ...]] = view.memo("permission sets of groups", RBAC_KINDS)
        groups: dict[str, tuple[Grant, ...]] = {}
        for group in groups_of(view, identity):
            granted = of_groups.get(group)
            if granted is None:
                granted = of_groups[group] = tuple(grants_of(view, group))
            groups[group] = granted
        found = known[identity] = Effective(identity, grants_of(view, identity), groups)
    return found


# --- identities ---------------------------------------------------------------------------------------


def groups_of(view: Inventory, identity: str) -> tuple[str, ...]:
    """The ids of the groups of an identity (R9)."""
    return _groups_of(identity, view.users)


def identities(view: Inventory) -> list[str]:
    """Service accounts, users and groups that exist, or that pods, bindings or the operator name; sorted."""
    return view.derived("identities", IDENTITY_KINDS, _identities)


def _identities(view: Inventory) -> list[str]:
    if view.base is not None and named_stay(view) and view.replaced.keys() <= RBAC_KINDS:
        return identities(view.base)
    found = {account.id for account in view.all(ServiceAccount)}
    by_account = view.index(PODS_BY_ACCOUNT)
    found.update(account for account in by_account.keys() if _is_used(view, account))  # noqa: SIM118 - an index
    found.update(view.index(_BY_SUBJECT).keys())
    found.update(view.index(_CLUSTER_BY_SUBJECT).keys())
    found.update(_from_operator(view))
    return sorted(found)


def users_and_groups(view: Inventory) -> list[str]:
    """The users and groups among the identities; sorted."""
    return view.derived("users and groups", frozenset({"RoleBinding", "ClusterRoleBinding"}), _users_and_groups)


def _users_and_groups(view: Inventory) -> list[str]:
    if view.base is not None and named_stay(view):
        return users_and_groups(view.base)
    found = {*view.index(_BY_SUBJECT).keys(), *view.index(_CLUSTER_BY_SUBJECT).keys(), *_from_operator(view)}
    return sorted(identity for identity in found if not identity.startswith("ServiceAccount:"))


def is_identity(view: Inventory, identity: str) -> bool:
    """Whether an identity is one of :func:`identities`."""
    return (
        identity_exists(view, identity)
        or identity in view.index(_BY_SUBJECT)
        or identity in view.index(_CLUSTER_BY_SUBJECT)
        or identity in _from_operator(view)
    )


def identity_exists(view: Inventory, identity: str) -> bool:
    """Whether an identity is seen: of a service account the object or a pod that uses it, else a binding."""
    if identity.startswith("ServiceAccount:"):
        return view.by_id(identity) is not None or _is_used(view, identity)
    return identity in view.index(_BY_SUBJECT) or identity in view.index(_CLUSTER_BY_SUBJECT)


def _is_used(view: Inventory, account: str) -> bool:
    # Mirror pods name an account and get no token of it.
    return any(not pod.mirror for pod in view.index(PODS_BY_ACCOUNT)[account])


def _from_operator(view: Inventory) -> frozenset[str]:
    """The users and groups that the operator's configuration names."""
    return view.derived("identities of the configuration", frozenset(), _compute_from_operator)


def _compute_from_operator(view: Inventory) -> frozenset[str]:
    groups = {f"Group:{group}" for named in view.users.values() for group in named}
    return frozenset(groups.union(f"User:{user}" for user in view.users))


def is_kubernetes_own(view: Inventory, obj: KubernetesObject) -> bool:
    """Whether the API server made a role or a binding by itself, in the source or by the program's knowledge."""
    return view.is_builtin(obj.id) or BOOTSTRAP_LABEL in (obj.metadata.labels or {})


def account_exists(view: Inventory, account: str) -> bool:
    """Whether a service account is there to be used.

    It is if its object was read or a pod uses it. Manifests need not repeat an account that is in the cluster, so
    there one that somebody bound exists too; not so those that only Kubernetes' own bindings name.
    """
    if identity_exists(view, account):
        return True
    namespace = account.removeprefix("ServiceAccount:").partition("/")[0]
    if were_listed(view, ServiceAccount, namespace):
        return False
    return any(not is_kubernetes_own(view, grant.binding) for grant in grants_of(view, account))


def were_listed(view: Inventory, kind: type[KubernetesObject], namespace: str) -> bool:
    """Whether the source has every object of a kind in a namespace: it holds one of a live cluster, and has no gap.

    Manifests are never complete: much of what is in the cluster, Secrets above all, is kept elsewhere.
    """
    if any(gap.kind == kind.__name__ and gap.namespace in (None, namespace) for gap in view.coverage):
        return False
    return any(view.is_live(obj) for obj in view.in_namespace(kind, namespace))


def bound_accounts(view: Inventory, namespace: str) -> Sequence[str]:
    """The accounts of a namespace that some binding names, existing or not."""
    return _bound_accounts(view).get(namespace, ())


def namespaces_of_bound_accounts(view: Inventory) -> Iterable[str]:
    """The namespaces of the accounts that some binding names."""
    return _bound_accounts(view)


def _bound_accounts(view: Inventory) -> Mapping[str, Sequence[str]]:
    return view.derived("bound accounts", frozenset({"RoleBinding", "ClusterRoleBinding"}), _compute_bound_accounts)


def _compute_bound_accounts(view: Inventory) -> Mapping[str, Sequence[str]]:
    if view.base is not None and named_stay(view):
        return _bound_accounts(view.base)
    found: dict[str, list[str]] = {}
    for identity in sorted({*view.index(_BY_SUBJECT).keys(), *view.index(_CLUSTER_BY_SUBJECT).keys()}):
        if identity.startswith("ServiceAccount:"):
            found.setdefault(identity.removeprefix("ServiceAccount:").partition("/")[0], []).append(identity)
    return found


def existing_accounts(view: Inventory, namespace: str) -> list[str]:
    """The accounts of a namespace that are there to be used (:func:`account_exists`), sorted."""
    found = {account.id for account in view.in_namespace(ServiceAccount, namespace)}
    found.update(pod.account for pod in view.index(PODS_BY_NAMESPACE)[namespace] if not pod.mirror)
    found.update(account for account in bound_accounts(view, namespace) if account_exists(view, account))
    return sorted(found)


def absent_accounts(view: Inventory, namespace: str) -> list[str]:
    """The accounts of a namespace that bindings name and that are not there, sorted."""
    return [account for account in bound_accounts(view, namespace) if not account_exists(view, account)]


def controller_accounts(view: Inventory) -> list[str]:
    """The accounts of Kubernetes' controllers that were not seen: they are there if C-CTRLSA holds."""
    return [
        account
        for account in absent_accounts(view, CONTROLLERS)
        if any(
            grant.binding.name.startswith(_CONTROLLER_PREFIX) and is_kubernetes_own(view, grant.binding)
            for grant in grants_of(view, account)
        )
    ]


def accounts_named(view: Inventory, name: str) -> Sequence[str]:
    """The accounts of a name in whatever namespace, existing or only bound, sorted."""
    return _named_accounts(view).get(name, ())


def _named_accounts(view: Inventory) -> Mapping[str, Sequence[str]]:
    return view.derived("accounts by name", IDENTITY_KINDS, _accounts_by_name)


def _accounts_by_name(view: Inventory) -> Mapping[str, Sequence[str]]:
    if view.base is not None and identities(view) is identities(view.base):
        return _named_accounts(view.base)
    found: dict[str, list[str]] = {}
    for identity in identities(view):
        if identity.startswith("ServiceAccount:"):
            found.setdefault(identity.rpartition("/")[2], []).append(identity)
    return found


def _annotated_namespaces(account: ServiceAccount) -> Iterable[str]:
    return (account.namespace,) if ENFORCE_MOUNTABLE in (account.metadata.annotations or {}) else ()


_ANNOTATED: IndexOf[str, ServiceAccount] = IndexOf(
    "accounts with enforce-mountable-secrets", "ServiceAccount", _annotated_namespaces
)


def limited_namespaces(view: Inventory) -> frozenset[str]:
    """The namespaces all of whose accounts limit the Secrets that their pods may mount.

    Source: Kubernetes documentation, "Service Accounts", "Enforce mountable secrets" (deprecated in 1.32, and works).
    """
    return view.derived("limited namespaces", frozenset({"ServiceAccount"}), _limited_namespaces)


def _limited_namespaces(view: Inventory) -> frozenset[str]:
    return frozenset(
        namespace
        for namespace in view.index(_ANNOTATED).keys()  # noqa: SIM118 - an index is no mapping
        if all(
            (account.metadata.annotations or {}).get(ENFORCE_MOUNTABLE) == "true"
            for account in view.in_namespace(ServiceAccount, namespace)
        )
    )


def namespaces(view: Inventory) -> list[str]:
    """The namespaces that exist, or that hold something that a right leads to; sorted."""
    return view.derived("namespaces of rights", NAMESPACE_KINDS, _namespaces)


def _namespaces(view: Inventory) -> list[str]:
    found = {namespace.name for namespace in view.all(Namespace)}
    found.update(view.index(PODS_BY_NAMESPACE).keys())
    for kind in (ServiceAccount, Secret, ConfigMap, Role, RoleBinding):
        found.update(view.namespaces_of(kind))
    return sorted(found - {""})
