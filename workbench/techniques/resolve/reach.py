"""R13: whether traffic from one pod gets to another, to a node, to an address, and from the internet to a pod.

The verdict of the policies is the network engine's. What they deny is denied where the network plugin enforces
policies, possible (C-CNI) where no object shows whether it does, and open where it enforces none.

Sources: Kubernetes documentation, "Network Policies" ("traffic to and from the node where a Pod is running is always
allowed"), "External Traffic Policy" (``Cluster`` hides the client's address); network-policy-api.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from workbench.graph.graph import Fact
from workbench.inventory.differences import changed_fields
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.network import classes, enforcement, policies
from workbench.network.addresses import Span
from workbench.network.bits import numbers_of
from workbench.network.connections import Network
from workbench.network.enforcement import Enforces
from workbench.network.explain import Reason, reasons
from workbench.network.ports import PROTOCOLS, PortRange
from workbench.network.rows import Verdict
from workbench.network.rules import Direction
from workbench.techniques.endpoints import READS as LISTENERS
from workbench.techniques.endpoints import endpoints_differ, endpoints_of, namespaces
from workbench.techniques.resolve import CLUSTER
from workbench.techniques.resolve.addresses import routed_parts

READS = policies.READS | classes.READS | enforcement.READS | LISTENERS
"""The kinds that answers depend on; those about nodes also on ``Node``."""
POD_FIELDS = frozenset(
    {"labels", "host_network", "ports", "name", "restart_policy", "service_account_name", "service_account"}
)
"""The fields of pods that answers depend on, beside where they are and in which state."""

SOURCES = "network-sources"
"""The hubs of pods that reach the same Endpoints."""
SOURCES_IF = "network-sources-if"
"""The same, of Endpoints that they reach if the network plugin lets them."""
TARGETS = "network-targets"
"""The hubs of Endpoints that the same pods reach."""

_SERVERS = (80, 443, 2379, 6443, 8443, 10250, 10255)
"""Ports of nodes and of addresses that techniques ask about."""
_LARGE = {4: 1 << 24, 6: 1 << 125}
"""So many addresses are more than a list of known clients: a ``/8``, a ``/3`` of IPv6."""

C_CNI: tuple[Fact, ...] = (("C-CNI", CLUSTER),)


class Passage(NamedTuple):
    """Whether traffic gets through: the facts that it takes, or what keeps it out."""

    missing: tuple[Fact, ...] = ()
    mitigation: str = ""
    """What keeps it out, in a sentence that names the policies; empty if it gets through."""

    @property
    def open(self) -> bool:
        """Whether it gets through, or may."""
        return not self.mitigation


OPEN = Passage()


def network_of(view: Inventory) -> Network:
    """The reachability that a graph is built from: an overlay that changes nothing of it shares that of its base."""
    base = view.base
    if base is not None and not matters(view):
        return network_of(base)
    return view.derived("network of the graph", READS, _network)


def matters(view: Inventory) -> bool:
    """Whether an overlay changes anything that answers depend on; those about nodes apart."""
    kinds = view.replaced.keys() & READS
    pods = {"pods", "containers"} & view.replaced.keys()
    workloads = kinds & {"Pod", "DaemonSet"}
    if kinds - workloads:
        return True
    if not pods:
        return False
    changed = changed_fields(view)
    return changed is None or not changed.isdisjoint(POD_FIELDS) or enforcement.differs(view)


def _network(view: Inventory) -> Network:
    ports = _listening(view)
    if view.base is not None:
        return network_of(view.base).over(view, ports=ports)
    return Network(view, ports=[*ports, *(PortRange("TCP", port, port) for port in _SERVERS)], blocks_cover_pods=True)


def _listening(view: Inventory) -> list[PortRange]:
    """Every port at a pod that an Endpoint leads to; of an overlay those of the namespaces that it changes."""
    found: set[tuple[str, int | None]] = set()
    for namespace in namespaces(view):
        if view.base is None or endpoints_differ(view, namespace):
            for endpoint in endpoints_of(view, namespace):
                protocol = endpoint.protocol
                if protocol in PROTOCOLS:
                    for target in endpoint.targets:
                        found.add((protocol, target.port))
    known = sorted((protocol, port) for protocol, port in found if port)
    return [PortRange(protocol, port, port) for protocol, port in known]


def enforced(view: Inventory) -> Enforces:
    """Whether policies have an effect, computed once for a view."""
    return enforcement.enforcement(view).verdict


def to_pod(
    view: Inventory, source: PodInstance, target: PodInstance, port: int | None, protocol: str = "TCP"
) -> Passage:
    """Whether a pod gets to a port of another.

    Args:
        view: The objects.
        source: The pod where the traffic begins.
        target: The pod where it ends.
        port: The port there, after translation by a Service; ``None`` for any.
        protocol: ``TCP``, ``UDP`` or ``SCTP``.
    """
    if at_home(source, target):
        return OPEN
    reach = network_of(view).reach
    one, other = reach.class_of(source), reach.class_of(target)
    if one is None or other is None:
        return Passage(mitigation=f"{(source if one is None else target).id} has completed")
    return _judged(view, source, target, (one, other), reach.pair(one, other), port, protocol)


def at_home(source: PodInstance, target: PodInstance) -> bool:
    """Whether traffic comes from the network of the very node that the target runs on, which no policy stops."""
    return bool(source.spec.host_network) and source.node == target.node != UNKNOWN_NODE


def to_address(view: Inventory, source: PodInstance, address: str, port: int, protocol: str = "TCP") -> Passage:
    """Whether a pod gets to a port of an address outside of the cluster's pods."""
    reach = network_of(view).reach
    number = reach.class_of(source)
    if number is None:
        return Passage(mitigation=f"{source.id} has completed")
    if not reach.selecting(Direction.EGRESS, number):
        return OPEN
    atom = reach.columns.addresses.atom_of(address)
    if atom is None:
        # No policy mentions a block of IPv6: what it says of it depends on no address.
        return _judged(view, source, None, (number, None), (0, reach.space.all), port, protocol)
    column = reach.columns.first_address + atom
    verdict = reach.gate(Direction.EGRESS, number, column)
    return _judged(view, source, None, (number, column), verdict, port, protocol)


def addresses_of(view: Inventory, node_id: str) -> list[str]:
    """The addresses at which a node listens; none of one that was not read."""
    node = view.by_id(node_id)
    known = (node.status.addresses if isinstance(node, Node) and node.status is not None else None) or ()
    return [each.address for each in known if each.address and each.type in ("InternalIP", "ExternalIP")]


def to_node(view: Inventory, source: PodInstance, node_id: str, port: int, protocol: str = "TCP") -> Passage:
    """Whether a pod gets to a port that a node itself listens on."""
    return OPEN if source.node == node_id != UNKNOWN_NODE else to_other_node(view, source, node_id, port, protocol)


def to_other_node(view: Inventory, source: PodInstance, node_id: str, port: int, protocol: str = "TCP") -> Passage:
    """As :func:`to_node`, as if the pod ran elsewhere: the same for all pods that policies take for alike."""
    found = [to_address(view, source, address, port, protocol) for address in addresses_of(view, node_id)]
    if found:
        return min(found, key=lambda passage: (not passage.open, len(passage.missing)))
    reach = network_of(view).reach
    number = reach.class_of(source)
    if number is None:
        return Passage(mitigation=f"{source.id} has completed")
    return OPEN if not reach.selecting(Direction.EGRESS, number) else Passage(C_CNI)


def from_internet(
    view: Inventory,
    target: PodInstance,
    port: int | None,
    protocol: str = "TCP",
    *,
    keeps_client: bool,
    clients: Iterable[Span] = (),
) -> Passage:
    """Whether the policies of a pod let in what comes from the internet.

    Args:
        view: The objects.
        target: The pod.
        port: The port there; ``None`` for any.
        protocol: ``TCP``, ``UDP`` or ``SCTP``.
        keeps_client: Whether the pod sees the client's own address; else it sees that of a node or a load balancer.
        clients: The addresses that are let in before; all without any.
    """
    reach = network_of(view).reach
    number = reach.class_of(target)
    if number is None:
        return Passage(mitigation=f"{target.id} has completed")
    if not reach.selecting(Direction.INGRESS, number) or enforced(view) is Enforces.NO:
        return OPEN
    known: dict[tuple[Any, ...], Passage | None] = view.memo("what classes of pods let in from the internet", READS)
    key = number, port, protocol, keeps_client, tuple(clients)
    if key not in known:
        known[key] = _let_in(view, number, port, protocol, keeps_client=keeps_client, clients=key[-1])
    found = known[key]
    if found is None:
        names = _names(network_of(view), Direction.INGRESS, number)
        return Passage(mitigation=f"{names} selects {target.id} and lets nothing in from the internet")
    return found


def _let_in(
    view: Inventory, number: int, port: int | None, protocol: str, *, keeps_client: bool, clients: Iterable[Span]
) -> Passage | None:
    """What the policies of a class let in from the internet; ``None``: nothing."""
    reach = network_of(view).reach
    columns = reach.columns
    wanted = columns.addresses.all
    limited = list(clients)
    if limited:
        wanted = 0
        for each in limited:
            wanted |= columns.addresses.bits(each)
    mask = _mask(reach.space.all, network_of(view), port, protocol)
    open_to = maybe = closed = 0
    for atom in numbers_of(wanted):
        span = columns.addresses.atoms[atom]
        if keeps_client and not _public(span):
            continue
        allowed, unknown = reach.gate(Direction.INGRESS, number, columns.first_address + atom)
        if allowed & mask:
            open_to |= 1 << atom
        elif unknown & mask:
            maybe |= 1 << atom
        else:
            closed |= 1 << atom
    if open_to and not closed and not maybe:
        return OPEN
    if not open_to | maybe:
        return Passage(C_CNI) if enforced(view) is Enforces.UNKNOWN else None
    if not keeps_client:
        # What the pod sees instead is the address of a node, or of a load balancer, of which nothing is known here.
        return Passage(C_CNI)
    for span in columns.addresses.merged(numbers_of(open_to)):
        if any(last - first >= _LARGE[span.family] for first, last in _public(span)):
            return OPEN
    return Passage((("C-FW", UNKNOWN_NODE),)) if open_to else Passage(C_CNI)


@lru_cache(maxsize=4096)
def _public(span: Span) -> list[tuple[int, int]]:
    """The parts of a range that the internet has; what other policies name must not decide how it is cut."""
    return routed_parts(span.family, span.low, span.high)


def _names(network: Network, direction: Direction, number: int) -> str:
    """The policies that select a class in a direction, for people."""
    return ", ".join(sorted({policy.object for policy in network.reach.selecting(direction, number)}))


def _mask(every: int, network: Network, port: int | None, protocol: str) -> int:
    if port is None or protocol not in PROTOCOLS:
        return every
    return network.reach.space.mask(PortRange(protocol, port, port))


def _judged(  # noqa: PLR0917 - both ends, and what is asked
    view: Inventory,
    source: PodInstance,
    target: PodInstance | None,
    columns: tuple[int, int | None],
    verdict: Verdict,
    port: int | None,
    protocol: str,
) -> Passage:
    network = network_of(view)
    mask = _mask(network.reach.space.all, network, port, protocol)
    allowed, unknown = verdict[0] & mask, verdict[1] & mask
    if allowed:
        return OPEN
    says = enforced(view)
    if says is Enforces.NO:
        return OPEN
    if unknown or says is Enforces.UNKNOWN:
        return Passage(C_CNI)
    near, far = columns
    leaving = network.reach.gate(Direction.EGRESS, near, far)[0] & mask if far is not None else 0
    if not leaving:
        names = _names(network, Direction.EGRESS, near)
        return Passage(mitigation=f"{names} selects {source.id} and does not let this out")
    assert target is not None, "only a pod has policies for what comes in"
    assert far is not None, "and a class of its own"
    names = _names(network, Direction.INGRESS, far)
    return Passage(mitigation=f"{names} selects {target.id} and does not let this in")


def evidence(
    view: Inventory, source: PodInstance, target: PodInstance | str, port: int | None, protocol: str = "TCP"
) -> list[Evidence]:
    """The rules that decided whether a pod gets to another, or to an address; none where no policy selects either.

    Args:
        view: The objects.
        source: The pod where the traffic begins.
        target: The pod where it ends, or an address.
        port: The port there; ``None`` for any.
        protocol: ``TCP``, ``UDP`` or ``SCTP``.
    """
    network = network_of(view)
    reach = network.reach
    near = reach.class_of(source)
    mask = _mask(reach.space.all, network, port, protocol)
    if isinstance(target, str):
        atom = reach.columns.addresses.atom_of(target)
        far = None if atom is None else reach.columns.first_address + atom
    else:
        far = reach.class_of(target)
    if near is None or far is None:
        return []
    decided = list(_deciding(network, Direction.EGRESS, near, far, mask))
    if not isinstance(target, str):
        decided += _deciding(network, Direction.INGRESS, far, near, mask)
    return _rules(view, decided)


def evidence_of_entry(view: Inventory, target: PodInstance, port: int | None, protocol: str = "TCP") -> list[Evidence]:
    """The rules of a pod's policies about clients in the internet; none where no policy selects it."""
    network = network_of(view)
    reach = network.reach
    number = reach.class_of(target)
    if number is None:
        return []
    mask = _mask(reach.space.all, network, port, protocol)
    decided: dict[Reason, None] = {}
    for atom, span in enumerate(reach.columns.addresses.atoms):
        if _public(span):
            column = reach.columns.first_address + atom
            decided.update(dict.fromkeys(_deciding(network, Direction.INGRESS, number, column, mask)))
    return _rules(view, decided)


def _deciding(network: Network, direction: Direction, number: int, column: int, mask: int) -> Iterator[Reason]:
    for reason in reasons(network, direction, number, column):
        if reason.ports & mask and reason.policy:
            yield reason


def _rules(view: Inventory, decided: Iterable[Reason]) -> list[Evidence]:
    found: dict[tuple[str, str], Evidence] = {}
    closed = False
    for reason in decided:
        closed = closed or "deny" in reason.action or reason.action.startswith("may")
        field = reason.field or "spec"
        found.setdefault((reason.policy, field), view.evidence(reason.policy, field))
    out = list(found.values())
    plugin = enforcement.enforcement(view)
    if closed and plugin.object:
        out.append(view.evidence(plugin.object, ""))
    return out
