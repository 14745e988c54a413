"""The core of a graph: nodes that no other single node cuts off from the jewels, so that one tree does for all.

On a large cluster almost everything leads to almost everything, and the dominator trees of the jewels differ in
little. Let a *pivot* be a node, and the core those nodes which no single other node cuts off from the pivot, and which
lead to each other without it. If no single node cuts the pivot off from a jewel, and the core leads there without the
pivot, then no single node cuts a node of the core off from the jewel: of two ways, over the pivot and without it, one
stays whichever node goes. Therefore

- a path counts as having arrived when it comes to the core. What lies on all paths of a node to the core lies on all
  its paths to the jewel, and the other way round: one tree for all such jewels;
- the exception are the few nodes that get to the jewel around the core. They have a small tree of their own, in which
  what leads out of them counts as an edge to the jewel, for it gets there in more ways than one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from workbench.analysis.arrays import Bools, Int32s, Ints, ranges
from workbench.analysis.dominators import Dominators, Edges, parents


class Around:
    """What gets to a jewel around the core.

    Attributes:
        nodes: The jewel and these nodes, sorted.
        tree: Their tree; it numbers them by their place, and after them has two nodes that stand for all others.
    """

    def __init__(self, nodes: Int32s, tree: Dominators) -> None:
        self.nodes = nodes
        self.tree = tree


class Core:
    """The core, and the paths to it.

    Attributes:
        tree: Their tree; its root comes after all nodes and stands for the core as a whole.
    """

    def __init__(self, edges: Edges, entry: Ints, goals: Iterable[int]) -> None:
        """Find it.

        Args:
            edges: The graph, its edges sorted by their source.
            entry: 1 for each node that is an entry point, else 0.
            goals: The jewels; the pivot is none of them.
        """
        self._edges = edges
        self._entry = entry
        size, source, target = edges.size, edges.source, edges.target
        ends = np.array(list(goals), np.int64)
        # What many lead to and what leads to many is a good pivot; the answers are right with any.
        degree = np.minimum(np.bincount(source, minlength=size), np.bincount(target, minlength=size))
        degree[ends] = 0
        self._pivot = pivot = int(np.argmax(degree))
        self._from_pivot, core = _apart(edges, ends, pivot)
        rest = _matrix(size, *(each[(source != pivot) & (target != pivot)] for each in (source, target)))
        _, component = connected_components(rest, directed=True, connection="strong")
        core &= component == np.argmax(np.bincount(component))
        self._reached = np.zeros(size, np.bool_)
        members = np.flatnonzero(core)
        if len(members):
            self._reached[breadth_first_order(rest, int(members[0]), return_predecessors=False)] = True
        del rest
        outside = ~core[source]
        self._before = _matrix(size, target[outside], source[outside])
        to_core = Edges(
            size + 1,
            np.concatenate([source[outside], members.astype(np.int32)]),
            np.concatenate([target[outside], np.full(len(members), size, np.int32)]),
            np.concatenate([edges.shown[outside], np.zeros(len(members), np.bool_)]),
        )
        self.tree = Dominators(to_core, size, np.append(entry, 0))

    def serves(self, goal: int) -> bool:
        """Whether no single other node cuts a node of the core off from a jewel."""
        return bool(self._from_pivot[goal] == self._pivot and self._reached[goal])

    def around(self, goal: int) -> Around:
        """What gets around the core to a jewel that the core serves."""
        edges = self._edges
        nodes = np.sort(breadth_first_order(self._before, goal, return_predecessors=False)).astype(np.int32)
        root, count = int(np.searchsorted(nodes, goal)), len(nodes)
        begins = np.searchsorted(edges.source, nodes)
        row, edge = ranges(begins, np.searchsorted(edges.source, nodes, side="right") - begins)
        place = np.minimum(np.searchsorted(nodes, edges.target[edge]), count - 1)
        inside = nodes[place] == edges.target[edge]
        # Nothing but itself keeps another node that leads to the core from the jewel, and of two nothing keeps both.
        leaving = np.unique(row[~inside & (self.tree.parent[edges.target[edge]] >= 0)])
        out = len(leaving)
        small = Edges(
            count + 2,
            np.concatenate([row[inside], leaving, leaving, [count, count + 1]]).astype(np.int32),
            np.concatenate([place[inside], np.repeat([count, count + 1], out), [root, root]]).astype(np.int32),
            np.concatenate([edges.shown[edge[inside]], np.zeros(2 * out + 2, np.bool_)]),
        )
        return Around(nodes, Dominators(small, root, np.append(self._entry[nodes], [0, 0])))

    def fewer(self, around: Around) -> Ints:
        """How many entry points of those below each node of the tree get to a jewel around the core, or are it."""
        tree = self.tree
        out = np.zeros(len(tree.parent), np.int64)
        for node in around.nodes[self._entry[around.nodes] > 0].tolist():
            above = int(tree.parent[node])
            while above >= 0:
                out[above] += 1
                above = int(tree.parent[above])
        # Of what gets around nothing counts in this tree.
        out[around.nodes] = tree.below[around.nodes]
        return out


def _apart(edges: Edges, ends: Ints, pivot: int) -> tuple[Ints, Bools]:
    """The tree of the paths from the pivot, and which nodes no single other one cuts off from it.

    Args:
        edges: The graph.
        ends: Nodes for which the tree is right; for others it is that of a smaller graph.
        pivot: The pivot.
    """
    one, other = _folded(edges, np.append(ends, pivot))
    return parents(edges.size, other, one, pivot), parents(edges.size, one, other, pivot) == pivot


def _folded(edges: Edges, kept: Ints) -> tuple[Int32s, Int32s]:
    """The edges of a smaller graph in which the same nodes are cut off from some by a single one.

    A node that leads to a single other one is left out: whoever comes to it goes on to that one, which then cuts off
    what it would cut off. That one must be none of those which are kept, for these do not count as cutting off.

    Args:
        edges: The graph.
        kept: The nodes whose cutting off is asked for.
    """
    size = edges.size
    stays = np.bincount(edges.source, minlength=size) != 1
    stays[kept] = True
    is_kept = np.zeros(size, np.bool_)
    is_kept[kept] = True
    following = np.arange(size, dtype=np.int32)
    single = ~stays[edges.source] & ~is_kept[edges.target]
    following[edges.source[single]] = edges.target[single]
    out = following != np.arange(size)
    # Nodes that lead round in a circle and nowhere else never come to an end.
    for _ in range(size.bit_length()):
        further = following[following]
        if (further == following).all():
            break
        following = further
    left = ~out[edges.source]
    source, target = edges.source[left], following[edges.target[left]]
    keys = np.sort((source.astype(np.int64) * size + target)[source != target])
    keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
    return (keys // size).astype(np.int32), (keys % size).astype(np.int32)


def _matrix(size: int, source: Int32s, target: Int32s) -> Any:
    return csr_array((np.ones(len(source)), (source, target)), shape=(size, size))
