"""The Kubernetes objects we reason about, trimmed to the fields that some rule reads.

Every field is optional with a default and tolerates ``null``, because the API server sends ``null``
lists and objects come from many versions; types are exact. Unknown fields are dropped while decoding.
Names follow the Kubernetes API (camelCase there, snake_case here).
"""

# Annotations stay objects here: as texts, msgspec would have to compile each one before it decodes anything.
from functools import cache
from typing import Any, TypeAlias

import msgspec

from workbench.inventory.network_objects import (
    NETWORK_CLUSTER_SCOPED,
    NETWORK_GROUPS,
)
from workbench.inventory.network_objects import NetworkPolicy as NetworkPolicy
from workbench.inventory.records import (
    FrozenRecord,
    wire_kind,
)
from workbench.inventory.records import IntOrString as IntOrString
from workbench.inventory.records import KubernetesObject as KubernetesObject
from workbench.inventory.records import Labels as Labels
from workbench.inventory.records import LabelSelector as LabelSelector
from workbench.inventory.records import ManagedField as ManagedField
from workbench.inventory.records import ObjectMeta as ObjectMeta
from workbench.inventory.records import OwnerReference as OwnerReference
from workbench.inventory.records import Record as Record
from workbench.inventory.records import SelectorRequirement as SelectorRequirement

# --- pods -------------------------------------------------------------------------------------------


class AppArmorProfile(Record):
    type: str | None = None
    localhost_profile: str | None = None


class SeccompProfile(Record):
    type: str | None = None
    localhost_profile: str | None = None


class SELinuxOptions(Record):
    user: str | None = None
    role: str | None = None
    type: str | None = None
    level: str | None = None


class WindowsOptions(Record):
    host_process: bool | None = None
    run_as_user_name: str | None = None


class Capabilities(Record):
    add: list[str] | None = None
    drop: list[str] | None = None


class SecurityContext(Record):
    """Of a container."""

    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    proc_mount: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    windows_options: WindowsOptions | None = None


class PodSecurityContext(Record):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    supplemental_groups: list[int] | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    windows_options: WindowsOptions | None = None


class KeySelector(Record):
    name: str | None = None
    key: str | None = None
    optional: bool | None = None


class FieldRef(Record):
    field_path: str | None = None


class EnvVarSource(Record):
    secret_key_ref: KeySelector | None = None
    config_map_key_ref: KeySelector | None = None
    field_ref: FieldRef | None = None


class EnvVar(Record):
    """An environment variable; of its value only the Services that it names enter the inventory."""

    name: str | None = None
    value: Any = None
    """Once decoded ``host:port`` of what the value names (``connectivity``), several with commas, else ``None``."""
    value_from: EnvVarSource | None = None


class LocalRef(Record):
    name: str | None = None
    optional: bool | None = None


class EnvFrom(Record):
    prefix: str | None = None
    secret_ref: LocalRef | None = None
    config_map_ref: LocalRef | None = None


class ContainerPort(Record):
    name: str | None = None
    container_port: int | None = None
    host_port: int | None = None
    host_ip: str | None = msgspec.field(default=None, name="hostIP")
    protocol: str | None = None


class VolumeMount(Record):
    name: str | None = None
    mount_path: str | None = None
    sub_path: str | None = None
    sub_path_expr: str | None = None
    """With literal environment values already expanded; what is left could not be resolved."""
    read_only: bool | None = None
    recursive_read_only: str | None = None
    mount_propagation: str | None = None


class VolumeDevice(Record):
    name: str | None = None
    device_path: str | None = None


class Container(Record):
    name: str | None = None
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    env_from: list[EnvFrom] | None = None
    ports: list[ContainerPort] | None = None
    security_context: SecurityContext | None = None
    volume_mounts: list[VolumeMount] | None = None
    volume_devices: list[VolumeDevice] | None = None
    restart_policy: str | None = None
    stdin: bool | None = None
    tty: bool | None = None
    target_container_name: str | None = None
    """Of ephemeral containers only."""


class KeyToPath(Record):
    key: str | None = None
    path: str | None = None


class HostPathSource(Record):
    path: str | None = None
    type: str | None = None


class SecretSource(Record):
    secret_name: str | None = None
    items: list[KeyToPath] | None = None
    optional: bool | None = None


class ConfigMapSource(Record):
    name: str | None = None
    items: list[KeyToPath] | None = None
    optional: bool | None = None


class TokenProjection(Record):
    audience: str | None = None
    expiration_seconds: int | None = None
    path: str | None = None


class Projection(Record):
    secret: ConfigMapSource | None = None
    config_map: ConfigMapSource | None = None
    service_account_token: TokenProjection | None = None


class ProjectedSource(Record):
    sources: list[Projection] | None = None


class ClaimSource(Record):
    claim_name: str | None = None
    read_only: bool | None = None


class CSISource(Record):
    driver: str | None = None
    read_only: bool | None = None
    node_publish_secret_ref: LocalRef | None = None


class FlexSource(Record):
    driver: str | None = None
    read_only: bool | None = None
    secret_ref: LocalRef | None = None


class EmptyDirSource(Record):
    medium: str | None = None


class Volume(Record):
    name: str | None = None
    host_path: HostPathSource | None = None
    secret: SecretSource | None = None
    config_map: ConfigMapSource | None = None
    projected: ProjectedSource | None = None
    persistent_volume_claim: ClaimSource | None = None
    csi: CSISource | None = None
    flex_volume: FlexSource | None = None
    empty_dir: EmptyDirSource | None = None
    downward_api: dict[str, Any] | None = msgspec.field(default=None, name="downwardAPI")


class OSName(Record):
    name: str | None = None


class PodSpec(Record):
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    service_account_name: str | None = None
    service_account: str | None = None
    automount_service_account_token: bool | None = None
    node_name: str | None = None
    node_selector: Labels | None = None
    affinity: dict[str, Any] | None = None
    host_network: bool | None = None
    host_pid: bool | None = msgspec.field(default=None, name="hostPID")
    host_ipc: bool | None = msgspec.field(default=None, name="hostIPC")
    host_users: bool | None = None
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    runtime_class_name: str | None = None
    image_pull_secrets: list[LocalRef] | None = None
    os: OSName | None = None
    hostname: str | None = None
    subdomain: str | None = None


class RunningState(Record):
    started_at: str | None = None


class ContainerState(Record):
    running: RunningState | None = None


class MountStatus(Record):
    name: str | None = None
    mount_path: str | None = None
    recursive_read_only: str | None = None


class ContainerStatus(Record):
    name: str | None = None
    image: str | None = None
    image_id: str | None = msgspec.field(default=None, name="imageID")
    container_id: str | None = msgspec.field(default=None, name="containerID")
    """As far as it names the container runtime: ``containerd://``."""
    ready: bool | None = None
    state: ContainerState | None = None
    volume_mounts: list[MountStatus] | None = None
    """Those with ``recursiveReadOnly``; empty if the status names others."""


class PodCondition(Record):
    type: str | None = None
    status: str | None = None


class PodStatus(Record):
    phase: str | None = None
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    host_ip: str | None = msgspec.field(default=None, name="hostIP")
    conditions: list[PodCondition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class Pod(KubernetesObject):
    spec: PodSpec | None = None
    status: PodStatus | None = None


# --- workloads --------------------------------------------------------------------------------------


class PodTemplate(Record):
    metadata: ObjectMeta | None = None
    spec: PodSpec | None = None


class WorkloadSpec(Record):
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: PodTemplate | None = None
    suspend: bool | None = None
    """Of Jobs and CronJobs."""


class ReplicationControllerSpec(Record):
    replicas: int | None = None
    selector: Labels | None = None
    template: PodTemplate | None = None


class Deployment(KubernetesObject):
    spec: WorkloadSpec | None = None


class ReplicaSet(KubernetesObject):
    spec: WorkloadSpec | None = None


class StatefulSet(KubernetesObject):
    spec: WorkloadSpec | None = None


class DaemonSet(KubernetesObject):
    spec: WorkloadSpec | None = None


class Job(KubernetesObject):
    spec: WorkloadSpec | None = None


class ReplicationController(KubernetesObject):
    spec: ReplicationControllerSpec | None = None


class JobTemplate(Record):
    metadata: ObjectMeta | None = None
    spec: WorkloadSpec | None = None


class CronJobSpec(Record):
    schedule: str | None = None
    suspend: bool | None = None
    job_template: JobTemplate | None = None


class CronJob(KubernetesObject):
    spec: CronJobSpec | None = None


# --- the core ---------------------------------------------------------------------------------------


class NodeAddress(Record):
    type: str | None = None
    address: str | None = None


class NodeInfo(Record):
    kubelet_version: str | None = None
    kernel_version: str | None = None
    container_runtime_version: str | None = None
    os_image: str | None = None
    operating_system: str | None = None
    architecture: str | None = None


class Taint(Record):
    key: str | None = None
    value: str | None = None
    effect: str | None = None


class NodeSpec(Record):
    provider_id: str | None = msgspec.field(default=None, name="providerID")
    unschedulable: bool | None = None
    taints: list[Taint] | None = None


class NodeStatus(Record):
    addresses: list[NodeAddress] | None = None
    node_info: NodeInfo | None = None


class Node(KubernetesObject):
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class Namespace(KubernetesObject):
    pass


class ObjectReference(Record):
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None


class ServiceAccount(KubernetesObject):
    automount_service_account_token: bool | None = None
    secrets: list[ObjectReference] | None = None
    image_pull_secrets: list[LocalRef] | None = None


class Secret(KubernetesObject):
    """Metadata, type and key names; values are dropped while decoding."""

    type: str | None = None
    data_keys: list[str] | None = None
    """The names of the keys of ``data`` and ``stringData``, sorted."""


class ConfigMap(KubernetesObject):
    """Metadata and key names; values are dropped while decoding, but for ``decode.CONFIG_VALUES``."""

    data_keys: list[str] | None = None
    data: dict[str, str] | None = None


class ServicePort(Record):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    target_port: IntOrString | None = None
    node_port: int | None = None


class ServiceSpec(Record):
    type: str | None = None
    selector: Labels | None = None
    ports: list[ServicePort] | None = None
    external_ips: list[str] | None = msgspec.field(default=None, name="externalIPs")
    load_balancer_source_ranges: list[str] | None = None
    load_balancer_class: str | None = None
    external_traffic_policy: str | None = None
    publish_not_ready_addresses: bool | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")


class LoadBalancerIngress(Record):
    ip: str | None = None
    hostname: str | None = None


class LoadBalancerStatus(Record):
    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(Record):
    load_balancer: LoadBalancerStatus | None = None


class Service(KubernetesObject):
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class EndpointConditions(Record):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Record):
    addresses: list[str] | None = None
    conditions: EndpointConditions | None = None
    target_ref: ObjectReference | None = None
    node_name: str | None = None


class EndpointPort(Record):
    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(KubernetesObject):
    address_type: str | None = None
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class HostPathVolume(Record):
    path: str | None = None


class PersistentVolumeSpec(Record):
    host_path: HostPathVolume | None = None
    local: HostPathVolume | None = None
    csi: CSISource | None = None
    claim_ref: ObjectReference | None = None
    access_modes: list[str] | None = None
    volume_mode: str | None = None
    storage_class_name: str | None = None


class VolumePhase(Record):
    phase: str | None = None


class PersistentVolume(KubernetesObject):
    spec: PersistentVolumeSpec | None = None
    status: VolumePhase | None = None


class PersistentVolumeClaimSpec(Record):
    volume_name: str | None = None
    access_modes: list[str] | None = None
    volume_mode: str | None = None
    storage_class_name: str | None = None


class PersistentVolumeClaim(KubernetesObject):
    spec: PersistentVolumeClaimSpec | None = None
    status: VolumePhase | None = None


# --- RBAC -------------------------------------------------------------------------------------------


class PolicyRule(FrozenRecord, frozen=True):
    verbs: tuple[str, ...] | None = None
    api_groups: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    resource_names: tuple[str, ...] | None = None
    non_resource_urls: tuple[str, ...] | None = msgspec.field(default=None, name="nonResourceURLs")


class AggregationRule(Record):
    cluster_role_selectors: list[LabelSelector] | None = None


class Role(KubernetesObject):
    rules: list[PolicyRule] | None = None


class ClusterRole(KubernetesObject):
    rules: list[PolicyRule] | None = None
    aggregation_rule: AggregationRule | None = None


class Subject(FrozenRecord, frozen=True):
    kind: str | None = None
    api_group: str | None = None
    name: str | None = None
    namespace: str | None = None


class RoleRef(FrozenRecord, frozen=True):
    api_group: str | None = None
    kind: str | None = None
    name: str | None = None


class RoleBinding(KubernetesObject):
    subjects: list[Subject] | None = None
    role_ref: RoleRef | None = None


class ClusterRoleBinding(KubernetesObject):
    subjects: list[Subject] | None = None
    role_ref: RoleRef | None = None


# --- networking and the rest ------------------------------------------------------------------------


class ServiceBackendPort(Record):
    name: str | None = None
    number: int | None = None


class IngressServiceBackend(Record):
    name: str | None = None
    port: ServiceBackendPort | None = None


class IngressBackend(Record):
    service: IngressServiceBackend | None = None
    service_name: str | None = None
    """Of ``extensions/v1beta1`` and ``networking.k8s.io/v1beta1``."""
    service_port: IntOrString | None = None


class HTTPIngressPath(Record):
    path: str | None = None
    path_type: str | None = None
    backend: IngressBackend | None = None


class HTTPIngressRule(Record):
    paths: list[HTTPIngressPath] | None = None


class IngressRule(Record):
    host: str | None = None
    http: HTTPIngressRule | None = None


class IngressSpec(Record):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    backend: IngressBackend | None = None
    rules: list[IngressRule] | None = None


class Ingress(KubernetesObject):
    spec: IngressSpec | None = None
    status: ServiceStatus | None = None


class IngressClassSpec(Record):
    controller: str | None = None


class IngressClass(KubernetesObject):
    spec: IngressClassSpec | None = None


class RuntimeClass(KubernetesObject):
    handler: str | None = None


class CRDNames(Record):
    kind: str | None = None
    plural: str | None = None


class CRDSpec(Record):
    group: str | None = None
    names: CRDNames | None = None
    scope: str | None = None


class CustomResourceDefinition(KubernetesObject):
    spec: CRDSpec | None = None


class ValidatingPolicyBindingSpec(Record):
    policy_name: str | None = None
    validation_actions: list[str] | None = None
    match_resources: dict[str, Any] | None = None


class ValidatingAdmissionPolicyBinding(KubernetesObject):
    spec: ValidatingPolicyBindingSpec | None = None


class ResourceRule(Record):
    api_groups: list[str] | None = None
    operations: list[str] | None = None
    resources: list[str] | None = None


class MatchConstraints(Record):
    resource_rules: list[ResourceRule] | None = None


class ValidatingPolicySpec(Record):
    match_constraints: MatchConstraints | None = None


class ValidatingAdmissionPolicy(KubernetesObject):
    spec: ValidatingPolicySpec | None = None


class KyvernoSpec(Record):
    validation_failure_action: str | None = None
    rules: list[dict[str, Any]] | None = None


class ClusterPolicy(KubernetesObject):
    """Of Kyverno (``kyverno.io``)."""

    spec: KyvernoSpec | None = None


class Policy(KubernetesObject):
    """Of Kyverno (``kyverno.io``), namespaced."""

    spec: KyvernoSpec | None = None


class SecurityContextConstraints(KubernetesObject):
    """Of OpenShift (``security.openshift.io``)."""

    allow_privileged_container: bool | None = None
    users: list[str] | None = None
    groups: list[str] | None = None


Workload: TypeAlias = Deployment | ReplicaSet | StatefulSet | DaemonSet | Job | CronJob | ReplicationController

WORKLOADS: tuple[type[KubernetesObject], ...] = (
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    ReplicationController,
)
"""The kinds that create pods, from Kubernetes itself."""

CLUSTER_SCOPED = frozenset(
    {
        "Node",
        "Namespace",
        "PersistentVolume",
        "ClusterRole",
        "ClusterRoleBinding",
        "IngressClass",
        "RuntimeClass",
        "CustomResourceDefinition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ClusterPolicy",
        "SecurityContextConstraints",
        *NETWORK_CLUSTER_SCOPED,
    }
)
"""Kinds whose objects have no namespace; ``metadata.namespace`` of one is ignored."""

GROUPS: dict[str, tuple[type[KubernetesObject], ...]] = {
    "": (
        Pod,
        Node,
        Namespace,
        ServiceAccount,
        Secret,
        ConfigMap,
        Service,
        PersistentVolume,
        PersistentVolumeClaim,
        ReplicationController,
    ),
    "apps": (Deployment, ReplicaSet, StatefulSet, DaemonSet),
    "extensions": (Deployment, ReplicaSet, DaemonSet, Ingress),
    "batch": (Job, CronJob),
    "rbac.authorization.k8s.io": (Role, ClusterRole, RoleBinding, ClusterRoleBinding),
    "networking.k8s.io": (Ingress, IngressClass, NetworkPolicy),
    **NETWORK_GROUPS,
    "discovery.k8s.io": (EndpointSlice,),
    "node.k8s.io": (RuntimeClass,),
    "apiextensions.k8s.io": (CustomResourceDefinition,),
    "admissionregistration.k8s.io": (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding),
    "kyverno.io": (ClusterPolicy, Policy),
    "security.openshift.io": (SecurityContextConstraints,),
}
"""The kinds that we analyse, by API group; any version of a group is read like today's."""

KINDS: dict[str, type[KubernetesObject]] = {kind.__name__: kind for kinds in GROUPS.values() for kind in kinds}


@cache
def _kinds_of(group: str) -> dict[str, type[KubernetesObject]]:
    return {wire_kind(kind): kind for kind in GROUPS.get(group, ())}


def kind_of(api_version: str, kind: str) -> type[KubernetesObject] | None:
    """The class for an object's ``apiVersion`` and ``kind``, or ``None`` if we do not analyse it."""
    group = api_version.rpartition("/")[0]
    return _kinds_of(group).get(kind) if group in GROUPS else None
