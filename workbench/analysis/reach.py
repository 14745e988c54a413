"""What some nodes lead to, also after a few edges went; and which nodes lead to some over chosen records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from workbench.analysis.arrays import Bools, Int32s, Ints, place_in, ranges, reached, visited
from workbench.analysis.merged import counted

_MANY = 8
"""If more than one in so many nodes may be lost, a new search is as quick as looking for other ways to each."""


class Reach:
    """What some nodes lead to, with one way to each node: without a few edges only what is behind them is looked at.

    Attributes:
        found: The nodes that the search found, its starts included.
    """

    found: Bools

    def __init__(self, matrix: Any, turned: Any, starts: Iterable[int]) -> None:
        """Search.

        Args:
            matrix: The joined nodes as a sparse array, sorted within a row.
            turned: The same from column to row.
            starts: Where the search starts, all at once.
        """
        self._turned = turned
        self.found, self._before = visited(matrix, starts)

    def after(self, gone: Sequence[tuple[int, int]], came: Iterable[tuple[int, int]]) -> Ints | None:
        """The nodes that are not found any more, sorted.

        Args:
            gone: Entries of the matrix that are no more, as row and column.
            came: Entries that are new; nodes may be new.

        Returns:
            ``None`` if only a new search can tell: the new entries lead further, or too much depends on the old ones.
        """
        lost = self._lost(gone)
        if lost is None:
            return None
        without = set(lost.tolist())

        def stays(node: int) -> bool:
            return node < len(self.found) and bool(self.found[node]) and node not in without

        return None if any(stays(row) and not stays(column) for row, column in came) else lost

    def _lost(self, gone: Sequence[tuple[int, int]]) -> Ints | None:
        cut = sorted({column for row, column in gone if self._before[column] == row})
        if not cut:
            return np.empty(0, np.int64)
        inside = self._behind(np.array(cut, np.int64))
        if inside is None:
            return None
        indptr, indices = self._turned.indptr, self._turned.indices
        begins = indptr[inside].astype(np.int64)
        which, place = ranges(begins, indptr[inside + 1] - begins)
        without = [place_in(indptr, indices, column, row) for row, column in gone]
        source = indices[place]
        useful = self.found[source] & ~np.isin(place, without)
        which, source = which[useful], source[useful]
        alive = self.found.copy()
        alive[inside] = False
        while True:
            saved = alive[source]
            if not saved.any():
                return inside[~alive[inside]]
            alive[inside[which[saved]]] = True
            left = ~alive[inside[which]]
            which, source = which[left], source[left]

    def _behind(self, nodes: Ints) -> Ints | None:
        """Some nodes and all to which the known way leads through one of them, sorted; ``None`` if they are many."""
        children, begins = self._children
        seen = np.zeros(len(self.found), np.bool_)
        level, count = nodes, 0
        while len(level):
            count += len(level)
            if count * _MANY > len(seen):
                return None
            seen[level] = True
            starts = begins[level].astype(np.int64)
            _, place = ranges(starts, begins[level + 1] - starts)
            level = children[place].astype(np.int64)
            level = level[~seen[level]]
        return np.flatnonzero(seen)

    @cached_property
    def _children(self) -> tuple[Int32s, Int32s]:
        """The nodes after each node on the known ways, and where those of each begin."""
        after = np.flatnonzero(self._before >= 0)
        order, begins = counted(self._before[after], len(self.found))
        return after[order].astype(np.int32), begins


def leading_to(size: int, source: Ints, target: Ints, goals: Iterable[int]) -> Bools:
    """Which nodes lead to some nodes over the given records, the goals included.

    Args:
        size: How many nodes there are.
        source, target: The records.
        goals: The nodes.
    """
    wanted = list(goals)
    # Most records lead to what leads nowhere over the others.
    useful = np.zeros(size, np.bool_)
    useful[source] = True
    useful[wanted] = True
    source, target = source[useful[target]], target[useful[target]]
    order, begins = counted(target, size)
    # A search does not mind parallel edges, nor their order.
    matrix = csr_array((np.ones(len(source), np.float64), source[order], begins), shape=(size, size))
    return reached(matrix, wanted)
