"""What containers reach on their own node: past policies, on loopback, and by its traffic (catalogue 2.9)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from types import EllipsisType

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import CONTAINERS_BY_TRAIT, Inventory
from workbench.inventory.pods import ContainerInstance, Trait
from workbench.network import enforcement
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique, fact
from workbench.techniques.endpoints import Target, declaration_evidence, find_endpoint, namespaces
from workbench.techniques.many import Record, RecordTechnique
from workbench.techniques.network_common import FAMILY
from workbench.techniques.pod_fields import CAPABILITIES, PLACE, USER
from workbench.techniques.resolve import HOLDS, Answer, all_of, distinct, needs, reach
from workbench.techniques.resolve.capabilities import capabilities_evidence, holds
from workbench.techniques.resolve.container import node_evidence, on_linux
from workbench.techniques.resolve.node_endpoints import (
    LOCAL,
    LOCAL_IF,
    ON_NODE,
    ON_NODE_IF,
    hub,
    layer_2,
    placed,
)
from workbench.techniques.resolve.reached import changed_ways_out, leading_elsewhere
from workbench.techniques.resolve.user import user_evidence

_POLICIES = "https://kubernetes.io/docs/concepts/services-networking/network-policies/"


class _OnNode(RecordTechnique):
    """A step from a container to the Endpoints of its node: those that are there alone, and those elsewhere too."""

    from_subject = True
    hubs: tuple[str, str]

    def records(self, view: Inventory, subjects: Iterable[ContainerInstance]) -> Iterator[Record | Blocked]:
        effort = self.declaration.effort
        surely, perhaps = self.hubs
        for container in subjects:
            answer = self.takes(view, container)
            if answer is None or answer.off is not None or not on_linux(view, container.pod):
                continue
            node_id = container.pod.node
            yield container, hub(surely, node_id), effort, answer.missing, None
            missing: tuple[Fact, ...] = all_of(answer, Answer(fact("C-NODE", node_id))).missing
            yield container, hub(perhaps, node_id), effort, missing, None

    @abstractmethod
    def takes(self, view: Inventory, container: ContainerInstance) -> Answer | None:
        """What the step takes; ``None`` if the container is no candidate."""

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.source)
        if container is None:
            return []
        endpoint = find_endpoint(view, edge.target)
        found = [*self.proof(view, container), *node_evidence(view, container.pod)]
        if endpoint is not None:
            found.append(declaration_evidence(view, endpoint))
            here = (target for target in endpoint.targets if target.pod.node == container.pod.node)
            target = next(here, None)
            if target is not None:
                found.append(view.evidence(target.pod.obj, target.pod.field("nodeName")))
                found += self.rules(view, container, target, endpoint.protocol)
        return distinct(found)

    def rules(self, view: Inventory, container: ContainerInstance, target: Target, protocol: str) -> Iterable[Evidence]:
        """The rules of policies that come into it."""
        return ()

    @abstractmethod
    def proof(self, view: Inventory, container: ContainerInstance) -> Iterator[Evidence]:
        """What proves that the container may take the step."""


class _HostNetwork(_OnNode):
    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        return view.index(CONTAINERS_BY_TRAIT)[Trait.HOST_NETWORK]

    def proof(self, view: Inventory, container: ContainerInstance) -> Iterator[Evidence]:
        yield view.evidence(container.pod.obj, container.pod.field("hostNetwork"), False)


class NetNodeLocal(_HostNetwork):
    """NET_NODE_LOCAL: from the network of a node its pods and its loopback are reached, whatever policies say."""

    declaration = Declaration(
        id="NET_NODE_LOCAL",
        title="reaches, from the node's own network,",
        source=("Container",),
        target=("Endpoint",),
        description=(
            "The container is on the network of its node. No policy stops traffic between a node and its own pods, and "
            "what listens on the node's loopback is within reach."
        ),
        mitre=("T1210",),
        effort=2,
        reason=Reason.API_CALL,
        reads=frozenset({"Pod", "Node"}),
        subject_type=SubjectType.CONTAINER,
        pod_fields=PLACE | {"host_network"},
        fixes=("F-HOSTNS",),
        references=(_POLICIES,),
        family=FAMILY,
    )
    hubs = (LOCAL, LOCAL_IF)

    def takes(self, view: Inventory, container: ContainerInstance) -> Answer | None:
        return HOLDS if container.pod.spec.host_network else None

    def rules(self, view: Inventory, container: ContainerInstance, target: Target, protocol: str) -> Iterable[Evidence]:
        return reach.evidence(view, container.pod, target.pod, target.port, protocol)


class NetSniff(_HostNetwork):
    """NET_SNIFF: raw sockets on the network of a node show the traffic of its pods."""

    declaration = Declaration(
        id="NET_SNIFF",
        title="listens in on the traffic of",
        source=("Container",),
        target=("Endpoint",),
        description=(
            "The container is on the network of its node and may open raw sockets as root: it reads all that the pods "
            "of the node send and receive unencrypted, credentials among it."
        ),
        mitre=("T1040",),
        effort=3,
        reason=Reason.RECIPE,
        reads=frozenset({"Pod", "Node"}),
        subject_type=SubjectType.CONTAINER,
        pod_fields=PLACE | USER | CAPABILITIES | {"host_network"},
        fixes=("F-HOSTNS", "F-CAPS"),
        references=("https://man7.org/linux/man-pages/man7/packet.7.html",),
        family=FAMILY,
    )
    hubs = (ON_NODE, ON_NODE_IF)

    def takes(self, view: Inventory, container: ContainerInstance) -> Answer | None:
        return holds(view, container, "NET_RAW") if container.pod.spec.host_network else None

    def proof(self, view: Inventory, container: ContainerInstance) -> Iterator[Evidence]:
        yield from super().proof(view, container)
        yield from capabilities_evidence(view, container)
        yield from user_evidence(view, container)


class NetSpoof(_OnNode):
    """NET_SPOOF: on a bridge a pod may answer for the addresses of others (ARP), and so for names (DNS)."""

    declaration = Declaration(
        id="NET_SPOOF",
        title="takes over, by spoofing, the traffic of",
        source=("Container",),
        target=("Endpoint",),
        description=(
            "The network plugin joins the pods of a node by a bridge, and the container may send raw frames as root: "
            "it answers for the addresses of its neighbours, or of the DNS server, and reads and changes their traffic."
        ),
        mitre=("T1557.002",),
        effort=4,
        reason=Reason.INFRASTRUCTURE,
        reads=frozenset({"Pod", "Node", "DaemonSet", "ConfigMap"}),
        subject_type=SubjectType.CONTAINER,
        pod_fields=PLACE | USER | CAPABILITIES | {"host_network"},
        fixes=("F-CAPS",),
        references=("https://blog.aquasec.com/dns-spoofing-kubernetes-clusters",),
        family=FAMILY,
    )
    hubs = (ON_NODE, ON_NODE_IF)

    # Whichever ConfigMap and DaemonSet say what the network plugin is concern all containers, and others none.
    apart = frozenset({"ConfigMap", "DaemonSet"})

    def touched(self, view: Inventory) -> set[str] | EllipsisType | None:
        return None if _plugin_changed(view) else ...

    def touched_apart(self, view: Inventory) -> set[str] | None:
        return set()

    def subjects(self, view: Inventory) -> Iterable[ContainerInstance]:
        return view.containers if layer_2(view).off is None else ()

    def takes(self, view: Inventory, container: ContainerInstance) -> Answer | None:
        if container.pod.spec.host_network:
            return None
        bridge = layer_2(view)
        if bridge.off is not None:
            return bridge
        held = holds(view, container, "NET_RAW")
        if held is None or not bridge.missing:
            return held
        return all_of(held, needs("C-L2", container.pod.node))

    def denied(self, view: Inventory) -> Iterable[Blocked]:
        bridge = layer_2(view)
        if bridge.off is not None:
            for container in view.containers:
                if not container.pod.spec.host_network and holds(view, container, "NET_RAW") is not None:
                    yield Blocked(container.id, hub(ON_NODE, container.pod.node), bridge.off)

    def proof(self, view: Inventory, container: ContainerInstance) -> Iterator[Evidence]:
        yield from capabilities_evidence(view, container)
        yield from user_evidence(view, container)
        plugin = enforcement.enforcement(view)
        if plugin.object:
            yield view.evidence(plugin.object, "")


def _plugin_changed(view: Inventory) -> bool:
    assert view.base is not None, "only an overlay has changes"
    return layer_2(view) != layer_2(view.base)


class NodeEndpoints(RecordTechnique):
    """The Endpoints that the hubs of nodes stand for, in buckets by their namespaces."""

    declaration = Declaration(
        id="MEMBER_NODE_ENDPOINTS",
        title="stands for",
        source=(nodes.HUB,),
        target=("Endpoint",),
        description="The hubs of a node stand for the Endpoints whose pods run there.",
        mitre=(),
        effort=0,
        reason=Reason.POSSESSED,
        reads=reach.READS | {"Node"},
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS | PLACE,
        family=FAMILY,
        internal=True,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return namespaces(view)

    def touched(self, view: Inventory) -> set[str] | None:
        found = changed_ways_out(view)
        if found is None:
            return None
        kinds = ("Service", "EndpointSlice")
        leading = (obj for kind in kinds for pair in view.replaced.get(kind, ()) for obj in pair)
        found |= leading_elsewhere(view) if found else set()
        return found | {obj.namespace for obj in leading if obj is not None}

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        for hubs, endpoint in placed(view, subjects):
            for name in hubs:
                yield name, endpoint, 0, (), None

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


TECHNIQUES: tuple[Technique, ...] = (NetNodeLocal(), NetSniff(), NetSpoof(), NodeEndpoints())
