"""What the gaps of a source mean: what was asked and answered, which conclusions suffer, which rights would close them.

Source of the wording of a refusal: Kubernetes, ``apiserver/pkg/endpoints/handlers/responsewriters/errors.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.objects import CLUSTER_SCOPED, GROUPS, KINDS
from workbench.inventory.records import plural_of, wire_kind
from workbench.kube.resources import BUILTIN, Resource
from workbench.techniques.api import Technique

VERB = "list"
"""All kinds are read by listing them."""

NAME = "workbench-reader"
"""The name of the roles that close the gaps."""

BLOCKING = frozenset(
    {
        "NetworkPolicy",
        "ClusterPolicy",
        "Policy",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "SecurityContextConstraints",
    }
)
"""Kinds whose objects can only take steps away: without them there may be too many."""

_STATUS = re.compile(r"\b([45]\d\d)\b")
_USER = re.compile(r'User "([^"]+)" cannot ')

_RESOURCES = {resource.kind: (resource,) for resource in BUILTIN}


@dataclass(frozen=True, slots=True)
class Weakness:
    """One gap and what it means."""

    gap: Gap
    resource: str
    """As kubectl takes it (``secrets``, ``deployments.apps``); empty where the kind is no resource."""
    status: int | None
    """The HTTP status of the answer, where there was one."""
    techniques: tuple[str, ...]
    """The ids of the techniques that read the kind, sorted."""
    conclusion: str
    """Which conclusions are weakened, as a sentence."""


def weaknesses(gaps: Iterable[Gap], techniques: Sequence[Technique]) -> list[Weakness]:
    """What each gap means, in the order of the gaps."""
    return [_weakness(gap, techniques) for gap in gaps]


def _weakness(gap: Gap, techniques: Sequence[Technique]) -> Weakness:
    reading = sorted(
        {one.id for one in techniques if gap.kind in one.declaration.reads and not one.declaration.internal}
    )
    resource = next((one for one in _resources(gap.kind) if f"{one.name}:" in gap.detail), None)
    resource = resource or next(iter(_resources(gap.kind)), None)
    status = 403 if gap.problem is Problem.FORBIDDEN else None
    found = _STATUS.search(gap.detail)
    if found is not None and gap.problem in (Problem.FORBIDDEN, Problem.NOT_COLLECTED):
        status = int(found.group(1))
    return Weakness(
        gap, resource.name if resource is not None else "", status, tuple(reading), _conclusion(gap, reading)
    )


def _conclusion(gap: Gap, reading: Sequence[str]) -> str:
    where = f" in {gap.namespace}" if gap.namespace else ""
    if gap.kind in BLOCKING:
        return f"steps may be shown{where} that such an object blocks"
    if not reading:
        return "no path rests on it"
    return f"paths{where} that need such an object may be missing: 'no path' is not proved"


def _resources(kind: str) -> tuple[Resource, ...]:
    """Where objects of a kind are; those of Calico may be in either of two groups."""
    known = _RESOURCES.get(kind)
    if known is not None:
        return known
    found = KINDS.get(kind)
    if found is None:
        return ()
    plural, namespaced = plural_of(wire_kind(found)), kind not in CLUSTER_SCOPED
    return tuple(Resource(group, "v1", plural, kind, namespaced) for group, kinds in GROUPS.items() if found in kinds)


# --- the rights that close them -----------------------------------------------------------------------


def reader_of(gaps: Iterable[Gap]) -> str:
    """The user that the server's refusals name, empty if they name none, or several."""
    named = {found.group(1) for gap in gaps if (found := _USER.search(gap.detail)) is not None}
    return named.pop() if len(named) == 1 else ""


def closing_roles(gaps: Sequence[Gap]) -> str:
    """The least rights that would close the forbidden gaps, as YAML to apply; empty if there are none.

    A ClusterRole for what is refused in the whole cluster, a Role for each namespace that is refused on its own, each
    with a binding if the server's answers name the user. Whoever applies them must hold these rights.

    Args:
        gaps: All gaps; those that no right closes are passed over.
    """
    refused = [gap for gap in gaps if gap.problem is Problem.FORBIDDEN]
    everywhere = {gap.kind for gap in refused if gap.namespace is None}
    by_namespace: dict[str, set[str]] = {"": everywhere}
    for gap in refused:
        if gap.namespace is not None and gap.kind not in everywhere:
            by_namespace.setdefault(gap.namespace, set()).add(gap.kind)
    user = reader_of(refused)
    documents: list[dict[str, object]] = []
    for namespace in sorted(by_namespace):
        rules = _rules(by_namespace[namespace])
        if rules:
            documents += _role(namespace, rules, user)
    return yaml.safe_dump_all(documents, sort_keys=False, default_flow_style=False, width=4096) if documents else ""


def _rules(kinds: Iterable[str]) -> list[dict[str, object]]:
    groups: dict[str, set[str]] = {}
    for kind in kinds:
        for resource in _resources(kind):
            groups.setdefault(resource.group, set()).add(resource.plural)
    return [
        {"apiGroups": [group], "resources": sorted(plurals), "verbs": [VERB]}
        for group, plurals in sorted(groups.items())
    ]


def _role(namespace: str, rules: list[dict[str, object]], user: str) -> list[dict[str, object]]:
    group = "rbac.authorization.k8s.io"
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": NAME, **({"namespace": namespace} if namespace else {})}
    role: dict[str, object] = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "rules": rules}
    if not user:
        return [role]
    binding: dict[str, object] = {
        "apiVersion": f"{group}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": group, "kind": kind, "name": NAME},
        "subjects": [_subject(user, group)],
    }
    return [role, binding]


def _subject(user: str, group: str) -> dict[str, str]:
    prefix, _, rest = user.partition("system:serviceaccount:")
    namespace, _, name = rest.partition(":")
    if not prefix and namespace and name:
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": group, "kind": "User", "name": user}
