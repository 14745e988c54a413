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

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from workbench.analysis.catalogue import Catalogue, Conditions
from workbench.graph import nodes as node_ids
from workbench.graph.graph import Edge, Fact, Graph
from workbench.techniques.api import Technique
from workbench.techniques.build import Bucket

Ints: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

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
        indptr, indices, weights: The forward arrays, sorted by target within a row.
        technique, conditions: Of the best record of each pair: its technique's number, and its set of C-ids, a
            number of ``condition_sets``.
        forward, reverse: The weights as sparse arrays.
        hub: Which nodes are hubs.
        changed_techniques: The numbers of the techniques that a what-if changed a record of.
    """

    graph: Graph
    catalogue: Catalogue
    certain: bool
    excluded: frozenset[str]
    nodes: list[str]
    indptr: Int32s
    indices: Int32s
    weights: Floats
    technique: Int32s
    conditions: Int32s
    forward: Any
    reverse: Any
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
        self._changed: dict[tuple[int, int], list[Edge]] = {}
        self._added: list[Edge] = []
        self._removed: Ints = np.empty(0, np.int64)
        self._conditions = Conditions()
        self._rank: Ints | None = None
        self.hub = np.array([node.startswith("Hub:") for node in graph.nodes], np.bool_)
        self._columns()
        self._merge()
        self._matrices()

    # --- building ---------------------------------------------------------------------------------

    def _columns(self) -> None:
        graph = self.graph
        source, target = _column(graph.source, np.int32), _column(graph.target, np.int32)
        technique = _column(graph.technique, np.uint16).astype(np.int32)
        effort, missing = _column(graph.effort, np.uint8).astype(np.int64), _column(graph.missing, np.int32)
        self._record_source, self._record_target = source, target
        self._record_technique, self._record_effort, self._record_missing = technique, effort, missing

    def _merge(self) -> None:
        size = len(self.nodes)
        kept = self._kept()
        source, target = self._record_source.astype(np.int64), self._record_target
        technique, effort, missing = self._record_technique, self._record_effort, self._record_missing
        if kept is not None:
            source, target, technique = source[kept], target[kept], technique[kept]
            effort, missing = effort[kept], missing[kept]
        facts = self.graph.facts
        # The rank of a cause: every (effort, missing) that occurs, put in order once.
        combined = effort * len(facts) + missing
        table = np.zeros(256 * len(facts), np.int64)
        table[combined] = 1
        causes = [divmod(value, len(facts)) for value in np.flatnonzero(table).tolist()]
        causes.sort(key=lambda cause: _rank(cause[0], facts[cause[1]]))
        for rank, (amount, number) in enumerate(causes):
            table[amount * len(facts) + number] = rank
        by_value = table[combined]
        pair = source * size + target
        radix = max(len(causes), 1)
        order_of = self.catalogue.order[technique].astype(np.int64)
        kinds = max(len(self.catalogue.ids), 1)
        if size * size * kinds * radix < 1 << 62:
            order = np.argsort((pair * kinds + order_of) * radix + by_value)
        else:
            order = np.lexsort((by_value, order_of, pair))
        pair, technique, effort, missing = pair[order], technique[order], effort[order], missing[order]
        self._order = order if kept is None else kept[order]
        first = np.ones(len(pair), np.bool_)
        first[1:] = (pair[1:] != pair[:-1]) | (technique[1:] != technique[:-1])
        best = np.flatnonzero(first)
        lengths = np.array([len(each) for each in facts], np.int64)
        total = effort[best] * EFFORT + lengths[missing[best]] * MISSING
        total += np.where(self.hub[pair[best] // max(size, 1)], FROM_HUB, STEP)
        best = _least(pair[best], total, best)
        weights = effort[best] * EFFORT + lengths[missing[best]] * MISSING
        weights += np.where(self.hub[pair[best] // max(size, 1)], FROM_HUB, STEP)
        self._pairs = pair[best]
        starts = np.ones(len(pair), np.bool_)
        starts[1:] = pair[1:] != pair[:-1]
        self._pair_starts = np.append(np.flatnonzero(starts), len(pair))
        rows = self._pairs // max(size, 1)
        self.indptr = np.zeros(size + 1, np.int32)
        np.cumsum(np.bincount(rows, minlength=size), out=self.indptr[1:])
        self.indices = (self._pairs - rows * size).astype(np.int32)
        self.weights = weights.astype(np.float64)
        self.technique = technique[best].astype(np.int32)
        numbers = np.array([self._conditions.number(fact for fact, _ in each) for each in facts], np.int32)
        self.conditions = numbers[missing[best]]

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

    def _matrices(self) -> None:
        shape = (len(self.nodes), len(self.nodes))
        self.forward = csr_array((self.weights, self.indices, self.indptr), shape=shape)
        turned = self.forward.tocsc()
        self.reverse = csr_array((turned.data, turned.indices, turned.indptr), shape=shape)

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

    def numbers(self, ids: Iterable[str]) -> Ints:
        """The numbers of those of some nodes that the graph has, in order."""
        known, new = self.graph.numbers, self._new_numbers
        found = [known[node] if node in known else new.get(node, -1) for node in ids]
        numbers = np.array(found, np.int64)
        return numbers[numbers >= 0]

    def edge_at(self, source: int, target: int) -> int:
        """The place of a pair in the arrays, -1 if nothing joins the two nodes."""
        start, end = self.indptr[source], self.indptr[source + 1]
        place = int(start + np.searchsorted(self.indices[start:end], target))
        return place if place < end and self.indices[place] == target else -1

    def source_of(self, place: int) -> int:
        """The source of a place in the arrays."""
        return int(np.searchsorted(self.indptr, place, side="right")) - 1

    def records(self, source: int, target: int) -> list[Edge]:
        """All records from one node to another, as far as this search may use them."""
        changed = self._changed.get((source, target))
        return self._base_records(source, target) if changed is None else changed

    def _base_records(self, source: int, target: int) -> list[Edge]:
        return [self.graph.edge(position) for position in self._positions(source, target)]

    def _positions(self, source: int, target: int) -> list[int]:
        size = len(self.graph.nodes)
        if source >= size or target >= size:
            return []
        key = source * size + target
        at = int(np.searchsorted(self._pairs, key))
        if at == len(self._pairs) or self._pairs[at] != key:
            return []
        return sorted(int(position) for position in self._order[self._pair_starts[at] : self._pair_starts[at + 1]])

    def best(self, source: int, target: int) -> Edge:
        """The record that the weight between two joined nodes comes from.

        Raises:
            LookupError: Nothing joins the two nodes.
        """
        found = best_records(self.records(source, target))
        if not found:
            raise LookupError(f"nothing leads from {self.nodes[source]} to {self.nodes[target]}")
        return found[0]

    def id_rank(self) -> Ints:
        """The place of each node in the order of the ids; computed when somebody asks."""
        if self._rank is None:
            rank = np.empty(len(self.nodes), np.int64)
            rank[sorted(range(len(self.nodes)), key=self.nodes.__getitem__)] = np.arange(len(self.nodes))
            self._rank = rank
        return self._rank

    def select(self, techniques: Bools, *, on: bool = False, at_most: int | None = None) -> tuple[Ints, Ints, Ints]:
        """The records of some techniques, whatever this search leaves out, as source, target and technique numbers.

        Args:
            techniques: Which techniques, by number.
            on: Only records that the objects prove.
            at_most: Only records whose effort before the surcharge of ``cond`` is at most this.
        """
        chosen = techniques[self._record_technique]
        if on:
            chosen &= self._record_missing == 0
        if at_most is not None:
            chosen &= self._record_effort - 2 * (self._record_missing != 0) <= at_most
        if len(self._removed):
            chosen[self._removed] = False
        places = np.flatnonzero(chosen)
        source, target = self._record_source[places].astype(np.int64), self._record_target[places].astype(np.int64)
        numbers = self._record_technique[places].astype(np.int64)
        added = [
            (self.number(edge.source), self.number(edge.target), self.catalogue.numbers[edge.technique])
            for edge in self._added
            if techniques[self.catalogue.numbers[edge.technique]]
            and not (on and edge.missing)
            and (at_most is None or edge.effort - 2 * bool(edge.missing) <= at_most)
        ]
        if added:
            more = np.array(added, np.int64)
            source = np.concatenate([source, more[:, 0]])
            target = np.concatenate([target, more[:, 1]])
            numbers = np.concatenate([numbers, more[:, 2]])
        return source, target, numbers

    # --- what-if ----------------------------------------------------------------------------------

    def patched(self, buckets: Iterable[Bucket]) -> Compiled:
        """The arrays after some buckets are replaced; equal to compiling a new graph, at the cost of the difference.

        Args:
            buckets: What :func:`workbench.techniques.build.recompute` yields for this graph.
        """
        removed, added = self._difference(buckets)
        new = Compiled.__new__(Compiled)
        new.graph, new.catalogue, new.certain, new.excluded = self.graph, self.catalogue, self.certain, self.excluded
        for name in ("source", "target", "technique", "effort", "missing"):
            setattr(new, f"_record_{name}", getattr(self, f"_record_{name}"))
        new._order, new._pairs, new._pair_starts = self._order, self._pairs, self._pair_starts
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
        new._rank = None if names else self._rank
        new.hub = np.append(self.hub, [node_ids.is_hub(node) for node in names]) if names else self.hub
        new.changed_techniques = frozenset(
            {self.graph.technique[position] for position in removed}
            | {self.catalogue.numbers[edge.technique] for edge in added}
        )
        new._changed = self._changed_pairs(new, removed, added)
        new._edit(self)
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

    def _edit(self, base: Compiled) -> None:
        weights, technique, conditions = base.weights.copy(), base.technique.copy(), base.conditions.copy()
        gone: list[int] = []
        inserted: list[tuple[int, int, int, int, int, int]] = []
        for (source, target), records in sorted(self._changed.items()):
            place = base.edge_at(source, target) if source < len(base.nodes) and target < len(base.nodes) else -1
            best = next(iter(best_records(records)), None)
            if best is None:
                if place >= 0:
                    gone.append(place)
                continue
            value = weight(best.effort, len(best.missing), bool(self.hub[source]))
            number = self.catalogue.numbers[best.technique]
            condition = self._conditions.number(best.conditions)
            if place >= 0:
                weights[place], technique[place], conditions[place] = value, number, condition
                continue
            if source < len(base.nodes):
                start, end = base.indptr[source], base.indptr[source + 1]
                at = int(start + np.searchsorted(base.indices[start:end], target))
            else:
                at = len(base.indices)
            inserted.append((at, source, target, value, number, condition))
        size = len(self.nodes)
        counts = np.zeros(size, np.int64)
        counts[: len(base.nodes)] = np.diff(base.indptr)
        indices = base.indices
        if gone:
            places = np.array(gone, np.int64)
            np.subtract.at(counts, [base.source_of(place) for place in gone], 1)
            keep = np.ones(len(indices), np.bool_)
            keep[places] = False
            indices, weights = indices[keep], weights[keep]
            technique, conditions = technique[keep], conditions[keep]
        if inserted:
            rows = np.array(inserted, np.int64)
            at_places = rows[:, 0] - np.searchsorted(np.array(sorted(gone), np.int64), rows[:, 0])
            np.add.at(counts, rows[:, 1], 1)
            indices = np.insert(indices, at_places, rows[:, 2].astype(np.int32))
            weights = np.insert(weights, at_places, rows[:, 3].astype(np.float64))
            technique = np.insert(technique, at_places, rows[:, 4].astype(np.int32))
            conditions = np.insert(conditions, at_places, rows[:, 5].astype(np.int32))
        self.indptr = np.zeros(size + 1, np.int32)
        np.cumsum(counts, out=self.indptr[1:])
        self.indices, self.weights, self.technique, self.conditions = indices, weights, technique, conditions
        self._matrices()

    @property
    def changed_pairs(self) -> Iterable[tuple[int, int]]:
        """The pairs of nodes whose records a what-if changed."""
        return self._changed.keys()


def best_records(records: Iterable[Edge]) -> list[Edge]:
    """The best cause of each technique, the technique that a search uses first."""
    best: dict[str, Edge] = {}
    for edge in records:
        known = best.get(edge.technique)
        if known is None or _rank(edge.effort, edge.missing) < _rank(known.effort, known.missing):
            best[edge.technique] = edge
    return sorted(best.values(), key=lambda edge: (edge.effort, len(edge.missing), edge.technique))


def _rank(effort: int, missing: tuple[Fact, ...]) -> tuple[bool, int, int, tuple[Fact, ...]]:
    return (bool(missing), effort, len(missing), missing)


def _column(column: Any, kind: Any) -> Any:
    """A column as it is, without a copy; the graph is read only once it is built."""
    return np.frombuffer(column, kind) if len(column) else np.empty(0, kind)


def _least(pair: Ints, total: Ints, place: Ints) -> Ints:
    """The place of the least weight of each pair; equal ones are in the order that breaks ties."""
    starts = np.ones(len(pair), np.bool_)
    starts[1:] = pair[1:] != pair[:-1]
    if starts.all():
        return place
    begins = np.flatnonzero(starts)
    least = np.minimum.reduceat(total, begins)
    group = np.cumsum(starts) - 1
    matching = np.flatnonzero(total == least[group])
    chosen = np.ones(len(matching), np.bool_)
    chosen[1:] = group[matching[1:]] != group[matching[:-1]]
    return place[matching[chosen]]
