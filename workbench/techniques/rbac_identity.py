"""RBAC on RBAC and on identities (catalogue 2.7): binding, escalating, impersonating.

They take several permissions, so they start at the smallest holder (``resolve.holders``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.rbac import Ability, Effective, Names, Need, service_account_of
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason, SubjectType, Technique
from workbench.techniques.members import ABSENT_ACCOUNTS, ACCOUNTS, GROUPS, USERS, extra_groups, user_members
from workbench.techniques.rbac_common import declare, scope_of
from workbench.techniques.resolve import CLUSTER, binding, distinct, permissions
from workbench.techniques.resolve.binding import BIND_IN_CLUSTER, BIND_IN_NAMESPACE, ROLES, Cause
from workbench.techniques.resolve.holders import Reached, Step, holders_stay, smallest_holders, steps_of_grants

_PREVENTION = (
    "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping"
)
_IMPERSONATION = "https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/"
_HOLDERS = ("PermissionSet", "Group", "ServiceAccount", "User")
EFFORT = 2


class _HolderTechnique(Technique):
    """A technique of several permissions: all edges are one bucket, for any binding may change the smallest holder."""

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)


class RoleBind(_HolderTechnique):
    """ROLE_BIND: bind a role to oneself."""

    declaration = declare(
        "ROLE_BIND",
        "may bind itself to",
        ("PermissionSet", "ClusterAdmin"),
        "Write access to bindings together with the verb bind on a role gives that role to anybody. On cluster role "
        "bindings that is the whole cluster; on role bindings it is the namespace, cluster roles included.",
        effort=EFFORT,
        mitre=("T1098.006",),
        reason=Reason.API_CALL,
        reads=binding.READS,
        references=(_PREVENTION,),
        source=_HOLDERS,
        subject_type=SubjectType.SINGLETON,
    )

    def touched_by_permissions(self, view: Inventory) -> bool:
        return binding.changes(view)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        for step in binding.bindable(view).binds:
            yield Found(step.holder, step.target, EFFORT, (), step.cause)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        cause: Cause = edge.cause
        in_cluster = edge.target == nodes.CLUSTER_ADMIN or (
            nodes.kind(edge.target) == "PermissionSet" and not nodes.namespace(edge.target)
        )
        writes = Need(BIND_IN_CLUSTER if in_cluster else BIND_IN_NAMESPACE, cause.place, cause.binding or None)
        out = access.need_evidence(view, edge.source, [writes, _may_bind(cause)])
        return distinct([*out, *_what_is_granted(view, edge.target)])


def _may_bind(cause: Cause) -> Need:
    return Need((ROLES[cause.kind].bind,), cause.place, cause.role or None)


def _what_is_granted(view: Inventory, permission_set: str) -> Iterator[Evidence]:
    """The role of a permission set, by the binding that refers to it or, of a virtual one, by its own name."""
    grant = access.grant(view, permission_set)
    if grant is not None and not grant.virtual:
        yield view.evidence(grant.binding, "roleRef")
    elif grant is not None and grant.role is not None:
        yield view.evidence(grant.role.id, "metadata.name")


class RoleEscalate(_HolderTechnique):
    """ROLE_ESCALATE: write every right into a role of one's own."""

    declaration = declare(
        "ROLE_ESCALATE",
        "may give its own role every right of",
        ("PermissionSet", "ClusterAdmin"),
        "escalate together with write access to roles lets the attacker write rights into a role that it does not "
        "hold; the role must be one that is bound to it, feeds one that is, or that it may bind.",
        effort=EFFORT,
        mitre=("T1098.006",),
        reason=Reason.API_CALL,
        reads=binding.READS,
        references=(_PREVENTION,),
        source=_HOLDERS,
        subject_type=SubjectType.SINGLETON,
    )

    def touched_by_permissions(self, view: Inventory) -> bool:
        return binding.changes(view)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        for step in binding.bindable(view).escalates:
            yield Found(step.holder, step.target, EFFORT, (), step.cause)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        cause: Cause = edge.cause
        abilities = ROLES[cause.kind]
        name = cause.role or None
        place = "" if cause.kind == "ClusterRole" else cause.place
        exists = name is not None and permissions.roles(view).find(cause.kind, name, cause.place) is not None
        needs = [
            Need((abilities.escalate,), place, name),
            Need((abilities.modify,) if exists else (abilities.create, abilities.modify), place, name),
        ]
        if cause.binds:
            where = "" if cause.binds in (CLUSTER, nodes.ANYWHERE) else cause.binds
            needs.append(Need(BIND_IN_CLUSTER if cause.binds == CLUSTER else BIND_IN_NAMESPACE, where))
            needs.append(Need((abilities.bind,), where, name))
        out = access.need_evidence(view, edge.source, needs)
        own = access.grant(view, cause.binding)
        if own is not None:
            # By this binding the changed role is one of the holder's own.
            identity = "" if edge.source.startswith("PermissionSet:") else edge.source
            out += access.grant_evidence(view, own, holder=identity)
        return distinct(out)


class IdentityImpersonate(_HolderTechnique):
    """IDENTITY_IMPERSONATE: act as somebody else."""

    declaration = declare(
        "IDENTITY_IMPERSONATE",
        "may act as",
        ("User", "ServiceAccount", "Group", "PermissionSet"),
        "The impersonation headers let the attacker act as a user, a service account, or - together with one of "
        "these - a member of any group. Groups alone are not enough, the right over users does not cover service "
        "accounts, and an impersonated user is in no group that the attacker may not name.",
        effort=EFFORT,
        mitre=("T1078",),
        reason=Reason.API_CALL,
        reads=binding.READS,
        references=(_IMPERSONATION,),
        source=_HOLDERS,
        subject_type=SubjectType.SINGLETON,
    )

    def touched_by_permissions(self, view: Inventory) -> bool:
        return not (
            holders_stay(view, _IN_GROUPS)
            and not permissions.concerns(view, _SOMEBODY)
            and permissions.named_stay(view)
            and not binding.changes(view)
            and not any(extra_groups(view, user) for user in _changed_users(view))
        )

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        for step in (*_as_users(view), *_as_accounts(view), *_in_groups(view)):
            yield Found(step.holder, step.target, EFFORT, (), step.cause)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        needs = [_need(edge)]
        match edge.cause:
            case ("groups", ability, place, name):
                needs.append(Need((Ability[ability],), place, name or None))
            case ("user with groups",):
                names = (nodes.name(group) for group in extra_groups(view, edge.target))
                needs += [Need((Ability.IMPERSONATE_GROUPS,), "", name) for name in names]
        out = access.need_evidence(view, edge.source, needs)
        granted = access.grant(view, edge.target)
        if granted is not None:
            # What a user has without its groups: its permission sets stand in for it.
            user = edge.cause[1]
            out += access.grant_evidence(view, granted, holder=f"User:{user}" if user else "")
        return distinct(out)


def _need(edge: Edge) -> Need:
    """The right to act as the target of an edge; as any of its kind where that is a hub."""
    kind = nodes.kind(edge.target)
    name = nodes.name(edge.target) if kind in nodes.IDENTITIES else None
    if edge.cause[0] == "groups":
        return Need((Ability.IMPERSONATE_GROUPS,), "", name)
    if edge.cause[0] == "accounts":
        return Need((Ability.IMPERSONATE_SERVICEACCOUNTS,), edge.cause[1], name)
    return Need((Ability.IMPERSONATE_USERS,), "", name if kind == "User" else edge.cause[1] or None)


_SOMEBODY = (Ability.IMPERSONATE_USERS, Ability.IMPERSONATE_SERVICEACCOUNTS)
"""Groups can be named only beside a user, and that may be a service account."""


_IN_GROUPS = ((Ability.IMPERSONATE_GROUPS,), _SOMEBODY)


def _changed_users(view: Inventory) -> set[str]:
    """The users whose own permission sets an overlay changes: those may stand for a user (:func:`user_members`)."""
    return {identity for identity in access.changed_subjects(view) if identity.startswith("User:")}


def _as_users(view: Inventory) -> Iterator[Step]:
    for grant in access.grants_with(view, (Ability.IMPERSONATE_USERS,)):
        names = grant.names_for(Ability.IMPERSONATE_USERS)
        if names is None:
            yield Step(grant.id, nodes.hub(USERS, nodes.ANYWHERE), ("users", ""))
            continue
        for name in _plain(names):
            for target in user_members(view, f"User:{name}"):
                yield Step(grant.id, target, ("users", name))


def _plain(names: Iterable[str]) -> list[str]:
    """The names of users that are no service accounts: for those the API server asks about ``serviceaccounts``."""
    return sorted(name for name in names if service_account_of(name) is None)


def _as_accounts(view: Inventory) -> Iterator[Step]:
    """Accounts need not exist to be impersonated; one that a binding names has rights all the same."""
    for grant in access.grants_with(view, (Ability.IMPERSONATE_SERVICEACCOUNTS,)):
        names = grant.names_for(Ability.IMPERSONATE_SERVICEACCOUNTS)
        cause = ("accounts", grant.namespace)
        if names is None:
            for members in (ACCOUNTS, ABSENT_ACCOUNTS):
                yield Step(grant.id, nodes.hub(members, scope_of(grant)), cause)
            continue
        for name in sorted(names):
            for account in permissions.accounts_named(view, name):
                if grant.namespace in ("", nodes.namespace(account)):
                    yield Step(grant.id, account, cause)


def _in_groups(view: Inventory) -> Iterator[Step]:
    """Groups, and users together with the groups that they are in."""
    every_group = nodes.hub(GROUPS, nodes.ANYWHERE)
    with_groups = {f"User:{user}": extra_groups(view, f"User:{user}") for user in sorted(view.users)}

    def reach(rights: Effective) -> Reached:
        groups = rights.cluster.names_for(Ability.IMPERSONATE_GROUPS)
        somebody = _somebody(rights) if groups is None or groups else None
        if somebody is None:
            return {}
        reached: dict[str, Any] = {}
        if groups is None:
            reached[every_group] = ("groups", *somebody)
        else:
            reached.update((f"Group:{name}", ("groups", *somebody)) for name in sorted(groups))
        users = rights.cluster.names_for(Ability.IMPERSONATE_USERS)
        for user, wanted in with_groups.items():
            if wanted and _within(users, user) and all(_within(groups, group) for group in wanted):
                reached[user] = ("user with groups",)
        return reached

    def covers(reached: Reached, node: str) -> bool:
        return node in reached or (every_group in reached and nodes.kind(node) == "Group")

    yield from smallest_holders(view, _IN_GROUPS, reach, covers)
    virtual = [grant for grant in access.grants_with(view, (Ability.IMPERSONATE_GROUPS,)) if grant.virtual]
    for source, reached in steps_of_grants(virtual, reach).items():
        yield from (Step(source, node, cause) for node, cause in reached.items())


def _somebody(rights: Effective) -> tuple[str, str, str] | None:
    """A user or an account that may be impersonated: by which ability, where it is held, a name if only for some."""
    users = rights.cluster.names_for(Ability.IMPERSONATE_USERS)
    if users is None or _plain(users):
        return (Ability.IMPERSONATE_USERS.name, "", "" if users is None else _plain(users)[0])
    for place in ("", *rights.namespaces):
        accounts = rights.in_namespace(place).names_for(Ability.IMPERSONATE_SERVICEACCOUNTS)
        if accounts is None or accounts:
            return (Ability.IMPERSONATE_SERVICEACCOUNTS.name, place, "" if accounts is None else min(accounts))
    return None


def _within(names: Names, node: str) -> bool:
    return names is None or nodes.name(node) in names


TECHNIQUES: tuple[Technique, ...] = (RoleBind(), RoleEscalate(), IdentityImpersonate())
