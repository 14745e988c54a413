"""The lines of a snapshot: an object whole, or by what tells it from one that stands before it.

A large cluster says most things many times: a Deployment's pod template in each of its ReplicaSets and in their pods,
the fields that a tool manages, a pod in its replicas. A pod spec or a set of fields that several objects have stands
once, as a *part* in a section of its own, and the objects name its number; a pod adds to it what admission added, and
a replica names the pod that it is like and what is its own. A pod that is shortened is put together again while it is
written, and stays whole where that would give anything else.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

import msgspec

from workbench.inventory.decode import DecodeError
from workbench.inventory.evidence import Origin
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    WORKLOADS,
    Container,
    ContainerState,
    ContainerStatus,
    CronJob,
    KubernetesObject,
    ManagedField,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    PodTemplate,
    RunningState,
    VolumeMount,
)
from workbench.inventory.pods import replicates, template_of

MANAGED_FIELDS, POD_SPECS = "managedFields", "podSpecs"
PARTS: dict[str, type[msgspec.Struct]] = {MANAGED_FIELDS: ManagedField, POD_SPECS: PodSpec}
"""The sections of parts; the name of a kind begins with a capital letter."""


_STATED = tuple(
    field for field in PodSpec.__struct_fields__ if field not in ("containers", "init_containers", "volumes")
)
"""The fields of a pod spec that admission and the scheduler set."""


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
def _line_type(kind: type[KubernetesObject]) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = [
        ("object", kind),  # type: ignore[list-item]
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
    return msgspec.json.Decoder(_line_type(kind) if issubclass(kind, KubernetesObject) else kind)


# --- writing ------------------------------------------------------------------------------------------


class Lines:
    """What the objects of a snapshot are written as.

    Attributes:
        parts: What stands in the sections of parts, by their names.
    """

    def __init__(self, objects: Sequence[KubernetesObject], view: Inventory) -> None:
        """See what the objects have in common.

        Args:
            objects: All that will be written.
            view: Where the controllers of pods are looked up.
        """
        self._encode = msgspec.json.Encoder().encode
        self._view = view
        # Objects share much of what is equal, so that it is encoded once.
        self._known: dict[int, bytes] = {}
        self._firsts: dict[tuple[str | None, ...], tuple[int, Pod]] = {}
        self._pods = 0
        counts: dict[str, Counter[bytes]] = {name: Counter() for name in PARTS}
        found: dict[str, dict[bytes, Any]] = {name: {} for name in PARTS}
        for obj in objects:
            for name, part in self._parts_of(obj):
                key = self._key(part)
                counts[name][key] += 1
                found[name].setdefault(key, part)
        several = {name: [key for key, count in counted.items() if count > 1] for name, counted in counts.items()}
        self.parts = {name: [found[name][key] for key in keys] for name, keys in several.items()}
        self._numbers = {name: {key: number for number, key in enumerate(keys)} for name, keys in several.items()}

    def _parts_of(self, obj: KubernetesObject) -> Iterator[tuple[str, Any]]:
        for entry in obj.metadata.managed_fields or ():
            yield MANAGED_FIELDS, entry
        spec = self._template(obj)
        if spec is not None:
            yield POD_SPECS, spec

    def _template(self, obj: KubernetesObject) -> PodSpec | None:
        """The pod spec in the template of a workload, or in that of a pod's controller."""
        if isinstance(obj, Pod):
            reference = _controller(obj)
            owner = reference and self._view.by_id(f"{reference.kind}:{obj.namespace}/{reference.name}")
            if not isinstance(owner, WORKLOADS):
                return None
            obj = owner
        template = template_of(obj)
        return template.spec if template is not None else None

    def _key(self, part: Any) -> bytes:
        known = self._known.get(id(part))
        if known is None:
            # Not the text itself, of which there may be as much as of all objects.
            known = self._known[id(part)] = hashlib.blake2b(self._encode(part), digest_size=20).digest()
        return known

    def line(self, obj: KubernetesObject, at: Place | None) -> msgspec.Struct:
        """The line of an object; to be asked in the order in which they are written."""
        if isinstance(obj, Pod):
            return self._pod(obj, at)
        kind: Any = _line_type(type(obj))
        managed = None
        pod_spec = self._number(obj)
        if pod_spec is not None:
            obj = _without_pod_spec(obj)
        entries = obj.metadata.managed_fields
        if entries:
            numbers = self._numbers[MANAGED_FIELDS]
            found = [numbers.get(self._key(entry)) for entry in entries]
            if None not in found:
                managed = found
                obj = obj.__copy__()
                obj.metadata = obj.metadata.__copy__()
                obj.metadata.managed_fields = None
        line: msgspec.Struct = kind(object=obj, pod_spec=pod_spec, managed_fields=managed, at=at)
        return line

    def _number(self, obj: KubernetesObject) -> int | None:
        spec = self._template(obj)
        return None if spec is None else self._numbers[POD_SPECS].get(self._key(spec))

    def _pod(self, pod: Pod, at: Place | None) -> PodLine:
        number, self._pods = self._pods, self._pods + 1
        reference = _controller(pod)
        line: PodLine | None = None
        if reference is not None:
            key = (pod.metadata.namespace, reference.kind, reference.name, reference.uid)
            like, first = self._firsts.setdefault(key, (number, pod))
            if first is not pod:
                line = _replica_line(pod, like, first, at)
            if line is None and (part := self._number(pod)) is not None:
                line = _made_line(pod, part, self.parts[POD_SPECS], at)
        return line or PodLine(object=pod, at=at)


def _controller(pod: Pod) -> OwnerReference | None:
    for reference in pod.metadata.owner_references or ():
        if reference.controller:
            return reference
    return None


def _without_pod_spec(obj: KubernetesObject) -> KubernetesObject:
    """The workload without the spec in its template."""
    made: Any = obj.__copy__()
    made.spec = spec = made.spec.__copy__()
    if isinstance(made, CronJob):
        spec.job_template = spec.job_template.__copy__()
        spec.job_template.spec = spec = spec.job_template.spec.__copy__()
    spec.template = PodTemplate(metadata=spec.template.metadata)
    return cast(KubernetesObject, made)


def _replica_line(pod: Pod, like: int, first: Pod, at: Place | None) -> PodLine | None:
    """The line of a pod that differs from an earlier one in what a replica may, ``None`` if it differs in more."""
    renamed = replicates(pod, first)
    spec, status, other = pod.spec, pod.status, first.spec
    if renamed is None or spec is None or status is None or other is None or first.status is None:
        return None
    ids, since = _own(status)
    other_ids, other_since = _own(first.status)
    line = PodLine(
        like=like,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        resource_version=pod.metadata.resource_version,
        node_name=spec.node_name,
        affinity=None if spec.affinity == other.affinity else spec.affinity,
        volume=renamed or None,
        pod_ip=status.pod_ip,
        host_ip=status.host_ip,
        image_ids=None if ids == other_ids else ids,
        started_at=None if since == other_since else since,
        at=at,
    )
    return line if replica(line, first) == pod else None


def _made_line(pod: Pod, number: int, parts: Sequence[PodSpec], at: Place | None) -> PodLine | None:
    """The line of a pod that differs from its template in what admission may add, ``None`` if it differs in more."""
    spec, template = pod.spec, parts[number]
    if spec is None or not spec.containers:
        return None
    own = PodSpec(volumes=(spec.volumes or [])[len(template.volumes or ()) :] or None)
    for field in _STATED:
        value = getattr(spec, field)
        if value != getattr(template, field):
            setattr(own, field, value)
    added = {volume.name for volume in own.volumes or ()}
    mounts = spec.containers[0].volume_mounts
    last = mounts[-1] if mounts else None
    line = PodLine(
        object=Pod(api_version=pod.api_version, metadata=pod.metadata, spec=own, status=pod.status),
        pod_spec=number,
        mount=last if last is not None and last.name in added else None,
        at=at,
    )
    return line if made_of(line, own, template) == spec else None


def _own(status: PodStatus) -> tuple[list[str | None], list[str | None]]:
    """Of each container that has a status the id of its image, and since when it runs."""
    ids: list[str | None] = []
    since: list[str | None] = []
    for each in (*(status.container_statuses or ()), *(status.init_container_statuses or ())):
        ids.append(each.image_id)
        running = each.state.running if each.state is not None else None
        since.append(running.started_at if running is not None else None)
    return ids, since


def place(origin: Origin | None, files: dict[str, int]) -> Place | None:
    """Where an object was read, by the indexes of the files."""
    if origin is None:
        return None
    return Place(files.get(origin.file) if origin.file is not None else None, origin.document, origin.line(""))


# --- reading ------------------------------------------------------------------------------------------


def replica(line: PodLine, first: Pod) -> Pod:
    """A pod by its difference to another one.

    Raises:
        DecodeError: It has no name or no node, or that one no spec or no status.
    """
    if not line.name:
        raise DecodeError("an object without a name")
    if first.spec is None or first.status is None or not line.node_name:
        raise DecodeError("a replica without a node, or of a pod without spec or status")
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
    for field in _STATED:
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
    """Call a volume of a spec, and where it is mounted, by another name; what is not concerned stays shared."""
    volumes = list(spec.volumes or ())
    for at, volume in enumerate(volumes):
        if volume.name == old:
            volumes[at] = own = volume.__copy__()
            own.name = new
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


def pod_of(line: PodLine, pods: Sequence[Pod | None], parts: Mapping[str, Sequence[Any]]) -> Pod:
    """The pod of a line.

    Args:
        line: What was read.
        pods: Those of the lines before it, ``None`` for one that is not valid.
        parts: The parts by the names of their sections.

    Raises:
        DecodeError: It names a part or a pod that is not there, or one of which it cannot be made.
    """
    pod = line.object
    if pod is None:
        first = pods[line.like] if line.like is not None and 0 <= line.like < len(pods) else None
        if first is None:
            raise DecodeError("a replica of a pod that is not there")
        return replica(line, first)
    if line.pod_spec is not None:
        if pod.spec is None:
            raise DecodeError("a pod without spec that was made of a template")
        pod.spec = made_of(line, pod.spec, _part(parts, POD_SPECS, line.pod_spec))
    return pod


def completed(line: Any, parts: Mapping[str, Sequence[Any]]) -> KubernetesObject:
    """The object of a line that is no pod's, with its parts.

    Raises:
        DecodeError: It names a part that is not there, or has no template for the spec.
    """
    obj: KubernetesObject = line.object
    if line.managed_fields is not None:
        obj.metadata.managed_fields = [_part(parts, MANAGED_FIELDS, number) for number in line.managed_fields]
    if line.pod_spec is not None:
        template = template_of(obj)
        if template is None:
            raise DecodeError("a pod spec for an object without template")
        template.spec = _part(parts, POD_SPECS, line.pod_spec)
    return obj


def _part(parts: Mapping[str, Sequence[Any]], name: str, number: int) -> Any:
    known = parts.get(name, ())
    if not 0 <= number < len(known) or known[number] is None:
        raise DecodeError(f"there is no part {number} in {name}")
    return known[number]
