"""A graph in which whatever leads to a single other node is left out: searches run over the rest, the *anchors*.

On a large cluster most nodes lead to a single other one, from which the rest of the way is the same for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from workbench.analysis.arrays import Arrays, Bools, Floats, Int32s, Ints, ranges


class Folded:
    """The anchors of a graph, and how all else comes to them.

    Attributes:
        arrays: The graph; its nodes are called by their places in it.
        single: Which nodes are no anchors: those that lead to one other node, and are no end.
        anchors: The anchors, sorted; arrays *by anchor* have an entry for each.
        anchor: For each node the place, in ``anchors``, of the first anchor on its way; for an anchor its own.
        weight: For each node the weight of its way there; infinite if it leads round in a circle and nowhere else.
    """

    def __init__(self, arrays: Arrays, ends: Ints) -> None:
        """Find the anchors.

        Args:
            arrays: The graph.
            ends: Nodes that searches begin at; they are anchors.
        """
        counts = np.diff(arrays.indptr)
        single = counts == 1
        single[ends] = False
        self.arrays = arrays
        self.single = single
        self.anchors = np.flatnonzero(~single)
        only = arrays.indptr[:-1][single]
        self.anchor, self.weight = _ways(single, arrays.indices[only], arrays.weights[only])
        self._into = self.anchor[arrays.indices]
        self._way = arrays.weights + self.weight[arrays.indices]
        left = np.repeat(~single, counts)
        self._inner, self._rest, self._reverse = _among(
            self._into[left], self._way[left], counts[self.anchors], self.anchor[ends]
        )

    def distances(self, end: int) -> Floats:
        """The least weight from each anchor to an end; infinite where nothing leads there."""
        found: Floats = dijkstra(self._reverse, directed=True, indices=int(self._inner[self.anchor[end]]))
        return found[self._inner] + self._rest

    def of(self, distances: Floats, nodes: Ints | Int32s) -> Floats:
        """The distances of some nodes, from those of the anchors."""
        found: Floats = distances[self.anchor[nodes]] + self.weight[nodes]
        return found

    def tight(self, distances: Floats, anchors: Ints) -> tuple[Ints, Ints]:
        """The edges with which the best ways of some anchors begin.

        Args:
            distances: The distances of the anchors to an end.
            anchors: The anchors, as nodes; each leads to the end, which is none of them.

        Returns:
            For each edge the place of the anchor among those given, ascending, and the place of the edge.
        """
        begins = self.arrays.indptr[anchors].astype(np.int64)
        row, edge = ranges(begins, self.arrays.indptr[anchors + 1] - begins)
        far = distances[self.anchor[anchors]]
        best = np.flatnonzero(distances[self._into[edge]] + self._way[edge] == far[row])
        return row[best], edge[best]


def _ways(single: Bools, following: Int32s, weights: Floats) -> tuple[Int32s, Floats]:
    """Where each node comes to first that is not single, by its place among those, and the weight of the way.

    Args:
        single: Which nodes lead to one other node.
        following, weights: For each of these that node, and the weight of the step.
    """
    first = np.arange(len(single), dtype=np.int32)
    weight = np.zeros(len(single))
    first[single], weight[single] = following, weights
    # Nodes that lead round in a circle and nowhere else never come to an end.
    for _ in range(len(single).bit_length()):
        further = first[first]
        if (further == first).all():
            break
        weight += weight[first]
        first = further
    weight[single[first]] = np.inf
    # Where such a circle comes to does not matter, but it has to be some place.
    place = np.maximum(np.cumsum(~single, dtype=np.int32) - 1, 0)
    return place[first], weight


def _among(targets: Int32s, weights: Floats, counts: Int32s, ends: Int32s) -> tuple[Int32s, Floats, Any]:
    """The graph of the anchors for searches, without those of which all edges lead to one other.

    Args:
        targets, weights: The edges between anchors, by their source.
        counts: How many each anchor has.
        ends: The anchors that searches begin at, which stay.

    Returns:
        For each anchor the place of the first one on its way that stays, the weight of the way there, and the least
        weights from target to source as a sparse array.
    """
    single = np.zeros(len(counts), np.bool_)
    leads = np.flatnonzero(counts)
    begins = (np.cumsum(counts) - counts)[leads]
    one = np.minimum.reduceat(targets, begins)
    single[leads] = one == np.maximum.reduceat(targets, begins)
    single[ends] = False
    alone = single[leads]
    place, rest = _ways(single, one[alone], np.minimum.reduceat(weights, begins)[alone])
    left = np.repeat(~single, counts)
    indptr = np.append(np.int32(0), np.cumsum(counts[~single], dtype=np.int32))
    into = targets[left]
    return place, rest, _turned(weights[left] + rest[into], place[into], indptr)


def _turned(weights: Floats, targets: Int32s, indptr: Int32s) -> Any:
    """The least weights from target to source, as a sparse array.

    Args:
        weights, targets, indptr: From source to target; a target may occur several times.
    """
    size = len(indptr) - 1
    turned = csr_array((weights, targets, indptr), shape=(size, size)).tocsc()
    # What joins the same two stands together now.
    fresh: Bools = np.ones(len(turned.indices), np.bool_)
    fresh[1:] = turned.indices[1:] != turned.indices[:-1]
    fresh[turned.indptr[:-1][np.diff(turned.indptr) > 0]] = True
    begins = np.flatnonzero(fresh)
    least = np.minimum.reduceat(turned.data, begins) if len(begins) else turned.data
    indptr = np.searchsorted(begins, turned.indptr).astype(np.int32)
    return csr_array((least, turned.indices[begins], indptr), shape=(size, size))
