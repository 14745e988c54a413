"""Which pairs of entry point and crown jewel lose every path when some edges go: one forest for each jewel.

A forest holds one way from every node to the jewel. If none of the edges that go stands in it, nothing is lost. Else
only what lies behind them is looked at: a node that has another edge to a node with a way has a way itself, and so on
until nothing changes. So a fix costs what it touches, not a search of the whole graph. The counts are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse.csgraph import breadth_first_order

from workbench.analysis.arrays import Bools, Ints, ranges
from workbench.analysis.compiled import Compiled
from workbench.analysis.paths import PathSet

Pair = tuple[int, int]


class Forest:
    """One way from every node that leads to a target."""

    def __init__(self, compiled: Compiled, sources: Ints, targets: Sequence[int]) -> None:
        """Search backward.

        Args:
            compiled: The graph.
            sources: The entry points that lead to the targets.
            targets: Targets that the same edges lead to (:class:`workbench.analysis.search.Tree`).
        """
        size = len(compiled.nodes)
        self._compiled = compiled
        self.targets = tuple(targets)
        self._goal = targets[0]
        order, before = breadth_first_order(compiled.reverse, self._goal, return_predecessors=True)
        self._leads = np.zeros(size, np.bool_)
        self._leads[order] = True
        self._next = np.where(before >= 0, before, -1).astype(np.int32)
        self._children = np.argsort(self._next, kind="stable").astype(np.int32)
        self._begins = np.searchsorted(self._next[self._children], np.arange(size + 1)).astype(np.int32)
        self._is_source = np.zeros(size, np.bool_)
        self._is_source[sources] = True

    def lost(self, target: int, removed: Ints, added: Ints) -> int:
        """How many entry points have no way to a target any more.

        Args:
            target: One of the targets.
            removed: The pairs of nodes that nothing joins any more, a row each.
            added: The pairs that are joined now and were not, a row each; nodes may be new.
        """
        source, end = removed[:, 0], removed[:, 1]
        # Nothing leads out of several targets, so that an edge to another one of them means nothing here.
        goes = (end == target) | ~np.isin(end, self.targets)
        source, end = source[goes], np.where(end[goes] == target, self._goal, end[goes])
        heads = source[self._next[source] == end]
        if not len(heads):
            return 0
        behind = self._behind(heads)
        if not (behind & self._is_source).any():
            return 0
        gone = source * len(behind) + end
        self._rescue(behind, gone, added[:, 0], np.where(added[:, 1] == target, self._goal, added[:, 1]))
        return int(np.count_nonzero(behind & self._is_source))

    def _behind(self, heads: Ints) -> Bools:
        """The nodes whose way leads over one of these, themselves included."""
        out = np.zeros(len(self._next), np.bool_)
        level = np.unique(heads)
        while len(level):
            out[level] = True
            rows = ranges(self._begins[level].astype(np.int64), self._begins[level + 1] - self._begins[level])[1]
            level = self._children[rows].astype(np.int64)
        return out

    def _rescue(self, behind: Bools, gone: Ints, more: Ints, ends: Ints) -> None:
        """Take out of ``behind`` what has another way."""
        compiled, size = self._compiled, len(behind)
        nodes = np.flatnonzero(behind)
        begins = compiled.indptr[nodes].astype(np.int64)
        row, place = ranges(begins, compiled.indptr[nodes + 1] - begins)
        source, target = nodes[row], compiled.indices[place].astype(np.int64)
        useful = self._leads[target] & ~np.isin(source * size + target, gone)
        source, target = source[useful], target[useful]
        top = max(size, int(max(more.max(initial=0), ends.max(initial=0))) + 1)
        wanted = (more >= size) | behind[np.minimum(more, size - 1)]
        source, target = np.append(source, more[wanted]), np.append(target, ends[wanted])
        alive = np.zeros(top, np.bool_)
        alive[:size] = self._leads & ~behind
        while True:
            found = source[alive[target] & ~alive[source]]
            if not len(found):
                break
            alive[found] = True
        behind &= ~alive[:size]


class Cuts:
    """The forests of all crown jewels of a set of paths."""

    def __init__(self, paths: PathSet) -> None:
        self._compiled = paths.compiled
        self._forests = [Forest(paths.compiled, tree.sources, tree.targets) for tree in paths.trees if len(tree.firsts)]

    def of(self, removed: Sequence[Pair] | Ints, added: Sequence[Pair] | Ints = ()) -> tuple[int, list[str]]:
        """How many pairs lose every path, and the crown jewels of these pairs."""
        total, jewels = 0, []
        pairs = np.asarray(removed, np.int64).reshape(-1, 2)
        more = np.asarray(added, np.int64).reshape(-1, 2)
        for forest in self._forests:
            for target in forest.targets:
                lost = forest.lost(target, pairs, more)
                if lost:
                    total += lost
                    jewels.append(self._compiled.nodes[target])
        return total, jewels
