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

from workbench.analysis.arrays import Bools, Floats, Int32s, Ints, in_order
from workbench.analysis.compiled import EFFORT, MISSING, STEP, Compiled
from workbench.analysis.folded import Folded
from workbench.analysis.leading import Leading
from workbench.analysis.replicas import Replicas
from workbench.analysis.twins import Twins

_FEW = 4096
"""Targets with more edges into them than this are searched each alone; telling whether they are alike takes longer."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What one search found.

    A tree serves several targets if nothing leads out of them, no path starts there, and the same nodes lead to them
    at the same cost: secrets that one permission reads, for example.

    Of entry points that are twins it speaks of the first: ``firsts``, ``group``, ``effort``, ``steps`` and
    ``conditions`` have an entry for each set of twins that leads to the targets, its *place*.
    """

    targets: tuple[int, ...]
    """The numbers of the targets; the search began at the first."""
    nodes: Ints
    """The nodes that lead to any target of the set of paths, by number, sorted."""
    folded: Folded
    """The anchors among them; it calls the nodes by their places in ``nodes``."""
    twins: Twins
    distance: Floats
    """The least weight from each anchor to the target; infinite where nothing leads there."""
    following: Int32s
    """For each anchor that is on the best path of an entry point the next node; -1 elsewhere."""
    firsts: Int32s
    """The places of the firsts in ``twins.firsts``."""
    group: Int32s
    """A number that is the same where paths differ only by replica."""
    effort: Int32s
    steps: Int32s
    conditions: Int32s
    """The path's set of C-ids, a number of ``Compiled.condition_sets``."""
    order: Int32s = field(repr=False)
    """The places, sorted by group."""
    starts: Int32s = field(repr=False)
    """Where each group begins in ``order``, and its end."""

    @property
    def count(self) -> int:
        """How many entry points lead to the targets."""
        return int(self.twins.sizes[self.firsts].sum())

    @property
    def sources(self) -> Ints:
        """The entry points that lead to the targets, by number, sorted."""
        leads = np.zeros(len(self.twins.firsts), np.bool_)
        leads[self.firsts] = True
        return self.twins.numbers[leads[self.twins.first]]

    @property
    def leaders(self) -> Ints:
        """The number of the first entry point of each place."""
        found: Ints = self.nodes[self.twins.firsts[self.firsts]]
        return found

    def sources_at(self, places: Ints | Int32s) -> Ints:
        """The entry points of a few places, by number, sorted."""
        return self.twins.of(self.firsts[places])

    def having(self, sources: Ints) -> Bools:
        """Which places speak of one of some entry points, which are given by number, each once."""
        found = np.zeros(len(self.twins.firsts), np.bool_)
        found[self.twins.first[np.isin(self.twins.numbers, sources, assume_unique=True)]] = True
        return found[self.firsts]

    def place(self, source: int) -> int:
        """The place of an entry point, by number, -1 if it does not lead to the targets."""
        first = self.twins.place(source)
        at = int(np.searchsorted(self.firsts, first))
        return at if first >= 0 and at < len(self.firsts) and self.firsts[at] == first else -1

    def members(self, group: int) -> Int32s:
        """The places of one group."""
        return self.order[self.starts[group] : self.starts[group + 1]]

    def distances(self, nodes: Ints) -> Floats:
        """The least weight from some nodes, by their places in ``nodes``, to the target; -1 is nowhere."""
        return np.where(nodes < 0, np.inf, self.folded.of(self.distance, nodes))


class Searches:
    """Searches backward from targets of one graph; what one finds serves those that differ in the last step alone.

    Attributes:
        leading: What leads to the targets.
        twins: The entry points.
    """

    leading: Leading
    twins: Twins

    def __init__(self, leading: Leading, replicas: Replicas, sources: Ints) -> None:
        """Prepare the searches.

        Args:
            leading: What leads to the targets.
            replicas: Which nodes are replicas.
            sources: The entry points by number, sorted.
        """
        self.leading = leading
        self.twins = Twins(leading, replicas, sources)
        self._replicas = replicas
        self._known: dict[object, _Found] = {}

    def tree(self, targets: Sequence[int], distance: Floats | None = None) -> Tree:
        """Search backward from a target.

        Args:
            targets: The target, and others that :func:`grouped` found equal to it.
            distance: The least weight from each anchor to the target, if it is known.
        """
        leading, twins = self.leading, self.twins
        goal, folded = leading.place(targets[0]), leading.folded
        found = self._found(goal, distance)
        starts, edges = twins.firsts[found.firsts], found.edges
        shape, conditions = _describe(leading, self._replicas, edges, goal, starts)
        following = np.full(len(folded.anchors), -1, np.int32)
        branching = ~folded.single[edges.nodes]
        following[folded.anchor[edges.nodes[branching]]] = leading.arrays.indices[edges.edges[branching]]
        total = folded.of(found.distance, starts).astype(np.int64)
        group, count = _renumbered(shape)
        return Tree(
            targets=tuple(targets),
            nodes=leading.nodes,
            folded=folded,
            twins=twins,
            distance=found.distance,
            following=following,
            firsts=found.firsts,
            group=group,
            effort=(total // EFFORT).astype(np.int32),
            steps=(total % MISSING // STEP).astype(np.int32),
            conditions=conditions.astype(np.int32),
            order=in_order(group, count).astype(np.int32),
            starts=np.append(np.int32(0), np.cumsum(np.bincount(group, minlength=count), dtype=np.int32)),
        )

    def _found(self, goal: int, distance: Floats | None) -> _Found:
        key = self._alike(goal)
        known = self._known.get(key)
        if known is not None:
            return known.moved(self.leading, goal)
        leading, twins, folded = self.leading, self.twins, self.leading.folded
        if distance is None:
            distance = folded.distances(goal)
        firsts = np.flatnonzero(np.isfinite(folded.of(distance, twins.firsts)) & (twins.firsts != goal))
        edges = _forest(leading, distance, twins.firsts[firsts], goal)
        found = self._known[key] = _Found(goal, distance, firsts.astype(np.int32), edges)
        return found

    def _alike(self, goal: int) -> object:
        """What is equal for targets of which the paths differ in the last step alone."""
        into = _into(self.leading, goal) if _is_leaf(self.leading, goal) else None
        if into is not None:
            sources, edges = into
            return sources.tobytes(), self.leading.arrays.weights[edges].tobytes()
        return goal


@dataclass(frozen=True, slots=True)
class _Found:
    """The distances to a target, the entry points that lead there, and the edges of their best paths."""

    goal: int
    distance: Floats
    firsts: Int32s
    edges: _Edges

    def moved(self, leading: Leading, goal: int) -> _Found:
        """The same for another target, that the same nodes lead to at the same cost; nothing leads out of either."""
        arrays, ends = leading.arrays, leading.folded.anchor[[self.goal, goal]]
        distance = self.distance.copy()
        distance[ends] = distance[ends[::-1]]
        nodes, edges = self.edges.nodes, self.edges.edges.copy()
        last = arrays.indices[edges] == self.goal
        edges[last] = arrays.places(nodes[last], np.full(np.count_nonzero(last), goal))
        return _Found(goal, distance, self.firsts, _Edges(nodes, edges))


def _renumbered(numbers: Ints) -> tuple[Int32s, int]:
    """Some numbers made small in their order, and how many differ."""
    occurs = np.zeros(numbers.max(initial=-1) + 1, np.bool_)
    occurs[numbers] = True
    place = np.cumsum(occurs, dtype=np.int32)
    return place[numbers] - 1, int(np.count_nonzero(occurs))


def grouped(leading: Leading, sources: Ints, targets: Iterable[int]) -> list[tuple[int, ...]]:
    """Put targets together that one search answers.

    A shortest path to one of two such targets never passes the other, as nothing leads on from it; and the last edge
    of a path, being one edge, never is as good as a way round, which has more steps.
    """
    starts = set(leading.inside(sources).tolist())
    groups: dict[object, list[int]] = {}
    for target in sorted(set(targets)):
        place = leading.place(target)
        leaf = place not in starts and _is_leaf(leading, place)
        groups.setdefault(_incoming(leading, place) if leaf else target, []).append(target)
    return [tuple(group) for group in groups.values()]


def _is_leaf(leading: Leading, place: int) -> bool:
    """Whether nothing leads out of a node."""
    indptr = leading.arrays.indptr
    return bool(indptr[place] == indptr[place + 1])


def _into(leading: Leading, place: int) -> tuple[Int32s, Ints] | None:
    """What leads to a node, and the places of the edges; ``None`` if that is much."""
    arrays = leading.arrays
    sources = arrays.leading_to(place)
    if len(sources) > _FEW:
        return None
    return sources, arrays.places(sources, np.full(len(sources), place))


def _incoming(leading: Leading, place: int) -> object:
    arrays, into = leading.arrays, _into(leading, place)
    if into is None:
        return place
    sources, edges = into
    return (
        sources.tobytes(),
        arrays.weights[edges].tobytes(),
        arrays.technique[edges].tobytes(),
        arrays.conditions[edges].tobytes(),
    )


@dataclass(frozen=True, slots=True)
class _Edges:
    """The nodes of a forest but for its root, and the edge with which the best path of each begins.

    Attributes:
        nodes: By their places in the leading nodes, sorted.
        edges: The place of the edge of each.
    """

    nodes: Ints
    edges: Int32s


def _forest(leading: Leading, distance: Floats, starts: Ints, goal: int) -> _Edges:
    """The chosen edge of every node on the best path of a start."""
    arrays, folded = leading.arrays, leading.folded
    chosen = np.full(len(leading.nodes), -1, np.int32)
    nodes = starts
    while len(nodes):
        single = folded.single[nodes]
        first = np.empty(len(nodes), np.int32)
        first[single] = arrays.indptr[nodes[single]]
        first[~single] = _first_of(leading, *folded.tight(distance, nodes[~single]))
        chosen[nodes] = first
        after = arrays.indices[first]
        fresh = np.zeros(len(chosen), np.bool_)
        fresh[after[(chosen[after] < 0) & (after != goal)]] = True
        nodes = np.flatnonzero(fresh)
    inside = np.flatnonzero(chosen >= 0)
    return _Edges(inside, chosen[inside])


def _first_of(leading: Leading, row: Ints, edge: Ints) -> Ints:
    """Of the edges of each row the one whose target's id comes first.

    Args:
        leading: What leads to the targets.
        row: The rows, ascending.
        edge: The place of each edge.
    """
    leads = np.ones(len(row), np.bool_)
    leads[1:] = row[1:] != row[:-1]
    begins = np.flatnonzero(leads)
    first = edge[begins]
    counts = np.diff(begins, append=len(row))
    several = counts > 1
    if several.any():
        tied, counts = edge[np.repeat(several, counts)], counts[several]
        rank = leading.ids.ranks(leading.arrays.indices[tied])
        best = np.minimum.reduceat(rank, np.cumsum(counts) - counts)
        first[several] = tied[rank == np.repeat(best, counts)]
    return first


def _describe(leading: Leading, replicas: Replicas, edges: _Edges, goal: int, starts: Ints) -> tuple[Ints, Ints]:
    """For each start of a forest: the number of its path with collapsed replicas, and the path's set of C-ids."""
    compiled, arrays = leading.compiled, leading.arrays
    # The root comes after all others.
    size = len(edges.nodes)
    numbers = leading.nodes[edges.nodes]
    after = arrays.indices[edges.edges]
    place = np.empty(len(leading.nodes), np.int32)
    place[edges.nodes], place[goal] = np.arange(size, dtype=np.int32), size
    following = place[after]
    is_hub = np.append(leading.hub[edges.nodes], leading.hub[goal])
    shape = np.full(size + 1, -1, np.int64)
    own = np.full(size + 1, -1, np.int64)
    conditions = np.zeros(size + 1, np.int64)
    technique = np.append(arrays.technique[edges.edges].astype(np.int64), -1)
    condition = arrays.conditions[edges.edges]
    shape[size] = own[size] = 0
    internal = compiled.catalogue.internal
    hubs, shown = np.flatnonzero(is_hub[:size]), np.flatnonzero(~is_hub[:size])
    classes, workers, at_home = (np.zeros(size, np.int64), np.zeros(size, np.bool_), np.zeros(size, np.bool_))
    classes[shown] = replicas.classes_of(numbers[shown])
    workers[shown] = replicas.worker[numbers[shown]]
    at_home[shown] = replicas.own_nodes_of(numbers[shown]) == leading.nodes[after[shown]]
    radix = 2 * (size + 1)
    kinds = len(internal) + 1
    count = 1

    def take(now: Ints) -> None:
        behind = following[now]
        conditions[now] = _unions(compiled, condition[now], conditions[behind])
        # A step through hubs is named after the first technique that is no membership.
        passing = internal[technique[now]] & is_hub[behind]
        technique[now[passing]] = technique[behind[passing]]

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
        behind = following[now]
        tail = np.where(at_home[now], own[behind], shape[behind])
        rest = (technique[now] + 1) * radix + tail
        worker = workers[now]
        # Class 0 is a worker node that its own replica leads to: which one it is does not count.
        keys = np.concatenate([classes[now] * (kinds * radix) + rest, rest[worker]])
        values, which = np.unique(keys, return_inverse=True)
        shape[now] = own[now] = which[: len(now)] + count
        own[now[worker]] = which[len(now) :] + count
        count += len(values)
    asked = place[starts]
    return shape[asked], conditions[asked]


def _unions(compiled: Compiled, ones: Int32s, others: Ints) -> Ints:
    out = np.where(ones == 0, others, ones)
    # Most of them are with the empty set.
    both = np.flatnonzero((ones != 0) & (others != 0))
    radix = len(compiled.condition_sets)
    keys = others[both] * radix + ones[both]
    values = np.unique(keys)
    numbers = [compiled.union(value % radix, value // radix) for value in values.tolist()]
    out[both] = np.array(numbers, np.int64)[np.searchsorted(values, keys)]
    return out


def walk(tree: Tree, source: int, target: int) -> list[int]:
    """The numbers of the nodes of a source's best path, hubs included."""
    folded, arrays = tree.folded, tree.folded.arrays
    place, goal = (int(np.searchsorted(tree.nodes, number)) for number in (source, tree.targets[0]))
    places = [place]
    while place != goal:
        single = folded.single[place]
        place = int(arrays.indices[arrays.indptr[place]] if single else tree.following[folded.anchor[place]])
        places.append(place)
    return [*tree.nodes[places[:-1]].tolist(), target]
