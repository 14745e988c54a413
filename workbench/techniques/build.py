"""Run the techniques over a view, for its whole graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from workbench.graph import nodes
from workbench.graph.graph import SURCHARGE, BlockedEdge, Columns, Graph
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, Technique
from workbench.techniques.many import Many, ManyTechnique, Node, Record, RecordTechnique, id_of
from workbench.techniques.registry import all_techniques
from workbench.techniques.touched import key_of


def build(view: Inventory, techniques: Sequence[Technique] | None = None) -> Graph:
    """The whole graph of a view.

    Args:
        view: An inventory, or an overlay.
        techniques: The techniques to run, all of the registry by default.
    """
    chosen = all_techniques() if techniques is None else techniques
    graph = Graph([technique.id for technique in chosen])
    graph.add_nodes(all_nodes(view))
    known = _Numbers(graph, view)
    for number, technique in enumerate(chosen):
        _add(graph, view, number, technique, known)
    return graph


class _Numbers(dict[Node, int]):
    """The numbers of pods and containers in a graph.

    To find one takes a third of what the lookup of a text among all nodes does, of which most is not in the processor's
    cache.
    """

    def __init__(self, graph: Graph, view: Inventory) -> None:
        """Number the nodes of all pods of a view, in their order."""
        of_pods: list[PodInstance | ContainerInstance] = []
        for pod in view.pods:
            of_pods.append(pod)
            of_pods += pod.containers
        super().__init__(zip(of_pods, graph.add_nodes([each.id for each in of_pods]), strict=True))
        self._numbers = graph.numbers

    def __missing__(self, node: Node) -> int:
        # An overlay may share what leads to a pod that it holds another one in place of.
        return self._numbers[id_of(node)]

    def of(self, nodes: Sequence[Node]) -> list[int]:
        """The numbers of some nodes, all given by their ids or none."""
        numbers: dict[Any, int] = self._numbers if type(nodes[0]) is str else self
        return list(map(numbers.__getitem__, nodes))


_TOGETHER = 1_000
"""About so many records are turned into columns at once: enough for one call to do it all, few enough to stay in the
processor's cache until then."""


def _add(graph: Graph, view: Inventory, number: int, technique: Technique, known: _Numbers) -> None:
    """Add the records of one technique; a subject that has none gets no bucket."""
    filling = _Filling(graph, technique, known)
    subjects = technique.subjects(view)
    if isinstance(technique, ManyTechnique):
        filling.put((key_of(subject), technique.many(view, subject)) for subject in subjects)
    elif isinstance(technique, RecordTechnique) and technique.from_subject:
        filling.take(technique.records(view, subjects))
        graph.add(number, filling.columns)
        return
    else:
        records = filling.records
        if isinstance(technique, RecordTechnique):
            for record in technique.records(view, filling.each(subjects)):
                records.append(record)
        else:
            for subject in filling.each(subjects):
                records.extend(technique.detect(view, subject))
        filling.empty()
    graph.add(number, filling.columns, filling.subjects, filling.starts)


_EDGES = frozenset({Found, tuple})
"""The types of what is no :class:`Blocked`."""


class _Filling:
    """The columns of one technique while they are filled.

    Attributes:
        records: What was found and is not in the columns yet, subject after subject.
        keys: The keys of these subjects.
        ends: Where in the records each of them ends.
        columns: The records that were moved.
        subjects: The keys of the buckets there.
        starts: Where in the columns each bucket begins.
    """

    def __init__(self, graph: Graph, technique: Technique, known: _Numbers) -> None:
        self._graph = graph
        self._known = known
        self._technique = technique
        self.records: list[Record | Blocked] = []
        self.keys: list[str] = []
        self.ends: list[int] = []
        self.columns = Columns(graph)
        self.subjects: list[str] = []
        self.starts: list[int] = []

    def each(self, subjects: Iterable[Any]) -> Iterator[Any]:
        """Subjects, of which each is done, and its records are there, when the next one is asked for."""
        records, keys, ends = self.records, self.keys, self.ends
        end = 0
        for subject in subjects:
            yield subject
            if len(records) != end:
                end = len(records)
                keys.append(subject if isinstance(subject, str) else subject.id)
                ends.append(end)
                if end > _TOGETHER:
                    self.empty()
                    end = 0

    def empty(self) -> None:
        """Move the records to the columns, each column by one call: a loop over them takes several times as long."""
        if not self.records:
            return
        before = len(self.columns.causes)
        found: list[Any] = self.records
        if set(map(type, found)) <= _EDGES:
            self.subjects += self.keys
            self.starts.append(before)
            self.starts += [before + end for end in self.ends[:-1]]
        else:
            found = self._edges_only(before)
        self._move(found)
        for done in (self.records, self.keys, self.ends):
            done.clear()

    def _move(self, found: list[Any]) -> None:
        if not found:
            return
        graph, columns = self._graph, self.columns
        sources, targets, efforts, missing, causes = zip(*found, strict=True)
        facts = list(map(graph.fact_numbers.__getitem__, missing)) if any(missing) else []
        # An array takes a list at once, and anything else item by item, which is several times as long.
        columns.source.fromlist(self._known.of(sources))
        columns.target.fromlist(self._known.of(targets))
        if facts:
            columns.missing.fromlist(facts)
            efforts = tuple(
                [effort + SURCHARGE if fact else effort for effort, fact in zip(efforts, facts, strict=True)]
            )
        else:
            columns.missing.frombytes(bytes(columns.missing.itemsize * len(missing)))
        columns.effort.frombytes(bytes(efforts))
        columns.causes += causes

    def take(self, records: Iterator[Record | Blocked]) -> None:
        """Move records that each start at their subject to the columns, of which the graph knows the buckets."""
        while found := list(islice(records, _TOGETHER)):
            if not set(map(type, found)) <= _EDGES:
                blocked = [each for each in found if isinstance(each, Blocked)]
                self._graph.blocked += [blocked_edge(self._technique, each) for each in blocked]
                found = [each for each in found if not isinstance(each, Blocked)]
            self._move(found)

    def put(self, buckets: Iterable[tuple[str, Iterable[Many | Blocked]]]) -> None:
        """Add buckets of which most edges have one source."""
        graph, columns = self._graph, self.columns
        of_text: Callable[[Any], int] = graph.numbers.__getitem__
        of_object: Callable[[Any], int] = self._known.__getitem__
        sources: list[int] = []
        targets: list[int] = []
        efforts = bytearray()
        facts: list[int] = []

        def pour() -> None:
            columns.source.fromlist(sources)
            columns.target.fromlist(targets)
            columns.effort.frombytes(efforts)
            columns.missing.fromlist(facts)
            for moved in (sources, targets, efforts, facts):
                moved.clear()

        for key, found in buckets:
            before = len(columns.causes)
            for each in found:
                if isinstance(each, Blocked):
                    graph.blocked.append(blocked_edge(self._technique, each))
                    continue
                source, reached, effort, missing, causes = each
                count = len(reached)
                if not count:
                    continue
                fact = graph.fact_numbers[missing]
                sources += [of_text(source) if isinstance(source, str) else of_object(source)] * count
                targets += map(of_text if isinstance(reached[0], str) else of_object, reached)
                efforts += bytes((effort + SURCHARGE if fact else effort,)) * count
                facts += [fact] * count
                columns.causes += [None] * count if causes is None else causes
            if len(columns.causes) != before:
                self.subjects.append(key)
                self.starts.append(before)
                if len(sources) > _TOGETHER:
                    pour()
        pour()

    def _edges_only(self, before: int) -> list[Record]:
        """The records without what a mitigation turns off, which the graph keeps apart; buckets for those that stay."""
        found: list[Record] = []
        begin = 0
        for key, end in zip(self.keys, self.ends, strict=True):
            known = len(found)
            for record in self.records[begin:end]:
                if isinstance(record, Blocked):
                    self._graph.blocked.append(blocked_edge(self._technique, record))
                else:
                    found.append(record)
            if len(found) != known:
                self.subjects.append(key)
                self.starts.append(before + known)
            begin = end
        return found


def all_nodes(view: Inventory) -> list[str]:
    """The nodes that exist without any edge, those of pods aside: the two ends, and every object that is a node."""
    return [nodes.INTERNET, nodes.CLUSTER_ADMIN, *access.object_nodes(view)]


def blocked_edge(technique: Technique, found: Blocked) -> BlockedEdge:
    """What a mitigation turns off, as the graph keeps it."""
    return BlockedEdge(found.source, found.target, technique.id, found.mitigation)
