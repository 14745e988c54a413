"""Small builders of RBAC objects for tests."""

from __future__ import annotations

from workbench.inventory.objects import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    Labels,
    LabelSelector,
    ObjectMeta,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)

RBAC = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, groups: str = "core", names: str | None = None) -> PolicyRule:
    """A rule from words divided by blanks; ``core`` is the empty API group."""
    return PolicyRule(
        verbs=tuple(verbs.split()),
        api_groups=tuple("" if group == "core" else group for group in groups.split()),
        resources=tuple(resources.split()),
        resource_names=None if names is None else tuple(names.split()),
    )


def urls(verbs: str, paths: str) -> PolicyRule:
    return PolicyRule(verbs=tuple(verbs.split()), non_resource_urls=tuple(paths.split()))


def role(name: str, *rules: PolicyRule, namespace: str = "dev") -> Role:
    return Role(metadata=ObjectMeta(name=name, namespace=namespace), rules=list(rules))


def cluster_role(
    name: str, *rules: PolicyRule, labels: Labels | None = None, gathers: list[LabelSelector] | None = None
) -> ClusterRole:
    return ClusterRole(
        metadata=ObjectMeta(name=name, labels=labels),
        rules=list(rules) or None,
        aggregation_rule=AggregationRule(cluster_role_selectors=gathers) if gathers is not None else None,
    )


def subject(identity: str) -> Subject:
    """``ServiceAccount:ns/name`` (``ServiceAccount:name``: of the binding's namespace), ``User:x``, ``Group:y``."""
    kind, _, name = identity.partition(":")
    if kind == "ServiceAccount":
        namespace, _, account = name.rpartition("/")
        return Subject(kind=kind, name=account, namespace=namespace or None)
    return Subject(kind=kind, api_group=RBAC, name=name)


def role_binding(name: str, reference: str, *subjects: str, namespace: str = "dev") -> RoleBinding:
    """A RoleBinding to ``Role:name`` or ``ClusterRole:name``."""
    kind, _, role_name = reference.partition(":")
    return RoleBinding(
        metadata=ObjectMeta(name=name, namespace=namespace),
        subjects=[subject(identity) for identity in subjects],
        role_ref=RoleRef(api_group=RBAC, kind=kind, name=role_name),
    )


def cluster_role_binding(name: str, role_name: str, *subjects: str) -> ClusterRoleBinding:
    return ClusterRoleBinding(
        metadata=ObjectMeta(name=name),
        subjects=[subject(identity) for identity in subjects],
        role_ref=RoleRef(api_group=RBAC, kind="ClusterRole", name=role_name),
    )
