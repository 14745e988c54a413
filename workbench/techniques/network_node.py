"""NET_KUBELET: the kubelets that containers command over the network (catalogue 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import UNKNOWN_NODE, ContainerInstance, PodInstance
from workbench.network.rules import Direction
from workbench.rbac import Ability, Grant
from workbench.techniques import access
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.many import Many, ManyTechnique, Record
from workbench.techniques.members import NODES
from workbench.techniques.network_common import FAMILY, FromContainers
from workbench.techniques.pod_fields import ACCOUNT, PLACE, TOKENS
from workbench.techniques.resolve import distinct, permissions, reach
from workbench.techniques.resolve.egress import egress_evidence, egress_is_limited, reaches_api_server
from workbench.techniques.resolve.kubelet import CONFIG, anonymous_kubelets, kubelet_evidence
from workbench.techniques.resolve.kubelet import PORT as KUBELET_PORT
from workbench.techniques.resolve.nodes import node_ids
from workbench.techniques.resolve.reached import changed_ways_out, class_of, hub_of
from workbench.techniques.resolve.token import TokenMount, api_tokens, token_evidence

KUBELETS = "kubelets"
"""The hubs of nodes whose kubelets some containers reach, where policies keep them from others."""

_NODES_PROXY = (Ability.GET_NODES_PROXY, Ability.CREATE_NODES_PROXY)


class NetKubelet(FromContainers):
    """NET_KUBELET: a container reaches a kubelet that lets everybody in, or that takes its token.

    Whoever may use nodes/proxy has no need of the network, for the API server leads there (NODE_PROXY, which starts at
    the permission set). So with a token the step is one of containers that may not get to the API server.
    """

    declaration = Declaration(
        id="NET_KUBELET",
        title="commands the kubelet of",
        source=("Container",),
        target=("Node",),
        description=(
            "The container reaches port 10250 of the node, where the kubelet runs commands in every container of the "
            "node: for everybody, if it takes anonymous requests and allows all, or for an account with nodes/proxy "
            "whose token the container holds, though policies keep it from the API server."
        ),
        mitre=("T1210",),
        effort=2,
        reason=Reason.API_CALL,
        reads=reach.READS | access.RBAC_KINDS | {"ConfigMap", "Node", "Secret", "ServiceAccount"},
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS | TOKENS | PLACE | ACCOUNT,
        fixes=("F-NP-EG", "F-KUBELET"),
        references=("https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",),
        family=FAMILY,
    )

    def touched(self, view: Inventory) -> set[str] | None:
        found = changed_ways_out(view)
        if found is None or _nodes_changed(view) or _config_changed(view) or _api_server_changed(view):
            return None
        if not access.RBAC_KINDS.isdisjoint(view.replaced) and permissions.concerns(view, _NODES_PROXY):
            return None
        tokens = (obj for kind in ("Secret", "ServiceAccount") for pair in view.replaced.get(kind, ()) for obj in pair)
        return found | {obj.namespace for obj in tokens if obj is not None}

    def pointless(self, view: Inventory) -> bool:
        return not _serve_everybody(view) and not egress_is_limited(view)

    def of_pod(self, view: Inventory, pod: PodInstance) -> Iterator[Record | Blocked]:
        everybody = _serve_everybody(view)
        if not everybody and not reaches_api_server(view, pod):
            return
        for container in pod.containers:
            holder = None if everybody else _proxy_token(view, container)
            if not everybody and holder is None:
                continue
            cause = None if holder is None else (holder[0].account, holder[1].id)
            names = None if holder is None else _named_nodes(holder[1])
            if pod.node != UNKNOWN_NODE and (names is None or pod.node in names):
                # Nothing keeps a pod from its own node.
                yield container.id, pod.node, 2, (), cause
            for target, missing in _kubelets(view, pod, names):
                if target != pod.node:
                    yield container.id, target, 2, missing, cause

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        pod = container.pod
        if edge.cause is None:
            found = kubelet_evidence(view)
        else:
            account, grant_id = edge.cause
            grant = access.grant(view, grant_id)
            found = [] if grant is None else access.grant_evidence(view, grant, _ability(grant), holder=account)
            for token in api_tokens(view, container):
                if token.account == account:
                    found += [*token_evidence(view, container, token), *egress_evidence(view, pod)]
        found.append(view.evidence(edge.target, "status.addresses"))
        for address in reach.addresses_of(view, edge.target)[:1]:
            found += reach.evidence(view, pod, address, KUBELET_PORT)
        return distinct(found)


def _serve_everybody(view: Inventory) -> bool:
    anonymous = anonymous_kubelets(view)
    return anonymous is not None and anonymous.off is None


def _config_changed(view: Inventory) -> bool:
    return any(obj is not None and obj.id == CONFIG for pair in view.replaced.get("ConfigMap", ()) for obj in pair)


def _api_server_changed(view: Inventory) -> bool:
    """Whether an overlay may change where the API server is, which decides what policies let pods get to it."""
    mirrors = (pod for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None and pod.mirror)
    return "EndpointSlice" in view.replaced or next(mirrors, None) is not None


def _ability(grant: Grant) -> Ability:
    return next(ability for ability in _NODES_PROXY if grant.has(ability))


def _proxy_token(view: Inventory, container: ContainerInstance) -> tuple[TokenMount, Grant] | None:
    """A token of a container whose account may do everything through kubelets, that for all nodes before others."""
    found: tuple[TokenMount, Grant] | None = None
    for token in api_tokens(view, container):
        grant = _proxy_grant(view, token.account)
        if grant is not None and (found is None or _named_nodes(grant) is None):
            found = token, grant
    return found


def _proxy_grant(view: Inventory, account: str) -> Grant | None:
    """The permission set by which an account may do everything through kubelets, one for all nodes before others."""
    known = view.memo("accounts with nodes/proxy", access.RBAC_KINDS)
    if account not in known:
        # Only a cluster-wide permission set reaches nodes (R10).
        held = [
            grant
            for grant in access.effective(view, account).grants
            if not grant.namespace and grant.compiled.has_any(_NODES_PROXY)
        ]
        known[account] = min(held, key=lambda grant: _named_nodes(grant) is not None, default=None)
    found: Grant | None = known[account]
    return found


def _named_nodes(grant: Grant) -> frozenset[str] | None:
    names = access.names_for(grant, _NODES_PROXY)
    return None if names is None else frozenset(f"Node:{name}" for name in names)


def _kubelets(
    view: Inventory, pod: PodInstance, names: frozenset[str] | None
) -> Iterator[tuple[str, tuple[Fact, ...]]]:
    """The nodes that a pod reaches beside its own, or their hub, with what it takes."""
    found = _open_nodes(view, pod)
    every = len(_node_groups(view)) == sum(map(len, found.values()))
    for missing, groups in found.items():
        chosen = [node for group in groups for node in group if names is None or node in names]
        if names is not None or len(chosen) == 1:
            yield from ((node, missing) for node in chosen)
        elif len(found) == 1 and every:
            yield nodes.hub(NODES, nodes.ANYWHERE), missing
        else:
            yield hub_of(KUBELETS, chosen), missing


_Groups: TypeAlias = Sequence[Sequence[str]]


def _open_nodes(view: Inventory, pod: PodInstance) -> dict[tuple[Fact, ...], _Groups]:
    """The groups of nodes whose kubelets policies let the pods of a class get to, by what it takes."""
    known = view.memo("kubelets that groups of classes reach", _READS_NODES)
    number = class_of(view, pod)
    # What gets to an address is up to the policies of a class alone.
    group = None if number is None else reach.network_of(view).reach.groups[Direction.EGRESS].of[number]
    if group not in known:
        out: dict[tuple[Fact, ...], list[Sequence[str]]] = {}
        for nodes_alike in _node_groups(view):
            passage = reach.to_other_node(view, pod, nodes_alike[0], KUBELET_PORT)
            if passage.open:
                out.setdefault(passage.missing, []).append(nodes_alike)
        known[group] = out
    found: dict[tuple[Fact, ...], _Groups] = known[group]
    return found


_READS_NODES = reach.READS | {"Node"}


def _node_groups(view: Inventory) -> _Groups:
    """The nodes that no policy tells apart by their addresses, together."""
    return view.derived("nodes by what policies say of them", _READS_NODES, _by_atoms)


def _by_atoms(view: Inventory) -> _Groups:
    atom_of = reach.network_of(view).reach.columns.addresses.atom_of
    found: dict[tuple[int | None, ...], list[str]] = {}
    known = node_ids(view)
    for node_id in known if len(known) == 1 else [each for each in known if each != UNKNOWN_NODE]:
        found.setdefault(tuple(map(atom_of, reach.addresses_of(view, node_id))), []).append(node_id)
    return list(found.values())


def _nodes_changed(view: Inventory) -> bool:
    """Whether an overlay changes a node, or which there are: pods name some that were not read."""
    assert view.base is not None, "only an overlay has changes"
    return "Node" in view.replaced or set(node_ids(view)) != set(node_ids(view.base))


class KubeletMembers(ManyTechnique):
    """The nodes of the hubs of :class:`NetKubelet`."""

    declaration = Declaration(
        id="MEMBER_KUBELETS",
        title="stands for",
        source=(nodes.HUB,),
        target=("Node",),
        description="The hub of kubelets that some containers reach stands for their nodes.",
        mitre=(),
        effort=0,
        reason=Reason.POSSESSED,
        reads=NetKubelet.declaration.reads,
        subject_type=SubjectType.SINGLETON,
        pod_fields=NetKubelet.declaration.pod_fields,
        family=FAMILY,
        internal=True,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def touched(self, view: Inventory) -> set[str] | None:
        return {nodes.ANYWHERE} if reach.matters(view) or _nodes_changed(view) else set()

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        made: set[str] = set()
        network = reach.network_of(view).reach
        # One pod speaks for all that the same policies select.
        pods: dict[int, PodInstance] = {}
        for group, each in zip(network.groups[Direction.EGRESS].of, network.columns.classes, strict=True):
            if each.pods:
                pods.setdefault(group, each.pods[0])
        for pod in pods.values() if len(_node_groups(view)) > 1 else ():
            for groups in _open_nodes(view, pod).values():
                members = [node for group in groups for node in group]
                hub = hub_of(KUBELETS, members)
                if len(members) > 1 and hub not in made:
                    made.add(hub)
                    yield Many(hub, members, 0)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


TECHNIQUES: tuple[Technique, ...] = (NetKubelet(), KubeletMembers())
