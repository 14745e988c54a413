"""Other ways between the two ends of a path: the shortest simple paths, those that differ only by replica once.

Yen's algorithm with A*: the exact distances of one backward search are the estimate, so a search looks at little more
than the path it finds, and the best k candidates so far bound all later ones.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import pairwise
from math import inf
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from workbench.analysis.arrays import Floats
from workbench.analysis.leading import Leading
from workbench.analysis.paths import Path, PathSet
from workbench.analysis.replicas import Replicas
from workbench.analysis.uncollected import uncollected

LIMIT = 20
_TRIES = 2
"""How many candidates are looked at for each path that is asked for; some differ only by replica and are shown once."""
_WANDERING = 100
"""How many nodes a guided search takes before it is given up for one that is not misled."""


def alternatives(paths: PathSet, source: str, target: str, limit: int = LIMIT) -> list[Path]:
    """The shortest simple paths between two nodes, the best one first.

    Args:
        paths: The searched graph; the ends need not be entry points or jewels of it.
        source: Where the paths start.
        target: Where they end.
        limit: How many at most.
    """
    with uncollected():
        return _alternatives(paths, source, target, limit)


def _alternatives(paths: PathSet, source: str, target: str, limit: int) -> list[Path]:
    compiled = paths.compiled
    start, goal = compiled.number(source), compiled.number(target)
    if start is None or goal is None or start == goal or limit < 1:
        return []
    # Whatever leads to a node that leads to a crown jewel leads there too.
    leading = paths.leading if paths.leading.place(goal) >= 0 else Leading(compiled, [goal])
    if leading.place(start) < 0:
        return []
    ways = _Ways(leading, paths.replicas, leading.place(goal), _distances(paths, leading, goal))
    found: dict[str, Path] = {}
    for chain in ways.simple_paths(leading.place(start), limit * _TRIES):
        path = paths.build(leading.nodes[list(chain)].tolist())
        found.setdefault(path.id, path)
        if len(found) == limit:
            break
    return list(found.values())


def _distances(paths: PathSet, leading: Leading, goal: int) -> Floats:
    """The least weight from each place to a node; of a crown jewel it is known already."""
    found: Floats
    for tree in paths.trees:
        if tree.targets[0] == goal and tree.nodes is leading.nodes:
            found = tree.folded.of(tree.distance, np.arange(len(leading.nodes)))
            return found
    found = dijkstra(leading.arrays.reverse, directed=True, indices=leading.place(goal))
    return found


class _Next(NamedTuple):
    """One way on from a node."""

    total: float
    """The least weight of the way to the goal that begins here."""
    name: str
    target: int
    weight: float
    """Of the edge alone."""
    replicas: int
    """The class of the nodes that are replicas of this one."""


class _Ways:
    """Simple paths to one node, by weight, then by the ids of their nodes; all numbers are places of ``leading``."""

    def __init__(self, leading: Leading, replicas: Replicas, goal: int, distance: Floats) -> None:
        """Prepare the search.

        Args:
            leading: What leads to the goal.
            replicas: Which nodes are replicas.
            goal: The goal.
            distance: The least weight from each place to it.
        """
        self._leading = leading
        self._arrays = leading.arrays
        self._replicas = replicas
        self._goal = goal
        self._distance = distance
        self._in_the_way: set[int] = set()
        self._without: dict[frozenset[int], Floats] = {frozenset(): distance}
        self._rows: dict[int, list[_Next]] = {}
        self._by_target: dict[int, dict[int, tuple[float, int]]] = {}

    def _row(self, node: int) -> list[_Next]:
        """What a node leads to, by the least weight of the whole way, then by id."""
        found = self._rows.get(node)
        if found is None:
            arrays = self._arrays
            row = slice(arrays.indptr[node], arrays.indptr[node + 1])
            targets, weights = arrays.indices[row], arrays.weights[row]
            total = weights + self._distance[targets]
            inside = np.flatnonzero(np.isfinite(total))
            numbers = self._leading.nodes[targets[inside]]
            names = self._leading.compiled.nodes
            found = self._rows[node] = sorted(
                map(
                    _Next,
                    total[inside].tolist(),
                    [names[number] for number in numbers.tolist()],
                    targets[inside].tolist(),
                    weights[inside].tolist(),
                    self._replicas.classes_of(numbers).tolist(),
                )
            )
        return found

    def simple_paths(self, start: int, limit: int) -> Iterator[tuple[int, ...]]:
        """Yield the shortest simple paths, the shortest first, up to a limit."""
        first = self._spur([start], frozenset(), inf)
        if first is None:
            return
        # A candidate carries from where on its own prefix may still be varied (Lawler's rule).
        queue: list[tuple[float, tuple[str, ...], tuple[int, ...], int]] = []
        self._push(queue, first, 0)
        totals = [first[0]]
        taken: list[tuple[int, ...]] = []
        seen: set[tuple[int, ...]] = {tuple(first[1])}
        while queue and len(taken) < limit:
            _, _, chain, since = heappop(queue)
            yield chain
            taken.append(chain)
            for at in range(since, len(chain) - 1):
                prefix = chain[: at + 1]
                banned = frozenset(other[at + 1] for other in taken if other[: at + 1] == prefix)
                # With enough candidates nothing longer than the last of them is of use.
                bound = totals[limit - 1] if len(totals) >= limit else inf
                spur = self._spur(list(prefix), banned, bound)
                if spur is not None and tuple(spur[1]) not in seen:
                    seen.add(tuple(spur[1]))
                    insort(totals, spur[0])
                    self._push(queue, spur, at)

    def _push(
        self,
        queue: list[tuple[float, tuple[str, ...], tuple[int, ...], int]],
        found: tuple[float, list[int]],
        since: int,
    ) -> None:
        total, chain = found
        names = self._leading.compiled.nodes
        ids = tuple(names[number] for number in self._leading.nodes[chain].tolist())
        heappush(queue, (total, ids, tuple(chain), since))

    def _spur(self, prefix: list[int], banned: frozenset[int], bound: float) -> tuple[float, list[int]] | None:
        """The shortest simple path that goes on from a prefix, not at once to a banned node, within a bound."""
        weights = self._arrays.weights
        spent = sum(float(weights[self._arrays.place(*link)]) for link in pairwise(prefix))
        # What was in the way once will be so again.
        free = self._in_the_way.isdisjoint(prefix)
        found = self._guided(prefix, banned, bound - spent) if free else None
        if found is None:
            found = self._around(prefix, banned, bound - spent)
        return (spent + found[0], prefix[:-1] + found[1]) if found[1] else None

    def _guided(self, prefix: list[int], banned: frozenset[int], bound: float) -> tuple[float, list[int]] | None:
        """Search with A*; no path at all is an empty one, and ``None`` is to give up.

        The estimate knows nothing of the prefix. Where that stands in every short way, the search would wander.
        """
        closed = set(prefix[:-1])
        start = prefix[-1]
        done = {start: start}
        # The whole way's weight at best, the ids so far for ties, the node that is left, its weight, its row's place.
        heap: list[tuple[float, tuple[str, ...], int, float, int]] = []
        taken = self._taken(start, banned)

        def offer(node: int, names: tuple[str, ...], so_far: float, place: int) -> None:
            row = self._row(node)
            while place < len(row):
                way = row[place]
                known = node == start and (way.total, way.replicas) in taken
                if not known and way.target not in closed and way.target not in done:
                    if so_far + way.total <= bound:
                        heappush(heap, (so_far + way.total, (*names, way.name), node, so_far, place))
                    return
                place += 1

        offer(start, (), 0.0, 0)
        while heap:
            _, names, node, so_far, place = heappop(heap)
            way = self._row(node)[place]
            target = way.target
            offer(node, names[:-1], so_far, place + 1)
            if target in done:
                continue
            reached = so_far + way.weight
            done[target] = node
            if target == self._goal:
                chain = [target]
                while chain[-1] != start:
                    chain.append(done[chain[-1]])
                return reached, chain[::-1]
            if len(done) > _WANDERING:
                return None
            offer(target, names, reached, 0)
        return 0.0, []

    def _around(self, prefix: list[int], banned: frozenset[int], bound: float) -> tuple[float, list[int]]:
        """The same by exact distances in the graph without what is in the way; no path at all is an empty one."""
        start, closed = prefix[-1], frozenset(prefix)
        taken = self._taken(start, banned)
        while True:
            # Few nodes of any prefix are in the way, mostly hubs. A shortest way without these that comes to no other
            # node of the prefix is one without them all, so a search serves many prefixes.
            distance = self._distances_without(closed & self._in_the_way)
            best = (inf, "", start)
            for way in self._row(start):
                # Without a node no way is shorter than with it, and the row is sorted by that.
                if way.total > min(best[0], bound):
                    break
                if way.target not in closed and (way.total, way.replicas) not in taken:
                    best = min(best, (way.weight + float(distance[way.target]), way.name, way.target))
            total, _, target = best
            if not total <= bound or total == inf:
                return 0.0, []
            chain = [start, target]
            while chain[-1] != self._goal:
                tight = self._nearest(chain[-1], distance)
                free = [target for _, target in tight if target not in closed]
                if not free:
                    self._in_the_way.update(target for _, target in tight)
                    break
                chain.append(free[0])
            else:
                return total, chain

    def _nearest(self, here: int, distance: Floats) -> list[tuple[str, int]]:
        """The next nodes of all shortest ways, by id."""
        found: list[tuple[str, int]] = []
        for way in self._row(here):
            if way.total > distance[here]:
                break
            if way.weight + distance[way.target] == distance[here]:
                found.append((way.name, way.target))
        return sorted(found)

    def _taken(self, start: int, banned: frozenset[int]) -> set[tuple[float, int]]:
        """The banned ways on: a replica of a banned node that lies equally far is the same way."""
        if not banned:
            return set()
        if start not in self._by_target:
            self._by_target[start] = {way.target: (way.total, way.replicas) for way in self._row(start)}
        known = self._by_target[start]
        return {known[target] for target in banned}

    def _distances_without(self, closed: frozenset[int]) -> Floats:
        """The distances to the goal if some nodes were not there."""
        found = self._without.get(closed)
        if found is None:
            reverse = self._arrays.reverse
            shut = np.zeros(self._arrays.size, np.bool_)
            shut[list(closed)] = True
            gone = np.flatnonzero(shut[reverse.indices])
            # An edge to oneself does nothing, and the arrays keep their shape.
            indices = reverse.indices.copy()
            indices[gone] = np.searchsorted(reverse.indptr, gone, side="right") - 1
            matrix = csr_array((reverse.data, indices, reverse.indptr), shape=reverse.shape)
            found = self._without[closed] = dijkstra(matrix, directed=True, indices=self._goal)
        return found
