"""What an object has to do with others: owners, pods, accounts, grants, references, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.analysis.through import owners_of
from workbench.graph import nodes as node_ids
from workbench.inventory.inventory import (
    PODS_BY_ACCOUNT,
    PODS_BY_NAMESPACE,
    PODS_BY_NODE,
    PODS_BY_OWNER,
    Inventory,
)
from workbench.inventory.objects import (
    WORKLOADS,
    ClusterRole,
    ClusterRoleBinding,
    ConfigMap,
    Ingress,
    KubernetesObject,
    Namespace,
    PersistentVolume,
    PersistentVolumeClaim,
    Role,
    RoleBinding,
    Secret,
    Service,
    ServiceAccount,
)
from workbench.inventory.pods import PodInstance
from workbench.techniques import access
from workbench.techniques.endpoints import EndpointType, endpoints_of
from workbench.techniques.resolve.backends import backends
from workbench.techniques.resolve.permissions import grants_of_role
from workbench.techniques.resolve.references import pod_references


@dataclass(frozen=True, slots=True)
class Relation:
    """One object that another has to do with."""

    role: str
    """What it is to the other: ``owner``, ``runs as``, ``mounts``."""
    id: str
    """Its id, also of one that was not read."""
    read: bool = True
    """Whether it was read, so that there is something to go to."""


def relations(view: Inventory, about: str) -> list[Relation]:
    """The relations of an object, in a fixed order of roles, within a role by id; each once."""
    obj = view.by_id(about)
    found = dict.fromkeys(_of(view, about, obj))
    order = {role: place for place, role in reversed(list(enumerate(role for role, _ in found)))}
    return [
        Relation(role, node, view.by_id(node) is not None)
        for role, node in sorted(found, key=lambda one: (order[one[0]], one[1]))
    ]


def _of(view: Inventory, about: str, obj: KubernetesObject | None) -> Iterator[tuple[str, str]]:
    kind = node_ids.kind(about)
    pod = view.pods.get(about) if kind == "Pod" else None
    if pod is not None:
        yield from _of_pod(view, pod)
    elif isinstance(obj, WORKLOADS):
        yield from _of_workload(view, obj)
    elif kind == "ServiceAccount":
        yield from _of_account(view, about, obj)
    elif isinstance(obj, (Role, ClusterRole)):
        yield from _of_role(view, obj)
    elif isinstance(obj, (RoleBinding, ClusterRoleBinding)):
        yield from _of_binding(view, obj)
    elif kind in ("Secret", "ConfigMap"):
        yield from _of_referred(view, about)
    elif kind == "Node":
        yield from (("runs", pod.obj.id) for pod in view.index(PODS_BY_NODE)[about])
    elif isinstance(obj, Service):
        yield from _of_service(view, obj)
    elif isinstance(obj, Ingress):
        yield from (("leads to", f"Service:{obj.namespace}/{name}") for _, name, _ in backends(obj))
    elif isinstance(obj, PersistentVolumeClaim) and obj.spec is not None and obj.spec.volume_name:
        yield "volume", f"PersistentVolume:{obj.spec.volume_name}"
    elif isinstance(obj, PersistentVolume) and obj.spec is not None and obj.spec.claim_ref is not None:
        claim = obj.spec.claim_ref
        yield "claim", f"PersistentVolumeClaim:{claim.namespace}/{claim.name}"
    elif isinstance(obj, Namespace):
        yield from _of_namespace(view, obj.name)
    namespace = node_ids.namespace(about)
    if namespace:
        yield "namespace", f"Namespace:{namespace}"


def _of_pod(view: Inventory, pod: PodInstance) -> Iterator[tuple[str, str]]:
    for owner in owners_of(view, pod):
        yield "owner", owner
    yield "runs as", pod.account
    if pod.node != node_ids.UNKNOWN_NODE:
        yield "runs on", pod.node
    yield from _references(view, pod)
    yield from (("served by", service) for service in _services_of(view, pod))


def _references(view: Inventory, pod: PodInstance) -> Iterator[tuple[str, str]]:
    for node, _, _ in pod_references(view, pod):
        yield "refers to", node
    for volume in pod.spec.volumes or ():
        if volume.persistent_volume_claim is not None:
            yield "mounts", f"PersistentVolumeClaim:{pod.namespace}/{volume.persistent_volume_claim.claim_name}"


def _services_of(view: Inventory, pod: PodInstance) -> Iterator[str]:
    for endpoint in endpoints_of(view, pod.namespace):
        if endpoint.type is EndpointType.SERVICE and any(target.pod is pod for target in endpoint.targets):
            yield endpoint.object


def _of_workload(view: Inventory, obj: Any) -> Iterator[tuple[str, str]]:
    for reference in obj.metadata.owner_references or ():
        if reference.controller:
            yield "owner", f"{reference.kind}:{obj.namespace}/{reference.name}"
    top, _ = view.owner_of(obj)
    owned = list(view.index(PODS_BY_OWNER)[top])
    if top != obj.id:
        owned = [pod for pod in owned if obj.id in owners_of(view, pod)]
    for pod in owned:
        if pod.obj.id != obj.id:
            yield "runs", pod.obj.id
    for pod in owned[:1]:
        yield "runs as", pod.account
        yield from _references(view, pod)
        yield from (("served by", service) for service in _services_of(view, pod))


def _of_account(view: Inventory, about: str, obj: KubernetesObject | None) -> Iterator[tuple[str, str]]:
    for pod in view.index(PODS_BY_ACCOUNT)[about]:
        yield "used by", pod.obj.id
    for grant in access.grants_of(view, about):
        if not grant.virtual:
            yield "bound by", grant.binding.id
            yield "may do what says", _role_of(grant.role_kind, grant.role_name, grant.namespace)
    if isinstance(obj, ServiceAccount):
        for reference in (*(obj.secrets or ()), *(obj.image_pull_secrets or ())):
            yield "names", f"Secret:{obj.namespace}/{reference.name}"


def _role_of(kind: str, name: str, namespace: str) -> str:
    return f"Role:{namespace}/{name}" if kind == "Role" else f"{kind}:{name}"


def _of_role(view: Inventory, obj: Role | ClusterRole) -> Iterator[tuple[str, str]]:
    for grant in grants_of_role(view, obj.kind, obj.name):
        if not grant.virtual and (isinstance(obj, ClusterRole) or grant.namespace == obj.namespace):
            yield "bound by", grant.binding.id
            yield from (("given to", identity) for identity in grant.identities)


def _of_binding(view: Inventory, obj: RoleBinding | ClusterRoleBinding) -> Iterator[tuple[str, str]]:
    reference = obj.role_ref
    if reference is not None:
        yield "role", _role_of(reference.kind or "", reference.name or "", obj.namespace)
    yield from (("given to", identity) for identity in access.subjects_of(obj))


def _of_referred(view: Inventory, about: str) -> Iterator[tuple[str, str]]:
    for pod in view.index(PODS_BY_NAMESPACE)[node_ids.namespace(about)]:
        if any(node == about for node, _, _ in pod_references(view, pod)):
            yield "referred to by", pod.obj.id


def _of_service(view: Inventory, obj: Service) -> Iterator[tuple[str, str]]:
    for endpoint in endpoints_of(view, obj.namespace):
        if endpoint.object == obj.id:
            yield from (("leads to", target.pod.obj.id) for target in endpoint.targets)
    for ingress in view.in_namespace(Ingress, obj.namespace):
        if any(name == obj.name for _, name, _ in backends(ingress)):
            yield "published by", ingress.id


_HELD: tuple[type[KubernetesObject], ...] = (
    *WORKLOADS,
    ServiceAccount,
    Secret,
    ConfigMap,
    Service,
    Role,
    RoleBinding,
)


def _of_namespace(view: Inventory, namespace: str) -> Iterator[tuple[str, str]]:
    for kind in _HELD:
        yield from (("holds", obj.id) for obj in view.in_namespace(kind, namespace))
