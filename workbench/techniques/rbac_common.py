"""What the RBAC techniques share: permission sets as subjects, and the hubs that a right leads to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import Pod, ServiceAccount, StatefulSet
from workbench.inventory.pods import PodInstance
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.members import (
    ACCOUNTS,
    CLAIMS,
    CONFIG_MAPS,
    CONTROLLER_ACCOUNTS,
    MOUNTABLE_SECRETS,
    NODES,
    SECRETS,
)
from workbench.techniques.resolve import CLUSTER, admission, distinct, permissions
from workbench.techniques.resolve.admission import Admission
from workbench.techniques.resolve.permissions import ENFORCE_MOUNTABLE, limited_namespaces

RBAC_FIXES = ("F-BIND-SUBJ", "F-RBAC-RULE", "F-RBAC-NARROW", "F-RBAC-NAMES", "F-RBAC-SCOPE")
RBAC_DOCS = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"


def declare(
    identifier: str,
    title: str,
    target: tuple[str, ...],
    description: str,
    *,
    effort: int,
    mitre: tuple[str, ...],
    reason: Reason,
    reads: Iterable[str] = (),
    fixes: tuple[str, ...] = (),
    references: tuple[str, ...] = (),
    source: tuple[str, ...] = ("PermissionSet",),
    subject_type: SubjectType = SubjectType.GRANT,
) -> Declaration:
    """The declaration of an RBAC technique; what it reads is beside the RBAC kinds."""
    return Declaration(
        id=identifier,
        title=title,
        source=source,
        target=target,
        description=description,
        mitre=mitre,
        effort=effort,
        reason=reason,
        reads=access.RBAC_KINDS | frozenset(reads),
        subject_type=subject_type,
        fixes=(*RBAC_FIXES, *fixes),
        references=(*references, RBAC_DOCS),
        family="rbac",
        api_only=True,
    )


class GrantTechnique(Technique):
    """A technique that takes one permission set and starts at it."""

    abilities: ClassVar[tuple[Ability, ...]]
    """Any of them makes a permission set a candidate, the best one first."""

    def subjects(self, view: Inventory) -> Iterable[Grant]:
        return access.grants_with(view, self.abilities)

    def detect(self, view: Inventory, subject: Grant) -> Iterator[Found | Blocked]:
        if subject.compiled.has_any(self.abilities):
            yield from self.edges(view, subject)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        """The edges of a permission set that holds one of the abilities."""
        raise NotImplementedError

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        grant = access.grant(view, edge.source)
        if grant is None:
            return []
        return distinct([*self.permission(view, edge, grant), *self.more_evidence(view, edge, grant)])

    def permission(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        """The rule that grants the first of the abilities which covers the target, and what brings it."""
        name = self.object_name(view, edge)
        held = [ability for ability in self.abilities if grant.has(ability, name)]
        return access.grant_evidence(view, grant, *held[:1], name=name)

    def object_name(self, view: Inventory, edge: Edge) -> str | None:
        """The name that ``resourceNames`` are compared with, ``None`` if the right is not about one object."""
        return None

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        """What proves the edge beside the permission."""
        return ()


def scope_of(grant: Grant) -> str:
    """Where a permission set counts, as the scope of a hub."""
    return grant.namespace or nodes.ANYWHERE


def joined(*missing: tuple[Fact, ...]) -> tuple[Fact, ...]:
    """Missing facts together, sorted, each once."""
    found = [facts for facts in missing if facts]
    return found[0] if len(found) == 1 else tuple(sorted({each for facts in found for each in facts}))


# --- pods by name ---------------------------------------------------------------------------------------


def _name_keys(pod: PodInstance) -> Iterable[tuple[str, str]]:
    # Whoever stands for the pods of a Deployment or a DaemonSet has not their names, which end at random.
    return ((pod.obj.kind, pod.obj.name),) if isinstance(pod.obj, (Pod, StatefulSet)) else ()


_PODS_BY_NAME: IndexOf[tuple[str, str], PodInstance] = IndexOf("pods by name", "pods", _name_keys)
_ORDINAL = re.compile(r"(.+)-\d+")


def pods_named(view: Inventory, name: str, namespace: str) -> Iterator[PodInstance]:
    """The pods of a name in a namespace, or in all if it is empty; ``db-0`` is one of the StatefulSet ``db`` too."""
    index = view.index(_PODS_BY_NAME)
    found = list(index["Pod", name])
    match = _ORDINAL.fullmatch(name)
    if match is not None:
        found += index["StatefulSet", match[1]]
    for pod in found:
        if namespace in ("", pod.namespace):
            yield pod


def name_in(names: Iterable[str], pod: PodInstance) -> str:
    """Under which of some names a pod goes: its own, or that of one of the pods that it stands for."""
    if isinstance(pod.obj, StatefulSet):
        ordinals = (name for name in sorted(names) if (match := _ORDINAL.fullmatch(name)) and match[1] == pod.obj.name)
        return next(ordinals, pod.obj.name)
    return pod.obj.name


# --- what a pod of one's own leads to -------------------------------------------------------------------


def node_edge(
    found: Admission, source: str, effort: int, *, missing: tuple[Fact, ...] = (), cause: object = None
) -> Found | Blocked:
    """To every node, if a privileged pod is admitted."""
    target = nodes.hub(NODES, nodes.ANYWHERE)
    if found.allowed:
        return Found(source, target, effort, joined(missing, found.missing), cause)
    return Blocked(source, target, found.mitigation)


def admission_to(view: Inventory, namespace: str) -> Admission:
    """Whether a privileged pod is admitted in a namespace, or in any if it is empty."""
    return admission.privileged(view, namespace) if namespace else admission.privileged_anywhere(view)


def account_edges(
    source: str, scope: str, effort: int, *, missing: tuple[Fact, ...] = (), cause: object = None
) -> Iterator[Found]:
    """To every account of a scope; to those of Kubernetes' controllers if they are used (C-CTRLSA)."""
    yield Found(source, nodes.hub(ACCOUNTS, scope), effort, missing, cause)
    if scope in (nodes.ANYWHERE, permissions.CONTROLLERS):
        facts = joined(missing, fact("C-CTRLSA", CLUSTER))
        yield Found(source, nodes.hub(CONTROLLER_ACCOUNTS, permissions.CONTROLLERS), effort, facts, cause)


def mount_edges(
    view: Inventory, source: str, scope: str, effort: int, *, missing: tuple[Fact, ...] = (), cause: object = None
) -> Iterator[Found]:
    """To every Secret, ConfigMap and claim of a scope, which a pod may mount."""
    yield from secret_edges(view, source, scope, effort, missing=missing, cause=cause)
    yield Found(source, nodes.hub(CONFIG_MAPS, scope), effort, missing, cause)
    yield Found(source, nodes.hub(CLAIMS, scope), effort, missing, cause)


def secret_edges(
    view: Inventory, source: str, scope: str, effort: int, *, missing: tuple[Fact, ...] = (), cause: object = None
) -> Iterator[Found]:
    """To every Secret of a scope; where accounts limit what their pods mount, it takes a fact (C-POLICY)."""
    limited = limited_namespaces(view)
    if scope == nodes.ANYWHERE:
        yield Found(source, nodes.hub(MOUNTABLE_SECRETS if limited else SECRETS, scope), effort, missing, cause)
    elif scope not in limited:
        yield Found(source, nodes.hub(SECRETS, scope), effort, missing, cause)
    for namespace in sorted(limited if scope == nodes.ANYWHERE else limited.intersection((scope,))):
        facts = joined(missing, fact("C-POLICY", f"Namespace:{namespace}"))
        yield Found(source, nodes.hub(SECRETS, namespace), effort, facts, cause)


def limit_evidence(view: Inventory, edge: Edge) -> Iterator[Evidence]:
    """The annotations behind a C-POLICY of :func:`secret_edges`."""
    namespace = nodes.namespace(edge.target)
    if nodes.kind(edge.target) == "Secret" and namespace in limited_namespaces(view):
        for account in view.in_namespace(ServiceAccount, namespace):
            yield view.evidence(account, f"metadata.annotations[{ENFORCE_MOUNTABLE}]")


def leads_to_node(edge: Edge) -> bool:
    """Whether an edge leads to a node, or to the hub of all of them."""
    return edge.target.startswith(("Node:", f"{nodes.HUB}:{NODES}/"))
