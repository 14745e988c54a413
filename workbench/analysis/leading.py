"""What leads to some targets at all, as a graph of its own: on a large cluster a small part of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from workbench.analysis.arrays import Arrays, Bools, Floats, Ints, Joined, ranges, reached
from workbench.analysis.compiled import Compiled
from workbench.analysis.reach import Reach


class Leading:
    """A part of a graph that holds whatever leads to one of its nodes.

    Attributes:
        compiled: The whole graph.
        nodes: Which of its nodes are here, by number, sorted; their places count in all else.
        arrays: The edges between them, by place.
        hub: Which are hubs.
    """

    compiled: Compiled
    nodes: Ints
    arrays: Arrays
    hub: Bools

    def __init__(self, compiled: Compiled, goals: Iterable[int]) -> None:
        """Cut it out.

        Args:
            compiled: The graph.
            goals: All targets that are to be searched, by number.
        """
        whole = compiled.arrays
        leads = reached(compiled.reverse, goals)
        self.compiled = compiled
        self.nodes = np.flatnonzero(leads)
        self._places = np.where(leads, np.cumsum(leads) - 1, -1)
        begins = whole.indptr[self.nodes].astype(np.int64)
        row, edge = ranges(begins, whole.indptr[self.nodes + 1] - begins)
        useful = leads[whole.indices[edge]]
        row, edge = row[useful], edge[useful]
        indptr = np.zeros(len(self.nodes) + 1, np.int32)
        np.cumsum(np.bincount(row, minlength=len(self.nodes)), out=indptr[1:])
        self.arrays = Arrays(
            indptr,
            self._places[whole.indices[edge]].astype(np.int32),
            whole.weights[edge],
            whole.technique[edge],
            whole.conditions[edge],
        )
        self.hub = compiled.hub[self.nodes]
        self._reach: Reach | None = None

    def after(self, compiled: Compiled, goals: Iterable[int]) -> Leading:
        """The same after a what-if, at the cost of the difference where it brings nothing that leads here.

        Args:
            compiled: The graph with the changes.
            goals: The targets then.
        """
        joined: list[Joined] = []
        for source, target, best in compiled.joined:
            one, other = self.place(source), self.place(target)
            if one >= 0 and other >= 0:
                joined.append(Joined(one, other, best))
            elif other >= 0 and best is not None:
                return Leading(compiled, goals)
        if any(self.place(goal) < 0 for goal in goals):
            return Leading(compiled, goals)
        new = Leading.__new__(Leading)
        new.compiled, new.nodes, new.hub, new._places = compiled, self.nodes, self.hub, self._places
        new._reach = None
        new.arrays = self.arrays.edited(joined, len(self.nodes)) if joined else self.arrays
        if "id_rank" in self.__dict__:
            new.__dict__["id_rank"] = self.id_rank
        return new

    def lost(self, compiled: Compiled, goals: Iterable[int]) -> Ints | None:
        """The places that lead to no target any more after a what-if, which keeps the targets.

        Args:
            compiled: The graph with the changes.
            goals: The targets.

        Returns:
            ``None`` if only a search can tell.
        """
        gone, came = ([(self.place(target), self.place(source)) for source, target in edit] for edit in compiled.edits)
        if any(source < 0 <= target for target, source in came):
            return None
        if self._reach is None:
            self._reach = Reach(self.arrays.reverse, self.arrays.forward, [self.place(goal) for goal in goals])
        return self._reach.after([each for each in gone if min(each) >= 0], [each for each in came if min(each) >= 0])

    def place(self, number: int) -> int:
        """The place of a node, -1 if it is not here."""
        return int(self._places[number]) if number < len(self._places) else -1

    def places(self, numbers: Ints) -> Ints:
        """The places of some nodes, -1 for those that are not here."""
        out = np.full(len(numbers), -1, np.int64)
        known = numbers < len(self._places)
        out[known] = self._places[numbers[known]]
        return out

    def inside(self, numbers: Ints) -> Ints:
        """The places of those of some nodes that are here."""
        found = self.places(numbers)
        return found[found >= 0]

    def leading_to(self, goals: Iterable[int]) -> Bools:
        """Which places lead to some nodes, by number; after a what-if some may lead nowhere."""
        return reached(self.arrays.reverse, [self.place(goal) for goal in goals])

    def distances(self, goal: int) -> Floats:
        """The least weight from each place to a node, by number; infinite where nothing leads there."""
        found: Floats = dijkstra(self.arrays.reverse, directed=True, indices=self.place(goal))
        return found

    def all_distances(self, goals: Sequence[int]) -> Iterator[Floats]:
        """The distances to each of many nodes, by number (:meth:`distances`).

        Most nodes lead to a single other one, from which the rest of the way is the same: a search leaves them out.
        """
        size, arrays = len(self.nodes), self.arrays
        ends = self.inside(np.array(goals, np.int64))
        source = np.repeat(np.arange(size), np.diff(arrays.indptr))
        single = np.diff(arrays.indptr) == 1
        single[ends] = False
        following = np.arange(size)
        following[single] = arrays.indices[arrays.indptr[:-1][single]]
        weight = np.zeros(size)
        weight[single] = arrays.weights[arrays.indptr[:-1][single]]
        # Nodes that lead round in a circle and nowhere else never come to an end.
        for _ in range(size.bit_length()):
            further = following[following]
            if (further == following).all():
                break
            weight += weight[following]
            following = further
        weight[single[following]] = np.inf
        left = ~single[source]
        one, other = source[left], following[arrays.indices[left]]
        small = _least(one, other, arrays.weights[left] + weight[arrays.indices[left]], ~single)
        place = np.cumsum(~single) - 1
        for goal in goals:
            found: Floats = dijkstra(small, directed=True, indices=int(place[self.place(goal)]))
            yield found[place[following]] + weight

    @cached_property
    def id_rank(self) -> Ints:
        """The order of the ids, by place."""
        names = [self.compiled.nodes[number] for number in self.nodes.tolist()]
        rank = np.empty(len(names), np.int64)
        rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        return rank


def _least(source: Ints, target: Ints, weight: Floats, nodes: Bools) -> Any:
    """The least weights between some nodes from target to source, as a sparse array of these nodes alone."""
    place = np.cumsum(nodes) - 1
    count = int(np.count_nonzero(nodes))
    keys = place[target] * count + place[source]
    order = np.argsort(keys)
    keys = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    begins = np.flatnonzero(first)
    least = np.minimum.reduceat(weight[order], begins) if len(begins) else np.empty(0)
    keys = keys[begins]
    indptr = np.searchsorted(keys, np.arange(count + 1) * count)
    return csr_array((least, keys % count, indptr), shape=(count, count))
