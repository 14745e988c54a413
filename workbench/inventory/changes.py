"""Changes: edit operations on objects, and the overlay that they lead to.

A change to a workload's template also changes every live pod that the workload owns, or a what-if would do
nothing on a live cluster. Running pods of a Job or a CronJob stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from workbench.errors import Conflict, FixError
from workbench.inventory import fields
from workbench.inventory.decode import DecodeError, from_data, plain, pod_spec_prefix
from workbench.inventory.fields import Path
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import (
    DaemonSet,
    Deployment,
    KubernetesObject,
    Pod,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    kind_of,
)
from workbench.inventory.pods import is_live

TOKEN_VOLUME = "kube-api-access-"
"""How the API server's admission names the token volume that it adds to a pod."""


@dataclass(frozen=True, slots=True)
class Op:
    """One edit of one field."""

    op: Literal["set", "remove"]
    path: str
    """A JSON pointer whose list steps may be selectors: ``/spec/containers[name=web]/image``."""
    value: Any = None
    """The new value as plain data (``set``)."""
    old: Any = None
    """What the field held when the change was made; ``None`` where it was absent."""

    @property
    def steps(self) -> Path:
        return _steps(self.path)


@lru_cache(maxsize=4096)
def _steps(path: str) -> Path:
    """The steps of a pointer; one change is made to many pods."""
    return fields.parse(path)


@dataclass(frozen=True, slots=True)
class Target:
    """The object that a change is aimed at."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str | None = None
    resource_version: str | None = None

    @property
    def id(self) -> str:
        """The node id of the object."""
        return f"{self.kind}:{self.namespace}/{self.name}" if self.namespace else f"{self.kind}:{self.name}"

    @classmethod
    def of(cls, obj: KubernetesObject) -> Target:
        """The target that is this object."""
        meta = obj.metadata
        return cls(obj.api_version, obj.kind, obj.namespace, obj.name, meta.uid, meta.resource_version)


@dataclass(frozen=True, slots=True)
class Change:
    """Edits of one object, in the order in which they apply."""

    target: Target
    ops: tuple[Op, ...]
    creates: bool = False
    """Whether the object is not there yet: the edits make all of it but its kind, its name and its namespace."""


def skeleton(target: Target) -> dict[str, Any]:
    """The object of a target as plain data before any edit: what tells it from others."""
    metadata = {"name": target.name, **({"namespace": target.namespace} if target.namespace else {})}
    return {"apiVersion": target.api_version, "kind": target.kind, "metadata": metadata}


def merged(changes: Iterable[Change]) -> list[Change]:
    """One change for each target, in order of first appearance.

    Raises:
        Conflict: Two changes set one field of one object to different values.
    """
    out: dict[str, tuple[Change, list[Op]]] = {}
    for change in changes:
        _, ops = out.setdefault(change.target.id, (change, []))
        known = list(ops)
        for op in change.ops:
            other = next((other for other in known if contradicts(other, op)), None)
            if other is not None:
                raise Conflict(f"{change.target.id}: two fixes change {fields.dotted(op.steps)} differently")
            if not any((same.op, same.path) == (op.op, op.path) for same in known):
                ops.append(op)
    return [Change(first.target, tuple(ops), first.creates) for first, ops in out.values()]


def contradicts(one: Op, other: Op) -> bool:
    """Whether two edits of one object cannot both be made: one field set differently, or one within what goes."""
    steps, others = one.steps, other.steps
    if steps == others:
        return (one.op, one.value) != (other.op, other.value)
    shorter, longer = sorted((steps, others), key=len)
    # A field within a list or a mapping that is replaced or removed as a whole.
    return len(steps) != len(others) and longer[: len(shorter)] == shorter


def edited(data: Mapping[str, Any], ops: Sequence[Op], *, lenient: bool = False) -> dict[str, Any]:
    """Plain data after the ops; the argument is left as it is.

    Args:
        data: An object as plain data (wire names).
        ops: The edits, in order.
        lenient: Pass over an op whose list item is not there, instead of raising.

    Raises:
        FixError: A list item that an op names is not there.
    """
    return _edited(copy.deepcopy(dict(data)), ops, lenient=lenient)


def _edited(data: dict[str, Any], ops: Sequence[Op], *, lenient: bool = False) -> dict[str, Any]:
    """The same in place, for data that nobody else holds."""
    for op in ops:
        try:
            _edit(data, op)
        except FixError:
            if not lenient:
                raise
    return data


def _edit(data: dict[str, Any], op: Op) -> None:
    steps = op.steps
    if not steps:
        raise FixError("an edit of nothing")
    holder: Any = data
    for step in steps[:-1]:
        if isinstance(step, str):
            if not isinstance(holder, dict):
                raise FixError(f"no field {fields.dotted(steps)}")
            if holder.get(step) is None:
                if op.op == "remove":
                    return
                holder[step] = {}
            holder = holder[step]
        else:
            at = fields.index_of(holder, step) if isinstance(holder, list) else None
            if at is None:
                raise FixError(f"no item {fields.dotted(steps)}")
            holder = holder[at]
    last = steps[-1]
    if isinstance(last, str):
        if not isinstance(holder, dict):
            raise FixError(f"no field {fields.dotted(steps)}")
        if op.op == "remove":
            holder.pop(last, None)
        else:
            holder[last] = copy.deepcopy(op.value)
        return
    at = fields.index_of(holder, last) if isinstance(holder, list) else None
    if at is None:
        raise FixError(f"no item {fields.dotted(steps)}")
    if op.op == "remove":
        while at is not None:
            del holder[at]
            # A selector means every item that it fits: a binding may name a subject twice.
            at = None if isinstance(last, int) else fields.index_of(holder, last)
    else:
        holder[at] = copy.deepcopy(op.value)


def holds(data: Mapping[str, Any], op: Op) -> bool:
    """Whether the field still holds what the change found there."""
    _, value = fields.find(dict(data), op.steps)
    return bool(value == op.old)


def replaced(view: Inventory, changes: Iterable[Change]) -> dict[str, KubernetesObject | None]:
    """The objects that changes lead to, by id: the targets and the live pods that they own.

    Raises:
        FixError: A target is not in the inventory, or is and should be created; or an edit does not fit it.
        Conflict: Two changes contradict each other.
    """
    out: dict[str, KubernetesObject | None] = {}
    for change in merged(changes):
        target = view.by_id(change.target.id)
        if change.creates:
            if target is not None:
                raise FixError(f"{change.target.id} is in {view.source} already")
            out[change.target.id] = created(change)
            continue
        if target is None:
            raise FixError(f"{change.target.id} is not in {view.source}")
        data = _edited(plain(target), change.ops)
        if isinstance(target, Pod) and is_live(target):
            # Created anew without the flag it would not get the token again.
            _without_token(data, change.ops)
        out[target.id] = _rebuilt(target, data)
        out.update((pod.id, after) for pod, after in pods_after(view, target, change.ops))
    return out


def created(change: Change) -> KubernetesObject:
    """The object that a change creates.

    Raises:
        FixError: It is of a kind that is not analysed, or not as the API wants it.
    """
    kind = kind_of(change.target.api_version, change.target.kind)
    if kind is None:
        raise FixError(f"{change.target.id}: objects of {change.target.api_version} are not created")
    try:
        return from_data(kind, _edited(skeleton(change.target), change.ops), change.target.namespace)
    except DecodeError as error:
        raise FixError(f"{change.target.id}: {error.field}: {error.problem}") from error


def pods_after(
    view: Inventory, target: KubernetesObject, ops: Sequence[Op]
) -> Iterator[tuple[KubernetesObject, KubernetesObject]]:
    """The live pods that edits of a workload's template change, each with what becomes of it."""
    template_ops = _pod_ops(target.kind, ops) if isinstance(target, _FOLLOWED) else ()
    if template_ops:
        for pod in view.index(PODS_BY_OWNER)[target.id]:
            if pod.live and isinstance(pod.obj, Pod):
                yield pod.obj, _rebuilt(pod.obj, _edited_pod(plain(pod.obj), template_ops))


_FOLLOWED = (Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController)
"""The workloads whose live pods a change of the template replaces."""


def overlay(view: Inventory, changes: Iterable[Change]) -> Inventory:
    """The view with the changes laid over it; raises as :func:`replaced` does."""
    return view.overlay(replaced(view, changes))


def _rebuilt(obj: KubernetesObject, data: dict[str, Any]) -> KubernetesObject:
    data.pop("kind", None)
    try:
        return from_data(type(obj), data, obj.namespace)
    except DecodeError as error:
        raise FixError(f"{obj.id}: {error.field}: {error.problem}") from error


def _pod_ops(kind: str, ops: Sequence[Op]) -> list[Op]:
    spec = fields.parse(pod_spec_prefix(kind))
    template = spec[:-1]
    out: list[Op] = []
    for op in ops:
        steps = op.steps
        if steps[: len(spec)] == spec:
            out.append(Op(op.op, fields.pointer(("spec", *steps[len(spec) :])), op.value, op.old))
        elif steps[: len(template) + 1] == (*template, "metadata") and steps[-1] != "metadata":
            out.append(Op(op.op, fields.pointer(steps[len(template) :]), op.value, op.old))
    return out


def _edited_pod(data: dict[str, Any], ops: Sequence[Op]) -> dict[str, Any]:
    _without_token(_edited(data, ops, lenient=True), ops)
    return data


def _without_token(data: dict[str, Any], ops: Sequence[Op]) -> None:
    if any(op.path == "/spec/automountServiceAccountToken" and op.value is False for op in ops):
        _take_token(data["spec"])


def _take_token(spec: dict[str, Any]) -> None:
    """What admission would no longer add: the token volume and its mounts."""
    volumes = spec.get("volumes") or []
    names = {volume.get("name") for volume in volumes if str(volume.get("name")).startswith(TOKEN_VOLUME)}
    if not names:
        return
    spec["volumes"] = [volume for volume in volumes if volume.get("name") not in names]
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            mounts = container.get("volumeMounts")
            if mounts:
                container["volumeMounts"] = [mount for mount in mounts if mount.get("name") not in names]
