"""R7: which directories of the host a container mounts, how, and how dangerous they are.

Source: Kubernetes documentation, "Volumes" (hostPath, local, subPath, recursive read-only mounts, KEP-3857); the
classes of paths are those of ``catalogue.md`` R7.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from workbench.graph.graph import Fact
from workbench.inventory import fields
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.objects import PersistentVolume, PersistentVolumeClaim, Volume, VolumeMount
from workbench.inventory.pods import ContainerInstance, PodInstance, Trait
from workbench.techniques.resolve import CLUSTER

RECURSIVE_READ_ONLY_FROM = (1, 31)

HOST_DRIVERS = ("*hostpath*", "*host-path*", "*local-path*")
"""Globs of inline CSI and flexVolume drivers that are known to expose directories of the host."""

KUBELET_PODS = "/var/lib/kubelet/pods"
VAR_LOG = "/var/log"
SUBMOUNTS_OF_ROOT = ("/proc", "/sys", "/run", "/dev")
"""File systems of their own on every host: a read-only mount of ``/`` does not cover them."""

SOCKETS = (
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/cri-dockerd.sock",
    "/run/podman/podman.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
)
"""The sockets of container runtimes."""
MICROK8S = "/var/snap/microk8s"
INIT_SOCKETS = ("/run/systemd/private", "/run/dbus/system_bus_socket")
"""Sockets through which root may start programs on the host."""

_BENIGN = frozenset(
    [
        "/etc/localtime",
        "/etc/timezone",
        "/etc/os-release",
        "/etc/machine-id",
        "/etc/hosts",
        "/etc/ssl/certs",
        "/etc/pki/ca-trust",
        "/usr/share/zoneinfo",
        "/usr/share/ca-certificates",
        "/sys/fs/bpf",
        "/run/xtables.lock",
        "/dev/null",
        "/dev/shm",
        "/dev/log",
    ]
)
PROVISIONED = ("/opt/local-path-provisioner", "/var/lib/rancher/k3s/storage", "/var/local-path-provisioner")
"""Where local-path-provisioner keeps the volumes that it makes, a folder for each: by default, in k3s, in kind.

Source: the README of rancher/local-path-provisioner; K3s documentation, "Volumes and Storage"; kind's default storage.
"""

_WRITE_EXACT = frozenset(("/", "/etc", "/opt", "/home", "/var", "/var/lib"))
_WRITE_BELOW = ("/usr", "/bin", "/sbin", "/lib*", "/root", "/boot", "/home/*/.ssh")
_WRITE_RELATED = (
    *(
        f"/etc/{name}"
        for name in [
            "cron*",
            "systemd",
            "kubernetes",
            "cni",
            "ssh",
            "sudoers*",
            "passwd",
            "shadow",
            "ld.so.preload",
            "profile.d",
            "containerd",
            "crio",
            "rancher",
            "udev",
        ]
    ),
    *(f"/var/lib/{name}" for name in ["containerd", "docker", "rancher", "etcd"]),
    *(f"/var/lib/kubelet/{name}" for name in ["pods", "pki", "plugins_registry", "device-plugins", "config.yaml"]),
    "/var/spool/cron",
    "/opt/cni",
    "/run/containerd",
    "/proc",
    "/sys",
    "/home/kubernetes",
)
_READ_EXACT = frozenset(("/", "/etc", "/root", "/home", "/var", "/var/lib"))
_READ_RELATED = (
    "/etc/kubernetes",
    *(f"/var/lib/{name}" for name in ["kubelet", "etcd", "rancher", "cloud", "containerd", "docker"]),
    *(f"{home}/{name}" for home in ("/root", "/home/*") for name in (".kube", ".ssh")),
    "/proc",
)


class Danger(enum.IntEnum):
    """What having a path of the host means."""

    NONE = 0
    POSSIBLE = 1
    """Nobody knows the path: C-PATH."""
    CERTAIN = 2


@dataclass(frozen=True, slots=True)
class HostMount:
    """One mount of one container that may lead to a directory of the host."""

    volume: Volume
    mount: VolumeMount
    path: str | None
    """The effective host path; ``None`` for a driver that exposes directories nobody knows (C-CSI)."""
    read_only: bool
    """Whether the top mount is read-only."""
    recursive: bool | None
    """Whether a read-only mount covers submounts too; ``None`` where the server or runtime decides."""
    missing: tuple[Fact, ...] = ()
    """What it takes that the path is this one: C-SUBPATH, C-CSI."""
    claim: PersistentVolumeClaim | None = None
    persistent_volume: PersistentVolume | None = None

    @property
    def key(self) -> str:
        """The mount's path in the container: unique there, so a cause can name the mount by it."""
        return self.mount.mount_path or ""

    def writable(self) -> Iterator[tuple[str, tuple[Fact, ...]]]:
        """The host paths that the container may write to through this mount, with what each takes."""
        if self.path is None:
            return
        if not self.read_only:
            yield self.path, self.missing
        elif self.recursive is not True and self.path == "/":
            extra: tuple[Fact, ...] = () if self.recursive is False else (("C-GATE", CLUSTER),)
            for submount in SUBMOUNTS_OF_ROOT:
                yield submount, (*self.missing, *extra)


VOLUMES_BY_CLAIM: IndexOf[str, PersistentVolume] = IndexOf(
    "persistent volumes by claim",
    "PersistentVolume",
    lambda volume: (
        (f"{volume.spec.claim_ref.namespace}/{volume.spec.claim_ref.name}",)
        if volume.spec is not None and volume.spec.claim_ref is not None
        else ()
    ),
)


_READS = frozenset({"Pod", "PersistentVolume", "PersistentVolumeClaim"})


def host_mounts(view: Inventory, container: ContainerInstance) -> Sequence[HostMount]:
    """The mounts of a container that lead, or may lead, to a directory of the host.

    A volume that is declared and not mounted gives nothing.
    """
    if Trait.HOST_PATH not in container.traits:
        return ()
    # Half a dozen techniques ask.
    memo = view.memo("host mounts", _READS)
    found: Sequence[HostMount] | None = memo.get(container)
    if found is None:
        found = memo.get(container.alike)
        # What the status decides, or is unsure about the pod, is each replica's own.
        if found is None or any(each.missing or each.mount.recursive_read_only for each in found):
            found = tuple(_host_mounts(view, container))
        memo[container] = found
    return found


def _host_mounts(view: Inventory, container: ContainerInstance) -> list[HostMount]:
    out: list[HostMount] = []
    volumes = container.pod.volumes
    for mount in container.spec.volume_mounts or ():
        volume = volumes.get(mount.name or "")
        if volume is None:
            continue
        if volume.host_path is not None:
            out.append(_made(view, container, volume, mount, volume.host_path.path))
        elif volume.persistent_volume_claim is not None:
            claim, bound = bound_volume(view, container.pod, volume)
            path = host_path_of(bound)
            if path is not None:
                out.append(_made(view, container, volume, mount, path, claim=claim, persistent_volume=bound))
        elif volume.csi is not None or volume.flex_volume is not None:
            source = volume.csi or volume.flex_volume
            driver = source.driver if source is not None else None
            if driver and any(fnmatchcase(driver.lower(), glob) for glob in HOST_DRIVERS):
                out.append(_of_driver(container, volume, mount))
    return out


def mount_of(view: Inventory, container: ContainerInstance, key: str) -> HostMount | None:
    """The mount that a cause names by its path in the container."""
    return next((mount for mount in host_mounts(view, container) if mount.key == key), None)


def bound_volume(
    view: Inventory, pod: PodInstance, volume: Volume
) -> tuple[PersistentVolumeClaim | None, PersistentVolume | None]:
    """The claim of a pod's volume and the PersistentVolume it is bound to, each if it was read."""
    source = volume.persistent_volume_claim
    if source is None or not source.claim_name:
        return None, None
    claim = view.get(PersistentVolumeClaim, source.claim_name, pod.namespace)
    if claim is not None and claim.spec is not None and claim.spec.volume_name:
        return claim, view.get(PersistentVolume, claim.spec.volume_name)
    # Bound from the other end: the volume names the claim, as in manifests written before binding.
    reserved = view.index(VOLUMES_BY_CLAIM)[f"{pod.namespace}/{source.claim_name}"]
    return claim, reserved[0] if reserved else None


def host_path_of(volume: PersistentVolume | None) -> str | None:
    """The directory of the host that a PersistentVolume stands for, ``None`` for any other volume."""
    if volume is None or volume.spec is None:
        return None
    source = volume.spec.host_path or volume.spec.local
    return (source.path or "/") if source is not None else None


def _made(
    view: Inventory,
    container: ContainerInstance,
    volume: Volume,
    mount: VolumeMount,
    path: str | None,
    *,
    claim: PersistentVolumeClaim | None = None,
    persistent_volume: PersistentVolume | None = None,
) -> HostMount:
    below = mount.sub_path or ""
    missing: tuple[Fact, ...] = ()
    if mount.sub_path_expr:
        if "$(" in mount.sub_path_expr:
            missing = (("C-SUBPATH", container.pod.obj.id),)
        else:
            below = mount.sub_path_expr
    source = volume.persistent_volume_claim
    read_only = mount.read_only is True or (source is not None and source.read_only is True)
    return HostMount(
        volume=volume,
        mount=mount,
        path=cleaned(path or "/", below),
        read_only=read_only,
        recursive=_recursive(view, container, mount),
        missing=missing,
        claim=claim,
        persistent_volume=persistent_volume,
    )


def _of_driver(container: ContainerInstance, volume: Volume, mount: VolumeMount) -> HostMount:
    source = volume.csi or volume.flex_volume
    read_only = mount.read_only is True or (source is not None and source.read_only is True)
    return HostMount(volume, mount, None, read_only, None, (("C-CSI", container.pod.obj.id),))


def _recursive(view: Inventory, container: ContainerInstance, mount: VolumeMount) -> bool | None:
    """Whether ``recursiveReadOnly`` is in force: by status where ``IfPossible`` left it to the runtime."""
    wish = mount.recursive_read_only
    if wish not in ("Enabled", "IfPossible"):
        return False
    if wish == "Enabled" and container.pod.live:
        return True  # a server without the feature drops the field
    if not container.pod.live:
        version = view.server_version
        if not version.assumed and version.pair < RECURSIVE_READ_ONLY_FROM:
            return False
        return True if wish == "Enabled" and not version.assumed else None
    statuses = container.status.volume_mounts if container.status is not None else None
    if statuses is None:
        return None
    return any(status.mount_path == mount.mount_path and status.recursive_read_only == "Enabled" for status in statuses)


@lru_cache(maxsize=8192)
def cleaned(path: str, below: str = "") -> str:
    """A host path with a path below it, without dots and doubled slashes, ``/var/run`` as ``/run``."""
    clean = "/" + posixpath.normpath(f"/{path}/{below}").lstrip("/")
    if clean == "/var/run" or clean.startswith("/var/run/"):
        clean = clean[len("/var") :]
    return clean


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _related(path: list[str], pattern: str) -> bool:
    """Equal to, above or below a pattern."""
    return all(fnmatchcase(part, glob) for part, glob in zip(path, _parts(pattern), strict=False))


def _at_or_below(path: list[str], pattern: str) -> bool:
    globs = _parts(pattern)
    return len(path) >= len(globs) and all(fnmatchcase(part, glob) for part, glob in zip(path, globs, strict=False))


def at_or_above(path: str, what: str) -> bool:
    """Whether a path holds another one, or is it."""
    return path in ("/", what) or what.startswith(path + "/")


def _is_harmless(path: str) -> bool:
    """Whether a path gives nothing of the host, whatever lies around it.

    The folder of a volume that a provisioner made holds what its pods wrote there, and nothing that the node runs. The
    folder above holds the volumes of other pods.
    """
    return path in _BENIGN or any(path.startswith(f"{folder}/") for folder in PROVISIONED)


@lru_cache(maxsize=8192)
def write_danger(path: str) -> Danger:
    """What it means that a container may write to a path of the host as root (*W-root*)."""
    if _is_harmless(path) or path in SOCKETS or path in INIT_SOCKETS:
        return Danger.NONE
    parts = _parts(path)
    if (
        path in _WRITE_EXACT
        or any(_at_or_below(parts, pattern) for pattern in _WRITE_BELOW)
        or any(_related(parts, pattern) for pattern in _WRITE_RELATED)
    ):
        return Danger.CERTAIN
    return Danger.POSSIBLE


@lru_cache(maxsize=8192)
def read_danger(path: str) -> Danger:
    """What it means that a container may read a path of the host as root (*R-cred*).

    Paths that are known to be dangerous only to write to hold no credentials.
    """
    if _is_harmless(path) or path in SOCKETS or path in INIT_SOCKETS:
        return Danger.NONE
    parts = _parts(path)
    if path in _READ_EXACT or any(_related(parts, pattern) for pattern in _READ_RELATED):
        return Danger.CERTAIN
    return Danger.NONE if write_danger(path) is Danger.CERTAIN else Danger.POSSIBLE


def is_device(path: str) -> bool:
    """Whether a path is that of device files, which the device cgroup denies to unprivileged containers."""
    return path == "/dev" or path.startswith("/dev/")


def mount_evidence(view: Inventory, container: ContainerInstance, mount: HostMount) -> list[Evidence]:
    """The volume, what it is bound to, the mount and what makes it writable; the path first."""
    obj = container.pod.obj
    volume = container.pod.field(fields.dotted(("volumes", (("name", mount.volume.name or ""),))))
    out: list[Evidence] = []
    if mount.volume.host_path is not None:
        out.append(view.evidence(obj, f"{volume}.hostPath.path"))
    elif mount.persistent_volume is not None:
        spec = mount.persistent_volume.spec
        source = "hostPath" if spec is not None and spec.host_path is not None else "local"
        out.append(view.evidence(mount.persistent_volume, f"spec.{source}.path"))
        if mount.claim is not None and mount.claim.spec is not None and mount.claim.spec.volume_name:
            out.append(view.evidence(mount.claim, "spec.volumeName"))
        else:
            out.append(view.evidence(mount.persistent_volume, "spec.claimRef.name"))
        out.append(view.evidence(obj, f"{volume}.persistentVolumeClaim.claimName"))
        out.append(view.evidence(obj, f"{volume}.persistentVolumeClaim.readOnly", False))
    else:
        kind = "csi" if mount.volume.csi is not None else "flexVolume"
        out.append(view.evidence(obj, f"{volume}.{kind}.driver"))
    at = container.field(fields.dotted(("volumeMounts", (("mountPath", mount.key),))))
    out.append(view.evidence(obj, f"{at}.mountPath"))
    out.append(view.evidence(obj, f"{at}.readOnly", False))
    if mount.read_only:
        out.append(view.evidence(obj, f"{at}.recursiveReadOnly", "Disabled"))
    if mount.mount.sub_path:
        out.append(view.evidence(obj, f"{at}.subPath"))
    if mount.mount.sub_path_expr:
        out.append(view.evidence(obj, f"{at}.subPathExpr"))
    return out
