"""Who owns an object, who manages it, and therefore where a change must be made (``remediation.md`` 1.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workbench.inventory.changes import Op
from workbench.inventory.decode import LAST_APPLIED
from workbench.inventory.fields import Path, Step
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    CLUSTER_SCOPED,
    KINDS,
    WORKLOADS,
    ClusterRole,
    KubernetesObject,
    OwnerReference,
    Pod,
    Role,
    kind_of,
)
from workbench.inventory.pods import PodInstance
from workbench.remediation.records import Route, Status

EKS_MANAGER = "eks"
"""The field manager of EKS add-ons."""
_DEFAULT_ROLES = frozenset({"cluster-admin", "admin", "edit", "view"})


@dataclass(slots=True)
class Management:
    """Who manages an object, and what follows for a fix of it."""

    routes: list[Route] = field(default_factory=list)
    managers: list[str] = field(default_factory=list)
    status: Status = Status.READY
    reason: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def route(self) -> Route:
        """That of the first strong hit."""
        return self.routes[0] if self.routes else Route.DIRECT

    def stop(self, status: Status, reason: str) -> None:
        """Say why no patch is made; the first reason stands."""
        if self.status is Status.READY:
            self.status, self.reason = status, reason


def stopped(route: Route, manager: str, status: Status, reason: str) -> Management:
    """The management of what is not to be patched."""
    return Management([route], [manager] if manager else [], status, reason)


def management(view: Inventory, obj: KubernetesObject, ops: Iterable[Op] = ()) -> Management:
    """The managers found on an object; the first strong one sets the route, all are named.

    Args:
        view: The objects.
        obj: The object that is to be changed.
        ops: The edits, for managers that count only if they own the very field.
    """
    if view.is_builtin(obj.id):
        return stopped(
            Route.OUTSIDE,
            "Kubernetes",
            Status.BLOCKED,
            "managed: known to be built into Kubernetes, not read from the source",
        )
    return managers(obj, ops)


def managers(obj: KubernetesObject, ops: Iterable[Op] = ()) -> Management:
    """The managers that an object as read names itself, its controller among them; otherwise as :func:`management`."""
    found = Management()
    _controller(obj, found)
    _git(obj, found)
    _helm(obj, found)
    _field_managers(obj, ops, found)
    _addons(obj, found)
    _rbac(obj, found)
    if LAST_APPLIED in (obj.metadata.annotations or ()):
        found.managers.append("kubectl apply")
        found.notes.append("the next kubectl apply of the old file restores the field: change the file too")
    return found


def _controller(obj: KubernetesObject, found: Management) -> None:
    """An object that an operator made for a custom resource."""
    reference = controller_of(obj)
    if reference is not None and not is_built_in(reference):
        owner = reference_id(reference, obj.namespace)
        found.managers.append(owner)
        found.routes.append(Route.OPERATOR)
        found.stop(Status.ADVISORY, f"operator: change {owner} instead")


def _git(obj: KubernetesObject, found: Management) -> None:
    annotations, labels = obj.metadata.annotations or {}, obj.metadata.labels or {}
    tracking = annotations.get("argocd.argoproj.io/tracking-id") or ""
    if _tracks(tracking, obj):
        found.managers.append(f"Argo CD ({tracking.partition(':')[0]})")
        found.routes.append(Route.GIT)
        found.notes.append("Argo CD may revert a live patch: change the source repository too")
    for key in ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"):
        if key in labels:
            found.managers.append(f"Flux ({labels[key]})")
            found.routes.append(Route.GIT)
            found.notes.append("Flux reverts a live patch: change the source repository")


def _tracks(tracking: str, obj: KubernetesObject) -> bool:
    """Whether an id of Argo CD names this very object: copies carry that of the original (``app:group/Kind:ns/n``)."""
    parts = tracking.split(":", 2)
    if len(parts) != 3:
        return False
    group = obj.api_version.rpartition("/")[0] if "/" in obj.api_version else ""
    namespace, _, name = parts[2].partition("/")
    # Of a cluster-scoped object it holds the application's own namespace.
    same_place = obj.kind in CLUSTER_SCOPED or namespace == obj.namespace
    return parts[1] == f"{group}/{obj.kind}" and name == obj.name and same_place


def _helm(obj: KubernetesObject, found: Management) -> None:
    release = (obj.metadata.annotations or {}).get("meta.helm.sh/release-name")
    if (obj.metadata.labels or {}).get("app.kubernetes.io/managed-by") == "Helm" and release:
        found.managers.append(f"Helm ({release})")
        found.routes.append(Route.HELM)
        found.notes.append("the next upgrade undoes the change if the chart sets the field: set the chart's value too")


def _field_managers(obj: KubernetesObject, ops: Iterable[Op], found: Management) -> None:
    """Managers of the very fields that the edits change: EKS add-ons, and whoever applies server-side."""
    paths = [op.steps for op in ops]
    for entry in obj.metadata.managed_fields or ():
        if not entry.manager or entry.manager in found.managers:
            continue
        eks = entry.manager == EKS_MANAGER
        if not (eks or entry.operation == "Apply") or not any(owns(entry.fields_v1, path) for path in paths):
            continue
        found.managers.append(entry.manager)
        if eks:
            found.routes.append(Route.ADDON)
            found.stop(Status.ADVISORY, "managed: the EKS add-on sets the field: change the add-on's configuration")
        else:
            found.notes.append(
                f"{entry.manager} applies the field server-side: its next apply conflicts, or restores it"
            )


def owns(owned: dict[str, Any] | None, path: Path) -> bool:
    """Whether a set of managed fields (``fieldsV1``) holds a field, or something within it.

    Source: Kubernetes documentation, "Server-Side Apply"; structured-merge-diff, ``fieldpath/serialize.go``.
    """
    if owned is None:
        return False
    for step in path:
        if not owned:
            return True  # what stands above is owned as a whole
        found = next((value for key, value in owned.items() if _names(key, step)), None)
        if found is None:
            return False
        owned = found if isinstance(found, dict) else {}
    return True


def _names(key: str, step: Step) -> bool:
    if isinstance(step, str):
        return key == f"f:{step}"
    if isinstance(step, int):
        return key == f"i:{step}"
    if not key.startswith("k:"):
        return False
    try:
        keys = json.loads(key[2:])
    except ValueError:
        return False
    return isinstance(keys, dict) and all(str(keys.get(name, "")) == value for name, value in step)


def _addons(obj: KubernetesObject, found: Management) -> None:
    labels = obj.metadata.labels or {}
    mode = labels.get("addonmanager.kubernetes.io/mode")
    if mode:
        found.managers.append("addon-manager")
        if mode == "Reconcile":
            found.routes.append(Route.ADDON)
            found.stop(Status.BLOCKED, "managed: the add-on manager restores the object")
    if "olm.owner" in labels:
        found.managers.append(f"OLM ({labels['olm.owner']})")
        found.routes.append(Route.OPERATOR)
        found.stop(Status.ADVISORY, f"operator: change {labels['olm.owner']} instead")


def _rbac(obj: KubernetesObject, found: Management) -> None:
    if (obj.metadata.annotations or {}).get("rbac.authorization.kubernetes.io/autoupdate") == "true" and (
        (obj.metadata.labels or {}).get("kubernetes.io/bootstrapping") == "rbac-defaults"
        or obj.name in _DEFAULT_ROLES
        or obj.name.startswith("system:")
    ):
        what = (
            "narrow the bindings of the role"
            if isinstance(obj, (Role, ClusterRole))
            else "change the role's other bindings"
        )
        found.managers.append("Kubernetes")
        found.routes.append(Route.OUTSIDE)
        found.stop(Status.BLOCKED, f"managed: the API server restores it at start; {what}")
    if isinstance(obj, ClusterRole) and obj.aggregation_rule is not None:
        found.managers.append("clusterrole-aggregation-controller")
        found.routes.append(Route.OUTSIDE)
        found.stop(Status.BLOCKED, "managed: aggregated: its rules are restored; change the roles that it gathers")


# --- owners -------------------------------------------------------------------------------------------


def controller_of(obj: KubernetesObject) -> OwnerReference | None:
    """The one owner reference with ``controller: true``."""
    return next((reference for reference in obj.metadata.owner_references or () if reference.controller), None)


def is_built_in(reference: OwnerReference) -> bool:
    """Whether an owner is of Kubernetes itself; a kind of the same name in another group is an operator's."""
    if not reference.api_version:
        return reference.kind in KINDS
    return kind_of(reference.api_version, reference.kind or "") is not None


def reference_id(reference: OwnerReference, namespace: str) -> str:
    """The node id of an owner."""
    return f"{reference.kind}:{namespace}/{reference.name}" if namespace else f"{reference.kind}:{reference.name}"


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that a fix of a pod's spec is aimed at."""

    obj: KubernetesObject
    """The top workload, or the pod itself where no patch is possible."""
    stopped: Management | None = None
    """Why there is no patch, whatever the fix is."""


def _chain(view: Inventory, obj: KubernetesObject) -> Iterator[tuple[OwnerReference, KubernetesObject | None]]:
    """The controllers from an object up, each with its object if that is the one that is meant."""
    current = obj
    for _ in range(16):
        reference = controller_of(current)
        if reference is None:
            return
        above = view.by_id(reference_id(reference, current.namespace)) if is_built_in(reference) else None
        if above is not None and reference.uid and above.metadata.uid and above.metadata.uid != reference.uid:
            above = None
        yield reference, above
        if above is None:
            return
        current = above


def owner(view: Inventory, pod: PodInstance) -> Owner:
    """Follow the controllers up to the top; never guess from names."""
    obj = pod.obj
    if pod.mirror:
        node = pod.node.partition(":")[2]
        return Owner(
            obj,
            stopped(
                Route.STATIC,
                f"kubelet of {node}",
                Status.ADVISORY,
                f"static: edit its file in the manifest directory of node {node} (usually /etc/kubernetes/manifests)",
            ),
        )
    top = obj
    for reference, above in _chain(view, obj):
        name = reference_id(reference, obj.namespace)
        if not is_built_in(reference) or (above is not None and not isinstance(above, (Pod, *WORKLOADS))):
            return Owner(obj, stopped(Route.OPERATOR, name, Status.ADVISORY, f"operator: change {name} instead"))
        if above is None:
            gone = view.by_id(name) is None
            problem = "could not be read" if gone else "is not the object that owns it (another uid)"
            return Owner(obj, stopped(Route.DIRECT, "", Status.BLOCKED, f"owner-unknown: {name} {problem}"))
        top = above
    return Owner(top)
