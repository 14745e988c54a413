"""What leads to some targets at all, as a graph of its own: on a large cluster a small part of the whole."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from workbench.analysis.arrays import Arrays, Bools, Int32s, Ints, Joined, reached
from workbench.analysis.compiled import Compiled
from workbench.analysis.folded import Folded
from workbench.analysis.reach import Reach


class Leading:
    """A part of a graph that holds whatever leads to one of its nodes.

    Attributes:
        compiled: The whole graph.
        nodes: Which of its nodes are here, by number, sorted; their places count in all else.
        arrays: The edges between them, by place.
        hub: Which are hubs.
        ids: The order of the ids, by place.
    """

    compiled: Compiled
    nodes: Ints
    arrays: Arrays
    hub: Bools
    ids: IdOrder

    def __init__(self, compiled: Compiled, goals: Iterable[int]) -> None:
        """Cut it out.

        Args:
            compiled: The graph.
            goals: All targets that are to be searched, by number.
        """
        whole, goals = compiled.arrays, list(goals)
        leads = reached(compiled.reverse, goals)
        self.compiled = compiled
        self.nodes = np.flatnonzero(leads)
        self._places = np.where(leads, np.cumsum(leads, dtype=np.int32) - 1, -1)
        kept = np.repeat(leads, np.diff(whole.indptr)) & leads[whole.indices]
        before = np.zeros(len(kept) + 1, np.int32)
        np.cumsum(kept, out=before[1:])
        self.arrays = Arrays(
            np.append(before[whole.indptr[self.nodes]], before[-1]),
            self._places[whole.indices[kept]],
            whole.weights[kept],
            whole.technique[kept],
            whole.conditions[kept],
        )
        self.hub = compiled.hub[self.nodes]
        self._ends = np.unique(self._places[np.array(goals, np.int64)])
        self._reach: Reach | None = None
        self.ids = IdOrder(compiled.nodes, self.nodes)

    def after(self, compiled: Compiled, goals: Iterable[int]) -> Leading:
        """The same after a what-if, at the cost of the difference where it brings nothing that leads here.

        Args:
            compiled: The graph with the changes.
            goals: The targets then.
        """
        goals = list(goals)
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
        new.ids = self.ids
        new._reach = None
        new._ends = np.unique(self._places[np.array(goals, np.int64)])
        new.arrays = self.arrays.edited(joined, len(self.nodes)) if joined else self.arrays
        if not joined and np.array_equal(new._ends, self._ends):
            new.__dict__["folded"] = self.folded
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

    @cached_property
    def folded(self) -> Folded:
        """The same without the nodes that lead to a single other one; the targets stay."""
        return Folded(self.arrays, self._ends)


class IdOrder:
    """The order of some ids, which grows with what is asked: of a large graph few ids are ever compared."""

    def __init__(self, names: Sequence[str], nodes: Ints) -> None:
        """Know none.

        Args:
            names: The ids by number.
            nodes: The number of each place.
        """
        self._names = names
        self._nodes = nodes
        # Replaced as a whole, so that it is safe to ask from several threads.
        self._known: tuple[Int32s, Ints, list[str]] = (np.full(len(nodes), -1, np.int32), np.empty(0, np.int64), [])

    def ranks(self, places: Int32s) -> Int32s:
        """Numbers that are in the order of the ids of some places, until more are asked for."""
        rank, order, known = self._known
        new = np.unique(places[rank[places] < 0]).tolist()
        if new:
            found = sorted(
                (self._names[number], place) for number, place in zip(self._nodes[new].tolist(), new, strict=True)
            )
            names = [name for name, _ in found]
            order = np.insert(order, [bisect_left(known, name) for name in names], [place for _, place in found])
            rank = rank.copy()
            rank[order] = np.arange(len(order))
            # Two sorted parts are put together in linear time.
            self._known = rank, order, sorted(known + names)
        return rank[places]
