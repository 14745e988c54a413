"""The lines of a snapshot: an object whole, or by what tells it from one that stands before it.

A large cluster says most things many times: a Deployment's pod template in each of its ReplicaSets and in their pods,
the fields that a tool manages, a pod in its replicas. A pod spec or a set of fields that several objects have stands
once, as a *part* in a section of its own, and the objects name its number; a pod adds to it what admission added, and
a replica names the pod that it is like and what is its own. A pod that is shortened is put together again while it is
written, and stays whole where that would give anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import msgspec

from workbench.inventory.decode import DecodeError
from workbench.inventory.objects import (
    Container,
    ContainerState,
    ContainerStatus,
    KubernetesObject,
    ManagedField,
    Pod,
    PodSpec,
    PodStatus,
    RunningState,
    VolumeMount,
)
from workbench.inventory.pods import is_live, template_of

MANAGED_FIELDS, POD_SPECS = "managedFields", "podSpecs"
PARTS: dict[str, type[msgspec.Struct]] = {MANAGED_FIELDS: ManagedField, POD_SPECS: PodSpec}
"""The sections of parts; the name of a kind begins with a capital letter."""

STATED = tuple(
    field for field in PodSpec.__struct_fields__ if field not in ("containers", "init_containers", "volumes")
)
"""The fields of a pod spec that admission and the scheduler set."""

MOST = 1 << 23
"""How many containers, statuses, mounts and volumes are put together at most: twice those of the largest clusters, of
150,000 pods (Kubernetes documentation, "Considerations for large clusters")."""


class TooMuch(Exception):
    """A few lines stand for so much that it could not be kept."""


class Place(msgspec.Struct, array_like=True, gc=False):
    """Where an object was read."""

    file: int | None
    """The index of the file in the header."""
    document: int | None
    line: int | None


class PodLine(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, gc=False):
    """A pod: whole, by its difference to the template that it was made of, or by its difference to a replica."""

    object: Pod | None = None
    pod_spec: int | None = None
    """The part with the spec of its template. What the spec of ``object`` states comes in its place, and the volumes
    after those of the template."""
    mount: VolumeMount | None = None
    """What is mounted in each container and init container after all that the template mounts."""
    like: int | None = None
    """The line, counted in the section from zero, of the pod that this one is a replica of. All that is not stated
    below is as there."""
    name: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    node_name: str | None = None
    affinity: dict[str, Any] | None = None
    volume: tuple[str, str] | None = None
    """What the volume with the token is called there, and here."""
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    host_ip: str | None = msgspec.field(default=None, name="hostIP")
    image_ids: list[str | None] | None = msgspec.field(default=None, name="imageIDs")
    """Of the containers and then the init containers, as their statuses stand."""
    started_at: list[str | None] | None = None
    """Since when each of them runs, in the same order."""
    at: Place | None = None


@cache
def line_type(kind: type[KubernetesObject]) -> type[msgspec.Struct]:
    """The line of an object of a kind, but for Pods: the object, without what is a part, and the numbers of these."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("object", kind),
        ("pod_spec", int | None, None),
        ("managed_fields", list[int] | None, None),
        ("at", Place | None, None),
    ]
    return msgspec.defstruct(f"{kind.__name__}Line", fields, rename="camel", omit_defaults=True, gc=False)


@cache
def line_decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    """What decodes the lines of a section of objects or of parts."""
    if kind is Pod:
        return msgspec.json.Decoder(PodLine)
    return msgspec.json.Decoder(line_type(kind) if issubclass(kind, KubernetesObject) else kind)


def replica(line: PodLine, first: Pod) -> Pod:
    """A pod by its difference to another one.

    Raises:
        DecodeError: It has no name or no node, that one is no live pod, or has no such volume with a token.
    """
    if not line.name:
        raise DecodeError("an object without a name")
    if first.spec is None or first.status is None or not is_live(first) or not line.node_name:
        raise DecodeError("a replica that has no node, or one of a pod that does not run")
    meta, spec, status = first.metadata.__copy__(), first.spec.__copy__(), first.status.__copy__()
    meta.name, meta.uid, meta.resource_version = line.name, line.uid, line.resource_version
    spec.node_name = line.node_name
    if line.affinity is not None:
        spec.affinity = line.affinity
    if line.volume is not None:
        _rename(spec, *line.volume)
    status.pod_ip, status.host_ip = line.pod_ip, line.host_ip
    if line.image_ids is not None or line.started_at is not None:
        ids = None if line.image_ids is None else iter(line.image_ids)
        since = None if line.started_at is None else iter(line.started_at)
        status.container_statuses = _with_own(status.container_statuses, ids, since)
        status.init_container_statuses = _with_own(status.init_container_statuses, ids, since)
    return Pod(api_version=first.api_version, metadata=meta, spec=spec, status=status)


def made_of(line: PodLine, own: PodSpec, template: PodSpec) -> PodSpec:
    """The spec of a pod by its difference to the template that it was made of."""
    spec = template.__copy__()
    for field in STATED:
        value = getattr(own, field)
        if value is not None:
            setattr(spec, field, value)
    if own.volumes:
        spec.volumes = [*(spec.volumes or ()), *own.volumes]
    if line.mount is not None:
        spec.containers = _also_mounting(spec.containers, line.mount)
        spec.init_containers = _also_mounting(spec.init_containers, line.mount)
    return spec


def _also_mounting(containers: list[Container] | None, mount: VolumeMount) -> list[Container] | None:
    if not containers:
        return containers
    made = [container.__copy__() for container in containers]
    for container in made:
        container.volume_mounts = [*(container.volume_mounts or ()), mount]
    return made


def _with_own(
    statuses: list[ContainerStatus] | None, ids: Iterator[str | None] | None, since: Iterator[str | None] | None
) -> list[ContainerStatus] | None:
    if not statuses:
        return statuses
    made = [status.__copy__() for status in statuses]
    for status in made:
        if ids is not None:
            status.image_id = next(ids, None)
        start = next(since, None) if since is not None else None
        if start is not None and status.state is not None and status.state.running is not None:
            status.state = ContainerState(running=RunningState(started_at=start))
    return made


def _rename(spec: PodSpec, old: str, new: str) -> None:
    """Call the volume with the token, and where it is mounted, by another name; what is not concerned stays shared."""
    volumes = list(spec.volumes or ())
    renamed = 0
    for at, volume in enumerate(volumes):
        if volume.name == old and volume.projected is not None:
            volumes[at] = own = volume.__copy__()
            own.name = new
            renamed += 1
        elif volume.name in (old, new):
            renamed += 2
    if renamed != 1:
        raise DecodeError("a replica calls a volume otherwise that is not the one with the token")
    spec.volumes = volumes
    spec.containers = _remounted(spec.containers, old, new)
    spec.init_containers = _remounted(spec.init_containers, old, new)


def _remounted(containers: list[Container] | None, old: str, new: str) -> list[Container] | None:
    if not containers:
        return containers
    made = list(containers)
    for at, container in enumerate(made):
        mounts = container.volume_mounts or ()
        for position, mount in enumerate(mounts):
            if mount.name == old:
                if made[at] is container:
                    made[at] = container.__copy__()
                    made[at].volume_mounts = list(mounts)
                own = mount.__copy__()
                own.name = new
                cast(list[Any], made[at].volume_mounts)[position] = own
    return made


class Assembly:
    """Puts the objects of a snapshot together, from their lines in the order in which these were read.

    Attributes:
        parts: The parts by the names of their sections; ``None`` in the place of one that is not valid.
        pods: Those of the section that is being read; ``None`` in the place of one that is not valid.
    """

    def __init__(self) -> None:
        self.parts: dict[str, list[Any]] = {name: [] for name in PARTS}
        self.pods: list[Pod | None] = []
        self._sizes: dict[int, int] = {}
        self._made = 0

    def pod(self, line: PodLine) -> Pod:
        """The pod of a line, which is not yet among :attr:`pods`.

        Raises:
            DecodeError: It names a part or a pod that is not there, or one of which it cannot be made.
            TooMuch: The lines so far stand for more than any cluster holds.
        """
        pod = line.object
        if pod is None:
            like, pods = line.like, self.pods
            first = pods[like] if like is not None and 0 <= like < len(pods) else None
            if first is None:
                raise DecodeError("a replica of a pod that is not there")
            self._count(first, first.spec, first.status)
            return replica(line, first)
        if line.pod_spec is not None:
            if pod.spec is None:
                raise DecodeError("a pod without spec that was made of a template")
            pod.spec = made_of(line, pod.spec, self._pod_spec(line.pod_spec))
        return pod

    def other(self, line: Any) -> KubernetesObject:
        """The object of a line that is no pod's.

        Raises:
            DecodeError: It names a part that is not there, or has no template for the spec.
            TooMuch: As for :meth:`pod`.
        """
        obj: KubernetesObject = line.object
        if line.managed_fields is not None:
            obj.metadata.managed_fields = [self._part(MANAGED_FIELDS, number) for number in line.managed_fields]
        if line.pod_spec is not None:
            template = template_of(obj)
            if template is None:
                raise DecodeError("a pod spec for an object without template")
            template.spec = self._pod_spec(line.pod_spec)
        return obj

    def _pod_spec(self, number: int) -> PodSpec:
        spec: PodSpec = self._part(POD_SPECS, number)
        self._count(spec, spec)
        return spec

    def _part(self, name: str, number: int) -> Any:
        known = self.parts[name]
        if not 0 <= number < len(known) or known[number] is None:
            raise DecodeError(f"there is no part {number} in {name}")
        return known[number]

    def _count(self, what: object, spec: PodSpec | None, status: PodStatus | None = None) -> None:
        """Bound what a short line can stand for."""
        size = self._sizes.get(id(what))
        if size is None:
            size = self._sizes[id(what)] = _size(spec, status)
        self._made += size
        if self._made > MOST:
            raise TooMuch


def _size(spec: PodSpec | None, status: PodStatus | None) -> int:
    """How many structures are made anew, or may be, for each pod that has a spec and the statuses of its containers."""
    size = 1
    if status is not None:
        size += len(status.container_statuses or ()) + len(status.init_container_statuses or ())
    if spec is not None:
        size += len(spec.volumes or ())
        for containers in (spec.containers, spec.init_containers, spec.ephemeral_containers):
            for container in containers or ():
                size += 1 + len(container.volume_mounts or ())
    return size
