"""A part of the graph as it is written: hubs looked through, and never half a document."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.errors import UsageError
from workbench.graph import nodes
from workbench.graph.graph import Edge, Graph

EDGE_LIMIT = 2_000_000
"""Above this many expanded edges a graph is not written unless it is narrowed."""


class Subgraph:
    """A part of the graph to write: nodes, and edges on demand."""

    def __init__(self, graph: Graph, chosen: set[str] | None, *, hubs: bool) -> None:
        """Choose a part.

        Raises:
            UsageError: It has too many edges once its hubs are expanded.
        """
        self._graph = graph
        self._chosen = chosen
        self._hubs = hubs
        # Before anything is written: a refusal must not leave half a document on standard output.
        size = 0 if hubs else _expanded_size(graph, chosen)
        if size > EDGE_LIMIT:
            raise UsageError(
                f"the graph has {size:,} edges with its hubs expanded: narrow it with --from, --to or --around, "
                "or use --hubs"
            )

    @property
    def nodes(self) -> list[str]:
        """The ids, sorted."""
        return sorted(
            node
            for node in self._graph.nodes
            if (self._hubs or not nodes.is_hub(node)) and (self._chosen is None or node in self._chosen)
        )

    def edges(self) -> Iterator[Edge]:
        """The edges between the nodes, hubs expanded unless they are kept; sorted by source, target, technique."""
        edges = _kept(self._graph, self._chosen) if self._hubs else _expanded(self._graph, self._chosen)
        yield from sorted(edges, key=lambda edge: (edge.source, edge.target, edge.technique))


def members_of(graph: Graph) -> dict[str, list[str]]:
    """The concrete members of each hub."""
    direct: dict[str, list[str]] = {}
    for edge in graph.best_edges():
        if nodes.is_hub(edge.source):
            direct.setdefault(edge.source, []).append(edge.target)

    def of(hub: str) -> list[str]:
        out: list[str] = []
        for member in direct.get(hub, ()):
            out.extend(of(member) if nodes.is_hub(member) else [member])
        return out

    return {hub: of(hub) for hub in direct}


def _kept(graph: Graph, chosen: set[str] | None) -> Iterator[Edge]:
    for edge in graph.best_edges():
        if chosen is None or (edge.source in chosen and edge.target in chosen):
            yield edge


def _expanded_size(graph: Graph, chosen: set[str] | None) -> int:
    """How many edges there are at most between the chosen nodes with the hubs expanded."""
    sizes = {
        hub: len(found) if chosen is None else sum(member in chosen for member in found)
        for hub, found in members_of(graph).items()
    }
    size = 0
    for source, target in zip(graph.source, graph.target, strict=True):
        if chosen is None or graph.nodes[source] in chosen:
            node = graph.nodes[target]
            size += sizes.get(node, 0) if nodes.is_hub(node) else chosen is None or node in chosen
    return size


def _expanded(graph: Graph, chosen: set[str] | None) -> Iterator[Edge]:
    members = {
        hub: found if chosen is None else [member for member in found if member in chosen]
        for hub, found in members_of(graph).items()
    }
    best: dict[tuple[str, str, str], Edge] = {}
    for edge in graph.best_edges():
        if nodes.is_hub(edge.source) or (chosen is not None and edge.source not in chosen):
            continue
        for target in members.get(edge.target, ()) if nodes.is_hub(edge.target) else (edge.target,):
            if target == edge.source or (chosen is not None and target not in chosen):
                continue
            concrete = Edge(edge.source, target, edge.technique, edge.effort, edge.missing, edge.cause)
            key = (edge.source, target, edge.technique)
            if key not in best or concrete.rank < best[key].rank:
                best[key] = concrete
    yield from best.values()


def next_to(graph: Graph, centre: set[str], *, hubs: bool) -> set[str]:
    """The nodes, and those one step from them; hubs are looked through unless they are kept."""
    found = set(centre)
    members = {} if hubs else members_of(graph)
    leading = {hub for hub, inside in members.items() if not centre.isdisjoint(inside)}
    for edge in graph.best_edges():
        if not hubs and nodes.is_hub(edge.source):
            continue
        if edge.source in centre:
            found.update(members.get(edge.target, ()) if edge.target in members else (edge.target,))
        if edge.target in centre or edge.target in leading:
            found.add(edge.source)
    return found
