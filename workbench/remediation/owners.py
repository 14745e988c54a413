"""Who owns an object, who manages it, and therefore where a change must be made (``remediation.md`` 1.5)."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.inventory.decode import LAST_APPLIED
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KINDS, WORKLOADS, KubernetesObject, Pod
from workbench.inventory.pods import PodInstance
from workbench.remediation.records import Route, Status

_BUILT_IN = frozenset(KINDS)


@dataclass(frozen=True, slots=True)
class Management:
    """Who manages an object, and what follows for a fix of it."""

    route: Route = Route.DIRECT
    managers: tuple[str, ...] = ()
    status: Status = Status.READY
    reason: str = ""
    notes: tuple[str, ...] = ()


def management(view: Inventory, obj: KubernetesObject) -> Management:
    """The managers found on an object; the first strong one sets the route, all are named."""
    if view.is_builtin(obj.id):
        return Management(
            Route.OUTSIDE, ("Kubernetes",), Status.BLOCKED, "managed: known to be built into Kubernetes, not read from the source"
        )
    labels = obj.metadata.labels or {}
    annotations = obj.metadata.annotations or {}
    routes: list[Route] = []
    managers: list[str] = []
    notes: list[str] = []
    status, reason = Status.READY, ""
    tracking = annotations.get("argocd.argoproj.io/tracking-id") or ""
    if tracking and tracking.rpartition(":")[2] == f"{obj.namespace}/{obj.name}":
        managers.append(f"Argo CD ({tracking.partition(':')[0]})")
        routes.append(Route.GIT)
        notes.append("Argo CD may revert a live patch: change the source repository too")
    for key in ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"):
        if key in labels:
            managers.append(f"Flux ({labels[key]})")
            routes.append(Route.GIT)
            notes.append("Flux reverts a live patch: change the source repository")
    release = annotations.get("meta.helm.sh/release-name")
    if labels.get("app.kubernetes.io/managed-by") == "Helm" and release:
        managers.append(f"Helm ({release})")
        routes.append(Route.HELM)
        notes.append("the next upgrade undoes the change if the chart sets the field: set the chart's value too")
    mode = labels.get("addonmanager.kubernetes.io/mode")
    if mode:
        managers.append("addon-manager")
        routes.append(Route.ADDON)
        if mode == "Reconcile":
            status, reason = Status.BLOCKED, "managed: the add-on manager restores the object"
    if "olm.owner" in labels:
        managers.append(f"OLM ({labels['olm.owner']})")
        routes.append(Route.OPERATOR)
        status, reason = Status.ADVISORY, f"operator: change {labels['olm.owner']} instead"
    if (
        labels.get("kubernetes.io/bootstrapping") == "rbac-defaults"
        and annotations.get("rbac.authorization.kubernetes.io/autoupdate") == "true"
    ):
        managers.append("Kubernetes")
        routes.append(Route.OUTSIDE)
        status, reason = Status.BLOCKED, "managed: the API server restores it at start; change the bindings of other roles"
    if LAST_APPLIED in annotations:
        managers.append("kubectl apply")
        notes.append("the next kubectl apply of the old file restores the field: change the file too")
    for entry in obj.metadata.managed_fields or ():
        if entry.operation == "Apply" and entry.manager and entry.manager not in managers:
            managers.append(entry.manager)
            notes.append(f"{entry.manager} applies this object server-side: a conflict is expected")
    return Management(routes[0] if routes else Route.DIRECT, tuple(managers), status, reason, tuple(notes))


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that a fix of a pod's spec is aimed at."""

    obj: KubernetesObject
    """The top workload, or the pod itself where no patch is possible."""
    management: Management


def owner(view: Inventory, pod: PodInstance) -> Owner:
    """Follow the controllers up to the top; never guess from names."""
    obj = pod.obj
    if pod.mirror:
        node = pod.node.partition(":")[2]
        return Owner(
            obj,
            Management(
                Route.STATIC,
                (f"kubelet of {node}",),
                Status.ADVISORY,
                f"static: edit its file in the manifest directory of node {node} (usually /etc/kubernetes/manifests)",
            ),
        )
    top = view.by_id(pod.owner)
    if top is None:
        kind = pod.owner.partition(":")[0]
        if kind not in _BUILT_IN:
            return Owner(
                obj, Management(Route.OPERATOR, (pod.owner,), Status.ADVISORY, f"operator: change {pod.owner} instead")
            )
        return Owner(
            obj,
            Management(Route.DIRECT, (), Status.BLOCKED, f"owner-unknown: {pod.owner} could not be read"),
        )
    if not pod.owner_known:
        return Owner(
            obj, Management(Route.DIRECT, (), Status.BLOCKED, f"owner-unknown: {pod.owner} is not the object that owns it")
        )
    if not isinstance(top, (Pod, *WORKLOADS)):
        return Owner(obj, Management(Route.OPERATOR, (pod.owner,), Status.ADVISORY, f"operator: change {pod.owner}"))
    return Owner(top, management(view, top))
