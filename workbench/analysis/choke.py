"""Choke points: the nodes and single edges without which most pairs of entry point and crown jewel have no path.

A node cuts a pair if it lies on every path of it; an edge does if every path uses it. Both are read from dominator
trees of the reversed graph, one for each jewel, or one for all that the core of the graph leads to (``core``).
What lies below a node in the tree loses every path when the node goes. An edge from u to v cuts what lies below u if v
is the parent of u and every other node that u leads to lies below u itself, for a way out of u then comes back to u
first. All counts are exact.

Removing the ends of a pair says nothing, so they do not count for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Literal

import numpy as np

from workbench.analysis.arrays import Ints, reached
from workbench.analysis.compiled import Compiled
from workbench.analysis.core import Around, Core
from workbench.analysis.dominators import Dominators, Edges
from workbench.analysis.leading import Leading
from workbench.analysis.paths import PathSet
from workbench.analysis.search import Tree


@dataclass(frozen=True, slots=True)
class ChokePoint:
    """A node, or an edge, and how many pairs have no path without it."""

    source: str
    """The node; of an edge where it starts."""
    target: str | None
    """Where an edge leads, which may be a hub: all members of a set; ``None`` for a node."""
    techniques: tuple[str, ...]
    """The techniques of an edge, sorted; all of them have to go."""
    pairs: int
    jewels: tuple[str, ...]
    """The jewels of these pairs, sorted."""

    @property
    def is_edge(self) -> bool:
        """Whether this is an edge."""
        return self.target is not None


def choke_points(paths: PathSet, limit: int | None = None) -> list[ChokePoint]:
    """All choke points, those that cut most first; nodes before edges, then by id.

    Args:
        paths: The paths to cut.
        limit: How many at most.
    """
    trees = [tree for tree in paths.trees if len(tree.firsts)]
    if not trees or (limit is not None and limit <= 0):
        return []
    count = _Count(paths.compiled)
    between = _Between(paths.leading, paths.starts.numbers)
    groups = [
        ([target for tree in group for target in tree.targets], group[0].sources)
        for group in _alike(paths.leading, trees)
    ]
    goals = [between.place(targets[0]) for targets, _ in groups]
    # What cuts off the only node that leads to a jewel cuts off the jewel.
    lasts = [between.only_before(goal) for goal in goals]
    core = Core(between.edges, between.entry, lasts)
    through: list[int] = []
    for (targets, sources), goal, last in zip(groups, goals, lasts, strict=True):
        if not core.serves(last):
            tree = Dominators(between.edges, goal, between.entries(sources))
            _add(count, tree, between.numbers, targets, targets)
            continue
        around = core.around(last)
        _add_without(count, between, core, around, targets)
        ends = targets if last == goal else [int(between.numbers[last])] * len(targets)
        _add(count, around.tree, np.append(between.numbers[around.nodes], [0, 0]), targets, ends)
        if last != goal:
            number = between.numbers[[last]]
            others = np.array([len(sources) - np.count_nonzero(sources == number)])
            count.add(number, NODE, others, targets)
            if between.is_shown(last, goal):
                for jewel in targets:
                    count.add(number, jewel, np.array([len(sources)]), [jewel])
        through += targets
    if through:
        nodes, cut = core.tree.nodes
        count.add(between.numbers[nodes], NODE, cut, through)
        source, target, cut = core.tree.edges
        count.add(between.numbers[source], between.numbers[target], cut, through)
    return count.most(limit)


def _add(count: _Count, tree: Dominators, numbers: Ints, targets: Sequence[int], ends: Sequence[int]) -> None:
    """Add what a tree says; it stands for all targets.

    Args:
        count: Where to.
        tree: The tree.
        numbers: The numbers of its nodes.
        targets: The jewels.
        ends: For each of them the node that the root is.
    """
    nodes, cut = tree.nodes
    count.add(numbers[nodes], NODE, cut, targets)
    source, target, cut = tree.edges
    last = target == tree.root
    count.add(numbers[source[~last]], numbers[target[~last]], cut[~last], targets)
    for jewel, end in zip(targets, ends, strict=True):
        count.add(numbers[source[last]], end, cut[last], [jewel])


def _add_without(count: _Count, between: _Between, core: Core, around: Around, targets: Sequence[int]) -> None:
    """Take away what does not hold for some jewels of what the tree of the core says."""
    fewer = core.fewer(around)
    nodes, cut = core.tree.nodes
    less = fewer[nodes] > 0
    count.add(between.numbers[nodes[less]], NODE, -np.minimum(fewer[nodes], cut)[less], targets)
    source, target, _ = core.tree.edges
    less = fewer[source] > 0
    count.add(between.numbers[source[less]], between.numbers[target[less]], -fewer[source[less]], targets)


def _alike(leading: Leading, trees: Iterable[Tree]) -> Iterable[list[Tree]]:
    """Trees of which one dominator tree says everything: the same nodes lead to their targets, whatever it costs."""
    arrays = leading.arrays
    groups: dict[object, list[Tree]] = {}
    for tree in trees:
        place = leading.place(tree.targets[0])
        leaf = arrays.indptr[place] == arrays.indptr[place + 1]
        key = (arrays.leading_to(place).tobytes(), id(tree.twins), tree.firsts.tobytes()) if leaf else tree.targets
        groups.setdefault(key, []).append(tree)
    return groups.values()


NODE = -1
"""What stands for the target of a node."""

_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")


class _Count:
    """What is cut, by node and by edge, for each of the jewels."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._size = len(compiled.nodes)
        self._keys: list[Ints] = []
        self._pairs: list[Ints] = []
        self._jewels: list[Sequence[int]] = []

    def add(self, source: Ints, target: Ints | int, pairs: Ints, jewels: Sequence[int]) -> None:
        """Add what some nodes (``target`` is ``NODE``) or edges cut for each of some jewels."""
        self._keys.append(source * (self._size + 1) + target + 1)
        self._pairs.append(pairs)
        self._jewels.append(jewels)

    def most(self, limit: int | None) -> list[ChokePoint]:
        """Those that cut most."""
        every = np.concatenate(self._keys)
        keys, which = np.unique(every, return_inverse=True)
        several = [pairs * len(jewels) for pairs, jewels in zip(self._pairs, self._jewels, strict=True)]
        pairs = np.zeros(len(keys), np.int64)
        np.add.at(pairs, which, np.concatenate(several))
        source, target = keys // (self._size + 1), keys % (self._size + 1) - 1
        shown = np.flatnonzero(~self._compiled.hub[source] & (pairs > 0))
        if limit is not None and limit < len(shown):
            least = -np.partition(-pairs[shown], limit - 1)[limit - 1]
            shown = shown[pairs[shown] >= least]
        rows = zip(
            (-pairs[shown]).tolist(),
            # A node stands before an edge.
            (target[shown] != NODE).tolist(),
            map(self._compiled.nodes.__getitem__, source[shown].tolist()),
            (self._name(number) for number in target[shown].tolist()),
            keys[shown].tolist(),
            strict=True,
        )
        ranked = sorted(rows) if limit is None else nsmallest(limit, rows)
        order = np.argsort(which, kind="stable")
        return [self._point(key, -less, every, order) for less, _, _, _, key in ranked]

    def _name(self, target: int) -> str:
        return "" if target == NODE else self._compiled.nodes[target]

    def _point(self, key: int, pairs: int, every: Ints, order: Ints) -> ChokePoint:
        source, target = divmod(key, self._size + 1)
        target -= 1
        nodes = self._compiled.nodes
        jewels = tuple(sorted(nodes[jewel] for jewel in self._cut_from(key, every, order)))
        if target == NODE:
            return ChokePoint(nodes[source], None, (), pairs, jewels)
        found = tuple(sorted({edge.technique for edge in self._compiled.records(source, target)}))
        return ChokePoint(nodes[source], nodes[target], found, pairs, jewels)

    def _cut_from(self, key: int, every: Ints, order: Ints) -> list[int]:
        """The jewels that a key cuts entry points off from.

        Args:
            key: The key.
            every: All keys that were added.
            order: Their places in ascending order.
        """
        ends = np.cumsum([len(keys) for keys in self._keys])
        first, last = (int(np.searchsorted(every, key, side=side, sorter=order)) for side in _SIDES)
        cut: Counter[int] = Counter()
        for at in order[first:last].tolist():
            entry = int(np.searchsorted(ends, at, side="right"))
            pairs = int(self._pairs[entry][at - int(ends[entry])])
            for jewel in self._jewels[entry]:
                cut[jewel] += pairs
        return [jewel for jewel, pairs in cut.items() if pairs > 0]


class _Between:
    """What lies between the entry points and the jewels.

    Attributes:
        numbers: The numbers of the nodes, sorted; their places count in all else.
        edges: The edges between them.
        entry: 1 for each that is an entry point, else 0.
    """

    def __init__(self, leading: Leading, sources: Ints) -> None:
        arrays = leading.arrays
        inside = reached(arrays.forward, leading.inside(sources).tolist())
        nodes = np.flatnonzero(inside)
        counts = np.diff(arrays.indptr)
        self.numbers = leading.nodes[nodes]
        # What an entry point leads to leads to nothing else.
        edge = np.repeat(inside, counts)
        row = np.repeat(np.arange(len(nodes), dtype=np.int32), counts[nodes])
        place = np.cumsum(inside, dtype=np.int32) - 1
        # The membership of a set is nothing that anybody could cut.
        internal = leading.compiled.catalogue.internal
        shown = ~internal[arrays.technique[edge]] & ~leading.hub[nodes][row]
        self.edges = Edges(len(nodes), row, place[arrays.indices[edge]], shown)
        self.entry = self.entries(self.numbers[np.isin(self.numbers, sources)])

    def place(self, number: int) -> int:
        """The place of a node."""
        return int(np.searchsorted(self.numbers, number))

    def entries(self, sources: Ints) -> Ints:
        """1 for each of some entry points, else 0."""
        entry = np.zeros(len(self.numbers), np.int64)
        entry[np.searchsorted(self.numbers, sources)] = 1
        return entry

    def only_before(self, place: int) -> int:
        """The place of the one node that leads to another, or the other's own if there are several.

        Also the other's own if it is an entry point, for it may lead to the one before it, but is no pair with itself.
        """
        before = self.edges.source[self.edges.target == place]
        return int(before[0]) if len(before) == 1 and not self.entry[place] else place

    def is_shown(self, source: int, target: int) -> bool:
        """Whether an edge is one that people see."""
        edges = self.edges
        return bool(edges.shown[(edges.source == source) & (edges.target == target)].any())
