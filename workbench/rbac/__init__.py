"""RBAC: from rules and bindings to what every identity may do, and how one knows.

Pure functions over lists of typed objects, in the order of the data:

- ``rules``: whether one rule authorises one request;
- ``resources``: names of resources, and where a request for one is checked;
- ``abilities``: the rights that techniques need;
- ``compiled``: rules compiled to abilities;
- ``roles``: roles by name, aggregated ones resolved;
- ``subjects``: whom a binding names, and the groups of an identity;
- ``grants``: one permission set for each binding;
- ``effective``: the rights of an identity, the smallest holder of a right, ``who-can``;
- ``builtin``: Kubernetes' own roles and bindings, as data.
"""

from __future__ import annotations

from workbench.rbac.abilities import (
    CREATE_WORKLOADS,
    MODIFY_WORKLOADS,
    POD_LIKE,
    Ability,
    Request,
    ability_covers,
    mask_of,
)
from workbench.rbac.builtin import (
    LATEST_MINOR,
    OLDEST_MINOR,
    BuiltinPolicy,
    WithBuiltin,
    builtin_policy,
    clamp_minor,
    with_builtin,
)
from workbench.rbac.compiled import EMPTY, Compiled, compile_rules, rules_granting, unite
from workbench.rbac.effective import Access, Effective, Holder, HolderKind, Holding, Need, effective_of, who_can
from workbench.rbac.grants import Grant, grant_of, grants_by_subject, grants_of, virtual_grant
from workbench.rbac.resources import (
    ResourceQuery,
    Scope,
    cluster_scoped_customs,
    custom_groups,
    names_in_namespace,
    parse_resource,
    scope_of,
)
from workbench.rbac.roles import ResolvedRole, RoleIndex, RuleSource, selector_matches
from workbench.rbac.rules import (
    IMPERSONATION_MODES,
    NOTHING,
    Names,
    allowed_names,
    allows,
    allows_url,
    granting_rules,
    impersonated_rules,
    is_cluster_admin,
    name_allowed,
    request_has_name,
)
from workbench.rbac.subjects import (
    MASTERS,
    groups_of,
    service_account_of,
    subject_fault,
    subject_id,
    user_id,
    username_of,
)

__all__ = [
    "CREATE_WORKLOADS",
    "EMPTY",
    "IMPERSONATION_MODES",
    "LATEST_MINOR",
    "MASTERS",
    "MODIFY_WORKLOADS",
    "NOTHING",
    "OLDEST_MINOR",
    "POD_LIKE",
    "Ability",
    "Access",
    "BuiltinPolicy",
    "Compiled",
    "Effective",
    "Grant",
    "Holder",
    "HolderKind",
    "Holding",
    "Names",
    "Need",
    "Request",
    "ResolvedRole",
    "ResourceQuery",
    "RoleIndex",
    "RuleSource",
    "Scope",
    "WithBuiltin",
    "ability_covers",
    "allowed_names",
    "allows",
    "allows_url",
    "builtin_policy",
    "clamp_minor",
    "cluster_scoped_customs",
    "compile_rules",
    "custom_groups",
    "effective_of",
    "grant_of",
    "granting_rules",
    "grants_by_subject",
    "grants_of",
    "groups_of",
    "impersonated_rules",
    "is_cluster_admin",
    "mask_of",
    "name_allowed",
    "names_in_namespace",
    "parse_resource",
    "request_has_name",
    "rules_granting",
    "scope_of",
    "selector_matches",
    "service_account_of",
    "subject_fault",
    "subject_id",
    "unite",
    "user_id",
    "username_of",
    "virtual_grant",
    "who_can",
    "with_builtin",
]
