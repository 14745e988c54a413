"""Container escapes by privilege and capabilities (``catalogue.md`` 2.3): from a container to its node.

All need a Linux node, no user namespace of the pod's own (R5) and no sandboxed runtime (R6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import CONTAINERS_BY_TRAIT, Inventory
from workbench.inventory.pods import ContainerInstance, Trait
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.many import Record, RecordTechnique
from workbench.techniques.pod_fields import ESCAPE
from workbench.techniques.resolve import Answer, all_of, distinct, needs
from workbench.techniques.resolve.capabilities import capabilities_evidence, holds
from workbench.techniques.resolve.cgroups import on_version_1
from workbench.techniques.resolve.confinement import (
    module_evidence,
    no_security_module,
    seccomp_evidence,
    system_calls_of_capabilities_open,
)
from workbench.techniques.resolve.container import FactsOfReplicas, kinds_of_nodes, node_evidence, on_linux
from workbench.techniques.resolve.isolation import isolation_evidence, not_isolated
from workbench.techniques.resolve.user import as_root, user_evidence

FAMILY = "escape"
READS = frozenset({"Pod", "Node", "RuntimeClass"})

PRIVILEGED = "privileged"
CAPABILITIES = "capabilities"
_CAPABLE = (Trait.PRIVILEGED, Trait.ADDED_CAPABILITIES)

CAPABILITIES_7 = "https://man7.org/linux/man-pages/man7/capabilities.7.html"


class Way(NamedTuple):
    """A way out that a container has: what it takes, and the cause that evidence is rebuilt from."""

    answer: Answer
    cause: str


def with_traits(view: Inventory, traits: Iterable[Trait]) -> Iterator[ContainerInstance]:
    """The containers with any of some traits, each once."""
    index = view.index(CONTAINERS_BY_TRAIT)
    seen: set[str] = set()
    for trait in traits:
        for container in index[trait]:
            if container.id not in seen:
                seen.add(container.id)
                yield container


class Escape(RecordTechnique):
    """An escape that depends on the container's own privileges."""

    from_subject = True

    def __init__(
        self,
        declaration: Declaration,
        traits: tuple[Trait, ...],
        way: Callable[[Inventory, ContainerInstance], Way | None],
        proof: Callable[[Inventory, ContainerInstance, str], Iterable[Evidence]],
    ) -> None:
        """Put an escape together.

        Args:
            declaration: What it is.
            traits: What makes a container a candidate, any of them.
            way: What it takes beyond what all escapes take, ``None`` if the container does not have it.
            proof: The evidence of the way, the principal field first.
        """
        self.declaration = declaration
        self._traits = traits
        self._way = way
        self._proof = proof

    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        return with_traits(view, self._traits)

    def records(self, view: Inventory, subjects: Iterable[ContainerInstance]) -> Iterator[Record | Blocked]:
        effort = self.declaration.effort
        kind_of = kinds_of_nodes(view)
        known: dict[tuple[ContainerInstance, int | None], tuple[Way, FactsOfReplicas] | None] = {}
        for container in subjects:
            pod = container.pod
            kind = kind_of(pod)
            key = container if kind is None else container.alike, kind
            if key not in known:
                found = self._decided(view, container)
                known[key] = None if found is None else (found, FactsOfReplicas(pod, found.answer.missing))
            decided = known[key]
            if decided is None:
                continue
            way, facts = decided
            if way.answer.off is not None:
                yield Blocked(container.id, pod.node, way.answer.off)
            else:
                yield container, pod.node, effort, facts.of(pod), way.cause

    def _decided(self, view: Inventory, container: ContainerInstance) -> Way | None:
        """The way out of a container with all that it takes."""
        way = self._way(view, container)
        if way is None or not on_linux(view, container.pod):
            return None
        return Way(all_of(not_isolated(view, container.pod), way.answer), way.cause)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        return distinct(
            [
                *self._proof(view, container, edge.cause),
                *user_evidence(view, container),
                *isolation_evidence(view, container.pod),
                *node_evidence(view, container.pod, "operatingSystem"),
            ]
        )


def _declare(
    identifier: str,
    title: str,
    description: str,
    *,
    effort: int,
    reason: Reason,
    fixes: tuple[str, ...],
    mitre: tuple[str, ...] = ("T1611",),
    references: tuple[str, ...] = (CAPABILITIES_7,),
) -> Declaration:
    return Declaration(
        id=identifier,
        title=title,
        source=("Container",),
        target=("Node",),
        description=description,
        mitre=mitre,
        effort=effort,
        reason=reason,
        reads=READS,
        subject_type=SubjectType.CONTAINER,
        pod_fields=ESCAPE,
        fixes=fixes,
        references=references,
        family=FAMILY,
    )


# --- privileged ---------------------------------------------------------------------------------------


def _privileged_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    return [view.evidence(container.pod.obj, container.field("securityContext.privileged"), False)]


def _host_pid_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    return [view.evidence(container.pod.obj, container.pod.field("hostPID"), False)]


def _nsenter(view: Inventory, container: ContainerInstance) -> Way | None:
    if not container.pod.spec.host_pid:
        return None
    if container.privileged:
        return Way(as_root(container), PRIVILEGED)
    held = holds(view, container, "SYS_ADMIN", "SYS_PTRACE", "SYS_CHROOT")
    return None if held is None else Way(all_of(no_security_module(view, container), held), CAPABILITIES)


def _nsenter_proof(view: Inventory, container: ContainerInstance, cause: str) -> list[Evidence]:
    if cause == PRIVILEGED:
        return [*_privileged_evidence(view, container), *_host_pid_evidence(view, container)]
    return [
        *capabilities_evidence(view, container),
        *_host_pid_evidence(view, container),
        *module_evidence(view, container),
    ]


def _priv_mount(view: Inventory, container: ContainerInstance) -> Way | None:
    return Way(as_root(container), PRIVILEGED) if container.privileged else None


def _priv_mount_proof(view: Inventory, container: ContainerInstance, _cause: str) -> list[Evidence]:
    return _privileged_evidence(view, container)


# --- capabilities -------------------------------------------------------------------------------------


def _module_load(view: Inventory, container: ContainerInstance) -> Way | None:
    held = holds(view, container, "SYS_MODULE")
    return None if held is None else Way(all_of(held, needs("C-LOCKDOWN", container.pod.node)), CAPABILITIES)


def _sys_ptrace(view: Inventory, container: ContainerInstance) -> Way | None:
    if not container.pod.spec.host_pid:
        return None
    held = holds(view, container, "SYS_PTRACE")
    return None if held is None else Way(all_of(no_security_module(view, container), held), CAPABILITIES)


def _sys_admin(view: Inventory, container: ContainerInstance) -> Way | None:
    held = holds(view, container, "SYS_ADMIN")
    return None if held is None else Way(all_of(no_security_module(view, container), held), CAPABILITIES)


def _cgroup_agent(view: Inventory, container: ContainerInstance) -> Way | None:
    held = holds(view, container, "SYS_ADMIN")
    if held is None:
        return None
    on_v1 = on_version_1(view, container.pod)
    return Way(all_of(on_v1, no_security_module(view, container), held), CAPABILITIES)


def _dac_read(view: Inventory, container: ContainerInstance) -> Way | None:
    held = holds(view, container, "DAC_READ_SEARCH")
    return None if held is None else Way(held, CAPABILITIES)


def _bpf(view: Inventory, container: ContainerInstance) -> Way | None:
    held = holds(view, container, "SYS_ADMIN")
    if held is None:
        held = holds(view, container, "BPF", "PERFMON")
    return None if held is None else Way(all_of(system_calls_of_capabilities_open(container), held), CAPABILITIES)


def _capability_proof(view: Inventory, container: ContainerInstance, _cause: str) -> list[Evidence]:
    return capabilities_evidence(view, container)


def _capability_and_module_proof(view: Inventory, container: ContainerInstance, _cause: str) -> list[Evidence]:
    return [*capabilities_evidence(view, container), *module_evidence(view, container)]


def _ptrace_proof(view: Inventory, container: ContainerInstance, _cause: str) -> list[Evidence]:
    return [
        *capabilities_evidence(view, container),
        *_host_pid_evidence(view, container),
        *module_evidence(view, container),
    ]


def _cgroup_proof(view: Inventory, container: ContainerInstance, _cause: str) -> list[Evidence]:
    return [
        *capabilities_evidence(view, container),
        *node_evidence(view, container.pod, "osImage", "kernelVersion", "kubeletVersion"),
        *module_evidence(view, container),
    ]


def _bpf_proof(view: Inventory, container: ContainerInstance, _cause: str) -> list[Evidence]:
    return [*capabilities_evidence(view, container), *seccomp_evidence(view, container)]


TECHNIQUES: tuple[Technique, ...] = (
    Escape(
        _declare(
            "CE_NSENTER",
            "enters the node's namespaces",
            "Root in a container that sees the node's processes joins the namespaces of process 1 and runs "
            "commands on the node.",
            effort=2,
            reason=Reason.API_CALL,
            fixes=("F-PRIV", "F-HOSTNS", "F-CAPS", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            references=(
                "https://kubehound.io/reference/attacks/CE_NSENTER/",
                "https://man7.org/linux/man-pages/man1/nsenter.1.html",
            ),
        ),
        (Trait.HOST_PID,),
        _nsenter,
        _nsenter_proof,
    ),
    Escape(
        _declare(
            "CE_PRIV_MOUNT",
            "mounts the node's disk",
            "Root in a privileged container mounts the disk of the node and changes what the node runs.",
            effort=2,
            reason=Reason.API_CALL,
            fixes=("F-PRIV", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            references=("https://kubehound.io/reference/attacks/CE_PRIV_MOUNT/",),
        ),
        (Trait.PRIVILEGED,),
        _priv_mount,
        _priv_mount_proof,
    ),
    Escape(
        _declare(
            "CE_MODULE_LOAD",
            "loads a kernel module",
            "Root with SYS_MODULE loads a module of the attacker's own into the kernel of the node.",
            effort=3,
            reason=Reason.RECIPE,
            fixes=("F-CAPS", "F-PRIV", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            mitre=("T1611", "T1547.006"),
            references=("https://kubehound.io/reference/attacks/CE_MODULE_LOAD/", CAPABILITIES_7),
        ),
        _CAPABLE,
        _module_load,
        _capability_proof,
    ),
    Escape(
        _declare(
            "CE_SYS_PTRACE",
            "injects code into a process of the node",
            "Root with SYS_PTRACE in the node's process namespace attaches to a process of the node and makes it "
            "run code.",
            effort=3,
            reason=Reason.RECIPE,
            fixes=("F-CAPS", "F-HOSTNS", "F-PRIV", "F-APPARMOR", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            mitre=("T1055.008",),
            references=("https://kubehound.io/reference/attacks/CE_SYS_PTRACE/", CAPABILITIES_7),
        ),
        (Trait.HOST_PID,),
        _sys_ptrace,
        _ptrace_proof,
    ),
    Escape(
        _declare(
            "CE_SYS_ADMIN",
            "mounts procfs and sets the core pattern",
            "Root with SYS_ADMIN mounts a fresh procfs and writes the program that the kernel starts on the node "
            "when a process crashes.",
            effort=3,
            reason=Reason.RECIPE,
            fixes=("F-CAPS", "F-PRIV", "F-APPARMOR", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            references=(CAPABILITIES_7, "https://man7.org/linux/man-pages/man5/core.5.html"),
        ),
        _CAPABLE,
        _sys_admin,
        _capability_and_module_proof,
    ),
    Escape(
        _declare(
            "CE_CGROUP_AGENT",
            "sets a cgroup release agent",
            "Root with SYS_ADMIN mounts a cgroup v1 hierarchy and names the program that the kernel starts on the "
            "node when the group empties.",
            effort=3,
            reason=Reason.RECIPE,
            fixes=("F-CAPS", "F-PRIV", "F-APPARMOR", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            references=("https://man7.org/linux/man-pages/man7/cgroups.7.html", CAPABILITIES_7),
        ),
        _CAPABLE,
        _cgroup_agent,
        _cgroup_proof,
    ),
    Escape(
        _declare(
            "CE_DAC_READ",
            "opens files of the node by handle",
            "Root with DAC_READ_SEARCH opens any file of the node's disk by its handle (and writes them with "
            "DAC_OVERRIDE).",
            effort=3,
            reason=Reason.RECIPE,
            fixes=("F-CAPS", "F-PRIV", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            references=("https://man7.org/linux/man-pages/man2/open_by_handle_at.2.html", CAPABILITIES_7),
        ),
        _CAPABLE,
        _dac_read,
        _capability_proof,
    ),
    Escape(
        _declare(
            "CE_BPF",
            "reads and writes kernel memory with eBPF",
            "Root with SYS_ADMIN, or BPF and PERFMON, loads programs into the kernel of the node that read and "
            "change the memory of its processes.",
            effort=6,
            reason=Reason.COMPLEX,
            fixes=("F-CAPS", "F-PRIV", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
            references=("https://man7.org/linux/man-pages/man7/bpf-helpers.7.html", CAPABILITIES_7),
        ),
        _CAPABLE,
        _bpf,
        _bpf_proof,
    ),
)
