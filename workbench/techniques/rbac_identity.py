"""RBAC on RBAC (catalogue 2.7): binding, escalating, impersonating. They start at the smallest holder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.rbac import Ability, Need
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason, SubjectType, Technique
from workbench.techniques.members import ACCOUNTS, GROUPS, PERMISSION_SETS, USERS
from workbench.techniques.rbac_common import declare
from workbench.techniques.resolve import binding

_PREVENTION = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping"
_HOLDERS = ("PermissionSet", "Group", "ServiceAccount", "User")


class _HolderTechnique(Technique):
    """A technique of several permissions: all its edges are one bucket, for any binding may change the smallest holder."""

    abilities: tuple[Ability, ...] = ()

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return access.holder_evidence(view, edge.source, *self.abilities)


class RoleBind(_HolderTechnique):
    """ROLE_BIND: bind a role to oneself."""

    declaration = declare(
        "ROLE_BIND",
        "may bind itself to",
        ("PermissionSet", "ClusterAdmin"),
        "Write access to bindings together with the verb bind on a role gives that role to anybody. On cluster role "
        "bindings that is the whole cluster; on role bindings it is the namespace, cluster roles included.",
        effort=2,
        mitre=("T1098.006",),
        reason=Reason.API_CALL,
        references=(_PREVENTION,),
        source=_HOLDERS,
        subject_type=SubjectType.SINGLETON,
    )
    abilities = (
        Ability.BIND_CLUSTERROLES,
        Ability.BIND_ROLES,
        *binding.WRITE_CLUSTER,
        *binding.WRITE,
    )

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        found = binding.bindable(view)
        for holder in sorted(found.admins):
            yield Found(holder, nodes.CLUSTER_ADMIN, 2)
        for holder, role in found.cluster_roles:
            for target in binding.permission_sets(view, "", "ClusterRole", role):
                yield Found(holder, target, 2)
        for holder, namespace in found.everything:
            yield Found(holder, nodes.hub(PERMISSION_SETS, namespace), 2)
        reached = set(found.everything)
        for holder, namespace in found.any_role:
            if (holder, namespace) in reached:
                continue
            for local in access.roles(view).roles_in(namespace):
                for target in binding.permission_sets(view, namespace, "Role", local.name):
                    yield Found(holder, target, 2)
        for holder, namespace, kind, role in found.named:
            if (holder, namespace) not in reached:
                for target in binding.permission_sets(view, namespace, kind, role):
                    yield Found(holder, target, 2)


class RoleEscalate(_HolderTechnique):
    """ROLE_ESCALATE: write every right into a role of one's own."""

    declaration = declare(
        "ROLE_ESCALATE",
        "may give its own role every right of",
        ("PermissionSet", "ClusterAdmin"),
        "escalate together with write access to roles lets the attacker write rights into a role that it does not "
        "hold; the role must be one that is bound to it.",
        effort=2,
        mitre=("T1098.006",),
        reason=Reason.API_CALL,
        references=(_PREVENTION,),
        source=_HOLDERS,
        subject_type=SubjectType.SINGLETON,
    )
    abilities = (
        Ability.ESCALATE_CLUSTERROLES,
        Ability.MODIFY_CLUSTERROLES,
        Ability.ESCALATE_ROLES,
        Ability.MODIFY_ROLES,
    )

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        for holder, namespace in binding.bindable(view).escalates:
            target = f"PermissionSet:{namespace}/cluster-admin@" if namespace else nodes.CLUSTER_ADMIN
            if target != holder:
                yield Found(holder, target, 2)


class IdentityImpersonate(_HolderTechnique):
    """IDENTITY_IMPERSONATE: act as somebody else."""

    declaration = declare(
        "IDENTITY_IMPERSONATE",
        "may act as",
        ("User", "ServiceAccount", "Group"),
        "The impersonation headers let the attacker act as a user, a service account, or - together with one of "
        "these - a member of any group. Groups alone are not enough, and the right over users does not cover service "
        "accounts.",
        effort=2,
        mitre=("T1078",),
        reason=Reason.API_CALL,
        reads={"ServiceAccount", "Pod"},
        references=("https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/",),
        source=_HOLDERS,
        subject_type=SubjectType.SINGLETON,
    )
    abilities = (Ability.IMPERSONATE_USERS, Ability.IMPERSONATE_SERVICEACCOUNTS, Ability.IMPERSONATE_GROUPS)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        yield from self._users(view)
        yield from self._accounts(view)
        yield from self._groups(view)

    def _users(self, view: Inventory) -> Iterator[Found]:
        for grant in access.grants_with(view, Ability.IMPERSONATE_USERS):
            names = grant.names_for(Ability.IMPERSONATE_USERS)
            if names is None:
                yield Found(grant.id, nodes.hub(USERS, nodes.ANYWHERE), 2, (), "users")
            else:
                for name in sorted(names):
                    if not name.startswith("system:serviceaccount:"):
                        yield Found(grant.id, f"User:{name}", 2, (), "users")

    def _accounts(self, view: Inventory) -> Iterator[Found]:
        for grant in access.grants_with(view, Ability.IMPERSONATE_SERVICEACCOUNTS):
            names = grant.names_for(Ability.IMPERSONATE_SERVICEACCOUNTS)
            scope = grant.namespace or nodes.ANYWHERE
            if names is None:
                yield Found(grant.id, nodes.hub(ACCOUNTS, scope), 2, (), "accounts")
                continue
            for name in sorted(names):
                for namespace in (grant.namespace,) if grant.namespace else view.namespaces():
                    account = f"ServiceAccount:{namespace}/{name}"
                    if access.identity_exists(view, account):
                        yield Found(grant.id, account, 2, (), "accounts")

    def _groups(self, view: Inventory) -> Iterator[Found]:
        somebody = (Ability.IMPERSONATE_USERS, Ability.IMPERSONATE_SERVICEACCOUNTS)
        for namespace in ("", *self._account_namespaces(view)):
            needs = [Need((Ability.IMPERSONATE_GROUPS,)), Need(somebody, namespace)]
            for holder in access.holders(view, needs):
                held = access.grant(view, holder.id)
                grants = (held,) if held is not None else access.effective(view, holder.id).grants
                names: frozenset[str] | None = frozenset()
                for grant in grants:
                    covered = grant.names_for(Ability.IMPERSONATE_GROUPS)
                    names = None if names is None or covered is None else names | covered
                if names is None:
                    yield Found(holder.id, nodes.hub(GROUPS, nodes.ANYWHERE), 2, (), "groups")
                else:
                    for name in sorted(names):
                        yield Found(holder.id, f"Group:{name}", 2, (), "groups")

    def _account_namespaces(self, view: Inventory) -> list[str]:
        found = access.grants_with(view, Ability.IMPERSONATE_SERVICEACCOUNTS)
        return sorted({grant.namespace for grant in found if grant.namespace})

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        used = {
            "users": (Ability.IMPERSONATE_USERS,),
            "accounts": (Ability.IMPERSONATE_SERVICEACCOUNTS,),
            "groups": (Ability.IMPERSONATE_GROUPS, Ability.IMPERSONATE_USERS, Ability.IMPERSONATE_SERVICEACCOUNTS),
        }[edge.cause]
        return access.holder_evidence(view, edge.source, *used)


TECHNIQUES = (RoleBind(), RoleEscalate(), IdentityImpersonate())
