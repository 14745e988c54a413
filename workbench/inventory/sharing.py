"""Replicas share what is equal in them: a cluster's pods are thousands of copies of a few hundred templates.

Decoding gives every object lists, structures and texts of its own. What is equal in the pods of one controller, and
in the templates that they came from, is kept once, for nobody changes a decoded object in place: edits are made on
plain data and decoded anew. Only the memory differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from workbench.inventory.objects import (
    WORKLOADS,
    Container,
    Deployment,
    EndpointConditions,
    EndpointSlice,
    KubernetesObject,
    Labels,
    LabelSelector,
    ManagedField,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    ProjectedSource,
    ReplicaSet,
    Volume,
    VolumeMount,
)
from workbench.inventory.pods import template_of

_WITH_TEMPLATE = frozenset(WORKLOADS)
"""To ask whether something is an instance of one of eight structures takes twenty times what a look into a set does."""


class Sharer:
    """Remembers one spec for each controller, and makes the next one share what is equal in both."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ObjectMeta, PodSpec]] = {}
        self._deployments: dict[tuple[str | None, str | None], tuple[ObjectMeta, PodSpec]] = {}
        self._pods: dict[str, Pod] = {}
        self._texts: dict[str, str] = {}
        self._values: dict[str, str] = {}
        """Values of labels: there are so many that all else would be looked up among what no cache holds."""
        self._managed: dict[tuple[str | None, str | None, str | None, int], ManagedField] = {}
        self._projected: ProjectedSource | None = None
        self._conditions: dict[tuple[tuple[str | None, str | None], ...], list[PodCondition]] = {}
        self._ready: EndpointConditions | None = None
        self._of_several: set[int] = set()

    def of_several(self, specs: Iterable[PodSpec]) -> None:
        """Look at pod specs that several objects share already.

        The caller holds them until all was shared.
        """
        for spec in specs:
            self._names(spec)
            self._of_several.add(id(spec))

    def share(self, obj: KubernetesObject) -> None:
        """Make a new object share what is equal in an earlier one."""
        self._header(obj)
        meta = obj.metadata
        if meta.managed_fields:
            self._managers(meta.managed_fields)
        kind = type(obj)
        if kind is Pod:
            self._pod(cast(Pod, obj))
            return
        if kind in _WITH_TEMPLATE:
            self._workload(obj)
        elif meta.labels:
            self._labels(meta.labels)
        if kind is EndpointSlice:
            self._endpoints(cast(EndpointSlice, obj))
        if meta.owner_references:
            self._owners(meta.owner_references)

    def share_made(self, pod: Pod) -> None:
        """Make a new pod, whose spec was made of one that others have too, share the rest."""
        self._header(pod)
        controller = _controller(pod.metadata)
        if pod.spec is not None:
            if controller is not None:
                self._first_pod(pod, pod.spec, controller, made=True)
            self._place(pod.spec, pod.status)

    def _header(self, obj: KubernetesObject) -> None:
        text = self._texts.setdefault
        obj.api_version = text(obj.api_version, obj.api_version)
        meta = obj.metadata
        if meta.namespace is not None:
            meta.namespace = text(meta.namespace, meta.namespace)

    def _workload(self, obj: KubernetesObject) -> None:
        template = template_of(obj)
        if template is None or template.spec is None:
            return
        meta, own = obj.metadata, template.metadata or ObjectMeta()
        controller = _controller(meta)
        known = self._known.get(meta.uid or "") or self._known.get(controller.uid or "" if controller else "")
        deployed = (meta.namespace, meta.name) if isinstance(obj, Deployment) else None
        if known is None and deployed is not None:
            known = self._deployments.get(deployed)
        if known is not None:
            _meta(own, known[0])
        if own.labels and (known is None or own.labels is not known[0].labels):
            self._labels(own.labels)
        if id(template.spec) not in self._of_several:
            if known is None:
                self._names(template.spec)
            else:
                self._projected_volumes(template.spec)
                template.spec = shared(template.spec, known[1])
        self._own_labels(obj, own)
        for uid in (meta.uid, controller.uid if controller else None):
            if uid:
                self._known.setdefault(uid, (own, template.spec))
        if deployed is not None:
            self._deployments[deployed] = (own, template.spec)

    def _own_labels(self, obj: KubernetesObject, template: ObjectMeta) -> None:
        """What controllers write three times: on themselves, in the selector, in the template."""
        meta = obj.metadata
        if meta.labels == template.labels:
            meta.labels = template.labels
        elif meta.labels:
            self._labels(meta.labels)
        selector = getattr(getattr(obj, "spec", None), "selector", None)
        if isinstance(selector, LabelSelector) and selector.match_labels:
            if selector.match_labels == template.labels:
                selector.match_labels = template.labels
            else:
                self._labels(selector.match_labels)

    def _pod(self, pod: Pod) -> None:
        spec, status, meta = pod.spec, pod.status, pod.metadata
        controller = _controller(meta)
        if spec is None or controller is None or not controller.uid:
            return
        first = self._pods.setdefault(controller.uid, pod)
        if first is pod or first.spec is None:
            self._first_pod(pod, spec, controller)
        else:
            _meta(meta, first.metadata)
            pod.spec = spec = shared(spec, first.spec)
            if status is not None and first.status is not None:
                _status(status, first.status)
        self._place(spec, status)

    def share_replica(self, pod: Pod) -> None:
        """Make a new pod that was made of an earlier one share what is its own and other pods have too."""
        if pod.spec is not None:
            self._place(pod.spec, pod.status)

    def _place(self, spec: PodSpec, status: PodStatus | None) -> None:
        text = self._texts.setdefault
        if spec.node_name:
            spec.node_name = text(spec.node_name, spec.node_name)
        if status is not None and status.host_ip:
            status.host_ip = text(status.host_ip, status.host_ip)

    def _first_pod(self, pod: Pod, spec: PodSpec, controller: OwnerReference, *, made: bool = False) -> None:
        """The first pod of a controller has a template, as a rule; if it was made of that, they share it already."""
        meta, status = pod.metadata, pod.status
        if meta.owner_references:
            self._owners(meta.owner_references)
        # A list of pods comes before that of their ReplicaSets; that of the Deployments may come before or after.
        deployed = (meta.namespace, (controller.name or "").rpartition("-")[0])
        known = self._known.get(controller.uid or "") or self._deployments.get(deployed)
        if meta.labels:
            self._labels(meta.labels)
        if known is None:
            if made:
                self._added(spec)
            else:
                self._names(spec)
            if deployed[1] and controller.kind == ReplicaSet.__name__:
                self._deployments[deployed] = (meta, spec)
        else:
            _meta(meta, known[0])
            if not made:
                pod.spec = spec = shared(spec, known[1])
            self._added(spec)
        self._known.setdefault(controller.uid or "", (meta, spec))
        if status is not None:
            if status.phase:
                status.phase = self._texts.setdefault(status.phase, status.phase)
            if status.conditions:
                said = tuple((each.type, each.status) for each in status.conditions)
                status.conditions = self._conditions.setdefault(said, status.conditions)

    def _names(self, spec: PodSpec) -> None:
        """Names are the same in many controllers: those of the first spec of each are kept once."""
        text = self._texts.setdefault
        self._projected_volumes(spec)
        for volume in spec.volumes or ():
            if volume.name:
                volume.name = text(volume.name, volume.name)
        for containers in (spec.containers, spec.init_containers):
            for container in containers or ():
                if container.name:
                    container.name = text(container.name, container.name)
                for variable in container.env or ():
                    if variable.name:
                        variable.name = text(variable.name, variable.name)
                for port in container.ports or ():
                    if port.name:
                        port.name = text(port.name, port.name)
                    if port.protocol:
                        port.protocol = text(port.protocol, port.protocol)
                for mount in container.volume_mounts or ():
                    if mount.name:
                        mount.name = text(mount.name, mount.name)
                    if mount.mount_path:
                        mount.mount_path = text(mount.mount_path, mount.mount_path)

    def _added(self, spec: PodSpec) -> None:
        """What admission adds to the pods of a template, at the end of each list, is the same in all."""
        self._projected_volumes(spec)
        for container in spec.containers or ():
            for mount in (container.volume_mounts or ())[-1:]:
                if mount.mount_path:
                    mount.mount_path = self._texts.setdefault(mount.mount_path, mount.mount_path)

    def _managers(self, entries: list[ManagedField]) -> None:
        """What one tool makes it manages alike, and the set of fields is often the largest part of an object."""
        for at, entry in enumerate(entries):
            # Equal sets of fields are one object already, which the entry keeps.
            key = (entry.manager, entry.operation, entry.subresource, id(entry.owned))
            entries[at] = self._managed.setdefault(key, entry)

    def _labels(self, labels: Labels) -> None:
        text = self._values.setdefault
        for key, value in labels.items():
            if value:
                labels[key] = text(value, value)

    def _owners(self, references: list[OwnerReference]) -> None:
        text = self._texts.setdefault
        for reference in references:
            if reference.kind:
                reference.kind = text(reference.kind, reference.kind)
            if reference.api_version:
                reference.api_version = text(reference.api_version, reference.api_version)

    def _endpoints(self, obj: EndpointSlice) -> None:
        text = self._texts.setdefault
        for endpoint in obj.endpoints or ():
            if endpoint.node_name:
                endpoint.node_name = text(endpoint.node_name, endpoint.node_name)
            if endpoint.conditions == self._ready:
                endpoint.conditions = self._ready
            else:
                self._ready = endpoint.conditions
            target = endpoint.target_ref
            if target is not None:
                if target.kind:
                    target.kind = text(target.kind, target.kind)
                if target.namespace == obj.metadata.namespace:
                    target.namespace = obj.metadata.namespace

    def _projected_volumes(self, spec: PodSpec) -> None:
        for volume in spec.volumes or ():
            projected = volume.projected
            if projected is not None:
                # The volume of the token is the same for all pods, but for its name.
                if projected == self._projected:
                    volume.projected = self._projected
                else:
                    self._projected = projected


def _meta(new: ObjectMeta, old: ObjectMeta) -> None:
    if new.labels == old.labels:
        new.labels = old.labels
    if new.annotations == old.annotations:
        new.annotations = old.annotations
    if new.generate_name == old.generate_name:
        new.generate_name = old.generate_name
    if new.owner_references == old.owner_references:
        new.owner_references = old.owner_references


def shared(new: PodSpec, old: PodSpec) -> PodSpec:
    """A spec that says what the new one says, made of the parts of the old one where they are equal.

    To compare structures as a whole takes a fraction of comparing their fields one by one, so what tells replicas
    apart (the node, the name of the volume with the token) is set aside first, and the rest is compared at once.
    """
    if new is old:
        return new
    own_volume = _volumes(new.volumes, old.volumes) if new.volumes and old.volumes else None
    if new.containers and old.containers:
        _containers(new.containers, old.containers, own_volume)
    if new.init_containers and old.init_containers:
        _containers(new.init_containers, old.init_containers, own_volume)
    own = (new.node_name, new.affinity, new.containers, new.init_containers, new.volumes)
    new.node_name, new.affinity = old.node_name, old.affinity
    new.containers, new.init_containers, new.volumes = old.containers, old.init_containers, old.volumes
    made = new if new != old else old.__copy__()
    if made is new:
        _other_fields(new, old)
    else:
        # Others may have it too.
        new.node_name, new.affinity, new.containers, new.init_containers, new.volumes = own
    made.node_name = own[0]
    made.affinity = old.affinity if own[1] == old.affinity else own[1]
    made.containers = old.containers if own[2] == old.containers else own[2]
    made.init_containers = old.init_containers if own[3] == old.init_containers else own[3]
    made.volumes = old.volumes if own[4] == old.volumes else own[4]
    return made


def _other_fields(new: PodSpec, old: PodSpec) -> None:
    if new.service_account_name == old.service_account_name:
        new.service_account_name = old.service_account_name
    if new.service_account == old.service_account:
        new.service_account = old.service_account
    if new.security_context == old.security_context:
        new.security_context = old.security_context
    if new.node_selector == old.node_selector:
        new.node_selector = old.node_selector
    if new.image_pull_secrets == old.image_pull_secrets:
        new.image_pull_secrets = old.image_pull_secrets


def _containers(new: list[Container], old: list[Container], own_volume: str | None) -> None:
    for at, (one, other) in enumerate(zip(new, old, strict=False)):
        mounts, others = one.volume_mounts, other.volume_mounts
        if mounts and others:
            _mounts(mounts, others, own_volume)
        one.volume_mounts = others
        if one != other:
            one.volume_mounts = mounts
            _fields(one, other)
        elif mounts == others:
            new[at] = other
        else:
            new[at] = same = other.__copy__()
            same.volume_mounts = mounts


def _fields(new: Container, old: Container) -> None:
    if new.name == old.name:
        new.name = old.name
    if new.image == old.image:
        new.image = old.image
    if new.env == old.env:
        new.env = old.env
    if new.env_from == old.env_from:
        new.env_from = old.env_from
    if new.ports == old.ports:
        new.ports = old.ports
    if new.security_context == old.security_context:
        new.security_context = old.security_context


def _volumes(new: list[Volume], old: list[Volume]) -> str | None:
    """Share volumes; the name of one that is the new spec's own, such as that with the token of a pod."""
    own = None
    for at, (one, other) in enumerate(zip(new, old, strict=False)):
        if one == other:
            new[at] = other
        else:
            own = one.name
            if one.projected is not None and one.projected == other.projected:
                one.projected = other.projected
    return own


def _mounts(new: list[VolumeMount], old: list[VolumeMount], own_volume: str | None) -> None:
    for at, (one, other) in enumerate(zip(new, old, strict=False)):
        if one == other:
            new[at] = other
        elif one.mount_path == other.mount_path:
            one.mount_path = other.mount_path
            if one.name == own_volume:
                one.name = own_volume


def _status(new: PodStatus, old: PodStatus) -> None:
    if new.phase == old.phase:
        new.phase = old.phase
    if new.conditions == old.conditions:
        new.conditions = old.conditions
    for one, other in zip(new.container_statuses or (), old.container_statuses or (), strict=False):
        if one.name == other.name:
            one.name = other.name
        if one.image == other.image:
            one.image = other.image
        if one.image_id == other.image_id:
            one.image_id = other.image_id
        if one.container_id == other.container_id:
            one.container_id = other.container_id
        if one.state == other.state:
            one.state = other.state
        if one.volume_mounts == other.volume_mounts:
            one.volume_mounts = other.volume_mounts


def _controller(meta: ObjectMeta) -> OwnerReference | None:
    for reference in meta.owner_references or ():
        if reference.controller and reference.uid:
            return reference
    return None
