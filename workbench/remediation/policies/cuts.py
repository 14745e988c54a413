"""Which steps of the network a policy takes away, without building the graph's groups anew.

In the graph pods lead to hubs of what they reach, and hubs to Endpoints (``techniques.resolve.reach_groups``). A policy
that selects few pods moves only those: their containers leave their hubs, their Endpoints too, and what the policy lets
through is joined directly. The pairs that come of it join what a rebuilt graph joins, through other hubs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import NetworkPolicy
from workbench.inventory.pods import PodInstance
from workbench.network.bits import numbers_of
from workbench.network.enforcement import Enforces, enforcement
from workbench.network.ports import PortRange
from workbench.network.rules import Direction
from workbench.remediation.policies.evaluation import Evaluation, evaluation, parsed
from workbench.techniques.endpoints import EndpointNode, endpoints_of, namespaces
from workbench.techniques.resolve.reach_groups import groups_of, listens

Names = tuple[str, str]
"""The ids of two nodes, or hubs."""


@dataclass(slots=True)
class NetworkCut:
    """What a policy does to the steps of the network."""

    removed: list[Names] = field(default_factory=list)
    added: list[Names] = field(default_factory=list)
    """What stands for those of the removed ones that the policy lets through."""
    pods: list[PodInstance] = field(default_factory=list)
    """The pods that it selects."""
    endpoints: list[str] = field(default_factory=list)
    """What listens on them."""


@dataclass(frozen=True, slots=True)
class _Listener:
    endpoint: str
    number: int
    """The class of a pod behind it."""
    port: PortRange


class _Listeners:
    """What listens on the pods of each class."""

    def __init__(self, view: Inventory, engine: Evaluation) -> None:
        self.of_endpoint: dict[str, list[_Listener]] = {}
        self.of_class: dict[int, list[_Listener]] = {}
        self.by_port: dict[PortRange, list[_Listener]] = {}
        for namespace in namespaces(view):
            for endpoint in endpoints_of(view, namespace):
                if listens(endpoint):
                    for each in _classes_behind(engine, endpoint):
                        self.of_endpoint.setdefault(endpoint.id, []).append(each)
                        self.of_class.setdefault(each.number, []).append(each)
                        self.by_port.setdefault(each.port, []).append(each)


def _classes_behind(engine: Evaluation, endpoint: EndpointNode) -> Iterable[_Listener]:
    found: dict[_Listener, None] = {}
    for target in endpoint.targets:
        number = engine.reach.class_of(target.pod)
        if number is not None and target.port:
            found[_Listener(endpoint.id, number, PortRange(endpoint.protocol, target.port, target.port))] = None
    return found


def network_cut(view: Inventory, policy: NetworkPolicy) -> NetworkCut:
    """What a policy more does to the network's steps in the graph of a view.

    Args:
        view: The objects; no overlay.
        policy: A policy that :class:`Evaluation` knows, or one that looks at the same labels and addresses.
    """
    if enforcement(view).verdict is not Enforces.YES:
        # What policies deny is possible all the same where nobody is known to enforce them (C-CNI).
        return NetworkCut()
    return _Cutting(view, policy).result()


class _Cutting:
    def __init__(self, view: Inventory, policy: NetworkPolicy) -> None:
        self._engine = engine = evaluation(view)
        self._listeners = view.derived("listeners of classes", engine.READS, lambda over: _Listeners(over, engine))
        self._groups = groups_of(view)
        self._links: Mapping[str, frozenset[str]] = view.derived(
            "links of the groups of the network",
            engine.READS,
            lambda over: {hub: frozenset(to) for hub, to in groups_of(over).links.items()},
        )
        own = parsed(policy)
        self._subject = list(numbers_of(engine.reach.columns.subject(own.subject)))
        self._through: dict[Direction, dict[int, Sequence[tuple[int, int]]]] = {
            direction: {number: engine.lets(number, direction, own) for number in self._subject}
            for direction in Direction
            if own.touches(direction)
        }

    def result(self) -> NetworkCut:
        out = NetworkCut(pods=[pod for number in self._subject for pod in self._pods(number)])
        own = {each.endpoint for number in self._subject for each in self._listeners.of_class.get(number, ())}
        out.endpoints = sorted(own)
        if Direction.INGRESS in self._through:
            for endpoint in out.endpoints:
                self._entering(endpoint, out)
        if Direction.EGRESS in self._through:
            for number in self._subject:
                self._leaving(number, out)
        return out

    def _pods(self, number: int) -> Sequence[PodInstance]:
        return self._engine.reach.columns.classes[number].pods

    def _entering(self, endpoint: str, out: NetworkCut) -> None:
        """An Endpoint leaves its hub; those who may still enter are joined to it."""
        hub = self._groups.targets.get(endpoint)
        behind = self._listeners.of_endpoint[endpoint]
        entering = self._through[Direction.INGRESS]
        if hub is None or any(each.number not in entering for each in behind):
            # Pods behind it that the policy does not select let in whom they let in.
            return
        allowed = 0
        for each in behind:
            mask = self._engine.reach.space.mask(each.port)
            for ports, columns in entering[each.number]:
                if ports & mask:
                    allowed |= columns
        out.removed.append((hub, endpoint))
        inside = (1 << self._engine.reach.columns.first_address) - 1
        for number in numbers_of(allowed & inside):
            if self._leaves(number, behind):
                out.added += self._joined(number, endpoint)

    def _leaving(self, number: int, out: NetworkCut) -> None:
        """The pods of a class leave their hubs; they are joined to what they may still reach."""
        for pod in self._pods(number):
            for hub in self._groups.sources.get(pod.id, ()):
                if hub is not None:
                    out.removed += [(container.id, hub) for container in pod.containers]
        entering = self._through.get(Direction.INGRESS, {})
        found: dict[str, None] = {}
        for port, listeners in self._listeners.by_port.items():
            mask = self._engine.reach.space.mask(port)
            open_to = 0
            for ports, columns in self._through[Direction.EGRESS][number]:
                if ports & mask:
                    open_to |= columns
            if open_to:
                for each in listeners:
                    if open_to >> each.number & 1 and (
                        each.number not in entering or self._enters(number, each, entering[each.number])
                    ):
                        found[each.endpoint] = None
        for endpoint in found:
            out.added += self._joined(number, endpoint)

    def _leaves(self, number: int, behind: Sequence[_Listener]) -> bool:
        """Whether the policy lets pods of a class out to an Endpoint, if it selects them."""
        leaving = self._through.get(Direction.EGRESS, {}).get(number)
        if leaving is None:
            return True
        mask = self._engine.reach.space.mask
        return any(
            ports & mask(each.port) and columns >> each.number & 1 for each in behind for ports, columns in leaving
        )

    def _enters(self, number: int, listener: _Listener, entering: Sequence[tuple[int, int]]) -> bool:
        mask = self._engine.reach.space.mask(listener.port)
        return any(ports & mask and columns >> number & 1 for ports, columns in entering)

    def _joined(self, number: int, endpoint: str) -> Iterator[Names]:
        """A container of a class and an Endpoint, for those that reach it now."""
        hub = self._groups.targets.get(endpoint)
        for pod in self._pods(number):
            hubs = self._groups.sources.get(pod.id, ())
            if any(hub in self._links.get(each, ()) for each in hubs if each is not None):
                for container in pod.containers:
                    yield container.id, endpoint
