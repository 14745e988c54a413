"""Who a binding names: subjects as identities of the graph, and the groups that an identity is in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from workbench.inventory.objects import Subject
from workbench.rbac.rules import RBAC

ANONYMOUS: Final = "User:system:anonymous"
AUTHENTICATED: Final = "Group:system:authenticated"
UNAUTHENTICATED: Final = "Group:system:unauthenticated"
SERVICE_ACCOUNTS: Final = "Group:system:serviceaccounts"
NODES: Final = "Group:system:nodes"
MASTERS: Final = "Group:system:masters"
"""Full control of the cluster, RBAC or not: the API server does not ask RBAC about its members."""

_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
_NODE_PREFIX: Final = "User:system:node:"
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE: Final = re.compile(rf"{_LABEL}\Z")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")


def service_account_of(username: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user name stands for, if it stands for one.

    ``system:serviceaccount:shop:cart`` is what tokens of that account authenticate as; anything malformed is just a
    user's name (``SplitUsername`` of ``k8s.io/apiserver``).
    """
    if not username.startswith(_ACCOUNT_PREFIX):
        return None
    parts = username.removeprefix(_ACCOUNT_PREFIX).split(":")
    if len(parts) != 2:
        return None
    namespace, name = parts
    if len(namespace) > 63 or len(name) > 253 or not _NAMESPACE.match(namespace) or not _SUBDOMAIN.match(name):
        return None
    return namespace, name


def user_id(username: str) -> str:
    """The identity of a user's name: ``ServiceAccount:ns/name`` if it stands for one, else ``User:name``."""
    account = service_account_of(username)
    return f"ServiceAccount:{account[0]}/{account[1]}" if account else f"User:{username}"


def username_of(identity: str) -> str | None:
    """The user name that an identity authenticates with; ``None`` for a group."""
    kind, _, name = identity.partition(":")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return f"{_ACCOUNT_PREFIX}{namespace}:{account}"
    return name if kind == "User" else None


@lru_cache(maxsize=1 << 16)
def _resolve(subject: Subject, binding_namespace: str) -> tuple[str | None, str | None]:
    """The identity, or why there is none."""
    kind, name, group = subject.kind or "", subject.name or "", subject.api_group or ""
    if kind not in {"User", "Group", "ServiceAccount"}:
        return None, f"kind {kind!r} is none of User, Group, ServiceAccount"
    if not name:
        return None, f"a {kind} without a name"
    if kind == "ServiceAccount":
        if group:
            return None, f"apiGroup {group!r} of a ServiceAccount must be empty"
        namespace = subject.namespace or binding_namespace
        if not namespace:
            return None, "a ServiceAccount in a ClusterRoleBinding needs a namespace"
        if not _NAMESPACE.match(namespace) or not _SUBDOMAIN.match(name):
            return None, f"{namespace}/{name} cannot be the name of a ServiceAccount"
        return f"ServiceAccount:{namespace}/{name}", None
    if group not in {"", RBAC}:
        return None, f"apiGroup {group!r} of a {kind} must be {RBAC}"
    return (user_id(name) if kind == "User" else f"Group:{name}"), None


def subject_id(subject: Subject, binding_namespace: str) -> str | None:
    """The identity that a subject names, or ``None`` if it is malformed and so names nobody.

    Args:
        subject: As in the binding. A ServiceAccount without a namespace is one of the binding's; the ``namespace`` of
            a User or Group means nothing. A User ``system:serviceaccount:ns:name`` is that service account.
        binding_namespace: Of the RoleBinding; empty for a ClusterRoleBinding.

    Returns:
        ``ServiceAccount:ns/name``, ``User:name`` or ``Group:name``. The API server refuses what is malformed, so it
        is met in manifests only (``ValidateRoleBindingSubject`` of ``pkg/apis/rbac/validation``, ``appliesToUser`` of
        ``pkg/registry/rbac/validation``); why: ``subject_fault``.
    """
    return _resolve(subject, binding_namespace)[0]


def subject_fault(subject: Subject, binding_namespace: str) -> str | None:
    """Why a subject names nobody, as a phrase for people; ``None`` if it does name somebody."""
    return _resolve(subject, binding_namespace)[1]


def groups_of(identity: str, extra: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
    """The groups that an identity is in, as ids (``Group:name``), the narrowest first.

    Args:
        identity: ``ServiceAccount:ns/name``, ``User:name`` or ``Group:name`` (a group is in none).
        extra: Group names by user name, from the operator's configuration (``users: {alice: {groups: [...]}}``),
            since certificates and identity providers decide them. They do not apply to service accounts, whose
            groups are fixed, nor to the anonymous user.

    Service accounts are in ``system:serviceaccounts`` and ``system:serviceaccounts:<namespace>``, kubelets
    (``system:node:<name>``) in ``system:nodes``; whoever has authenticated is in ``system:authenticated``, the
    anonymous user only in ``system:unauthenticated``
    (https://kubernetes.io/docs/reference/access-authn-authz/authentication/).
    """
    kind, _, name = identity.partition(":")
    if kind == "ServiceAccount":
        namespace = name.partition("/")[0]
        return (f"{SERVICE_ACCOUNTS}:{namespace}", SERVICE_ACCOUNTS, AUTHENTICATED)
    if kind != "User":
        return ()
    if identity == ANONYMOUS:
        return (UNAUTHENTICATED,)
    groups = [f"Group:{group}" for group in (extra or {}).get(name, ())]
    if identity.startswith(_NODE_PREFIX):
        groups.append(NODES)
    groups.append(AUTHENTICATED)
    return tuple(dict.fromkeys(groups))
