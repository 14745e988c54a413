"""Whether a pod's network policies let it reach the API server (C-API).

The network engine decides, for the addresses and ports of the API server. What policies deny stays possible, whatever
the network plugin is, for an API server may have addresses that no object shows. Source: Kubernetes documentation,
"Network Policies".
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.graph.graph import Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import PODS_BY_NAMESPACE, Inventory
from workbench.inventory.network_objects import NetworkPolicy
from workbench.inventory.objects import EndpointSlice
from workbench.inventory.pods import PodInstance
from workbench.network import policies
from workbench.network.bits import numbers_of
from workbench.network.ports import PortRange
from workbench.network.rules import Direction
from workbench.techniques.resolve.nodes import CONTROL_PLANE_PODS
from workbench.techniques.resolve.reach import READS, network_of

APART = policies.READS | {"Namespace"}
"""The kinds that answers depend on beside pods and accounts; whom these concern :func:`namespaces_touched` says."""

_ADDRESSES = frozenset({"Pod", "EndpointSlice"})
_SERVICE_LABEL = "kubernetes.io/service-name"
_PORTS = frozenset({443, 6443})
"""Where API servers listen, if their EndpointSlice was not read."""


def reaches_api_server(view: Inventory, pod: PodInstance) -> tuple[Fact, ...]:
    """What it takes for a pod to reach the API server: nothing, or C-API about its namespace."""
    facts = facts_to_api_server(view)
    return facts(pod) if facts is not None else ()


def facts_to_api_server(view: Inventory) -> Callable[[PodInstance], tuple[Fact, ...]] | None:
    """The same for whoever asks about many pods; ``None`` if all of them reach it."""
    known: dict[int | None, tuple[Fact, ...]] = view.memo("what classes of pods need to reach the API server", READS)
    if not egress_is_limited(view):
        return None
    class_of = network_of(view).reach.class_of_id

    def facts(pod: PodInstance) -> tuple[Fact, ...]:
        number = class_of(pod.id)
        found = known.get(number)
        if found is None:
            # A class is one of a namespace.
            found = () if number is None or _let_out(view, number) else (("C-API", f"Namespace:{pod.namespace}"),)
            known[number] = found
        return found

    return facts


def egress_is_limited(view: Inventory) -> bool:
    """Whether some policy limits what the pods that it selects reach."""
    return view.derived(
        "whether policies limit what pods reach",
        READS,
        lambda over: any(policy.touches(Direction.EGRESS) for policy in network_of(over).reach.policies),
    )


def _let_out(view: Inventory, number: int) -> bool:
    """Whether the policies of a class let it reach some address of the API server; of one not known, any address."""
    reach = network_of(view).reach
    # Policies that could not be read stand in the coverage; alone they put no step in doubt.
    if all(view.by_id(policy.object) is None for policy in reach.selecting(Direction.EGRESS, number)):
        return True
    columns = reach.columns
    addresses, ports = api_server(view)
    masks = [reach.space.mask(PortRange("TCP", port, port)) for port in ports]

    def open_to(atom: int) -> int:
        return reach.gate(Direction.EGRESS, number, columns.first_address + atom)[0]

    if addresses:
        atoms = [atom for atom in map(columns.addresses.atom_of, addresses) if atom is not None]
        return any(open_to(atom) & mask for atom in atoms for mask in masks)
    for family in (4, 6):
        wanted = list(numbers_of(columns.addresses.family(family)))
        if wanted and any(all(open_to(atom) & mask for atom in wanted) for mask in masks):
            return True
    return False


def namespaces_touched(view: Inventory) -> set[str] | None:
    """The namespaces whose pods an overlay's changes of :data:`APART` may keep from the API server; ``None``: all."""
    replaced = view.replaced
    slices = (item for pair in replaced.get("EndpointSlice", ()) for item in pair if item is not None)
    if any((item.metadata.labels or {}).get(_SERVICE_LABEL) == "kubernetes" for item in slices):
        return None
    if replaced.keys() & APART - {"NetworkPolicy"} and _beyond_namespaces(view):
        return None
    changed = (policy for pair in replaced.get("NetworkPolicy", ()) for policy in pair)
    return {policy.namespace for policy in changed if policy is not None}


def containers_touched(view: Inventory) -> set[str] | None:
    """The same as the ids of containers."""
    namespaces = namespaces_touched(view)
    if namespaces is None:
        return None
    pods = view.index(PODS_BY_NAMESPACE)
    return {container.id for namespace in namespaces for pod in pods[namespace] for container in pod.containers}


def _beyond_namespaces(view: Inventory) -> bool:
    """Whether there are, or were, policies of which more counts than the pods of their own namespace."""
    kinds = policies.READS - {"NetworkPolicy", "EndpointSlice"}
    found = (policy.object.partition(":")[0] for policy in network_of(view).reach.policies)
    return bool(view.replaced.keys() & kinds) or any(kind != "NetworkPolicy" for kind in found)


def api_server(view: Inventory) -> tuple[tuple[str, ...], frozenset[int]]:
    """The addresses at which the API server listens, none if they were not read, and its ports."""
    found: tuple[tuple[str, ...], frozenset[int]] = view.derived("addresses of the API server", _ADDRESSES, _addresses)
    return found


def _addresses(view: Inventory) -> tuple[tuple[str, ...], frozenset[int]]:
    addresses: set[str] = set()
    ports: set[int] = set()
    for piece in view.in_namespace(EndpointSlice, "default"):
        if (piece.metadata.labels or {}).get(_SERVICE_LABEL) == "kubernetes":
            for endpoint in piece.endpoints or ():
                addresses.update(endpoint.addresses or ())
            ports.update(port.port for port in piece.ports or () if port.port)
    index = view.index(CONTROL_PLANE_PODS)
    for node in index.keys():  # noqa: SIM118 - an index, not a dict
        for pod in index[node]:
            if pod.name.startswith("kube-apiserver-") and pod.status is not None:
                addresses.update(address for address in (pod.status.pod_ip, pod.status.host_ip) if address)
    return tuple(sorted(addresses)), frozenset(ports) or _PORTS


def egress_evidence(view: Inventory, pod: PodInstance) -> list[Evidence]:
    """The policies that were asked: whom they select and what they let out."""
    reach = network_of(view).reach
    number = reach.class_of(pod)
    out: list[Evidence] = []
    for policy in reach.selecting(Direction.EGRESS, number) if number is not None else ():
        obj = view.by_id(policy.object)
        if isinstance(obj, NetworkPolicy):
            out += [view.evidence(obj, "spec.podSelector"), view.evidence(obj, "spec.egress")]
        elif obj is not None:
            out.append(view.evidence(obj, "spec"))
    return out
