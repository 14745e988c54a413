"""RBAC on workloads (catalogue 2.6): what creates pods does what creating pods does.

Pod security admission checks the pods and not the workload, so that workload kinds are bounded equally.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import (
    CronJob,
    CustomResourceDefinition,
    DaemonSet,
    Deployment,
    KubernetesObject,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
)
from workbench.rbac import CREATE_WORKLOADS, MODIFY_WORKLOADS, Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason
from workbench.techniques.rbac_common import GrantTechnique, account_edges, declare, scope_of
from workbench.techniques.rbac_pods import admission_evidence, mount_edges, node_edges
from workbench.techniques.resolve import admission

_TARGETS = ("Node", "ServiceAccount", "Secret", "ConfigMap", "Volume")

TEMPLATES: dict[Ability, type[KubernetesObject]] = {
    Ability.MODIFY_DEPLOYMENTS: Deployment,
    Ability.MODIFY_DAEMONSETS: DaemonSet,
    Ability.MODIFY_STATEFULSETS: StatefulSet,
    Ability.MODIFY_CRONJOBS: CronJob,
    Ability.MODIFY_REPLICASETS: ReplicaSet,
    Ability.MODIFY_REPLICATIONCONTROLLERS: ReplicationController,
}
"""The kind whose template an ability changes; a Job's is immutable."""

LATER = (Ability.MODIFY_REPLICASETS, Ability.MODIFY_REPLICATIONCONTROLLERS)
"""Only pods that are created later follow the changed template."""


class WorkloadCreate(GrantTechnique):
    """WORKLOAD_CREATE: a workload whose pods are the attacker's."""

    declaration = declare(
        "WORKLOAD_CREATE",
        "creates a workload that reaches",
        _TARGETS,
        "The attacker creates a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob or another object whose "
        "controller makes pods: a privileged pod on a node, any account of the namespace, any Secret mounted.",
        effort=3,
        mitre=("T1610",),
        reason=Reason.RECIPE,
        reads=admission.READS | {"Node", "Secret", "ConfigMap", "ServiceAccount", "CustomResourceDefinition"},
        fixes=("F-PSA", "F-VAP"),
    )
    abilities = (*CREATE_WORKLOADS, Ability.CREATE_POD_LIKE)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        ability = next((a for a in CREATE_WORKLOADS if grant.has(a)), None)
        if ability is None:
            if not _serves_pod_like(view, grant):
                return
            ability = Ability.CREATE_POD_LIKE
        yield from _reach(view, grant, 3, ability.name)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return _evidence(view, edge)


class WorkloadPatch(GrantTechnique):
    """WORKLOAD_PATCH: a changed template makes pods that are the attacker's."""

    declaration = declare(
        "WORKLOAD_PATCH",
        "changes a workload to reach",
        _TARGETS,
        "The attacker changes the pod template of an existing Deployment, DaemonSet, StatefulSet or CronJob, whose "
        "controller then makes pods as with WORKLOAD_CREATE. ReplicaSets and ReplicationControllers follow only when "
        "they make a new pod; a Job's template cannot change, and /scale and /status do not reach it.",
        effort=3,
        mitre=("T1609",),
        reason=Reason.RECIPE,
        reads=admission.READS
        | {"Node", "Secret", "ConfigMap", "ServiceAccount"}
        | {kind.__name__ for kind in TEMPLATES.values()},
        fixes=("F-PSA", "F-VAP"),
    )
    abilities = MODIFY_WORKLOADS

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        best: dict[str, Ability] = {}
        for ability in MODIFY_WORKLOADS:
            names = grant.names_for(ability)
            if names is not None and not names:
                continue
            for namespace in _with_workload(view, TEMPLATES[ability], names, grant.namespace):
                best.setdefault(namespace, ability)
        if grant.namespace or not best:
            namespaces = list(best)
        else:
            namespaces = sorted(best)
        for namespace in namespaces:
            ability = best[namespace]
            effort = 5 if ability in LATER else 3
            yield from _reach_in(view, grant.id, namespace, effort, ability.name)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return _evidence(view, edge)


def _with_workload(
    view: Inventory, kind: type[KubernetesObject], names: frozenset[str] | None, namespace: str
) -> Iterator[str]:
    """The namespaces of a scope that hold an existing workload of a kind, under one of the names."""
    places = [namespace] if namespace else view.namespaces()
    for place in places:
        if any(names is None or workload.name in names for workload in view.in_namespace(kind, place)):
            yield place


def _reach(view: Inventory, grant: Grant, effort: int, cause: str) -> Iterator[Found | Blocked]:
    yield from node_edges(view, grant.id, grant.namespace, effort, cause)
    yield from account_edges(view, grant.id, scope_of(grant), effort, (), cause)
    yield from mount_edges(view, grant.id, grant.namespace, effort, cause)


def _reach_in(view: Inventory, source: str, namespace: str, effort: int, cause: str) -> Iterator[Found | Blocked]:
    cause = f"{cause} {namespace}"
    yield from node_edges(view, source, namespace, effort, cause)
    yield from account_edges(view, source, namespace, effort, (), cause)
    yield from mount_edges(view, source, namespace, effort, cause)


def _evidence(view: Inventory, edge: Edge) -> list[Evidence]:
    grant = access.grant(view, edge.source)
    if grant is None:
        return []
    name, _, namespace = str(edge.cause).partition(" ")
    ability = Ability[name]
    out = access.grant_evidence(view, grant, ability)
    if ability in TEMPLATES:
        names = grant.names_for(ability)
        for workload in view.in_namespace(TEMPLATES[ability], namespace or grant.namespace):
            if names is None or workload.name in names:
                out.append(view.evidence(workload, "metadata.name"))
                break
    if nodes.kind(edge.target) == "Node" or edge.target.startswith("Hub:nodes"):
        out += admission_evidence(view, namespace or grant.namespace)
    return out


def _crd_keys(crd: CustomResourceDefinition) -> tuple[tuple[str, str], ...]:
    names = crd.spec.names if crd.spec else None
    return ((crd.spec.group or "", names.plural or ""),) if crd.spec and names else ()


_CRDS: IndexOf[tuple[str, str], CustomResourceDefinition] = IndexOf(
    "custom resources by plural", "CustomResourceDefinition", _crd_keys
)


def _serves_pod_like(view: Inventory, grant: Grant) -> bool:
    """Whether the cluster serves one of the custom resources that make pods and that the permission set may create."""
    crds = view.index(_CRDS)
    return any(
        grant.allowed_names("create", request.group, request.resource) is None
        for request in Ability.CREATE_POD_LIKE.requests
        if (request.group, request.resource) in crds
    )


TECHNIQUES = (WorkloadCreate(), WorkloadPatch())
