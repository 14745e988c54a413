"""RBAC on pods (catalogue 2.6): exec, create, patch, and the kubelet's API by way of nodes/proxy."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NODE, Inventory
from workbench.inventory.objects import ServiceAccount
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Found, Reason
from workbench.techniques.members import CLAIMS, CONFIG_MAPS, CONTAINERS, NODES, PATCHABLE, SECRETS
from workbench.techniques.rbac_common import GrantTechnique, account_edges, declare, scope_of
from workbench.techniques.resolve import admission

WEBSOCKET_GATE = (1, 35)
"""From here on exec, attach and port-forward over a websocket need ``create`` too (catalogue, "Version gates")."""

ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


def _pod_targets(view: Inventory, grant: Grant, names: frozenset[str], hub: str) -> Iterator[str]:
    """The containers of the named pods that a permission set covers; mirror pods only where the hub holds them."""
    for name in sorted(names):
        for namespace in (grant.namespace,) if grant.namespace else view.namespaces():
            pod = view.pods.get(f"Pod:{namespace}/{name}")
            if pod is not None and not (hub == PATCHABLE and pod.mirror):
                for container in pod.containers:
                    yield container.id


class PodExec(GrantTechnique):
    """POD_EXEC: a shell in any container, without any other permission."""

    declaration = declare(
        "POD_EXEC",
        "runs commands in",
        ("Container",),
        "The attacker starts a process in a running container through the API server. It takes create on pods/exec "
        "alone; before Kubernetes 1.35 get alone is enough too, over a websocket.",
        effort=2,
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
            yield from self._through(view, grant, Ability.GET_PODS_EXEC, (("C-GATE", "Cluster"),))
        elif version.pair < WEBSOCKET_GATE:
            yield from self._through(view, grant, Ability.GET_PODS_EXEC, ())

    def _through(
        self, view: Inventory, grant: Grant, ability: Ability, missing: tuple[Fact, ...]
    ) -> Iterator[Found]:
        names = grant.names_for(ability)
        if names is None:
            yield Found(grant.id, nodes.hub(CONTAINERS, scope_of(grant)), 2, missing, ability.name)
        else:
            for target in _pod_targets(view, grant, names, CONTAINERS):
                yield Found(grant.id, target, 2, missing, ability.name)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        grant = access.grant(view, edge.source)
        if grant is None:
            return []
        return access.grant_evidence(view, grant, Ability[edge.cause])


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
        reads=admission.READS | {"Node"},
        fixes=("F-PSA", "F-VAP"),
        references=("https://kubehound.io/reference/attacks/POD_CREATE/",),
    )
    abilities = (Ability.CREATE_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        # Names never restrict creation by POST, and a name for server-side apply is as good as any.
        yield from node_edges(view, grant.id, grant.namespace, 3)

    def more_evidence(self, view: Inventory, edge: Edge, grant: Grant) -> list[Evidence]:
        return admission_evidence(view, grant.namespace)


def node_edges(view: Inventory, source: str, namespace: str, effort: int, cause: object = None) -> Iterator[Found | Blocked]:
    """To every node, if a privileged pod is admitted in the namespace (in any, where it is empty)."""
    found = admission.privileged(view, namespace) if namespace else admission.privileged_anywhere(view)
    target = nodes.hub(NODES, nodes.ANYWHERE)
    if found.allowed:
        yield Found(source, target, effort, found.missing, cause)
    else:
        yield Blocked(source, target, found.mitigation)


def admission_evidence(view: Inventory, namespace: str) -> list[Evidence]:
    """The pod security label of the namespace in which a privileged pod is admitted."""
    where = namespace or admission.privileged_anywhere(view).namespace
    return admission.admission_evidence(view, where)


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
        reads={"Pod", "ServiceAccount"},
    )
    abilities = (Ability.CREATE_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        yield from account_edges(view, grant.id, scope_of(grant), 3)


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
        reads={"Pod", "Secret", "ConfigMap", "ServiceAccount"},
    )
    abilities = (Ability.CREATE_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        yield from mount_edges(view, grant.id, grant.namespace, 3)


def mount_edges(view: Inventory, source: str, namespace: str, effort: int, cause: object = None) -> Iterator[Found]:
    """To every Secret, ConfigMap and claim of a namespace (of all, where it is empty)."""
    scope = namespace or nodes.ANYWHERE
    missing = access.about_namespace("C-POLICY", namespace) if _mounts_enforced(view, namespace) else ()
    yield Found(source, nodes.hub(SECRETS, scope), effort, missing, cause)
    yield Found(source, nodes.hub(CONFIG_MAPS, scope), effort, (), cause)
    yield Found(source, nodes.hub(CLAIMS, scope), effort, (), cause)


def _mounts_enforced(view: Inventory, namespace: str) -> bool:
    """Whether every account of the namespace limits the Secrets that its pods may mount."""
    accounts = view.in_namespace(ServiceAccount, namespace) if namespace else ()
    return bool(accounts) and all(
        (account.metadata.annotations or {}).get(ENFORCE_MOUNTABLE) == "true" for account in accounts
    )


class PodPatch(GrantTechnique):
    """POD_PATCH: another image in a running pod."""

    declaration = declare(
        "POD_PATCH",
        "replaces the image of",
        ("Container",),
        "The attacker changes the image of a running pod's container. The pod keeps its account, volumes and security "
        "context. Mirror pods cannot be changed.",
        effort=4,
        mitre=("T1609",),
        reason=Reason.INFRASTRUCTURE,
        reads={"Pod"},
        references=("https://kubehound.io/reference/attacks/POD_PATCH/",),
    )
    abilities = (Ability.MODIFY_PODS,)

    def edges(self, view: Inventory, grant: Grant) -> Iterator[Found | Blocked]:
        missing = (("C-PULL", "Cluster"),)
        names = grant.names_for(Ability.MODIFY_PODS)
        if names is None:
            yield Found(grant.id, nodes.hub(PATCHABLE, scope_of(grant)), 4, missing)
        else:
            for target in _pod_targets(view, grant, names, PATCHABLE):
                yield Found(grant.id, target, 4, missing)


class NodeProxy(GrantTechnique):
    """NODE_PROXY: the kubelet's API runs commands in every container of a node."""

    declaration: Declaration = declare(
        "NODE_PROXY",
        "runs commands through the kubelet in",
        ("Container",),
        "get or create on nodes/proxy reaches the kubelet's API, which runs commands in any container of the node; a "
        "websocket GET is enough. Only a ClusterRoleBinding grants it; the fine-grained nodes/metrics, nodes/pods "
        "and the like do not.",
        effort=2,
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
            yield Found(grant.id, nodes.hub(CONTAINERS, nodes.ANYWHERE), 2)
            return
        for name in sorted(names):
            for pod in view.index(PODS_BY_NODE)[f"Node:{name}"]:
                for container in pod.containers:
                    yield Found(grant.id, container.id, 2)


TECHNIQUES = (PodExec(), PodCreate(), PodCreateAccount(), PodCreateSecret(), PodPatch(), NodeProxy())
