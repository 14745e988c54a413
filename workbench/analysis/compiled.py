"""The graph as arrays: one weight for each two joined nodes, forward and reverse, and the same after a what-if.

A search needs one weight for each (source, target). Of several records between two nodes, first the best cause
of each technique is taken (``on`` before ``cond``, as everywhere that edges are shown), then the technique of
least weight. The weight orders by effort, then by the number of missing facts, then by the number of steps:

    weight = effort x 2^28 + missing facts x 2^16 + 64 (1 out of a hub)

All parts are whole numbers and a sum along a path stays far below 2^53, so float64 holds it exactly: two sums are
equal only if the paths are equally good. The parts do not run into each other below 2^25 effort, 4,096 missing
facts, 1,023 steps and 63 hubs. Every weight is positive, so walking along falling distances ends.

Several recipes here are from measurements on a cluster of 30,000 pods: sorted arrays, no dict for each edge, and
a what-if that edits the arrays instead of building them again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import count, repeat
from typing import Any

import numpy as np

from workbench.analysis.arrays import (
    Arrays,
    Best,
    Bools,
    Bytes,
    Floats,
    Int32s,
    Ints,
    Joined,
    Shorts,
    ranges,
    reached,
    reached_without,
)
from workbench.analysis.catalogue import Catalogue, Conditions
from workbench.analysis.merged import Pairs, Records, chosen, rank
from workbench.analysis.reach import Reach
from workbench.graph import nodes as node_ids
from workbench.graph.graph import Edge, Graph
from workbench.techniques.api import Technique
from workbench.techniques.recompute import Bucket

EFFORT = 1 << 28
MISSING = 1 << 16
STEP = 1 << 6
FROM_HUB = 1
"""A step begins at a node that people see; what leads on from a hub belongs to the same step."""


def weight(effort: int, missing: int, from_hub: bool) -> int:
    """The weight of one record."""
    return effort * EFFORT + missing * MISSING + (FROM_HUB if from_hub else STEP)


def effort_of(total: float) -> int:
    """The effort of a path, from its weight."""
    return int(total) // EFFORT


def steps_of(total: float) -> int:
    """The steps of a path as people see them, from its weight."""
    return int(total) % MISSING // STEP


class Compiled:
    """A graph, or a graph with some buckets replaced, ready for searches.

    Attributes:
        graph: The graph as built; in a what-if, of what it lies over.
        catalogue: The techniques by number.
        nodes: The node ids by number; a what-if appends to those of the graph.
        hub: Which nodes are hubs.
        changed_techniques: The numbers of the techniques that a what-if changed a record of.
    """

    graph: Graph
    catalogue: Catalogue
    certain: bool
    excluded: frozenset[str]
    nodes: list[str]
    hub: Bools
    changed_techniques: frozenset[int]

    def __init__(
        self,
        graph: Graph,
        techniques: Sequence[Technique],
        *,
        certain: bool = False,
        exclude: Iterable[str] = (),
    ) -> None:
        """Compile a graph.

        Args:
            graph: The graph.
            techniques: What it was built from, in that order.
            certain: Only records that the objects prove.
            exclude: Techniques to leave out.
        """
        self.graph = graph
        self.catalogue = Catalogue.of(techniques)
        self.certain = certain
        self.excluded = frozenset(exclude)
        self.nodes = graph.nodes
        self.changed_techniques = frozenset()
        self._new_numbers: dict[str, int] = {}
        self._base: Compiled | None = None
        self._pod_numbers: dict[str, int] = {}
        self._changed: dict[tuple[int, int], list[Edge]] = {}
        self._added: list[Edge] = []
        self._removed: Ints = np.empty(0, np.int64)
        self._conditions = Conditions()
        self._selected: dict[tuple[bytes, bool, int | None], tuple[Int32s, Int32s, Shorts, Ints]] = {}
        # Looking up a kind that is new gives it the next number.
        self._kind_numbers: dict[str, int] = defaultdict(count().__next__)
        self._kinds = self._kinds_of(graph.nodes)
        self.hub = self.of_kind(node_ids.HUB)
        self._columns()
        self._merge()

    # --- building ---------------------------------------------------------------------------------

    def _columns(self) -> None:
        graph = self.graph
        source, target = _column(graph.source, np.int32), _column(graph.target, np.int32)
        technique = _column(graph.technique, np.uint16)
        effort, missing = _column(graph.effort, np.uint8), _column(graph.missing, np.int32)
        self._record_source, self._record_target = source, target
        self._record_technique, self._record_effort, self._record_missing = technique, effort, missing
        # The records stand in the order of their techniques unless somebody else built the graph.
        places = np.argsort(technique, kind="stable") if (technique[1:] < technique[:-1]).any() else None
        numbers = np.arange(len(self.catalogue.ids) + 1, dtype=technique.dtype)
        self._of_technique = (places, np.searchsorted(technique if places is None else technique[places], numbers))

    def _merge(self) -> None:
        size, facts = len(self.nodes), self.graph.facts
        kept = self._kept()
        source, target = self._record_source, self._record_target
        pairs = Pairs.of(source, target, size) if kept is None else Pairs.of(source[kept], target[kept], size)
        if kept is not None:
            pairs = replace(pairs, order=kept[pairs.order].astype(np.int32))
        self._pairs = pairs
        best = pairs.order[pairs.starts[:-1]]
        lengths = np.array([len(each) for each in facts], np.int64)
        steps = np.repeat(np.where(self.hub, float(FROM_HUB), float(STEP)), np.diff(pairs.indptr))
        several = pairs.several()
        if len(several):
            counts = pairs.starts[several + 1] - pairs.starts[several]
            row, place = ranges(pairs.starts[several].astype(np.int64), counts)
            position = pairs.order[place]
            effort, missing = self._record_effort[position].astype(np.int64), self._record_missing[position]
            weights = self._weights(effort, missing, lengths, steps[several][row])
            order = self.catalogue.order[self._record_technique[position]]
            best[several] = position[chosen(row, Records(effort, missing, order, weights), facts)]
        missing = self._record_missing[best]
        numbers = self._conditions.numbers(facts)
        self.arrays = Arrays(
            pairs.indptr,
            pairs.target,
            self._weights(self._record_effort[best], missing, lengths, steps),
            self._record_technique[best],
            numbers[missing],
        )

    @staticmethod
    def _weights(effort: Ints | Bytes, missing: Int32s, lengths: Ints, steps: Floats) -> Floats:
        """The weights of some records (:func:`weight`).

        Args:
            effort, missing: Of each record.
            lengths: How many facts each set of missing ones has.
            steps: What each record adds for the node that it starts at.
        """
        weights: Floats = steps + effort * float(EFFORT)
        # Most records are proved.
        some = np.flatnonzero(missing)
        weights[some] += lengths[missing[some]] * MISSING
        return weights

    def _kept(self) -> Ints | None:
        """The positions of the records that this search may use, ``None`` for all."""
        if not self.certain and not self.excluded:
            return None
        keep = np.ones(len(self._record_source), np.bool_)
        if self.certain:
            keep &= self._record_missing == 0
        for identifier in self.excluded:
            number = self.catalogue.numbers.get(identifier)
            if number is not None:
                keep &= self._record_technique != number
        return np.flatnonzero(keep)

    # --- the arrays -------------------------------------------------------------------------------

    @cached_property
    def arrays(self) -> Arrays:
        """The arrays; those of a what-if are made when somebody asks, for the first numbers do without them."""
        assert self._base is not None, "the arrays of a graph are there from the start"
        return self._base.arrays.edited(self.joined, len(self.nodes))

    @cached_property
    def joined(self) -> list[Joined]:
        """What a what-if makes of the pairs of nodes that it changes a record of, sorted."""
        out = []
        for (source, target), records in sorted(self._changed.items()):
            best = next(iter(best_records(records)), None)
            out.append(Joined(source, target, None if best is None else self._best(source, best)))
        return out

    def _best(self, source: int, edge: Edge) -> Best:
        return Best(
            weight(edge.effort, len(edge.missing), bool(self.hub[source])),
            self.catalogue.numbers[edge.technique],
            self._conditions.number(edge.conditions),
        )

    @property
    def indptr(self) -> Int32s:
        """Where each node's row begins, and its end."""
        return self.arrays.indptr

    @property
    def indices(self) -> Int32s:
        """The targets, sorted within a row."""
        return self.arrays.indices

    @property
    def weights(self) -> Floats:
        """The weight of each pair of joined nodes."""
        return self.arrays.weights

    @property
    def technique(self) -> Shorts:
        """Of the best record of each pair its technique's number."""
        return self.arrays.technique

    @property
    def conditions(self) -> Int32s:
        """Of the best record of each pair its set of C-ids, a number of ``condition_sets``."""
        return self.arrays.conditions

    @property
    def forward(self) -> Any:
        """The weights as a sparse array."""
        return self.arrays.forward

    @property
    def reverse(self) -> Any:
        """The weights from target to source, as a sparse array."""
        return self.arrays.reverse

    def led_to(self, starts: Iterable[int]) -> Bools:
        """Which nodes some nodes lead to, themselves included."""
        return self._reached(starts, backward=False)

    def leading_to(self, goals: Iterable[int]) -> Bools:
        """Which nodes lead to some nodes, themselves included."""
        return self._reached(goals, backward=True)

    def _reached(self, starts: Iterable[int], *, backward: bool) -> Bools:
        base = self._base
        if base is None or "arrays" in self.__dict__:
            return reached(self.reverse if backward else self.forward, starts)
        gone, came = self.edits
        if backward:
            gone, came = ([(target, source) for source, target in pairs] for pairs in (gone, came))
        return reached_without(base.reverse if backward else base.forward, starts, gone, came, len(self.nodes))

    @cached_property
    def edits(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The pairs of nodes that a what-if joins no more, and those that it joins anew."""
        assert self._base is not None, "only a what-if has edits"
        gone: list[tuple[int, int]] = []
        came: list[tuple[int, int]] = []
        for (source, target), records in self._changed.items():
            joined = self._base.edge_at(source, target) >= 0
            if joined != bool(records):
                (gone if joined else came).append((source, target))
        return gone, came

    @cached_property
    def pods_from_internet(self) -> int:
        """How many pods the internet leads into: the pod itself, or one of its containers."""
        internet = self.number(node_ids.INTERNET)
        if internet is None:
            return 0
        if self._base is not None:
            lost = self._base._from_internet.after(*self.edits)
            if lost is not None:
                return self._base._pods_without(lost)
        pods, count = self._pods
        inside = pods[self.led_to([internet])]
        found = np.zeros(count, np.bool_)
        found[inside[inside >= 0]] = True
        return int(np.count_nonzero(found))

    @cached_property
    def _from_internet(self) -> Reach:
        """What the internet leads to."""
        internet = self.number(node_ids.INTERNET)
        return Reach(self.forward, self.reverse, [] if internet is None else [internet])

    def _pods_without(self, lost: Ints) -> int:
        """How many pods the internet leads into if it does not lead to some nodes any more."""
        pods, _ = self._pods
        gone = pods[lost]
        return int(np.count_nonzero(self._entered - np.bincount(gone[gone >= 0], minlength=len(self._entered))))

    @cached_property
    def _entered(self) -> Ints:
        """For each pod the number of nodes of it that the internet leads to."""
        pods, count = self._pods
        inside = pods[self._from_internet.found]
        return np.bincount(inside[inside >= 0], minlength=count)

    @cached_property
    def _pods(self) -> tuple[Ints, int]:
        """The number of the pod that each node is or belongs to, -1 for all else, and how many pods there are."""
        if self._base is None:
            found = np.full(len(self.nodes), -1, np.int64)
            places = np.flatnonzero(self.of_kind("Pod", "Container"))
            found[places] = _pod_numbers([self.nodes[place] for place in places.tolist()], self._pod_numbers)
            return found, len(self._pod_numbers)
        known, count = self._base._pods
        names = self.nodes[len(self._base.nodes) :]
        if not names:
            return known, count
        numbers = dict(self._base._pod_numbers)
        return np.concatenate([known, _pod_numbers(names, numbers)]), len(numbers)

    @cached_property
    def identity(self) -> Bools:
        """Which nodes are identities."""
        return self.of_kind(*node_ids.IDENTITIES)

    def of_kind(self, *kinds: str) -> Bools:
        """Which nodes are of some kinds."""
        return np.isin(self._kinds, [self._kind_numbers[kind] for kind in kinds if kind in self._kind_numbers])

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of node that occur, in the order of their numbers."""
        return list(self._kind_numbers)

    def kind_numbers(self, nodes: Ints | Int32s) -> Ints:
        """The number of the kind of each of some nodes."""
        found: Ints = self._kinds[nodes]
        return found

    def _kinds_of(self, nodes: Sequence[str]) -> Ints:
        numbers = self._kind_numbers
        return np.array([numbers[node.partition(":")[0]] for node in nodes], np.int64)

    # --- reading ----------------------------------------------------------------------------------

    @property
    def condition_sets(self) -> Sequence[frozenset[str]]:
        """The sets of C-ids by number."""
        return self._conditions.sets

    def union(self, one: int, other: int) -> int:
        """The number of the union of two sets of C-ids."""
        return self._conditions.union(one, other)

    def number(self, node: str) -> int | None:
        """The number of a node, ``None`` if the graph has no such node."""
        found = self.graph.numbers.get(node)
        return self._new_numbers.get(node) if found is None else found

    def numbers(self, ids: Collection[str]) -> Ints:
        """The numbers of those of some nodes that the graph has, in order."""
        known, new = self.graph.numbers, self._new_numbers
        # An index would add a node that is not known.
        found = list(map(known.get, ids, repeat(-1)))
        if new:
            found = [new.get(node, -1) if number < 0 else number for node, number in zip(ids, found, strict=True)]
        numbers = np.array(found, np.int64)
        return numbers[numbers >= 0]

    def edge_at(self, source: int, target: int) -> int:
        """The place of a pair in the arrays, -1 if nothing joins the two nodes."""
        return self.arrays.place(source, target)

    def records(self, source: int, target: int) -> list[Edge]:
        """All records from one node to another, as far as this search may use them."""
        changed = self._changed.get((source, target))
        return self._base_records(source, target) if changed is None else changed

    def _base_records(self, source: int, target: int) -> list[Edge]:
        return [self.graph.edge(position) for position in self._positions(source, target)]

    def _positions(self, source: int, target: int) -> list[int]:
        """The positions of the graph's own records from one node to another."""
        base = self if self._base is None else self._base
        place = base.edge_at(source, target)
        return base._pairs.positions(place) if place >= 0 else []

    def best(self, source: int, target: int) -> Edge:
        """The record that the weight between two joined nodes comes from.

        Raises:
            LookupError: Nothing joins the two nodes.
        """
        found = best_records(self.records(source, target))
        if not found:
            raise LookupError(f"nothing leads from {self.nodes[source]} to {self.nodes[target]}")
        return found[0]

    def select(
        self, techniques: Bools, *, on: bool = False, at_most: int | None = None
    ) -> tuple[Int32s, Int32s, Shorts]:
        """The records of some techniques, whatever this search leaves out, as source, target and technique numbers.

        Args:
            techniques: Which techniques, by number.
            on: Only records that the objects prove.
            at_most: Only records whose effort before the surcharge of ``cond`` is at most this.
        """
        source, target, numbers, places = self._select(techniques, on, at_most)
        if len(self._removed):
            gone = np.searchsorted(places, self._removed)
            gone = gone[gone < len(places)]
            gone = gone[np.isin(places[gone], self._removed)]
            source, target, numbers = np.delete(source, gone), np.delete(target, gone), np.delete(numbers, gone)
        added = [
            (self.number(edge.source), self.number(edge.target), self.catalogue.numbers[edge.technique])
            for edge in self._added
            if techniques[self.catalogue.numbers[edge.technique]]
            and not (on and edge.missing)
            and (at_most is None or edge.effort - 2 * bool(edge.missing) <= at_most)
        ]
        if added:
            more = np.array(added, np.int32)
            source = np.concatenate([source, more[:, 0]])
            target = np.concatenate([target, more[:, 1]])
            numbers = np.concatenate([numbers, more[:, 2].astype(np.uint16)])
        return source, target, numbers

    def _select(self, techniques: Bools, on: bool, at_most: int | None) -> tuple[Int32s, Int32s, Shorts, Ints]:
        """The same from the graph as built, with the positions of the records."""
        if self._base is not None:
            return self._base._select(techniques, on, at_most)
        key = (techniques.tobytes(), on, at_most)
        found = self._selected.get(key)
        if found is None:
            order, begins = self._of_technique
            ranges = [np.arange(begins[number], begins[number + 1]) for number in np.flatnonzero(techniques)]
            places = np.concatenate(ranges) if ranges else np.empty(0, np.int64)
            if order is not None:
                places = np.sort(order[places])
            missing = self._record_missing[places] != 0
            chosen = ~missing if on else np.ones(len(places), np.bool_)
            if at_most is not None:
                chosen &= self._record_effort[places].astype(np.int64) - 2 * missing <= at_most
            places = places[chosen]
            found = self._selected[key] = (
                self._record_source[places],
                self._record_target[places],
                self._record_technique[places],
                places,
            )
        return found

    def changes(self, techniques: Bools, into: Bools) -> bool:
        """Whether a what-if changes a record of some techniques that leads to one of some nodes.

        Args:
            techniques: Which techniques, by number.
            into: Which nodes of the graph as built.
        """
        gone = self._removed
        if bool(np.any(techniques[self._record_technique[gone]] & into[self._record_target[gone]])):
            return True
        return any(
            techniques[self.catalogue.numbers[edge.technique]] and into[number]
            for edge in self._added
            if (number := self.graph.numbers.get(edge.target)) is not None
        )

    # --- what-if ----------------------------------------------------------------------------------

    def patched(self, buckets: Iterable[Bucket]) -> Compiled:
        """The arrays after some buckets are replaced; equal to compiling a new graph, at the cost of the difference.

        Args:
            buckets: What :func:`workbench.techniques.recompute.recompute` yields for this graph.
        """
        removed, added = self._difference(buckets)
        new = Compiled.__new__(Compiled)
        new.graph, new.catalogue, new.certain, new.excluded = self.graph, self.catalogue, self.certain, self.excluded
        new._base = self
        new._pairs = self._pairs
        new._record_technique, new._record_target = self._record_technique, self._record_target
        new._conditions = self._conditions
        new._removed = np.array(sorted(removed), np.int64)
        new._added = added
        new._new_numbers = {}
        names: list[str] = []
        for edge in added:
            for node in (edge.source, edge.target):
                if self.graph.numbers.get(node) is None and node not in new._new_numbers:
                    new._new_numbers[node] = len(self.nodes) + len(names)
                    names.append(node)
        new.nodes = [*self.nodes, *names] if names else self.nodes
        new._kind_numbers = self._kind_numbers
        new._kinds = np.append(self._kinds, new._kinds_of(names)) if names else self._kinds
        new.hub = new.of_kind(node_ids.HUB) if names else self.hub
        new.changed_techniques = frozenset(
            {self.graph.technique[position] for position in removed}
            | {self.catalogue.numbers[edge.technique] for edge in added}
        )
        new._changed = self._changed_pairs(new, removed, added)
        return new

    def _difference(self, buckets: Iterable[Bucket]) -> tuple[set[int], list[Edge]]:
        """The positions of the records that go, and the records that come."""
        removed: set[int] = set()
        added: list[Edge] = []
        for bucket in buckets:
            went, came = bucket.difference(self.graph)
            removed.update(went)
            added += came
        return removed, added

    @property
    def changed(self) -> Mapping[tuple[int, int], Sequence[Edge]]:
        """The pairs of nodes that a what-if changes a record of, with their records then."""
        return self._changed

    def _changed_pairs(self, new: Compiled, removed: set[int], added: list[Edge]) -> dict[tuple[int, int], list[Edge]]:
        graph = self.graph
        coming: dict[tuple[int, int], list[Edge]] = {}
        for position in removed:
            coming.setdefault((graph.source[position], graph.target[position]), [])
        for edge in added:
            source, target = new.number(edge.source), new.number(edge.target)
            assert source is not None
            assert target is not None
            coming.setdefault((source, target), [])
            if self._usable(edge):
                coming[source, target].append(edge)
        for (source, target), records in coming.items():
            # A pair with another cause stays: only what its best record is may change.
            stay = [graph.edge(at) for at in self._positions(source, target) if at not in removed]
            records[:0] = stay
        return coming

    def _usable(self, edge: Edge) -> bool:
        return edge.technique not in self.excluded and not (self.certain and edge.missing)


def best_records(records: Iterable[Edge]) -> list[Edge]:
    """The best cause of each technique, the technique that a search uses first."""
    best: dict[str, Edge] = {}
    for edge in records:
        known = best.get(edge.technique)
        if known is None or rank(edge.effort, edge.missing) < rank(known.effort, known.missing):
            best[edge.technique] = edge
    return sorted(best.values(), key=lambda edge: (edge.effort, len(edge.missing), edge.technique))


def _pod_numbers(nodes: Iterable[str], known: dict[str, int]) -> Ints:
    """The number of each node's pod, -1 where it has none; pods that are new get the next ones."""
    found: list[int] = []
    for node in nodes:
        kind, _, rest = node.partition(":")
        if kind == "Container":
            rest = rest.rpartition("/")[0]
        elif kind != "Pod":
            found.append(-1)
            continue
        found.append(known.setdefault(rest, len(known)))
    return np.array(found, np.int64)


def _column(column: Any, kind: Any) -> Any:
    """A column as it is, without a copy; the graph is read only once it is built."""
    return np.frombuffer(column, kind) if len(column) else np.empty(0, kind)
