"""RBAC on pods (catalogue 2.6): exec, create, patch, and the kubelet's API by way of nodes/proxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NODE, Inventory
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Reason, Technique, fact
from workbench.techniques.members import CONTAINERS, DISTROLESS, PATCHABLE, is_distroless
from workbench.techniques.rbac_common import (
    GrantTechnique,
    account_edges,
    admission_to,
    declare,
    limit_evidence,
    mount_edges,
    name_in,
    node_edge,
    pods_named,
    scope_of,
)
from workbench.techniques.resolve import CLUSTER, admission

WEBSOCKET_GATE = (1, 35)
"""From here on a websocket to exec, attach and port-forward needs ``create`` too (catalogue, "Version gates")."""

EXEC = 2
WITHOUT_SHELL = 3
"""Of exec into a distroless image: the attacker has to make do with the program that is there."""


def _pod_name(view: Inventory, edge: Edge, grant: Grant | None, ability: Ability) -> str | None:
    """Under which name a permission set covers the pod of a container, ``None`` if it needs none."""
    container = view.containers.get(edge.target)
    names = grant.names_for(ability) if grant is not None else None
    return name_in(names, container.pod) if container is not None and names is not None else None


class PodExec(GrantTechnique):
    """POD_EXEC: a shell in any container, without any other permission."""

    declaration = declare(
        "POD_EXEC",
        "runs commands in",
        ("Container",),
        "The attacker starts a process in a running container through the API server. It takes create on pods/exec "
        "alone; before Kubernetes 1.35 get alone is enough too, over a websocket.",
        effort=EXEC,
        mitre=("T1609",),
        reason=Reason.API_CALL,
        reads={"Pod"},
        references=("https://kubehound.io/reference/attacks/POD_EXEC/",),
    )
    abilities = (Ability.CREATE_PODS_EXEC, Ability.GET_PODS_EXEC)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        yield from self._through(view, grant, Ability.CREATE_PODS_EXEC, ())
        version = view.server_version
        if version.assumed:
            yield from self._through(view, grant, Ability.GET_PODS_EXEC, fact("C-GATE", CLUSTER))
        elif version.pair < WEBSOCKET_GATE:
            yield from self._through(view, grant, Ability.GET_PODS_EXEC, ())
        elif not grant.has(Ability.CREATE_PODS_EXEC):
            yield Blocked(
                grant.id,
                nodes.hub(CONTAINERS, scope_of(grant)),
                f"the API server is {version}, and from v1.35 on get on pods/exec is not enough without create",
            )

    def _through(self, view: Inventory, grant: Grant, ability: Ability, missing: tuple[Fact, ...]) -> Iterator[Found]:
        names = grant.names_for(ability)
        if names is None:
            yield Found(grant.id, nodes.hub(CONTAINERS, scope_of(grant)), EXEC, missing, ability.name)
            yield Found(grant.id, nodes.hub(DISTROLESS, scope_of(grant)), WITHOUT_SHELL, missing, ability.name)
            return
        for name in sorted(names):
            for pod in pods_named(view, name, grant.namespace):
                for container in pod.containers:
                    effort = WITHOUT_SHELL if is_distroless(container) else EXEC
                    yield Found(grant.id, container.id, effort, missing, ability.name)

    def permission(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        # Which of the two it is depends on the server's version, so the cause says it.
        ability = Ability[edge.cause]
        return access.grant_evidence(view, grant, ability, name=_pod_name(view, edge, grant, ability))


class PodCreate(GrantTechnique):
    """POD_CREATE: a privileged pod of one's own on any node."""

    declaration = declare(
        "POD_CREATE",
        "creates a privileged pod on",
        ("Node",),
        "The attacker creates a privileged pod and chooses its node: nodeName skips the scheduler and its own "
        "tolerations beat taints. Pod security admission of the namespace decides whether it may be privileged.",
        effort=3,
        mitre=("T1610",),
        reason=Reason.RECIPE,
        reads=admission.READS,
        fixes=("F-PSA", "F-VAP"),
        references=("https://kubehound.io/reference/attacks/POD_CREATE/",),
    )
    abilities = (Ability.CREATE_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        # Names never restrict creation by POST, and a name for server-side apply is as good as any.
        yield node_edge(self._admission(view, grant), grant.id, 3)

    def _admission(self, view: Inventory, grant: Grant) -> admission.Admission:
        found = admission_to(view, grant.namespace)
        if (not found.allowed or found.missing) and not grant.namespace and grant.has(Ability.CREATE_NAMESPACES):
            return admission.new_namespace(view)
        return found

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        found = self._admission(view, grant)
        if not found.namespace:
            yield from access.grant_evidence(view, grant, Ability.CREATE_NAMESPACES)
        yield from admission.admission_evidence(view, found)


class PodCreateAccount(GrantTechnique):
    """POD_CREATE_SA: a pod runs as any service account of its namespace."""

    declaration = declare(
        "POD_CREATE_SA",
        "creates a pod that runs as",
        ("ServiceAccount",),
        "The attacker creates a pod with any service account of the namespace, which nobody checks, and reads its "
        "token; an explicit projected token beats automountServiceAccountToken: false.",
        effort=3,
        mitre=("T1610",),
        reason=Reason.RECIPE,
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation",),
    )
    abilities = (Ability.CREATE_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        yield from account_edges(grant.id, scope_of(grant), 3)


class PodCreateSecret(GrantTechnique):
    """POD_CREATE_SECRET: a pod mounts anything of its namespace."""

    declaration = declare(
        "POD_CREATE_SECRET",
        "creates a pod that mounts",
        ("Secret", "ConfigMap", "Volume"),
        "The attacker creates a pod that mounts any Secret, ConfigMap or claim of the namespace and reads it there, "
        "without any permission on the Secret itself.",
        effort=3,
        mitre=("T1610",),
        reason=Reason.RECIPE,
        reads={"ServiceAccount"},
        references=("https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation",),
    )
    abilities = (Ability.CREATE_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        yield from mount_edges(view, grant.id, scope_of(grant), 3)

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        return limit_evidence(view, edge)


class PodPatch(GrantTechnique):
    """POD_PATCH: another image in a running pod."""

    declaration = declare(
        "POD_PATCH",
        "replaces the image of",
        ("Container",),
        "The attacker changes the image of a running pod's container. The pod keeps its account, volumes and security "
        "context. Mirror pods cannot be changed, and the node has to be able to pull the attacker's image.",
        effort=4,
        mitre=("T1609",),
        reason=Reason.INFRASTRUCTURE,
        reads={"Pod"},
        references=("https://kubehound.io/reference/attacks/POD_PATCH/",),
    )
    abilities = (Ability.MODIFY_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        # Only the image of a running pod may change, not its command, so no image that is there already will do.
        missing = fact("C-PULL", CLUSTER)
        names = grant.names_for(Ability.MODIFY_PODS)
        if names is None:
            yield Found(grant.id, nodes.hub(PATCHABLE, scope_of(grant)), 4, missing)
            return
        for name in sorted(names):
            for pod in pods_named(view, name, grant.namespace):
                for container in () if pod.mirror else pod.containers:
                    yield Found(grant.id, container.id, 4, missing)

    def object_name(self, view: Inventory, edge: Edge) -> str | None:
        return _pod_name(view, edge, access.grant(view, edge.source), Ability.MODIFY_PODS)


class NodeProxy(GrantTechnique):
    """NODE_PROXY: the kubelet's API runs commands in every container of a node."""

    declaration = declare(
        "NODE_PROXY",
        "runs commands through the kubelet in",
        ("Container",),
        "get or create on nodes/proxy reaches the kubelet's API, which runs commands in any container of the node; a "
        "websocket GET is enough. Only a ClusterRoleBinding grants it; the fine-grained nodes/metrics, nodes/pods "
        "and the like do not.",
        effort=EXEC,
        mitre=("T1609",),
        reason=Reason.API_CALL,
        reads={"Pod"},
        fixes=("F-NP-EG",),
        references=("https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",),
    )
    abilities = (Ability.CREATE_NODES_PROXY, Ability.GET_NODES_PROXY)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        names = access.names_for(grant, self.abilities)
        if names is None:
            yield Found(grant.id, nodes.hub(CONTAINERS, nodes.ANYWHERE), EXEC)
            yield Found(grant.id, nodes.hub(DISTROLESS, nodes.ANYWHERE), EXEC)
            return
        for name in sorted(names):
            for pod in view.index(PODS_BY_NODE)[f"Node:{name}"]:
                for container in pod.containers:
                    yield Found(grant.id, container.id, EXEC)

    def object_name(self, view: Inventory, edge: Edge) -> str | None:
        container = view.containers.get(edge.target)
        return container.pod.spec.node_name if container is not None else None

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> Iterable[Evidence]:
        container = view.containers.get(edge.target)
        if container is not None and access.names_for(grant, self.abilities) is not None:
            yield view.evidence(container.pod.obj, container.pod.field("nodeName"))


TECHNIQUES: tuple[Technique, ...] = (
    PodExec(),
    PodCreate(),
    PodCreateAccount(),
    PodCreateSecret(),
    PodPatch(),
    NodeProxy(),
)
