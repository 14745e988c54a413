"""Which buckets an overlay's changes touch, from what the techniques read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from workbench.graph import nodes
from workbench.inventory.differences import changed_fields
from workbench.inventory.inventory import PODS_BY_NAMESPACE, PODS_BY_NODE, Inventory
from workbench.inventory.objects import WORKLOADS, KubernetesObject
from workbench.inventory.pods import PodInstance
from workbench.rbac.subjects import AUTHENTICATED, SERVICE_ACCOUNTS
from workbench.techniques import access
from workbench.techniques.api import SubjectType, Technique
from workbench.techniques.resolve import permissions
from workbench.techniques.resolve.nodes import api_server_flags

ALL = None
"""Every subject of a technique: what :func:`touched` answers where it cannot narrow."""

_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
_RBAC = _BINDINGS | {"Role", "ClusterRole"}
_PODS = frozenset({"Pod", *(kind.__name__ for kind in WORKLOADS)})


def key_of(subject: Any) -> str:
    """The key of a subject's bucket."""
    return subject if isinstance(subject, str) else str(subject.id)


def subject_of(technique: Technique, view: Inventory, key: str) -> Any:
    """The subject of a bucket's key in a view, ``None`` if it is not there any more."""
    match technique.declaration.subject_type:
        case SubjectType.CONTAINER:
            return view.containers.get(key)
        case SubjectType.POD:
            return view.pods.get(key)
        case SubjectType.OBJECT:
            return view.by_id(key)
        case SubjectType.GRANT:
            return access.grant(view, key)
        case SubjectType.NODE:
            # One that was not read is there for as long as a pod runs on it.
            return key if view.by_id(key) is not None or key in view.index(PODS_BY_NODE) else None
        case _:
            return key


def touched(technique: Technique, view: Inventory) -> set[str] | None:
    """The subjects of a technique that an overlay's changes touch; it errs wide, never narrow.

    Returns:
        The keys of their buckets, or ``ALL``.
    """
    base = view.base
    assert base is not None, "only an overlay has changes"
    own = technique.touched(view)
    if own is not ...:
        return own
    declaration = technique.declaration
    if api_server_flags(base) != api_server_flags(view):
        return ALL
    by_grant = declaration.subject_type is SubjectType.GRANT
    single = declaration.subject_type is SubjectType.SINGLETON
    keys = set(access.changed_grants(view)) if by_grant else set()
    for kind, pairs in view.replaced.items():
        if kind in ("pods", "containers"):
            if "Pod" not in declaration.reads:
                continue
        elif kind in _PODS:
            if declaration.subject_type is SubjectType.OBJECT and kind in declaration.subject_kinds:
                keys.update(obj.id for pair in pairs for obj in pair if obj is not None)
            if kind == "Pod" or kind not in declaration.reads:
                continue
        elif kind not in declaration.reads:
            continue
        if single and kind in ("pods", "containers") and access.pods_stay(view):
            continue
        if single and kind in _RBAC and not technique.touched_by_permissions(view):
            continue
        if kind in ("pods", "containers"):
            if declaration.pod_fields is not None:
                changed = changed_fields(view)
                if changed is not None and changed.isdisjoint(declaration.pod_fields):
                    continue
            of_objects = declaration.subject_type is SubjectType.OBJECT
            found = technique.touched_by_pods(view) if of_objects else _touched_by_pods(technique, view, kind)
            if found is ALL:
                return ALL
            keys |= found
            continue
        if kind in technique.apart:
            found = technique.touched_apart(view)
            if found is ALL:
                return ALL
            keys |= found
            continue
        for old, new in pairs:
            if (by_grant or single) and kind in _PODS and old is not None and new is not None:
                # Of a workload only the name matters here: what its pods are is in the table of pods.
                continue
            for item in (old, new):
                if item is None:
                    continue
                # Pods and permission sets that are there no more are among the changes themselves.
                found = _touched_by(technique, view, kind, item)
                if found is ALL:
                    return ALL
                keys |= found
    if (
        declaration.subject_type is SubjectType.SCOPE
        and view.replaced.keys() <= _RBAC
        and permissions.named_stay(view)
        and all(old is not None and new is not None for pairs in view.replaced.values() for old, new in pairs)
    ):
        # The namespaces that have bindings are the same.
        keys.discard(nodes.ANYWHERE)
    return keys


def _touched_by_pods(technique: Technique, view: Inventory, kind: str) -> set[str] | None:
    """The same for all changes of pods, or of containers; it is so for all techniques whose subjects are of a type."""

    def compute(over: Inventory) -> set[str] | None:
        keys: set[str] = set()
        for old, new in over.replaced[kind]:
            for item in (old, new):
                if item is not None:
                    found = _touched_by(technique, over, kind, item)
                    if found is ALL:
                        return ALL
                    keys |= found
        if technique.declaration.subject_type is SubjectType.SCOPE and access.pods_stay(over):
            # The namespaces that have pods are the same.
            keys.discard(nodes.ANYWHERE)
        return keys

    name = f"{technique.declaration.subject_type} touched by {kind}"
    return view.derived(name, frozenset({"Pod"}), compute)


def _touched_by(technique: Technique, view: Inventory, kind: str, item: Any) -> set[str] | None:
    match technique.declaration.subject_type:
        case SubjectType.CONTAINER | SubjectType.POD:
            pods = _pods_touched(view, kind, item)
            if pods is ALL:
                return ALL
            if technique.declaration.subject_type is SubjectType.POD:
                return {pod.id for pod in pods}
            return {container.id for pod in pods for container in pod.containers} | (
                {item.id} if kind == "containers" else set()
            )
        case SubjectType.NODE:
            if kind == "Node":
                return {item.id}
            pods = _pods_touched(view, kind, item)
            return ALL if pods is ALL else {pod.node for pod in pods}
        case SubjectType.IMAGE:
            if kind == "containers":
                return {item.image}
            # Init containers that do not run have images too, and are in no table.
            return _images_of(item) if kind == "pods" else ALL
        case SubjectType.SCOPE:
            return _scopes_touched(kind, item)
        case SubjectType.IDENTITY:
            return _identities_touched(kind, item)
        case SubjectType.GRANT:
            return _grants_touched(view, kind, item)
        case SubjectType.OBJECT:
            if kind in technique.declaration.subject_kinds and isinstance(item, KubernetesObject):
                return {item.id} if len(technique.declaration.reads) == 1 else ALL
            return ALL
        case _:
            return ALL


def _scopes_touched(kind: str, item: Any) -> set[str] | None:
    if kind == "containers":
        return set()
    if kind in _BINDINGS:
        # The accounts that a binding names lie in namespaces of their own.
        named = {nodes.namespace(identity) for identity in access.subjects_of(item)}
        return {item.namespace, nodes.ANYWHERE, *named} - {""}
    namespace = item.namespace if kind == "pods" else item.metadata.namespace
    return {namespace, nodes.ANYWHERE} if namespace else ALL


def _identities_touched(kind: str, item: Any) -> set[str] | None:
    match kind:
        case "containers":
            return set()
        case "pods":
            return {item.account, f"User:system:node:{item.node.removeprefix('Node:')}"}
        case "ServiceAccount":
            return {item.id}
        case "RoleBinding" | "ClusterRoleBinding":
            return set(access.subjects_of(item))
        case _:
            return ALL


def _grants_touched(view: Inventory, kind: str, item: Any) -> set[str] | None:
    """The permission sets whose edges an object may change, by the rules of ``SubjectType.GRANT``."""
    # Which permission sets themselves differ is known already; of the others those that go by names.
    if kind in ("pods", "containers"):
        pod = item if kind == "pods" else item.pod
        return {grant.id for grant in access.grants_limited_in(view, pod.namespace)}
    if kind in _RBAC:
        base = view.base
        assert base is not None, "only an overlay has changes"
        return {grant.id for grant in access.grants_naming(base, access.changed_names(view))}
    namespace = item.name if kind == "Namespace" else item.metadata.namespace
    if not namespace:
        return ALL
    return {grant.id for place in ("", namespace) for grant in access.grants_in(view, place)}


def _images_of(pod: PodInstance) -> set[str]:
    spec = pod.spec
    groups = (spec.containers, spec.init_containers, spec.ephemeral_containers)
    return {f"Image:{container.image or ''}" for group in groups for container in group or ()}


def _pods_touched(view: Inventory, kind: str, item: Any) -> Sequence[PodInstance] | None:
    match kind:
        case "pods":
            # A technique between two containers has their node or namespace as its subject, not one of them.
            return [item]
        case "containers":
            return [item.pod]
        case "Node":
            return view.index(PODS_BY_NODE)[item.id]
        case "ServiceAccount" | "Secret" | "ConfigMap" | "PersistentVolumeClaim":
            # Of an account not only its own pods: others of the namespace may mount a token of it.
            return view.index(PODS_BY_NAMESPACE)[item.namespace]
        case "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding":
            return _pods_with_rights(view, access.changed_subjects(view))
        case _:
            return ALL


def _pods_with_rights(view: Inventory, identities: Collection[str]) -> list[PodInstance] | None:
    """The pods that may hold a token of some identities, or of members of theirs; users have none."""
    namespaces: set[str] = set()
    for identity in identities:
        if identity in (SERVICE_ACCOUNTS, AUTHENTICATED):
            return ALL
        if identity.startswith(f"{SERVICE_ACCOUNTS}:"):
            namespaces.add(identity.removeprefix(f"{SERVICE_ACCOUNTS}:"))
        elif identity.startswith("ServiceAccount:"):
            namespaces.add(nodes.namespace(identity))
    return [pod for namespace in sorted(namespaces) for pod in view.index(PODS_BY_NAMESPACE)[namespace]]
