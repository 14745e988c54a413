"""The graph as columns: one record for each cause of each edge, in buckets by (technique, subject).

Several records may join the same two nodes by one technique (parallel causes) or by several techniques. One
edge is shown for each (source, target, technique): of several causes the best (``on`` before ``cond``, least
effort, fewest missing facts). The edge goes when its last cause goes.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, count, islice, pairwise
from operator import ne
from typing import Any, TypeAlias, TypeVar

from workbench.graph import nodes

Fact: TypeAlias = tuple[str, str]
"""A missing fact and the object it is about: ``("C-VULN", "Image:nginx")``."""

SURCHARGE = 2
"""What a conditional verdict adds to the effort, once (``catalogue.md`` section 0)."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One record of the graph."""

    source: str
    target: str
    technique: str
    effort: int
    """With the surcharge of a conditional verdict; 0 out of a hub."""
    missing: tuple[Fact, ...]
    cause: Any
    """The small key from which the technique rebuilds the evidence."""

    @property
    def verdict(self) -> str:
        """``on`` or ``cond``."""
        return "cond" if self.missing else "on"

    @property
    def conditions(self) -> tuple[str, ...]:
        """The ids of the missing facts, sorted, each once."""
        return tuple(sorted({fact for fact, _ in self.missing}))

    @property
    def rank(self) -> tuple[bool, int, int, tuple[Fact, ...]]:
        """What orders parallel causes, the best first; equally good ones by the facts, not by order of appearance."""
        return (bool(self.missing), self.effort, len(self.missing), self.missing)


@dataclass(frozen=True, slots=True)
class BlockedEdge:
    """An edge that a mitigation turns off, kept to answer "why not?"."""

    source: str
    target: str
    technique: str
    mitigation: str


_T = TypeVar("_T", bound=Hashable)


def _numbering() -> dict[_T, int]:
    """The number of each item in the order of their appearance; looking up a new one gives it the next."""
    return defaultdict(count().__next__)


def _catch_up(items: list[_T], numbers: dict[_T, int]) -> None:
    """Append to a list the items that were numbered since it was complete."""
    items += [*islice(reversed(numbers), len(numbers) - len(items))][::-1]


class Columns:
    """The records of one technique, as they are found: the end of the columns of the graph, but for the causes."""

    __slots__ = ("causes", "effort", "missing", "source", "target")

    def __init__(self, graph: Graph) -> None:
        self.source = graph.source
        self.target = graph.target
        self.effort = graph.effort
        self.missing = graph.missing
        self.causes: list[Any] = []


class Graph:
    """Nodes and records; built once, then read only.

    Attributes:
        nodes: The ids, in the order of their numbers.
        numbers: The number of each id.
        techniques: The technique ids, in the order of their numbers.
        source, target, technique, effort, missing: The columns of the records; ``missing`` is a number of
            ``facts``, where 0 is the empty set.
        facts: The sets of missing facts, in the order of their numbers.
        fact_numbers: The number of each set.
        blocked: What a mitigation turned off.
    """

    def __init__(self, techniques: Sequence[str]) -> None:
        self.nodes: list[str] = []
        self.numbers: dict[str, int] = _numbering()
        self.techniques = list(techniques)
        self.technique_numbers = {technique: number for number, technique in enumerate(techniques)}
        self.source = array("i")
        self.target = array("i")
        self.technique = array("H")
        self.effort = array("B")
        self.missing = array("i")
        self.facts: list[tuple[Fact, ...]] = [()]
        self.fact_numbers: dict[tuple[Fact, ...], int] = _numbering()
        self.fact_numbers[()]  # the empty set is the first
        self.blocked: list[BlockedEdge] = []
        self._causes: list[list[Any] | None] = [None for _ in techniques]
        self._positions: list[range] = [range(0) for _ in techniques]
        self._laid_out: list[tuple[list[str], array[int]] | None] = [None for _ in techniques]
        self._buckets: dict[int, dict[str, range]] = {}

    def number(self, node: str) -> int:
        """The number of a node, which is added if it is new."""
        found = self.numbers[node]
        _catch_up(self.nodes, self.numbers)
        return found

    def add_nodes(self, nodes: Iterable[str]) -> list[int]:
        """Number many nodes in their order; those that are known keep their number."""
        found = list(map(self.numbers.__getitem__, nodes))
        _catch_up(self.nodes, self.numbers)
        return found

    def add(
        self, technique: int, columns: Columns, subjects: list[str] | None = None, starts: Iterable[int] = ()
    ) -> None:
        """Take the records at the end of the columns, which no technique has yet, for those of a technique.

        Args:
            technique: Its number.
            columns: The records, bucket after bucket.
            subjects: The keys of the buckets; ``None``: each record starts at its subject.
            starts: At which of these records each bucket begins.

        Raises:
            TypeError: A node of a record is no id.
        """
        before, known = len(self.technique), len(self.nodes)
        self.technique += array("H", (technique,)) * (len(self.source) - before)
        _catch_up(self.nodes, self.numbers)
        if not set(map(type, self.nodes[known:])) <= {str}:
            raise TypeError(f"{self.techniques[technique]}: a record has no id for a node")
        _catch_up(self.facts, self.fact_numbers)
        self._positions[technique] = range(before, len(self.source))
        self._laid_out[technique] = None if subjects is None else (subjects, array("i", starts))
        # Of most techniques no record has a cause.
        if columns.causes.count(None) != len(columns.causes):
            self._causes[technique] = columns.causes

    def bucket(self, technique: int, subject: str) -> range:
        """The positions of the records of a bucket, empty if there is none."""
        return self._buckets_of(technique).get(subject, range(0))

    def subjects(self, technique: int) -> list[str]:
        """The subjects that a technique has buckets for."""
        return list(self._buckets_of(technique))

    def _buckets_of(self, technique: int) -> dict[str, range]:
        found = self._buckets.get(technique)
        if found is None:
            positions, laid_out = self._positions[technique], self._laid_out[technique]
            keys: Iterable[str]
            if laid_out is not None:
                keys, starts = laid_out
            else:
                source = self.source[positions.start : positions.stop]
                starts = array("i", compress(range(len(source)), chain((True,), map(ne, source, source[1:]))))
                keys = map(self.nodes.__getitem__, map(source.__getitem__, starts))
            parts = (positions[begin:end] for begin, end in pairwise((*starts, len(positions))))
            found = self._buckets[technique] = dict(zip(keys, parts, strict=True))
        return found

    def causes(self, positions: range) -> Sequence[Any]:
        """The causes of records of one technique."""
        if not positions:
            return []
        technique = self.technique[positions.start]
        causes = self._causes[technique]
        if causes is None:
            return [None] * len(positions)
        first = self._positions[technique].start
        return causes[positions.start - first : positions.stop - first]

    def edge(self, position: int) -> Edge:
        """One record."""
        return Edge(
            source=self.nodes[self.source[position]],
            target=self.nodes[self.target[position]],
            technique=self.techniques[self.technique[position]],
            effort=self.effort[position],
            missing=self.facts[self.missing[position]],
            cause=self.cause(position),
        )

    def cause(self, position: int) -> Any:
        """The cause of one record."""
        technique = self.technique[position]
        causes = self._causes[technique]
        return None if causes is None else causes[position - self._positions[technique].start]

    def __len__(self) -> int:
        return len(self.source)

    def edges(self) -> Iterator[Edge]:
        """All records."""
        for position in range(len(self.source)):
            yield self.edge(position)

    def best_edges(self) -> Iterator[Edge]:
        """One edge for each (source, target, technique): the best of its causes; in order of appearance."""
        best: dict[tuple[int, int, int], int] = {}
        for position in range(len(self.source)):
            key = (self.source[position], self.target[position], self.technique[position])
            known = best.get(key)
            if known is None or self._rank(position) < self._rank(known):
                best[key] = position
        for position in best.values():
            yield self.edge(position)

    def _rank(self, position: int) -> tuple[bool, int, int, tuple[Fact, ...]]:
        missing = self.missing[position]
        return (missing != 0, self.effort[position], len(self.facts[missing]), self.facts[missing])

    def kinds(self) -> Mapping[str, int]:
        """How many nodes of each kind there are, hubs aside, sorted by kind."""
        counts: dict[str, int] = {}
        for node in self.nodes:
            kind = nodes.kind(node)
            if kind != nodes.HUB:
                counts[kind] = counts.get(kind, 0) + 1
        return dict(sorted(counts.items()))
