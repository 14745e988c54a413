"""What a node is, as properties for people and for the exchange formats."""

from __future__ import annotations

from typing import Any

from workbench.analysis.admin import Admins
from workbench.graph import nodes
from workbench.inventory.inventory import CONTAINERS_BY_IMAGE, PODS_BY_NODE, Inventory
from workbench.inventory.objects import Node, Secret, Service
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.techniques import access
from workbench.techniques.resolve.nodes import control_plane


def properties(view: Inventory, admins: Admins, node: str) -> dict[str, Any]:
    """The properties of a node: what its object says and what was derived, empty ones left out.

    Args:
        view: The inventory.
        admins: Which identities are cluster admin.
        node: The id.
    """
    found = _of(view, admins, node)
    return {key: value for key, value in found.items() if value not in (None, "", (), [], {}, False)}


def _of(view: Inventory, admins: Admins, node: str) -> dict[str, Any]:
    kind = nodes.kind(node)
    if kind == "Container":
        container = view.containers.get(node)
        return _container(container) if container is not None else {}
    if kind == "Pod":
        pod = view.pods.get(node)
        return _pod(pod) if pod is not None else {}
    if kind == "Node":
        return _node(view, node)
    if kind == "PermissionSet":
        return _permission_set(view, node)
    if kind in nodes.IDENTITIES:
        return {
            "admin": admins.of(node),
            "exists": access.identity_exists(view, node),
            "grants": [grant.id for grant in access.grants_of(view, node)],
        }
    if kind == "Image":
        return {
            "pinned": "@sha256:" in node,
            "runs_in": sorted({container.pod.owner for container in view.index(CONTAINERS_BY_IMAGE)[node]}),
        }
    obj = view.by_id(node)
    if isinstance(obj, Secret):
        return {"type": obj.type, "keys": obj.data_keys}
    if isinstance(obj, Service) and obj.spec is not None:
        return {"type": obj.spec.type}
    return {}


def _container(container: ContainerInstance) -> dict[str, Any]:
    context = container.security_context
    status = container.status
    return {
        "image": container.spec.image,
        "image_id": status.image_id if status else None,
        "pod": container.pod.id,
        "owner": container.pod.owner,
        "node": container.pod.node,
        "type": container.type.value,
        "privileged": context.privileged,
        "run_as_user": context.run_as_user,
        "capabilities_added": container.capabilities.add,
        "capabilities_dropped": container.capabilities.drop,
    }


def _pod(pod: PodInstance) -> dict[str, Any]:
    return {
        "owner": pod.owner,
        "node": pod.node,
        "service_account": pod.account,
        "live": pod.live,
        "mirror": pod.mirror,
        "host_pid": pod.spec.host_pid,
        "host_ipc": pod.spec.host_ipc,
        "host_network": pod.spec.host_network,
        "runtime_class": pod.spec.runtime_class_name,
    }


def _node(view: Inventory, node: str) -> dict[str, Any]:
    obj = view.by_id(node)
    info = obj.status.node_info if isinstance(obj, Node) and obj.status else None
    return {
        "control_plane": control_plane(view, node),
        "kubelet_version": info.kubelet_version if info else None,
        "kernel_version": info.kernel_version if info else None,
        "container_runtime": info.container_runtime_version if info else None,
        "os_image": info.os_image if info else None,
        "pods": len(view.index(PODS_BY_NODE)[node]),
        "virtual": node == nodes.UNKNOWN_NODE,
    }


def _permission_set(view: Inventory, node: str) -> dict[str, Any]:
    grant = access.grant(view, node)
    if grant is None:
        return {}
    return {
        "role_kind": grant.role_kind,
        "role": grant.role_name,
        "binding": None if grant.virtual else grant.binding.id,
        "virtual": grant.virtual,
        "scope": grant.namespace or "cluster",
        "problem": grant.problem,
        "subjects": list(grant.identities),
    }
