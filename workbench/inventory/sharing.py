"""Replicas share what is equal in them: a cluster's pods are thousands of copies of a few hundred templates.

Decoding gives every object lists, structures and texts of its own. What is equal in the pods of one controller, and
in the templates that they came from, is kept once, for nobody changes a decoded object in place: edits are made on
plain data and decoded anew. Only the memory differs.
"""

from __future__ import annotations

from workbench.inventory.objects import (
    WORKLOADS,
    Container,
    KubernetesObject,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
    ProjectedSource,
    Volume,
    VolumeMount,
)
from workbench.inventory.pods import template_of


class Sharer:
    """Remembers one spec for each controller, and makes the next one share what is equal in both."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ObjectMeta, PodSpec]] = {}
        self._statuses: dict[str, PodStatus] = {}
        self._texts: dict[str, str] = {}
        self._projected: ProjectedSource | None = None

    def share(self, obj: KubernetesObject) -> None:
        """Make a new object share what is equal in an earlier one."""
        text = self._texts.setdefault
        obj.api_version = text(obj.api_version, obj.api_version)
        meta = obj.metadata
        if meta.namespace is not None:
            meta.namespace = text(meta.namespace, meta.namespace)
        if isinstance(obj, Pod):
            self._pod(obj)
        elif isinstance(obj, WORKLOADS):
            template = template_of(obj)
            if template is not None and template.spec is not None:
                own = template.metadata or ObjectMeta()
                controller = _controller(meta)
                known = self._known.get(meta.uid or "") or self._known.get(controller)
                if known is not None:
                    _meta(own, known[0])
                    self._spec(template.spec, known[1])
                for uid in (meta.uid, controller):
                    if uid:
                        self._known.setdefault(uid, (own, template.spec))

    def _pod(self, pod: Pod) -> None:
        spec, status = pod.spec, pod.status
        controller = _controller(pod.metadata)
        if spec is None or not controller:
            return
        known = self._known.get(controller)
        if known is None:
            self._known[controller] = (pod.metadata, spec)
            self._spec(spec, None)
        else:
            _meta(pod.metadata, known[0])
            self._spec(spec, known[1])
        text = self._texts.setdefault
        if spec.node_name:
            spec.node_name = text(spec.node_name, spec.node_name)
        if status is not None:
            if status.phase:
                status.phase = text(status.phase, status.phase)
            if status.host_ip:
                status.host_ip = text(status.host_ip, status.host_ip)
            _status(status, self._statuses.setdefault(controller, status))

    def _spec(self, new: PodSpec, old: PodSpec | None) -> None:
        for volume in new.volumes or ():
            projected = volume.projected
            if projected is not None:
                # The volume of the token is the same for all pods, but for its name.
                if projected == self._projected:
                    volume.projected = self._projected
                else:
                    self._projected = projected
        if old is not None and old is not new:
            _pod_spec(new, old)


def _meta(new: ObjectMeta, old: ObjectMeta) -> None:
    if new.labels == old.labels:
        new.labels = old.labels
    if new.annotations == old.annotations:
        new.annotations = old.annotations
    if new.generate_name == old.generate_name:
        new.generate_name = old.generate_name
    if new.owner_references == old.owner_references:
        new.owner_references = old.owner_references


def _pod_spec(new: PodSpec, old: PodSpec) -> None:
    if new.service_account_name == old.service_account_name:
        new.service_account_name = old.service_account_name
    if new.service_account == old.service_account:
        new.service_account = old.service_account
    if new.security_context == old.security_context:
        new.security_context = old.security_context
    if new.node_selector == old.node_selector:
        new.node_selector = old.node_selector
    if new.affinity == old.affinity:
        new.affinity = old.affinity
    if new.image_pull_secrets == old.image_pull_secrets:
        new.image_pull_secrets = old.image_pull_secrets
    if new.volumes and old.volumes:
        _volumes(new.volumes, old.volumes)
    for one, other in zip(new.containers or (), old.containers or (), strict=False):
        _container(one, other)
    for one, other in zip(new.init_containers or (), old.init_containers or (), strict=False):
        _container(one, other)


def _container(new: Container, old: Container) -> None:
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
    if new.volume_mounts and old.volume_mounts:
        _mounts(new.volume_mounts, old.volume_mounts)


def _volumes(new: list[Volume], old: list[Volume]) -> None:
    for at, (one, other) in enumerate(zip(new, old, strict=False)):
        if one == other:
            new[at] = other


def _mounts(new: list[VolumeMount], old: list[VolumeMount]) -> None:
    for at, (one, other) in enumerate(zip(new, old, strict=False)):
        if one == other:
            new[at] = other
        elif one.mount_path == other.mount_path:
            # That of the token: the name of the volume is each pod's own.
            one.mount_path = other.mount_path


def _status(new: PodStatus, old: PodStatus) -> None:
    if new is old:
        return
    if new.conditions == old.conditions:
        new.conditions = old.conditions
    for one, other in zip(new.container_statuses or (), old.container_statuses or (), strict=False):
        if one.name == other.name:
            one.name = other.name
        if one.image == other.image:
            one.image = other.image
        if one.image_id == other.image_id:
            one.image_id = other.image_id
        if one.state == other.state:
            one.state = other.state


def _controller(meta: ObjectMeta) -> str:
    for reference in meta.owner_references or ():
        if reference.controller and reference.uid:
            return reference.uid
    return ""
