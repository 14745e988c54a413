"""Choke points: the nodes and single edges without which most pairs of entry point and crown jewel have no path.

A node cuts a pair if it lies on every path of it; an edge does if every path uses it. Both are read from dominator
trees of the reversed graph, one for each jewel: what lies below a node in the tree loses every path when the node
goes. An edge from u to v cuts what lies below u if v is the parent of u and every other node that u leads to lies
below u itself, for a way out of u then comes back to u first. All counts are exact.

Removing the ends of a pair says nothing, so they do not count for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import rustworkx

from workbench.analysis.arrays import Ints, ranges, reached
from workbench.analysis.compiled import Compiled
from workbench.analysis.leading import Leading
from workbench.analysis.paths import PathSet
from workbench.analysis.search import Tree


@dataclass(frozen=True, slots=True)
class ChokePoint:
    """A node, or an edge, and how many pairs have no path without it."""

    source: str
    """The node; of an edge where it starts."""
    target: str | None
    """Where an edge leads, which may be a hub: all members of a set; ``None`` for a node."""
    techniques: tuple[str, ...]
    """The techniques of an edge, sorted; all of them have to go."""
    pairs: int
    jewels: tuple[str, ...]
    """The jewels of these pairs, sorted."""

    @property
    def is_edge(self) -> bool:
        """Whether this is an edge."""
        return self.target is not None


def choke_points(paths: PathSet, limit: int | None = None) -> list[ChokePoint]:
    """All choke points, those that cut most first; nodes before edges, then by id.

    Args:
        paths: The paths to cut.
        limit: How many at most.
    """
    trees = [tree for tree in paths.trees if len(tree.sources)]
    if not trees or (limit is not None and limit <= 0):
        return []
    count = _Count(paths.compiled)
    between = _Between(paths.leading, paths.starts.numbers)
    for group in _alike(paths.leading, trees):
        targets = [target for tree in group for target in tree.targets]
        _Dominators(between, group[0].sources, targets[0]).add_to(count, targets)
    return count.most(limit)


def _alike(leading: Leading, trees: Iterable[Tree]) -> Iterable[list[Tree]]:
    """Trees of which one dominator tree says everything: the same nodes lead to their targets, whatever it costs."""
    arrays = leading.arrays
    groups: dict[object, list[Tree]] = {}
    for tree in trees:
        place = leading.place(tree.targets[0])
        leaf = arrays.indptr[place] == arrays.indptr[place + 1]
        key = (arrays.leading_to(place).tobytes(), tree.sources.tobytes()) if leaf else tree.targets
        groups.setdefault(key, []).append(tree)
    return groups.values()


NODE = -1
"""What stands for the target of a node."""


class _Count:
    """What is cut, by node and by edge, for one jewel after another."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._size = len(compiled.nodes)
        self._keys: list[Ints] = []
        self._pairs: list[Ints] = []
        self._jewels: list[int] = []

    def add(self, source: Ints, target: Ints | int, pairs: Ints, jewel: int) -> None:
        """Add what some nodes (``target`` is ``NODE``) or edges cut for a jewel."""
        self._keys.append(source * (self._size + 1) + target + 1)
        self._pairs.append(pairs)
        self._jewels.append(jewel)

    def most(self, limit: int | None) -> list[ChokePoint]:
        """Those that cut most."""
        every = np.concatenate(self._keys)
        keys, which = np.unique(every, return_inverse=True)
        pairs = np.zeros(len(keys), np.int64)
        np.add.at(pairs, which, np.concatenate(self._pairs))
        shown = np.flatnonzero(~self._compiled.hub[keys // (self._size + 1)])
        if limit is not None and limit < len(shown):
            least = -np.partition(-pairs[shown], limit - 1)[limit - 1]
            shown = shown[pairs[shown] >= least]
        points = [self._point(int(keys[at]), int(pairs[at])) for at in shown]
        points.sort(key=lambda point: (-point.pairs, point.is_edge, point.source, point.target or ""))
        return [self._with_jewels(point) for point in points[:limit]]

    def _point(self, key: int, pairs: int) -> ChokePoint:
        source, target = divmod(key, self._size + 1)
        target -= 1
        nodes = self._compiled.nodes
        if target == NODE:
            return ChokePoint(nodes[source], None, (), pairs, ())
        found = tuple(sorted({edge.technique for edge in self._compiled.records(source, target)}))
        return ChokePoint(nodes[source], nodes[target], found, pairs, ())

    def _with_jewels(self, point: ChokePoint) -> ChokePoint:
        source = self._compiled.number(point.source)
        target = NODE if point.target is None else self._compiled.number(point.target)
        assert source is not None
        assert target is not None
        key = source * (self._size + 1) + target + 1
        jewels = {jewel for keys, jewel in zip(self._keys, self._jewels, strict=True) if (keys == key).any()}
        return replace(point, jewels=tuple(sorted(self._compiled.nodes[jewel] for jewel in jewels)))


class _Between:
    """What lies between the entry points and the jewels, turned round, for one dominator tree after another."""

    def __init__(self, leading: Leading, sources: Ints) -> None:
        arrays = leading.arrays
        nodes = np.flatnonzero(reached(arrays.forward, leading.inside(sources).tolist()))
        self.numbers = leading.nodes[nodes]
        place = np.full(len(leading.nodes), -1, np.int64)
        place[nodes] = np.arange(len(nodes))
        begins = arrays.indptr[nodes].astype(np.int64)
        # What an entry point leads to leads to nothing else.
        self.row, edge = ranges(begins, arrays.indptr[nodes + 1] - begins)
        self.target = place[arrays.indices[edge]]
        # The membership of a set is nothing that anybody could cut.
        internal = leading.compiled.catalogue.internal
        self.shown = ~internal[arrays.technique[edge]] & ~leading.hub[nodes][self.row]
        # Each edge is here once, which need not be looked for again.
        self.graph: Any = rustworkx.PyDiGraph(multigraph=True)
        self.graph.add_nodes_from(range(len(self.numbers)))
        self.graph.extend_from_edge_list(list(zip(self.target.tolist(), self.row.tolist(), strict=True)))


class _Dominators:
    """The dominator tree of what lies between some entry points and a jewel, seen from the jewel."""

    def __init__(self, between: _Between, sources: Ints, goal: int) -> None:
        self.numbers = between.numbers
        self.root = int(np.searchsorted(self.numbers, goal))
        found = rustworkx.immediate_dominators(between.graph, self.root)
        self.parent = np.full(len(self.numbers), -1, np.int64)
        self.parent[np.fromiter(found.keys(), np.int64, len(found))] = np.fromiter(found.values(), np.int64, len(found))
        inside = (self.parent[between.row] >= 0) & (self.parent[between.target] >= 0) & (between.row != self.root)
        self.row, self.target, self.shown = between.row[inside], between.target[inside], between.shown[inside]
        self.parent[self.root] = -1
        self.entry = np.zeros(len(self.numbers), np.int64)
        self.entry[np.searchsorted(self.numbers, sources)] = 1
        self._intervals()

    def _intervals(self) -> None:
        """Depths, subtree sizes, entries below, and the places of a walk that visits parents first."""
        size = len(self.numbers)
        depth = np.full(size, -1, np.int64)
        depth[self.root] = 0
        levels: list[Ints] = [np.array([self.root])]
        children = np.argsort(self.parent, kind="stable")
        begins = np.searchsorted(self.parent[children], np.arange(size + 1))
        while len(levels[-1]):
            level = levels[-1]
            counts = begins[level + 1] - begins[level]
            offset = np.repeat(begins[level] - (np.cumsum(counts) - counts), counts)
            levels.append(children[np.arange(int(counts.sum())) + offset])
            depth[levels[-1]] = len(levels) - 1
        self.size = np.ones(size, np.int64)
        self.below = self.entry.copy()
        for level in reversed(levels[1:]):
            np.add.at(self.size, self.parent[level], self.size[level])
            np.add.at(self.below, self.parent[level], self.below[level])
        self.first = np.zeros(size, np.int64)
        for level in levels[1:]:
            # A level lists the children of one parent together.
            sizes, parents = self.size[level], self.parent[level]
            before = np.cumsum(sizes) - sizes
            head = np.ones(len(level), np.bool_)
            head[1:] = parents[1:] != parents[:-1]
            since = np.maximum.accumulate(np.where(head, before, 0))
            self.first[level] = self.first[parents] + 1 + before - since

    def add_to(self, count: _Count, targets: Sequence[int]) -> None:
        """Add what this tree says; it stands for all targets."""
        others = self.below - self.entry
        others[self.root] = 0
        cutting = np.flatnonzero(others > 0)
        up = self.parent[self.row] == self.target
        inside = (self.first[self.target] >= self.first[self.row]) & (
            self.first[self.target] < self.first[self.row] + self.size[self.row]
        )
        leaky = np.zeros(len(self.numbers), np.bool_)
        leaky[self.row[~up & ~inside]] = True
        critical = up & ~leaky[self.row] & (self.below[self.row] > 0) & self.shown
        source, target = self.row[critical], self.target[critical]
        last = target == self.root
        for jewel in targets:
            count.add(self.numbers[cutting], NODE, others[cutting], jewel)
            ends = np.where(last, jewel, self.numbers[target])
            count.add(self.numbers[source], ends, self.below[source], jewel)
