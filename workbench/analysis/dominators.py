"""Dominator trees: which nodes and edges lie on every path from a node to one other, for all nodes at once."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import rustworkx

from workbench.analysis.arrays import Bools, Int32s, Ints


class Edges(NamedTuple):
    """The edges of a graph of which the nodes are numbers from 0."""

    size: int
    """How many nodes there are."""
    source: Int32s
    target: Int32s
    shown: Bools
    """Which are edges that people see, not the membership of a set."""


_TOGETHER = 1 << 14
"""So many edges are handed over at once: all of them as objects take several times the memory of the graph."""


def parents(size: int, source: Int32s, target: Int32s, root: int) -> Ints:
    """The node that all paths from each node to another one pass last before they part: its parent in the tree.

    Args:
        size: How many nodes there are.
        source: Where each edge starts; each edge is there once.
        target: Where it leads.
        root: The node that paths lead to.

    Returns:
        By node; -1 for the root and for those that do not lead there.
    """
    parent = np.full(size, -1, np.int64)
    joined = np.zeros(size, np.bool_)
    joined[source] = joined[target] = joined[root] = True
    nodes = np.flatnonzero(joined)
    place = np.cumsum(joined, dtype=np.int32) - 1
    graph: Any = rustworkx.PyDiGraph(multigraph=True)
    graph.add_nodes_from(range(len(nodes)))
    above, below = place[target], place[source]
    for start in range(0, len(above), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        graph.extend_from_edge_list(list(zip(above[part].tolist(), below[part].tolist(), strict=True)))
    found = rustworkx.immediate_dominators(graph, int(place[root]))
    dominated, dominator = (np.fromiter(each, np.int64, len(found)) for each in (found.keys(), found.values()))
    parent[nodes[dominated]] = nodes[dominator]
    parent[root] = -1
    return parent


class Dominators:
    """The dominator tree of the paths to one node, and how many entry points lie where in it.

    Attributes:
        root: The node that the paths lead to.
        parent: See :func:`parents`.
        entry: 1 for each node that is an entry point, else 0.
        below: How many entry points lie below each node, itself included: those whose paths all pass it.
    """

    def __init__(self, edges: Edges, root: int, entry: Ints) -> None:
        self.root = root
        self.entry = entry
        self.parent = parents(edges.size, edges.source, edges.target, root)
        leads = self.parent >= 0
        leads[root] = True
        inside = leads[edges.source] & leads[edges.target] & (edges.source != root)
        self._source, self._target = edges.source[inside], edges.target[inside]
        self._shown = edges.shown[inside]
        self._intervals()

    def _intervals(self) -> None:
        """Subtree sizes, entries below, and the places of a walk that visits parents first."""
        size = len(self.parent)
        levels: list[Ints] = [np.array([self.root])]
        children = np.argsort(self.parent, kind="stable")
        begins = np.searchsorted(self.parent[children], np.arange(size + 1))
        while len(levels[-1]):
            level = levels[-1]
            counts = begins[level + 1] - begins[level]
            offset = np.repeat(begins[level] - (np.cumsum(counts) - counts), counts)
            levels.append(children[np.arange(int(counts.sum())) + offset])
        self._size = np.ones(size, np.int64)
        self.below = self.entry.copy()
        for level in reversed(levels[1:]):
            np.add.at(self._size, self.parent[level], self._size[level])
            np.add.at(self.below, self.parent[level], self.below[level])
        self._first = np.zeros(size, np.int64)
        for level in levels[1:]:
            # A level lists the children of one parent together.
            sizes, above = self._size[level], self.parent[level]
            before = np.cumsum(sizes) - sizes
            head = np.ones(len(level), np.bool_)
            head[1:] = above[1:] != above[:-1]
            since = np.maximum.accumulate(np.where(head, before, 0))
            self._first[level] = self._first[above] + 1 + before - since

    @cached_property
    def nodes(self) -> tuple[Ints, Ints]:
        """The nodes that cut an entry point off, and how many each; the root, and an end for itself, do not count."""
        others = self.below - self.entry
        others[self.root] = 0
        cutting = np.flatnonzero(others > 0)
        return cutting, others[cutting]

    @cached_property
    def edges(self) -> tuple[Int32s, Int32s, Ints]:
        """The edges that cut an entry point off, as source, target and how many.

        An edge from u to v does if v is the parent of u, and every other node that u leads to lies below u itself: a
        way out of u then comes back to u first.
        """
        source, target, first = self._source, self._target, self._first
        up = self.parent[source] == target
        inside = (first[target] >= first[source]) & (first[target] < first[source] + self._size[source])
        leaky = np.zeros(len(self.parent), np.bool_)
        leaky[source[~up & ~inside]] = True
        critical = up & ~leaky[source] & (self.below[source] > 0) & self._shown
        source = source[critical]
        return source, target[critical], self.below[source]
