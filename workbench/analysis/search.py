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

from workbench.analysis.arrays import Floats, Int32s, Ints, in_order, ranges
from workbench.analysis.compiled import EFFORT, MISSING, STEP, Compiled
from workbench.analysis.leading import Leading
from workbench.analysis.replicas import Replicas

_FEW = 4096
"""Targets with more edges into them than this are searched each alone; telling whether they are alike takes longer."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What one search found.

    A tree serves several targets if nothing leads out of them, no path starts there, and the same nodes lead to them
    at the same cost: secrets that one permission reads, for example.
    """

    targets: tuple[int, ...]
    """The numbers of the targets; the search began at the first."""
    nodes: Ints
    """The nodes that lead to any target of the set of paths, by number, sorted: the places of the two below."""
    distance: Floats
    """The least weight from each of them to the target; infinite where nothing leads there."""
    following: Int32s
    """For each of them that is on the best path of a source the place of the next; -1 elsewhere."""
    sources: Ints
    """The entry points that lead to the targets, by number."""
    group: Int32s
    """For each source, a number that it shares with the sources whose paths differ only by replica."""
    effort: Int32s
    steps: Int32s
    conditions: Int32s
    """For each source, its path's set of C-ids, a number of ``Compiled.condition_sets``."""
    order: Int32s = field(repr=False)
    """The places of the sources, sorted by group."""
    starts: Ints = field(repr=False)
    """Where each group begins in ``order``, and its end."""

    def members(self, group: int) -> Int32s:
        """The places of the sources of one group."""
        return self.order[self.starts[group] : self.starts[group + 1]]

    def places(self, numbers: Ints) -> Ints:
        """The places of some of ``nodes``."""
        return np.searchsorted(self.nodes, numbers)


def searched(leading: Leading, replicas: Replicas, sources: Ints, targets: Sequence[int]) -> list[Tree]:
    """Search backward from each of some targets, from several that are alike at once.

    Args:
        leading: What leads to the targets.
        replicas: Which nodes are replicas.
        sources: The entry points by number, sorted.
        targets: The targets by number.
    """
    groups = grouped(leading, sources, targets)
    distances = leading.all_distances([group[0] for group in groups])
    return [
        search(leading, replicas, sources, group, distance) for group, distance in zip(groups, distances, strict=True)
    ]


def search(leading: Leading, replicas: Replicas, sources: Ints, targets: Sequence[int], distance: Floats) -> Tree:
    """Search backward from a target.

    Args:
        leading: What leads to the target.
        replicas: Which nodes are replicas.
        sources: The entry points by number, sorted.
        targets: The target, and others that :func:`grouped` found equal to it.
        distance: The least weights to the target (:meth:`Leading.distances`).
    """
    goal = leading.place(targets[0])
    starts = leading.inside(sources)
    reaching = starts[np.isfinite(distance[starts]) & (starts != goal)]
    edge = _forest(leading, distance, reaching, goal)
    group, conditions = _describe(leading, replicas, edge, goal)
    following = np.where(edge < 0, -1, leading.arrays.indices[edge]) if len(reaching) else edge
    total = distance[reaching].astype(np.int64)
    shapes = group[reaching]
    present = np.zeros(int(shapes.max(initial=0)) + 2, np.int64)
    present[shapes + 1] = 1
    of_source = np.cumsum(present)[shapes]
    count = int(of_source.max()) + 1 if len(of_source) else 0
    order = in_order(of_source, count)
    begins = np.searchsorted(of_source[order], np.arange(count + 1))
    return Tree(
        targets=tuple(targets),
        nodes=leading.nodes,
        distance=distance,
        following=following.astype(np.int32),
        sources=leading.nodes[reaching],
        group=of_source.astype(np.int32),
        effort=(total // EFFORT).astype(np.int32),
        steps=(total % MISSING // STEP).astype(np.int32),
        conditions=conditions[reaching].astype(np.int32),
        order=order.astype(np.int32),
        starts=begins,
    )


def grouped(leading: Leading, sources: Ints, targets: Iterable[int]) -> list[tuple[int, ...]]:
    """Put targets together that one search answers.

    A shortest path to one of two such targets never passes the other, as nothing leads on from it; and the last edge
    of a path, being one edge, never is as good as a way round, which has more steps.
    """
    starts = set(leading.inside(sources).tolist())
    indptr = leading.arrays.indptr
    groups: dict[object, list[int]] = {}
    for target in sorted(set(targets)):
        place = leading.place(target)
        leaf = place not in starts and indptr[place] == indptr[place + 1]
        groups.setdefault(_incoming(leading, place) if leaf else target, []).append(target)
    return [tuple(group) for group in groups.values()]


def _incoming(leading: Leading, place: int) -> object:
    arrays = leading.arrays
    sources = arrays.leading_to(place)
    if len(sources) > _FEW:
        return place
    edges = arrays.places(sources, np.full(len(sources), place))
    return (
        sources.tobytes(),
        arrays.weights[edges].tobytes(),
        arrays.technique[edges].tobytes(),
        arrays.conditions[edges].tobytes(),
    )


def _forest(leading: Leading, distance: Floats, sources: Ints, goal: int) -> Int32s:
    """The chosen edge of every node on the best path of a source."""
    arrays = leading.arrays
    chosen = np.full(len(leading.nodes), -1, np.int32)
    nodes = sources
    while len(nodes):
        begins = arrays.indptr[nodes].astype(np.int64)
        row, place = ranges(begins, arrays.indptr[nodes + 1] - begins)
        target = arrays.indices[place]
        tight = np.flatnonzero(distance[target] + arrays.weights[place] == distance[nodes][row])
        row, place, target = row[tight], place[tight], target[tight]
        leads = np.ones(len(row), np.bool_)
        leads[1:] = row[1:] != row[:-1]
        begins = np.flatnonzero(leads)
        first = place[begins]
        if len(begins) < len(row):
            tied = (np.diff(np.append(begins, len(row))) > 1)[row]
            best = np.lexsort((leading.id_rank[target[tied]], row[tied]))
            tied_rows, tied_places = row[tied][best], place[tied][best]
            leading_one = np.ones(len(best), np.bool_)
            leading_one[1:] = tied_rows[1:] != tied_rows[:-1]
            first[tied_rows[leading_one]] = tied_places[leading_one]
        chosen[nodes] = first
        fresh = np.zeros(len(chosen), np.bool_)
        fresh[arrays.indices[first]] = True
        fresh[goal] = False
        nodes = np.flatnonzero(fresh & (chosen < 0))
    return chosen


def _describe(leading: Leading, replicas: Replicas, next_edge: Int32s, goal: int) -> tuple[Ints, Ints]:
    """For every node of a forest: the number of its path with collapsed replicas, and the path's set of C-ids."""
    compiled, arrays = leading.compiled, leading.arrays
    size = len(leading.nodes)
    shape = np.full(size, -1, np.int64)
    own = np.full(size, -1, np.int64)
    conditions = np.zeros(size, np.int64)
    technique = np.full(size, -1, np.int64)
    shape[goal] = own[goal] = 0
    internal = compiled.catalogue.internal
    inside = np.flatnonzero(next_edge >= 0)
    hubs, shown = inside[leading.hub[inside]], inside[~leading.hub[inside]]
    following = np.full(size, -1, np.int64)
    following[inside] = arrays.indices[next_edge[inside]]
    numbers = leading.nodes[shown]
    classes, workers, at_home = (np.zeros(size, np.int64), np.zeros(size, np.bool_), np.zeros(size, np.bool_))
    classes[shown] = replicas.classes_of(numbers)
    workers[shown] = replicas.worker[numbers]
    at_home[shown] = replicas.own_nodes_of(numbers) == leading.nodes[following[shown]]
    radix = 2 * (len(inside) + 1)
    kinds = len(internal) + 1
    count = 1

    def take(now: Ints) -> None:
        edge, after = next_edge[now], following[now]
        conditions[now] = _unions(compiled, arrays.conditions[edge], conditions[after])
        used = arrays.technique[edge].astype(np.int64)
        # A step through hubs is named after the first technique that is no membership.
        passing = internal[used] & leading.hub[after]
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
        tail = np.where(at_home[now], own[after], shape[after])
        rest = (technique[now] + 1) * radix + tail
        worker = workers[now]
        # Class 0 is a worker node that its own replica leads to: which one it is does not count.
        keys = np.concatenate([classes[now] * (kinds * radix) + rest, rest[worker]])
        values, which = np.unique(keys, return_inverse=True)
        shape[now] = own[now] = which[: len(now)] + count
        own[now[worker]] = which[len(now) :] + count
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
    goal = int(np.searchsorted(tree.nodes, tree.targets[0]))
    places = [int(np.searchsorted(tree.nodes, source))]
    while places[-1] != goal:
        places.append(int(tree.following[places[-1]]))
    return [*tree.nodes[places[:-1]].tolist(), target]
