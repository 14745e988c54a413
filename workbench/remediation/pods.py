"""Fixes of what a pod may do to its node: privileges, capabilities, namespaces, host paths (``catalogue.md`` 4)."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.inventory.changes import Op
from workbench.inventory.objects import Capabilities, Container, Volume, VolumeMount
from workbench.remediation.candidates import Candidate
from workbench.remediation.records import Fix, Risk, RiskLevel, Status
from workbench.techniques.resolve import host_paths

BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
"""What the level "baseline" lets a container add (Kubernetes documentation, "Pod Security Standards")."""
LOW_PORTS = 1024


def privileged_off(candidate: Candidate) -> Iterator[Fix]:
    """F-PRIV: ``privileged: false`` on every privileged container."""
    ops = [
        Op("set", candidate.container_path(key, container, "securityContext", "privileged"), False, True)
        for key, container in candidate.containers
        if container.security_context and container.security_context.privileged
    ]
    if not ops or candidate.windows:
        return
    host = candidate.devices or any(volume.host_path for volume in candidate.spec.volumes or ())
    if candidate.platform or host:
        risk = Risk(RiskLevel.HIGH, ("node agents and drivers often need a privileged container",))
    else:
        risk = Risk(RiskLevel.MEDIUM, ("an application without host directories or devices seldom needs it",))
    yield candidate.fix("F-PRIV", "privileged: false", ops, risk)


def host_namespaces_off(candidate: Candidate) -> Iterator[Fix]:
    """F-HOSTNS: ``hostPID``, ``hostIPC`` and ``hostNetwork`` off."""
    spec = candidate.spec
    values = (("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc), ("hostNetwork", spec.host_network))
    names = [name for name, value in values if value]
    if not names or candidate.windows:
        return
    reasons: list[str] = []
    if "hostNetwork" in names:
        reasons.append("ports on the node are freed and the pod's source address changes")
    if "hostPID" in names or "hostIPC" in names:
        reasons.append("agents that watch the processes of the node stop seeing them")
    level = RiskLevel.HIGH if candidate.platform or candidate.devices else RiskLevel.MEDIUM
    ops = [Op("set", candidate.path(name), False, True) for name in names]
    yield candidate.fix("F-HOSTNS", ", ".join(f"{name}: false" for name in names), ops, Risk(level, tuple(reasons)))


def capabilities_dropped(candidate: Candidate) -> Iterator[Fix]:
    """F-CAPS: drop ALL; of what is added only what the level "baseline" allows stays.

    A declared port below 1024 keeps, or gets, NET_BIND_SERVICE. Both lists are atomic, so each is given whole.
    """
    if candidate.windows:
        return
    ops: list[Op] = []
    for key, container in candidate.containers:
        context = container.security_context
        if context is not None and context.privileged:
            continue  # it holds every capability whatever is dropped
        had = context.capabilities if context is not None and context.capabilities is not None else Capabilities()
        add, drop = had.add or [], had.drop or []
        kept = _kept_capabilities(container, add, drop)
        if not any(_capability(item) == "ALL" for item in drop):
            ops.append(Op("set", _capabilities_path(candidate, key, container, "drop"), ["ALL"], had.drop))
        if kept == add:
            continue
        path = _capabilities_path(candidate, key, container, "add")
        ops.append(Op("set", path, kept, had.add) if kept else Op("remove", path, None, had.add))
    if not ops:
        return
    risk = Risk(
        RiskLevel.MEDIUM,
        ("an entrypoint that starts as root and then changes its user or owns files needs SETUID, SETGID or CHOWN",),
    )
    yield candidate.fix("F-CAPS", "capabilities drop ALL", ops, risk)


def _capabilities_path(candidate: Candidate, key: str, container: Container, name: str) -> str:
    return candidate.container_path(key, container, "securityContext", "capabilities", name)


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _kept_capabilities(container: Container, add: list[str], drop: list[str]) -> list[str]:
    """What stays of the added ones; a single drop beats a single add, and after drop ALL it would not."""
    dropped = {_capability(item) for item in drop}
    kept = [item for item in add if _capability(item) in BASELINE_CAPABILITIES - dropped]
    ports = [port.container_port for port in container.ports or () if port.container_port]
    # With ALL dropped before it was never there, so that the container does without.
    needed = not dropped & {"ALL", "NET_BIND_SERVICE"} and any(port < LOW_PORTS for port in ports)
    if needed and all(_capability(item) != "NET_BIND_SERVICE" for item in kept):
        kept.append("NET_BIND_SERVICE")
    return kept


# --- host paths ---------------------------------------------------------------------------------------


def _effective(volume: Volume, mount: VolumeMount) -> str:
    """The path of the host that a mount shows; the whole path where what is below is not known."""
    below = mount.sub_path or mount.sub_path_expr or ""
    path = volume.host_path.path if volume.host_path is not None else None
    return host_paths.cleaned(path or "/", "" if "$(" in below else below)


def _is_socket(volume: Volume, path: str) -> bool:
    known = path in host_paths.SOCKETS or path in host_paths.INIT_SOCKETS
    return known or (volume.host_path is not None and volume.host_path.type == "Socket")


def _dangerous(volume: Volume, path: str) -> bool:
    """Whether a path of the host is anything but a benign one."""
    danger = max(host_paths.write_danger(path), host_paths.read_danger(path))
    return _is_socket(volume, path) or danger > host_paths.Danger.NONE


def host_paths_removed(candidate: Candidate) -> Iterator[Fix]:
    """F-HP-DEL: the dangerous hostPath volumes go, each together with every mount of it.

    What a claim brings from the host stays: the PersistentVolume is not the workload's.
    """
    paths: list[str] = []
    gone: list[str] = []
    expanded = False
    for volume in candidate.spec.volumes or ():
        name = volume.name or ""
        mounts = list(candidate.mounts(name))
        if volume.host_path is None or not any(_dangerous(volume, _effective(volume, item[2])) for item in mounts):
            continue
        for key, container, mount in mounts:
            paths.append(
                candidate.container_path(key, container, "volumeMounts", (("mountPath", mount.mount_path or ""),))
            )
            expanded = expanded or bool(mount.sub_path_expr)
        paths.append(candidate.path("volumes", (("name", name),)))
        gone.append(volume.host_path.path or "/")
    if not gone:
        return
    risk = Risk(
        RiskLevel.HIGH if candidate.platform or candidate.devices else RiskLevel.MEDIUM,
        (f"what reads or writes {_listed(gone)} of the node loses it",),
    )
    status, reason = Status.READY, ""
    if expanded:
        status, reason = Status.ADVISORY, "rollback-lost: a mount's subPathExpr holds values that are not kept"
    ops = candidate.removal(*paths)
    yield candidate.fix("F-HP-DEL", f"no hostPath {_listed(gone)}", ops, risk, status=status, reason=reason)


def host_paths_read_only(candidate: Candidate) -> Iterator[Fix]:
    """F-HP-RO: mounts of dangerous host directories become read-only, submounts too where the server can.

    A socket takes connections on a read-only mount as well, so those of sockets stay.

    Source: Kubernetes documentation, "Volumes", recursive read-only mounts: it takes ``readOnly: true`` and no mount
    propagation.
    """
    recursive = not candidate.windows and candidate.view.server_version.pair >= host_paths.RECURSIVE_READ_ONLY_FROM
    ops: list[Op] = []
    seen: list[str] = []
    for volume in candidate.spec.volumes or ():
        if volume.host_path is None:
            continue
        for key, container, mount in candidate.mounts(volume.name or ""):
            path = _effective(volume, mount)
            if _is_socket(volume, path) or host_paths.write_danger(path) is host_paths.Danger.NONE:
                continue
            deep = recursive and mount.recursive_read_only is None and mount.mount_propagation in (None, "None")
            if mount.read_only and not (deep and path == "/"):
                continue  # only below the root does a read-only mount leave something writable
            where = (key, container, "volumeMounts", (("mountPath", mount.mount_path or ""),))
            if not mount.read_only:
                ops.append(Op("set", candidate.container_path(*where, "readOnly"), True, mount.read_only))
            if deep:
                ops.append(Op("set", candidate.container_path(*where, "recursiveReadOnly"), "Enabled", None))
            seen.append(volume.host_path.path or "/")
    if not ops:
        return
    reasons = [f"what writes to {_listed(seen)} of the node fails", "sockets in it still take connections"]
    if any(op.value == "Enabled" for op in ops):
        reasons.append("recursiveReadOnly takes Linux 5.12 and a runtime that knows it, or the pod does not start")
    level = RiskLevel.HIGH if candidate.platform else RiskLevel.MEDIUM
    yield candidate.fix("F-HP-RO", f"readOnly: true for hostPath {_listed(seen)}", ops, Risk(level, tuple(reasons)))


def _listed(paths: list[str]) -> str:
    return ", ".join(dict.fromkeys(paths))


FIXES = (privileged_off, host_namespaces_off, capabilities_dropped, host_paths_removed, host_paths_read_only)
