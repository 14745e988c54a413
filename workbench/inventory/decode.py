"""From JSON or plain data to the trimmed objects: one path for files, snapshots and clusters.

Values that must not enter the inventory are dropped here: environment values (the Services in them stay), the data
of Secrets and ConfigMaps (key names stay), annotation values and program arguments that no rule reads.
"""

from __future__ import annotations

import re
import sys
from functools import cache, lru_cache
from typing import Any

import msgspec

from workbench.inventory import connectivity, objects
from workbench.inventory.arguments import trimmed_arguments
from workbench.inventory.objects import (
    CLUSTER_SCOPED,
    ConfigMap,
    Container,
    CronJob,
    EnvVar,
    KubernetesObject,
    Labels,
    ManagedField,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
    Record,
    Secret,
)
from workbench.inventory.records import wire_kind

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

ANNOTATION_VALUES = re.compile(
    r"""^(
      kubernetes\.io/(config\.(mirror|source)|service-account\.(name|uid)|ingress\.class|enforce-mountable-secrets)
    | container\.apparmor\.security\.beta\.kubernetes\.io/.*
    | pv\.kubernetes\.io/.* | ingressclass\.kubernetes\.io/is-default-class
    | .*load-balancer-(internal|type|scheme) | networking\.gke\.io/load-balancer-type
    | nginx\.ingress\.kubernetes\.io/(auth-.*|whitelist-source-range|allowlist-source-range|denylist-source-range)
    | traefik\.ingress\.kubernetes\.io/router\.middlewares | haproxy\.org/(auth-type|whitelist|allow-list)
    | alb\.ingress\.kubernetes\.io/(scheme|auth-type|inbound-cidrs)
    | haproxy\.router\.openshift\.io/ip_(white|allow)list
    | rbac\.authorization\.kubernetes\.io/autoupdate
    | argocd\.argoproj\.io/(tracking-id|instance) | meta\.helm\.sh/release-(name|namespace)
    | eks\.amazonaws\.com/.* | iam\.gke\.io/.* | azure\.workload\.identity/.*
    | olm\..* | deployment\.kubernetes\.io/revision | workbench/.*
    )$""",
    re.VERBOSE,
)
"""The annotations whose values some rule reads; of all others only the key stays."""

CONFIG_VALUES: dict[str, frozenset[str]] = {
    "argocd-cm": frozenset({"application.namespaces", "users.anonymous.enabled", "admin.enabled"}),
    "argocd-rbac-cm": frozenset({"policy.default", "policy.csv", "scopes"}),
    "kubeadm-config": frozenset({"ClusterConfiguration"}),
    "kubelet-config": frozenset({"kubelet"}),
    "calico-config": frozenset({"typha_service_name", "calico_backend"}),
    "cilium-config": frozenset({"enable-policy", "policy-enforcement-mode"}),
}
"""The ConfigMaps, and the keys in them, that are read by name."""

CONFIG_KEYS = frozenset({"allow-snippet-annotations", "annotations-risk-level"})
"""Keys of ingress-nginx' ConfigMap, whose name the installation chooses."""

WITH_MANAGERS = frozenset(kind.__name__ for kind in objects.WORKLOADS) | {
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "Service",
    "ServiceAccount",
}
"""Kinds that keep ``managedFields``: fixes are aimed at them."""


class DecodeError(ValueError):
    """A field of an object has the wrong type or is missing.

    Attributes:
        problem: What is wrong, in one sentence.
        field: The dotted path of the field, empty for the object itself.
    """

    def __init__(self, problem: str, field: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.field = field


class Header(msgspec.Struct, gc=False):
    """What tells what a document is."""

    api_version: str | None = msgspec.field(default=None, name="apiVersion")
    kind: str | None = None


class _SecretIn(Secret):
    data: dict[str, Any] | None = None
    string_data: dict[str, Any] | None = None


class _ConfigMapIn(KubernetesObject):
    data_keys: list[str] | None = None
    data: dict[str, Any] | None = None
    binary_data: dict[str, Any] | None = None


_WIRE: dict[type[KubernetesObject], type[Record]] = {Secret: _SecretIn, ConfigMap: _ConfigMapIn}


class _EnvValue(msgspec.Struct, gc=False):
    name: str | None = None
    value: str | None = None


class _Plan:
    """How objects of one kind are decoded, worked out once."""

    __slots__ = ("decode", "kind", "managed", "namespaced", "of_pods", "wire")

    def __init__(self, kind: type[KubernetesObject]) -> None:
        self.kind = kind
        self.wire: type[Record] = _WIRE.get(kind, kind)
        self.decode = msgspec.json.Decoder(self.wire).decode
        self.namespaced = kind.__name__ not in CLUSTER_SCOPED
        self.managed = kind.__name__ in WITH_MANAGERS
        self.of_pods = kind is Pod or kind in objects.WORKLOADS
        """Whether there is a pod spec in it."""


@cache
def _plan(kind: type[KubernetesObject]) -> _Plan:
    return _Plan(kind)


class Kept:
    """What is kept of values and arguments, remembered for the replicas, which have the same ones.

    It holds what must not enter the inventory, so it lives no longer than the source is being read.
    """

    def __init__(self, remembered: int = 4096) -> None:
        self.value = lru_cache(remembered)(connectivity.kept)
        self.arguments = lru_cache(remembered)(_trimmed)
        # A set of fields is kept as it is, so to remember it takes no memory of its own.
        self.owned = lru_cache(remembered and None)(msgspec.Raw)


def from_json(
    kind: type[KubernetesObject], raw: bytes | memoryview, namespace: str = "", kept: Kept | None = None
) -> KubernetesObject:
    """Decode one object from JSON.

    Args:
        kind: The class to decode to.
        raw: The JSON text of one object.
        namespace: Where to place a namespaced object that names no namespace.
        kept: What the other objects of the source had.

    Raises:
        DecodeError: A used field has the wrong type, or there is no name.
    """
    plan = _plan(kind)
    try:
        decoded = plan.decode(raw)
    except msgspec.ValidationError as error:
        raise _fault(error) from error
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8 text: byte 0x{error.object[error.start]:02x}") from error
    return _finish(plan, decoded, namespace, raw, kept or _FORGETFUL)


def from_data(kind: type[KubernetesObject], data: Any, namespace: str = "") -> KubernetesObject:
    """Decode one object from plain data (as YAML gives it); otherwise as :func:`from_json`."""
    plan = _plan(kind)
    try:
        decoded = msgspec.convert(_with_raw_fields(data), plan.wire)
    except msgspec.ValidationError as error:
        raise _fault(error) from error
    return _finish(plan, decoded, namespace, data, _FORGETFUL)


def _with_raw_fields(data: Any) -> Any:
    """The data with the sets of managed fields as JSON; the argument is left as it is."""
    meta = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(meta, dict) or not isinstance(entries := meta.get("managedFields"), list):
        return data
    made = [
        {**entry, "fieldsV1": msgspec.Raw(msgspec.json.encode(entry["fieldsV1"]))}
        if isinstance(entry, dict) and "fieldsV1" in entry
        else entry
        for entry in entries
    ]
    return {**data, "metadata": {**meta, "managedFields": made}}


def plain(obj: KubernetesObject) -> dict[str, Any]:
    """The object as plain data with the wire's names, absent fields left out, kind included."""
    # Through JSON, for to_builtins leaves tuples, which are no lists to a path.
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(obj))
    return {"apiVersion": data.pop("apiVersion", ""), "kind": wire_kind(type(obj)), **data}


def _fault(error: msgspec.ValidationError, within: str = "") -> DecodeError:
    text = str(error)
    problem, _, where = text.partition(" - at `$")
    return DecodeError(problem[:1].lower() + problem[1:], within or where.rstrip("`").lstrip("."))


def _finish(plan: _Plan, decoded: Any, namespace: str, source: Any, kept: Kept) -> KubernetesObject:
    """What is kept of a decoded object; the source is its JSON text or its plain data."""
    if plan.wire is not plan.kind:
        decoded = _secret(decoded) if plan.kind is Secret else _config_map(decoded)
    obj: KubernetesObject = decoded
    meta = obj.metadata
    if not meta.name:
        if not meta.generate_name:
            raise DecodeError("an object needs a name", "metadata.name")
        meta.name = f"{meta.generate_name}*"
    if not plan.namespaced:
        meta.namespace = None
    elif not meta.namespace:
        meta.namespace = namespace or "default"
    if meta.annotations:
        meta.annotations = trimmed_annotations(meta.annotations)
    if meta.managed_fields is not None:
        meta.managed_fields = kept_fields(meta, kept) if plan.managed else None
    if plan.of_pods:
        spec = _pod_spec(obj)
        if spec is not None:
            _trim_pod_spec(spec, obj, source, kept)
        if plan.kind is Pod and decoded.status is not None:
            _trim_status(decoded.status)
    return obj


_NO_MOUNTS: list[objects.MountStatus] = []


def _trim_status(status: PodStatus) -> None:
    """Of the mounts that a status repeats only those stay of which it says something: almost none."""
    for group in (status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses):
        for container in group or ():
            mounts, identity = container.volume_mounts, container.container_id
            if mounts is not None:
                container.volume_mounts = [each for each in mounts if each.recursive_read_only] or _NO_MOUNTS
            if identity is not None:
                container.container_id = sys.intern(identity[: identity.find("://") + 3]) if "://" in identity else None


def kept_fields(meta: ObjectMeta, kept: Kept) -> list[ManagedField] | None:
    """Who manages which field, cut loose from the text that was decoded.

    Of an object that another one controls nothing is kept: a fix is aimed at the controller.

    Args:
        meta: Whose fields.
        kept: What the other objects of the source had; equal sets are one object.

    Raises:
        DecodeError: A set of fields is no mapping.
    """
    entries = meta.managed_fields
    for reference in meta.owner_references or ():
        if reference.controller:
            return None
    for index, entry in enumerate(entries or ()):
        keep_owned(entry, kept, f"metadata.managedFields[{index}].fieldsV1")
    return entries


def keep_owned(entry: ManagedField, kept: Kept, field: str = "fieldsV1") -> None:
    """Cut the set of fields of one manager loose from the text that was decoded.

    Raises:
        DecodeError: It is no mapping.
    """
    owned = entry.owned
    if isinstance(owned, msgspec.Raw):
        text = _in_one_line(bytes(owned))
        if text == b"null":
            entry.owned = msgspec.UNSET
        elif not text.startswith(b"{"):
            raise DecodeError("expected a mapping or null", field)
        else:
            # A view would keep the whole text alive.
            entry.owned = kept.owned(text)


@lru_cache(maxsize=64)
def _in_one_line(text: bytes) -> bytes:
    """JSON as snapshots have it, one line for each object. What one tool makes is often the same for many objects."""
    if not any(blank in text for blank in (b" ", b"\n", b"\t", b"\r")):
        return text
    return bytes(msgspec.json.format(text, indent=-1))


def trimmed_annotations(annotations: Labels) -> Labels:
    """The annotations with only those values that some rule reads; one mapping for all where there are none."""
    keys, read = _read_of(tuple(annotations))
    return {**keys, **{key: annotations[key] for key in read}} if read else keys


@lru_cache(maxsize=1024)
def _read_of(annotations: tuple[str, ...]) -> tuple[Labels, list[str]]:
    """The annotations without values, and those whose values some rule reads."""
    return dict.fromkeys(annotations), [key for key in annotations if ANNOTATION_VALUES.match(key)]


def _secret(decoded: _SecretIn) -> Secret:
    keys = {*(decoded.data or ()), *(decoded.string_data or ()), *(decoded.data_keys or ())}
    return Secret(
        api_version=decoded.api_version,
        metadata=decoded.metadata,
        type=decoded.type,
        data_keys=sorted(keys) or None,
    )


def _config_map(decoded: _ConfigMapIn) -> ConfigMap:
    keys = {*(decoded.data or ()), *(decoded.binary_data or ()), *(decoded.data_keys or ())}
    wanted = CONFIG_VALUES.get(decoded.metadata.name or "", frozenset()) | CONFIG_KEYS
    kept = {key: value for key, value in (decoded.data or {}).items() if key in wanted and isinstance(value, str)}
    if "kubelet" in kept:
        kept["kubelet"] = _blocks(kept["kubelet"], _KUBELET_BLOCKS)
    return ConfigMap(
        api_version=decoded.api_version,
        metadata=decoded.metadata,
        data_keys=sorted(keys) or None,
        data=kept or None,
    )


_KUBELET_BLOCKS = frozenset({"authentication", "authorization"})
"""Of a KubeletConfiguration no more is kept: it may hold the headers with which static pods are fetched."""


def _blocks(text: str, names: frozenset[str]) -> str:
    """The named blocks at the top of a YAML text, as it is written."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if line[:1] not in (" ", "", "#"):
            inside = line.partition(":")[0] in names
        if inside:
            kept.append(line)
    return "\n".join(kept)


def _pod_spec(obj: Any) -> PodSpec | None:
    """The pod spec of a Pod or workload, whose template's annotations are trimmed too."""
    if type(obj) is Pod:
        return obj.spec
    spec = obj.spec
    if spec is not None and type(obj) is CronJob:
        job = spec.job_template
        spec = job.spec if job else None
    template: objects.PodTemplate | None = spec.template if spec else None
    if template is None:
        return None
    if template.metadata and template.metadata.annotations:
        template.metadata.annotations = trimmed_annotations(template.metadata.annotations)
    return template.spec


def _trim_pod_spec(spec: PodSpec, obj: KubernetesObject, source: Any, kept: Kept) -> None:
    unresolved = False
    for group in (spec.containers, spec.init_containers, spec.ephemeral_containers):
        for container in group or ():
            if container.args:
                container.args = kept.arguments(tuple(container.args))
            if container.command:
                container.command = kept.arguments(tuple(container.command))
            if container.env:
                for variable in container.env:
                    value = variable.value
                    if value is not None:
                        variable.value = kept.value(variable.name or "", value) if type(value) is str else None
            for mount in container.volume_mounts or ():
                if mount.sub_path_expr:
                    unresolved = True
    if unresolved:
        _expand_sub_paths(spec, obj, source if isinstance(source, dict) else msgspec.json.decode(source))


def _trimmed(arguments: tuple[str, ...]) -> list[str]:
    """The replicas of a workload, its ReplicaSets and itself share one list, which nobody changes."""
    return trimmed_arguments(arguments, connectivity.kept)


_FORGETFUL = Kept(0)


_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")


def _expand_sub_paths(spec: PodSpec, obj: KubernetesObject, data: Any) -> None:
    """Expand ``subPathExpr`` with the literal environment values, which are then forgotten.

    Source: Kubernetes documentation, Volumes, "Using subPath with expanded environment variables".
    """
    holder = data
    for step in _template_steps(obj):
        holder = holder.get(step) if isinstance(holder, dict) else None
    if not isinstance(holder, dict):
        return
    groups: tuple[tuple[list[Container] | None, str], ...] = (
        (spec.containers, "containers"),
        (spec.init_containers, "initContainers"),
        (spec.ephemeral_containers, "ephemeralContainers"),
    )
    for containers, key in groups:
        for container, source in zip(containers or (), holder.get(key) or (), strict=False):
            values: dict[str, str] = {}
            for entry in source.get("env") or () if isinstance(source, dict) else ():
                try:
                    variable = msgspec.convert(entry, _EnvValue)
                except msgspec.ValidationError as error:
                    raise _fault(error, f"{pod_spec_prefix(obj.kind)}.{key}[name={container.name}].env") from error
                if variable.name and variable.value is not None and "$(" not in variable.value:
                    values[variable.name] = variable.value
            _resolve_field_refs(container.env, obj, values)
            for mount in container.volume_mounts or ():
                if mount.sub_path_expr:
                    mount.sub_path_expr = _REFERENCE.sub(
                        lambda match, known=values: (  # type: ignore[misc]
                            "$" if match[0] == "$$" else known.get(match[1], match[0])
                        ),
                        mount.sub_path_expr,
                    )


def _resolve_field_refs(env: list[EnvVar] | None, obj: KubernetesObject, values: dict[str, str]) -> None:
    if not isinstance(obj, Pod):
        return
    known = {"metadata.name": obj.name, "metadata.namespace": obj.namespace}
    for variable in env or ():
        ref = variable.value_from.field_ref if variable.value_from else None
        if variable.name and ref and ref.field_path in known:
            values[variable.name] = known[ref.field_path]


def _template_steps(obj: KubernetesObject) -> tuple[str, ...]:
    return tuple(pod_spec_prefix(obj.kind).split("."))


def pod_spec_prefix(kind: str) -> str:
    """The dotted path of the pod spec within an object of a kind that has one."""
    if kind == "Pod":
        return "spec"
    if kind == "CronJob":
        return "spec.jobTemplate.spec.template.spec"
    return "spec.template.spec"
