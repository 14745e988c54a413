"""The buckets that changes touch, computed anew; by the same detectors as the whole graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workbench.graph.graph import SURCHARGE, BlockedEdge, Edge, Fact, Graph
from workbench.inventory.inventory import Inventory
from workbench.techniques.api import Blocked, Found, Technique
from workbench.techniques.build import blocked_edge
from workbench.techniques.registry import all_techniques
from workbench.techniques.touched import ALL, key_of, subject_of, touched


class Bucket:
    """One recomputed bucket: its key and its records now.

    Attributes:
        technique: The technique's number.
        subject: The key.
        blocked: What a mitigation turns off.
    """

    __slots__ = ("_difference", "_edges", "_found", "_name", "blocked", "subject", "technique")

    def __init__(self, technique: int, subject: str, edges: list[Edge], blocked: list[BlockedEdge]) -> None:
        self.technique = technique
        self.subject = subject
        self.blocked = blocked
        self._edges: list[Edge] | None = edges
        self._name = ""
        self._found: list[Found] = []
        self._difference: tuple[list[int], list[Edge]] | None = None

    @classmethod
    def of(cls, technique: Technique, number: int, subject: str, found: Iterable[Found | Blocked]) -> Bucket:
        """A bucket of what a detector yields; most of it is there already, so edges are made when somebody asks."""
        new = cls(number, subject, [], [])
        new._edges, new._name = None, technique.id
        every: list[Any] = list(found)
        if set(map(type, every)) <= {Found}:
            new._found = every
            return new
        for each in every:
            if isinstance(each, Found):
                new._found.append(each)
            else:
                new.blocked.append(blocked_edge(technique, each))
        return new

    @property
    def edges(self) -> list[Edge]:
        """The records."""
        if self._edges is None:
            self._edges = [_edge(self._name, found) for found in self._found]
        return self._edges

    def difference(self, graph: Graph) -> tuple[list[int], list[Edge]]:
        """The positions of the records that are here no more, and the records that are new.

        Args:
            graph: The graph that the bucket was recomputed for; it is the same each time.
        """
        if self._difference is None:
            self._difference = self._compared(graph)
        return self._difference

    def changes(self, graph: Graph) -> bool:
        """Whether anything differs from the graph (:meth:`difference`)."""
        removed, added = self.difference(graph)
        return bool(removed or added)

    def _compared(self, graph: Graph) -> tuple[list[int], list[Edge]]:
        old = graph.bucket(self.technique, self.subject)
        count = len(self._found) if self._edges is None else len(self._edges)
        if not old or not count:
            return list(old), list(self.edges)
        records = self._records()
        before = _records_of(graph, old)
        if before == records:
            return [], []
        # Most of a bucket stays as it is, in order.
        first, least = 0, min(len(old), count)
        while first < least and before[first] == records[first]:
            first += 1
        last = 0
        while last < least - first and before[-1 - last] == records[-1 - last]:
            last += 1
        known: dict[_Record, list[int]] = {}
        for at in range(first, len(old) - last):
            known.setdefault(before[at], []).append(old.start + at)
        added: list[int] = []
        for at in range(first, count - last):
            same = known.get(records[at])
            if same:
                same.pop()
            else:
                added.append(at)
        removed = [position for positions in known.values() for position in positions]
        return removed, [self._edge(at) for at in added]

    def _records(self) -> list[_Record]:
        if self._edges is None:
            return [
                (source, target, effort + SURCHARGE if missing else effort, missing, cause)
                for source, target, effort, missing, cause in self._found
            ]
        return [(edge.source, edge.target, edge.effort, edge.missing, edge.cause) for edge in self._edges]

    def _edge(self, at: int) -> Edge:
        return _edge(self._name, self._found[at]) if self._edges is None else self._edges[at]


_Record = tuple[str, str, int, tuple[Fact, ...], Any]


def _records_of(graph: Graph, positions: range) -> list[_Record]:
    """The records of the graph at some positions."""
    part = slice(positions.start, positions.stop)
    nodes, facts = graph.nodes, graph.facts
    columns = (graph.source[part], graph.target[part], graph.effort[part], graph.missing[part], graph.causes(positions))
    return [
        (nodes[source], nodes[target], effort, facts[missing], cause)
        for source, target, effort, missing, cause in zip(*columns, strict=True)
    ]


def recompute(graph: Graph, view: Inventory, techniques: Sequence[Technique] | None = None) -> Iterator[Bucket]:
    """The buckets that an overlay's changes touch, computed anew over the overlay.

    Args:
        graph: The graph of the inventory that ``view`` lies over.
        view: An overlay of one level.
        techniques: As for :func:`build`.
    """
    chosen = all_techniques() if techniques is None else techniques
    for number, technique in enumerate(chosen):
        keys = touched(technique, view)
        resolved: Iterable[tuple[str, Any]]
        if keys is ALL:
            now = {key_of(subject): subject for subject in technique.subjects(view)}
            resolved = [*now.items(), *((key, None) for key in graph.subjects(number) if key not in now)]
        else:
            resolved = [(key, subject_of(technique, view, key)) for key in sorted(keys)]
        for key, subject in resolved:
            yield Bucket.of(technique, number, key, technique.detect(view, subject) if subject is not None else ())


def _edge(technique: str, found: Found) -> Edge:
    effort = found.effort + (SURCHARGE if found.missing else 0)
    return Edge(found.source, found.target, technique, effort, found.missing, found.cause)
