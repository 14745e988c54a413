"""One search backward from a crown jewel, and what it says about every entry point, without building a path.

Dijkstra's algorithm on the reversed graph gives each node's least weight to the jewel. A path is then read by walking
along falling distances; of several equally good next nodes the one whose id comes first is taken, so that the answer
does not depend on how nodes are numbered. All that a list of paths needs (which paths differ only by replica, how
many conditions a path has, how risky it is) is computed for all entry points together, on arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from workbench.analysis.arrays import Floats, Int32s, Ints, ranges, reached
from workbench.analysis.compiled import EFFORT, MISSING, STEP, Compiled
from workbench.analysis.replicas import Replicas

_FEW = 4096
"""Up to this many ids are compared by sorting them; for more, the order of all ids is computed once."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What one search found.

    A tree serves several targets if nothing leads out of them, no path starts there, and the same nodes lead to them
    at the same cost: secrets that one permission reads, for example.
    """

    targets: tuple[int, ...]
    """The numbers of the targets; the search began at the first."""
    distance: Floats
    """The least weight from each node to the target; infinite where nothing leads there."""
    sources: Ints
    """The entry points that lead to the targets, by number."""
    following: Int32s
    """For each node on the best path of a source the next node; -1 elsewhere. Numbers stay valid in a what-if."""
    group: Ints
    """For each source, a number that it shares with the sources whose paths differ only by replica."""
    effort: Ints
    steps: Ints
    conditions: Ints
    """For each source, its path's set of C-ids, a number of ``Compiled.condition_sets``."""
    order: Ints = field(repr=False)
    """The places of the sources, sorted by group."""
    starts: Ints = field(repr=False)
    """Where each group begins in ``order``, and its end."""

    def members(self, group: int) -> Ints:
        """The places of the sources of one group."""
        return self.order[self.starts[group] : self.starts[group + 1]]


@dataclass(frozen=True, slots=True)
class Rows:
    """All edges out of some nodes."""

    nodes: Ints
    row: Ints
    """For each edge the place of its source in ``nodes``."""
    place: Ints
    """For each edge its place in the arrays."""

    @classmethod
    def of(cls, compiled: Compiled, nodes: Ints) -> Rows:
        """The edges out of some nodes, in order."""
        starts = compiled.indptr[nodes].astype(np.int64)
        return cls(nodes, *ranges(starts, compiled.indptr[nodes + 1] - starts))


class Backward:
    """What leads to some targets at all, turned round: on a large cluster a small part of the graph."""

    def __init__(self, compiled: Compiled, goals: Iterable[int]) -> None:
        """Cut it out.

        Args:
            compiled: The graph.
            goals: All targets that are to be searched, by number.
        """
        reverse = compiled.reverse
        leads = self._leads = reached(reverse, goals)
        self._compiled = compiled
        self._size = len(leads)
        self._numbers = np.flatnonzero(leads)
        self._place = np.cumsum(leads) - 1
        # Whatever leads to one of these is one of them, so their rows are whole.
        counts = np.diff(reverse.indptr)[self._numbers]
        inside = np.repeat(leads, np.diff(reverse.indptr))
        indptr = np.zeros(len(self._numbers) + 1, np.int32)
        np.cumsum(counts, out=indptr[1:])
        indices = self._place[reverse.indices[inside]].astype(np.int32)
        shape = (len(self._numbers), len(self._numbers))
        self._matrix = csr_array((reverse.data[inside], indices, indptr), shape=shape)

    def rows(self, nodes: Ints) -> Rows:
        """The edges that lead from some nodes towards a target; nodes that lead to none are left out."""
        found = Rows.of(self._compiled, nodes[self._leads[nodes]])
        useful = self._leads[self._compiled.indices[found.place]]
        return Rows(found.nodes, found.row[useful], found.place[useful])

    def distances(self, goal: int) -> Floats:
        """The least weight from each node to a target; infinite where nothing leads there."""
        distance = np.full(self._size, np.inf)
        distance[self._numbers] = dijkstra(self._matrix, directed=True, indices=int(self._place[goal]))
        return distance


def search(
    compiled: Compiled,
    replicas: Replicas,
    sources: Rows,
    targets: Sequence[int],
    distance: Floats,
) -> Tree:
    """Search backward from a target.

    Args:
        compiled: The graph.
        replicas: Which of its nodes are replicas.
        sources: The entry points by number, sorted, with what leads out of them.
        targets: The target, and others that :func:`grouped` found equal to it.
        distance: The least weights to the target (:class:`Backward`).
    """
    goal = targets[0]
    starts = sources.nodes
    reaching = starts[np.isfinite(distance[starts]) & (starts != goal)]
    edge = _forest(compiled, distance, sources, goal)
    group, conditions = _describe(compiled, replicas, edge, goal)
    following = np.where(edge < 0, -1, compiled.indices[edge]) if len(reaching) else edge
    total = distance[reaching].astype(np.int64)
    shapes = group[reaching]
    present = np.zeros(int(shapes.max(initial=0)) + 2, np.int64)
    present[shapes + 1] = 1
    of_source = np.cumsum(present)[shapes]
    order = np.argsort(of_source, kind="stable")
    count = int(of_source.max()) + 1 if len(of_source) else 0
    begins = np.searchsorted(of_source[order], np.arange(count + 1))
    return Tree(
        targets=tuple(targets),
        distance=distance,
        sources=reaching,
        following=following.astype(np.int32),
        group=of_source,
        effort=total // EFFORT,
        steps=total % MISSING // STEP,
        conditions=conditions[reaching],
        order=order,
        starts=begins,
    )


def grouped(compiled: Compiled, sources: Iterable[int], targets: Iterable[int]) -> list[tuple[int, ...]]:
    """Put targets together that one search answers.

    A shortest path to one of two such targets never passes the other, as nothing leads out of it; and the last edge
    of a path, being one edge, never is as good as a way round, which has more steps.
    """
    starts = set(sources)
    groups: dict[object, list[int]] = {}
    for target in sorted(set(targets)):
        leaf = target not in starts and compiled.indptr[target] == compiled.indptr[target + 1]
        groups.setdefault(_incoming(compiled, target) if leaf else target, []).append(target)
    return [tuple(group) for group in groups.values()]


def _incoming(compiled: Compiled, target: int) -> object:
    begin, end = compiled.reverse.indptr[target], compiled.reverse.indptr[target + 1]
    if end - begin > _FEW:
        return target
    sources = compiled.reverse.indices[begin:end]
    places = [compiled.edge_at(int(source), target) for source in sources]
    return (
        sources.tobytes(),
        compiled.weights[places].tobytes(),
        compiled.technique[places].tobytes(),
        compiled.conditions[places].tobytes(),
    )


def _forest(compiled: Compiled, distance: Floats, sources: Rows, goal: int) -> Int32s:
    """The chosen edge of every node on the best path of a source."""
    chosen = np.full(len(compiled.nodes), -1, np.int32)
    edges = sources
    while len(edges.nodes):
        here = distance[edges.nodes]
        # What does not lead to the goal is infinitely far from it, and so is the goal of no interest to itself.
        here[np.isinf(here) | (edges.nodes == goal)] = np.nan
        target = compiled.indices[edges.place]
        tight = np.flatnonzero(distance[target] + compiled.weights[edges.place] == here[edges.row])
        row, place, target = edges.row[tight], edges.place[tight], target[tight]
        used = np.flatnonzero(~np.isnan(here))
        if not len(used):
            break
        leads = np.ones(len(row), np.bool_)
        leads[1:] = row[1:] != row[:-1]
        begins = np.flatnonzero(leads)
        first = place[begins]
        if len(begins) < len(row):
            of_row = np.cumsum(leads) - 1
            row = of_row
            tied = (np.diff(np.append(begins, len(row))) > 1)[row]
            candidates = np.unique(target[tied])
            rank = _ranks(compiled, candidates)[np.searchsorted(candidates, target[tied])]
            best = np.lexsort((rank, row[tied]))
            tied_rows, tied_places = row[tied][best], place[tied][best]
            leading = np.ones(len(best), np.bool_)
            leading[1:] = tied_rows[1:] != tied_rows[:-1]
            first[tied_rows[leading]] = tied_places[leading]
        chosen[edges.nodes[used]] = first
        fresh = np.zeros(len(chosen), np.bool_)
        fresh[compiled.indices[first]] = True
        fresh[goal] = False
        edges = Rows.of(compiled, np.flatnonzero(fresh & (chosen < 0)))
    return chosen


def _ranks(compiled: Compiled, candidates: Int32s) -> Ints:
    """The order of the ids of some nodes."""
    if len(candidates) > _FEW:
        return compiled.id_rank()[candidates]
    names = [compiled.nodes[candidate] for candidate in candidates]
    rank = np.empty(len(names), np.int64)
    rank[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return rank


def _describe(compiled: Compiled, replicas: Replicas, next_edge: Int32s, goal: int) -> tuple[Ints, Ints]:
    """For every node of a forest: the number of its path with collapsed replicas, and the path's set of C-ids."""
    size = len(compiled.nodes)
    shape = np.full(size, -1, np.int64)
    own = np.full(size, -1, np.int64)
    conditions = np.zeros(size, np.int64)
    technique = np.full(size, -1, np.int64)
    shape[goal] = own[goal] = 0
    internal = compiled.catalogue.internal
    inside = np.flatnonzero(next_edge >= 0)
    hubs, shown = inside[compiled.hub[inside]], inside[~compiled.hub[inside]]
    following = np.full(size, -1, np.int64)
    following[inside] = compiled.indices[next_edge[inside]]
    radix = 2 * (len(inside) + 1)
    kinds = len(internal) + 1
    count = 1

    def take(now: Ints) -> None:
        edge, after = next_edge[now], following[now]
        conditions[now] = _unions(compiled, compiled.conditions[edge], conditions[after])
        used = compiled.technique[edge].astype(np.int64)
        # A step through hubs is named after the first technique that is no membership.
        passing = internal[used] & compiled.hub[after]
        used[passing] = technique[after[passing]]
        technique[now] = used

    # A round deals with the nodes that are one more step away; paths of one shape are in one round.
    while len(shown) or len(hubs):
        while len(hubs):
            ready = shape[following[hubs]] >= 0
            now, hubs = hubs[ready], hubs[~ready]
            if not len(now):
                break
            take(now)
            shape[now] = own[now] = shape[following[now]]
        ready = shape[following[shown]] >= 0
        now, shown = shown[ready], shown[~ready]
        if not len(now):
            break
        take(now)
        after = following[now]
        tail = np.where(replicas.own_node[now] == after, own[after], shape[after])
        rest = (technique[now] + 1) * radix + tail
        worker = replicas.worker[now]
        # Class 0 is a worker node that its own replica leads to: which one it is does not count.
        keys = np.concatenate([replicas.classes[now] * (kinds * radix) + rest, rest[worker]])
        values, numbers = np.unique(keys, return_inverse=True)
        shape[now] = own[now] = numbers[: len(now)] + count
        own[now[worker]] = numbers[len(now) :] + count
        count += len(values)
    return shape, conditions


def _unions(compiled: Compiled, ones: Int32s, others: Ints) -> Ints:
    radix = len(compiled.condition_sets)
    keys = others * radix + ones
    values = np.unique(keys)
    numbers = [compiled.union(value % radix, value // radix) for value in values.tolist()]
    return np.array(numbers, np.int64)[np.searchsorted(values, keys)]


def walk(tree: Tree, source: int, target: int) -> list[int]:
    """The numbers of the nodes of a source's best path, hubs included."""
    goal = tree.targets[0]
    out = [source]
    while out[-1] != goal:
        out.append(int(tree.following[out[-1]]))
    out[-1] = target
    return out
