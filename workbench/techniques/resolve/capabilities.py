"""R3: the Linux capabilities that a container's root user holds.

Source: containerd ``pkg/cri/opts`` (``WithAddedCapabilities``: names come without ``CAP_``) and CRI-O's
``default_capabilities``; capabilities(7) for the names.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.resolve import CLUSTER, HOLDS, Answer, all_of, needs
from workbench.techniques.resolve.container import runtime_of
from workbench.techniques.resolve.user import as_root

ALL = frozenset(
    [
        "AUDIT_CONTROL",
        "AUDIT_READ",
        "AUDIT_WRITE",
        "BLOCK_SUSPEND",
        "BPF",
        "CHECKPOINT_RESTORE",
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "IPC_LOCK",
        "IPC_OWNER",
        "KILL",
        "LEASE",
        "LINUX_IMMUTABLE",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "MKNOD",
        "NET_ADMIN",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_RAW",
        "PERFMON",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYSLOG",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_CHROOT",
        "SYS_MODULE",
        "SYS_NICE",
        "SYS_PACCT",
        "SYS_PTRACE",
        "SYS_RAWIO",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    ]
)
CONTAINERD_DEFAULT = frozenset(
    [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
)
CRIO_DEFAULT = CONTAINERD_DEFAULT - {"MKNOD", "NET_RAW", "SYS_CHROOT", "AUDIT_WRITE", "SETFCAP"}

_TAKES_PREFIX = frozenset({"cri-o", "docker"})
"""Runtimes that accept ``CAP_SYS_ADMIN`` for ``SYS_ADMIN``; containerd ignores such an entry."""


class Capabilities(NamedTuple):
    """What the root user of a container holds."""

    certain: frozenset[str]
    possible: frozenset[str]
    """With those that only some runtimes grant, where the runtime is not known."""


_ALL = Capabilities(ALL, ALL)


def effective_capabilities(view: Inventory, container: ContainerInstance) -> Capabilities:
    """The capabilities of a container's root user; processes of other users hold none (no ambient set)."""
    return capabilities_on(runtime_of(view, container), container)


def capabilities_on(runtime: str | None, container: ContainerInstance) -> Capabilities:
    """The same on a runtime, ``None`` for an unknown one."""
    if container.privileged:
        return _ALL
    spec = container.capabilities
    return resolve(False, tuple(spec.add or ()), tuple(spec.drop or ()), runtime)


@lru_cache(maxsize=4096)
def resolve(privileged: bool, add: tuple[str, ...], drop: tuple[str, ...], runtime: str | None) -> Capabilities:
    """The capabilities of ``add`` and ``drop`` on a runtime, ``None`` for an unknown one.

    The order is the runtimes': the defaults; all if ``ALL`` is added; none if ``ALL`` is dropped; plus the
    single adds; less the single drops. Privileged containers hold all, whatever they drop.
    """
    if privileged:
        return _ALL
    default = CRIO_DEFAULT if runtime == "cri-o" else CONTAINERD_DEFAULT
    if runtime is not None:
        held = _held(default, add, drop, prefix=runtime in _TAKES_PREFIX)
        return Capabilities(held, held)
    strict = _held(default, add, drop, prefix=False)
    lenient = _held(default, add, drop, prefix=True)
    return Capabilities(strict & lenient, strict | lenient)


def _held(default: frozenset[str], add: tuple[str, ...], drop: tuple[str, ...], *, prefix: bool) -> frozenset[str]:
    added = _names(add, prefix=prefix)
    dropped = _names(drop, prefix=prefix)
    held = default
    if "ALL" in added:
        held = ALL
    if "ALL" in dropped:
        held = frozenset()
    return (held | (added & ALL)) - dropped


def _names(entries: tuple[str, ...], *, prefix: bool) -> set[str]:
    names = {entry.upper() for entry in entries}
    return {name.removeprefix("CAP_") for name in names} if prefix else names


_READS = frozenset({"Pod", "Node"})


def holds(view: Inventory, container: ContainerInstance, *capabilities: str) -> Answer | None:
    """Whether an attacker in a container can act with all of some capabilities.

    Returns:
        ``None`` if the container does not have them; else what it takes: root, and C-GATE where it depends on
        an unknown runtime.
    """
    # Half a dozen techniques ask, of replicas on every node.
    known: dict[tuple[Any, ...], Answer | None] = view.memo("capabilities held", _READS)
    key = container.alike, runtime_of(view, container), capabilities
    if key not in known:
        held = effective_capabilities(view, container)
        if held.possible.issuperset(capabilities):
            granted = HOLDS if held.certain.issuperset(capabilities) else needs("C-GATE", CLUSTER)
            known[key] = all_of(granted, as_root(container))
        else:
            known[key] = None
    return known[key]


def capabilities_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    """The fields that grant and take capabilities."""
    obj = container.pod.obj
    if container.privileged:
        return [view.evidence(obj, container.field("securityContext.privileged"), False)]
    return [
        view.evidence(obj, container.field("securityContext.capabilities.add")),
        view.evidence(obj, container.field("securityContext.capabilities.drop")),
    ]
