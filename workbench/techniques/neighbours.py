"""From a container to its neighbours (``catalogue.md`` 2.3): through host namespaces, a shared process namespace,
or a shared volume.

Within one pod neither user namespaces nor sandboxes separate containers, so R5 and R6 count only where a
step leaves the pod.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from workbench.graph.graph import Edge, Fact
from workbench.inventory import fields
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import CONTAINERS_BY_TRAIT, PODS_BY_NAMESPACE, PODS_BY_NODE, Inventory
from workbench.inventory.objects import VolumeMount
from workbench.inventory.pods import UNKNOWN_NODE, ContainerInstance, PodInstance, Trait
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique, fact
from workbench.techniques.many import Record, RecordTechnique
from workbench.techniques.pod_fields import ESCAPE
from workbench.techniques.resolve import HOLDS, Answer, all_of, distinct, needs, ruled_out
from workbench.techniques.resolve.capabilities import (
    Capabilities,
    capabilities_evidence,
    capabilities_on,
    effective_capabilities,
)
from workbench.techniques.resolve.confinement import host_files_evidence, other_processes_open
from workbench.techniques.resolve.container import node_evidence, on_linux, runtime_of_node, shares_node
from workbench.techniques.resolve.isolation import (
    isolation_evidence,
    no_sandbox,
    no_user_namespace,
    not_isolated,
)
from workbench.techniques.resolve.user import User, effective_user, user_evidence

FAMILY = "neighbours"


class _Processes(NamedTuple):
    """What decides whether one container's processes may look into another's."""

    image: str
    user: User
    capabilities: Capabilities

    @classmethod
    def of(cls, view: Inventory, container: ContainerInstance) -> _Processes:
        return cls(container.image, effective_user(container), effective_capabilities(view, container))

    @property
    def traces(self) -> bool:
        """Whether the container's root user may look into any process."""
        return "SYS_PTRACE" in self.capabilities.certain


_READS_NODE = frozenset({"Pod", "Node", "RuntimeClass"})


class _Target:
    """What decides whether the containers of a node are open to one in its namespaces. One object for all that are
    equal, so that it is quick to look up."""

    __slots__ = ("processes", "sandbox", "users")

    def __init__(self, processes: _Processes, sandbox: Answer, users: Answer) -> None:
        self.processes = processes
        self.sandbox = sandbox
        self.users = users


def _targets(view: Inventory, node: str) -> Callable[[ContainerInstance], _Target]:
    """What tells it of each container of a node: once for all replicas on nodes with one runtime."""
    runtime = runtime_of_node(view, node)
    known: dict[ContainerInstance, _Target] = view.memo(f"processes on {runtime}", _READS_NODE)
    equal: dict[tuple[_Processes, Answer, Answer], _Target] = view.memo("equal processes", _READS_NODE)

    def target(container: ContainerInstance) -> _Target:
        # Where the node does not name its runtime, each container's status may.
        alike = container.alike if runtime is not None else container
        found = known.get(alike)
        if found is None:
            pod = container.pod
            held = effective_capabilities(view, container) if runtime is None else capabilities_on(runtime, container)
            own = _Processes(container.image, effective_user(container), held)
            parts = own, no_sandbox(view, pod), no_user_namespace(view, pod)
            found = equal.get(parts)
            if found is None:
                found = equal[parts] = _Target(*parts)
            known[alike] = found
        return found

    return target


def _as_user(own: _Processes) -> list[tuple[bool, Answer]]:
    """The users that an attacker may act as: root or not, and what it takes."""
    user, image = own.user, own.image
    if user.root:
        return [(True, HOLDS)]
    if user.root is None:
        return [(True, needs("C-USER", image))]
    return [(False, HOLDS), *([(True, needs("C-SETUID", image))] if user.may_escalate else [])]


def _reaches(own: _Processes, other: _Processes, *, by_setuid: bool) -> Answer | None:
    """Whether ``own`` may read the memory and files of ``other``'s processes, by users and capabilities.

    Source: ptrace(2), "Ptrace access mode checking": the same user and no more capabilities, or SYS_PTRACE.

    Args:
        own: The attacker's container.
        other: The other one.
        by_setuid: Whether root may become ``other``'s user first (SETUID).

    Returns:
        What it takes, the least that suffices; ``None`` if they differ.
    """
    no_more = other.capabilities.possible <= own.capabilities.possible
    becomes = by_setuid and "SETUID" in own.capabilities.certain
    same_image = own.image == other.image
    options: list[Answer] = []
    if own.user.root is None and other.user.root is None and same_image and no_more:
        # Whatever the image's user is, both run as it.
        return HOLDS
    for root, takes in _as_user(own):
        if root and own.traces:
            options.append(takes)
        elif root and other.user.root is not False and no_more:
            if other.user.root or becomes:
                options.append(takes)
            else:
                options.append(all_of(takes, needs("C-USER", other.image)))
        elif root and other.user.root is False and becomes:
            options.append(takes)
        elif not root and other.user.root is False:
            known = own.user.uid is not None and own.user.uid == other.user.uid
            if known or (own.user.uid is None and other.user.uid is None and same_image):
                options.append(takes)
    return min(options, key=lambda answer: len(answer.missing)) if options else None


_NO_WAY = (ruled_out("neither the users nor the capabilities allow it"),) * 2


def _to(own: _Processes, target: _Target) -> tuple[Answer, Answer]:
    """What it takes to get from processes to a target: in the same pod, and in another one."""
    reach = _reaches(own, target.processes, by_setuid=False)
    if reach is None:
        return _NO_WAY
    # Other user namespaces have other users; SYS_PTRACE on the node covers those as well.
    within = all_of(reach, HOLDS if own.traces else target.users)
    return within, all_of(within, target.sandbox)


def _process_evidence(view: Inventory, *containers: ContainerInstance) -> list[Evidence]:
    out: list[Evidence] = []
    for container in containers:
        out += user_evidence(view, container)
        out += capabilities_evidence(view, container)
    return out


# --- the node's namespaces ----------------------------------------------------------------------------


class _HostNamespace(RecordTechnique):
    """From a container in a namespace of the node to the other containers of the node."""

    def __init__(self, declaration: Declaration, trait: Trait, field: str) -> None:
        self.declaration = declaration
        self._trait = trait
        self._field = field

    def subjects(self, view: Inventory) -> Iterable[str]:
        return list(dict.fromkeys(c.pod.node for c in view.index(CONTAINERS_BY_TRAIT)[self._trait]))

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        for subject in subjects:
            yield from self._of(view, subject)

    def _of(self, view: Inventory, subject: str) -> Iterator[Record | Blocked]:
        pods = view.index(PODS_BY_NODE)[subject]
        starts: list[tuple[ContainerInstance, Answer]] = []
        trait = self._trait
        for pod in pods:
            for container in pod.containers:
                if trait in container.traits and on_linux(view, pod):
                    base = all_of(not_isolated(view, pod), other_processes_open(view, container))
                    if base.off is None:
                        starts.append((container, base))
        if not starts:
            return
        # Containers alike are decided once: nodes run many of them.
        alike: dict[_Target, list[ContainerInstance]] = {}
        any_target = self._trait is Trait.HOST_PID
        target_of = _targets(view, subject)
        for pod in pods:
            for container in pod.containers:
                # Processes are visible to the node whatever namespace they are in; shared memory is not.
                if any_target or trait in container.traits:
                    target = target_of(container)
                    others = alike.get(target)
                    if others is None:
                        alike[target] = [container]
                    else:
                        others.append(container)
        memo: dict[_Target, dict[_Target, tuple[Answer, Answer]]] = view.memo("reach of processes", _READS_NODE)
        effort = self.declaration.effort
        for container, base in starts:
            own = target_of(container)
            beside = {target_of(other) for other in container.pod.containers}
            known = memo.setdefault(own, {})
            for target, others in alike.items():
                answers = known.get(target)
                if answers is None:
                    answers = known[target] = _to(own.processes, target)
                within, apart = answers
                if within.off is not None:
                    continue
                if target not in beside and subject != UNKNOWN_NODE:
                    if apart.off is None:
                        missing = apart.missing if base is HOLDS else all_of(base, apart).missing
                        for other in others:
                            yield container, other, effort, missing, None
                else:
                    yield from self._each(container, others, all_of(base, within), all_of(base, apart))

    def _each(
        self, container: ContainerInstance, others: Iterable[ContainerInstance], within: Answer, apart: Answer
    ) -> Iterator[Record]:
        pod = container.pod
        for other in others:
            if other is not container:
                # No sandbox stands between the containers of one pod.
                answer = all_of(within if other.pod is pod else apart, shares_node(pod, other.pod))
                if answer.off is None:
                    yield container, other, self.declaration.effort, answer.missing, None

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        own = view.containers.get(edge.source)
        other = view.containers.get(edge.target)
        if own is None or other is None:
            return []
        out = [view.evidence(own.pod.obj, own.pod.field(self._field), False)]
        if self._trait is not Trait.HOST_PID:
            out.append(view.evidence(other.pod.obj, other.pod.field(self._field), False))
        return distinct(
            [
                *out,
                *_process_evidence(view, own, other),
                *node_evidence(view, own.pod),
                *node_evidence(view, other.pod),
                *isolation_evidence(view, own.pod),
                *isolation_evidence(view, other.pod),
                *host_files_evidence(view, own),
            ]
        )


# --- one pod's process namespace ----------------------------------------------------------------------


class _SharedProcesses(Technique):
    """Between containers that see each other's processes."""

    declaration = Declaration(
        id="SHARE_PS_NAMESPACE",
        title="reads the processes of a container of its pod",
        source=("Container",),
        target=("Container",),
        description="Containers that share a process namespace read each other's environment and files through "
        "/proc, and signal or trace each other, if their users and capabilities allow it.",
        mitre=("T1080",),
        effort=2,
        reason=Reason.API_CALL,
        reads=frozenset({"Pod", "Node"}),
        subject_type=SubjectType.POD,
        fixes=("F-SHAREPID", "F-NONROOT", "F-CAPS"),
        references=(
            "https://kubehound.io/reference/attacks/SHARE_PS_NAMESPACE/",
            "https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/",
        ),
        family=FAMILY,
    )

    def subjects(self, view: Inventory) -> Iterable[PodInstance]:
        found = {c.pod.id: c.pod for c in view.index(CONTAINERS_BY_TRAIT)[Trait.SHARED_PROCESSES]}
        return list(found.values())

    def detect(self, view: Inventory, subject: PodInstance) -> Iterator[Found | Blocked]:
        pairs = list(_sharing(subject))
        if not pairs or not on_linux(view, subject):
            return
        for first, second in pairs:
            answer = _reaches(_Processes.of(view, first), _Processes.of(view, second), by_setuid=True)
            if answer is not None:
                yield Found(first.id, second.id, self.declaration.effort, answer.missing)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        own = view.containers.get(edge.source)
        other = view.containers.get(edge.target)
        if own is None or other is None:
            return []
        pod = own.pod
        principal = view.evidence(pod.obj, pod.field("shareProcessNamespace"), False)
        if not pod.spec.share_process_namespace:
            debugger = own if own.spec.target_container_name else other
            principal = view.evidence(pod.obj, debugger.field("targetContainerName"))
        return distinct([principal, *_process_evidence(view, own, other)])


def _sharing(pod: PodInstance) -> Iterator[tuple[ContainerInstance, ContainerInstance]]:
    """Pairs of containers of a pod that see each other's processes, both ways."""
    if pod.spec.share_process_namespace:
        for first in pod.containers:
            for second in pod.containers:
                if first is not second:
                    yield first, second
        return
    for debugger in pod.containers:
        wanted = debugger.spec.target_container_name
        target = next((c for c in pod.containers if c.name == wanted), None) if wanted else None
        if target is not None:
            yield debugger, target
            yield target, debugger


# --- volumes ------------------------------------------------------------------------------------------


class _Use(NamedTuple):
    """One mount of a volume that several containers may mount."""

    container: ContainerInstance
    mount: VolumeMount
    writable: bool

    @property
    def below(self) -> str:
        """The directory of the volume, with a slash at the end; the whole volume where it is not known."""
        path = self.mount.sub_path or self.mount.sub_path_expr or ""
        return "" if "$(" in path else path.strip("/") + "/" if path.strip("/") else ""


def _executes(use: _Use) -> tuple[Fact, ...]:
    return fact("C-EXEC", use.container.pod.obj.id)


class _SharedVolume(RecordTechnique):
    """From a container that writes to a volume to one that uses what is in it."""

    declaration = Declaration(
        id="SHARE_VOLUME",
        title="changes files that another container uses",
        source=("Container",),
        target=("Container",),
        description="A container that may write to a volume plants a program, plugin or configuration that "
        "another container, which mounts the same volume, runs or reads.",
        mitre=("T1080",),
        effort=6,
        reason=Reason.COMPLEX,
        reads=frozenset({"Pod"}),
        subject_type=SubjectType.SCOPE,
        fixes=("F-MOUNT-RO",),
        references=("https://kubernetes.io/docs/concepts/storage/volumes/",),
        family=FAMILY,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return list(dict.fromkeys(c.pod.namespace for c in view.index(CONTAINERS_BY_TRAIT)[Trait.SHARED_VOLUME]))

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        for subject in subjects:
            yield from self._of(view, subject)

    def _of(self, view: Inventory, subject: str) -> Iterator[Record | Blocked]:
        groups: dict[tuple[str, str], list[_Use]] = {}
        known: dict[ContainerInstance, list[_Shared]] = {}
        shared = Trait.SHARED_VOLUME
        for pod in view.index(PODS_BY_NAMESPACE)[subject]:
            alone = len(pod.containers) == 1
            for container in pod.containers:
                if shared in container.traits:
                    mounts = known.get(container.alike)
                    if mounts is None:
                        mounts = known[container.alike] = list(_shared_by(container.alike))
                    for claim, name, mount, writable in mounts:
                        # Nobody else mounts what is the pod's own.
                        if claim or not alone:
                            key = ("", name) if claim else (pod.id, name)
                            groups.setdefault(key, []).append(_Use(container, mount, writable))
        effort = self.declaration.effort
        causes: dict[tuple[str, str], tuple[str, str]] = {}
        for uses in groups.values():
            if len(uses) < 2:
                continue
            others = [(use.container, use.below, use.mount.mount_path or "", _executes(use)) for use in uses]
            for use in uses:
                if not use.writable:
                    continue
                container, below, path = use.container, use.below, use.mount.mount_path or ""
                for other, beside, where, missing in others:
                    if other is not container and (below.startswith(beside) or beside.startswith(below)):
                        cause = path, where
                        yield container, other, effort, missing, causes.setdefault(cause, cause)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        own = view.containers.get(edge.source)
        other = view.containers.get(edge.target)
        if own is None or other is None:
            return []
        out: list[Evidence] = []
        for container, path in ((own, edge.cause[0]), (other, edge.cause[1])):
            at = container.field(fields.dotted(("volumeMounts", (("mountPath", path),))))
            mount = next(m for m in container.spec.volume_mounts or () if m.mount_path == path)
            obj = container.pod.obj
            out.append(view.evidence(obj, f"{at}.name"))
            out.append(view.evidence(obj, f"{at}.readOnly", False))
            if mount.sub_path:
                out.append(view.evidence(obj, f"{at}.subPath"))
            if mount.sub_path_expr:
                out.append(view.evidence(obj, f"{at}.subPathExpr"))
            volume = container.pod.field(fields.dotted(("volumes", (("name", mount.name or ""),))))
            if container.pod.volumes[mount.name or ""].persistent_volume_claim is not None:
                out.append(view.evidence(obj, f"{volume}.persistentVolumeClaim.claimName"))
                out.append(view.evidence(obj, f"{volume}.persistentVolumeClaim.readOnly", False))
            else:
                out.append(view.evidence(obj, volume))
        return distinct(out)


class _Shared(NamedTuple):
    """A mount of a volume that others may mount too; replicas have the same."""

    claim: bool
    name: str
    """Of the claim, or of the pod's own volume."""
    mount: VolumeMount
    writable: bool


def _shared_by(container: ContainerInstance) -> Iterator[_Shared]:
    volumes = container.pod.volumes
    for mount in container.spec.volume_mounts or ():
        volume = volumes.get(mount.name or "")
        if volume is None:
            continue
        claim = volume.persistent_volume_claim
        writable = mount.read_only is not True
        if claim is not None:
            yield _Shared(True, claim.claim_name or "", mount, writable and claim.read_only is not True)
        elif volume.empty_dir is not None or volume.host_path is not None:
            yield _Shared(False, volume.name or "", mount, writable)


TECHNIQUES: tuple[Technique, ...] = (
    _HostNamespace(
        Declaration(
            id="HOSTPID_READ",
            title="reads the processes of a container of its node",
            source=("Container",),
            target=("Container",),
            description="A container in the node's process namespace reads the environment and the files of "
            "other containers of the node through /proc, tokens and secrets among them, if it runs as the same "
            "user with no fewer capabilities.",
            mitre=("T1003.007",),
            effort=2,
            reason=Reason.API_CALL,
            reads=_READS_NODE,
            subject_type=SubjectType.NODE,
            pod_fields=ESCAPE,
            fixes=("F-HOSTNS", "F-NONROOT", "F-CAPS", "F-SANDBOX"),
            references=("https://man7.org/linux/man-pages/man2/ptrace.2.html",),
            family=FAMILY,
        ),
        Trait.HOST_PID,
        "hostPID",
    ),
    _HostNamespace(
        Declaration(
            id="HOSTIPC_READ",
            title="reads the shared memory of a container of its node",
            source=("Container",),
            target=("Container",),
            description="Containers in the node's IPC namespace read and change each other's shared memory.",
            mitre=("T1003.007",),
            effort=6,
            reason=Reason.COMPLEX,
            reads=_READS_NODE,
            subject_type=SubjectType.NODE,
            pod_fields=ESCAPE,
            fixes=("F-HOSTNS", "F-NONROOT", "F-SANDBOX"),
            references=("https://man7.org/linux/man-pages/man7/ipc_namespaces.7.html",),
            family=FAMILY,
        ),
        Trait.HOST_IPC,
        "hostIPC",
    ),
    _SharedProcesses(),
    _SharedVolume(),
)
