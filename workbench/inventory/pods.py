"""Pods and containers as the rules see them: live pods, and representatives of workloads that have none.

A workload of manifest origin stands for its pods: one representative, named after the workload, whose
evidence points into the workload's template. Rules ask a :class:`PodInstance` and a
:class:`ContainerInstance`, and need not know which of the two it is.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias, cast

from workbench.inventory.decode import pod_spec_prefix
from workbench.inventory.objects import (
    Capabilities,
    Container,
    ContainerStatus,
    CronJob,
    KubernetesObject,
    Labels,
    Pod,
    PodSpec,
    PodStatus,
    PodTemplate,
    SecurityContext,
    Volume,
)

UNKNOWN_NODE = "Node:*"
"""The node of a pod that is not scheduled yet (manifests)."""

MIRROR = "kubernetes.io/config.mirror"


class Trait(enum.StrEnum):
    """What makes a container a candidate for a family of techniques; an index finds them by it.

    A trait is read from the pod alone and errs wide: the technique decides.
    """

    # That of an enumeration is a function in Python, and every container is asked for some trait.
    __hash__ = str.__hash__

    PRIVILEGED = "privileged"
    ADDED_CAPABILITIES = "added-capabilities"
    HOST_PID = "host-pid"
    HOST_IPC = "host-ipc"
    HOST_NETWORK = "host-network"
    HOST_PATH = "host-path"
    """Mounts a volume that may be a directory of the host: hostPath, a claim, CSI or flexVolume."""
    MOUNTS = "mounts"
    DEVICES = "devices"
    SHARED_PROCESSES = "shared-processes"
    SHARED_VOLUME = "shared-volume"
    """Mounts a volume that another container may mount too: of the same pod, or a claim."""
    SECRET = "secret"
    """Names a Secret in a volume or the environment."""
    CONFIG_MAP = "config-map"
    HOST_PROCESS = "host-process"


class ContainerType(enum.StrEnum):
    """Which list of the pod spec a container stands in."""

    CONTAINER = "containers"
    INIT = "initContainers"
    EPHEMERAL = "ephemeralContainers"


class PodInstance:
    """One pod of the graph: a live Pod, a Pod object not yet admitted, or a workload's representative."""

    __slots__ = (
        "_named",
        "_volumes",
        "account",
        "account_name",
        "alike",
        "containers",
        "host_users",
        "id",
        "labels",
        "live",
        "mirror",
        "name",
        "namespace",
        "node",
        "obj",
        "owner",
        "owner_known",
        "prefix",
        "renamed",
        "spec",
        "status",
        "template",
    )

    def __init__(
        self,
        obj: KubernetesObject,
        spec: PodSpec,
        name: str,
        *,
        owner: str,
        owner_known: bool,
        alike: tuple[PodInstance, Renamed] | None = None,
        node: str = "",
    ) -> None:
        """See what a pod is.

        Args:
            obj: The Pod, or the workload that it represents.
            spec: Its spec, or that of the template.
            name: Its name.
            owner: The id of its top owner.
            owner_known: Whether every controller up to that is known.
            alike: The first replica, if it is another one.
            node: The id of the pod, if there is a text of it already.
        """
        first, self.renamed = alike or (self, ())
        self.alike = first
        """The first replica with the same profile (:func:`replicates`), the pod itself if there is none, and what the
        volume with the token is called there and here. What the spec and the namespace alone decide is decided once,
        for the first; the node and the affinity are each pod's own."""
        self.obj = obj
        """The object as read: the Pod, or the workload that this pod represents."""
        self.spec = spec
        self.name = name
        self.owner = owner
        """The id of the top owner; the pod's own id if it has none."""
        self.owner_known = owner_known
        """Whether every controller up to the top is in the inventory."""
        if first is self:
            pod = obj if isinstance(obj, Pod) else None
            self.status: PodStatus | None = pod.status if pod is not None else None
            self.namespace = obj.metadata.namespace or "default"
            self.prefix = pod_spec_prefix(obj.kind)
            """The dotted path of the pod spec within the object."""
            self.live = pod is not None and is_live(pod)
            """Whether this is a pod that runs, with a node and a status; else it is not yet admitted."""
            self.template = None if pod is not None else template_of(obj)
            self.account_name = spec.service_account_name or spec.service_account or "default"
            self.account = f"ServiceAccount:{self.namespace}/{self.account_name}"
            """The id of the pod's service account."""
            self.host_users = spec.host_users
            meta = obj.metadata if self.template is None else self.template.metadata
            self.labels: Labels = (meta.labels if meta is not None else None) or {}
        else:
            self.status = cast(Pod, obj).status
            # A text that is there already is quicker to look up than an equal one.
            self.namespace, self.prefix, self.live = first.namespace, first.prefix, first.live
            self.template, self.account_name, self.account = first.template, first.account_name, first.account
            self.host_users, self.labels = first.host_users, first.labels
        self.id = node or f"Pod:{self.namespace}/{name}"
        self.mirror = self.template is None and _is_mirror(obj)
        self.node: str = _node_id(spec.node_name) if spec.node_name else UNKNOWN_NODE
        self._volumes: dict[str, Volume] | None = None
        self._named: dict[tuple[str | None, ContainerType], ContainerInstance] | None = None
        self.containers: tuple[ContainerInstance, ...] = tuple(self._made_containers())
        """The containers that run (R1); a representative's plain init containers are not among them."""

    def _made_containers(self) -> list[ContainerInstance]:
        spec, made = self.spec, list[ContainerInstance]()
        status = self.status
        if _finished(status):
            return made
        if self.live and status is not None:
            self._add_running(made, spec.containers, status.container_statuses, ContainerType.CONTAINER, status.phase)
            if spec.init_containers:
                statuses = status.init_container_statuses
                self._add_running(made, spec.init_containers, statuses, ContainerType.INIT, None)
            if spec.ephemeral_containers:
                statuses = status.ephemeral_container_statuses
                self._add_running(made, spec.ephemeral_containers, statuses, ContainerType.EPHEMERAL, None)
            return made
        made.extend(ContainerInstance(self, each, ContainerType.CONTAINER, None) for each in spec.containers or ())
        for container in spec.init_containers or ():
            if container.restart_policy == "Always":
                made.append(ContainerInstance(self, container, ContainerType.INIT, None))
        return made

    def _add_running(
        self,
        made: list[ContainerInstance],
        containers: list[Container] | None,
        statuses: list[ContainerStatus] | None,
        which: ContainerType,
        phase: str | None,
    ) -> None:
        """Add the containers of one list that run."""
        if statuses and len(statuses) > _FEW:
            # So many that to look for the one of a name would take long: the first of each.
            named = {status.name: status for status in reversed(statuses)}
            for container in containers or ():
                if (found := named.get(container.name)) is not None:
                    self._add_running(made, [container], [found], which, phase)
            return
        for container in containers or ():
            if not statuses:
                # A collector that drops the statuses must not make running pods disappear.
                if phase == "Running":
                    made.append(ContainerInstance(self, container, which, None))
                continue
            name = container.name
            for status in statuses:
                if status.name == name:
                    state = status.state
                    if state.running is not None if state is not None else phase == "Running":
                        made.append(ContainerInstance(self, container, which, status))
                    break

    def container_alike(self, container: Container, which: ContainerType) -> ContainerInstance | None:
        """The same container of the pod that this one is a replica of, if it runs there."""
        first = self.alike
        if first is self:
            return None
        if first._named is None:
            first._named = {(each.spec.name, each.type): each for each in reversed(first.containers)}
        return first._named.get((container.name, which))

    @property
    def annotations(self) -> Labels:
        if self.template is not None:
            return (self.template.metadata.annotations if self.template.metadata else None) or {}
        return self.obj.metadata.annotations or {}

    @property
    def volumes(self) -> dict[str, Volume]:
        """The pod's volumes by name."""
        if self._volumes is None:
            self._volumes = {volume.name or "": volume for volume in self.spec.volumes or ()}
        return self._volumes

    def own_volume(self, name: str) -> str:
        """What a volume of :attr:`alike` is called in this pod."""
        return self.renamed[1] if self.renamed and self.renamed[0] == name else name

    def volume_id(self, volume: str) -> str:
        """The node id of one of the pod's volumes."""
        return f"Volume:{self.namespace}/{self.name}/{volume}"

    def field(self, path: str) -> str:
        """A path within the pod spec as a path within the object as read."""
        return f"{self.prefix}.{path}"

    def annotation_field(self, key: str) -> str:
        """The path of an annotation of the pod (or its template) within the object as read."""
        prefix = "metadata" if self.template is None else self.prefix.removesuffix("spec") + "metadata"
        return f"{prefix}.annotations[{key}]"

    def __repr__(self) -> str:
        return f"<{self.id}>"


class ContainerInstance:
    """One running container."""

    __slots__ = ("alike", "id", "image", "pod", "spec", "status", "traits", "type")

    def __init__(self, pod: PodInstance, spec: Container, which: ContainerType, status: ContainerStatus | None) -> None:
        self.pod = pod
        self.spec = spec
        self.type = which
        self.status = status
        self.id = f"Container:{pod.namespace}/{pod.name}/{spec.name or ''}"
        alike = pod.container_alike(spec, which) if pod.alike is not pod else None
        self.alike = alike or self
        """The same container of the pod's first replica, itself if there is none (:attr:`PodInstance.alike`)."""
        self.traits: frozenset[Trait] = _traits(pod.spec, spec) if alike is None else alike.traits
        # One text for all containers of it.
        self.image: str = sys.intern(f"Image:{spec.image or ''}") if alike is None else alike.image
        """The id of the image as written."""

    @property
    def name(self) -> str:
        return self.spec.name or ""

    @property
    def security_context(self) -> SecurityContext:
        return self.spec.security_context or _NO_CONTEXT

    @property
    def capabilities(self) -> Capabilities:
        return self.security_context.capabilities or _NO_CAPABILITIES

    @property
    def privileged(self) -> bool:
        return self.security_context.privileged is True

    def field(self, path: str = "") -> str:
        """A path within the container as a path within the object as read."""
        base = f"{self.pod.prefix}.{self.type.value}[name={self.spec.name}]"
        return f"{base}.{path}" if path else base

    def __repr__(self) -> str:
        return f"<{self.id}>"


@lru_cache(maxsize=4096)
def _node_id(name: str) -> str:
    """One text for all pods of a node."""
    return f"Node:{name}"


Renamed: TypeAlias = tuple[()] | tuple[str, str]
"""The name of a volume of the first replica and of that of another; empty if the names of all are equal."""


def replicates(obj: Pod, first: Pod) -> Renamed | None:
    """Whether what is decided by the spec of a pod is decided by it for another pod of the same controller too.

    They may differ in name, node, status and affinity, and in the name of the volume with the token, which admission
    makes for each; all else has to be equal. Equal parts are one object, as a rule (``sharing``), so that this is
    quick.

    Returns:
        How the volume with the token is called in both; ``None`` if the pods are not alike.
    """
    spec, other = obj.spec, first.spec
    meta, known = obj.metadata, first.metadata
    if spec is None or other is None or not is_live(obj) or not is_live(first):
        return None
    if meta.labels != known.labels or meta.annotations != known.annotations:
        return None
    same = spec.__copy__()
    same.node_name, same.affinity, same.volumes = other.node_name, other.affinity, other.volumes
    same.containers, same.init_containers = other.containers, other.init_containers
    if same != other:
        return None
    renamed = _alike_volumes(spec.volumes or (), other.volumes or ())
    if renamed is None or not _alike_containers(spec.containers or (), other.containers or (), renamed):
        return None
    return renamed if _alike_containers(spec.init_containers or (), other.init_containers or (), renamed) else None


def _alike_volumes(volumes: Sequence[Volume], others: Sequence[Volume]) -> Renamed | None:
    renamed: Renamed = ()
    if volumes is others:
        return renamed
    if len(volumes) != len(others):
        return None
    for volume, other in zip(volumes, others, strict=True):
        if volume is other or volume == other:
            continue
        if volume.projected is None or renamed or not volume.name or not other.name:
            return None
        same = volume.__copy__()
        same.name = other.name
        if same != other:
            return None
        renamed = (other.name, volume.name)
    return renamed


def _alike_containers(containers: Sequence[Container], others: Sequence[Container], renamed: Renamed) -> bool:
    if containers is others:
        return True
    if len(containers) != len(others):
        return False
    for container, other in zip(containers, others, strict=True):
        if container is other:
            continue
        mounts, known = container.volume_mounts or (), other.volume_mounts or ()
        same = container.__copy__()
        same.volume_mounts = other.volume_mounts
        if same != other or len(mounts) != len(known):
            return False
        for mount, like in zip(mounts, known, strict=True):
            if mount is like or mount == like:
                continue
            if (like.name, mount.name) != renamed:
                return False
            own = mount.__copy__()
            own.name = like.name
            if own != like:
                return False
    return True


_FEW = 16
"""So many statuses are looked through for each container; of more there is a table first."""
_NO_CONTEXT = SecurityContext()
_NO_CAPABILITIES = Capabilities()


_BITS = {trait: 1 << place for place, trait in enumerate(Trait)}
_HOST_PATH, _SECRET, _CONFIG_MAP, _SHARED = (
    _BITS[trait] for trait in (Trait.HOST_PATH, Trait.SECRET, Trait.CONFIG_MAP, Trait.SHARED_VOLUME)
)


def _traits(pod: PodSpec, spec: Container) -> frozenset[Trait]:
    out = 0
    context = spec.security_context
    if context is not None:
        if context.privileged:
            out |= _BITS[Trait.PRIVILEGED]
        if context.capabilities is not None and context.capabilities.add:
            out |= _BITS[Trait.ADDED_CAPABILITIES]
        if context.windows_options is not None and context.windows_options.host_process:
            out |= _BITS[Trait.HOST_PROCESS]
    if pod.host_pid:
        out |= _BITS[Trait.HOST_PID]
    if pod.host_ipc:
        out |= _BITS[Trait.HOST_IPC]
    if pod.host_network:
        out |= _BITS[Trait.HOST_NETWORK]
    if pod.share_process_namespace or spec.target_container_name:
        out |= _BITS[Trait.SHARED_PROCESSES]
    if spec.volume_devices:
        out |= _BITS[Trait.DEVICES]
    if spec.volume_mounts:
        out |= _BITS[Trait.MOUNTS]
        mounted = {mount.name for mount in spec.volume_mounts}
        for volume in pod.volumes or ():
            if volume.name in mounted:
                out |= _of_volume(volume)
    if spec.env:
        for variable in spec.env:
            source = variable.value_from
            if source is not None:
                if source.secret_key_ref is not None:
                    out |= _SECRET
                if source.config_map_key_ref is not None:
                    out |= _CONFIG_MAP
    if spec.env_from:
        for bulk in spec.env_from:
            if bulk.secret_ref is not None:
                out |= _SECRET
            if bulk.config_map_ref is not None:
                out |= _CONFIG_MAP
    return _traits_of(out)


def _of_volume(volume: Volume) -> int:
    out = 0
    if volume.host_path is not None:
        out |= _HOST_PATH | _SHARED
    if volume.projected is not None:
        for source in volume.projected.sources or ():
            if source.secret is not None:
                out |= _SECRET
            if source.config_map is not None:
                out |= _CONFIG_MAP
    if volume.secret is not None:
        out |= _SECRET
    if volume.config_map is not None:
        out |= _CONFIG_MAP
    if volume.persistent_volume_claim is not None:
        out |= _HOST_PATH | _SHARED
    if volume.csi is not None or volume.flex_volume is not None:
        out |= _HOST_PATH
    if volume.empty_dir is not None:
        out |= _SHARED
    return out


@cache
def _traits_of(bits: int) -> frozenset[Trait]:
    """One set for all containers with the same traits."""
    return frozenset(trait for trait, bit in _BITS.items() if bits & bit)


def _is_mirror(pod: KubernetesObject) -> bool:
    for owner in pod.metadata.owner_references or ():
        if owner.kind == "Node":
            return True
    return MIRROR in (pod.metadata.annotations or ())


def is_live(pod: Pod) -> bool:
    """Whether a Pod object is a live pod, wherever it was read: it carries a node and a status."""
    return pod.spec is not None and bool(pod.spec.node_name) and pod.status is not None


def _finished(status: PodStatus | None) -> bool:
    return status is not None and status.phase in ("Succeeded", "Failed")


def template_of(obj: KubernetesObject) -> PodTemplate | None:
    """The pod template of a workload, ``None`` for other objects and for a workload without one."""
    spec: Any = getattr(obj, "spec", None)
    if spec is None:
        return None
    if isinstance(obj, CronJob):
        job = spec.job_template
        spec = job.spec if job is not None else None
    template = getattr(spec, "template", None)
    return template if isinstance(template, PodTemplate) else None
