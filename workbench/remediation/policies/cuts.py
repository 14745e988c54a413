"""Which steps of the network a policy takes away, without building the graph's groups anew.

In the graph pods lead to hubs of what they reach, and hubs to Endpoints (``techniques.resolve.reach_groups``). A policy
that selects few pods moves only those: their containers leave their hubs, their Endpoints too, and what the policy lets
through is joined directly. The pairs that come of it join what a rebuilt graph joins, through other hubs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import NetworkPolicy
from workbench.inventory.pods import PodInstance
from workbench.network.bits import bits_of, numbers_of
from workbench.network.enforcement import Enforces, enforcement
from workbench.network.ports import PortRange
from workbench.network.rules import Direction
from workbench.remediation.policies.evaluation import Evaluation, evaluation, parsed
from workbench.techniques.endpoints import EndpointNode, endpoints_of, listens, namespaces
from workbench.techniques.resolve.reach import TARGETS
from workbench.techniques.resolve.reach_groups import groups_of

Names: TypeAlias = tuple[str, str]
"""The ids of two nodes, or hubs."""

_Hubs: TypeAlias = tuple[str | None, str | None]
"""The hubs of a pod: of what it surely reaches, and of what it may reach."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Containers and the Endpoints that they reach although the ways over hubs of either are removed.

    A set that is the same for many policies is one object.
    """

    containers: frozenset[str]
    endpoints: tuple[frozenset[str], ...]
    excepted: frozenset[str] = frozenset()
    """Endpoints among these that they do not reach."""

    def reaches(self, container: str, endpoint: str) -> bool:
        """Whether a container is one of these and reaches an Endpoint."""
        if container not in self.containers or endpoint in self.excepted:
            return False
        return any(endpoint in of for of in self.endpoints)


@dataclass(slots=True)
class NetworkCut:
    """What a policy does to the steps of the network."""

    removed: list[Names] = field(default_factory=list)
    """The ways over hubs that are not there any more."""
    moved: list[Moved] = field(default_factory=list)
    pods: list[PodInstance] = field(default_factory=list)
    """The pods that the policy selects."""
    endpoints: list[str] = field(default_factory=list)
    """What listens on them."""

    def lets(self, container: str, endpoint: str) -> bool:
        """Whether the policy lets a container reach an Endpoint although ways of either are removed."""
        return any(each.reaches(container, endpoint) for each in self.moved)


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
        self.columns: dict[PortRange, int] = {}
        """The classes that listen at each port."""
        self.reached: dict[tuple[PortRange, int, _Hubs], frozenset[str]] = {}
        """The Endpoints at a port that some classes listen at and some hubs lead to: the same for many policies."""
        self.linked: dict[_Hubs, frozenset[str]] = {}
        """The hubs of Endpoints that some hubs lead to."""
        self.reaching: dict[tuple[int, str], frozenset[str]] = {}
        """The containers of some classes that reach a hub."""
        for namespace in namespaces(view):
            for endpoint in endpoints_of(view, namespace):
                if listens(endpoint):
                    for each in _classes_behind(engine, endpoint):
                        self.of_endpoint.setdefault(endpoint.id, []).append(each)
                        self.of_class.setdefault(each.number, []).append(each)
                        self.by_port.setdefault(each.port, []).append(each)
        for port, listeners in self.by_port.items():
            self.columns[port] = bits_of({each.number for each in listeners}, len(engine.reach.columns.classes))


def _classes_behind(engine: Evaluation, endpoint: EndpointNode) -> Iterable[_Listener]:
    found: dict[_Listener, None] = {}
    for target in endpoint.targets:
        number = engine.reach.class_of(target.pod)
        if number is not None and target.port:
            found[_Listener(endpoint.id, number, PortRange(endpoint.protocol, target.port, target.port))] = None
    return found


def network_cut(
    view: Inventory, policy: NetworkPolicy, counts: Callable[[str], bool] = lambda node: True
) -> NetworkCut:
    """What a policy more does to the network's steps in the graph of a view.

    Args:
        view: The objects; no overlay.
        policy: A policy that :class:`Evaluation` knows, or one that looks at the same labels and addresses.
        counts: Whether steps from or to a container or an Endpoint are wanted.
    """
    if enforcement(view).verdict is not Enforces.YES:
        # What policies deny is possible all the same where nobody is known to enforce them (C-CNI).
        return NetworkCut()
    return _Cutting(view, policy, counts).result()


class _Cutting:
    def __init__(self, view: Inventory, policy: NetworkPolicy, counts: Callable[[str], bool]) -> None:
        self._counts = counts
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
            entering: dict[tuple[int, str], list[str]] = {}
            for endpoint in filter(self._counts, out.endpoints):
                found = self._entering(endpoint)
                if found is not None:
                    out.removed.append((found[1], endpoint))
                    entering.setdefault(found, []).append(endpoint)
            for (allowed, hub), endpoints in entering.items():
                containers = self._reaching(allowed, hub)
                if containers:
                    out.moved.append(Moved(containers, (frozenset(endpoints),)))
        if Direction.EGRESS in self._through:
            for number in self._subject:
                self._leaving(number, out)
        return out

    def _pods(self, number: int) -> Sequence[PodInstance]:
        return self._engine.reach.columns.classes[number].pods

    def _entering(self, endpoint: str) -> tuple[int, str] | None:
        """The classes that may still reach an Endpoint, and the hub that it leaves; ``None`` if it stays."""
        hub = self._hub(endpoint)
        behind = self._listeners.of_endpoint[endpoint]
        entering = self._through[Direction.INGRESS]
        if hub is None or any(each.number not in entering for each in behind):
            # Pods behind it that the policy does not select let in whom they let in.
            return None
        allowed = before = 0
        for each in behind:
            allowed |= self._open_at(each.port, entering[each.number])
            before |= self._open_at(each.port, self._engine.lets(each.number, Direction.INGRESS))
        inside = (1 << self._engine.reach.columns.first_address) - 1
        if not before & ~allowed & inside:
            return None
        for number in self._through.get(Direction.EGRESS, {}):
            # What the policy itself lets out is worked out with what they leave.
            allowed &= ~(1 << number)
        return allowed & inside, hub

    def _reaching(self, classes: int, hub: str) -> frozenset[str]:
        """The containers of some classes that reach a hub of Endpoints now."""
        key = (classes, hub)
        known = self._listeners.reaching.get(key)
        if known is None:
            known = self._listeners.reaching[key] = frozenset(
                container.id
                for number in numbers_of(classes)
                for pod in self._pods(number)
                if hub in self._linked(self._hubs(pod))
                for container in pod.containers
            )
        return known

    def _leaving(self, number: int, out: NetworkCut) -> None:
        """The pods of a class leave their hubs; they reach what the policy still lets them reach."""
        by_hubs: dict[_Hubs, list[str]] = {}
        for pod in self._pods(number):
            hubs = self._hubs(pod)
            for container in pod.containers:
                if self._counts(container.id):
                    by_hubs.setdefault(hubs, []).append(container.id)
                    out.removed += [(container.id, hub) for hub in hubs if hub is not None]
        excepted = self._shut(number, out.endpoints) if Direction.INGRESS in self._through else frozenset()
        for hubs, containers in by_hubs.items():
            found = tuple(self._reached(number, hubs))
            if found:
                out.moved.append(Moved(frozenset(containers), found, excepted))

    def _reached(self, number: int, hubs: _Hubs) -> Iterator[frozenset[str]]:
        """The Endpoints that the policy lets pods of a class out to, of those that they reach now over some hubs."""
        for port, listeners in self._listeners.by_port.items():
            open_to = self._open_at(port, self._through[Direction.EGRESS][number]) & self._listeners.columns[port]
            if not open_to:
                continue
            key = (port, open_to, hubs)
            known = self._listeners.reached.get(key)
            if known is None:
                links = self._linked(hubs)
                known = self._listeners.reached[key] = frozenset(
                    each.endpoint
                    for each in listeners
                    if open_to >> each.number & 1 and self._hub(each.endpoint) in links
                )
            if known:
                yield known

    def _shut(self, number: int, endpoints: Sequence[str]) -> frozenset[str]:
        """Those of the selected pods' Endpoints into which the policy lets no pod of a class."""
        entering, leaving = self._through[Direction.INGRESS], self._through[Direction.EGRESS][number]

        def enters(each: _Listener) -> bool:
            if not self._open_at(each.port, leaving) >> each.number & 1:
                return False
            return each.number not in entering or bool(self._open_at(each.port, entering[each.number]) >> number & 1)

        return frozenset(each for each in endpoints if not any(map(enters, self._listeners.of_endpoint[each])))

    def _open_at(self, port: PortRange, through: Sequence[tuple[int, int]]) -> int:
        """The columns for which a port is open."""
        mask, out = self._engine.reach.space.mask(port), 0
        for ports, columns in through:
            if ports & mask:
                out |= columns
        return out

    def _hub(self, endpoint: str) -> str | None:
        name = self._groups.targets.get(endpoint)
        return None if name is None else nodes.hub(TARGETS, name)

    def _hubs(self, pod: PodInstance) -> _Hubs:
        name = self._groups.sources.get(pod.id)
        return (None, None) if name is None else self._groups.leading(name)

    def _linked(self, hubs: _Hubs) -> frozenset[str]:
        known = self._listeners.linked.get(hubs)
        if known is None:
            found = [self._links.get(hub, frozenset()) for hub in hubs if hub is not None]
            known = self._listeners.linked[hubs] = frozenset().union(*found)
        return known
