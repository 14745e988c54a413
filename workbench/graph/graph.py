"""The graph as columns: one record for each cause of each edge, in buckets by (technique, subject).

Several records may join the same two nodes by one technique (parallel causes) or by several techniques. One
edge is shown for each (source, target, technique): of several causes the best (``on`` before ``cond``, least
effort, fewest missing facts). The edge goes when its last cause goes.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

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


class _Numbers(dict[_T, int], Generic[_T]):
    """The number of each item of a list; one that is new gets the next, so that a known one is a single look-up."""

    __slots__ = ("_items",)

    def __init__(self, items: list[_T]) -> None:
        super().__init__((item, number) for number, item in enumerate(items))
        self._items = items

    def __missing__(self, item: _T) -> int:
        found = self[item] = len(self._items)
        self._items.append(item)
        return found


class Columns:
    """The records of one technique, as they are found."""

    __slots__ = ("causes", "effort", "missing", "source", "target")

    def __init__(self) -> None:
        self.source = array("i")
        self.target = array("i")
        self.effort = array("B")
        self.missing = array("i")
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
        causes: The cause of each record.
        blocked: What a mitigation turned off.
    """

    def __init__(self, techniques: Sequence[str]) -> None:
        self.nodes: list[str] = []
        self.numbers: dict[str, int] = _Numbers(self.nodes)
        self.techniques = list(techniques)
        self.technique_numbers = {technique: number for number, technique in enumerate(techniques)}
        self.source = array("i")
        self.target = array("i")
        self.technique = array("H")
        self.effort = array("B")
        self.missing = array("i")
        self.causes: list[Any] = []
        self.facts: list[tuple[Fact, ...]] = [()]
        self.fact_numbers: dict[tuple[Fact, ...], int] = _Numbers(self.facts)
        self.blocked: list[BlockedEdge] = []
        self._bucket_keys: list[list[str]] = [[] for _ in techniques]
        self._bucket_starts: list[array[int]] = [array("i") for _ in techniques]
        self._bucket_ends: list[int] = [0 for _ in techniques]
        self._buckets: dict[int, dict[str, range]] = {}

    def number(self, node: str) -> int:
        """The number of a node, which is added if it is new."""
        return self.numbers[node]

    def add_nodes(self, nodes: Iterable[str]) -> None:
        """Number many nodes in their order; those that are known keep their number."""
        new = [node for node in dict.fromkeys(nodes) if node not in self.numbers]
        self.numbers.update(zip(new, range(len(self.nodes), len(self.nodes) + len(new)), strict=True))
        self.nodes += new

    def fact_number(self, missing: tuple[Fact, ...]) -> int:
        """The number of a set of missing facts."""
        return self.fact_numbers[missing]

    def add(self, technique: int, columns: Columns, subjects: list[str], starts: list[int]) -> None:
        """Append all records of a technique.

        Args:
            technique: Its number.
            columns: The records, bucket after bucket.
            subjects: The keys of the buckets.
            starts: Where in the columns each bucket begins.
        """
        before = len(self.source)
        self.source += columns.source
        self.target += columns.target
        self.technique += array("H", (technique,)) * len(columns.source)
        self.effort += columns.effort
        self.missing += columns.missing
        self.causes += columns.causes
        self._bucket_keys[technique] = subjects
        self._bucket_starts[technique] = array("i", [before + start for start in starts])
        self._bucket_ends[technique] = len(self.source)

    def bucket(self, technique: int, subject: str) -> range:
        """The positions of the records of a bucket, empty if there is none."""
        buckets = self._buckets.get(technique)
        if buckets is None:
            keys, starts = self._bucket_keys[technique], self._bucket_starts[technique]
            ends = [*starts[1:], self._bucket_ends[technique]] if starts else []
            buckets = self._buckets[technique] = {
                key: range(start, end) for key, start, end in zip(keys, starts, ends, strict=True)
            }
        return buckets.get(subject, range(0))

    def subjects(self, technique: int) -> list[str]:
        """The subjects that a technique has buckets for."""
        return self._bucket_keys[technique]

    def edge(self, position: int) -> Edge:
        """One record."""
        return Edge(
            source=self.nodes[self.source[position]],
            target=self.nodes[self.target[position]],
            technique=self.techniques[self.technique[position]],
            effort=self.effort[position],
            missing=self.facts[self.missing[position]],
            cause=self.causes[position],
        )

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
