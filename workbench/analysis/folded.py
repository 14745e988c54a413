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
        size, counts = arrays.size, np.diff(arrays.indptr)
        single = counts == 1
        single[ends] = False
        following = np.arange(size, dtype=np.int32)
        weight = np.zeros(size)
        only = arrays.indptr[:-1][single]
        following[single], weight[single] = arrays.indices[only], arrays.weights[only]
        # Nodes that lead round in a circle and nowhere else never come to an end.
        for _ in range(size.bit_length()):
            further = following[following]
            if (further == following).all():
                break
            weight += weight[following]
            following = further
        weight[single[following]] = np.inf
        # Where such a circle comes to does not matter, but it has to be some place.
        place = np.maximum(np.cumsum(~single, dtype=np.int32) - 1, 0)
        self.arrays = arrays
        self.single = single
        self.anchors = np.flatnonzero(~single)
        self.anchor = place[following]
        self.weight = weight
        self._into = self.anchor[arrays.indices]
        self._way = arrays.weights + weight[arrays.indices]
        left = np.repeat(~single, counts)
        indptr = np.zeros(len(self.anchors) + 1, np.int32)
        np.cumsum(counts[self.anchors], out=indptr[1:])
        self._reverse = _turned(self._way[left], self._into[left], indptr)

    def distances(self, end: int) -> Floats:
        """The least weight from each anchor to an end; infinite where nothing leads there."""
        found: Floats = dijkstra(self._reverse, directed=True, indices=int(self.anchor[end]))
        return found

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
