"""Membership of hubs: which concrete nodes a set stands for. Never shown; presentations merge the two edges.

A hub's id is ``Hub:<set>/<namespace>``; ``Hub:<set>/*`` holds the hubs of all namespaces. "Exec into all pods of
a namespace" is one edge into a hub, whatever the number of pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NAMESPACE, IndexOf, Inventory
from workbench.inventory.objects import (
    KINDS,
    ConfigMap,
    CronJob,
    DaemonSet,
    Deployment,
    KubernetesObject,
    PersistentVolumeClaim,
    ReplicaSet,
    ReplicationController,
    Secret,
    StatefulSet,
)
from workbench.inventory.pods import UNKNOWN_NODE, ContainerInstance, PodInstance
from workbench.rbac import MASTERS, Ability
from workbench.rbac.subjects import ANONYMOUS, AUTHENTICATED
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.many import Many, ManyTechnique, Node
from workbench.techniques.pod_fields import ACCOUNT, IMAGE, REFERENCES
from workbench.techniques.resolve import binding, permissions
from workbench.techniques.resolve.nodes import node_ids
from workbench.techniques.resolve.references import referred
from workbench.techniques.resolve.token import token_secrets

CONTAINERS = "containers"
"""All running containers but those of ``DISTROLESS``."""
DISTROLESS = "distroless-containers"
PATCHABLE = "patchable-containers"
ACCOUNTS = "accounts"
ABSENT_ACCOUNTS = "absent-accounts"
"""Accounts that bindings name and that are not there: impersonation does not ask."""
CONTROLLER_ACCOUNTS = "controller-accounts"
SECRETS = "secrets"
MOUNTABLE_SECRETS = "mountable-secrets"
"""Those of the namespaces that do not limit what is mounted, where some do."""
CONFIG_MAPS = "config-maps"
CLAIMS = "claims"
TOKEN_ACCOUNTS = "token-accounts"
NODES = "nodes"
USERS = "users"
GROUPS = "groups"

TEMPLATES: dict[Ability, type[KubernetesObject]] = {
    Ability.MODIFY_DEPLOYMENTS: Deployment,
    Ability.MODIFY_DAEMONSETS: DaemonSet,
    Ability.MODIFY_STATEFULSETS: StatefulSet,
    Ability.MODIFY_CRONJOBS: CronJob,
    Ability.MODIFY_REPLICASETS: ReplicaSet,
    Ability.MODIFY_REPLICATIONCONTROLLERS: ReplicationController,
}
"""The kind whose pod template an ability changes; a Job's cannot be changed."""

BESIDE = (ACCOUNTS, SECRETS, CONFIG_MAPS, CLAIMS)
"""The sets that a changed template reaches in the namespace of its workload."""


def beside(members: str, kind: type[KubernetesObject]) -> str:
    """The hub of a set over the namespaces that hold a workload of a kind."""
    return nodes.hub(f"{members}-beside-{kind.__name__.lower()}s", nodes.ANYWHERE)


_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})

Members: TypeAlias = Callable[[Inventory, str], Iterable[Node]]


def _distroless_keys(container: ContainerInstance) -> Iterable[str]:
    return (container.pod.namespace,) if is_distroless(container) else ()


_DISTROLESS_BY_NAMESPACE: IndexOf[str, ContainerInstance] = IndexOf(
    "distroless containers by namespace", "containers", _distroless_keys, of_replicas=True
)


def is_distroless(container: ContainerInstance) -> bool:
    """Whether the reference of the image says that there is no shell in it."""
    return "distroless" in (container.spec.image or "")


def _containers(view: Inventory, namespace: str) -> Iterable[ContainerInstance]:
    pods = view.index(PODS_BY_NAMESPACE)[namespace]
    if namespace not in view.index(_DISTROLESS_BY_NAMESPACE):
        return [container for pod in pods for container in pod.containers]
    return [container for pod in pods for container in pod.containers if not is_distroless(container)]


def _distroless(view: Inventory, namespace: str) -> Iterable[ContainerInstance]:
    return view.index(_DISTROLESS_BY_NAMESPACE)[namespace]


def _patchable(view: Inventory, namespace: str) -> Iterable[ContainerInstance]:
    # The API server refuses changes of mirror pods: the kubelet's file decides.
    pods = view.index(PODS_BY_NAMESPACE)[namespace]
    return [c for pod in pods if not pod.mirror for c in pod.containers]


def _controller_accounts(view: Inventory, namespace: str) -> Iterable[str]:
    return permissions.controller_accounts(view) if namespace == permissions.CONTROLLERS else ()


def _secrets(view: Inventory, namespace: str) -> Iterable[str]:
    return _with_referred(view, namespace, Secret)


def _mountable(view: Inventory) -> Iterable[str]:
    limited = permissions.limited_namespaces(view)
    if not limited:
        return ()
    found = {*view.namespaces_of(Secret), *view.index(PODS_BY_NAMESPACE).keys()}
    return [nodes.hub(SECRETS, namespace) for namespace in sorted(found - limited)]


def _config_maps(view: Inventory, namespace: str) -> Iterable[str]:
    return _with_referred(view, namespace, ConfigMap)


def _with_referred(view: Inventory, namespace: str, kind: type[Secret] | type[ConfigMap]) -> list[str]:
    """The objects that were read and, unless those are all, the ones that a pod needs and so must be there too."""
    found = {obj.id for obj in view.in_namespace(kind, namespace)}
    if not permissions.were_listed(view, kind, namespace):
        prefix = f"{kind.__name__}:"
        for pod in view.index(PODS_BY_NAMESPACE)[namespace]:
            for node, optional in referred(view, pod):
                if not optional and node.startswith(prefix):
                    found.add(node)
    return sorted(found)


def _claims(view: Inventory, namespace: str) -> Iterable[str]:
    known: dict[PodInstance, list[str]] = {}
    for pod in view.index(PODS_BY_NAMESPACE)[namespace]:
        found = known.get(pod.alike)
        if found is None:
            volumes = pod.spec.volumes or ()
            found = known[pod.alike] = [each.name or "" for each in volumes if each.persistent_volume_claim is not None]
        for volume in found:
            yield pod.volume_id(volume)
    for claim in view.in_namespace(PersistentVolumeClaim, namespace):
        if claim.spec is not None and claim.spec.volume_name:
            yield f"Volume:{claim.spec.volume_name}"


def _token_accounts(view: Inventory, namespace: str) -> Iterable[str]:
    tokens = token_secrets(view)
    if not tokens:
        return ()
    return sorted({tokens[secret.id] for secret in view.in_namespace(Secret, namespace) if secret.id in tokens})


def _bound(kind: str) -> Members:
    def members(view: Inventory, namespace: str) -> Iterable[str]:
        found = permissions.grants_in(view, namespace)
        return [grant.id for grant in found if grant.role_kind == kind and grant.role is not None]

    return members


def _declare(
    identifier: str,
    title: str,
    target: str,
    reads: Iterable[str],
    subject_type: SubjectType,
    *,
    pod_fields: frozenset[str] | None = None,
) -> Declaration:
    return Declaration(
        id=f"MEMBER_{identifier.upper().replace('-', '_')}",
        title="stands for",
        source=(nodes.HUB,),
        target=(target,),
        description=title,
        mitre=(),
        effort=0,
        reason=Reason.POSSESSED,
        reads=frozenset(reads),
        subject_type=subject_type,
        pod_fields=pod_fields,
        family="members",
        internal=True,
        api_only=True,
    )


class _Internal(ManyTechnique):
    """Membership has no evidence of its own: the edge into the hub has it."""

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


class _Members(_Internal):
    """The members of the hubs of one set: a hub a namespace, and one over all of them."""

    def __init__(
        self, hub: str, members: Members, target: str, reads: Iterable[str], pod_fields: frozenset[str] | None = None
    ) -> None:
        self._hub = hub
        self._members = members
        title = f"The hub of {hub} of a namespace, or of all namespaces, stands for its members."
        self.declaration = _declare(hub, title, target, reads, SubjectType.SCOPE, pod_fields=pod_fields)

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (*self._namespaces(view), nodes.ANYWHERE)

    def _namespaces(self, view: Inventory) -> list[str]:
        """The namespaces that may have members, by nothing but what the technique reads."""
        found: set[str] = set()
        for kind in self.declaration.reads:
            found.update(view.index(PODS_BY_NAMESPACE).keys() if kind == "Pod" else view.namespaces_of(KINDS[kind]))
            if kind in _BINDINGS:
                found.update(permissions.namespaces_of_bound_accounts(view))
        return sorted(found - {""})

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        hub = nodes.hub(self._hub, subject)
        if subject == nodes.ANYWHERE:
            yield Many(hub, [nodes.hub(self._hub, namespace) for namespace in self._namespaces(view)], 0)
        else:
            yield Many(hub, list(self._members(view, subject)), 0)


def all_nodes(view: Inventory) -> list[str]:
    """Every node a new pod may run on; ``Node:*`` where no node is known."""
    return node_ids(view) or [UNKNOWN_NODE]


def user_members(view: Inventory, user: str) -> Iterable[str]:
    """What acting as a user gives: the user or, where that is also a member of groups, its own permission sets.

    Impersonation by name puts nobody into groups, ``system:authenticated`` apart; the groups take a right of their own.
    """
    return [user] if not extra_groups(view, user) else [grant.id for grant in access.grants_of(view, user)]


def extra_groups(view: Inventory, user: str) -> list[str]:
    """The groups of a user that impersonating it does not bring."""
    if user == ANONYMOUS:
        # Impersonation adds its only group, system:unauthenticated, as it adds the other one to everybody else.
        return []
    return [group for group in access.groups_of(view, user) if group != AUTHENTICATED]


def _users(view: Inventory) -> Iterable[str]:
    users = (identity for identity in permissions.users_and_groups(view) if identity.startswith("User:"))
    return dict.fromkeys(member for user in users for member in user_members(view, user))


def _groups(view: Inventory) -> list[str]:
    named = {identity for identity in permissions.users_and_groups(view) if identity.startswith("Group:")}
    return sorted(named | {MASTERS})


class _ClusterMembers(_Internal):
    """The members of a hub that has no namespaces: nodes, users, groups."""

    def __init__(
        self, hub: str, members: Callable[[Inventory], Iterable[str]], target: str, reads: Iterable[str]
    ) -> None:
        self._hub = nodes.hub(hub, nodes.ANYWHERE)
        self._members = members
        title = f"The hub of all {hub} stands for its members."
        self.declaration = _declare(hub, title, target, reads, SubjectType.SINGLETON)

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        yield Many(self._hub, list(self._members(view)), 0)


class _Unbound(_Internal):
    """The virtual permission sets of the hubs that ROLE_BIND and ROLE_ESCALATE lead to.

    One bucket holds them all, for whether one is needed depends on everybody's rights.
    """

    declaration = _declare(
        "unbound-permission-sets",
        "The hub of what nobody has bound in a namespace stands for its virtual permission sets.",
        "PermissionSet",
        binding.READS,
        SubjectType.SINGLETON,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def touched_by_permissions(self, view: Inventory) -> bool:
        return binding.changes(view)

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        filled: set[tuple[str, str]] = set()
        for grant in binding.bindable(view).virtual.values():
            hub = binding.hub_of(grant)
            if hub is None:
                continue
            if (hub, grant.namespace) not in filled:
                filled.add((hub, grant.namespace))
                yield Many(nodes.hub(hub, nodes.ANYWHERE), [nodes.hub(hub, grant.namespace)], 0)
            yield Many(nodes.hub(hub, grant.namespace), [grant.id], 0)


class _Beside(_Internal):
    """The sets of the namespaces that hold a workload of a kind (:func:`beside`)."""

    def __init__(self, kind: type[KubernetesObject]) -> None:
        self._kind = kind
        name = kind.__name__
        title = f"The hub of a set beside {name}s stands for the hubs of the set in the namespaces that hold a {name}."
        self.declaration = _declare(f"beside-{name.lower()}s", title, nodes.HUB, {name}, SubjectType.SINGLETON)

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        for namespace in sorted(view.namespaces_of(self._kind)):
            for members in BESIDE:
                yield Many(beside(members, self._kind), [nodes.hub(members, namespace)], 0)


TECHNIQUES: tuple[Technique, ...] = (
    _Members(CONTAINERS, _containers, "Container", {"Pod"}, IMAGE),
    _Members(DISTROLESS, _distroless, "Container", {"Pod"}, IMAGE),
    _Members(PATCHABLE, _patchable, "Container", {"Pod"}, frozenset()),
    _Members(ACCOUNTS, permissions.existing_accounts, "ServiceAccount", _BINDINGS | {"Pod", "ServiceAccount"}, ACCOUNT),
    _Members(
        ABSENT_ACCOUNTS, permissions.absent_accounts, "ServiceAccount", _BINDINGS | {"Pod", "ServiceAccount"}, ACCOUNT
    ),
    _Members(
        CONTROLLER_ACCOUNTS, _controller_accounts, "ServiceAccount", _BINDINGS | {"Pod", "ServiceAccount"}, ACCOUNT
    ),
    _Members(SECRETS, _secrets, "Secret", {"Pod", "Secret", "ServiceAccount"}, REFERENCES),
    _Members(CONFIG_MAPS, _config_maps, "ConfigMap", {"Pod", "ConfigMap"}, REFERENCES),
    _Members(CLAIMS, _claims, "Volume", {"Pod", "PersistentVolumeClaim"}, frozenset({"volumes"})),
    _Members(TOKEN_ACCOUNTS, _token_accounts, "ServiceAccount", {"Secret", "ServiceAccount"}),
    _Members(binding.CLUSTER_ROLE_SETS, _bound("ClusterRole"), "PermissionSet", access.RBAC_KINDS),
    _Members(binding.ROLE_SETS, _bound("Role"), "PermissionSet", access.RBAC_KINDS),
    _Unbound(),
    *(_Beside(kind) for kind in TEMPLATES.values()),
    _ClusterMembers(MOUNTABLE_SECRETS, _mountable, nodes.HUB, {"Pod", "Secret", "ServiceAccount"}),
    _ClusterMembers(NODES, all_nodes, "Node", {"Node", "Pod"}),
    _ClusterMembers(USERS, _users, "User", access.RBAC_KINDS),
    _ClusterMembers(GROUPS, _groups, "Group", access.RBAC_KINDS),
)
