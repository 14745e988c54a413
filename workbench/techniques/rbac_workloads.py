"""RBAC on workloads (catalogue 2.6): what creates pods does what creating pods does.

Pod security admission checks the pods and not the workload, so that workload kinds are bounded equally.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import CustomResourceDefinition, KubernetesObject
from workbench.rbac import CREATE_WORKLOADS, MODIFY_WORKLOADS, POD_LIKE, Ability, Grant, Names
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason, Technique, fact
from workbench.techniques.members import ACCOUNTS, BESIDE, CONTROLLER_ACCOUNTS, SECRETS, TEMPLATES, beside
from workbench.techniques.rbac_common import (
    GrantTechnique,
    account_edges,
    admission_to,
    declare,
    leads_to_node,
    limit_evidence,
    mount_edges,
    node_edge,
    scope_of,
    secret_edges,
)
from workbench.techniques.resolve import CLUSTER, admission, permissions
from workbench.techniques.resolve.admission import Admission

_TARGETS = ("Node", "ServiceAccount", "Secret", "ConfigMap", "Volume")
_READS = admission.READS | {"ServiceAccount"}

EFFORT = 3
LATER_EFFORT = 5
_LATER = (Ability.MODIFY_REPLICASETS, Ability.MODIFY_REPLICATIONCONTROLLERS)
"""Only pods that are created later follow the changed template."""


class WorkloadCreate(GrantTechnique):
    """WORKLOAD_CREATE: a workload whose pods are the attacker's."""

    declaration = declare(
        "WORKLOAD_CREATE",
        "creates a workload that reaches",
        _TARGETS,
        "The attacker creates a Deployment, DaemonSet, StatefulSet, ReplicaSet, ReplicationController, Job, CronJob or "
        "another object whose controller makes pods: a privileged pod on a node, any account of the namespace, any "
        "Secret mounted.",
        effort=EFFORT,
        mitre=("T1610",),
        reason=Reason.RECIPE,
        reads=_READS | {"CustomResourceDefinition"},
        fixes=("F-PSA", "F-VAP"),
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation",),
    )
    abilities = (*CREATE_WORKLOADS, Ability.CREATE_POD_LIKE)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        missing: tuple[Fact, ...] = ()
        ability = next((ability for ability in CREATE_WORKLOADS if grant.has(ability)), None)
        cause = ability.name if ability is not None else ""
        if ability is None:
            definition = _pod_like(view, grant)
            if definition is None:
                return
            # Whether its schema lets the author shape the pod is not read.
            cause, missing = definition.id, fact("C-CR", definition.id)
        scope = scope_of(grant)
        yield node_edge(admission_to(view, grant.namespace), grant.id, EFFORT, missing=missing, cause=cause)
        yield from account_edges(grant.id, scope, EFFORT, missing=missing, cause=cause)
        yield from mount_edges(view, grant.id, scope, EFFORT, missing=missing, cause=cause)

    def permission(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        if edge.cause in Ability.__members__:
            return access.grant_evidence(view, grant, Ability[edge.cause])
        plural, _, group = edge.cause.partition(":")[2].partition(".")
        rules = [grant.sources[index] for index in grant.granting("create", group, plural)[:1]]
        return [
            *(view.evidence(rule.object, f"rules[{rule.index}]") for rule in rules),
            *access.grant_evidence(view, grant),
            view.evidence(edge.cause, "spec.names.plural"),
        ]

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        if leads_to_node(edge):
            return admission.admission_evidence(view, admission_to(view, grant.namespace))
        return limit_evidence(view, edge)


def _definition_keys(definition: CustomResourceDefinition) -> tuple[tuple[str, str], ...]:
    names = definition.spec.names if definition.spec else None
    return ((definition.spec.group or "", names.plural or ""),) if definition.spec and names else ()


_DEFINITIONS: IndexOf[tuple[str, str], CustomResourceDefinition] = IndexOf(
    "custom resources by group and plural", "CustomResourceDefinition", _definition_keys
)


def _pod_like(view: Inventory, grant: Grant) -> CustomResourceDefinition | None:
    """The first custom resource that makes pods, that the cluster serves, and that a permission set may create."""
    served = view.index(_DEFINITIONS)
    for group, plural in POD_LIKE:
        definitions = served[group, plural]
        if definitions and grant.allowed_names("create", group, plural) is None:
            return definitions[0]
    return None


class WorkloadPatch(GrantTechnique):
    """WORKLOAD_PATCH: a changed template makes pods that are the attacker's."""

    declaration = declare(
        "WORKLOAD_PATCH",
        "changes a workload to reach",
        _TARGETS,
        "The attacker changes the pod template of an existing Deployment, DaemonSet, StatefulSet or CronJob, whose "
        "controller then makes pods as with WORKLOAD_CREATE. ReplicaSets and ReplicationControllers follow only when "
        "they make a new pod; a Job's template cannot change, and /scale and /status do not reach it.",
        effort=EFFORT,
        mitre=("T1609",),
        reason=Reason.RECIPE,
        reads=_READS | {kind.__name__ for kind in TEMPLATES.values()},
        fixes=("F-PSA", "F-VAP"),
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation",),
    )
    abilities = MODIFY_WORKLOADS

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        for ability in MODIFY_WORKLOADS:
            names = grant.names_for(ability)
            if names is not None and not names:
                continue
            kind, effort = TEMPLATES[ability], LATER_EFFORT if ability in _LATER else EFFORT
            if names is None and not grant.namespace:
                yield from _beside(view, grant.id, kind, effort, (ability.name, ""))
                continue
            found = False
            for namespace in _with_workload(view, kind, names, grant.namespace):
                found = True
                cause = (ability.name, namespace)
                yield node_edge(admission.privileged(view, namespace), grant.id, effort, cause=cause)
                yield from account_edges(grant.id, namespace, effort, cause=cause)
                yield from mount_edges(view, grant.id, namespace, effort, cause=cause)
            if found and grant.namespace:
                # The kinds come in the order of their effort, and the first one reaches all that the others do.
                return

    def permission(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        ability = Ability[edge.cause[0]]
        names = grant.names_for(ability)
        namespace = self._namespace(view, edge)
        workload = next(_workloads(view, TEMPLATES[ability], names, namespace), None)
        name = workload.name if workload is not None and names is not None else None
        out = access.grant_evidence(view, grant, ability, name=name)
        return [*out, view.evidence(workload, "metadata.name")] if workload is not None else out

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        if leads_to_node(edge):
            return admission.admission_evidence(view, admission.privileged(view, self._namespace(view, edge)))
        return limit_evidence(view, edge)

    def _namespace(self, view: Inventory, edge: Edge) -> str:
        """The namespace of the workload that is changed."""
        ability, namespace = edge.cause
        if namespace:
            return str(namespace)
        if leads_to_node(edge):
            return _admission_beside(view, TEMPLATES[Ability[ability]]).namespace
        return nodes.namespace(edge.target)


def _with_workload(view: Inventory, kind: type[KubernetesObject], names: Names, namespace: str) -> Iterator[str]:
    """The namespaces of a scope that hold an existing workload of a kind, under one of the names."""
    for place in [namespace] if namespace else sorted(view.namespaces_of(kind)):
        if next(_workloads(view, kind, names, place), None) is not None:
            yield place


def _workloads(
    view: Inventory, kind: type[KubernetesObject], names: Names, namespace: str
) -> Iterator[KubernetesObject]:
    for workload in view.in_namespace(kind, namespace):
        if names is None or workload.name in names:
            yield workload


def _beside(
    view: Inventory, source: str, kind: type[KubernetesObject], effort: int, cause: tuple[str, str]
) -> Iterator[Found | Blocked]:
    """What changing any workload of a kind, in any namespace, leads to."""
    namespaces = set(view.namespaces_of(kind))
    if not namespaces:
        return
    yield node_edge(_admission_beside(view, kind), source, effort, cause=cause)
    limited = permissions.limited_namespaces(view)
    for members in BESIDE:
        if members == SECRETS and not limited.isdisjoint(namespaces):
            for namespace in sorted(namespaces):
                yield from secret_edges(view, source, namespace, effort, cause=cause)
        else:
            yield Found(source, beside(members, kind), effort, cause=cause)
        if members == ACCOUNTS and permissions.CONTROLLERS in namespaces:
            target = nodes.hub(CONTROLLER_ACCOUNTS, permissions.CONTROLLERS)
            yield Found(source, target, effort, fact("C-CTRLSA", CLUSTER), cause)


def _admission_beside(view: Inventory, kind: type[KubernetesObject]) -> Admission:
    """Whether a privileged pod is admitted in a namespace that holds a workload of a kind."""
    reads = admission.READS | {"Pod", kind.__name__}
    name = f"privileged admission beside {kind.__name__}"
    return view.derived(name, reads, lambda seen: admission.best_of(seen, seen.namespaces_of(kind)))


TECHNIQUES: tuple[Technique, ...] = (WorkloadCreate(), WorkloadPatch())
