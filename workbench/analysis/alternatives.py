"""Other ways between the two ends of a path: the shortest simple paths, those that differ only by replica once.

Yen's algorithm with A*: the exact distances of one backward search are the estimate, so a search looks at little more
than the path it finds, and the best k candidates so far bound all later ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np
from scipy.sparse.csgraph import dijkstra

from workbench.analysis.compiled import Compiled, Floats
from workbench.analysis.paths import Path, PathSet

LIMIT = 20
_TRIES = 25
"""How many candidates are looked at for each path that is asked for; replicas make many that are shown once."""


def alternatives(paths: PathSet, source: str, target: str, limit: int = LIMIT) -> list[Path]:
    """The shortest simple paths between two nodes, the best one first.

    Args:
        paths: The searched graph; the ends need not be entry points or jewels of it.
        source: Where the paths start.
        target: Where they end.
        limit: How many at most.
    """
    compiled = paths.compiled
    start, goal = compiled.number(source), compiled.number(target)
    if start is None or goal is None or start == goal or limit < 1:
        return []
    ways = _Ways(compiled, goal)
    found: dict[str, Path] = {}
    for tries, chain in enumerate(ways.simple_paths(start)):
        path = paths.build(chain)
        found.setdefault(path.id, path)
        if len(found) == limit or tries >= limit * _TRIES:
            break
    return list(found.values())


class _Ways:
    """Simple paths to one node, by weight, then by the ids of their nodes."""

    def __init__(self, compiled: Compiled, goal: int) -> None:
        self._compiled = compiled
        self._goal = goal
        self._distance: Floats = dijkstra(compiled.reverse, directed=True, indices=goal)
        self._rows: dict[int, list[tuple[float, str, int]]] = {}

    def _row(self, node: int) -> list[tuple[float, str, int]]:
        """What a node leads to on a way to the goal: the least weight of the whole way, and the next node."""
        found = self._rows.get(node)
        if found is None:
            compiled = self._compiled
            row = slice(compiled.indptr[node], compiled.indptr[node + 1])
            targets = compiled.indices[row]
            total = compiled.weights[row] + self._distance[targets]
            inside = np.flatnonzero(np.isfinite(total))
            found = self._rows[node] = sorted(
                (float(total[at]), compiled.nodes[targets[at]], int(targets[at])) for at in inside
            )
        return found

    def _weight(self, source: int, target: int) -> float:
        return float(self._compiled.weights[self._compiled.edge_at(source, target)])

    def simple_paths(self, start: int) -> Iterator[tuple[int, ...]]:
        """Yield simple paths as node numbers, the shortest first."""
        first = self._spur([start], frozenset())
        if first is None:
            return
        # A candidate carries from where on its own prefix may still be varied (Lawler's rule).
        queue: list[tuple[float, tuple[str, ...], tuple[int, ...], int]] = []
        self._push(queue, first, 0)
        taken: list[tuple[int, ...]] = []
        seen: set[tuple[int, ...]] = {tuple(first[1])}
        while queue:
            _, _, chain, since = heappop(queue)
            yield chain
            taken.append(chain)
            for at in range(since, len(chain) - 1):
                prefix = chain[: at + 1]
                banned = frozenset(other[at + 1] for other in taken if other[: at + 1] == prefix)
                spur = self._spur(list(prefix), banned)
                if spur is not None and tuple(spur[1]) not in seen:
                    seen.add(tuple(spur[1]))
                    self._push(queue, spur, at)

    def _push(
        self,
        queue: list[tuple[float, tuple[str, ...], tuple[int, ...], int]],
        found: tuple[float, list[int]],
        since: int,
    ) -> None:
        total, chain = found
        heappush(queue, (total, tuple(self._compiled.nodes[node] for node in chain), tuple(chain), since))

    def _spur(self, prefix: list[int], banned: frozenset[int]) -> tuple[float, list[int]] | None:
        """The shortest simple path that goes on from a prefix, not at once to a banned node."""
        closed = set(prefix[:-1])
        spent = sum(self._weight(*link) for link in pairwise(prefix))
        start = prefix[-1]
        done = {start: start}
        # The whole way's weight at best, the ids so far for ties, the node that is left, its weight, a place in its row.
        heap: list[tuple[float, tuple[str, ...], int, float, int]] = []

        def offer(node: int, names: tuple[str, ...], so_far: float, place: int) -> None:
            row = self._row(node)
            while place < len(row):
                total, name, target = row[place]
                if target not in closed and target not in done and not (node == start and target in banned):
                    heappush(heap, (so_far + total, (*names, name), node, so_far, place))
                    return
                place += 1

        offer(start, (), 0.0, 0)
        while heap:
            _, names, node, so_far, place = heappop(heap)
            target = self._row(node)[place][2]
            offer(node, names[:-1], so_far, place + 1)
            if target in done:
                continue
            reached = so_far + self._weight(node, target)
            done[target] = node
            if target == self._goal:
                chain = [target]
                while chain[-1] != start:
                    chain.append(done[chain[-1]])
                return spent + reached, prefix[:-1] + chain[::-1]
            offer(target, names, reached, 0)
        return None
