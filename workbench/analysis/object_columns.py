"""The columns of the tables of objects, for each kind: what matters to an attacker or a defender.

Of Secrets there is nothing but their metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from workbench.analysis.session import Analysis
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import PODS_BY_ACCOUNT, PODS_BY_NODE, PODS_BY_OWNER
from workbench.inventory.objects import (
    ClusterRole,
    ClusterRoleBinding,
    ConfigMap,
    CronJob,
    EndpointSlice,
    Ingress,
    Job,
    KubernetesObject,
    Labels,
    Namespace,
    NetworkPolicy,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodSpec,
    ReplicaSet,
    Role,
    RoleBinding,
    Secret,
    Service,
    ServiceAccount,
    Subject,
)
from workbench.inventory.pods import template_of
from workbench.techniques import access
from workbench.techniques.resolve.exposure import balancer_addresses
from workbench.techniques.resolve.nodes import control_plane
from workbench.techniques.resolve.permissions import grants_of_role

Cell: TypeAlias = str | int

ENFORCE = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    title: str
    number: bool = False
    """Whether it holds numbers, of which the largest come first."""
    keep: int = 1
    """How much it matters where there is little room: columns with the lowest go first, 9 never does."""


NAMESPACE = Column("NAMESPACE", keep=8)
NAME = Column("NAME", keep=9)
PATHS = Column("PATHS", number=True, keep=9)


Cells: TypeAlias = Callable[[Analysis, Any], tuple[Cell, ...]]


def risks_of(spec: PodSpec | None) -> str:
    """What in a pod's specification opens it to its node, in the words of its fields."""
    if spec is None:
        return ""
    out = [word for word, on in _namespaces_of_host(spec) if on]
    added: dict[str, None] = {}
    privileged = False
    for container in (*(spec.containers or ()), *(spec.init_containers or ()), *(spec.ephemeral_containers or ())):
        context = container.security_context
        if context is not None:
            privileged = privileged or context.privileged is True
            added.update(dict.fromkeys((context.capabilities and context.capabilities.add) or ()))
    if privileged:
        out.insert(0, "privileged")
    if any(volume.host_path is not None for volume in spec.volumes or ()):
        out.append("hostPath")
    return " ".join([*out, *(f"+{capability}" for capability in sorted(added))])


def _namespaces_of_host(spec: PodSpec) -> Iterable[tuple[str, bool | None]]:
    return ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc), ("hostNetwork", spec.host_network)


def _account(spec: PodSpec | None) -> str:
    return (spec.service_account_name or spec.service_account or "default") if spec is not None else ""


def _pod(analysis: Analysis, pod: Pod) -> tuple[Cell, ...]:
    spec = pod.spec
    instance = analysis.view.pods.get(pod.id)
    owner = instance.owner if instance is not None and instance.owner != pod.id else ""
    return (
        (pod.status.phase or "") if pod.status else "",
        risks_of(spec),
        _account(spec),
        (spec.node_name or "") if spec else "",
        _without_namespace(owner),
        len(spec.containers or ()) if spec else 0,
    )


def _workload(analysis: Analysis, obj: Any) -> tuple[Cell, ...]:
    template = template_of(obj)
    spec = template.spec if template is not None else None
    replicas = getattr(obj.spec, "replicas", None)
    return (
        "" if replicas is None else replicas,
        len(analysis.view.index(PODS_BY_OWNER)[obj.id]),
        risks_of(spec),
        _account(spec),
    )


def _replica_set(analysis: Analysis, obj: ReplicaSet) -> tuple[Cell, ...]:
    replicas, _, *rest = _workload(analysis, obj)
    return (replicas, *rest)


def _job(analysis: Analysis, obj: Job | CronJob) -> tuple[Cell, ...]:
    template = template_of(obj)
    spec = template.spec if template is not None else None
    suspended = "yes" if obj.spec is not None and obj.spec.suspend else ""
    rest = (suspended, risks_of(spec), _account(spec))
    if isinstance(obj, CronJob):
        return ((obj.spec.schedule or "") if obj.spec is not None else "", *rest)
    return rest


def _service_account(analysis: Analysis, obj: ServiceAccount) -> tuple[Cell, ...]:
    token = {True: "mounted", False: "not mounted", None: ""}[obj.automount_service_account_token]
    return (
        analysis.admins.of(obj.id) or "",
        len(access.grants_of(analysis.view, obj.id)),
        len(analysis.view.index(PODS_BY_ACCOUNT)[obj.id]),
        token,
    )


def _secret(analysis: Analysis, obj: Secret) -> tuple[Cell, ...]:
    return obj.type or "", len(obj.data_keys or ())


def _config_map(analysis: Analysis, obj: ConfigMap) -> tuple[Cell, ...]:
    return (len(obj.data_keys or ()),)


def _service(analysis: Analysis, obj: Service) -> tuple[Cell, ...]:
    spec = obj.spec
    if spec is None:
        return "", "", ""
    ports = ", ".join(f"{port.port}/{port.protocol or 'TCP'}" for port in spec.ports or ())
    addresses = [*balancer_addresses(obj.status), *(spec.external_ips or ())]
    return spec.type or "ClusterIP", ports, ", ".join(addresses)


def _ingress(analysis: Analysis, obj: Ingress) -> tuple[Cell, ...]:
    spec = obj.spec
    if spec is None:
        return "", ""
    return spec.ingress_class_name or "", ", ".join(rule.host or "*" for rule in spec.rules or ())


def _network_policy(analysis: Analysis, obj: NetworkPolicy) -> tuple[Cell, ...]:
    spec = obj.spec
    if spec is None:
        return "", ""
    return _selector(spec.pod_selector), ", ".join(spec.policy_types or ())


def _selector(selector: Any) -> str:
    if selector is None or not (selector.match_labels or selector.match_expressions):
        return "every pod"
    parts = [f"{key}={value}" for key, value in sorted((selector.match_labels or {}).items())]
    parts += [f"{one.key} {one.operator} {','.join(one.values or ())}" for one in selector.match_expressions or ()]
    return ", ".join(parts)


def _role(analysis: Analysis, obj: Role | ClusterRole) -> tuple[Cell, ...]:
    view = analysis.view
    bound = [grant for grant in grants_of_role(view, obj.kind, obj.name) if _same_role(grant.namespace, obj)]
    origin = "built in" if view.is_builtin(obj.id) else ""
    return len(obj.rules or ()), len(bound), origin


def _same_role(namespace: str, obj: KubernetesObject) -> bool:
    return isinstance(obj, ClusterRole) or namespace == obj.namespace


def _binding(analysis: Analysis, obj: RoleBinding | ClusterRoleBinding) -> tuple[Cell, ...]:
    role = f"{obj.role_ref.kind}/{obj.role_ref.name}" if obj.role_ref is not None else ""
    subjects = obj.subjects or ()
    origin = "built in" if analysis.view.is_builtin(obj.id) else ""
    return role, len(subjects), ", ".join(map(_subject, subjects)), origin


def _subject(subject: Subject) -> str:
    where = f"{subject.namespace}/" if subject.namespace else ""
    return f"{subject.kind} {where}{subject.name}"


def _node(analysis: Analysis, obj: Node) -> tuple[Cell, ...]:
    info = obj.status.node_info if obj.status is not None else None
    return (
        "control plane" if control_plane(analysis.view, obj.id) else "worker",
        len(analysis.view.index(PODS_BY_NODE)[obj.id]),
        (info.kubelet_version or "") if info is not None else "",
        (info.os_image or "") if info is not None else "",
    )


def _namespace(analysis: Analysis, obj: Namespace) -> tuple[Cell, ...]:
    labels: Labels = obj.metadata.labels or {}
    return (labels.get(ENFORCE) or "none",)


def _persistent_volume(analysis: Analysis, obj: PersistentVolume) -> tuple[Cell, ...]:
    spec = obj.spec
    if spec is None:
        return "", ""
    source = ""
    if spec.host_path is not None:
        source = f"hostPath {spec.host_path.path}"
    elif spec.local is not None:
        source = f"local {spec.local.path}"
    elif spec.csi is not None:
        source = f"CSI {spec.csi.driver}"
    claim = f"{spec.claim_ref.namespace}/{spec.claim_ref.name}" if spec.claim_ref is not None else ""
    return source, claim


def _claim(analysis: Analysis, obj: PersistentVolumeClaim) -> tuple[Cell, ...]:
    return ((obj.spec.volume_name or "") if obj.spec is not None else "",)


def _slice(analysis: Analysis, obj: EndpointSlice) -> tuple[Cell, ...]:
    labels: Labels = obj.metadata.labels or {}
    addresses = sum(len(endpoint.addresses or ()) for endpoint in obj.endpoints or ())
    return labels.get("kubernetes.io/service-name") or "", addresses


def _without_namespace(node: str) -> str:
    """``Deployment/cart``: of an owner in the same namespace."""
    return f"{node_ids.kind(node)}/{node_ids.name(node)}" if node else ""


RISKS = Column("RISKS", keep=7)
ACCOUNT = Column("ACCOUNT", keep=4)
PODS = Column("PODS", number=True, keep=5)
ORIGIN = Column("ORIGIN", keep=2)

_REPLICAS = Column("REPLICAS", number=True, keep=3)
_WORKLOAD = (_REPLICAS, PODS, RISKS, ACCOUNT)
_JOB = (Column("SUSPENDED", keep=3), RISKS, ACCOUNT)
_RULES = (Column("RULES", number=True, keep=4), Column("BOUND", number=True, keep=5), ORIGIN)
_BINDING = (Column("ROLE", keep=7), Column("SUBJECTS", number=True, keep=3), Column("WHO", keep=6), ORIGIN)


def _nothing(analysis: Analysis, obj: KubernetesObject) -> tuple[Cell, ...]:
    return ()


_NONE: tuple[tuple[Column, ...], Cells] = ((), _nothing)

_COLUMNS: dict[str, tuple[tuple[Column, ...], Cells]] = {
    "Pod": (
        (
            Column("PHASE", keep=3),
            RISKS,
            ACCOUNT,
            Column("NODE", keep=5),
            Column("OWNER", keep=2),
            Column("CONTAINERS", number=True, keep=1),
        ),
        _pod,
    ),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicationController"), (_WORKLOAD, _workload)),
    "ReplicaSet": ((_REPLICAS, RISKS, ACCOUNT), _replica_set),
    "Job": (_JOB, _job),
    "CronJob": ((Column("SCHEDULE", keep=2), *_JOB), _job),
    "ServiceAccount": (
        (Column("ADMIN", keep=7), Column("GRANTS", number=True, keep=6), PODS, Column("TOKEN", keep=3)),
        _service_account,
    ),
    "Secret": ((Column("TYPE", keep=5), Column("KEYS", number=True, keep=3)), _secret),
    "ConfigMap": ((Column("KEYS", number=True, keep=3),), _config_map),
    "Service": ((Column("TYPE", keep=7), Column("PORTS", keep=4), Column("EXTERNAL", keep=6)), _service),
    "Ingress": ((Column("CLASS", keep=4), Column("HOSTS", keep=6)), _ingress),
    "NetworkPolicy": ((Column("SELECTS", keep=5), Column("TYPES", keep=4)), _network_policy),
    "Role": (_RULES, _role),
    "ClusterRole": (_RULES, _role),
    "RoleBinding": (_BINDING, _binding),
    "ClusterRoleBinding": (_BINDING, _binding),
    "Node": ((Column("ROLE", keep=7), PODS, Column("VERSION", keep=4), Column("OS", keep=2)), _node),
    "Namespace": ((Column("POD SECURITY", keep=7),), _namespace),
    "PersistentVolume": ((Column("SOURCE", keep=6), Column("CLAIM", keep=5)), _persistent_volume),
    "PersistentVolumeClaim": ((Column("VOLUME", keep=5),), _claim),
    "EndpointSlice": ((Column("SERVICE", keep=5), Column("ADDRESSES", number=True, keep=3)), _slice),
}
"""For each kind its columns, and what makes their cells."""


def columns_of(kind: str) -> tuple[tuple[Column, ...], Cells]:
    """The columns of a kind, beside those that all kinds have, and what makes the cells of an object."""
    return _COLUMNS.get(kind, _NONE)
