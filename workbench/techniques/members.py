"""Membership of hubs: which concrete nodes a set stands for. Never shown; presentations merge the two edges.

A hub's id is ``Hub:<set>/<namespace>``; ``Hub:<set>/*`` holds the hubs of all namespaces. "Exec into all pods of
a namespace" is one edge into a hub, whatever the number of pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NAMESPACE, Inventory
from workbench.inventory.objects import ConfigMap, Secret, ServiceAccount
from workbench.inventory.pods import UNKNOWN_NODE
from workbench.rbac.subjects import MASTERS
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.resolve.nodes import node_ids
from workbench.techniques.resolve.references import pod_references
from workbench.techniques.resolve.token import token_secrets

CONTAINERS = "containers"
PATCHABLE = "patchable-containers"
ACCOUNTS = "accounts"
CONTROLLER_ACCOUNTS = "controller-accounts"
SECRETS = "secrets"
CONFIG_MAPS = "config-maps"
CLAIMS = "claims"
TOKEN_ACCOUNTS = "token-accounts"
NODES = "nodes"
USERS = "users"
GROUPS = "groups"
PERMISSION_SETS = "permission-sets"

Members = Callable[[Inventory, str], Iterable[str]]


def _containers(view: Inventory, namespace: str) -> Iterable[str]:
    return (c.id for pod in view.index(PODS_BY_NAMESPACE)[namespace] for c in pod.containers)


def _patchable(view: Inventory, namespace: str) -> Iterable[str]:
    # The API server refuses changes of mirror pods: the kubelet's file decides.
    pods = view.index(PODS_BY_NAMESPACE)[namespace]
    return (c.id for pod in pods if not pod.mirror for c in pod.containers)


def _accounts(view: Inventory, namespace: str) -> Iterable[str]:
    found = {account.id for account in view.in_namespace(ServiceAccount, namespace)}
    found.update(pod.account for pod in view.index(PODS_BY_NAMESPACE)[namespace] if not pod.mirror)
    return sorted(found)


def _controller_accounts(view: Inventory, namespace: str) -> Iterable[str]:
    return access.controller_accounts(view) if namespace == "kube-system" else ()


def _referred(view: Inventory, namespace: str, kind: str) -> Iterable[str]:
    for pod in view.index(PODS_BY_NAMESPACE)[namespace]:
        for node, _, optional in pod_references(view, pod):
            if not optional and node.startswith(kind):
                yield node


def _secrets(view: Inventory, namespace: str) -> Iterable[str]:
    found = {secret.id for secret in view.in_namespace(Secret, namespace)}
    return sorted(found.union(_referred(view, namespace, "Secret:")))


def _config_maps(view: Inventory, namespace: str) -> Iterable[str]:
    found = {config.id for config in view.in_namespace(ConfigMap, namespace)}
    return sorted(found.union(_referred(view, namespace, "ConfigMap:")))


def _claims(view: Inventory, namespace: str) -> Iterable[str]:
    for pod in view.index(PODS_BY_NAMESPACE)[namespace]:
        for volume in pod.spec.volumes or ():
            if volume.persistent_volume_claim is not None:
                yield pod.volume_id(volume.name or "")


def _token_accounts(view: Inventory, namespace: str) -> Iterable[str]:
    tokens = token_secrets(view)
    return sorted({tokens[secret.id] for secret in view.in_namespace(Secret, namespace) if secret.id in tokens})


def _permission_sets(view: Inventory, namespace: str) -> Iterable[str]:
    return [found.id for found in access.grants(view) if found.namespace == namespace and found.role is not None]


class _Members(Technique):
    """The members of the hubs of one set: a hub a namespace, and one over all of them."""

    def __init__(self, hub: str, members: Members, kind: str, reads: Iterable[str]) -> None:
        self._hub = hub
        self._members = members
        self.declaration = Declaration(
            id=f"MEMBER_{hub.upper().replace('-', '_')}",
            title="stands for",
            source=(nodes.HUB,),
            target=(kind,),
            description=f"The hub of {hub} of a namespace, or of all namespaces, stands for its members.",
            mitre=(),
            effort=0,
            reason=Reason.POSSESSED,
            reads=frozenset(reads),
            subject_type=SubjectType.SCOPE,
            family="members",
            internal=True,
            api_only=True,
        )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (*view.namespaces(), nodes.ANYWHERE)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        hub = nodes.hub(self._hub, subject)
        if subject == nodes.ANYWHERE:
            for namespace in view.namespaces():
                if next(iter(self._members(view, namespace)), None) is not None:
                    yield Found(hub, nodes.hub(self._hub, namespace), 0)
            return
        for member in self._members(view, subject):
            yield Found(hub, member, 0)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


def all_nodes(view: Inventory) -> list[str]:
    """Every node a new pod may run on; ``Node:*`` where no node is known."""
    return node_ids(view) or [UNKNOWN_NODE]


def _users(view: Inventory) -> list[str]:
    return [identity for identity in access.identities(view) if identity.startswith("User:")]


def _groups(view: Inventory) -> list[str]:
    named = {identity for identity in access.identities(view) if identity.startswith("Group:")}
    return sorted(named | {MASTERS})


class _ClusterMembers(Technique):
    """The members of a hub that has no namespaces: nodes, users, groups."""

    def __init__(self, hub: str, members: Callable[[Inventory], Iterable[str]], kind: str, reads: Iterable[str]) -> None:
        self._hub = hub
        self._members = members
        self.declaration = Declaration(
            id=f"MEMBER_{hub.upper()}",
            title="stands for",
            source=(nodes.HUB,),
            target=(kind,),
            description=f"The hub of all {hub} stands for its members.",
            mitre=(),
            effort=0,
            reason=Reason.POSSESSED,
            reads=frozenset(reads),
            subject_type=SubjectType.SINGLETON,
            family="members",
            internal=True,
            api_only=True,
        )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        for member in self._members(view):
            yield Found(nodes.hub(self._hub, nodes.ANYWHERE), member, 0)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


_BINDINGS = access.RBAC_KINDS

TECHNIQUES: tuple[Technique, ...] = (
    _Members(CONTAINERS, _containers, "Container", {"Pod"}),
    _Members(PATCHABLE, _patchable, "Container", {"Pod"}),
    _Members(ACCOUNTS, _accounts, "ServiceAccount", {"Pod", "ServiceAccount"}),
    _Members(CONTROLLER_ACCOUNTS, _controller_accounts, "ServiceAccount", _BINDINGS | {"Pod", "ServiceAccount"}),
    _Members(SECRETS, _secrets, "Secret", {"Pod", "Secret", "ServiceAccount"}),
    _Members(CONFIG_MAPS, _config_maps, "ConfigMap", {"Pod", "ConfigMap"}),
    _Members(CLAIMS, _claims, "Volume", {"Pod"}),
    _Members(TOKEN_ACCOUNTS, _token_accounts, "ServiceAccount", {"Secret", "ServiceAccount"}),
    _Members(PERMISSION_SETS, _permission_sets, "PermissionSet", _BINDINGS),
    _ClusterMembers(NODES, all_nodes, "Node", {"Node", "Pod"}),
    _ClusterMembers(USERS, _users, "User", _BINDINGS),
    _ClusterMembers(GROUPS, _groups, "Group", _BINDINGS),
)
