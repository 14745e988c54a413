"""From a container to its node through directories of the host (``catalogue.md`` 2.3, R7).

The volume is the evidence; the edge goes from the container, whose user, sandbox and security module decide.
EXPLOIT_HOST_* and CE_VAR_LOG_SYMLINK ignore user namespaces and sandboxes: the files keep their owners there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import ClassVar, TypeAlias

from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import CONTAINERS_BY_TRAIT, PODS_BY_NODE, Inventory
from workbench.inventory.pods import UNKNOWN_NODE, ContainerInstance, PodInstance, Trait
from workbench.rbac.abilities import Ability
from workbench.rbac.grants import Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.many import Many, ManyTechnique, Record, RecordTechnique
from workbench.techniques.pod_fields import ESCAPE, TOKENS
from workbench.techniques.resolve import HOLDS, Answer, all_of, distinct, needs, ruled_out
from workbench.techniques.resolve.confinement import host_files_evidence, host_files_open
from workbench.techniques.resolve.container import (
    FactsOfReplicas,
    kinds_of_nodes,
    node_evidence,
    on_linux,
    on_microk8s,
    shares_node,
)
from workbench.techniques.resolve.host_paths import (
    INIT_SOCKETS,
    KUBELET_PODS,
    MICROK8S,
    SOCKETS,
    VAR_LOG,
    Danger,
    HostMount,
    at_or_above,
    host_mounts,
    is_device,
    mount_evidence,
    mount_of,
    read_danger,
    write_danger,
)
from workbench.techniques.resolve.isolation import (
    isolation_evidence,
    no_sandbox,
    no_user_namespace,
    not_isolated,
)
from workbench.techniques.resolve.token import TokenMount, TokenSource, api_tokens, token_evidence, tokens_of_replicas
from workbench.techniques.resolve.user import as_root, effective_user, user_evidence

FAMILY = "host_path"
READS = frozenset({"Pod", "Node", "PersistentVolume", "PersistentVolumeClaim"})
WITH_RUNTIME_CLASS = READS | {"RuntimeClass"}
WITH_RBAC = READS | {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount", "Secret"}
WITH_TOKENS = READS | {"ServiceAccount", "Secret"}

UNKNOWN_PATH_EFFORT = 6
"""Of a path that nobody knows to be dangerous (C-PATH, C-CSI)."""

_CORE_PATTERN = frozenset(("/", "/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/core_pattern"))

HOST_PATH_DOCS = "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath"
_FIXES = ("F-HP-DEL", "F-HP-RO", "F-NONROOT")


_Way: TypeAlias = tuple[int, FactsOfReplicas, tuple[str, str]]
"""Effort, missing facts, and the cause: the mount, and what the technique says beside."""


def _by_status(container: ContainerInstance) -> bool:
    """Whether it depends on the status of each replica what is mounted read-only."""
    return any(mount.recursive_read_only for mount in container.spec.volume_mounts or ())


class _ThroughMount(RecordTechnique):
    """A step from a container to its node through one of its mounts; ``cause`` names the mount."""

    from_subject = True
    of_replicas: ClassVar[bool] = True
    """Whether the ways of replicas on like nodes are the same, and not only whether there are some."""

    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        return view.index(CONTAINERS_BY_TRAIT)[Trait.HOST_PATH]

    def records(self, view: Inventory, subjects: Iterable[ContainerInstance]) -> Iterator[Record | Blocked]:
        causes: dict[tuple[str, str], tuple[str, str]] = {}
        kind_of = kinds_of_nodes(view)
        known: dict[tuple[ContainerInstance, int | None], tuple[list[_Way], str]] = {}
        for container in subjects:
            pod = container.pod
            kind = kind_of(pod)
            decided = known.get((container.alike, kind))
            if decided is None:
                decided = ways, blocked = self._decided(view, container, causes)
                if kind is not None and not _by_status(container) and (self.of_replicas or not (ways or blocked)):
                    known[container.alike, kind] = decided
            ways, blocked = decided
            for effort, facts, cause in ways:
                yield container, pod.node, effort, facts.of(pod), cause
            if blocked and not ways:
                yield Blocked(container.id, pod.node, blocked)

    def _decided(
        self, view: Inventory, container: ContainerInstance, causes: dict[tuple[str, str], tuple[str, str]]
    ) -> tuple[list[_Way], str]:
        """The ways of a container, and what turns off the first one that is turned off."""
        blocked = ""
        ways: list[_Way] = []
        for mount in host_mounts(view, container):
            for effort, answer, rest in self.ways(view, container, mount):
                if not on_linux(view, container.pod):
                    continue
                if answer.off is not None:
                    blocked = blocked or answer.off
                else:
                    cause = mount.key, rest
                    facts = FactsOfReplicas(container.pod, answer.missing)
                    ways.append((effort, facts, causes.setdefault(cause, cause)))
        return ways, blocked

    def ways(
        self, view: Inventory, container: ContainerInstance, mount: HostMount
    ) -> Iterator[tuple[int, Answer, str]]:
        """The ways through one mount: effort, what it takes, and the rest of the cause."""
        raise NotImplementedError

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        mount = mount_of(view, container, edge.cause[0])
        if mount is None:
            return []
        return distinct(
            [
                *mount_evidence(view, container, mount),
                *user_evidence(view, container),
                *self.proof(view, container, edge.cause[1]),
                *host_files_evidence(view, container),
                *node_evidence(view, container.pod, "operatingSystem"),
            ]
        )

    def proof(self, view: Inventory, container: ContainerInstance, cause: str) -> Iterable[Evidence]:
        """Evidence beyond the mount, the user and the host."""
        return ()


_GROUPS = frozenset({"run_as_group", "fs_group", "supplemental_groups"})


def _declare(
    identifier: str,
    title: str,
    description: str,
    *,
    effort: int = 3,
    reason: Reason = Reason.RECIPE,
    mitre: tuple[str, ...] = ("T1611",),
    target: str = "Node",
    reads: frozenset[str] = READS,
    subject_type: SubjectType = SubjectType.CONTAINER,
    fixes: tuple[str, ...] = _FIXES,
    references: tuple[str, ...] = (),
) -> Declaration:
    return Declaration(
        id=identifier,
        title=title,
        source=("Container",),
        target=(target,),
        description=description,
        mitre=mitre,
        effort=effort,
        reason=reason,
        reads=reads,
        subject_type=subject_type,
        pod_fields=ESCAPE | TOKENS | _GROUPS,
        fixes=fixes,
        references=(*references, HOST_PATH_DOCS),
        family=FAMILY,
    )


def _takes(missing: Sequence[Fact]) -> Answer:
    return Answer(tuple(missing)) if missing else HOLDS


_READS_USER = frozenset({"Pod", "Node"})


def _root_uses_files(view: Inventory, container: ContainerInstance) -> Answer:
    """Whether an attacker acts as root and may use files of the host that are mounted; all steps here ask."""
    memo = view.memo("root on files of the host", _READS_USER)
    found: Answer | None = memo.get(container)
    if found is None:
        found = memo[container] = all_of(as_root(container), host_files_open(view, container))
    return found


def _rated(container: ContainerInstance, path: str, danger: Danger, effort: int) -> tuple[int, Answer] | None:
    """The effort of a path and what it takes that it is dangerous; ``None`` if it is not."""
    if is_device(path) and not container.privileged:
        return None
    if danger is Danger.NONE:
        return None
    if danger is Danger.POSSIBLE:
        return UNKNOWN_PATH_EFFORT, needs("C-PATH", container.pod.obj.id)
    return effort, HOLDS


class HostWrite(_ThroughMount):
    """EXPLOIT_HOST_WRITE: what the node runs can be written to."""

    declaration = _declare(
        "EXPLOIT_HOST_WRITE",
        "writes files that the node runs",
        "Root writes to a mounted directory of the node whose files the node runs or trusts: cron, systemd, static "
        "pods, network plugins, sockets of device plugins, volumes of other pods.",
        references=("https://kubehound.io/reference/attacks/EXPLOIT_HOST_WRITE/",),
    )

    def ways(
        self, view: Inventory, container: ContainerInstance, mount: HostMount
    ) -> Iterator[tuple[int, Answer, str]]:
        best: tuple[int, Answer, str] | None = None
        if mount.path is None and not mount.read_only:
            best = (UNKNOWN_PATH_EFFORT, _takes(mount.missing), "")
        for path, missing in mount.writable():
            rated = _rated(container, path, write_danger(path), self.declaration.effort)
            if rated is not None and (best is None or rated[0] < best[0]):
                best = (rated[0], all_of(rated[1], _takes(missing)), path)
        if best is not None:
            effort, answer, path = best
            yield effort, all_of(_root_uses_files(view, container), answer), path


class HostRead(_ThroughMount):
    """EXPLOIT_HOST_READ: credentials of the node can be read."""

    declaration = _declare(
        "EXPLOIT_HOST_READ",
        "reads credentials of the node",
        "Root reads a mounted directory of the node that holds credentials: keys of the cluster, kubeconfigs, the "
        "kubelet's certificates, secrets of other pods.",
        mitre=("T1552.001",),
        fixes=("F-HP-DEL", "F-NONROOT"),
        references=("https://kubehound.io/reference/attacks/EXPLOIT_HOST_READ/",),
    )

    def ways(
        self, view: Inventory, container: ContainerInstance, mount: HostMount
    ) -> Iterator[tuple[int, Answer, str]]:
        rated: tuple[int, Answer] | None = (UNKNOWN_PATH_EFFORT, HOLDS)
        if mount.path is not None:
            rated = _rated(container, mount.path, read_danger(mount.path), self.declaration.effort)
        if rated is not None:
            effort, answer = rated
            base = _root_uses_files(view, container)
            yield effort, all_of(base, answer, _takes(mount.missing)), mount.path or ""


class CorePattern(_ThroughMount):
    """CE_UMH_CORE_PATTERN: the kernel starts a program of the attacker's on the node."""

    declaration = _declare(
        "CE_UMH_CORE_PATTERN",
        "sets the node's core pattern",
        "Root writes to the node's /proc/sys/kernel/core_pattern the program that the kernel starts on the node when "
        "a process crashes. It takes no capability.",
        reads=WITH_RUNTIME_CLASS,
        fixes=("F-HP-DEL", "F-HP-RO", "F-NONROOT", "F-USERNS", "F-SANDBOX"),
        references=(
            "https://kubehound.io/reference/attacks/CE_UMH_CORE_PATTERN/",
            "https://man7.org/linux/man-pages/man5/core.5.html",
        ),
    )

    def ways(
        self, view: Inventory, container: ContainerInstance, mount: HostMount
    ) -> Iterator[tuple[int, Answer, str]]:
        if mount.path not in _CORE_PATTERN:
            return
        writable = next(((p, missing) for p, missing in mount.writable() if p in _CORE_PATTERN), None)
        if writable is None:
            yield 0, Answer((), f"readOnly: true on the mount of {mount.path} keeps the core pattern as it is"), ""
            return
        base = all_of(not_isolated(view, container.pod), _root_uses_files(view, container))
        yield self.declaration.effort, all_of(base, _takes(writable[1])), writable[0]

    def proof(self, view: Inventory, container: ContainerInstance, cause: str) -> Iterable[Evidence]:
        return isolation_evidence(view, container.pod)


class VarLogSymlink(_ThroughMount):
    """CE_VAR_LOG_SYMLINK: the kubelet follows a link out of the directory of logs."""

    # Rights may be limited to the name of a pod or node.
    of_replicas = False

    declaration = _declare(
        "CE_VAR_LOG_SYMLINK",
        "reads the node's files through the kubelet's logs",
        "Root puts a symbolic link into the node's /var/log and asks the kubelet for that log; the kubelet follows "
        "the link and returns any file of the node. With pods/log alone a file comes out line by line.",
        mitre=("T1552",),
        reads=WITH_RBAC,
        fixes=("F-HP-DEL", "F-HP-RO", "F-NONROOT", "F-RBAC-RULE"),
        references=("https://kubehound.io/reference/attacks/CE_VAR_LOG_SYMLINK/",),
    )

    def ways(
        self, view: Inventory, container: ContainerInstance, mount: HostMount
    ) -> Iterator[tuple[int, Answer, str]]:
        for path, missing in mount.writable():
            if not at_or_above(path, VAR_LOG):
                continue
            base = all_of(_root_uses_files(view, container), _takes(missing))
            grant, line_wise = _reader_of_logs(view, container)
            if not grant:
                # Somebody else has to ask for the log in the attacker's place.
                yield self.declaration.effort, all_of(base, needs("C-EXEC", container.pod.obj.id)), ""
            else:
                yield (UNKNOWN_PATH_EFFORT if line_wise else self.declaration.effort), base, grant

    def proof(self, view: Inventory, container: ContainerInstance, cause: str) -> Iterable[Evidence]:
        grant = access.grant(view, cause) if cause else None
        if grant is None:
            return ()
        held = [ability for ability in _READS_ANY_LOGS if grant.has(ability)]
        out = access.grant_evidence(view, grant, *held)
        for token in api_tokens(view, container):
            out += token_evidence(view, container, token)
        return out


_READS_LOGS = (Ability.GET_NODES_LOG, Ability.GET_NODES_PROXY, Ability.CREATE_NODES_PROXY)
_READS_ANY_LOGS = (*_READS_LOGS, Ability.GET_PODS_LOG)


def _reader_of_logs(view: Inventory, container: ContainerInstance) -> tuple[str, bool]:
    """The permission set by which a container reads its node's logs (empty if none), and whether line by line."""
    pod = container.pod
    name = pod.name if pod.live else None
    line_wise = ""
    known: dict[str, list[Grant]] = view.memo("grants that read logs, by account", access.RBAC_KINDS)
    for token in tokens_of_replicas(view, container):
        grants = known.get(token.account)
        if grants is None:
            held = access.effective(view, token.account).grants
            grants = known[token.account] = [each for each in held if each.compiled.has_any(_READS_ANY_LOGS)]
        for grant in grants:
            # Only a cluster-wide permission set reaches nodes (R10).
            if not grant.namespace and grant.compiled.has_any(_READS_LOGS, pod.spec.node_name):
                return grant.id, False
            within = grant.namespace in ("", pod.namespace)
            if not line_wise and within and grant.compiled.has(Ability.GET_PODS_LOG, name):
                line_wise = grant.id
    return line_wise, True


class RuntimeSocket(_ThroughMount):
    """EXPLOIT_CONTAINERD_SOCK: the container runtime takes orders from the container."""

    declaration = _declare(
        "EXPLOIT_CONTAINERD_SOCK",
        "orders the container runtime",
        "The container reaches the socket of the node's container runtime and starts a privileged container on the "
        "node. A read-only mount does not keep it from connecting.",
        effort=2,
        reason=Reason.API_CALL,
        mitre=("T1610", "T1611"),
        reads=WITH_RUNTIME_CLASS,
        fixes=("F-HP-DEL", "F-NONROOT", "F-SANDBOX"),
        references=("https://kubehound.io/reference/attacks/EXPLOIT_CONTAINERD_SOCK/",),
    )

    def ways(
        self, view: Inventory, container: ContainerInstance, mount: HostMount
    ) -> Iterator[tuple[int, Answer, str]]:
        path = mount.path
        if path is None:
            return
        pod = container.pod
        socket, init_socket = _sockets_below(path)
        if not socket and not init_socket:
            return
        group = needs("C-GID", pod.node)
        users = no_user_namespace(view, pod)
        base = all_of(
            no_sandbox(view, pod),
            # Whether the socket takes root of a user namespace depends on how it is mounted.
            group if users.off is not None else users,
            host_files_open(view, container),
            _takes(mount.missing),
        )
        unsure = needs("C-PATH", pod.obj.id)
        if not socket:
            yield self.declaration.effort, all_of(base, as_root(container), unsure), init_socket
            return
        if socket.startswith(MICROK8S) and not path.startswith(MICROK8S) and not on_microk8s(view, pod):
            base = all_of(base, unsure)
        root = as_root(container)
        if root.off is None:
            yield self.declaration.effort, all_of(base, root), socket
        if effective_user(container).root is False:
            yield self.declaration.effort, all_of(base, owns_socket(container)), socket

    def proof(self, view: Inventory, container: ContainerInstance, cause: str) -> Iterable[Evidence]:
        out = isolation_evidence(view, container.pod)
        if effective_user(container).root is False:
            obj, pod = container.pod.obj, container.pod
            fields = [container.field("securityContext.runAsGroup")]
            names = ("runAsGroup", "fsGroup", "supplementalGroups")
            fields += [pod.field(f"securityContext.{name}") for name in names]
            out = [*out, *(view.evidence(obj, field) for field in fields)]
        return out


@lru_cache(maxsize=1024)
def _sockets_below(path: str) -> tuple[str, str]:
    """The first socket of a runtime, and of an init system, that a path holds or is; empty if there is none."""
    first, other = (next((each for each in known if at_or_above(path, each)), "") for known in (SOCKETS, INIT_SOCKETS))
    return first, other


def owns_socket(container: ContainerInstance) -> Answer:
    """Whether a process that is not root may open the runtime's socket: by its group, which the node decides.

    The socket is ``root:root`` or a group of the host's, mode 0660. A pod that sets its group to another than root's
    and asks for no further ones is not in it (Kubernetes documentation, "Configure a Security Context for a Pod").
    """
    pod = container.pod.spec.security_context
    own = container.security_context.run_as_group
    group = own if own is not None else pod.run_as_group if pod is not None else None
    more = pod is not None and (pod.fs_group is not None or bool(pod.supplemental_groups))
    if group is not None and group != 0 and not more:
        return ruled_out(f"runAsGroup: {group}, and no further group, does not own the socket")
    return needs("C-GID", container.pod.node)


class HostTraverse(ManyTechnique):
    """EXPLOIT_HOST_TRAVERSE: the tokens of the node's other pods."""

    declaration = _declare(
        "EXPLOIT_HOST_TRAVERSE",
        "reads from the node's disk the token of",
        "Root reads the kubelet's directory of pods, where the volumes of all pods of the node lie, and takes their "
        "API tokens.",
        effort=2,
        reason=Reason.API_CALL,
        mitre=("T1552.001",),
        target="ServiceAccount",
        reads=WITH_TOKENS,
        subject_type=SubjectType.NODE,
        fixes=("F-HP-DEL", "F-NONROOT"),
        references=("https://kubehound.io/reference/attacks/EXPLOIT_HOST_TRAVERSE/",),
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        found: dict[str, None] = {}
        reaching = _reaching_pods(view)
        for container in view.index(CONTAINERS_BY_TRAIT)[Trait.HOST_PATH]:
            node = container.pod.node
            if node not in found and reaching(container):
                found[node] = None
        return list(found)

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        pods = view.index(PODS_BY_NODE)[subject]
        mounts_host_path = Trait.HOST_PATH
        reaching = _reaching_pods(view)
        starts = [
            (container, mount)
            for pod in pods
            for container in pod.containers
            if mounts_host_path in container.traits and reaching(container)
            for mount in host_mounts(view, container)
            if _holds_pods(mount) and on_linux(view, pod)
        ]
        if not starts:
            return
        known = subject != UNKNOWN_NODE
        tokens = _tokens_on_disk(view, pods) if not known else {}
        accounts = list(dict.fromkeys(_accounts_on_disk(view, pods))) if known else []
        for container, mount in starts:
            base = all_of(_root_uses_files(view, container), _takes(mount.missing))
            if base.off is not None:
                yield Blocked(container.id, container.pod.node, base.off)
                continue
            effort, key = self.declaration.effort, mount.key
            if known:
                yield Many(container, accounts, effort, base.missing, [key] * len(accounts))
                continue
            for account, holders in tokens.items():
                _, shares = _nearest(container.pod, holders)
                yield Many(container, [account], effort, all_of(base, shares).missing, [key])

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        mount = mount_of(view, container, edge.cause) if container is not None else None
        if container is None or mount is None:
            return []
        holders = _tokens_on_disk(view, view.index(PODS_BY_NODE)[container.pod.node]).get(edge.target)
        if holders is None:
            return []
        holder, _ = _nearest(container.pod, holders)
        out = [*mount_evidence(view, container, mount), *user_evidence(view, container)]
        for token in _on_disk(view, holder):
            if token.account == edge.target:
                out += token_evidence(view, holder, token)
        return distinct(
            [
                *out,
                *node_evidence(view, container.pod),
                *node_evidence(view, holder.pod),
                *host_files_evidence(view, container),
            ]
        )


def _holds_pods(mount: HostMount) -> bool:
    return mount.path is not None and at_or_above(mount.path, KUBELET_PODS)


def _reaching_pods(view: Inventory) -> Callable[[ContainerInstance], bool]:
    """Whether a container mounts the kubelet's directory of pods; once for all replicas."""
    memo: dict[ContainerInstance, bool] = view.memo("containers that mount the kubelet's pods", READS)

    def reaching(container: ContainerInstance) -> bool:
        found = memo.get(container.alike)
        if found is None:
            found = memo[container.alike] = any(map(_holds_pods, host_mounts(view, container)))
        return found

    return reaching


def _on_disk(view: Inventory, container: ContainerInstance) -> list[TokenMount]:
    return [token for token in api_tokens(view, container) if token.source is not TokenSource.SECRET_ENVIRONMENT]


def _accounts_on_disk(view: Inventory, pods: Iterable[PodInstance]) -> Iterator[str]:
    """The accounts whose tokens lie on a node's disk, some of them repeatedly."""
    memo: dict[ContainerInstance, list[str]] = view.memo("accounts on disk", WITH_TOKENS)
    for pod in pods:
        for container in pod.containers:
            accounts = memo.get(container.alike)
            if accounts is None:
                accounts = memo[container.alike] = [token.account for token in _on_disk(view, container)]
            yield from accounts


def _tokens_on_disk(view: Inventory, pods: Iterable[PodInstance]) -> dict[str, list[ContainerInstance]]:
    """The accounts whose tokens lie on a node's disk, with one container of each pod that mounts one."""
    out: dict[str, list[ContainerInstance]] = {}
    for pod in pods:
        for container in pod.containers:
            for token in _on_disk(view, container):
                account = token.account
                holders = out.get(account)
                if holders is None:
                    out[account] = [container]
                elif holders[-1].pod is not pod:
                    holders.append(container)
    return out


def _nearest(pod: PodInstance, holders: Sequence[ContainerInstance]) -> tuple[ContainerInstance, Answer]:
    """The first holder that surely shares the node with a pod, else the first."""
    first = shares_node(pod, holders[0].pod)
    if first.missing:
        for holder in holders[1:]:
            if not shares_node(pod, holder.pod).missing:
                return holder, HOLDS
    return holders[0], first


TECHNIQUES: tuple[Technique, ...] = (
    CorePattern(),
    VarLogSymlink(),
    HostWrite(),
    HostRead(),
    HostTraverse(),
    RuntimeSocket(),
)
