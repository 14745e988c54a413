"""Who reaches what, as few groups: containers that reach the same Endpoints, and Endpoints that the same ones reach.

Policies tell classes of pods apart, so that the answers for two classes, or for two Endpoints, are often equal. Pods
whose answers are equal form one group, Endpoints another, and a graph holds an edge for each pair of groups in place of
one for each pair of a container and an Endpoint. A group is named after its first member; in an overlay it keeps the
name of the group that most of its members were in, so that a change of one pod or policy leaves all other edges alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from workbench.graph import nodes
from workbench.inventory.inventory import Inventory
from workbench.network.enforcement import Enforces
from workbench.network.ports import PortRange
from workbench.network.reach import Reachability
from workbench.network.rows import Verdict
from workbench.network.rules import Direction
from workbench.techniques.endpoints import EndpointType, endpoints_differ, endpoints_of, listens, namespaces
from workbench.techniques.resolve.reach import (
    READS,
    SOURCES,
    SOURCES_IF,
    TARGETS,
    enforced,
    matters,
    network_of,
)

_Bools: TypeAlias = npt.NDArray[np.bool_]
_Pair: TypeAlias = tuple[int, str, int]
"""A class, and the protocol and number of a port of its pods."""

_TOGETHER = 1 << 24
"""About so many verdicts are worked out at once."""


@dataclass(slots=True)
class Groups:
    """The groups of a view.

    Attributes:
        sources: For each pod by id the name of its group.
        targets: For each Endpoint by id that somebody reaches the name of its group.
        links: What each hub leads to: that of a group of pods to those of groups of Endpoints, sorted.
    """

    sources: dict[str, str] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    links: dict[str, list[str]] = field(default_factory=dict)

    def leading(self, name: str) -> tuple[str | None, str | None]:
        """The hubs of a group of pods: of what it surely reaches and of what it may, ``None`` where that is nothing."""
        surely, maybe = nodes.hub(SOURCES, name), nodes.hub(SOURCES_IF, name)
        return surely if surely in self.links else None, maybe if maybe in self.links else None


def groups_of(view: Inventory) -> Groups:
    """The groups of a view; an overlay that changes nothing that matters shares those of its base."""
    base = view.base
    if base is not None and not matters(view):
        return groups_of(base)
    return view.derived("groups of the network", READS, _groups)


def _groups(view: Inventory) -> Groups:
    reach = network_of(view).reach
    if enforced(view) is Enforces.NO:
        return _one_group(view, reach)
    alike: dict[frozenset[_Pair], list[str]] = {}
    at_nodes: dict[str, frozenset[_Pair]] = {}
    for namespace in namespaces(view):
        found = _behind(view, namespace)
        for behind, endpoints in found.alike.items():
            alike.setdefault(behind, []).extend(endpoints)
        for endpoint, behind in found.at_nodes.items():
            at_nodes[endpoint] = at_nodes[endpoint] | behind if endpoint in at_nodes else behind
    for endpoint, behind in at_nodes.items():
        alike.setdefault(behind, []).append(endpoint)
    pairs = {pair: at for at, pair in enumerate(dict.fromkeys(pair for behind in alike for pair in behind))}
    columns = _Columns(reach, list(pairs))
    reached_by: dict[int, list[str]] = {}
    numbers = columns.joined([{pairs[pair] for pair in behind} for behind in alike])
    for number, endpoints in zip(numbers, alike.values(), strict=True):
        reached_by.setdefault(number, []).extend(endpoints)
    return _linked(reach, reached_by, columns, _before(view), unknown=enforced(view) is Enforces.UNKNOWN)


@dataclass(slots=True)
class _Behind:
    """The Endpoints of a namespace by the pairs behind them."""

    alike: dict[frozenset[_Pair], list[str]] = field(default_factory=dict)
    at_nodes: dict[str, frozenset[_Pair]] = field(default_factory=dict)
    """Ports of nodes, at which pods of several namespaces may listen."""
    namespaces: set[str] = field(default_factory=set)
    """Those of the pods."""


def _behind(view: Inventory, namespace: str) -> _Behind:
    base = view.base
    if base is not None and not endpoints_differ(view, namespace):
        below = _behind(base, namespace)
        moved = view.derived("namespaces of pods of other classes", READS, _moved)
        if moved is not None and moved.isdisjoint(below.namespaces):
            return below
    return view.derived(f"classes behind the endpoints of {namespace}", READS, lambda over: _sorted(over, namespace))


def _moved(view: Inventory) -> set[str] | None:
    """The namespaces of the pods whose class is another one in an overlay; ``None``: all may be."""
    if view.base is None:
        # An overlay that changes nothing of the network shares what is said of what it lies over.
        return set()
    return network_of(view).reach.moved_from(network_of(view.base).reach)


def _sorted(view: Inventory, namespace: str) -> _Behind:
    reach = network_of(view).reach
    class_of, classes = reach.class_of_id, reach.columns.classes
    found: dict[str, set[_Pair]] = {}
    at_nodes: set[str] = set()
    for endpoint in filter(listens, endpoints_of(view, namespace)):
        behind = found.setdefault(endpoint.id, set())
        if endpoint.type is EndpointType.HOST_PORT:
            at_nodes.add(endpoint.id)
        for target in endpoint.targets:
            number = class_of(target.pod.id)
            if number is not None and target.port:
                behind.add((number, endpoint.protocol, target.port))
    out = _Behind()
    for name, pairs in found.items():
        if name in at_nodes:
            out.at_nodes[name] = frozenset(pairs)
        else:
            out.alike.setdefault(frozenset(pairs), []).append(name)
    behind_any = set[_Pair]().union(*out.alike, *out.at_nodes.values())
    out.namespaces = {classes[number].namespace for number, _, _ in behind_any}
    return out


def _before(view: Inventory) -> Groups:
    base = view.base
    return groups_of(base) if base is not None else Groups()


def _one_group(view: Inventory, reach: Reachability) -> Groups:
    """Where nothing enforces policies every pod reaches every Endpoint."""
    before = _before(view)
    out = Groups()
    targets = [
        endpoint.id for namespace in namespaces(view) for endpoint in filter(listens, endpoints_of(view, namespace))
    ]
    pods = [pod.id for each in reach.columns.classes for pod in each.pods]
    if targets and pods:
        [source] = _names([pods], before.sources)
        [target] = _names([targets], before.targets)
        out.sources, out.targets = dict.fromkeys(pods, source), dict.fromkeys(targets, target)
        out.links = {nodes.hub(SOURCES, source): [nodes.hub(TARGETS, target)]}
    return out


def _names(groups: list[list[str]], before: dict[str, str]) -> list[str]:
    """A name for each of some groups of ids: that of the group most of them were in before, else that of its first.

    Args:
        groups: The members of each.
        before: The names of the groups that the ids were in.
    """
    out: dict[int, str] = {}
    used: set[str] = set()
    if before:
        votes = {
            (name, at): count
            for at, members in enumerate(groups)
            for name, count in Counter(map(before.get, members)).items()
            if name is not None
        }
        for (name, at), _ in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
            if at not in out and name not in used:
                out[at] = name
                used.add(name)
    for at, members in enumerate(groups):
        if at not in out:
            first = name = min(members).partition(":")[2]
            number = 1
            while name in used:
                number += 1
                name = f"{first}~{number}"
            out[at] = name
            used.add(name)
    return [out[at] for at in range(len(groups))]


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
        for group in set(groups.of):
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


def _linked(
    reach: Reachability, alike: dict[int, list[str]], columns: _Columns, before: Groups, *, unknown: bool
) -> Groups:
    """The groups, their names, and what leads to what.

    Args:
        reach: The classes.
        alike: The Endpoints by the number of what reaches them.
        columns: What that is.
        before: The groups of the view below.
        unknown: Whether it is not known that policies have an effect.
    """
    out = Groups()
    if not alike:
        return out
    sure, perhaps = columns.bits(list(alike))
    if unknown:
        perhaps = ~sure
    reached = np.any(sure | perhaps, axis=1)
    sure, perhaps = sure[reached], perhaps[reached]
    targets = [members for members, kept in zip(alike.values(), reached.tolist(), strict=True) if kept]
    names = _names(targets, before.targets)
    for name, members in zip(names, targets, strict=True):
        out.targets.update(dict.fromkeys(members, name))
    hubs = [nodes.hub(TARGETS, name) for name in names]
    classes = reach.columns.classes
    rows: dict[bytes, list[int]] = {}
    for number, row in enumerate(np.ascontiguousarray(np.packbits(np.concatenate((sure, perhaps)), axis=0).T)):
        if classes[number].pods:
            rows.setdefault(row.tobytes(), []).append(number)
    sources = [[pod.id for number in numbers for pod in classes[number].pods] for numbers in rows.values()]
    everything = nodes.hub(TARGETS, nodes.ANYWHERE)
    for name, pods, numbers in zip(_names(sources, before.sources), sources, rows.values(), strict=True):
        out.sources.update(dict.fromkeys(pods, name))
        surely, maybe = (np.flatnonzero(table[:, numbers[0]]).tolist() for table in (sure, perhaps))
        if surely:
            out.links[nodes.hub(SOURCES, name)] = sorted(hubs[at] for at in surely)
        if maybe:
            # Where policies may have no effect, each group may reach everything.
            out.links[nodes.hub(SOURCES_IF, name)] = [everything] if unknown else sorted(hubs[at] for at in maybe)
            if unknown:
                out.links[everything] = sorted(hubs)
    return out
