"""Fixes of permissions: a subject out of a binding, the part of a rule that grants a technique (``catalogue.md`` 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from workbench.inventory import fields
from workbench.inventory.changes import Op, Target
from workbench.inventory.decode import plain
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    ServiceAccount,
    Subject,
)
from workbench.rbac import Ability, Grant, Request, is_cluster_admin
from workbench.rbac.subjects import subject_id
from workbench.remediation.candidates import called
from workbench.remediation.owners import management
from workbench.remediation.records import Effect, Fix, Risk, RiskLevel
from workbench.techniques.api import Found, SubjectType, Technique
from workbench.techniques.registry import all_techniques
from workbench.techniques.resolve import permissions as rights
from workbench.techniques.resolve.anonymous import WITHOUT_CREDENTIALS, beyond_public

AnyRole = Role | ClusterRole
AnyBinding = RoleBinding | ClusterRoleBinding

_SHOWN_SUBJECTS = 5

DECIDING: Mapping[str, tuple[Ability, ...]] = {
    "ROLE_BIND": (Ability.BIND_CLUSTERROLES, Ability.BIND_ROLES),
    "ROLE_ESCALATE": (Ability.ESCALATE_CLUSTERROLES, Ability.ESCALATE_ROLES),
    "IDENTITY_IMPERSONATE": (
        Ability.IMPERSONATE_USERS,
        Ability.IMPERSONATE_GROUPS,
        Ability.IMPERSONATE_SERVICEACCOUNTS,
    ),
}
"""Of techniques that take several permissions together those that nothing else needs: without them it is over."""


# --- subjects of bindings -----------------------------------------------------------------------------


def binding_subjects(view: Inventory) -> Iterator[Fix]:
    """F-BIND-SUBJ: one subject taken out of one binding; a binding whose last subject goes stays, with none.

    F-BIND-ANON takes out whoever has no credentials, the user and the group together, unless the binding grants no more
    than health, version and discovery.
    """
    for binding in (*view.all(RoleBinding), *view.all(ClusterRoleBinding)):
        if not view.is_builtin(binding.id):
            yield from _of_binding(view, binding)


def _of_binding(view: Inventory, binding: AnyBinding) -> Iterator[Fix]:
    named: dict[str, list[Subject]] = {}
    for subject in binding.subjects or ():
        identity = subject_id(subject, binding.namespace)
        if identity is not None:
            named.setdefault(identity, []).append(subject)
    if not named:
        return
    data = plain(binding)
    role = (binding.role_ref.name if binding.role_ref else None) or ""
    anonymous = [
        identity
        for identity in named
        if identity in WITHOUT_CREDENTIALS
        and any(grant.binding is binding for grant, _ in beyond_public(view, identity))
    ]
    groups = [("F-BIND-ANON", anonymous)] if anonymous else []
    groups += [("F-BIND-SUBJ", [identity]) for identity in named if identity not in anonymous]
    for fix, identities in groups:
        subjects = [subject for identity in identities for subject in named[identity]]
        paths = dict.fromkeys(fields.pointer(("subjects", _selector(subject))) for subject in subjects)
        ops = [Op("remove", path, None, fields.find(data, fields.parse(path))[1]) for path in paths]
        found = management(view, binding, ops)
        others = len(named) - len(identities)
        yield Fix(
            fix=fix,
            title=f"take {' and '.join(identities)} out of {called(binding)}",
            target=Target.of(binding),
            ops=tuple(ops),
            risk=_removal_risk(
                view, identities, role, [f"{others} other subjects of the binding keep it"] if others else []
            ),
            effect=Effect.NONE,
            status=found.status,
            reason=found.reason,
            route=found.route,
            managed_by=tuple(dict.fromkeys(found.managers)),
            observed_on=tuple(sorted(identities)),
            notes=tuple(dict.fromkeys(found.notes)),
        )


def _selector(subject: Subject) -> fields.Selector:
    """What tells a subject from the others of its binding; of an account the namespace always counts."""
    keys = [("kind", subject.kind or ""), ("namespace", subject.namespace or ""), ("name", subject.name or "")]
    return tuple(
        (key, value) for key, value in keys if value or (key == "namespace" and subject.kind == "ServiceAccount")
    )


def _removal_risk(view: Inventory, identities: Sequence[str], what: str, evidence: Sequence[str]) -> Risk:
    """Of taking permissions away: without an audit log nobody knows whether they are used (``remediation.md`` 1.8)."""
    if identities and all(_is_gone(view, identity) for identity in identities):
        return Risk(RiskLevel.LOW, (f"{_names(identities)} is not in the cluster",), tuple(evidence))
    whom = _names(identities) if identities else "nobody now"
    return Risk(
        RiskLevel.HIGH, (f"{whom} loses {what}; whether it is used is unknown (no audit data)",), tuple(evidence)
    )


def _is_gone(view: Inventory, identity: str) -> bool:
    """Whether an account has no object where accounts were read from a live cluster."""
    if not identity.startswith("ServiceAccount:") or not view.has_live_pods:
        return False
    read = any(view.is_live(account) for account in view.all(ServiceAccount))
    gaps = any(gap.kind == "ServiceAccount" for gap in view.coverage)
    return read and not gaps and not rights.account_exists(view, identity)


def _names(identities: Sequence[str]) -> str:
    shown = ", ".join(identities[:_SHOWN_SUBJECTS])
    more = len(identities) - _SHOWN_SUBJECTS
    return f"{shown} and {more} more" if more > 0 else shown


# --- rules of roles -----------------------------------------------------------------------------------


def role_rules(view: Inventory) -> Iterator[Fix]:
    """F-RBAC-RULE: the verb × resource parts of a role's rules that grant a technique go, the rest stays.

    A part that is granted by ``*`` cannot be taken out; its rule goes if nothing else is in it.
    """
    roles: dict[str, AnyRole] = {}
    dangers: dict[str, dict[Ability, str]] = {}
    grants: dict[str, list[Grant]] = {}
    everything: set[str] = set()
    techniques = [t for t in all_techniques() if "F-RBAC-RULE" in t.declaration.fixes]
    together = _holders(view, techniques)
    for grant in rights.real_grants(view):
        if grant.role is None or view.is_builtin(grant.binding.id):
            continue
        found = _abilities(view, grant, techniques, together)
        full = grant.cluster_admin
        if not found and not full:
            continue
        for role in _holding(view, grant):
            roles[role.id] = role
            dangers.setdefault(role.id, {}).update(found)
            grants.setdefault(role.id, []).append(grant)
            if full:
                everything.add(role.id)
    for node, role in roles.items():
        if not view.is_builtin(node):
            yield from _of_role(view, role, dangers[node], grants[node], full=node in everything)


def _holders(view: Inventory, techniques: Iterable[Technique]) -> dict[str, frozenset[str]]:
    """Who starts the steps of the techniques that take several permissions."""
    out: dict[str, frozenset[str]] = {}
    for technique in techniques:
        if technique.id in DECIDING and technique.declaration.subject_type is not SubjectType.GRANT:
            out[technique.id] = frozenset(
                found.source
                for subject in technique.subjects(view)
                for found in technique.detect(view, subject)
                if isinstance(found, Found)
            )
    return out


def _abilities(
    view: Inventory, grant: Grant, techniques: Iterable[Technique], together: Mapping[str, frozenset[str]]
) -> dict[Ability, str]:
    """What a permission set holds that some technique uses, with the technique."""
    out: dict[Ability, str] = {}
    for technique in techniques:
        abilities: Sequence[Ability] = getattr(technique, "abilities", ())
        if technique.id in DECIDING:
            abilities = DECIDING[technique.id]
        held = [ability for ability in abilities if grant.has(ability)]
        if not held:
            continue
        if technique.id in together:
            starts = together[technique.id]
            found = grant.id in starts or any(_leads(view, identity, starts) for identity in grant.identities)
        else:
            found = any(isinstance(one, Found) for one in technique.detect(view, grant))
        if found:
            for ability in held:
                out.setdefault(ability, technique.id)
    return out


def _leads(view: Inventory, identity: str, starts: frozenset[str]) -> bool:
    """Whether an identity is one of some, or as a group has one of them as a member."""
    if identity in starts:
        return True
    return identity.startswith("Group:") and any(
        identity in rights.groups_of(view, start)
        for start in starts
        if not start.startswith(("Group:", "PermissionSet:"))
    )


def _holding(view: Inventory, grant: Grant) -> list[AnyRole]:
    """The roles that the rules of a permission set stand in: of an aggregated role those that it gathers, too."""
    role = grant.role
    assert role is not None
    found: list[AnyRole] = [role]
    if isinstance(role, ClusterRole) and role.aggregation_rule is not None:
        index = rights.roles(view)
        found += [
            other for other in index.cluster_roles if other is not role and role.name in index.dependents({other.name})
        ]
    return found


def _of_role(
    view: Inventory, role: AnyRole, dangers: Mapping[Ability, str], grants: Sequence[Grant], *, full: bool
) -> Iterator[Fix]:
    rules = role.rules or []
    requests = [request for ability in dangers for request in ability.requests]
    left: list[PolicyRule] = []
    for rule in rules:
        if full and is_cluster_admin((rule,)):
            continue
        left += narrowed(rule, requests)
    if left == list(rules):
        return
    old, new = [_plain(rule) for rule in rules], [_plain(rule) for rule in left]
    op = Op("set", "/rules", new, old)
    found = management(view, role, [op])
    subjects = sorted({identity for grant in grants for identity in grant.identities})
    used = sorted({*dangers.values(), *(["CLUSTER_ADMIN"] if full else [])})
    evidence = [f"also granted by {grant.binding.id}" for grant in grants[1:]]
    yield Fix(
        fix="F-RBAC-RULE",
        title=f"without what grants {', '.join(used)} in {called(role)}",
        target=Target.of(role),
        ops=(op,),
        risk=_removal_risk(view, subjects, _lost(rules, left), evidence),
        effect=Effect.NONE,
        status=found.status,
        reason=found.reason,
        route=found.route,
        managed_by=tuple(dict.fromkeys(found.managers)),
        observed_on=tuple(sorted({grant.id for grant in grants})),
        notes=tuple(dict.fromkeys(found.notes)),
    )


def narrowed(rule: PolicyRule, requests: Sequence[Request]) -> list[PolicyRule]:
    """What is left of a rule without the parts that allow some requests: split where verbs and resources differ."""
    verbs, resources = tuple(dict.fromkeys(rule.verbs or ())), tuple(dict.fromkeys(rule.resources or ()))
    hits = {(verb, resource) for verb in verbs for resource in resources if _allows(rule, verb, resource, requests)}
    if not hits:
        return [rule]
    if len(hits) == len(verbs) * len(resources) and not rule.non_resource_urls:
        return []
    cut = {(verb, resource) for verb, resource in hits if verb != "*" and "*" not in resource}
    if not cut:
        return [rule]
    groups: dict[tuple[str, ...], list[str]] = {}
    for resource in resources:
        kept = tuple(verb for verb in verbs if (verb, resource) not in cut)
        if kept:
            groups.setdefault(kept, []).append(resource)
    out = [
        PolicyRule(
            verbs=kept,
            api_groups=rule.api_groups,
            resources=tuple(of),
            resource_names=rule.resource_names,
        )
        for kept, of in groups.items()
    ]
    if rule.non_resource_urls:
        out.append(PolicyRule(verbs=rule.verbs, non_resource_urls=rule.non_resource_urls))
    return out


def _allows(rule: PolicyRule, verb: str, resource: str, requests: Sequence[Request]) -> bool:
    groups = rule.api_groups or ()
    for request in requests:
        if request.group not in groups and "*" not in groups:
            continue
        if verb != "*" and verb not in request.verbs:
            continue
        name = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
        if resource in ("*", name) or (request.subresource and resource == f"*/{request.subresource}"):
            return True
    return False


def _plain(rule: PolicyRule) -> dict[str, list[str]]:
    """A rule as the API writes it."""
    names = (
        ("apiGroups", rule.api_groups),
        ("resources", rule.resources),
        ("resourceNames", rule.resource_names),
        ("nonResourceURLs", rule.non_resource_urls),
        ("verbs", rule.verbs),
    )
    return {name: list(values) for name, values in names if values is not None}


def _lost(before: Sequence[PolicyRule], after: Sequence[PolicyRule]) -> str:
    """What goes, for people: verbs and resources."""
    kept = {(verb, resource) for rule in after for verb in rule.verbs or () for resource in rule.resources or ()}
    gone: dict[tuple[str, ...], list[str]] = {}
    for rule in before:
        for resource in rule.resources or ():
            verbs = tuple(verb for verb in rule.verbs or () if (verb, resource) not in kept)
            if verbs:
                gone.setdefault(verbs, []).append(resource)
    return "; ".join(f"{', '.join(verbs)} on {', '.join(dict.fromkeys(of))}" for verbs, of in gone.items()) or "rights"
