"""Writing snapshots (:mod:`~workbench.sources.snapshot`)."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

import workbench
from workbench.errors import UsageError
from workbench.inventory.evidence import Origin
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import (
    KINDS,
    WORKLOADS,
    CronJob,
    KubernetesObject,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
)
from workbench.inventory.pods import replicates, template_of
from workbench.sources.detect import FORMAT
from workbench.sources.snapshot import VERSION, End, Header, Section, Trailer
from workbench.sources.snapshot_lines import (
    MANAGED_FIELDS,
    PARTS,
    POD_SPECS,
    STATED,
    Place,
    PodLine,
    line_type,
    made_of,
    replica,
)
from workbench.text import shown

_LEVEL = 6
_encode = msgspec.json.Encoder().encode


def write(inventory: Inventory, path: str, *, collected: str | None = None) -> int:
    """Write an inventory to a file, which appears whole or not at all and which only its owner may read.

    What the program itself knows of Kubernetes' own objects is left out. The same inventory gives the same bytes.

    Args:
        inventory: What to write.
        path: The file; one that is there is replaced.
        collected: When the source was read, as RFC 3339.

    Returns:
        How many objects the file holds.

    Raises:
        UsageError: The file cannot be written.
    """
    directory = os.path.dirname(path) or "."
    try:
        # mkstemp gives the file to its owner alone (0600).
        handle, temporary = tempfile.mkstemp(prefix=".workbench-", dir=directory)
        try:
            with os.fdopen(handle, "wb") as stream:
                with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=_LEVEL, mtime=0) as zipped:
                    count = _write(inventory, zipped, collected)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        return count
    except OSError as error:
        raise UsageError(f"{shown(path)}: cannot be written: {(error.strerror or str(error)).lower()}") from error


def _write(inventory: Inventory, stream: gzip.GzipFile, collected: str | None) -> int:
    groups: dict[str, list[tuple[KubernetesObject, Origin | None]]] = {}
    files: dict[str, int] = {}
    for name, kind in KINDS.items():
        for obj in inventory.all(kind):
            if inventory.is_builtin(obj.id):
                continue
            origin = inventory.origin(obj.id)
            groups.setdefault(name, []).append((obj, origin))
            if origin is not None and origin.file is not None:
                files.setdefault(origin.file, len(files))
    lines = Lines([obj for items in groups.values() for obj, _ in items], inventory)
    version = inventory.server_version
    digest = hashlib.sha256()

    def put(item: Any) -> None:
        line = _encode(item) + b"\n"
        digest.update(line)
        stream.write(line)

    put(
        Header(
            format=FORMAT,
            version=VERSION,
            program=workbench.__version__,
            server_version=None if version.assumed else str(version),
            source=inventory.source,
            collected=collected,
            live=inventory.has_live_pods,
            counts={name: len(items) for name, items in groups.items()},
            coverage=inventory.coverage,
            files=list(files),
        )
    )
    for name, parts in lines.parts.items():
        if parts:
            put(Section(name, len(parts)))
            for part in parts:
                put(part)
    for name, items in groups.items():
        put(Section(name, len(items)))
        for obj, origin in items:
            put(lines.line(obj, place(origin, files)))
    total = sum(len(items) for items in groups.values())
    stream.write(_encode(Trailer(End(total, digest.hexdigest()))) + b"\n")
    return total


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
            known = self._known[id(part)] = hashlib.blake2b(_encode(part), digest_size=20).digest()
        return known

    def line(self, obj: KubernetesObject, at: Place | None) -> msgspec.Struct:
        """The line of an object; to be asked in the order in which they are written."""
        if isinstance(obj, Pod):
            return self._pod(obj, at)
        kind: Any = line_type(type(obj))
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
    spec.template = spec.template.__copy__()
    spec.template.spec = None
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
        affinity=None if _encode(spec.affinity) == _encode(other.affinity) else spec.affinity,
        volume=renamed or None,
        pod_ip=status.pod_ip,
        host_ip=status.host_ip,
        image_ids=None if ids == other_ids else ids,
        started_at=None if since == other_since else since,
        at=at,
    )
    return line if _same(replica(line, first), pod) else None


def _made_line(pod: Pod, number: int, parts: Sequence[PodSpec], at: Place | None) -> PodLine | None:
    """The line of a pod that differs from its template in what admission may add, ``None`` if it differs in more."""
    spec, template = pod.spec, parts[number]
    if spec is None or not spec.containers:
        return None
    own = PodSpec(volumes=(spec.volumes or [])[len(template.volumes or ()) :] or None)
    for field in STATED:
        value = getattr(spec, field)
        if _encode(value) != _encode(getattr(template, field)):
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
    return line if _same(made_of(line, own, template), spec) else None


def _same(one: msgspec.Struct, other: msgspec.Struct) -> bool:
    """Whether two objects are written alike; to Python, true equals 1."""
    return _encode(one) == _encode(other)


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
