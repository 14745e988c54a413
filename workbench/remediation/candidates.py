"""What a fix of a pod's spec may be aimed at: top workloads, bare pods, and pods whose owner is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.inventory import fields
from workbench.inventory.changes import Op, Target
from workbench.inventory.decode import plain, pod_spec_prefix
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import WORKLOADS, Container, Job, KubernetesObject, Pod, PodSpec, VolumeMount
from workbench.inventory.pods import PodInstance, template_of
from workbench.remediation.owners import Management, controller_of, management, owner
from workbench.remediation.records import Effect, Fix, Need, Risk, Status

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A workload or a pod, with the pods that show what it does."""

    view: Inventory
    obj: KubernetesObject
    spec: PodSpec
    pods: Sequence[PodInstance]
    stopped: Management | None = None
    """Why there is no patch, whatever the fix is."""
    prefix: fields.Path = field(default=())

    @property
    def containers(self) -> Iterator[tuple[str, Container]]:
        """Each container of the template with the name of the list that it stands in."""
        for key, group in (("containers", self.spec.containers), ("initContainers", self.spec.init_containers)):
            for container in group or ():
                yield key, container

    def mounts(self, volume: str) -> Iterator[tuple[str, Container, VolumeMount]]:
        """Every mount of a volume."""
        for key, container in self.containers:
            for mount in container.volume_mounts or ():
                if mount.name == volume:
                    yield key, container, mount

    @property
    def platform(self) -> bool:
        """Whether it belongs to the cluster rather than to an application."""
        return self.obj.namespace in SYSTEM_NAMESPACES or self.obj.kind == "DaemonSet"

    @property
    def windows(self) -> bool:
        """Whether the fields of Linux mean nothing to it."""
        return self.spec.os is not None and self.spec.os.name == "windows"

    @property
    def devices(self) -> bool:
        """Whether it uses devices of the node."""
        paths = [volume.host_path.path or "" for volume in self.spec.volumes or () if volume.host_path]
        return any(path == "/dev" or path.startswith("/dev/") for path in paths) or any(
            container.volume_devices for _, container in self.containers
        )

    def path(self, *steps: fields.Step) -> str:
        """A pointer to a field of the pod spec."""
        return fields.pointer((*self.prefix, *steps))

    def container_path(self, key: str, container: Container, *steps: fields.Step) -> str:
        """A pointer to a field of a container."""
        return self.path(key, (("name", container.name or ""),), *steps)

    def removal(self, *paths: str) -> list[Op]:
        """The ops that take fields or list items away."""
        data = plain(self.obj)
        return [Op("remove", path, None, fields.find(data, fields.parse(path))[1]) for path in paths]

    def fix(
        self,
        fix: str,
        what: str,
        ops: Sequence[Op],
        risk: Risk,
        *,
        status: Status = Status.READY,
        reason: str = "",
        needs: Sequence[Need] = (),
        notes: Sequence[str] = (),
    ) -> Fix:
        """The record for edits of the pod spec; who owns and manages the object may stop what is ready."""
        found = self.stopped or management(self.view, self.obj, ops)
        if status is not Status.READY:
            found.stop(status, reason)
        effect, more = Effect.ROLLOUT, list(found.notes)
        if isinstance(self.obj, (Pod, Job)):
            effect = Effect.RECREATE
            if not self.is_written:
                found.stop(Status.ADVISORY, f"recreate: {_commands(self.obj)}")
        elif self.obj.kind == "CronJob":
            effect = Effect.NONE
            more.append("counts from the next run; what runs now stays as it is")
        return Fix(
            fix=fix,
            title=f"{what} on {called(self.obj)}",
            target=Target.of(self.obj),
            ops=tuple(ops),
            risk=risk,
            effect=effect,
            status=found.status,
            reason=found.reason,
            route=found.route,
            managed_by=tuple(dict.fromkeys(found.managers)),
            observed_on=tuple(sorted({pod.id for pod in self.pods})) or (self.obj.id,),
            needs=tuple(needs),
            notes=(*notes, *dict.fromkeys(more)),
        )

    @property
    def is_written(self) -> bool:
        """Whether the object stands in the user's own manifest, whole, and can be created from it."""
        if self.obj.metadata.uid is not None or self.obj.metadata.generate_name:
            return False
        origin = self.view.origin(self.obj.id)
        return origin is not None and origin.text() is not None


def _commands(obj: KubernetesObject) -> str:
    kind = obj.kind.lower()
    return (
        f"its fields cannot change: kubectl get {kind} {obj.name} -n {obj.namespace} -o yaml, edit, "
        f"kubectl delete {kind} {obj.name} -n {obj.namespace}, kubectl create -f"
    )


def called(obj: KubernetesObject) -> str:
    """An object as sentences name it."""
    return f"{obj.kind} {obj.namespace}/{obj.name}" if obj.namespace else f"{obj.kind} {obj.name}"


def candidates(view: Inventory) -> Iterator[Candidate]:
    """Everything that has a pod spec and is not made from another object that is there too."""
    seen: set[str] = set()
    unknown: set[tuple[str, str]] = set()
    by_owner = view.index(PODS_BY_OWNER)
    for top in list(by_owner.keys()):
        for pods in _alike(by_owner[top]):
            found = owner(view, pods[0])
            if found.stopped is not None:
                unknown.add((pods[0].namespace, top.partition(":")[0]))
            if found.obj.id not in seen:
                seen.add(found.obj.id)
                yield from _candidate(view, found.obj, pods, found.stopped)
    for kind in WORKLOADS:
        for workload in view.all(kind):
            made = (workload.namespace, _MADE.get(workload.kind, ""))
            if workload.id in seen or controller_of(workload) is not None:
                continue
            # Its pods may be those whose owner could not be read: they are blocked, and so is this.
            if not (view.is_live(workload) and made in unknown):
                yield from _candidate(view, workload, (), None)


_MADE = {"Deployment": "ReplicaSet", "CronJob": "Job"}
"""What makes the pods of a workload that makes none itself."""


def _alike(pods: Sequence[PodInstance]) -> list[Sequence[PodInstance]]:
    """The pods of one top owner by the controller that made them: an operator may run several workloads."""
    if len(pods) == 1:
        return [pods]
    groups: dict[str, list[PodInstance]] = {}
    known = pods[0].owner_known
    for pod in pods:
        made_by = controller_of(pod.obj)
        groups.setdefault("" if known or made_by is None else f"{made_by.kind}/{made_by.name}", []).append(pod)
    return list(groups.values())


def _candidate(
    view: Inventory, obj: KubernetesObject, pods: Sequence[PodInstance], stopped: Management | None
) -> Iterator[Candidate]:
    spec: Any = obj.spec if isinstance(obj, Pod) else None
    if spec is None:
        template = template_of(obj)
        spec = template.spec if template else None
    if isinstance(spec, PodSpec):
        yield Candidate(view, obj, spec, pods, stopped, fields.parse(pod_spec_prefix(obj.kind)))
