"""Kubernetes' own roles and bindings, which manifests and dumps rarely contain.

The data is ``builtin_roles.json``: our own compact form of the default policy that every API server writes at its
start, with the minor versions (1.28 to 1.37) that have each part; its head says where it comes from and how to read
it. What stands behind a feature gate that is off by default is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, TypeVar, cast

from workbench.inventory.objects import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    KubernetesObject,
    LabelSelector,
    ObjectMeta,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from workbench.rbac.rules import RBAC

OLDEST_MINOR: Final = 28
LATEST_MINOR: Final = 37
"""The minor versions that the data covers; others are read as the nearest."""

BOOTSTRAP_LABEL: Final = "kubernetes.io/bootstrapping"
"""With the value ``rbac-defaults`` on every one of these objects, here as in a cluster."""
AUTOUPDATE_ANNOTATION: Final = "rbac.authorization.kubernetes.io/autoupdate"
_AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
_API_VERSION: Final = f"{RBAC}/v1"

_Entry = TypedDict(
    "_Entry",
    {
        "in": str,
        "gathers": str,
        "feeds": str,
        "to": list[str | list[str]],
        "as": str,
        "rules": list[list[str]],
    },
    total=False,
)
_Data: TypeAlias = dict[str, dict[str, _Entry]]
_T = TypeVar("_T", bound=KubernetesObject)


@dataclass(frozen=True, slots=True)
class BuiltinPolicy:
    """The default policy of one minor version; the objects are shared, do not change them."""

    minor: int
    """The version whose data this is, within ``OLDEST_MINOR`` and ``LATEST_MINOR``."""
    cluster_roles: tuple[ClusterRole, ...]
    roles: tuple[Role, ...]
    cluster_role_bindings: tuple[ClusterRoleBinding, ...]
    role_bindings: tuple[RoleBinding, ...]
    ids: frozenset[str]
    """The ids of all of them."""


@dataclass(frozen=True, slots=True)
class WithBuiltin:
    """A source's RBAC objects completed by the default policy; each list is sorted by id."""

    roles: list[Role]
    cluster_roles: list[ClusterRole]
    role_bindings: list[RoleBinding]
    cluster_role_bindings: list[ClusterRoleBinding]
    assumed: frozenset[str]
    """The ids of the objects that come from our knowledge and not from the source."""


def _in(minors: str, minor: int) -> bool:
    """Whether a minor version is in a range such as ``31-``, ``-34``, ``31-33``, or the empty one, which is all."""
    first, _, last = minors.partition("-")
    return int(first or OLDEST_MINOR) <= minor <= int(last or LATEST_MINOR)


def _rule(row: Sequence[str]) -> PolicyRule:
    verbs, groups, things, names, *_ = [*row, "", ""]
    if groups == "url":
        return PolicyRule(verbs=tuple(verbs.split()), non_resource_urls=tuple(things.split()))
    return PolicyRule(
        verbs=tuple(verbs.split()),
        api_groups=tuple("" if group == "core" else group for group in groups.split()),
        resources=tuple(things.split()),
        resource_names=tuple(names.split()) or None,
    )


def _subject(identity: str) -> Subject:
    kind, _, name = identity.partition(":")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return Subject(kind=kind, name=account, namespace=namespace)
    return Subject(kind=kind, api_group=RBAC, name=name)


def _metadata(ident: str, feeds: str = "") -> ObjectMeta:
    namespace, _, name = ident.rpartition("/")
    labels: dict[str, str | None] = {BOOTSTRAP_LABEL: "rbac-defaults"}
    if feeds:
        labels[_AGGREGATE + feeds] = "true"
    return ObjectMeta(
        name=name, namespace=namespace or None, labels=labels, annotations={AUTOUPDATE_ANNOTATION: "true"}
    )


def _cluster_role(name: str, entry: _Entry, rules: list[PolicyRule]) -> ClusterRole:
    gathers = entry.get("gathers")
    selector = LabelSelector(match_labels={_AGGREGATE + gathers: "true"}) if gathers else None
    return ClusterRole(
        api_version=_API_VERSION,
        metadata=_metadata(name, entry.get("feeds", "")),
        rules=rules or None,
        aggregation_rule=AggregationRule(cluster_role_selectors=[selector]) if selector else None,
    )


def clamp_minor(minor: int) -> int:
    """The nearest minor version that the data covers."""
    return min(max(minor, OLDEST_MINOR), LATEST_MINOR)


def builtin_policy(minor: int = LATEST_MINOR) -> BuiltinPolicy:
    """The roles and bindings that an API server of version ``1.<minor>`` creates by itself.

    Args:
        minor: The minor version; outside 28 to 37 the nearest of them is taken (``BuiltinPolicy.minor`` says which).

    ``admin``, ``edit`` and ``view`` have no rules but an aggregation rule, as in the policy itself: give them to
    ``RoleIndex`` with all other ClusterRoles, so that what feeds them counts.
    """
    return _builtin_policy(clamp_minor(minor))


@cache
def _builtin_policy(minor: int) -> BuiltinPolicy:
    # To import importlib.resources takes longer than all that is done here.
    text = Path(__file__).with_name("builtin_roles.json").read_text(encoding="utf-8")
    data = cast("_Data", json.loads(text))
    cluster_roles: list[ClusterRole] = []
    roles: list[Role] = []
    cluster_role_bindings: list[ClusterRoleBinding] = []
    role_bindings: list[RoleBinding] = []
    for kind in ("ClusterRole", "Role"):
        for ident, entry in sorted(data[kind].items()):
            if not _in(entry.get("in", ""), minor):
                continue
            rules = [_rule(row) for row in entry.get("rules", ()) if len(row) < 5 or _in(row[4], minor)]
            namespace, _, name = ident.rpartition("/")
            if kind == "ClusterRole":
                cluster_roles.append(_cluster_role(name, entry, rules))
            else:
                roles.append(Role(api_version=_API_VERSION, metadata=_metadata(ident), rules=rules))
            if "to" not in entry:
                continue
            subjects = [
                _subject(to if isinstance(to, str) else to[0])
                for to in entry["to"]
                if isinstance(to, str) or _in(to[1], minor)
            ]
            reference = RoleRef(api_group=RBAC, kind=kind, name=name)
            bound_as = entry.get("as", name)
            if kind == "ClusterRole":
                cluster_role_bindings.append(
                    ClusterRoleBinding(
                        api_version=_API_VERSION, metadata=_metadata(bound_as), subjects=subjects, role_ref=reference
                    )
                )
            else:
                role_bindings.append(
                    RoleBinding(
                        api_version=_API_VERSION,
                        metadata=_metadata(f"{namespace}/{bound_as}"),
                        subjects=subjects,
                        role_ref=reference,
                    )
                )
    everything: tuple[Iterable[KubernetesObject], ...] = (cluster_roles, roles, cluster_role_bindings, role_bindings)
    return BuiltinPolicy(
        minor,
        tuple(cluster_roles),
        tuple(roles),
        tuple(cluster_role_bindings),
        tuple(role_bindings),
        frozenset(item.id for items in everything for item in items),
    )


def _complete(given: Iterable[_T], known: Iterable[_T], assumed: set[str]) -> list[_T]:
    objects = {item.id: item for item in given}
    for item in known:
        if item.id not in objects:
            objects[item.id] = item
            assumed.add(item.id)
    return [objects[key] for key in sorted(objects)]


def with_builtin(
    roles: Iterable[Role],
    cluster_roles: Iterable[ClusterRole],
    role_bindings: Iterable[RoleBinding],
    cluster_role_bindings: Iterable[ClusterRoleBinding],
    *,
    minor: int = LATEST_MINOR,
) -> WithBuiltin:
    """Complete a source's RBAC objects by Kubernetes' own; an object of the source wins over ours of the same id.

    For sources that need not be complete: manifests, dumps. Of a live cluster whose RBAC could be listed nothing is
    missing, and what its operators took away must stay away.
    """
    policy = builtin_policy(minor)
    assumed: set[str] = set()
    return WithBuiltin(
        _complete(roles, policy.roles, assumed),
        _complete(cluster_roles, policy.cluster_roles, assumed),
        _complete(role_bindings, policy.role_bindings, assumed),
        _complete(cluster_role_bindings, policy.cluster_role_bindings, assumed),
        frozenset(assumed),
    )
