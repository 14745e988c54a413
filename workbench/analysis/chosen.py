"""Which nodes lead to some nodes by chosen techniques alone, after a what-if at the cost of the difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from workbench.analysis.arrays import Bools, Ints, place_in
from workbench.analysis.compiled import Compiled
from workbench.analysis.merged import Pairs
from workbench.analysis.reach import Reach, leading_to
from workbench.graph.graph import SURCHARGE, Edge


class Choice(NamedTuple):
    """Records of some techniques, whatever a search leaves out."""

    techniques: Bools
    """Which techniques, by number."""
    on: bool = False
    """Only records that the objects prove."""
    at_most: int | None = None
    """Only records whose effort before the surcharge of ``cond`` is at most this."""

    def holds(self, compiled: Compiled, edge: Edge) -> bool:
        """Whether a record is one of them."""
        return (
            bool(self.techniques[compiled.catalogue.numbers[edge.technique]])
            and not (self.on and edge.missing)
            and (self.at_most is None or edge.effort - SURCHARGE * bool(edge.missing) <= self.at_most)
        )


class Chosen:
    """What leads to some nodes over the records of some choices together.

    Attributes:
        leading: Which nodes do, the goals included, as a mask of the nodes of the graph.
    """

    leading: Bools

    def __init__(self, compiled: Compiled, choices: Sequence[Choice], goals: Iterable[int]) -> None:
        self._compiled = compiled
        self._choices = tuple(choices)
        self._goals = tuple(goals)
        self.leading = leading_to(len(compiled.nodes), *self._records, self._goals)

    def after(self, compiled: Compiled) -> Ints | None:
        """The nodes that do not lead to the goals any more in a what-if, sorted.

        Args:
            compiled: The graph of the what-if, which lies over the one that was searched.

        Returns:
            ``None`` if only a new search can tell.
        """
        matrix, leading, size = self._matrix, self.leading, len(self.leading)
        gone: list[tuple[int, int]] = []
        came: list[tuple[int, int]] = []
        for (source, target), records in compiled.changed.items():
            if target < size and not leading[target]:
                # Should it lead to the goals now, another edge that came says so.
                continue
            before = place_in(matrix.indptr, matrix.indices, target, source) >= 0
            now = any(choice.holds(compiled, edge) for edge in records for choice in self._choices)
            if before != now:
                (gone if before else came).append((target, source))
        # A new hub that nothing leads to leads nobody anywhere.
        entered = {target for target, _ in came}
        came = [pair for pair in came if pair[1] < size or pair[1] in entered or not compiled.hub[pair[1]]]
        return self._reach.after(gone, came) if gone or came else np.empty(0, np.int64)

    @property
    def _records(self) -> tuple[Ints, Ints]:
        found = [self._compiled.select(each.techniques, on=each.on, at_most=each.at_most) for each in self._choices]
        source, target = (np.concatenate([columns[at] for columns in found]) for at in (0, 1))
        return source, target

    @cached_property
    def _matrix(self) -> csr_array:
        source, target = self._records
        size = len(self._compiled.nodes)
        pairs = Pairs.of(target.astype(np.int32), source.astype(np.int32), size)
        return csr_array((np.ones(len(pairs.target), np.float64), pairs.target, pairs.indptr), shape=(size, size))

    @cached_property
    def _reach(self) -> Reach:
        turned = self._matrix.tocsc()
        forward = csr_array((turned.data, turned.indices, turned.indptr), shape=turned.shape)
        return Reach(self._matrix, forward, self._goals)
