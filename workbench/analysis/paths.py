"""Attack paths: what they are, what they risk, and the list of the best one of every entry to every jewel."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from workbench.analysis.arrays import Bools, Floats, Int32s, Ints
from workbench.analysis.compiled import Compiled, best_records
from workbench.analysis.leading import Leading
from workbench.analysis.replicas import OWN_NODE, Replicas
from workbench.analysis.search import Searches, Tree, grouped, walk
from workbench.analysis.starts import UNAUTHENTICATED, exposure
from workbench.graph.graph import Edge, Fact

SEVERITIES = ("critical", "high", "medium", "low")
_PER_EFFORT = 0.97
_PER_CONDITION = 0.85
_FINGERPRINT = 16
"""Hexadecimal digits of a path's id."""


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path as people see it; steps through hubs are merged."""

    source: str
    target: str
    technique: str
    title: str
    effort: int
    facts: tuple[Fact, ...]
    """The facts that the step takes and the objects do not show, sorted."""
    edges: tuple[Edge, ...]
    """The records that prove it, in order: one, or the one into a hub and the memberships out of it."""
    others: tuple[str, ...] = ()
    """Other techniques that lead from the same source to the same target, sorted."""

    @property
    def verdict(self) -> str:
        """``on`` or ``cond``."""
        return "cond" if self.facts else "on"

    @property
    def missing(self) -> tuple[str, ...]:
        """The C-ids of the facts, sorted, each once."""
        return tuple(sorted({fact for fact, _ in self.facts}))


@dataclass(frozen=True, slots=True)
class Path:
    """A way from an entry point to a crown jewel."""

    id: str
    """The fingerprint: techniques and nodes in order, replicas collapsed."""
    source: str
    target: str
    effort: int
    risk: float
    severity: str
    count: int
    """The largest number of replicas behind one node of the path."""
    steps: tuple[PathStep, ...]
    sources: tuple[str, ...] = ()
    """The entry points whose paths differ from this one only by replica, this one's included, sorted."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The C-ids of all steps, sorted, each once."""
        return tuple(sorted({fact for step in self.steps for fact, _ in step.facts}))

    @property
    def verdict(self) -> str:
        """``on``, or ``cond`` if any step is."""
        return "cond" if any(step.facts for step in self.steps) else "on"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes in order."""
        return (self.source, *(step.target for step in self.steps))


@lru_cache(maxsize=4096)
def risk_of(value: float, open_to: float, effort: int, steps: int, conditions: int) -> float:
    """The risk of a path, with one decimal (DESIGN, Analysis)."""
    return round(value * open_to * _PER_EFFORT ** (effort - steps) * _PER_CONDITION**conditions, 1)


def severity_of(risk: float) -> str:
    """The word for a risk, as it is shown: critical from 8, high from 6, medium from 3."""
    return "critical" if risk >= 8 else "high" if risk >= 6 else "medium" if risk >= 3 else "low"


@dataclass(frozen=True, slots=True)
class Entries:
    """The entry points of a search."""

    ids: tuple[str, ...]
    """Sorted, each once; also those that the graph has no edge of."""
    numbers: Ints
    """Their numbers in the graph, sorted."""
    exposures: Floats
    """The exposures that occur."""
    which: Ints
    """For each of ``numbers`` its place in ``exposures``."""

    @classmethod
    def of(cls, compiled: Compiled, ids: Iterable[str]) -> Entries:
        """The entry points of some ids."""
        # What is sorted already stays so, which sorting notices.
        wanted = tuple(sorted(dict.fromkeys(ids)))
        numbers = np.sort(compiled.numbers(wanted))
        return cls(wanted, numbers, *_exposures(compiled, numbers))

    def changed(self, compiled: Compiled, went: Collection[str], came: Collection[str]) -> Entries:
        """The same without some ids, of which each is there, and with others, of which none is.

        Args:
            compiled: The graph, or the same after a what-if.
            went: The ids that go.
            came: The ids that come.
        """
        if not went and not came:
            return self
        ids = list(self.ids)
        for node in went:
            del ids[bisect_left(ids, node)]
        for node in came:
            insort(ids, node)
        numbers = np.setdiff1d(self.numbers, compiled.numbers(went), assume_unique=True)
        more = np.sort(compiled.numbers(came))
        where = np.searchsorted(numbers, more)
        each = self.exposures[self.which[np.searchsorted(self.numbers, numbers)]]
        fresh = np.array([exposure(compiled.nodes[number]) for number in more.tolist()], np.float64)
        exposures, which = np.unique(np.insert(each, where, fresh), return_inverse=True)
        return Entries(tuple(ids), np.insert(numbers, where, more), exposures, which.astype(np.int64))


def _exposures(compiled: Compiled, numbers: Ints) -> tuple[Floats, Ints]:
    # Nodes of one kind are equally open but for some that everybody knows by name.
    each = np.array([exposure(f"{kind}:") for kind in compiled.kinds], np.float64)[compiled.kind_numbers(numbers)]
    for place in np.flatnonzero(np.isin(numbers, compiled.numbers(UNAUTHENTICATED))).tolist():
        each[place] = exposure(compiled.nodes[numbers[place]])
    exposures, which = np.unique(each, return_inverse=True)
    return exposures, which.astype(np.int64)


@dataclass(frozen=True)
class _Ranked:
    """All groups of paths of a set, as columns: one entry for each tree, group and target."""

    tree: Int32s
    group: Int32s
    target: Int32s
    risk: Int32s
    """In tenths."""
    effort: Int32s


@dataclass
class PathSet:
    """The best path of every entry point to every crown jewel, ranked; paths are built when somebody asks.

    Attributes:
        compiled, replicas: The graph and its replicas.
        starts: The entry points.
        jewels: The values of the crown jewels by id, sorted.
        leading: What leads to the jewels.
        trees: One search for each jewel, or for several that are alike.
    """

    compiled: Compiled
    replicas: Replicas
    starts: Entries
    jewels: Mapping[str, float]
    leading: Leading
    trees: Sequence[Tree]
    _risks: dict[tuple[int, float], Int32s] = field(default_factory=dict, repr=False)
    _steps: dict[tuple[int, ...], PathStep] = field(default_factory=dict, repr=False)
    _behind: dict[tuple[int, int], int] = field(default_factory=dict, repr=False)

    @property
    def entries(self) -> tuple[str, ...]:
        """The ids of the entry points, sorted."""
        return self.starts.ids

    @property
    def pairs(self) -> int:
        """How many pairs of an entry point and a crown jewel have a path."""
        return sum(tree.count * len(tree.targets) for tree in self.trees)

    @cached_property
    def entries_leading(self) -> int:
        """How many entry points lead to some crown jewel, or are one."""
        leads = self.leading.leading_to(self.compiled.numbers(self.jewels).tolist())
        return int(np.count_nonzero(leads[self.leading.inside(self.starts.numbers)]))

    @property
    def summary(self) -> dict[str, int]:
        """The counts that reports print."""
        return {
            "entry_points": len(self.entries),
            "crown_jewels": len(self.jewels),
            "pairs_with_a_path": self.pairs,
        }

    @property
    def total(self) -> int:
        """How many paths there are, each shown once for all replicas."""
        return len(self._ranked.risk)

    @property
    def severities(self) -> dict[str, int]:
        """How many paths there are of each severity, the worst first."""
        return _severities(self._ranked.risk)

    def pairs_to(self, jewel: str) -> Ints:
        """The numbers of the entry points that have a path to a jewel, sorted."""
        number = self.compiled.number(jewel)
        for tree in self.trees:
            if number in tree.targets:
                return tree.sources
        return np.empty(0, np.int64)

    def paths(self, limit: int | None = None) -> list[Path]:
        """The paths by risk, then effort, then ids; all of them without a limit."""
        if limit is not None and limit <= 0:
            return []
        return [self._path(*place) for place in self._best(limit)]

    def path(self, source: str, target: str) -> Path | None:
        """The best path of an entry point to a jewel, ``None`` if there is none."""
        start, goal = self.compiled.number(source), self.compiled.number(target)
        for at, tree in enumerate(self.trees):
            if goal is not None and goal in tree.targets:
                place = tree.place(start) if start is not None else -1
                if start is not None and place >= 0:
                    return self._path(at, int(tree.group[place]), goal, start)
        return None

    def having(self, pairs: Callable[[int], Ints]) -> Bools:
        """Which paths of the ranking have an entry point of their own among some.

        Args:
            pairs: For the number of a target, the numbers of entry points, sorted.
        """
        out: list[Bools] = []
        for tree in self.trees:
            if not len(tree.firsts):
                continue
            for target in tree.targets:
                out.append(np.logical_or.reduceat(tree.having(pairs(target))[tree.order], tree.starts[:-1]))
        return np.concatenate(out) if out else np.empty(0, np.bool_)

    def listed(self, which: Bools, limit: int | None = None) -> list[Path]:
        """Some paths of the ranking, as :meth:`having` marks them, in the order of the list."""
        return [self._path(*place) for place in self._best(limit, np.flatnonzero(which))]

    # --- ranking ----------------------------------------------------------------------------------

    def _risks_of(self, at: int, target: int) -> Int32s:
        """The risk, in tenths, of the path of each place of a tree to one of its targets."""
        value = self.jewels[self.compiled.nodes[target]]
        found = self._risks.get((at, value))
        if found is None:
            tree = self.trees[at]
            amounts = np.array([len(each) for each in self.compiled.condition_sets], np.int64)[tree.conditions]
            # Twins are equally open, for they are of one kind.
            which = self._exposure[tree.leaders]
            # Few combinations occur, so each risk is computed once.
            sizes = [int(part.max(initial=0)) + 1 for part in (tree.effort, tree.steps, amounts, which)]
            key = np.ravel_multi_index((tree.effort, tree.steps, amounts, which), sizes)
            occurring = np.zeros(int(np.prod(sizes)), np.bool_)
            occurring[key] = True
            table = np.zeros(len(occurring), np.int32)
            open_to = self.starts.exposures.tolist()
            for place in np.flatnonzero(occurring).tolist():
                effort, steps, conditions, kind = (int(part) for part in np.unravel_index(place, sizes))
                table[place] = round(10 * risk_of(value, open_to[kind], effort, steps, conditions))
            found = self._risks[at, value] = table[key]
        return found

    @cached_property
    def _exposure(self) -> Ints:
        """For each node that is an entry point the place of its exposure."""
        out = np.zeros(len(self.compiled.nodes), np.int64)
        out[self.starts.numbers] = self.starts.which
        return out

    @cached_property
    def _ranked(self) -> _Ranked:
        columns: list[list[Int32s]] = [[], [], [], [], []]
        for at, tree in enumerate(self.trees):
            if not len(tree.firsts):
                continue
            begins = tree.starts[:-1]
            for target in tree.targets:
                each = self._risks_of(at, target)[tree.order]
                risk = np.maximum.reduceat(each, begins)
                worst = each == risk[tree.group[tree.order]]
                effort = np.minimum.reduceat(np.where(worst, tree.effort[tree.order], 1 << 30), begins)
                row = np.full(len(risk), at), np.arange(len(risk)), np.full(len(risk), target), risk, effort
                for column, part in zip(columns, row, strict=True):
                    column.append(part.astype(np.int32))
        return _Ranked(*(np.concatenate(parts) if parts else np.empty(0, np.int32) for parts in columns))

    def _best(self, limit: int | None, among: Ints | None = None) -> list[tuple[int, int, int, int]]:
        """The first paths of the list: tree, group, target, and the number of the source that is shown."""
        ranked = self._ranked
        places = np.arange(len(ranked.risk)) if among is None else among
        risk, effort = ranked.risk[places], ranked.effort[places]
        key = (1 << 40) * (1000 - risk.astype(np.int64)) + effort
        if limit is not None and limit < len(places):
            # Whatever is as good as the last one may stand before it by its ids.
            places = places[key <= np.partition(key, limit - 1)[limit - 1]]
        nodes = self.compiled.nodes
        rows: list[tuple[int, int, str, str, tuple[int, int, int, int]]] = []
        for place in places:
            at, group, target = int(ranked.tree[place]), int(ranked.group[place]), int(ranked.target[place])
            shown = self._shown(at, group, target, int(ranked.risk[place]), int(ranked.effort[place]))
            rows.append(
                (
                    -int(ranked.risk[place]),
                    int(ranked.effort[place]),
                    nodes[shown],
                    nodes[target],
                    (at, group, target, shown),
                )
            )
        rows.sort()
        return [row[4] for row in rows[:limit]]

    def _shown(self, at: int, group: int, target: int, risk: int, effort: int) -> int:
        """The number of the source of a group that is shown: the first id of those with the highest risk and the least
        effort.
        """
        tree = self.trees[at]
        members = tree.members(group)
        best = members[(self._risks_of(at, target)[members] == risk) & (tree.effort[members] == effort)]
        shown: int = min(tree.sources_at(best).tolist(), key=self.compiled.nodes.__getitem__)
        return shown

    # --- building ---------------------------------------------------------------------------------

    def _path(self, at: int, group: int, target: int, source: int) -> Path:
        tree = self.trees[at]
        members = tree.sources_at(tree.members(group)).tolist()
        sources = tuple(sorted(self.compiled.nodes[member] for member in members))
        return self.build(walk(tree, source, target), sources)

    def build(self, chain: Sequence[int], sources: tuple[str, ...] = ()) -> Path:
        """The path along some nodes by number, hubs included.

        Raises:
            LookupError: Two nodes that follow each other are not joined.
        """
        nodes = self.compiled.nodes
        steps = tuple(self._step(links) for links in _links(self.compiled, chain))
        source, target = nodes[chain[0]], nodes[chain[-1]]
        conditions = {fact for step in steps for fact, _ in step.facts}
        effort = sum(step.effort for step in steps)
        value = self.jewels.get(target, 6.0)
        risk = risk_of(value, exposure(source), effort, len(steps), len(conditions))
        return Path(
            id=self.fingerprint(chain, steps),
            source=source,
            target=target,
            effort=effort,
            risk=risk,
            severity=severity_of(risk),
            count=max(len(sources), self._replicas_behind(chain), 1),
            steps=steps,
            sources=sources or (source,),
        )

    def _step(self, links: tuple[int, ...]) -> PathStep:
        """The step along some nodes, of which people see the first and the last; paths share most of their steps."""
        found = self._steps.get(links)
        if found is None:
            found = self._steps[links] = step_along(self.compiled, links)
        return found

    def fingerprint(self, chain: Sequence[int], steps: Sequence[PathStep]) -> str:
        """The id of a path: its techniques and nodes in order, replicas collapsed (``remediation.md`` section 4).

        Of targets that are replicas of each other, all but the first count on, or two paths would share an id.
        """
        keys = self.keys(chain)
        words = [keys[0]]
        for step, key in zip(steps, keys[1:], strict=True):
            words += [step.technique, key]
        alike = self._alike.get(chain[-1], 0)
        if alike:
            words.append(f"#{alike}")
        return "v1:" + hashlib.sha256("\n".join(words).encode()).hexdigest()[:_FINGERPRINT]

    def keys(self, chain: Sequence[int]) -> list[str]:
        """What the nodes that people see are called once replicas are collapsed."""
        shown = [number for number in chain if not self.compiled.hub[number]]
        out = [self.replicas.key(shown[0])]
        direct = set(pairwise(chain))
        for before, number in pairwise(shown):
            at_home = self.replicas.own_node(before) == number and (before, number) in direct and number != shown[-1]
            out.append(OWN_NODE if at_home else self.replicas.key(number))
        return out

    @cached_property
    def _alike(self) -> dict[int, int]:
        """For each jewel by number how many that are replicas of the same thing come before it."""
        seen: dict[str, int] = {}
        out: dict[int, int] = {}
        for jewel in sorted(self.jewels):
            number = self.compiled.number(jewel)
            if number is not None:
                key = self.replicas.key(number)
                out[number] = seen[key] = seen.get(key, -1) + 1
        return out

    def _replicas_behind(self, chain: Sequence[int]) -> int:
        """The largest number of replicas that could stand in for one node: what leads to it leads to them too."""
        replicas, compiled = self.replicas, self.compiled
        most = 1
        for before, number in pairwise(chain):
            if replicas.has_replicas(number):
                [own] = replicas.classes_of(np.array([number])).tolist()
                key = (before, own)
                if key not in self._behind:
                    row = compiled.indices[compiled.indptr[before] : compiled.indptr[before + 1]]
                    self._behind[key] = int(np.count_nonzero(replicas.classes_of(row) == own))
                most = max(most, self._behind[key])
        return most


def _severities(risks: Int32s) -> dict[str, int]:
    edges = {"critical": (80, 1 << 20), "high": (60, 80), "medium": (30, 60), "low": (-1, 30)}
    return {name: int(np.count_nonzero((risks >= low) & (risks < high))) for name, (low, high) in edges.items()}


def _links(compiled: Compiled, chain: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """The nodes of a path in the pieces that people see as steps."""
    start = 0
    for at in range(1, len(chain)):
        if not compiled.hub[chain[at]]:
            yield tuple(chain[start : at + 1])
            start = at


def step_along(compiled: Compiled, chain: Sequence[int]) -> PathStep:
    """The step from one node to another that people see; between them there are only hubs.

    Raises:
        LookupError: Two nodes that follow each other are not joined.
    """
    nodes, catalogue = compiled.nodes, compiled.catalogue
    edges = tuple(compiled.best(*link) for link in pairwise(chain))
    main = next((edge for edge in edges if not catalogue.internal[catalogue.numbers[edge.technique]]), edges[0])
    return PathStep(
        source=nodes[chain[0]],
        target=nodes[chain[-1]],
        technique=main.technique,
        title=catalogue.titles[catalogue.numbers[main.technique]],
        effort=sum(edge.effort for edge in edges),
        facts=tuple(sorted({fact for edge in edges for fact in edge.missing})),
        edges=edges,
        others=tuple(sorted(_techniques(compiled, chain[0], chain[-1]) - {main.technique})),
    )


def _techniques(compiled: Compiled, source: int, target: int) -> set[str]:
    """The techniques that lead from one node to another, directly or through one hub."""
    found = {edge.technique for edge in best_records(compiled.records(source, target))}
    row = compiled.indices[compiled.indptr[source] : compiled.indptr[source + 1]]
    for hub in row[compiled.hub[row]]:
        if compiled.edge_at(int(hub), target) >= 0:
            found |= {edge.technique for edge in best_records(compiled.records(source, int(hub)))}
            found |= {edge.technique for edge in best_records(compiled.records(int(hub), target))}
    numbers, internal = compiled.catalogue.numbers, compiled.catalogue.internal
    return {technique for technique in found if not internal[numbers[technique]]}


def find_paths(
    compiled: Compiled,
    replicas: Replicas,
    entries: Iterable[str],
    jewels: Mapping[str, float],
) -> PathSet:
    """Search the best path of every entry point to every crown jewel.

    Args:
        compiled: The graph.
        replicas: Its replicas.
        entries: The ids of the entry points.
        jewels: The values of the crown jewels by id.
    """
    starts = Entries.of(compiled, entries)
    goals = compiled.numbers(jewels).tolist()
    leading = Leading(compiled, goals)
    searches = Searches(leading, replicas, starts.numbers)
    trees = [searches.tree(group) for group in grouped(leading, starts.numbers, goals)]
    return PathSet(compiled, replicas, starts, dict(sorted(jewels.items())), leading, trees)
