"""Choke points: the nodes and single edges without which most pairs of entry point and crown jewel have no path.

A node cuts a pair if it lies on every path of it; an edge does if every path uses it. Both are read from dominator
trees of the reversed graph, one for each jewel: what lies below a node in the tree loses every path when the node
goes. An edge from u to v cuts what lies below u if v is the parent of u and every other node that u leads to lies
below u itself, for a way out of u then comes back to u first. All counts are exact.

Removing the ends of a pair says nothing, so they do not count for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rustworkx

from workbench.analysis.compiled import Compiled, Ints, best_records
from workbench.analysis.paths import PathSet
from workbench.analysis.reach import reached
from workbench.analysis.search import Rows
from workbench.graph import nodes as node_ids


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
    compiled = paths.compiled
    count = _Count(compiled)
    trees = [tree for tree in paths.trees if len(tree.sources)]
    if trees:
        between = _Between(compiled, paths.starts.numbers, [tree.targets[0] for tree in trees])
        for tree in trees:
            _Dominators(between, tree.sources, tree.targets[0]).add_to(count, tree.targets)
    found = [*_nodes(compiled, count), *_edges(compiled, count)]
    found.sort(key=lambda point: (-point.pairs, point.is_edge, point.source, point.target or ""))
    return found[:limit]


class _Count:
    """What is cut, summed over the jewels."""

    def __init__(self, compiled: Compiled) -> None:
        self.nodes = np.zeros(len(compiled.nodes), np.int64)
        self.edges: dict[tuple[int, int], int] = {}
        self.node_jewels: list[tuple[Ints, tuple[int, ...]]] = []
        self.edge_jewels: dict[tuple[int, int], set[int]] = {}

    def edge(self, source: int, target: int, pairs: int, jewels: Iterable[int], times: int = 1) -> None:
        key = (source, target)
        self.edges[key] = self.edges.get(key, 0) + pairs * times
        self.edge_jewels.setdefault(key, set()).update(jewels)


class _Between:
    """What lies between the entry points and the jewels, turned round, for one dominator tree after another."""

    def __init__(self, compiled: Compiled, sources: Ints, goals: Iterable[int]) -> None:
        between = reached(compiled.reverse, goals) & reached(compiled.forward, sources.tolist())
        self.numbers = np.flatnonzero(between)
        self.place = np.full(len(between), -1, np.int64)
        self.place[self.numbers] = np.arange(len(self.numbers))
        rows = Rows.of(compiled, self.numbers)
        target = self.place[compiled.indices[rows.place]]
        inside = target >= 0
        self.row, self.target = rows.row[inside], target[inside]
        self.graph: Any = rustworkx.PyDiGraph(multigraph=False)
        self.graph.add_nodes_from(range(len(self.numbers)))
        self.graph.extend_from_edge_list(list(zip(self.target.tolist(), self.row.tolist(), strict=True)))


class _Dominators:
    """The dominator tree of what lies between some entry points and a jewel, seen from the jewel."""

    def __init__(self, between: _Between, sources: Ints, goal: int) -> None:
        self.numbers = between.numbers
        self.root = int(between.place[goal])
        found = rustworkx.immediate_dominators(between.graph, self.root)
        self.parent = np.full(len(self.numbers), -1, np.int64)
        self.parent[np.fromiter(found.keys(), np.int64, len(found))] = np.fromiter(found.values(), np.int64, len(found))
        inside = (self.parent[between.row] >= 0) & (self.parent[between.target] >= 0) & (between.row != self.root)
        self.row, self.target = between.row[inside], between.target[inside]
        self.parent[self.root] = -1
        self.entry = np.zeros(len(self.numbers), np.int64)
        self.entry[between.place[sources]] = 1
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
        count.nodes[self.numbers[cutting]] += others[cutting] * len(targets)
        count.node_jewels.append((self.numbers[cutting], tuple(targets)))
        up = self.parent[self.row] == self.target
        inside = (self.first[self.target] >= self.first[self.row]) & (
            self.first[self.target] < self.first[self.row] + self.size[self.row]
        )
        leaky = np.zeros(len(self.numbers), np.bool_)
        leaky[self.row[~up & ~inside]] = True
        critical = up & ~leaky[self.row] & (self.below[self.row] > 0)
        for source, target in zip(self.row[critical], self.target[critical], strict=True):
            pairs = int(self.below[source])
            if target == self.root:
                for goal in targets:
                    count.edge(int(self.numbers[source]), goal, pairs, (goal,))
            else:
                count.edge(int(self.numbers[source]), int(self.numbers[target]), pairs, targets, times=len(targets))


def _nodes(compiled: Compiled, count: _Count) -> Iterable[ChokePoint]:
    jewels: dict[int, set[int]] = {}
    for numbers, targets in count.node_jewels:
        for number in numbers.tolist():
            jewels.setdefault(number, set()).update(targets)
    for number, targets_of in jewels.items():
        if not compiled.hub[number]:
            yield ChokePoint(compiled.nodes[number], None, (), int(count.nodes[number]), _ids(compiled, targets_of))


def _edges(compiled: Compiled, count: _Count) -> Iterable[ChokePoint]:
    numbers, internal = compiled.catalogue.numbers, compiled.catalogue.internal
    for (source, target), pairs in count.edges.items():
        found = {edge.technique for edge in best_records(compiled.records(source, target))}
        shown = tuple(sorted(technique for technique in found if not internal[numbers[technique]]))
        # The membership of a set is nothing that anybody could cut.
        if shown and not node_ids.is_hub(compiled.nodes[source]):
            yield ChokePoint(
                compiled.nodes[source],
                compiled.nodes[target],
                shown,
                pairs,
                _ids(compiled, count.edge_jewels[source, target]),
            )


def _ids(compiled: Compiled, numbers: Iterable[int]) -> tuple[str, ...]:
    return tuple(sorted(compiled.nodes[number] for number in numbers))
