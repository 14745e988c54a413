"""The arrays that searches run over, how a what-if edits them, and reachability over them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

Ints: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]
Shorts: TypeAlias = npt.NDArray[np.uint16]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]


class Best(NamedTuple):
    """What joins two nodes, of all records the one that a search uses."""

    weight: int
    technique: int
    conditions: int


class Joined(NamedTuple):
    """What a what-if makes of two nodes; ``None`` if nothing joins them any more."""

    source: int
    target: int
    best: Best | None


@dataclass(frozen=True)
class Arrays:
    """One entry for each two joined nodes, sorted by source, then target.

    Attributes:
        indptr, indices, weights: The forward arrays as :mod:`scipy.sparse` has them.
        technique, conditions: The technique's number and the number of the set of C-ids.
    """

    indptr: Int32s
    indices: Int32s
    weights: Floats
    technique: Shorts
    conditions: Int32s

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self.indptr) - 1

    @cached_property
    def forward(self) -> Any:
        """The weights as a sparse array."""
        return csr_array((self.weights, self.indices, self.indptr), shape=(self.size, self.size))

    @cached_property
    def reverse(self) -> Any:
        """The weights from target to source."""
        turned = self.forward.tocsc()
        return csr_array((turned.data, turned.indices, turned.indptr), shape=(self.size, self.size))

    def best(self, place: int) -> Best:
        """What joins the pair at a place."""
        return Best(int(self.weights[place]), int(self.technique[place]), int(self.conditions[place]))

    @cached_property
    def _keys(self) -> Ints:
        """Each entry as one number, ascending."""
        rows = np.repeat(np.arange(self.size), np.diff(self.indptr))
        return rows * self.size + self.indices

    def places(self, sources: Ints | Int32s, targets: Ints | Int32s) -> Ints:
        """The places of some pairs of which each is joined."""
        return np.searchsorted(self._keys, sources.astype(np.int64) * self.size + targets)

    def leading_to(self, target: int) -> Int32s:
        """The nodes with an edge to another, sorted."""
        reverse = self.reverse
        found: Int32s = reverse.indices[reverse.indptr[target] : reverse.indptr[target + 1]]
        return found

    def place(self, source: int, target: int) -> int:
        """The place of a pair in the arrays, -1 if nothing joins the two nodes."""
        return place_in(self.indptr, self.indices, source, target)

    def edited(self, joined: Iterable[Joined], size: int) -> Arrays:
        """The arrays with some pairs set anew.

        Args:
            joined: The pairs, sorted, each once.
            size: How many nodes there are then, not fewer.
        """
        before = self.size
        weights, technique, conditions = self.weights.copy(), self.technique.copy(), self.conditions.copy()
        gone: list[int] = []
        sources: list[int] = []
        inserted: list[tuple[int, int, int, int, int, int]] = []
        for source, target, best in joined:
            place = self.place(source, target)
            if best is None:
                if place >= 0:
                    gone.append(place)
                    sources.append(source)
            elif place >= 0:
                weights[place], technique[place], conditions[place] = best
            else:
                at = len(self.indices)
                if source < before:
                    start, end = self.indptr[source], self.indptr[source + 1]
                    at = int(start + np.searchsorted(self.indices[start:end], target))
                inserted.append((at, source, target, *best))
        counts = np.zeros(size, np.int64)
        counts[:before] = np.diff(self.indptr)
        indices = self.indices
        if gone:
            np.subtract.at(counts, sources, 1)
            keep = np.ones(len(indices), np.bool_)
            keep[np.array(gone, np.int64)] = False
            indices, weights = indices[keep], weights[keep]
            technique, conditions = technique[keep], conditions[keep]
        if inserted:
            rows = np.array(inserted, np.int64)
            places = rows[:, 0] - np.searchsorted(np.array(sorted(gone), np.int64), rows[:, 0])
            np.add.at(counts, rows[:, 1], 1)
            indices = np.insert(indices, places, rows[:, 2].astype(np.int32))
            weights = np.insert(weights, places, rows[:, 3].astype(np.float64))
            technique = np.insert(technique, places, rows[:, 4].astype(np.uint16))
            conditions = np.insert(conditions, places, rows[:, 5].astype(np.int32))
        indptr = np.zeros(size + 1, np.int32)
        np.cumsum(counts, out=indptr[1:])
        return Arrays(indptr, indices, weights, technique, conditions)


def place_in(indptr: Int32s, indices: Int32s, row: int, column: int) -> int:
    """Where an entry stands in sorted sparse arrays, -1 if there is none."""
    if row >= len(indptr) - 1:
        return -1
    end = int(indptr[row + 1])
    # For a single entry numpy's search takes longer to begin than this one takes in all.
    place = bisect_left(indices, column, int(indptr[row]), end)
    return place if place < end and indices[place] == column else -1


def ranges(starts: Ints, counts: Ints | Int32s) -> tuple[Ints, Ints]:
    """For several ranges the place of the range and the position, one after the other.

    Args:
        starts: Where each range begins.
        counts: How long each is.
    """
    lengths: Ints = counts.astype(np.int64)
    row = np.repeat(np.arange(len(starts)), lengths)
    return row, np.arange(len(row)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)


def in_order(numbers: Ints | Int32s, count: int) -> Ints:
    """The places of some numbers from 0 in ascending order, equal ones as they stand.

    Args:
        numbers: The numbers.
        count: What they are less than. Short numbers are sorted by their digits, which takes a fraction.
    """
    return np.argsort(numbers.astype(np.uint16) if count <= 1 << 16 else numbers, kind="stable")


def reached(matrix: Any, starts: Iterable[int]) -> Bools:
    """Which nodes some nodes lead to, themselves included.

    Args:
        matrix: ``Compiled.forward``, or ``Compiled.reverse`` for what leads to the nodes.
        starts: Where the search starts, all at once.
    """
    size = matrix.shape[0]
    out = np.zeros(size, np.bool_)
    first = np.unique(np.fromiter(starts, np.int64))
    if len(first) == 0:
        return out
    if len(first) == 1:
        out[breadth_first_order(matrix, int(first[0]), return_predecessors=False)] = True
        return out
    order = breadth_first_order(_with_start(matrix, first), size, return_predecessors=False)
    out[order[order < size]] = True
    return out


def visited(matrix: Any, starts: Iterable[int]) -> tuple[Bools, Int32s]:
    """The same, and for each node the one before it on one way there, -1 for the starts and what is not reached."""
    size = matrix.shape[0]
    out = np.zeros(size, np.bool_)
    first = np.unique(np.fromiter(starts, np.int64))
    if len(first) == 0:
        return out, np.full(size, -1, np.int32)
    order, before = breadth_first_order(_with_start(matrix, first), size, return_predecessors=True)
    out[order[order < size]] = True
    before = before[:size].astype(np.int32)
    before[(before < 0) | (before == size)] = -1
    return out, before


def _with_start(matrix: Any, first: Ints) -> Any:
    """One extra node in front of all starts turns many searches into one."""
    size = matrix.shape[0]
    indptr = np.append(matrix.indptr, matrix.indptr[-1] + len(first)).astype(np.int32)
    indices = np.concatenate([matrix.indices, first.astype(np.int32)])
    return csr_array((np.ones(len(indices), np.float64), indices, indptr), shape=(size + 1, size + 1))


def reached_without(
    matrix: Any, starts: Iterable[int], gone: Iterable[tuple[int, int]], came: Iterable[tuple[int, int]], size: int
) -> Bools:
    """The same after an edit of the matrix, which stays as it is: no arrays are built for one look.

    Args:
        matrix: The matrix as it was.
        starts: Where the search starts; nodes may be new.
        gone: Entries that are no more, as row and column.
        came: Entries that are new; nodes may be new.
        size: How many nodes there are now.
    """
    before = matrix.shape[0]
    indices = matrix.indices
    places = [(place_in(matrix.indptr, indices, row, column), row) for row, column in gone]
    if places:
        # An edge to oneself does nothing, and the arrays keep their shape.
        indices = indices.copy()
        indices[[place for place, _ in places]] = [row for _, row in places]
    edited = csr_array((matrix.data, indices, matrix.indptr), shape=matrix.shape)
    out = np.zeros(size, np.bool_)
    new = sorted(set(starts))
    more = list(came)
    while new:
        out[new] = True
        out[:before] |= reached(edited, [node for node in new if node < before])
        new = sorted({column for row, column in more if out[row] and not out[column]})
    return out
