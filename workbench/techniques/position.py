"""Position edges (catalogue 2.1): what an attacker who holds one thing holds already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NODE, Inventory
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.rbac.grants import Grant
from workbench.rbac.rules import is_cluster_admin
from workbench.rbac.subjects import MASTERS
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.many import Record, RecordTechnique
from workbench.techniques.pod_fields import ACCOUNT, API_SERVER, PLACE, TOKENS
from workbench.techniques.resolve.egress import APART, containers_touched, egress_evidence, facts_to_api_server
from workbench.techniques.resolve.nodes import node_ids
from workbench.techniques.resolve.token import api_tokens, automount, token_evidence, tokens_of_replicas

_RBAC = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


class ContainerAttach(RecordTechnique):
    """CONTAINER_ATTACH: who controls a pod controls its running containers (R1)."""

    declaration = Declaration(
        id="CONTAINER_ATTACH",
        title="controls the container of",
        source=("Pod",),
        target=("Container",),
        description="Control of a pod is control of every container that runs in it.",
        mitre=("T1609",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod"}),
        subject_type=SubjectType.POD,
        pod_fields=frozenset(),
        references=("https://kubehound.io/reference/attacks/CONTAINER_ATTACH/",),
        family="position",
    )

    def subjects(self, view: Inventory) -> Iterable[PodInstance]:
        return view.pods

    from_subject = True

    def records(self, view: Inventory, subjects: Iterable[PodInstance]) -> Iterator[Record | Blocked]:
        for pod in subjects:
            for container in pod.containers:
                yield pod, container, 1, (), None

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.target)
        if container is None:
            return []
        pod = container.pod
        if not pod.live:
            return [view.evidence(pod.obj, container.field("name"))]
        statuses = {
            "containers": "containerStatuses",
            "initContainers": "initContainerStatuses",
            "ephemeralContainers": "ephemeralContainerStatuses",
        }[container.type.value]
        return [
            view.evidence(pod.obj, f"status.{statuses}[name={container.name}].state"),
            view.evidence(pod.obj, "status.phase"),
        ]


class IdentityAssume(RecordTechnique):
    """IDENTITY_ASSUME: a container may use the API token that it mounts (R8)."""

    declaration = Declaration(
        id="IDENTITY_ASSUME",
        title="uses the mounted token of",
        source=("Container",),
        target=("ServiceAccount",),
        description=(
            "The container holds a token of the Kubernetes API, in a projected volume or from a token Secret. Whoever "
            "runs code in it reads the token and speaks to the API server as the service account."
        ),
        mitre=("T1528",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod", "ServiceAccount", "Secret"}) | APART,
        subject_type=SubjectType.CONTAINER,
        pod_fields=TOKENS | API_SERVER,
        fixes=("F-AUTOMOUNT", "F-SA-OWN"),
        references=(
            "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/",
            "https://kubehound.io/reference/attacks/IDENTITY_ASSUME/",
        ),
        family="position",
    )

    apart = APART

    def touched_apart(self, view: Inventory) -> set[str] | None:
        return containers_touched(view)

    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        return view.containers

    from_subject = True

    def records(self, view: Inventory, subjects: Iterable[ContainerInstance]) -> Iterator[Record | Blocked]:
        missing = facts_to_api_server(view)
        for container in subjects:
            pod = container.pod
            tokens = tokens_of_replicas(view, container)
            if tokens:
                facts = missing(pod) if missing is not None else ()
                for token in tokens:
                    yield container, token.account, 1, facts, None
            elif not pod.mirror and not automount(view, pod):
                yield Blocked(
                    container.id,
                    pod.account,
                    "automountServiceAccountToken: false keeps the token out, and no other volume brings one",
                )

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        found = [
            each
            for token in api_tokens(view, container)
            if token.account == edge.target
            for each in token_evidence(view, container, token)
        ]
        return [*found, *egress_evidence(view, container.pod)]


class GroupMember(RecordTechnique):
    """GROUP_MEMBER: an identity has the rights of its groups (R9)."""

    declaration = Declaration(
        id="GROUP_MEMBER",
        title="is a member of",
        source=("ServiceAccount", "User"),
        target=("Group",),
        description="The API server puts the identity into the group, so that it holds what is bound to the group.",
        mitre=("T1069",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"ServiceAccount", "Node", "Pod", "RoleBinding", "ClusterRoleBinding"}),
        subject_type=SubjectType.IDENTITY,
        pod_fields=PLACE | ACCOUNT,
        references=("https://kubernetes.io/docs/reference/access-authn-authz/authentication/",),
        family="position",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        known = dict.fromkeys(access.identities(view))
        # The node's own user acts through the Node authorizer and need not be bound by anything.
        for node in node_ids(view):
            if node != nodes.UNKNOWN_NODE:
                known.setdefault(f"User:system:node:{node.removeprefix('Node:')}")
        return known

    from_subject = True

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        for identity in subjects:
            if identity.startswith("Group:") or not (access.is_identity(view, identity) or _is_kubelet(view, identity)):
                continue
            for group in access.groups_of(view, identity):
                yield identity, group, 1, (), None

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        user = nodes.name(edge.source)
        if edge.source.startswith("User:") and edge.target.removeprefix("Group:") in view.users.get(user, ()):
            return [Evidence(edge.source, f"users.{user}.groups", list(view.users[user]))]
        return [view.evidence(edge.source, "metadata.name", user)]


def _is_kubelet(view: Inventory, identity: str) -> bool:
    """Whether an identity is the user of a node that was read, or that a pod runs on."""
    user, prefix, name = identity.partition("User:system:node:")
    node = f"Node:{name}"
    if user or not prefix or node == nodes.UNKNOWN_NODE:
        return False
    return view.by_id(node) is not None or node in view.index(PODS_BY_NODE)


class PermissionDiscover(Technique):
    """PERMISSION_DISCOVER: a binding gives its subject a permission set."""

    declaration = Declaration(
        id="PERMISSION_DISCOVER",
        title="is granted",
        source=("ServiceAccount", "User", "Group"),
        target=("PermissionSet",),
        description="A binding names the identity, from whatever namespace, and grants it the rules of a role.",
        mitre=("T1069",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=_RBAC,
        subject_type=SubjectType.GRANT,
        fixes=("F-BIND-SUBJ",),
        references=(
            "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
            "https://kubehound.io/reference/attacks/PERMISSION_DISCOVER/",
        ),
        family="position",
        api_only=True,
    )

    def subjects(self, view: Inventory) -> Iterable[Grant]:
        return access.grants(view)

    def detect(self, view: Inventory, subject: Grant) -> Iterator[Found | Blocked]:
        for index, identity in subject.subjects:
            yield Found(identity, subject.id, 1, (), index)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        grant = access.grant(view, edge.target)
        if grant is None:
            return []
        return [
            view.evidence(grant.binding, f"subjects[{edge.cause}]"),
            view.evidence(grant.binding, "roleRef"),
        ]


class ClusterAdmin(Technique):
    """CLUSTER_ADMIN: a cluster-wide rule that holds every verb on every resource."""

    declaration = Declaration(
        id="CLUSTER_ADMIN",
        title="may do everything",
        source=("PermissionSet",),
        target=("ClusterAdmin",),
        description=(
            "One rule of a cluster-wide grant holds every verb on every resource of every API group. The same role "
            "bound by a RoleBinding rules its namespace only."
        ),
        mitre=("T1078",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=_RBAC,
        subject_type=SubjectType.GRANT,
        fixes=("F-RBAC-RULE", "F-RBAC-NARROW", "F-RBAC-SCOPE", "F-BIND-SUBJ"),
        references=("https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles",),
        family="position",
        api_only=True,
    )

    def subjects(self, view: Inventory) -> Iterable[Grant]:
        return (grant for grant in access.grants(view) if grant.cluster_admin)

    def detect(self, view: Inventory, subject: Grant) -> Iterator[Found | Blocked]:
        if not subject.cluster_admin:
            return
        for index, source in enumerate(subject.sources):
            if is_cluster_admin((source.rule,)):
                yield Found(subject.id, nodes.CLUSTER_ADMIN, 1, (), index)
                return

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        grant = access.grant(view, edge.source)
        if grant is None:
            return []
        source = grant.sources[edge.cause]
        found = [view.evidence(source.object, f"rules[{source.index}]")]
        if not grant.virtual:
            found.append(view.evidence(grant.binding, "roleRef"))
        return found


class SystemMasters(Technique):
    """SYSTEM_MASTERS: the group that the API server lets do everything, whatever RBAC says."""

    declaration = Declaration(
        id="SYSTEM_MASTERS",
        title="may do everything",
        source=("Group",),
        target=("ClusterAdmin",),
        description="The API server authorises members of system:masters before it asks any authoriser.",
        mitre=("T1078",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset(),
        subject_type=SubjectType.SINGLETON,
        fixes=("F-BIND-SUBJ",),
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#least-privilege",),
        family="position",
        api_only=True,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        yield Found(MASTERS, nodes.CLUSTER_ADMIN, 1)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return [Evidence(MASTERS, "metadata.name", "system:masters", builtin=True)]


TECHNIQUES: tuple[Technique, ...] = (
    ContainerAttach(),
    IdentityAssume(),
    PermissionDiscover(),
    GroupMember(),
    ClusterAdmin(),
    SystemMasters(),
)
