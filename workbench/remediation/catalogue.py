"""The fixes (``catalogue.md`` section 4): what applies to which object, computed from the object.

A fix of a pod's spec is aimed at the top owner of the pod; one record for each fix and target, with an op for
every container that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.inventory import fields
from workbench.inventory.changes import TOKEN_VOLUME, Op, Target
from workbench.inventory.decode import plain, pod_spec_prefix
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import (
    WORKLOADS,
    ClusterRoleBinding,
    Container,
    KubernetesObject,
    Pod,
    PodSpec,
    RoleBinding,
)
from workbench.inventory.pods import PodInstance, template_of
from workbench.rbac.subjects import subject_id
from workbench.remediation.owners import Management, management, owner
from workbench.remediation.records import Effect, Fix, Risk, RiskLevel
from workbench.techniques import access
from workbench.techniques.resolve import host_paths
from workbench.techniques.resolve.token import TokenMount, TokenSource, api_token

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A workload or a bare pod, with the pods that show what it does."""

    obj: KubernetesObject
    spec: PodSpec
    pods: Sequence[PodInstance]
    management: Management

    @property
    def prefix(self) -> fields.Path:
        return fields.parse(pod_spec_prefix(self.obj.kind))

    @property
    def containers(self) -> Iterator[tuple[str, Container]]:
        """Each container of the template with the name of the list that it stands in."""
        for key, group in (("containers", self.spec.containers), ("initContainers", self.spec.init_containers)):
            for container in group or ():
                yield key, container

    def path(self, *steps: fields.Step) -> str:
        """A pointer to a field of the pod spec."""
        return fields.pointer((*self.prefix, *steps))

    def container_path(self, key: str, container: Container, *steps: fields.Step) -> str:
        """A pointer to a field of a container."""
        return self.path(key, (("name", container.name or ""),), *steps)

    @property
    def observed_on(self) -> tuple[str, ...]:
        return tuple(pod.id for pod in self.pods) or (self.obj.id,)

    def fix(self, fix: str, what: str, ops: Sequence[Op], risk: Risk, notes: Sequence[str] = ()) -> Fix:
        """The record for edits of this candidate's pod spec."""
        if self.obj.kind in ("Pod", "Job"):
            effect = Effect.RECREATE
        elif self.obj.kind == "CronJob":
            effect = Effect.NONE
        else:
            effect = Effect.ROLLOUT
        return Fix(
            fix=fix,
            title=f"{what} on {_called(self.obj)}",
            target=Target.of(self.obj),
            ops=tuple(ops),
            risk=risk,
            effect=effect,
            status=self.management.status,
            reason=self.management.reason,
            route=self.management.route,
            managed_by=self.management.managers,
            observed_on=self.observed_on,
            notes=(*notes, *self.management.notes),
        )


def _called(obj: KubernetesObject) -> str:
    return f"{obj.kind} {obj.namespace}/{obj.name}" if obj.namespace else f"{obj.kind} {obj.name}"


def all_fixes(view: Inventory) -> list[Fix]:
    """Every fix that applies to an object of the inventory, also one that cuts nothing; sorted by id."""
    found = [fix for candidate in candidates(view) for make in _POD_FIXES for fix in make(view, candidate)]
    found += binding_subjects(view)
    return sorted(found, key=lambda fix: fix.id)


def candidates(view: Inventory) -> Iterator[Candidate]:
    """The objects that a fix of a pod spec may be aimed at: top workloads, bare pods, and pods of unknown owners."""
    seen: set[str] = set()
    by_owner = view.index(PODS_BY_OWNER)
    for top in by_owner.keys():
        pods = by_owner[top]
        first = pods[0]
        found = owner(view, first)
        spec = _spec(found.obj)
        if spec is not None:
            seen.add(top)
            yield Candidate(found.obj, spec, pods, found.management)
    for kind in WORKLOADS:
        for workload in view.all(kind):
            controlled = any(ref.controller for ref in workload.metadata.owner_references or ())
            spec = _spec(workload)
            if workload.id not in seen and not controlled and spec is not None:
                yield Candidate(workload, spec, (), management(view, workload))


def _spec(obj: KubernetesObject) -> PodSpec | None:
    if isinstance(obj, Pod):
        return obj.spec
    template = template_of(obj)
    return template.spec if template else None


def _host_access(candidate: Candidate) -> bool:
    return any(volume.host_path for volume in candidate.spec.volumes or ()) or any(
        container.volume_devices for _, container in candidate.containers
    )


def _platform(candidate: Candidate) -> bool:
    return candidate.obj.namespace in SYSTEM_NAMESPACES or candidate.obj.kind == "DaemonSet"


def privileged_off(view: Inventory, candidate: Candidate) -> Iterator[Fix]:
    """F-PRIV: ``privileged: false`` on every privileged container."""
    ops = [
        Op("set", candidate.container_path(key, container, "securityContext", "privileged"), False, True)
        for key, container in candidate.containers
        if container.security_context and container.security_context.privileged
    ]
    if not ops:
        return
    if _platform(candidate) or _host_access(candidate):
        risk = Risk(RiskLevel.HIGH, ("node agents and drivers often need a privileged container",))
    else:
        risk = Risk(RiskLevel.MEDIUM, ("an application without host directories or devices seldom needs it",))
    yield candidate.fix("F-PRIV", "privileged: false", ops, risk)


def host_namespaces_off(view: Inventory, candidate: Candidate) -> Iterator[Fix]:
    """F-HOSTNS: ``hostPID``, ``hostIPC`` and ``hostNetwork`` off."""
    spec = candidate.spec
    values = (("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc), ("hostNetwork", spec.host_network))
    names = [name for name, value in values if value]
    if not names:
        return
    reasons: list[str] = []
    if "hostNetwork" in names:
        reasons.append("host ports are freed and the pod's source address changes")
    if "hostPID" in names or "hostIPC" in names:
        reasons.append("agents that watch the processes of the node stop seeing them")
    level = RiskLevel.HIGH if _platform(candidate) or "hostNetwork" in names else RiskLevel.MEDIUM
    ops = [Op("set", candidate.path(name), False, True) for name in names]
    yield candidate.fix("F-HOSTNS", ", ".join(f"{name}: false" for name in names), ops, Risk(level, tuple(reasons)))


def _dangerous(path: str) -> bool:
    """Whether a host path is anything but one of the benign ones."""
    clean = host_paths.cleaned(path)
    sockets = {*host_paths.SOCKETS, *host_paths.INIT_SOCKETS}
    return clean in sockets or max(host_paths.write_danger(clean), host_paths.read_danger(clean)) > host_paths.Danger.NONE


def host_path_removed(view: Inventory, candidate: Candidate) -> Iterator[Fix]:
    """F-HP-DEL: each dangerous hostPath volume goes, together with every mount of it."""
    data = plain(candidate.obj)
    for volume in candidate.spec.volumes or ():
        if volume.host_path is None or not volume.host_path.path or not _dangerous(volume.host_path.path):
            continue
        ops: list[Op] = []
        for key, container in candidate.containers:
            for mount in container.volume_mounts or ():
                if mount.name == volume.name:
                    ops.append(
                        _removal(data, candidate.container_path(key, container, "volumeMounts", (("mountPath", mount.mount_path or ""),)))
                    )
        ops.append(_removal(data, candidate.path("volumes", (("name", volume.name or ""),))))
        risk = Risk(
            RiskLevel.HIGH if _platform(candidate) else RiskLevel.MEDIUM,
            (f"what reads {volume.host_path.path} of the node loses it",),
        )
        yield candidate.fix("F-HP-DEL", f"no hostPath {volume.host_path.path} ({volume.name})", ops, risk)


def _removal(data: dict[str, Any], path: str) -> Op:
    _, old = fields.find(data, fields.parse(path))
    return Op("remove", path, None, old)


def _automounted(token: TokenMount) -> bool:
    """Whether admission brought the token, or will."""
    if token.source is TokenSource.AUTOMOUNT:
        return True
    return token.source is TokenSource.PROJECTED and token.name.startswith(TOKEN_VOLUME)


def automount_off(view: Inventory, candidate: Candidate) -> Iterator[Fix]:
    """F-AUTOMOUNT: ``automountServiceAccountToken: false`` on the pod template."""
    if candidate.spec.automount_service_account_token is False:
        return
    tokens = [token for pod in candidate.pods for c in pod.containers if (token := api_token(view, c)) is not None]
    if not any(_automounted(token) for token in tokens):
        return
    account = candidate.pods[0].account
    grants = [grant for grant in access.grants_of(view, account) if not view.is_builtin(grant.binding.id)]
    if grants:
        risk = Risk(
            RiskLevel.MEDIUM,
            (f"{account} has permissions of its own; whether the workload uses them is unknown (no audit log)",),
        )
    else:
        risk = Risk(RiskLevel.LOW, (f"{account} has no permissions of its own",))
    op = Op("set", candidate.path("automountServiceAccountToken"), False, candidate.spec.automount_service_account_token)
    yield candidate.fix("F-AUTOMOUNT", "automountServiceAccountToken: false", [op], risk)


_POD_FIXES: tuple[Callable[[Inventory, Candidate], Iterator[Fix]], ...] = (
    privileged_off,
    host_namespaces_off,
    host_path_removed,
    automount_off,
)


def binding_subjects(view: Inventory) -> Iterator[Fix]:
    """F-BIND-SUBJ: one subject taken out of one binding; a binding whose last subject goes stays, with none."""
    for binding in (*view.all(RoleBinding), *view.all(ClusterRoleBinding)):
        if not view.is_builtin(binding.id):
            yield from _binding_fixes(view, binding)


def _binding_fixes(view: Inventory, binding: RoleBinding | ClusterRoleBinding) -> Iterator[Fix]:
    managed = management(view, binding)
    data = plain(binding)
    seen: set[str] = set()
    for subject in binding.subjects or ():
        identity = subject_id(subject, binding.namespace)
        if identity is None or identity in seen:
            continue
        seen.add(identity)
        role = binding.role_ref.name if binding.role_ref else ""
        selector = tuple(
            (key, value)
            for key, value in (("kind", subject.kind), ("namespace", subject.namespace), ("name", subject.name))
            if value
        )
        path = fields.pointer(("subjects", selector))
        others = len({subject_id(other, binding.namespace) for other in binding.subjects or ()}) - 1
        yield Fix(
            fix="F-BIND-SUBJ",
            title=f"take {identity} out of {_called(binding)}",
            target=Target.of(binding),
            ops=(_removal(data, path),),
            risk=Risk(
                RiskLevel.HIGH if identity.startswith("Group:system:") else RiskLevel.MEDIUM,
                (f"{identity} loses {role}; whether it uses it is unknown (no audit log)",),
                (f"{others} other subjects of the binding keep it",) if others else (),
            ),
            effect=Effect.NONE,
            status=managed.status,
            reason=managed.reason,
            route=managed.route,
            managed_by=managed.managers,
            observed_on=(identity,),
            notes=managed.notes,
        )
