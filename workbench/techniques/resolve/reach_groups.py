"""Who reaches what, as few groups: containers that reach the same Endpoints, and Endpoints that the same ones reach.

Policies tell classes of pods apart, so that the answers for two classes, or for two Endpoints, are often equal. Pods
whose answers are equal form one group, Endpoints another, and a graph holds an edge for each pair of groups in place of
one for each pair of a container and an Endpoint. A group is named after its first member, so that most names stay as
they are when policies change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.network.enforcement import Enforces
from workbench.network.ports import PROTOCOLS, PortRange
from workbench.network.reach import Reachability
from workbench.network.rows import Verdict
from workbench.network.rules import Direction
from workbench.techniques.endpoints import ANY, EndpointNode, EndpointType, endpoints_of, namespaces
from workbench.techniques.resolve.reach import READS, enforced, matters, network_of

SOURCES = "network-sources"
"""The hubs of pods that reach the same Endpoints."""
SOURCES_IF = "network-sources-if"
"""The same, of Endpoints that they reach if the network plugin lets them."""
TARGETS = "network-targets"
"""The hubs of Endpoints that the same pods reach."""

_Bools: TypeAlias = npt.NDArray[np.bool_]
_Pair: TypeAlias = tuple[int, str, int]
"""A class, and the protocol and number of a port of its pods."""

_OF_PODS = frozenset({EndpointType.SERVICE, EndpointType.POD, EndpointType.HOST_PORT})
_TOGETHER = 1 << 24
"""About so many verdicts are worked out at once."""


@dataclass(slots=True)
class Groups:
    """The groups of a view.

    Attributes:
        sources: For each pod by id its hub: what it surely reaches, and what it may; ``None`` where that is nothing.
        targets: For each Endpoint by id its hub.
        links: The hubs of Endpoints that each hub of pods leads to, sorted.
    """

    sources: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    links: dict[str, list[str]] = field(default_factory=dict)


def groups_of(view: Inventory) -> Groups:
    """The groups of a view; an overlay that changes nothing that matters shares those of its base."""
    base = view.base
    if base is not None and not matters(view):
        return groups_of(base)
    return view.derived("groups of the network", READS, _groups)


def listens(endpoint: EndpointNode) -> bool:
    """Whether something is known to listen at an Endpoint for clients within the cluster.

    The backends of an Ingress are Endpoints of their Services too; a pod that declares no port and stands behind no
    Service is not known to listen at all; what listens on loopback is for the node alone.
    """
    if endpoint.type not in _OF_PODS or endpoint.loopback:
        return False
    return bool(endpoint.targets) and not endpoint.id.endswith(f"/{ANY}") and endpoint.protocol in PROTOCOLS


def _groups(view: Inventory) -> Groups:
    reach = network_of(view).reach
    if enforced(view) is Enforces.NO:
        return _one_group(view, reach)
    pairs: dict[_Pair, int] = {}
    wanted: dict[str, set[int]] = {}
    for endpoint in _listening(view):
        behind = wanted.setdefault(endpoint.id, set())
        for target in endpoint.targets:
            number = reach.class_of(target.pod)
            if number is not None and target.port:
                behind.add(pairs.setdefault((number, endpoint.protocol, target.port), len(pairs)))
    columns = _Columns(reach, list(pairs))
    reached = columns.joined(list(wanted.values()))
    return _named(reach, list(wanted), reached, columns, enforced(view))


def _listening(view: Inventory) -> Iterator[EndpointNode]:
    for namespace in namespaces(view):
        yield from filter(listens, endpoints_of(view, namespace))


def _one_group(view: Inventory, reach: Reachability) -> Groups:
    """Where nothing enforces policies every pod reaches every Endpoint."""
    out = Groups()
    targets = {endpoint.id for endpoint in _listening(view)}
    pods = [pod.id for each in reach.columns.classes for pod in each.pods]
    if targets and pods:
        source, target = _hub(SOURCES, min(pods)), _hub(TARGETS, min(targets))
        out.sources = dict.fromkeys(pods, (source, None))
        out.targets = dict.fromkeys(targets, target)
        out.links = {source: [target]}
    return out


def _hub(members: str, first: str) -> str:
    return nodes.hub(members, first.partition(":")[2])


class _Columns:
    """For each pair of a class and a port of it the classes that reach it, surely and perhaps; equal ones once."""

    def __init__(self, reach: Reachability, pairs: list[_Pair]) -> None:
        self.size = len(reach.columns.classes)
        self.distinct: list[tuple[bytes, bytes]] = []
        """The classes that surely reach and those that may, as packed bits."""
        self.of: list[int] = [0] * len(pairs)
        self._known: dict[tuple[bytes, bytes], int] = {}
        leaving, entering = _Side(reach, Direction.EGRESS), _Side(reach, Direction.INGRESS)
        by_port: dict[tuple[str, int], list[int]] = {}
        for at, (_, protocol, port) in enumerate(pairs):
            by_port.setdefault((protocol, port), []).append(at)
        most = max(_TOGETHER // max(self.size, 1), 1)
        for (protocol, port), places in by_port.items():
            mask = reach.space.mask(PortRange(protocol, port, port))
            out_of, into = leaving.of_port(mask), entering.of_port(mask)
            for begin in range(0, len(places), most):
                part = places[begin : begin + most]
                numbers = np.array([pairs[at][0] for at in part], np.int64)
                sure, perhaps = (
                    (into[kind][entering.group[numbers]] & out_of[kind][:, numbers].T[:, leaving.group])
                    for kind in (0, 1)
                )
                for at, one, other in zip(
                    part, np.packbits(sure, axis=1), np.packbits(perhaps & ~sure, axis=1), strict=True
                ):
                    self.of[at] = self._number((one.tobytes(), other.tobytes()))

    def _number(self, column: tuple[bytes, bytes]) -> int:
        known = self._known.get(column)
        if known is None:
            known = self._known[column] = len(self.distinct)
            self.distinct.append(column)
        return known

    def joined(self, wanted: list[set[int]]) -> list[int]:
        """For each set of pairs the number of what reaches any of them."""
        made: dict[frozenset[int], int] = {}
        out: list[int] = []
        for behind in wanted:
            key = frozenset(self.of[at] for at in behind)
            number = made.get(key)
            if number is None:
                number = made[key] = next(iter(key)) if len(key) == 1 else self._union(key)
            out.append(number)
        return out

    def _union(self, columns: frozenset[int]) -> int:
        sure = perhaps = 0
        for number in columns:
            one, other = self.distinct[number]
            sure |= int.from_bytes(one, "big")
            perhaps |= int.from_bytes(other, "big")
        length = (self.size + 7) // 8
        return self._number((sure.to_bytes(length, "big"), (perhaps & ~sure).to_bytes(length, "big")))

    def bits(self, which: list[int]) -> tuple[_Bools, _Bools]:
        """Some columns as tables: a row for each column, a place for each class."""
        tables = []
        for kind in (0, 1):
            packed = np.frombuffer(b"".join(self.distinct[number][kind] for number in which), np.uint8)
            table = np.unpackbits(packed.reshape(len(which), -1), axis=1, count=self.size)
            tables.append(table.astype(np.bool_))
        return tables[0], tables[1]


class _Side:
    """One direction: what each group of classes says to each class."""

    def __init__(self, reach: Reachability, direction: Direction) -> None:
        groups = reach.groups[direction]
        size = len(reach.columns.classes)
        self.group = np.array(groups.of, np.int64)
        self._verdicts: dict[Verdict, int] = {}
        self._table = np.zeros((len(groups.policies), size), np.int32)
        inside = (1 << size) - 1
        for group in range(len(groups.policies)):
            for verdict, columns in reach.row(direction, group).items():
                number = self._verdicts.setdefault(verdict, len(self._verdicts))
                if columns & inside:
                    self._table[group, _places(columns & inside, size)] = number

    def of_port(self, mask: int) -> tuple[_Bools, _Bools]:
        """For each group and class whether a port is open, and whether it is or may be."""
        sure = np.array([bool(allowed & mask) for allowed, _ in self._verdicts], np.bool_)
        perhaps = np.array([bool((allowed | unknown) & mask) for allowed, unknown in self._verdicts], np.bool_)
        return sure[self._table], perhaps[self._table]


def _places(bits: int, size: int) -> _Bools:
    """A set of numbers below ``size`` as a mask."""
    packed = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), np.uint8)
    return np.unpackbits(packed, count=size, bitorder="little").astype(np.bool_)


def _named(reach: Reachability, endpoints: list[str], reached: list[int], columns: _Columns, says: Enforces) -> Groups:
    out = Groups()
    first: dict[int, str] = {}
    for endpoint, number in zip(endpoints, reached, strict=True):
        if number not in first or endpoint < first[number]:
            first[number] = endpoint
    if not first:
        return out
    used = sorted(first, key=first.__getitem__)
    sure, perhaps = columns.bits(used)
    unknown = says is Enforces.UNKNOWN
    hubs = [_hub(TARGETS, first[number]) for number in used]
    if unknown:
        perhaps = ~sure
    alive: list[bool] = np.any(sure | perhaps, axis=1).tolist()
    named = {number: hub for number, hub, is_reached in zip(used, hubs, alive, strict=True) if is_reached}
    out.targets = {
        endpoint: named[number] for endpoint, number in zip(endpoints, reached, strict=True) if number in named
    }
    both = np.packbits(np.concatenate((sure, perhaps)), axis=0).T
    rows: dict[bytes, list[int]] = {}
    for number, row in enumerate(np.ascontiguousarray(both)):
        rows.setdefault(row.tobytes(), []).append(number)
    classes = reach.columns.classes
    everything = _hub(SOURCES_IF, f":{nodes.ANYWHERE}")
    for members in rows.values():
        pods = [pod.id for number in members for pod in classes[number].pods]
        name = min(pods)
        surely = [hubs[at] for at in np.flatnonzero(sure[:, members[0]]).tolist()]
        maybe = [hubs[at] for at in np.flatnonzero(perhaps[:, members[0]]).tolist()]
        source = _hub(SOURCES, name) if surely else None
        possible = (everything if unknown else _hub(SOURCES_IF, name)) if maybe else None
        if source is not None:
            out.links[source] = surely
        if possible is not None:
            # Who knows nothing of the plugin needs no hub for what each group may reach: it is all there is.
            out.links[possible] = sorted(set(named.values())) if unknown else maybe
        out.sources.update(dict.fromkeys(pods, (source, possible)))
    return out
